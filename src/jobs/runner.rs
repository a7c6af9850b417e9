//! One run of a job: alone under its lock, written down from beginning to end.
//!
//! The connection that holds the lock also writes the run's rows: a run that lost its lock cannot call itself done.

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;
use sqlx::PgConnection;
use tokio::task::JoinSet;

use super::{JobContext, RunReport, perform};
use crate::domain::job::{JobName, RunStatus, pause_after};
use crate::domain::schedule::Schedule;
use crate::sources::aws::AwsFailure;
use crate::sources::cur::SourceError;
use crate::store::jobs::{self, RunEnd, Trigger};
use crate::store::{StoreError, StoreResult};

/// Runs stay at least so long.
const RUNS_KEPT_FOR: TimeDelta = TimeDelta::days(30);

/// What became of a wish to run.
#[derive(Debug)]
pub enum RunOutcome {
    Done(RunReport),
    /// Some or all of the work failed; the report says what was done and found all the same.
    Failed(RunReport),
    /// Another program runs the job at this moment.
    RunsElsewhere,
}

/// Runs a job now, unless another program does.
pub async fn run_job(job: JobName, with: &JobContext, trigger: Trigger) -> anyhow::Result<RunOutcome> {
    match lock(job, with).await? {
        None => Ok(RunOutcome::RunsElsewhere),
        Some(mut connection) => run_locked(job, with, trigger, &mut connection).await,
    }
}

/// A connection of its own that holds the job's lock; `None` where another program has it.
pub(super) async fn lock(job: JobName, with: &JobContext) -> StoreResult<Option<PgConnection>> {
    let connection = with.database.pool.acquire().await.map_err(StoreError::from)?;
    let mut connection = connection.detach();
    Ok(jobs::try_lock_job(&mut connection, job).await?.then_some(connection))
}

pub(super) async fn run_locked(
    job: JobName,
    with: &JobContext,
    trigger: Trigger,
    connection: &mut PgConnection,
) -> anyhow::Result<RunOutcome> {
    let started = with.clock.now();
    let run_id = jobs::begin_run(connection, job, trigger, &with.replica, started).await?;
    let report = perform_alone(job, with).await;
    let ended = with.clock.now();
    let examined: Vec<String> = report.examined.iter().cloned().collect();
    // What a failed run did not look at is as it was.
    let examined = (!report.failures.is_empty()).then_some(examined.as_slice());
    jobs::replace_findings(connection, job, examined, &report.findings, ended).await?;
    let error = told(&report);
    let failed_before = jobs::list_histories(connection)
        .await?
        .get(&job)
        .map_or(0, |(h, _)| h.failures_in_a_row);
    let end = RunEnd {
        status: if report.failures.is_empty() {
            RunStatus::Done
        } else {
            RunStatus::Failed
        },
        at: ended,
        counts: &report.counts,
        cost: report.cost,
        error: error.as_deref(),
        retry_at: retry_at(job, with, &report, failed_before, ended),
    };
    jobs::finish_run(connection, run_id, &end).await?;
    jobs::delete_old_runs(connection, job, ended - RUNS_KEPT_FOR).await?;
    let milliseconds = (ended - started).num_milliseconds();
    let counts = serde_json::json!(report.counts).to_string();
    match &error {
        // Whoever runs a command reads the message there.
        _ if trigger == Trigger::Command => {}
        None => tracing::info!(job.name = %job, run.id = run_id, milliseconds, counts, "job done"),
        Some(error) => {
            tracing::error!(job.name = %job, run.id = run_id, milliseconds, counts, error, "job not well done");
        }
    }
    Ok(match end.status {
        RunStatus::Done => RunOutcome::Done(report),
        _ => RunOutcome::Failed(report),
    })
}

/// The work in a task of its own: a fault of ours in it is a failed run, and it ends when nobody waits for it any more.
async fn perform_alone(job: JobName, with: &JobContext) -> RunReport {
    let with = with.clone();
    let mut alone = JoinSet::new();
    alone.spawn(async move {
        let mut report = RunReport::default();
        if let Err(error) = perform(job, &with, &mut report).await {
            report.failures.push(error);
        }
        report
    });
    match alone.join_next().await {
        Some(Ok(report)) => report,
        Some(Err(error)) => {
            RunReport::failed(anyhow::Error::new(error).context("a fault of anbun itself; please report it"))
        }
        None => RunReport::failed(anyhow::anyhow!("the work ended before it began")),
    }
}

fn told(report: &RunReport) -> Option<String> {
    let troubles = report.failures.iter().chain(&report.refused);
    let told: Vec<String> = troubles.map(|trouble| format!("{trouble:#}")).collect();
    (!told.is_empty()).then(|| told.join("\n"))
}

/// When a failed run is tried again: soon, or at its own time where only a person can mend it.
fn retry_at(
    job: JobName,
    with: &JobContext,
    report: &RunReport,
    failed_before: u32,
    ended: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    if report.failures.is_empty() {
        return None;
    }
    let needs_a_person =
        |failure: &anyhow::Error| aws_failure(failure).is_some_and(|failure| failure.kind.needs_a_person());
    if report.failures.iter().all(needs_a_person) {
        let schedule = with.schedules.get(&job).copied().unwrap_or(Schedule::Off);
        return schedule.next_after(ended, with.time_zone);
    }
    let jitter_percent = rand::rng().random_range(0..=100);
    Some(ended + pause_after(failed_before + 1, jitter_percent, asked_to_wait(&report.failures)))
}

/// The longest wait that AWS asked for.
fn asked_to_wait(failures: &[anyhow::Error]) -> Option<TimeDelta> {
    let waits = failures.iter().filter_map(|failure| aws_failure(failure)?.retry_after);
    waits.max().and_then(|wait| TimeDelta::from_std(wait).ok())
}

fn aws_failure(error: &anyhow::Error) -> Option<&AwsFailure> {
    error
        .chain()
        .find_map(|cause| match cause.downcast_ref::<SourceError>() {
            Some(SourceError::Aws(failure)) => Some(failure),
            _ => cause.downcast_ref::<AwsFailure>(),
        })
}
