//! Parts that several answers share: money, findings, and what an amount rests on.

use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::finding::{Finding, Severity};
use crate::domain::freshness::SETTLING;
use crate::domain::invoice::RateOfBill;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::store::status::StoredFinding;

/// An exact amount: a decimal string, never a float.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MoneyView {
    #[schema(example = "412300")]
    pub amount: String,
    #[schema(example = "JPY")]
    pub currency: String,
}

impl MoneyView {
    pub fn new(amount: Amount, currency: &str) -> Self {
        Self {
            amount: amount.to_string(),
            currency: currency.to_owned(),
        }
    }
}

/// What amounts were converted by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RateView {
    /// Yen for a dollar.  Of an invoice: its yen over its dollars, as evidence; nothing is multiplied by it.
    pub value: String,
    pub source_currency: &'static str,
    pub target_currency: &'static str,
    /// `invoice`, or what the policy's rate is: `planning`, `ttm`, `tts`, `ttb`, `interbank`.
    pub kind: String,
    pub date: Option<String>,
    pub source: String,
    pub invoice: Option<String>,
    pub locked: bool,
}

pub fn rates(used: &[RateOfBill], locked: bool) -> Vec<RateView> {
    let view = |rate: &RateOfBill| RateView {
        value: rate.value.map(|value| value.to_string()).unwrap_or_default(),
        source_currency: "USD",
        target_currency: "JPY",
        kind: rate.kind.to_owned(),
        date: rate.date.map(|date| date.to_string()),
        source: rate.source.clone(),
        invoice: rate.invoice.clone(),
        locked,
    };
    used.iter().map(view).collect()
}

/// Something that a reader of the figures must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FindingView {
    pub code: String,
    /// `error`, `warning` or `info`.
    pub severity: &'static str,
    pub subject: String,
    pub message: String,
    pub action: String,
    pub period: Option<String>,
    pub amount: Option<MoneyView>,
    pub lines: Option<i64>,
}

impl FindingView {
    /// Whether it belongs before a person's eyes, and not only into the data.
    pub fn is_for_people(&self) -> bool {
        self.severity != Severity::Info.as_str() || self.code == SETTLING
    }

    pub fn new(period: Option<BillingPeriod>, finding: Finding) -> Self {
        let amount = finding.amount.zip(finding.currency);
        Self {
            code: finding.code.to_owned(),
            severity: finding.severity.as_str(),
            subject: finding.subject,
            message: finding.message,
            action: finding.action,
            period: period.map(|period| period.to_string()),
            amount: amount.map(|(amount, currency)| MoneyView::new(amount, &currency)),
            lines: finding.lines,
        }
    }
}

impl From<StoredFinding> for FindingView {
    fn from(finding: StoredFinding) -> Self {
        let amount = finding
            .amount
            .zip(finding.currency)
            .map(|(amount, currency)| MoneyView::new(amount, &currency));
        Self {
            code: finding.code,
            severity: finding.severity.as_str(),
            subject: finding.subject,
            message: finding.message,
            action: finding.action,
            period: finding.period.map(|period| period.to_string()),
            amount,
            lines: finding.lines,
        }
    }
}

/// A share as a decimal string, such as `0.1234`.
pub fn share(value: Option<Decimal>) -> Option<String> {
    value.map(|share| share.to_string())
}
