//! Job `evaluate-budgets`: looks at every budget, raises what is crossed, and writes what is to be sent.
//!
//! Runs after each load and every hour.  One transaction that sees one moment: an alert is there with its message, or neither is.
//! Safe to repeat: what has spoken does not speak again.  Limits: the months of the last year, and one digest instead of many messages.

mod digest;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use sqlx::{Connection, PgConnection};

use super::alerting::{AlertSettings, Told, tell};
use super::{JobContext, RunReport};
use crate::domain::alert::facts::{AlertFacts, BudgetFacts};
use crate::domain::alert::{AlertKind, Cause, Judgement, Look, Stood, Verdict};
use crate::domain::budget::BudgetScope;
use crate::domain::budget_status::{Window, percent_of};
use crate::domain::finding::{Finding, Severity};
use crate::domain::period::BillingPeriod;
use crate::store::alerts::{
    NewAlert, Subject, list_evaluations, list_known_budgets, list_snoozes, list_spoken, note_evaluations, raise, rearm,
};
use crate::store::anomalies::has_first_seen;
use crate::store::budgets::list_budgets;
use crate::store::chargeback::list_periods;
use crate::store::directory::get_versioned_directory_at;
use crate::store::drivers::DriverReader;
use crate::store::spending::{BudgetQuestion, BudgetReading, ReadBudget, read_budgets};
use crate::store::{StoreError, StoreResult};
use watch::Watch;

const BUDGET_KINDS: [AlertKind; 2] = [AlertKind::Spent, AlertKind::Forecast];
/// The month before is still looked at until its data has come.
const PREVIOUS_UNTIL_DAY: u32 = 20;
/// Months that are looked at once after a backfill.
const MONTHS_BACK: usize = 13;
/// Data of a new month takes two days to come.
const DATA_BY_DAY: u32 = 4;

pub(super) async fn evaluate_budgets(with: &JobContext, report: &mut RunReport) -> anyhow::Result<()> {
    let mut connection = with.database.pool.acquire().await.map_err(StoreError::from)?;
    let mut moment = connection
        .begin_with("begin isolation level repeatable read")
        .await
        .map_err(StoreError::from)?;
    let now = with.clock.now();
    let known = list_known_budgets(&mut moment).await?;
    let (directory, directory_version) = get_versioned_directory_at(&mut moment).await?;
    let snoozes = list_snoozes(&mut moment, now).await?;
    let is_first_look = known.is_empty() && !has_first_seen(&mut moment).await?;
    let mut told = Vec::new();
    let mut drivers = DriverReader::default();
    for period in months_to_look_at(&mut moment, &with.alerts, now).await? {
        let question = question(&with.alerts, period, now);
        let reading = read_budgets(&mut moment, &question).await?;
        let evaluation = Evaluation {
            question: &question,
            reading: &reading,
            known: &known,
            directory_version,
            snoozes: &snoozes,
            now,
        };
        told.extend(evaluation.run(&mut moment, &mut drivers, report).await?);
        if period == BillingPeriod::of(now.date_naive()) {
            let watch = Watch {
                question: &question,
                known: &reading.known,
                data_as_of: reading.data_as_of,
                least: with.alerts.unusual_least,
                is_first_look,
                now,
            };
            told.extend(watch.unusual_days(&mut moment, report).await?);
            told.extend(watch.first_seen(&mut moment, report).await?);
            told.extend(watch.digests(&mut moment, &mut drivers, report).await?);
            watch.keep_forecasts(&mut moment, report).await?;
        }
    }
    report.count("to_tell", i64::try_from(told.len())?);
    let messages = tell(&mut moment, &with.alerts, &told, &directory, (is_first_look, now)).await?;
    report.count("messages", i64::try_from(messages)?);
    moment.commit().await.map_err(StoreError::from)?;
    Ok(())
}

/// How a budget's thresholds would be judged now; none where no such budget holds.
pub async fn judge_budget(
    connection: &mut PgConnection,
    question: &BudgetQuestion,
    name: &str,
) -> StoreResult<Option<(ReadBudget, Vec<Judgement>)>> {
    let mut moment = connection.begin_with("begin isolation level repeatable read").await?;
    let reading = read_budgets(&mut moment, question).await?;
    let allocation_version = reading.allocation_version;
    let Some(read) = reading.budgets.into_iter().find(|read| read.budget.name == name) else {
        return Ok(None);
    };
    let subject = (read.budget.name.clone(), read.status.window.from.first_day());
    let spoken = list_spoken(&mut moment, &BUDGET_KINDS, &BTreeSet::from([subject.clone()])).await?;
    let before = list_evaluations(&mut moment, &[subject.1]).await?;
    let known = list_known_budgets(&mut moment).await?;
    let (_, directory_version) = get_versioned_directory_at(&mut moment).await?;
    moment.commit().await?;
    let look = Look {
        status: &read.status,
        history: &read.history,
        thresholds: &read.budget.thresholds,
        spoke: spoken.get(&subject).map_or(&[], Vec::as_slice),
        before: before.get(&subject),
        is_new_budget: !known.contains(name),
        directory_version,
        allocation_version,
        today: question.today,
    };
    let judgements = look.judge();
    Ok(Some((read, judgements)))
}

fn question(settings: &AlertSettings, period: BillingPeriod, now: DateTime<Utc>) -> BudgetQuestion {
    BudgetQuestion {
        period,
        today: now.date_naive(),
        fiscal_year_start_month: settings.fiscal_year_start_month,
        yen: settings.yen,
        calendar: settings.calendar.clone(),
    }
}

/// Months whose windows are over and that are fresh or were never looked at, and the current one.
async fn months_to_look_at(
    connection: &mut PgConnection,
    settings: &AlertSettings,
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<BillingPeriod>> {
    let today = now.date_naive();
    let current = BillingPeriod::of(today);
    let loaded: BTreeSet<BillingPeriod> = list_periods(connection)
        .await?
        .into_iter()
        .map(|of| of.period)
        .collect();
    let budgets = list_budgets(connection).await?;
    let mut ended: BTreeMap<BillingPeriod, Vec<Subject>> = BTreeMap::new();
    let back = std::iter::successors(Some(current.previous()), |period| Some(period.previous())).take(MONTHS_BACK);
    for period in back.filter(|period| loaded.contains(period)) {
        for budget in budgets.iter().filter(|of| of.holds_in(period)) {
            let window = Window::of(budget.frequency, period, settings.fiscal_year_start_month);
            if window.to == period.next() {
                let subject = (budget.name.clone(), window.from.first_day());
                ended.entry(period).or_default().push(subject);
            }
        }
    }
    let windows: BTreeSet<NaiveDate> = ended.values().flatten().map(|(_, window)| *window).collect();
    let looked_at = list_evaluations(connection, &windows.into_iter().collect::<Vec<_>>()).await?;
    let is_wanted = |(period, subjects): &(BillingPeriod, Vec<Subject>)| {
        let is_fresh = *period == current.previous() && today.day() <= PREVIOUS_UNTIL_DAY;
        is_fresh || subjects.iter().any(|subject| !looked_at.contains_key(subject))
    };
    let months = ended.into_iter().filter(is_wanted).map(|(period, _)| period);
    Ok(months.chain([current]).collect())
}

/// One look at one month.
struct Evaluation<'e> {
    question: &'e BudgetQuestion,
    reading: &'e BudgetReading,
    known: &'e BTreeSet<String>,
    directory_version: Option<i32>,
    snoozes: &'e BTreeMap<String, DateTime<Utc>>,
    now: DateTime<Utc>,
}

impl Evaluation<'_> {
    async fn run(
        &self,
        connection: &mut PgConnection,
        drivers: &mut DriverReader,
        report: &mut RunReport,
    ) -> anyhow::Result<Vec<Told>> {
        let current = BillingPeriod::of(self.question.today);
        // A window is looked at as it stands: with the current month while it goes on, and with its last one when it is over.  Halfway it
        // would look as if an amount had gone back.
        let own = self.reading.budgets.iter().filter(|read| {
            let window = read.status.window;
            self.question.period == current || window.to == self.question.period.next()
        });
        let own: Vec<&ReadBudget> = own.collect();
        let subject = |read: &ReadBudget| (read.budget.name.clone(), read.status.window.from.first_day());
        let subjects: BTreeSet<Subject> = own.iter().map(|read| subject(read)).collect();
        let windows: BTreeSet<NaiveDate> = subjects.iter().map(|(_, window)| *window).collect();
        let spoken = list_spoken(connection, &BUDGET_KINDS, &subjects).await?;
        let before = list_evaluations(connection, &windows.into_iter().collect::<Vec<_>>()).await?;
        let mut stand: BTreeMap<Subject, Stood> = BTreeMap::new();
        let mut told = Vec::new();
        let mut without_data = Vec::new();
        for read in own {
            report.count("budgets", 1);
            let subject = subject(read);
            let look = Look {
                status: &read.status,
                history: &read.history,
                thresholds: &read.budget.thresholds,
                spoke: spoken.get(&subject).map_or(&[], Vec::as_slice),
                before: before.get(&subject),
                is_new_budget: !self.known.contains(&read.budget.name),
                directory_version: self.directory_version,
                allocation_version: self.reading.allocation_version,
                today: self.question.today,
            };
            let judgements = look.judge();
            if judgements.iter().any(|of| of.verdict == Verdict::NoData) {
                without_data.push(read.budget.name.clone());
            }
            told.extend(self.act(connection, drivers, (read, &judgements), report).await?);
            stand.extend(look.stands().map(|stood| (subject, stood)));
        }
        note_evaluations(connection, &stand, self.now).await?;
        for finding in self.missing(&without_data).into_iter().chain(self.reading.finding()) {
            report.find(Some(self.question.period), "", finding);
        }
        Ok(told)
    }

    /// Raises, lets speak again, and says what is to be told.
    async fn act(
        &self,
        connection: &mut PgConnection,
        drivers: &mut DriverReader,
        (read, judgements): (&ReadBudget, &[Judgement]),
        report: &mut RunReport,
    ) -> anyhow::Result<Option<Told>> {
        let mut told = None;
        for judgement in judgements {
            let (cause, arming, again, is_told) = match judgement.verdict {
                Verdict::Rearms { alert_id, because } => {
                    rearm(connection, alert_id, because, self.now).await?;
                    report.count("rearmed", 1);
                    continue;
                }
                Verdict::Speaks {
                    cause,
                    arming,
                    again,
                    is_told,
                } => (cause, arming, again, is_told),
                Verdict::NoData | Verdict::NotReached | Verdict::TooEarly | Verdict::SpokeAlready { .. } => continue,
            };
            let also = judgements
                .iter()
                .filter(|of| is_told && of.threshold != judgement.threshold)
                .filter(|of| matches!(of.verdict, Verdict::Speaks { .. }))
                .map(|of| of.threshold.to_string());
            let mut facts = self.facts(read, judgement, cause);
            facts.again = again.map(|again| again.as_str().to_owned());
            facts.also = also.collect();
            if is_told {
                facts.drivers = drivers.read(connection, &read.budget, self.question.period).await?;
            }
            let kind = if judgement.threshold.is_forecast() {
                AlertKind::Forecast
            } else {
                AlertKind::Spent
            };
            let alert = NewAlert {
                kind,
                subject: read.budget.name.clone(),
                window_from: read.status.window.from.first_day(),
                threshold: judgement.threshold.to_string(),
                arming,
                cause: cause.as_str(),
                facts: AlertFacts::Budget(Box::new(facts)),
                is_personal: read.budget.scope == BudgetScope::Person,
            };
            let Some(alert_id) = raise(connection, &alert, self.now).await? else {
                continue;
            };
            report.count("raised", 1);
            if is_told {
                told = Some(Told {
                    alert_id,
                    facts: alert.facts,
                    subject: alert.subject.clone(),
                    window_from: alert.window_from,
                    channel: read.budget.channel.clone(),
                    owner_person_id: read.budget.owner_person_id.clone(),
                    not_before: self.snoozes.get(&alert.subject).copied().unwrap_or(self.now),
                });
            }
        }
        Ok(told)
    }

    fn facts(&self, read: &ReadBudget, judgement: &Judgement, cause: Cause) -> BudgetFacts {
        let (budget, status) = (&read.budget, &read.status);
        let outlook = status.outlook.as_ref();
        let (window_from, window_to) = status.window.days();
        BudgetFacts {
            budget: budget.name.clone(),
            scope: budget.scope.as_str().to_owned(),
            code: budget.code.clone(),
            owner_person_id: budget.owner_person_id.clone(),
            currency: budget.currency.clone(),
            limit: status.limit,
            raised: status.raised,
            threshold: judgement.threshold.to_string(),
            level: judgement.level,
            is_forecast: judgement.threshold.is_forecast(),
            spent: status.spent,
            percent: percent_of(status.spent, status.limit).to_string(),
            spent_usd: status.spent_usd,
            rate: budget.rate.map(|rate| rate.normalize().to_string()),
            counts: budget.basis.as_str().to_owned(),
            with_allocated: budget.with_allocated,
            with_tax: budget.with_tax,
            window_from,
            window_to,
            today: self.question.today,
            expected: outlook.map(|of| of.expected).unwrap_or_default(),
            low: outlook.map(|of| of.low).unwrap_or_default(),
            high: outlook.map(|of| of.high).unwrap_or_default(),
            forecast_method: outlook.map_or("nothing", |of| of.method.as_str()).to_owned(),
            not_billed_yet: outlook.map(|of| of.not_billed_yet).unwrap_or_default(),
            runs_out_on: outlook.and_then(|of| of.runs_out_on),
            data_as_of: self.reading.data_as_of.unwrap_or(self.now),
            cause: cause.as_str().to_owned(),
            again: None,
            also: Vec::new(),
            drivers: Default::default(),
        }
    }

    /// A month without data is told, and is no all-clear.
    fn missing(&self, budgets: &[String]) -> Option<Finding> {
        let is_due =
            self.question.period != BillingPeriod::of(self.question.today) || self.question.today.day() >= DATA_BY_DAY;
        if budgets.is_empty() || !is_due {
            return None;
        }
        let message = format!(
            "nothing of {} is loaded, so nobody is warned: {} budgets are blind",
            self.question.period,
            budgets.len()
        );
        let action = "load the month with 'anbun ingest cur', or see with 'anbun doctor' why none comes";
        Some(Finding::new(
            "budgets_without_data",
            Severity::Error,
            self.question.period.to_string(),
            message,
            action,
        ))
    }
}
