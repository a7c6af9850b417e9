//! `GET /api/v1/chargeback/{period}/change`: why each department's amount is not last month's.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::{Extension, Path, State};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};

use super::chargeback::{ViewQuestion, begin_moment, not_loaded, parse_period};
use super::findings::AsSeen;
use super::footing::{Footing, footing_in_yen};
use super::sealed::SealedMonth;
use super::view::MoneyView;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::books::Column;
use crate::domain::budget::BudgetScope;
use crate::domain::change::{MonthOf, reasons, reasons_against_budget};
use crate::domain::chargeback::{Chargeback, GroupBy, Reporting};
use crate::domain::money::{Amount, Ratio};
use crate::domain::period::BillingPeriod;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::store::books::{Leaves, assemble};
use crate::store::budgets::list_budgets;
use crate::store::chargeback::find_data_as_of;
use crate::store::directory::list_departments;
use crate::store::explain::list_segments;
use crate::store::month::find_state;
use crate::store::rates::read_rate_book;
use crate::store::statements::list_postings;
use crate::store::{StoreError, StoreResult};

/// Why amounts changed; the reasons of each department add up to its change.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeView {
    pub period: String,
    #[serde(flatten)]
    pub footing: Footing,
    pub against: String,
    /// What the earlier amounts rest on.
    pub against_footing: Footing,
    pub departments: Vec<DepartmentChangeView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DepartmentChangeView {
    pub department: String,
    pub before: MoneyView,
    pub after: MoneyView,
    pub change: MoneyView,
    pub reasons: Vec<ReasonView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ReasonView {
    pub reason: &'static str,
    /// Of usage.
    pub model: Option<String>,
    pub amount: MoneyView,
}

/// Compares two months; `None` where one of them is not loaded.
pub async fn change(
    connection: &mut PgConnection,
    period: BillingPeriod,
    against: BillingPeriod,
    seen: &AsSeen,
) -> StoreResult<Option<ChangeView>> {
    let mut moment = begin_moment(connection).await?;
    let Some((before, against_footing)) = read(&mut moment, against, seen).await? else {
        return Ok(None);
    };
    let Some((after, footing)) = read(&mut moment, period, seen).await? else {
        return Ok(None);
    };
    moment.commit().await?;
    let nothing = MonthOf::default();
    let codes: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let yen = |amount| MoneyView::new(amount, "JPY");
    let mut departments: Vec<(Amount, DepartmentChangeView)> = Vec::new();
    for code in codes {
        let (before, after) = (
            before.get(code).unwrap_or(&nothing),
            after.get(code).unwrap_or(&nothing),
        );
        let change = after.total() - before.total();
        let reasons = reasons(before, after).into_iter();
        let view = DepartmentChangeView {
            department: code.clone(),
            before: yen(before.total()),
            after: yen(after.total()),
            change: yen(change),
            reasons: reasons
                .map(|reason| ReasonView {
                    reason: reason.name,
                    model: reason.model,
                    amount: yen(reason.amount),
                })
                .collect(),
        };
        departments.push((change, view));
    }
    departments.sort_by_key(|(change, _)| std::cmp::Reverse(change.units().abs()));
    Ok(Some(ChangeView {
        period: period.to_string(),
        footing,
        against: against.to_string(),
        against_footing,
        departments: departments.into_iter().map(|(_, view)| view).collect(),
    }))
}

/// Compares a month with the budgets of its departments; `None` where it is not loaded.  Departments without a budget are left out.
pub async fn change_against_budget(
    connection: &mut PgConnection,
    period: BillingPeriod,
    seen: &AsSeen,
) -> StoreResult<Option<BudgetChangeView>> {
    let mut moment = begin_moment(connection).await?;
    let Some((months, footing)) = read(&mut moment, period, seen).await? else {
        return Ok(None);
    };
    let budgets = list_budgets(&mut moment).await?;
    let (policy, _) = read_rate_book(&mut moment, seen.yen).await?.resolve(period);
    moment.commit().await?;
    let money = |amount| MoneyView::new(amount, "JPY");
    let nothing = MonthOf::default();
    let mut departments = Vec::new();
    let of_departments = budgets
        .iter()
        .filter(|budget| budget.scope == BudgetScope::Department && budget.holds_in(period));
    for budget in of_departments {
        let rate = budget.rate.unwrap_or(policy.value);
        let rate = Ratio::of_rate(rate).ok_or(StoreError::TooLarge)?;
        let month = months.get(&budget.code).unwrap_or(&nothing);
        let budgeted = budget.month_in_yen(rate).ok_or(StoreError::TooLarge)?;
        let total = month.total();
        let reasons = reasons_against_budget(budgeted, rate, month);
        departments.push(BudgetDepartmentView {
            department: budget.code.clone(),
            budget: budget.name.clone(),
            budgeted: money(budgeted),
            actual: money(total),
            difference: money(total - budgeted),
            reasons: reasons
                .into_iter()
                .map(|reason| ReasonView {
                    reason: reason.name,
                    model: reason.model,
                    amount: money(reason.amount),
                })
                .collect(),
        });
    }
    Ok(Some(BudgetChangeView {
        period: period.to_string(),
        footing,
        departments,
    }))
}

/// Why departments are not at their budgets; the reasons of each, the budget with a minus among them, add up to the difference.
#[derive(Debug, Serialize, ToSchema)]
pub struct BudgetChangeView {
    pub period: String,
    #[serde(flatten)]
    pub footing: Footing,
    pub departments: Vec<BudgetDepartmentView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BudgetDepartmentView {
    pub department: String,
    /// Its name.
    pub budget: String,
    /// For one month; of a longer one an equal part.
    pub budgeted: MoneyView,
    pub actual: MoneyView,
    pub difference: MoneyView,
    pub reasons: Vec<ReasonView>,
}

async fn read(
    connection: &mut PgConnection,
    period: BillingPeriod,
    seen: &AsSeen,
) -> StoreResult<Option<(BTreeMap<String, MonthOf>, Footing)>> {
    if find_data_as_of(connection, period).await?.is_none() {
        return Ok(None);
    }
    let reporting = Reporting::Yen(seen.yen);
    let (chargeback, postings, footing) = match find_state(connection, period).await?.statement_id {
        Some(statement_id) => {
            let question = ViewQuestion::of(GroupBy::Department, reporting);
            let sealed = SealedMonth::read(connection, statement_id, &question, None).await?;
            let postings = list_postings(connection, statement_id).await?;
            let postings = postings.into_iter().map(|(_, posting)| posting).collect();
            let footing = footing_in_yen(connection, period, None, seen).await?;
            (sealed.chargeback, postings, footing)
        }
        None => {
            let departments = list_departments(connection).await?;
            let books = assemble(connection, period, &departments, reporting, Leaves::None).await?;
            let chargeback = Chargeback::by_department(period, &books.converted.postings);
            let footing = footing_in_yen(connection, period, Some((&books.rates, &books.findings)), seen).await?;
            (chargeback, books.converted.postings, footing)
        }
    };
    let mut adjustments: BTreeMap<String, BTreeMap<&'static str, Amount>> = BTreeMap::new();
    for posting in postings.iter().filter(|posting| posting.column == Column::Adjustments) {
        if let (Some(department), Some(pool)) = (&posting.department, &posting.pool) {
            let of_department = adjustments.entry(department.clone()).or_default();
            *of_department.entry(pool.kind()).or_default() += posting.amount;
        }
    }
    let mut segments = list_segments(connection, period).await?;
    let months = chargeback.rows.into_iter().filter_map(|row| {
        let code = row.code?;
        let segments = segments.remove(&code).unwrap_or_default();
        let adjustments = adjustments.remove(&code).unwrap_or_default();
        Some((
            code,
            MonthOf {
                segments,
                columns: row.columns,
                adjustments,
            },
        ))
    });
    Ok(Some((months.collect(), footing)))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ChangeQuery {
    /// The earlier month as YYYY-MM; the one before by default.
    pub against: Option<String>,
}

/// Why each department's amount is not another month's.
#[utoipa::path(
    get,
    path = "/api/v1/chargeback/{period}/change",
    tag = "chargeback",
    params(("period" = String, Path, description = "Month as YYYY-MM"), ChangeQuery),
    responses(
        (status = 200, body = ChangeView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_change(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
    Query(query): Query<ChangeQuery>,
) -> Result<Json<ChangeView>, ApiError> {
    let period = parse_period(&period)?;
    let against = query
        .against
        .as_deref()
        .map(parse_period)
        .transpose()?
        .unwrap_or(period.previous());
    authorize(&actor, Action::ReadChargeback)?;
    let mut connection = state.database.pool.acquire().await?;
    let view = change(
        &mut connection,
        period,
        against,
        &AsSeen::of(&state.config, state.clock),
    )
    .await?;
    Ok(Json(view.ok_or_else(|| not_loaded(against.min(period)))?))
}

/// Why departments are not at their budgets.
#[utoipa::path(
    get,
    path = "/api/v1/chargeback/{period}/budgets",
    tag = "budgets",
    params(("period" = String, Path, description = "Month as YYYY-MM")),
    responses(
        (status = 200, body = BudgetChangeView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_budget_change(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
) -> Result<Json<BudgetChangeView>, ApiError> {
    let period = parse_period(&period)?;
    authorize(&actor, Action::ReadChargeback)?;
    let mut connection = state.database.pool.acquire().await?;
    let view = change_against_budget(&mut connection, period, &AsSeen::of(&state.config, state.clock)).await?;
    Ok(Json(view.ok_or_else(|| not_loaded(period))?))
}
