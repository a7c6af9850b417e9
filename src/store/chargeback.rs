//! Sums of a month for the chargeback, and the names on it.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::{StoreError, StoreResult};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

fn amount(value: Decimal) -> StoreResult<Amount> {
    Amount::from_decimal(value).ok_or(StoreError::TooLarge)
}

/// A model's month.
#[derive(Debug, Clone)]
pub struct ModelSum {
    pub currency: String,
    pub model: Option<String>,
    pub line_kind: Option<String>,
    pub tokens: i64,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub cache_read_tokens: i64,
    pub cache_write_tokens: i64,
    pub cost: Amount,
}

pub async fn sum_models(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<Vec<ModelSum>> {
    let rows = sqlx::query_file!("queries/chargeback/sum_models.sql", period.first_day())
        .fetch_all(connection)
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(ModelSum {
                currency: row.currency,
                model: row.model,
                line_kind: row.line_kind,
                tokens: row.tokens,
                input_tokens: row.input_tokens,
                output_tokens: row.output_tokens,
                cache_read_tokens: row.cache_read_tokens,
                cache_write_tokens: row.cache_write_tokens,
                cost: amount(row.cost)?,
            })
        })
        .collect()
}

/// What one person used of one model in a month.
#[derive(Debug, Clone)]
pub struct PersonModelSum {
    pub department: String,
    pub model: Option<String>,
    pub currency: String,
    pub lines: i64,
    pub tokens: i64,
    pub cost: Amount,
}

pub async fn sum_person_models(
    connection: &mut PgConnection,
    person: &str,
    period: BillingPeriod,
) -> StoreResult<Vec<PersonModelSum>> {
    let rows = sqlx::query_file!("queries/chargeback/sum_person_models.sql", person, period.first_day())
        .fetch_all(connection)
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(PersonModelSum {
                department: row.department,
                model: row.model,
                currency: row.currency,
                lines: row.lines,
                tokens: row.tokens,
                cost: amount(row.cost)?,
            })
        })
        .collect()
}

/// A loaded month.
#[derive(Debug, Clone)]
pub struct LoadedPeriod {
    pub period: BillingPeriod,
    /// The oldest delivery that the month's figures rest on.
    pub data_as_of: DateTime<Utc>,
    pub first_day: Option<NaiveDate>,
    pub last_day: Option<NaiveDate>,
}

/// Months that are loaded, the newest first.
pub async fn list_periods(connection: &mut PgConnection) -> StoreResult<Vec<LoadedPeriod>> {
    let rows = sqlx::query_file!("queries/chargeback/list_periods.sql")
        .fetch_all(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| LoadedPeriod {
            period: BillingPeriod::of(row.billing_period),
            data_as_of: row.delivered_at,
            first_day: row.first_day,
            last_day: row.last_day,
        })
        .collect())
}

/// When the oldest delivery behind a month was made; `None` where nothing of it is loaded.
pub async fn find_data_as_of(
    connection: &mut PgConnection,
    period: BillingPeriod,
) -> StoreResult<Option<DateTime<Utc>>> {
    let query = sqlx::query_file_scalar!("queries/chargeback/find_data_as_of.sql", period.first_day());
    Ok(query.fetch_one(connection).await?)
}

/// Codes of departments with their names, as they were last called in the month or before.
pub async fn list_department_names(
    connection: &mut PgConnection,
    period: BillingPeriod,
) -> StoreResult<Vec<(String, String, String)>> {
    let rows = sqlx::query_file!(
        "queries/chargeback/list_department_names.sql",
        period.next().first_day()
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.code, row.name, row.name_ja)).collect())
}

/// People's ids with their names, as they were last called in the month or before.
pub async fn list_person_names(
    connection: &mut PgConnection,
    period: BillingPeriod,
) -> StoreResult<Vec<(String, String)>> {
    let rows = sqlx::query_file!("queries/chargeback/list_person_names.sql", period.next().first_day())
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|row| (row.person_id, row.name)).collect())
}

/// Codes of projects with their names, as they were last called in the month or before.
pub async fn list_project_names(
    connection: &mut PgConnection,
    period: BillingPeriod,
) -> StoreResult<Vec<(String, String)>> {
    let rows = sqlx::query_file!("queries/chargeback/list_project_names.sql", period.next().first_day())
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|row| (row.code, row.name)).collect())
}

/// What a month's Bedrock lines come to as delivered, in dollars without tax.
pub async fn sum_without_tax(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<Amount> {
    let sum = sqlx::query_file_scalar!("queries/chargeback/sum_without_tax.sql", period.first_day())
        .fetch_one(connection)
        .await?;
    Amount::from_decimal(sum).ok_or(StoreError::TooLarge)
}
