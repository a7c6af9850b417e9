//! The chargeback as CSV: a row for each department, and for everything that is kept visible.

use super::encoding::{Encoding, Unrepresentable, encode};
use super::{Language, SealedStatement, neutral};
use crate::domain::books::Column;
use crate::domain::chargeback::GroupBy;
use crate::domain::money::Amount;

/// Amounts are plain digits: no currency sign, no separators.
pub fn department_csv(
    statement: &SealedStatement,
    language: Language,
    encoding: Encoding,
) -> Result<Vec<u8>, Unrepresentable> {
    let month = statement.chargeback(GroupBy::Department);
    let mut header: Vec<String> = [
        language.choose("対象月", "period"),
        language.choose("区分", "kind"),
        language.choose("部門コード", "code"),
        language.choose("部門名", "name"),
        language.choose("原価センタ", "cost_center"),
        language.choose("会社", "legal_entity"),
    ]
    .map(str::to_owned)
    .to_vec();
    header.extend(Column::ALL.map(|column| language.column(column).to_owned()));
    header.extend([("合計", "total"), ("通貨", "currency")].map(|(ja, en)| language.choose(ja, en).to_owned()));
    let mut rows = vec![header];
    let period = statement.period.to_string();
    for row in &month.rows {
        let code = row.code.clone().unwrap_or_default();
        let names = statement.names_of(&code);
        let mut cells = vec![
            period.clone(),
            language.choose("部門", "department").to_owned(),
            neutral(&code),
        ];
        cells.extend([names.shown(), &names.cost_center, &names.legal_entity].map(neutral));
        cells.extend(Column::ALL.map(|column| row.column(column).to_string()));
        cells.push(row.total().to_string());
        rows.push(cells);
    }
    let charged: Amount = month.rows.iter().map(|row| row.total()).sum();
    let mut subtotal = vec![period.clone(), language.choose("請求小計", "charged").to_owned()];
    subtotal.extend(["", "", "", ""].map(str::to_owned));
    subtotal.extend(Column::ALL.map(|column| {
        month
            .rows
            .iter()
            .map(|row| row.column(column))
            .sum::<Amount>()
            .to_string()
    }));
    subtotal.push(charged.to_string());
    rows.push(subtotal);
    for kept in &month.kept {
        let mut cells = vec![
            period.clone(),
            language.choose("未配賦", "kept visible").to_owned(),
            neutral(&kept.label),
        ];
        cells.extend([kept.class.as_str(), "", ""].map(str::to_owned));
        cells.extend(Column::ALL.map(|_| String::new()));
        cells.push(kept.amount.to_string());
        rows.push(cells);
    }
    let mut total = vec![period, language.choose("合計", "total").to_owned()];
    total.extend(["", "", "", ""].map(str::to_owned));
    total.extend(Column::ALL.map(|_| String::new()));
    total.push(month.total.to_string());
    rows.push(total);
    // Statements are in yen, whatever previews show.
    rows.iter_mut().skip(1).for_each(|row| row.push("JPY".to_owned()));
    let sum: Amount = month
        .rows
        .iter()
        .map(|row| row.total())
        .chain(month.kept.iter().map(|kept| kept.amount))
        .sum();
    assert_eq!(sum, month.total, "the rows of the file add up to its total");
    encode(&written(&rows), encoding)
}

/// Rows as CSV with the line ends that Excel writes.
pub(super) fn written(rows: &[Vec<String>]) -> String {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .flexible(true)
        .from_writer(Vec::new());
    for row in rows {
        // Writing to memory cannot fail.
        let _ = writer.write_record(row);
    }
    writer
        .into_inner()
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_default()
}
