//! Which days to ask for next, the most useful first.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, Months, NaiveDate, TimeDelta, Utc};

use super::TotalsKind;
use crate::domain::period::{BillingPeriod, CALLER_IDENTITY_SINCE, DayRange};

/// Days that AWS still fills: asked every day.
const RECENT_DAYS: u64 = 5;
/// How far a first run goes back.
const HISTORY_MONTHS: u32 = 12;
/// A month's settled days that are still estimates are asked again together, so often.
const ESTIMATE_ASKED_EVERY: TimeDelta = TimeDelta::days(7);
/// AWS closes a month's bill some days after its end.
const CLOSES_AFTER_DAYS: u64 = 6;
/// The longest window that is asked at once: a quarter.
pub const MAX_WINDOW_DAYS: u64 = 92;

/// What is known of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskedDay {
    pub is_estimated: bool,
    pub fetched_at: DateTime<Utc>,
}

/// Days to ask for in one question (of as many pages as it has).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    pub kind: TotalsKind,
    pub days: DayRange,
}

/// The windows that are worth a request now, the most useful first: the newest days of every kind, then what is missing or
/// outdated, newest first.
pub fn plan(
    kinds: &BTreeMap<TotalsKind, BTreeMap<NaiveDate, AskedDay>>,
    now: DateTime<Utc>,
    window_days: u64,
) -> Vec<Window> {
    let today = now.date_naive();
    let recent = DayRange {
        from: today - Days::new(RECENT_DAYS - 1),
        to: today + Days::new(1),
    };
    let asked_today = |days: &BTreeMap<NaiveDate, AskedDay>| {
        recent.iter().all(|day| {
            days.get(&day)
                .is_some_and(|known| known.fetched_at.date_naive() == today)
        })
    };
    let fresh = kinds
        .iter()
        .filter(|(_, days)| !asked_today(days))
        .map(|(kind, _)| Window {
            kind: kind.clone(),
            days: recent,
        });
    let mut older: Vec<Window> = kinds
        .iter()
        .flat_map(|(kind, days)| {
            let history = DayRange {
                from: first_day_of(kind, today),
                to: recent.from,
            };
            let due = months_due(days, history, now);
            let wanted = history.iter().filter(|day| match days.get(day) {
                None => true,
                Some(known) => known.is_estimated && due.contains(&BillingPeriod::of(*day)),
            });
            windows(wanted, window_days).into_iter().map(|days| Window {
                kind: kind.clone(),
                days,
            })
        })
        .collect();
    older.sort_by(|a, b| (b.days.from, &a.kind).cmp(&(a.days.from, &b.kind)));
    fresh.chain(older).collect()
}

/// The first day that is asked for at all: Cost Explorer keeps about a month more.
pub fn history_from(today: NaiveDate) -> NaiveDate {
    let first = BillingPeriod::of(today).first_day();
    first.checked_sub_months(Months::new(HISTORY_MONTHS)).unwrap_or(first)
}

fn first_day_of(kind: &TotalsKind, today: NaiveDate) -> NaiveDate {
    let first = history_from(today);
    match kind {
        TotalsKind::Tag(_) => first.max(CALLER_IDENTITY_SINCE),
        TotalsKind::UsageType | TotalsKind::RecordType => first,
    }
}

/// Months of which an estimate is due again: together, because every window costs a request, however short.
fn months_due(days: &BTreeMap<NaiveDate, AskedDay>, history: DayRange, now: DateTime<Utc>) -> BTreeSet<BillingPeriod> {
    let estimates = days
        .range(history.from..history.to)
        .filter(|(_, known)| known.is_estimated);
    let due = estimates.filter(|(day, known)| {
        let closes = BillingPeriod::of(**day).next().first_day() + Days::new(CLOSES_AFTER_DAYS);
        let closed_since = now.date_naive() >= closes && known.fetched_at.date_naive() < closes;
        closed_since || now - known.fetched_at >= ESTIMATE_ASKED_EVERY
    });
    due.map(|(day, _)| BillingPeriod::of(*day)).collect()
}

/// Runs of neighbouring days, none longer than a window.
fn windows(days: impl Iterator<Item = NaiveDate>, window_days: u64) -> Vec<DayRange> {
    let mut found: Vec<DayRange> = Vec::new();
    for day in days {
        match found.last_mut() {
            Some(last) if last.to == day && last.from + Days::new(window_days) > day => last.to = day + Days::new(1),
            _ => found.push(DayRange {
                from: day,
                to: day + Days::new(1),
            }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-22T03:30:00Z".parse().unwrap_or_default()
    }

    fn known(estimated_from: &str) -> BTreeMap<NaiveDate, AskedDay> {
        let estimated_from: NaiveDate = estimated_from.parse().unwrap_or_default();
        let first = first_day_of(&TotalsKind::UsageType, now().date_naive());
        let all = DayRange {
            from: first,
            to: now().date_naive() + Days::new(1),
        };
        let asked = |day| AskedDay {
            is_estimated: day >= estimated_from,
            fetched_at: now(),
        };
        all.iter().map(|day| (day, asked(day))).collect()
    }

    fn asked(days: BTreeMap<NaiveDate, AskedDay>, now: DateTime<Utc>) -> Vec<(String, String)> {
        let windows = plan(&BTreeMap::from([(TotalsKind::UsageType, days)]), now, MAX_WINDOW_DAYS);
        windows
            .iter()
            .map(|w| (w.days.from.to_string(), w.days.to.to_string()))
            .collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
            .collect()
    }

    #[test]
    fn a_final_day_is_not_asked_again_and_recent_ones_once_a_day() {
        assert_eq!(asked(known("2026-11-01"), now()), []);
        let tomorrow = now() + TimeDelta::days(1);
        assert_eq!(
            asked(known("2026-11-01"), tomorrow),
            pairs(&[("2026-11-19", "2026-11-24")])
        );
    }

    #[test]
    fn a_month_that_was_closed_is_asked_once_more() {
        let later: DateTime<Utc> = "2026-12-08T03:30:00Z".parse().unwrap_or_default();
        let asked = asked(known("2026-11-01"), later);
        assert_eq!(
            asked,
            pairs(&[("2026-12-04", "2026-12-09"), ("2026-11-01", "2026-12-04")])
        );
    }

    /// Two months of mornings: a question a kind for the newest days, and now and then one more.
    #[test]
    fn an_ordinary_day_asks_little_over_one_question_a_kind() {
        let mut days = known("2026-11-01");
        let (mut most, mut total) = (0, 0);
        for day in 1..=60 {
            let now = now() + TimeDelta::days(day);
            let month = BillingPeriod::of(now.date_naive()).first_day();
            let closed = now.date_naive() >= month + Days::new(CLOSES_AFTER_DAYS - 1);
            let estimated_from = if closed {
                month
            } else {
                BillingPeriod::of(month).previous().first_day()
            };
            let windows = plan(
                &BTreeMap::from([(TotalsKind::UsageType, days.clone())]),
                now,
                MAX_WINDOW_DAYS,
            );
            most = most.max(windows.len());
            total += windows.len();
            for day in windows.iter().flat_map(|window| window.days.iter()) {
                let asked = AskedDay {
                    is_estimated: day >= estimated_from,
                    fetched_at: now,
                };
                days.insert(day, asked);
            }
        }
        assert!(most <= 3 && total <= 80, "{most} on one day, {total} in all");
    }

    #[test]
    fn a_first_run_goes_back_a_year_in_quarters_newest_first() {
        let asked = asked(BTreeMap::new(), now());
        let expected = [
            ("2026-11-18", "2026-11-23"),
            ("2026-11-04", "2026-11-18"),
            ("2026-08-04", "2026-11-04"),
            ("2026-05-04", "2026-08-04"),
            ("2026-02-01", "2026-05-04"),
            ("2025-11-01", "2026-02-01"),
        ];
        assert_eq!(asked.first(), pairs(&expected).first());
        assert_eq!(asked.len(), 6, "{asked:?}");
        assert_eq!(asked.last().map(|(from, _)| from.as_str()), Some("2025-11-01"));
        let tags = plan(
            &BTreeMap::from([(TotalsKind::Tag("iamPrincipal/user".to_owned()), BTreeMap::new())]),
            now(),
            92,
        );
        assert_eq!(tags.last().map(|w| w.days.from), Some(CALLER_IDENTITY_SINCE));
    }

    #[test]
    fn the_newest_days_of_every_kind_come_first() {
        let kinds = [TotalsKind::UsageType, TotalsKind::RecordType].map(|kind| (kind, BTreeMap::new()));
        let windows = plan(&BTreeMap::from(kinds), now(), 31);
        assert!(windows[..2].iter().all(|w| w.days.to > now().date_naive()));
        assert!(windows[2..].windows(2).all(|w| w[0].days.from >= w[1].days.from));
    }
}
