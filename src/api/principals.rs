//! `GET /api/v1/principals`: who called in a month, and whose that is.

use axum::Json;
use axum::extract::{Extension, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::chargeback::{footing, not_loaded, parse_period};
use super::findings::AsSeen;
use super::view::{Footing, MoneyView};
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::attribution::State as AttributionState;
use crate::domain::suggestion::{Suggestion, suggest};
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::store::directory::get_directory;
use crate::store::{chargeback, principals, tokens};

const LIMIT_DEFAULT: i64 = 100;
const LIMIT_MAX: i64 = 1_000;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct PrincipalsQuery {
    /// Month as YYYY-MM; the newest loaded one by default.
    pub period: Option<String>,
    /// `attributed`, `quarantined` or `unattributed`; all by default.
    pub state: Option<String>,
    /// At most 1000; 100 by default.
    pub limit: Option<i64>,
    /// From `next_cursor` of the page before.
    pub cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PrincipalsView {
    pub period: String,
    #[serde(flatten)]
    pub footing: Footing,
    pub data: Vec<PrincipalView>,
    pub next_cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PrincipalView {
    /// Null where the bill names no caller.
    pub arn: Option<String>,
    pub state: String,
    pub reason: Option<String>,
    pub department: Option<String>,
    pub person: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    pub cost: MoneyView,
    pub lines: i64,
    /// Of a quarantined one: who it could be.  A person confirms it with 'anbun directory assign'.
    pub suggestion: Option<SuggestionView>,
}

/// A guess; nothing is booked by it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuggestionView {
    pub department: String,
    pub person: Option<String>,
    pub because: String,
}

impl SuggestionView {
    fn of(suggestion: Suggestion) -> Self {
        Self {
            department: suggestion.department,
            person: suggestion.person,
            because: suggestion.because,
        }
    }
}

/// Principals with usage in a month, the dearest first.
#[utoipa::path(
    get,
    path = "/api/v1/principals",
    tag = "principals",
    params(PrincipalsQuery),
    responses(
        (status = 200, body = PrincipalsView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn list_principals(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Query(query): Query<PrincipalsQuery>,
) -> Result<Json<PrincipalsView>, ApiError> {
    let wanted = query.state.as_deref();
    if let Some(text) = wanted.filter(|text| AttributionState::parse(text).is_none()) {
        return Err(ApiError::BadParameter {
            pointer: "state",
            detail: format!("'{text}' is none of attributed, quarantined, unattributed"),
        });
    }
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::BadParameter {
            pointer: "limit",
            detail: format!("it is not between 1 and {LIMIT_MAX}"),
        });
    }
    let cursor = query.cursor.as_deref().map(|text| text.parse::<u32>().map(i64::from));
    let offset = cursor
        .transpose()
        .map_err(|_| ApiError::BadParameter {
            pointer: "cursor",
            detail: "it is not from a next_cursor".to_owned(),
        })?
        .unwrap_or(0);
    let period = query.period.as_deref().map(parse_period).transpose()?;
    authorize(&actor, Action::ReadPeople)?;
    let mut connection = state.database.pool.acquire().await?;
    let loaded = chargeback::list_periods(&mut connection).await?;
    let period = period
        .or_else(|| loaded.first().map(|l| l.period))
        .ok_or_else(|| ApiError::NotFound("nothing is loaded".to_owned()))?;
    if !loaded.iter().any(|l| l.period == period) {
        return Err(not_loaded(period));
    }
    tokens::note_personal_data_read(
        &mut connection,
        &actor,
        &format!("principals of {period}"),
        state.clock.now(),
    )
    .await?;
    let mut rows = principals::list_principals(&mut connection, period, wanted, limit + 1, offset).await?;
    let footing = footing(&mut connection, period, &AsSeen::of(&state.config, state.clock)).await?;
    let has_more = i64::try_from(rows.len()).is_ok_and(|found| found > limit);
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let directory = get_directory(&mut connection).await?;
    let sessions = principals::list_sessions(&mut connection, period).await?;
    let last_day = period.days().to.pred_opt().unwrap_or(period.first_day());
    let suggestion = |arn: Option<&str>, state: &str| {
        let arn = arn.filter(|_| state == AttributionState::Quarantined.as_str())?;
        suggest(arn, &directory, last_day, &sessions).map(SuggestionView::of)
    };
    let data = rows.into_iter().map(|row| PrincipalView {
        suggestion: suggestion(row.arn.as_deref(), &row.state),
        arn: row.arn,
        state: row.state,
        reason: row.reason,
        department: row.department,
        person: row.person,
        rule: row.rule,
        cost: MoneyView::new(row.cost, &row.currency),
        lines: row.lines,
    });
    let next_cursor = has_more.then(|| (offset + limit).to_string());
    Ok(Json(PrincipalsView {
        period: period.to_string(),
        footing,
        data: data.collect(),
        next_cursor,
    }))
}
