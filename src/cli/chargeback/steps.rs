//! The steps of a month: close, lock, reopen, posted.

use std::collections::BTreeMap;

use crate::api::month::{StatementView, check_views};
use crate::cli::month::{check_row, checks_table};
use crate::cli::{CommandContext, NeedsDecision, Usage, output};
use crate::domain::close::{Check, MonthState};
use crate::domain::period::BillingPeriod;
use crate::domain::text::grouped;
use crate::jobs::close_month::{self, Closed};
use crate::jobs::post_journal::{Posting, post_journal};
use crate::jobs::reclass_month::{self, Move};

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
            return Err(Usage(format!("'{text}' is no waiver; write it as CHECK=REASON")).into());
        };
        waivers.insert(check.trim().to_owned(), reason.to_owned());
    }
    let target = MonthState::parse(to).unwrap_or(MonthState::Provisional);
    let database = context.database().await?;
    let with = (&context.actor, context.clock);
    let closed = close_month::close(&database, period, target, &waivers, &context.closing()?, with).await?;
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
        Closed::Refused(_, checks) => {
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
    let statement = close_month::lock(&database, period, &context.closing()?, with).await?;
    eprintln!(
        "{period} is locked: statement {}, SHA-256 {}",
        statement.version, statement.digest
    );
    Ok(())
}

pub(super) async fn reopen(context: &CommandContext, period: BillingPeriod, reason: &str) -> anyhow::Result<()> {
    let database = context.database().await?;
    close_month::reopen(
        &database,
        period,
        reason,
        &context.closing()?,
        (&context.actor, context.clock),
    )
    .await?;
    eprintln!("{period} is open; its statements stay, the next close makes a new version");
    Ok(())
}

pub(super) async fn posted(
    context: &CommandContext,
    period: BillingPeriod,
    slips: &[String],
    (version, legal_entity): (Option<i32>, Option<&str>),
) -> anyhow::Result<()> {
    if slips.is_empty() {
        return Err(Usage("name the slip that the books hold, with --slip".to_owned()).into());
    }
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let posting = Posting {
        period,
        version,
        slips,
        legal_entity,
    };
    post_journal(&mut connection, &posting, (&context.actor, context.clock)).await?;
    eprintln!("noted: the books hold {}", slips.join(", "));
    Ok(())
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ReclassArguments {
    /// The locked month, YYYY-MM
    period: BillingPeriod,
    /// The department that was charged
    #[arg(long, required_unless_present = "remove")]
    from: Option<String>,
    /// The department whose it was
    #[arg(long, required_unless_present = "remove")]
    to: Option<String>,
    #[arg(long, required_unless_present = "remove")]
    jpy: Option<u64>,
    /// Why; it is printed on the statement that takes it over
    #[arg(long, required_unless_present = "remove")]
    reason: Option<String>,
    /// Take one back by its number, while no closed month has it
    #[arg(long, conflicts_with_all = ["from", "to", "jpy", "reason"])]
    remove: Option<i32>,
}

pub(super) async fn reclass(context: &CommandContext, arguments: ReclassArguments) -> anyhow::Result<()> {
    let database = context.database().await?;
    let period = arguments.period;
    if let Some(number) = arguments.remove {
        reclass_month::remove_reclass(&database, period, number, &context.actor).await?;
        eprintln!("reclass {number} of {period} is taken back");
        return Ok(());
    }
    let wanted = Move {
        from: arguments.from.unwrap_or_default(),
        to: arguments.to.unwrap_or_default(),
        jpy: arguments.jpy.unwrap_or_default(),
        reason: arguments.reason.unwrap_or_default(),
    };
    let number = reclass_month::reclass(&database, period, &wanted, (&context.actor, context.clock)).await?;
    eprintln!(
        "reclass {number}: ¥{} of {period} from {} to {}, in the next open month",
        grouped(&wanted.jpy.to_string()),
        wanted.from,
        wanted.to
    );
    Ok(())
}
