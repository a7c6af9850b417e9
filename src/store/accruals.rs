//! What the days of a month that are not delivered yet are taken to cost.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde_json::Value;
use sqlx::PgConnection;

use super::cost_bases::list_net_payers;
use super::statements::{list_postings, list_statements};
use super::{StoreError, StoreResult};
use crate::domain::accrual::{AccrualKey, DayOfUse};
use crate::domain::allocation::Pool;
use crate::domain::books::{Column, Posting};
use crate::domain::close::MonthState;
use crate::domain::money::{Amount, Ratio, convert_parts};
use crate::domain::period::BillingPeriod;

/// Usage of the days of a month from one on, as it is delivered.
pub async fn list_days_of_use(
    connection: &mut PgConnection,
    period: BillingPeriod,
    from: NaiveDate,
) -> StoreResult<Vec<DayOfUse>> {
    let net_payers = list_net_payers(connection, period).await?;
    let rows = sqlx::query_file!("queries/accruals/sum_days.sql", period.first_day(), from, &net_payers)
        .fetch_all(connection)
        .await?;
    let days = rows.into_iter().map(|row| {
        Ok(DayOfUse {
            last_day: row.last_day,
            day: row.usage_date,
            key: AccrualKey {
                payer: row.payer,
                seller: row.seller,
                department: row.department,
                reason: row.reason,
            },
            cost: Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?,
        })
    });
    days.collect()
}

/// Days without any line inside a month's deliveries.
pub async fn list_gaps(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<BTreeSet<NaiveDate>> {
    let days = sqlx::query_file_scalar!("queries/accruals/list_gaps.sql", period.first_day())
        .fetch_all(connection)
        .await?;
    Ok(days.into_iter().collect())
}

/// An estimate as postings by payer and seller, each rounded once.
pub fn postings(
    estimate: &BTreeMap<AccrualKey, Amount>,
    rate: Ratio,
) -> StoreResult<BTreeMap<(String, String), Vec<Posting>>> {
    let mut by_bill: BTreeMap<(String, String), Vec<(&AccrualKey, Amount)>> = BTreeMap::new();
    for (key, usd) in estimate {
        let bill = (key.payer.clone(), key.seller.clone());
        by_bill.entry(bill).or_default().push((key, *usd));
    }
    let mut postings = BTreeMap::new();
    for (bill, parts) in by_bill {
        let billed: Vec<Amount> = parts.iter().map(|(_, usd)| *usd).collect();
        let whole: Amount = billed.iter().copied().sum();
        let total = whole.to_whole(rate).ok_or(StoreError::TooLarge)?;
        let yen = convert_parts(total, &billed, rate).ok_or(StoreError::TooLarge)?;
        let of_bill = parts.iter().zip(yen).map(|((key, usd), yen)| Posting {
            group: 0,
            column: Column::Accruals,
            department: key.department.clone(),
            pool: match key.department {
                Some(_) => None,
                None => Some(Pool::Accrual(key.reason.clone().unwrap_or_default())),
            },
            billed: *usd,
            amount: Amount::from_whole(yen),
            lines: 0,
            tokens: 0,
        });
        postings.insert(bill, of_bill.collect());
    }
    Ok(postings)
}

/// What the last provisional statement of a month took for granted, and what it had of the bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accrued {
    pub version: i32,
    /// The first day that was missing, by payer.
    pub from: BTreeMap<String, NaiveDate>,
    /// In dollars; none: what nobody owns.
    pub by_department: BTreeMap<Option<String>, Amount>,
    pub usd: Amount,
    pub jpy: Amount,
    /// What its bill came to, in dollars.
    pub billed: Amount,
}

/// Reads it; none where the month never was provisional.
pub async fn find_accrued(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<Option<Accrued>> {
    let statements = list_statements(connection, period).await?;
    let provisional = statements
        .into_iter()
        .rfind(|statement| statement.state == MonthState::Provisional);
    let Some(statement) = provisional else {
        return Ok(None);
    };
    let head: Value = serde_json::from_str(&statement.head).unwrap_or_default();
    let from = head["accruals"]["from"].as_object().into_iter().flatten();
    let mut accrued = Accrued {
        version: statement.version,
        from: from
            .filter_map(|(payer, day)| Some((payer.clone(), day.as_str()?.parse().ok()?)))
            .collect(),
        by_department: BTreeMap::new(),
        usd: Amount::ZERO,
        jpy: Amount::ZERO,
        billed: Amount::ZERO,
    };
    for (currency, posting) in list_postings(connection, statement.statement_id).await? {
        match posting.column {
            Column::Accruals => {
                *accrued.by_department.entry(posting.department).or_default() += posting.billed;
                accrued.usd += posting.billed;
                accrued.jpy += posting.amount;
            }
            column if column.is_billed() && currency == "USD" => accrued.billed += posting.billed,
            _ => {}
        }
    }
    Ok(Some(accrued))
}

/// What the bill says now of the days that were taken for granted, in dollars by department.
pub async fn bill_of_accrued_days(
    connection: &mut PgConnection,
    period: BillingPeriod,
    accrued: &Accrued,
) -> StoreResult<BTreeMap<Option<String>, Amount>> {
    let mut billed: BTreeMap<Option<String>, Amount> = BTreeMap::new();
    if let Some(first) = accrued.from.values().min() {
        for use_of in list_days_of_use(connection, period, *first).await? {
            if accrued
                .from
                .get(&use_of.key.payer)
                .is_some_and(|from| use_of.day >= *from)
            {
                *billed.entry(use_of.key.department).or_default() += use_of.cost;
            }
        }
    }
    Ok(billed)
}
