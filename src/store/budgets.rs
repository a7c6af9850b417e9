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

/// One change of the budgets at a time; reading goes on.
pub async fn lock_budgets(connection: &mut PgConnection) -> StoreResult<()> {
    sqlx::query!("lock table budget_versions in share row exclusive mode")
        .execute(connection)
        .await?;
    Ok(())
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
            currency: row.currency,
            valid_from: row.valid_from,
            valid_to: row.valid_to,
            reason: row.reason,
            ringi: row.ringi,
            approved_by: row.approved_by,
        })
    });
    raises.collect()
}

/// A raise as somebody asked for it.
#[derive(Debug, Clone)]
pub struct RequestedRaise {
    pub raise: Raise,
    pub requested_by: String,
    /// Empty in `raise` while nobody decided.
    pub is_decided: bool,
    pub is_approved: bool,
}

struct RaiseRow {
    raise_id: i32,
    budget: String,
    amount: rust_decimal::Decimal,
    currency: String,
    valid_from: chrono::NaiveDate,
    valid_to: chrono::NaiveDate,
    reason: String,
    ringi: String,
    requested_by: String,
    decided_by: Option<String>,
    is_approved: bool,
}

impl RaiseRow {
    fn read(self) -> StoreResult<RequestedRaise> {
        Ok(RequestedRaise {
            requested_by: self.requested_by,
            is_decided: self.decided_by.is_some(),
            is_approved: self.is_approved,
            raise: Raise {
                raise_id: self.raise_id,
                budget: self.budget,
                amount: Amount::from_decimal(self.amount).ok_or(StoreError::TooLarge)?,
                currency: self.currency,
                valid_from: self.valid_from,
                valid_to: self.valid_to,
                reason: self.reason,
                ringi: self.ringi,
                approved_by: self.decided_by.unwrap_or_default(),
            },
        })
    }
}

/// Every raise that was asked for, the newest first.
pub async fn list_requested_raises(connection: &mut PgConnection) -> StoreResult<Vec<RequestedRaise>> {
    let rows = sqlx::query_file_as!(RaiseRow, "queries/budgets/list_all_raises.sql")
        .fetch_all(connection)
        .await?;
    rows.into_iter().map(RaiseRow::read).collect()
}

/// One raise, held until the caller's transaction ends.
pub async fn find_raise(connection: &mut PgConnection, raise_id: i32) -> StoreResult<Option<RequestedRaise>> {
    let row = sqlx::query_file_as!(RaiseRow, "queries/budgets/find_raise.sql", raise_id)
        .fetch_optional(connection)
        .await?;
    row.map(RaiseRow::read).transpose()
}

/// Asks for a raise; its number.
pub async fn record_raise(
    connection: &mut PgConnection,
    raise: &Raise,
    by: &str,
    at: DateTime<Utc>,
) -> StoreResult<i32> {
    Ok(sqlx::query_file_scalar!(
        "queries/budgets/insert_raise.sql",
        raise.budget,
        raise.amount.to_decimal().ok_or(StoreError::TooLarge)?.normalize(),
        raise.valid_from,
        raise.valid_to,
        raise.reason,
        raise.ringi,
        by,
        at,
        raise.currency,
    )
    .fetch_one(connection)
    .await?)
}

pub async fn decide_raise(
    connection: &mut PgConnection,
    raise_id: i32,
    is_approved: bool,
    by: &str,
    at: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query_file!("queries/budgets/decide_raise.sql", raise_id, is_approved, by, at)
        .execute(connection)
        .await?;
    Ok(())
}
