//! The sums that go with a month's charges: roll-ups for reports, and totals of the lines that were left out.

use chrono::NaiveDate;
use sqlx::PgConnection;

use super::compare;
use crate::domain::attribution::{Reason, State};
use crate::domain::booked::{BillKey, Booked, DepartmentKey, RollUp, RollUps};
use crate::domain::charge::ChargeClass;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::store::copy::{Copy, Row};
use crate::store::dimensions::{DimensionKeys, section_of_left_out};
use crate::store::{StoreError, StoreResult};

const LEFT_OUT_COLUMNS: [&str; 9] = [
    "billing_period",
    "source_id",
    "usage_date",
    "payer_key",
    "account_key",
    "section_key",
    "lines",
    "cost",
    "net_cost",
];
const DEPARTMENT_DAY_COLUMNS: [&str; 13] = [
    "billing_period",
    "source_id",
    "usage_date",
    "charge_class",
    "charge_type",
    "currency",
    "state",
    "reason",
    "department",
    "lines",
    "tokens",
    "cost",
    "net_cost",
];
const DEPARTMENT_MONTH_COLUMNS: [&str; 21] = [
    "billing_period",
    "source_id",
    "payer",
    "seller",
    "invoice",
    "account",
    "product_code",
    "line_kind",
    "token",
    "charge_class",
    "charge_type",
    "currency",
    "state",
    "reason",
    "department",
    "lines",
    "tokens",
    "cost",
    "net_cost",
    "lines_without_net",
    "usage_date",
];
const ACCOUNT_DAY_COLUMNS: [&str; 9] = [
    "billing_period",
    "source_id",
    "payer",
    "account",
    "product_code",
    "usage_date",
    "department",
    "cost",
    "net_cost",
];
const USAGE_DAY_COLUMNS: [&str; 8] = [
    "billing_period",
    "source_id",
    "scope",
    "code",
    "currency",
    "usage_date",
    "tokens",
    "cost",
];
const PERSON_MONTH_COLUMNS: [&str; 13] = [
    "billing_period",
    "source_id",
    "payer",
    "seller",
    "invoice",
    "currency",
    "department",
    "person",
    "project",
    "lines",
    "tokens",
    "cost",
    "net_cost",
];
const PERSON_MODEL_COLUMNS: [&str; 25] = [
    "billing_period",
    "source_id",
    "payer",
    "seller",
    "invoice",
    "currency",
    "state",
    "reason",
    "department",
    "person",
    "project",
    "provider",
    "family",
    "version",
    "model",
    "token_kind",
    "cache_ttl",
    "route",
    "tier",
    "context",
    "line_kind",
    "lines",
    "tokens",
    "cost",
    "net_cost",
];

pub(super) async fn delete_roll_ups(
    connection: &mut PgConnection,
    source_id: i32,
    period: BillingPeriod,
) -> StoreResult<()> {
    let first_day = period.first_day();
    sqlx::query_file!("queries/deliveries/delete_roll_ups.sql", source_id, first_day)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn write_roll_ups(
    connection: &mut PgConnection,
    source_id: i32,
    period: BillingPeriod,
    roll_ups: &RollUps<'_>,
) -> StoreResult<()> {
    let mut copy = Copy::into(connection, "department_days", &DEPARTMENT_DAY_COLUMNS).await?;
    for ((day, key), sums) in &roll_ups.department_days {
        let mut row = copy.row(13);
        row.date(period.first_day()).int4(source_id).date(*day);
        put_department(&mut row, key, sums);
        copy.flush_when_full().await?;
    }
    copy.finish().await?;
    let mut copy = Copy::into(connection, "department_months", &DEPARTMENT_MONTH_COLUMNS).await?;
    for (key, sums) in &roll_ups.department_months {
        let token = key.token.map(|(kind, ttl)| match ttl {
            Some(ttl) => format!("{kind}_{ttl}"),
            None => kind.to_string(),
        });
        let mut row = copy.row(21);
        row.date(period.first_day()).int4(source_id);
        put_bill(&mut row, &key.bill);
        row.text_or_null(key.account)
            .text_or_null(key.product)
            .text(key.line_kind.as_str())
            .text_or_null(token.as_deref());
        put_department(&mut row, &key.department, sums);
        row.int8(sums.lines_without_net).date_or_null(key.day);
        copy.flush_when_full().await?;
    }
    copy.finish().await?;
    write_account_days(connection, source_id, period, roll_ups).await?;
    write_usage_days(connection, source_id, period, roll_ups).await?;
    write_person_months(connection, source_id, period, roll_ups).await?;
    let mut copy = Copy::into(connection, "person_model_months", &PERSON_MODEL_COLUMNS).await?;
    for (key, sums) in &roll_ups.person_model_months {
        let (owner, meaning) = (&key.attribution, key.meaning);
        let (model, tokens) = (meaning.model.as_ref(), meaning.tokens);
        let name = model.map(ToString::to_string);
        let mut row = copy.row(25);
        row.date(period.first_day()).int4(source_id);
        put_bill(&mut row, &key.bill);
        row.text(key.currency)
            .text(owner.state.as_str())
            .text_or_null(owner.reason.map(Reason::as_str));
        row.text_or_null(owner.department)
            .text_or_null(owner.person)
            .text_or_null(owner.project);
        row.text_or_null(model.map(|m| m.provider.as_str()))
            .text_or_null(model.map(|m| m.family.as_str()))
            .text_or_null(model.map(|m| m.version.as_str()));
        row.text_or_null(name.as_deref())
            .text_or_null(tokens.map(|t| t.kind.as_str()))
            .text_or_null(tokens.and_then(|t| t.ttl).map(|ttl| ttl.as_str()));
        row.text_or_null(tokens.map(|t| t.route.as_str()))
            .text_or_null(tokens.map(|t| t.tier.as_str()))
            .text_or_null(tokens.map(|t| t.context.as_str()));
        row.text(meaning.line_kind.as_str());
        row.int8(sums.lines)
            .int8(sums.tokens)
            .numeric(sums.cost)
            .numeric(sums.net_cost);
        copy.flush_when_full().await?;
    }
    copy.finish().await?;
    Ok(())
}

async fn write_account_days(
    connection: &mut PgConnection,
    source_id: i32,
    period: BillingPeriod,
    roll_ups: &RollUps<'_>,
) -> StoreResult<()> {
    let mut copy = Copy::into(connection, "account_days", &ACCOUNT_DAY_COLUMNS).await?;
    for (key, sums) in &roll_ups.account_days {
        let mut row = copy.row(9);
        row.date(period.first_day()).int4(source_id);
        row.text(key.payer).text(key.account).text(key.product);
        row.date(key.day).text_or_null(key.department);
        row.numeric(sums.cost).numeric(sums.net_cost);
        copy.flush_when_full().await?;
    }
    copy.finish().await?;
    Ok(())
}

async fn write_usage_days(
    connection: &mut PgConnection,
    source_id: i32,
    period: BillingPeriod,
    roll_ups: &RollUps<'_>,
) -> StoreResult<()> {
    let mut copy = Copy::into(connection, "usage_days", &USAGE_DAY_COLUMNS).await?;
    for (key, sums) in &roll_ups.usage_days {
        let mut row = copy.row(8);
        row.date(period.first_day()).int4(source_id);
        row.text(key.scope.as_str()).text(&key.code).text(key.currency);
        row.date(key.day).int8(sums.tokens).numeric(sums.cost);
        copy.flush_when_full().await?;
    }
    copy.finish().await?;
    Ok(())
}

async fn write_person_months(
    connection: &mut PgConnection,
    source_id: i32,
    period: BillingPeriod,
    roll_ups: &RollUps<'_>,
) -> StoreResult<()> {
    let mut copy = Copy::into(connection, "person_months", &PERSON_MONTH_COLUMNS).await?;
    for (key, sums) in &roll_ups.person_months {
        let mut row = copy.row(13);
        row.date(period.first_day()).int4(source_id);
        put_bill(&mut row, &key.bill);
        row.text(key.currency)
            .text(key.department)
            .text_or_null(key.person)
            .text_or_null(key.project);
        row.int8(sums.lines)
            .int8(sums.tokens)
            .numeric(sums.cost)
            .numeric(sums.net_cost);
        copy.flush_when_full().await?;
    }
    copy.finish().await?;
    Ok(())
}

fn put_bill(row: &mut Row<'_>, bill: &BillKey<'_>) {
    row.text(bill.payer).text(bill.seller).text_or_null(bill.invoice);
}

fn put_department(row: &mut Row<'_>, key: &DepartmentKey<'_>, sums: &RollUp) {
    row.text(ChargeClass::of(key.charge_type).as_str())
        .text(key.charge_type)
        .text(key.currency);
    row.text(State::as_str(key.state))
        .text_or_null(key.reason.map(Reason::as_str))
        .text_or_null(key.department);
    row.int8(sums.lines)
        .int8(sums.tokens)
        .numeric(sums.cost)
        .numeric(sums.net_cost);
}

pub(super) async fn write_left_out(
    connection: &mut PgConnection,
    source_id: i32,
    booked: &Booked,
    keys: &DimensionKeys,
) -> StoreResult<()> {
    let delivery = &booked.delivery;
    let mut copy = Copy::into(connection, "left_out_totals", &LEFT_OUT_COLUMNS).await?;
    for (key, totals) in &delivery.left_out {
        let mut row = copy.row(9);
        row.date(delivery.period.first_day())
            .int4(source_id)
            .date(key.usage_date);
        row.int4(keys.accounts[&key.payer])
            .int4(keys.accounts[&key.account])
            .int4(keys.sections[&section_of_left_out(key)]);
        row.int8(totals.lines).numeric(totals.cost).numeric(totals.net_cost);
        copy.flush_when_full().await?;
    }
    copy.finish().await?;
    Ok(())
}

/// The last nine hours of each day, where the export tells them.
pub(super) async fn write_late_hours(
    connection: &mut PgConnection,
    source_id: i32,
    booked: &Booked,
) -> StoreResult<()> {
    let Some(late) = booked.delivery.late_hours() else {
        return Ok(());
    };
    let (days, costs): (Vec<NaiveDate>, Vec<Amount>) = late.into_iter().unzip();
    let decimal = |cost: &Amount| cost.to_decimal().ok_or(StoreError::TooLarge);
    let costs = costs.iter().map(decimal).collect::<StoreResult<Vec<_>>>()?;
    let period = booked.delivery.period.first_day();
    sqlx::query_file!("queries/late_hours/insert.sql", period, source_id, &days, &costs)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn check_written(connection: &mut PgConnection, source_id: i32, booked: &Booked) -> StoreResult<()> {
    let row = sqlx::query_file!(
        "queries/deliveries/sum_roll_ups.sql",
        source_id,
        booked.delivery.period.first_day()
    )
    .fetch_one(connection)
    .await?;
    let total = booked.total();
    compare("lines of department days", &row.day_lines, &total.lines)?;
    compare(
        "cost of department days",
        &Amount::from_decimal(row.day_cost),
        &Some(total.cost),
    )?;
    compare(
        "cost of department months",
        &Amount::from_decimal(row.month_cost),
        &Some(total.cost),
    )?;
    compare(
        "lines left out",
        &row.left_out_lines,
        &(booked.delivery.lines_read - total.lines),
    )
}
