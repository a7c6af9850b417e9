//! By which column payers' months are booked, and what both columns come to.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{StoreError, StoreResult};
use crate::domain::cost_basis::{BasisOfPayer, BothMeasures, CostBasis, basis_in};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

/// Every basis that counts.
pub async fn list_bases(connection: &mut PgConnection) -> StoreResult<Vec<BasisOfPayer>> {
    let rows = sqlx::query_file!("queries/cost_bases/list.sql")
        .fetch_all(connection)
        .await?;
    let bases = rows.into_iter().filter_map(|row| {
        Some(BasisOfPayer {
            payer: row.payer,
            valid_from: BillingPeriod::of(row.valid_from),
            basis: CostBasis::parse(&row.basis)?,
            set_by: row.set_by,
        })
    });
    Ok(bases.collect())
}

/// Payers that a month is booked by the net column for.
pub async fn list_net_payers(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<Vec<String>> {
    let bases = list_bases(connection).await?;
    let mut payers: Vec<String> = bases.iter().map(|basis| basis.payer.clone()).collect();
    payers.dedup();
    payers.retain(|payer| basis_in(&bases, payer, period) == CostBasis::Net);
    Ok(payers)
}

/// Both measures of each payer of a month.
pub async fn compare_bases(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<Vec<BothMeasures>> {
    let rows = sqlx::query_file!("queries/cost_bases/compare.sql", period.first_day())
        .fetch_all(connection)
        .await?;
    let amount = |value| Amount::from_decimal(value).ok_or(StoreError::TooLarge);
    let measures = rows.into_iter().map(|row| {
        Ok(BothMeasures {
            payer: row.payer,
            lines: row.lines,
            lines_without_net: row.lines_without_net,
            cost_without_net: amount(row.cost_without_net)?,
            cost: amount(row.cost)?,
            net_cost: amount(row.net_cost)?,
        })
    });
    measures.collect()
}

/// What the net basis makes of other services' lines: net less unblended.
pub async fn net_of_other_services(
    connection: &mut PgConnection,
    period: BillingPeriod,
    net_payers: &[String],
) -> StoreResult<Amount> {
    let row = sqlx::query_file!(
        "queries/cost_bases/compare_left_out.sql",
        period.first_day(),
        net_payers
    )
    .fetch_one(connection)
    .await?;
    let amount = |value| Amount::from_decimal(value).ok_or(StoreError::TooLarge);
    Ok(amount(row.net_cost)? - amount(row.cost)?)
}

/// Says by which column a payer's months from one on are booked.
pub async fn record_basis(connection: &mut PgConnection, basis: &BasisOfPayer, at: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query_file!(
        "queries/cost_bases/insert.sql",
        basis.payer,
        basis.valid_from.first_day(),
        basis.basis.as_str(),
        basis.set_by,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}
