//! Who called in a month, and whose that is.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use sqlx::PgConnection;

use super::{StoreError, StoreResult};
use crate::domain::attribution::EvidenceTags;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::text::comparable_name;

/// A principal's usage under one decision.
#[derive(Debug, Clone)]
pub struct PrincipalUse {
    /// `None` where the bill names no caller.
    pub arn: Option<String>,
    pub state: String,
    pub reason: Option<String>,
    pub department: Option<String>,
    pub person: Option<String>,
    pub rule: Option<String>,
    pub currency: String,
    pub lines: i64,
    pub cost: Amount,
}

pub async fn list_principals(
    connection: &mut PgConnection,
    period: BillingPeriod,
    state: Option<&str>,
    limit: i64,
    offset: i64,
) -> StoreResult<Vec<PrincipalUse>> {
    let rows = sqlx::query_file!(
        "queries/principals/list_principals.sql",
        period.first_day(),
        state,
        limit,
        offset
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(PrincipalUse {
                arn: row.arn,
                state: row.state,
                reason: row.reason,
                department: row.department,
                person: row.person,
                rule: row.rule,
                currency: row.currency,
                lines: row.lines,
                cost: Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?,
            })
        })
        .collect()
}

/// Session names of a month that belong to exactly one department, with their person where there is one.
pub async fn list_sessions(
    connection: &mut PgConnection,
    period: BillingPeriod,
) -> StoreResult<BTreeMap<String, (String, Option<String>)>> {
    let rows = sqlx::query_file!("queries/principals/list_sessions.sql", period.first_day())
        .fetch_all(connection)
        .await?;
    let sessions = rows
        .into_iter()
        .map(|row| (comparable_name(&row.session_name), (row.department, row.person)));
    Ok(sessions.collect())
}

/// The sets of tags that principals had in a month, the dearest of each first.
pub async fn list_tags(
    connection: &mut PgConnection,
    period: BillingPeriod,
    arns: &[String],
) -> StoreResult<BTreeMap<String, Vec<EvidenceTags>>> {
    let rows = sqlx::query_file!("queries/principals/list_tags.sql", period.first_day(), arns)
        .fetch_all(connection)
        .await?;
    let mut found: BTreeMap<String, Vec<EvidenceTags>> = BTreeMap::new();
    for row in rows {
        let tags = serde_json::from_value(row.tags).unwrap_or_default();
        found.entry(row.arn).or_default().push(tags);
    }
    Ok(found)
}

/// The tags of a principal in the bill, on its last day of use in the month up to `on`, and which day that is.
pub async fn find_tags(
    connection: &mut PgConnection,
    arn: &str,
    on: NaiveDate,
) -> StoreResult<Option<(NaiveDate, EvidenceTags)>> {
    let row = sqlx::query_file!("queries/principals/find_tags.sql", on.with_day(1), arn, on)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| (row.usage_date, serde_json::from_value(row.tags).unwrap_or_default())))
}

/// The person with the largest attributed cost in each account of a month.
pub async fn list_heaviest(
    connection: &mut PgConnection,
    period: BillingPeriod,
) -> StoreResult<BTreeMap<String, String>> {
    let rows = sqlx::query_file!("queries/principals/list_heaviest.sql", period.first_day())
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|row| (row.account, row.person)).collect())
}
