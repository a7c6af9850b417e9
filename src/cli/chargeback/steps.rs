//! The steps of a month: close, lock, reopen, posted.

use std::collections::BTreeMap;

use anyhow::bail;

use crate::api::month::{StatementView, check_views};
use crate::api::view::grouped;
use crate::cli::month::{check_row, checks_table};
use crate::cli::{CommandContext, NeedsDecision, output};
use crate::domain::actor::{Action, authorize};
use crate::domain::close::{Check, MonthState};
use crate::domain::period::BillingPeriod;
use crate::jobs::close_month::{self, Closed};
use crate::store::month::{find_state, note_posted};

#[derive(serde::Serialize)]
struct CloseView {
    statement: Option<StatementView>,
    checks: Vec<crate::api::month::CheckView>,
}

pub(super) async fn close(
    context: &CommandContext,
    period: BillingPeriod,
    to: &str,
    accept: &[String],
) -> anyhow::Result<()> {
    let mut waivers = BTreeMap::new();
    for text in accept {
        let Some((check, reason)) = text.split_once('=') else {
            bail!("'{text}' is no waiver; write it as CHECK=REASON");
        };
        waivers.insert(check.trim().to_owned(), reason.to_owned());
    }
    let target = MonthState::parse(to).unwrap_or(MonthState::Provisional);
    let database = context.database().await?;
    let with = (&context.actor, context.clock);
    let closed = close_month::close(&database, period, target, &waivers, &context.closing(), with).await?;
    match closed {
        Closed::Sealed(statement, checks) => {
            print(context, Some(StatementView::of(&statement)), &checks)?;
            eprintln!(
                "{period} is {target}: statement {}, ¥{}, SHA-256 {}",
                statement.version,
                grouped(&statement.total.to_string()),
                statement.digest
            );
        }
        Closed::Unchanged(statement, checks) => {
            print(context, Some(StatementView::of(&statement)), &checks)?;
            eprintln!(
                "{period} is {target} already by statement {}; nothing has changed since",
                statement.version
            );
        }
        Closed::Refused(checks) => {
            print(context, None, &checks)?;
            let blocking: Vec<&str> = checks
                .iter()
                .filter(|check| check.blocks())
                .map(|check| check.name)
                .collect();
            let text = format!("{period} stays as it is: {}", blocking.join(", "));
            return Err(NeedsDecision(text).into());
        }
    }
    Ok(())
}

fn print(context: &CommandContext, statement: Option<StatementView>, checks: &[Check]) -> anyhow::Result<()> {
    let mut table = checks_table();
    for check in checks {
        table.push(check_row(check));
    }
    let view = CloseView {
        statement,
        checks: check_views(checks),
    };
    output::print(context.format(), &view, &table)
}

pub(super) async fn lock(context: &CommandContext, period: BillingPeriod) -> anyhow::Result<()> {
    let database = context.database().await?;
    let with = (&context.actor, context.clock);
    let statement = close_month::lock(&database, period, &context.closing(), with).await?;
    eprintln!(
        "{period} is locked: statement {}, SHA-256 {}",
        statement.version, statement.digest
    );
    Ok(())
}

pub(super) async fn reopen(context: &CommandContext, period: BillingPeriod, reason: &str) -> anyhow::Result<()> {
    let database = context.database().await?;
    close_month::reopen(&database, period, reason, (&context.actor, context.clock)).await?;
    eprintln!("{period} is open; its statements stay, the next close makes a new version");
    Ok(())
}

pub(super) async fn posted(context: &CommandContext, period: BillingPeriod, slips: &[String]) -> anyhow::Result<()> {
    authorize(&context.actor, Action::CloseMonths)?;
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let Some(statement_id) = find_state(&mut connection, period).await?.statement_id else {
        bail!("{period} is open: close it first, then post its journal");
    };
    if slips.is_empty() {
        bail!("name the slip that the books hold, with --slip");
    }
    for slip in slips {
        note_posted(
            &mut connection,
            statement_id,
            slip,
            &context.actor.name,
            context.clock.now(),
        )
        .await?;
    }
    eprintln!("noted: the books hold {}", slips.join(", "));
    Ok(())
}
