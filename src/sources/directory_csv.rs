//! The directory's four CSV files.
//!
//! A file is read whole or refused whole: every error names file, line and column.  What kind of file it is, is told by
//! its header, so names of files do not matter.

mod check;
mod rows;

pub use check::check_directory;
pub use rows::{DirectoryTable, Row, RowChange, RowError, with_row};

use std::path::{Path, PathBuf};

use super::csv_table::{CsvError, CsvLine, CsvTable};
use crate::domain::directory::{Cell, Department, EntryKind, Person, PrincipalEntry, Project};
use crate::domain::period::Validity;

/// Rows of one file, each with its line.
#[derive(Debug)]
pub struct Table<T> {
    pub file: PathBuf,
    pub rows: Vec<(u64, T)>,
}

/// One file, by what it holds.
#[derive(Debug)]
pub enum DirectoryFile {
    Departments(Table<Department>),
    People(Table<Person>),
    Projects(Table<Project>),
    Principals(Table<PrincipalEntry>),
}

impl DirectoryFile {
    fn path(&self) -> &Path {
        match self {
            Self::Departments(table) => &table.file,
            Self::People(table) => &table.file,
            Self::Projects(table) => &table.file,
            Self::Principals(table) => &table.file,
        }
    }
}

const DEPARTMENT_COLUMNS: &[&str] = &[
    "code",
    "name",
    "name_ja",
    "parent_code",
    "cost_center",
    "legal_entity",
    "valid_from",
    "valid_to",
];
const PERSON_COLUMNS: &[&str] = &[
    "person_id",
    "name",
    "email",
    "department_code",
    "manager_person_id",
    "valid_from",
    "valid_to",
];
const PROJECT_COLUMNS: &[&str] = &[
    "code",
    "name",
    "owner_person_id",
    "department_code",
    "valid_from",
    "valid_to",
];
const PRINCIPAL_COLUMNS: &[&str] = &[
    "account_id",
    "role_name",
    "session_name",
    "user_name",
    "person_id",
    "department_code",
    "project_code",
    "kind",
    "valid_from",
    "valid_to",
];
const SUCCESSOR: &str = "successor_code";

/// Reads a file of the directory.
pub fn read_directory_file(file: &Path) -> Result<DirectoryFile, CsvError> {
    read_directory_table(CsvTable::read(file)?)
}

/// The same of a table that is read already.
pub fn read_directory_table(table: CsvTable) -> Result<DirectoryFile, CsvError> {
    let has = |name: &str| table.has(name);
    let file = table.file.clone();
    match () {
        () if has("role_name") || has("session_name") => {
            table.expect_columns(PRINCIPAL_COLUMNS, &[])?;
            let rows = rows(&table, principal)?;
            Ok(DirectoryFile::Principals(Table { file, rows }))
        }
        () if has("email") || has("manager_person_id") => {
            table.expect_columns(PERSON_COLUMNS, &[])?;
            let rows = rows(&table, person)?;
            Ok(DirectoryFile::People(Table { file, rows }))
        }
        () if has("owner_person_id") => {
            table.expect_columns(PROJECT_COLUMNS, &[])?;
            let rows = rows(&table, project)?;
            Ok(DirectoryFile::Projects(Table { file, rows }))
        }
        () if has("parent_code") || has("cost_center") => {
            table.expect_columns(DEPARTMENT_COLUMNS, &[SUCCESSOR])?;
            let rows = rows(&table, department)?;
            Ok(DirectoryFile::Departments(Table { file, rows }))
        }
        () => {
            Err(table
                .refuse("its header is none of departments, people, projects or principals; see docs/DIRECTORY.md"))
        }
    }
}

fn rows<T>(table: &CsvTable, read: impl Fn(&CsvLine<'_>) -> Result<T, CsvError>) -> Result<Vec<(u64, T)>, CsvError> {
    table.lines().map(|line| Ok((line.line, read(&line)?))).collect()
}

fn valid(line: &CsvLine<'_>) -> Result<Validity, CsvError> {
    let from = line
        .day("valid_from")?
        .ok_or_else(|| line.refuse("valid_from", "it is empty"))?;
    let to = line.day("valid_to")?;
    match to {
        Some(to) if to <= from => Err(line.refuse(
            "valid_to",
            format!("{to} is not after {from}; it is the first day on which the row no longer holds"),
        )),
        _ => Ok(Validity { from, to }),
    }
}

fn department(line: &CsvLine<'_>) -> Result<Department, CsvError> {
    Ok(Department {
        code: line.required("code")?,
        name: line.required("name")?,
        name_ja: line.text("name_ja"),
        parent_code: line.text("parent_code"),
        cost_center: line.text("cost_center"),
        legal_entity: line.text("legal_entity"),
        successor_code: line.text(SUCCESSOR),
        valid: valid(line)?,
    })
}

fn person(line: &CsvLine<'_>) -> Result<Person, CsvError> {
    let email = line.required("email")?;
    if !email.contains('@') {
        return Err(line.refuse("email", format!("'{email}' is no e-mail address")));
    }
    Ok(Person {
        person_id: line.required("person_id")?,
        name: line.required("name")?,
        email,
        department_code: line.required("department_code")?,
        manager_person_id: line.text("manager_person_id"),
        valid: valid(line)?,
        digests: None,
    })
}

fn project(line: &CsvLine<'_>) -> Result<Project, CsvError> {
    Ok(Project {
        code: line.required("code")?,
        name: line.required("name")?,
        owner_person_id: line.text("owner_person_id"),
        department_code: line.required("department_code")?,
        valid: valid(line)?,
    })
}

fn principal(line: &CsvLine<'_>) -> Result<PrincipalEntry, CsvError> {
    let account = line.required("account_id")?;
    if account != "*" && !(account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())) {
        return Err(line.refuse(
            "account_id",
            format!("'{account}' is no account id of twelve digits; leading zeros count"),
        ));
    }
    let kind = line.text("kind");
    let kind: EntryKind = kind
        .parse()
        .map_err(|()| line.refuse("kind", format!("'{kind}' is none of person, service, gateway, shared")))?;
    Ok(PrincipalEntry {
        account: Cell::parse(&account),
        role: Cell::parse(&line.text("role_name")),
        session: Cell::parse(&line.text("session_name")),
        user: Cell::parse(&line.text("user_name")),
        person_id: line.text("person_id"),
        department_code: line.text("department_code"),
        project_code: line.text("project_code"),
        kind,
        valid: valid(line)?,
    })
}
