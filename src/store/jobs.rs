//! Runs of jobs, what they found, and who may run one: one program at a time, by an advisory lock.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use sqlx::{Connection, PgConnection};

use super::{StoreError, StoreResult};
use crate::domain::finding::Finding;
use crate::domain::job::{JobHistory, JobName, RunStatus};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

/// Class of the advisory locks of jobs; any number that nothing else uses.
const JOB_LOCK: i32 = 0x616e_626a;

/// Tries to become the only program that runs a job.  The lock ends with the connection, however the program ends.
pub async fn try_lock_job(connection: &mut PgConnection, job: JobName) -> StoreResult<bool> {
    Ok(sqlx::query_scalar("select pg_try_advisory_lock($1, hashtext($2))")
        .bind(JOB_LOCK)
        .bind(job.as_str())
        .fetch_one(connection)
        .await?)
}

/// Why a run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    Schedule,
    /// Asked for at the API.
    Request,
    Command,
}

impl Trigger {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Request => "request",
            Self::Command => "command",
        }
    }
}

/// Begins a run; the caller holds the job's lock, so that runs without an end are those of programs that ended.
pub async fn begin_run(
    connection: &mut PgConnection,
    job: JobName,
    trigger: Trigger,
    replica: &str,
    now: DateTime<Utc>,
) -> StoreResult<i64> {
    let mut transaction = connection.begin().await?;
    sqlx::query_file!("queries/jobs/abandon_runs.sql", job.as_str(), now)
        .execute(&mut *transaction)
        .await?;
    let requested_by = sqlx::query_file_scalar!("queries/jobs/delete_request.sql", job.as_str())
        .fetch_optional(&mut *transaction)
        .await?;
    let run_id = sqlx::query_file_scalar!(
        "queries/jobs/insert_run.sql",
        job.as_str(),
        trigger.as_str(),
        replica,
        now,
        requested_by
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(run_id)
}

/// How a run ended.
#[derive(Debug)]
pub struct RunEnd<'a> {
    pub status: RunStatus,
    pub at: DateTime<Utc>,
    pub counts: &'a BTreeMap<&'static str, i64>,
    /// In USD.
    pub cost: Decimal,
    pub error: Option<&'a str>,
    pub retry_at: Option<DateTime<Utc>>,
}

pub async fn finish_run(connection: &mut PgConnection, run_id: i64, end: &RunEnd<'_>) -> StoreResult<()> {
    let counts = serde_json::json!(end.counts);
    sqlx::query_file!(
        "queries/jobs/finish_run.sql",
        run_id,
        end.status.as_str(),
        end.at,
        counts,
        end.cost,
        end.error,
        end.retry_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn delete_old_runs(connection: &mut PgConnection, job: JobName, before: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query_file!("queries/jobs/delete_old_runs.sql", job.as_str(), before)
        .execute(connection)
        .await?;
    Ok(())
}

/// What is known of every job that ever ran, and whether its last run has no end yet.
pub async fn list_histories(connection: &mut PgConnection) -> StoreResult<BTreeMap<JobName, (JobHistory, bool)>> {
    let rows = sqlx::query_file!("queries/jobs/list_histories.sql")
        .fetch_all(connection)
        .await?;
    let histories = rows.into_iter().filter_map(|row| {
        let status = RunStatus::parse(&row.status)?;
        let history = JobHistory {
            first_started_at: Some(row.first_started_at),
            last_started_at: Some(row.started_at),
            last_done_at: row.last_done_at,
            failures_in_a_row: u32::try_from(row.failures_in_a_row).unwrap_or(u32::MAX),
            retry_at: row.retry_at.filter(|_| status != RunStatus::Done),
        };
        Some((JobName::parse(&row.job)?, (history, status == RunStatus::Running)))
    });
    Ok(histories.collect())
}

/// A run as it is stored.
#[derive(Debug, Clone)]
pub struct StoredRun {
    pub run_id: i64,
    pub job: String,
    pub trigger: String,
    pub replica: String,
    pub requested_by: Option<String>,
    pub started_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    pub status: String,
    pub counts: serde_json::Value,
    pub cost: Decimal,
    pub error: Option<String>,
    pub retry_at: Option<DateTime<Utc>>,
}

/// The last runs of one job, or of every one, the newest first.
pub async fn list_runs(
    connection: &mut PgConnection,
    job: Option<JobName>,
    runs_per_job: i64,
) -> StoreResult<Vec<StoredRun>> {
    let query = sqlx::query_file_as!(
        StoredRun,
        "queries/jobs/list_runs.sql",
        job.map(JobName::as_str),
        runs_per_job
    );
    Ok(query.fetch_all(connection).await?)
}

/// Something a job found, of a month or of everything that is still open.
#[derive(Debug, Clone, PartialEq)]
pub struct JobFinding {
    pub period: Option<BillingPeriod>,
    /// The export or service that it is about.
    pub source: String,
    pub finding: Finding,
}

/// Puts what a job found in the place of what it found before: of the sources that it examined, or of all.
pub async fn replace_findings(
    connection: &mut PgConnection,
    job: JobName,
    examined: Option<&[String]>,
    found: &[JobFinding],
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let mut transaction = connection.begin().await?;
    let text = |of: fn(&JobFinding) -> String| -> Vec<String> { found.iter().map(of).collect() };
    let codes = text(|f| f.finding.code.to_owned());
    let subjects = text(|f| f.finding.subject.clone());
    sqlx::query_file!(
        "queries/jobs/delete_findings.sql",
        job.as_str(),
        examined,
        &codes,
        &subjects
    )
    .execute(&mut *transaction)
    .await?;
    let decimal = |amount: Amount| amount.to_decimal().ok_or(StoreError::TooLarge);
    let periods: Vec<Option<NaiveDate>> = found.iter().map(|f| f.period.map(BillingPeriod::first_day)).collect();
    let amounts: Vec<Option<Decimal>> = found
        .iter()
        .map(|f| f.finding.amount.map(decimal).transpose())
        .collect::<StoreResult<_>>()?;
    let currencies: Vec<Option<String>> = found.iter().map(|f| f.finding.currency.clone()).collect();
    let lines: Vec<Option<i64>> = found.iter().map(|f| f.finding.lines).collect();
    sqlx::query_file!(
        "queries/jobs/insert_findings.sql",
        job.as_str(),
        &periods as _,
        &text(|f| f.source.clone()),
        &codes,
        &text(|f| f.finding.severity.as_str().to_owned()),
        &subjects,
        &text(|f| f.finding.message.clone()),
        &text(|f| f.finding.action.clone()),
        &amounts as _,
        &currencies as _,
        &lines as _,
        now,
    )
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}

/// Asks the schedulers for a run.
pub async fn request_run(
    connection: &mut PgConnection,
    job: JobName,
    requested_by: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query_file!("queries/jobs/upsert_request.sql", job.as_str(), now, requested_by)
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn list_requests(connection: &mut PgConnection) -> StoreResult<Vec<JobName>> {
    let jobs = sqlx::query_file_scalar!("queries/jobs/list_requests.sql")
        .fetch_all(connection)
        .await?;
    Ok(jobs.iter().filter_map(|job| JobName::parse(job)).collect())
}
