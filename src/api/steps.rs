//! The steps of a month: `POST /api/v1/chargeback/{period}/close`, `/lock`, `/reopen`.
//!
//! Each is idempotent by itself; a client that sends an `Idempotency-Key` gets the same answer to the same request for a day.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::acting::{bad, once, read};
use super::chargeback::parse_period;
use super::footing::{Footed, footed};
use super::month::{CheckView, StatementView, check_views};
use super::view::MoneyView;
use crate::config::Config;
use crate::domain::actor::{Action, Actor, NotAllowed, authorize};
use crate::domain::close::{MonthState, StepError, WaiverError};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::jobs::close_month::{self, AttributionWords, CloseSettings, Closed};
use crate::jobs::reclass_month::{self, Move};
use crate::sources::csv_table::CsvTable;
use crate::sources::finance_csv::read_journal_mappings;
use crate::store::StoreError;
use crate::store::month_locks::find_lock;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseRequest {
    /// `provisional` or `final`.
    pub to: String,
    /// Soft checks that may fail, each with its reason.
    #[serde(default)]
    pub accept: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReopenRequest {
    pub reason: String,
}

/// What a step came to.  Without a statement checks stood in the way and nothing was changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepTakenView {
    pub period: String,
    pub statement: Option<StatementView>,
    pub checks: Vec<CheckView>,
}

/// What months are closed by; an error names the file of the settings that cannot be read.
pub fn close_settings(config: &Config) -> Result<CloseSettings, ApiError> {
    let mappings = match &config.journal.mappings {
        Some(path) => CsvTable::read(path).and_then(|table| read_journal_mappings(&table)),
        None => Ok(Vec::new()),
    };
    Ok(CloseSettings {
        journal: config
            .journal
            .settings(mappings.map_err(|e| ApiError::Conflict(e.to_string()))?),
        two_person: config.close.two_person,
        quarantine_max: Amount::from_whole(config.close.quarantine_max.into()),
        yen: config.currency.yen(),
        fiscal_year_start_month: config.calendar.fiscal_year_start_month,
        attribution: AttributionWords {
            order: config.attribution.order.clone(),
            role_patterns: config.attribution.role_patterns.clone(),
        },
    })
}

/// Check a month and seal its statement.
#[utoipa::path(
    post,
    path = "/api/v1/chargeback/{period}/close",
    tag = "chargeback",
    params(("period" = String, Path, description = "Month as YYYY-MM"), ("Idempotency-Key" = Option<String>, Header)),
    request_body = CloseRequest,
    responses(
        (status = 200, body = Footed<StepTakenView>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Footed<StepTakenView>, description = "Checks stand in the way")
    )
)]
pub async fn close(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    authorize(&actor, Action::CloseMonths)?;
    let period = parse_period(&period)?;
    let request: CloseRequest = read(&body)?;
    let target = match request.to.as_str() {
        "provisional" => MonthState::Provisional,
        "final" => MonthState::Final,
        other => return Err(bad("to", format!("'{other}' is none of provisional, final"))),
    };
    once(
        &state,
        &actor,
        &headers,
        &format!("close {period}"),
        &body,
        async || {
            let settings = close_settings(&state.config)?;
            let with = (&actor, state.clock);
            let closed = close_month::close(&state.database, period, target, &request.accept, &settings, with).await;
            match closed.map_err(refused)? {
                Closed::Sealed(statement, checks) | Closed::Unchanged(statement, checks) => {
                    let statement = StatementView::of(&statement);
                    let view = taken(&state, period, Some(statement), check_views(&checks)).await?;
                    Ok((StatusCode::OK, view))
                }
                Closed::Refused(_, checks) => {
                    let view = taken(&state, period, None, check_views(&checks)).await?;
                    Ok((StatusCode::CONFLICT, view))
                }
            }
        },
    )
    .await
}

/// End a final month for good.
#[utoipa::path(
    post,
    path = "/api/v1/chargeback/{period}/lock",
    tag = "chargeback",
    params(("period" = String, Path, description = "Month as YYYY-MM"), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, body = Footed<StepTakenView>),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn lock(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    authorize(&actor, Action::CloseMonths)?;
    let period = parse_period(&period)?;
    once(
        &state,
        &actor,
        &headers,
        &format!("lock {period}"),
        &Bytes::new(),
        async || {
            let settings = close_settings(&state.config)?;
            let locked = close_month::lock(&state.database, period, &settings, (&actor, state.clock)).await;
            let statement = locked.map_err(refused)?;
            let mut connection = state.database.pool.acquire().await?;
            let lock = find_lock(&mut connection, statement.statement_id).await?;
            let statement = StatementView::of(&statement).approved(lock);
            drop(connection);
            let view = taken(&state, period, Some(statement), Vec::new()).await?;
            Ok((StatusCode::OK, view))
        },
    )
    .await
}

/// Open a closed month again, with a reason.
#[utoipa::path(
    post,
    path = "/api/v1/chargeback/{period}/reopen",
    tag = "chargeback",
    params(("period" = String, Path, description = "Month as YYYY-MM"), ("Idempotency-Key" = Option<String>, Header)),
    request_body = ReopenRequest,
    responses(
        (status = 200, body = Footed<StepTakenView>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn reopen(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    authorize(&actor, Action::CloseMonths)?;
    let period = parse_period(&period)?;
    let request: ReopenRequest = read(&body)?;
    once(
        &state,
        &actor,
        &headers,
        &format!("reopen {period}"),
        &body,
        async || {
            let with = (&actor, state.clock);
            close_month::reopen(
                &state.database,
                period,
                &request.reason,
                &close_settings(&state.config)?,
                with,
            )
            .await
            .map_err(refused)?;
            Ok((StatusCode::OK, taken(&state, period, None, Vec::new()).await?))
        },
    )
    .await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReclassRequest {
    /// The department that was charged.
    pub from: String,
    /// The department whose it was.
    pub to: String,
    pub jpy: u64,
    /// Printed on the statement that takes it over.
    pub reason: String,
}

/// Yen that an approved dispute of a locked month moves.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReclassView {
    /// By which it can be taken back while no closed month has it.
    pub number: i32,
    pub period: String,
    pub from: String,
    pub to: String,
    pub amount: MoneyView,
}

/// Approve a dispute of a locked month: the next open month takes it over.
#[utoipa::path(
    post,
    path = "/api/v1/chargeback/{period}/reclass",
    tag = "chargeback",
    params(("period" = String, Path, description = "Month as YYYY-MM"), ("Idempotency-Key" = Option<String>, Header)),
    request_body = ReclassRequest,
    responses(
        (status = 201, body = Footed<ReclassView>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn reclass(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    authorize(&actor, Action::CloseMonths)?;
    let period = parse_period(&period)?;
    let request: ReclassRequest = read(&body)?;
    let wanted = Move {
        from: request.from,
        to: request.to,
        jpy: request.jpy,
        reason: request.reason,
    };
    once(
        &state,
        &actor,
        &headers,
        &format!("reclass {period}"),
        &body,
        async || {
            let moved = reclass_month::reclass(&state.database, period, &wanted, (&actor, state.clock)).await;
            let number = moved.map_err(|error| match error.downcast::<StoreError>() {
                Ok(error) => ApiError::Internal(error),
                Err(error) => ApiError::Conflict(error.to_string()),
            })?;
            let view = ReclassView {
                number,
                period: period.to_string(),
                from: wanted.from.clone(),
                to: wanted.to.clone(),
                amount: MoneyView::new(Amount::from_whole(wanted.jpy.into()), "JPY"),
            };
            let mut connection = state.database.pool.acquire().await?;
            Ok((
                StatusCode::CREATED,
                footed(&state, &mut connection, [period], view).await?,
            ))
        },
    )
    .await
}

/// What a step came to, with what the month now rests on.
async fn taken(
    state: &AppState,
    period: BillingPeriod,
    statement: Option<StatementView>,
    checks: Vec<CheckView>,
) -> Result<Footed<StepTakenView>, ApiError> {
    let mut connection = state.database.pool.acquire().await?;
    let view = StepTakenView {
        period: period.to_string(),
        statement,
        checks,
    };
    Ok(footed(state, &mut connection, [period], view).await?)
}

/// What a step's refusal is to a client.
fn refused(error: anyhow::Error) -> ApiError {
    if error.is::<NotAllowed>() {
        return ApiError::NotAllowed;
    }
    if let Some(StepError::NoReason) = error.downcast_ref::<StepError>() {
        return bad("reason", error.to_string());
    }
    if error.is::<StepError>() {
        return ApiError::Conflict(error.to_string());
    }
    if error.is::<WaiverError>() {
        return bad("accept", error.to_string());
    }
    match error.downcast::<StoreError>() {
        Ok(error) => ApiError::Internal(error),
        // What is left is a month of which nothing is loaded.
        Err(error) => ApiError::NotFound(error.to_string()),
    }
}
