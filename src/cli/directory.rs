//! `anbun directory import`

use std::path::PathBuf;

use clap::Subcommand;

use super::CommandContext;
use super::output::{self, Table};
use crate::domain::actor::{Action, authorize};
use crate::sources::directory_csv::{check_directory, read_directory_file};
use crate::store::directory::{DirectoryChanges, get_directory, lock_directory, replace_directory};

#[derive(Debug, Subcommand)]
pub(super) enum DirectoryCommand {
    /// Take over departments, people, projects or principals from CSV; each file is the whole truth about its table
    Import {
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Only print what would change
        #[arg(long)]
        dry_run: bool,
    },
}

pub(super) async fn run(context: &CommandContext, command: DirectoryCommand) -> anyhow::Result<()> {
    let DirectoryCommand::Import { files, dry_run } = command;
    authorize(&context.actor, Action::ChangeDirectory)?;
    let read = files
        .iter()
        .map(|file| read_directory_file(file))
        .collect::<Result<Vec<_>, _>>()?;
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let mut connection = sqlx::Connection::begin(&mut *connection).await?;
    lock_directory(&mut connection).await?;
    let before = get_directory(&mut connection).await?;
    let after = check_directory(&read, &before)?;
    let changes = DirectoryChanges::between(&before, &after);
    let mut table = Table::new(&["table", "change", "row"]);
    for (name, of_table) in changes.tables() {
        for (change, rows) in [
            ("added", &of_table.added),
            ("changed", &of_table.changed),
            ("removed", &of_table.removed),
        ] {
            for row in rows {
                table.push(vec![name.to_owned(), change.to_owned(), row.clone()]);
            }
        }
    }
    output::print(context.format(), &changes, &table)?;
    if changes.is_empty() {
        eprintln!("nothing changes");
    } else if dry_run {
        eprintln!("nothing was changed: this was a dry run");
    } else {
        let version = replace_directory(
            &mut connection,
            &after,
            &changes,
            context.clock.now(),
            &context.actor.name,
        )
        .await?;
        connection.commit().await?;
        eprintln!(
            "the directory is at version {version}; load the months again with --force that it is to decide about"
        );
    }
    Ok(())
}
