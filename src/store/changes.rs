//! What a refresh of a month changed: the loaded delivery against the one that it superseded.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use super::{StoreError, StoreResult};
use crate::domain::money::Amount;

/// A day of a department (or of what no department has) whose sums differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayChange {
    pub day: NaiveDate,
    pub charge_type: String,
    pub currency: String,
    pub department: Option<String>,
    pub reason: Option<String>,
    /// New less old.
    pub cost: Amount,
    pub lines: i64,
}

/// All that a delivery changed.
#[derive(Debug, Clone)]
pub struct DeliveryChanges {
    /// When the delivery before was made.
    pub since: DateTime<Utc>,
    /// The largest change first.
    pub days: Vec<DayChange>,
}

impl DeliveryChanges {
    /// New less old of the whole month, per currency.
    pub fn totals(&self) -> BTreeMap<&str, Amount> {
        let mut totals: BTreeMap<&str, Amount> = BTreeMap::new();
        for change in &self.days {
            *totals.entry(&change.currency).or_default() += change.cost;
        }
        totals
    }
}

/// What the loaded delivery changed; `None` where it is the month's first.
pub async fn find_changes(connection: &mut PgConnection, snapshot_id: i32) -> StoreResult<Option<DeliveryChanges>> {
    let before = sqlx::query_file!("queries/changes/find_delivery_before.sql", snapshot_id)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(before) = before else { return Ok(None) };
    let rows = sqlx::query_file!("queries/changes/list_changes.sql", snapshot_id, before.snapshot_id)
        .fetch_all(connection)
        .await?;
    let days = rows.into_iter().map(|row| {
        Ok(DayChange {
            day: row.usage_date,
            charge_type: row.charge_type,
            currency: row.currency,
            department: row.department,
            reason: row.reason,
            cost: Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?,
            lines: row.lines,
        })
    });
    Ok(Some(DeliveryChanges {
        since: before.delivered_at,
        days: days.collect::<StoreResult<_>>()?,
    }))
}
