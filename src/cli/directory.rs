//! `anbun directory import|assign`

use std::path::PathBuf;

use anyhow::Context;
use chrono::NaiveDate;
use clap::Subcommand;

use super::CommandContext;
use super::output::{self, Table};
use crate::api::registers::MovedView;
use crate::api::view::grouped;
use crate::domain::directory::{Cell, EntryKind, PrincipalEntry};
use crate::domain::period::Validity;
use crate::domain::principal::Principal;
use crate::jobs::import_directory::{ImportSettings, Imported, Keep, assign_principal, import_directory};
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
    /// Say whose a principal is, from a day on; prints which yen it moves
    Assign {
        /// As the bill spells it; see 'anbun costs --by principal,reason --where state=quarantined'
        arn: String,
        #[arg(long, required_unless_present = "person")]
        department: Option<String>,
        #[arg(long)]
        person: Option<String>,
        /// First UTC day of use
        #[arg(long)]
        from: NaiveDate,
        /// First day on which it no longer holds
        #[arg(long)]
        to: Option<NaiveDate>,
        #[arg(long, default_value = "person", value_parser = ["person", "service", "gateway", "shared"])]
        kind: String,
        /// The role with every session, and not only with the one of the ARN
        #[arg(long)]
        any_session: bool,
        /// Only print which yen would move
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
    let database = context.database().await?;
    let settings = ImportSettings {
        attribution: context.config.attribution.settings()?,
        yen: context.config.currency.yen(),
    };
    let with = (&context.actor, context.clock);
    let keep = |dry_run| if dry_run { Keep::DryRun } else { Keep::Yes };
    let Imported {
        changes,
        version,
        moved,
    } = match command {
        DirectoryCommand::Import { files, dry_run } => {
            import_directory(&files, keep(dry_run), &database, &settings, with).await?
        }
        DirectoryCommand::Assign {
            arn,
            department,
            person,
            from,
            to,
            kind,
            any_session,
            dry_run,
        } => {
            let principal = Principal::parse(&arn).with_context(|| format!("'{arn}' is no ARN of a principal"))?;
            let exactly = |part: Option<&str>| part.map_or(Cell::Absent, |part| Cell::Exactly(part.to_owned()));
            let entry = PrincipalEntry {
                account: Cell::Exactly(principal.account.to_owned()),
                role: exactly(principal.role),
                session: if any_session {
                    Cell::Any
                } else {
                    exactly(principal.session)
                },
                user: exactly(principal.user),
                person_id: person.unwrap_or_default(),
                department_code: department.unwrap_or_default(),
                project_code: String::new(),
                kind: kind.parse().unwrap_or(EntryKind::Person),
                valid: Validity { from, to },
            };
            anyhow::ensure!(
                to.is_none_or(|to| to > from),
                "--to is the first day on which the entry no longer holds"
            );
            assign_principal(entry, keep(dry_run), &database, &settings, with).await?
        }
    };
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
