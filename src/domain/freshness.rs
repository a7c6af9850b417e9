//! How old figures are at the moment they are read: what is still arriving, and what should have arrived.
//!
//! A delivery is judged when it is loaded (`coverage`), and again whenever it is shown: a pull that stopped must not look
//! like a quiet week.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::finding::{Finding, Severity};
use super::period::BillingPeriod;

/// AWS needs this long until a day is complete; rows that it bills through Marketplace take a day longer.
pub const SETTLING_HOURS: i64 = 48;
pub const MARKETPLACE_SETTLING_HOURS: i64 = 72;
/// AWS delivers at least once a day.
pub const STALE_AFTER: TimeDelta = TimeDelta::hours(36);

/// Nothing is wrong, and yet every reader must see it.
pub const SETTLING: &str = "settling";
const NO_NEWER: &str = "run 'anbun ingest cur', or see with 'anbun doctor' why no newer delivery comes";

/// The newest delivery of a month, as far as its age goes.
#[derive(Debug, Clone, Copy)]
pub struct Latest {
    pub period: BillingPeriod,
    pub delivered_at: DateTime<Utc>,
    pub last_day: Option<NaiveDate>,
}

pub fn findings(latest: &Latest, now: DateTime<Utc>) -> Vec<Finding> {
    let late = not_delivered(latest, now).or_else(|| end_not_delivered(latest, now));
    [late, stale(latest, now), settling(latest, now)]
        .into_iter()
        .flatten()
        .collect()
}

fn ago(now: DateTime<Utc>, hours: i64) -> NaiveDate {
    (now - TimeDelta::hours(hours)).date_naive()
}

fn shown(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// What AWS still changes as a matter of course.
fn settling(latest: &Latest, now: DateTime<Utc>) -> Option<Finding> {
    let days = latest.period.days();
    let today = now.date_naive();
    if today < days.from || !latest.period.is_settling(today) {
        return None;
    }
    let open_from = |hours| Some(ago(now, hours).max(days.from)).filter(|day| *day < days.to);
    let mut told = Vec::new();
    if let Some(day) = open_from(SETTLING_HOURS) {
        told.push(format!("use from {day} on is still arriving ({SETTLING_HOURS} hours)"));
    }
    if let Some(day) = open_from(MARKETPLACE_SETTLING_HOURS) {
        let told_before = if told.is_empty() { "use" } else { "what" };
        told.push(format!(
            "{told_before} that AWS bills through Marketplace from {day} on ({MARKETPLACE_SETTLING_HOURS} hours)"
        ));
    }
    told.push(format!(
        "AWS refreshes the month until about {}",
        latest.period.settled_from()
    ));
    let subject = latest.period.to_string();
    Some(Finding::new(
        SETTLING,
        Severity::Info,
        subject,
        told.join(", "),
        "do not read it as a drop",
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
        shown(latest.delivered_at)
    );
    Some(Finding::new(
        "days_not_delivered",
        Severity::Error,
        which,
        message,
        NO_NEWER,
    ))
}

/// A month that is over, whose newest delivery was made before its last days were complete.
fn end_not_delivered(latest: &Latest, now: DateTime<Utc>) -> Option<Finding> {
    let end = latest.period.days().to.and_time(NaiveTime::MIN).and_utc();
    let complete = end + TimeDelta::hours(SETTLING_HOURS);
    // A delivery a day: by then the next one has come.
    if latest.delivered_at >= complete || now < complete + STALE_AFTER {
        return None;
    }
    let message = format!(
        "the newest delivery is of {}, before AWS had the last days of the month complete; later use and late lines are missing here",
        shown(latest.delivered_at)
    );
    Some(Finding::new(
        "month_end_not_delivered",
        Severity::Error,
        latest.period.to_string(),
        message,
        NO_NEWER,
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
        let last_day = Some("2026-10-19");
        check(delivered, last_day, "2026-10-20T06:00:00Z", &["settling"]);
        check(
            delivered,
            last_day,
            "2026-10-22T06:00:00Z",
            &["data_is_stale", "settling"],
        );
        check(
            delivered,
            last_day,
            "2026-10-24T06:00:00Z",
            &["days_not_delivered", "data_is_stale", "settling"],
        );
        check(delivered, last_day, "2026-11-20T06:00:00Z", &["days_not_delivered"]);
        check(
            delivered,
            None,
            "2026-10-20T06:00:00Z",
            &["days_not_delivered", "settling"],
        );
        check(
            "2026-11-04T05:00:00Z",
            Some("2026-10-31"),
            "2026-11-05T06:00:00Z",
            &["settling"],
        );
        check("2026-11-04T05:00:00Z", Some("2026-10-31"), "2026-11-20T06:00:00Z", &[]);
        // Refunds of a later day are billed in the month too.
        check("2026-11-04T05:00:00Z", Some("2026-11-02"), "2026-11-20T06:00:00Z", &[]);
    }

    #[test]
    fn a_month_whose_deliveries_stop_on_its_last_day_is_not_whole() {
        let delivered = "2026-10-31T06:00:00Z";
        check(delivered, Some("2026-10-31"), "2026-11-03T06:00:00Z", &["settling"]);
        check(
            delivered,
            Some("2026-10-31"),
            "2026-11-04T13:00:00Z",
            &["month_end_not_delivered", "settling"],
        );
        check(
            delivered,
            Some("2026-10-31"),
            "2027-03-01T00:00:00Z",
            &["month_end_not_delivered"],
        );
    }

    #[test]
    fn words_name_only_days_of_the_month() {
        let latest = Latest {
            period: "2026-10".parse().unwrap_or_else(|e| panic!("{e}")),
            delivered_at: DateTime::default(),
            last_day: None,
        };
        let told = |now: &str| {
            settling(&latest, now.parse().unwrap_or_default())
                .map(|f| f.message)
                .unwrap_or_default()
        };
        assert!(
            told("2026-10-20T06:00:00Z").contains("use from 2026-10-18 on"),
            "{}",
            told("2026-10-20T06:00:00Z")
        );
        let second = told("2026-11-03T06:00:00Z");
        assert!(
            second.starts_with("use that AWS bills through Marketplace from 2026-10-31 on"),
            "{second}"
        );
        assert_eq!(
            told("2026-11-10T06:00:00Z"),
            "AWS refreshes the month until about 2026-11-16"
        );
        assert_eq!(told("2026-11-16T06:00:00Z"), "");
    }
}
