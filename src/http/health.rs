//! Whether the process lives, and whether it can answer.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;

use metrics::gauge;

use super::AppState;
use crate::domain::job::{JobHealth, JobHistory, JobName, health};
use crate::store::{StoreResult, cost_explorer, jobs, status};

/// The process lives.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The database answers and has this version's schema; then a line for each job that is not well.
pub async fn readyz(State(state): State<AppState>) -> impl IntoResponse {
    let ready = async {
        state.database.check_schema().await?;
        list_job_states(&state).await
    };
    match ready.await {
        Ok(jobs) => {
            let unwell = jobs.iter().filter(|job| job.health != JobHealth::Well);
            let lines: String = unwell
                .map(|job| format!("job {}: {}\n", job.name, in_words(job.health)))
                .collect();
            (StatusCode::OK, format!("ready\n{lines}"))
        }
        Err(error) => {
            tracing::warn!(error = %error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned())
        }
    }
}

fn in_words(health: JobHealth) -> String {
    match health {
        JobHealth::Well => "well".to_owned(),
        JobHealth::Failing(times) => format!("failed {times} times in a row"),
        JobHealth::Missed { due_since } => format!("due since {}", due_since.format("%Y-%m-%dT%H:%M:%SZ")),
    }
}

struct JobState {
    name: JobName,
    history: JobHistory,
    health: JobHealth,
}

async fn list_job_states(state: &AppState) -> StoreResult<Vec<JobState>> {
    let mut connection = state.database.pool.acquire().await?;
    let histories = jobs::list_histories(&mut connection).await?;
    let (now, zone) = (state.clock.now(), state.config.calendar.time_zone);
    let states = histories.into_iter().map(|(name, (history, _))| JobState {
        name,
        history,
        health: health(state.config.schedule_of(name), zone, &history, now),
    });
    Ok(states.collect())
}

/// Prometheus text; what the database knows is read at the moment of asking.
pub async fn metrics(State(state): State<AppState>) -> String {
    if let Err(error) = measure_stored(&state).await {
        tracing::warn!(error = %error, "stored metrics cannot be read");
    }
    state.metrics.render()
}

async fn measure_stored(state: &AppState) -> StoreResult<()> {
    for job in list_job_states(state).await? {
        let labels = [("job", job.name.as_str())];
        gauge!("anbun_job_well", &labels).set(if job.health == JobHealth::Well { 1.0 } else { 0.0 });
        gauge!("anbun_job_failures_in_a_row", &labels).set(f64::from(job.history.failures_in_a_row));
        if let Some(done) = job.history.last_done_at {
            gauge!("anbun_job_last_done_timestamp_seconds", &labels).set(seconds(done.timestamp()));
        }
    }
    let mut connection = state.database.pool.acquire().await?;
    let now = state.clock.now();
    for delivery in status::list_deliveries(&mut connection)
        .await?
        .into_iter()
        .take(DELIVERIES_MEASURED)
    {
        let labels = [("source", delivery.source), ("period", delivery.period.to_string())];
        gauge!("anbun_delivery_age_seconds", &labels).set(seconds((now - delivery.delivered_at).num_seconds()));
    }
    let asked = cost_explorer::count_requests(&mut connection, now.date_naive()).await?;
    gauge!("anbun_cost_explorer_requests_today").set(seconds(asked));
    Ok(())
}

/// The newest deliveries; older ones do not change any more.
const DELIVERIES_MEASURED: usize = 24;

#[expect(
    clippy::cast_precision_loss,
    reason = "a metric, and far below the precision of a double"
)]
fn seconds(whole: i64) -> f64 {
    whole as f64
}
