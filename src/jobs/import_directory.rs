//! Takes over files of the directory, all or none, and decides the open months anew by it.
//!
//! Reads CSV files, writes a new version of the directory and the owners of stored charges.  Safe to repeat: the same files
//! change nothing.  One import at a time: each replaces what it has read.  A dry run does all of it and takes it back, so that
//! what it says would move is what moves.

use std::path::PathBuf;

use anyhow::Context;
use chrono::NaiveDate;
use sqlx::PgConnection;

use crate::clock::Clock;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::attribution::AttributionSettings;
use crate::domain::books::Posting;
use crate::domain::chargeback::{Moved, Reporting, moved};
use crate::domain::close::MonthState;
use crate::domain::directory::{Cell, Department, Directory, EntryKind, PrincipalEntry};
use crate::domain::job::JobName;
use crate::domain::period::{BillingPeriod, Validity};
use crate::domain::principal::Principal;
use crate::domain::rate::YenRates;
use crate::domain::text::comparable_name;
use crate::sources::directory_csv::{DirectoryTable, Row, RowChange, check_directory, read_directory_file, with_row};
use crate::store::books::{Leaves, assemble};
use crate::store::chargeback::list_periods;
use crate::store::database::Database;
use crate::store::directory::{DirectoryChanges, get_directory, lock_directory, replace_directory};
use crate::store::jobs::request_run;
use crate::store::month::{list_states, lock_steps};
use crate::store::reattribution::reattribute;
use crate::store::{StoreError, StoreResult};

/// Whether an import is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    Yes,
    /// Only say what would change.
    DryRun,
}

/// What an import needs besides its files.
#[derive(Debug, Clone)]
pub struct ImportSettings {
    pub attribution: AttributionSettings,
    pub yen: YenRates,
}

/// What an import changed.
#[derive(Debug)]
pub struct Imported {
    pub changes: DirectoryChanges,
    /// The version that it made; none where nothing changed or was kept.
    pub version: Option<i32>,
    /// What moved in each month that is not closed, in yen.
    pub moved: Vec<(BillingPeriod, Vec<Moved>)>,
}

/// Imports files.
pub async fn import_directory(
    files: &[PathBuf],
    keep: Keep,
    database: &Database,
    settings: &ImportSettings,
    (actor, clock): (&Actor, Clock),
) -> anyhow::Result<Imported> {
    authorize(actor, Action::ChangeDirectory)?;
    let read = files
        .iter()
        .map(|file| read_directory_file(file))
        .collect::<Result<Vec<_>, _>>()?;
    change_directory(keep, database, settings, (actor, clock), |before| {
        Ok(check_directory(&read, before)?)
    })
    .await
}

/// Adds or changes one row of a table.
pub async fn change_row(
    (table, change, row): (DirectoryTable, RowChange, &Row),
    keep: Keep,
    database: &Database,
    settings: &ImportSettings,
    (actor, clock): (&Actor, Clock),
) -> anyhow::Result<Imported> {
    authorize(actor, Action::ChangeDirectory)?;
    change_directory(keep, database, settings, (actor, clock), |before| {
        Ok(with_row(before, table, change, row)?)
    })
    .await
}

/// Adds one dated entry for a principal.
pub async fn assign_principal(
    assignment: &Assignment,
    keep: Keep,
    database: &Database,
    settings: &ImportSettings,
    (actor, clock): (&Actor, Clock),
) -> anyhow::Result<Imported> {
    authorize(actor, Action::ChangeDirectory)?;
    let entry = assignment.entry()?;
    change_directory(keep, database, settings, (actor, clock), |before| {
        with_entry(before, &assignment.arn, entry)
    })
    .await
}

/// Whose a principal is, as a person says it.
#[derive(Debug, Clone, Default)]
pub struct Assignment {
    /// As the bill spells it.
    pub arn: String,
    pub department: Option<String>,
    pub person: Option<String>,
    pub kind: Option<EntryKind>,
    /// First UTC day of use.
    pub from: NaiveDate,
    /// Exclusive.
    pub to: Option<NaiveDate>,
    /// The role with every session, and not only with the one of the ARN.
    pub any_session: bool,
}

impl Assignment {
    /// The entry of principals.csv that says it.
    fn entry(&self) -> anyhow::Result<PrincipalEntry> {
        let principal =
            Principal::parse(&self.arn).with_context(|| format!("'{}' is no ARN of a principal", self.arn))?;
        anyhow::ensure!(
            self.to.is_none_or(|to| to > self.from),
            "an entry ends after it begins: its end is the first day on which it no longer holds"
        );
        let exactly = |part: Option<&str>| part.map_or(Cell::Absent, |part| Cell::Exactly(part.to_owned()));
        Ok(PrincipalEntry {
            account: Cell::Exactly(principal.account.to_owned()),
            role: exactly(principal.role),
            session: if self.any_session {
                Cell::Any
            } else {
                exactly(principal.session)
            },
            user: exactly(principal.user),
            person_id: self.person.clone().unwrap_or_default(),
            department_code: self.department.clone().unwrap_or_default(),
            project_code: String::new(),
            kind: self.kind.unwrap_or(EntryKind::Person),
            valid: Validity {
                from: self.from,
                to: self.to,
            },
        })
    }
}

/// The directory with one more entry; refused where it names nobody or overlaps another of the same principal.
fn with_entry(before: &Directory, arn: &str, entry: PrincipalEntry) -> anyhow::Result<Directory> {
    let (department, person) = (&entry.department_code, &entry.person_id);
    anyhow::ensure!(
        !department.is_empty() || !person.is_empty(),
        "an entry names a department or a person"
    );
    let knows_department = before.departments.iter().any(|known| known.code == *department);
    anyhow::ensure!(
        department.is_empty() || knows_department,
        "department '{department}' is not in the directory"
    );
    let knows_person = before.people.iter().any(|known| known.person_id == *person);
    anyhow::ensure!(
        person.is_empty() || knows_person,
        "person '{person}' is not in the directory"
    );
    let key = |entry: &PrincipalEntry| {
        [&entry.account, &entry.role, &entry.session, &entry.user].map(|cell| comparable_name(cell.as_text()))
    };
    let other = before
        .principals
        .iter()
        .find(|other| key(other) == key(&entry) && other.valid.overlaps(entry.valid));
    if let Some(other) = other {
        anyhow::bail!(
            "the principal has an entry from {} on already; change it in the principals file",
            other.valid.from
        );
    }
    let mut after = before.clone();
    let from = entry.valid.from;
    after.principals.push(entry);
    let fitting = Principal::parse(arn).map_or(0, |principal| after.on(from).best_entries(&principal).len());
    anyhow::ensure!(
        fitting == 1,
        "another entry fits this principal as well as the new one, so that neither would decide; change that entry, or decide for the one session"
    );
    Ok(after)
}

/// Changes the directory and decides the open months anew, all in one transaction.
async fn change_directory(
    keep: Keep,
    database: &Database,
    settings: &ImportSettings,
    (actor, clock): (&Actor, Clock),
    change: impl FnOnce(&Directory) -> anyhow::Result<Directory>,
) -> anyhow::Result<Imported> {
    let mut transaction = database.pool.begin().await.map_err(StoreError::from)?;
    lock_directory(&mut transaction).await?;
    lock_steps(&mut transaction).await?;
    let before = get_directory(&mut transaction).await?;
    let after = change(&before)?;
    let changes = DirectoryChanges::between(&before, &after);
    if changes.is_empty() {
        return Ok(Imported {
            changes,
            version: None,
            moved: Vec::new(),
        });
    }
    let version = replace_directory(&mut transaction, &after, &changes, clock.now(), &actor.name).await?;
    let moved = decide_anew(&mut transaction, (&before, &after), version, settings).await?;
    if keep == Keep::Yes {
        // What moved can take a budget over its limit.
        request_run(&mut transaction, JobName::EvaluateBudgets, &actor.name, clock.now()).await?;
        transaction.commit().await.map_err(StoreError::from)?;
    }
    Ok(Imported {
        changes,
        version: (keep == Keep::Yes).then_some(version),
        moved,
    })
}

/// Decides every month that is neither final nor locked anew; what moves, in yen.
async fn decide_anew(
    transaction: &mut PgConnection,
    (before, after): (&Directory, &Directory),
    version: i32,
    settings: &ImportSettings,
) -> StoreResult<Vec<(BillingPeriod, Vec<Moved>)>> {
    let closed = list_states(transaction).await?;
    let mut months = Vec::new();
    for period in list_periods(transaction).await?.into_iter().map(|loaded| loaded.period) {
        if closed
            .get(&period)
            .is_some_and(|state| state.state >= MonthState::Final)
        {
            continue;
        }
        let postings_before = postings(transaction, period, &before.departments, settings).await?;
        reattribute(transaction, period, (after, Some(version)), &settings.attribution).await?;
        let postings_after = postings(transaction, period, &after.departments, settings).await?;
        let changes = moved(&postings_before, &postings_after);
        if !changes.is_empty() {
            months.push((period, changes));
        }
    }
    Ok(months)
}

async fn postings(
    connection: &mut PgConnection,
    period: BillingPeriod,
    departments: &[Department],
    settings: &ImportSettings,
) -> StoreResult<Vec<Posting>> {
    let reporting = Reporting::Yen(settings.yen);
    let books = assemble(connection, period, departments, reporting, Leaves::None).await?;
    Ok(books.converted.postings)
}
