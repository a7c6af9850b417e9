//! `anbun allocation list|import`

use std::path::PathBuf;

use clap::Subcommand;
use sqlx::Connection;

use super::CommandContext;
use super::output::{self, Table};
use crate::api::registers::{AllocationRuleView, MovedView};
use crate::api::view::grouped;
use crate::domain::actor::{Action, authorize};
use crate::domain::chargeback::Moved;
use crate::domain::period::BillingPeriod;
use crate::jobs::allocate::preview_rules;
use crate::sources::finance_csv::read_allocation_rules;
use crate::store::allocation::{find_version, list_rules, replace_rules};
use crate::store::directory::list_departments;

#[derive(Debug, Subcommand)]
pub(super) enum AllocationCommand {
    /// The rules that hold, in the order in which pools run
    List,
    /// Take over all rules from CSV as a new version; prints what they move in the open months
    Import {
        file: PathBuf,
        /// Only print what would change
        #[arg(long)]
        dry_run: bool,
    },
}

pub(super) async fn run(context: &CommandContext, command: AllocationCommand) -> anyhow::Result<()> {
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    match command {
        AllocationCommand::List => {
            authorize(&context.actor, Action::ReadChargeback)?;
            let version = find_version(&mut connection).await?;
            let rules = list_rules(&mut connection, version).await?;
            let views: Vec<AllocationRuleView> = rules.iter().map(AllocationRuleView::of).collect();
            let mut table = Table::new(&["pool", "method", "members", "fallback", "legal entity", "from", "to"]);
            for view in &views {
                let optional = |text: &Option<String>| text.clone().unwrap_or_default();
                table.push(vec![
                    view.pool.clone(),
                    view.method.to_owned(),
                    view.members.clone(),
                    optional(&view.fallback),
                    optional(&view.legal_entity),
                    view.valid_from.clone(),
                    optional(&view.valid_to),
                ]);
            }
            output::print(context.format(), &views, &table)?;
            match version {
                Some(version) => eprintln!("version {version}; pools without a rule are kept visible"),
                None => eprintln!("there are no rules: every shared cost is kept visible"),
            }
        }
        AllocationCommand::Import { file, dry_run } => {
            authorize(&context.actor, Action::KeepRegisters)?;
            let mut transaction = connection.begin().await?;
            let departments = list_departments(&mut transaction).await?;
            let codes: Vec<String> = departments.iter().map(|department| department.code.clone()).collect();
            let rules = read_allocation_rules(&file, &codes)?;
            let moved = preview_rules(&mut transaction, &rules, context.config.currency.planning_rate).await?;
            print_moved(context, &moved)?;
            if dry_run {
                eprintln!("nothing was changed: this was a dry run");
                return Ok(());
            }
            let version = replace_rules(&mut transaction, &rules, &context.actor.name, context.clock.now()).await?;
            transaction.commit().await?;
            eprintln!("the rules are at version {version}; final and locked months keep theirs");
        }
    }
    Ok(())
}

fn print_moved(context: &CommandContext, moved: &[(BillingPeriod, Vec<Moved>)]) -> anyhow::Result<()> {
    let mut table = Table::new(&["period", "department", "before JPY", "after JPY", "moves JPY"]);
    let mut views = Vec::new();
    for (period, changes) in moved {
        for change in changes {
            table.push(vec![
                period.to_string(),
                change.department.clone().unwrap_or_else(|| "(kept visible)".to_owned()),
                grouped(&change.before.to_string()),
                grouped(&change.after.to_string()),
                grouped(&(change.after - change.before).to_string()),
            ]);
            views.push(MovedView::of(*period, change));
        }
    }
    output::print(context.format(), &views, &table)
}
