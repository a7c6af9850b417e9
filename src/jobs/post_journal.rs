//! Says that the company's books hold a journal, and whether they hold all of it.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use sqlx::PgConnection;

use crate::clock::Clock;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::journal::slip_prefix;
use crate::domain::period::BillingPeriod;
use crate::store::StoreResult;
use crate::store::files::{KeptJournal, list_journals};
use crate::store::month::{PostedSlip, find_state, list_posted, note_posted};
use crate::store::statements::{find_statement, list_statements};

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

/// What the books do not hold yet of a statement's journals, each slip with its legal entity.  Where no journal was made, one slip is
/// enough; a journal without slips has nothing to be posted.
pub async fn not_posted(connection: &mut PgConnection, statement_id: i32) -> StoreResult<Vec<String>> {
    let posted = list_posted(connection, statement_id).await?;
    let journals = list_journals(connection, statement_id).await?;
    if journals.is_empty() {
        return Ok(if posted.is_empty() {
            vec!["its journal".to_owned()]
        } else {
            Vec::new()
        });
    }
    let slips = journals
        .iter()
        .flat_map(|journal| journal.numbers.iter().map(move |number| (journal, number)));
    let missing = slips.filter(|(journal, number)| {
        let is_it = |posted: &PostedSlip| posted.slip == **number && posted.legal_entity == journal.legal_entity;
        !posted.iter().any(is_it)
    });
    Ok(missing
        .map(|(journal, number)| format!("{number} of {}", journal.legal_entity))
        .collect())
}
