//! The steps of a month: close, lock, reopen.
//!
//! One step at a time over all replicas; each is one transaction that sees one moment of the books.  Safe to repeat: closing a
//! month again to what it is already changes nothing while nothing changed.

use std::collections::BTreeMap;

use anyhow::bail;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::clock::Clock;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::allocation::AllocationRule;
use crate::domain::attribution::{AttributionSettings, Rule, State};
use crate::domain::books::{Column, LeafAmount, Posting, spread_over_leaves};
use crate::domain::chargeback::{Chargeback, Reporting};
use crate::domain::close::{Check, CloseFacts, MonthState, StepError, checks, may_close, waive};
use crate::domain::finding::Finding;
use crate::domain::invoice::Invoice;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::reconciliation::steps;
use crate::domain::statement::StatementLine;
use crate::store::books::{Leaves, MonthBooks, assemble};
use crate::store::chargeback::list_periods;
use crate::store::database::Database;
use crate::store::directory::get_versioned_directory_at;
use crate::store::month::{
    DeliveryUsed, MonthStep, connect_for_step, count_recounts, find_state, list_deliveries_used, list_posted,
    list_states, take_step,
};
use crate::store::reattribution::reattribute;
use crate::store::statements::{Sealing, Statement, find_statement, keep_directory, list_lines, seal};
use crate::store::status::list_findings;
use crate::store::{StoreError, StoreResult};

/// How a company closes its months.
#[derive(Debug, Clone)]
pub struct CloseSettings {
    /// Somebody else locks than prepared.
    pub two_person: bool,
    /// Yen that may stay undecided.
    pub quarantine_max: Amount,
    /// For months for which no rate is set.
    pub planning_rate: Decimal,
    /// 1 to 12.
    pub fiscal_year_start_month: u32,
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
    let deliveries = list_deliveries_used(&mut transaction, period).await?;
    if deliveries.is_empty() {
        bail!("no delivery of {period} is loaded");
    }
    let month = MonthToClose::read(&mut transaction, period, deliveries, settings).await?;
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
    if list_posted(&mut transaction, statement_id).await?.is_empty() {
        return Err(StepError::NotPosted(format!("statement {} of {period}", statement.version)).into());
    }
    let step = MonthStep {
        period,
        from: state.state,
        to: MonthState::Locked,
        statement_id: Some(statement_id),
        reason: (statement.prepared_by == actor.name).then_some("one person: [close] two_person is off"),
        by: &actor.name,
        at: clock.now(),
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

/// The checks of a month as it stands now, for the list of what is left to do.
pub async fn check(
    connection: &mut PgConnection,
    period: BillingPeriod,
    target: MonthState,
    settings: &CloseSettings,
) -> StoreResult<Vec<Check>> {
    let deliveries = list_deliveries_used(connection, period).await?;
    let month = MonthToClose::read(connection, period, deliveries, settings).await?;
    Ok(month.checks(target, settings))
}

/// Everything that a close looks at, from one moment.
struct MonthToClose {
    period: BillingPeriod,
    deliveries: Vec<DeliveryUsed>,
    directory: crate::domain::directory::Directory,
    directory_version: Option<i32>,
    books: MonthBooks,
    recounts: (i64, i64),
    findings: Vec<Finding>,
    fiscal_year_start_month: u32,
}

impl MonthToClose {
    async fn read(
        connection: &mut PgConnection,
        period: BillingPeriod,
        deliveries: Vec<DeliveryUsed>,
        settings: &CloseSettings,
    ) -> StoreResult<Self> {
        let (directory, directory_version) = get_versioned_directory_at(connection).await?;
        let reporting = Reporting::Yen {
            planning_rate: settings.planning_rate,
        };
        let books = assemble(connection, period, &directory.departments, reporting, Leaves::Whole).await?;
        let stored = list_findings(connection, period, period.next(), false).await?;
        let mut findings = books.findings.clone();
        findings.extend(stored.into_iter().map(|found| Finding {
            // Stored codes are known by name only; what a check looks for it looks for in the books' own.
            code: "stored",
            severity: found.severity,
            subject: format!("{} {}", found.code, found.subject),
            message: found.message,
            action: found.action,
            amount: found.amount,
            currency: found.currency,
            lines: found.lines,
        }));
        Ok(Self {
            period,
            deliveries,
            directory,
            directory_version,
            recounts: count_recounts(connection, period).await?,
            books,
            findings,
            fiscal_year_start_month: settings.fiscal_year_start_month,
        })
    }

    fn checks(&self, target: MonthState, settings: &CloseSettings) -> Vec<Check> {
        let converted = &self.books.converted;
        let month = Chargeback::by_department(self.period, &converted.postings);
        let quarantined = month
            .kept
            .iter()
            .filter(|kept| kept.state == State::Quarantined)
            .map(|kept| kept.amount)
            .sum();
        let without_invoice = converted.postings.iter().filter(|posting| {
            let group = &converted.groups[posting.group];
            posting.column != Column::Adjustments
                && group
                    .bills
                    .iter()
                    .any(|bill| self.books.ledger.bills[*bill].invoice.is_none())
        });
        let last_day = self.deliveries.iter().filter_map(|used| used.last_day).min();
        let days_missing = self
            .period
            .days()
            .iter()
            .filter(|day| last_day.is_none_or(|last| *day > last))
            .count();
        checks(&CloseFacts {
            target,
            recounts_missing: self.recounts.0,
            recounts_unequal: self.recounts.1,
            quarantined,
            quarantine_max: settings.quarantine_max,
            days_missing,
            without_invoice: without_invoice.map(|posting| posting.amount).sum(),
            unconverted: &converted.unconverted,
            missing_from_books: self.missing_from_books(),
            decided_by_another_directory: self
                .deliveries
                .iter()
                .any(|used| used.directory_version != self.directory_version),
            findings: &self.findings,
        })
    }

    /// What the deliveries bill and the books do not have, Bedrock's lines and the others.
    fn missing_from_books(&self) -> (Amount, Amount) {
        let ledger = &self.books.ledger;
        let booked: Amount = ledger.entries.iter().map(|entry| entry.cost).sum();
        let others: Amount = ledger.other_services.iter().map(|other| other.cost).sum();
        let delivered: Amount = self.deliveries.iter().map(|used| used.cost).sum();
        let left_out: Amount = self.deliveries.iter().map(|used| used.left_out_cost).sum();
        (delivered - booked, left_out - others)
    }

    /// The lines of the statement: leaves of departments, and what is kept visible.
    fn lines(&self) -> anyhow::Result<Vec<StatementLine>> {
        let (ledger, converted) = (&self.books.ledger, &self.books.converted);
        let currency_of = |group: usize| {
            let bill = converted.groups[group]
                .bills
                .first()
                .map(|bill| ledger.bills[*bill].currency.clone());
            // Adjustments come from dollars.
            bill.unwrap_or_else(|| "USD".to_owned())
        };
        let leaves = spread_over_leaves(ledger, converted, &self.books.leaves)?;
        let own = leaves.into_iter().filter(|leaf| leaf.column != Column::Adjustments);
        let mut lines: Vec<StatementLine> = own.map(|leaf| line_of(leaf, &currency_of)).collect();
        let is_named = |posting: &&Posting| posting.department.is_none() || posting.column == Column::Adjustments;
        lines.extend(converted.postings.iter().filter(is_named).map(|posting| StatementLine {
            bill_group: posting.group,
            column: posting.column,
            department: posting.department.clone(),
            pool: posting.pool.clone(),
            person: None,
            model: None,
            project: None,
            currency: currency_of(posting.group),
            billed: posting.billed,
            amount: posting.amount,
            lines: posting.lines,
            tokens: posting.tokens,
        }));
        let total: Amount = lines.iter().map(|line| line.amount).sum();
        assert_eq!(total, converted.total(), "the lines of a statement add up to it");
        Ok(lines)
    }

    /// What was taken over of locked months, and why.
    fn adjustments(&self) -> Vec<Value> {
        let fiscal_year = |period: BillingPeriod| {
            let first = period.first_day();
            let is_before_start = chrono::Datelike::month(&first) < self.fiscal_year_start_month;
            chrono::Datelike::year(&first) - i32::from(is_before_start)
        };
        let crosses = |origin: BillingPeriod| fiscal_year(origin) != fiscal_year(self.period);
        let taken = &self.books.taken_over;
        let true_ups = taken.true_ups.iter().map(|line| {
            json!({
                "kind": "true_up",
                "origin": line.origin.to_string(),
                "column": line.key.column.as_str(),
                "department_then": line.key.department,
                "department": line.department,
                "usd": line.usd.to_string(),
                "jpy": line.jpy.to_string(),
                "crosses_fiscal_year": crosses(line.origin),
                "because": "a delivery after the month was locked",
            })
        });
        let reclasses = taken.reclasses.iter().map(|reclass| {
            json!({
                "kind": "reclass",
                "origin": reclass.origin.to_string(),
                "from": reclass.from_department,
                "to": reclass.to_department,
                "jpy": reclass.jpy.to_string(),
                "crosses_fiscal_year": crosses(reclass.origin),
                "because": reclass.reason,
                "approved_by": reclass.approved_by,
            })
        });
        true_ups.chain(reclasses).collect()
    }

    /// Everything of the statement but its lines.
    fn head(&self, checks: &[Check], settings: &CloseSettings) -> Value {
        let converted = &self.books.converted;
        let groups = converted.groups.iter().map(|group| {
            let bills: Vec<Value> = group.bills.iter().map(|bill| &self.books.ledger.bills[*bill]).map(|bill| {
                json!({"payer": bill.payer, "seller": bill.seller, "invoice": bill.invoice, "currency": bill.currency})
            }).collect();
            json!({
                "bills": bills,
                "invoice": group.invoice,
                "total": group.total.to_string(),
                "other_services": group.other_services.to_string(),
                "other_tax": group.other_tax.to_string(),
            })
        });
        let rates = self.books.rates.iter().map(|rate| {
            json!({
                "value": rate.value.map(|value| value.to_string()),
                "kind": rate.kind,
                "date": rate.date,
                "source": rate.source,
                "invoice": rate.invoice,
            })
        });
        let deliveries = self.deliveries.iter().map(|used| {
            json!({
                "source": used.source,
                "location": used.location,
                "manifest": used.manifest,
                "version": used.digest,
                "delivered_at": used.delivered_at.to_rfc3339(),
                "lines_read": used.lines_read,
                "lines_kept": used.lines_kept,
                "first_day": used.first_day,
                "last_day": used.last_day,
                "cost": used.cost.to_string(),
                "other_services_cost": used.left_out_cost.to_string(),
            })
        });
        let steps = steps(&self.books.ledger, converted, &self.books.invoices);
        let steps = steps.iter().map(|step| {
            json!({"step": step.name, "invoice": step.invoice, "usd": step.usd.to_string(), "jpy": step.jpy.to_string()})
        });
        let findings = self.findings.iter().map(|found| {
            json!({
                "subject": found.subject,
                "severity": found.severity.as_str(),
                "message": found.message,
                "amount": found.amount.map(|amount| amount.to_string()),
                "currency": found.currency,
            })
        });
        json!({
            "currency": "JPY",
            "cost_basis": "unblended cost with separate discount lines",
            "days_are": "UTC, as AWS bills them",
            "data_as_of": self.deliveries.iter().map(|used| used.delivered_at).min().map(|at| at.to_rfc3339()),
            "directory_version": self.directory_version,
            "allocation_version": self.books.allocation_version,
            "allocation_rules": self.books.rules.iter().filter(|rule| rule.holds_in(self.period)).map(rule_of).collect::<Vec<_>>(),
            "rates": rates.collect::<Vec<_>>(),
            "invoices": self.books.invoices.iter().map(invoice_of).collect::<Vec<_>>(),
            "groups": groups.collect::<Vec<_>>(),
            "deliveries": deliveries.collect::<Vec<_>>(),
            "reconciliation": steps.collect::<Vec<_>>(),
            "checks": checks.iter().map(check_of).collect::<Vec<_>>(),
            "findings": findings.collect::<Vec<_>>(),
            "adjustments": self.adjustments(),
            "two_person": settings.two_person,
            "attribution": settings.attribution,
        })
    }
}

fn line_of(leaf: LeafAmount, currency_of: &impl Fn(usize) -> String) -> StatementLine {
    StatementLine {
        currency: currency_of(leaf.group),
        bill_group: leaf.group,
        column: leaf.column,
        department: Some(leaf.department),
        pool: None,
        person: leaf.person,
        model: leaf.model,
        project: leaf.project,
        billed: leaf.billed,
        amount: leaf.amount,
        lines: leaf.lines,
        tokens: leaf.tokens,
    }
}

fn rule_of(rule: &AllocationRule) -> Value {
    json!({
        "pool": rule.pool,
        "method": rule.method.name(),
        "members": rule.method.members(),
        "fallback": rule.fallback,
        "legal_entity": rule.legal_entity,
        "valid_from": rule.valid_from.to_string(),
        "valid_to": rule.valid_to.map(|to| to.to_string()),
    })
}

fn invoice_of(invoice: &Invoice) -> Value {
    let taxes = invoice.taxes.iter().map(|tax| {
        json!({"rate": tax.rate.to_string(), "usd": tax.usd.to_string(), "jpy": tax.jpy.map(|yen| yen.to_string())})
    });
    json!({
        "invoice_id": invoice.invoice_id,
        "payer": invoice.payer,
        "seller": invoice.seller,
        "registration_number": invoice.registration_number,
        "kind": invoice.kind.as_str(),
        "corrects": invoice.corrects,
        "issue_date": invoice.issue_date,
        "currency": invoice.currency,
        "net_usd": invoice.net_usd.to_string(),
        "net_jpy": invoice.net_jpy.map(|yen| yen.to_string()),
        "treatment": invoice.treatment.as_str(),
        "taxes": taxes.collect::<Vec<_>>(),
        "file_sha256": invoice.file_sha256,
    })
}

fn check_of(check: &Check) -> Value {
    json!({
        "check": check.name,
        "hard": check.is_hard,
        "passed": check.passed,
        "amount": check.amount.to_string(),
        "currency": check.currency,
        "message": check.message,
        "waived": check.waived,
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
