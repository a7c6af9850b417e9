//! `anbun invoices add|import|fetch|list|remove`

use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::NaiveDate;
use clap::Subcommand;
use rust_decimal::Decimal;

use super::locations::account_access;
use super::output::{self, Table, print_findings};
use super::{CommandContext, NeedsDecision};
use crate::api::registers::InvoiceView;
use crate::api::view::FindingView;
use crate::domain::actor::{Action, authorize};
use crate::domain::digest::sha256;
use crate::domain::finding::Severity;
use crate::domain::invoice::{Invoice, InvoiceKind, InvoiceTax, TaxTreatment};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::text::grouped;
use crate::jobs::keep_registers::{keep_invoices, remove_invoice};
use crate::sources::csv_table::CsvTable;
use crate::sources::finance_csv::read_invoices;
use crate::sources::invoicing::Invoicing;
use crate::store::invoices::list_invoices;
use crate::store::manual_pools::list_payers;

#[derive(Debug, Subcommand)]
pub(super) enum InvoicesCommand {
    /// Record one invoice
    Add(Box<AddArguments>),
    /// Record invoices from CSV, all or none
    Import { file: PathBuf },
    /// Record a month's invoices from AWS Invoicing; needs invoicing:ListInvoiceSummaries
    Fetch {
        period: BillingPeriod,
        /// Every payer with a bill in the month by default
        #[arg(long)]
        payer: Vec<String>,
        /// Only print what would be recorded
        #[arg(long)]
        dry_run: bool,
    },
    /// Recorded invoices
    List { period: Option<BillingPeriod> },
    /// Take an invoice out, to record it again; not of a month that is closed
    Remove { invoice_id: String },
}

#[derive(Debug, clap::Args)]
pub(super) struct AddArguments {
    invoice_id: String,
    #[arg(long)]
    payer: String,
    /// As the bill names it
    #[arg(long)]
    seller: String,
    /// T and thirteen digits
    #[arg(long, default_value = "")]
    registration_number: String,
    #[arg(long, default_value = "invoice", value_parser = ["invoice", "refund", "corrected"])]
    kind: String,
    #[arg(long)]
    corrects: Option<String>,
    #[arg(long)]
    issue_date: NaiveDate,
    #[arg(long)]
    period: BillingPeriod,
    #[arg(long, value_parser = ["JPY", "USD"])]
    currency: String,
    /// Without tax
    #[arg(long, value_parser = parse_amount, allow_hyphen_values = true)]
    net_usd: Amount,
    #[arg(long, allow_hyphen_values = true)]
    net_jpy: Option<i128>,
    /// Yen for a dollar, as the invoice prints it: a check of what is typed
    #[arg(long)]
    printed_rate: Option<Decimal>,
    #[arg(long, value_parser = ["charged", "reverse_charge", "none", "undecided"])]
    treatment: String,
    /// Rate and tax, such as 0.10=12.34 USD or 0.10=12.34/1974 with yen; once for each rate
    #[arg(long, value_parser = parse_tax)]
    tax: Vec<InvoiceTax>,
    /// The invoice itself; its SHA-256 is kept
    #[arg(long)]
    file: Option<PathBuf>,
}

fn parse_amount(text: &str) -> Result<Amount, String> {
    Amount::parse(text).ok_or_else(|| format!("'{text}' is no amount"))
}

fn parse_tax(text: &str) -> Result<InvoiceTax, String> {
    let read = || {
        let (rate, amounts) = text.split_once('=')?;
        let (usd, jpy) = amounts
            .split_once('/')
            .map_or((amounts, None), |(usd, jpy)| (usd, Some(jpy)));
        Some(InvoiceTax {
            rate: rate.parse::<Decimal>().ok()?.normalize(),
            usd: Amount::parse(usd)?,
            jpy: jpy.map(str::parse).transpose().ok()?,
        })
    };
    read().ok_or_else(|| format!("'{text}' is no tax; write it as 0.10=12.34/1974"))
}

fn digest_of(file: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(sha256(&[&bytes]))
}

pub(super) async fn run(context: &CommandContext, command: InvoicesCommand) -> anyhow::Result<()> {
    match command {
        InvoicesCommand::Add(arguments) => {
            let invoice = invoice_of(*arguments)?;
            record(context, vec![invoice], None).await
        }
        InvoicesCommand::Import { file } => {
            let table = CsvTable::read(&file)?;
            record(context, read_invoices(&table)?, Some(&table)).await
        }
        InvoicesCommand::Fetch { period, payer, dry_run } => fetch(context, period, payer, dry_run).await,
        InvoicesCommand::List { period } => list(context, period).await,
        InvoicesCommand::Remove { invoice_id } => remove(context, &invoice_id).await,
    }
}

fn invoice_of(arguments: AddArguments) -> anyhow::Result<Invoice> {
    let file_sha256 = arguments
        .file
        .as_deref()
        .map(digest_of)
        .transpose()?
        .unwrap_or_default();
    let name = |file: &PathBuf| file.file_name().map(|name| name.to_string_lossy().into_owned());
    let invoice = Invoice {
        invoice_id: arguments.invoice_id,
        payer: arguments.payer,
        seller: arguments.seller,
        registration_number: arguments.registration_number,
        kind: InvoiceKind::parse(&arguments.kind).unwrap_or(InvoiceKind::Invoice),
        corrects: arguments.corrects,
        issue_date: arguments.issue_date,
        period: arguments.period,
        currency: arguments.currency,
        net_usd: arguments.net_usd,
        net_jpy: arguments.net_jpy,
        printed_rate: arguments.printed_rate,
        treatment: TaxTreatment::parse(&arguments.treatment).unwrap_or(TaxTreatment::Undecided),
        taxes: arguments.tax,
        file_name: arguments.file.as_ref().and_then(name).unwrap_or_default(),
        file_sha256,
    };
    match invoice.check() {
        Ok(()) => Ok(invoice),
        Err(what) => anyhow::bail!("invoice {}: {what}; nothing was recorded", invoice.invoice_id),
    }
}

/// Records invoices, all or none, and says where they do not match the bill.
async fn record(context: &CommandContext, invoices: Vec<Invoice>, table: Option<&CsvTable>) -> anyhow::Result<()> {
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let found = keep_invoices(&mut connection, &invoices, table, (&context.actor, context.clock)).await?;
    eprintln!("{} invoices are recorded", invoices.len());
    let decide = found
        .iter()
        .filter(|(_, finding)| finding.severity != Severity::Info)
        .count();
    let views = found
        .into_iter()
        .map(|(period, finding)| FindingView::new(Some(period), finding));
    print_findings(&views.collect::<Vec<_>>());
    if decide > 0 {
        return Err(NeedsDecision(format!("{decide} findings about them need a decision")).into());
    }
    Ok(())
}

/// Records the invoices of a month that the register does not have; says what it has otherwise and what cannot be read.
async fn fetch(
    context: &CommandContext,
    period: BillingPeriod,
    payers: Vec<String>,
    dry_run: bool,
) -> anyhow::Result<()> {
    authorize(&context.actor, Action::KeepRegisters)?;
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let payers = match payers.is_empty() {
        true => list_payers(&mut connection, period).await?,
        false => payers,
    };
    if payers.is_empty() {
        anyhow::bail!("no delivery of {period} is loaded: name the payer with --payer");
    }
    let recorded = list_invoices(&mut connection, None).await?;
    let invoicing = Invoicing::connect(&account_access(&context.config)).await;
    let mut table = Table::new(&["invoice", "is", "net USD", "net JPY", "what"]);
    let (mut new, mut to_decide) = (Vec::new(), 0);
    for payer in &payers {
        for found in invoicing.fetch_invoices(payer, period).await? {
            let row = match found {
                Err((id, what)) => {
                    to_decide += 1;
                    vec![id, "NOT READ".to_owned(), String::new(), String::new(), what]
                }
                Ok(invoice) => {
                    let known = recorded.iter().find(|known| known.invoice_id == invoice.invoice_id);
                    let (is, what) = match known {
                        None => ("new", String::new()),
                        Some(known) if known.says_the_same(&invoice) => ("recorded", String::new()),
                        Some(_) => (
                            "DIFFERS",
                            "the register has other amounts: compare with 'anbun invoices list'".to_owned(),
                        ),
                    };
                    to_decide += usize::from(is == "DIFFERS");
                    let jpy = invoice.net_jpy.map(|yen| grouped(&yen.to_string())).unwrap_or_default();
                    let usd = grouped(&invoice.net_usd.to_string());
                    let row = vec![invoice.invoice_id.clone(), is.to_owned(), usd, jpy, what];
                    if is == "new" {
                        new.push(invoice);
                    }
                    row
                }
            };
            table.push(row);
        }
    }
    let views: Vec<InvoiceView> = new.iter().map(InvoiceView::of).collect();
    output::print(context.format(), &views, &table)?;
    if dry_run {
        eprintln!("nothing was recorded: this was a dry run");
    } else if !new.is_empty() {
        record(context, new, None).await?;
    }
    match to_decide {
        0 => Ok(()),
        left => Err(NeedsDecision(format!("{left} invoices need a decision")).into()),
    }
}

async fn list(context: &CommandContext, period: Option<BillingPeriod>) -> anyhow::Result<()> {
    authorize(&context.actor, Action::ReadChargeback)?;
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let invoices = list_invoices(&mut connection, period).await?;
    let views: Vec<InvoiceView> = invoices.iter().map(InvoiceView::of).collect();
    let mut table = Table::new(&[
        "period", "invoice", "seller", "issued", "net USD", "tax USD", "net JPY", "tax JPY", "JPY/USD", "tax is",
    ]);
    for view in &views {
        let yen = |money: &Option<crate::api::view::MoneyView>| {
            money.as_ref().map(|m| grouped(&m.amount)).unwrap_or_default()
        };
        table.push(vec![
            view.period.clone(),
            view.invoice_id.clone(),
            view.seller.clone(),
            view.issue_date.clone(),
            grouped(&view.net_usd.amount),
            grouped(&view.tax_usd.amount),
            yen(&view.net_jpy),
            yen(&view.tax_jpy),
            view.implied_rate.clone().unwrap_or_default(),
            view.treatment.to_owned(),
        ]);
    }
    output::print(context.format(), &views, &table)
}

async fn remove(context: &CommandContext, invoice_id: &str) -> anyhow::Result<()> {
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    remove_invoice(&mut connection, invoice_id, &context.actor).await?;
    eprintln!("invoice {invoice_id} is out of the register");
    Ok(())
}
