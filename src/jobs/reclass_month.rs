//! Moves yen of a locked month between departments, on an approved dispute, and takes that back.
//!
//! Under the lock of a month's steps, so that two people who settle the same dispute at one moment cannot move it twice, and no
//! close takes over what is being taken back.

use anyhow::bail;
use sqlx::{Connection, PgConnection};

use crate::clock::Clock;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::close::MonthState;
use crate::domain::department_statement::DepartmentAnswer;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::text::grouped;
use crate::store::StoreError;
use crate::store::database::Database;
use crate::store::department_statements::list_standings;
use crate::store::directory::list_departments;
use crate::store::month::{connect_for_step, find_state};
use crate::store::statements::{find_statement, list_postings};
use crate::store::true_ups::{Reclass, delete_reclass, has_settled_reclass, record_reclass, sum_reclassed};

/// What an approved dispute moves.
#[derive(Debug, Clone)]
pub struct Move {
    pub from: String,
    pub to: String,
    /// Whole yen, above 0.
    pub jpy: u64,
    pub reason: String,
}

/// Records a dispute's move and answers its number; the next open month takes it over.
pub async fn reclass(
    database: &Database,
    period: BillingPeriod,
    wanted: &Move,
    (actor, clock): (&Actor, Clock),
) -> anyhow::Result<i32> {
    authorize(actor, Action::CloseMonths)?;
    let Move { from, to, jpy, reason } = wanted;
    if reason.trim().is_empty() || *jpy == 0 || from == to {
        bail!("a reclass names two departments, an amount above 0 and a reason");
    }
    let jpy = Amount::from_whole((*jpy).into());
    let mut connection = connect_for_step(database).await?;
    let mut transaction = connection.begin().await.map_err(StoreError::from)?;
    let statement_id = locked_statement(&mut transaction, period).await?;
    approved(&mut transaction, statement_id, (from, to), actor).await?;
    let departments = list_departments(&mut transaction).await?;
    for code in [from, to] {
        if !departments.iter().any(|department| department.code == *code) {
            bail!("department '{code}' is not in the directory");
        }
    }
    let postings = list_postings(&mut transaction, statement_id).await?;
    let own = postings
        .iter()
        .filter(|(_, posting)| posting.department.as_ref() == Some(from));
    let charged: Amount = own.map(|(_, posting)| posting.amount).sum();
    let moved = sum_reclassed(&mut transaction, period, from).await?;
    if jpy > charged - moved {
        bail!(
            "{from} was charged ¥{} in {period}, and ¥{} of it are moved already; no more can be moved",
            grouped(&charged.to_string()),
            grouped(&moved.to_string())
        );
    }
    let reclass = Reclass {
        reclass_id: 0,
        origin: period,
        from_department: from.clone(),
        to_department: to.clone(),
        jpy,
        reason: reason.trim().to_owned(),
        approved_by: actor.name.clone(),
        bill: Default::default(),
    };
    let number = record_reclass(&mut transaction, &reclass, clock.now()).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(number)
}

/// Where two people close a month, two settle its disputes: one notes what a department disputes, another approves it.
async fn approved(
    connection: &mut PgConnection,
    statement_id: i32,
    (from, to): (&str, &str),
    actor: &Actor,
) -> anyhow::Result<()> {
    let statement = find_statement(connection, statement_id).await?;
    if !statement.needs_approver() {
        return Ok(());
    }
    let standings = list_standings(connection, statement_id).await?;
    let of_these = standings
        .iter()
        .filter(|of| of.department == from || of.department == to);
    let disputed = of_these.filter_map(|of| of.answered.as_ref());
    let disputed: Vec<_> = disputed.filter(|of| of.answer == DepartmentAnswer::Disputed).collect();
    let period = statement.period;
    anyhow::ensure!(
        !disputed.is_empty(),
        "neither {from} nor {to} disputes its statement of {period}: note it with 'anbun chargeback answer', and let somebody else approve it"
    );
    anyhow::ensure!(
        disputed.iter().any(|of| of.answered_by != actor.name),
        "'{}' noted this dispute; somebody else approves it, or [close] two_person is off when a month is closed",
        actor.name
    );
    Ok(())
}

/// Takes a move back while no closed month has taken it over.
pub async fn remove_reclass(
    database: &Database,
    period: BillingPeriod,
    number: i32,
    actor: &Actor,
) -> anyhow::Result<()> {
    authorize(actor, Action::CloseMonths)?;
    let mut connection = connect_for_step(database).await?;
    let mut transaction = connection.begin().await.map_err(StoreError::from)?;
    locked_statement(&mut transaction, period).await?;
    if has_settled_reclass(&mut transaction, period, number).await? {
        bail!("reclass {number} is in a closed month: move it back with another one");
    }
    if !delete_reclass(&mut transaction, period, number).await? {
        bail!("{period} has no reclass {number}");
    }
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(())
}

async fn locked_statement(connection: &mut PgConnection, period: BillingPeriod) -> anyhow::Result<i32> {
    let state = find_state(connection, period).await?;
    match state.statement_id.filter(|_| state.state == MonthState::Locked) {
        Some(statement_id) => Ok(statement_id),
        None => bail!("{period} is not locked: correct the directory, and reopen the month where it is closed"),
    }
}
