//! `anbun budgets list|import|status|raise|raises|approve`

use std::path::PathBuf;

use anyhow::Context as _;
use chrono::NaiveDate;
use clap::Subcommand;
use sqlx::PgConnection;

use super::output::{self, Table};
use super::{CommandContext, NeedsDecision};
use crate::api::budget_status::{BudgetStatusesView, budget_question, statuses, statuses_of};
use crate::api::budgets::BudgetView;
use crate::api::raises::{RaisesView, read_raises};
use crate::api::view::MoneyView;
use crate::domain::actor::{Action, authorize};
use crate::domain::budget::Budget;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::text::grouped;
use crate::jobs::answer_alerts::Answering;
use crate::jobs::keep_budgets::{BudgetChange, keep_budgets, set_budget};
use crate::jobs::raise_budget::{WantedRaise, ask_for_raise, decide_about_raise};
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
    /// Raises that were asked for
    Raises,
    /// Ask for more money for a while; somebody else approves it
    Raise {
        budget: String,
        /// In the budget's currency
        #[arg(long)]
        amount: String,
        /// The last day on which it holds, YYYY-MM-DD
        #[arg(long)]
        until: NaiveDate,
        #[arg(long)]
        reason: String,
        /// Number of the ringi
        #[arg(long, default_value = "")]
        ringi: String,
    },
    /// Approve a raise that somebody else asked for
    Approve {
        id: i32,
        /// Refuse it instead
        #[arg(long)]
        refuse: bool,
    },
    /// Set one budget from a month on; what is not said stays as it is, and so do all others
    Set(Box<SetArguments>),
    /// Take over all budgets from CSV as a new version; see docs/BUDGETS.md for the columns
    Import {
        file: PathBuf,
        /// Only print how they would stand
        #[arg(long)]
        dry_run: bool,
        /// In this month, YYYY-MM; the current one by default
        #[arg(long, requires = "dry_run")]
        period: Option<BillingPeriod>,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct SetArguments {
    name: String,
    /// The first month, YYYY-MM
    #[arg(long)]
    from: BillingPeriod,
    /// The month before which it ends, YYYY-MM
    #[arg(long)]
    to: Option<BillingPeriod>,
    #[arg(long)]
    amount: Option<String>,
    /// JPY or USD
    #[arg(long)]
    currency: Option<String>,
    /// Yen for a dollar, of a budget in yen
    #[arg(long)]
    rate: Option<String>,
    /// company, department, project, person, family or account
    #[arg(long)]
    scope: Option<String>,
    /// Whose it is: a code, an id, a family of models
    #[arg(long)]
    code: Option<String>,
    /// month, quarter or fiscal_year
    #[arg(long)]
    frequency: Option<String>,
    /// usage, after_discounts or after_credits
    #[arg(long)]
    basis: Option<String>,
    /// With allocated cost: yes or no
    #[arg(long)]
    with_allocated: Option<String>,
    /// With tax: yes or no
    #[arg(long)]
    with_tax: Option<String>,
    /// Who answers for it: a person's id
    #[arg(long)]
    owner: Option<String>,
    /// In Slack
    #[arg(long)]
    channel: Option<String>,
    /// Such as '80%;1000000;forecast 100%'
    #[arg(long)]
    thresholds: Option<String>,
    /// Only print how all budgets would stand this month
    #[arg(long)]
    dry_run: bool,
}

impl SetArguments {
    fn change(self) -> BudgetChange {
        let cells = [
            ("valid_from", Some(self.from.to_string())),
            ("valid_to", self.to.map(|to| to.to_string())),
            ("amount", self.amount),
            ("currency", self.currency),
            ("rate", self.rate),
            ("scope", self.scope),
            ("code", self.code),
            ("frequency", self.frequency),
            ("basis", self.basis),
            ("with_allocated", self.with_allocated),
            ("with_tax", self.with_tax),
            ("owner_person_id", self.owner),
            ("channel", self.channel),
            ("thresholds", self.thresholds),
        ];
        let said = cells
            .into_iter()
            .filter_map(|(column, cell)| Some((column.to_owned(), cell?)));
        BudgetChange {
            name: self.name,
            cells: said.collect(),
        }
    }
}

pub(super) async fn run(context: &CommandContext, command: BudgetsCommand) -> anyhow::Result<()> {
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let (budgets, version) = match command {
        BudgetsCommand::Raises => {
            authorize(&context.actor, Action::ReadPeople)?;
            return print_raises(context, &read_raises(&mut connection).await?);
        }
        BudgetsCommand::Raise {
            budget,
            amount,
            until,
            reason,
            ringi,
        } => {
            let wanted = WantedRaise {
                budget,
                amount: Amount::parse(&amount).with_context(|| format!("'{amount}' is no amount"))?,
                until,
                reason,
                ringi,
            };
            let answering = Answering::of(&context.actor)?;
            let id = ask_for_raise(&mut connection, &wanted, &answering, context.clock.now()).await?;
            eprintln!("raise {id} is asked for; somebody else approves it with 'anbun budgets approve {id}'");
            return Ok(());
        }
        BudgetsCommand::Approve { id, refuse } => {
            authorize(&context.actor, Action::KeepRegisters)?;
            let answering = Answering::of(&context.actor)?;
            let decided = decide_about_raise(&mut connection, id, !refuse, &answering, context.clock.now()).await?;
            let said = if decided.is_approved { "approved" } else { "refused" };
            eprintln!("raise {id} of {} is {said}", decided.raise.budget);
            return Ok(());
        }
        BudgetsCommand::Status { name, period } => {
            return status(context, &mut connection, name.as_deref(), period).await;
        }
        BudgetsCommand::List => {
            authorize(&context.actor, Action::ReadChargeback)?;
            (list_budgets(&mut connection).await?, None)
        }
        BudgetsCommand::Set(arguments) => {
            let is_dry_run = arguments.dry_run;
            let with = (&context.actor, context.clock);
            let set = set_budget(&mut connection, &arguments.change(), is_dry_run, with).await?;
            if is_dry_run {
                return preview(context, &mut connection, set.0, None).await;
            }
            set
        }
        BudgetsCommand::Import { file, dry_run, period } => {
            let table = CsvTable::read(&file)?;
            let kept = keep_budgets(&mut connection, &table, dry_run, (&context.actor, context.clock)).await?;
            if dry_run {
                return preview(context, &mut connection, kept.0, period).await;
            }
            kept
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

/// How budgets would stand this month if they were taken over.
async fn preview(
    context: &CommandContext,
    connection: &mut PgConnection,
    budgets: Vec<Budget>,
    period: Option<BillingPeriod>,
) -> anyhow::Result<()> {
    let sees_people = authorize(&context.actor, Action::ReadPeople).is_ok();
    let question = budget_question(&context.config, context.clock, period)?;
    let view = statuses_of(connection, &question, Some(budgets), sees_people, &context.as_seen()).await?;
    print_standing(context, &view)?;
    eprintln!("nothing is taken over; this is how they would stand in {}", view.period);
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
    print_standing(context, &view)?;
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

fn print_standing(context: &CommandContext, view: &BudgetStatusesView) -> anyhow::Result<()> {
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
    output::print(context.format(), view, &table)
}

fn print_raises(context: &CommandContext, view: &RaisesView) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        "id",
        "budget",
        "by",
        "from",
        "to",
        "state",
        "asked by",
        "decided by",
        "reason",
        "ringi",
    ]);
    for raise in &view.data {
        table.push(vec![
            raise.id.to_string(),
            raise.budget.clone(),
            format!("{} {}", grouped(&raise.amount.amount), raise.amount.currency),
            raise.valid_from.clone(),
            raise.valid_to.clone(),
            raise.state.to_owned(),
            raise.requested_by.clone(),
            raise.decided_by.clone().unwrap_or_default(),
            raise.reason.clone(),
            raise.ringi.clone(),
        ]);
    }
    output::print(context.format(), view, &table)
}
