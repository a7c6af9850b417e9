//! Column templates: how an accounting system wants a journal written.
//!
//! A template is TOML: encoding, header, date format, flags, and for each column a header and a value with fields in braces.
//! The presets are templates like any other; a company can bring its own.

use chrono::NaiveDate;
use chrono::format::{Item, StrftimeItems};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, XlsxError};
use serde::Deserialize;

use super::{Journal, JournalError, JournalLine, Side, Slip};
use crate::documents::department_csv::written;
use crate::documents::encoding::{Encoding, encode};
use crate::documents::neutral;

/// A template as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    pub name: String,
    /// `utf-8`, `utf-8-bom` or `cp932`.
    pub encoding: String,
    #[serde(default = "yes")]
    pub header: bool,
    pub date_format: String,
    /// Letters that the line text may have.
    pub text_max: usize,
    #[serde(default)]
    pub rows: Rows,
    #[serde(default)]
    pub flags: Flags,
    pub columns: Vec<TemplateColumn>,
}

const fn yes() -> bool {
    true
}

/// What a row of the file is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rows {
    /// A line, with debit and credit beside each other.
    #[default]
    Line,
    /// One side of a line, the debit first.
    Side,
}

/// Which side of a line a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Debit,
    Credit,
}

/// What a line is marked with by its place in the slip.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flags {
    pub only: String,
    pub first: String,
    pub middle: String,
    pub last: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateColumn {
    pub header: String,
    #[serde(default)]
    pub value: String,
    /// The system refuses a line without it.
    #[serde(default)]
    pub required: bool,
}

/// Fields that a value may have, besides `debit_...` and `credit_...`.
const FIELDS: [&str; 9] = [
    "flag",
    "number",
    "date",
    "month",
    "kind",
    "line",
    "amount",
    "text",
    "legal_entity",
];
/// Fields of a row that is one side, besides `side_...`: its amount in one of two columns.
const ONE_SIDE_FIELDS: [&str; 3] = ["row", "debit_amount", "credit_amount"];
const SIDE_FIELDS: [&str; 7] = [
    "department_code",
    "department_name",
    "account",
    "account_code",
    "sub_account",
    "tax_code",
    "partner",
];

/// Whole numbers below this are exact in a worksheet: 2^53.
const EXACT_NUMBERS: u64 = 9_007_199_254_740_992;

const PRESETS: [&str; 5] = [
    include_str!("../../../templates/journal/freee.toml"),
    include_str!("../../../templates/journal/moneyforward.toml"),
    include_str!("../../../templates/journal/obc.toml"),
    include_str!("../../../templates/journal/yayoi.toml"),
    include_str!("../../../templates/journal/sap.toml"),
];

/// The templates that come with the program.
pub fn presets() -> Vec<Template> {
    PRESETS.iter().filter_map(|text| Template::parse(text).ok()).collect()
}

impl Template {
    /// What a template calls itself, even one that cannot be used.
    pub fn name_in(text: &str) -> Option<String> {
        let table: toml::Table = text.parse().ok()?;
        table.get("name")?.as_str().map(str::to_owned)
    }

    /// Reads a template; says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let template: Self = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        if Encoding::parse(&template.encoding).is_none() {
            return Err(format!(
                "encoding '{}' is none of {}",
                template.encoding,
                Encoding::NAMES.join(", ")
            ));
        }
        let is_bad = |item: Item<'_>| matches!(item, Item::Error);
        let is_date = !StrftimeItems::new(&template.date_format).any(is_bad)
            && written_date(NaiveDate::MIN, &template.date_format).is_some();
        if !is_date {
            return Err(format!("'{}' is no format of a date", template.date_format));
        }
        if template.columns.is_empty() {
            return Err("it has no columns".to_owned());
        }
        for column in &template.columns {
            for field in fields_of(&column.value)? {
                let prefixes: &[&str] = match template.rows {
                    Rows::Line => &["debit_", "credit_"],
                    Rows::Side => &["side_"],
                };
                let side = prefixes.iter().find_map(|prefix| field.strip_prefix(prefix));
                let known = FIELDS.contains(&field)
                    || side.is_some_and(|side| SIDE_FIELDS.contains(&side))
                    || template.rows == Rows::Side && ONE_SIDE_FIELDS.contains(&field);
                if !known {
                    return Err(format!(
                        "column '{}' has the unknown field '{{{field}}}'",
                        column.header
                    ));
                }
            }
        }
        Ok(template)
    }

    /// The journal as a CSV file; nothing is written if a text is too long or a letter is not in the encoding.
    pub fn write(&self, journal: &Journal, encoding: Option<Encoding>) -> Result<Vec<u8>, JournalError> {
        let encoding = encoding
            .or_else(|| Encoding::parse(&self.encoding))
            .unwrap_or(Encoding::Utf8);
        Ok(encode(&written(&self.rows(journal)?), encoding)?)
    }

    /// The cells, line by line.
    fn rows(&self, journal: &Journal) -> Result<Vec<Vec<String>>, JournalError> {
        let mut rows = Vec::new();
        if self.header {
            rows.push(self.columns.iter().map(|column| column.header.clone()).collect());
        }
        for slip in &journal.slips {
            for (at, line) in slip.lines.iter().enumerate() {
                let length = line.text.chars().count();
                if length > self.text_max {
                    return Err(JournalError::TextTooLong {
                        system: self.name.clone(),
                        text: line.text.clone(),
                        length,
                        most: self.text_max,
                    });
                }
                let places = match self.rows {
                    Rows::Line => &[Place::Debit][..],
                    Rows::Side => &[Place::Debit, Place::Credit],
                };
                for place in places {
                    let row = Row {
                        legal_entity: &journal.legal_entity,
                        slip,
                        at,
                        line,
                        place: *place,
                    };
                    rows.push(self.cells(&row)?);
                }
            }
        }
        Ok(rows)
    }

    fn cells(&self, row: &Row<'_>) -> Result<Vec<String>, JournalError> {
        let cells = self.columns.iter().map(|column| self.cell(&column.value, row));
        let cells: Vec<String> = cells.collect();
        let Some(nth) = (0..cells.len()).find(|nth| self.columns[*nth].required && cells[*nth].is_empty()) else {
            return Ok(cells);
        };
        let is_credit = self.columns[nth].value.contains("{credit_") || row.place == Place::Credit;
        let side = if is_credit { &row.line.credit } else { &row.line.debit };
        Err(JournalError::Empty {
            system: self.name.clone(),
            column: self.columns[nth].header.clone(),
            place: if side.department_name.is_empty() {
                side.account.clone()
            } else {
                side.department_name.clone()
            },
        })
    }

    /// The journal as a worksheet: the same cells, amounts as numbers, everything else as text.
    pub fn write_sheet(&self, journal: &Journal) -> Result<Vec<u8>, JournalError> {
        let made = |e: XlsxError| JournalError::Sheet(e.to_string());
        let rows = self.rows(journal)?;
        let mut book = Workbook::new();
        let created = ExcelDateTime::from_timestamp(0).map_err(made)?;
        book.set_properties(&DocProperties::new().set_creation_datetime(&created));
        let sheet = book.add_worksheet();
        let text = Format::new().set_num_format("@");
        for (at, row) in (0_u32..).zip(&rows) {
            for (column, cell) in (0_u16..).zip(row) {
                let value = self.columns[usize::from(column)].value.as_str();
                let is_amount = matches!(value, "{amount}" | "{debit_amount}" | "{credit_amount}");
                let is_title = self.header && at == 0;
                match cell.parse::<u64>() {
                    // What a worksheet's numbers do not hold exactly stays text.
                    Ok(amount) if is_amount && !is_title && amount < EXACT_NUMBERS =>
                    {
                        #[expect(clippy::cast_precision_loss, reason = "every integer up to 2^53 is a double")]
                        sheet.write_number(at, column, amount as f64)
                    }
                    _ => sheet.write_string_with_format(at, column, cell, &text),
                }
                .map_err(made)?;
            }
        }
        book.save_to_buffer().map_err(made)
    }

    fn cell(&self, value: &str, row: &Row<'_>) -> String {
        let mut cell = value.to_owned();
        for field in fields_of(value).unwrap_or_default() {
            cell = cell.replace(&format!("{{{field}}}"), &self.field(field, row));
        }
        cell
    }

    fn field(&self, field: &str, row: &Row<'_>) -> String {
        let Row { slip, at, line, .. } = *row;
        let amount_of = |place: Place| match row.place == place {
            true => line.amount.to_string(),
            false => String::new(),
        };
        match field {
            "flag" => match (at, slip.lines.len()) {
                (_, 1) => self.flags.only.clone(),
                (0, _) => self.flags.first.clone(),
                (at, all) if at + 1 == all => self.flags.last.clone(),
                _ => self.flags.middle.clone(),
            },
            "number" => slip.number.clone(),
            "date" => written_date(slip.date, &self.date_format).unwrap_or_default(),
            "month" => slip.date.format("%m").to_string(),
            "kind" => slip.kind.as_str().to_owned(),
            "line" => (at + 1).to_string(),
            "row" => (2 * at + 1 + usize::from(row.place == Place::Credit)).to_string(),
            "amount" => line.amount.to_string(),
            "debit_amount" => amount_of(Place::Debit),
            "credit_amount" => amount_of(Place::Credit),
            "legal_entity" => neutral(row.legal_entity),
            "text" => neutral(&line.text),
            _ => {
                let (place, field) = field.split_once('_').unwrap_or((field, ""));
                let is_debit = place == "debit" || place == "side" && row.place == Place::Debit;
                of_side(if is_debit { &line.debit } else { &line.credit }, field)
            }
        }
    }
}

/// What a row of the file is made of.
struct Row<'j> {
    legal_entity: &'j str,
    slip: &'j Slip,
    /// The line's place in the slip.
    at: usize,
    line: &'j JournalLine,
    place: Place,
}

fn of_side(side: &Side, field: &str) -> String {
    neutral(match field {
        "department_code" => &side.department_code,
        "department_name" => &side.department_name,
        "account" => &side.account,
        "account_code" => &side.account_code,
        "sub_account" => &side.sub_account,
        "tax_code" => &side.tax_code,
        _ => &side.partner,
    })
}

/// A date by a format; none where the format asks for what a date does not have, such as hours.
fn written_date(date: NaiveDate, format: &str) -> Option<String> {
    use std::fmt::Write;
    let mut text = String::new();
    write!(text, "{}", date.format(format)).ok()?;
    Some(text)
}

/// The fields in braces of a value.
fn fields_of(value: &str) -> Result<Vec<&str>, String> {
    let mut fields = Vec::new();
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('{') {
        let (field, after) = after
            .split_once('}')
            .ok_or_else(|| format!("'{value}' has a brace that is not closed"))?;
        fields.push(field);
        rest = after;
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_can_be_read() {
        let names: Vec<String> = presets().into_iter().map(|preset| preset.name).collect();
        assert_eq!(names, ["freee", "moneyforward", "obc", "yayoi", "sap"]);
    }

    #[test]
    fn templates_are_read_strictly() {
        let template = |columns: &str| {
            Template::parse(&format!(
                "name = 'x'\nencoding = 'utf-8'\ndate_format = '%F'\ntext_max = 9\n{columns}"
            ))
        };
        assert!(template("columns = [{header = 'a', value = '{debit_account}-{number}'}]").is_ok());
        for (columns, expected) in [
            ("columns = []", "no columns"),
            (
                "columns = [{header = 'a', value = '{saldo}'}]",
                "unknown field '{saldo}'",
            ),
            ("columns = [{header = 'a', value = '{amount'}]", "not closed"),
            ("columns = [{header = 'a', valeu = 'x'}]", "valeu"),
            ("columns = [{header = 'a', value = '{side_account}'}]", "unknown field"),
            (
                "rows = 'side'\ncolumns = [{header = 'a', value = '{credit_account}'}]",
                "unknown field",
            ),
            ("rows = 'sides'\ncolumns = []", "sides"),
        ] {
            assert!(template(columns).is_err_and(|e| e.contains(expected)), "{columns}");
        }
    }
}
