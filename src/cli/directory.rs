//! `anbun directory import`

use std::path::PathBuf;

use clap::Subcommand;

use super::CommandContext;
use super::output::{self, Table};
use crate::api::registers::MovedView;
use crate::api::view::grouped;
use crate::jobs::import_directory::{ImportSettings, Imported, Keep, import_directory};
use crate::store::directory::DirectoryChanges;

#[derive(Debug, Subcommand)]
pub(super) enum DirectoryCommand {
    /// Take over departments, people, projects or principals from CSV; each file is the whole truth about its table
    Import {
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Only print what would change, and which yen would move
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(serde::Serialize)]
struct ImportView<'v> {
    #[serde(flatten)]
    changes: &'v DirectoryChanges,
    /// In yen, by month and department; without a department: what is kept visible.
    moved: &'v [MovedView],
}

pub(super) async fn run(context: &CommandContext, command: DirectoryCommand) -> anyhow::Result<()> {
    let DirectoryCommand::Import { files, dry_run } = command;
    let database = context.database().await?;
    let keep = if dry_run { Keep::DryRun } else { Keep::Yes };
    let settings = ImportSettings {
        attribution: context.config.attribution.settings()?,
        planning_rate: context.config.currency.planning_rate,
    };
    let with = (&context.actor, context.clock);
    let Imported {
        changes,
        version,
        moved,
    } = import_directory(&files, keep, &database, &settings, with).await?;
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
    let views: Vec<MovedView> = moved
        .iter()
        .flat_map(|(period, changes)| changes.iter().map(|change| MovedView::of(*period, change)))
        .collect();
    let view = ImportView {
        changes: &changes,
        moved: &views,
    };
    output::print(context.format(), &view, &table)?;
    for view in &views {
        let department = view.department.as_deref().unwrap_or("what is kept visible");
        let (before, after) = (grouped(&view.before.amount), grouped(&view.after.amount));
        eprintln!("{} {department}: ¥{before} -> ¥{after}", view.period);
    }
    match version {
        Some(version) => eprintln!("the directory is at version {version}; the months that are not closed follow it"),
        None if changes.is_empty() => eprintln!("nothing changes"),
        None => eprintln!("nothing was changed: this was a dry run"),
    }
    Ok(())
}
