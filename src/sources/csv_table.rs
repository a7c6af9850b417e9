//! CSV files that people write: UTF-8 or CP932, a header row, and errors that name file, line and column.
//!
//! A file is read whole or refused whole.  Columns are told by their names, and one that is not known is refused: a
//! column that is silently ignored is a wrong figure later.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use chrono::NaiveDate;

use crate::domain::period::BillingPeriod;

/// Why a file was refused.  Nothing of an import with a refused file is kept.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    #[error("{}: it cannot be read: {what}", file.display())]
    Unreadable { file: PathBuf, what: String },
    #[error("{}: {what}", file.display())]
    Header { file: PathBuf, what: String },
    #[error("{}, line {line}, column {column}: {what}", file.display())]
    Cell {
        file: PathBuf,
        line: u64,
        column: &'static str,
        what: String,
    },
    #[error("{}, lines {first} and {second}, column {column}: {what}", file.display())]
    Lines {
        file: PathBuf,
        first: u64,
        second: u64,
        column: &'static str,
        what: String,
    },
}

/// A file's rows as text.
#[derive(Debug)]
pub struct CsvTable {
    pub file: PathBuf,
    names: Vec<String>,
    records: Vec<(u64, csv::StringRecord)>,
}

/// Columns that no file of anbun's has more than.
const COLUMNS_MAX: usize = 40;

impl CsvTable {
    /// Reads a file.
    pub fn read(file: &Path) -> Result<Self, CsvError> {
        let bytes = std::fs::read(file).map_err(|e| CsvError::Unreadable {
            file: file.to_path_buf(),
            what: e.to_string(),
        })?;
        Self::parse(file, &bytes)
    }

    /// The same from bytes; `file` is only what errors call it.
    pub fn parse(file: &Path, bytes: &[u8]) -> Result<Self, CsvError> {
        let refuse = |what| CsvError::Header {
            file: file.to_path_buf(),
            what,
        };
        let text = decode(bytes).map_err(refuse)?;
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let header = reader.headers().map_err(|e| refuse(e.to_string()))?;
        let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        if let Some((line, column)) = stray_quote(&text) {
            let name = names.get(column).map_or("beyond the last", String::as_str);
            return Err(refuse(format!(
                "line {line}, column {name}: a stray quote; a cell with a quote in it is put in quotes, and the quote is doubled"
            )));
        }
        let mut records = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|e| refuse(e.to_string()))?;
            let line = record.position().map_or(0, csv::Position::line);
            if record.len() != names.len() {
                return Err(refuse(format!(
                    "line {line} has {} cells for {} columns; look for a stray comma or quote",
                    record.len(),
                    names.len()
                )));
            }
            if record.iter().any(|cell| cell.contains('\n')) {
                return Err(refuse(format!(
                    "line {line} has a cell that goes on over the line's end; look for a stray quote"
                )));
            }
            records.push((line, record));
        }
        Ok(Self {
            file: file.to_path_buf(),
            names,
            records,
        })
    }

    /// The same from rows that did not come in a file, numbered from one; `name` is what errors call them.  A row has no more
    /// columns than a file could: each makes every other row wider.
    pub fn of_rows(name: &str, rows: &[BTreeMap<String, String>]) -> Result<Self, CsvError> {
        let mut columns: BTreeSet<&String> = BTreeSet::new();
        for row in rows {
            columns.extend(row.keys());
            if columns.len() > COLUMNS_MAX {
                return Err(CsvError::Header {
                    file: PathBuf::from(name),
                    what: format!("its rows have more than {COLUMNS_MAX} different columns"),
                });
            }
        }
        let mut table = Self {
            file: PathBuf::from(name),
            names: columns.iter().map(|column| (*column).clone()).collect(),
            records: Vec::with_capacity(rows.len()),
        };
        for (line, row) in (1..).zip(rows) {
            if let Some((column, _)) = row.iter().find(|(_, cell)| cell.contains(char::is_control)) {
                return Err(table.refuse(format!("row {line} has a control character in '{column}'")));
            }
            let cells = columns.iter().map(|column| row.get(*column).map_or("", String::as_str));
            table.records.push((line, cells.collect()));
        }
        Ok(table)
    }

    pub fn has(&self, column: &str) -> bool {
        self.names.iter().any(|name| name == column)
    }

    /// Refuses columns that are not known, missing, or there twice.
    pub fn expect_columns(&self, expected: &[&str], optional: &[&str]) -> Result<(), CsvError> {
        let known = |name: &str| expected.contains(&name) || optional.contains(&name);
        if let Some(unknown) = self.names.iter().find(|name| !known(name)) {
            let all = [expected, optional].concat().join(",");
            return Err(self.refuse(format!("unknown column '{unknown}'; it may have {all}")));
        }
        if let Some(missing) = expected.iter().find(|name| !self.has(name)) {
            return Err(self.refuse(format!(
                "column '{missing}' is missing; it must have {}",
                expected.join(",")
            )));
        }
        let twice = self
            .names
            .iter()
            .enumerate()
            .find(|(i, name)| self.names[..*i].contains(name));
        match twice {
            Some((_, name)) => Err(self.refuse(format!("column '{name}' is there twice"))),
            None => Ok(()),
        }
    }

    pub fn refuse(&self, what: impl Into<String>) -> CsvError {
        CsvError::Header {
            file: self.file.clone(),
            what: what.into(),
        }
    }

    /// Refuses two lines together.
    pub fn refuse_lines(&self, (first, second): (u64, u64), column: &'static str, what: impl Into<String>) -> CsvError {
        CsvError::Lines {
            file: self.file.clone(),
            first,
            second,
            column,
            what: what.into(),
        }
    }

    /// Where a cell with a text stands, as errors begin: file, line and column.
    pub fn place_of(&self, column: &'static str, text: &str) -> Option<String> {
        let line = self.lines().find(|line| line.text(column) == text)?.line;
        Some(format!("{}, line {line}, column {column}: ", self.file.display()))
    }

    pub fn lines(&self) -> impl Iterator<Item = CsvLine<'_>> {
        self.records.iter().map(|(line, record)| CsvLine {
            file: &self.file,
            line: *line,
            names: &self.names,
            record,
        })
    }
}

/// The first line and cell with a quote that neither begins nor ends a cell.  A reader would take it away in silence.
fn stray_quote(text: &str) -> Option<(usize, usize)> {
    for (nth, line) in text.lines().enumerate() {
        let mut column = 0;
        let mut is_quoted = false;
        let mut is_begin = true;
        let mut bytes = line.bytes().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' if is_quoted && bytes.peek() == Some(&b'"') => {
                    bytes.next();
                }
                b'"' if is_quoted && matches!(bytes.peek(), None | Some(b',')) => is_quoted = false,
                b'"' if is_begin && !is_quoted => is_quoted = true,
                b'"' => return Some((nth + 1, column)),
                b',' if !is_quoted => {
                    column += 1;
                    is_begin = true;
                    continue;
                }
                _ => {}
            }
            is_begin = false;
        }
        if is_quoted {
            return Some((nth + 1, column));
        }
    }
    None
}

/// One row with its place.
#[derive(Debug, Clone, Copy)]
pub struct CsvLine<'a> {
    file: &'a Path,
    pub line: u64,
    names: &'a [String],
    record: &'a csv::StringRecord,
}

impl CsvLine<'_> {
    /// A cell without spaces around it; empty where the file has no such column.
    pub fn text(&self, column: &str) -> String {
        let at = self.names.iter().position(|name| name == column);
        at.and_then(|at| self.record.get(at)).unwrap_or("").trim().to_owned()
    }

    pub fn optional(&self, column: &str) -> Option<String> {
        Some(self.text(column)).filter(|text| !text.is_empty())
    }

    pub fn refuse(&self, column: &'static str, what: impl Into<String>) -> CsvError {
        CsvError::Cell {
            file: self.file.to_path_buf(),
            line: self.line,
            column,
            what: what.into(),
        }
    }

    pub fn required(&self, column: &'static str) -> Result<String, CsvError> {
        self.optional(column).ok_or_else(|| self.refuse(column, "it is empty"))
    }

    /// A cell that is read by its own type; what it should be is said where it is not.
    pub fn parsed<T: FromStr>(&self, column: &'static str, should_be: &str) -> Result<Option<T>, CsvError> {
        self.optional(column)
            .map(|text| {
                text.parse()
                    .map_err(|_| self.refuse(column, format!("'{text}' is no {should_be}")))
            })
            .transpose()
    }

    pub fn day(&self, column: &'static str) -> Result<Option<NaiveDate>, CsvError> {
        match self.text(column).as_str() {
            "" => Ok(None),
            text => match text.parse() {
                // A company's dates, not those of a spreadsheet's empty cell.
                Ok(day) if text.len() == 10 && chrono::Datelike::year(&day) >= 1900 => Ok(Some(day)),
                _ => Err(self.refuse(column, format!("'{text}' is no date; write it as YYYY-MM-DD"))),
            },
        }
    }

    pub fn month(&self, column: &'static str) -> Result<Option<BillingPeriod>, CsvError> {
        self.parsed(column, "month; write it as YYYY-MM")
    }
}

/// UTF-8 with or without a byte order mark, else CP932 as Excel in Japanese saves it.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(Cow::Borrowed(text)),
        Err(error) => error,
    };
    let (text, is_damaged) = encoding_rs::SHIFT_JIS.decode_without_bom_handling(bytes);
    if is_damaged {
        let line = bytes[..error.valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        return Err(format!(
            "line {line} is neither UTF-8 nor CP932; save the file as CSV UTF-8"
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<CsvTable, String> {
        CsvTable::parse(Path::new("x.csv"), bytes).map_err(|e| e.to_string())
    }

    #[test]
    fn encodings_are_recognised() {
        let (cp932, _, _) = encoding_rs::SHIFT_JIS.encode("code,name_ja\n001,髙﨑①㈱～\n");
        for bytes in [
            "code,name_ja\n001,髙﨑①㈱～\n".as_bytes(),
            "\u{feff}code,name_ja\r\n001,髙﨑①㈱～\r\n".as_bytes(),
            &cp932,
        ] {
            let table = parse(bytes).unwrap_or_else(|e| panic!("{e}"));
            let names: Vec<String> = table.lines().map(|line| line.text("name_ja")).collect();
            assert_eq!(names, ["髙﨑①㈱～"]);
        }
        assert!(
            parse(b"a,b\n\xff\xfe,1\n")
                .is_err_and(|e| e == "x.csv: line 2 is neither UTF-8 nor CP932; save the file as CSV UTF-8")
        );
    }

    #[test]
    fn rows_cannot_widen_each_other_without_end() {
        let rows: Vec<BTreeMap<String, String>> = (0..1_000)
            .map(|n| BTreeMap::from([(format!("c{n}"), String::new())]))
            .collect();
        assert!(CsvTable::of_rows("rates", &rows).is_err_and(|e| e.to_string().contains("more than 40")));
    }

    #[test]
    fn a_stray_quote_is_named_by_its_line() {
        assert!(parse(b"a,b\n1,\"2\n3,4\n5,6\n").is_err_and(|e| e.contains("line 2")));
        for stray in ["\"x\"y,2", "x\"y,2", "\"x\"\"\"y,2", "1,2\""] {
            let text = format!("a,b\n{stray}\n");
            let column = if stray.starts_with('1') { "column b" } else { "column a" };
            assert!(
                parse(text.as_bytes()).is_err_and(|e| e.contains("line 2") && e.contains(column)),
                "{stray}"
            );
        }
        assert!(parse(b"a,b\n\"x, \"\"y\"\"\",2\n").is_ok());
        assert!(parse(b"a,b\n1,2,3\n").is_err_and(|e| e.contains("line 2 has 3 cells for 2 columns")));
    }
}
