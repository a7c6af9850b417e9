//! A statement: what a closed month says, line by line.

use super::allocation::{Pool, TaxPart};
use super::books::{Column, LeafAmount, Posting};
use super::money::Amount;
use super::true_up::Origin;

/// One line of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLine {
    pub bill_group: usize,
    pub column: Column,
    pub department: Option<String>,
    pub pool: Option<Pool>,
    /// By the directory's id; it is sealed by an opaque one.
    pub person: Option<String>,
    pub model: Option<String>,
    pub project: Option<String>,
    /// Of `billed`.
    pub currency: String,
    pub billed: Amount,
    /// In the currency of the statement.
    pub amount: Amount,
    pub lines: i64,
    pub tokens: i64,
}

impl StatementLine {
    /// Whether it is consumption tax, this month's or that of an adjustment: it is booked apart.
    pub fn is_tax(&self) -> bool {
        let of_pool = |pool: &Pool| match pool {
            Pool::ExchangeDifference(part) => *part == TaxPart::Tax,
            pool => Origin::of(pool).is_some_and(|origin| origin.column == Column::Tax),
        };
        self.column == Column::Tax || self.pool.as_ref().is_some_and(of_pool)
    }

    /// The leaf that a department's line is.
    pub fn leaf(&self) -> Option<LeafAmount> {
        Some(LeafAmount {
            group: self.bill_group,
            column: self.column,
            department: self.department.clone()?,
            person: self.person.clone(),
            model: self.model.clone(),
            project: self.project.clone(),
            billed: self.billed,
            amount: self.amount,
            lines: self.lines,
            tokens: self.tokens,
        })
    }
}

impl StatementLine {
    /// What the line adds to its holder.
    pub fn posting(&self) -> Posting {
        Posting {
            group: self.bill_group,
            column: self.column,
            department: self.department.clone(),
            pool: self.pool.clone(),
            billed: self.billed,
            amount: self.amount,
            lines: self.lines,
            tokens: self.tokens,
        }
    }
}
