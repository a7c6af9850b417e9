use std::collections::BTreeMap;

use uuid::Uuid;

use super::*;
use crate::domain::directory::{Cell, Department, Directory, EntryKind, Person, PrincipalEntry, Project};
use crate::domain::period::Validity;
use crate::domain::sealed_directory::{NameKey, SealedDirectory, people_of};

const ACCOUNT: &str = "222200010001";
const OWNED: &str = "222200010002";

fn day(text: &str) -> chrono::NaiveDate {
    text.parse().unwrap_or_else(|_| panic!("{text} is no day"))
}

fn valid(from: &str, to: &str) -> Validity {
    Validity {
        from: day(from),
        to: (!to.is_empty()).then(|| day(to)),
    }
}

fn department(code: &str, cost_center: &str, to: &str) -> Department {
    Department {
        code: code.to_owned(),
        name: code.to_owned(),
        name_ja: String::new(),
        parent_code: String::new(),
        cost_center: cost_center.to_owned(),
        legal_entity: String::new(),
        successor_code: String::new(),
        valid: valid("2020-04-01", to),
    }
}

fn person(person_id: &str, email: &str, department_code: &str, from: &str, to: &str) -> Person {
    Person {
        person_id: person_id.to_owned(),
        name: person_id.to_owned(),
        email: email.to_owned(),
        department_code: department_code.to_owned(),
        manager_person_id: String::new(),
        valid: valid(from, to),
        digests: None,
    }
}

/// account / role / session / user, person / department / project, kind
fn entry(cells: [&str; 4], whose: [&str; 3], kind: EntryKind) -> PrincipalEntry {
    let [account, role, session, user] = cells.map(Cell::parse);
    let [person_id, department_code, project_code] = whose.map(str::to_owned);
    let valid = valid("2024-04-01", "");
    PrincipalEntry {
        account,
        role,
        session,
        user,
        person_id,
        department_code,
        project_code,
        kind,
        valid,
    }
}

/// Departments that are prefixes of each other, two people with one login, one who moves on 15 October and one who leaves.
fn directory() -> Directory {
    use EntryKind::{Gateway, Person as OfPerson, Service, Shared};
    Directory {
        names: None,
        departments: vec![
            department("sales", "0001300", ""),
            department("data", "0001210", ""),
            department("data-platform", "0001210", ""),
            department("research", "0001230", ""),
            department("legacy", "42", "2026-10-14"),
            Department {
                successor_code: "bridge".to_owned(),
                ..department("abolished", "0001299", "2026-10-01")
            },
            Department {
                successor_code: "research".to_owned(),
                ..department("bridge", "0001298", "2026-10-05")
            },
            Department {
                successor_code: "ring-b".to_owned(),
                ..department("ring-a", "1", "2026-10-01")
            },
            Department {
                successor_code: "ring-a".to_owned(),
                ..department("ring-b", "1", "2026-10-01")
            },
        ],
        people: vec![
            person("E1", "alice.kuroda@example.co.jp", "sales", "2020-04-01", ""),
            person("E2", "mary-ann@example.co.jp", "data-platform", "2020-04-01", ""),
            person("E3", "platform-zoe@example.co.jp", "data", "2020-04-01", ""),
            person("E4", "zoe@example.co.jp", "data-platform", "2020-04-01", ""),
            person("E5", "kenji@example.co.jp", "sales", "2020-04-01", "2026-10-15"),
            person("E5", "kenji@example.co.jp", "data-platform", "2026-10-15", ""),
            person("E6", "olu@example.co.jp", "research", "2020-04-01", "2026-10-17"),
            person("E7", "jun@example.co.jp", "sales", "2020-04-01", ""),
            person("E8", "jun@partner.example.com", "data", "2020-04-01", ""),
        ],
        projects: vec![Project {
            code: "PJ-1".to_owned(),
            name: "One".to_owned(),
            owner_person_id: String::new(),
            department_code: "research".to_owned(),
            valid: valid("2025-04-01", ""),
        }],
        principals: vec![
            entry([ACCOUNT, "", "", "svc-report"], ["E1", "", ""], OfPerson),
            entry([ACCOUNT, "", "", "BedrockAPIKey-k7"], ["E5", "", ""], OfPerson),
            entry(["*", "bot", "*", ""], ["", "sales", "PJ-1"], Service),
            entry(["*", "bot", "canary", ""], ["", "data", ""], Service),
            entry([ACCOUNT, "tie", "*", ""], ["", "sales", ""], Service),
            entry(["*", "tie", "nightly", ""], ["", "data", ""], Service),
            entry(["*", "gateway", "*", ""], ["", "", ""], Gateway),
            entry(["*", "sso-shared", "*", ""], ["", "", ""], Shared),
            entry(["*", "notebooks", "*", ""], ["", "research", ""], Shared),
            entry([ACCOUNT, "closed", "*", ""], ["", "nowhere", ""], Service),
            entry([OWNED, "*", "*", "*"], ["", "sales", ""], Service),
        ],
    }
}

/// The directory as it is opened again after a seal.
fn sealed(directory: &Directory) -> Directory {
    let people = people_of(directory);
    let opaque: BTreeMap<String, Uuid> = people.into_iter().map(|id| (id, Uuid::new_v4())).collect();
    let key = NameKey([7; 32]);
    let sealed = SealedDirectory::seal(directory, &key, &opaque).unwrap_or_else(|| panic!("somebody has no id"));
    let text = serde_json::to_string(&sealed).unwrap_or_else(|e| panic!("{e}"));
    assert!(
        !text.contains("kuroda") && !text.contains("example") && !text.contains("svc-report"),
        "{text}"
    );
    let stored: SealedDirectory = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}"));
    stored.open(key, &opaque.into_iter().map(|(id, opaque)| (opaque, id)).collect())
}

fn settings() -> AttributionSettings {
    let pattern = "cowork-{department}-{user}".parse().unwrap_or_else(|e| panic!("{e}"));
    AttributionSettings {
        order: Rule::IN_ORDER.to_vec(),
        role_patterns: vec![pattern],
    }
}

/// `department/person/project rule`, `!reason` or `?reason`.
fn result(arn: Option<&str>, tags: &[(&str, &str)], on: &str) -> String {
    let directory = directory();
    let tags = tags
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let found = attribute(arn, &tags, &directory.on(day(on)), &settings());
    let sealed = sealed(&directory);
    assert_eq!(
        attribute(arn, &tags, &sealed.on(day(on)), &settings()),
        found,
        "as it was sealed"
    );
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    match (found.state, found.reason) {
        (State::Attributed, _) => {
            let rule = found.rule.map_or("", Rule::as_str);
            format!(
                "{}/{}/{} {rule}",
                text(&found.department),
                text(&found.person),
                text(&found.project)
            )
        }
        (State::Quarantined, reason) => format!("!{}", reason.map_or("", Reason::as_str)),
        (State::Unattributed, reason) => format!("?{}", reason.map_or("", Reason::as_str)),
    }
}

fn role(name: &str, session: &str) -> String {
    format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}")
}

fn check(arn: &str, tags: &[(&str, &str)], expected: &str) {
    assert_eq!(result(Some(arn), tags, "2026-10-10"), expected, "{arn} {tags:?}");
}

#[test]
fn the_directory_comes_first() {
    check(
        &format!("arn:aws:iam::{ACCOUNT}:user/division/tokyo/svc-report"),
        &[],
        "sales/E1/ directory",
    );
    check(&role("bot", "BedrockAgentCore-1"), &[], "sales//PJ-1 directory");
    check(&role("BOT", "canary"), &[], "data// directory");
    check(&role("tie", "nightly"), &[], "!ambiguous");
    check(
        &role("bot", "x"),
        &[("iamPrincipal/department", "research")],
        "sales//PJ-1 directory",
    );
    check(&role("closed", "x"), &[], "!unknown_department");
    check("arn:aws:iam::222200010009:role/app/bot", &[], "sales//PJ-1 directory");
}

#[test]
fn tags_come_second() {
    let check = |tags: &[(&str, &str)], expected: &str| check(&role("plain", "i-1"), tags, expected);
    check(&[("iamPrincipal/department", "ＳＡＬＥＳ")], "sales// tag");
    check(
        &[("department", "data"), ("user", "alice.kuroda@example.co.jp")],
        "data/E1/ tag",
    );
    check(
        &[("department", "data"), ("iamPrincipal/department", "sales")],
        "!ambiguous",
    );
    check(
        &[("department", "sales"), ("iamPrincipal/department", "SALES")],
        "sales// tag",
    );
    check(&[("iamPrincipal/department", "growth")], "!unknown_department");
    check(&[("iamPrincipal/user", "mary-ann")], "data-platform/E2/ tag");
    check(&[("iamPrincipal/user", "ghost")], "!unknown_person");
    check(&[("iamPrincipal/user", "jun")], "!ambiguous");
    check(&[("iamPrincipal/cost-center", "0001300")], "sales// tag");
    check(&[("iamPrincipal/cost-center", "1300")], "!unknown_department");
    check(&[("iamPrincipal/cost-center", "0001210")], "!ambiguous");
    check(
        &[("iamPrincipal/cost-center", "0001210"), ("iamPrincipal/user", "zoe")],
        "data-platform/E4/ tag",
    );
    check(
        &[
            ("iamPrincipal/department", "sales"),
            ("iamPrincipal/cost-center", "0001210"),
        ],
        "!ambiguous",
    );
    check(&[("iamPrincipal/project", "pj-1")], "research//PJ-1 tag");
    check(&[("iamPrincipal/project", "PJ-9")], "!unknown_department");
    check(
        &[("iamPrincipal/project", "PJ-1"), ("iamPrincipal/user", "zoe")],
        "!ambiguous",
    );
    check(
        &[("iamPrincipal/department", "sales"), ("iamPrincipal/user", "ghost")],
        "sales// tag",
    );
    check(
        &[("iamPrincipal/department", "sales"), ("iamPrincipal/project", "PJ-1")],
        "sales//PJ-1 tag",
    );
    for key in [
        "resourceTags/department",
        "accountTag/department",
        "userAttribute/department",
        "iamPrincipal/team",
    ] {
        check(&[(key, "sales")], "!unparsed");
    }
}

#[test]
fn role_names_are_cut_by_the_directory_and_never_by_guess() {
    let check = |name: &str, expected: &str| check(&role(&format!("cowork-{name}"), "claude-code"), &[], expected);
    check("sales-alice.kuroda", "sales/E1/ role_name");
    check("Sales-Alice.Kuroda", "sales/E1/ role_name");
    check("data-platform-mary-ann", "data-platform/E2/ role_name");
    check("data-platform-zoe", "!ambiguous");
    check("data-platform-newcomer", "!ambiguous");
    check("sales-newcomer", "sales// role_name");
    check("sales-jun", "sales// role_name");
    check("growth-alice.kuroda", "!unknown_department");
    check("sales", "!unparsed");
    check("sales-", "!unknown_department");
    check("research-mary-ann@example.co.jp", "research/E2/ role_name");
    // The department stays what the name says; the person may come from the session.
    let shared = result(
        Some(&role("cowork-sales-shared", "mary-ann@example.co.jp")),
        &[],
        "2026-10-10",
    );
    assert_eq!(shared, "sales/E2/ role_name");
}

#[test]
fn session_names_can_be_people() {
    check(
        &role("sso-shared", "Alice.Kuroda@Example.co.jp"),
        &[],
        "sales/E1/ session_name",
    );
    check(&role("sso-shared", "e2"), &[], "data-platform/E2/ session_name");
    check(
        &role("sso-shared", "alice.kuroda@other.example.com"),
        &[],
        "!unknown_person",
    );
    check(&role("sso-shared", "jun"), &[], "!ambiguous");
    check(&role("sso-shared", "i-0f1e2d3c"), &[], "!shared_principal");
    check(&role("gateway", "litellm"), &[], "!shared_principal");
    check(&role("gateway", "zoe"), &[], "data-platform/E4/ session_name");
    check(
        &role("gateway", "x"),
        &[("iamPrincipal/department", "sales")],
        "sales// tag",
    );
    check(&role("notebooks", "zoe@example.co.jp"), &[], "research/E4/ directory");
    check(
        &format!("arn:aws:iam::{ACCOUNT}:user/alice.kuroda"),
        &[],
        "sales/E1/ session_name",
    );
}

#[test]
fn the_account_comes_last_and_never_for_a_shared_role() {
    check(
        &format!("arn:aws:sts::{OWNED}:assumed-role/fn-role/fn"),
        &[],
        "sales// account",
    );
    check(&format!("arn:aws:iam::{OWNED}:root"), &[], "sales// account");
    check(
        &format!("arn:aws:sts::{OWNED}:assumed-role/gateway/litellm"),
        &[],
        "!shared_principal",
    );
    check(&format!("arn:aws:iam::{ACCOUNT}:root"), &[], "!unparsed");
    check("AIDAEXAMPLEUSERID0001", &[], "!unparsed");
    check(
        &format!("arn:aws:sts::{ACCOUNT}:assumed-role"),
        &[("iamPrincipal/department", "sales")],
        "sales// tag",
    );
}

#[test]
fn nobody_is_asked_where_there_is_nobody() {
    for arn in [None, Some("")] {
        assert_eq!(
            result(arn, &[("iamPrincipal/department", "sales")], "2026-10-10"),
            "?no_principal"
        );
    }
    assert_eq!(result(Some(&role("bot", "x")), &[], "2026-04-07"), "?before_activation");
    assert_eq!(
        result(Some(&role("bot", "x")), &[], "2026-04-08"),
        "sales//PJ-1 directory"
    );
}

#[test]
fn only_what_follows_the_person_moves_with_the_person() {
    let api_key = format!("arn:aws:iam::{ACCOUNT}:user/BedrockAPIKey-k7");
    let cases = [
        (api_key, "sales/E5/ directory", "data-platform/E5/ directory"),
        (
            role("sso-shared", "kenji@example.co.jp"),
            "sales/E5/ session_name",
            "data-platform/E5/ session_name",
        ),
        (
            role("cowork-sales-kenji", "s"),
            "sales/E5/ role_name",
            "sales/E5/ role_name",
        ),
        (
            role("sso-shared", "olu@example.co.jp"),
            "research/E6/ session_name",
            "!unknown_person",
        ),
        (
            role("cowork-research-olu", "s"),
            "research/E6/ role_name",
            "research// role_name",
        ),
    ];
    for (arn, before, after) in cases {
        assert_eq!(result(Some(&arn), &[], "2026-10-14"), before, "{arn}");
        assert_eq!(result(Some(&arn), &[], "2026-10-17"), after, "{arn}");
    }
    let tag = [("iamPrincipal/department", "legacy")];
    assert_eq!(result(Some(&role("plain", "s")), &tag, "2026-10-13"), "legacy// tag");
    assert_eq!(
        result(Some(&role("plain", "s")), &tag, "2026-10-14"),
        "!unknown_department"
    );
}

#[test]
fn every_rule_that_was_tried_is_kept() {
    let directory = directory();
    let found = explain(
        Some(&role("gateway", "zoe")),
        &EvidenceTags::new(),
        &directory.on(day("2026-10-10")),
        &settings(),
    );
    let tried: Vec<(&str, bool)> = found
        .tried
        .iter()
        .map(|(rule, evidence)| (rule.as_str(), evidence.shared))
        .collect();
    assert_eq!(
        tried,
        [
            ("directory", true),
            ("tag", false),
            ("role_name", false),
            ("session_name", false)
        ]
    );
    assert_eq!(found.attribution.person_rule, Some(Rule::SessionName));
}

proptest::proptest! {
    #[test]
    fn any_principal_and_tags_end_in_exactly_one_state(arn in ".{0,60}", key in "[a-zA-Z/-]{0,20}", value in ".{0,20}") {
        let directory = directory();
        let tags = EvidenceTags::from([(key, value)]);
        let found = attribute(Some(&arn), &tags, &directory.on(day("2026-10-10")), &settings());
        let as_sealed = attribute(Some(&arn), &tags, &sealed(&directory).on(day("2026-10-10")), &settings());
        proptest::prop_assert_eq!(&as_sealed, &found);
        proptest::prop_assert_eq!(found.state == State::Attributed, found.reason.is_none());
        proptest::prop_assert_eq!(found.state == State::Attributed, found.department.is_some());
    }
}

/// A role or tag that still carries an abolished department is its successor's, by a rule of its own.
#[test]
fn an_abolished_departments_successor_has_its_charges() {
    let directory = directory();
    let decide = |role: &str, tags: &[(&str, &str)], on: &str| {
        let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/s");
        let tags = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let found = attribute(Some(&arn), &tags, &directory.on(day(on)), &settings());
        (found.department, found.rule, found.reason)
    };
    let given_to = |code: &str, rule| (Some(code.to_owned()), Some(rule), None);
    let unknown = |rule| (None, Some(rule), Some(Reason::UnknownDepartment));
    assert_eq!(
        decide("cowork-abolished-x", &[], "2026-09-30"),
        given_to("abolished", Rule::RoleName)
    );
    assert_eq!(
        decide("cowork-abolished-x", &[], "2026-10-02"),
        given_to("bridge", Rule::Successor)
    );
    assert_eq!(
        decide("cowork-abolished-x", &[], "2026-10-20"),
        given_to("research", Rule::Successor)
    );
    let tag = [
        ("iamPrincipal/department", "Abolished"),
        ("iamPrincipal/cost-center", "0001299"),
    ];
    assert_eq!(
        decide("plain", &tag, "2026-10-20"),
        given_to("research", Rule::Successor)
    );
    let other_centre = [("department", "abolished"), ("cost-center", "0001300")];
    assert_eq!(
        decide("plain", &other_centre, "2026-10-20"),
        (None, Some(Rule::Tag), Some(Reason::Ambiguous))
    );
    // Without a successor, before it began, or in a ring, nobody goes on.
    assert_eq!(decide("cowork-legacy-x", &[], "2026-10-20"), unknown(Rule::RoleName));
    assert_eq!(decide("cowork-ring-a-x", &[], "2026-10-20"), unknown(Rule::RoleName));
}
