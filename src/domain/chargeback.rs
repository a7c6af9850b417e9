//! A month's chargeback: rows per department, person or project, and what is kept visible.
//!
//! Every charge is in a row or among what is kept visible, and both add up to the bill.  All views sum the same leaves of the
//! books, so no two pages can differ by a yen.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::allocation::Pool;
use super::attribution::State;
use super::books::{Column, LeafAmount, Posting};
use super::charge::ChargeClass;
use super::money::Amount;
use super::period::BillingPeriod;
use super::rate::YenRates;

/// What the rows of a chargeback are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    Department,
    Person,
    Project,
}

impl GroupBy {
    pub const ALL: [Self; 3] = [Self::Department, Self::Person, Self::Project];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Department => "department",
            Self::Person => "person",
            Self::Project => "project",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.as_str() == text)
    }
}

/// A department's total by two sets of books; none: what is kept visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub department: Option<String>,
    pub before: Amount,
    pub after: Amount,
}

/// The departments whose totals differ.
pub fn moved(before: &[Posting], after: &[Posting]) -> Vec<Moved> {
    let mut totals: BTreeMap<Option<String>, (Amount, Amount)> = BTreeMap::new();
    for posting in before {
        totals.entry(posting.department.clone()).or_default().0 += posting.amount;
    }
    for posting in after {
        totals.entry(posting.department.clone()).or_default().1 += posting.amount;
    }
    let changed = totals.into_iter().filter(|(_, (before, after))| before != after);
    changed
        .map(|(department, (before, after))| Moved {
            department,
            before,
            after,
        })
        .collect()
}

/// The currency of a chargeback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reporting {
    /// The book of record: dollars as billed, with all their decimals.
    AsBilled,
    /// Dollars and cents, for a company that is charged in them.
    Cents,
    /// Whole yen: by the invoices, before them by the policy's rate.
    Yen(YenRates),
}

impl Reporting {
    pub const fn currency(self) -> &'static str {
        match self {
            Self::AsBilled | Self::Cents => "USD",
            Self::Yen { .. } => "JPY",
        }
    }
}

/// What one department, person or project is charged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChargebackRow {
    /// `None`: a department's, but of no known person or project.
    pub code: Option<String>,
    pub columns: BTreeMap<Column, Amount>,
    pub tokens: i64,
    pub lines: i64,
}

impl ChargebackRow {
    pub fn column(&self, column: Column) -> Amount {
        self.columns.get(&column).copied().unwrap_or_default()
    }

    pub fn total(&self) -> Amount {
        self.columns.values().copied().sum()
    }

    pub fn total_before_tax(&self) -> Amount {
        self.total() - self.column(Column::Tax) - self.column(Column::Adjustments) - self.column(Column::Accruals)
    }

    fn add(&mut self, column: Column, amount: Amount, lines: i64, tokens: i64) {
        *self.columns.entry(column).or_default() += amount;
        self.lines += lines;
        self.tokens += tokens;
    }
}

/// Part of the bill that no row carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptVisible {
    /// Where it would stand if a department had it.
    pub column: Column,
    pub class: ChargeClass,
    /// The reason of usage that is not attributed, else the charge type.
    pub label: String,
    pub state: State,
    pub amount: Amount,
    pub lines: i64,
}

/// A month as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chargeback {
    pub period: BillingPeriod,
    pub by: GroupBy,
    /// By amount, the largest first.
    pub rows: Vec<ChargebackRow>,
    pub kept: Vec<KeptVisible>,
    pub total: Amount,
}

/// The class and the label of what is kept visible of a pool.
fn kept_as(pool: &Pool) -> (ChargeClass, String, State) {
    let usage = |reason: &super::attribution::Reason| (ChargeClass::Usage, reason.to_string(), reason.state());
    let other = |class, label: &str| (class, label.to_owned(), State::Unattributed);
    match pool {
        Pool::Feature(reason) | Pool::Capacity(reason) | Pool::Unattributed(reason) => usage(reason),
        // A department's pool that found nobody to share it stays under the department's name.
        Pool::Department(code) => (ChargeClass::Usage, format!("department.{code}"), State::Unattributed),
        Pool::Other(name) => other(ChargeClass::Other, name),
        Pool::Discount(name) => other(ChargeClass::Discount, name),
        Pool::Credit => other(ChargeClass::Credit, "Credit"),
        Pool::Refund => other(ChargeClass::Refund, "Refund"),
        Pool::Tax => other(ChargeClass::Tax, "Tax"),
        Pool::Manual(_) | Pool::ExchangeDifference(_) | Pool::Accrual(_) | Pool::TrueUp(_) | Pool::Reclass(_) => {
            other(ChargeClass::Other, &pool.to_string())
        }
    }
}

impl Chargeback {
    /// Rows per department.
    pub fn by_department(period: BillingPeriod, postings: &[Posting]) -> Self {
        let mut rows: BTreeMap<Option<String>, ChargebackRow> = BTreeMap::new();
        for posting in postings.iter().filter(|posting| posting.department.is_some()) {
            let row = rows.entry(posting.department.clone()).or_default();
            row.add(posting.column, posting.amount, posting.lines, posting.tokens);
        }
        Self::of(period, GroupBy::Department, rows, postings)
    }

    /// Rows per person or project, from the leaves of the same books.
    pub fn by_leaf(period: BillingPeriod, by: GroupBy, leaves: &[LeafAmount], postings: &[Posting]) -> Self {
        let mut rows: BTreeMap<Option<String>, ChargebackRow> = BTreeMap::new();
        for leaf in leaves {
            let code = match by {
                GroupBy::Department => Some(&leaf.department),
                GroupBy::Person => leaf.person.as_ref(),
                GroupBy::Project => leaf.project.as_ref(),
            };
            let row = rows.entry(code.cloned()).or_default();
            row.add(leaf.column, leaf.amount, leaf.lines, leaf.tokens);
        }
        Self::of(period, by, rows, postings)
    }

    fn of(
        period: BillingPeriod,
        by: GroupBy,
        rows: BTreeMap<Option<String>, ChargebackRow>,
        postings: &[Posting],
    ) -> Self {
        let mut kept: BTreeMap<(ChargeClass, String, State, Column), (Amount, i64)> = BTreeMap::new();
        for posting in postings.iter().filter(|posting| posting.department.is_none()) {
            if let Some(pool) = &posting.pool {
                let (class, label, state) = kept_as(pool);
                let sums = kept.entry((class, label, state, posting.column)).or_default();
                *sums = (sums.0 + posting.amount, sums.1 + posting.lines);
            }
        }
        let kept = kept
            .into_iter()
            .map(|((class, label, state, column), (amount, lines))| KeptVisible {
                column,
                class,
                label,
                state,
                amount,
                lines,
            });
        // A share of nothing, without a line behind it, is no row: leaves have none of it either.
        let rows = rows.into_iter().filter_map(|(code, mut row)| {
            row.columns.retain(|_, amount| !amount.is_zero());
            (!row.columns.is_empty() || row.lines != 0).then_some(ChargebackRow { code, ..row })
        });
        let mut this = Self {
            period,
            by,
            rows: rows.collect(),
            kept: kept.collect(),
            total: postings.iter().map(|posting| posting.amount).sum(),
        };
        this.rows
            .sort_by(|a, b| b.total().cmp(&a.total()).then_with(|| a.code.cmp(&b.code)));
        let rows: Amount = this.rows.iter().map(ChargebackRow::total).sum();
        let kept: Amount = this.kept.iter().map(|kept| kept.amount).sum();
        assert_eq!(
            rows + kept,
            this.total,
            "rows and what is kept visible add up to the bill"
        );
        this
    }

    /// A row's share of the total in ten-thousandths; `None` of a total of zero.
    pub fn share(&self, amount: Amount) -> Option<Decimal> {
        let (part, total) = (amount.to_decimal()?, self.total.to_decimal()?);
        part.checked_div(total).map(|share| share.round_dp(4).normalize())
    }
}
