//! What is kept of every delivery, superseded ones too: where it came from, its totals, payers, days and findings.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::Provenance;
use crate::domain::booked::Booked;
use crate::domain::delivery::Totals;
use crate::domain::finding::Finding;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::store::{StoreError, StoreResult};

/// Marks the loaded delivery of a month as superseded; its totals stay.
pub(super) async fn supersede_snapshot(
    connection: &mut PgConnection,
    source_id: i32,
    period: BillingPeriod,
) -> StoreResult<()> {
    let first_day = period.first_day();
    sqlx::query_file!("queries/deliveries/supersede_snapshot.sql", source_id, first_day)
        .execute(connection)
        .await?;
    Ok(())
}

/// What the delivery says per department and day, from the roll-ups that were just written; it outlives them.
pub(super) async fn keep_department_days(
    connection: &mut PgConnection,
    snapshot_id: i32,
    source_id: i32,
    period: BillingPeriod,
) -> StoreResult<()> {
    let first_day = period.first_day();
    sqlx::query_file!(
        "queries/deliveries/insert_snapshot_department_days.sql",
        snapshot_id,
        first_day,
        source_id
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn insert_snapshot(
    connection: &mut PgConnection,
    provenance: &Provenance,
    booked: &Booked,
    findings: &[Finding],
) -> StoreResult<i32> {
    let delivery = &booked.delivery;
    let source_id = provenance.source_id;
    supersede_snapshot(connection, source_id, delivery.period).await?;
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
        provenance.directory_version,
        delivery.lines_read,
        booked.total().lines,
        days.first(),
        days.last(),
        &provenance.files,
    )
    .fetch_one(&mut *connection)
    .await?;
    insert_totals(connection, snapshot_id, booked).await?;
    let payers: Vec<String> = delivery.payers().into_iter().map(str::to_owned).collect();
    sqlx::query_file!("queries/deliveries/insert_snapshot_payers.sql", snapshot_id, &payers)
        .execute(&mut *connection)
        .await?;
    let mut lines_of_day: BTreeMap<NaiveDate, i64> = BTreeMap::new();
    for (day, lines) in delivery
        .charges
        .iter()
        .map(|(k, m)| (k.usage_date, m.lines))
        .chain(delivery.left_out.iter().map(|(k, t)| (k.usage_date, t.lines)))
    {
        *lines_of_day.entry(day).or_default() += lines;
    }
    let (days, lines): (Vec<NaiveDate>, Vec<i64>) = lines_of_day.into_iter().unzip();
    sqlx::query_file!(
        "queries/deliveries/insert_snapshot_days.sql",
        snapshot_id,
        &days,
        &lines
    )
    .execute(&mut *connection)
    .await?;
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
        let sums = m.totals();
        totals
            .entry((true, text(key.charge_type), text(key.currency)))
            .or_default()
            .add(&sums);
    }
    for (key, sums) in &delivery.left_out {
        totals
            .entry((false, text(key.charge_type), text(key.currency)))
            .or_default()
            .add(sums);
    }
    let column = |of: fn(&Totals) -> Amount| {
        totals
            .values()
            .map(|t| decimal(of(t)))
            .collect::<StoreResult<Vec<Decimal>>>()
    };
    let (costs, net_costs) = (column(|t| t.cost)?, column(|t| t.net_cost)?);
    let lines: Vec<i64> = totals.values().map(|t| t.lines).collect();
    let is_bedrock: Vec<bool> = totals.keys().map(|(is_bedrock, ..)| *is_bedrock).collect();
    let charge_types: Vec<String> = totals.keys().map(|(_, charge_type, _)| charge_type.clone()).collect();
    let currencies: Vec<String> = totals.keys().map(|(.., currency)| currency.clone()).collect();
    sqlx::query_file!(
        "queries/deliveries/insert_snapshot_totals.sql",
        snapshot_id,
        &is_bedrock,
        &charge_types,
        &currencies,
        &lines,
        &costs,
        &net_costs
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(in crate::store) async fn insert_findings(
    connection: &mut PgConnection,
    snapshot_id: i32,
    findings: &[Finding],
) -> StoreResult<()> {
    let text = |of: fn(&Finding) -> String| -> Vec<String> { findings.iter().map(of).collect() };
    let amounts: Vec<Option<Decimal>> = findings
        .iter()
        .map(|f| f.amount.map(decimal).transpose())
        .collect::<StoreResult<_>>()?;
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
