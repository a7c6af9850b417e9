//! `GET /api/v1/jobs`, `POST /api/v1/jobs/{name}/runs`: scheduled work, how it went, and a wish for a run.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::findings::{AsSeen, job_findings};
use super::view::FindingView;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::job::{JobHealth, JobName, due_at, health};
use crate::domain::schedule::Schedule;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::store::jobs::{self, StoredRun};
use crate::store::{StoreResult, cost_explorer};

#[derive(Debug, Serialize, ToSchema)]
pub struct JobsView {
    pub data: Vec<JobView>,
    /// What Cost Explorer was asked today (UTC).
    pub cost_explorer: RequestsView,
    /// Jobs that are not well.
    pub findings: Vec<FindingView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct JobView {
    pub name: &'static str,
    /// As in the settings.
    pub schedule: String,
    /// `well`, `failing`, `missed` or `off`.
    pub health: &'static str,
    pub failures_in_a_row: u32,
    pub last_done_at: Option<DateTime<Utc>>,
    pub next_due_at: Option<DateTime<Utc>>,
    /// The newest first.
    pub runs: Vec<RunView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RunView {
    pub run_id: i64,
    /// `schedule`, `request` or `command`.
    pub trigger: String,
    pub replica: String,
    /// Who asked for it, where somebody did.
    pub requested_by: Option<String>,
    pub started_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    /// `running`, `done`, `failed` or `abandoned`.
    pub status: String,
    #[schema(value_type = Object)]
    pub counts: serde_json::Value,
    /// What AWS charges for its requests, in USD.
    pub cost_usd: String,
    pub error: Option<String>,
    pub retry_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RequestsView {
    pub requests_today: i64,
    pub max_requests_per_day: u32,
    /// 0.01 USD each.
    pub cost_usd: String,
}

impl From<StoredRun> for RunView {
    fn from(run: StoredRun) -> Self {
        Self {
            run_id: run.run_id,
            trigger: run.trigger,
            replica: run.replica,
            requested_by: run.requested_by,
            started_at: run.started_at,
            finished_at: run.finished_at,
            status: run.status,
            counts: run.counts,
            cost_usd: run.cost.normalize().to_string(),
            error: run.error,
            retry_at: run.retry_at,
        }
    }
}

/// Every job, or one, with its last runs.
pub async fn read(
    connection: &mut PgConnection,
    only: Option<JobName>,
    runs_per_job: i64,
    max_requests_per_day: u32,
    seen: &AsSeen,
) -> StoreResult<JobsView> {
    let histories = jobs::list_histories(connection).await?;
    let mut runs = jobs::list_runs(connection, only, runs_per_job).await?;
    let wanted = JobName::ALL
        .into_iter()
        .filter(|job| only.is_none_or(|only| only == *job));
    let data = wanted.map(|job| {
        let schedule = seen.schedule_of(job);
        let (history, _) = histories.get(&job).copied().unwrap_or_default();
        let (own, others) = std::mem::take(&mut runs)
            .into_iter()
            .partition(|run| run.job == job.as_str());
        runs = others;
        let own: Vec<StoredRun> = own;
        JobView {
            name: job.as_str(),
            schedule: schedule.to_string(),
            health: match health(schedule, seen.time_zone, &history, seen.now) {
                _ if schedule == Schedule::Off => "off",
                JobHealth::Well => "well",
                JobHealth::Failing(_) => "failing",
                JobHealth::Missed { .. } => "missed",
            },
            failures_in_a_row: history.failures_in_a_row,
            last_done_at: history.last_done_at,
            next_due_at: due_at(schedule, seen.time_zone, &history, seen.now),
            runs: own.into_iter().map(RunView::from).collect(),
        }
    });
    let data = data.collect();
    let requests_today = cost_explorer::count_requests(connection, seen.now.date_naive()).await?;
    let found = job_findings(connection, seen).await?;
    Ok(JobsView {
        data,
        cost_explorer: RequestsView {
            requests_today,
            max_requests_per_day,
            cost_usd: cost_explorer::price_of(requests_today).to_string(),
        },
        findings: found
            .into_iter()
            .map(|finding| FindingView::new(None, finding))
            .collect(),
    })
}

const RUNS_SHOWN: i64 = 5;

/// Scheduled jobs and their last runs.
#[utoipa::path(
    get,
    path = "/api/v1/jobs",
    tag = "operations",
    responses((status = 200, body = JobsView), (status = 401, body = Problem, content_type = "application/problem+json"))
)]
pub async fn list_jobs(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<JobsView>, ApiError> {
    authorize(&actor, Action::ReadOperations)?;
    let mut connection = state.database.pool.acquire().await?;
    let seen = AsSeen::of(&state.config, state.clock);
    let most = state.config.cost_explorer.max_requests_per_day;
    Ok(Json(read(&mut connection, None, RUNS_SHOWN, most, &seen).await?))
}

/// A wish that was noted.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunRequestedView {
    pub job: &'static str,
    pub requested_at: DateTime<Utc>,
}

/// Ask for a run; the next scheduler that sees it begins it within seconds.
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{name}/runs",
    tag = "operations",
    params(("name" = String, Path, description = "As in the list of jobs")),
    responses(
        (status = 202, body = RunRequestedView),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn request_run(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<RunRequestedView>), ApiError> {
    authorize(&actor, Action::LoadData)?;
    let job = JobName::parse(&name).ok_or_else(|| ApiError::NotFound(format!("there is no job '{name}'")))?;
    let requested_at = state.clock.now();
    let mut connection = state.database.pool.acquire().await?;
    jobs::request_run(&mut connection, job, &actor.name, requested_at).await?;
    let view = RunRequestedView {
        job: job.as_str(),
        requested_at,
    };
    Ok((StatusCode::ACCEPTED, Json(view)))
}
