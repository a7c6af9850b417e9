//! Departments' own statements: sent, received, disputed, settled.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{StoreError, StoreResult};
use crate::domain::department_statement::DepartmentAnswer;
use crate::domain::money::Amount;

/// To whom a statement was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub person_id: String,
    pub sent_by: String,
    pub sent_at: DateTime<Utc>,
}

/// The last answer of a department.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub answer: DepartmentAnswer,
    pub jpy: Amount,
    pub reason: String,
    pub answered_by: String,
    pub answered_at: DateTime<Utc>,
}

/// How a department stands to a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub department: String,
    pub amount: Amount,
    pub sent: Option<Sent>,
    pub answered: Option<Answered>,
}

impl Standing {
    /// Yen that are disputed and not settled.
    pub fn disputed(&self) -> Amount {
        let open = self
            .answered
            .as_ref()
            .filter(|a| a.answer == DepartmentAnswer::Disputed);
        open.map(|answered| answered.jpy).unwrap_or_default()
    }
}

/// Every department of a statement.
pub async fn list_standings(connection: &mut PgConnection, statement_id: i32) -> StoreResult<Vec<Standing>> {
    let rows = sqlx::query_file!("queries/department_statements/list.sql", statement_id)
        .fetch_all(connection)
        .await?;
    let amount = |value| Amount::from_decimal(value).ok_or(StoreError::TooLarge);
    let standings = rows.into_iter().map(|row| {
        let sent = row.person_id.zip(row.sent_by).zip(row.sent_at);
        let sent = sent.map(|((person_id, sent_by), sent_at)| Sent {
            person_id,
            sent_by,
            sent_at,
        });
        let said = row
            .answer
            .as_deref()
            .and_then(DepartmentAnswer::parse)
            .zip(row.answered_at);
        let answered = match said {
            Some((answer, answered_at)) => Some(Answered {
                answer,
                jpy: amount(row.jpy.unwrap_or_default())?,
                reason: row.reason.unwrap_or_default(),
                answered_by: row.answered_by.unwrap_or_default(),
                answered_at,
            }),
            None => None,
        };
        Ok(Standing {
            department: row.department,
            amount: amount(row.amount)?,
            sent,
            answered,
        })
    });
    standings.collect()
}

/// Notes that a department's statement was sent; sent again, the last time counts.
pub async fn note_sent(
    connection: &mut PgConnection,
    statement_id: i32,
    department: &str,
    sent: &Sent,
) -> StoreResult<()> {
    sqlx::query_file!(
        "queries/department_statements/upsert_sent.sql",
        statement_id,
        department,
        sent.person_id,
        sent.sent_by,
        sent.sent_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes an answer.
pub async fn note_answer(
    connection: &mut PgConnection,
    statement_id: i32,
    department: &str,
    answered: &Answered,
) -> StoreResult<()> {
    sqlx::query_file!(
        "queries/department_statements/insert_answer.sql",
        statement_id,
        department,
        answered.answer.as_str(),
        answered.jpy.to_decimal().ok_or(StoreError::TooLarge)?,
        answered.reason,
        answered.answered_by,
        answered.answered_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}
