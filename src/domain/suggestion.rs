//! A guess about a quarantined principal, for a person to confirm: nothing is ever booked by it.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::directory::{Directory, DirectoryDay};
use super::principal::Principal;
use super::text::comparable_name;

/// Who it could be, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    pub department: String,
    pub person: Option<String>,
    pub because: String,
}

/// Somebody who probably knows whose a principal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LikelyOwner {
    pub person_id: String,
    pub because: &'static str,
}

/// Whom to ask: the person that is suggested, who manages the department that is, the account's owner, or who uses the
/// account most.  `heaviest` has the last, by account.
pub fn likely_owner(
    arn: &str,
    suggestion: Option<&Suggestion>,
    day: &DirectoryDay<'_>,
    heaviest: &BTreeMap<String, String>,
) -> Option<LikelyOwner> {
    let known = |person: &str, because| {
        day.person(person).map(|person| LikelyOwner {
            person_id: person.person_id.clone(),
            because,
        })
    };
    let account = Principal::parse(arn)?.account.to_owned();
    let suggested = suggestion.and_then(|suggestion| suggestion.person.as_deref());
    let managed = || day.manager_of(&suggestion?.department);
    let owner = || {
        let entries = day.account_owners(&account);
        entries
            .iter()
            .map(|entry| entry.person_id.as_str())
            .find(|person| !person.is_empty())
    };
    suggested
        .and_then(|person| known(person, "the suggestion is this person"))
        .or_else(|| known(managed()?, "manages most people of the suggested department"))
        .or_else(|| known(owner()?, "owns the account"))
        .or_else(|| known(heaviest.get(&account)?, "uses the account most"))
}

/// One letter in so many may differ, or it is another name.
const LETTERS_FOR_EACH_SLIP: usize = 5;

/// Guesses by the same session elsewhere, then by the nearest person, then by the nearest department.
///
/// `sessions` are session names that were attributed in the month, with department and person.
pub fn suggest(
    arn: &str,
    directory: &Directory,
    day: NaiveDate,
    sessions: &BTreeMap<String, (String, Option<String>)>,
) -> Option<Suggestion> {
    let principal = Principal::parse(arn)?;
    let session = principal.session_or_user().map(comparable_name);
    if let Some((department, person)) = session.as_ref().and_then(|name| sessions.get(name)) {
        return Some(Suggestion {
            department: department.clone(),
            person: person.clone(),
            because: "the same session name under another role".to_owned(),
        });
    }
    let role = principal.role_or_user().map(comparable_name);
    let words: Vec<&str> = [session.as_deref(), role.as_deref()]
        .into_iter()
        .flatten()
        .flat_map(parts)
        .collect();
    let people = directory.people.iter().filter(|person| person.valid.contains(day));
    let people = people.map(|person| {
        let login = comparable_name(person.email.split('@').next().unwrap_or(""));
        (slips(&words, &login), login, person)
    });
    if let Some((login, person)) = nearest(people) {
        return Some(Suggestion {
            department: person.department_code.clone(),
            person: Some(person.person_id.clone()),
            because: format!("it is nearly '{login}'"),
        });
    }
    let departments = directory
        .departments
        .iter()
        .filter(|department| department.valid.contains(day));
    let departments = departments.map(|department| {
        let code = comparable_name(&department.code);
        (slips(&words, &code), code, department)
    });
    let (code, department) = nearest(departments)?;
    Some(Suggestion {
        department: department.code.clone(),
        person: None,
        because: format!("it is nearly '{code}'"),
    })
}

/// The one candidate that is nearest, if it is near at all and no other is as near.
fn nearest<T>(candidates: impl Iterator<Item = (Option<usize>, String, T)>) -> Option<(String, T)> {
    let mut near: Vec<(usize, String, T)> = candidates
        .filter_map(|(slips, name, of)| Some((slips?, name, of)))
        .collect();
    near.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    match near.as_slice() {
        [first, second, ..] if first.0 == second.0 => None,
        [] => None,
        _ => Some(near.swap_remove(0)).map(|(_, name, of)| (name, of)),
    }
}

/// The slips between a name and the word that is nearest to it; none where every word is another name.
fn slips(words: &[&str], name: &str) -> Option<usize> {
    let near = words.iter().filter_map(|word| {
        let slips = strsim::damerau_levenshtein(word, name);
        let letters = word.chars().count().max(name.chars().count());
        (slips * LETTERS_FOR_EACH_SLIP <= letters).then_some(slips)
    });
    near.min()
}

/// A name, and every stretch of it between dashes.
fn parts(name: &str) -> Vec<&str> {
    let mut cuts: Vec<usize> = vec![0];
    cuts.extend(name.match_indices('-').map(|(at, _)| at + 1));
    let mut ends: Vec<usize> = name.match_indices('-').map(|(at, _)| at).collect();
    ends.push(name.len());
    let stretches = cuts.iter().flat_map(|from| {
        ends.iter()
            .filter(move |to| *to > from)
            .map(move |to| &name[*from..*to])
    });
    stretches.filter(|part| part.len() > 2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::directory::{Department, Person};
    use crate::domain::period::Validity;

    fn directory() -> Directory {
        let valid = Validity {
            from: NaiveDate::MIN,
            to: None,
        };
        let department = |code: &str| Department {
            code: code.to_owned(),
            name: String::new(),
            name_ja: String::new(),
            parent_code: String::new(),
            cost_center: String::new(),
            legal_entity: String::new(),
            successor_code: String::new(),
            valid,
        };
        let person = |id: &str, email: &str| Person {
            person_id: id.to_owned(),
            name: String::new(),
            email: email.to_owned(),
            department_code: "sales".to_owned(),
            manager_person_id: String::new(),
            valid,
            digests: None,
        };
        Directory {
            names: None,
            departments: ["sales", "engineering", "data-platform"].map(department).to_vec(),
            people: vec![
                person("p1", "hanako.sato@example.com"),
                person("p2", "kenji@example.com"),
            ],
            ..Directory::default()
        }
    }

    fn suggested(role: &str, session: &str) -> Option<(String, Option<String>)> {
        let arn = format!("arn:aws:sts::111122223333:assumed-role/{role}/{session}");
        let sessions = BTreeMap::from([("i-0abc".to_owned(), ("engineering".to_owned(), None))]);
        let day = NaiveDate::from_ymd_opt(2026, 10, 1).unwrap_or_default();
        suggest(&arn, &directory(), day, &sessions).map(|found| (found.department, found.person))
    }

    #[test]
    fn names_that_nearly_match_are_suggested_and_others_are_not() {
        let of = |department: &str, person: Option<&str>| Some((department.to_owned(), person.map(str::to_owned)));
        assert_eq!(suggested("claude", "i-0abc"), of("engineering", None));
        assert_eq!(suggested("claude", "hanako.satoh"), of("sales", Some("p1")));
        assert_eq!(suggested("cowork-enginering-x", "s"), of("engineering", None));
        assert_eq!(suggested("cowork-data-platfrom-x", "s"), of("data-platform", None));
        assert_eq!(suggested("llm-gateway", "s"), None);
        assert_eq!(suggested("", ""), None);
    }
}
