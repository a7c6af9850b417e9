//! More money for a budget for a while: one person asks, another decides.  The same for command, API and Slack.

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, Days, NaiveDate, Utc};
use sqlx::{Connection, PgConnection};

use super::answer_alerts::Answering;
use crate::domain::budget::Budget;
use crate::domain::budget_status::Raise;
use crate::domain::job::JobName;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::store::StoreError;
use crate::store::budgets::{RequestedRaise, decide_raise, find_raise, list_budgets, list_raises, record_raise};
use crate::store::jobs::request_run;

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct WantedRaise {
    pub budget: String,
    /// In the budget's currency.
    pub amount: Amount,
    /// The last day on which it holds.
    pub until: NaiveDate,
    pub reason: String,
    pub ringi: String,
}

/// Who is not of finance approves no more than this share of a budget, in per cent.
const PERCENT_MAX: i128 = 20;
const WORDS_MAX: usize = 1_000;
const DAYS_MAX: u64 = 366;

/// The budget of a name that holds on a day.
pub async fn find_budget(connection: &mut PgConnection, name: &str, day: NaiveDate) -> anyhow::Result<Budget> {
    let budgets = list_budgets(connection).await?;
    let period = BillingPeriod::of(day);
    let found = budgets.into_iter().find(|of| of.name == name && of.holds_in(period));
    found.with_context(|| format!("no budget '{name}' holds in {period}"))
}

/// Notes that somebody asks for a raise; it holds once somebody else approves it.
pub async fn ask_for_raise(
    connection: &mut PgConnection,
    wanted: &WantedRaise,
    answering: &Answering,
    now: DateTime<Utc>,
) -> anyhow::Result<i32> {
    let today = now.date_naive();
    let budget = find_budget(connection, &wanted.budget, today).await?;
    ensure!(wanted.amount.units() > 0, "a raise is above 0");
    ensure!(
        wanted.until <= today + Days::new(DAYS_MAX),
        "a raise ends within a year"
    );
    ensure!(
        wanted.until >= today,
        "a raise ends today or later; {} is over",
        wanted.until
    );
    ensure!(!wanted.reason.trim().is_empty(), "a raise has a reason");
    ensure!(
        wanted.reason.chars().count() <= WORDS_MAX && wanted.ringi.chars().count() <= WORDS_MAX,
        "a reason has at most {WORDS_MAX} letters"
    );
    ensure!(
        budget.currency != "JPY" || wanted.amount.whole().is_some(),
        "yen are whole"
    );
    let raise = Raise {
        raise_id: 0,
        budget: budget.name,
        amount: wanted.amount,
        currency: budget.currency,
        valid_from: today,
        valid_to: wanted.until.succ_opt().context("the date is out of reach")?,
        reason: wanted.reason.trim().to_owned(),
        ringi: wanted.ringi.trim().to_owned(),
        approved_by: String::new(),
    };
    Ok(record_raise(connection, &raise, &answering.name, now).await?)
}

/// Approves or refuses a raise.  Nobody decides about what they asked for; who is not of finance, only up to a fifth of the budget.
pub async fn decide_about_raise(
    connection: &mut PgConnection,
    raise_id: i32,
    is_approved: bool,
    answering: &Answering,
    now: DateTime<Utc>,
) -> anyhow::Result<RequestedRaise> {
    let mut transaction = connection.begin().await.map_err(StoreError::from)?;
    let asked = find_raise(&mut transaction, raise_id).await?;
    let asked = asked.with_context(|| format!("there is no raise {raise_id}"))?;
    if asked.is_decided {
        bail!("raise {raise_id} is decided already, by {}", asked.raise.approved_by);
    }
    if asked.requested_by == answering.name {
        bail!(
            "{} asked for raise {raise_id}; somebody else decides about it",
            answering.name
        );
    }
    let budget = find_budget(&mut transaction, &asked.raise.budget, now.date_naive()).await?;
    ensure!(
        budget.currency == asked.raise.currency,
        "{} is in {} now, and the raise in {}",
        budget.name,
        budget.currency,
        asked.raise.currency
    );
    let most = Amount::from_units(budget.amount.units() / 100 * PERCENT_MAX);
    let others = list_raises(&mut transaction).await?;
    let others = others
        .iter()
        .filter(|of| of.budget == asked.raise.budget && of.currency == asked.raise.currency)
        .filter(|of| of.valid_to > asked.raise.valid_from);
    let together: Amount = others.map(|of| of.amount).sum::<Amount>() + asked.raise.amount;
    if is_approved && !answering.is_finance && together > most {
        bail!(
            "its raises are with this one above {PERCENT_MAX} % of the budget: finance approves it with 'anbun budgets approve {raise_id}'"
        );
    }
    decide_raise(&mut transaction, raise_id, is_approved, &answering.name, now).await?;
    if is_approved {
        request_run(&mut transaction, JobName::EvaluateBudgets, &answering.name, now).await?;
    }
    let decided = find_raise(&mut transaction, raise_id).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    decided.with_context(|| format!("there is no raise {raise_id}"))
}
