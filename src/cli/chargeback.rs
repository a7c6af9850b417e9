//! `anbun chargeback preview|why|export|close|lock|reopen|posted|send|answer|evidence`

mod departments;
mod evidence;
mod export;
mod steps;

use clap::{Subcommand, ValueEnum};

use super::CommandContext;
use super::output::{self, Table};
use crate::api::change::{ReasonView, change, change_against_budget};
use crate::api::chargeback::{self, ChargebackQuery, ChargebackView, not_loaded, nothing_to_show};
use crate::domain::actor::{Action, authorize};
use crate::domain::chargeback::GroupBy;
use crate::domain::period::BillingPeriod;
use crate::domain::text::grouped;
use crate::store::tokens::note_personal_data_read;

#[derive(Debug, Subcommand)]
pub(super) enum ChargebackCommand {
    /// The month as it stands
    Preview {
        /// YYYY-MM
        period: BillingPeriod,
        #[arg(long, value_enum, default_value = "department")]
        by: By,
        /// The settings' reporting currency by default
        #[arg(long, value_parser = ["JPY", "USD"])]
        currency: Option<String>,
        /// Departments as they were on the day of use, or under today's organisation: a view, the books stay
        #[arg(long, value_parser = ["at_the_time", "today"])]
        organisation: Option<String>,
        /// YYYY-MM-DD: as the last statement said that was sealed by the end of that UTC day
        #[arg(long)]
        as_known_on: Option<String>,
    },
    /// Why each department's amount is not last month's
    Why {
        /// YYYY-MM
        period: BillingPeriod,
        /// The earlier month; the one before by default
        #[arg(long)]
        against: Option<BillingPeriod>,
        /// Against the departments' budgets instead of another month
        #[arg(long, conflicts_with = "against")]
        budget: bool,
    },
    /// A file for finance, made from the sealed statement
    Export(export::ExportArguments),
    /// Check a month and seal its statement
    Close {
        /// YYYY-MM
        period: BillingPeriod,
        #[arg(long, value_parser = ["provisional", "final"])]
        to: String,
        /// Let a soft check pass: CHECK=REASON, printed on the statement
        #[arg(long, value_name = "CHECK=REASON")]
        accept: Vec<String>,
    },
    /// End a final month for good
    Lock {
        /// YYYY-MM
        period: BillingPeriod,
    },
    /// Open a closed month again
    Reopen {
        /// YYYY-MM
        period: BillingPeriod,
        /// Why; it is kept with the month
        #[arg(long)]
        reason: String,
    },
    /// Approve a dispute of a locked month: yen that move between two departments, in the next open month
    Reclass(steps::ReclassArguments),
    /// Send each department its own statement, by e-mail or as letters in a folder
    Send(departments::SendArguments),
    /// Note what a department answered, or show what all did
    Answer(departments::AnswerArguments),
    /// Everything that an auditor asks for, in a new folder
    Evidence(evidence::EvidenceArguments),
    /// Say that the company's books hold the month's journal
    Posted {
        /// YYYY-MM
        period: BillingPeriod,
        /// Number of the slip in the books
        #[arg(long)]
        slip: Vec<String>,
        /// Number of an earlier statement, whose slips were posted before the month was reopened
        #[arg(long)]
        statement: Option<i32>,
        /// Whose books hold it, where two legal entities have slips of the same number
        #[arg(long)]
        legal_entity: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum By {
    Department,
    Person,
    Project,
}

impl By {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Department => "department",
            Self::Person => "person",
            Self::Project => "project",
        }
    }
}

pub(super) async fn run(context: &CommandContext, command: ChargebackCommand) -> anyhow::Result<()> {
    match command {
        ChargebackCommand::Preview {
            period,
            by,
            currency,
            organisation,
            as_known_on,
        } => {
            let query = ChargebackQuery {
                by: Some(by.as_str().to_owned()),
                currency,
                organisation,
                as_known_on,
            };
            preview(context, period, &query).await
        }
        ChargebackCommand::Why {
            period, budget: true, ..
        } => why_not_budget(context, period).await,
        ChargebackCommand::Why { period, against, .. } => why(context, period, against).await,
        ChargebackCommand::Send(arguments) => departments::send(context, arguments).await,
        ChargebackCommand::Answer(arguments) => departments::answer(context, arguments).await,
        ChargebackCommand::Evidence(arguments) => evidence::run(context, arguments).await,
        ChargebackCommand::Export(arguments) => export::run(context, arguments).await,
        ChargebackCommand::Close { period, to, accept } => steps::close(context, period, &to, &accept).await,
        ChargebackCommand::Lock { period } => steps::lock(context, period).await,
        ChargebackCommand::Reopen { period, reason } => steps::reopen(context, period, &reason).await,
        ChargebackCommand::Reclass(arguments) => steps::reclass(context, arguments).await,
        ChargebackCommand::Posted {
            period,
            slip,
            statement,
            legal_entity,
        } => steps::posted(context, period, &slip, (statement, legal_entity.as_deref())).await,
    }
}

async fn preview(context: &CommandContext, period: BillingPeriod, query: &ChargebackQuery) -> anyhow::Result<()> {
    authorize(&context.actor, Action::ReadChargeback)?;
    let question = query.question(&context.config)?;
    if question.by == GroupBy::Person {
        authorize(&context.actor, Action::ReadPeople)?;
    }
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    if question.by == GroupBy::Person {
        let read = format!("chargeback preview {period} by person");
        note_personal_data_read(&mut connection, &context.actor, &read, context.clock.now()).await?;
    }
    let view = chargeback::read(&mut connection, period, &question, &context.as_seen()).await?;
    print(context, &view.ok_or_else(|| nothing_to_show(period, &question))?)
}

async fn why(context: &CommandContext, period: BillingPeriod, against: Option<BillingPeriod>) -> anyhow::Result<()> {
    authorize(&context.actor, Action::ReadChargeback)?;
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let against = against.unwrap_or(period.previous());
    let view = change(&mut connection, period, against, &context.as_seen()).await?;
    let view = view.ok_or_else(|| not_loaded(against.min(period)))?;
    let mut table = Table::new(&["department", "reason", "JPY"]);
    for department in &view.departments {
        let text = format!(
            "{} -> {}",
            grouped(&department.before.amount),
            grouped(&department.after.amount)
        );
        table.push(vec![
            department.department.clone(),
            text,
            grouped(&department.change.amount),
        ]);
        for reason in &department.reasons {
            let rounded = reason
                .amount
                .amount
                .parse::<rust_decimal::Decimal>()
                .unwrap_or_default()
                .round_dp(2);
            table.push(vec![
                String::new(),
                reason_of(reason),
                grouped(&rounded.normalize().to_string()),
            ]);
        }
    }
    output::print(context.format(), &view, &table)
}

fn reason_of(reason: &ReasonView) -> String {
    match &reason.model {
        Some(model) => format!("{}, {model}", reason.reason),
        None => reason.reason.to_owned(),
    }
}

async fn why_not_budget(context: &CommandContext, period: BillingPeriod) -> anyhow::Result<()> {
    authorize(&context.actor, Action::ReadChargeback)?;
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let view = change_against_budget(&mut connection, period, &context.as_seen()).await?;
    let view = view.ok_or_else(|| not_loaded(period))?;
    let mut table = Table::new(&["department", "reason", "JPY"]);
    for department in &view.departments {
        let text = format!(
            "{}: {} -> {}",
            department.budget,
            grouped(&department.budgeted.amount),
            grouped(&department.actual.amount)
        );
        table.push(vec![
            department.department.clone(),
            text,
            grouped(&department.difference.amount),
        ]);
        for reason in &department.reasons {
            let amount: rust_decimal::Decimal = reason.amount.amount.parse().unwrap_or_default();
            let amount = grouped(&amount.round_dp(2).normalize().to_string());
            table.push(vec![String::new(), reason_of(reason), amount]);
        }
    }
    output::print(context.format(), &view, &table)?;
    if view.departments.is_empty() {
        eprintln!("no department has a budget in {period}; 'anbun budgets import' takes them over");
    }
    Ok(())
}

/// Prints a month with everything that it adds up from.
pub(super) fn print(context: &CommandContext, view: &ChargebackView) -> anyhow::Result<()> {
    let mut table = Table::new(&[view.by, "name", view.currency, "share", "tokens"]);
    let percent = |share: &Option<String>| {
        let share = share.as_deref().and_then(|s| s.parse::<rust_decimal::Decimal>().ok());
        share
            .map(|share| format!("{:.2}%", share * rust_decimal::Decimal::ONE_HUNDRED))
            .unwrap_or_default()
    };
    for row in &view.rows {
        let name = row.name_ja.as_ref().or(row.name.as_ref()).cloned().unwrap_or_default();
        let code = row.code.clone().unwrap_or_else(|| "(none known)".to_owned());
        table.push(vec![
            code,
            name,
            grouped(&row.total.amount),
            percent(&row.share),
            grouped(&row.tokens),
        ]);
    }
    for kept in view.unattributed.iter().chain(&view.kept_visible) {
        let class = if kept.class == "usage" { kept.state } else { kept.class };
        table.push(vec![
            format!("({class})"),
            kept.label.clone(),
            grouped(&kept.amount.amount),
            percent(&kept.share),
            String::new(),
        ]);
    }
    table.push(vec![
        "total".to_owned(),
        String::new(),
        grouped(&view.total.amount),
        "100.00%".to_owned(),
        String::new(),
    ]);
    output::print(context.format(), view, &table)?;
    let rate = view.footing.rates.first().map(|rate| {
        format!(
            ", {} {}/{} ({} rate)",
            rate.value, rate.target_currency, rate.source_currency, rate.kind
        )
    });
    let as_of = view
        .footing
        .data_as_of
        .map(|t| t.format("%Y-%m-%d %H:%M UTC").to_string())
        .unwrap_or_default();
    eprintln!(
        "{} {}, {}, data as of {as_of}{}",
        view.period,
        view.footing.state,
        view.footing.basis,
        rate.unwrap_or_default()
    );
    output::print_findings(&view.footing.findings);
    Ok(())
}
