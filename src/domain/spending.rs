//! What a month costs those that budgets are of, in exact dollars and by what makes it up.
//!
//! A department's cost is that of the ledger.  Below it, what follows from use (discounts, credits, shared cost, tax) is divided by use
//! on the same bill, as it is below a department everywhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use super::books::{Column, Ledger};
use super::budget::{Budget, BudgetBasis, BudgetScope};
use super::directory::Department;
use super::money::{Amount, split};
use super::period::BillingPeriod;

/// Dollars of a month by what makes them up.  True-ups of earlier months and accruals are no part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spending {
    pub usage: Amount,
    /// Shared cost.
    pub allocated: Amount,
    pub discounts: Amount,
    /// Refunds among them.
    pub credits: Amount,
    pub tax: Amount,
    pub tokens: i64,
}

impl AddAssign for Spending {
    fn add_assign(&mut self, other: Self) {
        self.usage += other.usage;
        self.allocated += other.allocated;
        self.discounts += other.discounts;
        self.credits += other.credits;
        self.tax += other.tax;
        self.tokens += other.tokens;
    }
}

impl Spending {
    fn add(&mut self, column: Column, cost: Amount) {
        match column {
            Column::Direct => self.usage += cost,
            Column::Allocated | Column::Other => self.allocated += cost,
            Column::Discounts => self.discounts += cost,
            Column::Credits | Column::Refunds => self.credits += cost,
            Column::Tax => self.tax += cost,
            Column::Adjustments | Column::Accruals => {}
        }
    }

    /// What of it does not follow use: credits and shared cost.
    pub fn fixed(&self, budget: &Budget) -> Amount {
        let mut fixed = Amount::ZERO;
        if budget.basis == BudgetBasis::AfterCredits {
            fixed += self.credits;
        }
        if budget.with_allocated {
            fixed += self.allocated;
        }
        fixed
    }

    /// What a budget is held against.
    pub fn counted(&self, budget: &Budget) -> Amount {
        let mut counted = self.usage;
        if budget.basis != BudgetBasis::Usage {
            counted += self.discounts;
        }
        if budget.basis == BudgetBasis::AfterCredits {
            counted += self.credits;
        }
        if budget.with_allocated {
            counted += self.allocated;
        }
        if budget.with_tax {
            counted += self.tax;
        }
        counted
    }
}

/// Attributed use of a project, person, account or family of models on a bill, in a department.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnUse {
    pub bill: usize,
    pub department: String,
    pub scope: BudgetScope,
    /// Empty: of none.
    pub code: String,
    pub tokens: i64,
    pub cost: Amount,
}

/// A month by what budgets are of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MonthSpending(BTreeMap<BudgetScope, BTreeMap<String, Spending>>);

impl MonthSpending {
    /// Of bills in dollars; those in another currency are in no budget.
    pub fn of(ledger: &Ledger, own: &[OwnUse]) -> Self {
        let mut month = Self::default();
        let mut departments: BTreeMap<(usize, &str), BTreeMap<Column, Amount>> = BTreeMap::new();
        for entry in &ledger.entries {
            if ledger.bills[entry.bill].currency != "USD" || !entry.column.is_billed() {
                continue;
            }
            let tokens = if entry.column == Column::Direct {
                entry.tokens
            } else {
                0
            };
            let mut part = Spending {
                tokens,
                ..Spending::default()
            };
            part.add(entry.column, entry.cost);
            *month.of_mut(BudgetScope::Company, "") += part;
            if let Some(department) = &entry.department {
                *month.of_mut(BudgetScope::Department, department) += part;
                let columns = departments.entry((entry.bill, department)).or_default();
                *columns.entry(entry.column).or_default() += entry.cost;
            }
        }
        let mut users: BTreeMap<(BudgetScope, usize, &str), Vec<&OwnUse>> = BTreeMap::new();
        for of in own.iter().filter(|of| ledger.bills[of.bill].currency == "USD") {
            users.entry((of.scope, of.bill, &of.department)).or_default().push(of);
        }
        for ((scope, bill, department), users) in users {
            for of in &users {
                let spending = month.of_mut(scope, &of.code);
                spending.usage += of.cost;
                spending.tokens += of.tokens;
            }
            let weights: Vec<i128> = users.iter().map(|of| of.cost.units().max(0)).collect();
            let columns = departments.get(&(bill, department)).into_iter().flatten();
            for (column, total) in columns.filter(|(column, _)| **column != Column::Direct) {
                // Where nobody used anything there is nobody to divide it by: it stays the department's.
                for (of, part) in users.iter().zip(split(*total, &weights).unwrap_or_default()) {
                    month.of_mut(scope, &of.code).add(*column, part);
                }
            }
        }
        month
    }

    fn of_mut(&mut self, scope: BudgetScope, code: &str) -> &mut Spending {
        self.0.entry(scope).or_default().entry(code.to_owned()).or_default()
    }

    /// What the budget's subject cost, a department with those below it.
    pub fn of_budget(&self, budget: &Budget, below: &BTreeSet<String>) -> Spending {
        let mut sum = Spending::default();
        let Some(of_scope) = self.0.get(&budget.scope) else {
            return sum;
        };
        if budget.scope == BudgetScope::Department {
            for code in below {
                sum += of_scope.get(code).copied().unwrap_or_default();
            }
        } else {
            sum += of_scope.get(&budget.code).copied().unwrap_or_default();
        }
        sum
    }
}

/// A department and all below it, by the tree as it stood at the end of a month.
pub fn subtree(code: &str, departments: &[Department], period: BillingPeriod) -> BTreeSet<String> {
    let last_day = period.days().to.pred_opt().unwrap_or(period.first_day());
    let mut found = BTreeSet::from([code.to_owned()]);
    loop {
        let more: Vec<String> = departments
            .iter()
            .filter(|of| of.valid.contains(last_day) && found.contains(&of.parent_code) && !found.contains(&of.code))
            .map(|of| of.code.clone())
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}
