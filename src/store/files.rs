//! Files that were handed to finance.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use super::StoreResult;

/// A file as it was made once.
#[derive(Debug, Clone)]
pub struct KeptFile {
    pub file_id: i32,
    pub file_name: String,
    pub content: Vec<u8>,
    pub sha256: String,
    /// How often it was taken before.
    pub taken: i64,
}

pub async fn find_file(connection: &mut PgConnection, statement_id: i32, kind: &str) -> StoreResult<Option<KeptFile>> {
    let query = sqlx::query_file_as!(KeptFile, "queries/files/find_file.sql", statement_id, kind);
    Ok(query.fetch_optional(connection).await?)
}

/// Keeps a file, unless another program kept the same at the same time.
pub async fn keep_file(
    connection: &mut PgConnection,
    (statement_id, kind): (i32, &str),
    (file_name, content): (&str, &[u8]),
    (by, at): (&str, DateTime<Utc>),
) -> StoreResult<()> {
    let sha256: String = Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    sqlx::query_file!(
        "queries/files/insert_file.sql",
        statement_id,
        kind,
        file_name,
        content,
        sha256,
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
