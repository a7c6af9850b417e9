//! A private cluster for the whole run and a database for each test, with the same code as the program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use anbun::clock::Clock;
use anbun::domain::actor::Actor;
use anbun::domain::attribution::AttributionSettings;
use anbun::domain::period::BillingPeriod;
use anbun::jobs::load_export::{LoadExport, Loading, PeriodOutcome};
use anbun::sources::cur::ExportLocation;
use anbun::store::database::Database;
use anbun::store::private_server::{self, Durability, Transport};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_anbun");

/// A folder below the system's temporary one that every user can pass: the server never runs as root.
pub(crate) fn scratch(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let folder = std::env::temp_dir().join(format!(
        "anbun-it-{}-{}-{name}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    ));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The folder of the run's cluster.  Runs in parallel processes (as nextest does) share one: its guard ends it with the last.
pub(crate) fn cluster() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join("anbun-it-cluster");
        std::fs::create_dir_all(&folder).unwrap();
        folder
    })
}

/// A migrated database of its own.
pub(crate) async fn database() -> Database {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("t{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let lease = tokio::task::spawn_blocking(|| {
        private_server::lease(cluster(), Path::new(PROGRAM), Durability::None, Transport::native())
    })
    .await
    .unwrap()
    .unwrap();
    drop_database(&lease, &name).await;
    let database = Database::on(lease, &name).await.unwrap();
    database.migrate().await.unwrap();
    database
}

/// A process id comes back one day: its old database is not this test's.
async fn drop_database(lease: &private_server::ServerLease, name: &str) {
    use sqlx::ConnectOptions;
    let mut maintenance = lease.connect_options("postgres").connect().await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "drop database if exists {name} with (force)"
    )))
    .execute(&mut maintenance)
    .await
    .unwrap();
}

pub(crate) fn settings() -> AttributionSettings {
    anbun::config::Config::default().attribution.settings().unwrap()
}

pub(crate) fn as_seen() -> anbun::api::findings::AsSeen {
    anbun::api::findings::AsSeen::of(&anbun::config::Config::default(), Clock::System)
}

pub(crate) async fn import_directory(database: &Database, folder: &Path) {
    use anbun::jobs::import_directory::{ImportSettings, Keep, import_directory};
    let files = ["departments", "people", "principals", "projects"].map(|name| folder.join(format!("{name}.csv")));
    let importing = ImportSettings {
        attribution: settings(),
        yen: anbun::config::Config::default().currency.yen(),
    };
    let with = (&Actor::local(), Clock::System);
    let imported = import_directory(&files, Keep::Yes, database, &importing, with).await;
    imported.unwrap_or_else(|e| panic!("{e:#}"));
}

pub(crate) async fn try_load(
    database: &Database,
    export: &Path,
) -> anyhow::Result<Vec<(BillingPeriod, PeriodOutcome)>> {
    let job = LoadExport {
        name: None,
        location: ExportLocation::Folder(export.to_path_buf()),
        periods: Vec::new(),
        force: false,
    };
    let with = Loading {
        database,
        settings: &settings(),
        clock: Clock::System,
        actor: &Actor::local(),
        progress: &|_| {},
    };
    Ok(job.run(&with).await?.periods)
}

/// Loads an export; every period must be taken.
pub(crate) async fn load(database: &Database, export: &Path) -> Vec<(BillingPeriod, PeriodOutcome)> {
    let outcomes = try_load(database, export).await.unwrap_or_else(|e| panic!("{e:#}"));
    for (period, outcome) in &outcomes {
        if let PeriodOutcome::Refused(error) | PeriodOutcome::Waiting(error) | PeriodOutcome::Failed(error) = outcome {
            panic!("{period}: {error:#}");
        }
    }
    outcomes
}

/// Why the only period of an export was refused.
pub(crate) async fn refusal(database: &Database, export: &Path) -> String {
    match try_load(database, export).await {
        Err(error) => format!("{error:#}"),
        Ok(outcomes) => match outcomes.into_iter().next() {
            Some((_, PeriodOutcome::Refused(error) | PeriodOutcome::Waiting(error) | PeriodOutcome::Failed(error))) => {
                format!("{error:#}")
            }
            other => panic!("it was not refused: {other:?}"),
        },
    }
}

/// Runs the program with a data folder.
pub(crate) fn anbun(data_folder: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .arg("--data-dir")
        .arg(data_folder)
        .args(arguments)
        .env_remove("ANBUN_CONFIG")
        // No test asks the machine that it runs on for credentials.
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "no-aws-config")
        .env("AWS_SHARED_CREDENTIALS_FILE", "no-aws-credentials")
        .env_remove("AWS_ACCESS_KEY_ID")
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// make_cur.py and a Python that can run it; both are there in CI, and a run elsewhere says what it leaves out.
pub(crate) fn make_cur() -> Option<(PathBuf, PathBuf)> {
    let tools = std::env::var_os("ANBUN_TEST_TOOLS")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/tools"));
    let python = std::env::var_os("ANBUN_TEST_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let has_packages = || {
        Command::new(&python)
            .args(["-c", "import pyarrow, numpy"])
            .output()
            .is_ok_and(|o| o.status.success())
    };
    let found = tools.join("make_cur.py").is_file() && has_packages();
    if !found {
        assert!(
            std::env::var_os("ANBUN_TEST_REQUIRE_TOOLS").is_none(),
            "make_cur.py or its Python packages are missing"
        );
        left_out(
            "make_cur.py or its Python packages are not there; the demo's own sums are the only oracle of this run",
        );
    }
    found.then_some((tools, python))
}

/// Writes an export with make_cur.py.
pub(crate) fn write_export(tools: &(PathBuf, PathBuf), name: &str, arguments: &[&str]) -> PathBuf {
    let folder = scratch(name).join("export");
    let run = Command::new(&tools.1)
        .arg(tools.0.join("make_cur.py"))
        .arg("--out")
        .arg(&folder)
        .args(arguments)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    folder
}

/// A damaged copy of an export by damage_cur.py.
pub(crate) fn damage(tools: &(PathBuf, PathBuf), export: &Path, damage: &str) -> PathBuf {
    let copy = scratch(damage).join("copy");
    let run = Command::new(&tools.1)
        .arg(tools.0.join("damage_cur.py"))
        .arg(export)
        .arg(damage)
        .arg(&copy)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    copy
}

/// Says what a run leaves out.  Written to the stream itself: the test runner hides what passing tests print.
pub(crate) fn left_out(what: &str) {
    use std::io::Write;
    std::io::stderr()
        .write_all(format!("LEFT OUT: {what}\n").as_bytes())
        .unwrap();
}
