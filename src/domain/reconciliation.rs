//! From invoice to chargeback in steps, each a number, in dollars and in yen.
//!
//! The steps of each column add up: what the invoices ask for, less what is not this chargeback's, is what departments are
//! charged and what is kept visible.  `unexplained` is a step, and must be zero.

use std::collections::BTreeMap;

use super::allocation::Pool;
use super::books::{Column, Converted, Group, Ledger, Posting};
use super::invoice::{Invoice, TaxTreatment, effective, split_difference};
use super::money::{Amount, Ratio};
use super::named::named;

named! {
    /// What a step is.
    StepName {
        InvoiceNet = "invoice net",
        InvoiceTax = "invoice tax",
        InvoiceRounding = "invoice rounding",
        Unexplained = "unexplained",
        BillWithoutRecordedInvoice = "bill without recorded invoice",
        OtherServices = "other services",
        TaxOfOtherServices = "tax of other services",
        BillOfThisChargeback = "bill of this chargeback",
        Statement = "statement",
        ChargedDirect = "charged: direct",
        KeptVisibleDirect = "kept visible: direct",
        ChargedAllocated = "charged: allocated",
        KeptVisibleUnattributed = "kept visible: unattributed",
        ChargedOther = "charged: other",
        KeptVisibleOther = "kept visible: other",
        ChargedDiscounts = "charged: discounts",
        KeptVisibleDiscounts = "kept visible: discounts",
        ChargedCredits = "charged: credits",
        KeptVisibleCredits = "kept visible: credits",
        ChargedRefunds = "charged: refunds",
        KeptVisibleRefunds = "kept visible: refunds",
        ChargedTax = "charged: tax",
        KeptVisibleTax = "kept visible: tax",
        AccrualsOfDaysNotDelivered = "accruals of days not delivered",
        AccrualsKeptVisible = "accruals kept visible",
        ExchangeDifference = "exchange difference",
        ExchangeDifferenceKeptVisible = "exchange difference kept visible",
        ManualPools = "manual pools",
        ManualPoolsKeptVisible = "manual pools kept visible",
        ReclassesOfEarlierMonths = "reclasses of earlier months",
        ReclassesKeptVisible = "reclasses kept visible",
        TrueUpsOfEarlierMonths = "true-ups of earlier months",
        TrueUpsKeptVisible = "true-ups kept visible",
        BesideDeliveredAfterTheProvisionalStatement = "beside: delivered after the provisional statement",
        BesideAccrualsOfTheProvisionalStatement = "beside: accruals of the provisional statement",
        BesideReversalOfTheseAccruals = "beside: reversal of these accruals",
        BesideRateOfTheInvoicesLessPolicy = "beside: rate of the invoices less the policy's",
        BesideReverseChargeBase = "beside: base of the reverse charge",
    }
}

/// One step: what it is, in dollars as billed and in the currency of the chargeback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub name: StepName,
    /// The invoice, or who sells where there is none.
    pub invoice: Option<String>,
    pub usd: Amount,
    pub jpy: Amount,
}

/// The steps of a month.  Those of the first part lead from the invoices to the bill of this chargeback, those of the second
/// from there to what departments are charged; each part adds up to its last step.
pub fn steps(ledger: &Ledger, invoiced: &Converted, converted: &Converted, invoices: &[Invoice]) -> Vec<Step> {
    let mut steps = Vec::new();
    let groups = invoiced.groups.iter().enumerate();
    for (nth, group) in groups.filter(|(_, group)| !group.is_adjustment(ledger)) {
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
                steps.push(step(StepName::InvoiceNet, invoice.net_usd, net_jpy));
                steps.push(step(StepName::InvoiceTax, invoice.tax_usd(), tax_jpy));
                // The invoice's yen are divided whole, so that its rounding is a matter of its dollars only.
                steps.push(step(
                    StepName::InvoiceRounding,
                    -(net_rounding + tax_rounding),
                    Amount::ZERO,
                ));
                steps.push(step(
                    StepName::Unexplained,
                    -(net_unexplained + tax_unexplained),
                    Amount::ZERO,
                ));
            }
            None if group.invoice.is_none() => {
                // In dollars, or not recorded yet: converted at a rate, and other services by the same one.
                let at_rate = |usd: Amount| {
                    let yen = group.ratio(Column::Direct).and_then(|ratio| usd.to_whole(ratio));
                    yen.map(Amount::from_whole).unwrap_or_default()
                };
                let other_jpy = (at_rate(others(false)), at_rate(others(true)));
                let taxes = invoiced.postings.iter();
                let taxes = taxes.filter(|posting| posting.group == nth && posting.column == Column::Tax);
                let tax: Amount = taxes.map(|posting| posting.amount).sum();
                let jpy = (group.total - tax + other_jpy.0, tax + other_jpy.1);
                steps.extend(steps_at_rate(ledger, group, invoices, jpy, at_rate));
                steps.push(step(StepName::OtherServices, -others(false), -other_jpy.0));
                steps.push(step(StepName::TaxOfOtherServices, -others(true), -other_jpy.1));
                steps.push(step(StepName::BillOfThisChargeback, own, group.total));
                continue;
            }
            None => {
                let jpy = group.total + group.other_services + group.other_tax;
                steps.push(step(
                    StepName::BillWithoutRecordedInvoice,
                    own + others(false) + others(true),
                    jpy,
                ));
            }
        }
        steps.push(step(StepName::OtherServices, -others(false), -group.other_services));
        steps.push(step(StepName::TaxOfOtherServices, -others(true), -group.other_tax));
        steps.push(step(StepName::BillOfThisChargeback, own, group.total));
    }
    steps.extend(steps_without_bill(ledger, invoices));
    // What finance adds by hand is in yen and no dollars.
    let in_dollars = |posting: &Posting| {
        let bills = converted.groups[posting.group].bills.iter();
        let is_usd = bills
            .map(|bill| &ledger.bills[*bill])
            .all(|bill| bill.currency == "USD");
        if is_usd { posting.billed } else { Amount::ZERO }
    };
    let mut sums: BTreeMap<(bool, Column, StepName), (Amount, Amount)> = BTreeMap::new();
    for posting in &converted.postings {
        let is_kept = posting.department.is_none();
        let sum = sums.entry((is_kept, posting.column, step_of(posting))).or_default();
        *sum = (sum.0 + in_dollars(posting), sum.1 + posting.amount);
    }
    let mut push = |name, (usd, jpy): (Amount, Amount)| {
        steps.push(Step {
            name,
            invoice: None,
            usd,
            jpy,
        });
    };
    for ((.., name), sum) in sums {
        push(name, sum);
    }
    let all = converted.postings.iter().map(in_dollars).sum();
    push(StepName::Statement, (all, converted.total()));
    steps
}

/// Recorded invoices that no line of the bill names: nothing explains them.
fn steps_without_bill(ledger: &Ledger, invoices: &[Invoice]) -> Vec<Step> {
    let counts = effective(invoices);
    let named: Vec<&str> = ledger
        .bills
        .iter()
        .filter_map(|bill| bill.invoice.as_deref())
        .filter_map(|id| counts.get(id).map(|invoice| invoice.invoice_id.as_str()))
        .collect();
    // One that a corrected invoice takes the place of is history.
    let is_history = |invoice: &Invoice| {
        let counting = counts.get(invoice.invoice_id.as_str());
        counting.is_some_and(|counting| counting.invoice_id != invoice.invoice_id)
    };
    let alone = invoices
        .iter()
        .filter(|invoice| !named.contains(&invoice.invoice_id.as_str()) && !is_history(invoice));
    let steps = alone.flat_map(|invoice| {
        let totals = invoice.totals();
        let net_jpy = Amount::from_whole(totals.map_or(0, |totals| totals.net));
        let tax_jpy = Amount::from_whole(totals.map_or(0, |totals| totals.tax));
        let step = |name, usd, jpy| Step {
            name,
            invoice: Some(invoice.invoice_id.clone()),
            usd,
            jpy,
        };
        [
            step(StepName::InvoiceNet, invoice.net_usd, net_jpy),
            step(StepName::InvoiceTax, invoice.tax_usd(), tax_jpy),
            step(
                StepName::Unexplained,
                -(invoice.net_usd + invoice.tax_usd()),
                -(net_jpy + tax_jpy),
            ),
        ]
    });
    steps.collect()
}

/// What the bill of a group that is converted at a rate comes to: by its invoice in dollars where it is recorded.  `jpy` is the yen of
/// its net and of its tax; what the invoice asks for besides has yen by the same rate.
fn steps_at_rate(
    ledger: &Ledger,
    group: &Group,
    invoices: &[Invoice],
    jpy: (Amount, Amount),
    at_rate: impl Fn(Amount) -> Amount,
) -> Vec<Step> {
    let by_id = effective(invoices);
    let sum = |is_tax: bool| -> Amount {
        let own = ledger.entries.iter().filter(|entry| group.bills.contains(&entry.bill));
        let own = own
            .filter(|entry| (entry.column == Column::Tax) == is_tax)
            .map(|entry| entry.cost);
        let others = ledger
            .other_services
            .iter()
            .filter(|other| group.bills.contains(&other.bill) && other.is_tax == is_tax);
        own.chain(others.map(|other| other.cost)).sum()
    };
    let Some(bill) = group.bills.first().map(|bill| &ledger.bills[*bill]) else {
        return Vec::new();
    };
    let (net, tax) = (sum(false), sum(true));
    let step = |name, usd, jpy| Step {
        name,
        invoice: Some(bill.invoice.clone().unwrap_or_else(|| bill.seller.clone())),
        usd,
        jpy,
    };
    // Bills that share a group have no invoice, so that one recorded invoice is a group's.
    match bill.invoice.as_deref().and_then(|id| by_id.get(id)) {
        Some(invoice) => {
            let (net_rounding, net_unexplained) = split_difference(invoice.net_usd, net);
            let (tax_rounding, tax_unexplained) = split_difference(invoice.tax_usd(), tax);
            let besides = [net_rounding, tax_rounding, net_unexplained, tax_unexplained].map(at_rate);
            let [
                net_rounding_jpy,
                tax_rounding_jpy,
                net_unexplained_jpy,
                tax_unexplained_jpy,
            ] = besides;
            let net_jpy = jpy.0 + net_rounding_jpy + net_unexplained_jpy;
            let tax_jpy = jpy.1 + tax_rounding_jpy + tax_unexplained_jpy;
            vec![
                step(StepName::InvoiceNet, invoice.net_usd, net_jpy),
                step(StepName::InvoiceTax, invoice.tax_usd(), tax_jpy),
                step(
                    StepName::InvoiceRounding,
                    -(net_rounding + tax_rounding),
                    -(net_rounding_jpy + tax_rounding_jpy),
                ),
                step(
                    StepName::Unexplained,
                    -(net_unexplained + tax_unexplained),
                    -(net_unexplained_jpy + tax_unexplained_jpy),
                ),
            ]
        }
        None => vec![step(StepName::BillWithoutRecordedInvoice, net + tax, jpy.0 + jpy.1)],
    }
}

/// The step that a posting is part of.
pub fn step_of(posting: &Posting) -> StepName {
    let (charged, kept) = match (posting.column, &posting.pool) {
        (Column::Direct, _) => (StepName::ChargedDirect, StepName::KeptVisibleDirect),
        (Column::Allocated, _) => (StepName::ChargedAllocated, StepName::KeptVisibleUnattributed),
        (Column::Other, _) => (StepName::ChargedOther, StepName::KeptVisibleOther),
        (Column::Discounts, _) => (StepName::ChargedDiscounts, StepName::KeptVisibleDiscounts),
        (Column::Credits, _) => (StepName::ChargedCredits, StepName::KeptVisibleCredits),
        (Column::Refunds, _) => (StepName::ChargedRefunds, StepName::KeptVisibleRefunds),
        (Column::Tax, _) => (StepName::ChargedTax, StepName::KeptVisibleTax),
        (Column::Accruals, _) => (StepName::AccrualsOfDaysNotDelivered, StepName::AccrualsKeptVisible),
        (Column::Adjustments, Some(Pool::ExchangeDifference(_))) => {
            (StepName::ExchangeDifference, StepName::ExchangeDifferenceKeptVisible)
        }
        (Column::Adjustments, Some(Pool::Manual(_))) => (StepName::ManualPools, StepName::ManualPoolsKeptVisible),
        (Column::Adjustments, Some(Pool::Reclass(_))) => {
            (StepName::ReclassesOfEarlierMonths, StepName::ReclassesKeptVisible)
        }
        (Column::Adjustments, _) => (StepName::TrueUpsOfEarlierMonths, StepName::TrueUpsKeptVisible),
    };
    if posting.department.is_none() { kept } else { charged }
}

/// A month that was provisional before: what was accrued then is posted and taken back, and what came later is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provisional {
    pub accrued_usd: Amount,
    pub accrued_jpy: Amount,
    /// What its bill came to, in dollars.
    pub billed: Amount,
}

/// What stands beside the steps and is in none of their sums: which part of the bill came after the provisional statement, the
/// accrual and its reversal, which part is the rate.
pub fn beside(
    ledger: &Ledger,
    invoiced: &Converted,
    (invoices, policy): (&[Invoice], Ratio),
    before: Option<Provisional>,
) -> Vec<Step> {
    let step = |name, usd, jpy| Step {
        name,
        invoice: None,
        usd,
        jpy,
    };
    let billed = ledger
        .entries
        .iter()
        .filter(|entry| entry.column.is_billed() && ledger.bills[entry.bill].currency == "USD");
    let billed: Amount = billed.map(|entry| entry.cost).sum();
    let mut beside = Vec::new();
    if let Some(before) = before {
        beside.push(step(
            StepName::BesideDeliveredAfterTheProvisionalStatement,
            billed - before.billed,
            Amount::ZERO,
        ));
        beside.push(step(
            StepName::BesideAccrualsOfTheProvisionalStatement,
            before.accrued_usd,
            before.accrued_jpy,
        ));
        beside.push(step(
            StepName::BesideReversalOfTheseAccruals,
            -before.accrued_usd,
            -before.accrued_jpy,
        ));
    }
    for group in invoiced.groups.iter().filter(|group| group.invoice.is_none()) {
        let ids = group
            .bills
            .iter()
            .filter_map(|bill| ledger.bills[*bill].invoice.as_deref());
        for id in ids {
            let invoice = invoices.iter().find(|invoice| invoice.invoice_id == id);
            let of_bill = ledger
                .entries
                .iter()
                .filter(|entry| entry.column.is_billed() && ledger.bills[entry.bill].invoice.as_deref() == Some(id));
            let usd: Amount = of_bill.map(|entry| entry.cost).sum();
            if invoice.is_some_and(|invoice| invoice.treatment == TaxTreatment::ReverseCharge) {
                let jpy = usd.to_whole(policy).map(Amount::from_whole).unwrap_or_default();
                beside.push(Step {
                    invoice: Some(id.to_owned()),
                    ..step(StepName::BesideReverseChargeBase, usd, jpy)
                });
            }
        }
    }
    let by_invoice = invoiced
        .groups
        .iter()
        .enumerate()
        .filter(|(_, group)| group.invoice.is_some());
    let mut rate = (Amount::ZERO, false);
    for (nth, group) in by_invoice {
        let of_group = invoiced.postings.iter().filter(|posting| posting.group == nth);
        let usd: Amount = of_group.map(|posting| posting.billed).sum();
        // The buyer declares the tax of these: the base for the return.
        let reversed = invoices.iter().find(|invoice| {
            invoice.treatment == TaxTreatment::ReverseCharge && Some(&invoice.invoice_id) == group.invoice.as_ref()
        });
        beside.extend(reversed.map(|invoice| Step {
            invoice: Some(invoice.invoice_id.clone()),
            ..step(StepName::BesideReverseChargeBase, usd, group.total)
        }));
        if let Some(at_policy) = usd.to_whole(policy) {
            rate = (rate.0 + group.total - Amount::from_whole(at_policy), true);
        }
    }
    if rate.1 {
        beside.push(step(StepName::BesideRateOfTheInvoicesLessPolicy, Amount::ZERO, rate.0));
    }
    beside
}

/// What no step explains, in dollars.
pub fn unexplained(steps: &[Step]) -> Amount {
    steps
        .iter()
        .filter(|step| step.name == StepName::Unexplained)
        .map(|step| step.usd)
        .sum()
}
