//! Answers to requests that act, by the key that the client chose.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::StoreResult;
use super::database::Database;

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub request_digest: String,
    pub status: i32,
    pub body: String,
}

pub async fn find_answer(
    connection: &mut PgConnection,
    (actor, key): (&str, &str),
    now: DateTime<Utc>,
) -> StoreResult<Option<Answer>> {
    let query = sqlx::query_file_as!(Answer, "queries/idempotency/find_answer.sql", actor, key, now);
    Ok(query.fetch_optional(connection).await?)
}

pub async fn keep_answer(
    connection: &mut PgConnection,
    (actor, key): (&str, &str),
    answer: &Answer,
    at: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query_file!(
        "queries/idempotency/insert_answer.sql",
        actor,
        key,
        answer.request_digest,
        answer.status,
        answer.body,
        at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Waits until nobody else works on the same key; the turn ends when the connection is dropped.
pub async fn wait_for_turn(database: &Database, (actor, key): (&str, &str)) -> StoreResult<PgConnection> {
    let mut connection = database.pool.acquire().await?.detach();
    sqlx::query("select pg_advisory_lock(hashtextextended($1, 0))")
        .bind(format!("{actor}\n{key}"))
        .execute(&mut connection)
        .await?;
    Ok(connection)
}
