//! The rules, one function each: what a piece of evidence says about a principal on a day.

use std::collections::{BTreeSet, HashSet};
use std::str::FromStr;

use super::{AttributionSettings, Evidence, EvidenceTags, PRINCIPAL_TAG_PREFIX, Reason, Rule};
use crate::domain::directory::{Department, DirectoryDay};
use crate::domain::principal::Principal;
use crate::domain::text::comparable_name;

pub(super) fn ask(
    rule: Rule,
    principal: Option<&Principal<'_>>,
    tags: &EvidenceTags,
    directory: &DirectoryDay<'_>,
    settings: &AttributionSettings,
) -> Evidence {
    match (rule, principal) {
        (Rule::Tag, _) => by_tag(tags, directory),
        (_, None) | (Rule::None | Rule::Successor, _) => Evidence::default(),
        (Rule::Directory, Some(principal)) => by_directory(principal, directory),
        (Rule::RoleName, Some(principal)) => by_role_name(principal, directory, settings),
        (Rule::SessionName, Some(principal)) => by_session_name(principal, directory),
        (Rule::Account, Some(principal)) => by_account(principal, directory),
    }
}

fn by_directory(principal: &Principal<'_>, directory: &DirectoryDay<'_>) -> Evidence {
    let entries = directory.best_entries(principal);
    let Some(entry) = entries.first() else {
        return Evidence::default();
    };
    let says = |e: &crate::domain::directory::PrincipalEntry| {
        (e.department_code.clone(), e.person_id.clone(), e.project_code.clone())
    };
    if entries.iter().any(|other| says(other) != says(entry)) {
        return Evidence::problem(Reason::Ambiguous);
    }
    let person = directory.person(&entry.person_id).map(|p| p.person_id.clone());
    let project = directory.project(&entry.project_code).map(|p| p.code.clone());
    if !entry.department_code.is_empty() {
        return match directory.department(&entry.department_code) {
            Some(department) => Evidence {
                department: Some(department.code.clone()),
                person,
                project,
                ..Evidence::default()
            },
            None => Evidence::problem(Reason::UnknownDepartment),
        };
    }
    if !entry.person_id.is_empty() {
        return match directory.home(&entry.person_id) {
            Some(home) => Evidence {
                department: Some(home.to_owned()),
                person,
                project,
                ..Evidence::default()
            },
            None => Evidence::problem(Reason::UnknownPerson),
        };
    }
    Evidence {
        project,
        shared: entry.kind.is_shared(),
        ..Evidence::default()
    }
}

/// The value of a key under its prefix or without; two that differ are a contradiction.
fn tag_value<'t>(tags: &'t EvidenceTags, key: &str) -> Result<Option<&'t str>, Reason> {
    let non_empty = |name: &str| tags.get(name).map(String::as_str).filter(|value| !value.is_empty());
    match (non_empty(&format!("{PRINCIPAL_TAG_PREFIX}{key}")), non_empty(key)) {
        (Some(a), Some(b)) if comparable_name(a) != comparable_name(b) => Err(Reason::Ambiguous),
        (a, b) => Ok(a.or(b)),
    }
}

fn by_tag(tags: &EvidenceTags, directory: &DirectoryDay<'_>) -> Evidence {
    let read = || -> Result<Evidence, Reason> {
        let department = tag_value(tags, "department")?;
        let user = tag_value(tags, "user")?;
        let project = tag_value(tags, "project")?;
        let cost_center = tag_value(tags, "cost-center")?;
        let people = user.map(|user| directory.people_named(user)).unwrap_or_default();
        let person = match people.as_slice() {
            [person] => Some((*person).to_owned()),
            _ => None,
        };
        let known_project = project.and_then(|code| directory.project(code));
        let project_code = known_project.map(|p| p.code.clone());
        if let Some(code) = department {
            let named = Named::find(code, directory).ok_or(Reason::UnknownDepartment)?;
            let code = named.department.code.as_str();
            let belongs = |centre: &str| {
                let codes = directory.cost_center(centre);
                // An ended department's tags carry its own cost centre with it.
                codes.is_some_and(|codes| codes.contains(code))
                    || named.abolished.is_some_and(|d| d.cost_center == centre)
            };
            if cost_center.is_some_and(|centre| !belongs(centre)) {
                return Err(Reason::Ambiguous);
            }
            return Ok(Evidence {
                department: Some(code.to_owned()),
                is_successor: named.abolished.is_some(),
                person,
                project: project_code,
                ..Evidence::default()
            });
        }
        // Without a department tag every other one must resolve, and all of them leave exactly one department.
        let mut fits: Vec<HashSet<&str>> = Vec::new();
        if let Some(centre) = cost_center {
            fits.push(directory.cost_center(centre).ok_or(Reason::UnknownDepartment)?.clone());
        }
        if project.is_some() {
            let owner = known_project
                .and_then(|p| directory.department(&p.department_code))
                .ok_or(Reason::UnknownDepartment)?;
            fits.push(HashSet::from([owner.code.as_str()]));
        }
        if user.is_some() {
            let [person] = people.as_slice() else {
                return Err(if people.is_empty() {
                    Reason::UnknownPerson
                } else {
                    Reason::Ambiguous
                });
            };
            fits.push(HashSet::from([directory.home(person).ok_or(Reason::UnknownPerson)?]));
        }
        let Some(first) = fits.first() else {
            return Ok(Evidence::default());
        };
        let left: BTreeSet<&str> = first
            .iter()
            .copied()
            .filter(|code| fits.iter().all(|set| set.contains(code)))
            .collect();
        match left.iter().collect::<Vec<_>>().as_slice() {
            [code] => Ok(Evidence {
                department: Some((**code).to_owned()),
                person,
                project: project_code,
                ..Evidence::default()
            }),
            _ => Err(Reason::Ambiguous),
        }
    };
    read().unwrap_or_else(Evidence::problem)
}

/// A department by the code that a tag or role name carries: itself, or the successor of one that has ended.
struct Named<'d> {
    department: &'d Department,
    abolished: Option<&'d Department>,
}

impl<'d> Named<'d> {
    fn find(code: &str, directory: &DirectoryDay<'d>) -> Option<Self> {
        if let Some(department) = directory.department(code) {
            return Some(Self {
                department,
                abolished: None,
            });
        }
        let (department, abolished) = directory.successor(code)?;
        Some(Self {
            department,
            abolished: Some(abolished),
        })
    }
}

/// A pattern of role names with one `{department}` and one `{user}`, such as `cowork-{department}-{user}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePattern {
    before: String,
    between: String,
    after: String,
    department_first: bool,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "role pattern '{0}' needs {{department}} and {{user}} once each, with text between them, such as cowork-{{department}}-{{user}}"
)]
pub struct RolePatternError(String);

impl FromStr for RolePattern {
    type Err = RolePatternError;

    fn from_str(text: &str) -> Result<Self, RolePatternError> {
        let error = || RolePatternError(text.to_owned());
        let (department, user) = (
            text.find("{department}").ok_or_else(error)?,
            text.find("{user}").ok_or_else(error)?,
        );
        let department_first = department < user;
        let (first, second) = if department_first {
            ("{department}", "{user}")
        } else {
            ("{user}", "{department}")
        };
        let (before, rest) = text.split_once(first).ok_or_else(error)?;
        let (between, after) = rest.split_once(second).ok_or_else(error)?;
        if between.is_empty() || [before, between, after].iter().any(|part| part.contains(['{', '}'])) {
            return Err(error());
        }
        let plain = comparable_name;
        Ok(Self {
            before: plain(before),
            between: plain(between),
            after: plain(after),
            department_first,
        })
    }
}

impl RolePattern {
    /// Every way to read a comparable name as department and user; empty where the pattern does not match at all.
    fn readings<'n>(&self, name: &'n str) -> Vec<(&'n str, &'n str)> {
        let Some(body) = name
            .strip_prefix(&self.before)
            .and_then(|rest| rest.strip_suffix(&self.after))
        else {
            return Vec::new();
        };
        let cuts = body
            .char_indices()
            .map(|(at, _)| at)
            .filter(|&at| body[at..].starts_with(&self.between));
        cuts.map(|at| (&body[..at], &body[at + self.between.len()..]))
            .map(|(a, b)| if self.department_first { (a, b) } else { (b, a) })
            .collect()
    }
}

fn by_role_name(principal: &Principal<'_>, directory: &DirectoryDay<'_>, settings: &AttributionSettings) -> Evidence {
    let Some(name) = principal.role_or_user().map(comparable_name) else {
        return Evidence::default();
    };
    let Some(readings) = settings
        .role_patterns
        .iter()
        .map(|p| p.readings(&name))
        .find(|readings| !readings.is_empty())
    else {
        return Evidence::default();
    };
    let mut fits: Vec<(&str, Named<'_>, Vec<&str>)> = readings
        .into_iter()
        .filter(|(_, user)| !user.is_empty())
        .filter_map(|(code, user)| Some((code, Named::find(code, directory)?, directory.people_named(user))))
        .collect();
    fits.sort_by_key(|(text, ..)| text.len());
    let Some((longest, shorter)) = fits.split_last() else {
        return Evidence::problem(Reason::UnknownDepartment);
    };
    let (_, named, people) = longest;
    // Of several departments the longest counts only if its rest, and no other, is a known person.
    if !shorter.is_empty() && (people.is_empty() || shorter.iter().any(|(.., people)| !people.is_empty())) {
        return Evidence::problem(Reason::Ambiguous);
    }
    let person = match people.as_slice() {
        [person] => Some((*person).to_owned()),
        _ => None,
    };
    Evidence {
        department: Some(named.department.code.clone()),
        is_successor: named.abolished.is_some(),
        person,
        ..Evidence::default()
    }
}

fn by_session_name(principal: &Principal<'_>, directory: &DirectoryDay<'_>) -> Evidence {
    let Some(name) = principal.session_or_user() else {
        return Evidence::default();
    };
    match directory.people_named(name).as_slice() {
        [] if name.contains('@') || comparable_name(name).contains('@') => Evidence::problem(Reason::UnknownPerson),
        [] => Evidence::default(),
        [person] => match directory.home(person) {
            Some(home) => Evidence {
                department: Some(home.to_owned()),
                person: Some((*person).to_owned()),
                ..Evidence::default()
            },
            None => Evidence::problem(Reason::UnknownPerson),
        },
        _ => Evidence::problem(Reason::Ambiguous),
    }
}

fn by_account(principal: &Principal<'_>, directory: &DirectoryDay<'_>) -> Evidence {
    let owners: BTreeSet<(&str, &str)> = directory
        .account_owners(principal.account)
        .iter()
        .map(|entry| {
            let code = entry.department_code.as_str();
            let code = if code.is_empty() {
                directory.home(&entry.person_id).unwrap_or("")
            } else {
                code
            };
            (code, entry.person_id.as_str())
        })
        .collect();
    let mut owners = owners.into_iter();
    match (owners.next(), owners.next()) {
        (Some((code, person_id)), None) => match directory.department(code) {
            Some(department) => Evidence {
                department: Some(department.code.clone()),
                person: directory.person(person_id).map(|p| p.person_id.clone()),
                ..Evidence::default()
            },
            None => Evidence::default(),
        },
        (Some(_), Some(_)) => Evidence::problem(Reason::Ambiguous),
        (None, _) => Evidence::default(),
    }
}
