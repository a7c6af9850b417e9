//! `GET /api/v1/people/{person_id}/usage`: what one person used in a month, by model.

use axum::Json;
use axum::extract::{Extension, Path, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::chargeback::parse_period;
use super::findings::AsSeen;
use super::footing::Footing;
use super::footing::footing;
use super::view::MoneyView;
use crate::domain::actor::{Action, Actor, authorize};
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::store::{chargeback, tokens};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct UsageQuery {
    /// Month as YYYY-MM.
    pub period: String,
}

/// One person's month.  It is personal data: who asked is noted.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonUsageView {
    pub person: String,
    pub period: String,
    #[serde(flatten)]
    pub footing: Footing,
    pub data: Vec<PersonModelView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PersonModelView {
    /// The department that the use was attributed to on its day.
    pub department: String,
    pub model: Option<String>,
    pub cost: MoneyView,
    pub tokens: String,
    pub lines: i64,
}

/// One person's month by model.
#[utoipa::path(
    get,
    path = "/api/v1/people/{person_id}/usage",
    tag = "costs",
    params(("person_id" = String, Path), UsageQuery),
    responses(
        (status = 200, body = PersonUsageView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_person_usage(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(person_id): Path<String>,
    Query(query): Query<UsageQuery>,
) -> Result<Json<PersonUsageView>, ApiError> {
    let period = parse_period(&query.period)?;
    authorize(&actor, Action::ReadPeople)?;
    let mut connection = state.database.pool.acquire().await?;
    tokens::note_personal_data_read(
        &mut connection,
        &actor,
        &format!("usage of {person_id} in {period}"),
        state.clock.now(),
    )
    .await?;
    let rows = chargeback::sum_person_models(&mut connection, &person_id, period).await?;
    let footing = footing(&mut connection, period, &AsSeen::of(&state.config, state.clock)).await?;
    if rows.is_empty() {
        return Err(ApiError::NotFound(format!(
            "no use of '{person_id}' in {period} is loaded"
        )));
    }
    let data = rows.into_iter().map(|row| PersonModelView {
        department: row.department,
        model: row.model,
        cost: MoneyView::new(row.cost, &row.currency),
        tokens: row.tokens.to_string(),
        lines: row.lines,
    });
    Ok(Json(PersonUsageView {
        person: person_id,
        period: period.to_string(),
        footing,
        data: data.collect(),
    }))
}
