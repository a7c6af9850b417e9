//! `anbun serve`

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::sync::watch;

use super::CommandContext;
use super::job::{job_context, ways};
use crate::domain::actor::{Actor, Role};
use crate::http::{AppState, server};
use crate::jobs::scheduler::run_schedule;
use crate::jobs::send_alerts::run_sender;
use crate::store::database::Database;
use crate::store::serve_lock::ServeLock;
use crate::{api, web};

#[derive(Debug, clap::Args)]
pub(super) struct ServeArguments {
    /// Where to listen; the settings' address by default
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

pub(super) async fn run(context: &CommandContext, arguments: ServeArguments) -> anyhow::Result<()> {
    let _only_one = lock(context)?;
    let database = context.connect().await?;
    database.migrate().await?;
    let address = arguments.listen.unwrap_or(context.config.server.listen);
    serve(context, database, address).await
}

/// One server a data folder; a database of its own guards itself.
pub(super) fn lock(context: &CommandContext) -> anyhow::Result<Option<ServeLock>> {
    match context.config.database.url {
        Some(_) => Ok(None),
        None => Ok(Some(ServeLock::take(&context.data_folder())?)),
    }
}

/// Serves pages and API on a migrated database, and runs the jobs, until asked to stop.
pub(super) async fn serve(context: &CommandContext, database: Database, address: SocketAddr) -> anyhow::Result<()> {
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .context("metrics cannot be recorded")?;
    let scheduler = Actor {
        name: "scheduler".to_owned(),
        role: Role::Operator,
    };
    let jobs = Arc::new(job_context(context, database.clone(), scheduler)?);
    let state = AppState {
        database,
        attribution: Arc::new(context.config.attribution.settings()?),
        config: Arc::clone(&context.config),
        clock: context.clock,
        is_loopback_only: address.ip().is_loopback(),
        metrics,
    };
    server::check_exposure(&state, address).await?;
    let router = server::application(api::router().merge(web::router()), api::slack::router(), state);
    let (ask_to_stop, stop) = watch::channel(false);
    let sender = run_sender(
        jobs.database.clone(),
        ways(&context.config)?,
        context.clock,
        stop.clone(),
    );
    let sender = tokio::spawn(sender);
    let scheduler = tokio::spawn(run_schedule(jobs, stop));
    let asked = ask_to_stop.clone();
    let served = server::serve(router, address, move || {
        asked.send_replace(true);
    });
    let served = served.await;
    // Also where the server could not even begin.
    ask_to_stop.send_replace(true);
    scheduler.await.context("the scheduler ended early")?;
    sender.await.context("the sender of alerts ended early")?;
    served
}
