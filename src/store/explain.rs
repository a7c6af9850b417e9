//! Line items behind an amount.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use sqlx::PgConnection;

use super::{StoreError, StoreResult};
use crate::domain::change::Segment;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

/// Line items that agree in day, principal, meter and rule.
#[derive(Debug, Clone)]
pub struct LineItems {
    pub day: NaiveDate,
    pub arn: Option<String>,
    pub usage_type: Option<String>,
    pub model: Option<String>,
    pub unit: Option<String>,
    pub currency: String,
    pub invoice: Option<String>,
    pub rule: Option<String>,
    pub person_rule: Option<String>,
    pub lines: i64,
    pub quantity: Amount,
    pub cost: Amount,
}

/// The dearest groups, how many there are, and what all of them cost.
#[derive(Debug, Clone, Default)]
pub struct LineItemGroups {
    pub shown: Vec<LineItems>,
    pub groups: i64,
    pub whole: Amount,
}

pub async fn list_line_items(
    connection: &mut PgConnection,
    period: BillingPeriod,
    department: Option<&str>,
    person: Option<&str>,
    limit: i64,
) -> StoreResult<LineItemGroups> {
    let rows = sqlx::query_file!(
        "queries/explain/list_charges.sql",
        period.first_day(),
        department,
        person,
        limit
    )
    .fetch_all(connection)
    .await?;
    let amount = |value| Amount::from_decimal(value).ok_or(StoreError::TooLarge);
    let mut found = LineItemGroups::default();
    for row in rows {
        found.groups = row.groups;
        found.whole = amount(row.whole)?;
        found.shown.push(LineItems {
            day: row.usage_date,
            arn: row.arn,
            usage_type: row.usage_type,
            model: row.model,
            unit: row.unit,
            currency: row.currency,
            invoice: row.invoice,
            rule: row.rule,
            person_rule: row.person_rule,
            lines: row.lines,
            quantity: amount(row.quantity)?,
            cost: amount(row.cost)?,
        });
    }
    Ok(found)
}

/// Line items of a month that are nobody's own usage.
#[derive(Debug, Clone)]
pub struct PoolItems {
    pub charge_type: String,
    pub description: Option<String>,
    /// Why usage is nobody's.
    pub reason: Option<String>,
    pub items: LineItems,
}

/// What the pools of a month are made of, the largest groups, and how many there are.
pub async fn list_pool_items(
    connection: &mut PgConnection,
    period: BillingPeriod,
    limit: i64,
) -> StoreResult<(Vec<PoolItems>, i64)> {
    let rows = sqlx::query_file!("queries/explain/list_pool_charges.sql", period.first_day(), limit)
        .fetch_all(connection)
        .await?;
    let amount = |value| Amount::from_decimal(value).ok_or(StoreError::TooLarge);
    let groups = rows.first().map_or(0, |row| row.groups);
    let items = rows.into_iter().map(|row| {
        Ok(PoolItems {
            charge_type: row.charge_type,
            description: row.description,
            reason: row.reason,
            items: LineItems {
                day: row.usage_date,
                arn: row.arn,
                usage_type: row.usage_type,
                model: row.model,
                unit: row.unit,
                currency: row.currency,
                invoice: row.invoice,
                rule: None,
                person_rule: None,
                lines: row.lines,
                quantity: amount(row.quantity)?,
                cost: amount(row.cost)?,
            },
        })
    });
    Ok((items.collect::<StoreResult<_>>()?, groups))
}

/// Attributed usage of a month by department and what makes its price; dollars only, as every other currency has its own bill.
pub async fn list_segments(
    connection: &mut PgConnection,
    period: BillingPeriod,
) -> StoreResult<BTreeMap<String, Vec<Segment>>> {
    let rows = sqlx::query_file!("queries/explain/list_segments.sql", period.first_day())
        .fetch_all(connection)
        .await?;
    let mut departments: BTreeMap<String, Vec<Segment>> = BTreeMap::new();
    for row in rows.into_iter().filter(|row| row.currency == "USD") {
        departments.entry(row.department).or_default().push(Segment {
            model: row.model,
            segment: row.segment,
            tokens: row.tokens,
            cost: Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?,
        });
    }
    Ok(departments)
}
