//! `GET /api/v1/alerts`, why an alert did or did not come, and what people do about it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};

use super::acting::{bad, once, read};
use super::budget_status::budget_question;
use super::chargeback::parse_period;
use super::footing::{Footed, footed};
use super::view::MoneyView;
use crate::domain::actor::{Action, Actor, NotAllowed, authorize};
use crate::domain::alert::facts::AlertFacts;
use crate::domain::alert::{AlertKind, Judgement, Silence, Verdict};
use crate::domain::budget::BudgetScope;
use crate::domain::period::BillingPeriod;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::jobs::answer_alerts::{Answering, acknowledge_alert, resend_alert, snooze_alert};
use crate::jobs::evaluate_budgets::judge_budget;
use crate::store::alerts::{AlertFilter, StoredAlert, list_alerts};
use crate::store::spending::BudgetQuestion;
use crate::store::{StoreError, StoreResult};

#[derive(Debug, Serialize, ToSchema)]
pub struct AlertsView {
    pub data: Vec<AlertView>,
    pub next_cursor: Option<String>,
}

/// An alert: what was crossed, when, and what became of its messages.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlertView {
    pub id: i64,
    /// `spent`, `forecast`, `anomaly`, `first_seen` or `digest`.
    pub kind: String,
    /// The budget, or what was seen.
    pub subject: String,
    /// First day of the window.
    pub window_from: String,
    pub threshold: String,
    /// How often it had spoken before.
    pub arming: i32,
    pub raised_at: String,
    /// `new_use`, `reattribution`, `rule`, `restatement`, `budget_change`, or `past`: recorded, and not sent.
    pub cause: String,
    /// Of a budget, as it stood then.
    pub spent: Option<MoneyView>,
    pub limit: Option<MoneyView>,
    pub percent: Option<String>,
    /// An estimate.
    pub foreseen: Option<MoneyView>,
    pub data_as_of: Option<String>,
    pub acknowledged_by: Option<String>,
    pub acknowledged_at: Option<String>,
    /// Why it can speak again.
    pub rearmed_because: Option<String>,
    pub ended_at: Option<String>,
    pub messages: Vec<AlertMessageView>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AlertMessageView {
    /// `slack`, `slack_webhook`, `webhook` or `mail`.
    pub way: String,
    pub destination: String,
    /// `waiting`, `sending`, `sent` or `dead`.
    pub state: String,
    pub attempts: i32,
    pub sent_at: Option<String>,
    pub error: Option<String>,
}

fn shown(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl AlertView {
    /// The month in which its window begins.
    fn period(&self) -> Option<BillingPeriod> {
        self.window_from.parse().ok().map(BillingPeriod::of)
    }

    pub fn of(alert: &StoredAlert) -> Self {
        let budget = match &alert.facts {
            Some(AlertFacts::Budget(facts)) => Some(facts),
            _ => None,
        };
        let data_as_of = match &alert.facts {
            Some(AlertFacts::Budget(facts)) => Some(facts.data_as_of),
            Some(AlertFacts::Anomaly(facts)) => Some(facts.data_as_of),
            Some(AlertFacts::FirstSeen(facts)) => Some(facts.data_as_of),
            Some(AlertFacts::Digest(facts)) => Some(facts.data_as_of),
            None => None,
        };
        Self {
            id: alert.alert_id,
            kind: alert.kind.clone(),
            subject: alert.subject.clone(),
            window_from: alert.window_from.to_string(),
            threshold: alert.threshold.clone(),
            arming: alert.arming,
            raised_at: shown(alert.raised_at),
            cause: alert.cause.clone(),
            spent: budget.map(|facts| MoneyView::new(facts.spent, &facts.currency)),
            limit: budget.map(|facts| MoneyView::new(facts.limit, &facts.currency)),
            percent: budget.map(|facts| facts.percent.clone()),
            foreseen: budget.map(|facts| MoneyView::new(facts.expected, &facts.currency)),
            data_as_of: data_as_of.map(shown),
            acknowledged_by: alert.acknowledged_by.clone(),
            acknowledged_at: alert.acknowledged_at.map(shown),
            rearmed_because: alert.rearmed_because.clone(),
            ended_at: alert.ended_at.map(shown),
            messages: serde_json::from_value(alert.messages.clone()).unwrap_or_default(),
        }
    }
}

const LIMIT_DEFAULT: i64 = 50;
const LIMIT_MAX: i64 = 500;

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AlertsQuery {
    /// A budget's name.
    pub budget: Option<String>,
    /// `spent`, `forecast`, `anomaly` or `first_seen`.
    pub kind: Option<String>,
    /// `true`: only those that nobody acknowledged.
    pub open: Option<bool>,
    /// 50 by default, 500 at most.
    pub limit: Option<i64>,
    /// From `next_cursor`.
    pub cursor: Option<String>,
}

/// Alerts that fit, the newest first.
pub async fn read_alerts(
    connection: &mut PgConnection,
    query: &AlertsQuery,
    sees_people: bool,
) -> Result<AlertsView, ApiError> {
    if let Some(kind) = query.kind.as_deref().filter(|kind| AlertKind::parse(kind).is_none()) {
        let known: Vec<&str> = AlertKind::ALL.iter().map(|kind| kind.as_str()).collect();
        return Err(bad("kind", format!("'{kind}' is none of {}", known.join(", "))));
    }
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(bad("limit", format!("it is not between 1 and {LIMIT_MAX}")));
    }
    let before = query.cursor.as_deref().map(str::parse::<i64>).transpose();
    let before = before.map_err(|_| bad("cursor", "it is not from a next_cursor".to_owned()))?;
    let filter = AlertFilter {
        subject: query.budget.as_deref(),
        kind: query.kind.as_deref(),
        only_open: query.open.unwrap_or(false),
        sees_people,
        before,
        limit: limit + 1,
        ..AlertFilter::default()
    };
    let mut alerts = list_alerts(connection, &filter).await?;
    let has_more = i64::try_from(alerts.len()).is_ok_and(|found| found > limit);
    alerts.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = alerts.last().filter(|_| has_more);
    Ok(AlertsView {
        next_cursor: next.map(|alert| alert.alert_id.to_string()),
        data: alerts
            .iter()
            .map(|alert| AlertView {
                // Who answered in Slack is a person.
                acknowledged_by: alert.acknowledged_by.clone().filter(|_| sees_people),
                ..AlertView::of(alert)
            })
            .collect(),
    })
}

/// Alerts, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/alerts",
    tag = "budgets",
    params(AlertsQuery),
    responses(
        (status = 200, body = Footed<AlertsView>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_alerts(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Query(query): Query<AlertsQuery>,
) -> Result<Json<Footed<AlertsView>>, ApiError> {
    authorize(&actor, Action::ReadChargeback)?;
    let sees_people = authorize(&actor, Action::ReadPeople).is_ok();
    let mut connection = state.database.pool.acquire().await?;
    let view = read_alerts(&mut connection, &query, sees_people).await?;
    let periods: Vec<BillingPeriod> = view.data.iter().filter_map(AlertView::period).collect();
    Ok(Json(footed(&state, &mut connection, periods, view).await?))
}

/// Why each threshold of a budget spoke or did not, as it would be judged now.
#[derive(Debug, Serialize, ToSchema)]
pub struct WhyView {
    pub budget: String,
    pub period: String,
    pub thresholds: Vec<ThresholdView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ThresholdView {
    pub threshold: String,
    /// At which it speaks.
    pub level: MoneyView,
    /// What is spent, or foreseen; null without data.
    pub amount: Option<MoneyView>,
    /// `no_data`, `not_reached`, `too_early`, `spoke`, `speaks_again_after_a_fall`, or `speaks_at_the_next_look`.
    pub verdict: &'static str,
    pub because: String,
    /// The alert, where it spoke.
    pub alert: Option<AlertView>,
}

/// Judges a budget's thresholds; none where no such budget holds.
pub async fn why(
    connection: &mut PgConnection,
    question: &BudgetQuestion,
    name: &str,
    sees_people: bool,
) -> StoreResult<Option<WhyView>> {
    let Some((read, judgements)) = judge_budget(connection, question, name).await? else {
        return Ok(None);
    };
    if read.budget.scope == BudgetScope::Person && !sees_people {
        return Ok(None);
    }
    let mut thresholds = Vec::new();
    for judgement in &judgements {
        let alert = match judgement.verdict {
            Verdict::SpokeAlready { alert_id } | Verdict::Rearms { alert_id, .. } => {
                let filter = AlertFilter {
                    alert_id: Some(alert_id),
                    sees_people: true,
                    limit: 1,
                    ..AlertFilter::default()
                };
                list_alerts(connection, &filter).await?.first().map(AlertView::of)
            }
            _ => None,
        };
        thresholds.push(threshold_view(judgement, &read.budget.currency, alert));
    }
    Ok(Some(WhyView {
        budget: read.budget.name,
        period: question.period.to_string(),
        thresholds,
    }))
}

fn threshold_view(judgement: &Judgement, currency: &str, alert: Option<AlertView>) -> ThresholdView {
    let (verdict, because) = match judgement.verdict {
        Verdict::NoData => ("no_data", "nothing of its months is loaded".to_owned()),
        Verdict::NotReached => ("not_reached", "the amount is below it".to_owned()),
        Verdict::TooEarly => (
            "too_early",
            "a forecast says nothing before day 5 of its window".to_owned(),
        ),
        Verdict::SpokeAlready { .. } => {
            let said = alert.as_ref().map(|alert| match alert.messages.as_slice() {
                [] => format!(
                    "it spoke on {} and was only recorded: {}",
                    alert.raised_at,
                    recorded_because(alert)
                ),
                [first, ..] => format!("it spoke on {}; its message is {}", alert.raised_at, first.state),
            });
            ("spoke", said.unwrap_or_default())
        }
        Verdict::Rearms { because, .. } => (
            "speaks_again_after_a_fall",
            format!("it went back under it by a {because}"),
        ),
        Verdict::Speaks { cause, is_told, .. } => {
            let told = if is_told {
                "it will be sent"
            } else {
                "it will be recorded only"
            };
            ("speaks_at_the_next_look", format!("{told}: {cause}"))
        }
    };
    ThresholdView {
        threshold: judgement.threshold.to_string(),
        level: MoneyView::new(judgement.level, currency),
        amount: judgement.amount.map(|amount| MoneyView::new(amount, currency)),
        verdict,
        because,
        alert,
    }
}

fn recorded_because(alert: &AlertView) -> &'static str {
    match alert.cause.as_str() {
        "past" => "its window was over",
        _ => "a higher threshold was crossed at once, or there is no way to send",
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct WhyQuery {
    /// Month as YYYY-MM; the current one in UTC by default.
    pub period: Option<String>,
}

/// Why each threshold of a budget spoke or did not.
#[utoipa::path(
    get,
    path = "/api/v1/budgets/{name}/alerts",
    tag = "budgets",
    params(("name" = String, Path, description = "The budget's name"), WhyQuery),
    responses(
        (status = 200, body = Footed<WhyView>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_why(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    Query(query): Query<WhyQuery>,
) -> Result<Json<Footed<WhyView>>, ApiError> {
    authorize(&actor, Action::ReadChargeback)?;
    let sees_people = authorize(&actor, Action::ReadPeople).is_ok();
    let period = query.period.as_deref().map(parse_period).transpose()?;
    let question =
        budget_question(&state.config, state.clock, period).map_err(|e| ApiError::Conflict(e.to_string()))?;
    let mut connection = state.database.pool.acquire().await?;
    let view = why(&mut connection, &question, &name, sees_people).await?;
    let what = || format!("no budget of that name holds in {}", question.period);
    let view = view.ok_or_else(|| ApiError::NotFound(what()))?;
    Ok(Json(footed(&state, &mut connection, [question.period], view).await?))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SnoozeRequest {
    /// `day`, `week`, or `window`: until the end of the budget's window.
    #[serde(rename = "for")]
    pub silence: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AlertAnsweredView {
    pub alert: AlertView,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SnoozedView {
    pub id: i64,
    pub until: String,
}

/// Say that somebody has seen to an alert.
#[utoipa::path(
    post,
    path = "/api/v1/alerts/{id}/ack",
    tag = "budgets",
    params(("id" = i64, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, body = Footed<AlertAnsweredView>),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn ack(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let answering = Answering::of(&actor)?;
    once(
        &state,
        &actor,
        &headers,
        &format!("ack {id}"),
        &Bytes::new(),
        async || {
            let mut connection = state.database.pool.acquire().await?;
            let alert = acknowledge_alert(&mut connection, id, (&answering, state.clock.now())).await;
            let alert = AlertView::of(&alert.map_err(refused)?);
            let view = AlertAnsweredView { alert: alert.clone() };
            Ok((
                StatusCode::OK,
                footed(&state, &mut connection, alert.period(), view).await?,
            ))
        },
    )
    .await
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ResentView {
    pub id: i64,
    pub messages: u64,
}

/// Send an alert's messages again that were given up.
#[utoipa::path(
    post,
    path = "/api/v1/alerts/{id}/resend",
    tag = "budgets",
    params(("id" = i64, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, body = ResentView),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn post_resend(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let answering = Answering::of(&actor)?;
    let what = format!("resend {id}");
    once(&state, &actor, &headers, &what, &Bytes::new(), async || {
        let mut connection = state.database.pool.acquire().await?;
        let resent = resend_alert(&mut connection, id, (&answering, state.clock.now())).await;
        let messages = resent.map_err(refused)?;
        Ok((StatusCode::OK, ResentView { id, messages }))
    })
    .await
}

/// Keep what an alert is about silent for a while.
#[utoipa::path(
    post,
    path = "/api/v1/alerts/{id}/snooze",
    tag = "budgets",
    params(("id" = i64, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = SnoozeRequest,
    responses(
        (status = 200, body = SnoozedView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn snooze(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<i64>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let answering = Answering::of(&actor)?;
    let request: SnoozeRequest = read(&body)?;
    let silence = Silence::parse(&request.silence)
        .ok_or_else(|| bad("for", format!("'{}' is none of day, week, window", request.silence)))?;
    once(&state, &actor, &headers, &format!("snooze {id}"), &body, async || {
        let mut connection = state.database.pool.acquire().await?;
        let until = snooze_alert(&mut connection, id, silence, (&answering, state.clock.now())).await;
        let until = shown(until.map_err(refused)?);
        Ok((StatusCode::OK, SnoozedView { id, until }))
    })
    .await
}

/// The same for a page: silence, or that it is seen to.
pub async fn answer_alert(state: &AppState, actor: &Actor, id: i64, silence: Option<Silence>) -> Result<(), ApiError> {
    let answering = Answering::of(actor)?;
    let mut connection = state.database.pool.acquire().await?;
    let with = (&answering, state.clock.now());
    let done = match silence {
        Some(silence) => snooze_alert(&mut connection, id, silence, with).await.map(|_| ()),
        None => acknowledge_alert(&mut connection, id, with).await.map(|_| ()),
    };
    done.map_err(refused)
}

/// What is left is an alert that is not there.
fn refused(error: anyhow::Error) -> ApiError {
    if error.is::<NotAllowed>() {
        return ApiError::NotAllowed;
    }
    match error.downcast::<StoreError>() {
        Ok(error) => ApiError::Internal(error),
        Err(error) => ApiError::NotFound(error.to_string()),
    }
}
