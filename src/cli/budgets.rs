//! `anbun budgets list|import|status`

use std::path::PathBuf;

use clap::Subcommand;
use sqlx::PgConnection;

use super::output::{self, Table};
use super::{CommandContext, NeedsDecision};
use crate::api::budget_status::{budget_question, statuses};
use crate::api::budgets::BudgetView;
use crate::api::view::MoneyView;
use crate::domain::actor::{Action, authorize};
use crate::domain::period::BillingPeriod;
use crate::domain::text::grouped;
use crate::jobs::keep_registers::keep_budgets;
use crate::sources::csv_table::CsvTable;
use crate::store::budgets::list_budgets;

#[derive(Debug, Subcommand)]
pub(super) enum BudgetsCommand {
    /// The budgets that hold
    List,
    /// What is spent, what is to come, and when it runs out
    Status {
        /// Only this budget
        name: Option<String>,
        /// YYYY-MM; the current month in UTC by default
        #[arg(long)]
        period: Option<BillingPeriod>,
    },
    /// Take over all budgets from CSV as a new version; see docs/BUDGETS.md for the columns
    Import {
        file: PathBuf,
        /// Only print them
        #[arg(long)]
        dry_run: bool,
    },
}

pub(super) async fn run(context: &CommandContext, command: BudgetsCommand) -> anyhow::Result<()> {
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let (budgets, version) = match command {
        BudgetsCommand::Status { name, period } => {
            return status(context, &mut connection, name.as_deref(), period).await;
        }
        BudgetsCommand::List => {
            authorize(&context.actor, Action::ReadChargeback)?;
            (list_budgets(&mut connection).await?, None)
        }
        BudgetsCommand::Import { file, dry_run } => {
            let table = CsvTable::read(&file)?;
            keep_budgets(&mut connection, &table, dry_run, (&context.actor, context.clock)).await?
        }
    };
    let views: Vec<BudgetView> = budgets.iter().map(BudgetView::of).collect();
    let mut table = Table::new(&["name", "of", "each", "amount", "at", "from", "to", "owner"]);
    for view in &views {
        table.push(vec![
            view.name.clone(),
            format!("{} {}", view.scope, view.code),
            view.frequency.to_owned(),
            format!("{} {}", grouped(&view.amount.amount), view.amount.currency),
            view.rate.clone().unwrap_or_default(),
            view.valid_from.clone(),
            view.valid_to.clone().unwrap_or_default(),
            view.owner_person_id.clone().unwrap_or_default(),
        ]);
    }
    output::print(context.format(), &views, &table)?;
    if let Some(version) = version {
        eprintln!("the budgets are at version {version}");
    }
    Ok(())
}

async fn status(
    context: &CommandContext,
    connection: &mut PgConnection,
    name: Option<&str>,
    period: Option<BillingPeriod>,
) -> anyhow::Result<()> {
    authorize(&context.actor, Action::ReadChargeback)?;
    let sees_people = authorize(&context.actor, Action::ReadPeople).is_ok();
    let question = budget_question(&context.config, context.clock, period)?;
    let mut view = statuses(connection, &question, sees_people, &context.as_seen()).await?;
    if let Some(name) = name {
        view.data.retain(|budget| budget.name == name);
        anyhow::ensure!(!view.data.is_empty(), "no budget '{name}' holds in {}", view.period);
    }
    let mut table = Table::new(&[
        "budget",
        "limit",
        "spent",
        "%",
        "foreseen",
        "between",
        "not billed yet",
        "runs out",
        "days left",
    ]);
    let money = |money: &MoneyView| format!("{} {}", grouped(&money.amount), money.currency);
    for budget in &view.data {
        let (foreseen, between, not_billed_yet, runs_out) = match &budget.forecast {
            Some(forecast) => (
                money(&forecast.expected),
                format!("{} - {}", grouped(&forecast.low.amount), grouped(&forecast.high.amount)),
                money(&forecast.not_billed_yet),
                forecast.runs_out_on.clone().unwrap_or_default(),
            ),
            None => Default::default(),
        };
        table.push(vec![
            budget.name.clone(),
            money(&budget.limit),
            budget.spent.as_ref().map_or_else(|| "not known".to_owned(), money),
            budget.percent.clone().unwrap_or_default(),
            foreseen,
            between,
            not_billed_yet,
            runs_out,
            budget.days_left.to_string(),
        ]);
    }
    output::print(context.format(), &view, &table)?;
    output::print_findings(&view.footing.findings);
    let unknown = view
        .data
        .iter()
        .filter(|budget| !budget.missing_months.is_empty())
        .count();
    match unknown {
        0 => Ok(()),
        count => Err(NeedsDecision(format!("data of {count} budgets is missing")).into()),
    }
}
