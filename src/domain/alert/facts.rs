//! What an alert is told with, as it stood when it was raised.  People stand in it by their id; who may read a name is decided where it is shown.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{Cause, Rearmed};
use crate::domain::money::Amount;

/// A crossing of a budget's threshold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetFacts {
    pub budget: String,
    pub scope: String,
    pub code: String,
    pub owner_person_id: String,
    /// Of all amounts that do not say USD.
    pub currency: String,
    pub limit: Amount,
    pub raised: Amount,
    pub threshold: String,
    pub level: Amount,
    pub is_forecast: bool,
    pub spent: Amount,
    /// Of the limit, cut at one decimal.
    pub percent: String,
    pub spent_usd: Amount,
    pub rate: Option<String>,
    /// `usage`, `after_discounts` or `after_credits`.
    pub counts: String,
    pub with_allocated: bool,
    pub with_tax: bool,
    pub window_from: NaiveDate,
    /// Exclusive.
    pub window_to: NaiveDate,
    pub today: NaiveDate,
    pub expected: Amount,
    pub low: Amount,
    pub high: Amount,
    pub forecast_method: String,
    pub not_billed_yet: Amount,
    pub runs_out_on: Option<NaiveDate>,
    pub data_as_of: DateTime<Utc>,
    pub cause: String,
    pub again: Option<String>,
    /// Lower thresholds that were crossed at the same time.
    pub also: Vec<String>,
    pub drivers: Drivers,
}

impl BudgetFacts {
    pub fn cause(&self) -> Option<Cause> {
        Cause::parse(&self.cause)
    }

    pub fn again(&self) -> Option<Rearmed> {
        self.again.as_deref().and_then(Rearmed::parse)
    }
}

/// Who and what makes most of it in the month.  In dollars of use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drivers {
    pub models: Vec<ModelDriver>,
    pub people: Vec<PersonDriver>,
    /// Each model's share now and in the month before, the largest first.
    pub mix: Vec<ModelShare>,
    /// Use that no rule decided and that is likely this budget's.
    pub quarantined: Amount,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelDriver {
    pub model: String,
    pub route: String,
    /// How many people used it.
    pub people: i64,
    pub cost: Amount,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonDriver {
    pub person_id: String,
    pub cost: Amount,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelShare {
    pub model: String,
    /// Whole per cent.
    pub share: i64,
    pub share_before: Option<i64>,
}

/// A day that cost unusually much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnomalyFacts {
    pub scope: String,
    pub code: String,
    pub day: NaiveDate,
    /// Dollars.
    pub cost: Amount,
    pub usual: Amount,
    /// `volume`, `model` or `route`.
    pub because: String,
    pub detail: String,
    pub data_as_of: DateTime<Utc>,
}

/// Things that were never there before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstSeenFacts {
    /// `principal`, `model`, `region` or `product`.
    pub kind: String,
    pub codes: Vec<String>,
    pub data_as_of: DateTime<Utc>,
}

/// A department's month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestFacts {
    pub department: String,
    /// Its first day.
    pub month: NaiveDate,
    /// Yen that it is charged.
    pub total: Amount,
    /// Of the month before; none where it had none.
    pub before: Option<Amount>,
    /// Whether the month is provisional or more.
    pub is_complete: bool,
    pub drivers: Drivers,
    pub data_as_of: DateTime<Utc>,
}

/// What an alert says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum AlertFacts {
    Budget(Box<BudgetFacts>),
    Anomaly(AnomalyFacts),
    FirstSeen(FirstSeenFacts),
    Digest(DigestFacts),
}
