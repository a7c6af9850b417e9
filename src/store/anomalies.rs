//! Days of what could be unusual, what such days are made of, and episodes that are not over.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, Utc};
use sqlx::PgConnection;

use super::alerts::Subject;
use super::{StoreError, StoreResult};
use crate::domain::anomaly::{Part, Parts};
use crate::domain::forecast::projection::History;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

/// Scope and code.
pub type Whose = (String, String);

/// Use by the day over some weeks of whatever had a day of at least so much lately.
pub async fn list_histories(
    connection: &mut PgConnection,
    (from, to): (NaiveDate, NaiveDate),
    lately: NaiveDate,
    least: Amount,
) -> StoreResult<BTreeMap<Whose, History>> {
    let rows = sqlx::query_file!(
        "queries/anomalies/list_days.sql",
        BillingPeriod::of(from).first_day(),
        from,
        to,
        lately,
        least.to_decimal().ok_or(StoreError::TooLarge)?
    )
    .fetch_all(connection)
    .await?;
    let mut histories: BTreeMap<Whose, History> = BTreeMap::new();
    for row in rows {
        let cost = Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?;
        let of = histories.entry((row.scope, row.code)).or_default();
        of.days.insert(row.usage_date, cost);
    }
    Ok(histories)
}

/// What a day is made of, and what the same weekday of the four weeks before is on average.
pub async fn read_parts(connection: &mut PgConnection, whose: &Whose, day: NaiveDate) -> StoreResult<(Parts, Parts)> {
    let usual_days: Vec<NaiveDate> = (1..=4).map(|week| day - Days::new(7 * week)).collect();
    let days: Vec<NaiveDate> = usual_days.iter().copied().chain([day]).collect();
    let periods: BTreeSet<NaiveDate> = days.iter().map(|of| BillingPeriod::of(*of).first_day()).collect();
    let periods: Vec<NaiveDate> = periods.into_iter().collect();
    let rows = sqlx::query_file!("queries/anomalies/sum_parts.sql", &periods, &days, whose.0, whose.1)
        .fetch_all(connection)
        .await?;
    let (mut now, mut usual) = (Parts::new(), Parts::new());
    for row in rows {
        let parts = if row.usage_date == day { &mut now } else { &mut usual };
        let part = parts.entry((row.model, row.route)).or_default();
        *part = Part {
            tokens: part.tokens + row.tokens,
            cost: part.cost + Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?,
        };
    }
    let weeks = i64::try_from(usual_days.len()).unwrap_or(1);
    for part in usual.values_mut() {
        *part = Part {
            tokens: part.tokens / weeks,
            cost: Amount::from_units(part.cost.units() / i128::from(weeks)),
        };
    }
    Ok((now, usual))
}

/// Episodes that were told lately: subject and first day, and whether they go on.
pub async fn list_episodes(connection: &mut PgConnection, since: NaiveDate) -> StoreResult<BTreeMap<Subject, bool>> {
    let rows = sqlx::query_file!("queries/anomalies/list_open.sql", since)
        .fetch_all(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| ((row.subject, row.window_from), row.is_open))
        .collect())
}

pub async fn end_episode(connection: &mut PgConnection, episode: &Subject, at: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query_file!("queries/anomalies/end_episode.sql", episode.0, episode.1, at)
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether anything was ever noted; before the first load there is nothing.
pub async fn has_first_seen(connection: &mut PgConnection) -> StoreResult<bool> {
    let found = sqlx::query_file_scalar!("queries/alerts/has_first_seen.sql");
    Ok(found.fetch_one(connection).await?)
}

/// Principals, models, regions and products that were not there before, by their kind; none at the first look, which only notes them.
pub async fn note_first_seen(
    connection: &mut PgConnection,
    at: DateTime<Utc>,
) -> StoreResult<BTreeMap<String, Vec<String>>> {
    let is_baseline = !has_first_seen(connection).await?;
    let rows = sqlx::query_file!("queries/alerts/note_first_seen.sql", at)
        .fetch_all(connection)
        .await?;
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows.into_iter().filter(|_| !is_baseline) {
        seen.entry(row.kind).or_default().push(row.code);
    }
    seen.values_mut().for_each(|codes| codes.sort());
    Ok(seen)
}
