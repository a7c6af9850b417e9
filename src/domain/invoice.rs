//! The register of invoices: what AWS asked for, in dollars and in yen, and what of it the bill explains.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::books::{Bill, BillRate, Conversion, InvoiceTotals};
use super::finding::{Finding, Severity};
use super::money::{Amount, Ratio};
use super::named::named;
use super::period::BillingPeriod;
use super::rate::RateUsed;

named! {
    /// What an invoice is.
    InvoiceKind {
        Invoice = "invoice",
        Refund = "refund",
        /// Takes the place of another.
        Corrected = "corrected",
    }
}

named! {
    /// How an invoice stands to the consumption tax.
    TaxTreatment {
        Charged = "charged",
        /// The buyer declares it: a memo for the return, no amount on the invoice.
        ReverseCharge = "reverse_charge",
        None = "none",
        /// Nobody has said yet.
        Undecided = "undecided",
    }
}

/// One tax rate of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceTax {
    /// Such as 0.10.
    pub rate: Decimal,
    pub usd: Amount,
    pub jpy: Option<i128>,
}

/// What is larger is a slip of the hand, and its sums would not fit.
const AMOUNT_MAX: i128 = 1_000_000_000_000_000;

/// Yen that the tax of an invoice may be off its dollars, besides two per cent: it is rounded in each currency.
const TAX_YEN_ROUNDING: i128 = 10;

/// An invoice as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    pub invoice_id: String,
    pub payer: String,
    pub seller: String,
    /// Of a qualified invoice: T and thirteen digits.
    pub registration_number: String,
    pub kind: InvoiceKind,
    pub corrects: Option<String>,
    pub issue_date: NaiveDate,
    pub period: BillingPeriod,
    /// The currency that it is paid in: JPY or USD.
    pub currency: String,
    pub net_usd: Amount,
    /// Of an invoice in yen.
    pub net_jpy: Option<i128>,
    /// Yen for a dollar as the invoice prints it: evidence and a check, never a multiplier.
    pub printed_rate: Option<Decimal>,
    pub treatment: TaxTreatment,
    pub taxes: Vec<InvoiceTax>,
    pub file_name: String,
    /// Hexadecimal.
    pub file_sha256: String,
}

impl Invoice {
    /// Why it cannot be recorded as it is.
    pub fn check(&self) -> Result<(), String> {
        if self.invoice_id.trim().is_empty() || self.payer.trim().is_empty() || self.seller.trim().is_empty() {
            return Err("an invoice has an id, a payer and a seller".to_owned());
        }
        let is_yen = match self.currency.as_str() {
            "JPY" => true,
            "USD" => false,
            other => return Err(format!("'{other}' is none of JPY, USD")),
        };
        if is_yen != self.net_jpy.is_some() || self.taxes.iter().any(|tax| tax.jpy.is_some() != is_yen) {
            return Err(
                "an invoice in JPY has its net and its tax in both currencies, one in USD in dollars only".to_owned(),
            );
        }
        if self.printed_rate.is_some_and(|rate| rate <= Decimal::ZERO || !is_yen) {
            return Err("a printed rate is above 0, and of an invoice in JPY".to_owned());
        }
        let number = self.registration_number.as_bytes();
        let is_number = number.len() == 14 && number[0] == b'T' && number[1..].iter().all(u8::is_ascii_digit);
        if !self.registration_number.is_empty() && !is_number {
            return Err(format!(
                "'{}' is no registration number: T and thirteen digits",
                self.registration_number
            ));
        }
        if self.corrects.is_some() == (self.kind == InvoiceKind::Invoice) {
            return Err(
                "a refund or a corrected invoice names the invoice that it corrects, and no other does".to_owned(),
            );
        }
        if self.treatment == TaxTreatment::Charged && self.taxes.is_empty() {
            return Err("tax is charged but no tax is given".to_owned());
        }
        let amounts = self.taxes.iter().map(|tax| tax.usd).chain([self.net_usd]);
        let yen = self.taxes.iter().filter_map(|tax| tax.jpy).chain(self.net_jpy);
        let is_too_large = |whole: i128| whole.abs() > AMOUNT_MAX;
        if amounts
            .map(|usd| usd.units() / Amount::from_whole(1).units())
            .chain(yen)
            .any(is_too_large)
        {
            return Err(format!("no invoice has an amount above {AMOUNT_MAX}"));
        }
        if self.treatment != TaxTreatment::Charged && self.tax_usd() != Amount::ZERO {
            return Err(format!("an invoice with tax is 'charged' and not '{}'", self.treatment));
        }
        if let Some(tax) = self
            .taxes
            .iter()
            .find(|tax| tax.rate < Decimal::ZERO || tax.rate >= Decimal::ONE)
        {
            return Err(format!("a tax rate of {} is none; ten per cent is 0.10", tax.rate));
        }
        if self.treatment != TaxTreatment::Charged && self.taxes.iter().any(|tax| tax.jpy.unwrap_or(0) != 0) {
            return Err(format!("an invoice with tax is 'charged' and not '{}'", self.treatment));
        }
        if let (Some(yen), false) = (self.net_jpy, self.net_usd.is_zero()) {
            let implied = implied_rate(yen, self.net_usd);
            if implied.is_none_or(|rate| rate < Decimal::from(50) || rate > Decimal::from(500)) {
                return Err(format!(
                    "{yen} yen for {} dollars is no rate; are the currencies swapped?",
                    self.net_usd
                ));
            }
        }
        if let Some(ratio) = self.net_jpy.and_then(|net| Ratio::of_total(net, self.net_usd)) {
            for tax in &self.taxes {
                let (expected, found) = (tax.usd.to_whole(ratio).unwrap_or_default(), tax.jpy.unwrap_or_default());
                if (found - expected).abs() > expected.abs() / 50 + TAX_YEN_ROUNDING {
                    return Err(format!(
                        "a tax of {} dollars is about {expected} yen by this invoice's net, not {found}",
                        tax.usd
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether another record of the invoice has the same amounts; what a person adds (number, treatment, file) may differ.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let amounts = |invoice: &Self| {
            let totals = invoice.totals().map(|totals| (totals.net, totals.tax));
            (invoice.net_usd, invoice.tax_usd(), totals, invoice.currency.clone())
        };
        amounts(self) == amounts(other) && self.payer == other.payer && self.period == other.period
    }

    pub fn tax_usd(&self) -> Amount {
        self.taxes.iter().map(|tax| tax.usd).sum()
    }

    /// In yen, of an invoice in yen.
    pub fn totals(&self) -> Option<InvoiceTotals> {
        let tax = self.taxes.iter().filter_map(|tax| tax.jpy).sum();
        self.net_jpy.map(|net| InvoiceTotals { net, tax })
    }
}

/// A tax rate as people say it: 0.10 is 10%.
pub fn percent(rate: Decimal) -> String {
    format!("{}%", (rate * Decimal::ONE_HUNDRED).normalize())
}

/// Yen for a dollar as an invoice implies it, to four decimals: evidence, never a multiplier.
pub fn implied_rate(yen: i128, usd: Amount) -> Option<Decimal> {
    let yen = Amount::from_whole(yen).to_decimal()?;
    yen.checked_div(usd.to_decimal()?)
        .map(|rate| rate.round_dp(4).normalize())
}

/// What a bill was converted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateOfBill {
    pub value: Option<Decimal>,
    /// `invoice`, or the kind of the policy's rate.
    pub kind: &'static str,
    pub date: Option<NaiveDate>,
    pub source: String,
    pub invoice: Option<String>,
}

impl RateOfBill {
    /// Of a month without invoices.
    pub fn of_policy(used: &RateUsed) -> Self {
        Self {
            value: Some(used.value),
            kind: used.kind.as_str(),
            date: used.date,
            source: used.source.clone(),
            invoice: None,
        }
    }
}

/// The invoices that count, by the id that the bill's lines carry: a corrected one takes the place of the one it corrects.
pub fn effective(invoices: &[Invoice]) -> BTreeMap<&str, &Invoice> {
    let mut by_id: BTreeMap<&str, &Invoice> = invoices
        .iter()
        .map(|invoice| (invoice.invoice_id.as_str(), invoice))
        .collect();
    let correction_of: BTreeMap<&str, &Invoice> = invoices
        .iter()
        .filter(|invoice| invoice.kind == InvoiceKind::Corrected)
        .filter_map(|invoice| Some((invoice.corrects.as_deref()?, invoice)))
        .collect();
    // A correction can be corrected again: the last of them counts for each before it.
    for invoice in by_id.values_mut() {
        for _ in 0..correction_of.len() {
            let Some(next) = correction_of.get(invoice.invoice_id.as_str()) else {
                break;
            };
            *invoice = next;
        }
    }
    // The bill's lines can carry an id that was never recorded, and its correction is.
    for (corrected, invoice) in &correction_of {
        let last = by_id.get(invoice.invoice_id.as_str()).copied().unwrap_or(invoice);
        by_id.entry(corrected).or_insert(last);
    }
    by_id
}

/// How a month's bills come into yen: recorded invoices by their own yen or, in dollars, at the policy's rate; bills without
/// a recorded invoice at the rate that is asked for them.
pub fn yen_of(
    bills: &[Bill],
    invoices: &[Invoice],
    policy: &RateUsed,
    unrecorded: &RateUsed,
) -> (Conversion, Vec<RateOfBill>) {
    let by_id = effective(invoices);
    let mut used: Vec<RateOfBill> = Vec::new();
    let mut note = |rate: RateOfBill| {
        if !used.contains(&rate) {
            used.push(rate);
        }
    };
    let policy_ratio = || Ratio::of_rate(policy.value);
    let rates = bills.iter().map(|bill| match bill.currency.as_str() {
        "JPY" => BillRate::Rate(Ratio::ONE),
        "USD" => {
            let invoice = bill.invoice.as_deref().and_then(|id| by_id.get(id));
            match invoice.and_then(|invoice| Some((invoice, invoice.totals()?))) {
                Some((invoice, totals)) => {
                    note(RateOfBill {
                        value: implied_rate(totals.net, invoice.net_usd),
                        kind: "invoice",
                        date: Some(invoice.issue_date),
                        source: invoice.seller.clone(),
                        invoice: Some(invoice.invoice_id.clone()),
                    });
                    policy_ratio().map_or(BillRate::Unknown, |policy| {
                        BillRate::Invoice(invoice.invoice_id.clone(), totals, policy)
                    })
                }
                None => {
                    let used = if invoice.is_some() { policy } else { unrecorded };
                    note(RateOfBill {
                        invoice: invoice.map(|invoice| invoice.invoice_id.clone()),
                        ..RateOfBill::of_policy(used)
                    });
                    Ratio::of_rate(used.value).map_or(BillRate::Unknown, BillRate::Rate)
                }
            }
        }
        _ => BillRate::Unknown,
    });
    let rates = rates.collect();
    (Conversion::Whole(rates), used)
}

/// An invoice whose printed rate does not make its yen of its dollars: one of the three is typed wrong.
fn printed_otherwise(invoice: &Invoice) -> Option<Finding> {
    let (printed, yen) = (
        invoice.printed_rate?,
        Decimal::from_i128_with_scale(invoice.net_jpy?, 0),
    );
    let by_rate = invoice.net_usd.to_decimal()?.checked_mul(printed)?;
    // A printed rate is rounded itself: a yen, and a thousandth.
    let allowed = Decimal::ONE + yen.abs() / Decimal::ONE_THOUSAND;
    if (by_rate - yen).abs() <= allowed {
        return None;
    }
    let finding = Finding::new(
        "printed_rate_differs",
        Severity::Error,
        invoice.invoice_id.clone(),
        format!(
            "it prints {} yen for a dollar, by which its net is {} JPY, and {yen} JPY are recorded",
            printed.normalize(),
            by_rate.round()
        ),
        "compare net in dollars, net in yen and rate with the paper; record it again if one was typed wrong",
    );
    Some(finding.with_cost(invoice.net_usd, "USD", 0))
}

/// An invoice's yen for a dollar may be this far from the policy's rate, in per cent, before somebody looks at both.
const ODD_RATE_PERCENT: i64 = 5;

/// Invoices whose yen for a dollar, as printed or implied, are far from the month's own rate: a figure may be typed wrong.
pub fn odd_rates(invoices: &[Invoice], policy: &RateUsed) -> Vec<Finding> {
    let mut findings = Vec::new();
    for invoice in invoices {
        let implied = invoice
            .totals()
            .and_then(|totals| implied_rate(totals.net, invoice.net_usd));
        let Some(implied) = implied.filter(|_| !policy.value.is_zero()) else {
            continue;
        };
        let off = (implied - policy.value).abs() * Decimal::ONE_HUNDRED;
        if off <= policy.value * Decimal::from(ODD_RATE_PERCENT) {
            continue;
        }
        let finding = Finding::new(
            "invoice_rate_odd",
            Severity::Warning,
            invoice.invoice_id.clone(),
            format!(
                "its yen are {implied} for a dollar, and the month's own rate is {}: more than {ODD_RATE_PERCENT} % apart",
                policy.value.normalize()
            ),
            "compare its net in yen and in dollars with the paper, and the rate with the bank's",
        );
        findings.push(finding.with_cost(invoice.net_usd, "USD", 0));
    }
    findings
}

/// How far the dollars of an invoice and of its bill may be apart: AWS rounds each line of an invoice to the cent, and a large
/// invoice has a line for every account and service.
const INVOICE_ROUNDING_MAX: Amount = Amount::from_units(50_000_000_000);
/// Of a large invoice: one in so many.
const INVOICE_ROUNDING_SHARE: i128 = 100_000;

/// What an invoice's bill says, net and tax.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BilledTotals {
    pub net: Amount,
    pub tax: Amount,
}

/// The invoice's own rounding, and what neither it nor the bill explains.
pub fn split_difference(invoiced: Amount, billed: Amount) -> (Amount, Amount) {
    let difference = invoiced - billed;
    let of_its_size = invoiced.units().abs() / INVOICE_ROUNDING_SHARE;
    let is_rounding = difference.units().abs() <= INVOICE_ROUNDING_MAX.units().max(of_its_size);
    if is_rounding {
        (difference, Amount::ZERO)
    } else {
        (Amount::ZERO, difference)
    }
}

/// What is wrong between the register and the bill of a month.
pub fn compare_invoices(
    period: BillingPeriod,
    invoices: &[Invoice],
    billed: &BTreeMap<String, BilledTotals>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let effective = effective(invoices);
    for invoice in invoices {
        let id = &invoice.invoice_id;
        // One that a corrected invoice takes the place of is history.
        if effective
            .get(id.as_str())
            .is_some_and(|counts| counts.invoice_id != *id)
        {
            continue;
        }
        let counts_for = |billed_id: &str| effective.get(billed_id).is_some_and(|counts| counts.invoice_id == *id);
        let of_corrected = || billed.iter().find(|(billed_id, _)| counts_for(billed_id));
        let billed_as = billed.get(id).or_else(|| of_corrected().map(|(_, bill)| bill));
        let Some(bill) = billed_as else {
            let finding = Finding::new(
                "invoice_not_on_bill",
                Severity::Warning,
                id.clone(),
                format!("this invoice is recorded for {period}, but no line of the bill names it"),
                "check its id and its period, and whether its payer's export is loaded",
            );
            findings.push(finding.with_cost(invoice.net_usd + invoice.tax_usd(), "USD", 0));
            continue;
        };
        for (what, invoiced, billed) in [("net", invoice.net_usd, bill.net), ("tax", invoice.tax_usd(), bill.tax)] {
            let (_, unexplained) = split_difference(invoiced, billed);
            if !unexplained.is_zero() {
                let message =
                    format!("the invoice's {what} is {invoiced} USD, the lines of its bill sum to {billed} USD");
                let finding = Finding::new(
                    "invoice_differs",
                    Severity::Error,
                    format!("{id} {what}"),
                    message,
                    "compare the invoice with 'anbun reconcile'; record it again if it was typed wrong",
                );
                findings.push(finding.with_cost(unexplained, "USD", 0));
            }
        }
        if invoice.taxes.iter().filter(|tax| !tax.usd.is_zero()).count() > 1 {
            let rates: Vec<String> = invoice.taxes.iter().map(|tax| percent(tax.rate)).collect();
            findings.push(Finding::new(
                "tax_rates",
                Severity::Info,
                id.clone(),
                format!(
                    "this invoice has tax at {}, and no line of the bill says its rate: the taxes are divided as one sum",
                    rates.join(" and ")
                ),
                "nothing; the invoice's tax per rate stands on the statement",
            ));
        }
        if invoice.treatment == TaxTreatment::Undecided {
            findings.push(Finding::new(
                "tax_undecided",
                Severity::Warning,
                id.clone(),
                format!(
                    "nobody has said how consumption tax stands on this invoice of {}",
                    invoice.seller
                ),
                "record the invoice with its treatment: charged, reverse_charge or none",
            ));
        }
    }
    findings.extend(invoices.iter().filter_map(printed_otherwise));
    for (id, bill) in billed {
        if !effective.contains_key(id.as_str()) {
            let finding = Finding::new(
                "invoice_not_recorded",
                Severity::Warning,
                id.clone(),
                "the bill names this invoice, and the register does not have it; until then yen are at the month's rate",
                "record it with 'anbun invoices add' or 'anbun invoices import'",
            );
            findings.push(finding.with_cost(bill.net + bill.tax, "USD", 0));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invoice(id: &str, corrects: Option<&str>) -> Invoice {
        Invoice {
            invoice_id: id.to_owned(),
            payer: "999900001111".to_owned(),
            seller: "AWS".to_owned(),
            registration_number: String::new(),
            kind: corrects.map_or(InvoiceKind::Invoice, |_| InvoiceKind::Corrected),
            corrects: corrects.map(str::to_owned),
            issue_date: NaiveDate::default(),
            period: BillingPeriod::of(NaiveDate::default()),
            currency: "USD".to_owned(),
            net_usd: Amount::ZERO,
            net_jpy: None,
            printed_rate: None,
            treatment: TaxTreatment::None,
            taxes: Vec::new(),
            file_name: String::new(),
            file_sha256: String::new(),
        }
    }

    #[test]
    fn a_large_invoice_may_round_by_more() {
        let split = |invoiced: &str, billed: &str| {
            let amount = |text: &str| Amount::parse(text).unwrap_or_default();
            let (rounding, unexplained) = split_difference(amount(invoiced), amount(billed));
            (rounding.to_string(), unexplained.to_string())
        };
        let of = |rounding: &str, unexplained: &str| (rounding.to_owned(), unexplained.to_owned());
        assert_eq!(split("100.05", "100"), of("0.05", "0"));
        assert_eq!(split("100.06", "100"), of("0", "0.06"));
        // 500 accounts on one invoice of 200,000 USD: two dollars at most.
        assert_eq!(split("200000", "200000.71"), of("-0.71", "0"));
        assert_eq!(split("200000", "199997.9"), of("0", "2.1"));
    }

    #[test]
    fn the_last_of_several_corrections_counts() {
        let counts = |invoices: &[Invoice], id: &str| effective(invoices).get(id).map(|of| of.invoice_id.clone());
        let chain = [invoice("a", None), invoice("b", Some("a")), invoice("c", Some("b"))];
        for id in ["a", "b", "c"] {
            assert_eq!(counts(&chain, id).as_deref(), Some("c"), "{id}");
        }
        // The first was never recorded, and the bill's lines name it.
        assert_eq!(counts(&chain[1..], "a").as_deref(), Some("c"));
        // Two that correct each other end somewhere.
        let ring = [invoice("a", Some("b")), invoice("b", Some("a"))];
        assert!(counts(&ring, "a").is_some());
    }
}
