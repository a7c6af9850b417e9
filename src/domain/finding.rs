//! Findings: what is missing, unknown or doubtful, named so that it cannot pass for a cheap day.

use serde::Serialize;

use super::money::Amount;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Info,
    /// Figures are right, but something is missing or undecided.
    Warning,
    /// A person must act before the figures can be trusted.
    Error,
}

impl Severity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    pub fn parse(text: &str) -> Self {
        [Self::Info, Self::Warning]
            .into_iter()
            .find(|s| s.as_str() == text)
            .unwrap_or(Self::Error)
    }
}

/// One thing that a reader of a figure must know, with the object that it is about and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable code such as `principal_column_missing`.
    pub code: &'static str,
    pub severity: Severity,
    /// The object: a column, a day, a usage type, a file.
    pub subject: String,
    pub message: String,
    pub action: String,
    pub amount: Option<Amount>,
    pub currency: Option<String>,
    pub lines: Option<i64>,
}

impl Finding {
    pub fn new(
        code: &'static str,
        severity: Severity,
        subject: impl Into<String>,
        message: impl Into<String>,
        action: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity,
            subject: subject.into(),
            message: message.into(),
            action: action.into(),
            amount: None,
            currency: None,
            lines: None,
        }
    }

    #[must_use]
    pub fn with_cost(mut self, amount: Amount, currency: &str, lines: i64) -> Self {
        self.amount = Some(amount);
        self.currency = Some(currency.to_owned());
        self.lines = Some(lines);
        self
    }
}
