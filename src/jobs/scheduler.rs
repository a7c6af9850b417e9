//! Starts jobs when they are due, until it is asked to stop.
//!
//! Any number of schedulers may work on one database: what is due is read from the runs that are written down, and a job's
//! lock lets one of them run it.  A run that was missed is caught up once; one whose program was killed is begun again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::JobContext;
use super::runner::{lock, run_locked};
use crate::domain::job::{JobHistory, JobName, due_at, looks_dead};
use crate::domain::schedule::Schedule;
use crate::store::StoreResult;
use crate::store::jobs::{self, Trigger};

/// Between two looks at what is due.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Time for running jobs to end by themselves after a stop was asked for; what they have not committed is as if it had
/// never begun.
const STOP_WITHIN: Duration = Duration::from_secs(6);

/// Runs until `stop` says true.
pub async fn run_schedule(with: Arc<JobContext>, mut stop: watch::Receiver<bool>) {
    let mut scheduler = Scheduler {
        with,
        running: JoinSet::new(),
        names: Arc::default(),
    };
    let pause = scheduler.pause();
    while !*stop.borrow() {
        if let Err(error) = scheduler.look().await {
            tracing::warn!(error = %error, "what is due cannot be read; looking again soon");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => {}
        }
    }
    scheduler.stop().await;
}

struct Scheduler {
    with: Arc<JobContext>,
    running: JoinSet<()>,
    names: Arc<Mutex<BTreeSet<JobName>>>,
}

/// A job that runs in this program; it leaves the names however its run ends.
struct Running {
    job: JobName,
    names: Arc<Mutex<BTreeSet<JobName>>>,
}

impl Running {
    fn new(job: JobName, names: &Arc<Mutex<BTreeSet<JobName>>>) -> Self {
        names.lock().unwrap_or_else(PoisonError::into_inner).insert(job);
        let names = Arc::clone(names);
        Self { job, names }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.job);
    }
}

/// What to do about a job at one look.
struct Due {
    job: JobName,
    trigger: Trigger,
}

impl Scheduler {
    /// Short schedules are looked at more often.
    fn pause(&self) -> Duration {
        let shortest = self
            .with
            .schedules
            .values()
            .filter(|s| **s != Schedule::Off)
            .map(|s| s.cycle())
            .min();
        let half = shortest.and_then(|cycle| (cycle / 2).to_std().ok());
        half.unwrap_or(LOOK_EVERY).clamp(Duration::from_millis(500), LOOK_EVERY)
    }

    async fn look(&mut self) -> StoreResult<()> {
        while self.running.try_join_next().is_some() {}
        for due in self.due().await? {
            // Under the lock the runs are read again: another program may just have ended one.
            let Some(mut connection) = lock(due.job, &self.with).await? else {
                continue;
            };
            let still_due = due_now(&mut connection, &self.with)
                .await?
                .into_iter()
                .any(|d| d.job == due.job);
            if !still_due {
                continue;
            }
            let with = Arc::clone(&self.with);
            let running = Running::new(due.job, &self.names);
            self.running.spawn(async move {
                let _running = running;
                if let Err(error) = run_locked(due.job, &with, due.trigger, &mut connection).await {
                    tracing::error!(job.name = %due.job, error = format!("{error:#}"), "the run could not be written down");
                }
            });
        }
        Ok(())
    }

    async fn due(&self) -> StoreResult<Vec<Due>> {
        let mut connection = self.with.database.pool.acquire().await?;
        let due = due_now(&mut connection, &self.with).await?;
        let here = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(due.into_iter().filter(|due| !here.contains(&due.job)).collect())
    }

    async fn stop(mut self) {
        let all_ended = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WITHIN, all_ended).await.is_err() {
            // Their transactions end with their connections; the next scheduler begins them again.
            tracing::warn!(
                "jobs are abandoned: they did not end within {} s",
                STOP_WITHIN.as_secs()
            );
            self.running.abort_all();
        }
    }
}

async fn due_now(connection: &mut sqlx::PgConnection, with: &JobContext) -> StoreResult<Vec<Due>> {
    let histories = jobs::list_histories(connection).await?;
    let requested = jobs::list_requests(connection).await?;
    let now = with.clock.now();
    let due = with.schedules.iter().filter_map(|(job, schedule)| {
        let history = histories.get(job).copied().unwrap_or_default();
        let trigger = if requested.contains(job) {
            Trigger::Request
        } else if is_due(*schedule, with, &history, now) {
            Trigger::Schedule
        } else {
            return None;
        };
        Some(Due { job: *job, trigger })
    });
    Ok(due.collect())
}

fn is_due(
    schedule: Schedule,
    with: &JobContext,
    (history, is_running): &(JobHistory, bool),
    now: DateTime<Utc>,
) -> bool {
    if *is_running {
        return looks_dead(schedule, history, now);
    }
    due_at(schedule, with.time_zone, history, now).is_some_and(|due| due <= now)
}
