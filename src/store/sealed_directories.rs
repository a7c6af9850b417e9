//! Directories as they were sealed: what decides about a closed month later, without anybody's name.

use std::collections::BTreeMap;

use rand::RngExt;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreResult;
use super::statements::opaque_ids;
use crate::domain::directory::Directory;
use crate::domain::sealed_directory::{NameKey, SealedDirectory, people_of};

/// Keeps a version of the directory as it is now, once.
pub async fn keep_directory(connection: &mut PgConnection, version: i32, directory: &Directory) -> StoreResult<()> {
    let is_kept = sqlx::query_file_scalar!("queries/statements/has_directory.sql", version)
        .fetch_one(&mut *connection)
        .await?;
    if is_kept {
        return Ok(());
    }
    let (contents, key) = conceal(connection, directory).await?;
    sqlx::query_file!("queries/statements/insert_directory.sql", version, contents, &key.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// A directory to decide by as it was sealed.  People are named by their ids where these are not forgotten.
pub async fn find_directory(connection: &mut PgConnection, version: i32) -> StoreResult<Option<Directory>> {
    let Some((sealed, key)) = find_sealed(connection, version).await? else {
        return Ok(None);
    };
    let opaque: Vec<Uuid> = sealed.people.iter().map(|person| person.person).collect();
    let rows = sqlx::query_file!("queries/statements/list_people_by_opaque_id.sql", &opaque)
        .fetch_all(connection)
        .await?;
    let people = rows.into_iter().map(|row| (row.opaque_id, row.person_id)).collect();
    Ok(Some(sealed.open(key, &people)))
}

/// What is stored of a directory, and nothing to read names with.
pub async fn find_sealed_directory(
    connection: &mut PgConnection,
    version: i32,
) -> StoreResult<Option<SealedDirectory>> {
    Ok(find_sealed(connection, version).await?.map(|(sealed, _)| sealed))
}

async fn find_sealed(connection: &mut PgConnection, version: i32) -> StoreResult<Option<(SealedDirectory, NameKey)>> {
    let row = sqlx::query_file!("queries/statements/find_directory.sql", version)
        .fetch_optional(connection)
        .await?;
    Ok(row.and_then(|row| {
        let key = row.name_key?.try_into().ok()?;
        Some((serde_json::from_value(row.contents).ok()?, NameKey(key)))
    }))
}

async fn conceal(connection: &mut PgConnection, directory: &Directory) -> StoreResult<(serde_json::Value, NameKey)> {
    let opaque: BTreeMap<String, Uuid> = opaque_ids(connection, &people_of(directory)).await?;
    let key = NameKey(rand::rng().random());
    let sealed = SealedDirectory::seal(directory, &key, &opaque).ok_or(sqlx::Error::RowNotFound)?;
    Ok((serde_json::to_value(&sealed).unwrap_or_default(), key))
}

/// Seals again what an earlier version of the program kept with names.
pub(super) async fn conceal_plain_directories(connection: &mut PgConnection) -> StoreResult<()> {
    let plain = sqlx::query_file!("queries/statements/list_plain_directories.sql")
        .fetch_all(&mut *connection)
        .await?;
    for row in plain {
        let Ok(directory) = serde_json::from_value::<Directory>(row.contents) else {
            continue;
        };
        let (contents, key) = conceal(connection, &directory).await?;
        sqlx::query_file!(
            "queries/statements/conceal_directory.sql",
            row.directory_version,
            contents,
            &key.0
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
