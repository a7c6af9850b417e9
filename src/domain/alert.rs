//! Whether a budget speaks.  Pure: how it stands and what it has said come in, what it says comes out.
//!
//! A threshold speaks once a window.  It can speak again only after a restatement took the amount back under it by a margin, or
//! after the budget was changed.  Of several thresholds that are crossed at once the highest is told, and all are recorded.

pub mod facts;

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::budget_status::{BudgetStatus, Share, Window};
use super::forecast::projection::History;
use super::money::Amount;
use super::named::named;
use super::threshold::Threshold;

named! {
    AlertKind {
        Spent = "spent",
        Forecast = "forecast",
        /// A day that costs unusually much.
        Anomaly = "anomaly",
        /// A principal, model, region or product that was never there before.
        FirstSeen = "first_seen",
        /// A department's month.
        Digest = "digest",
    }
}

named! {
    /// A way out.
    Way {
        /// A bot, with `chat.postMessage`.
        Slack = "slack",
        SlackWebhook = "slack_webhook",
        /// The company's own receiver.
        Webhook = "webhook",
        Mail = "mail",
    }
}

named! {
    /// What brought an amount over its threshold.
    Cause {
        NewUse = "new_use",
        /// The directory decides charges otherwise than before.
        Reattribution = "reattribution",
        /// Shared cost is divided by other rules.
        Rule = "rule",
        /// AWS changed days that were settled.
        Restatement = "restatement",
        BudgetChange = "budget_change",
        /// The window was over when it was looked at: recorded, and not sent.
        Past = "past",
    }
}

impl Cause {
    /// Nobody used more because of it.
    pub const fn is_not_new_use(self) -> bool {
        matches!(
            self,
            Self::Reattribution | Self::Rule | Self::Restatement | Self::BudgetChange
        )
    }
}

named! {
    /// How long somebody wants silence.
    Silence {
        Day = "day",
        Week = "week",
        /// Until the end of the budget's window.
        Window = "window",
    }
}

/// How a budget stood at an earlier look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stood {
    pub spent: Amount,
    pub limit: Amount,
    pub forecast: Amount,
    pub settled_to: NaiveDate,
    /// Dollars of use from that day on.
    pub open_use: Amount,
    pub directory_version: Option<i32>,
    pub allocation_version: Option<i32>,
}

/// The last time that a threshold spoke in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoke {
    pub alert_id: i64,
    pub threshold: String,
    pub arming: i32,
    pub raised_at: DateTime<Utc>,
    /// The amount that it spoke at.
    pub level: Amount,
    /// Why it can speak again.
    pub rearmed: Option<Rearmed>,
}

named! {
    Rearmed {
        Restatement = "restatement",
        BudgetChange = "budget_change",
    }
}

/// What one look says of a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing of the window is loaded: that is a finding, and no all-clear.
    NoData,
    NotReached,
    /// A forecast says nothing in the first days.
    TooEarly,
    SpokeAlready {
        alert_id: i64,
    },
    /// It spoke, the amount went back under it, and it can speak again.
    Rearms {
        alert_id: i64,
        because: Rearmed,
    },
    Speaks {
        cause: Cause,
        arming: i32,
        /// After it had been taken back, and why.
        again: Option<Rearmed>,
        /// The highest that is crossed at once; the others are recorded only.
        is_told: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub threshold: Threshold,
    pub level: Amount,
    /// None without data.
    pub amount: Option<Amount>,
    pub verdict: Verdict,
}

/// One look at a budget.
#[derive(Debug, Clone)]
pub struct Look<'l> {
    pub status: &'l BudgetStatus,
    pub history: &'l History,
    pub thresholds: &'l [Threshold],
    /// What the window's thresholds have said, the last time of each.
    pub spoke: &'l [Spoke],
    /// None at the first look at this window.
    pub before: Option<&'l Stood>,
    /// Whether the budget was ever looked at, in any window.
    pub is_new_budget: bool,
    pub directory_version: Option<i32>,
    pub allocation_version: Option<i32>,
    pub today: NaiveDate,
}

/// A forecast speaks from this day of its window on.
const FORECAST_FROM_DAY: u64 = 5;
/// How far under its threshold a restatement must take an amount, in per cent of it.
const MARGIN_PERCENT: i128 = 5;
/// So long after its end a window is still looked at as if it went on: its last days arrive then.
const ENDS_AFTER_DAYS: u64 = 5;

pub fn is_past(window: Window, today: NaiveDate) -> bool {
    today >= window.days().1 + Days::new(ENDS_AFTER_DAYS)
}

impl Look<'_> {
    pub fn judge(&self) -> Vec<Judgement> {
        let mut judgements: Vec<Judgement> = self.thresholds.iter().map(|of| self.judge_one(*of)).collect();
        let rank = |of: &Judgement| (of.level, !of.threshold.is_forecast());
        let speaking = judgements
            .iter()
            .filter(|of| matches!(of.verdict, Verdict::Speaks { .. }));
        let highest = speaking.max_by_key(|of| rank(of)).map(|of| of.threshold);
        for judgement in &mut judgements {
            if let Verdict::Speaks { cause, is_told, .. } = &mut judgement.verdict {
                *is_told = Some(judgement.threshold) == highest && *cause != Cause::Past;
            }
        }
        judgements
    }

    fn judge_one(&self, threshold: Threshold) -> Judgement {
        let level = threshold.level(self.status.limit);
        let judged = |amount, verdict| Judgement {
            threshold,
            level,
            amount,
            verdict,
        };
        let Some(outlook) = &self.status.outlook else {
            return judged(None, Verdict::NoData);
        };
        let amount = match threshold {
            Threshold::Spent(_) | Threshold::Amount(_) => self.status.spent,
            Threshold::Forecast(_) => outlook.expected,
        };
        let key = threshold.to_string();
        let spoke = self.spoke.iter().find(|spoke| spoke.threshold == key);
        let verdict = match spoke {
            Some(Spoke {
                rearmed: None,
                alert_id,
                level: spoke_at,
                ..
            }) => match self.rearms(threshold, amount, level, *spoke_at) {
                Some(because) => Verdict::Rearms {
                    alert_id: *alert_id,
                    because,
                },
                None => Verdict::SpokeAlready { alert_id: *alert_id },
            },
            _ if amount < level => Verdict::NotReached,
            _ if threshold.is_forecast() && self.is_early() => Verdict::TooEarly,
            _ => Verdict::Speaks {
                cause: self.cause(threshold, level),
                arming: spoke.map_or(0, |spoke| spoke.arming + 1),
                again: spoke.and_then(|spoke| spoke.rearmed),
                is_told: false,
            },
        };
        judged(Some(amount), verdict)
    }

    fn rearms(&self, threshold: Threshold, amount: Amount, level: Amount, spoke_at: Amount) -> Option<Rearmed> {
        if amount >= level {
            return None;
        }
        if level != spoke_at {
            return Some(Rearmed::BudgetChange);
        }
        // A forecast goes up and down by itself.
        let margin = Amount::from_units(level.units() / 100 * MARGIN_PERCENT);
        // What the directory or a rule took away, the same can bring back: that is no correction of the bill.
        let is_restated = self.before.is_some_and(|before| {
            before.directory_version == self.directory_version && before.allocation_version == self.allocation_version
        });
        (is_restated && !threshold.is_forecast() && amount < level - margin).then_some(Rearmed::Restatement)
    }

    fn is_early(&self) -> bool {
        self.today < self.status.window.days().0 + Days::new(FORECAST_FROM_DAY - 1)
    }

    fn cause(&self, threshold: Threshold, level: Amount) -> Cause {
        if is_past(self.status.window, self.today) {
            return Cause::Past;
        }
        let Some(before) = self.before else {
            return if self.is_new_budget {
                Cause::BudgetChange
            } else {
                Cause::NewUse
            };
        };
        let amount_before = if threshold.is_forecast() {
            before.forecast
        } else {
            before.spent
        };
        if amount_before >= level {
            // It was so much before: the limit came down to it, or the days were too early to say it.
            return match threshold.is_forecast() && before.limit == self.status.limit {
                true => Cause::NewUse,
                false => Cause::BudgetChange,
            };
        }
        if amount_before + self.worth(self.new_use(before)) >= level {
            return Cause::NewUse;
        }
        if threshold.is_forecast() && self.new_use(before).units() > 0 {
            return Cause::NewUse;
        }
        if before.directory_version != self.directory_version {
            Cause::Reattribution
        } else if before.allocation_version != self.allocation_version {
            Cause::Rule
        } else {
            Cause::Restatement
        }
    }

    /// Dollars of use on days that were not settled at the last look.
    fn new_use(&self, before: &Stood) -> Amount {
        let (from, to) = self.status.window.days();
        self.history.sum(before.settled_to.max(from), to) - before.open_use
    }

    /// What dollars of use are as the budget counts them, by what all of its use is.
    fn worth(&self, usage: Amount) -> Amount {
        let (from, to) = self.status.window.days();
        Share::of(self.status.spent, self.history.sum(from, to)).part(usage)
    }

    /// What the next look compares with; none without data.
    pub fn stands(&self) -> Option<Stood> {
        self.status.outlook.as_ref().map(|outlook| Stood {
            spent: self.status.spent,
            limit: self.status.limit,
            forecast: outlook.expected,
            settled_to: outlook.settled_to,
            open_use: outlook.open_use,
            directory_version: self.directory_version,
            allocation_version: self.allocation_version,
        })
    }
}

#[cfg(test)]
mod tests;
