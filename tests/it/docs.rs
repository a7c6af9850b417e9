//! What is there is documented.

use std::path::Path;

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
