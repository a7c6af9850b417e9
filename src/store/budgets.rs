//! Budgets, by version.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{StoreError, StoreResult};
use crate::domain::budget::{Budget, BudgetBasis, BudgetScope, Frequency};
use crate::domain::budget_status::Raise;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::threshold::Threshold;

/// The budgets that hold, in their order.
pub async fn list_budgets(connection: &mut PgConnection) -> StoreResult<Vec<Budget>> {
    let rows = sqlx::query_file!("queries/budgets/list.sql")
        .fetch_all(connection)
        .await?;
    let budgets = rows.into_iter().map(|row| {
        Ok(Budget {
            name: row.name,
            // The columns allow nothing else.
            scope: BudgetScope::parse(&row.scope).unwrap_or(BudgetScope::Company),
            code: row.code,
            frequency: Frequency::parse(&row.frequency).unwrap_or(Frequency::Month),
            currency: row.currency,
            amount: Amount::from_decimal(row.amount).ok_or(StoreError::TooLarge)?,
            rate: row.rate,
            basis: BudgetBasis::parse(&row.basis).unwrap_or(BudgetBasis::AfterDiscounts),
            with_allocated: row.with_allocated,
            with_tax: row.with_tax,
            owner_person_id: row.owner_person_id,
            channel: row.channel,
            thresholds: Threshold::parse_list(&row.thresholds).unwrap_or_else(|_| Threshold::DEFAULT.to_vec()),
            valid_from: BillingPeriod::of(row.valid_from),
            valid_to: row.valid_to.map(BillingPeriod::of),
        })
    });
    budgets.collect()
}

/// Stores a new version of all budgets.
pub async fn replace_budgets(
    connection: &mut PgConnection,
    budgets: &[Budget],
    by: &str,
    at: DateTime<Utc>,
) -> StoreResult<i32> {
    let version = sqlx::query_file_scalar!("queries/budgets/insert_version.sql", by, at)
        .fetch_one(&mut *connection)
        .await?;
    for (position, budget) in (0_i32..).zip(budgets) {
        sqlx::query_file!(
            "queries/budgets/insert.sql",
            version,
            position,
            budget.name,
            budget.scope.as_str(),
            budget.code,
            budget.frequency.as_str(),
            budget.currency,
            budget.amount.to_decimal().ok_or(StoreError::TooLarge)?.normalize(),
            budget.rate,
            budget.basis.as_str(),
            budget.with_allocated,
            budget.with_tax,
            budget.owner_person_id,
            budget.channel,
            Threshold::list_text(&budget.thresholds),
            budget.valid_from.first_day(),
            budget.valid_to.map(BillingPeriod::first_day),
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(version)
}

/// Raises that were approved, whenever they hold.
pub async fn list_raises(connection: &mut PgConnection) -> StoreResult<Vec<Raise>> {
    let rows = sqlx::query_file!("queries/budgets/list_raises.sql")
        .fetch_all(connection)
        .await?;
    let raises = rows.into_iter().map(|row| {
        Ok(Raise {
            raise_id: row.raise_id,
            budget: row.budget,
            amount: Amount::from_decimal(row.amount).ok_or(StoreError::TooLarge)?,
            valid_from: row.valid_from,
            valid_to: row.valid_to,
            reason: row.reason,
            ringi: row.ringi,
            approved_by: row.approved_by,
        })
    });
    raises.collect()
}
