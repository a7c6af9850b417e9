//! Who somebody is in Slack, and which presses of buttons were taken.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::StoreResult;

/// A press of a button.
#[derive(Debug, Clone)]
pub struct Press<'p> {
    /// Of its request: the same request has the same.
    pub signature: &'p str,
    pub slack_user: &'p str,
    pub action: &'p str,
}

/// Notes a press; false where it was taken before.
pub async fn note_press(connection: &mut PgConnection, press: &Press<'_>, at: DateTime<Utc>) -> StoreResult<bool> {
    let noted = sqlx::query_file!(
        "queries/alerts/note_press.sql",
        press.signature,
        press.slack_user,
        "",
        press.action,
        at
    )
    .execute(connection)
    .await?;
    Ok(noted.rows_affected() > 0)
}

pub async fn forget_presses(connection: &mut PgConnection, before: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query_file!("queries/alerts/forget_presses.sql", before)
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn find_slack_person(connection: &mut PgConnection, slack_user: &str) -> StoreResult<Option<String>> {
    let found = sqlx::query_file_scalar!("queries/alerts/find_slack_person.sql", slack_user);
    Ok(found.fetch_optional(connection).await?)
}

pub async fn find_slack_user(connection: &mut PgConnection, person_id: &str) -> StoreResult<Option<String>> {
    let found = sqlx::query_file_scalar!("queries/alerts/find_slack_user.sql", person_id);
    Ok(found.fetch_optional(connection).await?)
}

pub async fn keep_slack_person(connection: &mut PgConnection, slack_user: &str, person_id: &str) -> StoreResult<()> {
    sqlx::query_file!("queries/alerts/upsert_slack_person.sql", slack_user, person_id)
        .execute(connection)
        .await?;
    Ok(())
}
