//! By which column of the bill a payer's months are booked: never by both.

use super::finding::{Finding, Severity};
use super::money::Amount;
use super::named::named;
use super::period::BillingPeriod;

named! {
    CostBasis {
        /// Unblended cost, with discounts as lines of their own.
        Unblended = "unblended",
        /// The net column, without discount lines.
        Net = "net",
    }
}

impl CostBasis {
    /// In words for the statement.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unblended => "unblended cost with separate discount lines",
            Self::Net => "net unblended cost without discount lines",
        }
    }
}

/// Which basis a payer's months from one on have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasisOfPayer {
    pub payer: String,
    pub valid_from: BillingPeriod,
    pub basis: CostBasis,
    pub set_by: String,
}

/// The basis of a payer in a month.
pub fn basis_in(bases: &[BasisOfPayer], payer: &str, period: BillingPeriod) -> CostBasis {
    let of_payer = bases
        .iter()
        .filter(|basis| basis.payer == payer && basis.valid_from <= period);
    of_payer
        .max_by_key(|basis| basis.valid_from)
        .map_or(CostBasis::Unblended, |basis| basis.basis)
}

/// Both measures of a payer's month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BothMeasures {
    pub payer: String,
    /// Without discount lines, which the net column does not need.
    pub lines: i64,
    pub lines_without_net: i64,
    /// Of the lines without a net.
    pub cost_without_net: Amount,
    /// Unblended, discount lines with it.
    pub cost: Amount,
    /// Net, without discount lines.
    pub net_cost: Amount,
}

impl BothMeasures {
    /// Whether any line has a net: without one there is nothing to compare.
    pub const fn has_net(&self) -> bool {
        self.lines_without_net < self.lines
    }
}

/// How far the two measures of a month may be apart: AWS rounds its columns apart.
const ROUNDING_MAX: Amount = Amount::from_units(50_000_000_000);

/// A NULL in the net column is no amount, and two measures that differ cannot both be the invoice's.
pub fn findings(measures: &BothMeasures, basis: CostBasis) -> Vec<Finding> {
    let mut findings = Vec::new();
    if basis == CostBasis::Net && measures.lines_without_net > 0 {
        let finding = Finding::new(
            "net_missing",
            Severity::Error,
            measures.payer.clone(),
            format!(
                "the payer is booked by the net column, and {} of {} lines have none; their unblended cost stands in",
                measures.lines_without_net, measures.lines
            ),
            "book the payer by unblended cost with 'anbun allocation basis set', or load a delivery whose net column is filled",
        );
        findings.push(finding.with_cost(measures.cost_without_net, "USD", measures.lines_without_net));
    }
    // A line without a net counts in both by its unblended cost, so that one of them hides nothing of the others.
    let difference = measures.net_cost - measures.cost;
    if measures.has_net() && difference.units().abs() > ROUNDING_MAX.units() {
        let finding = Finding::new(
            "net_differs",
            Severity::Error,
            measures.payer.clone(),
            format!(
                "the net column comes to {} USD, unblended cost with discounts to {} USD",
                measures.net_cost, measures.cost
            ),
            "compare both with the invoice, and say which it is by with 'anbun allocation basis set'",
        );
        findings.push(finding.with_cost(difference, "USD", measures.lines));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measures(without_net: i64, cost: &str, net: &str) -> BothMeasures {
        let amount = |text: &str| Amount::parse(text).unwrap_or_else(|| panic!("{text}"));
        BothMeasures {
            payer: "1".to_owned(),
            lines: 10,
            lines_without_net: without_net,
            cost_without_net: amount("3"),
            cost: amount(cost),
            net_cost: amount(net),
        }
    }

    #[test]
    fn a_missing_or_a_different_net_is_told() {
        let codes = |measures: &BothMeasures, basis| -> Vec<&str> {
            findings(measures, basis).iter().map(|finding| finding.code).collect()
        };
        let whole = measures(0, "90", "90.04");
        assert!(codes(&whole, CostBasis::Net).is_empty() && codes(&whole, CostBasis::Unblended).is_empty());
        assert_eq!(codes(&measures(0, "90", "91"), CostBasis::Unblended), ["net_differs"]);
        // A line without a net hides no difference of the others.
        assert_eq!(
            codes(&measures(2, "90", "91"), CostBasis::Net),
            ["net_missing", "net_differs"]
        );
        assert_eq!(codes(&measures(2, "90", "91"), CostBasis::Unblended), ["net_differs"]);
        // Without a net column there is nothing to compare.
        assert!(codes(&measures(10, "90", "100"), CostBasis::Unblended).is_empty());
    }

    #[test]
    fn the_newest_basis_of_the_payer_counts() {
        let month = |text: &str| text.parse().unwrap_or_else(|e| panic!("{e}"));
        let of = |payer: &str, from: &str, basis| BasisOfPayer {
            payer: payer.to_owned(),
            valid_from: month(from),
            basis,
            set_by: String::new(),
        };
        let bases = [
            of("1", "2026-06", CostBasis::Net),
            of("1", "2026-09", CostBasis::Unblended),
        ];
        for (payer, period, basis) in [
            ("1", "2026-05", CostBasis::Unblended),
            ("1", "2026-08", CostBasis::Net),
            ("1", "2026-10", CostBasis::Unblended),
            ("2", "2026-08", CostBasis::Unblended),
        ] {
            assert_eq!(basis_in(&bases, payer, month(period)), basis, "{payer} {period}");
        }
    }
}
