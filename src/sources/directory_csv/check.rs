//! What must hold across rows and files: no overlaps, no names of nobody, no loops.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::{DirectoryFile, Table};
use crate::domain::directory::Directory;
use crate::domain::period::Validity;
use crate::domain::text::comparable_name;
use crate::sources::csv_table::CsvError;

/// Checks the files of an import together with what the directory keeps of the other tables.
pub fn check_directory(files: &[DirectoryFile], kept: &Directory) -> Result<Directory, CsvError> {
    let mut whole = kept.clone();
    for file in files {
        match file {
            DirectoryFile::Departments(table) => {
                whole.departments = table.rows.iter().map(|(_, row)| row.clone()).collect()
            }
            DirectoryFile::People(table) => whole.people = table.rows.iter().map(|(_, row)| row.clone()).collect(),
            DirectoryFile::Projects(table) => whole.projects = table.rows.iter().map(|(_, row)| row.clone()).collect(),
            DirectoryFile::Principals(table) => {
                whole.principals = table.rows.iter().map(|(_, row)| row.clone()).collect()
            }
        }
    }
    let known = Known::of(&whole);
    check_kept(files, &whole, &known)?;
    for file in files {
        match file {
            DirectoryFile::Departments(table) => check_departments(table, &known)?,
            DirectoryFile::People(table) => {
                overlaps(table, |p| (p.person_id.clone(), p.valid), |key| format!("person {key}"))?;
                for (line, person) in &table.rows {
                    known.department(&table.file, *line, "department_code", &person.department_code)?;
                    known.person(&table.file, *line, "manager_person_id", &person.manager_person_id)?;
                }
            }
            DirectoryFile::Projects(table) => {
                overlaps(
                    table,
                    |p| (comparable_name(&p.code), p.valid),
                    |key| format!("project {key}"),
                )?;
                for (line, project) in &table.rows {
                    known.department(&table.file, *line, "department_code", &project.department_code)?;
                    known.person(&table.file, *line, "owner_person_id", &project.owner_person_id)?;
                }
            }
            DirectoryFile::Principals(table) => {
                let key = |cells: [&crate::domain::directory::Cell; 4]| {
                    cells.map(|c| comparable_name(c.as_text())).join(" / ")
                };
                overlaps(
                    table,
                    |e| (key([&e.account, &e.role, &e.session, &e.user]), e.valid),
                    |key| format!("principal {key}"),
                )?;
                for (line, entry) in &table.rows {
                    known.department(&table.file, *line, "department_code", &entry.department_code)?;
                    known.person(&table.file, *line, "person_id", &entry.person_id)?;
                    known.project(&table.file, *line, "project_code", &entry.project_code)?;
                }
            }
        }
    }
    Ok(whole)
}

/// A file must not take away a name that a table which it does not replace still uses.
fn check_kept(files: &[DirectoryFile], whole: &Directory, known: &Known) -> Result<(), CsvError> {
    let Some(file) = files.iter().map(DirectoryFile::path).next() else {
        return Ok(());
    };
    let replaced = |is: fn(&DirectoryFile) -> bool| files.iter().any(is);
    let refuse = |what: String| {
        Err(CsvError::Header {
            file: file.to_path_buf(),
            what,
        })
    };
    let lost_department = |code: &str| !code.is_empty() && !known.departments.contains(&comparable_name(code));
    let lost_person = |id: &str| !id.is_empty() && !known.people.contains(id);
    let lost_project = |code: &str| !code.is_empty() && !known.projects.contains(&comparable_name(code));
    if !replaced(|file| matches!(file, DirectoryFile::People(_)))
        && let Some(person) = whole
            .people
            .iter()
            .find(|person| lost_department(&person.department_code))
    {
        let (code, id) = (&person.department_code, &person.person_id);
        return refuse(format!(
            "it has no department '{code}', which person {id} of the directory is in; import people with it"
        ));
    }
    if !replaced(|file| matches!(file, DirectoryFile::Projects(_)))
        && let Some(project) = whole
            .projects
            .iter()
            .find(|p| lost_department(&p.department_code) || lost_person(&p.owner_person_id))
    {
        return refuse(format!(
            "it lacks the department or owner of project {} of the directory; import projects with it",
            project.code
        ));
    }
    if !replaced(|file| matches!(file, DirectoryFile::Principals(_)))
        && let Some(entry) = whole.principals.iter().find(|entry| {
            lost_department(&entry.department_code)
                || lost_person(&entry.person_id)
                || lost_project(&entry.project_code)
        })
    {
        let role = [&entry.role, &entry.user]
            .map(crate::domain::directory::Cell::as_text)
            .join("");
        return refuse(format!(
            "it lacks what principal '{role}' of the directory names; import principals with it"
        ));
    }
    Ok(())
}

/// Names that something in the directory has, on any day.
struct Known {
    departments: HashSet<String>,
    people: HashSet<String>,
    projects: HashSet<String>,
}

impl Known {
    fn of(directory: &Directory) -> Self {
        Self {
            departments: directory.departments.iter().map(|d| comparable_name(&d.code)).collect(),
            people: directory.people.iter().map(|p| p.person_id.clone()).collect(),
            projects: directory.projects.iter().map(|p| comparable_name(&p.code)).collect(),
        }
    }

    fn department(&self, file: &Path, line: u64, column: &'static str, code: &str) -> Result<(), CsvError> {
        refuse_unknown(
            code.is_empty() || self.departments.contains(&comparable_name(code)),
            file,
            line,
            column,
            "department",
            code,
        )
    }

    fn person(&self, file: &Path, line: u64, column: &'static str, person_id: &str) -> Result<(), CsvError> {
        refuse_unknown(
            person_id.is_empty() || self.people.contains(person_id),
            file,
            line,
            column,
            "person",
            person_id,
        )
    }

    fn project(&self, file: &Path, line: u64, column: &'static str, code: &str) -> Result<(), CsvError> {
        refuse_unknown(
            code.is_empty() || self.projects.contains(&comparable_name(code)),
            file,
            line,
            column,
            "project",
            code,
        )
    }
}

fn refuse_unknown(
    is_known: bool,
    file: &Path,
    line: u64,
    column: &'static str,
    what: &str,
    name: &str,
) -> Result<(), CsvError> {
    if is_known {
        return Ok(());
    }
    let what =
        format!("{what} '{name}' is not in the directory; import its file together with this one, or correct the name");
    Err(CsvError::Cell {
        file: file.to_path_buf(),
        line,
        column,
        what,
    })
}

fn check_departments(table: &Table<crate::domain::directory::Department>, known: &Known) -> Result<(), CsvError> {
    overlaps(
        table,
        |d| (comparable_name(&d.code), d.valid),
        |key| format!("department {key}"),
    )?;
    let mut by_code: HashMap<String, Vec<&crate::domain::directory::Department>> = HashMap::new();
    for (_, department) in &table.rows {
        by_code
            .entry(comparable_name(&department.code))
            .or_default()
            .push(department);
    }
    for (line, department) in &table.rows {
        known.department(&table.file, *line, "parent_code", &department.parent_code)?;
        known.department(&table.file, *line, "successor_code", &department.successor_code)?;
        let mut seen = HashSet::from([comparable_name(&department.code)]);
        let mut above = comparable_name(&department.parent_code);
        while !above.is_empty() {
            if !seen.insert(above.clone()) {
                let what = format!("department '{}' is above itself", department.code);
                return Err(CsvError::Cell {
                    file: table.file.clone(),
                    line: *line,
                    column: "parent_code",
                    what,
                });
            }
            // The tree is the one on the first day of the row.
            let terms = by_code.get(&above).into_iter().flatten();
            let mut parents = terms.filter(|parent| parent.valid.overlaps(department.valid));
            above = parents
                .next()
                .map(|parent| comparable_name(&parent.parent_code))
                .unwrap_or_default();
        }
        // Where the last terms of departments that have all ended go on for each other, nobody does.
        let last_of = |code: &str| {
            let terms = by_code.get(code).into_iter().flatten();
            terms.max_by_key(|term| (term.valid.to.is_none(), term.valid.to))
        };
        let mut seen = HashSet::new();
        let mut code = comparable_name(&department.code);
        while let Some(last) = last_of(&code).filter(|last| last.valid.to.is_some()) {
            if !seen.insert(code) {
                let what = format!(
                    "department '{}' has ended, and those that go on for it go round in a ring that has ended too",
                    department.code
                );
                return Err(CsvError::Cell {
                    file: table.file.clone(),
                    line: *line,
                    column: "successor_code",
                    what,
                });
            }
            code = comparable_name(&last.successor_code);
        }
    }
    Ok(())
}

/// Refuses two rows of one key that hold on the same day.
fn overlaps<T>(
    table: &Table<T>,
    key_of: impl Fn(&T) -> (String, Validity),
    name: impl Fn(&str) -> String,
) -> Result<(), CsvError> {
    let mut terms: HashMap<String, Vec<(u64, Validity)>> = HashMap::new();
    for (line, row) in &table.rows {
        let (key, valid) = key_of(row);
        let others = terms.entry(key.clone()).or_default();
        if let Some((first, _)) = others.iter().find(|(_, other)| other.overlaps(valid)) {
            let what = format!(
                "both say who {} is on the same days; end the first before the second begins",
                name(&key)
            );
            return Err(CsvError::Lines {
                file: table.file.clone(),
                first: *first,
                second: *line,
                column: "valid_from",
                what,
            });
        }
        others.push((*line, valid));
    }
    Ok(())
}
