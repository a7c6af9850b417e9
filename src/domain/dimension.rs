//! What costs can be grouped and filtered by.  The names are the contract's.

use std::fmt;

macro_rules! dimensions {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Dimension { $($variant),+ }

        impl Dimension {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

dimensions! {
    Day = "day",
    Month = "month",
    Payer = "payer",
    Account = "account",
    Department = "department",
    Person = "person",
    Project = "project",
    Principal = "principal",
    Role = "role",
    Session = "session",
    Model = "model",
    Family = "family",
    TokenKind = "token-kind",
    CacheTtl = "cache-ttl",
    Route = "route",
    Tier = "tier",
    Context = "context",
    Region = "region",
    Provider = "provider",
    LineKind = "line-kind",
    Seller = "seller",
    Invoice = "invoice",
    ChargeType = "charge-type",
    State = "state",
    Reason = "reason",
    Rule = "rule",
    PersonRule = "person-rule",
    UsageType = "usage-type",
    Currency = "currency",
}

impl Dimension {
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|dimension| dimension.as_str() == text)
    }

    /// Whether a slice by it shows single people, or names that can hold a person's.
    pub const fn is_personal(self) -> bool {
        matches!(self, Self::Person | Self::Principal | Self::Role | Self::Session)
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
