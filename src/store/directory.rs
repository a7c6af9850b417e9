//! The directory in the database.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::{Connection, PgConnection};

use super::StoreResult;
use crate::domain::directory::{Cell, Department, Directory, EntryKind, Person, PrincipalEntry, Project};
use crate::domain::period::Validity;

/// Class of the advisory lock of imports; any number that nothing else uses.
const IMPORT_LOCK: i64 = 0x616e_6275_6e64_6972;

/// Keeps other imports out until the transaction ends: each replaces what it has read.
pub async fn lock_directory(transaction: &mut PgConnection) -> StoreResult<()> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(IMPORT_LOCK)
        .execute(transaction)
        .await?;
    Ok(())
}

/// The directory and its version, from one moment.
pub async fn get_versioned_directory(connection: &mut PgConnection) -> StoreResult<(Directory, Option<i32>)> {
    let mut moment = connection
        .begin_with("begin transaction isolation level repeatable read, read only")
        .await?;
    let found = get_versioned_directory_at(&mut moment).await?;
    moment.commit().await?;
    Ok(found)
}

/// The same inside a moment of the caller's.
pub async fn get_versioned_directory_at(moment: &mut PgConnection) -> StoreResult<(Directory, Option<i32>)> {
    let version = sqlx::query_file_scalar!("queries/directory/find_version.sql")
        .fetch_one(&mut *moment)
        .await?;
    Ok((get_directory(moment).await?, version))
}

/// Every department there ever was.
pub async fn list_departments(connection: &mut PgConnection) -> StoreResult<Vec<Department>> {
    let rows = sqlx::query_file!("queries/directory/list_departments.sql")
        .fetch_all(connection)
        .await?;
    let departments = rows.into_iter().map(|r| Department {
        code: r.code,
        name: r.name,
        name_ja: r.name_ja,
        parent_code: r.parent_code,
        cost_center: r.cost_center,
        legal_entity: r.legal_entity,
        successor_code: r.successor_code,
        valid: Validity {
            from: r.valid_from,
            to: r.valid_to,
        },
    });
    Ok(departments.collect())
}

/// Reads everything that is or was valid.
pub async fn get_directory(connection: &mut PgConnection) -> StoreResult<Directory> {
    let departments = list_departments(connection).await?;
    let people = sqlx::query_file!("queries/directory/list_people.sql")
        .fetch_all(&mut *connection)
        .await?;
    let projects = sqlx::query_file!("queries/directory/list_projects.sql")
        .fetch_all(&mut *connection)
        .await?;
    let principals = sqlx::query_file!("queries/directory/list_principal_entries.sql")
        .fetch_all(connection)
        .await?;
    let valid = |from, to| Validity { from, to };
    Ok(Directory {
        names: None,
        departments,
        people: people
            .into_iter()
            .map(|r| Person {
                person_id: r.person_id,
                name: r.name,
                email: r.email,
                department_code: r.department_code,
                manager_person_id: r.manager_person_id,
                valid: valid(r.valid_from, r.valid_to),
                digests: None,
            })
            .collect(),
        projects: projects
            .into_iter()
            .map(|r| Project {
                code: r.code,
                name: r.name,
                owner_person_id: r.owner_person_id,
                department_code: r.department_code,
                valid: valid(r.valid_from, r.valid_to),
            })
            .collect(),
        principals: principals
            .into_iter()
            .map(|r| PrincipalEntry {
                account: Cell::parse(&r.account_id),
                role: Cell::parse(&r.role_name),
                session: Cell::parse(&r.session_name),
                user: Cell::parse(&r.user_name),
                person_id: r.person_id,
                department_code: r.department_code,
                project_code: r.project_code,
                // The column allows nothing else; a shared principal is what decides least.
                kind: r.kind.parse().unwrap_or(EntryKind::Shared),
                valid: valid(r.valid_from, r.valid_to),
            })
            .collect(),
    })
}

/// What an import changes in one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableChanges {
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub removed: Vec<String>,
}

impl TableChanges {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    fn between<T: PartialEq>(old: &[T], new: &[T], key: impl Fn(&T) -> String) -> Self {
        let index = |rows: &[T]| {
            rows.iter()
                .enumerate()
                .map(|(i, row)| (key(row), i))
                .collect::<BTreeMap<String, usize>>()
        };
        let (before, after) = (index(old), index(new));
        let mut changes = Self::default();
        for (key, at) in &after {
            match before.get(key) {
                None => changes.added.push(key.clone()),
                Some(old_at) if old[*old_at] != new[*at] => changes.changed.push(key.clone()),
                Some(_) => {}
            }
        }
        changes.removed = before.into_keys().filter(|key| !after.contains_key(key)).collect();
        changes
    }
}

/// What an import changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DirectoryChanges {
    pub departments: TableChanges,
    pub people: TableChanges,
    pub projects: TableChanges,
    pub principals: TableChanges,
}

impl DirectoryChanges {
    pub fn between(old: &Directory, new: &Directory) -> Self {
        Self {
            departments: TableChanges::between(&old.departments, &new.departments, |d| {
                format!("{} from {}", d.code, d.valid.from)
            }),
            people: TableChanges::between(&old.people, &new.people, |p| {
                format!("{} from {}", p.person_id, p.valid.from)
            }),
            projects: TableChanges::between(&old.projects, &new.projects, |p| {
                format!("{} from {}", p.code, p.valid.from)
            }),
            principals: TableChanges::between(&old.principals, &new.principals, |e| {
                let cells = [&e.account, &e.role, &e.session, &e.user]
                    .map(Cell::as_text)
                    .join(" / ");
                format!("{cells} from {}", e.valid.from)
            }),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.tables().iter().all(|(_, changes)| changes.is_empty())
    }

    pub fn tables(&self) -> [(&'static str, &TableChanges); 4] {
        [
            ("departments", &self.departments),
            ("people", &self.people),
            ("projects", &self.projects),
            ("principals", &self.principals),
        ]
    }
}

/// Replaces the directory by a checked one, as a new version.
pub async fn replace_directory(
    connection: &mut PgConnection,
    directory: &Directory,
    changes: &DirectoryChanges,
    at: DateTime<Utc>,
    by: &str,
) -> StoreResult<i32> {
    let mut transaction = connection.begin().await?;
    let text = |column: Vec<&str>| column.into_iter().map(str::to_owned).collect::<Vec<String>>();
    let from = |valid: Vec<Validity>| {
        valid
            .into_iter()
            .map(|v| (v.from, v.to))
            .unzip::<NaiveDate, Option<NaiveDate>, Vec<_>, Vec<_>>()
    };

    let d = &directory.departments;
    let (valid_from, valid_to) = from(d.iter().map(|d| d.valid).collect());
    sqlx::query_file!("queries/directory/delete_departments.sql")
        .execute(&mut *transaction)
        .await?;
    sqlx::query_file!(
        "queries/directory/insert_departments.sql",
        &text(d.iter().map(|d| d.code.as_str()).collect()),
        &text(d.iter().map(|d| d.name.as_str()).collect()),
        &text(d.iter().map(|d| d.name_ja.as_str()).collect()),
        &text(d.iter().map(|d| d.parent_code.as_str()).collect()),
        &text(d.iter().map(|d| d.cost_center.as_str()).collect()),
        &text(d.iter().map(|d| d.legal_entity.as_str()).collect()),
        &text(d.iter().map(|d| d.successor_code.as_str()).collect()),
        &valid_from,
        &valid_to as _,
    )
    .execute(&mut *transaction)
    .await?;

    let p = &directory.people;
    let (valid_from, valid_to) = from(p.iter().map(|p| p.valid).collect());
    sqlx::query_file!("queries/directory/delete_people.sql")
        .execute(&mut *transaction)
        .await?;
    sqlx::query_file!(
        "queries/directory/insert_people.sql",
        &text(p.iter().map(|p| p.person_id.as_str()).collect()),
        &text(p.iter().map(|p| p.name.as_str()).collect()),
        &text(p.iter().map(|p| p.email.as_str()).collect()),
        &text(p.iter().map(|p| p.department_code.as_str()).collect()),
        &text(p.iter().map(|p| p.manager_person_id.as_str()).collect()),
        &valid_from,
        &valid_to as _,
    )
    .execute(&mut *transaction)
    .await?;

    let p = &directory.projects;
    let (valid_from, valid_to) = from(p.iter().map(|p| p.valid).collect());
    sqlx::query_file!("queries/directory/delete_projects.sql")
        .execute(&mut *transaction)
        .await?;
    sqlx::query_file!(
        "queries/directory/insert_projects.sql",
        &text(p.iter().map(|p| p.code.as_str()).collect()),
        &text(p.iter().map(|p| p.name.as_str()).collect()),
        &text(p.iter().map(|p| p.owner_person_id.as_str()).collect()),
        &text(p.iter().map(|p| p.department_code.as_str()).collect()),
        &valid_from,
        &valid_to as _,
    )
    .execute(&mut *transaction)
    .await?;

    let e = &directory.principals;
    let (valid_from, valid_to) = from(e.iter().map(|e| e.valid).collect());
    sqlx::query_file!("queries/directory/delete_principal_entries.sql")
        .execute(&mut *transaction)
        .await?;
    sqlx::query_file!(
        "queries/directory/insert_principal_entries.sql",
        &text(e.iter().map(|e| e.account.as_text()).collect()),
        &text(e.iter().map(|e| e.role.as_text()).collect()),
        &text(e.iter().map(|e| e.session.as_text()).collect()),
        &text(e.iter().map(|e| e.user.as_text()).collect()),
        &text(e.iter().map(|e| e.person_id.as_str()).collect()),
        &text(e.iter().map(|e| e.department_code.as_str()).collect()),
        &text(e.iter().map(|e| e.project_code.as_str()).collect()),
        &text(e.iter().map(|e| e.kind.as_str()).collect()),
        &valid_from,
        &valid_to as _,
    )
    .execute(&mut *transaction)
    .await?;
    let changes = serde_json::json!(changes);
    let version = sqlx::query_file_scalar!("queries/directory/insert_version.sql", at, by, changes)
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(version)
}
