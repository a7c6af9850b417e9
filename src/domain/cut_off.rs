//! What the UTC cut-off moves: nine hours of use are on the day before in AWS's bill, and on the day after in Japan.
//!
//! It matters where a day divides something: at the end of a month, of a fiscal year, and where the organisation changes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate};

use super::directory::Directory;
use super::money::Amount;
use super::period::BillingPeriod;

/// One day whose last nine hours belong to the next one in Japan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutOff {
    pub day: NaiveDate,
    /// What the next day begins: `fiscal year`, `month` or `reorganisation`.
    pub before: &'static str,
    /// In dollars; none where the export does not tell hours.
    pub usd: Option<Amount>,
}

/// The days of a month at which the cut-off matters.
pub fn cut_offs(
    period: BillingPeriod,
    directory: &Directory,
    fiscal_year_start_month: u32,
    late: &BTreeMap<NaiveDate, Amount>,
) -> Vec<CutOff> {
    let departments = directory.departments.iter().map(|department| department.valid);
    let people = directory.people.iter().map(|person| person.valid);
    let changes: BTreeSet<NaiveDate> = departments
        .chain(people)
        .flat_map(|valid| [Some(valid.from), valid.to])
        .flatten()
        .collect();
    let next = period.next().first_day();
    let days = period.days().iter().filter_map(|day| {
        let after = day.succ_opt()?;
        let before = match after {
            after if after == next && next.month() == fiscal_year_start_month => "fiscal year",
            after if after == next => "month",
            after if changes.contains(&after) => "reorganisation",
            _ => return None,
        };
        // Without an hour of any day the export tells none; with one, a day without is a day without use.
        let usd = (!late.is_empty()).then(|| late.get(&day).copied().unwrap_or_default());
        Some(CutOff { day, before, usd })
    });
    days.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::directory::Department;
    use crate::domain::period::Validity;

    #[test]
    fn nine_hours_are_told_where_a_day_divides_something() {
        let day = |text: &str| -> NaiveDate { text.parse().unwrap_or_default() };
        let department = Department {
            code: "sales".to_owned(),
            name: String::new(),
            name_ja: String::new(),
            parent_code: String::new(),
            cost_center: String::new(),
            legal_entity: String::new(),
            successor_code: String::new(),
            valid: Validity {
                from: day("2026-03-16"),
                to: None,
            },
        };
        let directory = Directory {
            departments: vec![department],
            ..Directory::default()
        };
        let march: BillingPeriod = "2026-03".parse().unwrap_or_else(|e| panic!("{e}"));
        let late = BTreeMap::from([(day("2026-03-31"), Amount::from_whole(7))]);
        let found = |start, late: &BTreeMap<NaiveDate, Amount>| -> Vec<(String, &'static str, Option<String>)> {
            let found = cut_offs(march, &directory, start, late).into_iter();
            found
                .map(|cut| (cut.day.to_string(), cut.before, cut.usd.map(|usd| usd.to_string())))
                .collect()
        };
        let text = str::to_owned;
        assert_eq!(
            found(4, &late),
            [
                (text("2026-03-15"), "reorganisation", Some(text("0"))),
                (text("2026-03-31"), "fiscal year", Some(text("7")))
            ]
        );
        assert_eq!(found(1, &BTreeMap::new())[1], (text("2026-03-31"), "month", None));
    }
}
