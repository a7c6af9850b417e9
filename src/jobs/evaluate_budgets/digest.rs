//! The month as a department is told it: once, when the month is provisional, or on business day 5 as far as it is known.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use sqlx::PgConnection;

use super::watch::Watch;
use crate::domain::alert::facts::{AlertFacts, DigestFacts};
use crate::domain::alert::{AlertKind, Cause};
use crate::domain::budget::{Budget, BudgetScope};
use crate::domain::chargeback::{Chargeback, Reporting};
use crate::domain::close::MonthState;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::jobs::RunReport;
use crate::jobs::alerting::Told;
use crate::store::alerts::{NewAlert, Subject, list_spoken, raise};
use crate::store::books::{Leaves, assemble};
use crate::store::budgets::list_budgets;
use crate::store::chargeback::find_data_as_of;
use crate::store::directory::list_departments;
use crate::store::drivers::DriverReader;
use crate::store::month::find_state;
use crate::store::statements::list_postings;

/// The business day by which a month is told, complete or not.
const TOLD_BY_BUSINESS_DAY: usize = 5;
/// Later it is no news.
const TOLD_UNTIL_DAY: u32 = 20;

impl Watch<'_> {
    /// Tells the month before to each department that has a budget, in the budget's channel.
    pub(super) async fn digests(
        &self,
        connection: &mut PgConnection,
        drivers: &mut DriverReader,
        report: &mut RunReport,
    ) -> anyhow::Result<Vec<Told>> {
        let period = self.question.period.previous();
        let Some(data_as_of) = find_data_as_of(connection, period).await? else {
            return Ok(Vec::new());
        };
        let state = find_state(connection, period).await?.state;
        if !self.is_due(state) {
            return Ok(Vec::new());
        }
        let budgets = list_budgets(connection).await?;
        let own = budgets
            .iter()
            .filter(|of| of.scope == BudgetScope::Department && of.holds_in(period));
        let own: Vec<&Budget> = own.collect();
        let subject = |budget: &Budget| -> Subject { (format!("month:{}", budget.code), period.first_day()) };
        let asked = own.iter().map(|budget| subject(budget)).collect();
        let spoken = list_spoken(connection, &[AlertKind::Digest], &asked).await?;
        let mut told_to: BTreeSet<&str> = BTreeSet::new();
        let mut told = Vec::new();
        let mut totals = None;
        for budget in own {
            if !told_to.insert(&budget.code) || spoken.contains_key(&subject(budget)) {
                continue;
            }
            let (now, before) = match &totals {
                Some(both) => both,
                None => {
                    let now = self.totals(connection, period).await?;
                    &*totals.insert((now, self.totals(connection, period.previous()).await?))
                }
            };
            let alert = NewAlert {
                kind: AlertKind::Digest,
                subject: subject(budget).0,
                window_from: period.first_day(),
                threshold: "month".to_owned(),
                arming: 0,
                cause: Cause::NewUse.as_str(),
                is_personal: false,
                facts: AlertFacts::Digest(DigestFacts {
                    department: budget.code.clone(),
                    month: period.first_day(),
                    total: now.get(&budget.code).copied().unwrap_or_default(),
                    before: before.get(&budget.code).copied(),
                    is_complete: state >= MonthState::Provisional,
                    drivers: drivers.read(connection, budget, period).await?,
                    data_as_of,
                }),
            };
            let raised = raise(connection, &alert, self.now).await?;
            // What was before the first look is nobody's news.
            if let Some(alert_id) = raised.filter(|_| !self.is_first_look) {
                report.count("digests", 1);
                told.push(Told {
                    alert_id,
                    facts: alert.facts,
                    subject: alert.subject,
                    window_from: alert.window_from,
                    channel: budget.channel.clone(),
                    owner_person_id: budget.owner_person_id.clone(),
                    not_before: self.now,
                });
            }
        }
        Ok(told)
    }

    fn is_due(&self, state: MonthState) -> bool {
        let today = self.question.today;
        if chrono::Datelike::day(&today) > TOLD_UNTIL_DAY {
            return false;
        }
        let first = self.question.period.first_day();
        let by: Option<NaiveDate> = self.question.calendar.business_day(first, TOLD_BY_BUSINESS_DAY);
        // Where the calendar's years have ended, five business days are a week.
        state >= MonthState::Provisional || today >= by.unwrap_or(first + Days::new(7))
    }

    /// What each department is charged in yen: as it was sealed, or as it stands.
    async fn totals(
        &self,
        connection: &mut PgConnection,
        period: BillingPeriod,
    ) -> anyhow::Result<BTreeMap<String, Amount>> {
        let postings = match find_state(connection, period).await?.statement_id {
            Some(statement_id) => {
                let postings = list_postings(connection, statement_id).await?;
                postings.into_iter().map(|(_, posting)| posting).collect()
            }
            None if find_data_as_of(connection, period).await?.is_none() => Vec::new(),
            None => {
                let departments = list_departments(connection).await?;
                let reporting = Reporting::Yen(self.question.yen);
                let books = assemble(connection, period, &departments, reporting, Leaves::None).await?;
                books.converted.postings
            }
        };
        let rows = Chargeback::by_department(period, &postings).rows.into_iter();
        Ok(rows.filter_map(|row| Some((row.code.clone()?, row.total()))).collect())
    }
}
