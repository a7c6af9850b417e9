//! From invoice to chargeback in steps, each a number, in dollars and in yen.
//!
//! The steps of each column add up: what the invoices ask for, less what is not this chargeback's, is what departments are
//! charged and what is kept visible.  `unexplained` is a step, and must be zero.

use std::collections::BTreeMap;

use super::books::{Column, Converted, Ledger};
use super::invoice::{Invoice, split_difference};
use super::money::Amount;

/// One step: what it is, in dollars as billed and in the currency of the chargeback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub name: &'static str,
    /// The invoice, or who sells where there is none.
    pub invoice: Option<String>,
    pub usd: Amount,
    pub jpy: Amount,
}

/// The steps of a month.  Those of the first part lead from the invoices to the bill of this chargeback, those of the second
/// from there to what departments are charged; each part adds up to its last step.
pub fn steps(ledger: &Ledger, converted: &Converted, invoices: &[Invoice]) -> Vec<Step> {
    let mut steps = Vec::new();
    for (nth, group) in converted.groups.iter().enumerate() {
        let others = |is_tax: bool| -> Amount {
            let of_group = ledger
                .other_services
                .iter()
                .filter(|o| o.is_tax == is_tax && group.bills.contains(&o.bill));
            of_group.map(|other| other.cost).sum()
        };
        let own: Amount = ledger
            .entries
            .iter()
            .filter(|e| group.bills.contains(&e.bill))
            .map(|e| e.cost)
            .sum();
        let own_tax: Amount = ledger
            .entries
            .iter()
            .filter(|e| group.bills.contains(&e.bill) && e.column == Column::Tax)
            .map(|e| e.cost)
            .sum();
        let bill = group.bills.first().map(|bill| &ledger.bills[*bill]);
        let seller = bill.map(|bill| bill.invoice.clone().unwrap_or_else(|| bill.seller.clone()));
        let step = |name, usd, jpy| Step {
            name,
            // A bill without a recorded invoice is told by who sells it.
            invoice: group.invoice.clone().or_else(|| seller.clone()),
            usd,
            jpy,
        };
        if group.is_adjustment(ledger) && !group.total.is_zero() {
            let billed = converted
                .postings
                .iter()
                .filter(|posting| posting.group == nth)
                .map(|posting| posting.billed);
            steps.push(step("true-ups of earlier months", billed.sum(), group.total));
            continue;
        }
        let recorded = group
            .invoice
            .as_ref()
            .and_then(|id| invoices.iter().find(|invoice| invoice.invoice_id == *id));
        match recorded {
            Some(invoice) => {
                let totals = invoice.totals();
                let net_jpy = Amount::from_whole(totals.map_or(0, |totals| totals.net));
                let tax_jpy = Amount::from_whole(totals.map_or(0, |totals| totals.tax));
                let (net_rounding, net_unexplained) = split_difference(invoice.net_usd, own - own_tax + others(false));
                let (tax_rounding, tax_unexplained) = split_difference(invoice.tax_usd(), own_tax + others(true));
                steps.push(step("invoice net", invoice.net_usd, net_jpy));
                steps.push(step("invoice tax", invoice.tax_usd(), tax_jpy));
                // The invoice's yen are divided whole, so that its rounding is a matter of its dollars only.
                steps.push(step("invoice rounding", -(net_rounding + tax_rounding), Amount::ZERO));
                steps.push(step("unexplained", -(net_unexplained + tax_unexplained), Amount::ZERO));
            }
            None => {
                let jpy = group.total + group.other_services + group.other_tax;
                steps.push(step(
                    "bill without recorded invoice",
                    own + others(false) + others(true),
                    jpy,
                ));
                if group.invoice.is_none() {
                    // At a rate the other services are not converted with the bill.
                    steps.push(step("other services", -others(false), Amount::ZERO));
                    steps.push(step("tax of other services", -others(true), Amount::ZERO));
                    steps.push(step("bill of this chargeback", own, group.total));
                    continue;
                }
            }
        }
        steps.push(step("other services", -others(false), -group.other_services));
        steps.push(step("tax of other services", -others(true), -group.other_tax));
        steps.push(step("bill of this chargeback", own, group.total));
    }
    let mut charged: BTreeMap<Column, (Amount, Amount)> = BTreeMap::new();
    let mut kept: BTreeMap<Column, (Amount, Amount)> = BTreeMap::new();
    for posting in &converted.postings {
        let sums = if posting.department.is_some() {
            &mut charged
        } else {
            &mut kept
        };
        let sums = sums.entry(posting.column).or_default();
        *sums = (sums.0 + posting.billed, sums.1 + posting.amount);
    }
    let mut push = |name, (usd, jpy): (Amount, Amount)| {
        steps.push(Step {
            name,
            invoice: None,
            usd,
            jpy,
        });
    };
    let names = |column| match column {
        Column::Direct => ("charged: direct", "kept visible: direct"),
        Column::Allocated => ("charged: allocated", "kept visible: unattributed"),
        Column::Other => ("charged: other", "kept visible: other"),
        Column::Discounts => ("charged: discounts", "kept visible: discounts"),
        Column::Credits => ("charged: credits", "kept visible: credits"),
        Column::Refunds => ("charged: refunds", "kept visible: refunds"),
        Column::Tax => ("charged: tax", "kept visible: tax"),
        Column::Adjustments => ("true-ups of earlier months", "true-ups kept visible"),
    };
    for (column, sums) in &charged {
        push(names(*column).0, *sums);
    }
    for (column, sums) in &kept {
        push(names(*column).1, *sums);
    }
    let all = converted.postings.iter().map(|posting| posting.billed).sum();
    push("statement", (all, converted.total()));
    steps
}

/// What no step explains, in dollars.
pub fn unexplained(steps: &[Step]) -> Amount {
    steps
        .iter()
        .filter(|step| step.name == "unexplained")
        .map(|step| step.usd)
        .sum()
}
