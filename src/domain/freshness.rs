//! How old figures are at the moment they are read: what is still arriving, and what should have arrived.
//!
//! A delivery is judged when it is loaded (`coverage`), and again whenever it is shown: a pull that stopped must not look
//! like a quiet week.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use super::finding::{Finding, Severity};
use super::period::BillingPeriod;

/// AWS needs this long until a day is complete; rows that it bills through Marketplace take a day longer.
pub const SETTLING_HOURS: i64 = 48;
pub const MARKETPLACE_SETTLING_HOURS: i64 = 72;
/// AWS delivers at least once a day.
const STALE_AFTER: TimeDelta = TimeDelta::hours(36);

/// The newest delivery of a month, as far as its age goes.
#[derive(Debug, Clone, Copy)]
pub struct Latest {
    pub period: BillingPeriod,
    pub delivered_at: DateTime<Utc>,
    pub last_day: Option<NaiveDate>,
}

pub fn findings(latest: &Latest, now: DateTime<Utc>) -> Vec<Finding> {
    [settling(latest, now), not_delivered(latest, now), stale(latest, now)]
        .into_iter()
        .flatten()
        .collect()
}

fn ago(now: DateTime<Utc>, hours: i64) -> NaiveDate {
    (now - TimeDelta::hours(hours)).date_naive()
}

/// Days whose rows are still arriving.
fn settling(latest: &Latest, now: DateTime<Utc>) -> Option<Finding> {
    let days = latest.period.days();
    let first_open = |hours| ago(now, hours).max(days.from);
    if first_open(MARKETPLACE_SETTLING_HOURS) >= days.to || now.date_naive() < days.from {
        return None;
    }
    let message = format!(
        "use from {} on is still arriving ({SETTLING_HOURS} hours), what AWS bills through Marketplace from {} on ({MARKETPLACE_SETTLING_HOURS} hours)",
        first_open(SETTLING_HOURS).min(days.to),
        first_open(MARKETPLACE_SETTLING_HOURS),
    );
    let subject = latest.period.to_string();
    Some(Finding::new(
        "settling",
        Severity::Info,
        subject,
        message,
        "nothing; do not read it as a drop",
    ))
}

/// Days that are over for long and that the newest delivery does not reach.
fn not_delivered(latest: &Latest, now: DateTime<Utc>) -> Option<Finding> {
    let days = latest.period.days();
    let settled_to = ago(now, MARKETPLACE_SETTLING_HOURS).min(days.to);
    let reached = latest.last_day.map_or(days.from, |day| day + Days::new(1));
    if reached >= settled_to {
        return None;
    }
    let last = settled_to.pred_opt().unwrap_or(settled_to);
    let which = if last == reached {
        reached.to_string()
    } else {
        format!("{reached} to {last}")
    };
    let message = format!(
        "the newest delivery is of {} and has no line for {which}, so these days are missing here",
        latest.delivered_at.format("%Y-%m-%d %H:%M UTC")
    );
    let action = "run 'anbun ingest cur', or see with 'anbun doctor' why no newer delivery comes";
    Some(Finding::new(
        "days_not_delivered",
        Severity::Error,
        which,
        message,
        action,
    ))
}

/// A running month whose deliveries have stopped.
fn stale(latest: &Latest, now: DateTime<Utc>) -> Option<Finding> {
    let is_running = latest.period.days().contains(now.date_naive());
    let age = now - latest.delivered_at;
    if !is_running || age <= STALE_AFTER {
        return None;
    }
    let message = format!(
        "the newest delivery is {} hours old; AWS delivers at least once a day",
        age.num_hours()
    );
    let action = "see with 'anbun doctor' whether the export is healthy and reachable";
    Some(Finding::new(
        "data_is_stale",
        Severity::Warning,
        latest.period.to_string(),
        message,
        action,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(delivered: &str, last_day: Option<&str>, now: &str, expected: &[&str]) {
        let parse = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text}"));
        let latest = Latest {
            period: "2026-10".parse().unwrap_or_else(|e| panic!("{e}")),
            delivered_at: parse(delivered),
            last_day: last_day.map(|day| day.parse().unwrap_or_else(|_| panic!("{day}"))),
        };
        let codes: Vec<&str> = findings(&latest, parse(now)).iter().map(|f| f.code).collect();
        assert_eq!(codes, expected, "{now}");
    }

    #[test]
    fn a_figure_says_what_is_still_to_come() {
        let delivered = "2026-10-20T05:00:00Z";
        check(delivered, Some("2026-10-19"), "2026-10-20T06:00:00Z", &["settling"]);
        check(
            delivered,
            Some("2026-10-19"),
            "2026-10-22T06:00:00Z",
            &["settling", "data_is_stale"],
        );
        check(
            delivered,
            Some("2026-10-19"),
            "2026-10-24T06:00:00Z",
            &["settling", "days_not_delivered", "data_is_stale"],
        );
        check(
            delivered,
            Some("2026-10-19"),
            "2026-11-20T06:00:00Z",
            &["days_not_delivered"],
        );
        check(
            delivered,
            None,
            "2026-10-20T06:00:00Z",
            &["settling", "days_not_delivered"],
        );
        check(
            "2026-11-04T05:00:00Z",
            Some("2026-10-31"),
            "2026-11-02T06:00:00Z",
            &["settling"],
        );
        check("2026-11-04T05:00:00Z", Some("2026-10-31"), "2026-11-20T06:00:00Z", &[]);
        // Refunds of a later day are billed in the month too.
        check("2026-11-04T05:00:00Z", Some("2026-11-02"), "2026-11-20T06:00:00Z", &[]);
    }
}
