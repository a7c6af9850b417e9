//! How an amount came to be: `GET /api/v1/explain`.
//!
//! From the yen back to the dollars, the rate or invoice, the rule that gave the department its share, and the line items.

mod because;

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Extension, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};

use self::because::{because, because_of_adjustment};
use super::chargeback::{begin_moment, not_loaded, parse_period};
use super::findings::AsSeen;
use super::footing::{Footing, footing_in_yen};
use super::view::MoneyView;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::books::{Column, Posting, spread_over_leaves};
use crate::domain::chargeback::Reporting;
use crate::domain::money::{Amount, Ratio};
use crate::domain::period::BillingPeriod;
use crate::domain::statement::StatementLine;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::store::allocation::list_rules;
use crate::store::books::{Leaves, MonthBooks, assemble, assemble_by};
use crate::store::chargeback::find_data_as_of;
use crate::store::directory::list_departments;
use crate::store::explain::{LineItems, list_line_items, list_pool_items};
use crate::store::month::find_state;
use crate::store::statements::{Statement, find_statement, list_lines, list_postings};
use crate::store::tokens::note_personal_data_read;
use crate::store::{StoreError, StoreResult};

const LINE_ITEMS_SHOWN: i64 = 200;

/// What is explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Department(String),
    Person(String),
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DerivationView {
    pub period: String,
    #[serde(flatten)]
    pub footing: Footing,
    pub department: Option<String>,
    pub person: Option<String>,
    /// Each part of the amount; they add up to it.
    pub parts: Vec<PartView>,
    pub total: MoneyView,
    /// The dearest groups of line items of its own usage.
    pub line_items: Vec<LineItemView>,
    /// How many groups there are, and what all of them cost as billed.
    pub line_item_groups: i64,
    pub line_items_cost: String,
    /// What the month's pools are made of, the largest groups: usage that is nobody's, credits, refunds, discounts, tax.
    pub pool_items: Vec<PoolItemView>,
    pub pool_item_groups: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PartView {
    pub column: &'static str,
    pub payer: String,
    pub seller: String,
    pub invoice: Option<String>,
    /// Why it is this one's: own usage, the usage it follows, or the pool and the rule.
    pub because: String,
    /// Exact, as billed.
    pub billed: MoneyView,
    /// Yen for a dollar that it was divided at, cut at the twelfth decimal; null of what comes in yen.
    pub rate: Option<String>,
    /// Before rounding, in yen.
    pub exact: Option<String>,
    /// What rounding added.
    pub rounding: Option<String>,
    pub amount: MoneyView,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct LineItemView {
    /// UTC.
    pub day: String,
    pub principal: Option<String>,
    pub usage_type: Option<String>,
    pub model: Option<String>,
    pub quantity: String,
    pub unit: Option<String>,
    /// Cost over quantity.
    pub unit_price: Option<String>,
    pub cost: MoneyView,
    pub lines: i64,
    /// The rule that found the department, and the one that found the person.
    pub rule: Option<String>,
    pub person_rule: Option<String>,
    pub invoice: Option<String>,
}

/// Line items of pools: each department has its share of them by the rule that its part names.
#[derive(Debug, Serialize, ToSchema)]
pub struct PoolItemView {
    /// As the bill calls it: `Usage`, `Credit`, `Tax`.
    pub charge_type: String,
    pub description: Option<String>,
    /// Why usage is nobody's.
    pub reason: Option<String>,
    #[serde(flatten)]
    pub items: LineItemView,
}

/// Explains an amount; `None` where nothing of the month is loaded.  Principals are shown where `with_people` is set.
pub async fn derive(
    connection: &mut PgConnection,
    period: BillingPeriod,
    subject: &Subject,
    seen: &AsSeen,
    with_people: bool,
) -> StoreResult<Option<DerivationView>> {
    let mut moment = begin_moment(connection).await?;
    if find_data_as_of(&mut moment, period).await?.is_none() {
        return Ok(None);
    }
    let (department, person) = match subject {
        Subject::Department(code) => (Some(code.as_str()), None),
        Subject::Person(id) => (None, Some(id.as_str())),
    };
    let leaves = if person.is_some() { Leaves::People } else { Leaves::None };
    let reporting = Reporting::Yen(seen.yen);
    let departments = list_departments(&mut moment).await?;
    let (parts, footing) = match find_state(&mut moment, period).await?.statement_id {
        None => {
            let books = assemble(&mut moment, period, &departments, reporting, leaves).await?;
            let parts = match person {
                None => parts_of_department(&books, department.unwrap_or_default()),
                Some(person) => parts_of_person(&books, person)?,
            };
            (
                parts,
                footing_in_yen(&mut moment, period, Some((&books.rates, &books.findings)), seen).await?,
            )
        }
        // The amounts of a closed month are the sealed ones; the rules that it was sealed with say why.
        Some(statement_id) => {
            let statement = find_statement(&mut moment, statement_id).await?;
            let version = statement.allocation_version;
            let rules = list_rules(&mut moment, version).await?;
            let books = assemble_by(
                &mut moment,
                period,
                &departments,
                reporting,
                Leaves::None,
                (rules, version),
            )
            .await?;
            let sealed = SealedParts::of(&statement, &books);
            let parts = match person {
                None => {
                    let postings = list_postings(&mut moment, statement_id).await?;
                    sealed.of_department(&postings, department.unwrap_or_default())
                }
                Some(person) => sealed.of_person(&list_lines(&mut moment, statement_id).await?, person),
            };
            (parts, footing_in_yen(&mut moment, period, None, seen).await?)
        }
    };
    moment.commit().await?;
    // Charges are read outside of the moment: a part that is swapped in meanwhile would look empty to it.
    let found = list_line_items(connection, period, department, person, LINE_ITEMS_SHOWN).await?;
    let (pooled, pool_item_groups) = match parts.iter().all(|part| part.column == Column::Direct.as_str()) {
        true => (Vec::new(), 0),
        false => list_pool_items(connection, period, LINE_ITEMS_SHOWN).await?,
    };
    let pool_items = pooled.into_iter().map(|pooled| PoolItemView {
        items: line_item(&pooled.items, with_people),
        charge_type: pooled.charge_type,
        description: pooled.description,
        reason: pooled.reason,
    });
    let total: Amount = parts.iter().filter_map(|part| Amount::parse(&part.amount.amount)).sum();
    Ok(Some(DerivationView {
        period: period.to_string(),
        footing,
        department: department.map(str::to_owned),
        person: person.map(str::to_owned),
        parts,
        total: MoneyView::new(total, "JPY"),
        line_items: found.shown.iter().map(|items| line_item(items, with_people)).collect(),
        line_item_groups: found.groups,
        line_items_cost: found.whole.to_string(),
        pool_items: pool_items.collect(),
        pool_item_groups,
    }))
}

fn line_item(items: &LineItems, with_people: bool) -> LineItemView {
    let price = items.cost.to_decimal().zip(items.quantity.to_decimal());
    let price = price
        .and_then(|(cost, quantity)| cost.checked_div(quantity))
        .map(|price| price.round_dp(12).normalize());
    LineItemView {
        day: items.day.to_string(),
        principal: items.arn.clone().filter(|_| with_people),
        usage_type: items.usage_type.clone(),
        model: items.model.clone(),
        quantity: items.quantity.to_string(),
        unit: items.unit.clone(),
        unit_price: price.map(|price| price.to_string()),
        cost: MoneyView::new(items.cost, &items.currency),
        lines: items.lines,
        rule: items.rule.clone(),
        person_rule: items.person_rule.clone(),
        invoice: items.invoice.clone(),
    }
}

/// The parts of a sealed statement, with the reasons that today's charges and the sealed rules give for them.
struct SealedParts<'b> {
    head: Value,
    books: &'b MonthBooks,
}

impl<'b> SealedParts<'b> {
    fn of(statement: &Statement, books: &'b MonthBooks) -> Self {
        Self {
            head: serde_json::from_str(&statement.head).unwrap_or_default(),
            books,
        }
    }

    fn of_department(&self, postings: &[(String, Posting)], department: &str) -> Vec<PartView> {
        let own = postings
            .iter()
            .filter(|(_, posting)| posting.department.as_deref() == Some(department));
        let parts = own.map(|(currency, posting)| {
            let because = match self.group_now(posting.group) {
                Some(group) => because(self.books, (group, posting), department),
                None => because_of_adjustment(posting).unwrap_or_else(|| "as it was sealed".to_owned()),
            };
            self.part(
                (posting.group, posting.column),
                because,
                (posting.billed, currency),
                posting.amount,
            )
        });
        parts.collect()
    }

    fn of_person(&self, lines: &[StatementLine], person: &str) -> Vec<PartView> {
        type Sums<'l> = BTreeMap<(usize, Column, &'l str, &'l str), (Amount, Amount)>;
        let mut sums = Sums::new();
        for line in lines.iter().filter(|line| line.person.as_deref() == Some(person)) {
            let department = line.department.as_deref().unwrap_or_default();
            let sum = sums
                .entry((line.bill_group, line.column, department, &line.currency))
                .or_default();
            *sum = (sum.0 + line.billed, sum.1 + line.amount);
        }
        let parts = sums
            .iter()
            .map(|((group, column, department, currency), (billed, amount))| {
                let because = match column {
                    Column::Direct => format!("own usage, in {department}"),
                    _ => format!("by own usage, of what {department} has"),
                };
                self.part((*group, *column), because, (*billed, currency), *amount)
            });
        parts.collect()
    }

    /// Payer, seller and invoice of a sealed group.
    fn bill(&self, group: usize) -> (String, String, Option<String>) {
        let bill = &self.head["groups"][group]["bills"][0];
        let text = |key: &str| bill[key].as_str().map(str::to_owned);
        (
            text("payer").unwrap_or_default(),
            text("seller").unwrap_or_default(),
            text("invoice"),
        )
    }

    /// What a group was divided at when it was sealed, whatever rates and invoices say today.
    fn ratio(&self, group: usize, column: Column) -> Option<Ratio> {
        let key = if column == Column::Tax { "tax_rate" } else { "rate" };
        let sealed = &self.head["groups"][group][key];
        let usd = Amount::parse(sealed["usd"].as_str()?)?;
        Ratio::of_total(sealed["jpy"].as_str()?.parse().ok()?, usd)
    }

    /// The group of today's books that the sealed one is, where its bill is still there.
    fn group_now(&self, group: usize) -> Option<usize> {
        let (payer, seller, invoice) = self.bill(group);
        let groups = self.books.converted.groups.iter().enumerate();
        let mut same = groups.filter(|(_, group)| {
            let bill = group.bills.first().map(|bill| &self.books.ledger.bills[*bill]);
            bill.is_some_and(|bill| bill.payer == payer && bill.seller == seller && bill.invoice == invoice)
        });
        same.next().map(|(nth, _)| nth)
    }

    fn part(
        &self,
        (group, column): (usize, Column),
        because: String,
        (billed, currency): (Amount, &str),
        amount: Amount,
    ) -> PartView {
        let (payer, seller, invoice) = self.bill(group);
        let ratio = self.ratio(group, column);
        let exact = ratio.map(|ratio| ratio.exact(billed));
        PartView {
            column: column.as_str(),
            payer,
            seller,
            invoice,
            because,
            billed: MoneyView::new(billed, currency),
            rate: ratio.map(shown),
            exact: exact.map(|exact| exact.to_string()),
            rounding: exact.map(|exact| (amount - exact).to_string()),
            amount: MoneyView::new(amount, "JPY"),
        }
    }
}

/// What one dollar is at a ratio.
fn shown(ratio: Ratio) -> String {
    ratio.exact(Amount::from_whole(1)).to_string()
}

/// One part for each posting, with the reasons of the entries behind it.
fn parts_of_department(books: &MonthBooks, department: &str) -> Vec<PartView> {
    let of_department = books
        .converted
        .postings
        .iter()
        .filter(|posting| posting.department.as_deref() == Some(department));
    let parts = of_department.map(|posting| {
        let because = because(books, (posting.group, posting), department);
        part(
            books,
            posting.group,
            posting.column,
            because,
            posting.billed,
            posting.amount,
        )
    });
    parts.collect()
}

fn parts_of_person(books: &MonthBooks, person: &str) -> StoreResult<Vec<PartView>> {
    let leaves =
        spread_over_leaves(&books.ledger, &books.converted, &books.leaves).map_err(|_| StoreError::TooLarge)?;
    let own = leaves.iter().filter(|leaf| leaf.person.as_deref() == Some(person));
    let parts = own.map(|leaf| {
        let because = match leaf.column {
            Column::Direct => format!("own usage, in {}", leaf.department),
            _ => format!("by own usage, of what {} has", leaf.department),
        };
        part(books, leaf.group, leaf.column, because, leaf.billed, leaf.amount)
    });
    Ok(parts.collect())
}

fn part(books: &MonthBooks, group: usize, column: Column, because: String, billed: Amount, amount: Amount) -> PartView {
    let of_group = &books.converted.groups[group];
    let bill = of_group.bills.first().map(|bill| &books.ledger.bills[*bill]);
    let text = |of: fn(&crate::domain::books::Bill) -> String| bill.map(of).unwrap_or_default();
    let exact = of_group.exact(column, billed);
    PartView {
        column: column.as_str(),
        payer: text(|bill| bill.payer.clone()),
        seller: text(|bill| bill.seller.clone()),
        invoice: bill.and_then(|bill| bill.invoice.clone()),
        because,
        billed: MoneyView::new(billed, &text(|bill| bill.currency.clone())),
        rate: of_group.ratio(column).map(shown),
        exact: exact.map(|exact| exact.to_string()),
        rounding: exact.map(|exact| (amount - exact).to_string()),
        amount: MoneyView::new(amount, "JPY"),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct DerivationQuery {
    /// Month as YYYY-MM.
    pub period: String,
    /// A department's code; this or `person`.
    pub department: Option<String>,
    /// A person's id.
    pub person: Option<String>,
}

/// How the amount of a department or a person came to be.
#[utoipa::path(
    get,
    path = "/api/v1/explain",
    tag = "chargeback",
    params(DerivationQuery),
    responses(
        (status = 200, body = DerivationView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn explain_amount(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Query(query): Query<DerivationQuery>,
) -> Result<Json<DerivationView>, ApiError> {
    let period = parse_period(&query.period)?;
    let subject = match (query.department, query.person) {
        (Some(code), None) => Subject::Department(code),
        (None, Some(id)) => Subject::Person(id),
        _ => {
            let detail = "ask for a department or for a person".to_owned();
            return Err(ApiError::BadParameter {
                pointer: "department",
                detail,
            });
        }
    };
    authorize(&actor, Action::ReadChargeback)?;
    let with_people = authorize(&actor, Action::ReadPeople).is_ok();
    let mut connection = state.database.pool.acquire().await?;
    if let Subject::Person(id) = &subject {
        authorize(&actor, Action::ReadPeople)?;
        note_personal_data_read(
            &mut connection,
            &actor,
            &format!("explanation of {id} in {period}"),
            state.clock.now(),
        )
        .await?;
    } else if with_people {
        let what = format!("principals behind a department in {period}");
        note_personal_data_read(&mut connection, &actor, &what, state.clock.now()).await?;
    }
    let seen = AsSeen::of(&state.config, state.clock);
    let view = derive(&mut connection, period, &subject, &seen, with_people).await?;
    let view = view.ok_or_else(|| not_loaded(period))?;
    if view.parts.is_empty() && view.line_items.is_empty() {
        return Err(ApiError::NotFound(format!("nothing of {period} is theirs")));
    }
    Ok(Json(view))
}
