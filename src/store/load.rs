//! Storing a delivery: a snapshot that replaces the month's charges of its source, all or nothing.
//!
//! Everything happens in one transaction: charges go by binary COPY into a table of their own, which is indexed,
//! checked against what was read, and attached as the source's partition of the month together with the new roll-ups.
//! Readers see the old month until the commit.  A load that is killed leaves nothing behind.

mod parts;
mod roll_ups;
mod snapshots;

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};

use super::dimensions::DimensionKeys;
use super::month::find_state;
use super::{StoreError, StoreResult};
use crate::domain::booked::Booked;
use crate::domain::close::MonthState;
use crate::domain::finding::Finding;
use crate::domain::period::BillingPeriod;
use parts::{drop_part, fill_part, part_name, swap_part};
use roll_ups::{check_written, delete_roll_ups, write_late_hours, write_left_out, write_roll_ups};
pub(super) use snapshots::insert_findings;
use snapshots::{insert_snapshot, keep_department_days, supersede_snapshot};

/// Class of the advisory locks that keep two loads of a month apart; any number that nothing else uses.
const LOAD_LOCK: i32 = 0x616e_6275;

/// A source by its id and name.
pub async fn ensure_source(connection: &mut PgConnection, name: &str, location: &str) -> StoreResult<i32> {
    Ok(
        sqlx::query_file_scalar!("queries/deliveries/upsert_source.sql", name, location)
            .fetch_one(connection)
            .await?,
    )
}

pub async fn find_source(connection: &mut PgConnection, name: &str) -> StoreResult<Option<i32>> {
    Ok(sqlx::query_file_scalar!("queries/deliveries/find_source.sql", name)
        .fetch_optional(connection)
        .await?)
}

/// What is loaded of a source's month now.
#[derive(Debug, Clone)]
pub struct CurrentSnapshot {
    pub snapshot_id: i32,
    pub digest: String,
    pub directory_version: Option<i32>,
}

pub async fn find_current_snapshot(
    connection: &mut PgConnection,
    source_id: i32,
    period: BillingPeriod,
) -> StoreResult<Option<CurrentSnapshot>> {
    let query = sqlx::query_file_as!(
        CurrentSnapshot,
        "queries/deliveries/find_current_snapshot.sql",
        source_id,
        period.first_day()
    );
    Ok(query.fetch_optional(connection).await?)
}

/// Takes the lock of a month's loads; waits while another program has it.  Ends with the connection.
pub async fn lock_period(
    connection: &mut PgConnection,
    period: BillingPeriod,
    waiting: impl FnOnce(),
) -> StoreResult<()> {
    let key = chrono::Datelike::num_days_from_ce(&period.first_day());
    let taken: bool = sqlx::query_scalar("select pg_try_advisory_lock($1, $2)")
        .bind(LOAD_LOCK)
        .bind(key)
        .fetch_one(&mut *connection)
        .await?;
    if !taken {
        waiting();
        sqlx::query("select pg_advisory_lock($1, $2)")
            .bind(LOAD_LOCK)
            .bind(key)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// The same lock until the caller's transaction ends.
pub async fn lock_period_in_transaction(transaction: &mut PgConnection, period: BillingPeriod) -> StoreResult<()> {
    let key = chrono::Datelike::num_days_from_ce(&period.first_day());
    sqlx::query("select pg_advisory_xact_lock($1, $2)")
        .bind(LOAD_LOCK)
        .bind(key)
        .execute(transaction)
        .await?;
    Ok(())
}

pub async fn unlock_period(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<()> {
    let key = chrono::Datelike::num_days_from_ce(&period.first_day());
    sqlx::query("select pg_advisory_unlock($1, $2)")
        .bind(LOAD_LOCK)
        .bind(key)
        .execute(connection)
        .await?;
    Ok(())
}

/// Where a delivery comes from.
#[derive(Debug, Clone)]
pub struct Provenance {
    pub source_id: i32,
    pub digest: String,
    pub manifest: String,
    /// Each file's key, bytes and version.
    pub files: Vec<String>,
    pub delivered_at: DateTime<Utc>,
    pub loaded_at: DateTime<Utc>,
    pub loaded_by: String,
    /// The version of the directory that attributed it.
    pub directory_version: Option<i32>,
}

/// Replaces a source's month by a delivery.  The caller holds the month's lock.  Returns the snapshot's id.
pub async fn replace_month(
    connection: &mut PgConnection,
    provenance: &Provenance,
    booked: &Booked,
    findings: &[Finding],
) -> StoreResult<i32> {
    let (source_id, period) = (provenance.source_id, booked.delivery.period);
    refuse_second_source(connection, source_id, booked).await?;
    let keys = DimensionKeys::ensure(connection, booked).await?;
    let roll_ups = booked.roll_ups();
    let mut transaction = connection.begin().await?;
    sqlx::query("set local lock_timeout = '60s'")
        .execute(&mut *transaction)
        .await?;
    let previous = find_current_snapshot(&mut transaction, source_id, period).await?;
    let snapshot_id = insert_snapshot(&mut transaction, provenance, booked, findings).await?;
    let part = fill_part(&mut transaction, source_id, snapshot_id, booked, &keys).await?;
    delete_roll_ups(&mut transaction, source_id, period).await?;
    write_roll_ups(&mut transaction, source_id, period, &roll_ups).await?;
    keep_department_days(&mut transaction, snapshot_id, source_id, period).await?;
    write_left_out(&mut transaction, source_id, booked, &keys).await?;
    write_late_hours(&mut transaction, source_id, booked).await?;
    check_written(&mut transaction, source_id, booked).await?;
    swap_part(
        &mut transaction,
        period,
        source_id,
        previous.map(|p| part_name(period, source_id, p.snapshot_id)),
        &part,
    )
    .await?;
    transaction.commit().await?;
    Ok(snapshot_id)
}

async fn refuse_second_source(connection: &mut PgConnection, source_id: i32, booked: &Booked) -> StoreResult<()> {
    let period = booked.delivery.period;
    let payers: Vec<String> = booked.delivery.payers().into_iter().map(str::to_owned).collect();
    let conflict = sqlx::query_file!(
        "queries/deliveries/find_payer_conflict.sql",
        source_id,
        period.first_day(),
        &payers
    );
    match conflict.fetch_optional(connection).await? {
        Some(row) => Err(StoreError::PayerCountedTwice {
            payer: row.payer,
            period: period.to_string(),
            other: row.source,
        }),
        None => Ok(()),
    }
}

fn compare<T: PartialEq + std::fmt::Debug>(what: &'static str, written: &T, read: &T) -> StoreResult<()> {
    if written == read {
        return Ok(());
    }
    Err(StoreError::WrittenDiffers {
        what,
        written: format!("{written:?}"),
        read: format!("{read:?}"),
    })
}

/// A delivery that was not loaded.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub at: DateTime<Utc>,
    pub message: String,
    /// It is not done yet; nothing is wrong.
    pub is_waiting: bool,
    /// Which delivery it was, where reading it again would be of no use.
    pub digest: Option<String>,
}

/// The delivery of a month that was refused for good, and why.
pub async fn find_lasting_refusal(
    connection: &mut PgConnection,
    source_id: i32,
    period: BillingPeriod,
) -> StoreResult<Option<(String, String)>> {
    let query = sqlx::query_file!("queries/deliveries/find_refusal.sql", source_id, period.first_day());
    Ok(query
        .fetch_optional(connection)
        .await?
        .map(|row| (row.digest, row.message)))
}

/// Notes that a delivery of a month was refused, or that none is any more.
pub async fn note_refusal(
    connection: &mut PgConnection,
    source_id: i32,
    period: BillingPeriod,
    refusal: Option<&Refusal>,
) -> StoreResult<()> {
    let first_day = period.first_day();
    match refusal {
        Some(refusal) => {
            sqlx::query_file!(
                "queries/deliveries/upsert_refusal.sql",
                source_id,
                first_day,
                refusal.at,
                refusal.message,
                refusal.is_waiting,
                refusal.digest
            )
            .execute(connection)
            .await?
        }
        None => {
            sqlx::query_file!("queries/deliveries/delete_refusal.sql", source_id, first_day)
                .execute(connection)
                .await?
        }
    };
    Ok(())
}

/// Removes what is loaded of a source's month; its totals stay.  Returns whether there was anything.
pub async fn forget(connection: &mut PgConnection, source_id: i32, period: BillingPeriod) -> StoreResult<bool> {
    lock_period(connection, period, || ()).await?;
    let was_loaded = forget_locked(connection, source_id, period).await;
    unlock_period(connection, period).await?;
    was_loaded
}

async fn forget_locked(connection: &mut PgConnection, source_id: i32, period: BillingPeriod) -> StoreResult<bool> {
    let mut transaction = connection.begin().await?;
    let state = find_state(&mut transaction, period).await?.state;
    if state != MonthState::Open {
        return Err(StoreError::MonthIsClosed { period, state });
    }
    let Some(current) = find_current_snapshot(&mut transaction, source_id, period).await? else {
        return Ok(false);
    };
    supersede_snapshot(&mut transaction, source_id, period).await?;
    delete_roll_ups(&mut transaction, source_id, period).await?;
    drop_part(&mut transaction, &part_name(period, source_id, current.snapshot_id)).await?;
    sqlx::query_file!("queries/deliveries/forget_refused_digests.sql", period.first_day())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(true)
}
