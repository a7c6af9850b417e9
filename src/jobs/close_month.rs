//! The steps of a month: close, lock, reopen.
//!
//! One step at a time over all replicas; each is one transaction that sees one moment of the books.  Safe to repeat: closing a
//! month again to what it is already changes nothing while nothing changed.

mod estimate;
mod month_to_close;

use std::collections::BTreeMap;

use anyhow::bail;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use self::month_to_close::MonthToClose;
use super::post_journal::not_posted;
use crate::clock::Clock;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::attribution::{AttributionSettings, Rule};
use crate::domain::close::{Check, MonthState, StepError, may_close, waive};
use crate::domain::finding::Finding;
use crate::domain::invoice::RateOfBill;
use crate::domain::journal::JournalSettings;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::rate::YenRates;
use crate::store::chargeback::list_periods;
use crate::store::database::Database;
use crate::store::directory::get_versioned_directory_at;
use crate::store::month::{MonthStep, connect_for_step, find_state, list_posted, list_states, take_step};
use crate::store::month_locks::seal_lock;
use crate::store::reattribution::reattribute;
use crate::store::sealed_directories::keep_directory;
use crate::store::statements::{Sealing, Statement, find_statement, list_lines, seal};
use crate::store::{StoreError, StoreResult};

/// How a company closes its months.
#[derive(Debug, Clone)]
pub struct CloseSettings {
    /// Somebody else locks than prepared.
    pub two_person: bool,
    /// Yen that may stay undecided.
    pub quarantine_max: Amount,
    pub yen: YenRates,
    /// 1 to 12.
    pub fiscal_year_start_month: u32,
    /// Who pays AWS, and what accounting systems call departments: whose books hold the journal before a month is locked.
    pub journal: JournalSettings,
    pub attribution: AttributionWords,
}

/// How evidence is read, in the words of the settings: sealed with a month, so that a later change does not decide it again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributionWords {
    pub order: Vec<String>,
    pub role_patterns: Vec<String>,
}

impl AttributionWords {
    /// None where they are not what this program reads.
    pub fn settings(&self) -> Option<AttributionSettings> {
        let order = self
            .order
            .iter()
            .map(|word| Rule::parse(word))
            .collect::<Option<Vec<_>>>()?;
        let role_patterns = self
            .role_patterns
            .iter()
            .map(|word| word.parse().ok())
            .collect::<Option<Vec<_>>>()?;
        Some(AttributionSettings { order, role_patterns })
    }
}

/// What a close came to.
#[derive(Debug)]
pub enum Closed {
    Sealed(Statement, Vec<Check>),
    /// It is closed to that already, and nothing has changed since.
    Unchanged(Statement, Vec<Check>),
    /// Checks stand in the way; the month stays what it is.
    Refused(MonthState, Vec<Check>),
}

/// Closes a month to `provisional` or `final`: checks it and seals its statement.
pub async fn close(
    database: &Database,
    period: BillingPeriod,
    target: MonthState,
    waivers: &BTreeMap<String, String>,
    settings: &CloseSettings,
    (actor, clock): (&Actor, Clock),
) -> anyhow::Result<Closed> {
    authorize(actor, Action::CloseMonths)?;
    let mut connection = connect_for_step(database).await?;
    let mut transaction = begin(&mut connection).await?;
    let state = find_state(&mut transaction, period).await?;
    may_close(state.state, target)?;
    if let Some(statement_id) = state.statement_id.filter(|_| state.state == MonthState::Final) {
        // What is final changes by being reopened, with a reason, and not by being closed again.
        let statement = find_statement(&mut transaction, statement_id).await?;
        return Ok(Closed::Unchanged(statement, Vec::new()));
    }
    let month = MonthToClose::read(&mut transaction, period, target, settings).await?;
    if month.deliveries.is_empty() {
        bail!("no delivery of {period} is loaded");
    }
    let mut checks = month.checks(target, settings);
    waive(&mut checks, waivers)?;
    if checks.iter().any(Check::blocks) {
        return Ok(Closed::Refused(state.state, checks));
    }
    let (lines, head) = (month.lines()?, month.head(&checks, settings));
    if let Some(statement_id) = state.statement_id.filter(|_| state.state == target) {
        let before = find_statement(&mut transaction, statement_id).await?;
        if says_the_same(&before, &head) && list_lines(&mut transaction, statement_id).await? == lines {
            return Ok(Closed::Unchanged(before, checks));
        }
    }
    let at = clock.now();
    if let Some(version) = month.directory_version {
        keep_directory(&mut transaction, version, &month.directory).await?;
    }
    let sealing = Sealing {
        period,
        state: target,
        prepared_by: &actor.name,
        at,
        directory_version: month.directory_version,
        allocation_version: month.books.allocation_version,
        snapshots: &month.deliveries.iter().map(|used| used.snapshot_id).collect::<Vec<_>>(),
        head: &head,
        lines: &lines,
    };
    let statement = seal(&mut transaction, &sealing).await?;
    let step = MonthStep {
        period,
        from: state.state,
        to: target,
        statement_id: Some(statement.statement_id),
        reason: None,
        by: &actor.name,
        at,
    };
    take_step(&mut transaction, &step).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(Closed::Sealed(statement, checks))
}

async fn begin(connection: &mut PgConnection) -> StoreResult<sqlx::Transaction<'_, sqlx::Postgres>> {
    Ok(connection.begin_with("begin isolation level repeatable read").await?)
}

/// Ends a final month for good.
pub async fn lock(
    database: &Database,
    period: BillingPeriod,
    settings: &CloseSettings,
    (actor, clock): (&Actor, Clock),
) -> anyhow::Result<Statement> {
    authorize(actor, Action::CloseMonths)?;
    let mut connection = connect_for_step(database).await?;
    let mut transaction = begin(&mut connection).await?;
    let state = find_state(&mut transaction, period).await?;
    let Some(statement_id) = state.statement_id.filter(|_| state.state >= MonthState::Final) else {
        let action = "close it to final first";
        return Err(StepError::NotFrom {
            from: state.state,
            to: MonthState::Locked,
            action,
        }
        .into());
    };
    let statement = find_statement(&mut transaction, statement_id).await?;
    if state.state == MonthState::Locked {
        return Ok(statement);
    }
    let states = list_states(&mut transaction).await?;
    for earlier in list_periods(&mut transaction)
        .await?
        .into_iter()
        .map(|loaded| loaded.period)
    {
        let is_locked = states
            .get(&earlier)
            .is_some_and(|state| state.state == MonthState::Locked);
        if earlier < period && !is_locked {
            return Err(StepError::EarlierNotLocked(earlier.to_string()).into());
        }
    }
    if settings.two_person && statement.prepared_by == actor.name {
        return Err(StepError::SamePerson(actor.name.clone()).into());
    }
    let missing = not_posted(&mut transaction, &statement, &settings.journal.sources).await?;
    if !missing.is_empty() {
        let what = format!("statement {} of {period}: {}", statement.version, missing.join(", "));
        return Err(StepError::NotPosted(what).into());
    }
    let at = clock.now();
    let reason = (statement.prepared_by == actor.name).then_some("one person: [close] two_person is off");
    let posted = list_posted(&mut transaction, statement_id).await?;
    seal_lock(&mut transaction, &statement, (&actor.name, at), &posted, reason).await?;
    let step = MonthStep {
        period,
        from: state.state,
        to: MonthState::Locked,
        statement_id: Some(statement_id),
        reason,
        by: &actor.name,
        at,
    };
    take_step(&mut transaction, &step).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(statement)
}

/// Opens a month again, with a reason.  Its statements stay; the next close makes a new version.
pub async fn reopen(
    database: &Database,
    period: BillingPeriod,
    reason: &str,
    settings: &CloseSettings,
    (actor, clock): (&Actor, Clock),
) -> anyhow::Result<()> {
    authorize(actor, Action::CloseMonths)?;
    if reason.trim().is_empty() {
        return Err(StepError::NoReason.into());
    }
    let mut connection = connect_for_step(database).await?;
    let mut transaction = begin(&mut connection).await?;
    let state = find_state(&mut transaction, period).await?;
    match state.state {
        MonthState::Locked => return Err(StepError::Locked.into()),
        MonthState::Open => return Ok(()),
        MonthState::Provisional | MonthState::Final => {}
    }
    let later = list_states(&mut transaction).await?;
    if let Some((later, state)) = later
        .iter()
        .find(|(other, state)| **other > period && state.state >= MonthState::Final)
    {
        return Err(StepError::LaterIsClosed(later.to_string(), state.state).into());
    }
    let step = MonthStep {
        period,
        from: state.state,
        to: MonthState::Open,
        statement_id: state.statement_id,
        reason: Some(reason.trim()),
        by: &actor.name,
        at: clock.now(),
    };
    take_step(&mut transaction, &step).await?;
    // While it was closed the directory may have moved on.
    let (directory, version) = get_versioned_directory_at(&mut transaction).await?;
    if let Some(attribution) = settings.attribution.settings() {
        reattribute(&mut transaction, period, (&directory, version), &attribution).await?;
    }
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(())
}

/// A month as a close would find it.
#[derive(Debug)]
pub struct Checked {
    pub checks: Vec<Check>,
    /// What the month comes to, in yen.
    pub total: Amount,
    /// What it was converted by, and what its books found.
    pub rates: Vec<RateOfBill>,
    pub findings: Vec<Finding>,
}

/// The checks of a month as it stands now, for the list of what is left to do.
pub async fn check(
    connection: &mut PgConnection,
    period: BillingPeriod,
    target: MonthState,
    settings: &CloseSettings,
) -> StoreResult<Checked> {
    let month = MonthToClose::read(connection, period, target, settings).await?;
    Ok(Checked {
        checks: month.checks(target, settings),
        total: month.books.converted.total(),
        rates: month.books.rates,
        findings: month.books.findings,
    })
}

/// Whether a head that is to be sealed says what a sealed one says, apart from when and by whom it was sealed.
fn says_the_same(sealed: &Statement, head: &Value) -> bool {
    let Ok(before) = serde_json::from_str::<Value>(&sealed.head) else {
        return false;
    };
    let Some(head) = head.as_object() else {
        return false;
    };
    head.iter().all(|(key, value)| before.get(key) == Some(value))
}
