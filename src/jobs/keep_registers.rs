//! Takes over what finance records: rates, invoices, rules for shared cost, manual pools, cost bases, and questions.
//!
//! Each is one transaction that takes all or nothing, and never touches what a closed month rests on.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{Connection, PgConnection};

use crate::clock::Clock;
use crate::domain::actor::{Action, Actor, NotAllowed, authorize};
use crate::domain::allocation::{AllocationRule, check_pool};
use crate::domain::chargeback::{Moved, Reporting};
use crate::domain::close::MonthState;
use crate::domain::cost_basis::BasisOfPayer;
use crate::domain::directory::{Department, departments_in};
use crate::domain::finding::Finding;
use crate::domain::invoice::{BilledTotals, Invoice, InvoiceKind, compare_invoices};
use crate::domain::job::JobName;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::principal::Principal;
use crate::domain::rate::{Rate, YenRates};
use crate::jobs::allocate::preview_rules;
use crate::sources::csv_table::{CsvError, CsvTable};
use crate::sources::directory_csv::RowError;
use crate::sources::finance_csv::read_allocation_rules;
use crate::store::allocation::replace_rules;
use crate::store::books::{Leaves, assemble, billed_by_invoice};
use crate::store::cost_bases::record_basis;
use crate::store::directory::{get_directory, list_departments};
use crate::store::invoices::{delete_invoice, list_invoices, record_invoice};
use crate::store::jobs::request_run;
use crate::store::manual_pools::{StoredManualPool, delete_manual_pool, list_payers, record_manual_pool};
use crate::store::month::{find_state, list_states, lock_steps, refuse_closed};
use crate::store::questions::{Question, note_question};
use crate::store::rates::record_rates;
use crate::store::statements::{delete_opaque_person, find_statement};
use crate::store::tokens::note_personal_data_read;
use crate::store::true_ups::has_settled;
use crate::store::{StoreError, StoreResult};

/// Why a register does not take something over; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Row(#[from] CsvError),
    /// What is there already forbids it.
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    NotFound(String),
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RegisterError {
    /// What a refusal of another job is.
    pub fn of(error: anyhow::Error) -> Self {
        let error = match error.downcast::<NotAllowed>() {
            Ok(error) => return error.into(),
            Err(error) => error,
        };
        let error = match error.downcast::<CsvError>() {
            Ok(error) => return error.into(),
            Err(error) => error,
        };
        let error = match error.downcast::<RowError>() {
            Ok(RowError::Refused(error)) => return error.into(),
            Ok(error @ RowError::NotThere(_)) => return Self::NotFound(error.to_string()),
            Err(error) => error,
        };
        match error.downcast::<StoreError>() {
            Ok(error) => error.into(),
            Err(error) => Self::Invalid(error.to_string()),
        }
    }
}

impl From<sqlx::Error> for RegisterError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Records rates; an odd one was let pass, or refused, when it was read.
pub async fn keep_rates(
    connection: &mut PgConnection,
    rates: &[Rate],
    (actor, clock): (&Actor, Clock),
) -> Result<(), RegisterError> {
    authorize(actor, Action::KeepRegisters)?;
    Ok(record_rates(connection, rates, &actor.name, clock.now()).await?)
}

/// What rules were taken over as, and what they move in the open months.
#[derive(Debug)]
pub struct RulesKept {
    /// None of a dry run.
    pub version: Option<i32>,
    pub moved: Vec<(BillingPeriod, Vec<Moved>)>,
}

/// Takes over all rules as a new version.
pub async fn keep_rules(
    connection: &mut PgConnection,
    table: &CsvTable,
    (yen, is_dry_run): (YenRates, bool),
    (actor, clock): (&Actor, Clock),
) -> Result<RulesKept, RegisterError> {
    authorize(actor, Action::KeepRegisters)?;
    let mut transaction = connection.begin().await?;
    let departments = list_departments(&mut transaction).await?;
    let codes: Vec<String> = departments.iter().map(|department| department.code.clone()).collect();
    let rules = read_allocation_rules(table, &codes)?;
    for rule in &rules {
        check_entity(rule, &departments)?;
    }
    let moved = preview_rules(&mut transaction, &rules, yen).await?;
    if is_dry_run {
        return Ok(RulesKept { version: None, moved });
    }
    let version = replace_rules(&mut transaction, &rules, &actor.name, clock.now()).await?;
    request_run(&mut transaction, JobName::EvaluateBudgets, &actor.name, clock.now()).await?;
    transaction.commit().await?;
    Ok(RulesKept {
        version: Some(version),
        moved,
    })
}

/// A rule of one legal entity names departments of that entity.
fn check_entity(rule: &AllocationRule, departments: &[Department]) -> Result<(), RegisterError> {
    let Some(entity) = &rule.legal_entity else {
        return Ok(());
    };
    let known = departments_in(departments, rule.valid_from);
    let named = rule.method.named().into_iter().chain(rule.fallback.as_deref());
    for code in named {
        let own = known.get(code).map(|department| department.legal_entity.as_str());
        if own != Some(entity) {
            let what = format!(
                "the rule for {} from {} is of legal entity {entity}, and department '{code}' is of {}",
                rule.pool,
                rule.valid_from,
                own.unwrap_or("none")
            );
            return Err(RegisterError::Invalid(what));
        }
    }
    Ok(())
}

/// Forgets whose figures stand in sealed statements.  Somebody who is in the directory would be there again with the next close.
pub async fn forget_person(
    connection: &mut PgConnection,
    person_id: &str,
    (actor, clock): (&Actor, Clock),
) -> Result<(), RegisterError> {
    authorize(actor, Action::ChangeDirectory)?;
    authorize(actor, Action::ReadPeople)?;
    let mut transaction = connection.begin().await?;
    let directory = get_directory(&mut transaction).await?;
    if directory.people.iter().any(|person| person.person_id == person_id) {
        return Err(RegisterError::Conflict(format!(
            "{person_id} is in the directory: take the person out of it first"
        )));
    }
    if !delete_opaque_person(&mut transaction, person_id).await? {
        return Err(RegisterError::NotFound(format!(
            "no sealed statement has figures of {person_id}"
        )));
    }
    note_personal_data_read(
        &mut transaction,
        actor,
        "sealed statements: a person was forgotten",
        clock.now(),
    )
    .await?;
    transaction.commit().await?;
    Ok(())
}

/// Records invoices; what does not match their bills is said.
///
/// A month that is final is reopened first.  One that is locked takes what comes later: its difference is a true-up of the
/// next open month, at the rate of this invoice.
pub async fn keep_invoices(
    connection: &mut PgConnection,
    invoices: &[Invoice],
    table: Option<&CsvTable>,
    (actor, clock): (&Actor, Clock),
) -> Result<Vec<(BillingPeriod, Finding)>, RegisterError> {
    authorize(actor, Action::KeepRegisters)?;
    let mut transaction = connection.begin().await?;
    lock_steps(&mut transaction).await?;
    for invoice in invoices {
        let place = |column, text: &str| table.and_then(|table| table.place_of(column, text)).unwrap_or_default();
        let of_id = || place("invoice_id", &invoice.invoice_id);
        invoice
            .check()
            .map_err(|what| RegisterError::Invalid(format!("{}invoice {}: {what}", of_id(), invoice.invoice_id)))?;
        let state = find_state(&mut transaction, invoice.period).await?.state;
        match (state, invoice.kind) {
            (MonthState::Locked, InvoiceKind::Corrected) => {
                return Err(RegisterError::Conflict(format!(
                    "{}{} is locked, and invoice {} corrects one that it rests on: {BOOK_BY_HAND}",
                    of_id(),
                    invoice.period,
                    invoice.invoice_id
                )));
            }
            (MonthState::Locked, InvoiceKind::Invoice | InvoiceKind::Refund) => {
                if !billed(&mut transaction, invoice.period)
                    .await?
                    .contains_key(&invoice.invoice_id)
                {
                    return Err(RegisterError::Conflict(format!(
                        "{}{} is locked, and no line of its bill names invoice {}, so that it would change nothing: {BOOK_BY_HAND}",
                        of_id(),
                        invoice.period,
                        invoice.invoice_id
                    )));
                }
            }
            _ => refuse_closed(&mut transaction, invoice.period)
                .await
                .map_err(|refused| match refused {
                    StoreError::MonthIsClosed { .. } => RegisterError::Conflict(format!("{}{refused}", of_id())),
                    other => RegisterError::from(other),
                })?,
        }
        if !record_invoice(&mut transaction, invoice, &actor.name, clock.now()).await? {
            return Err(RegisterError::Conflict(format!(
                "{1}invoice {0} is recorded already; nothing was recorded. To correct it: 'anbun invoices remove {0}', then add it again",
                invoice.invoice_id,
                of_id()
            )));
        }
    }
    transaction.commit().await?;
    let periods: std::collections::BTreeSet<BillingPeriod> = invoices.iter().map(|invoice| invoice.period).collect();
    let mut findings = Vec::new();
    for period in periods {
        let of_these = |finding: &Finding| {
            // The subject is the invoice, or the invoice and what of it.
            let id = finding.subject.split(' ').next().unwrap_or_default();
            invoices.iter().any(|invoice| invoice.invoice_id == id)
        };
        let found = differences(connection, period).await?.into_iter().filter(of_these);
        findings.extend(found.map(|finding| (period, finding)));
    }
    Ok(findings)
}

/// What an invoice of a locked month changes and no bill says.
const BOOK_BY_HAND: &str = "add what it changes as a manual pool of the next open month ('anbun allocation manual'), or record it once a delivery's lines name it";

async fn differences(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<Vec<Finding>> {
    let billed = billed(connection, period).await?;
    let invoices = list_invoices(connection, Some(period)).await?;
    Ok(compare_invoices(period, &invoices, &billed))
}

/// What a month's bill says of each invoice that it names.
async fn billed(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<BTreeMap<String, BilledTotals>> {
    let departments = list_departments(connection).await?;
    let books = assemble(connection, period, &departments, Reporting::AsBilled, Leaves::None).await?;
    Ok(billed_by_invoice(&books.ledger))
}

/// Takes an invoice of a month that is not closed out of the register.
pub async fn remove_invoice(
    connection: &mut PgConnection,
    invoice_id: &str,
    actor: &Actor,
) -> Result<(), RegisterError> {
    authorize(actor, Action::KeepRegisters)?;
    let mut transaction = connection.begin().await?;
    lock_steps(&mut transaction).await?;
    let invoices = list_invoices(&mut transaction, None).await?;
    let invoice = invoices.iter().find(|invoice| invoice.invoice_id == invoice_id);
    let invoice = invoice.ok_or_else(|| RegisterError::NotFound(format!("no invoice '{invoice_id}' is recorded")))?;
    if !came_after_the_lock(&mut transaction, invoice).await? {
        refuse_closed(&mut transaction, invoice.period).await?;
    }
    delete_invoice(&mut transaction, invoice_id).await?;
    Ok(transaction.commit().await?)
}

/// Whether no statement rests on an invoice of a locked month yet: it was recorded later, and no closed month has its difference.
async fn came_after_the_lock(connection: &mut PgConnection, invoice: &Invoice) -> StoreResult<bool> {
    let state = find_state(connection, invoice.period).await?;
    let Some(statement_id) = state.statement_id.filter(|_| state.state == MonthState::Locked) else {
        return Ok(false);
    };
    let head = find_statement(connection, statement_id).await?.head;
    let head: serde_json::Value = serde_json::from_str(&head).unwrap_or_default();
    let mut sealed = head["invoices"].as_array().into_iter().flatten();
    let is_sealed = sealed.any(|known| known["invoice_id"] == invoice.invoice_id.as_str());
    Ok(!is_sealed && !has_settled(connection, invoice.period).await?)
}

/// Letters that the reason of a manual pool may have.
/// More is no cost that somebody adds by hand, but a slip of the keyboard.
const MANUAL_POOL_MAX: Amount = Amount::from_whole(1_000_000_000_000);
const REASON_MAX: usize = 500;

/// Adds a manual pool to a month that is not closed; without a payer it is the month's only one.
pub async fn add_manual_pool(
    connection: &mut PgConnection,
    mut pool: StoredManualPool,
    (actor, at): (&Actor, DateTime<Utc>),
) -> Result<StoredManualPool, RegisterError> {
    authorize(actor, Action::KeepRegisters)?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if pool.name.is_empty() || pool.name.len() > 60 || !pool.name.chars().all(is_name) {
        let what = format!("'{}' is no name of a pool: letters, digits, - and _", pool.name);
        return Err(RegisterError::Invalid(what));
    }
    check_pool(&format!("manual.{}", pool.name)).map_err(RegisterError::Invalid)?;
    if pool.jpy.is_zero() || pool.jpy.whole().is_none() {
        return Err(RegisterError::Invalid("it is whole yen, and not zero".to_owned()));
    }
    if pool.jpy.units().abs() > MANUAL_POOL_MAX.units() {
        let what = format!("a manual pool is at most {MANUAL_POOL_MAX} yen");
        return Err(RegisterError::Invalid(what));
    }
    let reason = pool.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_MAX {
        let what = format!("say what it is for, in 1 to {REASON_MAX} letters: the statement prints it");
        return Err(RegisterError::Invalid(what));
    }
    let mut transaction = connection.begin().await?;
    lock_steps(&mut transaction).await?;
    refuse_closed(&mut transaction, pool.period).await?;
    let payers = list_payers(&mut transaction, pool.period).await?;
    match (pool.payer.as_str(), payers.as_slice()) {
        (_, []) => {
            return Err(RegisterError::NotFound(format!(
                "no delivery of {} is loaded",
                pool.period
            )));
        }
        ("", [only]) => pool.payer = only.clone(),
        ("", several) => {
            let what = format!("name the payer, one of {}", several.join(", "));
            return Err(RegisterError::Invalid(what));
        }
        (named, known) if !known.iter().any(|payer| payer == named) => {
            let what = format!(
                "payer '{named}' has no bill in {}; it has {}",
                pool.period,
                known.join(", ")
            );
            return Err(RegisterError::Invalid(what));
        }
        _ => {}
    }
    if !record_manual_pool(&mut transaction, &pool, at).await? {
        let what = format!(
            "{} has a manual pool '{}' already; take it out first",
            pool.period, pool.name
        );
        return Err(RegisterError::Conflict(what));
    }
    transaction.commit().await?;
    Ok(pool)
}

/// Takes a manual pool out of a month that is not closed.
pub async fn remove_manual_pool(
    connection: &mut PgConnection,
    (period, name): (BillingPeriod, &str),
    actor: &Actor,
) -> Result<(), RegisterError> {
    authorize(actor, Action::KeepRegisters)?;
    let mut transaction = connection.begin().await?;
    lock_steps(&mut transaction).await?;
    refuse_closed(&mut transaction, period).await?;
    if !delete_manual_pool(&mut transaction, period, name).await? {
        return Err(RegisterError::NotFound(format!("{period} has no manual pool '{name}'")));
    }
    Ok(transaction.commit().await?)
}

/// Notes that a person was asked whose a principal is.
pub async fn ask(
    connection: &mut PgConnection,
    (arn, person_id, remind_on): (&str, &str, NaiveDate),
    today: NaiveDate,
    (actor, clock): (&Actor, Clock),
) -> Result<Question, RegisterError> {
    authorize(actor, Action::ChangeDirectory)?;
    if Principal::parse(arn).is_none() {
        return Err(RegisterError::Invalid(format!("'{arn}' is no ARN of a principal")));
    }
    let now = clock.now();
    let directory = get_directory(connection).await?;
    if directory.on(today).person(person_id).is_none() {
        return Err(RegisterError::Invalid(format!(
            "person '{person_id}' is not in the directory today"
        )));
    }
    if remind_on <= today {
        return Err(RegisterError::Invalid(format!(
            "{remind_on} is not after today; an answer takes a day"
        )));
    }
    let question = Question {
        arn: arn.to_owned(),
        person_id: person_id.to_owned(),
        asked_by: actor.name.clone(),
        asked_at: now,
        remind_on,
    };
    note_question(connection, &question).await?;
    Ok(question)
}

/// Says by which column a payer's months from one on are booked; none of them may be closed.
pub async fn keep_basis(
    connection: &mut PgConnection,
    basis: &BasisOfPayer,
    (actor, clock): (&Actor, Clock),
) -> Result<(), RegisterError> {
    authorize(actor, Action::KeepRegisters)?;
    if basis.payer.len() != 12 || !basis.payer.bytes().all(|byte| byte.is_ascii_digit()) {
        let what = format!("'{}' is no payer: an account id of twelve digits", basis.payer);
        return Err(RegisterError::Invalid(what));
    }
    let mut transaction = connection.begin().await?;
    lock_steps(&mut transaction).await?;
    for (period, state) in list_states(&mut transaction).await? {
        if period >= basis.valid_from && state.state != MonthState::Open {
            return Err(RegisterError::Conflict(format!(
                "{period} is {} and rests on the basis that it was closed with; begin with a later month, or reopen it",
                state.state
            )));
        }
    }
    record_basis(&mut transaction, basis, clock.now()).await?;
    Ok(transaction.commit().await?)
}
