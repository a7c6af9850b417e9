//! `GET /api/v1/forecasts`: the ends of months as they were foreseen, and how far that was off.

use axum::Json;
use axum::extract::{Extension, State};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};

use super::acting::bad;
use super::chargeback::parse_period;
use super::footing::{Footed, footed_estimate};
use super::view::MoneyView;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::store::StoreResult;
use crate::store::forecasts::{KeptForecast, list_forecasts};

/// Forecasts that were kept; estimates, all of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastsView {
    pub data: Vec<ForecastView>,
}

/// Dollars of use at the end of a month, before discounts, credits and tax.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastView {
    pub period: String,
    /// 5, 10, 15 or 20.
    pub day_of_month: i32,
    /// `company` or `department`.
    pub scope: String,
    pub code: String,
    /// `levels`, `few_days` or `nothing`.
    pub method: String,
    pub expected: MoneyView,
    pub low: MoneyView,
    pub high: MoneyView,
    /// What came; null until the month is final.
    pub actual: Option<MoneyView>,
    /// Of what came: `0.034` is 3.4 per cent too much.
    pub error: Option<String>,
    pub is_inside_band: Option<bool>,
    pub made_at: String,
    pub data_as_of: String,
}

impl ForecastView {
    fn of(forecast: &KeptForecast) -> Self {
        let usd = |amount| MoneyView::new(amount, "USD");
        let error = forecast.actual.and_then(|actual| error_of(forecast.expected, actual));
        Self {
            period: forecast.period.to_string(),
            day_of_month: forecast.day_of_month,
            scope: forecast.scope.clone(),
            code: forecast.code.clone(),
            method: forecast.method.clone(),
            expected: usd(forecast.expected),
            low: usd(forecast.low),
            high: usd(forecast.high),
            actual: forecast.actual.map(usd),
            error: error.map(|error| error.to_string()),
            is_inside_band: forecast
                .actual
                .map(|actual| forecast.low <= actual && actual <= forecast.high),
            made_at: forecast.made_at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            data_as_of: forecast.data_as_of.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }
}

fn error_of(expected: Amount, actual: Amount) -> Option<Decimal> {
    let (expected, actual) = (expected.to_decimal()?, actual.to_decimal()?);
    Some((expected.checked_div(actual)? - Decimal::ONE).round_dp(3))
}

const SHOWN_MAX: i64 = 2_000;

/// Kept forecasts, the newest month first.
pub async fn forecasts(connection: &mut PgConnection, period: Option<BillingPeriod>) -> StoreResult<ForecastsView> {
    let kept = list_forecasts(connection, period, period.is_some(), SHOWN_MAX).await?;
    Ok(ForecastsView {
        data: kept.iter().map(ForecastView::of).collect(),
    })
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ForecastsQuery {
    /// Month as YYYY-MM, with its departments; without it the company's of every month.
    pub period: Option<String>,
}

/// The ends of months as they were foreseen on days 5, 10, 15 and 20.
#[utoipa::path(
    get,
    path = "/api/v1/forecasts",
    tag = "budgets",
    params(ForecastsQuery),
    responses(
        (status = 200, body = Footed<ForecastsView>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_forecasts(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Query(query): Query<ForecastsQuery>,
) -> Result<Json<Footed<ForecastsView>>, ApiError> {
    authorize(&actor, Action::ReadChargeback)?;
    let period = query.period.as_deref().map(parse_period).transpose();
    let period = period.map_err(|_| bad("period", "it is no month; write it as YYYY-MM".to_owned()))?;
    let mut connection = state.database.pool.acquire().await?;
    let view = forecasts(&mut connection, period).await?;
    let periods: Vec<BillingPeriod> = view.data.iter().filter_map(|of| of.period.parse().ok()).collect();
    Ok(Json(footed_estimate(&state, &mut connection, periods, view).await?))
}
