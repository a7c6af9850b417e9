//! Data on stdout: a table for people, JSON or CSV for programs.

use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;

use crate::api::view::FindingView;
use crate::documents::neutral;

/// How data is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    #[default]
    Table,
    Json,
    Csv,
}

/// Rows under a header.  Cells that are numbers stand to the right.
pub(super) struct Table {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(header: &[&str]) -> Self {
        Self {
            header: header.iter().map(|name| (*name).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }
}

/// Prints a view: as JSON whole, else as its table.
pub(super) fn print(format: Format, view: &impl Serialize, table: &Table) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, view)?;
            writeln!(out)?;
        }
        Format::Csv => {
            let mut writer = csv::Writer::from_writer(&mut out);
            writer.write_record(&table.header)?;
            for row in &table.rows {
                // Session names and tags come from outside; a spreadsheet must not take them for formulas.
                writer.write_record(row.iter().map(|cell| match ungrouped(cell) {
                    Some(number) => number,
                    None if is_number(cell) => cell.clone(),
                    None => neutral(cell),
                }))?;
            }
            writer.flush()?;
        }
        Format::Table => write_table(&mut out, table)?,
    }
    out.flush()?;
    Ok(())
}

fn is_number(cell: &str) -> bool {
    !cell.is_empty() && cell.chars().all(|c| c.is_ascii_digit() || "+-.,%¥$ ".contains(c))
}

/// A number without the commas that people read it by; none where the cell is no grouped number, with or without its currency.
fn ungrouped(cell: &str) -> Option<String> {
    let (number, currency) = cell.split_once(' ').unwrap_or((cell, ""));
    let digits = number.strip_prefix(['-', '+']).unwrap_or(number);
    let whole = digits.split_once('.').map_or(digits, |(whole, _)| whole);
    let mut groups = whole.split(',');
    let first = groups.next().is_some_and(|group| (1..=3).contains(&group.len()));
    let is_grouped = first && whole.contains(',') && groups.all(|group| group.len() == 3);
    let is_number = digits.bytes().all(|b| b.is_ascii_digit() || b == b',' || b == b'.');
    let is_currency = currency.is_empty() || currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase());
    (is_grouped && is_number && is_currency).then(|| cell.replace(',', ""))
}

fn write_table(out: &mut impl Write, table: &Table) -> std::io::Result<()> {
    let columns = table.header.len();
    let width_of = |column: usize| {
        table
            .rows
            .iter()
            .chain([&table.header])
            .map(|row| row.get(column).map_or(0, |cell| shown_width(cell)))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width_of).collect();
    let numeric: Vec<bool> = (0..columns)
        .map(|c| {
            !table.rows.is_empty()
                && table
                    .rows
                    .iter()
                    .all(|row| row.get(c).is_none_or(|cell| cell.is_empty() || is_number(cell)))
        })
        .collect();
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    for row in [&table.header, &rule].into_iter().chain(&table.rows) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let padding = " ".repeat(widths[column].saturating_sub(shown_width(cell)));
            let cell = printable(cell);
            if numeric[column] {
                line.push_str(&padding);
                line.push_str(&cell);
            } else {
                line.push_str(&cell);
                line.push_str(&padding);
            }
            line.push_str("  ");
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Text from a bill may hold anything; a terminal gets no control characters.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// Columns on a terminal: East Asian wide characters take two.
fn shown_width(text: &str) -> usize {
    let wide = |c: char| matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{20000}'..='\u{3fffd}');
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

/// Findings go to stderr, so that they are seen even where the data is piped away.
pub(super) fn print_findings(findings: &[FindingView]) {
    const SHOWN_MAX: usize = 12;
    let serious: Vec<&FindingView> = findings.iter().filter(|finding| finding.is_for_people()).collect();
    for finding in serious.iter().take(SHOWN_MAX) {
        let amount = finding
            .amount
            .as_ref()
            .map(|m| format!(" [{} {}]", m.amount, m.currency))
            .unwrap_or_default();
        let period = finding.period.as_deref().unwrap_or("");
        eprintln!(
            "{} {period} {}{amount}: {}; {}",
            finding.severity,
            printable(&finding.subject),
            printable(&finding.message),
            printable(&finding.action)
        );
    }
    if serious.len() > SHOWN_MAX {
        eprintln!("... and {} more findings; see --format json", serious.len() - SHOWN_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_reads_numbers_without_commas() {
        for (cell, number) in [
            ("1,234", "1234"),
            ("-12,345,678.5 USD", "-12345678.5 USD"),
            ("+1,000 JPY", "+1000 JPY"),
        ] {
            assert_eq!(ungrouped(cell).as_deref(), Some(number));
        }
        for text in [
            "1234",
            "1,23",
            "1,2345",
            "a,bcd",
            "1,234 yen",
            "1,000 - 2,000",
            ",123",
            "1234,567",
            "",
        ] {
            assert_eq!(ungrouped(text), None, "{text}");
        }
    }

    #[test]
    fn a_table_lines_up_wide_letters_and_numbers() {
        let mut table = Table::new(&["name", "yen"]);
        table.push(vec!["営業部".to_owned(), "1,200".to_owned()]);
        table.push(vec!["it\u{1b}[31m".to_owned(), "7".to_owned()]);
        let mut out = Vec::new();
        write_table(&mut out, &table).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            String::from_utf8_lossy(&out),
            "name       yen\n-------  -----\n営業部   1,200\nit\u{fffd}[31m      7\n"
        );
    }
}
