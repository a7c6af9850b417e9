//! What finance adds to months by hand.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{StoreError, StoreResult};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

/// Yen that come on no AWS bill and are shared like a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManualPool {
    pub period: BillingPeriod,
    pub name: String,
    /// Whose usage it is shared by, and whose journal books it.
    pub payer: String,
    pub jpy: Amount,
    pub reason: String,
    pub recorded_by: String,
}

/// Those of a month, or all.
pub async fn list_manual_pools(
    connection: &mut PgConnection,
    period: Option<BillingPeriod>,
) -> StoreResult<Vec<StoredManualPool>> {
    let first_day = period.map(BillingPeriod::first_day);
    let rows = sqlx::query_file!("queries/manual_pools/list.sql", first_day as _)
        .fetch_all(connection)
        .await?;
    let pools = rows.into_iter().map(|row| {
        Ok(StoredManualPool {
            period: BillingPeriod::of(row.billing_period),
            name: row.name,
            payer: row.payer,
            jpy: Amount::from_decimal(row.jpy).ok_or(StoreError::TooLarge)?,
            reason: row.reason,
            recorded_by: row.recorded_by,
        })
    });
    pools.collect()
}

/// Records one; false where its month has one of the name.
pub async fn record_manual_pool(
    connection: &mut PgConnection,
    pool: &StoredManualPool,
    at: DateTime<Utc>,
) -> StoreResult<bool> {
    let inserted = sqlx::query_file_scalar!(
        "queries/manual_pools/insert.sql",
        pool.period.first_day(),
        pool.name,
        pool.payer,
        pool.jpy.to_decimal().ok_or(StoreError::TooLarge)?.normalize(),
        pool.reason,
        pool.recorded_by,
        at,
    );
    Ok(inserted.fetch_optional(connection).await?.is_some())
}

/// Takes one out; whether it was there.
pub async fn delete_manual_pool(connection: &mut PgConnection, period: BillingPeriod, name: &str) -> StoreResult<bool> {
    let done = sqlx::query_file!("queries/manual_pools/delete.sql", period.first_day(), name)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Payers with a bill in a month.
pub async fn list_payers(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<Vec<String>> {
    let payers = sqlx::query_file_scalar!("queries/manual_pools/list_payers.sql", period.first_day());
    Ok(payers.fetch_all(connection).await?)
}
