//! The states of months, and the steps between them.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use super::database::Database;
use super::{StoreError, StoreResult};
use crate::domain::close::MonthState;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

/// Key of the lock that seals and steps take, one at a time: each chains to the one before.
const STEP_LOCK: i64 = 0x616e_6275_6e73_6561;

/// A month that is not open any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredState {
    pub state: MonthState,
    /// The statement that closed it.
    pub statement_id: Option<i32>,
}

impl StoredState {
    const OPEN: Self = Self {
        state: MonthState::Open,
        statement_id: None,
    };
}

/// Months that are not open.
pub async fn list_states(connection: &mut PgConnection) -> StoreResult<BTreeMap<BillingPeriod, StoredState>> {
    let rows = sqlx::query_file!("queries/months/list_states.sql")
        .fetch_all(connection)
        .await?;
    let states = rows.into_iter().map(|row| {
        let state = StoredState {
            state: MonthState::parse(&row.state).unwrap_or(MonthState::Locked),
            statement_id: row.statement_id,
        };
        (BillingPeriod::of(row.billing_period), state)
    });
    Ok(states.collect())
}

pub async fn find_state(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<StoredState> {
    let row = sqlx::query_file!("queries/months/find_state.sql", period.first_day())
        .fetch_optional(connection)
        .await?;
    Ok(row.map_or(StoredState::OPEN, |row| StoredState {
        state: MonthState::parse(&row.state).unwrap_or(MonthState::Locked),
        statement_id: row.statement_id,
    }))
}

/// Refuses to change what a final or locked month rests on.
pub async fn refuse_closed(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<()> {
    let state = find_state(connection, period).await?.state;
    match state {
        MonthState::Open | MonthState::Provisional => Ok(()),
        MonthState::Final | MonthState::Locked => Err(StoreError::MonthIsClosed { period, state }),
    }
}

/// A connection of its own that holds the lock of steps until it is dropped.
pub async fn connect_for_step(database: &Database) -> StoreResult<PgConnection> {
    let mut connection = database.pool.acquire().await?.detach();
    sqlx::query("select pg_advisory_lock($1)")
        .bind(STEP_LOCK)
        .execute(&mut connection)
        .await?;
    Ok(connection)
}

/// Keeps steps out until the caller's transaction ends, so that a state that it has read still holds when it commits.
pub async fn lock_steps(transaction: &mut PgConnection) -> StoreResult<()> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(STEP_LOCK)
        .execute(transaction)
        .await?;
    Ok(())
}

/// A step between two states.
#[derive(Debug, Clone)]
pub struct MonthStep<'s> {
    pub period: BillingPeriod,
    pub from: MonthState,
    pub to: MonthState,
    pub statement_id: Option<i32>,
    pub reason: Option<&'s str>,
    pub by: &'s str,
    pub at: DateTime<Utc>,
}

/// Takes a step and writes it down.  The caller's transaction holds both.
pub async fn take_step(connection: &mut PgConnection, step: &MonthStep<'_>) -> StoreResult<()> {
    let of_state = step.statement_id.filter(|_| step.to != MonthState::Open);
    sqlx::query_file!(
        "queries/months/upsert_state.sql",
        step.period.first_day(),
        step.to.as_str(),
        of_state,
        step.by,
        step.at,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query_file!(
        "queries/months/insert_event.sql",
        step.period.first_day(),
        step.from.as_str(),
        step.to.as_str(),
        step.statement_id,
        step.reason,
        step.by,
        step.at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A step that was taken.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    pub from_state: String,
    pub to_state: String,
    pub statement_id: Option<i32>,
    pub version: Option<i32>,
    pub reason: Option<String>,
    pub done_by: String,
    pub done_at: DateTime<Utc>,
}

pub async fn list_events(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<Vec<StoredEvent>> {
    let query = sqlx::query_file_as!(StoredEvent, "queries/months/list_events.sql", period.first_day());
    Ok(query.fetch_all(connection).await?)
}

/// A delivery that a month rests on.
#[derive(Debug, Clone)]
pub struct DeliveryUsed {
    pub snapshot_id: i32,
    pub source: String,
    pub location: String,
    pub digest: String,
    pub manifest: String,
    /// Each file's key, bytes and version.
    pub files: Vec<String>,
    pub delivered_at: DateTime<Utc>,
    pub lines_read: i64,
    pub lines_kept: i64,
    pub first_day: Option<NaiveDate>,
    pub last_day: Option<NaiveDate>,
    pub directory_version: Option<i32>,
    /// Of Bedrock's lines, and of the others.
    pub cost: Amount,
    pub left_out_cost: Amount,
}

pub async fn list_deliveries_used(
    connection: &mut PgConnection,
    period: BillingPeriod,
) -> StoreResult<Vec<DeliveryUsed>> {
    let rows = sqlx::query_file!("queries/months/list_snapshots.sql", period.first_day())
        .fetch_all(connection)
        .await?;
    let amount = |value| Amount::from_decimal(value).ok_or(StoreError::TooLarge);
    let used = rows.into_iter().map(|row| {
        Ok(DeliveryUsed {
            snapshot_id: row.snapshot_id,
            source: row.source,
            location: row.location,
            digest: row.digest,
            manifest: row.manifest,
            files: row.files,
            delivered_at: row.delivered_at,
            lines_read: row.lines_read,
            lines_kept: row.lines_kept,
            first_day: row.first_day,
            last_day: row.last_day,
            directory_version: row.directory_version,
            cost: amount(row.cost)?,
            left_out_cost: amount(row.left_out_cost)?,
        })
    });
    used.collect()
}

/// Deliveries of a month that were not counted a second time, and those whose second count differs.
pub async fn count_recounts(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<(i64, i64)> {
    let row = sqlx::query_file!("queries/months/find_recount.sql", period.first_day())
        .fetch_one(connection)
        .await?;
    Ok((row.missing, row.unequal))
}

/// A slip that the company's books hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedSlip {
    pub slip: String,
    /// Empty where no journal says whose it is.
    pub legal_entity: String,
    /// The file that it came from.
    pub file_id: Option<i32>,
}

pub async fn note_posted(
    connection: &mut PgConnection,
    statement_id: i32,
    posted: &PostedSlip,
    by: &str,
    at: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query_file!(
        "queries/months/insert_slip.sql",
        statement_id,
        posted.slip,
        by,
        at,
        posted.legal_entity,
        posted.file_id
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Slips that the company's books hold.
pub async fn list_posted(connection: &mut PgConnection, statement_id: i32) -> StoreResult<Vec<PostedSlip>> {
    let query = sqlx::query_file_as!(PostedSlip, "queries/months/list_slips.sql", statement_id);
    Ok(query.fetch_all(connection).await?)
}

/// What bills are made of, by account, product and charge type.
#[derive(Debug, Clone)]
pub struct BillRow {
    /// Of another service.
    pub is_other: bool,
    pub account: String,
    pub product: String,
    pub charge_type: String,
    pub lines: i64,
    pub cost: Amount,
}

/// The rows of some bills of a month, each by payer, seller and invoice (empty where it has none).
pub async fn list_bill_rows(
    connection: &mut PgConnection,
    period: BillingPeriod,
    net_payers: &[String],
    bills: &[(String, String, String)],
) -> StoreResult<Vec<BillRow>> {
    let part = |of: fn(&(String, String, String)) -> &String| bills.iter().map(of).cloned().collect::<Vec<_>>();
    let rows = sqlx::query_file!(
        "queries/months/list_bill_rows.sql",
        period.first_day(),
        net_payers,
        &part(|bill| &bill.0),
        &part(|bill| &bill.1),
        &part(|bill| &bill.2)
    )
    .fetch_all(connection)
    .await?;
    let rows = rows.into_iter().map(|row| {
        Ok(BillRow {
            is_other: row.is_other,
            account: row.account,
            product: row.product,
            charge_type: row.charge_type,
            lines: row.lines,
            cost: Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?,
        })
    });
    rows.collect()
}

/// Usage in dollars of the last nine hours of each UTC day; empty where a delivery does not tell hours.
pub async fn list_late_hours(
    connection: &mut PgConnection,
    period: BillingPeriod,
) -> StoreResult<BTreeMap<NaiveDate, Amount>> {
    let rows = sqlx::query_file!("queries/late_hours/list.sql", period.first_day())
        .fetch_all(connection)
        .await?;
    let amount = |value| Amount::from_decimal(value).ok_or(StoreError::TooLarge);
    rows.into_iter()
        .map(|row| Ok((row.usage_date, amount(row.cost)?)))
        .collect()
}
