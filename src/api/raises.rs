//! `/api/v1/raises`: more money for a budget for a while, asked for by one person and decided about by another.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::acting::{bad, in_reach, once, read};
use super::footing::{Footed, footed_estimate};
use super::view::MoneyView;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::money::Amount;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::jobs::answer_alerts::Answering;
use crate::jobs::raise_budget::{WantedRaise, ask_for_raise, decide_about_raise};
use crate::store::budgets::{RequestedRaise, list_requested_raises};
use crate::store::{StoreError, StoreResult};

#[derive(Debug, Serialize, ToSchema)]
pub struct RaisesView {
    pub data: Vec<RaiseView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RaiseView {
    pub id: i32,
    pub budget: String,
    /// For each of the budget's windows.
    pub amount: MoneyView,
    pub valid_from: String,
    /// Exclusive.
    pub valid_to: String,
    pub reason: String,
    pub ringi: String,
    pub requested_by: String,
    /// `asked`, `approved` or `refused`.
    pub state: &'static str,
    pub decided_by: Option<String>,
}

impl RaiseView {
    pub fn of(asked: &RequestedRaise) -> Self {
        let raise = &asked.raise;
        Self {
            id: raise.raise_id,
            budget: raise.budget.clone(),
            amount: MoneyView::new(raise.amount, &raise.currency),
            valid_from: raise.valid_from.to_string(),
            valid_to: raise.valid_to.to_string(),
            reason: raise.reason.clone(),
            ringi: raise.ringi.clone(),
            requested_by: asked.requested_by.clone(),
            state: match (asked.is_decided, asked.is_approved) {
                (false, _) => "asked",
                (true, true) => "approved",
                (true, false) => "refused",
            },
            decided_by: Some(raise.approved_by.clone()).filter(|_| asked.is_decided),
        }
    }
}

pub async fn read_raises(connection: &mut PgConnection) -> StoreResult<RaisesView> {
    let raises = list_requested_raises(connection).await?;
    Ok(RaisesView {
        data: raises.iter().map(RaiseView::of).collect(),
    })
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RaiseRequest {
    pub budget: String,
    /// Decimal string, in the budget's currency.
    pub amount: String,
    /// The last day on which it holds.
    pub until: NaiveDate,
    pub reason: String,
    #[serde(default)]
    pub ringi: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RaiseDecision {
    pub approve: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RaiseDecidedView {
    pub raise: RaiseView,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RaiseAskedView {
    pub id: i32,
}

/// Raises that were asked for, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/raises",
    tag = "budgets",
    responses(
        (status = 200, body = Footed<RaisesView>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_raises(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<Footed<RaisesView>>, ApiError> {
    // A reason can tell of people, and so can the name of who asked.
    authorize(&actor, Action::ReadPeople)?;
    let mut connection = state.database.pool.acquire().await?;
    let view = read_raises(&mut connection).await?;
    Ok(Json(footed_estimate(&state, &mut connection, [], view).await?))
}

/// Ask for a raise.
#[utoipa::path(
    post,
    path = "/api/v1/raises",
    tag = "budgets",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = RaiseRequest,
    responses(
        (status = 201, body = RaiseAskedView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn post_raise(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let answering = Answering::of(&actor)?;
    let request: RaiseRequest = read(&body)?;
    let wanted = WantedRaise {
        amount: Amount::parse(&request.amount)
            .ok_or_else(|| bad("amount", format!("'{}' is no amount", request.amount)))?,
        budget: request.budget,
        until: in_reach("until", request.until)?,
        reason: request.reason,
        ringi: request.ringi,
    };
    once(&state, &actor, &headers, "raise", &body, async || {
        let mut connection = state.database.pool.acquire().await?;
        let asked = ask_for_raise(&mut connection, &wanted, &answering, state.clock.now()).await;
        let id = asked.map_err(|error| refused(error, |what| bad("body", what)))?;
        Ok((StatusCode::CREATED, RaiseAskedView { id }))
    })
    .await
}

/// Approve or refuse a raise that somebody else asked for.
#[utoipa::path(
    post,
    path = "/api/v1/raises/{id}/decision",
    tag = "budgets",
    params(("id" = i32, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = RaiseDecision,
    responses(
        (status = 200, body = Footed<RaiseDecidedView>),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn post_decision(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<i32>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    authorize(&actor, Action::KeepRegisters)?;
    let answering = Answering::of(&actor)?;
    let request: RaiseDecision = read(&body)?;
    once(&state, &actor, &headers, &format!("raise {id}"), &body, async || {
        let mut connection = state.database.pool.acquire().await?;
        let decided = decide_about_raise(&mut connection, id, request.approve, &answering, state.clock.now()).await;
        let decided = decided.map_err(|error| refused(error, ApiError::Conflict))?;
        let view = RaiseDecidedView {
            raise: RaiseView::of(&decided),
        };
        Ok((
            StatusCode::OK,
            footed_estimate(&state, &mut connection, [], view).await?,
        ))
    })
    .await
}

fn refused(error: anyhow::Error, by: impl FnOnce(String) -> ApiError) -> ApiError {
    match error.downcast::<StoreError>() {
        Ok(error) => ApiError::Internal(error),
        Err(error) => by(error.to_string()),
    }
}
