//! `anbun directory import`

use std::path::PathBuf;

use clap::Subcommand;

use super::CommandContext;
use super::output::{self, Table};
use crate::jobs::import_directory::{Keep, import_directory};

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
    let database = context.database().await?;
    let keep = if dry_run { Keep::DryRun } else { Keep::Yes };
    let (changes, version) = import_directory(&files, keep, &database, context.clock, &context.actor).await?;
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
    match version {
        Some(version) => eprintln!(
            "the directory is at version {version}; load the months again with --force that it is to decide about"
        ),
        None if changes.is_empty() => eprintln!("nothing changes"),
        None => eprintln!("nothing was changed: this was a dry run"),
    }
    Ok(())
}
