//! What is there is documented.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn every_setting_is_in_the_settings_document() {
    let document = read("docs/SETTINGS.md");
    for (name, default, meaning) in anbun::config::KNOWN_SETTINGS {
        let line = format!(
            "| `{name}` | {} | {meaning} |",
            if default.is_empty() {
                "none".to_owned()
            } else {
                format!("`{default}`")
            }
        );
        assert!(document.contains(&line), "docs/SETTINGS.md lacks: {line}");
    }
}

#[test]
fn every_route_is_in_the_api_document() {
    let document = read("docs/API.md");
    let openapi = serde_json::to_value(anbun::api::document()).unwrap();
    for path in openapi["paths"].as_object().unwrap().keys() {
        assert!(document.contains(path.as_str()), "docs/API.md lacks {path}");
    }
}

#[test]
fn every_dimension_is_in_the_api_document() {
    let document = read("docs/API.md");
    for dimension in anbun::domain::dimension::Dimension::ALL {
        assert!(
            document.contains(&format!("`{dimension}`")),
            "docs/API.md lacks {dimension}"
        );
    }
}

#[test]
fn every_job_and_metric_is_in_the_runbook() {
    let document = read("docs/RUNBOOK.md");
    for job in anbun::domain::job::JobName::ALL {
        assert!(document.contains(&format!("`{job}`")), "docs/RUNBOOK.md lacks {job}");
    }
    let health = read("src/http/health.rs");
    for name in health
        .split("gauge!(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
    {
        assert!(document.contains(name), "docs/RUNBOOK.md lacks {name}");
    }
}

#[test]
fn the_readme_names_the_commands_that_ci_runs() {
    let readme = read("README.md");
    assert!(readme.contains("cargo run --release -- demo") && readme.contains("cargo test"));
    assert!(read(".ci/run").contains("cargo test"));
}

/// Whether a schema holds money anywhere below it.
fn holds_money(document: &Value, schema: &Value, seen: &mut BTreeSet<String>) -> bool {
    match schema {
        Value::Object(fields) => fields.iter().any(|(key, value)| match (key.as_str(), value.as_str()) {
            ("$ref", Some(name)) => {
                let name = name.trim_start_matches("#/components/schemas/").to_owned();
                // What a finding hangs on is no amount of the answer's own.
                name == "MoneyView"
                    || (name != "FindingView"
                        && seen.insert(name.clone())
                        && holds_money(document, &document["components"]["schemas"][&name], seen))
            }
            _ => holds_money(document, value, seen),
        }),
        Value::Array(all) => all.iter().any(|of| holds_money(document, of, seen)),
        _ => false,
    }
}

#[test]
fn every_answer_with_money_says_what_it_rests_on() {
    let document = serde_json::to_value(anbun::api::document()).unwrap();
    let mut lacking = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for status in ["200", "201"] {
                let schema = &operation["responses"][status]["content"]["application/json"]["schema"];
                if !holds_money(&document, schema, &mut BTreeSet::new()) {
                    continue;
                }
                let name = schema["$ref"].as_str().unwrap_or_default();
                let name = name.trim_start_matches("#/components/schemas/");
                let text = document["components"]["schemas"][name].to_string();
                let says = |field: &str| text.contains(&format!("\"{field}\":"));
                let has_all = ["basis", "state", "data_as_of", "rates", "findings"]
                    .into_iter()
                    .all(says);
                if !has_all && !text.contains("#/components/schemas/Footing\"") {
                    lacking.push(format!("{method} {path} ({name})"));
                }
            }
        }
    }
    assert_eq!(lacking, Vec::<String>::new());
}

/// Two answers of one name would be one in the document, and one of them wrong.
#[test]
fn no_two_schemas_have_one_name() {
    let mut names = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let text = std::fs::read_to_string(entry.path()).unwrap();
            for after in text.split("ToSchema").skip(1) {
                let item = after
                    .lines()
                    .take(4)
                    .find_map(|line| line.trim().strip_prefix("pub struct "));
                let name = item.map(|item| item.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned());
                if let Some(name) = name {
                    assert!(names.insert(name.clone()), "{name} is there twice");
                }
            }
        }
    }
    assert!(names.len() > 50);
}
