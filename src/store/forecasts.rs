//! Forecasts as they were made on days 5, 10, 15 and 20, and how far they were off.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::{StoreError, StoreResult};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

/// The end of a month as it was foreseen, in dollars of use.
#[derive(Debug, Clone)]
pub struct KeptForecast {
    /// `company`, or `department`.
    pub scope: String,
    pub code: String,
    pub period: BillingPeriod,
    pub day_of_month: i32,
    pub made_at: DateTime<Utc>,
    pub data_as_of: DateTime<Utc>,
    pub method: String,
    pub expected: Amount,
    pub low: Amount,
    pub high: Amount,
    /// None until the month is final.
    pub actual: Option<Amount>,
}

/// Whether the forecasts of a day are kept already.
pub async fn has_forecasts(connection: &mut PgConnection, period: BillingPeriod, day: i32) -> StoreResult<bool> {
    let count = sqlx::query_file_scalar!("queries/forecasts/count.sql", period.first_day(), day);
    Ok(count.fetch_one(connection).await? > 0)
}

/// Keeps forecasts, all of one month and day.
pub async fn keep_forecasts(connection: &mut PgConnection, forecasts: &[KeptForecast]) -> StoreResult<()> {
    let Some(first) = forecasts.first() else {
        return Ok(());
    };
    let texts = |of: fn(&KeptForecast) -> &String| forecasts.iter().map(of).cloned().collect::<Vec<_>>();
    let decimal = |amount: Amount| amount.to_decimal().ok_or(StoreError::TooLarge);
    let amounts = |of: fn(&KeptForecast) -> Amount| -> StoreResult<Vec<Decimal>> {
        forecasts.iter().map(|one| decimal(of(one))).collect()
    };
    sqlx::query_file!(
        "queries/forecasts/insert.sql",
        &texts(|of| &of.scope),
        &texts(|of| &of.code),
        first.period.first_day(),
        first.day_of_month,
        first.made_at,
        first.data_as_of,
        &texts(|of| &of.method),
        &amounts(|of| of.expected)?,
        &amounts(|of| of.low)?,
        &amounts(|of| of.high)?
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Kept forecasts, the newest month first.
pub async fn list_forecasts(
    connection: &mut PgConnection,
    period: Option<BillingPeriod>,
    with_departments: bool,
    limit: i64,
) -> StoreResult<Vec<KeptForecast>> {
    let first_day = period.map(BillingPeriod::first_day);
    let rows = sqlx::query_file!("queries/forecasts/list.sql", first_day, with_departments, limit)
        .fetch_all(connection)
        .await?;
    let amount = |value| Amount::from_decimal(value).ok_or(StoreError::TooLarge);
    let forecasts = rows.into_iter().map(|row| {
        Ok(KeptForecast {
            scope: row.scope,
            code: row.code,
            period: BillingPeriod::of(row.billing_period),
            day_of_month: row.day_of_month,
            made_at: row.made_at,
            data_as_of: row.data_as_of,
            method: row.method,
            expected: amount(row.expected)?,
            low: amount(row.low)?,
            high: amount(row.high)?,
            actual: row.actual.map(amount).transpose()?,
        })
    });
    forecasts.collect()
}
