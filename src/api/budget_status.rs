//! `GET /api/v1/budgets/status` and `/api/v1/budgets/{name}/status`: what is spent, what is to come, when it runs out.

use axum::Json;
use axum::extract::{Extension, Path, State};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};

use super::chargeback::{begin_moment, parse_period};
use super::findings::AsSeen;
use super::footing::{Footing, footing};
use super::view::{FindingView, MoneyView};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::budget::{Budget, BudgetScope};
use crate::domain::budget_status::percent_of;
use crate::domain::calendar::BusinessCalendar;
use crate::domain::finding::{Finding, Severity};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::sources::holiday_csv::read_holidays;
use crate::store::StoreResult;
use crate::store::spending::{BudgetQuestion, ReadBudget, read_budgets, read_budgets_of};

/// Budgets of one month.  What is spent is of the bill; what is foreseen stands apart, under `forecast`.
#[derive(Debug, Serialize, ToSchema)]
pub struct BudgetStatusesView {
    pub period: String,
    #[serde(flatten)]
    pub footing: Footing,
    pub data: Vec<BudgetStatusView>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BudgetStatusView {
    pub name: String,
    /// `company`, `department`, `project`, `person`, `family` or `account`.
    pub scope: &'static str,
    pub code: String,
    /// First month of its window, and the one after its last.
    pub from: String,
    pub to: String,
    /// What counts: `usage`, `after_discounts` or `after_credits`, and whether shared cost and tax do.
    pub counts: &'static str,
    pub with_allocated: bool,
    pub with_tax: bool,
    /// Raises that hold today included.
    pub limit: MoneyView,
    pub raised: MoneyView,
    /// At the budget's own rate; null where nothing of the window is loaded.
    pub spent: Option<MoneyView>,
    /// Per cent of the limit, cut at one decimal.
    pub percent: Option<String>,
    pub spent_usd: MoneyView,
    /// Yen for a dollar that the budget is kept at.
    pub rate: Option<String>,
    /// A note: what the same dollars are at this month's rate.
    pub spent_at_todays_rate: Option<MoneyView>,
    /// Of the month, and no part of the budget.
    pub true_ups_of_earlier_months: MoneyView,
    pub accruals: MoneyView,
    pub forecast: Option<BudgetForecastView>,
    pub days_left: i64,
    /// Months of the window of which nothing is loaded.
    pub missing_months: Vec<String>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BudgetForecastView {
    /// `estimate`: none of it is billed but what is spent.
    pub basis: &'static str,
    /// `levels`, `few_days` where little history is known, or `nothing`.
    pub method: &'static str,
    /// At the end of the window, what is spent included.
    pub expected: MoneyView,
    /// One in ten ends below, one in ten above.
    pub low: MoneyView,
    pub high: MoneyView,
    /// Used until today and not billed yet, by the forecast's days.
    pub not_billed_yet: MoneyView,
    /// The first day that ends beyond the limit.
    pub runs_out_on: Option<String>,
}

impl BudgetStatusView {
    pub fn of(read: &ReadBudget) -> Self {
        let (budget, status) = (&read.budget, &read.status);
        let own = |amount| MoneyView::new(amount, &budget.currency);
        let yen = |amount| MoneyView::new(amount, "JPY");
        let is_known = status.outlook.is_some();
        Self {
            name: budget.name.clone(),
            scope: budget.scope.as_str(),
            code: budget.code.clone(),
            from: status.window.from.to_string(),
            to: status.window.to.to_string(),
            counts: budget.basis.as_str(),
            with_allocated: budget.with_allocated,
            with_tax: budget.with_tax,
            limit: own(status.limit),
            raised: own(status.raised),
            spent: is_known.then(|| own(status.spent)),
            percent: is_known.then(|| percent_of(status.spent, status.limit).to_string()),
            spent_usd: MoneyView::new(status.spent_usd, "USD"),
            rate: budget.rate.map(|rate| rate.normalize().to_string()),
            spent_at_todays_rate: status.spent_at_todays_rate.filter(|_| is_known).map(yen),
            true_ups_of_earlier_months: yen(read.beside.true_ups),
            accruals: yen(read.beside.accruals),
            forecast: status.outlook.as_ref().map(|outlook| BudgetForecastView {
                basis: "estimate",
                method: outlook.method.as_str(),
                expected: own(outlook.expected),
                low: own(outlook.low),
                high: own(outlook.high),
                not_billed_yet: own(outlook.not_billed_yet),
                runs_out_on: outlook.runs_out_on.map(|day| day.to_string()),
            }),
            days_left: status.days_left,
            missing_months: status.missing.iter().map(BillingPeriod::to_string).collect(),
        }
    }

    /// Whether its window is a single month.
    pub fn is_one_month(&self) -> bool {
        let months: Option<(BillingPeriod, BillingPeriod)> = self.from.parse().ok().zip(self.to.parse().ok());
        months.is_some_and(|(from, to)| from.next() == to)
    }

    /// Money is missing from it, or it is of no money at all: somebody must know.
    fn finding(&self, period: BillingPeriod) -> Option<FindingView> {
        let message = match (&self.spent, self.missing_months.as_slice()) {
            (_, []) => return None,
            (None, _) => "nothing of its months is loaded: what is spent is not known, and not 0".to_owned(),
            (Some(_), missing) => format!(
                "{} of its months are not loaded, so more is spent than it says",
                missing.join(", ")
            ),
        };
        let action = "load the months with 'anbun ingest cur', or see with 'anbun doctor' why none comes";
        let finding = Finding::new(
            "budget_without_data",
            Severity::Warning,
            self.name.clone(),
            message,
            action,
        );
        Some(FindingView::new(Some(period), finding))
    }
}

/// How budgets of a month are looked at, by the settings.
pub fn budget_question(config: &Config, clock: Clock, period: Option<BillingPeriod>) -> anyhow::Result<BudgetQuestion> {
    let today = clock.now().date_naive();
    Ok(BudgetQuestion {
        period: period.unwrap_or(BillingPeriod::of(today)),
        today,
        fiscal_year_start_month: config.calendar.fiscal_year_start_month,
        yen: config.currency.yen(),
        calendar: calendar(config)?,
    })
}

/// Business days by the settings.
pub fn calendar(config: &Config) -> anyhow::Result<BusinessCalendar> {
    let closed = config.calendar.closed();
    Ok(BusinessCalendar {
        holidays: read_holidays(config.calendar.holidays.as_deref())?,
        closed: closed.map_err(|error: ConfigError| error)?,
    })
}

/// Every budget of a month; those of single people only where they may be seen.
pub async fn statuses(
    connection: &mut PgConnection,
    question: &BudgetQuestion,
    sees_people: bool,
    seen: &AsSeen,
) -> StoreResult<BudgetStatusesView> {
    statuses_of(connection, question, None, sees_people, seen).await
}

/// The same of budgets that are not taken over yet, where some are given.
pub async fn statuses_of(
    connection: &mut PgConnection,
    question: &BudgetQuestion,
    budgets: Option<Vec<Budget>>,
    sees_people: bool,
    seen: &AsSeen,
) -> StoreResult<BudgetStatusesView> {
    let mut moment = begin_moment(connection).await?;
    let reading = match budgets {
        Some(budgets) => read_budgets_of(&mut moment, question, budgets).await?,
        None => read_budgets(&mut moment, question).await?,
    };
    let mut footing = footing(&mut moment, question.period, seen).await?;
    moment.commit().await?;
    let shown = reading
        .budgets
        .iter()
        .filter(|read| sees_people || read.budget.scope != BudgetScope::Person);
    let data: Vec<BudgetStatusView> = shown.map(BudgetStatusView::of).collect();
    footing
        .findings
        .extend(data.iter().filter_map(|view| view.finding(question.period)));
    let too_large = reading.finding().filter(|_| sees_people);
    footing
        .findings
        .extend(too_large.map(|finding| FindingView::new(Some(question.period), finding)));
    Ok(BudgetStatusesView {
        period: question.period.to_string(),
        footing,
        data,
    })
}

/// How much of an amount is spent or foreseen, as a width in per cent for a bar: 0 to 100.
pub fn bar_of(amount: &MoneyView, limit: &MoneyView) -> u32 {
    let read = |money: &MoneyView| Amount::parse(&money.amount).unwrap_or_default();
    let percent = percent_of(read(amount), read(limit)).trunc().to_string();
    percent.parse().unwrap_or(0).min(100)
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct BudgetStatusQuery {
    /// Month as YYYY-MM; the current one in UTC by default.
    pub period: Option<String>,
}

async fn read(state: &AppState, actor: &Actor, query: &BudgetStatusQuery) -> Result<BudgetStatusesView, ApiError> {
    authorize(actor, Action::ReadChargeback)?;
    let period = query.period.as_deref().map(parse_period).transpose()?;
    let question =
        budget_question(&state.config, state.clock, period).map_err(|e| ApiError::Conflict(e.to_string()))?;
    let sees_people = authorize(actor, Action::ReadPeople).is_ok();
    let mut connection = state.database.pool.acquire().await?;
    let seen = AsSeen::of(&state.config, state.clock);
    Ok(statuses(&mut connection, &question, sees_people, &seen).await?)
}

/// How every budget of a month stands.
#[utoipa::path(
    get,
    path = "/api/v1/budgets/status",
    tag = "budgets",
    params(BudgetStatusQuery),
    responses(
        (status = 200, body = BudgetStatusesView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_statuses(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Query(query): Query<BudgetStatusQuery>,
) -> Result<Json<BudgetStatusesView>, ApiError> {
    read(&state, &actor, &query).await.map(Json)
}

/// How one budget stands.
#[utoipa::path(
    get,
    path = "/api/v1/budgets/{name}/status",
    tag = "budgets",
    params(("name" = String, Path, description = "The budget's name"), BudgetStatusQuery),
    responses(
        (status = 200, body = BudgetStatusesView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_status(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    Query(query): Query<BudgetStatusQuery>,
) -> Result<Json<BudgetStatusesView>, ApiError> {
    let mut view = read(&state, &actor, &query).await?;
    view.data.retain(|budget| budget.name == name);
    view.footing
        .findings
        .retain(|finding| finding.code != "budget_without_data" || finding.subject == name);
    if view.data.is_empty() {
        let what = format!("no budget of that name holds in {}", view.period);
        return Err(ApiError::NotFound(what));
    }
    Ok(Json(view))
}
