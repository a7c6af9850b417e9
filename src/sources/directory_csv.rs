//! The directory's four CSV files.
//!
//! A file is read whole or refused whole: every error names file, line and column.  What kind of file it is, is told by
//! its header, so names of files do not matter.

mod check;

pub use check::check_directory;

use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use crate::domain::directory::{Cell, Department, EntryKind, Person, PrincipalEntry, Project};
use crate::domain::period::Validity;

/// Why a file was refused.  Nothing of an import with a refused file is kept.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
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
    #[error("{}, lines {first} and {second}: {what}", file.display())]
    Lines {
        file: PathBuf,
        first: u64,
        second: u64,
        what: String,
    },
}

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
pub fn read_directory_file(file: &Path) -> Result<DirectoryFile, DirectoryError> {
    let bytes = std::fs::read(file).map_err(|e| DirectoryError::Unreadable {
        file: file.to_path_buf(),
        what: e.to_string(),
    })?;
    parse_directory_file(file, &bytes)
}

/// The same from bytes; `file` is only what errors call it.
pub fn parse_directory_file(file: &Path, bytes: &[u8]) -> Result<DirectoryFile, DirectoryError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = bytes[..e.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        DirectoryError::Header {
            file: file.to_path_buf(),
            what: format!("line {line} is not UTF-8; save the file as CSV UTF-8"),
        }
    })?;
    let header = |what| DirectoryError::Header {
        file: file.to_path_buf(),
        what,
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let names: Vec<String> = reader
        .headers()
        .map_err(|e| header(e.to_string()))?
        .iter()
        .map(|name| name.trim().to_owned())
        .collect();
    let has = |name: &str| names.iter().any(|n| n == name);
    let (expected, optional): (&[&str], &[&str]) = match () {
        () if has("role_name") || has("session_name") => (PRINCIPAL_COLUMNS, &[]),
        () if has("email") || has("manager_person_id") => (PERSON_COLUMNS, &[]),
        () if has("owner_person_id") => (PROJECT_COLUMNS, &[]),
        () if has("parent_code") || has("cost_center") => (DEPARTMENT_COLUMNS, &[SUCCESSOR]),
        () => {
            return Err(header(
                "its header is none of departments, people, projects or principals; see docs/DIRECTORY.md".to_owned(),
            ));
        }
    };
    if let Some(unknown) = names
        .iter()
        .find(|name| !expected.contains(&name.as_str()) && !optional.contains(&name.as_str()))
    {
        return Err(header(format!(
            "unknown column '{unknown}'; it may have {}",
            expected.join(",")
        )));
    }
    if let Some(missing) = expected.iter().find(|name| !has(name)) {
        return Err(header(format!(
            "column '{missing}' is missing; it must have {}",
            expected.join(",")
        )));
    }
    if let Some(twice) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        return Err(header(format!("column '{}' is there twice", twice.1)));
    }
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| header(e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != names.len() {
            return Err(header(format!(
                "line {line} has {} cells for {} columns; look for a stray comma or quote",
                record.len(),
                names.len()
            )));
        }
        lines.push(Line {
            file,
            line,
            names: &names,
            record,
        });
    }
    let file = file.to_path_buf();
    Ok(match expected.first() {
        Some(&"account_id") => DirectoryFile::Principals(Table {
            file,
            rows: rows(&lines, Line::principal)?,
        }),
        Some(&"person_id") => DirectoryFile::People(Table {
            file,
            rows: rows(&lines, Line::person)?,
        }),
        _ if expected.contains(&"owner_person_id") => DirectoryFile::Projects(Table {
            file,
            rows: rows(&lines, Line::project)?,
        }),
        _ => DirectoryFile::Departments(Table {
            file,
            rows: rows(&lines, Line::department)?,
        }),
    })
}

fn rows<'a, T>(
    lines: &[Line<'a>],
    read: impl Fn(&Line<'a>) -> Result<T, DirectoryError>,
) -> Result<Vec<(u64, T)>, DirectoryError> {
    lines.iter().map(|line| Ok((line.line, read(line)?))).collect()
}

struct Line<'a> {
    file: &'a Path,
    line: u64,
    names: &'a [String],
    record: csv::StringRecord,
}

impl Line<'_> {
    fn text(&self, column: &str) -> String {
        let at = self.names.iter().position(|name| name == column);
        at.and_then(|at| self.record.get(at)).unwrap_or("").trim().to_owned()
    }

    fn refuse(&self, column: &'static str, what: impl Into<String>) -> DirectoryError {
        DirectoryError::Cell {
            file: self.file.to_path_buf(),
            line: self.line,
            column,
            what: what.into(),
        }
    }

    fn required(&self, column: &'static str) -> Result<String, DirectoryError> {
        let text = self.text(column);
        if text.is_empty() {
            Err(self.refuse(column, "it is empty"))
        } else {
            Ok(text)
        }
    }

    fn day(&self, column: &'static str) -> Result<Option<NaiveDate>, DirectoryError> {
        match self.text(column).as_str() {
            "" => Ok(None),
            text => match text.parse() {
                Ok(day) if text.len() == 10 => Ok(Some(day)),
                _ => Err(self.refuse(column, format!("'{text}' is no date; write it as YYYY-MM-DD"))),
            },
        }
    }

    fn valid(&self) -> Result<Validity, DirectoryError> {
        let from = self
            .day("valid_from")?
            .ok_or_else(|| self.refuse("valid_from", "it is empty"))?;
        let to = self.day("valid_to")?;
        match to {
            Some(to) if to <= from => Err(self.refuse(
                "valid_to",
                format!("{to} is not after {from}; it is the first day on which the row no longer holds"),
            )),
            _ => Ok(Validity { from, to }),
        }
    }

    fn department(&self) -> Result<Department, DirectoryError> {
        Ok(Department {
            code: self.required("code")?,
            name: self.required("name")?,
            name_ja: self.text("name_ja"),
            parent_code: self.text("parent_code"),
            cost_center: self.text("cost_center"),
            legal_entity: self.text("legal_entity"),
            successor_code: self.text(SUCCESSOR),
            valid: self.valid()?,
        })
    }

    fn person(&self) -> Result<Person, DirectoryError> {
        let email = self.required("email")?;
        if !email.contains('@') {
            return Err(self.refuse("email", format!("'{email}' is no e-mail address")));
        }
        Ok(Person {
            person_id: self.required("person_id")?,
            name: self.required("name")?,
            email,
            department_code: self.required("department_code")?,
            manager_person_id: self.text("manager_person_id"),
            valid: self.valid()?,
        })
    }

    fn project(&self) -> Result<Project, DirectoryError> {
        Ok(Project {
            code: self.required("code")?,
            name: self.required("name")?,
            owner_person_id: self.text("owner_person_id"),
            department_code: self.required("department_code")?,
            valid: self.valid()?,
        })
    }

    fn principal(&self) -> Result<PrincipalEntry, DirectoryError> {
        let account = self.required("account_id")?;
        if account != "*" && !(account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())) {
            return Err(self.refuse(
                "account_id",
                format!("'{account}' is no account id of twelve digits; leading zeros count"),
            ));
        }
        let kind = self.text("kind");
        let kind: EntryKind = kind
            .parse()
            .map_err(|()| self.refuse("kind", format!("'{kind}' is none of person, service, gateway, shared")))?;
        Ok(PrincipalEntry {
            account: Cell::parse(&account),
            role: Cell::parse(&self.text("role_name")),
            session: Cell::parse(&self.text("session_name")),
            user: Cell::parse(&self.text("user_name")),
            person_id: self.text("person_id"),
            department_code: self.text("department_code"),
            project_code: self.text("project_code"),
            kind,
            valid: self.valid()?,
        })
    }
}
