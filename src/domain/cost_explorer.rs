//! Cost Explorer beside the bill: which days are worth a request, and what differs.
//!
//! The bill's export stays the truth.  Cost Explorer is asked little, because every page costs money, and a day that is no
//! estimate any more is not asked again.

mod compare;
mod plan;

pub use compare::{Ages, BilledDay, ExplorerDay, compare_records, compare_tag, compare_usage, service_of};
pub use plan::{AskedDay, MAX_WINDOW_DAYS, Window, history_from, plan};

use std::fmt;

use chrono::NaiveDate;

use super::money::Amount;

/// Prefix of principal tags, as AWS lists and groups by them.
pub const PRINCIPAL_TAG_PREFIX: &str = "iamPrincipal/";

/// How totals are grouped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TotalsKind {
    /// Usage by service and usage type.
    UsageType,
    /// Everything by service and record type.
    RecordType,
    /// Usage by the value of a tag, given with its prefix.
    Tag(String),
}

impl TotalsKind {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "usage_type" => Some(Self::UsageType),
            "record_type" => Some(Self::RecordType),
            _ => text.strip_prefix("tag:").map(|key| Self::Tag(key.to_owned())),
        }
    }
}

impl fmt::Display for TotalsKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UsageType => f.write_str("usage_type"),
            Self::RecordType => f.write_str("record_type"),
            Self::Tag(key) => write!(f, "tag:{key}"),
        }
    }
}

/// One amount of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplorerTotal {
    pub day: NaiveDate,
    /// None where the totals are of all services.
    pub service: Option<String>,
    /// Usage type, record type, or the tag's value; empty for what has no such tag.
    pub label: String,
    pub currency: String,
    pub cost: Amount,
}
