//! A month's state, checks and steps, and its reconciliation.

use axum::Json;
use axum::extract::{Extension, Path, State};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::chargeback::{begin_moment, not_loaded, parse_period};
use super::findings::AsSeen;
use super::footing::{Footing, footing_in_yen};
use super::steps::close_settings;
use super::view::MoneyView;
use crate::clock::Clock;
use crate::config::{CloseConfig, Config};
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::calendar::BusinessCalendar;
use crate::domain::chargeback::Reporting;
use crate::domain::checklist::{ChecklistFacts, Task, TaskPlan, tasks};
use crate::domain::close::{Check, MonthState};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::reconciliation::{Provisional, beside, steps, unexplained};
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::jobs::close_month::{Checked, check};
use crate::jobs::post_journal::not_posted;
use crate::sources::holiday_csv::read_holidays;
use crate::store::accruals::find_accrued;
use crate::store::books::{Leaves, assemble};
use crate::store::chargeback::{find_data_as_of, sum_without_tax};
use crate::store::cost_explorer::find_month_total;
use crate::store::department_statements::{Standing, list_standings};
use crate::store::directory::list_departments;
use crate::store::month::{find_state, list_events};
use crate::store::month_locks::{MonthLock, find_lock};
use crate::store::questions::count_overdue;
use crate::store::statements::{Statement, find_statement, list_statements};
use crate::store::{StoreResult, month};

/// From the invoices to the statement; each step is a number.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReconciliationView {
    pub period: String,
    #[serde(flatten)]
    pub footing: Footing,
    pub steps: Vec<ReconciliationStepView>,
    /// Must be zero.
    pub unexplained: MoneyView,
    /// Cost Explorer beside the bill; null while it was not asked for every day of the month.
    pub cost_explorer: Option<CostExplorerView>,
}

/// What Cost Explorer says of the month's Bedrock services, without tax, and the bill as it is delivered now.
#[derive(Debug, Serialize, ToSchema)]
pub struct CostExplorerView {
    pub total: MoneyView,
    pub bill: MoneyView,
    pub difference: MoneyView,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ReconciliationStepView {
    pub step: String,
    pub invoice: Option<String>,
    pub usd: MoneyView,
    pub jpy: MoneyView,
}

/// Reconciles a month as it stands.
pub async fn reconciliation(
    connection: &mut PgConnection,
    period: BillingPeriod,
    seen: &AsSeen,
) -> StoreResult<ReconciliationView> {
    let mut moment = begin_moment(connection).await?;
    let cost_explorer = beside_cost_explorer(&mut moment, period).await?;
    if let Some(statement_id) = find_state(&mut moment, period).await?.statement_id {
        let statement = find_statement(&mut moment, statement_id).await?;
        let footing = footing_in_yen(&mut moment, period, None, seen).await?;
        return Ok(sealed_reconciliation(&statement, footing, cost_explorer));
    }
    let departments = list_departments(&mut moment).await?;
    let reporting = Reporting::Yen(seen.yen);
    let books = assemble(&mut moment, period, &departments, reporting, Leaves::None).await?;
    let before = find_accrued(&mut moment, period).await?.map(|accrued| Provisional {
        accrued_usd: accrued.usd,
        accrued_jpy: accrued.jpy,
        billed: accrued.billed,
    });
    let footing = footing_in_yen(&mut moment, period, Some((&books.rates, &books.findings)), seen).await?;
    moment.commit().await?;
    let mut steps = steps(&books.ledger, books.reconciled(), &books.converted, &books.invoices);
    let unexplained = unexplained(&steps);
    steps.extend(beside(
        &books.ledger,
        books.reconciled(),
        (&books.invoices, books.policy),
        before,
    ));
    let view = steps.iter().map(|step| ReconciliationStepView {
        step: step.name.as_str().to_owned(),
        invoice: step.invoice.clone(),
        usd: MoneyView::new(step.usd, "USD"),
        jpy: MoneyView::new(step.jpy, "JPY"),
    });
    Ok(ReconciliationView {
        period: period.to_string(),
        footing,
        steps: view.collect(),
        unexplained: MoneyView::new(unexplained, "USD"),
        cost_explorer,
    })
}

async fn beside_cost_explorer(
    connection: &mut PgConnection,
    period: BillingPeriod,
) -> StoreResult<Option<CostExplorerView>> {
    let Some(total) = find_month_total(connection, period).await? else {
        return Ok(None);
    };
    let bill = sum_without_tax(connection, period).await?;
    let usd = |amount| MoneyView::new(amount, "USD");
    Ok(Some(CostExplorerView {
        total: usd(total),
        bill: usd(bill),
        difference: usd(total - bill),
    }))
}

/// A closed month is reconciled as it was sealed.
fn sealed_reconciliation(
    statement: &Statement,
    footing: Footing,
    cost_explorer: Option<CostExplorerView>,
) -> ReconciliationView {
    let head: serde_json::Value = serde_json::from_str(&statement.head).unwrap_or_default();
    let money = |value: &serde_json::Value, currency: &str| {
        let amount = value.as_str().and_then(Amount::parse).unwrap_or_default();
        MoneyView::new(amount, currency)
    };
    let sealed = head["reconciliation"].as_array().into_iter().flatten();
    let steps: Vec<ReconciliationStepView> = sealed
        .map(|step| ReconciliationStepView {
            step: step["step"].as_str().unwrap_or_default().to_owned(),
            invoice: step["invoice"].as_str().map(str::to_owned),
            usd: money(&step["usd"], "USD"),
            jpy: money(&step["jpy"], "JPY"),
        })
        .collect();
    let unexplained = steps.iter().filter(|step| step.step == "unexplained");
    let unexplained: Amount = unexplained.filter_map(|step| Amount::parse(&step.usd.amount)).sum();
    ReconciliationView {
        period: statement.period.to_string(),
        footing,
        steps,
        unexplained: MoneyView::new(unexplained, "USD"),
        cost_explorer,
    }
}

/// What is left to do until a month is closed, and what was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct MonthView {
    pub period: String,
    #[serde(flatten)]
    pub footing: Footing,
    /// What is to be done until the month is locked, by whom and until when.
    pub tasks: Vec<TaskView>,
    /// What `close --to final` demands, as it stands now.
    pub checks: Vec<CheckView>,
    pub statements: Vec<StatementView>,
    pub steps_taken: Vec<EventView>,
    /// Slips that the company's books hold.
    pub posted_slips: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TaskView {
    pub task: &'static str,
    /// Empty where `[close] owners` names nobody.
    pub owner: String,
    /// A business day of the next month; null where the calendar has no holidays of its year.
    pub due: Option<String>,
    /// `done`, `open` or `overdue`.
    pub state: &'static str,
    /// What hangs on it.
    pub amount: MoneyView,
    pub what: String,
    pub action: String,
}

impl TaskView {
    fn of(task: Task) -> Self {
        Self {
            task: task.name.as_str(),
            owner: task.owner,
            due: task.due.map(|due| due.to_string()),
            state: task.state.as_str(),
            amount: MoneyView::new(task.amount, task.currency),
            what: task.what,
            action: task.action,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CheckView {
    pub check: &'static str,
    /// A hard check is never waived.
    pub hard: bool,
    pub passed: bool,
    pub waived: Option<String>,
    /// What hangs on it.
    pub amount: MoneyView,
    pub message: String,
    pub action: &'static str,
}

pub fn check_views(checks: &[Check]) -> Vec<CheckView> {
    let view = checks.iter().map(|check| CheckView {
        check: check.name,
        hard: check.is_hard,
        passed: check.passed,
        waived: check.waived.clone(),
        amount: MoneyView::new(check.amount, check.currency),
        message: check.message.clone(),
        action: check.action,
    });
    view.collect()
}

/// A sealed statement.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementView {
    pub version: i32,
    pub state: &'static str,
    pub sealed_at: String,
    pub prepared_by: String,
    pub total: MoneyView,
    pub digest: String,
    /// Of the seal before, a statement or a lock, whatever its month.
    pub previous_digest: Option<String>,
    /// Who locked the month with it, when, and the seal of that; null while it is not locked.
    pub approved_by: Option<String>,
    pub locked_at: Option<String>,
    pub lock_digest: Option<String>,
}

impl StatementView {
    pub fn approved(self, lock: Option<MonthLock>) -> Self {
        let (record, digest) = lock.map(|lock| (lock.record, lock.digest)).unzip();
        let record = record.flatten();
        Self {
            approved_by: record.as_ref().map(|record| record.approved_by.clone()),
            locked_at: record.map(|record| record.locked_at.to_rfc3339()),
            lock_digest: digest,
            ..self
        }
    }

    pub fn of(statement: &Statement) -> Self {
        Self {
            version: statement.version,
            state: statement.state.as_str(),
            sealed_at: statement.sealed_at.to_rfc3339(),
            prepared_by: statement.prepared_by.clone(),
            total: MoneyView::new(statement.total, "JPY"),
            digest: statement.digest.clone(),
            previous_digest: statement.previous_digest.clone(),
            approved_by: None,
            locked_at: None,
            lock_digest: None,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct EventView {
    pub from: String,
    pub to: String,
    pub version: Option<i32>,
    pub reason: Option<String>,
    pub by: String,
    pub at: String,
}

/// Who does what by when, by the settings.
fn task_plan(config: &Config) -> Result<TaskPlan, ApiError> {
    let refused = |error: &dyn std::fmt::Display| ApiError::Conflict(error.to_string());
    let close = &config.close;
    Ok(TaskPlan {
        owners: CloseConfig::by_task("owners", &close.owners).map_err(|e| refused(&e))?,
        due_business_days: CloseConfig::by_task("due_business_days", &close.due_business_days)
            .map_err(|e| refused(&e))?,
        calendar: BusinessCalendar {
            holidays: read_holidays(config.calendar.holidays.as_deref()).map_err(|e| refused(&e))?,
            closed: config.calendar.closed().map_err(|e| refused(&e))?,
        },
    })
}

/// What is left to do until a month is closed, and what was done.
#[utoipa::path(
    get,
    path = "/api/v1/months/{period}",
    tag = "chargeback",
    params(("period" = String, Path, description = "Month as YYYY-MM")),
    responses(
        (status = 200, body = MonthView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_month(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
) -> Result<Json<MonthView>, ApiError> {
    let period = parse_period(&period)?;
    authorize(&actor, Action::ReadChargeback)?;
    let mut connection = state.database.pool.acquire().await?;
    Ok(Json(
        read_month(&mut connection, period, &state.config, state.clock).await?,
    ))
}

/// A month with its tasks and the checks of its final close; a final or locked one has no checks left.
pub async fn read_month(
    connection: &mut PgConnection,
    period: BillingPeriod,
    config: &Config,
    clock: Clock,
) -> Result<MonthView, ApiError> {
    let (settings, plan) = (close_settings(config)?, task_plan(config)?);
    let mut moment = begin_moment(connection).await?;
    if find_data_as_of(&mut moment, period).await?.is_none() {
        return Err(not_loaded(period));
    }
    let state = find_state(&mut moment, period).await?;
    let statements = list_statements(&mut moment, period).await?;
    let is_final = state.state >= MonthState::Final;
    let closing = statements
        .iter()
        .find(|statement| Some(statement.statement_id) == state.statement_id);
    let checked = match closing.filter(|_| is_final) {
        Some(statement) => Checked {
            checks: Vec::new(),
            total: statement.total,
            rates: Vec::new(),
            findings: Vec::new(),
        },
        None => check(&mut moment, period, MonthState::Final, &settings).await?,
    };
    let (posted_slips, is_posted, standings) = match closing {
        Some(statement) => (
            month::list_posted(&mut moment, statement.statement_id).await?,
            not_posted(&mut moment, statement, &settings.journal.sources)
                .await?
                .is_empty(),
            list_standings(&mut moment, statement.statement_id).await?,
        ),
        None => (Vec::new(), false, Vec::new()),
    };
    let today = clock.now().with_timezone(&config.calendar.time_zone).date_naive();
    let facts = ChecklistFacts {
        period,
        state: state.state,
        checks: &checked.checks,
        total: checked.total,
        is_posted,
        awaits_approver: state.state == MonthState::Final && closing.is_some_and(Statement::needs_approver),
        statements_unsent: standings
            .iter()
            .filter(|standing| standing.sent.is_none() && standing.answered.is_none())
            .count(),
        disputed: standings.iter().map(Standing::disputed).sum(),
        answers_overdue: count_overdue(&mut moment, period, today).await?,
        today,
    };
    let events = list_events(&mut moment, period).await?;
    let steps_taken = events.into_iter().map(|event| EventView {
        from: event.from_state,
        to: event.to_state,
        version: event.version,
        reason: event.reason,
        by: event.done_by,
        at: event.done_at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    });
    let footing = {
        let open = state
            .statement_id
            .is_none()
            .then_some((&checked.rates[..], &checked.findings[..]));
        footing_in_yen(&mut moment, period, open, &AsSeen::of(config, clock)).await?
    };
    let mut views = Vec::new();
    for statement in &statements {
        let lock = find_lock(&mut moment, statement.statement_id).await?;
        views.push(StatementView::of(statement).approved(lock));
    }
    Ok(MonthView {
        period: period.to_string(),
        footing,
        tasks: tasks(&facts, &plan).into_iter().map(TaskView::of).collect(),
        checks: check_views(&checked.checks),
        statements: views,
        steps_taken: steps_taken.collect(),
        posted_slips: posted_slips.into_iter().map(|posted| posted.slip).collect(),
    })
}

/// From the invoices to the statement, step by step.
#[utoipa::path(
    get,
    path = "/api/v1/reconciliation/{period}",
    tag = "chargeback",
    params(("period" = String, Path, description = "Month as YYYY-MM")),
    responses(
        (status = 200, body = ReconciliationView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_reconciliation(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
) -> Result<Json<ReconciliationView>, ApiError> {
    let period = parse_period(&period)?;
    authorize(&actor, Action::ReadChargeback)?;
    let mut connection = state.database.pool.acquire().await?;
    if find_data_as_of(&mut connection, period).await?.is_none() {
        return Err(not_loaded(period));
    }
    Ok(Json(
        reconciliation(&mut connection, period, &AsSeen::of(&state.config, state.clock)).await?,
    ))
}
