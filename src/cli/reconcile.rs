//! `anbun reconcile PERIOD`

use super::output::{self, Table};
use super::{CommandContext, NeedsDecision};
use crate::api::chargeback::not_loaded;
use crate::api::month::{ReconciliationView, reconciliation};
use crate::api::view::grouped;
use crate::domain::actor::{Action, authorize};
use crate::domain::period::BillingPeriod;
use crate::store::chargeback::find_data_as_of;

#[derive(Debug, clap::Args)]
pub(super) struct ReconcileArguments {
    /// YYYY-MM
    period: BillingPeriod,
}

pub(super) async fn run(context: &CommandContext, arguments: ReconcileArguments) -> anyhow::Result<()> {
    authorize(&context.actor, Action::ReadChargeback)?;
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    if find_data_as_of(&mut connection, arguments.period).await?.is_none() {
        return Err(not_loaded(arguments.period).into());
    }
    let view: ReconciliationView =
        reconciliation(&mut connection, arguments.period, context.config.currency.yen()).await?;
    let mut table = Table::new(&["step", "invoice", "USD", "JPY"]);
    for step in &view.steps {
        table.push(vec![
            step.step.clone(),
            step.invoice.clone().unwrap_or_default(),
            grouped(&step.usd.amount),
            grouped(&step.jpy.amount),
        ]);
    }
    output::print(context.format(), &view, &table)?;
    if let Some(explorer) = &view.cost_explorer {
        let (total, bill) = (grouped(&explorer.total.amount), grouped(&explorer.bill.amount));
        let difference = grouped(&explorer.difference.amount);
        eprintln!("beside: Cost Explorer {total} USD without tax, the bill {bill} USD; {difference} USD apart");
    }
    output::print_findings(&view.findings);
    if view.unexplained.amount != "0" {
        return Err(NeedsDecision(format!("{} USD are unexplained", view.unexplained.amount)).into());
    }
    Ok(())
}
