//! Files that were handed to finance.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::StoreResult;
use crate::domain::digest::sha256;

/// A file as it was made once.
#[derive(Debug, Clone)]
pub struct KeptFile {
    pub file_id: i32,
    pub file_name: String,
    pub content: Vec<u8>,
    pub sha256: String,
}

/// Which file of a statement it is.
#[derive(Debug, Clone)]
pub struct FileKey {
    pub statement_id: i32,
    /// With everything that its content depends on.
    pub kind: String,
    /// What must be posted once, whatever its format: the journal of a legal entity.
    pub series: String,
}

pub async fn find_file(connection: &mut PgConnection, key: &FileKey) -> StoreResult<Option<KeptFile>> {
    let query = sqlx::query_file_as!(KeptFile, "queries/files/find_file.sql", key.statement_id, key.kind);
    Ok(query.fetch_optional(connection).await?)
}

/// Every file that was made of a statement.
pub async fn list_files(connection: &mut PgConnection, statement_id: i32) -> StoreResult<Vec<KeptFile>> {
    let query = sqlx::query_file_as!(KeptFile, "queries/files/list_files.sql", statement_id);
    Ok(query.fetch_all(connection).await?)
}

/// How often a file of the same series was taken.
pub async fn count_taken(connection: &mut PgConnection, key: &FileKey) -> StoreResult<i64> {
    Ok(
        sqlx::query_file_scalar!("queries/files/count_taken.sql", key.statement_id, key.series)
            .fetch_one(connection)
            .await?,
    )
}

/// The journal of a legal entity as a file has it.
#[derive(Debug, Clone)]
pub struct KeptJournal {
    pub legal_entity: String,
    pub file_id: i32,
    /// Numbers of its slips.
    pub numbers: Vec<String>,
    pub journal: serde_json::Value,
}

/// Of each legal entity the journal of a statement that the books hold, else the one that was taken last.
pub async fn list_journals(connection: &mut PgConnection, statement_id: i32) -> StoreResult<Vec<KeptJournal>> {
    let rows = sqlx::query_file!("queries/files/list_journals.sql", statement_id)
        .fetch_all(connection)
        .await?;
    let journals = rows.into_iter().map(|row| {
        let slips = row.slips["slips"].as_array().into_iter().flatten();
        let numbers = slips.filter_map(|slip| slip["number"].as_str().map(str::to_owned));
        KeptJournal {
            legal_entity: row.legal_entity,
            file_id: row.file_id,
            numbers: numbers.collect(),
            journal: row.slips,
        }
    });
    Ok(journals.collect())
}

/// Keeps a file, unless another program kept the same at the same time.
pub async fn keep_file(
    connection: &mut PgConnection,
    key: &FileKey,
    (file_name, content): (&str, &[u8]),
    slips: Option<&serde_json::Value>,
    (by, at): (&str, DateTime<Utc>),
) -> StoreResult<()> {
    sqlx::query_file!(
        "queries/files/insert_file.sql",
        key.statement_id,
        key.kind,
        key.series,
        file_name,
        content,
        slips,
        sha256(&[content]),
        by,
        at
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn note_download(
    connection: &mut PgConnection,
    file_id: i32,
    by: &str,
    at: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query_file!("queries/files/insert_download.sql", file_id, by, at)
        .execute(connection)
        .await?;
    Ok(())
}
