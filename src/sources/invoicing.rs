//! AWS Invoicing: the invoices of a payer's month, with their amounts before and after AWS's own exchange.
//!
//! What the service does not say is not guessed: a registration number stays empty, and an invoice without tax is undecided.

use aws_sdk_invoicing::Client;
use aws_sdk_invoicing::types::{
    BillingPeriod as AskedPeriod, InvoiceCurrencyAmount, InvoiceSummariesFilter, InvoiceSummariesSelector,
    InvoiceSummary, InvoiceType, ListInvoiceSummariesResourceType,
};
use chrono::{DateTime, Datelike, NaiveDate};
use rust_decimal::Decimal;

use super::aws::{AwsAccess, AwsFailure, Call};
use crate::domain::invoice::{Invoice, InvoiceKind, InvoiceTax, TaxTreatment};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

/// Pages of one answer; more is an answer that goes in circles.
const PAGES_MAX: usize = 200;

/// One invoice as it is said, or why it cannot be taken over.
pub type Found = Result<Invoice, (String, String)>;

pub struct Invoicing {
    client: Client,
}

impl Invoicing {
    pub async fn connect(access: &AwsAccess) -> Self {
        Self {
            client: Client::new(&access.load("us-east-1").await),
        }
    }

    /// Every invoice of a payer's month.
    pub async fn fetch_invoices(&self, payer: &str, period: BillingPeriod) -> Result<Vec<Found>, AwsFailure> {
        let call = Call {
            action: "invoicing:ListInvoiceSummaries",
            object: format!("invoices of {payer} in {period}"),
            resource: "*".to_owned(),
        };
        let asked =
            |what: Result<_, aws_sdk_invoicing::error::BuildError>| what.map_err(|e| call.cut_off(e.to_string()));
        let selector = InvoiceSummariesSelector::builder()
            .resource_type(ListInvoiceSummariesResourceType::AccountId)
            .value(payer)
            .build()
            .map_err(|e| call.cut_off(e.to_string()))?;
        let first_day = period.first_day();
        let month = i32::try_from(first_day.month()).unwrap_or_default();
        let of_month = AskedPeriod::builder().month(month).year(first_day.year()).build();
        let filter = InvoiceSummariesFilter::builder()
            .billing_period(asked(of_month)?)
            .build();
        let (mut found, mut next) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let request = self.client.list_invoice_summaries().selector(selector.clone());
            let request = request.filter(filter.clone()).set_next_token(next);
            let answer = request.send().await.map_err(|e| call.failure(&e))?;
            found.extend(
                answer
                    .invoice_summaries()
                    .iter()
                    .map(|summary| invoice(summary, payer, period)),
            );
            next = answer.next_token().map(str::to_owned);
            if next.is_none() {
                return Ok(found);
            }
        }
        Err(call.cut_off(format!("more than {PAGES_MAX} pages of invoices")))
    }
}

fn invoice(summary: &InvoiceSummary, payer: &str, period: BillingPeriod) -> Found {
    let id = summary.invoice_id().unwrap_or_default().to_owned();
    read(summary, &id, payer, period).map_err(|what| (id, what))
}

fn read(summary: &InvoiceSummary, id: &str, payer: &str, period: BillingPeriod) -> Result<Invoice, String> {
    let base = summary
        .base_currency_amount()
        .ok_or("it has no amount in its base currency")?;
    let paid = summary.payment_currency_amount().unwrap_or(base);
    if base.currency_code() != Some("USD") {
        return Err(format!(
            "its base currency is {}, not USD",
            base.currency_code().unwrap_or("none")
        ));
    }
    let currency = paid.currency_code().unwrap_or_default().to_owned();
    let is_yen = currency == "JPY";
    let kind = match summary.invoice_type() {
        Some(InvoiceType::CreditMemo) => InvoiceKind::Refund,
        _ => InvoiceKind::Invoice,
    };
    let taxes = taxes(base, is_yen.then_some(paid))?;
    let invoice = Invoice {
        invoice_id: id.to_owned(),
        payer: payer.to_owned(),
        seller: summary
            .entity()
            .and_then(|e| e.invoicing_entity())
            .unwrap_or_default()
            .to_owned(),
        registration_number: String::new(),
        kind,
        corrects: match kind {
            InvoiceKind::Invoice => None,
            _ => summary.original_invoice_id().map(str::to_owned),
        },
        issue_date: issue_date(summary).ok_or("it has no date of issue")?,
        period,
        net_usd: amount(base.total_amount_before_tax(), "net")?,
        net_jpy: match is_yen {
            true => Some(yen(paid.total_amount_before_tax(), "net")?),
            false => None,
        },
        printed_rate: is_yen.then(|| exchange_rate(paid)).flatten(),
        currency,
        treatment: match taxes.iter().any(|tax| !tax.usd.is_zero()) {
            true => TaxTreatment::Charged,
            false => TaxTreatment::Undecided,
        },
        taxes: taxes.into_iter().filter(|tax| !tax.usd.is_zero()).collect(),
        file_name: String::new(),
        file_sha256: String::new(),
    };
    invoice.check().map(|()| invoice)
}

fn issue_date(summary: &InvoiceSummary) -> Option<NaiveDate> {
    DateTime::from_timestamp(summary.issued_date()?.secs(), 0).map(|time| time.date_naive())
}

/// The yen for a dollar that AWS says it used; none where it says nothing that can be one.
fn exchange_rate(paid: &InvoiceCurrencyAmount) -> Option<Decimal> {
    let details = paid.currency_exchange_details()?;
    let rate: Decimal = details.rate()?.parse().ok()?;
    (rate > Decimal::ONE).then(|| rate.normalize())
}

/// The taxes by rate, in dollars and in the yen that they became.
fn taxes(base: &InvoiceCurrencyAmount, paid: Option<&InvoiceCurrencyAmount>) -> Result<Vec<InvoiceTax>, String> {
    let of = |amount: &InvoiceCurrencyAmount| {
        let taxes = amount.amount_breakdown().and_then(|breakdown| breakdown.taxes());
        taxes.map(|taxes| taxes.breakdown().to_vec()).unwrap_or_default()
    };
    let (dollars, yens) = (of(base), paid.map(of));
    let net = amount(base.total_amount_before_tax(), "net")?;
    let all = amount(base.total_amount(), "total")? - net;
    let mut taxes: Vec<InvoiceTax> = Vec::new();
    for (nth, tax) in dollars.iter().enumerate() {
        let jpy = match &yens {
            Some(yens) => Some(yen(yens.get(nth).and_then(|tax| tax.amount()), "tax")?),
            None => None,
        };
        taxes.push(InvoiceTax {
            rate: rate(tax.rate()).ok_or_else(|| format!("'{}' is no tax rate", tax.rate().unwrap_or_default()))?,
            usd: amount(tax.amount(), "tax")?,
            jpy,
        });
    }
    let told: Amount = taxes.iter().map(|tax| tax.usd).sum();
    if told != all {
        return Err(format!(
            "its taxes come to {told} USD by rate and to {all} USD in total"
        ));
    }
    Ok(taxes)
}

fn amount(text: Option<&str>, what: &str) -> Result<Amount, String> {
    let text = text.ok_or_else(|| format!("it has no {what}"))?;
    Amount::parse(text).ok_or_else(|| format!("'{text}' is no amount"))
}

fn yen(text: Option<&str>, what: &str) -> Result<i128, String> {
    let read = amount(text, what)?;
    read.whole().ok_or_else(|| format!("{read} is not whole yen"))
}

/// `0.1`, or ten per cent as `10` or `10.00`.
fn rate(text: Option<&str>) -> Option<Decimal> {
    let value: Decimal = text?.trim_end_matches('%').trim().parse().ok()?;
    let rate = if value >= Decimal::ONE {
        value / Decimal::ONE_HUNDRED
    } else {
        value
    };
    Some(rate.normalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_a_share_or_per_cent() {
        for (text, expected) in [("10.00", "0.1"), ("0.10", "0.1"), ("8%", "0.08"), ("0", "0")] {
            assert_eq!(
                rate(Some(text)).map(|rate| rate.to_string()).as_deref(),
                Some(expected),
                "{text}"
            );
        }
        assert_eq!((rate(None), rate(Some("ten"))), (None, None));
    }
}
