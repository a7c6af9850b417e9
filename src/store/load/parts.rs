//! A source's part of a month: a table that is filled and checked by itself, then put in the place of the old one.

use rust_decimal::Decimal;
use sqlx::{AssertSqlSafe, PgConnection};

use super::compare;
use crate::domain::booked::Booked;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::store::copy::Copy;
use crate::store::dimensions::{DimensionKeys, section_of_charge};
use crate::store::{StoreError, StoreResult};

const CHARGE_COLUMNS: [&str; 21] = [
    "billing_period",
    "source_id",
    "usage_date",
    "payer_key",
    "account_key",
    "principal_key",
    "tag_set_key",
    "meter_key",
    "resource_key",
    "section_key",
    "attribution_key",
    "caught_by",
    "lines",
    "lines_without_net",
    "lines_without_list",
    "tokens",
    "quantity",
    "cost",
    "net_cost",
    "list_cost",
    "is_of_one_day",
];

fn period_table(period: BillingPeriod) -> String {
    format!("charges_{}", period.first_day().format("%Y_%m"))
}

pub(super) fn part_name(period: BillingPeriod, source_id: i32, snapshot_id: i32) -> String {
    format!("{}_source_{source_id}_snapshot_{snapshot_id}", period_table(period))
}

async fn ddl(connection: &mut PgConnection, statement: String) -> StoreResult<()> {
    sqlx::query(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

/// Makes and fills the table that will be the source's part of the month; checks its sums.
pub(super) async fn fill_part(
    connection: &mut PgConnection,
    source_id: i32,
    snapshot_id: i32,
    booked: &Booked,
    keys: &DimensionKeys,
) -> StoreResult<String> {
    let delivery = &booked.delivery;
    let part = part_name(delivery.period, source_id, snapshot_id);
    ddl(connection, format!("create table {part} (like charges)")).await?;
    let mut copy = Copy::into(connection, &part, &CHARGE_COLUMNS).await?;
    for ((key, measures), booking) in delivery.charges.iter().zip(&booked.bookings) {
        let lines = |count: i64| i32::try_from(count).map_err(|_| StoreError::TooLarge);
        let mut row = copy.row(21);
        row.date(delivery.period.first_day())
            .int4(source_id)
            .date(key.usage_date);
        row.int4(keys.accounts[&key.payer])
            .int4(keys.accounts[&key.account])
            .int4_or_null(keys.principals.get(&key.principal).copied());
        row.int4(keys.tag_sets[key.tag_set as usize])
            .int4(keys.meters[booking.meter as usize])
            .int4_or_null(keys.resources.get(&key.resource).copied());
        row.int4(keys.sections[&section_of_charge(key)])
            .int4(keys.attributions[booking.attribution as usize])
            .int2(i16::from(key.caught_by.0));
        row.int4(lines(measures.lines)?)
            .int4(lines(measures.lines_without_net)?)
            .int4(lines(measures.lines_without_list)?);
        row.int8(booking.tokens)
            .numeric(measures.quantity)
            .numeric(measures.cost)
            .numeric(measures.net_cost);
        if measures.lines_without_list == measures.lines {
            row.null();
        } else {
            row.numeric(measures.list_cost);
        }
        row.boolean(key.is_of_one_day);
        copy.flush_when_full().await?;
    }
    copy.finish().await?;
    ddl(
        connection,
        format!("create index on {part} (attribution_key, usage_date)"),
    )
    .await?;
    ddl(connection, format!("analyze {part}")).await?;
    let statement = format!(
        "select coalesce(sum(lines), 0)::bigint, coalesce(sum(cost), 0), coalesce(sum(net_cost), 0) from {part}"
    );
    let (lines, cost, net_cost): (i64, Decimal, Decimal) =
        sqlx::query_as(AssertSqlSafe(statement)).fetch_one(connection).await?;
    let total = booked.total();
    compare("lines of charges", &lines, &total.lines)?;
    compare("cost of charges", &Amount::from_decimal(cost), &Some(total.cost))?;
    compare(
        "net cost of charges",
        &Amount::from_decimal(net_cost),
        &Some(total.net_cost),
    )?;
    Ok(part)
}
/// Puts the new part in the place of the old one.  Readers wait for the short rest of the transaction only.
pub(super) async fn swap_part(
    connection: &mut PgConnection,
    period: BillingPeriod,
    source_id: i32,
    previous: Option<String>,
    part: &str,
) -> StoreResult<()> {
    let month = period_table(period);
    let exists: bool = sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(&month)
        .fetch_one(&mut *connection)
        .await?;
    if !exists {
        ddl(
            connection,
            format!("create table {month} (like charges) partition by list (source_id)"),
        )
        .await?;
        ddl(
            connection,
            format!("create index on {month} (attribution_key, usage_date)"),
        )
        .await?;
        ddl(
            connection,
            format!(
                "alter table charges attach partition {month} for values in ('{}')",
                period.first_day()
            ),
        )
        .await?;
    }
    if let Some(previous) = previous {
        drop_part(connection, &previous).await?;
    }
    ddl(
        connection,
        format!("alter table {month} attach partition {part} for values in ({source_id})"),
    )
    .await
}

pub(super) async fn drop_part(connection: &mut PgConnection, part: &str) -> StoreResult<()> {
    ddl(connection, format!("drop table if exists {part}")).await
}
