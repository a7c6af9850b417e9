//! What a reader of figures must know, gathered for every answer alike: of the delivery, of its age, of the jobs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sqlx::PgConnection;

use super::view::FindingView;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::finding::{Finding, Severity};
use crate::domain::freshness;
use crate::domain::job::{JobHealth, JobName, health};
use crate::domain::period::BillingPeriod;
use crate::domain::rate::YenRates;
use crate::domain::schedule::Schedule;
use crate::store::{StoreResult, jobs, status};

/// The moment of reading, and what was to be expected by then.
#[derive(Debug, Clone)]
pub struct AsSeen {
    pub now: DateTime<Utc>,
    pub schedules: BTreeMap<JobName, Schedule>,
    pub time_zone: Tz,
    /// How dollars become yen where no invoice says it.
    pub yen: YenRates,
}

impl AsSeen {
    pub fn of(config: &Config, clock: Clock) -> Self {
        Self {
            now: clock.now(),
            schedules: JobName::ALL
                .into_iter()
                .map(|job| (job, config.schedule_of(job)))
                .collect(),
            time_zone: config.calendar.time_zone,
            yen: config.currency.yen(),
        }
    }
}

impl AsSeen {
    pub fn schedule_of(&self, job: JobName) -> Schedule {
        self.schedules.get(&job).copied().unwrap_or(Schedule::Off)
    }
}

/// What a reader of the months from `from` up to but not including `to` must know, the gravest first.
pub async fn period_findings(
    connection: &mut PgConnection,
    from: BillingPeriod,
    to: BillingPeriod,
    seen: &AsSeen,
) -> StoreResult<Vec<FindingView>> {
    // What ails a job touches the months that its work still changes; where it keeps the next month from being there at all,
    // the newest that is there must say so.
    let newest = status::find_newest_period(connection).await?;
    let is_open = to.previous().is_settling(seen.now.date_naive()) || newest.is_some_and(|newest| newest < to);
    let mut findings: Vec<FindingView> = status::list_findings(connection, from, to, is_open)
        .await?
        .into_iter()
        .map(FindingView::from)
        .collect();
    for (period, latest) in status::list_latest(connection, from, to).await? {
        let found = freshness::findings(&latest, seen.now);
        findings.extend(found.into_iter().map(|finding| FindingView::new(Some(period), finding)));
    }
    if is_open {
        let found = job_findings(connection, seen).await?;
        findings.extend(found.into_iter().map(|finding| FindingView::new(None, finding)));
    }
    let rank = |severity: &str| ["error", "warning", "info"].iter().position(|s| *s == severity);
    // Stable, so that the order by amount within a severity stays.
    findings.sort_by_key(|finding| rank(finding.severity));
    Ok(findings)
}

/// Jobs that are not well.
pub async fn job_findings(connection: &mut PgConnection, seen: &AsSeen) -> StoreResult<Vec<Finding>> {
    let histories = jobs::list_histories(connection).await?;
    let found = JobName::ALL.into_iter().filter_map(|job| {
        let (history, _) = histories.get(&job)?;
        match health(seen.schedule_of(job), seen.time_zone, history, seen.now) {
            JobHealth::Well => None,
            JobHealth::Failing(times) => Some(Finding::new(
                "job_failing",
                Severity::Error,
                job.as_str(),
                format!("the job failed {times} times in a row, so figures may be older than they look"),
                format!("see why with 'anbun job list {job}'"),
            )),
            JobHealth::Missed { due_since } => Some(Finding::new(
                "job_missed",
                Severity::Error,
                job.as_str(),
                format!(
                    "the job was due at {} and has not been done since",
                    due_since.format("%Y-%m-%d %H:%M UTC")
                ),
                format!("check that 'anbun serve' runs, then see 'anbun job list {job}'"),
            )),
        }
    });
    Ok(found.collect())
}
