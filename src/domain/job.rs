//! Jobs by name, when they are due, and whether they are well.  Pure: what happened comes in, what to do comes out.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::schedule::Schedule;

/// Work that the scheduler does, and that a command can do at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobName {
    LoadExports,
    FetchCostExplorer,
    CheckAwsSetup,
    RecountCharges,
    /// Whether budgets speak; also asked for after each load.
    EvaluateBudgets,
}

impl JobName {
    pub const ALL: [Self; 5] = [
        Self::LoadExports,
        Self::FetchCostExplorer,
        Self::CheckAwsSetup,
        Self::RecountCharges,
        Self::EvaluateBudgets,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoadExports => "load-exports",
            Self::FetchCostExplorer => "fetch-cost-explorer",
            Self::CheckAwsSetup => "check-aws-setup",
            Self::RecountCharges => "recount-charges",
            Self::EvaluateBudgets => "evaluate-budgets",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    Running,
    Done,
    Failed,
    /// Its process ended before it did, or was asked to stop.
    Abandoned,
}

impl RunStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Running, Self::Done, Self::Failed, Self::Abandoned]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// What is known of a job's past.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobHistory {
    pub first_started_at: Option<DateTime<Utc>>,
    pub last_started_at: Option<DateTime<Utc>>,
    pub last_done_at: Option<DateTime<Utc>>,
    /// Runs that failed or were cut off since the last one that was done.
    pub failures_in_a_row: u32,
    /// Not before this, after a failure.
    pub retry_at: Option<DateTime<Utc>>,
}

/// A run that began this long ago and has no end is worth asking whether its program still lives.
const LOOKS_DEAD_AFTER: TimeDelta = TimeDelta::seconds(30);

/// Whether a run without an end looks as if its program had ended.  One that ends its program time and again is begun again
/// after growing pauses.
pub fn looks_dead(schedule: Schedule, history: &JobHistory, now: DateTime<Utc>) -> bool {
    let began = history.last_started_at.map_or(now, |began| began.min(now));
    let patience = match history.failures_in_a_row {
        0 => LOOKS_DEAD_AFTER.min(schedule.cycle()),
        failures => pause_after(failures, 0, None),
    };
    now - began >= patience
}

const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(1);
/// No service is waited for longer, whatever it asks.
const ASKED_FOR_MAX: TimeDelta = TimeDelta::hours(6);
const PAUSE_MAX: TimeDelta = TimeDelta::hours(1);
/// Failures after which a person should look.
pub const FAILURES_THAT_COUNT: u32 = 3;

/// When the job is due; in the past where a run was missed, which is then caught up once.
pub fn due_at(schedule: Schedule, zone: Tz, history: &JobHistory, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if schedule == Schedule::Off {
        return None;
    }
    match (history.last_started_at, history.retry_at) {
        (None, _) => Some(now),
        // Written by a clock that was ahead of ours: waiting for that time to come would be silence.
        (Some(started), _) if started > now => Some(now),
        (Some(_), Some(retry_at)) => Some(retry_at),
        (Some(started), None) => schedule.next_after(started, zone),
    }
}

/// How long to wait after so many failures in a row: doubling, with jitter, at least what AWS asked for.
/// `jitter_percent` is 0 to 100.
pub fn pause_after(failures_in_a_row: u32, jitter_percent: u32, asked_for: Option<TimeDelta>) -> TimeDelta {
    let doublings = failures_in_a_row.saturating_sub(1).min(10);
    let pause = (FIRST_PAUSE * 2_i32.pow(doublings)).min(PAUSE_MAX);
    let jitter = pause * i32::try_from(jitter_percent.min(100)).unwrap_or(0) / 200;
    (pause + jitter).max(asked_for.unwrap_or_default().min(ASKED_FOR_MAX))
}

/// Whether a job is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobHealth {
    Well,
    /// It failed so many times in a row.
    Failing(u32),
    /// A whole cycle went by without a run that was done.
    Missed {
        due_since: DateTime<Utc>,
    },
}

pub fn health(schedule: Schedule, zone: Tz, history: &JobHistory, now: DateTime<Utc>) -> JobHealth {
    if history.failures_in_a_row >= FAILURES_THAT_COUNT {
        return JobHealth::Failing(history.failures_in_a_row);
    }
    // One that was never done is late since it first began.
    let since = history.last_done_at.or(history.first_started_at).map(|at| at.min(now));
    let due = since.and_then(|since| schedule.next_after(since, zone));
    match due {
        // Short cycles get some air: a load may take longer than one of them.
        Some(due) if now > due + schedule.cycle().max(TimeDelta::minutes(15)) => JobHealth::Missed { due_since: due },
        _ => JobHealth::Well,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: Tz = chrono_tz::Asia::Tokyo;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    fn schedule(text: &str) -> Schedule {
        text.parse().unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn a_missed_run_is_caught_up_once() {
        let daily = schedule("daily 06:10");
        let mut history = JobHistory {
            last_started_at: Some(at("2026-11-01T21:10:00Z")),
            last_done_at: Some(at("2026-11-01T21:11:00Z")),
            ..JobHistory::default()
        };
        let now = at("2026-11-20T03:00:00Z");
        assert!(due_at(daily, ZONE, &history, now).is_some_and(|due| due <= now));
        history.last_started_at = Some(now);
        assert_eq!(due_at(daily, ZONE, &history, now), Some(at("2026-11-20T21:10:00Z")));
    }

    #[test]
    fn a_job_that_never_ran_is_due_at_once_and_one_that_is_off_never() {
        let now = at("2026-11-20T03:00:00Z");
        assert_eq!(
            due_at(schedule("daily 06:10"), ZONE, &JobHistory::default(), now),
            Some(now)
        );
        assert_eq!(due_at(Schedule::Off, ZONE, &JobHistory::default(), now), None);
    }

    #[test]
    fn pauses_double_up_to_an_hour_and_honour_what_aws_asks_for() {
        let minutes = |failures, jitter| pause_after(failures, jitter, None).num_seconds() / 60;
        assert_eq!([1, 2, 3, 7, 40].map(|f| minutes(f, 0)), [1, 2, 4, 60, 60]);
        assert_eq!(pause_after(1, 100, None).num_seconds(), 90);
        assert_eq!(pause_after(1, 0, Some(TimeDelta::hours(3))), TimeDelta::hours(3));
        assert_eq!(pause_after(1, 0, Some(TimeDelta::days(3650))), TimeDelta::hours(6));
    }

    #[test]
    fn a_clock_that_was_ahead_stops_nothing() {
        let now = at("2026-11-20T03:00:00Z");
        let tomorrow = Some(at("2026-11-21T03:00:00Z"));
        let history = JobHistory {
            first_started_at: tomorrow,
            last_started_at: tomorrow,
            last_done_at: tomorrow,
            ..JobHistory::default()
        };
        assert_eq!(due_at(schedule("every 5m"), ZONE, &history, now), Some(now));
        assert_eq!(health(schedule("every 5m"), ZONE, &history, now), JobHealth::Well);
    }

    #[test]
    fn a_job_that_was_never_done_is_late_since_it_first_began() {
        let began = Some(at("2026-11-20T03:00:00Z"));
        let history = JobHistory {
            first_started_at: began,
            last_started_at: began,
            ..JobHistory::default()
        };
        assert_eq!(
            health(schedule("every 5m"), ZONE, &history, at("2026-11-20T03:10:00Z")),
            JobHealth::Well
        );
        let late = health(schedule("every 5m"), ZONE, &history, at("2026-11-20T03:30:00Z"));
        assert!(matches!(late, JobHealth::Missed { .. }));
    }

    #[test]
    fn a_run_that_ends_its_program_is_begun_again_after_growing_pauses() {
        let mut history = JobHistory {
            last_started_at: Some(at("2026-11-20T03:00:00Z")),
            ..JobHistory::default()
        };
        let dead = |history: &JobHistory, now| looks_dead(schedule("every 5m"), history, at(now));
        assert!(!dead(&history, "2026-11-20T03:00:29Z") && dead(&history, "2026-11-20T03:00:30Z"));
        history.failures_in_a_row = 4;
        assert!(!dead(&history, "2026-11-20T03:07:00Z") && dead(&history, "2026-11-20T03:08:00Z"));
    }

    #[test]
    fn three_failures_or_a_missed_cycle_are_seen() {
        let five = schedule("every 5m");
        let mut history = JobHistory {
            last_started_at: Some(at("2026-11-20T03:00:00Z")),
            last_done_at: Some(at("2026-11-20T03:00:10Z")),
            ..JobHistory::default()
        };
        assert_eq!(
            health(five, ZONE, &history, at("2026-11-20T03:19:00Z")),
            JobHealth::Well
        );
        let late = health(five, ZONE, &history, at("2026-11-20T03:21:00Z"));
        assert!(matches!(late, JobHealth::Missed { .. }));
        history.failures_in_a_row = 3;
        assert_eq!(
            health(five, ZONE, &history, at("2026-11-20T03:06:00Z")),
            JobHealth::Failing(3)
        );
        let daily = schedule("daily 06:10");
        history.failures_in_a_row = 0;
        assert_eq!(
            health(daily, ZONE, &history, at("2026-11-21T12:00:00Z")),
            JobHealth::Well
        );
        assert!(matches!(
            health(daily, ZONE, &history, at("2026-11-21T22:00:00Z")),
            JobHealth::Missed { .. }
        ));
        assert_eq!(
            health(Schedule::Off, ZONE, &history, at("2027-11-21T22:00:00Z")),
            JobHealth::Well
        );
    }
}
