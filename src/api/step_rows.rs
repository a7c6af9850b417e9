//! A step of the reconciliation opened to its rows.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Extension, Path, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};

use super::chargeback::{begin_moment, parse_period};
use super::findings::AsSeen;
use super::footing::Footing;
use super::month::reconciliation;
use super::view::MoneyView;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::books::Posting;
use crate::domain::charge::ChargeClass;
use crate::domain::chargeback::Reporting;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::rate::YenRates;
use crate::domain::reconciliation::{StepName, step_of};
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::store::StoreResult;
use crate::store::books::{Leaves, assemble};
use crate::store::cost_bases::list_net_payers;
use crate::store::directory::list_departments;
use crate::store::invoices::list_invoices;
use crate::store::month::{BillRow, find_state, list_bill_rows};
use crate::store::statements::{find_statement, list_postings};

/// What a step is made of.  The rows add up to it in dollars; in yen where they are amounts of the books.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepRowsView {
    pub period: String,
    #[serde(flatten)]
    pub footing: Footing,
    pub step: String,
    pub invoice: Option<String>,
    pub usd: MoneyView,
    pub jpy: MoneyView,
    pub rows: Vec<StepRowView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct StepRowView {
    /// Own usage, a pool, an invoice, or how AWS calls the charge.
    pub what: String,
    pub department: Option<String>,
    pub account: Option<String>,
    pub product: Option<String>,
    pub lines: Option<i64>,
    pub usd: MoneyView,
    /// Null of lines of a bill: only its whole has yen.
    pub jpy: Option<MoneyView>,
}

impl StepRowView {
    fn of(what: impl Into<String>, usd: Amount, jpy: Option<Amount>) -> Self {
        Self {
            what: what.into(),
            department: None,
            account: None,
            product: None,
            lines: None,
            usd: MoneyView::new(usd, "USD"),
            jpy: jpy.map(|jpy| MoneyView::new(jpy, "JPY")),
        }
    }

    fn of_bill(row: &BillRow, cost: Amount) -> Self {
        Self {
            account: Some(row.account.clone()),
            product: Some(row.product.clone()).filter(|product| !product.is_empty()),
            lines: Some(row.lines),
            ..Self::of(row.charge_type.clone(), cost, None)
        }
    }
}

/// What the steps of a month are made of: its books as they are, or as they were sealed.
struct Books {
    /// For each group its bills, as payer, seller and invoice.
    groups: Vec<Vec<(String, String, String)>>,
    postings: Vec<Posting>,
}

impl Books {
    async fn read(connection: &mut PgConnection, period: BillingPeriod, yen: YenRates) -> StoreResult<Self> {
        if let Some(statement_id) = find_state(connection, period).await?.statement_id {
            let head: Value =
                serde_json::from_str(&find_statement(connection, statement_id).await?.head).unwrap_or_default();
            let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
            let text = |bill: &Value, key: &str| bill[key].as_str().unwrap_or_default().to_owned();
            let bill = |bill: &Value| (text(bill, "payer"), text(bill, "seller"), text(bill, "invoice"));
            let groups = list(&head["groups"]);
            let postings = list_postings(connection, statement_id).await?;
            return Ok(Self {
                groups: groups
                    .iter()
                    .map(|group| list(&group["bills"]).iter().map(bill).collect())
                    .collect(),
                postings: postings.into_iter().map(|(_, posting)| posting).collect(),
            });
        }
        let departments = list_departments(connection).await?;
        let books = assemble(connection, period, &departments, Reporting::Yen(yen), Leaves::None).await?;
        let bill = |at: &usize| {
            let bill = &books.ledger.bills[*at];
            (
                bill.payer.clone(),
                bill.seller.clone(),
                bill.invoice.clone().unwrap_or_default(),
            )
        };
        let groups = books.converted.groups.iter();
        Ok(Self {
            groups: groups.map(|group| group.bills.iter().map(bill).collect()).collect(),
            postings: books.converted.postings,
        })
    }

    /// The bills that a step calls by an invoice or, where there is none, by who sells: those of its group.
    fn bills(&self, called: &str) -> Vec<(String, String, String)> {
        let is_it = |(_, seller, invoice): &(String, String, String)| match invoice.is_empty() {
            true => seller == called,
            false => invoice == called,
        };
        let mut found = Vec::new();
        for group in &self.groups {
            match group.first().is_some_and(is_it) {
                true => found.extend(group.iter().cloned()),
                false => found.extend(group.iter().filter(|bill| is_it(bill)).cloned()),
            }
        }
        found.sort();
        found.dedup();
        found
    }

    fn rows(&self, step: Option<StepName>) -> Vec<StepRowView> {
        let mut sums: BTreeMap<(String, Option<&str>), (Amount, Amount)> = BTreeMap::new();
        for posting in self
            .postings
            .iter()
            .filter(|posting| step.is_none_or(|step| step_of(posting) == step))
        {
            let what = match (step, &posting.pool) {
                (None, _) => step_of(posting).as_str().to_owned(),
                (Some(_), Some(pool)) => pool.to_string(),
                (Some(_), None) => posting.column.as_str().to_owned(),
            };
            let department = posting.department.as_deref().filter(|_| step.is_some());
            let sum = sums.entry((what, department)).or_default();
            *sum = (sum.0 + posting.billed, sum.1 + posting.amount);
        }
        let rows = sums.into_iter().map(|((what, department), (usd, jpy))| StepRowView {
            department: department.map(str::to_owned),
            ..StepRowView::of(what, usd, Some(jpy))
        });
        rows.collect()
    }
}

/// Opens a step; none where the month has no such step.
pub async fn step_rows(
    connection: &mut PgConnection,
    period: BillingPeriod,
    (step, invoice): (&str, Option<&str>),
    seen: &AsSeen,
) -> StoreResult<Option<StepRowsView>> {
    let reconciliation = reconciliation(connection, period, seen).await?;
    let (footing, all) = (reconciliation.footing, reconciliation.steps);
    let (mut usd, mut jpy, mut found) = (Amount::ZERO, Amount::ZERO, false);
    for one in all
        .iter()
        .filter(|one| one.step == step && one.invoice.as_deref() == invoice)
    {
        let read = |money: &MoneyView| Amount::parse(&money.amount).unwrap_or_default();
        (usd, jpy, found) = (usd + read(&one.usd), jpy + read(&one.jpy), true);
    }
    let Some(name) = StepName::parse(step).filter(|_| found) else {
        return Ok(None);
    };
    let mut moment = begin_moment(connection).await?;
    let books = Books::read(&mut moment, period, seen.yen).await?;
    let net_payers = list_net_payers(&mut moment, period).await?;
    let bills = books.bills(invoice.unwrap_or_default());
    let of_bills = list_bill_rows(&mut moment, period, &net_payers, &bills).await?;
    let invoices = list_invoices(&mut moment, Some(period)).await?;
    moment.commit().await?;
    let is_tax = |row: &BillRow| ChargeClass::of(&row.charge_type) == ChargeClass::Tax;
    let others = |tax: bool| {
        let rows = of_bills.iter().filter(move |row| row.is_other && is_tax(row) == tax);
        rows.map(|row| StepRowView::of_bill(row, -row.cost)).collect::<Vec<_>>()
    };
    let recorded = invoices.iter().find(|known| Some(known.invoice_id.as_str()) == invoice);
    let mut rows = match name {
        StepName::InvoiceNet => recorded
            .map(|known| {
                let yen = known.net_jpy.map(Amount::from_whole);
                StepRowView::of(format!("{} {}", known.kind, known.invoice_id), known.net_usd, yen)
            })
            .into_iter()
            .collect(),
        StepName::InvoiceTax => {
            let taxes = recorded.into_iter().flat_map(|known| &known.taxes);
            let row = |tax: &crate::domain::invoice::InvoiceTax| {
                let what = crate::domain::invoice::percent(tax.rate);
                StepRowView::of(what, tax.usd, tax.jpy.map(Amount::from_whole))
            };
            taxes.map(row).collect()
        }
        StepName::InvoiceRounding | StepName::Unexplained => {
            let billed: Amount = of_bills.iter().map(|row| row.cost).sum();
            let invoiced: Amount = recorded
                .map(|known| known.net_usd + known.tax_usd())
                .unwrap_or_default();
            let rest = billed - invoiced - usd;
            let other = match name {
                StepName::Unexplained => StepName::InvoiceRounding,
                _ => StepName::Unexplained,
            };
            vec![
                StepRowView::of("lines of the bill", billed, None),
                StepRowView::of("the invoice", -invoiced, None),
                StepRowView::of(format!("told as {other}"), -rest, None),
            ]
        }
        StepName::OtherServices => others(false),
        StepName::TaxOfOtherServices => others(true),
        StepName::BillOfThisChargeback => {
            let own = of_bills.iter().filter(|row| !row.is_other);
            own.map(|row| StepRowView::of_bill(row, row.cost)).collect()
        }
        StepName::BillWithoutRecordedInvoice => {
            of_bills.iter().map(|row| StepRowView::of_bill(row, row.cost)).collect()
        }
        StepName::Statement => books.rows(None),
        _ => books.rows(Some(name)),
    };
    let read = |row: &StepRowView| Amount::parse(&row.usd.amount).unwrap_or_default();
    let rest = usd - rows.iter().map(read).sum::<Amount>();
    if !rest.is_zero() {
        // A closed month says what was sealed, its lines what is delivered now; and what stands beside has no rows of its own.
        rows.push(StepRowView::of("not in the rows that are there now", rest, None));
    }
    Ok(Some(StepRowsView {
        period: period.to_string(),
        footing,
        step: step.to_owned(),
        invoice: invoice.map(str::to_owned),
        usd: MoneyView::new(usd, "USD"),
        jpy: MoneyView::new(jpy, "JPY"),
        rows,
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct StepQuery {
    /// As the reconciliation calls it.
    pub step: String,
    /// The step's invoice, or its seller.
    pub invoice: Option<String>,
}

/// What a step of the reconciliation is made of.
#[utoipa::path(
    get,
    path = "/api/v1/reconciliation/{period}/rows",
    tag = "chargeback",
    params(("period" = String, Path, description = "Month as YYYY-MM"), StepQuery),
    responses(
        (status = 200, body = StepRowsView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_step_rows(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
    Query(query): Query<StepQuery>,
) -> Result<Json<StepRowsView>, ApiError> {
    let period = parse_period(&period)?;
    authorize(&actor, Action::ReadChargeback)?;
    read_step(&state, period, &query).await.map(Json)
}

/// The same for a page.
pub async fn read_step(state: &AppState, period: BillingPeriod, query: &StepQuery) -> Result<StepRowsView, ApiError> {
    let mut connection = state.database.pool.acquire().await?;
    let invoice = query.invoice.as_deref().filter(|invoice| !invoice.is_empty());
    let asked = (query.step.as_str(), invoice);
    let found = step_rows(&mut connection, period, asked, &AsSeen::of(&state.config, state.clock)).await?;
    found.ok_or_else(|| ApiError::NotFound(format!("{period} has no step '{}' of that invoice", query.step)))
}
