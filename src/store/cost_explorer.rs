//! What Cost Explorer was asked, what it answered, and what that cost.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::StoreResult;

/// What AWS charges for so many requests, in USD: a cent each, pages included.
pub fn price_of(requests: i64) -> Decimal {
    Decimal::new(requests, 2)
}

/// Requests of a UTC day.
pub async fn count_requests(connection: &mut PgConnection, day: NaiveDate) -> StoreResult<i64> {
    Ok(
        sqlx::query_file_scalar!("queries/cost_explorer/count_requests.sql", day)
            .fetch_one(connection)
            .await?,
    )
}
