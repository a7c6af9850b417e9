//! Why something is what it is: a principal's attribution, the meaning of a usage type.

use axum::Json;
use axum::extract::{Extension, State};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};

use super::costs::parse_day;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::attribution::{AttributionSettings, EvidenceTags, Explanation, explain};
use crate::domain::principal::Principal;
use crate::domain::usage_type::{Meaning, ProductMetadata};
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::store::principals::find_tags;
use crate::store::{StoreResult, directory};

/// How a principal is attributed on a day: the result, and what every rule found.
#[derive(Debug, Serialize, ToSchema)]
pub struct PrincipalExplanationView {
    pub arn: String,
    pub on: NaiveDate,
    /// Those that were given, else those of the bill.
    pub tags: EvidenceTags,
    /// The day of use from which the bill's tags are; null where they were given, or the bill has none up to the day.
    pub tags_of: Option<NaiveDate>,
    pub principal: Option<PrincipalPartsView>,
    pub state: &'static str,
    pub reason: Option<&'static str>,
    pub department: Option<String>,
    pub person: Option<String>,
    pub project: Option<String>,
    pub rule: Option<&'static str>,
    pub person_rule: Option<&'static str>,
    /// In the order in which they were asked.
    pub tried: Vec<EvidenceView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PrincipalPartsView {
    pub partition: String,
    pub account: String,
    pub kind: &'static str,
    pub role: Option<String>,
    pub session: Option<String>,
    pub user: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct EvidenceView {
    pub rule: &'static str,
    pub department: Option<String>,
    pub person: Option<String>,
    pub project: Option<String>,
    /// Why the evidence that is there cannot be resolved.
    pub problem: Option<&'static str>,
    /// The directory calls the principal shared and names no department.
    pub shared: bool,
}

/// Explains a principal by the directory as it is now, with the tags that the bill has of it where none are given.
pub async fn principal(
    connection: &mut PgConnection,
    arn: &str,
    given: EvidenceTags,
    on: NaiveDate,
    settings: &AttributionSettings,
) -> StoreResult<PrincipalExplanationView> {
    let (tags_of, tags) = if given.is_empty() {
        find_tags(connection, arn, on).await?.unzip()
    } else {
        (None, Some(given))
    };
    let tags = tags.unwrap_or_default();
    let directory = directory::get_directory(connection).await?;
    let Explanation { attribution, tried } = explain(Some(arn), &tags, &directory.on(on), settings);
    let parts = Principal::parse(arn).map(|p| PrincipalPartsView {
        partition: p.partition.to_owned(),
        account: p.account.to_owned(),
        kind: p.kind.as_str(),
        role: p.role.map(str::to_owned),
        session: p.session.map(str::to_owned),
        user: p.user.map(str::to_owned),
    });
    let tried = tried.into_iter().map(|(rule, evidence)| EvidenceView {
        rule: rule.as_str(),
        department: evidence.department,
        person: evidence.person,
        project: evidence.project,
        problem: evidence.problem.map(|problem| problem.as_str()),
        shared: evidence.shared,
    });
    Ok(PrincipalExplanationView {
        arn: arn.to_owned(),
        on,
        tags,
        tags_of,
        principal: parts,
        state: attribution.state.as_str(),
        reason: attribution.reason.map(|reason| reason.as_str()),
        department: attribution.department,
        person: attribution.person,
        project: attribution.project,
        rule: attribution.rule.map(|rule| rule.as_str()),
        person_rule: attribution.person_rule.map(|rule| rule.as_str()),
        tried: tried.collect(),
    })
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ExplainPrincipalQuery {
    /// The principal as the bill spells it.
    pub arn: String,
    /// The UTC day of use, YYYY-MM-DD; today by default.
    pub on: Option<String>,
    /// Tags as `key=value`, several separated by `;`; those of the bill by default.
    pub tags: Option<String>,
}

/// Which rule decides about a principal, and what every rule found.
#[utoipa::path(
    get,
    path = "/api/v1/principals/explain",
    tag = "principals",
    params(ExplainPrincipalQuery),
    responses(
        (status = 200, body = PrincipalExplanationView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn explain_principal(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Query(query): Query<ExplainPrincipalQuery>,
) -> Result<Json<PrincipalExplanationView>, ApiError> {
    authorize(&actor, Action::ReadPeople)?;
    let on = query
        .on
        .as_deref()
        .map_or_else(|| Ok(state.clock.now().date_naive()), |text| parse_day("on", text))?;
    let mut tags = EvidenceTags::new();
    for pair in query
        .tags
        .as_deref()
        .unwrap_or("")
        .split(';')
        .filter(|pair| !pair.is_empty())
    {
        let (key, value) = pair.split_once('=').ok_or_else(|| ApiError::BadParameter {
            pointer: "tags",
            detail: format!("'{pair}' is not KEY=VALUE"),
        })?;
        tags.insert(key.to_owned(), value.to_owned());
    }
    let mut connection = state.database.pool.acquire().await?;
    Ok(Json(
        principal(&mut connection, &query.arn, tags, on, &state.attribution).await?,
    ))
}

/// How a usage type is read.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageTypeView {
    pub usage_type: String,
    /// `tokens`, `capacity`, `feature` or `unknown`.
    pub line_kind: &'static str,
    pub model: Option<String>,
    pub provider: Option<String>,
    pub family: Option<String>,
    pub version: Option<String>,
    pub token_kind: Option<&'static str>,
    pub cache_ttl: Option<&'static str>,
    pub route: Option<&'static str>,
    pub tier: Option<&'static str>,
    pub context: Option<&'static str>,
    /// By the prefix; the bill's own region code comes first.
    pub region: Option<&'static str>,
}

impl UsageTypeView {
    pub fn read(usage_type: &str) -> Self {
        let meaning = Meaning::read(usage_type, ProductMetadata::default());
        let (model, tokens) = (meaning.model, meaning.tokens);
        Self {
            usage_type: usage_type.to_owned(),
            line_kind: meaning.line_kind.as_str(),
            provider: model.as_ref().map(|m| m.provider.clone()),
            family: model.as_ref().map(|m| m.family.clone()),
            version: model.as_ref().map(|m| m.version.clone()),
            model: model.map(|m| m.to_string()),
            token_kind: tokens.map(|t| t.kind.as_str()),
            cache_ttl: tokens.and_then(|t| t.ttl).map(|ttl| ttl.as_str()),
            route: tokens.map(|t| t.route.as_str()),
            tier: tokens.map(|t| t.tier.as_str()),
            context: tokens.map(|t| t.context.as_str()),
            region: meaning.region,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ExplainUsageTypeQuery {
    pub usage_type: String,
}

/// How a usage type is read.
#[utoipa::path(
    get,
    path = "/api/v1/usage-types/explain",
    tag = "costs",
    params(ExplainUsageTypeQuery),
    responses((status = 200, body = UsageTypeView), (status = 401, body = Problem, content_type = "application/problem+json"))
)]
pub async fn explain_usage_type(
    Extension(actor): Extension<Actor>,
    Query(query): Query<ExplainUsageTypeQuery>,
) -> Result<Json<UsageTypeView>, ApiError> {
    authorize(&actor, Action::ReadChargeback)?;
    Ok(Json(UsageTypeView::read(&query.usage_type)))
}
