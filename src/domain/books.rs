//! The books of a month: the bill, divided between departments and what is kept visible, in exact dollars.
//!
//! Direct charge first.  Credits and discounts then follow the usage that they belong to, where the bill shows it; what is
//! left goes into pools, and each pool is divided once, by its rule, in the order of `Pool`.  Must never lose or make a
//! unit: the ledger asserts that its entries add up to every bill.

mod allocate;
mod cents;
mod convert;
mod exchange;
mod people;

pub use cents::round_to_cents;
pub use convert::{BillRate, Conversion, Converted, Group, InvoiceTotals, Posting, TooLargeToConvert, cancels};
pub use exchange::{exchange_difference_receiver, exchange_differences};
pub use people::{LeafAmount, spread_over_leaves};

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::allocation::{Method, Pool};
use super::attribution::Reason;
use super::charge::ChargeClass;
use super::finding::Finding;
use super::money::Amount;
use super::period::BillingPeriod;
use super::usage_type::LineKind;

/// One bill of the month: what invoices, rates and bases of allocation are kept apart by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bill {
    pub payer: String,
    /// The entity that sells, as the bill names it.
    pub seller: String,
    /// Empty on the bill until the invoice is made.
    pub invoice: Option<String>,
    pub currency: String,
}

/// Lines of a month that agree in everything that allocation asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeSum {
    /// Position in `MonthFacts::bills`.
    pub bill: usize,
    pub account: Option<String>,
    pub product: Option<String>,
    pub class: ChargeClass,
    pub charge_type: String,
    pub line_kind: LineKind,
    /// Kind and cache time of usage that is tokens.
    pub token: Option<String>,
    /// Why usage has no department.
    pub reason: Option<Reason>,
    pub department: Option<String>,
    /// Of a credit or discount that is of one day.
    pub day: Option<NaiveDate>,
    pub lines: i64,
    pub tokens: i64,
    pub cost: Amount,
}

/// Usage on a day on which the same payer, account and product has a credit or discount of that day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageOfDay {
    pub payer: String,
    pub account: String,
    pub product: String,
    pub day: NaiveDate,
    pub department: Option<String>,
    pub cost: Amount,
}

/// Lines of other services on the same bills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherServices {
    pub bill: usize,
    pub is_tax: bool,
    pub lines: i64,
    pub cost: Amount,
}

/// Attributed usage by everything that a view may ask for: a leaf of the month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafSum {
    pub bill: usize,
    pub department: String,
    pub person: Option<String>,
    pub model: Option<String>,
    pub project: Option<String>,
    pub lines: i64,
    pub tokens: i64,
    pub cost: Amount,
}

/// A department as the directory has it in the month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepartmentInMonth {
    pub legal_entity: String,
    /// Days of the month on which it exists.
    pub days_valid: u32,
    /// Who goes on for it, where it has ended.
    pub successor: Option<String>,
}

/// A department that exists in the month: the one that is asked, or who goes on for it after however many steps.
pub fn living<'d>(code: &'d str, departments: &'d BTreeMap<String, DepartmentInMonth>) -> Option<&'d str> {
    let mut code = code;
    // A loop of successors is refused when it is imported; this bounds one that was not.
    for _ in 0..=departments.len() {
        let department = departments.get(code)?;
        if department.days_valid > 0 {
            return Some(code);
        }
        code = department.successor.as_deref()?;
    }
    None
}

/// What finance adds to a month by hand, on a bill of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManualPool {
    pub bill: usize,
    pub name: String,
    pub cost: Amount,
}

/// Everything that a month's books are made from.
#[derive(Debug, Clone, Default)]
pub struct MonthFacts {
    pub bills: Vec<Bill>,
    pub sums: Vec<ChargeSum>,
    pub usage_of_days: Vec<UsageOfDay>,
    pub other_services: Vec<OtherServices>,
    pub manual: Vec<ManualPool>,
    pub departments: BTreeMap<String, DepartmentInMonth>,
}

/// A column of the chargeback, in the order in which yen are apportioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Usage that is the department's own.
    Direct,
    /// Usage that is shared, or that nobody owns yet.
    Allocated,
    Other,
    Discounts,
    Credits,
    Refunds,
    Tax,
    /// True-ups of locked months, approved disputes, manual pools, the exchange difference.
    Adjustments,
    /// What days that are not delivered yet are taken to cost; taken back when they are.
    Accruals,
}

impl Column {
    pub const ALL: [Self; 9] = [
        Self::Direct,
        Self::Allocated,
        Self::Other,
        Self::Discounts,
        Self::Credits,
        Self::Refunds,
        Self::Tax,
        Self::Adjustments,
        Self::Accruals,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Allocated => "allocated",
            Self::Other => "other",
            Self::Discounts => "discounts",
            Self::Credits => "credits",
            Self::Refunds => "refunds",
            Self::Tax => "tax",
            Self::Adjustments => "adjustments",
            Self::Accruals => "accruals",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.as_str() == text)
    }

    /// Whether lines of the month's bill are behind it.
    pub const fn is_billed(self) -> bool {
        !matches!(self, Self::Adjustments | Self::Accruals)
    }

    const fn of(pool: &Pool) -> Self {
        match pool {
            Pool::Department(_) | Pool::Feature(_) | Pool::Capacity(_) | Pool::Unattributed(_) => Self::Allocated,
            Pool::Other(_) => Self::Other,
            Pool::Discount(_) => Self::Discounts,
            Pool::Credit => Self::Credits,
            Pool::Refund => Self::Refunds,
            Pool::Tax => Self::Tax,
            Pool::Manual(_) | Pool::ExchangeDifference(_) | Pool::TrueUp(_) | Pool::Reclass(_) => Self::Adjustments,
            Pool::Accrual(_) => Self::Accruals,
        }
    }
}

/// Why an entry is where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// Usage of the department's own people and principals.
    Direct,
    /// It belongs to usage of the same payer, account and product.
    FollowsUsage,
    /// Divided by the rule at this position.
    Rule(usize),
    /// Nobody has the base of the rule at this position; its fallback has it.
    Fallback(usize),
    /// No rule, or a rule that says so.
    Kept,
}

/// An amount of one bill with one holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub bill: usize,
    pub column: Column,
    /// None of direct usage.
    pub pool: Option<Pool>,
    /// None: kept visible.
    pub department: Option<String>,
    pub basis: Basis,
    pub cost: Amount,
    /// Of direct usage, and of what is kept visible.
    pub lines: i64,
    pub tokens: i64,
}

/// A pool that a rule divided, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    pub pool: Pool,
    pub bill: usize,
    /// Its place among the rules.
    pub rule: usize,
    pub whole: Amount,
    /// What each department's share is measured by.
    pub weights: BTreeMap<String, i128>,
}

impl Division {
    /// What a department was measured by and what all were, in the words of the method; none where one has it all.
    pub fn base_of(&self, department: &str, method: &Method) -> Option<String> {
        let own = self.weights.get(department).copied().unwrap_or_default();
        let all: i128 = self.weights.values().sum();
        let of = |shown: fn(i128) -> String, what: &str| Some(format!("{} of {} {what}", shown(own), shown(all)));
        match method {
            Method::KeepVisible | Method::OneDepartment(_) => None,
            Method::Proportional => of(|cost| Amount::from_units(cost).to_string(), "of direct use"),
            Method::Evenly(_) => of(|days| days.to_string(), "days"),
            Method::Fixed(_) => of(|share| Amount::from_units(share * 1_000).to_string(), "of the shares"),
            Method::ByTokens => of(
                |weighed| Amount::from_units(weighed / 1_000_000).to_string(),
                "of tokens at the month's average prices",
            ),
            Method::ByRawTokens => of(|tokens| tokens.to_string(), "tokens"),
        }
    }
}

/// The month in exact amounts of each bill's currency.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub period: BillingPeriod,
    pub bills: Vec<Bill>,
    /// Ordered by bill, column, department and pool.
    pub entries: Vec<Entry>,
    pub other_services: Vec<OtherServices>,
    /// How each pool was divided by a rule.
    pub divisions: Vec<Division>,
    pub findings: Vec<Finding>,
}

#[cfg(test)]
mod tests;
