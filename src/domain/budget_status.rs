//! How a budget stands: what is spent, what is still to come, and when it runs out.
//!
//! Everything is in the budget's own currency, yen at the budget's own rate.  What is spent is a bill; what is to come is an estimate,
//! and the two are never one figure but in the projection, which says so.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use rust_decimal::Decimal;

use super::budget::{Budget, Frequency};
use super::calendar::BusinessCalendar;
use super::forecast::Method;
use super::forecast::projection::{History, KnownDays, Projection, project};
use super::money::{Amount, Ratio};
use super::period::BillingPeriod;
use super::spending::Spending;

/// The months that a budget's amount is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: BillingPeriod,
    /// Exclusive.
    pub to: BillingPeriod,
}

impl Window {
    /// The window that a month is in.  Quarters are those of the fiscal year.
    pub fn of(frequency: Frequency, period: BillingPeriod, fiscal_year_start_month: u32) -> Self {
        let months = match frequency {
            Frequency::Month => 1,
            Frequency::Quarter => 3,
            Frequency::FiscalYear => 12,
        };
        let mut from = period;
        while !(from.first_day().month() + 12 - fiscal_year_start_month).is_multiple_of(months) {
            from = from.previous();
        }
        let to = (0..months).fold(from, |to, _| to.next());
        Self { from, to }
    }

    pub fn days(self) -> (NaiveDate, NaiveDate) {
        (self.from.first_day(), self.to.first_day())
    }

    pub fn months(self) -> impl Iterator<Item = BillingPeriod> {
        let to = self.to;
        std::iter::successors(Some(self.from), |period| Some(period.next())).take_while(move |period| *period < to)
    }
}

/// More money for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raise {
    pub raise_id: i32,
    pub budget: String,
    /// For each window of the budget.
    pub amount: Amount,
    /// The budget's when it was asked for.
    pub currency: String,
    pub valid_from: NaiveDate,
    /// Exclusive.
    pub valid_to: NaiveDate,
    pub reason: String,
    pub ringi: String,
    pub approved_by: String,
}

/// What a status is made from.
#[derive(Debug, Clone)]
pub struct BudgetFacts<'f> {
    pub budget: &'f Budget,
    pub raises: &'f [Raise],
    pub window: Window,
    /// The months of the window of which anything is loaded.
    pub months: BTreeMap<BillingPeriod, Spending>,
    /// Months of the window that should be loaded by now and are not.
    pub missing: Vec<BillingPeriod>,
    /// Its use by the day.
    pub history: &'f History,
    pub known: &'f KnownDays,
    pub today: NaiveDate,
    /// Yen for a dollar by the policy of this month.
    pub todays_rate: Ratio,
    pub calendar: &'f BusinessCalendar,
}

/// Amounts in the budget's currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetStatus {
    pub window: Window,
    pub limit: Amount,
    /// How much of the limit is raised for a while.
    pub raised: Amount,
    pub spent: Amount,
    pub spent_usd: Amount,
    /// Of a budget in yen: what it would be at this month's rate.  A note, and never a crossing.
    pub spent_at_todays_rate: Option<Amount>,
    pub spending: Spending,
    /// None where nothing of the window is loaded.
    pub outlook: Option<BudgetOutlook>,
    pub missing: Vec<BillingPeriod>,
    /// Of the window, today among them.
    pub days_left: i64,
}

/// What is still to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetOutlook {
    pub method: Method,
    /// At the end of the window, what is spent included.
    pub expected: Amount,
    pub low: Amount,
    pub high: Amount,
    /// Of days until today: used, and not in the bill yet.
    pub not_billed_yet: Amount,
    /// The first day that ends beyond the limit, as it was or is foreseen.
    pub runs_out_on: Option<NaiveDate>,
    /// The first day that still settles.
    pub settled_to: NaiveDate,
    /// Use in dollars before that day and from it on: what a later status compares with.
    pub settled_use: Amount,
    pub open_use: Amount,
}

/// An amount in dollars as a budget counts it; none where it is too large.
fn in_currency_of(budget: &Budget, usd: Amount, rate: Ratio) -> Option<Amount> {
    match budget.currency.as_str() {
        "JPY" => usd.to_whole(rate).map(Amount::from_whole),
        _ => Some(usd),
    }
}

impl Budget {
    /// Yen for a dollar that the budget is kept at; one in dollars needs none.
    pub fn kept_at(&self) -> Option<Ratio> {
        self.rate.map_or(Some(Ratio::ONE), Ratio::of_rate)
    }
}

/// None where an amount is larger than any bill.
pub fn status(facts: &BudgetFacts<'_>) -> Option<BudgetStatus> {
    let budget = facts.budget;
    let rate = budget.kept_at()?;
    let mut spending = Spending::default();
    for of_month in facts.months.values() {
        spending += *of_month;
    }
    let spent_usd = spending.counted(budget);
    let spent = in_currency_of(budget, spent_usd, rate)?;
    // A window that is over keeps what held on its last day.
    let (_, to) = facts.window.days();
    let day = facts.today.min(to.pred_opt().unwrap_or(to));
    let raised: Amount = facts
        .raises
        .iter()
        .filter(|raise| raise.budget == budget.name && raise.currency == budget.currency)
        .filter(|raise| raise.valid_from <= day && day < raise.valid_to)
        .map(|raise| raise.amount)
        .sum();
    let limit = budget.amount + raised;
    let is_in_yen = budget.currency == "JPY";
    let spent_at_todays_rate = if is_in_yen {
        Some(in_currency_of(budget, spent_usd, facts.todays_rate)?)
    } else {
        None
    };
    let outlook = match facts.months.is_empty() {
        true => None,
        false => Some(outlook(facts, &spending, rate, limit)?),
    };
    Some(BudgetStatus {
        window: facts.window,
        limit,
        raised,
        spent,
        spent_usd,
        spent_at_todays_rate,
        spending,
        outlook,
        missing: facts.missing.clone(),
        days_left: (to - facts.today).num_days().max(0),
    })
}

fn outlook(facts: &BudgetFacts<'_>, spending: &Spending, rate: Ratio, limit: Amount) -> Option<BudgetOutlook> {
    let (from, to) = facts.window.days();
    let projection = project(facts.history, facts.known, (from, to), facts.calendar);
    let spent_usd = spending.counted(facts.budget);
    // Discounts and tax follow use, as they did so far; credits and shared cost stay as they stand.  Days have unblended cost only, so
    // on the net basis its discount is in the share as well.
    let fixed = spending.fixed(facts.budget);
    let share = Share::of(spent_usd - fixed, facts.history.sum(from, to));
    let counted = |usage: Amount| share.part(usage);
    let counted_of = |usd: Amount| in_currency_of(facts.budget, usd, rate);
    let at_end = |more: Amount| counted_of(spent_usd + counted(more));
    let tomorrow = facts.today.succ_opt()?;
    Some(BudgetOutlook {
        method: projection.method,
        expected: at_end(projection.expected)?,
        low: at_end(projection.low)?,
        high: at_end(projection.high)?,
        not_billed_yet: counted_of(counted(projection.before(tomorrow.min(to))))?,
        runs_out_on: runs_out_on(facts, &projection, |usage| counted_of(fixed + counted(usage)), limit),
        settled_to: facts.known.settled_to,
        settled_use: facts.history.sum(from, to.min(facts.known.settled_to)),
        open_use: facts.history.sum(from.max(facts.known.settled_to), to),
    })
}

/// How much of use an amount is: what it would be of other use.
#[derive(Debug, Clone, Copy)]
pub struct Share(Option<Ratio>);

/// More than so many times its use is no share of it.
const SHARE_MAX: i128 = 1_000;

impl Share {
    /// Of no use, or of an amount that is none of use, it is one for one.
    pub fn of(amount: Amount, usage: Amount) -> Self {
        let is_share = usage.units() > 0 && amount.units() >= 0 && amount.units() / SHARE_MAX <= usage.units();
        Self(Ratio::of_total(amount.units(), usage).filter(|_| is_share))
    }

    pub fn part(self, usage: Amount) -> Amount {
        match self.0 {
            // Units over units: the whole part is again in units.
            Some(share) => Amount::from_units(share.exact(usage).units() / Amount::from_whole(1).units()),
            None => usage,
        }
    }
}

/// Days are added up as they were billed and are foreseen, until the limit is passed.
fn runs_out_on(
    facts: &BudgetFacts<'_>,
    projection: &Projection,
    counted: impl Fn(Amount) -> Option<Amount>,
    limit: Amount,
) -> Option<NaiveDate> {
    let (from, to) = facts.window.days();
    let mut usage = Amount::ZERO;
    for day in from.iter_days().take_while(|day| *day < to) {
        usage += facts.history.days.get(&day).copied().unwrap_or(Amount::ZERO);
        usage += projection.on(day);
        if counted(usage)? > limit {
            return Some(day);
        }
    }
    None
}

/// How much of the limit an amount is, in per cent with one decimal, cut.
pub fn percent_of(amount: Amount, limit: Amount) -> Decimal {
    let of = Ratio::of_total(1000, limit).map_or(0, |ratio| {
        let exact = ratio.exact(amount).units();
        exact / Amount::from_whole(1).units()
    });
    Decimal::from_i128_with_scale(of, 1)
}

#[cfg(test)]
mod tests;
