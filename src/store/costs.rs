//! Any slice of the charges.  The grouping is built from an enum of known columns, never from text of a client.

use std::fmt::Write;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::{StoreError, StoreResult};
use crate::domain::dimension::Dimension;
use crate::domain::money::Amount;

/// One cell of a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostRow {
    /// Values in the order in which the dimensions were asked for.
    pub values: Vec<Option<String>>,
    pub currency: String,
    pub cost: Amount,
    pub net_cost: Amount,
    pub tokens: i64,
    pub lines: i64,
}

/// What a range of days is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeOf {
    /// Whole months as they are billed: what a chargeback of them adds up to, a late line of an earlier day included.
    BillingPeriods,
    /// Days of use, in whichever month they are billed.
    UsageDays,
}

/// What to sum: days from `from` up to but not including `to`, grouped by `by`, only where every filter holds.
#[derive(Debug, Clone)]
pub struct Slice {
    pub range_of: RangeOf,
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub by: Vec<Dimension>,
    /// Values of a dimension, any of which fits; `None` fits where the dimension has no value.
    pub filters: Vec<(Dimension, Vec<Option<String>>)>,
    pub limit: i64,
}

/// The expression and the table of each dimension.
fn column(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Day => "c.usage_date::text",
        Dimension::Month => "to_char(c.billing_period, 'YYYY-MM')",
        Dimension::Payer => "y.account",
        Dimension::Account => "o.account",
        Dimension::Department => "a.department",
        Dimension::Person => "a.person",
        Dimension::Project => "a.project",
        Dimension::Principal => "p.arn",
        Dimension::Role => "p.role_name",
        Dimension::Session => "p.session_name",
        Dimension::Model => "m.model",
        Dimension::Family => "m.family",
        Dimension::TokenKind => "m.token_kind",
        Dimension::CacheTtl => "m.cache_ttl",
        Dimension::Route => "m.route",
        Dimension::Tier => "m.tier",
        Dimension::Context => "m.context",
        Dimension::Region => "m.region",
        Dimension::Provider => "m.provider",
        Dimension::LineKind => "m.line_kind",
        Dimension::Seller => "b.seller",
        Dimension::Invoice => "b.invoice",
        Dimension::ChargeType => "b.charge_type",
        Dimension::State => "a.state",
        Dimension::Reason => "a.reason",
        Dimension::Rule => "a.rule",
        Dimension::PersonRule => "a.person_rule",
        Dimension::UsageType => "m.usage_type",
        Dimension::Currency => "b.currency",
    }
}

/// Sums a slice, the dearest rows first.  Currencies are never added up.
pub async fn sum_costs(connection: &mut PgConnection, slice: &Slice) -> StoreResult<Vec<CostRow>> {
    let mut sql =
        String::from("select b.currency, sum(c.cost), sum(c.net_cost), sum(c.tokens)::bigint, sum(c.lines)::bigint");
    for dimension in &slice.by {
        let _ = write!(sql, ", {}", column(*dimension));
    }
    sql.push_str(
        " from charges as c inner join bill_sections as b using (section_key) inner join attributions as a using (attribution_key) \
         inner join meters as m using (meter_key) inner join accounts as o on o.account_key = c.account_key \
         inner join accounts as y on y.account_key = c.payer_key left join principals as p using (principal_key) \
         where ",
    );
    sql.push_str(match slice.range_of {
        RangeOf::BillingPeriods => "c.billing_period >= $1 and c.billing_period < $2",
        RangeOf::UsageDays => "c.usage_date >= $1 and c.usage_date < $2",
    });
    // The parameters follow the two days and the limit.
    for (i, (dimension, values)) in slice.filters.iter().enumerate() {
        let column = column(*dimension);
        let or_null = if values.contains(&None) {
            format!(" or {column} is null")
        } else {
            String::new()
        };
        let _ = write!(sql, " and ({column} = any(${}::text[]){or_null})", i + 4);
    }
    sql.push_str(" group by b.currency");
    for dimension in &slice.by {
        let _ = write!(sql, ", {}", column(*dimension));
    }
    sql.push_str(" order by sum(c.cost) desc, 1");
    for place in 0..slice.by.len() {
        let _ = write!(sql, ", {}", place + 6);
    }
    sql.push_str(" limit $3");
    let mut query = sqlx::query(AssertSqlSafe(sql))
        .bind(slice.from)
        .bind(slice.to)
        .bind(slice.limit);
    for (_, values) in &slice.filters {
        query = query.bind(values.iter().flatten().cloned().collect::<Vec<String>>());
    }
    let rows = query.fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let amount = |at: usize| Amount::from_decimal(row.get::<Decimal, _>(at)).ok_or(StoreError::TooLarge);
            Ok(CostRow {
                currency: row.get(0),
                cost: amount(1)?,
                net_cost: amount(2)?,
                tokens: row.get(3),
                lines: row.get(4),
                values: (0..slice.by.len()).map(|i| row.get(5 + i)).collect(),
            })
        })
        .collect()
}
