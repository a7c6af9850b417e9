//! Who called in a month, and whose that is.

use sqlx::PgConnection;

use super::{StoreError, StoreResult};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

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
