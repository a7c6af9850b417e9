//! What is looked at besides budgets: unusual days, what was never there before, and forecasts that are kept.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, Utc};
use sqlx::PgConnection;

use crate::domain::alert::facts::{AlertFacts, AnomalyFacts, FirstSeenFacts};
use crate::domain::alert::{AlertKind, Cause};
use crate::domain::anomaly::{because, episodes};
use crate::domain::digest::sha256;
use crate::domain::forecast::projection::{FORECAST_DAYS, HISTORY_DAYS, KnownDays, forecast_day, project};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::jobs::RunReport;
use crate::jobs::alerting::Told;
use crate::store::alerts::{NewAlert, Subject, raise};
use crate::store::anomalies::{end_episode, list_episodes, list_histories, note_first_seen, read_parts};
use crate::store::forecasts::{KeptForecast, has_forecasts, keep_forecasts};
use crate::store::spending::{BudgetQuestion, list_department_histories};

/// Days on which something unusual is still worth a word.
const LATELY_DAYS: u64 = 7;
const UNUSUAL_LOOKED_BACK: u64 = 70;
/// A forecast of a day is not made days later.
const KEPT_WITHIN_DAYS: u32 = 2;

/// The moment of a look at a month.
pub(super) struct Watch<'w> {
    pub question: &'w BudgetQuestion,
    pub known: &'w KnownDays,
    pub data_as_of: Option<DateTime<Utc>>,
    /// Dollars beyond what is usual.
    pub least: Amount,
    /// The first look tells nothing of what was there before it.
    pub is_first_look: bool,
    pub now: DateTime<Utc>,
}

impl Watch<'_> {
    fn told(&self, alert_id: i64, alert: &NewAlert) -> Told {
        Told {
            alert_id,
            facts: alert.facts.clone(),
            subject: alert.subject.clone(),
            window_from: alert.window_from,
            channel: String::new(),
            owner_person_id: String::new(),
            not_before: self.now,
        }
    }

    /// Raises episodes that began, and ends those that are over.
    pub(super) async fn unusual_days(
        &self,
        connection: &mut PgConnection,
        report: &mut RunReport,
    ) -> anyhow::Result<Vec<Told>> {
        let Some(data_as_of) = self.data_as_of else {
            return Ok(Vec::new());
        };
        let end = self.known.delivered.last().copied().unwrap_or(self.known.settled_to);
        let (from, to) = (end - Days::new(UNUSUAL_LOOKED_BACK), end + Days::new(1));
        let lately = end - Days::new(LATELY_DAYS);
        let histories = list_histories(connection, (from, to), lately, self.least).await?;
        let mut known = list_episodes(connection, from).await?;
        let mut told = Vec::new();
        let mut going_on = BTreeSet::new();
        for (whose, history) in &histories {
            let subject = format!("{}:{}", whose.0, whose.1);
            for episode in episodes(history, self.known, self.least, &self.question.calendar) {
                // Late lines can move its first day: it is the same one where they overlap.
                let is_same = |key: &Subject| {
                    key.0 == subject && key.1 <= episode.last && key.1 + Days::new(LATELY_DAYS) >= episode.from
                };
                let same: Vec<Subject> = known.keys().filter(|key| is_same(key)).cloned().collect();
                if !episode.is_over {
                    going_on.extend(same.iter().cloned());
                }
                if !same.is_empty() || episode.last < lately {
                    continue;
                }
                let (now, usual) = read_parts(connection, whose, episode.day).await?;
                let (why, model) = because(&now, &usual);
                let alert = NewAlert {
                    kind: AlertKind::Anomaly,
                    subject: subject.clone(),
                    window_from: episode.from,
                    threshold: "episode".to_owned(),
                    arming: 0,
                    cause: if self.is_first_look { Cause::Past } else { Cause::NewUse }.as_str(),
                    facts: AlertFacts::Anomaly(AnomalyFacts {
                        scope: whose.0.clone(),
                        code: whose.1.clone(),
                        day: episode.day,
                        cost: episode.cost,
                        usual: episode.usual,
                        because: why.as_str().to_owned(),
                        detail: model,
                        data_as_of,
                    }),
                    is_personal: whose.0 == "person",
                };
                if let Some(alert_id) = raise(connection, &alert, self.now).await? {
                    report.count("unusual", 1);
                    let key = (subject.clone(), episode.from);
                    if !episode.is_over {
                        going_on.insert(key.clone());
                    }
                    known.insert(key, true);
                    told.extend((!self.is_first_look).then(|| self.told(alert_id, &alert)));
                }
            }
        }
        // What is as usual again, or what nobody finds any more after a correction, is over.
        for (key, _) in known
            .iter()
            .filter(|(key, is_open)| **is_open && !going_on.contains(*key))
        {
            end_episode(connection, key, self.now).await?;
        }
        Ok(told)
    }

    /// Raises what was never there before: one alert for each kind of thing.
    pub(super) async fn first_seen(
        &self,
        connection: &mut PgConnection,
        report: &mut RunReport,
    ) -> anyhow::Result<Vec<Told>> {
        let Some(data_as_of) = self.data_as_of else {
            return Ok(Vec::new());
        };
        let mut told = Vec::new();
        for (kind, codes) in note_first_seen(connection, self.now).await? {
            let alert = NewAlert {
                kind: AlertKind::FirstSeen,
                subject: kind.clone(),
                window_from: self.question.period.first_day(),
                threshold: sha256(&[codes.join("\n").as_bytes()]),
                arming: 0,
                cause: Cause::NewUse.as_str(),
                is_personal: kind == "principal",
                facts: AlertFacts::FirstSeen(FirstSeenFacts {
                    kind,
                    codes,
                    data_as_of,
                }),
            };
            if let Some(alert_id) = raise(connection, &alert, self.now).await? {
                report.count("first_seen", 1);
                told.push(self.told(alert_id, &alert));
            }
        }
        Ok(told)
    }

    /// Keeps the forecasts of the company and of each department on days 5, 10, 15 and 20.
    pub(super) async fn keep_forecasts(
        &self,
        connection: &mut PgConnection,
        report: &mut RunReport,
    ) -> anyhow::Result<()> {
        let (period, today) = (self.question.period, self.question.today);
        let day = forecast_day(today).filter(|day| today.day() - day <= KEPT_WITHIN_DAYS);
        let (Some(day), Some(data_as_of)) = (day, self.data_as_of) else {
            return Ok(());
        };
        debug_assert!(FORECAST_DAYS.contains(&day) && period == BillingPeriod::of(today));
        let day_of_month = i32::try_from(day)?;
        if has_forecasts(connection, period, day_of_month).await? {
            return Ok(());
        }
        let (from, to) = (period.days().from, period.days().to);
        let history_from = self.known.settled_to - Days::new(HISTORY_DAYS);
        let histories = list_department_histories(connection, (history_from.min(from), to)).await?;
        let mut kept = Vec::new();
        for ((scope, code), history) in &histories {
            let projection = project(history, self.known, (from, to), &self.question.calendar);
            let billed = history.sum(from, to);
            kept.push(KeptForecast {
                scope: scope.clone(),
                code: code.clone(),
                period,
                day_of_month,
                made_at: self.now,
                data_as_of,
                method: projection.method.as_str().to_owned(),
                expected: billed + projection.expected,
                low: billed + projection.low,
                high: billed + projection.high,
                actual: None,
            });
        }
        keep_forecasts(connection, &kept).await?;
        report.count("forecasts_kept", i64::try_from(kept.len())?);
        Ok(())
    }
}
