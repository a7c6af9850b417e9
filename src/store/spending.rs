//! What budgets are held against: months by what makes them up, and use by the day.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, Utc};
use sqlx::PgConnection;

use super::books::{Leaves, MonthBooks, assemble, read_month};
use super::budgets::{list_budgets, list_raises};
use super::chargeback::{find_data_as_of, list_periods};
use super::cost_bases::list_net_payers;
use super::directory::list_departments;
use super::rates::read_rate_book;
use super::{StoreError, StoreResult};
use crate::domain::books::{Column, Ledger};
use crate::domain::budget::{Budget, BudgetScope};
use crate::domain::budget_status::{BudgetFacts, BudgetStatus, Window, status};
use crate::domain::calendar::BusinessCalendar;
use crate::domain::chargeback::Reporting;
use crate::domain::directory::Department;
use crate::domain::finding::{Finding, Severity};
use crate::domain::forecast::projection::{HISTORY_DAYS, History, KnownDays, settled_to};
use crate::domain::money::{Amount, Ratio};
use crate::domain::period::BillingPeriod;
use crate::domain::rate::YenRates;
use crate::domain::spending::{MonthSpending, OwnUse, subtree};

/// As of when and by what budgets are looked at.
#[derive(Debug, Clone)]
pub struct BudgetQuestion {
    pub period: BillingPeriod,
    /// UTC.
    pub today: NaiveDate,
    pub fiscal_year_start_month: u32,
    pub yen: YenRates,
    pub calendar: BusinessCalendar,
}

/// Every budget that holds in a month, and what they were read from.
pub struct BudgetReading {
    pub data_as_of: Option<DateTime<Utc>>,
    pub known: KnownDays,
    pub budgets: Vec<ReadBudget>,
    /// Budgets whose amounts are beyond what can be computed exactly.
    pub too_large: Vec<String>,
    pub allocation_version: Option<i32>,
}

pub struct ReadBudget {
    pub budget: Budget,
    pub status: BudgetStatus,
    /// Yen of the month that are no part of it: true-ups of earlier months, and accruals.
    pub beside: Beside,
    pub history: History,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beside {
    pub true_ups: Amount,
    pub accruals: Amount,
}

impl BudgetReading {
    /// Budgets that nobody is warned of.
    pub fn finding(&self) -> Option<Finding> {
        let first = self.too_large.first()?;
        let message = format!(
            "{} budgets cannot be computed exactly, the first of them {first}: nobody is warned of them",
            self.too_large.len()
        );
        let action = "look at their amounts and rates with 'anbun budgets list'; one of them is no amount of money";
        Some(Finding::new(
            "budget_too_large",
            Severity::Error,
            first.as_str(),
            message,
            action,
        ))
    }
}

/// Reads every budget that holds in a month.  The caller's transaction makes it one moment.
pub async fn read_budgets(connection: &mut PgConnection, question: &BudgetQuestion) -> StoreResult<BudgetReading> {
    let budgets = list_budgets(connection).await?;
    read_budgets_of(connection, question, budgets).await
}

/// The same of budgets that need not be stored yet.
pub async fn read_budgets_of(
    connection: &mut PgConnection,
    question: &BudgetQuestion,
    budgets: Vec<Budget>,
) -> StoreResult<BudgetReading> {
    let budgets: Vec<Budget> = budgets.into_iter().filter(|of| of.holds_in(question.period)).collect();
    let raises = list_raises(connection).await?;
    let departments = list_departments(connection).await?;
    let loaded: BTreeSet<BillingPeriod> = list_periods(connection)
        .await?
        .into_iter()
        .map(|of| of.period)
        .collect();
    let data_as_of = find_data_as_of(connection, question.period).await?;
    let window_of = |budget: &Budget| Window::of(budget.frequency, question.period, question.fiscal_year_start_month);
    let scopes: BTreeSet<BudgetScope> = budgets.iter().map(|budget| budget.scope).collect();
    let due = |window: Window| window.months().filter(|month| *month <= question.period);
    let asked: BTreeSet<BillingPeriod> = budgets.iter().flat_map(|budget| due(window_of(budget))).collect();
    let (mut months, mut books) = (BTreeMap::new(), None);
    for period in asked.into_iter().filter(|period| loaded.contains(period)) {
        let ledger = if period == question.period {
            let reporting = Reporting::Yen(question.yen);
            let of_month = assemble(connection, period, &departments, reporting, Leaves::None).await?;
            &books.insert(of_month).ledger
        } else {
            &read_ledger(connection, period, &departments, books.as_ref()).await?
        };
        let own = list_own_use(connection, period, ledger, &scopes).await?;
        months.insert(period, MonthSpending::of(ledger, &own));
    }
    let delivered_on = data_as_of.map_or(question.today, |at| at.date_naive());
    let settled_to = settled_to(delivered_on.min(question.today));
    let earliest = budgets.iter().map(|budget| window_of(budget).from.first_day()).min();
    let from = earliest.unwrap_or(settled_to).min(settled_to - Days::new(HISTORY_DAYS));
    let to = question.period.days().to;
    let days = read_days(connection, &budgets, (from, to)).await?;
    let known = KnownDays {
        delivered: days.delivered.clone(),
        settled_to,
    };
    let (rate, _) = read_rate_book(connection, question.yen).await?.resolve(question.period);
    let todays_rate = Ratio::of_rate(rate.value).ok_or(StoreError::TooLarge)?;
    let (mut read, mut too_large) = (Vec::with_capacity(budgets.len()), Vec::new());
    for budget in budgets {
        let window = window_of(&budget);
        let below = match budget.scope {
            BudgetScope::Department => subtree(&budget.code, &departments, question.period),
            _ => BTreeSet::new(),
        };
        let of_months = due(window).filter_map(|period| Some((period, months.get(&period)?)));
        let history = days.of(&budget, &below);
        let facts = BudgetFacts {
            budget: &budget,
            raises: &raises,
            window,
            months: of_months
                .map(|(period, month)| (period, month.of_budget(&budget, &below)))
                .collect(),
            missing: due(window).filter(|period| !loaded.contains(period)).collect(),
            history: &history,
            known: &known,
            today: question.today,
            todays_rate,
            calendar: &question.calendar,
        };
        // One that cannot be computed must not keep the others from being looked at.
        let Some(status) = status(&facts) else {
            too_large.push(budget.name);
            continue;
        };
        let beside = books
            .as_ref()
            .map_or_else(Beside::default, |books| beside(books, &budget, &below));
        read.push(ReadBudget {
            budget,
            status,
            beside,
            history,
        });
    }
    Ok(BudgetReading {
        data_as_of,
        known,
        budgets: read,
        too_large,
        allocation_version: books.and_then(|books| books.allocation_version),
    })
}

/// A month of a longer window, by the rules that hold now.
async fn read_ledger(
    connection: &mut PgConnection,
    period: BillingPeriod,
    departments: &[Department],
    books: Option<&MonthBooks>,
) -> StoreResult<Ledger> {
    let read = read_month(connection, period, departments, Leaves::None).await?;
    let rules = match books {
        Some(books) => books.rules.clone(),
        None => {
            let version = super::allocation::find_version(connection).await?;
            super::allocation::list_rules(connection, version).await?
        }
    };
    Ok(Ledger::build(period, &read.facts, &rules))
}

/// What a month of a department or of the company has that is of no budget.
fn beside(books: &MonthBooks, budget: &Budget, below: &BTreeSet<String>) -> Beside {
    let mut beside = Beside::default();
    for posting in &books.converted.postings {
        let is_own = match budget.scope {
            BudgetScope::Company => true,
            BudgetScope::Department => posting.department.as_ref().is_some_and(|code| below.contains(code)),
            BudgetScope::Project | BudgetScope::Person | BudgetScope::Family | BudgetScope::Account => false,
        };
        match posting.column {
            Column::Adjustments if is_own => beside.true_ups += posting.amount,
            Column::Accruals if is_own => beside.accruals += posting.amount,
            _ => {}
        }
    }
    beside
}

async fn list_own_use(
    connection: &mut PgConnection,
    period: BillingPeriod,
    ledger: &Ledger,
    scopes: &BTreeSet<BudgetScope>,
) -> StoreResult<Vec<OwnUse>> {
    let asked: Vec<String> = scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
    let net_payers = list_net_payers(connection, period).await?;
    let rows = sqlx::query_file!(
        "queries/spending/sum_own_use.sql",
        period.first_day(),
        &net_payers,
        &asked
    )
    .fetch_all(connection)
    .await?;
    let bills: BTreeMap<(&str, &str, Option<&str>, &str), usize> = ledger
        .bills
        .iter()
        .enumerate()
        .map(|(at, bill)| {
            (
                (&*bill.payer, &*bill.seller, bill.invoice.as_deref(), &*bill.currency),
                at,
            )
        })
        .rev()
        .collect();
    let mut own = Vec::with_capacity(rows.len());
    for row in rows {
        let key = (&*row.payer, &*row.seller, row.invoice.as_deref(), &*row.currency);
        let (Some(bill), Some(scope)) = (bills.get(&key), BudgetScope::parse(&row.scope)) else {
            continue;
        };
        own.push(OwnUse {
            bill: *bill,
            department: row.department,
            scope,
            code: row.code,
            tokens: row.tokens,
            cost: Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?,
        });
    }
    Ok(own)
}

/// Use by the day of what budgets are of.
struct DaysOfUse {
    departments: BTreeMap<Option<String>, BTreeMap<NaiveDate, Amount>>,
    others: BTreeMap<(BudgetScope, String), BTreeMap<NaiveDate, Amount>>,
    delivered: BTreeSet<NaiveDate>,
}

impl DaysOfUse {
    fn of(&self, budget: &Budget, below: &BTreeSet<String>) -> History {
        let mut days: BTreeMap<NaiveDate, Amount> = BTreeMap::new();
        let mut add = |of: &BTreeMap<NaiveDate, Amount>| {
            for (day, cost) in of {
                *days.entry(*day).or_default() += *cost;
            }
        };
        match budget.scope {
            BudgetScope::Company => self.departments.values().for_each(add),
            BudgetScope::Department => {
                let own = self.departments.iter();
                let own = own.filter(|(code, _)| code.as_ref().is_some_and(|code| below.contains(code)));
                own.for_each(|(_, days)| add(days));
            }
            scope => self.others.get(&(scope, budget.code.clone())).into_iter().for_each(add),
        }
        History { days }
    }
}

async fn read_days(
    connection: &mut PgConnection,
    budgets: &[Budget],
    (from, to): (NaiveDate, NaiveDate),
) -> StoreResult<DaysOfUse> {
    let first = BillingPeriod::of(from).first_day();
    let amount = |cost| Amount::from_decimal(cost).ok_or(StoreError::TooLarge);
    let rows = sqlx::query_file!("queries/spending/list_department_days.sql", first, from, to)
        .fetch_all(&mut *connection)
        .await?;
    let mut days = DaysOfUse {
        departments: BTreeMap::new(),
        others: BTreeMap::new(),
        delivered: BTreeSet::new(),
    };
    for row in rows {
        days.delivered.insert(row.usage_date);
        let of = days.departments.entry(row.department).or_default();
        of.insert(row.usage_date, amount(row.cost)?);
    }
    let others = budgets
        .iter()
        .filter(|of| !matches!(of.scope, BudgetScope::Company | BudgetScope::Department));
    let asked: BTreeSet<(&str, &str)> = others.map(|of| (of.scope.as_str(), &*of.code)).collect();
    let (scopes, codes): (Vec<String>, Vec<String>) = asked
        .into_iter()
        .map(|(scope, code)| (scope.to_owned(), code.to_owned()))
        .unzip();
    let rows = sqlx::query_file!("queries/spending/list_usage_days.sql", &scopes, &codes, first, from, to)
        .fetch_all(connection)
        .await?;
    for row in rows {
        let Some(scope) = BudgetScope::parse(&row.scope) else {
            continue;
        };
        let of = days.others.entry((scope, row.code)).or_default();
        of.insert(row.usage_date, amount(row.cost)?);
    }
    Ok(days)
}

/// Use by the day of the company and of each department, by scope and code.
pub async fn list_department_histories(
    connection: &mut PgConnection,
    (from, to): (NaiveDate, NaiveDate),
) -> StoreResult<BTreeMap<(String, String), History>> {
    let days = read_days(connection, &[], (from, to)).await?;
    let mut histories: BTreeMap<(String, String), History> = BTreeMap::new();
    for (department, of_days) in days.departments {
        for (day, cost) in of_days {
            let mut add = |scope: BudgetScope, code: &str| {
                let of = histories
                    .entry((scope.as_str().to_owned(), code.to_owned()))
                    .or_default();
                *of.days.entry(day).or_default() += cost;
            };
            add(BudgetScope::Company, "");
            if let Some(code) = &department {
                add(BudgetScope::Department, code);
            }
        }
    }
    Ok(histories)
}
