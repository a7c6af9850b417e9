//! `GET /api/v1/costs`: any slice of the charges.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Extension, State};
use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};

use super::findings::{AsSeen, period_findings};
use super::view::{FindingView, MoneyView};
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::dimension::Dimension;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::store::costs::{CostRow, RangeOf, Slice, sum_costs};
use crate::store::{chargeback, tokens};

/// A slice returns at most this many rows; more is an error that asks for a narrower one, never a silent cut.
pub const ROWS_MAX: usize = 10_000;
const DIMENSIONS_MAX: usize = 8;

/// Rows of a slice, each with a value for every dimension that was asked for (`null` where it has none).
#[derive(Debug, Serialize, ToSchema)]
pub struct CostsView {
    pub data: Vec<CostView>,
    /// One total a currency: currencies are never added up.
    pub totals: Vec<CostTotalView>,
    /// The total, where there is only one currency.
    pub total: Option<CostTotalView>,
    pub basis: &'static str,
    pub state: &'static str,
    pub data_as_of: Option<chrono::DateTime<chrono::Utc>>,
    pub rates: Vec<super::view::RateView>,
    pub findings: Vec<FindingView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CostView {
    #[schema(value_type = Object)]
    pub dimensions: Map<String, Value>,
    pub cost: MoneyView,
    pub net_cost: MoneyView,
    pub tokens: String,
    pub lines: i64,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CostTotalView {
    pub cost: MoneyView,
    pub net_cost: MoneyView,
    pub tokens: String,
    pub lines: i64,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct CostsQuery {
    /// First day, YYYY-MM-DD; the newest loaded month by default.
    pub from: Option<String>,
    /// Day after the last, YYYY-MM-DD.
    pub to: Option<String>,
    /// Dimensions, separated by commas.
    pub group_by: Option<String>,
    /// `dimension=value`, several separated by `;`. An empty value means that there is none.
    #[serde(rename = "where")]
    #[param(rename = "where")]
    pub filter: Option<String>,
    /// `day` or `month`: the same as that dimension first in `group_by`.
    pub granularity: Option<String>,
}

/// What is asked for; days default to the newest loaded month.
#[derive(Debug, Clone, Default)]
pub struct Question {
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
    pub by: Vec<Dimension>,
    pub filters: Vec<(Dimension, Vec<Option<String>>)>,
}

pub fn parse_dimension(pointer: &'static str, text: &str) -> Result<Dimension, ApiError> {
    Dimension::parse(text.trim()).ok_or_else(|| {
        let known: Vec<&str> = Dimension::ALL.iter().map(|d| d.as_str()).collect();
        ApiError::BadParameter {
            pointer,
            detail: format!("'{text}' is none of {}", known.join(", ")),
        }
    })
}

/// Reads `dimension=value`.
pub fn parse_filter(text: &str) -> Result<(Dimension, Option<String>), ApiError> {
    let (name, value) = text.split_once('=').ok_or_else(|| ApiError::BadParameter {
        pointer: "where",
        detail: format!("'{text}' is not DIMENSION=VALUE"),
    })?;
    Ok((
        parse_dimension("where", name)?,
        Some(value.to_owned()).filter(|value| !value.is_empty()),
    ))
}

pub fn parse_day(pointer: &'static str, text: &str) -> Result<NaiveDate, ApiError> {
    let day = text
        .parse()
        .ok()
        .filter(|day: &NaiveDate| text.len() == 10 && (2006..=2199).contains(&day.year()));
    day.ok_or_else(|| ApiError::BadParameter {
        pointer,
        detail: format!("'{text}' is no day; write it as YYYY-MM-DD"),
    })
}

impl Question {
    pub fn add_filter(&mut self, dimension: Dimension, value: Option<String>) {
        match self.filters.iter_mut().find(|(known, _)| *known == dimension) {
            Some((_, values)) => values.push(value),
            None => self.filters.push((dimension, vec![value])),
        }
    }

    fn is_personal(&self) -> bool {
        self.by
            .iter()
            .chain(self.filters.iter().map(|(d, _)| d))
            .any(|d| d.is_personal())
    }
}

impl TryFrom<CostsQuery> for Question {
    type Error = ApiError;

    fn try_from(query: CostsQuery) -> Result<Self, ApiError> {
        let mut question = Self {
            from: query.from.as_deref().map(|text| parse_day("from", text)).transpose()?,
            to: query.to.as_deref().map(|text| parse_day("to", text)).transpose()?,
            ..Self::default()
        };
        match query.granularity.as_deref() {
            None => {}
            Some("day") => question.by.push(Dimension::Day),
            Some("month") => question.by.push(Dimension::Month),
            Some(text) => {
                return Err(ApiError::BadParameter {
                    pointer: "granularity",
                    detail: format!("'{text}' is none of day, month"),
                });
            }
        }
        for text in query
            .group_by
            .as_deref()
            .unwrap_or("")
            .split(',')
            .filter(|text| !text.trim().is_empty())
        {
            let dimension = parse_dimension("group_by", text)?;
            if !question.by.contains(&dimension) {
                question.by.push(dimension);
            }
        }
        for text in query
            .filter
            .as_deref()
            .unwrap_or("")
            .split(';')
            .filter(|text| !text.trim().is_empty())
        {
            let (dimension, value) = parse_filter(text)?;
            question.add_filter(dimension, value);
        }
        Ok(question)
    }
}

/// Any slice of the charges.
#[utoipa::path(
    get,
    path = "/api/v1/costs",
    tag = "costs",
    params(CostsQuery),
    responses(
        (status = 200, body = CostsView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_costs(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Query(query): Query<CostsQuery>,
) -> Result<Json<CostsView>, ApiError> {
    let question = Question::try_from(query)?;
    let mut connection = state.database.pool.acquire().await?;
    Ok(Json(
        answer(
            &mut connection,
            &question,
            &actor,
            &AsSeen::of(&state.config, state.clock),
        )
        .await?,
    ))
}

/// Checks the actor and reads a slice.
pub async fn answer(
    connection: &mut PgConnection,
    question: &Question,
    actor: &Actor,
    seen: &AsSeen,
) -> Result<CostsView, ApiError> {
    authorize(actor, Action::ReadChargeback)?;
    if question.is_personal() {
        authorize(actor, Action::ReadPeople)?;
        tokens::note_personal_data_read(connection, actor, &format!("costs {question:?}"), seen.now).await?;
    }
    if question.by.len() > DIMENSIONS_MAX {
        return Err(ApiError::BadParameter {
            pointer: "group_by",
            detail: format!("more than {DIMENSIONS_MAX} dimensions"),
        });
    }
    let loaded = chargeback::list_periods(connection).await?;
    let newest = loaded
        .first()
        .ok_or_else(|| ApiError::NotFound("nothing is loaded".to_owned()))?;
    let from = question.from.unwrap_or_else(|| {
        question
            .to
            .and_then(|to| to.pred_opt())
            .map_or(newest.period, BillingPeriod::of)
            .first_day()
    });
    let to = question
        .to
        .unwrap_or_else(|| BillingPeriod::of(from).next().first_day());
    if to <= from {
        return Err(ApiError::BadParameter {
            pointer: "to",
            detail: format!("{to} is not after {from}; it is the day after the last"),
        });
    }
    let limit = i64::try_from(ROWS_MAX).unwrap_or(i64::MAX) + 1;
    let is_first_day = |day: NaiveDate| day.day() == 1;
    let slice = Slice {
        range_of: if is_first_day(from) && is_first_day(to) {
            RangeOf::BillingPeriods
        } else {
            RangeOf::UsageDays
        },
        from,
        to,
        by: question.by.clone(),
        filters: question.filters.clone(),
        limit,
    };
    let rows = sum_costs(connection, &slice).await?;
    if rows.len() > ROWS_MAX {
        return Err(ApiError::BadParameter {
            pointer: "group_by",
            detail: format!("the answer has more than {ROWS_MAX} rows; ask for fewer dimensions or days"),
        });
    }
    let months = BillingPeriod::of(from)..=BillingPeriod::of(to.pred_opt().unwrap_or(to));
    let mut findings = period_findings(connection, *months.start(), months.end().next(), seen).await?;
    let mut month = *months.start();
    while month <= *months.end() && findings.len() < 600 {
        if !loaded.iter().any(|l| l.period == month) {
            findings.push(FindingView {
                code: "month_not_loaded".to_owned(),
                severity: "error",
                subject: month.to_string(),
                message: format!("no delivery of {month} is loaded, so its costs are missing here"),
                action: "load it with 'anbun ingest cur LOCATION'".to_owned(),
                period: Some(month.to_string()),
                amount: None,
                lines: None,
            });
        }
        month = month.next();
    }
    let data_as_of = loaded
        .iter()
        .filter(|l| months.contains(&l.period))
        .map(|l| l.data_as_of)
        .min();
    Ok(view(&question.by, &rows, findings, data_as_of))
}

fn view(
    by: &[Dimension],
    rows: &[CostRow],
    findings: Vec<FindingView>,
    data_as_of: Option<chrono::DateTime<chrono::Utc>>,
) -> CostsView {
    let mut sums: BTreeMap<&str, (Amount, Amount, i128, i64)> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry(&row.currency).or_default();
        *sum = (
            sum.0 + row.cost,
            sum.1 + row.net_cost,
            sum.2 + i128::from(row.tokens),
            sum.3 + row.lines,
        );
    }
    let totals: Vec<CostTotalView> = sums
        .into_iter()
        .map(|(currency, (cost, net_cost, tokens, lines))| CostTotalView {
            cost: MoneyView::new(cost, currency),
            net_cost: MoneyView::new(net_cost, currency),
            tokens: tokens.to_string(),
            lines,
        })
        .collect();
    let data = rows.iter().map(|row| CostView {
        dimensions: by
            .iter()
            .zip(&row.values)
            .map(|(d, value)| (d.to_string(), value.clone().map_or(Value::Null, Value::String)))
            .collect(),
        cost: MoneyView::new(row.cost, &row.currency),
        net_cost: MoneyView::new(row.net_cost, &row.currency),
        tokens: row.tokens.to_string(),
        lines: row.lines,
    });
    let total = if totals.len() == 1 {
        totals.first().cloned()
    } else {
        None
    };
    CostsView {
        data: data.collect(),
        total,
        totals,
        basis: "bill",
        state: "open",
        data_as_of,
        rates: Vec::new(),
        findings,
    }
}
