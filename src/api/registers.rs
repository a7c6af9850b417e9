//! What finance records: rates, invoices, rules for shared cost, manual pools.  `changes` takes them over.

pub mod changes;

use axum::Json;
use axum::extract::{Extension, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::chargeback::parse_period;
use super::footing::{Footed, footed};
use super::view::MoneyView;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::allocation::AllocationRule;
use crate::domain::chargeback::Moved;
use crate::domain::cost_basis::BasisOfPayer;
use crate::domain::invoice::{Invoice, implied_rate};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::rate::{Rate, RatePolicy};
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::store::manual_pools::{StoredManualPool, list_manual_pools};
use crate::store::{allocation, invoices, rates};

#[derive(Debug, Serialize, ToSchema)]
pub struct RatesView {
    pub data: Vec<RateRecordView>,
    pub policies: Vec<PolicyView>,
}

/// Yen for a dollar on a day.
#[derive(Debug, Serialize, ToSchema)]
pub struct RateRecordView {
    pub date: String,
    /// `planning`, `ttm`, `tts`, `ttb` or `interbank`.
    pub kind: &'static str,
    pub value: String,
    pub source: String,
    pub set_by: String,
}

impl RateRecordView {
    pub fn of(rate: &Rate) -> Self {
        Self {
            date: rate.date.to_string(),
            kind: rate.kind.as_str(),
            value: rate.value.to_string(),
            source: rate.source.clone(),
            set_by: rate.set_by.clone(),
        }
    }
}

/// Which rate months from one on use until their invoices are recorded.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyView {
    pub valid_from: String,
    pub kind: &'static str,
    pub date_rule: &'static str,
    pub set_by: String,
}

impl PolicyView {
    pub fn of(policy: &RatePolicy) -> Self {
        Self {
            valid_from: policy.valid_from.to_string(),
            kind: policy.kind.as_str(),
            date_rule: policy.date_rule.as_str(),
            set_by: policy.set_by.clone(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct InvoicesView {
    pub data: Vec<InvoiceView>,
}

/// A recorded invoice.  Yen are null on an invoice in dollars.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvoiceView {
    pub invoice_id: String,
    pub period: String,
    pub payer: String,
    pub seller: String,
    pub registration_number: String,
    pub kind: &'static str,
    pub corrects: Option<String>,
    pub issue_date: String,
    pub currency: String,
    pub net_usd: MoneyView,
    pub tax_usd: MoneyView,
    pub net_jpy: Option<MoneyView>,
    pub tax_jpy: Option<MoneyView>,
    /// As the invoice prints it.
    pub printed_rate: Option<String>,
    /// Its yen over its dollars: evidence, nothing is multiplied by it.
    pub implied_rate: Option<String>,
    pub treatment: &'static str,
    pub file_name: String,
    pub file_sha256: String,
}

impl InvoiceView {
    pub fn of(invoice: &Invoice) -> Self {
        let yen = |whole| MoneyView::new(Amount::from_whole(whole), "JPY");
        let totals = invoice.totals();
        Self {
            invoice_id: invoice.invoice_id.clone(),
            period: invoice.period.to_string(),
            payer: invoice.payer.clone(),
            seller: invoice.seller.clone(),
            registration_number: invoice.registration_number.clone(),
            kind: invoice.kind.as_str(),
            corrects: invoice.corrects.clone(),
            issue_date: invoice.issue_date.to_string(),
            currency: invoice.currency.clone(),
            net_usd: MoneyView::new(invoice.net_usd, "USD"),
            tax_usd: MoneyView::new(invoice.tax_usd(), "USD"),
            net_jpy: totals.map(|totals| yen(totals.net)),
            tax_jpy: totals.map(|totals| yen(totals.tax)),
            printed_rate: invoice.printed_rate.map(|rate| rate.to_string()),
            implied_rate: totals
                .and_then(|totals| implied_rate(totals.net, invoice.net_usd))
                .map(|rate| rate.to_string()),
            treatment: invoice.treatment.as_str(),
            file_name: invoice.file_name.clone(),
            file_sha256: invoice.file_sha256.clone(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AllocationRulesView {
    /// None before the first import.
    pub version: Option<i32>,
    pub data: Vec<AllocationRuleView>,
}

/// What happens to a pool of shared cost in a stretch of months.
#[derive(Debug, Serialize, ToSchema)]
pub struct AllocationRuleView {
    pub pool: String,
    pub method: &'static str,
    pub members: String,
    pub fallback: Option<String>,
    pub legal_entity: Option<String>,
    pub valid_from: String,
    /// Exclusive.
    pub valid_to: Option<String>,
}

impl AllocationRuleView {
    pub fn of(rule: &AllocationRule) -> Self {
        Self {
            pool: rule.pool.clone(),
            method: rule.method.name(),
            members: rule.method.members(),
            fallback: rule.fallback.clone(),
            legal_entity: rule.legal_entity.clone(),
            valid_from: rule.valid_from.to_string(),
            valid_to: rule.valid_to.map(|to| to.to_string()),
        }
    }
}

/// By which column of the bill a payer's months from one on are booked.
#[derive(Debug, Serialize, ToSchema)]
pub struct BasisView {
    pub payer: String,
    pub valid_from: String,
    /// `unblended`, with separate discount lines, or `net`, without them.
    pub basis: &'static str,
    pub set_by: String,
}

impl BasisView {
    pub fn of(basis: &BasisOfPayer) -> Self {
        Self {
            payer: basis.payer.clone(),
            valid_from: basis.valid_from.to_string(),
            basis: basis.basis.as_str(),
            set_by: basis.set_by.clone(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ManualPoolsView {
    pub data: Vec<ManualPoolView>,
}

/// What finance adds to a month by hand; shared by the rule for `manual` or `manual.NAME`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ManualPoolView {
    pub period: String,
    pub name: String,
    pub payer: String,
    pub jpy: MoneyView,
    pub reason: String,
    pub recorded_by: String,
}

impl ManualPoolView {
    pub fn of(pool: &StoredManualPool) -> Self {
        Self {
            period: pool.period.to_string(),
            name: pool.name.clone(),
            payer: pool.payer.clone(),
            jpy: MoneyView::new(pool.jpy, "JPY"),
            reason: pool.reason.clone(),
            recorded_by: pool.recorded_by.clone(),
        }
    }
}

/// What moves in a month, in yen; without a department: what is kept visible.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovedView {
    pub period: String,
    pub department: Option<String>,
    pub before: MoneyView,
    pub after: MoneyView,
}

impl MovedView {
    pub fn of(period: BillingPeriod, moved: &Moved) -> Self {
        Self {
            period: period.to_string(),
            department: moved.department.clone(),
            before: MoneyView::new(moved.before, "JPY"),
            after: MoneyView::new(moved.after, "JPY"),
        }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct PeriodQuery {
    /// YYYY-MM; all by default.
    pub period: Option<String>,
}

/// Exchange rates that count, and which of them months use.
#[utoipa::path(
    get,
    path = "/api/v1/rates",
    tag = "registers",
    responses(
        (status = 200, body = RatesView),
        (status = 401, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn list_rates(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<RatesView>, ApiError> {
    authorize(&actor, Action::ReadChargeback)?;
    let mut connection = state.database.pool.acquire().await?;
    let book = rates::read_rate_book(&mut connection, state.config.currency.yen()).await?;
    Ok(Json(RatesView {
        data: book.rates.iter().map(RateRecordView::of).collect(),
        policies: book.policies.iter().map(PolicyView::of).collect(),
    }))
}

/// Recorded invoices.
#[utoipa::path(
    get,
    path = "/api/v1/invoices",
    tag = "registers",
    params(PeriodQuery),
    responses(
        (status = 200, body = Footed<InvoicesView>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn list_invoices(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Query(query): Query<PeriodQuery>,
) -> Result<Json<Footed<InvoicesView>>, ApiError> {
    let period: Option<BillingPeriod> = query.period.as_deref().map(parse_period).transpose()?;
    authorize(&actor, Action::ReadChargeback)?;
    let mut connection = state.database.pool.acquire().await?;
    let invoices = invoices::list_invoices(&mut connection, period).await?;
    let periods: Vec<BillingPeriod> = invoices.iter().map(|invoice| invoice.period).collect();
    let data = invoices.iter().map(InvoiceView::of).collect();
    Ok(Json(
        footed(&state, &mut connection, periods, InvoicesView { data }).await?,
    ))
}

/// The rules for shared cost that hold.
#[utoipa::path(
    get,
    path = "/api/v1/rules",
    tag = "registers",
    responses(
        (status = 200, body = AllocationRulesView),
        (status = 401, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn list_rules(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<AllocationRulesView>, ApiError> {
    authorize(&actor, Action::ReadChargeback)?;
    let mut connection = state.database.pool.acquire().await?;
    let version = allocation::find_version(&mut connection).await?;
    let rules = allocation::list_rules(&mut connection, version).await?;
    Ok(Json(AllocationRulesView {
        version,
        data: rules.iter().map(AllocationRuleView::of).collect(),
    }))
}

/// What finance added to months by hand.
#[utoipa::path(
    get,
    path = "/api/v1/manual-pools",
    tag = "registers",
    params(PeriodQuery),
    responses(
        (status = 200, body = Footed<ManualPoolsView>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn list_pools(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Query(query): Query<PeriodQuery>,
) -> Result<Json<Footed<ManualPoolsView>>, ApiError> {
    let period: Option<BillingPeriod> = query.period.as_deref().map(parse_period).transpose()?;
    authorize(&actor, Action::ReadChargeback)?;
    let mut connection = state.database.pool.acquire().await?;
    let pools = list_manual_pools(&mut connection, period).await?;
    let periods: Vec<BillingPeriod> = pools.iter().map(|pool| pool.period).collect();
    let data = pools.iter().map(ManualPoolView::of).collect();
    Ok(Json(
        footed(&state, &mut connection, periods, ManualPoolsView { data }).await?,
    ))
}
