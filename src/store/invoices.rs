//! The register of invoices.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::{StoreError, StoreResult};
use crate::domain::invoice::{Invoice, InvoiceKind, InvoiceTax, TaxTreatment};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

fn amount(value: Decimal) -> StoreResult<Amount> {
    Amount::from_decimal(value).ok_or(StoreError::TooLarge)
}

fn whole(value: Option<Decimal>) -> StoreResult<Option<i128>> {
    value
        .map(|value| amount(value)?.whole().ok_or(StoreError::TooLarge))
        .transpose()
}

fn decimal(amount: Amount) -> StoreResult<Decimal> {
    amount
        .to_decimal()
        .map(|value| value.normalize())
        .ok_or(StoreError::TooLarge)
}

fn decimal_of(whole: Option<i128>) -> StoreResult<Option<Decimal>> {
    whole.map(|yen| decimal(Amount::from_whole(yen))).transpose()
}

/// Invoices of a month, or all, by month, issue date and id.
pub async fn list_invoices(connection: &mut PgConnection, period: Option<BillingPeriod>) -> StoreResult<Vec<Invoice>> {
    let first_day = period.map(BillingPeriod::first_day);
    let taxes = sqlx::query_file!("queries/invoices/list_taxes.sql", first_day as _)
        .fetch_all(&mut *connection)
        .await?;
    let mut taxes_of: BTreeMap<String, Vec<InvoiceTax>> = BTreeMap::new();
    for row in taxes {
        taxes_of.entry(row.invoice_id).or_default().push(InvoiceTax {
            rate: row.rate,
            usd: amount(row.tax_usd)?,
            jpy: whole(row.tax_jpy)?,
        });
    }
    let rows = sqlx::query_file!("queries/invoices/list_invoices.sql", first_day as _)
        .fetch_all(connection)
        .await?;
    let invoices = rows.into_iter().map(|row| {
        Ok(Invoice {
            taxes: taxes_of.remove(&row.invoice_id).unwrap_or_default(),
            invoice_id: row.invoice_id,
            payer: row.payer,
            seller: row.seller,
            registration_number: row.registration_number,
            kind: InvoiceKind::parse(&row.kind).unwrap_or(InvoiceKind::Invoice),
            corrects: row.corrects,
            issue_date: row.issue_date,
            period: BillingPeriod::of(row.billing_period),
            currency: row.currency,
            net_usd: amount(row.net_usd)?,
            net_jpy: whole(row.net_jpy)?,
            printed_rate: row.printed_rate.map(|rate| rate.normalize()),
            treatment: TaxTreatment::parse(&row.treatment).unwrap_or(TaxTreatment::Undecided),
            file_name: row.file_name,
            file_sha256: row.file_sha256,
        })
    });
    invoices.collect()
}

/// Records an invoice; false where its id is there already.
pub async fn record_invoice(
    connection: &mut PgConnection,
    invoice: &Invoice,
    by: &str,
    at: DateTime<Utc>,
) -> StoreResult<bool> {
    let inserted = sqlx::query_file!(
        "queries/invoices/insert_invoice.sql",
        invoice.invoice_id,
        invoice.payer,
        invoice.seller,
        invoice.registration_number,
        invoice.kind.as_str(),
        invoice.corrects.as_deref(),
        invoice.issue_date,
        invoice.period.first_day(),
        invoice.currency,
        decimal(invoice.net_usd)?,
        decimal_of(invoice.net_jpy)?,
        invoice.treatment.as_str(),
        invoice.file_name,
        invoice.file_sha256,
        by,
        at,
        invoice.printed_rate,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if inserted.is_none() {
        return Ok(false);
    }
    for tax in &invoice.taxes {
        sqlx::query_file!(
            "queries/invoices/insert_tax.sql",
            invoice.invoice_id,
            tax.rate,
            decimal(tax.usd)?,
            decimal_of(tax.jpy)?,
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(true)
}

/// Takes an invoice out of the register; whether it was there.
pub async fn delete_invoice(connection: &mut PgConnection, invoice_id: &str) -> StoreResult<bool> {
    let done = sqlx::query_file!("queries/invoices/delete_invoice.sql", invoice_id)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}
