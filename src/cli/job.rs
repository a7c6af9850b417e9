//! `anbun job`

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clap::Subcommand;

use super::locations::{account_access, cost_explorer_settings, export_account, export_location};
use super::output::{self, Table};
use super::{CommandContext, NeedsDecision};
use crate::api::budget_status::calendar;
use crate::api::jobs::{self as view, JobsView};
use crate::config::Config;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::job::JobName;
use crate::jobs::alerting::{AlertSettings, ChannelSettings, SlackWay};
use crate::jobs::runner::{RunOutcome, run_job};
use crate::jobs::send_alerts::{ANSWERS_WITHIN, MailWay, Ways};
use crate::jobs::{JobContext, NamedExport};
use crate::messages::slack_client::SlackBot;
use crate::store::database::Database;
use crate::store::jobs::Trigger;

#[derive(Debug, Subcommand)]
pub(super) enum JobCommand {
    /// Every job with its last runs, or one with more of them
    List { name: Option<String> },
    /// Run a job now, whatever its schedule says
    Run { name: String },
}

const RUNS_SHOWN: i64 = 1;
const RUNS_SHOWN_OF_ONE: i64 = 20;

pub(super) async fn run(context: &CommandContext, command: JobCommand) -> anyhow::Result<()> {
    match command {
        JobCommand::List { name } => list(context, name.as_deref().map(parse).transpose()?).await,
        JobCommand::Run { name } => run_now(context, parse(&name)?, |_| ()).await,
    }
}

fn parse(name: &str) -> anyhow::Result<JobName> {
    JobName::parse(name).ok_or_else(|| {
        let known: Vec<&str> = JobName::ALL.iter().map(|job| job.as_str()).collect();
        anyhow::anyhow!("there is no job '{name}'; there are {}", known.join(", "))
    })
}

/// What jobs of this installation work with.
pub(super) fn job_context(context: &CommandContext, database: Database, actor: Actor) -> anyhow::Result<JobContext> {
    let config = &context.config;
    Ok(JobContext {
        database,
        clock: context.clock,
        actor,
        attribution: config.attribution.settings()?,
        exports: named_exports(config),
        account: account_access(config),
        alerts: alert_settings(config)?,
        cost_explorer: config.cost_explorer.enabled.then(|| cost_explorer_settings(config)),
        schedules: JobName::ALL
            .into_iter()
            .map(|job| (job, config.schedule_of(job)))
            .collect(),
        time_zone: config.calendar.time_zone,
        replica: replica(),
    })
}

/// How alerts are made and where they go.
pub(super) fn alert_settings(config: &Config) -> anyhow::Result<AlertSettings> {
    let slack = &config.slack;
    let channels = slack.channels.iter().map(|channel| {
        let of = ChannelSettings {
            language: channel.language.unwrap_or(slack.language),
            names: channel.names,
        };
        (channel.name.clone(), of)
    });
    Ok(AlertSettings {
        fiscal_year_start_month: config.calendar.fiscal_year_start_month,
        yen: config.currency.yen(),
        calendar: calendar(config)?,
        unusual_least: config.alerts.unusual_least()?,
        slack: match (&slack.token, &slack.webhook_url) {
            (Some(_), _) => SlackWay::Bot,
            (None, Some(_)) => SlackWay::Webhook,
            (None, None) => SlackWay::None,
        },
        default_channel: slack.default_channel.clone().unwrap_or_default(),
        language: slack.language,
        channels: channels.collect(),
        public_url: config.server.public_url.clone(),
        has_buttons: slack.signing_secret.is_some() && slack.token.is_some(),
        has_webhook: config.alerts.webhook_url.is_some(),
        has_mail: config.alerts.mail && config.mail.url.is_some() && config.mail.from.is_some(),
    })
}

/// The ways out that the settings name.
pub(super) fn ways(config: &Config) -> anyhow::Result<Ways> {
    // No address of ours or theirs is followed anywhere else.
    let http = reqwest::Client::builder()
        .timeout(ANSWERS_WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let (slack, alerts, mail) = (&config.slack, &config.alerts, &config.mail);
    Ok(Ways {
        slack: slack
            .token
            .as_ref()
            .map(|token| SlackBot::new(http.clone(), &slack.api, token)),
        slack_webhook: slack.webhook_url.clone(),
        webhook: alerts.webhook_url.clone().zip(alerts.webhook_secret.clone()),
        mail: mail
            .url
            .clone()
            .zip(mail.from.clone())
            .map(|(url, from)| MailWay { url, from }),
        http,
    })
}

/// The exports of the settings.
pub(super) fn named_exports(config: &Config) -> Vec<NamedExport> {
    let exports = config.exports.iter().map(|export| NamedExport {
        name: export.name.clone(),
        location: export_location(config, export),
        account: export.is_delivered_by_aws().then(|| export_account(config, export)),
    });
    exports.collect()
}

/// This program among others: the machine's name where it has one, and the process.
fn replica() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    format!(
        "{}:{}",
        if host.trim().is_empty() { "local" } else { host.trim() },
        std::process::id()
    )
}

async fn list(context: &CommandContext, only: Option<JobName>) -> anyhow::Result<()> {
    authorize(&context.actor, Action::ReadOperations)?;
    let database = context.database().await?;
    let runs = if only.is_some() { RUNS_SHOWN_OF_ONE } else { RUNS_SHOWN };
    let most = context.config.cost_explorer.max_requests_per_day;
    let mut connection = database.pool.acquire().await?;
    let view = view::read(&mut connection, only, runs, most, &context.as_seen()).await?;
    output::print(context.format(), &view, &table_of(&view))?;
    let asked = &view.cost_explorer;
    if asked.requests_today > 0 {
        eprintln!(
            "Cost Explorer: {} of {} requests today, {} USD",
            asked.requests_today, asked.max_requests_per_day, asked.cost_usd
        );
    }
    output::print_findings(&view.findings);
    match view.findings.len() {
        0 => Ok(()),
        count => Err(NeedsDecision(format!("{count} jobs are not well")).into()),
    }
}

fn table_of(view: &JobsView) -> Table {
    let mut table = Table::new(&[
        "job", "schedule", "health", "run", "began", "seconds", "status", "counts", "error",
    ]);
    let time = |at: &DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    for job in &view.data {
        let head = [job.name.to_owned(), job.schedule.clone(), job.health.to_owned()];
        if job.runs.is_empty() {
            let none = std::iter::repeat_n(String::new(), 6);
            table.push(head.iter().cloned().chain(none).collect());
        }
        for run in &job.runs {
            let counts: BTreeMap<String, i64> = serde_json::from_value(run.counts.clone()).unwrap_or_default();
            let counts: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
            let seconds = run
                .finished_at
                .map(|end| (end - run.started_at).num_seconds().to_string());
            let cells = [
                run.run_id.to_string(),
                time(&run.started_at),
                seconds.unwrap_or_default(),
                run.status.clone(),
                counts.join(", "),
                run.error.clone().unwrap_or_default(),
            ];
            table.push(head.iter().cloned().chain(cells).collect());
        }
    }
    table
}

/// Runs a job with this installation's settings, changed as the command asks.
pub(super) async fn run_now(
    context: &CommandContext,
    job: JobName,
    change: impl FnOnce(&mut JobContext),
) -> anyhow::Result<()> {
    authorize(&context.actor, Action::LoadData)?;
    let database = context.database().await?;
    let mut with = job_context(context, database, context.actor.clone())?;
    change(&mut with);
    let (report, failed) = match run_job(job, &with, Trigger::Command).await? {
        RunOutcome::RunsElsewhere => anyhow::bail!("{job} is running already; see 'anbun job list {job}'"),
        RunOutcome::Done(report) => (report, false),
        RunOutcome::Failed(report) => (report, true),
    };
    let mut table = Table::new(&["what", "count"]);
    for (what, count) in &report.counts {
        table.push(vec![(*what).to_owned(), count.to_string()]);
    }
    output::print(context.format(), &report.counts, &table)?;
    let findings: Vec<_> = report
        .findings
        .into_iter()
        .map(|found| crate::api::view::FindingView::new(found.period, found.finding))
        .collect();
    output::print_findings(&findings);
    if failed {
        let told: Vec<String> = report.failures.iter().map(|failure| format!("{failure:#}")).collect();
        anyhow::bail!("{}", told.join("\n"));
    }
    Ok(())
}
