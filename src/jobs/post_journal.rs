//! Says that the company's books hold a journal, and whether they hold all of it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use sqlx::PgConnection;

use super::posted_before::PostedBefore;
use crate::clock::Clock;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::directory::{Directory, departments_in};
use crate::domain::journal::{JournalSource, VendorLiability, slip_prefix, source_of};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::store::StoreResult;
use crate::store::files::{KeptJournal, list_journals};
use crate::store::month::{PostedSlip, find_state, list_posted, note_posted};
use crate::store::sealed_directories::find_directory;
use crate::store::statements::{Statement, find_statement, list_postings, list_statements};

/// Slips of a statement's journal, as somebody found them in the books.
#[derive(Debug, Clone)]
pub struct Posting<'p> {
    pub period: BillingPeriod,
    /// An earlier statement; else the one that closed the month.
    pub version: Option<i32>,
    pub slips: &'p [String],
    /// Whose books they are in, where more than one legal entity has slips of these numbers.
    pub legal_entity: Option<&'p str>,
}

/// Notes that the books hold slips.  Of journals that anbun made only their own slips are taken; where none was made, any of the
/// statement's number.
pub async fn post_journal(
    connection: &mut PgConnection,
    posting: &Posting<'_>,
    (actor, clock): (&Actor, Clock),
) -> anyhow::Result<()> {
    authorize(actor, Action::CloseMonths)?;
    let period = posting.period;
    let statement = match (posting.version, find_state(connection, period).await?.statement_id) {
        (Some(version), _) => {
            let all = list_statements(connection, period).await?;
            let found = all.into_iter().find(|statement| statement.version == version);
            found.with_context(|| format!("{period} has no statement {version}"))?
        }
        (None, Some(statement_id)) => find_statement(connection, statement_id).await?,
        (None, None) => bail!(
            "{period} is open: close it first, then post its journal; of one that was posted before it was reopened name the --statement"
        ),
    };
    let journals = list_journals(connection, statement.statement_id).await?;
    let prefix = slip_prefix(period, statement.version);
    let other = posting.slips.iter().find(|slip| !slip.starts_with(&prefix));
    if let Some(other) = other.filter(|_| journals.is_empty()) {
        bail!(
            "slip {other} is not of statement {} of {period}: its slips begin with {prefix}; 'anbun chargeback export' prints them",
            statement.version
        );
    }
    let mut found = Vec::new();
    for slip in posting.slips {
        let (legal_entity, file_id) = whose(slip, &journals, posting.legal_entity)
            .with_context(|| format!("statement {} of {period}", statement.version))?;
        found.push(PostedSlip {
            slip: slip.clone(),
            legal_entity,
            file_id,
        });
    }
    for slip in &found {
        note_posted(connection, statement.statement_id, slip, &actor.name, clock.now()).await?;
    }
    Ok(())
}

/// In whose books a slip is, and the file that it came from.
fn whose(slip: &str, journals: &[KeptJournal], asked: Option<&str>) -> anyhow::Result<(String, Option<i32>)> {
    if journals.is_empty() {
        return Ok((asked.unwrap_or_default().to_owned(), None));
    }
    let is_asked = |journal: &&KeptJournal| asked.is_none_or(|entity| entity == journal.legal_entity);
    let has_it = |journal: &&KeptJournal| journal.numbers.iter().any(|number| number == slip);
    let found: Vec<&KeptJournal> = journals.iter().filter(is_asked).filter(has_it).collect();
    match found.as_slice() {
        [one] => Ok((one.legal_entity.clone(), Some(one.file_id))),
        [] => {
            let numbers: BTreeSet<&str> = journals
                .iter()
                .filter(is_asked)
                .flat_map(|of| &of.numbers)
                .map(String::as_str)
                .collect();
            bail!(
                "slip {slip} is in no journal that was made of it; those have {}",
                numbers.into_iter().collect::<Vec<_>>().join(", ")
            )
        }
        several => {
            let entities: Vec<&str> = several.iter().map(|journal| journal.legal_entity.as_str()).collect();
            bail!(
                "slip {slip} is of {}: say whose books hold it, with --legal-entity",
                entities.join(" and ")
            )
        }
    }
}

/// What the books do not hold yet of a statement's journals: each slip with its legal entity, and each entity that the statement
/// concerns, or whose books hold an earlier version, and that has no journal; and the reversal of an accrual that is in the books.  Where none was made, one slip is enough for every entity, until slips are named by entity; a
/// journal without slips has nothing to be posted.
pub async fn not_posted(
    connection: &mut PgConnection,
    statement: &Statement,
    sources: &[JournalSource],
) -> StoreResult<Vec<String>> {
    let posted = list_posted(connection, statement.statement_id).await?;
    let journals = list_journals(connection, statement.statement_id).await?;
    let slips = journals
        .iter()
        .flat_map(|journal| journal.numbers.iter().map(move |number| (journal, number)));
    let missing = slips.filter(|(journal, number)| {
        let is_it = |posted: &PostedSlip| posted.slip == **number && posted.legal_entity == journal.legal_entity;
        !posted.iter().any(is_it)
    });
    let mut missing: Vec<String> = missing
        .map(|(journal, number)| format!("{number} of {}", journal.legal_entity))
        .collect();
    let before = PostedBefore::read(connection, statement).await?;
    // What cannot be told is missing too, and says what to do.
    match before.accruals_left() {
        Ok(left) => missing.extend(left),
        Err(error) => missing.push(format!("{error:#}")),
    }
    let mut entities = entities_concerned(connection, statement, sources).await?;
    match before.entities_that_hold(statement.period) {
        Ok(holding) => entities.extend(holding),
        Err(error) => missing.push(format!("{error:#}")),
    }
    entities.retain(|entity| {
        let is_its = |of: &str| of.is_empty() || of == entity;
        !journals.iter().any(|journal| journal.legal_entity == *entity)
            && !posted.iter().any(|posted| is_its(&posted.legal_entity))
    });
    missing.extend(entities.into_iter().map(|entity| match entity.as_str() {
        "" => "its journal".to_owned(),
        entity => format!("the journal of {entity}"),
    }));
    if missing.is_empty() && journals.is_empty() && posted.is_empty() {
        missing.push("its journal".to_owned());
    }
    Ok(missing)
}

/// The legal entities in whose books a statement makes lines: those whose departments are charged, and those that pay AWS for others.
/// What no source of the settings pays for is nobody's journal.
async fn entities_concerned(
    connection: &mut PgConnection,
    statement: &Statement,
    sources: &[JournalSource],
) -> StoreResult<BTreeSet<String>> {
    if sources.is_empty() {
        return Ok(BTreeSet::new());
    }
    let directory = match statement.directory_version {
        Some(version) => find_directory(connection, version).await?.unwrap_or_default(),
        None => Directory::default(),
    };
    let departments = departments_in(&directory.departments, statement.period);
    let entity_of = |code: &str| departments.get(code).map_or("", |known| known.legal_entity.as_str());
    let head: serde_json::Value = serde_json::from_str(&statement.head).unwrap_or_default();
    let mut charged: BTreeMap<(usize, String), Amount> = BTreeMap::new();
    for (_, posting) in list_postings(connection, statement.statement_id).await? {
        let bill = &head["groups"][posting.group]["bills"][0];
        let text = |key: &str| bill[key].as_str().unwrap_or_default();
        let source = source_of(sources, text("payer"), text("seller"));
        if let (Some(source), Some(department)) = (source, posting.department) {
            *charged.entry((source, department)).or_default() += posting.amount;
        }
    }
    charged.retain(|_, amount| !amount.is_zero());
    let mut concerned = BTreeSet::new();
    for (source, department) in charged.keys() {
        let source = &sources[*source];
        // The payer's own share makes no line where accounts payable books the invoice.
        let makes_line = *department != source.source_department || source.vendor_liability == VendorLiability::Anbun;
        if makes_line {
            concerned.insert(entity_of(department).to_owned());
            concerned.insert(entity_of(&source.source_department).to_owned());
        }
    }
    Ok(concerned)
}
