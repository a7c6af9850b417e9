//! Line items behind an amount.

use chrono::NaiveDate;
use sqlx::PgConnection;

use super::{StoreError, StoreResult};
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
