//! Storing a delivery: a snapshot that replaces the month's charges of its source, all or nothing.
//!
//! Everything happens in one transaction: charges go by binary COPY into a table of their own, which is indexed,
//! checked against what was read, and attached as the source's partition of the month together with the new roll-ups.
//! Readers see the old month until the commit.  A load that is killed leaves nothing behind.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::copy::Copy;
use super::dimensions::{DimensionKeys, section_of_charge, section_of_left_out};
use super::{StoreError, StoreResult};
use crate::domain::attribution::{Reason, State};
use crate::domain::booked::{Booked, DepartmentKey, RollUp, RollUps};
use crate::domain::charge::ChargeClass;
use crate::domain::delivery::Totals;
use crate::domain::finding::Finding;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

/// Class of the advisory locks that keep two loads of a month apart; any number that nothing else uses.
const LOAD_LOCK: i32 = 0x616e_6275;

const CHARGE_COLUMNS: [&str; 20] = [
    "billing_period", "source_id", "usage_date", "payer_key", "account_key", "principal_key", "tag_set_key", "meter_key", "resource_key",
    "section_key", "attribution_key", "caught_by", "lines", "lines_without_net", "lines_without_list", "tokens", "quantity", "cost",
    "net_cost", "list_cost",
];
const LEFT_OUT_COLUMNS: [&str; 9] =
    ["billing_period", "source_id", "usage_date", "payer_key", "account_key", "section_key", "lines", "cost", "net_cost"];
const DEPARTMENT_DAY_COLUMNS: [&str; 13] = [
    "billing_period", "source_id", "usage_date", "charge_class", "charge_type", "currency", "state", "reason", "department", "lines",
    "tokens", "cost", "net_cost",
];
const PERSON_MODEL_COLUMNS: [&str; 22] = [
    "billing_period", "source_id", "currency", "state", "reason", "department", "person", "project", "provider", "family", "version",
    "model", "token_kind", "cache_ttl", "route", "tier", "context", "line_kind", "lines", "tokens", "cost", "net_cost",
];

/// A source by its id and name.
pub async fn ensure_source(connection: &mut PgConnection, name: &str, location: &str) -> StoreResult<i32> {
    Ok(sqlx::query_file_scalar!("queries/deliveries/upsert_source.sql", name, location).fetch_one(connection).await?)
}

pub async fn find_source(connection: &mut PgConnection, name: &str) -> StoreResult<Option<i32>> {
    Ok(sqlx::query_file_scalar!("queries/deliveries/find_source.sql", name).fetch_optional(connection).await?)
}

/// What is loaded of a source's month now.
#[derive(Debug, Clone)]
pub struct CurrentSnapshot {
    pub snapshot_id: i32,
    pub digest: String,
    pub directory_version: Option<i32>,
}

pub async fn find_current_snapshot(connection: &mut PgConnection, source_id: i32, period: BillingPeriod) -> StoreResult<Option<CurrentSnapshot>> {
    let query = sqlx::query_file_as!(CurrentSnapshot, "queries/deliveries/find_current_snapshot.sql", source_id, period.first_day());
    Ok(query.fetch_optional(connection).await?)
}

/// Takes the lock of a month's loads; waits while another program has it.  Ends with the connection.
pub async fn lock_period(connection: &mut PgConnection, period: BillingPeriod, waiting: impl FnOnce()) -> StoreResult<()> {
    let key = chrono::Datelike::num_days_from_ce(&period.first_day());
    let taken: bool = sqlx::query_scalar("select pg_try_advisory_lock($1, $2)").bind(LOAD_LOCK).bind(key).fetch_one(&mut *connection).await?;
    if !taken {
        waiting();
        sqlx::query("select pg_advisory_lock($1, $2)").bind(LOAD_LOCK).bind(key).execute(connection).await?;
    }
    Ok(())
}

pub async fn unlock_period(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<()> {
    let key = chrono::Datelike::num_days_from_ce(&period.first_day());
    sqlx::query("select pg_advisory_unlock($1, $2)").bind(LOAD_LOCK).bind(key).execute(connection).await?;
    Ok(())
}

/// Where a delivery comes from.
#[derive(Debug, Clone)]
pub struct Provenance {
    pub source_id: i32,
    pub digest: String,
    pub manifest: String,
    pub delivered_at: DateTime<Utc>,
    pub loaded_at: DateTime<Utc>,
    pub loaded_by: String,
}

/// Replaces a source's month by a delivery.  The caller holds the month's lock.  Returns the snapshot's id.
pub async fn replace_month(connection: &mut PgConnection, provenance: &Provenance, booked: &Booked, findings: &[Finding]) -> StoreResult<i32> {
    let (source_id, period) = (provenance.source_id, booked.delivery.period);
    refuse_second_source(connection, source_id, booked).await?;
    let keys = DimensionKeys::ensure(connection, booked).await?;
    let roll_ups = booked.roll_ups();
    let mut transaction = connection.begin().await?;
    sqlx::query("set local lock_timeout = '60s'").execute(&mut *transaction).await?;
    let previous = find_current_snapshot(&mut transaction, source_id, period).await?;
    let snapshot_id = insert_snapshot(&mut transaction, provenance, booked, findings).await?;
    let part = fill_part(&mut transaction, source_id, snapshot_id, booked, &keys).await?;
    sqlx::query_file!("queries/deliveries/delete_roll_ups.sql", source_id, period.first_day()).execute(&mut *transaction).await?;
    write_roll_ups(&mut transaction, source_id, period, &roll_ups).await?;
    write_left_out(&mut transaction, source_id, booked, &keys).await?;
    check_written(&mut transaction, source_id, booked).await?;
    swap_part(&mut transaction, period, source_id, previous.map(|p| part_name(period, source_id, p.snapshot_id)), &part).await?;
    transaction.commit().await?;
    Ok(snapshot_id)
}

async fn refuse_second_source(connection: &mut PgConnection, source_id: i32, booked: &Booked) -> StoreResult<()> {
    let period = booked.delivery.period;
    let payers: Vec<String> = booked.delivery.payers().into_iter().map(str::to_owned).collect();
    let conflict = sqlx::query_file!("queries/deliveries/find_payer_conflict.sql", source_id, period.first_day(), &payers);
    match conflict.fetch_optional(connection).await? {
        Some(row) => Err(StoreError::PayerCountedTwice { payer: row.payer, period: period.to_string(), other: row.source }),
        None => Ok(()),
    }
}

async fn insert_snapshot(connection: &mut PgConnection, provenance: &Provenance, booked: &Booked, findings: &[Finding]) -> StoreResult<i32> {
    let delivery = &booked.delivery;
    let source_id = provenance.source_id;
    sqlx::query_file!("queries/deliveries/supersede_snapshot.sql", source_id, delivery.period.first_day()).execute(&mut *connection).await?;
    let days = delivery.days();
    let snapshot_id = sqlx::query_file_scalar!(
        "queries/deliveries/insert_snapshot.sql",
        source_id,
        delivery.period.first_day(),
        provenance.digest,
        provenance.manifest,
        provenance.delivered_at,
        provenance.loaded_at,
        provenance.loaded_by,
        delivery.lines_read,
        booked.total().lines,
        days.first(),
        days.last(),
    )
    .fetch_one(&mut *connection)
    .await?;
    insert_totals(connection, snapshot_id, booked).await?;
    let payers: Vec<String> = delivery.payers().into_iter().map(str::to_owned).collect();
    sqlx::query_file!("queries/deliveries/insert_snapshot_payers.sql", snapshot_id, &payers).execute(&mut *connection).await?;
    let mut lines_of_day: BTreeMap<NaiveDate, i64> = BTreeMap::new();
    for (day, lines) in delivery.charges.iter().map(|(k, m)| (k.usage_date, m.lines)).chain(delivery.left_out.iter().map(|(k, t)| (k.usage_date, t.lines))) {
        *lines_of_day.entry(day).or_default() += lines;
    }
    let (days, lines): (Vec<NaiveDate>, Vec<i64>) = lines_of_day.into_iter().unzip();
    sqlx::query_file!("queries/deliveries/insert_snapshot_days.sql", snapshot_id, &days, &lines).execute(&mut *connection).await?;
    insert_findings(connection, snapshot_id, findings).await?;
    Ok(snapshot_id)
}

fn decimal(amount: Amount) -> StoreResult<Decimal> {
    amount.to_decimal().ok_or(StoreError::TooLarge)
}

async fn insert_totals(connection: &mut PgConnection, snapshot_id: i32, booked: &Booked) -> StoreResult<()> {
    let delivery = &booked.delivery;
    let text = |id| delivery.texts.or_empty(id).to_owned();
    let mut totals: BTreeMap<(bool, String, String), Totals> = BTreeMap::new();
    for (key, m) in &delivery.charges {
        let sums = Totals { cost: m.cost, net_cost: m.net_cost, lines: m.lines };
        totals.entry((true, text(key.charge_type), text(key.currency))).or_default().add(&sums);
    }
    for (key, sums) in &delivery.left_out {
        totals.entry((false, text(key.charge_type), text(key.currency))).or_default().add(sums);
    }
    let column = |of: fn(&Totals) -> Amount| totals.values().map(|t| decimal(of(t))).collect::<StoreResult<Vec<Decimal>>>();
    let (costs, net_costs) = (column(|t| t.cost)?, column(|t| t.net_cost)?);
    let lines: Vec<i64> = totals.values().map(|t| t.lines).collect();
    let is_bedrock: Vec<bool> = totals.keys().map(|(is_bedrock, ..)| *is_bedrock).collect();
    let charge_types: Vec<String> = totals.keys().map(|(_, charge_type, _)| charge_type.clone()).collect();
    let currencies: Vec<String> = totals.keys().map(|(.., currency)| currency.clone()).collect();
    sqlx::query_file!("queries/deliveries/insert_snapshot_totals.sql", snapshot_id, &is_bedrock, &charge_types, &currencies, &lines, &costs, &net_costs)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_findings(connection: &mut PgConnection, snapshot_id: i32, findings: &[Finding]) -> StoreResult<()> {
    let text = |of: fn(&Finding) -> String| -> Vec<String> { findings.iter().map(of).collect() };
    let amounts: Vec<Option<Decimal>> = findings.iter().map(|f| f.amount.map(decimal).transpose()).collect::<StoreResult<_>>()?;
    let currencies: Vec<Option<String>> = findings.iter().map(|f| f.currency.clone()).collect();
    let lines: Vec<Option<i64>> = findings.iter().map(|f| f.lines).collect();
    sqlx::query_file!(
        "queries/deliveries/insert_findings.sql",
        snapshot_id,
        &text(|f| f.code.to_owned()),
        &text(|f| f.severity.as_str().to_owned()),
        &text(|f| f.subject.clone()),
        &text(|f| f.message.clone()),
        &text(|f| f.action.clone()),
        &amounts as _,
        &currencies as _,
        &lines as _,
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn period_table(period: BillingPeriod) -> String {
    format!("charges_{}", period.first_day().format("%Y_%m"))
}

fn part_name(period: BillingPeriod, source_id: i32, snapshot_id: i32) -> String {
    format!("{}_source_{source_id}_snapshot_{snapshot_id}", period_table(period))
}

async fn ddl(connection: &mut PgConnection, statement: String) -> StoreResult<()> {
    sqlx::query(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

/// Makes and fills the table that will be the source's part of the month; checks its sums.
async fn fill_part(connection: &mut PgConnection, source_id: i32, snapshot_id: i32, booked: &Booked, keys: &DimensionKeys) -> StoreResult<String> {
    let delivery = &booked.delivery;
    let part = part_name(delivery.period, source_id, snapshot_id);
    ddl(connection, format!("create table {part} (like charges)")).await?;
    let mut copy = Copy::into(connection, &part, &CHARGE_COLUMNS).await?;
    for ((key, measures), booking) in delivery.charges.iter().zip(&booked.bookings) {
        let lines = |count: i64| i32::try_from(count).map_err(|_| StoreError::TooLarge);
        let mut row = copy.row(20);
        row.date(delivery.period.first_day()).int4(source_id).date(key.usage_date);
        row.int4(keys.accounts[&key.payer]).int4(keys.accounts[&key.account]).int4_or_null(keys.principals.get(&key.principal).copied());
        row.int4(keys.tag_sets[key.tag_set as usize]).int4(keys.meters[booking.meter as usize]).int4_or_null(keys.resources.get(&key.resource).copied());
        row.int4(keys.sections[&section_of_charge(key)]).int4(keys.attributions[booking.attribution as usize]).int2(i16::from(key.caught_by.0));
        row.int4(lines(measures.lines)?).int4(lines(measures.lines_without_net)?).int4(lines(measures.lines_without_list)?);
        row.int8(booking.tokens).numeric(measures.quantity).numeric(measures.cost).numeric(measures.net_cost);
        if measures.lines_without_list == measures.lines {
            row.null();
        } else {
            row.numeric(measures.list_cost);
        }
        copy.flush_when_full().await?;
    }
    copy.finish().await?;
    ddl(connection, format!("create index on {part} (attribution_key, usage_date)")).await?;
    ddl(connection, format!("analyze {part}")).await?;
    let statement = format!("select coalesce(sum(lines), 0)::bigint, coalesce(sum(cost), 0), coalesce(sum(net_cost), 0) from {part}");
    let (lines, cost, net_cost): (i64, Decimal, Decimal) = sqlx::query_as(AssertSqlSafe(statement)).fetch_one(connection).await?;
    let total = booked.total();
    compare("lines of charges", &lines, &total.lines)?;
    compare("cost of charges", &Amount::from_decimal(cost), &Some(total.cost))?;
    compare("net cost of charges", &Amount::from_decimal(net_cost), &Some(total.net_cost))?;
    Ok(part)
}

fn compare<T: PartialEq + std::fmt::Debug>(what: &'static str, written: &T, read: &T) -> StoreResult<()> {
    if written == read {
        return Ok(());
    }
    Err(StoreError::WrittenDiffers { what, written: format!("{written:?}"), read: format!("{read:?}") })
}

async fn write_roll_ups(connection: &mut PgConnection, source_id: i32, period: BillingPeriod, roll_ups: &RollUps<'_>) -> StoreResult<()> {
    let mut copy = Copy::into(connection, "department_days", &DEPARTMENT_DAY_COLUMNS).await?;
    for ((day, key), sums) in &roll_ups.department_days {
        let mut row = copy.row(13);
        row.date(period.first_day()).int4(source_id).date(*day);
        put_department(&mut row, key, sums);
        copy.flush_when_full().await?;
    }
    copy.finish().await?;
    let month_columns: Vec<&str> = DEPARTMENT_DAY_COLUMNS.into_iter().filter(|column| *column != "usage_date").collect();
    let mut copy = Copy::into(connection, "department_months", &month_columns).await?;
    for (key, sums) in &roll_ups.department_months {
        let mut row = copy.row(12);
        row.date(period.first_day()).int4(source_id);
        put_department(&mut row, key, sums);
        copy.flush_when_full().await?;
    }
    copy.finish().await?;
    let mut copy = Copy::into(connection, "person_model_months", &PERSON_MODEL_COLUMNS).await?;
    for (key, sums) in &roll_ups.person_model_months {
        let (owner, meaning) = (&key.attribution, key.meaning);
        let (model, tokens) = (meaning.model.as_ref(), meaning.tokens);
        let name = model.map(ToString::to_string);
        let mut row = copy.row(22);
        row.date(period.first_day()).int4(source_id).text(key.currency).text(owner.state.as_str()).text_or_null(owner.reason.map(Reason::as_str));
        row.text_or_null(owner.department).text_or_null(owner.person).text_or_null(owner.project);
        row.text_or_null(model.map(|m| m.provider.as_str())).text_or_null(model.map(|m| m.family.as_str())).text_or_null(model.map(|m| m.version.as_str()));
        row.text_or_null(name.as_deref()).text_or_null(tokens.map(|t| t.kind.as_str())).text_or_null(tokens.and_then(|t| t.ttl).map(|ttl| ttl.as_str()));
        row.text_or_null(tokens.map(|t| t.route.as_str())).text_or_null(tokens.map(|t| t.tier.as_str())).text_or_null(tokens.map(|t| t.context.as_str()));
        row.text(meaning.line_kind.as_str());
        row.int8(sums.lines).int8(sums.tokens).numeric(sums.cost).numeric(sums.net_cost);
        copy.flush_when_full().await?;
    }
    copy.finish().await?;
    Ok(())
}

fn put_department(row: &mut super::copy::Row<'_>, key: &DepartmentKey<'_>, sums: &RollUp) {
    row.text(ChargeClass::of(key.charge_type).as_str()).text(key.charge_type).text(key.currency);
    row.text(State::as_str(key.state)).text_or_null(key.reason.map(Reason::as_str)).text_or_null(key.department);
    row.int8(sums.lines).int8(sums.tokens).numeric(sums.cost).numeric(sums.net_cost);
}

async fn write_left_out(connection: &mut PgConnection, source_id: i32, booked: &Booked, keys: &DimensionKeys) -> StoreResult<()> {
    let delivery = &booked.delivery;
    let mut copy = Copy::into(connection, "left_out_totals", &LEFT_OUT_COLUMNS).await?;
    for (key, totals) in &delivery.left_out {
        let mut row = copy.row(9);
        row.date(delivery.period.first_day()).int4(source_id).date(key.usage_date);
        row.int4(keys.accounts[&key.payer]).int4(keys.accounts[&key.account]).int4(keys.sections[&section_of_left_out(key)]);
        row.int8(totals.lines).numeric(totals.cost).numeric(totals.net_cost);
        copy.flush_when_full().await?;
    }
    copy.finish().await?;
    Ok(())
}

async fn check_written(connection: &mut PgConnection, source_id: i32, booked: &Booked) -> StoreResult<()> {
    let row = sqlx::query_file!("queries/deliveries/sum_roll_ups.sql", source_id, booked.delivery.period.first_day()).fetch_one(connection).await?;
    let total = booked.total();
    compare("lines of department days", &row.day_lines, &total.lines)?;
    compare("cost of department days", &Amount::from_decimal(row.day_cost), &Some(total.cost))?;
    compare("cost of department months", &Amount::from_decimal(row.month_cost), &Some(total.cost))?;
    compare("lines left out", &row.left_out_lines, &(booked.delivery.lines_read - total.lines))
}

/// Puts the new part in the place of the old one.  Readers wait for the short rest of the transaction only.
async fn swap_part(connection: &mut PgConnection, period: BillingPeriod, source_id: i32, previous: Option<String>, part: &str) -> StoreResult<()> {
    let month = period_table(period);
    let exists: bool = sqlx::query_scalar("select to_regclass($1) is not null").bind(&month).fetch_one(&mut *connection).await?;
    if !exists {
        ddl(connection, format!("create table {month} (like charges) partition by list (source_id)")).await?;
        ddl(connection, format!("create index on {month} (attribution_key, usage_date)")).await?;
        ddl(connection, format!("alter table charges attach partition {month} for values in ('{}')", period.first_day())).await?;
    }
    if let Some(previous) = previous {
        ddl(connection, format!("drop table if exists {previous}")).await?;
    }
    ddl(connection, format!("alter table {month} attach partition {part} for values in ({source_id})")).await
}

/// Removes what is loaded of a source's month; its totals stay.  Returns whether there was anything.
pub async fn forget(connection: &mut PgConnection, source_id: i32, period: BillingPeriod) -> StoreResult<bool> {
    let mut transaction = connection.begin().await?;
    let Some(current) = find_current_snapshot(&mut transaction, source_id, period).await? else { return Ok(false) };
    sqlx::query_file!("queries/deliveries/supersede_snapshot.sql", source_id, period.first_day()).execute(&mut *transaction).await?;
    sqlx::query_file!("queries/deliveries/delete_roll_ups.sql", source_id, period.first_day()).execute(&mut *transaction).await?;
    ddl(&mut transaction, format!("drop table if exists {}", part_name(period, source_id, current.snapshot_id))).await?;
    transaction.commit().await?;
    Ok(true)
}
