//! `anbun chargeback send|answer`: departments' own statements.

use std::path::PathBuf;

use crate::api::department_statements::{
    AnswerRequest, SendQuestion, StandingsView, answer as note, send as send_all, standings,
};
use crate::cli::output::{self, Table};
use crate::cli::{CommandContext, NeedsDecision, Usage};
use crate::domain::actor::{Action, authorize};
use crate::domain::period::BillingPeriod;
use crate::domain::text::grouped;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct SendArguments {
    /// YYYY-MM
    period: BillingPeriod,
    /// Only this one, sent before or not; all that were not by default
    #[arg(long)]
    department: Option<String>,
    /// To this person instead of the one who manages most of its people
    #[arg(long, requires = "department")]
    to: Option<String>,
    /// Letters as .eml files in this folder; by the server of [mail] url by default
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct AnswerArguments {
    /// YYYY-MM
    period: BillingPeriod,
    /// Without it all answers are listed
    department: Option<String>,
    /// It was received, and nothing is wrong
    #[arg(long, group = "said", requires = "department")]
    received: bool,
    /// So many yen are said to be somebody else's
    #[arg(long, group = "said", requires = "department")]
    dispute: Option<u64>,
    /// The dispute has ended
    #[arg(long, group = "said", requires = "department")]
    settle: bool,
    /// Of a dispute and its settlement
    #[arg(long, default_value = "")]
    reason: String,
}

pub(super) async fn send(context: &CommandContext, arguments: SendArguments) -> anyhow::Result<()> {
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let question = SendQuestion {
        period: arguments.period,
        department: arguments.department,
        to_person: arguments.to,
    };
    let with = (&context.actor, context.clock);
    let sent = send_all(
        &mut connection,
        &question,
        arguments.folder.as_deref(),
        &context.config,
        with,
    )
    .await?;
    let mut table = Table::new(&["department", "is", "because"]);
    for department in &sent.sent {
        table.push(vec![department.clone(), "sent".to_owned(), String::new()]);
    }
    for left in &sent.left {
        table.push(vec![
            left.department.clone(),
            "NOT SENT".to_owned(),
            left.because.clone(),
        ]);
    }
    output::print(context.format(), &sent, &table)?;
    match sent.left.len() {
        0 => Ok(()),
        left => Err(NeedsDecision(format!("{left} departments have not been sent their statement")).into()),
    }
}

pub(super) async fn answer(context: &CommandContext, arguments: AnswerArguments) -> anyhow::Result<()> {
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let Some(department) = &arguments.department else {
        authorize(&context.actor, Action::ReadChargeback)?;
        return print(context, &standings(&mut connection, arguments.period).await?);
    };
    let (said, jpy) = match (arguments.received, arguments.dispute, arguments.settle) {
        (true, ..) => ("received", None),
        (_, Some(yen), _) => ("disputed", Some(yen.to_string())),
        (.., true) => ("settled", None),
        _ => return Err(Usage("say --received, --dispute YEN or --settle".to_owned()).into()),
    };
    let request = AnswerRequest {
        answer: said.to_owned(),
        jpy,
        reason: arguments.reason,
    };
    let about = (arguments.period, department.as_str());
    let view = note(&mut connection, about, &request, (&context.actor, context.clock)).await?;
    print(context, &view)
}

fn print(context: &CommandContext, view: &StandingsView) -> anyhow::Result<()> {
    let mut table = Table::new(&["department", "JPY", "sent to", "answer", "disputed JPY", "reason"]);
    for standing in &view.data {
        table.push(vec![
            standing.department.clone(),
            grouped(&standing.amount.amount),
            standing.sent_to.clone().unwrap_or_default(),
            standing.answer.unwrap_or("").to_owned(),
            grouped(&standing.disputed.amount),
            standing.reason.clone().unwrap_or_default(),
        ]);
    }
    output::print(context.format(), view, &table)
}
