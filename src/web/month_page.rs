//! What is left to do until a month is closed, how it ties to its invoices, and its statements.

use askama::Template;
use axum::extract::{Extension, Path, State};
use axum::response::Response;

use super::error_page::{PageError, render};
use super::figures::money;
use crate::api::chargeback::parse_period;
use crate::api::findings::AsSeen;
use crate::api::month::{MonthView, ReconciliationView, read_month, reconciliation};
use crate::api::view::MoneyView;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::text::grouped;
use crate::http::AppState;

#[derive(Template)]
#[template(path = "month.html")]
struct MonthPage {
    period: String,
    state: &'static str,
    tasks: Vec<TaskLine>,
    checks: Vec<CheckLine>,
    steps: Vec<StepLine>,
    unexplained: String,
    statements: Vec<StatementLine>,
    posted: String,
    events: Vec<String>,
}

struct TaskLine {
    name: &'static str,
    owner: String,
    due: String,
    state: &'static str,
    amount: String,
    what: String,
    action: String,
}

struct CheckLine {
    name: &'static str,
    state: &'static str,
    passed: bool,
    amount: String,
    message: String,
    action: &'static str,
}

struct StepLine {
    name: String,
    invoice: String,
    usd: String,
    jpy: String,
}

struct StatementLine {
    version: i32,
    state: &'static str,
    sealed_at: String,
    by: String,
    approved_by: String,
    total: String,
    digest: String,
}

pub(super) async fn month(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
) -> Result<Response, PageError> {
    let period = parse_period(&period)?;
    authorize(&actor, Action::ReadChargeback)?;
    let mut connection = state.database.pool.acquire().await?;
    let month = read_month(&mut connection, period, &state.config, state.clock).await?;
    let steps = reconciliation(&mut connection, period, &AsSeen::of(&state.config, state.clock)).await?;
    Ok(render(&page(month, steps)))
}

fn page(month: MonthView, reconciliation: ReconciliationView) -> MonthPage {
    let exact = |money: &MoneyView| grouped(&money.amount);
    let tasks = month.tasks.iter().map(|task| {
        let is_done = task.state == "done";
        TaskLine {
            name: task.task,
            owner: task.owner.clone(),
            due: task.due.clone().unwrap_or_else(|| "no calendar".to_owned()),
            state: task.state,
            amount: if is_done || task.amount.amount == "0" {
                String::new()
            } else {
                money(&task.amount)
            },
            what: task.what.clone(),
            action: if is_done { String::new() } else { task.action.clone() },
        }
    });
    let checks = month.checks.iter().map(|check| CheckLine {
        name: check.check,
        state: match (check.passed, check.hard) {
            (true, _) => "ok",
            (false, true) => "fails",
            (false, false) => "decide",
        },
        passed: check.passed,
        amount: if check.amount.amount == "0" {
            String::new()
        } else {
            money(&check.amount)
        },
        message: check.message.clone(),
        action: if check.passed { "" } else { check.action },
    });
    let steps = reconciliation.steps.iter().map(|step| StepLine {
        name: step.step.clone(),
        invoice: step.invoice.clone().unwrap_or_default(),
        usd: exact(&step.usd),
        jpy: exact(&step.jpy),
    });
    let statements = month.statements.iter().map(|statement| StatementLine {
        version: statement.version,
        state: statement.state,
        sealed_at: statement
            .sealed_at
            .chars()
            .take(16)
            .collect::<String>()
            .replace('T', " "),
        by: statement.prepared_by.clone(),
        approved_by: statement.approved_by.clone().unwrap_or_default(),
        total: money(&statement.total),
        digest: statement.digest.chars().take(12).collect(),
    });
    let events = month.steps_taken.iter().map(|event| {
        let reason = event
            .reason
            .as_ref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        format!(
            "{} {} to {} by {}{reason}",
            event.at.replace('T', " "),
            event.from,
            event.to,
            event.by
        )
    });
    MonthPage {
        state: month.footing.state,
        tasks: tasks.collect(),
        checks: checks.collect(),
        steps: steps.collect(),
        unexplained: exact(&reconciliation.unexplained),
        statements: statements.collect(),
        posted: month.posted_slips.join(", "),
        events: events.collect(),
        period: month.period,
    }
}
