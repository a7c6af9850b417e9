//! `anbun directory import|export|assign|ask`

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::NaiveDate;
use clap::Subcommand;

use super::CommandContext;
use super::output::{self, Table};
use crate::api::directory::import_settings;
use crate::api::registers::MovedView;
use crate::domain::actor::{Action, authorize};
use crate::domain::text::grouped;
use crate::jobs::import_directory::{Assignment, Imported, Keep, assign_principal, import_directory};
use crate::jobs::keep_registers::{ask, forget_person};
use crate::sources::directory_csv::DirectoryTable;
use crate::store::database::Database;
use crate::store::directory::{DirectoryChanges, get_directory};
use crate::store::tokens::note_personal_data_read;

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
    /// Write the directory's four files into a folder, to change and import again; noted with your name
    Export { folder: PathBuf },
    /// Note that somebody was asked whose a quarantined principal is; 'anbun month' reminds of it
    Ask {
        arn: String,
        /// Whom
        #[arg(long)]
        person: String,
        /// From which day on the answer is overdue
        #[arg(long)]
        remind: NaiveDate,
    },
    /// Forget whose figures stand in sealed statements: they keep their amounts and digests, and no name is joined to them any more
    Forget {
        /// Who has left the directory
        person: String,
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
    let command = match command {
        DirectoryCommand::Export { folder } => return export(context, &database, &folder).await,
        DirectoryCommand::Ask { arn, person, remind } => {
            let mut connection = database.pool.acquire().await?;
            let with = (&context.actor, context.clock);
            let today = context.today();
            ask(&mut connection, (&arn, &person, remind), today, with).await?;
            eprintln!("noted: {person} was asked; the answer is due before {remind}");
            return Ok(());
        }
        DirectoryCommand::Forget { person } => {
            let mut connection = database.pool.acquire().await?;
            forget_person(&mut connection, &person, (&context.actor, context.clock)).await?;
            eprintln!("forgotten: statements have an id in the place of {person}, and nothing says whose it is");
            return Ok(());
        }
        changing => changing,
    };
    let settings = import_settings(&context.config)?;
    let with = (&context.actor, context.clock);
    let keep = |dry_run| if dry_run { Keep::DryRun } else { Keep::Yes };
    let Imported {
        changes,
        version,
        moved,
    } = match command {
        // They have returned above.
        DirectoryCommand::Export { .. } | DirectoryCommand::Ask { .. } | DirectoryCommand::Forget { .. } => {
            return Ok(());
        }
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
            let assignment = Assignment {
                arn,
                department,
                person,
                kind: kind.parse().ok(),
                from,
                to,
                any_session,
            };
            assign_principal(&assignment, keep(dry_run), &database, &settings, with).await?
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

/// Writes the four files; they import again without a change.
async fn export(context: &CommandContext, database: &Database, folder: &Path) -> anyhow::Result<()> {
    authorize(&context.actor, Action::ReadPeople)?;
    let mut connection = database.pool.acquire().await?;
    note_personal_data_read(&mut connection, &context.actor, "directory export", context.clock.now()).await?;
    let directory = get_directory(&mut connection).await?;
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for table in DirectoryTable::ALL {
        let path = folder.join(format!("{}.csv", table.as_str()));
        anyhow::ensure!(
            !path.exists(),
            "{} is there already; name another folder",
            path.display()
        );
        // Excel in Japanese reads a file without this mark as CP932.
        let mut file = std::fs::File::create(&path).with_context(|| path.display().to_string())?;
        file.write_all("\u{feff}".as_bytes())?;
        let mut writer = csv::Writer::from_writer(file);
        let columns = table.columns();
        writer.write_record(&columns)?;
        for row in table.rows(&directory, None) {
            writer.write_record(columns.iter().map(|column| row.get(*column).map_or("", String::as_str)))?;
        }
        writer.flush()?;
        eprintln!("{}", path.display());
    }
    Ok(())
}
