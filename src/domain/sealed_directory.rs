//! A directory that decides as it did when it was sealed, and holds nobody's name.
//!
//! People stand in it by their opaque ids; names, e-mails and the names of roles, sessions and users are digests under a key
//! that is kept beside it and in no file.  Who looks a name up digests it first: what the name decides is the same, and what
//! the names were cannot be read out of it.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use super::directory::{Cell, Department, Directory, EntryKind, KnownAs, Person, PrincipalEntry, Project};
use super::period::Validity;
use super::text::comparable_name;

/// What names are digested under: bytes of chance, another for each sealed directory.
#[derive(Clone, PartialEq, Eq)]
pub struct NameKey(pub [u8; 32]);

impl std::fmt::Debug for NameKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NameKey")
    }
}

impl NameKey {
    /// The digest of a name, however it is spelled.
    pub fn digest(&self, name: &str) -> String {
        // A key of any length is one.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        mac.update(comparable_name(name).as_bytes());
        mac.finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn conceal(&self, cell: &Cell) -> Cell {
        match cell {
            Cell::Exactly(name) => Cell::Exactly(self.digest(name)),
            Cell::Any | Cell::Absent => cell.clone(),
        }
    }
}

/// What is stored of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedDirectory {
    pub departments: Vec<Department>,
    pub people: Vec<SealedPerson>,
    pub projects: Vec<SealedProject>,
    pub principals: Vec<SealedEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedPerson {
    pub person: Uuid,
    pub known_as: KnownAs,
    pub department_code: String,
    pub valid: Validity,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedProject {
    pub code: String,
    pub department_code: String,
    pub valid: Validity,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedEntry {
    pub account: Cell,
    pub role: Cell,
    pub session: Cell,
    pub user: Cell,
    pub person: Option<Uuid>,
    pub department_code: String,
    pub project_code: String,
    pub kind: EntryKind,
    pub valid: Validity,
}

/// Everybody whom a directory names by id: who needs an opaque one before it is sealed.
pub fn people_of(directory: &Directory) -> Vec<String> {
    let people = directory.people.iter().map(|person| &person.person_id);
    let of_entries = directory.principals.iter().map(|entry| &entry.person_id);
    let mut ids: Vec<String> = people.chain(of_entries).filter(|id| !id.is_empty()).cloned().collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

impl SealedDirectory {
    /// Seals an open directory; none where somebody has no opaque id.
    pub fn seal(directory: &Directory, key: &NameKey, opaque: &BTreeMap<String, Uuid>) -> Option<Self> {
        let people = directory.people.iter().map(|person| {
            let KnownAs { email, logins } = person.known_as();
            Some(SealedPerson {
                person: *opaque.get(&person.person_id)?,
                known_as: KnownAs {
                    email: key.digest(&email),
                    logins: logins.iter().map(|login| key.digest(login)).collect(),
                },
                department_code: person.department_code.clone(),
                valid: person.valid,
            })
        });
        let principals = directory.principals.iter().map(|entry| {
            Some(SealedEntry {
                account: entry.account.clone(),
                role: key.conceal(&entry.role),
                session: key.conceal(&entry.session),
                user: key.conceal(&entry.user),
                person: match entry.person_id.as_str() {
                    "" => None,
                    id => Some(*opaque.get(id)?),
                },
                department_code: entry.department_code.clone(),
                project_code: entry.project_code.clone(),
                kind: entry.kind,
                valid: entry.valid,
            })
        });
        let projects = directory.projects.iter().map(|project| SealedProject {
            code: project.code.clone(),
            department_code: project.department_code.clone(),
            valid: project.valid,
        });
        Some(Self {
            departments: directory.departments.clone(),
            people: people.collect::<Option<_>>()?,
            projects: projects.collect(),
            principals: principals.collect::<Option<_>>()?,
        })
    }

    /// The directory to decide by.  Who is in `people` has the id of the directory again, everybody else the opaque one.
    pub fn open(self, key: NameKey, people: &BTreeMap<Uuid, String>) -> Directory {
        let id_of = |opaque: Uuid| people.get(&opaque).cloned().unwrap_or_else(|| opaque.to_string());
        let persons = self.people.into_iter().map(|person| Person {
            person_id: id_of(person.person),
            name: String::new(),
            email: String::new(),
            department_code: person.department_code,
            manager_person_id: String::new(),
            valid: person.valid,
            digests: Some(person.known_as),
        });
        let principals = self.principals.into_iter().map(|entry| PrincipalEntry {
            account: entry.account,
            role: entry.role,
            session: entry.session,
            user: entry.user,
            person_id: entry.person.map(id_of).unwrap_or_default(),
            department_code: entry.department_code,
            project_code: entry.project_code,
            kind: entry.kind,
            valid: entry.valid,
        });
        let projects = self.projects.into_iter().map(|project| Project {
            code: project.code,
            name: String::new(),
            owner_person_id: String::new(),
            department_code: project.department_code,
            valid: project.valid,
        });
        Directory {
            departments: self.departments,
            people: persons.collect(),
            projects: projects.collect(),
            principals: principals.collect(),
            names: Some(key),
        }
    }
}
