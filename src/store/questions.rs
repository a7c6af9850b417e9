//! Whom somebody asked about quarantined principals.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use super::StoreResult;
use crate::domain::period::BillingPeriod;

/// A question that was put to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub arn: String,
    pub person_id: String,
    pub asked_by: String,
    pub asked_at: DateTime<Utc>,
    /// The day from which the answer is overdue.
    pub remind_on: NaiveDate,
}

/// Notes that a question was asked.
pub async fn note_question(connection: &mut PgConnection, question: &Question) -> StoreResult<()> {
    sqlx::query_file!(
        "queries/questions/insert.sql",
        question.arn,
        question.person_id,
        question.asked_by,
        question.asked_at,
        question.remind_on,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The latest question about each principal, by its ARN.
pub async fn list_questions(connection: &mut PgConnection) -> StoreResult<BTreeMap<String, Question>> {
    let rows = sqlx::query_file_as!(Question, "queries/questions/list_latest.sql")
        .fetch_all(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|question| (question.arn.clone(), question))
        .collect())
}

/// Quarantined principals of a month about whom an answer is overdue.
pub async fn count_overdue(
    connection: &mut PgConnection,
    period: BillingPeriod,
    today: NaiveDate,
) -> StoreResult<usize> {
    let overdue = sqlx::query_file_scalar!("queries/questions/count_overdue.sql", period.first_day(), today)
        .fetch_one(connection)
        .await?;
    Ok(usize::try_from(overdue).unwrap_or_default())
}
