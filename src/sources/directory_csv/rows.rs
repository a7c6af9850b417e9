//! The directory as rows of its files: written out, and changed one row at a time by the same checks as a file.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    DEPARTMENT_COLUMNS, DirectoryFile, PERSON_COLUMNS, PRINCIPAL_COLUMNS, PROJECT_COLUMNS, SUCCESSOR, check_directory,
    read_directory_table,
};
use crate::domain::directory::{Cell, Directory};
use crate::domain::period::Validity;
use crate::sources::csv_table::{CsvError, CsvTable};

/// One of the directory's four tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryTable {
    Departments,
    People,
    Projects,
    Principals,
}

/// A row by its columns.
pub type Row = BTreeMap<String, String>;

/// How a row changes a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowChange {
    /// It is a further row.
    Add,
    /// It changes the cells that it has of the row with its key.
    Amend,
}

impl DirectoryTable {
    pub const ALL: [Self; 4] = [Self::Departments, Self::People, Self::Projects, Self::Principals];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Departments => "departments",
            Self::People => "people",
            Self::Projects => "projects",
            Self::Principals => "principals",
        }
    }

    /// Whether its rows are personal data.
    pub const fn holds_people(self) -> bool {
        matches!(self, Self::People | Self::Principals)
    }

    pub fn columns(self) -> Vec<&'static str> {
        match self {
            Self::Departments => [DEPARTMENT_COLUMNS, &[SUCCESSOR]].concat(),
            Self::People => PERSON_COLUMNS.to_vec(),
            Self::Projects => PROJECT_COLUMNS.to_vec(),
            Self::Principals => PRINCIPAL_COLUMNS.to_vec(),
        }
    }

    /// The columns that tell a row from the others.
    pub const fn key(self) -> &'static [&'static str] {
        match self {
            Self::Departments | Self::Projects => &["code", "valid_from"],
            Self::People => &["person_id", "valid_from"],
            Self::Principals => &["account_id", "role_name", "session_name", "user_name", "valid_from"],
        }
    }

    /// Its rows, those only that hold on a day where one is asked for.
    pub fn rows(self, directory: &Directory, on: Option<NaiveDate>) -> Vec<Row> {
        let holds = |valid: &Validity| on.is_none_or(|day| valid.contains(day));
        let row = |cells: Vec<&str>, valid: Validity| -> Row {
            let ends = valid.to.map(|to| to.to_string()).unwrap_or_default();
            let mut cells: Vec<String> = cells.into_iter().map(str::to_owned).collect();
            // The successor stands behind the dates.
            let successor = (self == Self::Departments).then(|| cells.pop()).flatten();
            cells.extend([valid.from.to_string(), ends]);
            cells.extend(successor);
            self.columns().into_iter().map(str::to_owned).zip(cells).collect()
        };
        match self {
            Self::Departments => {
                let held = directory.departments.iter().filter(|d| holds(&d.valid));
                held.map(|d| {
                    let cells = [
                        &d.code,
                        &d.name,
                        &d.name_ja,
                        &d.parent_code,
                        &d.cost_center,
                        &d.legal_entity,
                    ];
                    let mut cells: Vec<&str> = cells.into_iter().map(String::as_str).collect();
                    cells.push(&d.successor_code);
                    row(cells, d.valid)
                })
                .collect()
            }
            Self::People => {
                let held = directory.people.iter().filter(|p| holds(&p.valid));
                held.map(|p| {
                    let cells = [
                        &p.person_id,
                        &p.name,
                        &p.email,
                        &p.department_code,
                        &p.manager_person_id,
                    ];
                    row(cells.into_iter().map(String::as_str).collect(), p.valid)
                })
                .collect()
            }
            Self::Projects => {
                let held = directory.projects.iter().filter(|p| holds(&p.valid));
                held.map(|p| {
                    let cells = [&p.code, &p.name, &p.owner_person_id, &p.department_code];
                    row(cells.into_iter().map(String::as_str).collect(), p.valid)
                })
                .collect()
            }
            Self::Principals => {
                let held = directory.principals.iter().filter(|e| holds(&e.valid));
                held.map(|e| {
                    let mut cells: Vec<&str> = [&e.account, &e.role, &e.session, &e.user].map(Cell::as_text).to_vec();
                    cells.extend([
                        e.person_id.as_str(),
                        &e.department_code,
                        &e.project_code,
                        e.kind.as_str(),
                    ]);
                    row(cells, e.valid)
                })
                .collect()
            }
        }
    }
}

/// Why one row is not taken over.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    #[error(transparent)]
    Refused(#[from] CsvError),
    #[error("there is no such row: {0}")]
    NotThere(String),
}

/// The directory with one row more, or with one that is changed; checked as if its file had been imported.
pub fn with_row(
    before: &Directory,
    table: DirectoryTable,
    change: RowChange,
    row: &Row,
) -> Result<Directory, RowError> {
    // Before it is put beside the others: it alone is refused by its columns.
    CsvTable::of_rows(table.as_str(), std::slice::from_ref(row))?.expect_columns(&[], &table.columns())?;
    let mut rows = table.rows(before, None);
    let cell = |row: &Row, column: &str| row.get(column).map(|cell| cell.trim().to_owned()).unwrap_or_default();
    match change {
        RowChange::Add => {
            // A column that is not given is empty, one that does not exist is refused below.
            let mut whole: Row = table
                .columns()
                .into_iter()
                .map(|name| (name.to_owned(), String::new()))
                .collect();
            whole.extend(row.clone());
            rows.push(whole);
        }
        RowChange::Amend => {
            let key = |row: &Row| table.key().iter().map(|column| cell(row, column)).collect::<Vec<_>>();
            let wanted = key(row);
            let found = rows.iter_mut().find(|known| key(known) == wanted);
            let known =
                found.ok_or_else(|| RowError::NotThere(format!("{} with {}", table.as_str(), wanted.join(" "))))?;
            known.extend(row.clone());
        }
    }
    let read: DirectoryFile = read_directory_table(CsvTable::of_rows(table.as_str(), &rows)?)?;
    Ok(check_directory(&[read], before)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[(&str, &str)]) -> Row {
        cells
            .iter()
            .map(|(column, cell)| ((*column).to_owned(), (*cell).to_owned()))
            .collect()
    }

    #[test]
    fn a_row_is_added_changed_and_refused_like_a_file() {
        let sales = row(&[("code", "sales"), ("name", "Sales"), ("valid_from", "2026-04-01")]);
        let add =
            |before: &Directory, cells: &Row| with_row(before, DirectoryTable::Departments, RowChange::Add, cells);
        let one = add(&Directory::default(), &sales).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(DirectoryTable::Departments.rows(&one, None)[0]["name"], "Sales");
        assert!(add(&one, &sales).is_err_and(|e| e.to_string().contains("both say who department sales is")));
        let odd = row(&[
            ("code", "x"),
            ("name", "X"),
            ("valid_from", "2026-04-01"),
            ("colour", "red"),
        ]);
        assert!(add(&one, &odd).is_err_and(|e| e.to_string().contains("unknown column 'colour'")));
        let amend = |cells: &Row| with_row(&one, DirectoryTable::Departments, RowChange::Amend, cells);
        let ended = amend(&row(&[
            ("code", "sales"),
            ("valid_from", "2026-04-01"),
            ("valid_to", "2026-10-01"),
        ]));
        let ended = ended.unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            DirectoryTable::Departments.rows(&ended, None)[0]["valid_to"],
            "2026-10-01"
        );
        let october = NaiveDate::from_ymd_opt(2026, 10, 1);
        assert!(DirectoryTable::Departments.rows(&ended, october).is_empty());
        let unknown = amend(&row(&[("code", "legal"), ("valid_from", "2026-04-01")]));
        assert!(matches!(unknown, Err(RowError::NotThere(_))));
        let person = row(&[
            ("person_id", "p1"),
            ("name", "A"),
            ("email", "a@b"),
            ("department_code", "nobody"),
            ("valid_from", "2026-04-01"),
        ]);
        let refused = with_row(&one, DirectoryTable::People, RowChange::Add, &person);
        assert!(refused.is_err_and(|e| e.to_string().contains("department 'nobody' is not in the directory")));
    }
}
