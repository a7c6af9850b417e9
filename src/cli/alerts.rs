//! `anbun alerts`: what budgets said, why, and what to do about it.

use std::sync::Arc;

use anyhow::Context as _;
use chrono::TimeDelta;
use clap::Subcommand;

use super::job::{job_context, ways};
use super::output::{self, Table};
use super::{CommandContext, NeedsDecision};
use crate::api::alerts::{AlertView, AlertsQuery, read_alerts, why};
use crate::api::budget_status::budget_question;
use crate::domain::actor::{Action, authorize};
use crate::domain::alert::Silence;
use crate::domain::job::JobName;
use crate::domain::period::BillingPeriod;
use crate::domain::text::grouped;
use crate::jobs::answer_alerts::{Answering, acknowledge_alert, resend_alert, snooze_alert};
use crate::jobs::runner::{RunOutcome, run_job};
use crate::jobs::send_alerts::{send_due, try_channel};
use crate::store::directory::get_directory;
use crate::store::jobs::Trigger;
use crate::store::outbox::find_next;
use crate::store::slack::keep_slack_person;

#[derive(Debug, Subcommand)]
pub(super) enum AlertsCommand {
    /// What was said, the newest first
    List {
        /// Only of this budget
        #[arg(long)]
        budget: Option<String>,
        /// spent, forecast, anomaly or first_seen
        #[arg(long)]
        kind: Option<String>,
        /// Only those that nobody acknowledged
        #[arg(long)]
        open: bool,
        #[arg(long, default_value_t = 50)]
        limit: i64,
    },
    /// Why each threshold of a budget spoke or did not
    Why {
        budget: String,
        /// YYYY-MM; the current month in UTC by default
        period: Option<BillingPeriod>,
    },
    /// Say that an alert is seen to
    Ack { id: i64 },
    /// Keep what an alert is about silent for a while
    Snooze {
        id: i64,
        /// day, week, or window: until the end of the budget's window
        #[arg(long = "for", default_value = "day", value_parser = ["day", "week", "window"])]
        silence: String,
    },
    /// Send an alert's messages again that were given up
    Resend { id: i64 },
    /// Look at every budget now and send what is due; 'anbun serve' does both by itself
    Send,
    /// Say who somebody is in Slack
    Person {
        /// Slack's id, such as U0123ABCD
        slack_user: String,
        /// Person id of the directory
        person: String,
    },
    /// Check token, scopes and channel, and send a sample
    Test {
        /// A channel by its id, such as C0123ABCD; the settings' default one
        channel: Option<String>,
    },
}

pub(super) async fn run(context: &CommandContext, command: AlertsCommand) -> anyhow::Result<()> {
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let sees_people = authorize(&context.actor, Action::ReadPeople).is_ok();
    let now = context.clock.now();
    match command {
        AlertsCommand::List {
            budget,
            kind,
            open,
            limit,
        } => {
            authorize(&context.actor, Action::ReadChargeback)?;
            let query = AlertsQuery {
                budget,
                kind,
                open: Some(open),
                limit: Some(limit),
                cursor: None,
            };
            let view = read_alerts(&mut connection, &query, sees_people).await?;
            output::print(context.format(), &view, &table_of(&view.data))
        }
        AlertsCommand::Why { budget, period } => {
            authorize(&context.actor, Action::ReadChargeback)?;
            let question = budget_question(&context.config, context.clock, period)?;
            let view = why(&mut connection, &question, &budget, sees_people).await?;
            let view = view.with_context(|| format!("no budget '{budget}' holds in {}", question.period))?;
            let mut table = Table::new(&["threshold", "at", "amount", "verdict", "because"]);
            for of in &view.thresholds {
                table.push(vec![
                    of.threshold.clone(),
                    grouped(&of.level.amount),
                    of.amount
                        .as_ref()
                        .map(|amount| grouped(&amount.amount))
                        .unwrap_or_default(),
                    of.verdict.to_owned(),
                    of.because.clone(),
                ]);
            }
            output::print(context.format(), &view, &table)
        }
        AlertsCommand::Ack { id } => {
            let alert = acknowledge_alert(&mut connection, id, (&Answering::of(&context.actor)?, now)).await?;
            eprintln!(
                "alert {id} of {} is acknowledged by {}",
                alert.subject,
                alert.acknowledged_by.unwrap_or_default()
            );
            Ok(())
        }
        AlertsCommand::Snooze { id, silence } => {
            let silence = Silence::parse(&silence).unwrap_or(Silence::Day);
            let until = snooze_alert(&mut connection, id, silence, (&Answering::of(&context.actor)?, now)).await?;
            eprintln!(
                "what alert {id} is about keeps silent until {}",
                until.format("%Y-%m-%d %H:%M UTC")
            );
            Ok(())
        }
        AlertsCommand::Resend { id } => {
            let resent = resend_alert(&mut connection, id, (&Answering::of(&context.actor)?, now)).await?;
            anyhow::ensure!(
                resent > 0,
                "no message of alert {id} was given up; 'anbun alerts list' says how they stand"
            );
            eprintln!("{resent} messages of alert {id} go out again; 'anbun serve' or 'anbun alerts send' sends them");
            Ok(())
        }
        AlertsCommand::Send => {
            drop(connection);
            send(context).await
        }
        AlertsCommand::Person { slack_user, person } => {
            authorize(&context.actor, Action::ChangeDirectory)?;
            let directory = get_directory(&mut connection).await?;
            anyhow::ensure!(
                directory.people.iter().any(|known| known.person_id == person),
                "person '{person}' is not in the directory"
            );
            keep_slack_person(&mut connection, &slack_user, &person).await?;
            eprintln!("{slack_user} is {person}");
            Ok(())
        }
        AlertsCommand::Test { channel } => {
            authorize(&context.actor, Action::AnswerAlerts)?;
            let channel = channel.or_else(|| context.config.slack.default_channel.clone());
            let said = try_channel(
                &ways(&context.config)?,
                channel.as_deref(),
                context.config.slack.language,
                context.clock,
            )
            .await?;
            for line in said {
                eprintln!("{line}");
            }
            Ok(())
        }
    }
}

/// How long a command waits for messages that must wait a moment.
const PATIENCE: TimeDelta = TimeDelta::seconds(45);

async fn send(context: &CommandContext) -> anyhow::Result<()> {
    authorize(&context.actor, Action::AnswerAlerts)?;
    let database = context.database().await?;
    let jobs = job_context(context, database.clone(), context.actor.clone())?;
    match run_job(JobName::EvaluateBudgets, &jobs, Trigger::Command).await? {
        RunOutcome::Done(report) => {
            let count = |what| report.counts.get(what).copied().unwrap_or_default();
            eprintln!("{} alerts, {} messages", count("raised"), count("messages"));
        }
        RunOutcome::Failed(report) => {
            if let Some(failure) = report.failures.into_iter().next() {
                return Err(failure);
            }
        }
        RunOutcome::RunsElsewhere => eprintln!("another program looks at the budgets at this moment"),
    }
    let ways = Arc::new(ways(&context.config)?);
    let until = context.clock.now() + PATIENCE;
    loop {
        while send_due(&database, &ways, context.clock).await? > 0 {}
        let mut connection = database.pool.acquire().await?;
        let now = context.clock.now();
        match find_next(&mut connection).await? {
            None => return Ok(()),
            Some(next) if next > until || now > until => {
                let text = "messages wait; see 'anbun alerts list', and run this again or 'anbun serve'";
                return Err(NeedsDecision(text.to_owned()).into());
            }
            Some(_) => tokio::time::sleep(std::time::Duration::from_millis(300)).await,
        }
    }
}

fn table_of(alerts: &[AlertView]) -> Table {
    let mut table = Table::new(&[
        "id",
        "raised",
        "about",
        "threshold",
        "%",
        "spent",
        "cause",
        "message",
        "acknowledged",
    ]);
    for alert in alerts {
        let states: Vec<String> = alert
            .messages
            .iter()
            .map(|message| format!("{} {}", message.way, message.state))
            .collect();
        table.push(vec![
            alert.id.to_string(),
            alert.raised_at.clone(),
            alert.subject.clone(),
            alert.threshold.clone(),
            alert.percent.clone().unwrap_or_default(),
            alert
                .spent
                .as_ref()
                .map(|spent| format!("{} {}", grouped(&spent.amount), spent.currency))
                .unwrap_or_default(),
            alert.cause.clone(),
            states.join(", "),
            alert.acknowledged_by.clone().unwrap_or_default(),
        ]);
    }
    table
}
