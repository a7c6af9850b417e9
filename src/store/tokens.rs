//! API tokens.  A secret is shown once and only its hash is kept.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use super::StoreResult;
use crate::domain::actor::{Actor, Role};

/// Makes a token; returns its secret, or `None` where the name is taken.
pub async fn create_token(
    connection: &mut PgConnection,
    name: &str,
    role: Role,
    at: DateTime<Utc>,
    by: &str,
) -> StoreResult<Option<String>> {
    // Two random UUIDs are 244 bits from the operating system's generator.
    let secret = format!(
        "anbun_{}{}",
        uuid::Uuid::new_v4().simple(),
        uuid::Uuid::new_v4().simple()
    );
    let inserted = sqlx::query_file!(
        "queries/tokens/insert_token.sql",
        name,
        role.as_str(),
        hash(&secret),
        at,
        by
    )
    .execute(connection)
    .await?;
    Ok((inserted.rows_affected() == 1).then_some(secret))
}

fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// Who holds a secret; `None` where it opens nothing.
pub async fn find_actor(connection: &mut PgConnection, secret: &str, at: DateTime<Utc>) -> StoreResult<Option<Actor>> {
    let row = sqlx::query_file!("queries/tokens/find_token.sql", hash(secret), at)
        .fetch_optional(connection)
        .await?;
    Ok(row.and_then(|row| Role::parse(&row.role).map(|role| Actor { name: row.name, role })))
}

#[derive(Debug, Clone)]
pub struct Token {
    pub name: String,
    pub role: String,
    pub created_at: DateTime<Utc>,
    pub created_by: String,
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

pub async fn list_tokens(connection: &mut PgConnection) -> StoreResult<Vec<Token>> {
    Ok(sqlx::query_file_as!(Token, "queries/tokens/list_tokens.sql")
        .fetch_all(connection)
        .await?)
}

/// Whether there was such a token to revoke.
pub async fn revoke_token(connection: &mut PgConnection, name: &str, at: DateTime<Utc>) -> StoreResult<bool> {
    let revoked = sqlx::query_file!("queries/tokens/revoke_token.sql", name, at)
        .execute(connection)
        .await?;
    Ok(revoked.rows_affected() == 1)
}

/// How many tokens were ever made, ended ones too.
pub async fn count_tokens(connection: &mut PgConnection) -> StoreResult<i64> {
    Ok(sqlx::query_file_scalar!("queries/tokens/count_tokens.sql")
        .fetch_one(connection)
        .await?)
}

/// Notes that somebody looked at figures of single people.
pub async fn note_personal_data_read(
    connection: &mut PgConnection,
    actor: &Actor,
    question: &str,
    at: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query_file!("queries/tokens/insert_personal_data_read.sql", at, actor.name, question)
        .execute(connection)
        .await?;
    Ok(())
}
