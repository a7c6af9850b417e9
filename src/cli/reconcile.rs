//! `anbun reconcile PERIOD`

use anyhow::Context as _;

use super::output::{self, Table};
use super::{CommandContext, NeedsDecision};
use crate::api::chargeback::not_loaded;
use crate::api::month::{ReconciliationView, reconciliation};
use crate::api::step_rows::step_rows;
use crate::domain::actor::{Action, authorize};
use crate::domain::period::BillingPeriod;
use crate::domain::text::grouped;
use crate::store::chargeback::find_data_as_of;

#[derive(Debug, clap::Args)]
pub(super) struct ReconcileArguments {
    /// YYYY-MM
    period: BillingPeriod,
    /// Open one step to its rows
    #[arg(long)]
    step: Option<String>,
    /// The invoice or seller of that step
    #[arg(long, requires = "step")]
    invoice: Option<String>,
}

pub(super) async fn run(context: &CommandContext, arguments: ReconcileArguments) -> anyhow::Result<()> {
    authorize(&context.actor, Action::ReadChargeback)?;
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    if find_data_as_of(&mut connection, arguments.period).await?.is_none() {
        return Err(not_loaded(arguments.period).into());
    }
    if let Some(step) = &arguments.step {
        let asked = (step.as_str(), arguments.invoice.as_deref());
        let found = step_rows(&mut connection, arguments.period, asked, &context.as_seen()).await?;
        let view = found.with_context(|| format!("{} has no step '{step}' of that invoice", arguments.period))?;
        let mut table = Table::new(&["what", "department", "account", "product", "lines", "USD", "JPY"]);
        for row in &view.rows {
            let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
            table.push(vec![
                row.what.clone(),
                text(&row.department),
                text(&row.account),
                text(&row.product),
                row.lines.map(|lines| lines.to_string()).unwrap_or_default(),
                grouped(&row.usd.amount),
                row.jpy.as_ref().map(|jpy| grouped(&jpy.amount)).unwrap_or_default(),
            ]);
        }
        output::print(context.format(), &view, &table)?;
        eprintln!(
            "together {} USD, ¥{}",
            grouped(&view.usd.amount),
            grouped(&view.jpy.amount)
        );
        return Ok(());
    }
    let view: ReconciliationView = reconciliation(&mut connection, arguments.period, &context.as_seen()).await?;
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
    output::print_findings(&view.footing.findings);
    if view.unexplained.amount != "0" {
        return Err(NeedsDecision(format!("{} USD are unexplained", view.unexplained.amount)).into());
    }
    Ok(())
}
