//! Budgets as they stand, what they said, and how well months were foreseen.

use askama::Template;
use axum::Form;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::error_page::{PageError, render};
use super::figures::money;
use crate::api::alerts::{AlertsQuery, answer_alert, read_alerts};
use crate::api::budget_status::{BudgetStatusQuery, BudgetStatusView, bar_of, budget_question, statuses};
use crate::api::chargeback::parse_period;
use crate::api::findings::AsSeen;
use crate::api::forecasts::forecasts;
use crate::api::view::FindingView;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::alert::Silence;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::query::Query;

#[derive(Template)]
#[template(path = "budgets.html")]
struct BudgetsPage {
    period: String,
    before: String,
    after: String,
    data_as_of: String,
    findings: Vec<FindingView>,
    budgets: Vec<BudgetLine>,
}

struct BudgetLine {
    name: String,
    of: String,
    window: String,
    spent: String,
    limit: String,
    percent: String,
    /// Widths of the bar, per cent.
    filled: u32,
    ahead: u32,
    is_over: bool,
    foreseen: String,
    band: String,
    not_billed_yet: String,
    runs_out: String,
    days_left: i64,
}

impl BudgetLine {
    fn of(view: &BudgetStatusView) -> Self {
        let filled = view.spent.as_ref().map_or(0, |spent| bar_of(spent, &view.limit));
        let foreseen = view.forecast.as_ref();
        let ahead = foreseen.map_or(0, |of| bar_of(&of.expected, &view.limit).saturating_sub(filled));
        Self {
            name: view.name.clone(),
            of: format!("{} {}", view.scope, view.code),
            window: if view.is_one_month() {
                view.from.clone()
            } else {
                format!("{} until {}", view.from, view.to)
            },
            spent: view.spent.as_ref().map_or_else(|| "not known".to_owned(), money),
            limit: money(&view.limit),
            percent: view
                .percent
                .as_ref()
                .map(|percent| format!("{percent} %"))
                .unwrap_or_default(),
            is_over: filled == 100,
            filled,
            ahead,
            foreseen: foreseen.map(|of| money(&of.expected)).unwrap_or_default(),
            band: foreseen
                .map(|of| format!("{} to {}", money(&of.low), money(&of.high)))
                .unwrap_or_default(),
            not_billed_yet: foreseen.map(|of| money(&of.not_billed_yet)).unwrap_or_default(),
            runs_out: foreseen.and_then(|of| of.runs_out_on.clone()).unwrap_or_default(),
            days_left: view.days_left,
        }
    }
}

pub(super) async fn budgets(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Query(query): Query<BudgetStatusQuery>,
) -> Result<Response, PageError> {
    authorize(&actor, Action::ReadChargeback)?;
    let sees_people = authorize(&actor, Action::ReadPeople).is_ok();
    let period = query.period.as_deref().map(parse_period).transpose()?;
    let question =
        budget_question(&state.config, state.clock, period).map_err(|e| ApiError::Conflict(e.to_string()))?;
    let mut connection = state.database.pool.acquire().await?;
    let seen = AsSeen::of(&state.config, state.clock);
    let view = statuses(&mut connection, &question, sees_people, &seen).await?;
    // What ails attribution stands on the month's own page.
    let is_of_budgets = |finding: &&FindingView| finding.severity == "error" || finding.code.starts_with("budget");
    let findings = view.footing.findings.iter().filter(is_of_budgets);
    Ok(render(&BudgetsPage {
        before: question.period.previous().to_string(),
        after: question.period.next().to_string(),
        period: view.period,
        data_as_of: view
            .footing
            .data_as_of
            .map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string())
            .unwrap_or_default(),
        findings: findings.cloned().collect(),
        budgets: view.data.iter().map(BudgetLine::of).collect(),
    }))
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage {
    alerts: Vec<AlertLine>,
}

struct AlertLine {
    id: i64,
    raised_at: String,
    kind: String,
    subject: String,
    threshold: String,
    amount: String,
    cause: String,
    messages: String,
    /// Somebody was told, and can answer.
    is_told: bool,
    acknowledged_by: String,
}

const ALERTS_SHOWN: i64 = 200;

pub(super) async fn alerts(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
) -> Result<Response, PageError> {
    authorize(&actor, Action::ReadChargeback)?;
    let sees_people = authorize(&actor, Action::ReadPeople).is_ok();
    let mut connection = state.database.pool.acquire().await?;
    let query = AlertsQuery {
        limit: Some(ALERTS_SHOWN),
        ..AlertsQuery::default()
    };
    let view = read_alerts(&mut connection, &query, sees_people).await?;
    let alerts = view.data.into_iter().map(|alert| {
        let states: Vec<String> = alert
            .messages
            .iter()
            .map(|of| format!("{} {}", of.way, of.state))
            .collect();
        AlertLine {
            id: alert.id,
            raised_at: alert.raised_at.replace(['T', 'Z'], " "),
            // A digest says nothing to a reader.
            threshold: if alert.kind == "first_seen" {
                String::new()
            } else {
                alert.threshold
            },
            kind: alert.kind,
            subject: alert.subject,
            amount: match (&alert.spent, &alert.limit) {
                (Some(spent), Some(limit)) => format!("{} / {}", money(spent), money(limit)),
                _ => String::new(),
            },
            cause: alert.cause,
            is_told: !states.is_empty(),
            messages: if states.is_empty() {
                "recorded".to_owned()
            } else {
                states.join(", ")
            },
            acknowledged_by: alert.acknowledged_by.unwrap_or_default(),
        }
    });
    Ok(render(&AlertsPage {
        alerts: alerts.collect(),
    }))
}

#[derive(Deserialize)]
pub(super) struct AlertAnswer {
    id: i64,
    /// `ack`, or how long to keep silent.
    answer: String,
}

pub(super) async fn answer(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Form(form): Form<AlertAnswer>,
) -> Result<Response, PageError> {
    answer_alert(&state, &actor, form.id, Silence::parse(&form.answer)).await?;
    Ok(Redirect::to("/alerts").into_response())
}

#[derive(Template)]
#[template(path = "forecasts.html")]
struct ForecastsPage {
    forecasts: Vec<ForecastLine>,
}

struct ForecastLine {
    period: String,
    day: i32,
    expected: String,
    band: String,
    actual: String,
    error: String,
    method: String,
}

pub(super) async fn kept_forecasts(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
) -> Result<Response, PageError> {
    authorize(&actor, Action::ReadChargeback)?;
    let mut connection = state.database.pool.acquire().await?;
    let view = forecasts(&mut connection, None).await?;
    let lines = view.data.into_iter().map(|of| ForecastLine {
        band: format!("{} to {}", money(&of.low), money(&of.high)),
        actual: of.actual.as_ref().map_or_else(|| "not final".to_owned(), money),
        error: of.error.map(|error| percent(&error)).unwrap_or_default(),
        period: of.period,
        day: of.day_of_month,
        expected: money(&of.expected),
        method: of.method,
    });
    Ok(render(&ForecastsPage {
        forecasts: lines.collect(),
    }))
}

fn percent(share: &str) -> String {
    let share: rust_decimal::Decimal = share.parse().unwrap_or_default();
    format!("{} %", (share * rust_decimal::Decimal::ONE_HUNDRED).normalize())
}
