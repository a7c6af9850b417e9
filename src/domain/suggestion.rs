//! A guess about a quarantined principal, for a person to confirm: nothing is ever booked by it.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::attribution::{EvidenceTags, PRINCIPAL_TAG_PREFIX};
use super::directory::{Department, Directory, DirectoryDay, Person};
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

/// Guesses by the same session elsewhere, then by the tags, then by the nearest person, then by the nearest department.
///
/// `tags` are the sets of tags that the principal had in the month, `sessions` the session names that were attributed in it,
/// with department and person.
pub fn suggest(
    arn: &str,
    tags: &[EvidenceTags],
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
    if let Some(tagged) = tags.iter().flatten().find_map(|tag| by_tag(tag, directory, day)) {
        return Some(tagged);
    }
    let role = principal.role_or_user().map(comparable_name);
    let words: Vec<&str> = [session.as_deref(), role.as_deref()]
        .into_iter()
        .flatten()
        .flat_map(parts)
        .collect();
    if let Some((login, person)) = nearest_person(&words, directory, day) {
        return Some(of_person(person, format!("it is nearly '{login}'")));
    }
    let by_code = departments_on(directory, day).map(|department| (comparable_name(&department.code), department));
    let (code, department) = nearest(&words, by_code)?;
    Some(of_department(&department.code, format!("it is nearly '{code}'")))
}

/// What a tag nearly says.  A value that says it exactly and still did not decide is contradicted by another tag.
fn by_tag((key, value): (&String, &String), directory: &Directory, day: NaiveDate) -> Option<Suggestion> {
    let key = key.strip_prefix(PRINCIPAL_TAG_PREFIX).unwrap_or(key);
    let name = comparable_name(value);
    let words = parts(&name);
    let because = |nearly: &str| format!("its tag {key} is '{value}', nearly '{nearly}'");
    match key {
        "user" => {
            let login = name.split('@').next().unwrap_or("");
            let (login, person) = nearest_person(&[login], directory, day)?;
            Some(of_person(person, because(&login)))
        }
        "cost-center" => {
            // Sheets take away leading zeros; any other figure that differs is another cost centre.
            let figures = |text: &str| text.trim().trim_start_matches('0').to_owned();
            let mut of_centre = departments_on(directory, day)
                .filter(|department| !figures(value).is_empty() && figures(&department.cost_center) == figures(value));
            let department = of_centre.next().filter(|_| of_centre.next().is_none())?;
            Some(of_department(&department.code, because(&department.cost_center)))
        }
        "project" => {
            let projects = directory.projects.iter().filter(|project| project.valid.contains(day));
            let named = projects.flat_map(|project| {
                [&project.code, &project.name].map(|name| (comparable_name(name), project.department_code.as_str()))
            });
            let (project, department) = nearest(&words, named)?;
            let department = departments_on(directory, day).find(|known| known.code == department)?;
            Some(of_department(&department.code, because(&project)))
        }
        _ => {
            let named = departments_on(directory, day).flat_map(|department| {
                [&department.code, &department.name, &department.name_ja]
                    .map(|name| (comparable_name(name), department))
            });
            let (department, found) = nearest(&words, named)?;
            Some(of_department(&found.code, because(&department)))
        }
    }
}

fn of_department(code: &str, because: String) -> Suggestion {
    Suggestion {
        department: code.to_owned(),
        person: None,
        because,
    }
}

fn of_person(person: &Person, because: String) -> Suggestion {
    Suggestion {
        department: person.department_code.clone(),
        person: Some(person.person_id.clone()),
        because,
    }
}

fn departments_on(directory: &Directory, day: NaiveDate) -> impl Iterator<Item = &Department> {
    directory
        .departments
        .iter()
        .filter(move |department| department.valid.contains(day))
}

fn nearest_person<'d>(words: &[&str], directory: &'d Directory, day: NaiveDate) -> Option<(String, &'d Person)> {
    let people = directory.people.iter().filter(|person| person.valid.contains(day));
    let by_login = people.map(|person| {
        let login = person.email.split('@').next().unwrap_or("");
        (comparable_name(login), person)
    });
    nearest(words, by_login)
}

/// The one candidate whose name is nearest to a word, if it is near at all and no other is as near.
fn nearest<T: PartialEq>(words: &[&str], candidates: impl Iterator<Item = (String, T)>) -> Option<(String, T)> {
    let mut near: Vec<(usize, String, T)> = candidates
        .filter(|(name, _)| !name.is_empty())
        .filter_map(|(name, of)| Some((slips(words, &name)?, name, of)))
        .collect();
    near.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    let (fewest, _, first) = near.first()?;
    let others_as_near = near.iter().any(|(slips, _, of)| slips == fewest && of != first);
    (!others_as_near)
        .then(|| near.swap_remove(0))
        .map(|(_, name, of)| (name, of))
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
            name_ja: if code == "data-platform" {
                "データ基盤部"
            } else {
                ""
            }
            .to_owned(),
            parent_code: String::new(),
            cost_center: format!("000{}", code.len()),
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
        suggested_with(role, session, &[])
    }

    fn suggested_with(role: &str, session: &str, tags: &[(&str, &str)]) -> Option<(String, Option<String>)> {
        let arn = format!("arn:aws:sts::111122223333:assumed-role/{role}/{session}");
        let sessions = BTreeMap::from([("i-0abc".to_owned(), ("engineering".to_owned(), None))]);
        let day = NaiveDate::from_ymd_opt(2026, 10, 1).unwrap_or_default();
        let tags: EvidenceTags = tags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        suggest(&arn, &[tags], &directory(), day, &sessions).map(|found| (found.department, found.person))
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

    #[test]
    fn tags_that_nearly_match_are_suggested_before_names() {
        let of = |department: &str, person: Option<&str>| Some((department.to_owned(), person.map(str::to_owned)));
        let tagged = |key: &str, value: &str| suggested_with("cowork-sales-x", "s", &[(key, value)]);
        assert_eq!(tagged("iamPrincipal/department", "Enginering"), of("engineering", None));
        assert_eq!(tagged("department", "データ基盤"), of("data-platform", None));
        assert_eq!(tagged("iamPrincipal/team", "engineering"), of("engineering", None));
        assert_eq!(tagged("user", "hanako.satoo@example.com"), of("sales", Some("p1")));
        // 11 letters: the sheet that the tag came from took the zeros away; 5 is sales, and 6 is nobody's.
        assert_eq!(tagged("cost-center", "11"), of("engineering", None));
        assert_eq!(tagged("cost-center", "6"), of("sales", None), "the role's name is next");
        assert_eq!(tagged("cost-center", "000"), of("sales", None));
        assert_eq!(tagged("department", ""), of("sales", None));
        assert_eq!(suggested_with("llm-gateway", "s", &[("department", "nowhere")]), None);
    }
}
