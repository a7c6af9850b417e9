//! What drives budgets: each month is read once, however many alerts ask.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::directory::{get_directory, list_departments};
use super::principals::{list_principals, list_sessions, list_tags};
use super::{StoreError, StoreResult};
use crate::domain::alert::facts::{Drivers, ModelDriver};
use crate::domain::attribution::State;
use crate::domain::budget::{Budget, BudgetScope};
use crate::domain::directory::Department;
use crate::domain::drivers::{UseOfMonth, UsedMonth, drivers, mix};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::spending::subtree;
use crate::domain::suggestion::suggest;

/// Principals that nobody decided are asked for; the dearest are the ones that matter.
const QUARANTINED_ASKED: i64 = 50;

/// Reads of one moment; the caller's transaction makes it one.
#[derive(Default)]
pub struct DriverReader {
    departments: Option<Vec<Department>>,
    months: BTreeMap<BillingPeriod, UsedMonth>,
    /// What no rule decided, by the department that it is likely of.
    quarantined: BTreeMap<BillingPeriod, BTreeMap<String, Amount>>,
}

impl DriverReader {
    /// Who and what makes most of a budget's use in a month.
    pub async fn read(
        &mut self,
        connection: &mut PgConnection,
        budget: &Budget,
        period: BillingPeriod,
    ) -> StoreResult<Drivers> {
        if budget.scope == BudgetScope::Account {
            let models = list_account_models(connection, &budget.code, period).await?;
            let before = list_account_models(connection, &budget.code, period.previous()).await?;
            let before = before.iter().map(|driver| (driver.model.as_str(), driver.cost));
            return Ok(Drivers {
                mix: mix(&models, before),
                models,
                ..Drivers::default()
            });
        }
        let below = match budget.scope {
            BudgetScope::Department => {
                let departments = match &self.departments {
                    Some(departments) => departments,
                    None => self.departments.insert(list_departments(connection).await?),
                };
                subtree(&budget.code, departments, period)
            }
            _ => BTreeSet::new(),
        };
        for month in [period, period.previous()] {
            if let Entry::Vacant(unread) = self.months.entry(month) {
                unread.insert(UsedMonth::of(list_use(connection, month).await?));
            }
        }
        let nothing = UsedMonth::default();
        let month = |period| self.months.get(&period).unwrap_or(&nothing);
        let mut drivers = drivers(budget, &below, (month(period), month(period.previous())));
        if !below.is_empty() {
            let likely = match self.quarantined.entry(period) {
                Entry::Occupied(read) => read.into_mut(),
                Entry::Vacant(unread) => unread.insert(likely_quarantined(connection, period).await?),
            };
            let own = likely.iter().filter(|(department, _)| below.contains(*department));
            drivers.quarantined = own.map(|(_, cost)| *cost).sum();
        }
        Ok(drivers)
    }
}

async fn list_use(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<Vec<UseOfMonth>> {
    let rows = sqlx::query_file!("queries/alerts/list_use.sql", period.first_day())
        .fetch_all(connection)
        .await?;
    let used = rows.into_iter().map(|row| {
        Ok(UseOfMonth {
            department: row.department,
            person: row.person,
            project: row.project,
            family: row.family,
            model: row.model,
            route: row.route,
            cost: Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?,
        })
    });
    used.collect()
}

async fn list_account_models(
    connection: &mut PgConnection,
    account: &str,
    period: BillingPeriod,
) -> StoreResult<Vec<ModelDriver>> {
    let rows = sqlx::query_file!("queries/alerts/sum_account_drivers.sql", period.first_day(), account)
        .fetch_all(connection)
        .await?;
    let models = rows.into_iter().map(|row| {
        Ok(ModelDriver {
            model: row.model,
            route: row.route,
            people: row.people,
            cost: Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?,
        })
    });
    models.collect()
}

/// Use of principals that no rule decided, by the department that they look like.
async fn likely_quarantined(
    connection: &mut PgConnection,
    period: BillingPeriod,
) -> StoreResult<BTreeMap<String, Amount>> {
    let undecided = Some(State::Quarantined.as_str());
    let uses = list_principals(connection, period, undecided, QUARANTINED_ASKED, 0).await?;
    if uses.is_empty() {
        return Ok(BTreeMap::new());
    }
    let directory = get_directory(connection).await?;
    let sessions = list_sessions(connection, period).await?;
    let arns: Vec<String> = uses.iter().filter_map(|of| of.arn.clone()).collect();
    let tags = list_tags(connection, period, &arns).await?;
    let tags_of = |arn: &str| tags.get(arn).map_or(&[][..], Vec::as_slice);
    let last_day = period.days().to.pred_opt().unwrap_or(period.first_day());
    let mut likely: BTreeMap<String, Amount> = BTreeMap::new();
    for of in uses.iter().filter(|of| of.currency == "USD") {
        let arn = of.arn.as_deref();
        if let Some(found) = arn.and_then(|arn| suggest(arn, tags_of(arn), &directory, last_day, &sessions)) {
            *likely.entry(found.department).or_default() += of.cost;
        }
    }
    Ok(likely)
}
