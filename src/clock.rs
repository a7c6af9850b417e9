//! The only reader of the time.

use chrono::{DateTime, Utc};

/// Where the time comes from: the system, or a test.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    System,
    /// Stands still; for tests.
    Fixed(DateTime<Utc>),
}

impl Clock {
    pub fn now(self) -> DateTime<Utc> {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
            Self::System => Utc::now(),
            Self::Fixed(now) => now,
        }
    }
}
