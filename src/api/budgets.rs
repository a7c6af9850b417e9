//! `GET` and `POST /api/v1/budgets`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::acting::{once, read};
use super::budget_status::{BudgetStatusView, budget_question, statuses_of};
use super::findings::AsSeen;
use super::footing::{Footed, footed_estimate};
use super::registers::changes::Row;
use super::view::MoneyView;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::budget::{Budget, BudgetScope};
use crate::domain::threshold::Threshold;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::jobs::keep_budgets::{BudgetChange, keep_budgets, set_budget};
use crate::sources::csv_table::CsvTable;
use crate::store::budgets::list_budgets;

#[derive(Debug, Serialize, ToSchema)]
pub struct BudgetsView {
    pub data: Vec<BudgetView>,
    /// Of a dry run: how they would stand this month.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub standing: Vec<BudgetStatusView>,
}

/// An amount for a stretch of months.
#[derive(Debug, Serialize, ToSchema)]
pub struct BudgetView {
    pub name: String,
    /// `company`, `department`, `project`, `person`, `family` or `account`.
    pub scope: &'static str,
    pub code: String,
    /// `month`, `quarter` or `fiscal_year`.
    pub frequency: &'static str,
    pub amount: MoneyView,
    /// Yen for a dollar that it is kept at; null of one in dollars.
    pub rate: Option<String>,
    /// `usage`, `after_discounts` or `after_credits`.
    pub basis: &'static str,
    pub with_allocated: bool,
    pub with_tax: bool,
    /// Null for those who may not see people.
    pub owner_person_id: Option<String>,
    pub channel: String,
    /// Such as `80%;1000000;forecast 100%`.
    pub thresholds: String,
    pub valid_from: String,
    /// Exclusive.
    pub valid_to: Option<String>,
}

impl BudgetView {
    pub fn of(budget: &Budget) -> Self {
        Self {
            name: budget.name.clone(),
            scope: budget.scope.as_str(),
            code: budget.code.clone(),
            frequency: budget.frequency.as_str(),
            amount: MoneyView::new(budget.amount, &budget.currency),
            rate: budget.rate.map(|rate| rate.normalize().to_string()),
            basis: budget.basis.as_str(),
            with_allocated: budget.with_allocated,
            with_tax: budget.with_tax,
            owner_person_id: Some(budget.owner_person_id.clone()),
            channel: budget.channel.clone(),
            thresholds: Threshold::list_text(&budget.thresholds),
            valid_from: budget.valid_from.to_string(),
            valid_to: budget.valid_to.map(|to| to.to_string()),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetsRequest {
    /// All budgets, with the columns of the file: they take the place of those that hold.
    pub budgets: Vec<Row>,
    /// Only check them.
    #[serde(default)]
    pub dry_run: bool,
}

/// The budgets that hold.
#[utoipa::path(
    get,
    path = "/api/v1/budgets",
    tag = "budgets",
    responses(
        (status = 200, body = Footed<BudgetsView>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_budgets(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<Footed<BudgetsView>>, ApiError> {
    authorize(&actor, Action::ReadChargeback)?;
    let mut connection = state.database.pool.acquire().await?;
    let budgets = list_budgets(&mut connection).await?;
    // What somebody may spend, and who answers for whose cost, is of people.
    let sees_people = authorize(&actor, Action::ReadPeople).is_ok();
    let budgets = budgets
        .iter()
        .filter(|budget| sees_people || budget.scope != BudgetScope::Person);
    let data = budgets.map(BudgetView::of).map(|view| BudgetView {
        owner_person_id: view.owner_person_id.filter(|_| sees_people),
        ..view
    });
    let data = data.collect();
    Ok(Json(
        footed_estimate(
            &state,
            &mut connection,
            [],
            BudgetsView {
                data,
                standing: Vec::new(),
            },
        )
        .await?,
    ))
}

/// Take over all budgets as a new version.
#[utoipa::path(
    post,
    path = "/api/v1/budgets",
    tag = "budgets",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = BudgetsRequest,
    responses(
        (status = 200, body = Footed<BudgetsView>, description = "Of a dry run"),
        (status = 201, body = Footed<BudgetsView>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn post_budgets(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    authorize(&actor, Action::KeepRegisters)?;
    let request: BudgetsRequest = read(&body)?;
    once(&state, &actor, &headers, "budgets", &body, async || {
        let table = CsvTable::of_rows("budgets", &request.budgets)?;
        let mut connection = state.database.pool.acquire().await?;
        let with = (&actor, state.clock);
        let (budgets, version) = keep_budgets(&mut connection, &table, request.dry_run, with).await?;
        taken_over(&state, &actor, &mut connection, (budgets, version)).await
    })
    .await
}

/// What is said of one budget.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetRequest {
    /// Columns of the file; what is left out stays as it is.
    pub budget: Row,
    /// Only check it.
    #[serde(default)]
    pub dry_run: bool,
}

/// Set one budget from a month on; all others stay.
#[utoipa::path(
    put,
    path = "/api/v1/budgets/{name}",
    tag = "budgets",
    params(("name" = String, Path, description = "The budget's name"), ("Idempotency-Key" = Option<String>, Header)),
    request_body = BudgetRequest,
    responses(
        (status = 200, body = Footed<BudgetsView>, description = "Of a dry run"),
        (status = 201, body = Footed<BudgetsView>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn put_budget(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    authorize(&actor, Action::KeepRegisters)?;
    let request: BudgetRequest = read(&body)?;
    let change = BudgetChange {
        name,
        cells: request.budget,
    };
    once(
        &state,
        &actor,
        &headers,
        &format!("budget {}", change.name),
        &body,
        async || {
            let mut connection = state.database.pool.acquire().await?;
            let with = (&actor, state.clock);
            let set = set_budget(&mut connection, &change, request.dry_run, with).await?;
            taken_over(&state, &actor, &mut connection, set).await
        },
    )
    .await
}

/// All budgets after a change, or how they would stand this month after one that is only tried.
async fn taken_over(
    state: &AppState,
    actor: &Actor,
    connection: &mut PgConnection,
    (budgets, version): (Vec<Budget>, Option<i32>),
) -> Result<(StatusCode, Footed<BudgetsView>), ApiError> {
    let status = version.map_or(StatusCode::OK, |_| StatusCode::CREATED);
    let data = budgets.iter().map(BudgetView::of).collect();
    let standing = match version {
        Some(_) => Vec::new(),
        None => {
            let question = budget_question(&state.config, state.clock, None);
            let question = question.map_err(|e| ApiError::Conflict(e.to_string()))?;
            let sees_people = authorize(actor, Action::ReadPeople).is_ok();
            let seen = AsSeen::of(&state.config, state.clock);
            statuses_of(connection, &question, Some(budgets), sees_people, &seen)
                .await?
                .data
        }
    };
    let view = BudgetsView { data, standing };
    Ok((status, footed_estimate(state, connection, [], view).await?))
}
