//! `anbun allocation list|import|manual|basis`

use std::path::PathBuf;

use clap::Subcommand;

use super::CommandContext;
use super::output::{self, Table};
use crate::api::registers::{AllocationRuleView, BasisView, ManualPoolView, MovedView};
use crate::domain::actor::{Action, authorize};
use crate::domain::chargeback::Moved;
use crate::domain::cost_basis::{BasisOfPayer, CostBasis};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::text::grouped;
use crate::jobs::keep_registers::{add_manual_pool, keep_basis, keep_rules, remove_manual_pool};
use crate::sources::csv_table::CsvTable;
use crate::store::allocation::{find_version, list_rules};
use crate::store::cost_bases::list_bases;
use crate::store::manual_pools::{StoredManualPool, list_manual_pools};

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
    /// What finance adds to a month by hand, in yen: shared by the rule for 'manual' or 'manual.NAME'
    #[command(subcommand)]
    Manual(ManualCommand),
    /// By which column of the bill a payer's months are booked
    #[command(subcommand)]
    Basis(BasisCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum BasisCommand {
    /// What was said; a payer that is not named is booked by unblended cost
    List,
    /// Say it for a payer's months from one on; not of months that are closed
    Set {
        #[arg(long)]
        payer: String,
        /// First month, YYYY-MM
        #[arg(long)]
        from: BillingPeriod,
        /// unblended: with separate discount lines; net: the net column without them
        #[arg(long, value_parser = ["unblended", "net"])]
        basis: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ManualCommand {
    /// Add an amount to a month that is not closed
    Add {
        /// Letters, digits, - and _
        name: String,
        #[arg(long)]
        period: BillingPeriod,
        /// Whole yen; negative takes away
        #[arg(long, allow_hyphen_values = true)]
        jpy: i64,
        /// Whose usage it is shared by; the month's only payer by default
        #[arg(long)]
        payer: Option<String>,
        /// What it is for, as the statement prints it
        #[arg(long)]
        reason: String,
    },
    /// What was added
    List { period: Option<BillingPeriod> },
    /// Take one out again
    Remove {
        name: String,
        #[arg(long)]
        period: BillingPeriod,
    },
}

pub(super) async fn run(context: &CommandContext, command: AllocationCommand) -> anyhow::Result<()> {
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    match command {
        AllocationCommand::Basis(command) => basis(context, &mut connection, command).await?,
        AllocationCommand::Manual(command) => manual(context, &mut connection, command).await?,
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
            let table = CsvTable::read(&file)?;
            let how = (context.config.currency.yen(), dry_run);
            let kept = keep_rules(&mut connection, &table, how, (&context.actor, context.clock)).await?;
            print_moved(context, &kept.moved)?;
            match kept.version {
                None => eprintln!("nothing was changed: this was a dry run"),
                Some(version) => eprintln!("the rules are at version {version}; final and locked months keep theirs"),
            }
        }
    }
    Ok(())
}

async fn manual(
    context: &CommandContext,
    connection: &mut sqlx::PgConnection,
    command: ManualCommand,
) -> anyhow::Result<()> {
    match command {
        ManualCommand::Add {
            name,
            period,
            jpy,
            payer,
            reason,
        } => {
            let pool = StoredManualPool {
                period,
                name,
                payer: payer.unwrap_or_default(),
                jpy: Amount::from_whole(jpy.into()),
                reason,
                recorded_by: context.actor.name.clone(),
            };
            let added = add_manual_pool(connection, pool, (&context.actor, context.clock.now())).await?;
            eprintln!(
                "{} of {} is {} yen",
                added.name,
                added.period,
                grouped(&added.jpy.to_string())
            );
        }
        ManualCommand::List { period } => {
            authorize(&context.actor, Action::ReadChargeback)?;
            let pools = list_manual_pools(connection, period).await?;
            let views: Vec<ManualPoolView> = pools.iter().map(ManualPoolView::of).collect();
            let mut table = Table::new(&["period", "name", "payer", "JPY", "reason", "by"]);
            for view in &views {
                table.push(vec![
                    view.period.clone(),
                    view.name.clone(),
                    view.payer.clone(),
                    grouped(&view.jpy.amount),
                    view.reason.clone(),
                    view.recorded_by.clone(),
                ]);
            }
            output::print(context.format(), &views, &table)?;
        }
        ManualCommand::Remove { name, period } => {
            remove_manual_pool(connection, (period, &name), &context.actor).await?;
            eprintln!("{name} of {period} is taken out");
        }
    }
    Ok(())
}

async fn basis(
    context: &CommandContext,
    connection: &mut sqlx::PgConnection,
    command: BasisCommand,
) -> anyhow::Result<()> {
    match command {
        BasisCommand::List => {
            authorize(&context.actor, Action::ReadChargeback)?;
            let views: Vec<BasisView> = list_bases(connection).await?.iter().map(BasisView::of).collect();
            let mut table = Table::new(&["payer", "from", "basis", "set by"]);
            for view in &views {
                let cells = [&view.payer, &view.valid_from, view.basis, &view.set_by];
                table.push(cells.map(str::to_owned).to_vec());
            }
            output::print(context.format(), &views, &table)
        }
        BasisCommand::Set { payer, from, basis } => {
            let said = BasisOfPayer {
                payer,
                valid_from: from,
                basis: CostBasis::parse(&basis).unwrap_or(CostBasis::Unblended),
                set_by: context.actor.name.clone(),
            };
            keep_basis(connection, &said, (&context.actor, context.clock)).await?;
            eprintln!("{} is booked by {} from {from} on", said.payer, said.basis.words());
            Ok(())
        }
    }
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
