//! Between legal entities: what the departments of one owe the other that pays AWS, by the AWS invoice that it is of.
//!
//! Inside an entity a chargeback is no supply; between two it is, and the buyer asks which invoices stand behind it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::department_csv::written;
use super::encoding::{Encoding, encode};
use super::journal::JournalError;
use super::journal::charges::{origin_of, source_of};
use super::{Language, SealedStatement, neutral, tax_rate};
use crate::domain::invoice::{Invoice, percent};
use crate::domain::journal::JournalSettings;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

/// What one department owes on one invoice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    payer_entity: String,
    holder_entity: String,
    /// The month that it is of: an earlier one for a true-up or reclass.
    origin: BillingPeriod,
    group: usize,
    department: String,
}

/// The earlier months that lines of a statement are of.
pub fn origins(statement: &SealedStatement) -> BTreeSet<BillingPeriod> {
    let origins = statement.lines.iter().map(|line| origin_of(statement, line));
    origins.filter(|origin| *origin != statement.period).collect()
}

/// Every debt between two entities, or those of the one that is asked; net of tax and tax apart.
///
/// `earlier` are the recorded invoices of earlier months, which true-ups and reclasses name.
pub fn intercompany(
    statement: &SealedStatement,
    settings: &JournalSettings,
    earlier: &[Invoice],
    legal_entity: Option<&str>,
    (language, encoding): (Language, Encoding),
) -> Result<Vec<u8>, JournalError> {
    let mut debts: BTreeMap<Key, (Amount, Amount)> = BTreeMap::new();
    for line in &statement.lines {
        let Some(department) = &line.department else {
            continue;
        };
        let source = source_of(statement, settings, line.bill_group)?;
        let payer = statement
            .names_of(&settings.sources[source].source_department)
            .legal_entity;
        let holder = statement.names_of(department).legal_entity;
        let is_asked = legal_entity.is_none_or(|entity| entity == payer || entity == holder);
        if payer == holder || !is_asked {
            continue;
        }
        let key = Key {
            payer_entity: payer,
            holder_entity: holder,
            origin: origin_of(statement, line),
            group: line.bill_group,
            department: department.clone(),
        };
        let sums = debts.entry(key).or_default();
        *(if line.is_tax() { &mut sums.1 } else { &mut sums.0 }) += line.amount;
    }
    debts.retain(|_, (net, tax)| !net.is_zero() || !tax.is_zero());
    let mut rows = vec![header(language)];
    let mut totals: BTreeMap<(&str, &str), (Amount, Amount)> = BTreeMap::new();
    for (key, (net, tax)) in &debts {
        rows.push(row(statement, earlier, key, (*net, *tax)));
        let total = totals.entry((&key.payer_entity, &key.holder_entity)).or_default();
        *total = (total.0 + *net, total.1 + *tax);
    }
    for ((payer, holder), (net, tax)) in totals {
        let mut cells = vec![statement.period.to_string(), neutral(payer), neutral(holder)];
        cells.push(language.choose("合計", "total").to_owned());
        cells.extend(std::iter::repeat_n(String::new(), 6));
        cells.extend([net, tax, net + tax].map(|amount| amount.to_string()));
        rows.push(cells);
    }
    Ok(encode(&written(&rows), encoding)?)
}

fn header(language: Language) -> Vec<String> {
    let names = [
        ("対象月", "period"),
        ("支払会社", "paid_by"),
        ("負担会社", "owed_by"),
        ("利用月", "month_of_use"),
        ("AWS請求書", "aws_invoices"),
        ("発行者", "seller"),
        ("登録番号", "registration_number"),
        ("消費税率", "tax_rates"),
        ("部門コード", "code"),
        ("部門名", "name"),
        ("税抜額", "net"),
        ("消費税", "tax"),
        ("合計", "total"),
    ];
    names
        .map(|(japanese, english)| language.choose(japanese, english).to_owned())
        .to_vec()
}

fn row(statement: &SealedStatement, earlier: &[Invoice], key: &Key, (net, tax): (Amount, Amount)) -> Vec<String> {
    let bill = &statement.head["groups"][key.group]["bills"][0];
    let seller = text(&bill["seller"]);
    let evidence = match key.origin == statement.period {
        true => Evidence::sealed(statement, key.group),
        false => {
            let of_bill = |invoice: &&Invoice| {
                (invoice.period, invoice.payer.as_str(), invoice.seller.as_str())
                    == (key.origin, &text(&bill["payer"]), &seller)
            };
            Evidence::recorded(earlier.iter().filter(of_bill))
        }
    };
    let joined = |texts: BTreeSet<String>| texts.into_iter().collect::<Vec<_>>().join(" ");
    let names = statement.names_of(&key.department);
    let mut cells = vec![
        statement.period.to_string(),
        neutral(&key.payer_entity),
        neutral(&key.holder_entity),
        key.origin.to_string(),
        neutral(&joined(evidence.invoices)),
        neutral(&seller),
        neutral(&joined(evidence.registration_numbers)),
        joined(evidence.tax_rates),
        neutral(&key.department),
        neutral(names.shown()),
    ];
    cells.extend([net, tax, net + tax].map(|amount| amount.to_string()));
    cells
}

/// What the buyer asks for of the invoices behind an amount.
#[derive(Default)]
struct Evidence {
    invoices: BTreeSet<String>,
    registration_numbers: BTreeSet<String>,
    tax_rates: BTreeSet<String>,
}

impl Evidence {
    /// Of a group of bills, by the invoices that were sealed with the statement.
    fn sealed(statement: &SealedStatement, group: usize) -> Self {
        let group = &statement.head["groups"][group];
        let bills = group["bills"].as_array().into_iter().flatten();
        let mut found = Self {
            invoices: bills.map(|bill| text(&bill["invoice"])).collect(),
            ..Self::default()
        };
        found.invoices.insert(text(&group["invoice"]));
        found.invoices.retain(|id| !id.is_empty());
        let recorded = statement.head["invoices"].as_array().into_iter().flatten();
        for invoice in recorded.filter(|invoice| found.invoices.contains(&text(&invoice["invoice_id"]))) {
            let number = text(&invoice["registration_number"]);
            found
                .registration_numbers
                .extend(Some(number).filter(|number| !number.is_empty()));
            let taxes = invoice["taxes"].as_array().into_iter().flatten();
            found.tax_rates.extend(taxes.map(|tax| tax_rate(&tax["rate"])));
        }
        found
    }

    fn recorded<'i>(invoices: impl Iterator<Item = &'i Invoice>) -> Self {
        let mut found = Self::default();
        for invoice in invoices {
            found.invoices.insert(invoice.invoice_id.clone());
            let number = Some(invoice.registration_number.clone());
            found
                .registration_numbers
                .extend(number.filter(|number| !number.is_empty()));
            found
                .tax_rates
                .extend(invoice.taxes.iter().map(|tax| percent(tax.rate)));
        }
        found
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
