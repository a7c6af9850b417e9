//! A check of something that anbun needs: what was found, and the one thing to do next.

use serde::Serialize;

use super::finding::Severity;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    Ok,
    Warn,
    Fail,
}

impl Health {
    /// How a check that is not well weighs as a finding.
    pub const fn severity(self) -> Option<Severity> {
        match self {
            Self::Ok => None,
            Self::Warn => Some(Severity::Warning),
            Self::Fail => Some(Severity::Error),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub check: String,
    pub health: Health,
    pub found: String,
    /// The one thing to do next; empty where all is well.
    pub action: String,
}

impl Check {
    pub fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(check, Health::Ok, found, "")
    }

    pub fn warn(check: impl Into<String>, found: impl Into<String>, action: impl Into<String>) -> Self {
        Self::new(check, Health::Warn, found, action)
    }

    pub fn fail(check: impl Into<String>, found: impl Into<String>, action: impl Into<String>) -> Self {
        Self::new(check, Health::Fail, found, action)
    }

    fn new(check: impl Into<String>, health: Health, found: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            health,
            found: found.into(),
            action: action.into(),
        }
    }
}
