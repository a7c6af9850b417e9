//! Finance's own files: exchange rates, invoices, rules for shared cost.

use std::collections::HashMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::csv_table::{CsvError, CsvLine, CsvTable};
use crate::domain::allocation::{AllocationRule, Method, check_pool, check_rules};
use crate::domain::invoice::{Invoice, InvoiceKind, InvoiceTax, TaxTreatment};
use crate::domain::journal::Mapping;
use crate::domain::money::Amount;
use crate::domain::rate::{Rate, RateKind, check_rate};

const RATE_COLUMNS: &[&str] = &["rate_date", "kind", "value", "source"];
const ALLOCATION_COLUMNS: &[&str] = &[
    "pool",
    "method",
    "members",
    "fallback",
    "legal_entity",
    "valid_from",
    "valid_to",
];
const INVOICE_COLUMNS: &[&str] = &[
    "invoice_id",
    "payer",
    "seller",
    "registration_number",
    "kind",
    "corrects",
    "issue_date",
    "period",
    "currency",
    "net_usd",
    "net_jpy",
    "treatment",
    "tax_rate",
    "tax_usd",
    "tax_jpy",
];

/// Reads rates; `accepted` lets odd ones pass.
pub fn read_rates(table: &CsvTable, set_by: &str, accepted: bool) -> Result<Vec<Rate>, CsvError> {
    table.expect_columns(RATE_COLUMNS, &[])?;
    let mut rates: Vec<Rate> = Vec::new();
    let mut seen: HashMap<(RateKind, NaiveDate), u64> = HashMap::new();
    for line in table.lines() {
        let kind = line.required("kind")?;
        let rate = Rate {
            date: line
                .day("rate_date")?
                .ok_or_else(|| line.refuse("rate_date", "it is empty"))?,
            kind: RateKind::parse(&kind).ok_or_else(|| {
                line.refuse(
                    "kind",
                    format!(
                        "'{kind}' is none of {}",
                        names(RateKind::ALL.iter().map(|k| k.as_str()))
                    ),
                )
            })?,
            value: line
                .parsed::<Decimal>("value", "rate")?
                .ok_or_else(|| line.refuse("value", "it is empty"))?,
            source: line.required("source")?,
            set_by: set_by.to_owned(),
        };
        check_rate(rate.value, accepted).map_err(|what| line.refuse("value", what))?;
        if let Some(first) = seen.insert((rate.kind, rate.date), line.line) {
            return Err(table.refuse_lines(
                (first, line.line),
                "rate_date",
                format!("both are the {kind} rate of {}", rate.date),
            ));
        }
        rates.push(rate);
    }
    Ok(rates)
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// Reads the rules for shared cost, all of them; `departments` are the codes that the directory knows.
pub fn read_allocation_rules(table: &CsvTable, departments: &[String]) -> Result<Vec<AllocationRule>, CsvError> {
    table.expect_columns(ALLOCATION_COLUMNS, &[])?;
    let mut rules = Vec::new();
    for line in table.lines() {
        let known = |column, code: &str| match departments.iter().any(|known| known == code) {
            true => Ok(()),
            false => Err(line.refuse(column, format!("department '{code}' is not in the directory"))),
        };
        let pool = line.required("pool")?;
        check_pool(&pool).map_err(|what| line.refuse("pool", what))?;
        let name = line.required("method")?;
        let is_named = Method::NAMES.contains(&name.as_str());
        let refused = if is_named { "members" } else { "method" };
        let method = Method::parse(&name, &line.text("members"));
        let rule = AllocationRule {
            method: method.map_err(|what| line.refuse(refused, what))?,
            fallback: line.optional("fallback"),
            legal_entity: line.optional("legal_entity"),
            valid_from: line
                .month("valid_from")?
                .ok_or_else(|| line.refuse("valid_from", "it is empty"))?,
            valid_to: line.month("valid_to")?,
            pool,
        };
        if rule.valid_to.is_some_and(|to| to <= rule.valid_from) {
            return Err(line.refuse("valid_to", "it is the first month in which the rule no longer holds"));
        }
        if let Some(code) = rule.source() {
            known("pool", code)?;
        }
        for code in rule.method.named() {
            known("members", code)?;
        }
        if let Some(code) = &rule.fallback {
            known("fallback", code)?;
        }
        rules.push((line.line, rule));
    }
    let (lines, rules): (Vec<u64>, Vec<AllocationRule>) = rules.into_iter().unzip();
    check_rules(&rules).map_err(|conflict| {
        table.refuse_lines((lines[conflict.first], lines[conflict.second]), "pool", conflict.what)
    })?;
    Ok(rules)
}

/// Reads invoices.  An invoice with several tax rates has a line for each; its other cells are the same on all of them.
pub fn read_invoices(table: &CsvTable) -> Result<Vec<Invoice>, CsvError> {
    table.expect_columns(INVOICE_COLUMNS, &["file_name", "file_sha256", "printed_rate"])?;
    let mut invoices: Vec<(CsvLine<'_>, Invoice)> = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for line in table.lines() {
        let invoice = read_invoice(&line)?;
        match seen.get(&invoice.invoice_id).map(|at| &mut invoices[*at]) {
            None => {
                seen.insert(invoice.invoice_id.clone(), invoices.len());
                invoices.push((line, invoice));
            }
            Some((first, other)) => {
                let differs = Invoice {
                    taxes: Vec::new(),
                    ..other.clone()
                } != Invoice {
                    taxes: Vec::new(),
                    ..invoice.clone()
                };
                let again = invoice
                    .taxes
                    .iter()
                    .any(|tax| other.taxes.iter().any(|known| known.rate == tax.rate));
                if differs || again || invoice.taxes.is_empty() {
                    let what = format!(
                        "invoice {} is there twice; lines of one invoice differ in their tax only",
                        other.invoice_id
                    );
                    return Err(table.refuse_lines((first.line, line.line), "invoice_id", what));
                }
                other.taxes.extend(invoice.taxes);
            }
        }
    }
    for (line, invoice) in &invoices {
        invoice.check().map_err(|what| line.refuse("invoice_id", what))?;
    }
    Ok(invoices.into_iter().map(|(_, invoice)| invoice).collect())
}

/// Reads what accounting systems call departments.
pub fn read_journal_mappings(table: &CsvTable) -> Result<Vec<Mapping>, CsvError> {
    table.expect_columns(
        &["system", "department", "code", "name"],
        &["account", "sub_account", "tax_code"],
    )?;
    let mut mappings: Vec<Mapping> = Vec::new();
    let mut seen: HashMap<(String, String), u64> = HashMap::new();
    for line in table.lines() {
        let mapping = Mapping {
            system: line.required("system")?,
            department: line.required("department")?,
            code: line.required("code")?,
            name: line.required("name")?,
            account: line.text("account"),
            sub_account: line.text("sub_account"),
            tax_code: line.text("tax_code"),
        };
        let key = (mapping.system.clone(), mapping.department.clone());
        if let Some(first) = seen.insert(key, line.line) {
            let what = format!("both say what {} calls {}", mapping.system, mapping.department);
            return Err(table.refuse_lines((first, line.line), "department_code", what));
        }
        mappings.push(mapping);
    }
    Ok(mappings)
}

fn read_invoice(line: &CsvLine<'_>) -> Result<Invoice, CsvError> {
    let amount = |column: &'static str| -> Result<Option<Amount>, CsvError> {
        let read =
            |text: String| Amount::parse(&text).ok_or_else(|| line.refuse(column, format!("'{text}' is no amount")));
        line.optional(column).map(read).transpose()
    };
    let yen = |column: &'static str| -> Result<Option<i128>, CsvError> {
        let whole = |amount: Amount| {
            amount
                .whole()
                .ok_or_else(|| line.refuse(column, "yen have no decimals"))
        };
        amount(column)?.map(whole).transpose()
    };
    let required = |column: &'static str| line.required(column);
    let (kind, treatment) = (required("kind")?, required("treatment")?);
    let tax = match line.parsed::<Decimal>("tax_rate", "tax rate; ten per cent is 0.10")? {
        None => None,
        Some(rate) => Some(InvoiceTax {
            rate: rate.normalize(),
            usd: amount("tax_usd")?.ok_or_else(|| line.refuse("tax_usd", "it is empty"))?,
            jpy: yen("tax_jpy")?,
        }),
    };
    Ok(Invoice {
        invoice_id: required("invoice_id")?,
        payer: required("payer")?,
        seller: required("seller")?,
        registration_number: line.text("registration_number"),
        kind: InvoiceKind::parse(&kind)
            .ok_or_else(|| line.refuse("kind", format!("'{kind}' is none of invoice, refund, corrected")))?,
        corrects: line.optional("corrects"),
        issue_date: line
            .day("issue_date")?
            .ok_or_else(|| line.refuse("issue_date", "it is empty"))?,
        period: line
            .month("period")?
            .ok_or_else(|| line.refuse("period", "it is empty"))?,
        currency: required("currency")?,
        net_usd: amount("net_usd")?.ok_or_else(|| line.refuse("net_usd", "it is empty"))?,
        net_jpy: yen("net_jpy")?,
        printed_rate: line.parsed("printed_rate", "rate")?,
        treatment: TaxTreatment::parse(&treatment).ok_or_else(|| {
            line.refuse(
                "treatment",
                format!("'{treatment}' is none of charged, reverse_charge, none, undecided"),
            )
        })?,
        taxes: tax.into_iter().collect(),
        file_name: line.text("file_name"),
        file_sha256: line.text("file_sha256"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, text: &str) -> CsvTable {
        let file = std::path::PathBuf::from(format!("{name}.csv"));
        CsvTable::parse(&file, text.as_bytes()).unwrap_or_else(|e| panic!("{e}"))
    }

    fn error<T: std::fmt::Debug>(read: Result<T, CsvError>) -> String {
        match read {
            Ok(read) => panic!("{read:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn rates_are_refused_by_line_and_column() {
        let rates = |name, rows: &str| {
            read_rates(
                &table(name, &format!("rate_date,kind,value,source\n{rows}")),
                "clerk",
                false,
            )
        };
        for (name, rows, expected) in [
            (
                "zero",
                "2026-10-30,ttm,0,MUFG\n",
                "line 2, column value: a rate of 0 is none",
            ),
            ("swapped", "2026-10-30,ttm,0.0063,MUFG\n", "--accept"),
            (
                "kind",
                "2026-10-30,spot,159,MUFG\n",
                "'spot' is none of planning, ttm, tts, ttb, interbank",
            ),
            (
                "twice",
                "2026-10-30,ttm,159,A\n2026-10-30,ttm,160,B\n",
                "lines 2 and 3, column rate_date: both are the ttm rate of 2026-10-30",
            ),
            (
                "date",
                "2026/10/30,ttm,159,A\n",
                "line 2, column rate_date: '2026/10/30' is no date",
            ),
        ] {
            let error = error(rates(name, rows));
            assert!(error.contains(expected), "{error}");
        }
        assert!(rates("good", "2026-10-30,ttm,159.91,MUFG\n").is_ok_and(|rates| rates.len() == 1));
    }

    #[test]
    fn rules_are_refused_by_line_and_column() {
        let known = ["sales", "it"].map(str::to_owned);
        let rules = |name, rows: &str| {
            let text = format!("pool,method,members,fallback,legal_entity,valid_from,valid_to\n{rows}");
            read_allocation_rules(&table(name, &text), &known)
        };
        for (name, rows, expected) in [
            (
                "sum",
                "tax,fixed,sales=0.5;it=0.4,,,2026-04,\n",
                "line 2, column members: the shares sum to 0.9 and not to 1",
            ),
            (
                "who",
                "tax,fixed,sales=0.5;hr=0.5,,,2026-04,\n",
                "line 2, column members: department 'hr' is not in the directory",
            ),
            (
                "loop",
                "department.it,evenly,sales,,,2026-04,\ntax,one_department,it,,,2026-04,\n",
                "lines 2 and 3, column pool: it is shared",
            ),
            (
                "pool",
                "vat,keep,,,,2026-04,\n",
                "line 2, column pool: 'vat' is no pool",
            ),
            ("ends", "tax,keep,,,,2026-04,2026-04\n", "column valid_to"),
        ] {
            let error = error(rules(name, rows));
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn an_invoice_with_two_tax_rates_is_two_lines() {
        let header = "invoice_id,payer,seller,registration_number,kind,corrects,issue_date,period,currency,net_usd,net_jpy,treatment,tax_rate,tax_usd,tax_jpy\n";
        let row = |net: &str, tax: &str| {
            format!(
                "EUINJP26-1,111122223333,AWS Japan,T6011001106696,invoice,,2026-11-02,2026-10,JPY,{net},charged,{tax}\n"
            )
        };
        let read = |name, rows: String| read_invoices(&table(name, &format!("{header}{rows}")));
        let two = read(
            "two",
            row("100.00,16000", "0.10,8,1280") + &row("100.00,16000", "0.08,1.6,256"),
        );
        let two = two.unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            (two.len(), two[0].taxes.len(), two[0].totals().map(|t| t.tax)),
            (1, 2, Some(1536))
        );
        for (name, rows, expected) in [
            (
                "again",
                row("100.00,16000", "0.10,8,1280") + &row("100.00,16000", "0.10,8,1280"),
                "lines 2 and 3",
            ),
            (
                "differs",
                row("100.00,16000", "0.10,8,1280") + &row("100.00,16001", "0.08,8,1280"),
                "there twice",
            ),
            (
                "sen",
                row("100.00,16000.5", "0.10,8,1280"),
                "line 2, column net_jpy: yen have no decimals",
            ),
            (
                "swapped",
                row("16000,100", "0.10,8,1280"),
                "are the currencies swapped?",
            ),
            (
                "no-tax",
                row("100.00,16000", ",,"),
                "tax is charged but no tax is given",
            ),
            ("no-yen", row("100.00,", "0.10,8,1280"), "both currencies"),
        ] {
            let error = error(read(name, rows));
            assert!(error.contains(expected), "{error}");
        }
    }
}
