//! `anbun budgets list|import`

use std::path::PathBuf;

use clap::Subcommand;

use super::CommandContext;
use super::output::{self, Table};
use crate::api::budgets::BudgetView;
use crate::domain::actor::{Action, authorize};
use crate::domain::text::grouped;
use crate::jobs::keep_registers::keep_budgets;
use crate::sources::csv_table::CsvTable;
use crate::store::budgets::list_budgets;

#[derive(Debug, Subcommand)]
pub(super) enum BudgetsCommand {
    /// The budgets that hold
    List,
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
