//! Months as AWS bills them and half-open ranges of days, both in UTC.
//!
//! No bare pair of dates crosses a module: a range is a type, and its end is never part of it.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};

/// The first day of which AWS knows who called a model.
pub const CALLER_IDENTITY_SINCE: NaiveDate = match NaiveDate::from_ymd_opt(2026, 4, 8) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

/// AWS updates a month for about two weeks after its end; later changes are reissues.
const SETTLES_AFTER_DAYS: u64 = 15;

/// A billing period: one UTC calendar month, written `YYYY-MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BillingPeriod {
    first_day: NaiveDate,
}

#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no month: write it as YYYY-MM, such as 2026-10")]
pub struct PeriodError(String);

impl BillingPeriod {
    pub fn of(day: NaiveDate) -> Self {
        Self {
            first_day: day.with_day(1).unwrap_or(day),
        }
    }

    pub const fn first_day(self) -> NaiveDate {
        self.first_day
    }

    pub fn next(self) -> Self {
        Self {
            first_day: self
                .first_day
                .checked_add_months(chrono::Months::new(1))
                .unwrap_or(NaiveDate::MAX),
        }
    }

    pub fn previous(self) -> Self {
        Self {
            first_day: self
                .first_day
                .checked_sub_months(chrono::Months::new(1))
                .unwrap_or(NaiveDate::MIN),
        }
    }

    /// Whether AWS still refreshes the month as a matter of course: until fifteen days after its end.
    pub fn is_settling(self, today: NaiveDate) -> bool {
        today < self.settled_from()
    }

    /// The first day on which AWS no longer does.
    pub fn settled_from(self) -> NaiveDate {
        self.next().first_day + chrono::Days::new(SETTLES_AFTER_DAYS)
    }

    pub fn days(self) -> DayRange {
        DayRange {
            from: self.first_day,
            to: self.next().first_day,
        }
    }
}

impl FromStr for BillingPeriod {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let well_formed = text.len() == 7 && text.is_ascii();
        NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d")
            .ok()
            .filter(|day| well_formed && (2006..=2199).contains(&day.year()))
            .map(Self::of)
            .ok_or_else(|| PeriodError(text.to_owned()))
    }
}

impl fmt::Display for BillingPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first_day.format("%Y-%m"))
    }
}

/// Days from `from` up to but not including `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DayRange {
    pub from: NaiveDate,
    pub to: NaiveDate,
}

impl DayRange {
    pub fn contains(self, day: NaiveDate) -> bool {
        self.from <= day && day < self.to
    }

    pub fn iter(self) -> impl Iterator<Item = NaiveDate> {
        self.from.iter_days().take_while(move |day| *day < self.to)
    }
}

/// From when to when a fact of the directory holds; `to` is exclusive, `None` means open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Validity {
    pub from: NaiveDate,
    pub to: Option<NaiveDate>,
}

impl Validity {
    pub fn contains(self, day: NaiveDate) -> bool {
        self.from <= day && self.to.is_none_or(|to| day < to)
    }

    pub fn overlaps(self, other: Self) -> bool {
        self.to.is_none_or(|to| other.from < to) && other.to.is_none_or(|to| self.from < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn months_are_read_strictly() {
        for text in ["2026-10", "2006-01", "2199-12"] {
            assert_eq!(
                text.parse::<BillingPeriod>().map(|p| p.to_string()).ok().as_deref(),
                Some(text)
            );
        }
        for text in [
            "",
            "2026",
            "2026-13",
            "2026-1",
            "2026-10-01",
            "26-10",
            "+202-10",
            "９026-10",
            "0001-01",
        ] {
            assert!(text.parse::<BillingPeriod>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_month_ends_where_the_next_begins() {
        let december: BillingPeriod = "2026-12".parse().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            december.days(),
            DayRange {
                from: day("2026-12-01"),
                to: day("2027-01-01")
            }
        );
        assert_eq!(december.days().iter().count(), 31);
        assert_eq!(december.next().previous(), december);
    }

    #[test]
    fn a_month_settles_for_fifteen_days() {
        let october: BillingPeriod = "2026-10".parse().unwrap_or_else(|e| panic!("{e}"));
        assert!(october.is_settling(day("2026-10-01")) && october.is_settling(day("2026-11-15")));
        assert!(!october.is_settling(day("2026-11-16")));
    }

    #[test]
    fn validity_ends_before_its_last_date() {
        let term = Validity {
            from: day("2026-10-01"),
            to: Some(day("2026-10-15")),
        };
        assert!(term.contains(day("2026-10-14")) && !term.contains(day("2026-10-15")));
        assert!(!term.overlaps(Validity {
            from: day("2026-10-15"),
            to: None
        }));
        assert!(term.overlaps(Validity {
            from: day("2026-10-14"),
            to: None
        }));
    }
}
