//! `POST /api/v1/rates`, `/invoices`, `/rules`, `/manual-pools`: rows as in the CSV files, by the same rules.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ManualPoolView, MovedView};
use crate::api::acting::{bad, once, read};
use crate::api::chargeback::parse_period;
use crate::api::footing::{Footed, footed};
use crate::api::view::FindingView;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::jobs::keep_registers::{add_manual_pool, keep_invoices, keep_rates, keep_rules};
use crate::sources::csv_table::CsvTable;
use crate::sources::finance_csv::{read_invoices, read_rates};
use crate::store::manual_pools::StoredManualPool;

/// A row by the columns of its CSV file, all as text.
pub type Row = BTreeMap<String, String>;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RatesRequest {
    /// `rate_date`, `kind`, `value`, `source`.
    pub rates: Vec<Row>,
    /// Lets a rate below 50 or above 500 pass.
    #[serde(default)]
    pub accept: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvoicesRequest {
    /// The columns of the invoices file; an invoice with several tax rates has a row for each.
    pub invoices: Vec<Row>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulesRequest {
    /// All rules: they take the place of those that hold.  `pool`, `method`, `members`, `fallback`, `legal_entity`,
    /// `valid_from`, `valid_to`.
    pub rules: Vec<Row>,
    /// Only say what would move.
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ManualPoolRequest {
    pub name: String,
    pub period: String,
    /// Whole yen; negative takes away.
    pub jpy: String,
    /// The month's only one by default.
    #[serde(default)]
    pub payer: String,
    pub reason: String,
}

/// How many rows were recorded, and what about them a person must look at.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordedView {
    pub recorded: usize,
    pub findings: Vec<FindingView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RulesKeptView {
    /// Null of a dry run.
    pub version: Option<i32>,
    pub moved: Vec<MovedView>,
}

/// Record exchange rates.
#[utoipa::path(
    post,
    path = "/api/v1/rates",
    tag = "registers",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = RatesRequest,
    responses(
        (status = 201, body = RecordedView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn post_rates(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    authorize(&actor, Action::KeepRegisters)?;
    let request: RatesRequest = read(&body)?;
    once(&state, &actor, &headers, "rates", &body, async || {
        let rates = read_rates(
            &CsvTable::of_rows("rates", &request.rates)?,
            &actor.name,
            request.accept,
        )?;
        let mut connection = state.database.pool.acquire().await?;
        keep_rates(&mut connection, &rates, (&actor, state.clock)).await?;
        let recorded = rates.len();
        let findings = Vec::new();
        Ok((StatusCode::CREATED, RecordedView { recorded, findings }))
    })
    .await
}

/// Record invoices, all or none.
#[utoipa::path(
    post,
    path = "/api/v1/invoices",
    tag = "registers",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = InvoicesRequest,
    responses(
        (status = 201, body = RecordedView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn post_invoices(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    authorize(&actor, Action::KeepRegisters)?;
    let request: InvoicesRequest = read(&body)?;
    once(&state, &actor, &headers, "invoices", &body, async || {
        let table = CsvTable::of_rows("invoices", &request.invoices)?;
        let invoices = read_invoices(&table)?;
        let mut connection = state.database.pool.acquire().await?;
        let found = keep_invoices(&mut connection, &invoices, Some(&table), (&actor, state.clock)).await?;
        let view = RecordedView {
            recorded: invoices.len(),
            findings: found
                .into_iter()
                .map(|(period, finding)| FindingView::new(Some(period), finding))
                .collect(),
        };
        Ok((StatusCode::CREATED, view))
    })
    .await
}

/// Take over all rules for shared cost as a new version.
#[utoipa::path(
    post,
    path = "/api/v1/rules",
    tag = "registers",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = RulesRequest,
    responses(
        (status = 200, body = Footed<RulesKeptView>, description = "What a dry run would move"),
        (status = 201, body = Footed<RulesKeptView>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn post_rules(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    authorize(&actor, Action::KeepRegisters)?;
    let request: RulesRequest = read(&body)?;
    once(&state, &actor, &headers, "rules", &body, async || {
        let table = CsvTable::of_rows("rules", &request.rules)?;
        let how = (state.config.currency.yen(), request.dry_run);
        let mut connection = state.database.pool.acquire().await?;
        let kept = keep_rules(&mut connection, &table, how, (&actor, state.clock)).await?;
        let status = if request.dry_run {
            StatusCode::OK
        } else {
            StatusCode::CREATED
        };
        let moved = kept
            .moved
            .iter()
            .flat_map(|(period, changes)| changes.iter().map(|change| MovedView::of(*period, change)));
        let moved = moved.collect();
        let version = kept.version;
        let periods: Vec<BillingPeriod> = kept.moved.iter().map(|(period, _)| *period).collect();
        let view = RulesKeptView { version, moved };
        Ok((status, footed(&state, &mut connection, periods, view).await?))
    })
    .await
}

/// Add an amount by hand to a month that is not closed.
#[utoipa::path(
    post,
    path = "/api/v1/manual-pools",
    tag = "registers",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = ManualPoolRequest,
    responses(
        (status = 201, body = Footed<ManualPoolView>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn post_pool(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    authorize(&actor, Action::KeepRegisters)?;
    let request: ManualPoolRequest = read(&body)?;
    once(&state, &actor, &headers, "manual pool", &body, async || {
        let pool = StoredManualPool {
            period: parse_period(&request.period)?,
            name: request.name,
            payer: request.payer,
            jpy: Amount::parse(&request.jpy).ok_or_else(|| bad("jpy", format!("'{}' is no amount", request.jpy)))?,
            reason: request.reason,
            recorded_by: actor.name.clone(),
        };
        let mut connection = state.database.pool.acquire().await?;
        let added = add_manual_pool(&mut connection, pool, (&actor, state.clock.now())).await?;
        let view = ManualPoolView::of(&added);
        Ok((
            StatusCode::CREATED,
            footed(&state, &mut connection, [added.period], view).await?,
        ))
    })
    .await
}
