//! What Cost Explorer was asked, what it answered, and what that cost.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use sqlx::{Connection, PgConnection};

use super::{StoreError, StoreResult};
use crate::domain::cost_explorer::{AskedDay, BilledDay, ExplorerDay, ExplorerTotal, TotalsKind, service_of};
use crate::domain::money::Amount;
use crate::domain::period::{BillingPeriod, DayRange};

/// Lock of the count of requests; any number that nothing else uses.
const COUNT_LOCK: i64 = 0x616e_6275_6365;

/// What AWS charges for so many requests, in USD: a cent each, pages included.
pub fn price_of(requests: i64) -> Decimal {
    Decimal::new(requests, 2)
}

/// Requests of a UTC day.
pub async fn count_requests(connection: &mut PgConnection, day: NaiveDate) -> StoreResult<i64> {
    Ok(
        sqlx::query_file_scalar!("queries/cost_explorer/count_requests.sql", day)
            .fetch_one(connection)
            .await?,
    )
}

/// Counts a request that is about to be sent; false where the day's are used up, and then it must not be sent.
pub async fn reserve_request(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    operation: &str,
    asked: &str,
    max_requests_per_day: u32,
) -> StoreResult<bool> {
    let mut transaction = connection.begin().await?;
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(COUNT_LOCK)
        .execute(&mut *transaction)
        .await?;
    let most = i64::from(max_requests_per_day);
    let reserved = sqlx::query_file_scalar!("queries/cost_explorer/insert_request.sql", now, operation, asked, most)
        .fetch_optional(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(reserved.is_some())
}

/// Bedrock's services of a payer, and when they were last looked for.
pub async fn list_services(
    connection: &mut PgConnection,
    payer: &str,
) -> StoreResult<(Vec<String>, Option<DateTime<Utc>>)> {
    let rows = sqlx::query_file!("queries/cost_explorer/list_services.sql", payer)
        .fetch_all(connection)
        .await?;
    let found_at = rows.iter().map(|row| row.found_at).max();
    Ok((rows.into_iter().map(|row| row.service).collect(), found_at))
}

pub async fn replace_services(
    connection: &mut PgConnection,
    payer: &str,
    services: &[String],
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let mut transaction = connection.begin().await?;
    sqlx::query_file!("queries/cost_explorer/delete_services.sql", payer)
        .execute(&mut *transaction)
        .await?;
    sqlx::query_file!("queries/cost_explorer/insert_services.sql", payer, services, now)
        .execute(&mut *transaction)
        .await?;
    Ok(transaction.commit().await?)
}

/// Whether AWS knows a principal tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagStatus {
    Active,
    /// Seen on a principal that called, but not activated.
    Seen,
    NeverSeen,
}

impl TagStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Seen => "Seen",
            Self::NeverSeen => "NeverSeen",
        }
    }

    fn parse(text: &str) -> Self {
        [Self::Active, Self::Seen]
            .into_iter()
            .find(|s| s.as_str() == text)
            .unwrap_or(Self::NeverSeen)
    }
}

#[derive(Debug, Clone)]
pub struct PrincipalTag {
    /// With its prefix.
    pub key: String,
    pub status: TagStatus,
    pub last_used: Option<NaiveDate>,
}

/// Principal tags of a payer, and when they were last asked for.
pub async fn list_tags(
    connection: &mut PgConnection,
    payer: &str,
) -> StoreResult<(Vec<PrincipalTag>, Option<DateTime<Utc>>)> {
    let rows = sqlx::query_file!("queries/cost_explorer/list_tags.sql", payer)
        .fetch_all(connection)
        .await?;
    let checked_at = rows.iter().map(|row| row.checked_at).max();
    let tags = rows.into_iter().map(|row| PrincipalTag {
        key: row.tag_key,
        status: TagStatus::parse(&row.status),
        last_used: row.last_used,
    });
    Ok((tags.collect(), checked_at))
}

pub async fn replace_tags(
    connection: &mut PgConnection,
    payer: &str,
    tags: &[PrincipalTag],
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let keys: Vec<String> = tags.iter().map(|tag| tag.key.clone()).collect();
    let states: Vec<String> = tags.iter().map(|tag| tag.status.as_str().to_owned()).collect();
    let last_used: Vec<Option<NaiveDate>> = tags.iter().map(|tag| tag.last_used).collect();
    let mut transaction = connection.begin().await?;
    sqlx::query_file!("queries/cost_explorer/delete_tags.sql", payer)
        .execute(&mut *transaction)
        .await?;
    sqlx::query_file!(
        "queries/cost_explorer/insert_tags.sql",
        payer,
        &keys,
        &states,
        &last_used as _,
        now
    )
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}

/// Days that were asked, by kind.
pub async fn list_days(
    connection: &mut PgConnection,
    payer: &str,
) -> StoreResult<BTreeMap<TotalsKind, BTreeMap<NaiveDate, AskedDay>>> {
    let rows = sqlx::query_file!("queries/cost_explorer/list_days.sql", payer)
        .fetch_all(connection)
        .await?;
    let mut days: BTreeMap<TotalsKind, BTreeMap<NaiveDate, AskedDay>> = BTreeMap::new();
    for row in rows {
        let Some(kind) = TotalsKind::parse(&row.kind) else {
            continue;
        };
        let day = AskedDay {
            is_estimated: row.is_estimated,
            fetched_at: row.fetched_at,
        };
        days.entry(kind).or_default().insert(row.usage_date, day);
    }
    Ok(days)
}

/// A whole answer: every day of its window, and all totals.
#[derive(Debug, Clone)]
pub struct Answer {
    pub kind: TotalsKind,
    pub days: DayRange,
    /// Days that AWS says are estimates; the others are final.
    pub estimated: BTreeMap<NaiveDate, bool>,
    pub totals: Vec<ExplorerTotal>,
}

/// Puts an answer in the place of what was known of its days.
pub async fn replace_answer(
    connection: &mut PgConnection,
    payer: &str,
    answer: &Answer,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let kind = answer.kind.to_string();
    // A day that the answer leaves out has no cost, and is as open as a day can be.
    let days: Vec<NaiveDate> = answer.days.iter().collect();
    let estimated: Vec<bool> = days
        .iter()
        .map(|day| answer.estimated.get(day).copied().unwrap_or(true))
        .collect();
    let costs: Vec<Decimal> = answer
        .totals
        .iter()
        .map(|total| total.cost.to_decimal().ok_or(StoreError::TooLarge))
        .collect::<StoreResult<_>>()?;
    let usage_dates: Vec<NaiveDate> = answer.totals.iter().map(|total| total.day).collect();
    let services: Vec<Option<String>> = answer.totals.iter().map(|total| total.service.clone()).collect();
    let labels: Vec<String> = answer.totals.iter().map(|total| total.label.clone()).collect();
    let currencies: Vec<String> = answer.totals.iter().map(|total| total.currency.clone()).collect();
    let mut transaction = connection.begin().await?;
    let (from, to) = (answer.days.from, answer.days.to);
    sqlx::query_file!("queries/cost_explorer/delete_days.sql", payer, kind, from, to)
        .execute(&mut *transaction)
        .await?;
    sqlx::query_file!(
        "queries/cost_explorer/insert_days.sql",
        payer,
        kind,
        &days,
        &estimated,
        now
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query_file!(
        "queries/cost_explorer/insert_totals.sql",
        payer,
        kind,
        &usage_dates,
        &services as _,
        &labels,
        &currencies,
        &costs
    )
    .execute(&mut *transaction)
    .await?;
    forget_unfinished(&mut transaction, payer, &answer.kind, answer.days).await?;
    Ok(transaction.commit().await?)
}

/// A question whose pages are not all fetched.
#[derive(Debug, Clone)]
pub struct Unfinished {
    pub answer: Answer,
    pub next_page_token: String,
}

/// Questions of a kind whose pages are not all fetched, the newest first.
pub async fn list_unfinished(
    connection: &mut PgConnection,
    payer: &str,
    kind: &TotalsKind,
) -> StoreResult<Vec<Unfinished>> {
    let rows = sqlx::query_file!("queries/cost_explorer/list_unfinished.sql", payer, kind.to_string())
        .fetch_all(connection)
        .await?;
    let unfinished = rows.into_iter().filter_map(|row| {
        let pages: Pages = serde_json::from_value(row.totals).ok()?;
        let totals = pages.totals.into_iter().map(|(day, service, label, currency, cost)| {
            Some(ExplorerTotal {
                day,
                service,
                label,
                currency,
                cost: Amount::parse(&cost)?,
            })
        });
        Some(Unfinished {
            answer: Answer {
                kind: kind.clone(),
                days: DayRange {
                    from: row.window_from,
                    to: row.window_to,
                },
                estimated: pages.estimated,
                totals: totals.collect::<Option<_>>()?,
            },
            next_page_token: row.next_page_token,
        })
    });
    Ok(unfinished.collect())
}

/// Fetched pages as they are kept between two days: day, service, label, currency, cost.
#[derive(serde::Serialize, serde::Deserialize)]
struct Pages {
    estimated: BTreeMap<NaiveDate, bool>,
    totals: Vec<(NaiveDate, Option<String>, String, String, String)>,
}

pub async fn put_unfinished(connection: &mut PgConnection, payer: &str, unfinished: &Unfinished) -> StoreResult<()> {
    let answer = &unfinished.answer;
    let totals = answer.totals.iter().map(|total| {
        let (service, label) = (total.service.clone(), total.label.clone());
        (
            total.day,
            service,
            label,
            total.currency.clone(),
            total.cost.to_string(),
        )
    });
    let pages = serde_json::json!(Pages {
        estimated: answer.estimated.clone(),
        totals: totals.collect(),
    });
    sqlx::query_file!(
        "queries/cost_explorer/upsert_unfinished.sql",
        payer,
        answer.kind.to_string(),
        answer.days.from,
        answer.days.to,
        unfinished.next_page_token,
        pages
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets pages: their question is answered, or their token is worth nothing any more.
pub async fn forget_unfinished(
    connection: &mut PgConnection,
    payer: &str,
    kind: &TotalsKind,
    days: DayRange,
) -> StoreResult<()> {
    let kind = kind.to_string();
    sqlx::query_file!(
        "queries/cost_explorer/delete_unfinished.sql",
        payer,
        kind,
        days.from,
        days.to
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Totals of a kind per day, service and charge type.
pub async fn list_totals(
    connection: &mut PgConnection,
    payer: &str,
    kind: &TotalsKind,
) -> StoreResult<Vec<ExplorerDay>> {
    let rows = sqlx::query_file!("queries/cost_explorer/list_totals.sql", payer, kind.to_string())
        .fetch_all(connection)
        .await?;
    let days = rows.into_iter().map(|row| {
        Ok(ExplorerDay {
            day: row.usage_date,
            service: row.service,
            charge_type: row.charge_type,
            currency: row.currency,
            cost: Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?,
        })
    });
    days.collect()
}

/// What the loaded bill of a payer says per day, service and charge type.
pub async fn list_billed(connection: &mut PgConnection, payer: &str, from: NaiveDate) -> StoreResult<Vec<BilledDay>> {
    let rows = sqlx::query_file!("queries/cost_explorer/list_billed.sql", payer, from)
        .fetch_all(connection)
        .await?;
    let days = rows.into_iter().map(|row| {
        Ok(BilledDay {
            day: row.usage_date,
            service: service_of(row.product_code.as_deref(), row.product_name.as_deref()),
            charge_type: row.charge_type,
            currency: row.currency,
            cost: Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?,
        })
    });
    days.collect()
}

/// Usage per day and value of a tag; the empty value is what has none.
pub type TagTotals = BTreeMap<(NaiveDate, String), Amount>;

/// What Cost Explorer says by the value of a tag.
pub async fn list_tag_totals(connection: &mut PgConnection, payer: &str, kind: &TotalsKind) -> StoreResult<TagTotals> {
    let rows = sqlx::query_file!("queries/cost_explorer/list_tag_totals.sql", payer, kind.to_string())
        .fetch_all(connection)
        .await?;
    let amount = |cost| Amount::from_decimal(cost).ok_or(StoreError::TooLarge);
    rows.into_iter()
        .map(|row| Ok(((row.usage_date, row.label), amount(row.cost)?)))
        .collect()
}

/// What the loaded bill of a payer says by the value of a tag.
pub async fn list_billed_by_tag(
    connection: &mut PgConnection,
    payer: &str,
    from: NaiveDate,
    tag: &str,
) -> StoreResult<TagTotals> {
    let rows = sqlx::query_file!("queries/cost_explorer/list_billed_by_tag.sql", payer, from, tag)
        .fetch_all(connection)
        .await?;
    let amount = |cost| Amount::from_decimal(cost).ok_or(StoreError::TooLarge);
    rows.into_iter()
        .map(|row| Ok(((row.usage_date, row.label), amount(row.cost)?)))
        .collect()
}

/// Months that are loaded of each payer, and when their delivery was made.
pub type PayerMonths = BTreeMap<String, BTreeMap<BillingPeriod, DateTime<Utc>>>;

pub async fn list_payer_months(connection: &mut PgConnection) -> StoreResult<PayerMonths> {
    let rows = sqlx::query_file!("queries/cost_explorer/list_payer_months.sql")
        .fetch_all(connection)
        .await?;
    let mut months = PayerMonths::new();
    for row in rows {
        months
            .entry(row.payer)
            .or_default()
            .insert(BillingPeriod::of(row.billing_period), row.delivered_at);
    }
    Ok(months)
}

/// What Cost Explorer says of a month's Bedrock services in dollars, without tax; none while it was not asked for every day.
pub async fn find_month_total(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<Option<Amount>> {
    let days = period.days();
    let row = sqlx::query_file!("queries/cost_explorer/sum_month.sql", days.from, days.to)
        .fetch_one(connection)
        .await?;
    let is_whole = usize::try_from(row.days).is_ok_and(|asked| asked == days.iter().count());
    let total = Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?;
    Ok(is_whole.then_some(total))
}
