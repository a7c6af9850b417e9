//! A month's state, checks and steps, and its reconciliation.

use axum::Json;
use axum::extract::{Extension, Path, State};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::chargeback::{begin_moment, not_loaded, parse_period};
use super::steps::close_settings;
use super::view::{FindingView, MoneyView};
use crate::config::Config;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::chargeback::Reporting;
use crate::domain::close::{Check, MonthState};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::rate::YenRates;
use crate::domain::reconciliation::{Provisional, beside, steps, unexplained};
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::jobs::close_month::check;
use crate::store::accruals::find_accrued;
use crate::store::books::{Leaves, assemble};
use crate::store::chargeback::find_data_as_of;
use crate::store::directory::list_departments;
use crate::store::month::{find_state, list_events};
use crate::store::statements::{Statement, find_statement, list_statements};
use crate::store::{StoreResult, month};

/// From the invoices to the statement; each step is a number.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReconciliationView {
    pub period: String,
    pub steps: Vec<ReconciliationStepView>,
    /// Must be zero.
    pub unexplained: MoneyView,
    pub findings: Vec<FindingView>,
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
    yen: YenRates,
) -> StoreResult<ReconciliationView> {
    let mut moment = begin_moment(connection).await?;
    if let Some(statement_id) = find_state(&mut moment, period).await?.statement_id {
        return Ok(sealed_reconciliation(&find_statement(&mut moment, statement_id).await?));
    }
    let departments = list_departments(&mut moment).await?;
    let reporting = Reporting::Yen(yen);
    let books = assemble(&mut moment, period, &departments, reporting, Leaves::None).await?;
    let before = find_accrued(&mut moment, period).await?.map(|accrued| Provisional {
        accrued_usd: accrued.usd,
        accrued_jpy: accrued.jpy,
        billed: accrued.billed,
    });
    moment.commit().await?;
    let mut steps = steps(&books.ledger, books.reconciled(), &books.converted, &books.invoices);
    let unexplained = unexplained(&steps);
    steps.extend(beside(&books.ledger, books.reconciled(), books.policy, before));
    let view = steps.iter().map(|step| ReconciliationStepView {
        step: step.name.to_owned(),
        invoice: step.invoice.clone(),
        usd: MoneyView::new(step.usd, "USD"),
        jpy: MoneyView::new(step.jpy, "JPY"),
    });
    Ok(ReconciliationView {
        period: period.to_string(),
        steps: view.collect(),
        unexplained: MoneyView::new(unexplained, "USD"),
        findings: books
            .findings
            .iter()
            .map(|finding| FindingView::new(Some(period), finding.clone()))
            .collect(),
    })
}

/// A closed month is reconciled as it was sealed.
fn sealed_reconciliation(statement: &Statement) -> ReconciliationView {
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
        steps,
        unexplained: MoneyView::new(unexplained, "USD"),
        findings: Vec::new(),
    }
}

/// What is left to do until a month is closed, and what was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct MonthView {
    pub period: String,
    /// `open`, `provisional`, `final` or `locked`.
    pub state: &'static str,
    /// What `close --to final` demands, as it stands now.
    pub checks: Vec<CheckView>,
    pub statements: Vec<StatementView>,
    pub steps_taken: Vec<EventView>,
    /// Slips that the company's books hold.
    pub posted_slips: Vec<String>,
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
    /// Of the statement that was sealed before, whatever its month.
    pub previous_digest: Option<String>,
}

impl StatementView {
    pub fn of(statement: &Statement) -> Self {
        Self {
            version: statement.version,
            state: statement.state.as_str(),
            sealed_at: statement.sealed_at.to_rfc3339(),
            prepared_by: statement.prepared_by.clone(),
            total: MoneyView::new(statement.total, "JPY"),
            digest: statement.digest.clone(),
            previous_digest: statement.previous_digest.clone(),
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

/// A month with its checks.
pub async fn month(
    connection: &mut PgConnection,
    period: BillingPeriod,
    checks: Vec<CheckView>,
) -> StoreResult<MonthView> {
    let state = find_state(connection, period).await?;
    let events = list_events(connection, period).await?;
    let statements = list_statements(connection, period).await?;
    let posted_slips = match state.statement_id {
        Some(statement_id) => month::list_posted(connection, statement_id).await?,
        None => Vec::new(),
    };
    let steps_taken = events.into_iter().map(|event| EventView {
        from: event.from_state,
        to: event.to_state,
        version: event.version,
        reason: event.reason,
        by: event.done_by,
        at: event.done_at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    });
    Ok(MonthView {
        period: period.to_string(),
        state: state.state.as_str(),
        checks,
        statements: statements.iter().map(StatementView::of).collect(),
        steps_taken: steps_taken.collect(),
        posted_slips,
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
    Ok(Json(read_month(&mut connection, period, &state.config).await?))
}

/// A month with the checks of its final close; a final or locked one has none left.
pub async fn read_month(
    connection: &mut PgConnection,
    period: BillingPeriod,
    config: &Config,
) -> Result<MonthView, ApiError> {
    let mut moment = begin_moment(connection).await?;
    if find_data_as_of(&mut moment, period).await?.is_none() {
        return Err(not_loaded(period));
    }
    let is_closed = find_state(&mut moment, period).await?.state >= MonthState::Final;
    let checks = if is_closed {
        Vec::new()
    } else {
        check(&mut moment, period, MonthState::Final, &close_settings(config)).await?
    };
    Ok(month(&mut moment, period, check_views(&checks)).await?)
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
        reconciliation(&mut connection, period, state.config.currency.yen()).await?,
    ))
}
