//! Locks: who approved a statement, and which slips the books held, sealed into the chain of statements.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::StoreResult;
use super::month::PostedSlip;
use super::statements::{Statement, find_last_digest};
use crate::domain::digest::sha256;

/// What is sealed of a lock, in this order of fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRecord {
    pub period: String,
    pub state: String,
    pub version: i32,
    /// Digest of the statement that is approved.
    pub statement: String,
    pub prepared_by: String,
    pub approved_by: String,
    pub locked_at: DateTime<Utc>,
    /// What was posted, as legal entity and slip.
    pub slips: Vec<(String, String)>,
    /// Why one person did both.
    pub reason: Option<String>,
}

/// A sealed lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthLock {
    /// None where somebody has changed it beyond reading.
    pub record: Option<LockRecord>,
    pub digest: String,
    /// The text that the digest is of.
    pub text: String,
}

/// Seals a lock; the caller's transaction takes the month's step with it, under the lock of steps.
pub async fn seal_lock(
    connection: &mut PgConnection,
    statement: &Statement,
    (approved_by, locked_at): (&str, DateTime<Utc>),
    slips: &[PostedSlip],
    reason: Option<&str>,
) -> StoreResult<MonthLock> {
    let mut slips: Vec<(String, String)> = slips
        .iter()
        .map(|posted| (posted.legal_entity.clone(), posted.slip.clone()))
        .collect();
    slips.sort();
    let record = LockRecord {
        period: statement.period.to_string(),
        state: "locked".to_owned(),
        version: statement.version,
        statement: statement.digest.clone(),
        prepared_by: statement.prepared_by.clone(),
        approved_by: approved_by.to_owned(),
        locked_at,
        slips,
        reason: reason.map(str::to_owned),
    };
    let previous = find_last_digest(connection).await?;
    let written = serde_json::to_string(&record).unwrap_or_default();
    let text = text_of(previous.as_deref(), &written);
    let digest = sha256(&[text.as_bytes()]);
    sqlx::query_file!(
        "queries/month_locks/insert.sql",
        statement.statement_id,
        written,
        digest,
        previous
    )
    .execute(connection)
    .await?;
    Ok(MonthLock {
        record: Some(record),
        digest,
        text,
    })
}

/// The lock of a statement; none of one that is not locked, or was before locks were sealed.
pub async fn find_lock(connection: &mut PgConnection, statement_id: i32) -> StoreResult<Option<MonthLock>> {
    let found = sqlx::query_file!("queries/month_locks/find.sql", statement_id)
        .fetch_optional(connection)
        .await?;
    Ok(found.map(|row| MonthLock {
        record: serde_json::from_str(&row.record).ok(),
        text: text_of(row.previous_digest.as_deref(), &row.record),
        digest: row.digest,
    }))
}

fn text_of(previous: Option<&str>, record: &str) -> String {
    format!("{}\n{record}\n", previous.unwrap_or_default())
}
