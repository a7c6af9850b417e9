//! What is to be sent: written with the alerts that it tells, leased to one sender at a time, kept until it is sent or given up.
//!
//! A lease that ran out belongs to a program that ended in the middle; whether its message was taken is then unknown, and the next
//! sender looks before it sends again.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::StoreResult;
use crate::domain::alert::Way;

/// Advisory lock of whoever leases; any number that nothing else uses.
const LEASE_LOCK: i64 = 0x616e_626e_6f62;

/// A message before it is written.
#[derive(Debug, Clone)]
pub struct NewMessage<'m> {
    pub message_id: Uuid,
    pub way: Way,
    pub destination: &'m str,
    pub content: &'m Value,
    pub thread_of: Option<Uuid>,
    pub alerts: &'m [i64],
    pub not_before: DateTime<Utc>,
}

/// Writes a message with the alerts that it tells, in the caller's transaction.
pub async fn put(connection: &mut PgConnection, message: &NewMessage<'_>, at: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query_file!(
        "queries/outbox/insert.sql",
        message.message_id,
        message.way.as_str(),
        message.destination,
        message.content,
        message.thread_of,
        at,
        message.not_before
    )
    .execute(&mut *connection)
    .await?;
    for alert in message.alerts {
        sqlx::query_file!(
            "queries/outbox/insert_alert.sql",
            alert,
            message.way.as_str(),
            message.destination,
            message.message_id
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Whether an alert was put out by a way already.
pub async fn is_told(
    connection: &mut PgConnection,
    alert_id: i64,
    (way, destination): (Way, &str),
) -> StoreResult<bool> {
    let found = sqlx::query_file_scalar!("queries/outbox/is_told.sql", alert_id, way.as_str(), destination);
    Ok(found.fetch_one(connection).await?)
}

/// The first message about a window at a destination.
pub async fn find_thread(
    connection: &mut PgConnection,
    (subject, window_from): (&str, chrono::NaiveDate),
    (way, destination): (Way, &str),
) -> StoreResult<Option<Uuid>> {
    let found = sqlx::query_file_scalar!(
        "queries/alerts/find_thread.sql",
        subject,
        window_from,
        way.as_str(),
        destination
    );
    Ok(found.fetch_optional(connection).await?)
}

/// A message that is this sender's to send.
#[derive(Debug, Clone)]
pub struct Leased {
    pub message_id: Uuid,
    pub lease: Uuid,
    pub way: Way,
    pub destination: String,
    pub content: Value,
    /// This one counted.
    pub attempts: i32,
    /// An earlier attempt may have been taken.
    pub is_unknown: bool,
    /// Attempts that ended so after one that did.
    pub repeats: i32,
    pub first_attempt_at: DateTime<Utc>,
    /// The first attempt, or that a person sent it again.
    pub tried_since: DateTime<Utc>,
    pub thread_ts: Option<String>,
    pub thread_channel: Option<String>,
}

/// Lets nobody else lease, or ask what was told, until the caller's transaction ends.
pub async fn lock_outbox(transaction: &mut PgConnection) -> StoreResult<()> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(LEASE_LOCK)
        .execute(transaction)
        .await?;
    Ok(())
}

/// Leases what is due, one message a destination at most.
pub async fn lease(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    most: i64,
) -> StoreResult<Vec<Leased>> {
    let mut transaction = connection.begin().await?;
    // Two senders that choose at once could choose two messages of one channel.
    lock_outbox(&mut transaction).await?;
    sqlx::query_file!("queries/outbox/expire.sql", now)
        .execute(&mut *transaction)
        .await?;
    let lease = Uuid::new_v4();
    let rows = sqlx::query_file!("queries/outbox/lease.sql", now, lease, until, most)
        .fetch_all(&mut *transaction)
        .await?;
    transaction.commit().await?;
    let leased = rows.into_iter().filter_map(|row| {
        Some(Leased {
            message_id: row.message_id,
            lease,
            way: Way::parse(&row.way)?,
            destination: row.destination,
            content: row.content,
            attempts: row.attempts,
            is_unknown: row.is_unknown,
            repeats: row.repeats,
            first_attempt_at: row.first_attempt_at,
            tried_since: row.tried_since,
            thread_ts: row.thread_ts,
            thread_channel: row.thread_channel,
        })
    });
    Ok(leased.collect())
}

/// Sends an alert's messages again that were given up; how many.
pub async fn resend(connection: &mut PgConnection, alert_id: i64, at: DateTime<Utc>) -> StoreResult<u64> {
    let resent = sqlx::query_file!("queries/outbox/resend.sql", alert_id, at)
        .execute(connection)
        .await?;
    Ok(resent.rows_affected())
}

/// Notes that a message was taken, where the lease is still this sender's.
pub async fn note_sent(
    connection: &mut PgConnection,
    message: &Leased,
    at: DateTime<Utc>,
    slack: Option<(&str, &str)>,
) -> StoreResult<()> {
    let (channel, ts) = slack.unzip();
    sqlx::query_file!(
        "queries/outbox/note_sent.sql",
        message.message_id,
        message.lease,
        at,
        channel,
        ts
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What an attempt came to that was not taken, or not surely.
#[derive(Debug, Clone)]
pub struct Failure<'f> {
    pub is_dead: bool,
    pub not_before: DateTime<Utc>,
    /// Whether it may have been taken all the same, by this attempt or an earlier one.
    pub is_unknown: bool,
    pub is_unknown_now: bool,
    pub code: &'f str,
    pub what: &'f str,
}

pub async fn note_failure(connection: &mut PgConnection, message: &Leased, failure: &Failure<'_>) -> StoreResult<()> {
    sqlx::query_file!(
        "queries/outbox/note_failure.sql",
        message.message_id,
        message.lease,
        failure.is_dead,
        failure.not_before,
        failure.is_unknown,
        failure.code,
        failure.what,
        failure.is_unknown_now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets everything for a message's place wait.
pub async fn postpone_destination(
    connection: &mut PgConnection,
    message: &Leased,
    not_before: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query_file!(
        "queries/outbox/postpone_destination.sql",
        message.way.as_str(),
        message.destination,
        not_before
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// When something is next to be sent.
pub async fn find_next(connection: &mut PgConnection) -> StoreResult<Option<DateTime<Utc>>> {
    let found = sqlx::query_file_scalar!("queries/outbox/find_next.sql");
    Ok(found.fetch_one(connection).await?)
}

/// Forgets the words of what was sent or given up before a time.
pub async fn forget_contents(connection: &mut PgConnection, before: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query_file!("queries/outbox/forget.sql", before)
        .execute(connection)
        .await?;
    Ok(())
}
