//! A department's own statement as a letter to its owner: what it is charged, by column and model, and what the figures rest on.
//! It names no person.

use std::collections::BTreeMap;

use super::department_csv::written;
use super::encoding::{Encoding, Unrepresentable, encode};
use super::{Language, SealedStatement, neutral};
use crate::domain::books::Column;
use crate::domain::digest::sha256;
use crate::domain::money::Amount;
use crate::domain::statement::StatementLine;

/// Subject, text and the attached table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub subject: String,
    pub text: String,
    pub file_name: String,
    /// CSV in UTF-8 with a byte order mark: Excel opens it.
    pub table: Vec<u8>,
}

/// Makes the letter of one department; `page` is where the reader can look further.
pub fn department_letter(
    statement: &SealedStatement,
    department: &str,
    page: Option<&str>,
) -> Result<Letter, Unrepresentable> {
    let own: Vec<&StatementLine> = statement
        .lines
        .iter()
        .filter(|line| line.department.as_deref() == Some(department))
        .collect();
    let mut columns: BTreeMap<Column, Amount> = BTreeMap::new();
    let mut models: BTreeMap<&str, (Amount, i64)> = BTreeMap::new();
    for line in &own {
        *columns.entry(line.column).or_default() += line.amount;
        let model = models.entry(line.model.as_deref().unwrap_or("(なし)")).or_default();
        *model = (model.0 + line.amount, model.1 + line.tokens);
    }
    let total: Amount = columns.values().copied().sum();
    let names = statement.names_of(department);
    let shown = if names.shown().is_empty() {
        department
    } else {
        names.shown()
    };
    let month = statement.period.first_day().format("%Y年%-m月分").to_string();
    let mut text = format!(
        "{shown} ご担当者様\r\n\r\nClaude利用料 {month} の部門別請求額をお知らせします。\r\n\r\n合計 {}\r\n",
        yen(total)
    );
    for (column, amount) in columns.iter().filter(|(_, amount)| !amount.is_zero()) {
        text.push_str(&format!(
            "  {} {}\r\n",
            Language::Japanese.column(*column),
            yen(*amount)
        ));
    }
    text.push_str("\r\nモデル別\r\n");
    let mut by_amount: Vec<(&&str, &(Amount, i64))> = models.iter().collect();
    by_amount.sort_by(|a, b| b.1.0.cmp(&a.1.0).then_with(|| a.0.cmp(b.0)));
    for (model, (amount, _)) in &by_amount {
        text.push_str(&format!("  {model} {}\r\n", yen(*amount)));
    }
    text.push_str(&format!(
        "\r\n明細番号 {} v{} ({})。集計期間はUTC基準です (AWSの請求月)。\r\n",
        statement.period,
        statement.version,
        &statement.digest[..statement.digest.len().min(12)],
    ));
    text.push_str("ご確認のうえ、受領のご返信をお願いします。異議がある場合は、金額と理由をお知らせください。\r\n");
    if let Some(page) = page {
        text.push_str(&format!("{page}\r\n"));
    }
    Ok(Letter {
        subject: format!("Claude利用料 {month} {shown} {}", yen(total)),
        text,
        file_name: format!(
            "anbun-{}-v{}-{}.csv",
            statement.period,
            statement.version,
            plain(department)
        ),
        table: table(&by_amount, &columns, total)?,
    })
}

fn table(
    models: &[(&&str, &(Amount, i64))],
    columns: &BTreeMap<Column, Amount>,
    total: Amount,
) -> Result<Vec<u8>, Unrepresentable> {
    let row = |kind: &str, name: &str, amount: Amount, tokens: String| {
        vec![kind.to_owned(), neutral(name), amount.to_string(), tokens]
    };
    let mut rows = vec![["区分", "項目", "金額(円)", "トークン"].map(str::to_owned).to_vec()];
    for (column, amount) in columns {
        rows.push(row("内訳", Language::Japanese.column(*column), *amount, String::new()));
    }
    for (model, (amount, tokens)) in models {
        rows.push(row("モデル", model, *amount, tokens.to_string()));
    }
    rows.push(row("合計", "", total, String::new()));
    let sum: Amount = models.iter().map(|(_, (amount, _))| *amount).sum();
    assert_eq!(sum, total, "the models of a department add up to it");
    encode(&written(&rows), Encoding::Utf8Bom)
}

/// `¥1,234`, and below zero with the triangle of finance in Japan.
fn yen(amount: Amount) -> String {
    let text = amount.to_string();
    let (sign, digits) = text
        .strip_prefix('-')
        .map_or(("", text.as_str()), |digits| ("▲", digits));
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}¥{grouped}")
}

/// A code as part of a file's name; one that cannot be written there is told from others by a digest.
fn plain(department: &str) -> String {
    let plain = department.replace(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_'), "_");
    match plain == department {
        true => plain,
        false => format!("{plain}-{}", &sha256(&[department.as_bytes()])[..8]),
    }
}
