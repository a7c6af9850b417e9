//! What locked months lack, for the month that takes it over.

mod locked_month;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use sqlx::PgConnection;

use super::chargeback::list_periods;
use super::month::list_states;
use super::statements::{find_statement, list_postings};
use super::{StoreError, StoreResult};
use crate::domain::allocation::Pool;
use crate::domain::books::{Column, DepartmentInMonth, Posting, living};
use crate::domain::close::MonthState;
use crate::domain::money::{Amount, Ratio};
use crate::domain::period::BillingPeriod;
use crate::domain::rate::RateBook;
use crate::domain::true_up::{Origin, Standing, Stood, TrueUp, TrueUpKey};
use locked_month::LockedMonth;

/// An approved dispute of a locked month: yen that move between two departments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reclass {
    pub reclass_id: i32,
    pub origin: BillingPeriod,
    pub from_department: String,
    pub to_department: String,
    pub jpy: Amount,
    pub reason: String,
    pub approved_by: String,
    /// Payer and seller of the origin month's first bill: whose journal moves it.
    pub bill: (String, String),
}

/// What the month that is asked takes over of locked ones.
#[derive(Debug, Default)]
pub struct TakenOver {
    pub true_ups: Vec<TrueUp>,
    pub reclasses: Vec<Reclass>,
}

impl TakenOver {
    /// Postings by payer and seller; in yen, or in dollars as billed.
    pub fn postings(&self, in_yen: bool) -> BTreeMap<(String, String), Vec<Posting>> {
        let mut postings: BTreeMap<(String, String), Vec<Posting>> = BTreeMap::new();
        let posting = |department: Option<String>, pool: Pool, billed: Amount, jpy: Amount| Posting {
            group: 0,
            column: Column::Adjustments,
            department,
            pool: Some(pool),
            billed,
            amount: if in_yen { jpy } else { billed },
            lines: 0,
            tokens: 0,
        };
        for line in &self.true_ups {
            let of_bill = postings
                .entry((line.key.payer.clone(), line.key.seller.clone()))
                .or_default();
            of_bill.push(posting(line.department.clone(), line.pool(), line.usd, line.jpy));
        }
        for reclass in &self.reclasses {
            // It sums to nothing, and its dollars stay where the bill put them.
            let of_bill = postings.entry(reclass.bill.clone()).or_default();
            let pool = Pool::Reclass(format!("{}/{}", reclass.origin, reclass.reclass_id));
            of_bill.push(posting(
                Some(reclass.from_department.clone()),
                pool.clone(),
                Amount::ZERO,
                -reclass.jpy,
            ));
            of_bill.push(posting(
                Some(reclass.to_department.clone()),
                pool,
                Amount::ZERO,
                reclass.jpy,
            ));
        }
        postings
    }
}

/// What a month takes over: of each locked month before it, where it is the first that is neither final nor locked.
///
/// `policy` converts what no invoice bills; of a month that was charged at the planning rate `rates` says which that was.
pub async fn take_over(
    connection: &mut PgConnection,
    period: BillingPeriod,
    departments: &BTreeMap<String, DepartmentInMonth>,
    policy: Ratio,
    rates: Option<&RateBook>,
) -> StoreResult<TakenOver> {
    let locked = sqlx::query_file!("queries/true_ups/list_restated.sql", period.first_day())
        .fetch_all(&mut *connection)
        .await?;
    let Some(newest) = locked.iter().map(|row| BillingPeriod::of(row.billing_period)).max() else {
        return Ok(TakenOver::default());
    };
    if !is_host(connection, newest, period).await? {
        return Ok(TakenOver::default());
    }
    let mut settled = Settled::read(connection, period).await?;
    let mut taken = TakenOver::default();
    for row in locked.iter().filter(|row| row.is_restated) {
        let origin = BillingPeriod::of(row.billing_period);
        let month = LockedMonth::read(connection, origin, row.statement_id).await?;
        let planning = match rates.filter(|_| month.is_charged_at_planning()) {
            Some(book) => Some(month.planning_rate(book, origin)?),
            None => None,
        };
        let restated = month.restated(policy, planning, settled.true_ups.remove(&origin).unwrap_or_default())?;
        taken.true_ups.extend(
            restated
                .true_ups(origin, departments, planning.unwrap_or(policy))
                .ok_or(StoreError::TooLarge)?,
        );
    }
    let going_on = |code: String| living(&code, departments).map(str::to_owned).unwrap_or(code);
    let reclasses = sqlx::query_file!("queries/true_ups/list_reclasses.sql", period.first_day())
        .fetch_all(&mut *connection)
        .await?;
    for row in reclasses {
        if !settled.reclasses.contains(&row.reclass_id) {
            let origin = locked.iter().find(|month| month.billing_period == row.origin_period);
            let bill = match origin {
                Some(month) => bill_that_charged(connection, month.statement_id, &row.from_department).await?,
                None => Default::default(),
            };
            taken.reclasses.push(Reclass {
                reclass_id: row.reclass_id,
                origin: BillingPeriod::of(row.origin_period),
                // A closed department's lines go to who goes on for it.
                from_department: going_on(row.from_department),
                to_department: going_on(row.to_department),
                jpy: Amount::from_decimal(row.jpy).ok_or(StoreError::TooLarge)?,
                reason: row.reason,
                approved_by: row.approved_by,
                bill,
            });
        }
    }
    Ok(taken)
}

/// Whether a month is the first after the newest locked one that can still take something.
async fn is_host(connection: &mut PgConnection, newest: BillingPeriod, period: BillingPeriod) -> StoreResult<bool> {
    let states = list_states(connection).await?;
    let is_open = |other: &BillingPeriod| states.get(other).is_none_or(|state| state.state < MonthState::Final);
    let loaded = list_periods(connection).await?;
    let first = loaded
        .iter()
        .map(|loaded| loaded.period)
        .filter(|other| *other > newest && is_open(other))
        .min();
    Ok(first == Some(period))
}

/// What statements of other months have taken over.
#[derive(Default)]
struct Settled {
    true_ups: BTreeMap<BillingPeriod, Standing>,
    reclasses: Vec<i32>,
}

impl Settled {
    async fn read(connection: &mut PgConnection, except: BillingPeriod) -> StoreResult<Self> {
        let rows = sqlx::query_file!("queries/true_ups/list_settled.sql", except.first_day())
            .fetch_all(&mut *connection)
            .await?;
        let mut settled = Self::default();
        let mut heads: BTreeMap<i32, Value> = BTreeMap::new();
        for row in rows {
            let pool = Pool::parse(&row.pool);
            if let Some(Pool::Reclass(text)) = &pool {
                settled
                    .reclasses
                    .extend(text.rsplit('/').next().and_then(|id| id.parse::<i32>().ok()));
            }
            let Some(origin) = pool.as_ref().and_then(Origin::of) else {
                continue;
            };
            if let std::collections::btree_map::Entry::Vacant(vacant) = heads.entry(row.statement_id) {
                let head = find_statement(connection, row.statement_id).await?.head;
                vacant.insert(serde_json::from_str(&head).unwrap_or_default());
            }
            let (payer, seller) = bill_of(&heads[&row.statement_id], row.bill_group);
            let key = TrueUpKey {
                payer,
                seller,
                department: origin.department,
                column: origin.column,
                billing: origin.billing,
            };
            let amount = |value| Amount::from_decimal(value).ok_or(StoreError::TooLarge);
            let stood = Stood {
                usd: amount(row.billed)?,
                jpy: amount(row.amount)?,
            };
            add(settled.true_ups.entry(origin.period).or_default(), key, stood);
        }
        Ok(settled)
    }
}

/// Payer and seller of a bill group of a sealed head.
fn bill_of(head: &Value, group: i32) -> (String, String) {
    let bill = &head["groups"][usize::try_from(group).unwrap_or_default()]["bills"][0];
    let text = |key: &str| bill[key].as_str().unwrap_or_default().to_owned();
    (text("payer"), text("seller"))
}

/// Payer and seller of the bill that charged a department most in a statement.
async fn bill_that_charged(
    connection: &mut PgConnection,
    statement_id: i32,
    department: &str,
) -> StoreResult<(String, String)> {
    let head = find_statement(connection, statement_id).await?.head;
    let head: Value = serde_json::from_str(&head).unwrap_or_default();
    let mut charged: BTreeMap<usize, Amount> = BTreeMap::new();
    for (_, posting) in list_postings(connection, statement_id).await? {
        if posting.department.as_deref() == Some(department) {
            *charged.entry(posting.group).or_default() += posting.amount;
        }
    }
    let most = charged
        .into_iter()
        .max_by_key(|(group, amount)| (*amount, std::cmp::Reverse(*group)));
    let group = most.map_or(0, |(group, _)| group);
    Ok(bill_of(&head, i32::try_from(group).unwrap_or_default()))
}

fn add(standing: &mut Standing, key: TrueUpKey, stood: Stood) {
    let sum = standing.entry(key).or_default();
    *sum = *sum + stood;
}

/// Whether a statement that is final or locked has taken over something of a month.
pub async fn has_settled(connection: &mut PgConnection, origin: BillingPeriod) -> StoreResult<bool> {
    let settled = Settled::read(connection, origin).await?;
    Ok(settled.true_ups.contains_key(&origin))
}

/// Yen that disputes have moved away from a department of a locked month so far.
pub async fn sum_reclassed(
    connection: &mut PgConnection,
    origin: BillingPeriod,
    department: &str,
) -> StoreResult<Amount> {
    let moved = sqlx::query_file_scalar!("queries/true_ups/sum_reclassed.sql", origin.first_day(), department)
        .fetch_one(connection)
        .await?;
    Amount::from_decimal(moved).ok_or(StoreError::TooLarge)
}

/// Takes an approved dispute back; false where there is none of that number.
pub async fn delete_reclass(
    connection: &mut PgConnection,
    origin: BillingPeriod,
    reclass_id: i32,
) -> StoreResult<bool> {
    let deleted = sqlx::query_file!("queries/true_ups/delete_reclass.sql", origin.first_day(), reclass_id)
        .execute(connection)
        .await?;
    Ok(deleted.rows_affected() > 0)
}

/// Whether a statement of a closed month has taken over a dispute.
pub async fn has_settled_reclass(
    connection: &mut PgConnection,
    origin: BillingPeriod,
    reclass_id: i32,
) -> StoreResult<bool> {
    Ok(Settled::read(connection, origin).await?.reclasses.contains(&reclass_id))
}

/// Approves a dispute of a locked month.
pub async fn record_reclass(connection: &mut PgConnection, reclass: &Reclass, at: DateTime<Utc>) -> StoreResult<i32> {
    let jpy: Decimal = reclass.jpy.to_decimal().ok_or(StoreError::TooLarge)?;
    let id = sqlx::query_file_scalar!(
        "queries/true_ups/insert_reclass.sql",
        reclass.origin.first_day(),
        reclass.from_department,
        reclass.to_department,
        jpy,
        reclass.reason,
        reclass.approved_by,
        at,
    );
    Ok(id.fetch_one(connection).await?)
}
