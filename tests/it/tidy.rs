//! The house rules, as far as a machine can see them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_path_buf(), text));
            }
        }
    }
    found.sort();
    found
}

/// What each module may import of ours, inside out.
const IMPORTS: &[(&str, &[&str])] = &[
    ("domain", &["domain"]),
    ("sources", &["sources", "domain"]),
    ("store", &["store", "domain"]),
    ("documents", &["documents", "domain"]),
    ("sample", &["sample", "domain"]),
    ("messages", &["messages", "domain"]),
    (
        "jobs",
        &["jobs", "domain", "sources", "store", "documents", "messages", "clock"],
    ),
    ("http", &["http", "domain", "store", "config", "clock"]),
    (
        "api",
        &[
            "api",
            "domain",
            "sources",
            "store",
            "documents",
            "messages",
            "jobs",
            "http",
            "config",
            "clock",
        ],
    ),
    ("web", &["web", "domain", "store", "http", "api"]),
    ("config", &["domain"]),
    ("clock", &[]),
    ("telemetry", &[]),
];

#[test]
fn modules_import_inwards() {
    let rules: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    for (path, text) in files("src", "rs") {
        let module = path
            .components()
            .nth(1)
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs")
            .to_owned();
        let Some(allowed) = rules.get(module.as_str()) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for part in line.split("crate::").skip(1) {
                let of: String = part
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect();
                assert!(
                    allowed.contains(&of.as_str()),
                    "{}:{} imports {of}",
                    path.display(),
                    number + 1
                );
            }
        }
    }
}

#[test]
fn only_the_store_and_its_callers_name_sqlx_and_domain_does_no_io() {
    for (path, text) in files("src/domain", "rs") {
        for word in [
            "sqlx", "tokio", "async fn", "std::fs", "std::env", "Utc::now", "polars", "axum",
        ] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn every_statement_is_used_once_and_has_a_head() {
    let sources = files("src", "rs").into_iter().map(|(_, text)| text).collect::<String>();
    for (path, text) in files("queries", "sql") {
        let name = path.display().to_string();
        assert_eq!(
            sources.matches(&format!("\"{name}\"")).count(),
            1,
            "{name} is not used exactly once"
        );
        assert!(text.starts_with("-- "), "{name} has no head");
    }
}

#[test]
fn files_are_small_and_say_what_they_own() {
    for (path, text) in files("src", "rs") {
        let lines = text.lines().count();
        assert!(
            lines <= 600,
            "{}: {lines} lines; look for the second subject",
            path.display()
        );
        let has_head = text.starts_with("//! ") || path.file_name().is_some_and(|n| n == "tests.rs");
        assert!(has_head, "{} does not say what it owns", path.display());
    }
}

#[test]
fn nothing_is_left_undone() {
    for (path, text) in files("src", "rs").into_iter().chain(files("queries", "sql")) {
        for mark in ["todo!(", "unimplemented!(", "FIXME", "XXX", "dbg!("] {
            assert!(!text.contains(mark), "{} has {mark}", path.display());
        }
    }
}

#[test]
fn money_is_never_a_float() {
    for (path, text) in files("src/domain", "rs")
        .into_iter()
        .chain(files("src/store", "rs"))
        .chain(files("src/api", "rs"))
    {
        // A forecast is no money.
        let allowed = path.ends_with("money.rs")
            || path
                .components()
                .any(|part| part.as_os_str().to_string_lossy().starts_with("forecast"));
        assert!(
            allowed || !(text.contains("f64") || text.contains("f32")),
            "{} has a float",
            path.display()
        );
    }
    for (path, text) in files("migrations", "sql").into_iter().chain(files("queries", "sql")) {
        assert!(
            !text.contains("double precision") && !text.contains(" real"),
            "{} has a float",
            path.display()
        );
    }
}

#[test]
fn tls_is_rustls_everywhere() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for name in ["openssl", "openssl-sys", "native-tls"] {
        assert!(!lock.contains(&format!("name = \"{name}\"")), "{name} is in the tree");
    }
}
