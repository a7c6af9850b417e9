//! Business days: weekdays that are neither a national holiday nor a day on which the company is closed.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, Weekday};

/// A day of every year on which the company is closed, such as the 29th of December.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedDay {
    pub month: u32,
    pub day: u32,
}

impl ClosedDay {
    /// Reads `12-29`.
    pub fn parse(text: &str) -> Option<Self> {
        let (month, day) = text.split_once('-')?;
        let (month, day) = (month.parse().ok()?, day.parse().ok()?);
        // 2024 has every day that a year can have.
        NaiveDate::from_ymd_opt(2024, month, day).map(|_| Self { month, day })
    }
}

/// National holidays by name, and the company's own.
#[derive(Debug, Clone, Default)]
pub struct BusinessCalendar {
    pub holidays: BTreeMap<NaiveDate, String>,
    pub closed: Vec<ClosedDay>,
}

impl BusinessCalendar {
    pub fn is_business_day(&self, day: NaiveDate) -> bool {
        let is_closed = |closed: &ClosedDay| (closed.month, closed.day) == (day.month(), day.day());
        !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
            && !self.holidays.contains_key(&day)
            && !self.closed.iter().any(is_closed)
    }

    /// The n-th business day on or after a day, the first being 1; none where the calendar's years have ended.
    pub fn business_day(&self, from: NaiveDate, nth: usize) -> Option<NaiveDate> {
        let days = from.iter_days().take_while(|day| self.covers(day.year()));
        days.filter(|day| self.is_business_day(*day)).nth(nth.checked_sub(1)?)
    }

    /// Whether the holidays of a year are known: a year without any has not been written down.
    pub fn covers(&self, year: i32) -> bool {
        self.holidays.keys().any(|day| day.year() == year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn business_days_pass_over_weekends_holidays_and_new_year() {
        let closed = ["12-29", "12-30", "12-31", "01-02", "01-03"];
        let calendar = BusinessCalendar {
            holidays: ["2026-11-03", "2026-11-23", "2027-01-01", "2027-01-11"]
                .map(|text| (day(text), String::new()))
                .into(),
            closed: closed.iter().filter_map(|text| ClosedDay::parse(text)).collect(),
        };
        assert_eq!(calendar.closed.len(), 5);
        let nth = |from: &str, nth| calendar.business_day(day(from), nth).map(|day| day.to_string());
        // Sunday, Monday, and Culture Day on Tuesday.
        assert_eq!(nth("2026-11-01", 1).as_deref(), Some("2026-11-02"));
        assert_eq!(nth("2026-11-01", 2).as_deref(), Some("2026-11-04"));
        // 1 January is a Friday, the 4th the first working day.
        assert_eq!(nth("2027-01-01", 1).as_deref(), Some("2027-01-04"));
        assert_eq!(nth("2026-12-29", 1).as_deref(), Some("2027-01-04"));
        // The holidays of 2028 are not written down.
        assert_eq!(nth("2028-01-01", 1), None);
        assert_eq!(nth("2027-12-28", 9), None);
        assert_eq!(nth("2026-11-01", 0), None);
        for text in ["13-01", "02-30", "x", "1229"] {
            assert_eq!(ClosedDay::parse(text), None);
        }
    }
}
