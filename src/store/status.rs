//! What is loaded, how old it is, and what is wrong with it.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::{StoreError, StoreResult};
use crate::domain::finding::Severity;
use crate::domain::freshness::Latest;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

/// A loaded month of a source.
#[derive(Debug, Clone)]
pub struct LoadedDelivery {
    pub snapshot_id: i32,
    pub source: String,
    pub location: String,
    pub period: BillingPeriod,
    pub delivered_at: DateTime<Utc>,
    pub loaded_at: DateTime<Utc>,
    pub lines_read: i64,
    pub lines_kept: i64,
    pub first_day: Option<NaiveDate>,
    pub last_day: Option<NaiveDate>,
    /// The directory has changed since the month's charges were attributed.
    pub directory_is_older: bool,
}

pub async fn list_deliveries(connection: &mut PgConnection) -> StoreResult<Vec<LoadedDelivery>> {
    let rows = sqlx::query_file!("queries/status/list_deliveries.sql")
        .fetch_all(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| LoadedDelivery {
            snapshot_id: row.snapshot_id,
            source: row.source,
            location: row.location,
            period: BillingPeriod::of(row.billing_period),
            delivered_at: row.delivered_at,
            loaded_at: row.loaded_at,
            lines_read: row.lines_read,
            lines_kept: row.lines_kept,
            first_day: row.first_day,
            last_day: row.last_day,
            directory_is_older: row.directory_version < row.newest_directory_version,
        })
        .collect())
}

/// A finding as it is stored.
#[derive(Debug, Clone)]
pub struct StoredFinding {
    /// None where it concerns every figure that is still open.
    pub period: Option<BillingPeriod>,
    pub source: String,
    pub code: String,
    pub severity: Severity,
    pub subject: String,
    pub message: String,
    pub action: String,
    pub amount: Option<Amount>,
    pub currency: Option<String>,
    pub lines: Option<i64>,
}

/// What a reader of the months from `from` up to but not including `to` must know, the gravest first: findings of what is
/// loaded, deliveries that were refused, months that an older directory attributed, what jobs found about these months and,
/// where `with_open` is set, about every open one.
pub async fn list_findings(
    connection: &mut PgConnection,
    from: BillingPeriod,
    to: BillingPeriod,
    with_open: bool,
) -> StoreResult<Vec<StoredFinding>> {
    let (from, to) = (from.first_day(), to.first_day());
    let query = sqlx::query_file!("queries/status/list_findings.sql", from, to, with_open);
    let rows = query.fetch_all(connection).await?;
    rows.into_iter()
        .map(|row| {
            let (message, action) = match row.kind.as_str() {
                "refusal" => {
                    let at = row
                        .noticed_at
                        .map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string())
                        .unwrap_or_default();
                    let action =
                        "these figures are of the delivery before; run 'anbun ingest cur' when the export is whole";
                    (
                        format!("a delivery was refused on {at}: {}", row.message),
                        action.to_owned(),
                    )
                }
                "waiting" => {
                    let since = row.noticed_at.map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string());
                    let action = "nothing at first; after some hours see the health of the export in AWS Data Exports";
                    let message = format!(
                        "a newer delivery is on its way since {}: {}",
                        since.unwrap_or_default(),
                        row.message
                    );
                    (message, action.to_owned())
                }
                "older_directory" => (
                    "the directory has changed since the charges of this month were attributed".to_owned(),
                    "load the month again with 'anbun ingest cur LOCATION --force'".to_owned(),
                ),
                _ => (row.message, row.action),
            };
            Ok(StoredFinding {
                period: row.billing_period.map(BillingPeriod::of),
                source: row.source,
                code: row.code,
                severity: Severity::parse(&row.severity),
                subject: row.subject,
                message,
                action,
                amount: row
                    .amount
                    .map(|a| Amount::from_decimal(a).ok_or(StoreError::TooLarge))
                    .transpose()?,
                currency: row.currency,
                lines: row.lines,
            })
        })
        .collect()
}

/// The newest month that is loaded.
pub async fn find_newest_period(connection: &mut PgConnection) -> StoreResult<Option<BillingPeriod>> {
    let newest = sqlx::query_file_scalar!("queries/status/find_newest_period.sql")
        .fetch_one(connection)
        .await?;
    Ok(newest.map(BillingPeriod::of))
}

/// How far each loaded month of a range reaches.
pub async fn list_latest(
    connection: &mut PgConnection,
    from: BillingPeriod,
    to: BillingPeriod,
) -> StoreResult<Vec<(BillingPeriod, Latest)>> {
    let rows = sqlx::query_file!("queries/status/list_latest.sql", from.first_day(), to.first_day())
        .fetch_all(connection)
        .await?;
    let latest = rows.into_iter().map(|row| {
        let period = BillingPeriod::of(row.billing_period);
        let latest = Latest {
            period,
            delivered_at: row.delivered_at,
            last_day: row.last_day,
        };
        (period, latest)
    });
    Ok(latest.collect())
}

/// Of a month's usage what is attributed.
#[derive(Debug, Clone)]
pub struct AttributedShare {
    pub period: BillingPeriod,
    pub currency: String,
    pub attributed: Decimal,
    pub total: Decimal,
}

pub async fn list_attributed_shares(connection: &mut PgConnection) -> StoreResult<Vec<AttributedShare>> {
    let rows = sqlx::query_file!("queries/status/sum_attributed_share.sql")
        .fetch_all(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| AttributedShare {
            period: BillingPeriod::of(row.billing_period),
            currency: row.currency,
            attributed: row.attributed,
            total: row.total,
        })
        .collect())
}

/// Bedrock lines and cost of a month per charge type.
pub async fn list_bedrock_totals(
    connection: &mut PgConnection,
    period: BillingPeriod,
) -> StoreResult<Vec<(String, i64, Amount)>> {
    let rows = sqlx::query_file!("queries/status/list_bedrock_totals.sql", period.first_day())
        .fetch_all(connection)
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok((
                row.charge_type,
                row.lines,
                Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?,
            ))
        })
        .collect()
}
