//! Days that are not delivered yet, taken to cost what the same weekday did: kept apart from the bill, and taken back when
//! the bill has them.
//!
//! A plain method on purpose: an accountant can repeat it with a calendar.  It estimates usage; tax, credits and discounts of
//! those days are not guessed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};

use super::money::Amount;
use super::period::BillingPeriod;

/// How days are estimated, in words for the statement.
pub const METHOD: &str = "each missing day as the same weekday of the last delivered week, or the mean of the delivered days where that weekday is none of them; usage before discounts, credits and tax";

/// Days back that can be the same weekday.
const WEEK: u64 = 7;

/// Who has an estimated amount.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccrualKey {
    pub payer: String,
    pub seller: String,
    /// None: nobody owns it, for the reason.
    pub department: Option<String>,
    pub reason: Option<String>,
}

/// Usage of one day as the bill has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayOfUse {
    /// The last day that the delivery behind it covers.
    pub last_day: NaiveDate,
    pub day: NaiveDate,
    pub key: AccrualKey,
    pub cost: Amount,
}

/// The days of a month that a delivery lacks.
pub fn missing_days(period: BillingPeriod, last_day: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    period.days().iter().filter(move |day| *day > last_day)
}

/// What the missing days of a month come to, by who has them, in dollars.  A gap inside a delivery is no day to take another for.
pub fn estimate(
    period: BillingPeriod,
    delivered: &[DayOfUse],
    gaps: &BTreeSet<NaiveDate>,
) -> BTreeMap<AccrualKey, Amount> {
    let mut sums: BTreeMap<AccrualKey, Amount> = BTreeMap::new();
    let by_source: BTreeSet<NaiveDate> = delivered.iter().map(|use_of| use_of.last_day).collect();
    for last_day in by_source {
        let of_source: Vec<&DayOfUse> = delivered.iter().filter(|use_of| use_of.last_day == last_day).collect();
        let is_delivered = |day: &NaiveDate| *day <= last_day && !gaps.contains(day);
        let days: BTreeSet<NaiveDate> = period.days().iter().filter(is_delivered).collect();
        for missing in missing_days(period, last_day) {
            let like = same_weekday(missing, &days);
            for use_of in of_source
                .iter()
                .filter(|use_of| like.is_none_or(|day| use_of.day == day))
            {
                let part = match like {
                    Some(_) => use_of.cost,
                    None => mean(use_of.cost, days.len()),
                };
                *sums.entry(use_of.key.clone()).or_default() += part;
            }
        }
    }
    sums.retain(|_, amount| !amount.is_zero());
    sums
}

/// The newest delivered day of the same weekday.
fn same_weekday(missing: NaiveDate, delivered: &BTreeSet<NaiveDate>) -> Option<NaiveDate> {
    let mut day = missing;
    while let Some(earlier) = day.checked_sub_days(Days::new(WEEK)) {
        if delivered.contains(&earlier) {
            return Some(earlier);
        }
        if delivered.first().is_none_or(|first| earlier < *first) {
            return None;
        }
        day = earlier;
    }
    None
}

fn mean(cost: Amount, days: usize) -> Amount {
    let days = i128::try_from(days.max(1)).unwrap_or(i128::MAX);
    Amount::from_units(cost.units() / days)
}

/// One holder's estimate beside what the bill says now of the same days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccrualError {
    pub department: Option<String>,
    pub estimated: Amount,
    pub billed: Amount,
}

impl AccrualError {
    pub fn difference(&self) -> Amount {
        self.billed - self.estimated
    }
}

/// How far an estimate was from the bill, by department.
pub fn errors(
    estimated: &BTreeMap<Option<String>, Amount>,
    billed: &BTreeMap<Option<String>, Amount>,
) -> Vec<AccrualError> {
    let departments: BTreeSet<&Option<String>> = estimated.keys().chain(billed.keys()).collect();
    let of = |sums: &BTreeMap<Option<String>, Amount>, department| sums.get(department).copied().unwrap_or_default();
    let errors = departments.into_iter().map(|department| AccrualError {
        department: department.clone(),
        estimated: of(estimated, department),
        billed: of(billed, department),
    });
    errors.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(last_day: u32, day: u32, department: &str, usd: &str) -> DayOfUse {
        let october = |day| NaiveDate::from_ymd_opt(2026, 10, day).unwrap_or_default();
        DayOfUse {
            last_day: october(last_day),
            day: october(day),
            key: AccrualKey {
                payer: "1".to_owned(),
                seller: "AWS".to_owned(),
                department: Some(department.to_owned()),
                reason: None,
            },
            cost: Amount::parse(usd).unwrap_or_else(|| panic!("{usd}")),
        }
    }

    fn estimated(delivered: &[DayOfUse]) -> String {
        let october = "2026-10".parse().unwrap_or_else(|e| panic!("{e}"));
        estimate(october, delivered, &BTreeSet::new())
            .values()
            .copied()
            .sum::<Amount>()
            .to_string()
    }

    /// October 2026: the 29th, 30th and 31st are missing; the 22nd, 23rd and 24th were 5, 7 and 0.
    #[test]
    fn a_missing_day_is_the_same_weekday() {
        let delivered = [
            used(28, 22, "sales", "5"),
            used(28, 23, "sales", "7"),
            used(28, 1, "sales", "100"),
        ];
        assert_eq!(estimated(&delivered), "12");
    }

    /// The 22nd is a gap: the 29th is like the 15th.
    #[test]
    fn a_gap_is_no_day_to_take_another_for() {
        let october: BillingPeriod = "2026-10".parse().unwrap_or_else(|e| panic!("{e}"));
        let delivered = [used(29, 15, "sales", "5"), used(28, 15, "it", "3")];
        let gap = BTreeSet::from([delivered[0].day + Days::new(WEEK)]);
        let found = estimate(october, &delivered, &gap);
        assert_eq!(found.values().copied().sum::<Amount>(), Amount::from_whole(3));
    }

    /// Only the 1st and 2nd are delivered: the 8th and 9th and those after them are like them, the other weekdays their mean.
    #[test]
    fn a_weekday_that_is_not_delivered_is_the_mean() {
        let delivered = [used(2, 1, "sales", "10"), used(2, 2, "sales", "20")];
        // Thursdays 8, 15, 22, 29 and Fridays 9, 16, 23, 30; 21 other days at 15.
        assert_eq!(estimated(&delivered), (4 * 10 + 4 * 20 + 21 * 15).to_string());
    }

    #[test]
    fn sources_end_on_their_own_days_and_a_whole_month_has_nothing() {
        assert_eq!(estimated(&[used(31, 24, "sales", "5")]), "0");
        let delivered = [used(31, 24, "sales", "5"), used(30, 24, "it", "2")];
        assert_eq!(estimated(&delivered), "2");
    }
}
