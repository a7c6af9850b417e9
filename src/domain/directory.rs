//! The company as finance knows it, with dates: departments, people, projects, and entries for AWS principals.
//!
//! `Directory` is everything that was ever valid; `DirectoryDay` is how it stood on one UTC day, indexed by the names
//! that evidence can carry.  Dates are compared with the UTC date of use, and an end date is never part of a term.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::str::FromStr;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::books::DepartmentInMonth;
use super::period::{BillingPeriod, DayRange, Validity};
use super::sealed_directory::NameKey;
use super::text::comparable_name;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Department {
    pub code: String,
    pub name: String,
    pub name_ja: String,
    pub parent_code: String,
    /// Text: `0001210` is not `1210`.
    pub cost_center: String,
    pub legal_entity: String,
    pub successor_code: String,
    pub valid: Validity,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub person_id: String,
    pub name: String,
    pub email: String,
    pub department_code: String,
    pub manager_person_id: String,
    pub valid: Validity,
    /// Of a sealed directory: digests in place of the names.
    #[serde(skip)]
    pub digests: Option<KnownAs>,
}

/// The names that can mean a person, as they are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAs {
    pub email: String,
    pub logins: Vec<String>,
}

impl Person {
    /// An e-mail exactly, or without `@` its login or the person's id.
    pub fn known_as(&self) -> KnownAs {
        if let Some(digests) = &self.digests {
            return digests.clone();
        }
        let email = comparable_name(&self.email);
        let login = email.split_once('@').map(|(login, _)| login.to_owned());
        KnownAs {
            logins: login.into_iter().chain([comparable_name(&self.person_id)]).collect(),
            email,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    pub code: String,
    pub name: String,
    pub owner_person_id: String,
    pub department_code: String,
    pub valid: Validity,
}

/// What an entry says its principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    Person,
    Service,
    /// One role for many users, who are known to the gateway only.
    Gateway,
    Shared,
}

impl EntryKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
            Self::Gateway => "gateway",
            Self::Shared => "shared",
        }
    }

    /// Gateways and shared roles do not say by themselves whose their use is.
    pub const fn is_shared(self) -> bool {
        matches!(self, Self::Gateway | Self::Shared)
    }
}

impl FromStr for EntryKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Person, Self::Service, Self::Gateway, Self::Shared]
            .into_iter()
            .find(|k| k.as_str() == text)
            .ok_or(())
    }
}

/// One cell of a principal entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Cell {
    /// `*`: any value, or none.
    Any,
    /// Empty: the principal has no such part.
    Absent,
    Exactly(String),
}

impl Cell {
    pub fn parse(text: &str) -> Self {
        match text.trim() {
            "*" => Self::Any,
            "" => Self::Absent,
            text => Self::Exactly(text.to_owned()),
        }
    }

    pub fn as_text(&self) -> &str {
        match self {
            Self::Any => "*",
            Self::Absent => "",
            Self::Exactly(text) => text,
        }
    }

    fn matches(&self, value: Option<&str>) -> bool {
        match (self, value) {
            (Self::Any, _) | (Self::Absent, None) => true,
            (Self::Exactly(text), Some(value)) => comparable_name(text) == comparable_name(value),
            (Self::Absent, Some(_)) | (Self::Exactly(_), None) => false,
        }
    }
}

/// A dated statement about a principal: whose it is, or that it is shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrincipalEntry {
    pub account: Cell,
    pub role: Cell,
    pub session: Cell,
    pub user: Cell,
    pub person_id: String,
    pub department_code: String,
    pub project_code: String,
    pub kind: EntryKind,
    pub valid: Validity,
}

impl PrincipalEntry {
    /// An entry for any role, session and user names the owner of its account, the last rule to be asked.
    pub fn is_account_owner(&self) -> bool {
        [&self.role, &self.session, &self.user]
            .into_iter()
            .all(|cell| *cell == Cell::Any)
    }

    fn weight(&self) -> usize {
        [&self.account, &self.role, &self.session, &self.user]
            .into_iter()
            .filter(|c| matches!(c, Cell::Exactly(_)))
            .count()
    }

    fn matches(&self, principal: &super::principal::Principal<'_>) -> bool {
        self.account.matches(Some(principal.account))
            && self.role.matches(principal.role)
            && self.session.matches(principal.session)
            && self.user.matches(principal.user)
    }
}

/// Everything that is or was valid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    pub departments: Vec<Department>,
    pub people: Vec<Person>,
    pub projects: Vec<Project>,
    pub principals: Vec<PrincipalEntry>,
    /// Of a sealed directory: the key under which its names are digests.
    #[serde(skip)]
    pub names: Option<NameKey>,
}

/// Every department there ever was, as it stands in a month.
pub fn departments_in(departments: &[Department], period: BillingPeriod) -> BTreeMap<String, DepartmentInMonth> {
    let mut found: BTreeMap<String, DepartmentInMonth> = BTreeMap::new();
    let mut newest_first: Vec<&Department> = departments.iter().collect();
    newest_first.sort_by_key(|department| std::cmp::Reverse(department.valid.from));
    // A later term may begin after the month; the month's own says where the department belongs.
    newest_first.sort_by_key(|department| department.valid.from >= period.days().to);
    for department in newest_first {
        let days = period
            .days()
            .iter()
            .filter(|day| department.valid.contains(*day))
            .count();
        let in_month = found
            .entry(department.code.clone())
            .or_insert_with(|| DepartmentInMonth {
                legal_entity: department.legal_entity.clone(),
                days_valid: 0,
                successor: Some(department.successor_code.clone()).filter(|code| !code.is_empty()),
            });
        in_month.days_valid += u32::try_from(days).unwrap_or_default();
    }
    found
}

impl Directory {
    /// Stretches of days inside `range` in which the directory does not change.
    pub fn spans(&self, range: DayRange) -> Vec<DayRange> {
        let terms = self.departments.iter().map(|d| d.valid);
        let terms = terms
            .chain(self.people.iter().map(|p| p.valid))
            .chain(self.projects.iter().map(|p| p.valid));
        let mut cuts: BTreeSet<NaiveDate> = BTreeSet::from([range.from, range.to]);
        for term in terms.chain(self.principals.iter().map(|p| p.valid)) {
            cuts.extend(
                [Some(term.from), term.to]
                    .into_iter()
                    .flatten()
                    .filter(|day| range.contains(*day)),
            );
        }
        let since = super::period::CALLER_IDENTITY_SINCE;
        cuts.extend(range.contains(since).then_some(since));
        let cuts: Vec<NaiveDate> = cuts.into_iter().collect();
        cuts.windows(2)
            .map(|pair| DayRange {
                from: pair[0],
                to: pair[1],
            })
            .collect()
    }

    pub fn on(&self, day: NaiveDate) -> DirectoryDay<'_> {
        DirectoryDay::new(self, day)
    }
}

/// The directory as it stood on one day.
pub struct DirectoryDay<'a> {
    pub day: NaiveDate,
    names: Option<&'a NameKey>,
    departments: HashMap<String, &'a Department>,
    /// Departments that have ended by the day and name one that goes on for them.
    abolished: HashMap<String, &'a Department>,
    projects: HashMap<String, &'a Project>,
    people: HashMap<&'a str, &'a Person>,
    cost_centers: HashMap<&'a str, HashSet<&'a str>>,
    emails: HashMap<String, BTreeSet<&'a str>>,
    logins: HashMap<String, BTreeSet<&'a str>>,
    entries_by_name: HashMap<(NameOf, String), Vec<&'a PrincipalEntry>>,
    entries_of_any: Vec<&'a PrincipalEntry>,
    owners: HashMap<&'a str, Vec<&'a PrincipalEntry>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum NameOf {
    Role,
    User,
}

impl<'a> DirectoryDay<'a> {
    fn new(directory: &'a Directory, day: NaiveDate) -> Self {
        let mut this = Self {
            day,
            names: directory.names.as_ref(),
            departments: HashMap::new(),
            abolished: HashMap::new(),
            projects: HashMap::new(),
            people: HashMap::new(),
            cost_centers: HashMap::new(),
            emails: HashMap::new(),
            logins: HashMap::new(),
            entries_by_name: HashMap::new(),
            entries_of_any: Vec::new(),
            owners: HashMap::new(),
        };
        for department in directory.departments.iter().filter(|d| d.valid.contains(day)) {
            this.departments.insert(comparable_name(&department.code), department);
            this.cost_centers
                .entry(&department.cost_center)
                .or_default()
                .insert(&department.code);
        }
        let has_ended = |d: &&Department| !d.successor_code.is_empty() && d.valid.to.is_some_and(|to| to <= day);
        for department in directory.departments.iter().filter(has_ended) {
            let latest = this
                .abolished
                .entry(comparable_name(&department.code))
                .or_insert(department);
            if latest.valid.to < department.valid.to {
                *latest = department;
            }
        }
        for project in directory.projects.iter().filter(|p| p.valid.contains(day)) {
            this.projects.insert(comparable_name(&project.code), project);
        }
        for person in directory.people.iter().filter(|p| p.valid.contains(day)) {
            this.people.insert(&person.person_id, person);
            let KnownAs { email, logins } = person.known_as();
            this.emails.entry(email).or_default().insert(&person.person_id);
            for login in logins {
                this.logins.entry(login).or_default().insert(&person.person_id);
            }
        }
        for entry in directory.principals.iter().filter(|e| e.valid.contains(day)) {
            this.add_entry(entry);
        }
        this
    }

    fn add_entry(&mut self, entry: &'a PrincipalEntry) {
        if entry.is_account_owner() {
            self.owners.entry(entry.account.as_text()).or_default().push(entry);
            return;
        }
        match (&entry.role, &entry.user) {
            (Cell::Any, _) | (_, Cell::Any) => self.entries_of_any.push(entry),
            (Cell::Exactly(role), _) => {
                self.entries_by_name
                    .entry((NameOf::Role, comparable_name(role)))
                    .or_default()
                    .push(entry);
            }
            (_, Cell::Exactly(user)) => {
                self.entries_by_name
                    .entry((NameOf::User, comparable_name(user)))
                    .or_default()
                    .push(entry);
            }
            // Neither a role nor a user: the account's root, by account alone.
            (Cell::Absent, Cell::Absent) => self.entries_of_any.push(entry),
        }
    }

    pub fn department(&self, code: &str) -> Option<&'a Department> {
        self.departments.get(&comparable_name(code)).copied()
    }

    /// The department that goes on for one that has ended, and the one that has.  Successors can have ended too.
    pub fn successor(&self, code: &str) -> Option<(&'a Department, &'a Department)> {
        let abolished = self.abolished.get(&comparable_name(code)).copied()?;
        let mut ended = abolished;
        // A ring of successors ends nowhere.
        for _ in 0..self.abolished.len() {
            if let Some(department) = self.department(&ended.successor_code) {
                return Some((department, abolished));
            }
            ended = self.abolished.get(&comparable_name(&ended.successor_code)).copied()?;
        }
        None
    }

    pub fn project(&self, code: &str) -> Option<&'a Project> {
        self.projects.get(&comparable_name(code)).copied()
    }

    pub fn person(&self, person_id: &str) -> Option<&'a Person> {
        self.people.get(person_id).copied()
    }

    /// A person's department on the day, where both are valid.
    pub fn home(&self, person_id: &str) -> Option<&'a str> {
        self.department(&self.person(person_id)?.department_code)
            .map(|d| d.code.as_str())
    }

    /// Who manages most people of a department; of several, the first by id.
    pub fn manager_of(&self, department: &str) -> Option<&'a str> {
        let department = comparable_name(department);
        let mut managed: BTreeMap<&'a str, usize> = BTreeMap::new();
        for person in self.people.values() {
            if comparable_name(&person.department_code) == department && !person.manager_person_id.is_empty() {
                *managed.entry(&person.manager_person_id).or_default() += 1;
            }
        }
        let most = managed
            .into_iter()
            .max_by_key(|(id, people)| (*people, std::cmp::Reverse(*id)));
        most.map(|(id, _)| id)
    }

    /// Who has an amount on the day: the person's department, else the one that was charged or goes on for it.
    pub fn holder(&self, department: &str, person: Option<&str>) -> String {
        let home = person.and_then(|person| self.home(person));
        let known = home.or_else(|| self.department(department).map(|known| known.code.as_str()));
        let known = known.or_else(|| self.successor(department).map(|(successor, _)| successor.code.as_str()));
        known.unwrap_or(department).to_owned()
    }

    /// The departments of a cost centre, compared as text.
    pub fn cost_center(&self, cost_center: &str) -> Option<&HashSet<&'a str>> {
        self.cost_centers.get(cost_center)
    }

    /// The people whom a name can mean: an e-mail exactly, or without `@` a login or a person id.
    pub fn people_named(&self, name: &str) -> Vec<&'a str> {
        let name = comparable_name(name);
        let index = if name.contains('@') { &self.emails } else { &self.logins };
        let name = self.names.map_or(name.clone(), |key| key.digest(&name));
        index
            .get(&name)
            .map(|people| people.iter().copied().collect())
            .unwrap_or_default()
    }

    /// The entries that fit a principal with the most exact cells; more than one where several weigh the same.
    pub fn best_entries(&self, principal: &super::principal::Principal<'_>) -> Vec<&'a PrincipalEntry> {
        let Some(key) = self.names else {
            return self.best_entries_as_spelled(principal);
        };
        let digest = |name: Option<&str>| name.map(|name| key.digest(name));
        let (role, session, user) = (
            digest(principal.role),
            digest(principal.session),
            digest(principal.user),
        );
        self.best_entries_as_spelled(&super::principal::Principal {
            role: role.as_deref(),
            session: session.as_deref(),
            user: user.as_deref(),
            ..*principal
        })
    }

    fn best_entries_as_spelled(&self, principal: &super::principal::Principal<'_>) -> Vec<&'a PrincipalEntry> {
        let named = principal
            .role
            .map(|r| (NameOf::Role, r))
            .into_iter()
            .chain(principal.user.map(|u| (NameOf::User, u)));
        let candidates = named
            .filter_map(|(of, name)| self.entries_by_name.get(&(of, comparable_name(name))))
            .flatten();
        let fitting: Vec<_> = candidates
            .chain(&self.entries_of_any)
            .copied()
            .filter(|e| e.matches(principal))
            .collect();
        let heaviest = fitting.iter().map(|e| e.weight()).max();
        fitting.into_iter().filter(|e| Some(e.weight()) == heaviest).collect()
    }

    pub fn account_owners(&self, account: &str) -> &[&'a PrincipalEntry] {
        self.owners
            .get(account)
            .or_else(|| self.owners.get("*"))
            .map_or(&[], Vec::as_slice)
    }
}
