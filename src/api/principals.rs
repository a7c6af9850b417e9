//! `GET /api/v1/principals`: who called in a month, and whose that is; `POST .../assign` and `.../questions` decide it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::acting::{bad, in_reach, once, read};
use super::chargeback::{not_loaded, parse_period};
use super::directory::{DirectoryChangeView, import_settings};
use super::findings::AsSeen;
use super::footing::Footed;
use super::footing::Footing;
use super::footing::footing;
use super::view::MoneyView;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::attribution::State as AttributionState;
use crate::domain::suggestion::{Suggestion, likely_owner, suggest};
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::jobs::import_directory::{Assignment, Keep, assign_principal};
use crate::jobs::keep_registers::{RegisterError, ask};
use crate::store::directory::get_directory;
use crate::store::questions::{Question, list_questions};
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
    /// Of a quarantined one: who it could be.  A person confirms it with 'anbun directory assign' or POST /principals/assign.
    pub suggestion: Option<SuggestionView>,
    /// Of a quarantined one: who probably knows.
    pub likely_owner: Option<LikelyOwnerView>,
    /// Of a quarantined one: whom somebody asked last.
    pub question: Option<QuestionView>,
}

/// Somebody to ask.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LikelyOwnerView {
    pub person: String,
    pub name: String,
    pub email: String,
    pub because: &'static str,
}

/// A question that is not answered while the principal is quarantined.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QuestionView {
    pub person: String,
    pub asked_by: String,
    pub asked_at: String,
    pub remind_on: String,
    /// The day to ask again has come.
    pub is_overdue: bool,
}

impl QuestionView {
    fn of(question: &Question, today: NaiveDate) -> Self {
        Self {
            person: question.person_id.clone(),
            asked_by: question.asked_by.clone(),
            asked_at: question.asked_at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            remind_on: question.remind_on.to_string(),
            is_overdue: question.remind_on <= today,
        }
    }
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
    Ok(Json(read_principals(&state, &actor, &query).await?))
}

/// The same for a page.
pub async fn read_principals(
    state: &AppState,
    actor: &Actor,
    query: &PrincipalsQuery,
) -> Result<PrincipalsView, ApiError> {
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
    authorize(actor, Action::ReadPeople)?;
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
        actor,
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
    let today = state.today();
    let (then, now) = (directory.on(last_day), directory.on(today));
    let heaviest = principals::list_heaviest(&mut connection, period).await?;
    let questions = list_questions(&mut connection).await?;
    let undecided = rows
        .iter()
        .filter(|row| row.state == AttributionState::Quarantined.as_str());
    let undecided: Vec<String> = undecided.filter_map(|row| row.arn.clone()).collect();
    let tags = principals::list_tags(&mut connection, period, &undecided).await?;
    let tags_of = |arn: &str| tags.get(arn).map_or(&[][..], Vec::as_slice);
    let data = rows.into_iter().map(|row| {
        let quarantined = row
            .arn
            .as_deref()
            .filter(|_| row.state == AttributionState::Quarantined.as_str());
        let suggestion = quarantined.and_then(|arn| suggest(arn, tags_of(arn), &directory, last_day, &sessions));
        let owner = quarantined.and_then(|arn| likely_owner(arn, suggestion.as_ref(), &then, &heaviest));
        let person = owner.as_ref().and_then(|owner| now.person(&owner.person_id));
        PrincipalView {
            likely_owner: owner.zip(person).map(|(owner, person)| LikelyOwnerView {
                person: owner.person_id,
                name: person.name.clone(),
                email: person.email.clone(),
                because: owner.because,
            }),
            question: quarantined
                .and_then(|arn| questions.get(arn))
                .map(|question| QuestionView::of(question, today)),
            suggestion: suggestion.map(SuggestionView::of),
            arn: row.arn,
            state: row.state,
            reason: row.reason,
            department: row.department,
            person: row.person,
            rule: row.rule,
            cost: MoneyView::new(row.cost, &row.currency),
            lines: row.lines,
        }
    });
    let next_cursor = has_more.then(|| (offset + limit).to_string());
    Ok(PrincipalsView {
        period: period.to_string(),
        footing,
        data: data.collect(),
        next_cursor,
    })
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignRequest {
    pub arn: String,
    pub department: Option<String>,
    pub person: Option<String>,
    /// `person` (default), `service`, `gateway` or `shared`.
    pub kind: Option<String>,
    /// First UTC day of use, YYYY-MM-DD.
    pub from: NaiveDate,
    /// Exclusive.
    pub to: Option<NaiveDate>,
    /// The role with every session.
    #[serde(default)]
    pub any_session: bool,
    /// Only say which yen would move.
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskRequest {
    pub arn: String,
    pub person: String,
    /// The day from which the answer is overdue, YYYY-MM-DD.
    pub remind_on: NaiveDate,
}

/// Say whose a principal is: a dated entry of the directory.  Open months follow at once, closed ones stay.
#[utoipa::path(
    post,
    path = "/api/v1/principals/assign",
    tag = "principals",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = AssignRequest,
    responses(
        (status = 200, body = Footed<DirectoryChangeView>, description = "Of a dry run"),
        (status = 201, body = Footed<DirectoryChangeView>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn assign(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    authorize(&actor, Action::ChangeDirectory)?;
    let request: AssignRequest = read(&body)?;
    once(&state, &actor, &headers, "assign", &body, async || {
        let view = assign_by(&state, &actor, &request).await?;
        let status = view.version.map_or(StatusCode::OK, |_| StatusCode::CREATED);
        Ok((status, view.footed(&state).await?))
    })
    .await
}

/// The same for a page.
pub async fn assign_by(
    state: &AppState,
    actor: &Actor,
    request: &AssignRequest,
) -> Result<DirectoryChangeView, ApiError> {
    // What would move is what the principal costs, and most principals are one person.
    authorize(actor, Action::ChangeDirectory)?;
    authorize(actor, Action::ReadPeople)?;
    let kind = match request.kind.as_deref() {
        None => None,
        Some(text) => Some(
            text.parse()
                .map_err(|()| bad("kind", format!("'{text}' is none of person, service, gateway, shared")))?,
        ),
    };
    let named = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let assignment = Assignment {
        arn: request.arn.clone(),
        department: named(&request.department),
        person: named(&request.person),
        kind,
        from: in_reach("from", request.from)?,
        to: request.to.map(|to| in_reach("to", to)).transpose()?,
        any_session: request.any_session,
    };
    let keep = if request.dry_run { Keep::DryRun } else { Keep::Yes };
    let settings = import_settings(&state.config)?;
    let assigned = assign_principal(&assignment, keep, &state.database, &settings, (actor, state.clock)).await;
    Ok(DirectoryChangeView::of(&assigned.map_err(RegisterError::of)?))
}

/// Note that somebody was asked whose a principal is, and when to ask again.
#[utoipa::path(
    post,
    path = "/api/v1/principals/questions",
    tag = "principals",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = AskRequest,
    responses(
        (status = 201, body = QuestionView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn note_asked(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    authorize(&actor, Action::ChangeDirectory)?;
    let request: AskRequest = read(&body)?;
    once(&state, &actor, &headers, "ask", &body, async || {
        Ok((StatusCode::CREATED, ask_by(&state, &actor, &request).await?))
    })
    .await
}

/// The same for a page.
pub async fn ask_by(state: &AppState, actor: &Actor, request: &AskRequest) -> Result<QuestionView, ApiError> {
    let mut connection = state.database.pool.acquire().await?;
    let remind_on = in_reach("remind_on", request.remind_on)?;
    let about = (request.arn.as_str(), request.person.as_str(), remind_on);
    let question = ask(&mut connection, about, state.today(), (actor, state.clock)).await?;
    Ok(QuestionView::of(&question, state.today()))
}
