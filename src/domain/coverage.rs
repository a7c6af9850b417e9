//! Which days of a billing period a delivery covers.
//!
//! Judged on every line of the bill, not on Bedrock alone: a quiet Sunday still has storage charges, an unread day has
//! nothing.  A missing first day is a gap like any other.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::finding::{Finding, Severity};
use super::freshness::SETTLING_HOURS;
use super::period::BillingPeriod;

/// A day of which no line is delivered.
pub const DAY_MISSING: &str = "day_missing";

/// Days of the period that should have lines by the time of the delivery, and have none.
pub fn missing_days(period: BillingPeriod, days: &BTreeSet<NaiveDate>, delivered_at: DateTime<Utc>) -> Vec<NaiveDate> {
    let settled = delivered_at
        .checked_sub_signed(TimeDelta::hours(SETTLING_HOURS))
        .map_or(NaiveDate::MIN, |settled| settled.date_naive());
    let newest = days.range(..period.days().to).next_back().copied();
    let expected = |day: &NaiveDate| *day <= settled || newest.is_some_and(|newest| *day < newest);
    period
        .days()
        .iter()
        .filter(|day| expected(day) && !days.contains(day))
        .collect()
}

pub fn findings(period: BillingPeriod, days: &BTreeSet<NaiveDate>, delivered_at: DateTime<Utc>) -> Vec<Finding> {
    let missing = missing_days(period, days, delivered_at);
    missing
        .iter()
        .map(|day| {
            Finding::new(
                DAY_MISSING,
                Severity::Error,
                day.to_string(),
                format!("the delivery of {period} has no line at all for {day}, of any service"),
                "wait for the next refresh; if it stays, check the health of the export in AWS Data Exports",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use chrono::Days;

    use super::*;

    fn check(days: &[u32], delivered: &str, expected: &[u32]) {
        let period: BillingPeriod = "2026-10".parse().unwrap_or_else(|e| panic!("{e}"));
        let day = |n: &u32| period.first_day() + Days::new(u64::from(*n) - 1);
        let delivered = delivered.parse().unwrap_or_else(|e| panic!("{e}"));
        let missing = missing_days(period, &days.iter().map(day).collect(), delivered);
        assert_eq!(missing, expected.iter().map(day).collect::<Vec<_>>());
    }

    #[test]
    fn gaps_are_days_that_should_be_there() {
        let whole: Vec<u32> = (1..=31).collect();
        check(&whole, "2026-11-05T00:00:00Z", &[]);
        check(&whole[1..], "2026-11-05T00:00:00Z", &[1]);
        check(&whole[..30], "2026-11-05T00:00:00Z", &[31]);
        check(&[1, 2, 4, 5], "2026-10-06T00:00:00Z", &[3]);
        check(&[1, 2, 3], "2026-10-05T12:00:00Z", &[]);
        check(&[1, 2, 3], "2026-10-08T12:00:00Z", &[4, 5, 6]);
        check(&[], "2026-10-01T06:00:00Z", &[]);
    }
}
