//! `anbun month PERIOD`: what is left to do.

use super::CommandContext;
use super::output::{self, Table};
use crate::api::month::{MonthView, read_month};
use crate::domain::actor::{Action, authorize};
use crate::domain::close::Check;
use crate::domain::period::BillingPeriod;
use crate::domain::text::grouped;

#[derive(Debug, clap::Args)]
pub(super) struct MonthArguments {
    /// YYYY-MM
    period: BillingPeriod,
}

pub(super) async fn run(context: &CommandContext, arguments: MonthArguments) -> anyhow::Result<()> {
    authorize(&context.actor, Action::ReadChargeback)?;
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let view = read_month(&mut connection, arguments.period, &context.config, context.clock).await?;
    let mut table = Table::new(&["task", "owner", "due", "is", "at stake", "what", "to do"]);
    for task in &view.tasks {
        let is_done = task.state == "done";
        let amount = format!("{} {}", grouped(&task.amount.amount), task.amount.currency);
        table.push(vec![
            task.task.to_owned(),
            task.owner.clone(),
            task.due.clone().unwrap_or_else(|| "no calendar".to_owned()),
            if task.state == "overdue" { "OVERDUE" } else { task.state }.to_owned(),
            if is_done || task.amount.amount == "0" {
                String::new()
            } else {
                amount
            },
            task.what.clone(),
            if is_done { String::new() } else { task.action.clone() },
        ]);
    }
    output::print(context.format(), &view, &table)?;
    eprintln!("{} is {}; {}", view.period, view.footing.state, next_step(&view));
    for event in &view.steps_taken {
        let version = event
            .version
            .map(|version| format!(", statement {version}"))
            .unwrap_or_default();
        let reason = event
            .reason
            .as_ref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        eprintln!(
            "{} {} -> {} by {}{version}{reason}",
            event.at, event.from, event.to, event.by
        );
    }
    Ok(())
}

/// What the clerk does next.
fn next_step(view: &MonthView) -> String {
    let period = &view.period;
    let blocking = view
        .checks
        .iter()
        .filter(|check| !check.passed)
        .map(|check| check.check);
    let blocking = blocking.collect::<Vec<_>>().join(", ");
    match view.footing.state {
        "open" | "provisional" if blocking.is_empty() => format!("next: anbun chargeback close {period} --to final"),
        "open" => format!(
            "next: anbun chargeback close {period} --to provisional, or mend for --to final: {blocking} (those to decide may be waived with --accept CHECK=REASON)"
        ),
        "provisional" => {
            format!("before --to final: {blocking} (those to decide may be waived with --accept CHECK=REASON)")
        }
        "final" if view.posted_slips.is_empty() => {
            format!(
                "next: anbun chargeback export {period} --as journal:PRESET, then anbun chargeback posted {period} --slip NO"
            )
        }
        "final" => format!(
            "posted: {}; next: anbun chargeback lock {period}",
            view.posted_slips.join(", ")
        ),
        _ => {
            let open = view.tasks.iter().filter(|task| task.state != "done");
            let open: Vec<&str> = open.map(|task| task.task).collect();
            match open.as_slice() {
                [] => "nothing is left to do".to_owned(),
                open => format!("no amount of it moves any more; still to do: {}", open.join(", ")),
            }
        }
    }
}

pub(super) fn checks_table() -> Table {
    Table::new(&["check", "is", "at stake", "what", "to do"])
}

pub(super) fn check_row(check: &Check) -> Vec<String> {
    let state = match (check.passed, &check.waived, check.is_hard) {
        (true, ..) => "ok",
        (false, Some(_), _) => "waived",
        (false, None, true) => "FAILS",
        (false, None, false) => "decide",
    };
    let amount = if check.amount.is_zero() {
        String::new()
    } else {
        format!("{} {}", grouped(&check.amount.to_string()), check.currency)
    };
    let (what, action) = match &check.waived {
        Some(reason) => (format!("{}; {reason}", check.message), ""),
        None if check.passed => (check.message.clone(), ""),
        None => (check.message.clone(), check.action),
    };
    vec![check.name.to_owned(), state.to_owned(), amount, what, action.to_owned()]
}
