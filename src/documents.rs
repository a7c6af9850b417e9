//! Files for finance, made from a sealed statement: the same statement gives the same bytes.
//! Imports domain only; reads and writes no file.

pub mod department_csv;
pub mod department_letter;
pub mod encoding;
pub mod focus;
pub mod intercompany;
pub mod journal;
mod words;
pub mod workbook;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::books::Column;
use crate::domain::chargeback::{Chargeback, GroupBy};
use crate::domain::close::MonthState;
use crate::domain::directory::Directory;
use crate::domain::invoice::percent;
use crate::domain::period::BillingPeriod;
use crate::domain::statement::StatementLine;

/// What finance calls a department.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DepartmentNames {
    pub name: String,
    pub name_ja: String,
    pub cost_center: String,
    pub legal_entity: String,
}

impl DepartmentNames {
    /// The Japanese name, else the other.
    pub fn shown(&self) -> &str {
        if self.name_ja.is_empty() {
            &self.name
        } else {
            &self.name_ja
        }
    }
}

/// What finance calls every department there was up to a month.
pub fn names_of_departments(directory: &Directory, period: BillingPeriod) -> BTreeMap<String, DepartmentNames> {
    let known = directory.departments.iter();
    let known = known.filter(|department| department.valid.from < period.days().to);
    let named = known.map(|department| {
        let names = DepartmentNames {
            name: department.name.clone(),
            name_ja: department.name_ja.clone(),
            cost_center: department.cost_center.clone(),
            legal_entity: department.legal_entity.clone(),
        };
        (department.code.clone(), names)
    });
    named.collect()
}

/// Everything that a file is made from.
#[derive(Debug, Clone)]
pub struct SealedStatement {
    pub period: BillingPeriod,
    pub version: i32,
    pub state: MonthState,
    pub sealed_at: DateTime<Utc>,
    pub prepared_by: String,
    pub digest: String,
    /// As it was sealed.
    pub head: Value,
    pub lines: Vec<StatementLine>,
    /// By code, as the directory had them when the statement was sealed.
    pub departments: BTreeMap<String, DepartmentNames>,
    /// Names by person id; empty unless somebody entitled asked for people.
    pub people: BTreeMap<String, String>,
}

impl SealedStatement {
    /// Rows and what is kept visible, by one view of the same lines.
    pub fn chargeback(&self, by: GroupBy) -> Chargeback {
        let leaves: Vec<_> = self.lines.iter().filter_map(StatementLine::leaf).collect();
        let postings: Vec<_> = self.lines.iter().map(StatementLine::posting).collect();
        Chargeback::by_leaf(self.period, by, &leaves, &postings)
    }

    /// The invoice of a group of bills; empty where they are on several, or on none.
    fn invoice_of(&self, group: usize) -> String {
        let bills = self.head["groups"][group]["bills"].as_array().into_iter().flatten();
        let mut ids = bills.map(|bill| bill["invoice"].as_str().unwrap_or_default());
        let first = ids.next().unwrap_or_default();
        if ids.all(|id| id == first) {
            first.to_owned()
        } else {
            String::new()
        }
    }

    fn names_of(&self, code: &str) -> DepartmentNames {
        self.departments.get(code).cloned().unwrap_or_default()
    }
}

pub use crate::domain::language::Language;

impl Language {
    const fn column(self, column: Column) -> &'static str {
        match column {
            Column::Direct => self.choose("直課", "direct"),
            Column::Allocated => self.choose("配賦", "allocated"),
            Column::Other => self.choose("その他", "other"),
            Column::Discounts => self.choose("割引", "discounts"),
            Column::Credits => self.choose("クレジット", "credits"),
            Column::Refunds => self.choose("返金", "refunds"),
            Column::Tax => self.choose("消費税", "tax"),
            Column::Adjustments => self.choose("調整", "adjustments"),
            Column::Accruals => self.choose("概算計上", "accruals"),
        }
    }
}

/// A tax rate of a sealed statement as people say it.
fn tax_rate(sealed: &Value) -> String {
    let text = sealed.as_str().unwrap_or_default();
    text.parse().map_or_else(|_| text.to_owned(), percent)
}

/// Text that a spreadsheet would take for a formula gets an apostrophe.  Names and tags come from outside.
pub fn neutral(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_formula() {
        for text in ["=1+1", "+81", "-x", "@SUM(A1)", "\tx", "＝1"] {
            assert!(neutral(text).starts_with('\''), "{text}");
        }
        assert_eq!(neutral("営業部 - 1"), "営業部 - 1");
    }
}
