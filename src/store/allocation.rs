//! Rules for shared cost, by version.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::StoreResult;
use crate::domain::allocation::{AllocationRule, Method};
use crate::domain::period::BillingPeriod;

/// The version that holds; none before the first import.
pub async fn find_version(connection: &mut PgConnection) -> StoreResult<Option<i32>> {
    Ok(sqlx::query_file_scalar!("queries/allocation/find_version.sql")
        .fetch_one(connection)
        .await?)
}

/// The rules of a version, in their order.
pub async fn list_rules(connection: &mut PgConnection, version: Option<i32>) -> StoreResult<Vec<AllocationRule>> {
    let Some(version) = version else {
        return Ok(Vec::new());
    };
    let rows = sqlx::query_file!("queries/allocation/list_rules.sql", version)
        .fetch_all(connection)
        .await?;
    let rules = rows.into_iter().map(|row| AllocationRule {
        // They were read before they were stored; one that no longer can be read keeps its pool visible.
        method: Method::parse(&row.method, &row.members).unwrap_or(Method::KeepVisible),
        pool: row.pool,
        fallback: row.fallback,
        legal_entity: row.legal_entity,
        valid_from: BillingPeriod::of(row.valid_from),
        valid_to: row.valid_to.map(BillingPeriod::of),
    });
    Ok(rules.collect())
}

/// Stores a new version of all rules.
pub async fn replace_rules(
    connection: &mut PgConnection,
    rules: &[AllocationRule],
    by: &str,
    at: DateTime<Utc>,
) -> StoreResult<i32> {
    let version = sqlx::query_file_scalar!("queries/allocation/insert_version.sql", by, at)
        .fetch_one(&mut *connection)
        .await?;
    let positions: Vec<i32> = (0..rules.len()).filter_map(|at| i32::try_from(at).ok()).collect();
    let texts = |of: fn(&AllocationRule) -> String| rules.iter().map(of).collect::<Vec<String>>();
    let fallbacks: Vec<Option<String>> = rules.iter().map(|rule| rule.fallback.clone()).collect();
    let entities: Vec<Option<String>> = rules.iter().map(|rule| rule.legal_entity.clone()).collect();
    let from: Vec<chrono::NaiveDate> = rules.iter().map(|rule| rule.valid_from.first_day()).collect();
    let to: Vec<Option<chrono::NaiveDate>> = rules
        .iter()
        .map(|rule| rule.valid_to.map(BillingPeriod::first_day))
        .collect();
    sqlx::query_file!(
        "queries/allocation/insert_rules.sql",
        version,
        &positions,
        &texts(|rule| rule.pool.clone()),
        &texts(|rule| rule.method.name().to_owned()),
        &texts(|rule| rule.method.members()),
        &fallbacks as _,
        &entities as _,
        &from,
        &to as _,
    )
    .execute(connection)
    .await?;
    Ok(version)
}
