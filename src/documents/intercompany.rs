//! Between legal entities: what the departments of one owe the other that pays AWS, by the AWS invoice that it is of.
//!
//! Inside an entity a chargeback is no supply; between two it is, and the buyer asks which invoices stand behind it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::department_csv::written;
use super::encoding::{Encoding, encode};
use super::journal::JournalError;
use super::journal::charges::source_of;
use super::{Language, SealedStatement, neutral, tax_rate};
use crate::domain::journal::JournalSettings;
use crate::domain::money::Amount;

/// What one department owes on one invoice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    payer_entity: String,
    holder_entity: String,
    group: usize,
    department: String,
}

/// Every debt between two entities, or those of the one that is asked; net of tax and tax apart.
pub fn intercompany(
    statement: &SealedStatement,
    settings: &JournalSettings,
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
            group: line.bill_group,
            department: department.clone(),
        };
        let sums = debts.entry(key).or_default();
        *(if line.is_tax() { &mut sums.1 } else { &mut sums.0 }) += line.amount;
    }
    let mut rows = vec![header(language)];
    let mut totals: BTreeMap<(&str, &str), (Amount, Amount)> = BTreeMap::new();
    for (key, (net, tax)) in &debts {
        rows.push(row(statement, key, (*net, *tax)));
        let total = totals.entry((&key.payer_entity, &key.holder_entity)).or_default();
        *total = (total.0 + *net, total.1 + *tax);
    }
    for ((payer, holder), (net, tax)) in totals {
        let mut cells = vec![statement.period.to_string(), neutral(payer), neutral(holder)];
        cells.push(language.choose("合計", "total").to_owned());
        cells.extend(std::iter::repeat_n(String::new(), 5));
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

fn row(statement: &SealedStatement, key: &Key, (net, tax): (Amount, Amount)) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let group = &statement.head["groups"][key.group];
    let bills = group["bills"].as_array().cloned().unwrap_or_default();
    let mut invoices: BTreeSet<String> = bills.iter().map(|bill| text(&bill["invoice"])).collect();
    invoices.insert(text(&group["invoice"]));
    invoices.retain(|id| !id.is_empty());
    let recorded = statement.head["invoices"].as_array().cloned().unwrap_or_default();
    let is_named = |invoice: &&Value| invoices.contains(&text(&invoice["invoice_id"]));
    let named: Vec<&Value> = recorded.iter().filter(is_named).collect();
    let number = named.first().map(|invoice| text(&invoice["registration_number"]));
    let taxes = named.iter().filter_map(|invoice| invoice["taxes"].as_array()).flatten();
    let rates: BTreeSet<String> = taxes.map(|tax| tax_rate(&tax["rate"])).collect();
    let seller = bills.first().map(|bill| text(&bill["seller"])).unwrap_or_default();
    let names = statement.names_of(&key.department);
    let mut cells = vec![
        statement.period.to_string(),
        neutral(&key.payer_entity),
        neutral(&key.holder_entity),
        neutral(&invoices.into_iter().collect::<Vec<_>>().join(" ")),
        neutral(&seller),
        neutral(&number.unwrap_or_default()),
        rates.into_iter().collect::<Vec<_>>().join(" "),
        neutral(&key.department),
        neutral(names.shown()),
    ];
    cells.extend([net, tax, net + tax].map(|amount| amount.to_string()));
    cells
}
