//! Exchange rates and the policies that choose between them.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::StoreResult;
use crate::domain::period::BillingPeriod;
use crate::domain::rate::{DateRule, Rate, RateBook, RateKind, RatePolicy, YenRates};

/// Every rate and policy that counts.
pub async fn read_rate_book(connection: &mut PgConnection, yen: YenRates) -> StoreResult<RateBook> {
    let rates = sqlx::query_file!("queries/rates/list_rates.sql")
        .fetch_all(&mut *connection)
        .await?;
    let policies = sqlx::query_file!("queries/rates/list_policies.sql")
        .fetch_all(connection)
        .await?;
    let rates = rates.into_iter().filter_map(|row| {
        Some(Rate {
            kind: RateKind::parse(&row.kind)?,
            date: row.rate_date,
            value: row.value,
            source: row.source,
            set_by: row.set_by,
        })
    });
    let policies = policies.into_iter().filter_map(|row| {
        Some(RatePolicy {
            valid_from: BillingPeriod::of(row.valid_from),
            kind: RateKind::parse(&row.kind)?,
            date_rule: DateRule::parse(&row.date_rule)?,
            set_by: row.set_by,
        })
    });
    Ok(RateBook {
        rates: rates.collect(),
        policies: policies.collect(),
        planning_default: yen.planning_default,
    })
}

/// Records rates, all in one statement.
pub async fn record_rates(
    connection: &mut PgConnection,
    rates: &[Rate],
    by: &str,
    at: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query_file!(
        "queries/rates/insert_rates.sql",
        &rates
            .iter()
            .map(|rate| rate.kind.as_str().to_owned())
            .collect::<Vec<_>>(),
        &rates.iter().map(|rate| rate.date).collect::<Vec<_>>(),
        &rates.iter().map(|rate| rate.value).collect::<Vec<_>>(),
        &rates.iter().map(|rate| rate.source.clone()).collect::<Vec<_>>(),
        by,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn record_policy(connection: &mut PgConnection, policy: &RatePolicy, at: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query_file!(
        "queries/rates/insert_policy.sql",
        policy.valid_from.first_day(),
        policy.kind.as_str(),
        policy.date_rule.as_str(),
        policy.set_by,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}
