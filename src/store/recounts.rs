//! What a recount compares, and what it found.

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};

use super::load::insert_findings;
use super::{StoreError, StoreResult};
use crate::domain::finding::Finding;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::recount::{Answered, RecountKey, Stored, Sum};

/// A loaded month that can be recounted.
#[derive(Debug, Clone)]
pub struct LoadedMonth {
    pub snapshot_id: i32,
    pub source: String,
    pub location: String,
    pub period: BillingPeriod,
    pub digest: String,
    pub recounted_at: Option<DateTime<Utc>>,
}

pub async fn list_loaded(connection: &mut PgConnection) -> StoreResult<Vec<LoadedMonth>> {
    let rows = sqlx::query_file!("queries/recount/list_loaded.sql")
        .fetch_all(connection)
        .await?;
    let months = rows.into_iter().map(|row| LoadedMonth {
        snapshot_id: row.snapshot_id,
        source: row.source,
        location: row.location,
        period: BillingPeriod::of(row.billing_period),
        digest: row.digest,
        recounted_at: row.recounted_at,
    });
    Ok(months.collect())
}

/// Everything that is stored and answered of a source's month, in one moment.
pub async fn sum_stored(connection: &mut PgConnection, source: &str, period: BillingPeriod) -> StoreResult<Stored> {
    let mut transaction = connection
        .begin_with("begin isolation level repeatable read, read only")
        .await?;
    let first_day = period.first_day();
    let mut stored = Stored::default();
    let rows = sqlx::query_file!("queries/recount/sum_stored.sql", first_day, source)
        .fetch_all(&mut *transaction)
        .await?;
    for row in rows {
        if let (Some(code), Some(name)) = (&row.product_code, row.product_name) {
            stored.product_names.insert(code.clone(), name);
        }
        let key = RecountKey {
            day: row.usage_date,
            product_code: row.product_code,
            charge_type: row.charge_type,
            currency: row.currency,
        };
        let cost = Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?;
        stored.sums.entry(key).or_default().add(Sum { lines: row.lines, cost });
    }
    let rows = sqlx::query_file!("queries/recount/sum_answered.sql", first_day, source)
        .fetch_all(&mut *transaction)
        .await?;
    for row in rows {
        let cost = Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?;
        stored.answered.push(Answered {
            roll_up: row.roll_up,
            day: row.usage_date,
            charge_type: row.charge_type,
            currency: row.currency,
            sum: Sum { lines: row.lines, cost },
        });
    }
    transaction.commit().await?;
    Ok(stored)
}

/// Notes a recount of a delivery, in the place of an earlier one.
pub async fn note_recount(
    connection: &mut PgConnection,
    snapshot_id: i32,
    findings: &[Finding],
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let mut transaction = connection.begin().await?;
    sqlx::query_file!("queries/recount/delete_findings.sql", snapshot_id)
        .execute(&mut *transaction)
        .await?;
    insert_findings(&mut transaction, snapshot_id, findings).await?;
    let differences = i32::try_from(findings.len()).unwrap_or(i32::MAX);
    sqlx::query_file!("queries/recount/upsert_recount.sql", snapshot_id, now, differences)
        .execute(&mut *transaction)
        .await?;
    Ok(transaction.commit().await?)
}
