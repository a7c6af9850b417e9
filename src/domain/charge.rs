//! What a line of a bill is: its class in the books, and why it counts as Amazon Bedrock.

use std::fmt;

/// The class of a charge.  Every line is in exactly one, whatever AWS calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChargeClass {
    Usage,
    Tax,
    Credit,
    Refund,
    Discount,
    Other,
}

impl ChargeClass {
    /// Whether lines of it take something off usage, and so belong to whoever used it.
    pub const fn follows_usage(self) -> bool {
        matches!(self, Self::Credit | Self::Discount)
    }

    pub const ALL: [Self; 6] = [
        Self::Usage,
        Self::Tax,
        Self::Credit,
        Self::Refund,
        Self::Discount,
        Self::Other,
    ];

    /// By `line_item_line_item_type` as the bill spells it.  Only `Usage` itself is usage.
    pub fn of(charge_type: &str) -> Self {
        match charge_type {
            "Usage" => Self::Usage,
            "Tax" => Self::Tax,
            "Credit" => Self::Credit,
            "Refund" => Self::Refund,
            other if other.ends_with("Discount") => Self::Discount,
            _ => Self::Other,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Tax => "tax",
            Self::Credit => "credit",
            Self::Refund => "refund",
            Self::Discount => "discount",
            Self::Other => "other",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

impl fmt::Display for ChargeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Charge types that AWS documents or that were seen on bills; any other is kept as `other` and reported.
pub const KNOWN_CHARGE_TYPES: [&str; 16] = [
    "Usage",
    "DiscountedUsage",
    "SavingsPlanCoveredUsage",
    "SavingsPlanNegation",
    "SavingsPlanRecurringFee",
    "SavingsPlanUpfrontFee",
    "RIFee",
    "Fee",
    "Tax",
    "Credit",
    "Refund",
    "EdpDiscount",
    "PrivateRateDiscount",
    "BundledDiscount",
    "SppDiscount",
    "Discount",
];

/// One way to recognise a Bedrock line.  No single one finds them all, so a line is kept if any does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SelectionRule {
    ProductFamily = 1,
    ProductCode = 2,
    /// A Marketplace product whose name ends in `(Amazon Bedrock Edition)`.
    BedrockEdition = 4,
    Operation = 8,
}

impl SelectionRule {
    pub const ALL: [Self; 4] = [
        Self::ProductFamily,
        Self::ProductCode,
        Self::BedrockEdition,
        Self::Operation,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProductFamily => "product family",
            Self::ProductCode => "product code",
            Self::BedrockEdition => "Bedrock edition",
            Self::Operation => "operation",
        }
    }
}

pub const BEDROCK_PRODUCT_FAMILY: &str = "Amazon Bedrock";
pub const BEDROCK_PRODUCT_CODES: [&str; 3] = ["AmazonBedrock", "AmazonBedrockService", "AmazonBedrockFoundationModels"];
pub const BEDROCK_EDITION_SUFFIX: &str = "(Amazon Bedrock Edition)";
pub const BEDROCK_OPERATION_PREFIX: &str = "InvokeModel";

/// The rules that caught a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CaughtBy(pub u8);

impl CaughtBy {
    pub const fn nothing(self) -> bool {
        self.0 == 0
    }

    pub fn contains(self, rule: SelectionRule) -> bool {
        self.0 & rule as u8 != 0
    }

    /// The rule, where exactly one caught the line.
    pub fn only(self) -> Option<SelectionRule> {
        SelectionRule::ALL.into_iter().find(|rule| self.0 == *rule as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_charge_type_has_one_class() {
        for (charge_type, class) in [
            ("Usage", ChargeClass::Usage),
            ("DiscountedUsage", ChargeClass::Other),
            ("SavingsPlanCoveredUsage", ChargeClass::Other),
            ("Tax", ChargeClass::Tax),
            ("Credit", ChargeClass::Credit),
            ("Refund", ChargeClass::Refund),
            ("EdpDiscount", ChargeClass::Discount),
            ("Discount", ChargeClass::Discount),
            ("CommitmentTrueUp", ChargeClass::Other),
            ("usage", ChargeClass::Other),
            ("", ChargeClass::Other),
        ] {
            assert_eq!(ChargeClass::of(charge_type), class, "{charge_type}");
        }
    }
}
