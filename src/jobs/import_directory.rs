//! Takes over files of the directory, all or none.
//!
//! Reads CSV files, writes a new version of the directory.  Safe to repeat: the same files change nothing.  One import at a
//! time: each replaces what it has read.

use std::path::PathBuf;

use crate::clock::Clock;
use crate::domain::actor::{Action, Actor, authorize};
use crate::sources::directory_csv::{check_directory, read_directory_file};
use crate::store::StoreError;
use crate::store::database::Database;
use crate::store::directory::{DirectoryChanges, get_directory, lock_directory, replace_directory};

/// Whether an import is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    Yes,
    /// Only say what would change.
    DryRun,
}

/// What an import changed, and the version that it made of the directory; none where nothing changed or was kept.
pub async fn import_directory(
    files: &[PathBuf],
    keep: Keep,
    database: &Database,
    clock: Clock,
    actor: &Actor,
) -> anyhow::Result<(DirectoryChanges, Option<i32>)> {
    authorize(actor, Action::ChangeDirectory)?;
    let read = files
        .iter()
        .map(|file| read_directory_file(file))
        .collect::<Result<Vec<_>, _>>()?;
    let mut transaction = database.pool.begin().await.map_err(StoreError::from)?;
    lock_directory(&mut transaction).await?;
    let before = get_directory(&mut transaction).await?;
    let after = check_directory(&read, &before)?;
    let changes = DirectoryChanges::between(&before, &after);
    if changes.is_empty() || keep == Keep::DryRun {
        return Ok((changes, None));
    }
    let version = replace_directory(&mut transaction, &after, &changes, clock.now(), &actor.name).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok((changes, Some(version)))
}
