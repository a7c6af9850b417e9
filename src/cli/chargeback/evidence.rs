//! `anbun chargeback evidence`: what an auditor asks for, in one folder.
//!
//! Each statement is the very text that its digest is of, so that `sha256sum` alone proves it; the files are as they were handed out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::api::chargeback::not_loaded;
use crate::api::department_statements::standings;
use crate::api::month::{MonthView, read_month};
use crate::cli::CommandContext;
use crate::domain::actor::{Action, authorize};
use crate::domain::close::MonthState;
use crate::domain::digest::sha256;
use crate::domain::period::BillingPeriod;
use crate::store::chargeback::find_data_as_of;
use crate::store::files::list_files;
use crate::store::month::find_state;
use crate::store::month_locks::find_lock;
use crate::store::sealed_directories::find_sealed_directory;
use crate::store::statements::{canonical, list_statements};
use crate::store::tokens::note_personal_data_read;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct EvidenceArguments {
    /// YYYY-MM
    period: BillingPeriod,
    /// A new folder; evidence-YYYY-MM in this one by default
    #[arg(short, long)]
    output: Option<PathBuf>,
}

pub(super) async fn run(context: &CommandContext, arguments: EvidenceArguments) -> anyhow::Result<()> {
    authorize(&context.actor, Action::CloseMonths)?;
    authorize(&context.actor, Action::ReadPeople)?;
    let period = arguments.period;
    let folder = arguments
        .output
        .unwrap_or_else(|| PathBuf::from(format!("evidence-{period}")));
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let statements = list_statements(&mut connection, period).await?;
    if statements.is_empty() && find_data_as_of(&mut connection, period).await?.is_none() {
        return Err(not_loaded(period).into());
    }
    if folder.exists() {
        bail!("{} is there already; name a new folder with -o", folder.display());
    }
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut written: Vec<(String, String)> = Vec::new();
    let (mut broken, mut broken_locks): (Vec<i32>, Vec<i32>) = Default::default();
    for statement in &statements {
        let text = canonical(&mut connection, statement).await?;
        let name = format!("statement-v{}.txt", statement.version);
        let digest = write(&folder, &name, text.as_bytes(), &mut written)?;
        if digest != statement.digest {
            broken.push(statement.version);
        }
        if let Some(lock) = find_lock(&mut connection, statement.statement_id).await? {
            let name = format!("lock-v{}.txt", statement.version);
            let digest = write(&folder, &name, lock.text.as_bytes(), &mut written)?;
            if digest != lock.digest || lock.record.is_none_or(|record| record.statement != statement.digest) {
                broken_locks.push(statement.version);
            }
        }
        for file in list_files(&mut connection, statement.statement_id).await? {
            let name = format!("files/v{}-{:03}-{}", statement.version, file.file_id, file.file_name);
            let digest = write(&folder, &name, &file.content, &mut written)?;
            if digest != file.sha256 {
                broken.push(statement.version);
            }
        }
    }
    // What decided the charges: the directory that was sealed, without names, once for each version.
    let versions: BTreeSet<i32> = statements
        .iter()
        .filter_map(|statement| statement.directory_version)
        .collect();
    for version in versions {
        if let Some(directory) = find_sealed_directory(&mut connection, version).await? {
            let text = serde_json::to_string_pretty(&directory)?;
            write(
                &folder,
                &format!("directory-{version}.json"),
                text.as_bytes(),
                &mut written,
            )?;
        }
    }
    let what = format!("evidence {period}");
    note_personal_data_read(&mut connection, &context.actor, &what, context.clock.now()).await?;
    let view: MonthView = read_month(&mut connection, period, &context.config, context.clock).await?;
    write(
        &folder,
        "month.json",
        serde_json::to_string_pretty(&view)?.as_bytes(),
        &mut written,
    )?;
    // What departments were sent and answered; none of it before the month is final.
    if find_state(&mut connection, period).await?.state >= MonthState::Final {
        let answers = standings(&mut connection, period).await?;
        let text = serde_json::to_string_pretty(&answers)?;
        write(&folder, "departments.json", text.as_bytes(), &mut written)?;
    }
    let sums: String = written
        .iter()
        .map(|(name, digest)| format!("{digest}  {name}\n"))
        .collect();
    std::fs::write(folder.join("SHA256SUMS"), sums).with_context(|| folder.display().to_string())?;
    eprintln!(
        "{}: {} files; 'sha256sum -c SHA256SUMS' checks them",
        folder.display(),
        written.len()
    );
    for statement in &statements {
        eprintln!(
            "statement {}: sealed {} by {}, SHA-256 {}",
            statement.version,
            statement.sealed_at.format("%Y-%m-%d %H:%M UTC"),
            statement.prepared_by,
            statement.digest
        );
    }
    for (what, broken) in [("statements", broken), ("locks", broken_locks)] {
        if !broken.is_empty() {
            bail!("what is stored of {what} {broken:?} is not what was sealed: somebody changed the database");
        }
    }
    Ok(())
}

fn write(folder: &Path, name: &str, content: &[u8], written: &mut Vec<(String, String)>) -> anyhow::Result<String> {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    }
    std::fs::write(&path, content).with_context(|| path.display().to_string())?;
    let digest = sha256(&[content]);
    written.push((name.to_owned(), digest.clone()));
    Ok(digest)
}
