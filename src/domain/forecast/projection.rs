//! A forecast in exact dollars: what of the days up to a window's end is still to come.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Days, NaiveDate};

use super::{DailyUse, Method, outlook};
use crate::domain::calendar::BusinessCalendar;
use crate::domain::money::Amount;

/// AWS still adds lines to the newest days: so many of them are foreseen and not taken as they are.
const SETTLING_DAYS: u64 = 3;
/// Days of history that are read.
pub const HISTORY_DAYS: u64 = 140;

/// The first day that still settles in data that was delivered on a day.
pub fn settled_to(delivered_on: NaiveDate) -> NaiveDate {
    delivered_on - Days::new(SETTLING_DAYS)
}

/// Use by the day as it was delivered.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub days: BTreeMap<NaiveDate, Amount>,
}

impl History {
    pub fn sum(&self, from: NaiveDate, to: NaiveDate) -> Amount {
        match from < to {
            true => self.days.range(from..to).map(|(_, cost)| *cost).sum(),
            false => Amount::ZERO,
        }
    }
}

/// What is known of all days, whoever used anything on them.
#[derive(Debug, Clone)]
pub struct KnownDays {
    /// Days of which any line was delivered.
    pub delivered: BTreeSet<NaiveDate>,
    /// The first day that still settles.
    pub settled_to: NaiveDate,
}

impl KnownDays {
    /// Settled days of a history; one of which nothing at all was delivered is missing and not without use.
    pub fn settled(&self, history: &History) -> DailyUse {
        let first = self.delivered.first().copied().unwrap_or(self.settled_to);
        let from = first.max(self.settled_to - Days::new(HISTORY_DAYS));
        let days = from.iter_days().take_while(|day| *day < self.settled_to);
        let values = days.map(|day| {
            let cost = history.days.get(&day).copied().unwrap_or(Amount::ZERO);
            self.delivered.contains(&day).then(|| to_float(cost))
        });
        DailyUse {
            from,
            values: values.collect(),
        }
    }
}

/// What days bring that is not in the bill yet.  In dollars, to the cent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    pub method: Method,
    /// For each day from the first that still settles: beyond what of it is billed already.
    pub days: Vec<(NaiveDate, Amount)>,
    pub expected: Amount,
    pub low: Amount,
    pub high: Amount,
}

impl Projection {
    /// What is expected of a day beyond what of it is billed.
    pub fn on(&self, day: NaiveDate) -> Amount {
        let nth = self.days.first().map(|(first, _)| (day - *first).num_days());
        let nth = nth.and_then(|nth| usize::try_from(nth).ok());
        nth.and_then(|nth| self.days.get(nth))
            .map_or(Amount::ZERO, |(_, rest)| *rest)
    }

    /// What is expected of days before one, beyond what of them is billed.
    pub fn before(&self, day: NaiveDate) -> Amount {
        let before = self.days.iter().filter(|(of, _)| *of < day);
        before.map(|(_, cost)| *cost).sum()
    }
}

/// Foresees a window's days from the first that still settles, or that nothing is known of.
pub fn project(
    history: &History,
    known: &KnownDays,
    (from, to): (NaiveDate, NaiveDate),
    calendar: &BusinessCalendar,
) -> Projection {
    let from = from.max(known.settled_to);
    if from >= to {
        return Projection {
            method: Method::Nothing,
            days: Vec::new(),
            expected: Amount::ZERO,
            low: Amount::ZERO,
            high: Amount::ZERO,
        };
    }
    let outlook = outlook(&known.settled(history), from, to, calendar);
    let billed = history.sum(from, to);
    let beyond = |total: f64| {
        let rest = to_amount(total) - billed;
        if rest.units() < 0 { Amount::ZERO } else { rest }
    };
    let expected = beyond(outlook.sum);
    let days: Vec<(NaiveDate, Amount)> = outlook
        .days
        .iter()
        .map(|(day, value)| {
            let billed = history.days.get(day).copied().unwrap_or(Amount::ZERO);
            let rest = to_amount(*value) - billed;
            (*day, if rest.units() < 0 { Amount::ZERO } else { rest })
        })
        .collect();
    Projection {
        method: outlook.method,
        days,
        expected,
        low: beyond(outlook.low),
        high: beyond(outlook.high),
    }
}

/// Dollars as a float, for what is no money: days are compared and foreseen by it.
#[expect(clippy::cast_precision_loss, reason = "a forecast is no money")]
pub(in crate::domain) fn to_float(amount: Amount) -> f64 {
    amount.units() as f64 / 1e12
}

/// A foreseen amount, to the cent; none of what no company spends.
#[expect(clippy::cast_possible_truncation, reason = "held below a billion")]
fn to_amount(value: f64) -> Amount {
    let cents = (value.clamp(-1e9, 1e9) * 100.0).round() as i128;
    Amount::from_units(cents * 10_000_000_000)
}

/// The days on which a forecast is kept.
pub const FORECAST_DAYS: [u32; 4] = [5, 10, 15, 20];

/// The last of those days that a day has reached.
pub fn forecast_day(today: NaiveDate) -> Option<u32> {
    FORECAST_DAYS.into_iter().rev().find(|day| *day <= today.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    /// Ten dollars on each business day from 7 September to a day, four of them missing, the newest in part.
    fn ten_a_day(to: &str) -> (History, KnownDays) {
        let calendar = BusinessCalendar::default();
        let (to, missing) = (day(to), day("2026-09-14")..day("2026-09-18"));
        let days: Vec<NaiveDate> = day("2026-09-07")
            .iter_days()
            .take_while(|d| *d < to)
            .filter(|d| !missing.contains(d))
            .collect();
        let cost = |d: &NaiveDate| match (calendar.is_business_day(*d), (to - *d).num_days()) {
            (false, _) => 0,
            (true, 1..=2) => 3,
            (true, _) => 10,
        };
        let history = History {
            days: days.iter().map(|d| (*d, Amount::from_whole(cost(d)))).collect(),
        };
        let known = KnownDays {
            delivered: days.into_iter().collect(),
            settled_to: settled_to(to),
        };
        (history, known)
    }

    #[test]
    fn days_that_are_missing_or_settle_are_foreseen_and_not_taken_for_days_without_use() {
        let (history, known) = ten_a_day("2026-10-14");
        assert_eq!(known.settled_to, day("2026-10-11"));
        let month = (day("2026-10-01"), day("2026-11-01"));
        let projection = project(&history, &known, month, &BusinessCalendar::default());
        assert_eq!(projection.method, Method::Levels);
        // Fifteen business days from the 12th on, of which 6 dollars are billed.
        let off = projection.expected + Amount::from_whole(6) - Amount::from_whole(150);
        assert!(off.units().abs() < Amount::from_whole(8).units(), "{projection:?}");
        assert!(projection.low <= projection.expected && projection.expected <= projection.high);
        let of_the_13th = projection.days.iter().find(|(of, _)| *of == day("2026-10-13"));
        assert!(of_the_13th.is_some_and(|(_, rest)| *rest > Amount::from_whole(5) && *rest < Amount::from_whole(8)));
        assert_eq!(projection.before(day("2026-10-11")), Amount::ZERO);
    }

    #[test]
    fn a_window_whose_days_are_settled_has_nothing_to_come() {
        let (history, known) = ten_a_day("2026-10-14");
        let month = (day("2026-09-01"), day("2026-10-01"));
        let projection = project(&history, &known, month, &BusinessCalendar::default());
        assert_eq!((projection.expected, projection.days.len()), (Amount::ZERO, 0));
        assert_eq!(history.sum(day("2026-10-02"), day("2026-10-01")), Amount::ZERO);
    }

    #[test]
    fn with_little_history_it_says_so() {
        let (history, known) = ten_a_day("2026-09-14");
        let month = (day("2026-09-01"), day("2026-10-01"));
        let projection = project(&history, &known, month, &BusinessCalendar::default());
        assert_eq!(projection.method, Method::FewDays);
        let nothing = project(&History::default(), &known, month, &BusinessCalendar::default());
        assert_eq!((nothing.method, nothing.high), (Method::Nothing, Amount::ZERO));
    }

    #[test]
    fn forecasts_are_kept_on_four_days() {
        let days = [
            ("2026-10-04", None),
            ("2026-10-05", Some(5)),
            ("2026-10-19", Some(15)),
            ("2026-10-31", Some(20)),
        ];
        for (today, expected) in days {
            assert_eq!(forecast_day(day(today)), expected);
        }
    }
}
