//! The program as its user runs it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::exports::SmallExport;
use crate::support::{PROGRAM, anbun, scratch, stderr, stdout};

#[test]
fn the_demo_charges_back_six_months_in_one_command() {
    let data = scratch("demo");
    let output = anbun(
        &data,
        &["demo", "--once", "--months", "2", "--people", "20", "--format", "json"],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("checked to the last digit"),
        "{}",
        stderr(&output)
    );
    let month: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(month["rows"].as_array().unwrap().len() > 5);
    // The same again, with other people: nothing of the first is left.
    let again = anbun(
        &data,
        &["demo", "--once", "--months", "1", "--people", "8", "--seed", "2"],
    );
    assert!(again.status.success(), "{}", stderr(&again));
    let demo = data.join("demo");
    let status = anbun(&demo, &["ingest", "status", "--format", "json"]);
    let deliveries: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(deliveries["data"].as_array().unwrap().len(), 1);
    // Sample figures are in a database of their own.
    let real = anbun(&data, &["ingest", "status", "--format", "json"]);
    let deliveries: serde_json::Value = serde_json::from_slice(&real.stdout).unwrap();
    assert_eq!(deliveries["data"].as_array().unwrap().len(), 0);
}

#[test]
fn exit_codes_and_messages_tell_what_to_do() {
    let data = scratch("codes");
    let check = |arguments: &[&str], code: i32, needle: &str| {
        let output = anbun(&data, arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(needle), "{arguments:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{arguments:?}");
    };
    check(&["chargeback", "preview", "2026-13"], 2, "no month");
    check(
        &["chargeback", "preview", "2026-10"],
        1,
        "no delivery of 2026-10 is loaded",
    );
    check(&["costs", "--by", "colour"], 2, "'colour' is none of");
    check(&["costs"], 1, "nothing is loaded");
    check(&["ingest", "cur", "/nowhere/at/all"], 1, "/nowhere/at/all");
    check(&["ingest", "cur", "s3://bucket/export"], 1, "give anbun credentials");
    check(&["ingest", "cur", "s3:///export"], 1, "names no bucket");
    check(
        &["ingest", "cur", "gs://bucket/export"],
        1,
        "neither a folder nor s3://",
    );
    check(
        &["ingest", "forget", "nothing", "--period", "2026-10"],
        1,
        "there is no source 'nothing'",
    );
    check(&["directory", "import", "/nowhere.csv"], 1, "/nowhere.csv");
    check(&["token", "revoke", "nobody"], 1, "no such token");
    check(&["doctor"], 3, "need a person");
    check(
        &["serve", "--listen", "0.0.0.0:0"],
        1,
        "make one first with 'anbun token create",
    );
    check(&["--config", "/nowhere.toml", "config", "check"], 1, "/nowhere.toml");
    check(&["frobnicate"], 2, "unrecognized subcommand");
    check(&["migrate", "--check"], 0, "the schema is that of this version");
}

/// The server ends with its last user.
fn wait_until_stopped(data: &Path) {
    let pid_file = data.join("postgres/postmaster.pid");
    let started = Instant::now();
    while pid_file.exists() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "PostgreSQL outlived its last user"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn commands_share_a_server_and_a_second_serve_is_refused() {
    let data = scratch("share");
    let mut serve = Command::new(PROGRAM)
        .arg("--data-dir")
        .arg(&data)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !data.join("postgres/postmaster.pid").exists() && started.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let export = SmallExport::new("share-export");
    let load = anbun(&data, &["ingest", "cur", export.write().to_str().unwrap()]);
    assert!(load.status.success(), "{}", stderr(&load));
    let second = anbun(&data, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        stderr(&second).contains("serves the data folder"),
        "{}",
        stderr(&second)
    );
    // The program is killed; the database ends with it, cleanly, and the next command finds everything.
    serve.kill().unwrap();
    serve.wait().unwrap();
    wait_until_stopped(&data);
    let costs = anbun(&data, &["costs", "--by", "charge-type", "--format", "csv"]);
    assert_eq!(
        stdout(&costs),
        "charge-type,cost,net cost,currency,tokens,lines\nUsage,0.25,0.25,USD,250,1\nTax,0.025,0.025,USD,0,1\n"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_guard_takes_postgresql_with_it_and_the_next_start_recovers() {
    let data = scratch("guard");
    let export = SmallExport::new("guard-export");
    assert!(
        anbun(&data, &["ingest", "cur", export.write().to_str().unwrap()])
            .status
            .success()
    );
    // The server of the load is gone, so that the one that is looked at is the next one.
    wait_until_stopped(&data);
    let mut serve = Command::new(PROGRAM)
        .arg("--data-dir")
        .arg(&data)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid_file = data.join("postgres/postmaster.pid");
    let started = Instant::now();
    let postgres = loop {
        let pid = std::fs::read_to_string(&pid_file)
            .ok()
            .and_then(|t| t.lines().next().map(str::to_owned))
            .filter(|_| std::fs::read_to_string(&pid_file).is_ok_and(|t| t.contains("ready")));
        match pid {
            Some(pid) => break pid,
            None if started.elapsed() > Duration::from_secs(20) => panic!("it did not start"),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let stat = std::fs::read_to_string(format!("/proc/{postgres}/stat")).unwrap();
    let guard = stat.rsplit(") ").next().unwrap().split(' ').nth(1).unwrap().to_owned();
    assert!(Command::new("kill").args(["-KILL", &guard]).status().unwrap().success());
    let started = Instant::now();
    let process = std::path::PathBuf::from(format!("/proc/{postgres}"));
    while process.exists() && started.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!process.exists(), "PostgreSQL outlived its guard");
    serve.kill().unwrap();
    serve.wait().unwrap();
    let costs = anbun(&data, &["costs", "--format", "csv"]);
    assert!(stdout(&costs).contains("0.275"), "{}", stderr(&costs));
}

#[test]
fn a_newer_schema_and_another_major_version_are_refused_in_a_sentence() {
    let data = scratch("newer");
    assert!(anbun(&data, &["migrate"]).status.success());
    wait_until_stopped(&data);
    let version = std::fs::read_to_string(data.join("postgres/PG_VERSION")).unwrap();
    std::fs::write(data.join("postgres/PG_VERSION"), "9\n").unwrap();
    let other = anbun(&data, &["migrate"]);
    assert_eq!(other.status.code(), Some(1));
    assert!(
        stderr(&other).contains("is of PostgreSQL 9, but only PostgreSQL"),
        "{}",
        stderr(&other)
    );
    std::fs::write(data.join("postgres/PG_VERSION"), version).unwrap();
    assert!(anbun(&data, &["migrate"]).status.success());
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let database = crate::support::database().await;
    sqlx::query("insert into _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) values (99990101000000, 'later', now(), true, '', 0)")
        .execute(&database.pool)
        .await
        .unwrap();
    for error in [
        database.check_schema().await.unwrap_err(),
        database.migrate().await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("belongs to a newer version"), "{error}");
    }
}

#[test]
fn directory_errors_name_file_line_and_column() {
    let data = scratch("directory-errors");
    let folder = scratch("directory-files");
    let check = |name: &str, text: &[u8], needles: &[&str]| {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        let output = anbun(&data, &["directory", "import", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", stderr(&output));
        for needle in [name].iter().chain(needles) {
            assert!(
                stderr(&output).contains(needle),
                "'{needle}' is not in: {}",
                stderr(&output)
            );
        }
    };
    let departments = "code,name,name_ja,parent_code,cost_center,legal_entity,valid_from,valid_to\n";
    let with = |rows: &str| format!("{departments}{rows}").into_bytes();
    check("a.csv", b"code,nmae\n", &["is none of departments"]);
    check(
        "b.csv",
        &with("sales,Sales,,,1,,2020-01-01,,extra\n"),
        &["line 2", "9 cells for 8 columns"],
    );
    check(
        "c.csv",
        &with("sales,Sales,,,1,,2020-13-01,\n"),
        &["line 2", "valid_from", "no date"],
    );
    check(
        "d.csv",
        &with("sales,Sales,,,1,,2020-01-01,2019-01-01\n"),
        &["line 2", "valid_to", "not after"],
    );
    check(
        "zero.csv",
        &with("sales,Sales,,,1,,0000-01-01,\n"),
        &["line 2", "valid_from", "no date"],
    );
    check(
        "e.csv",
        &with("sales,Sales,,,1,,2020-01-01,\nSALES,Sales,,,1,,2021-01-01,\n"),
        &["lines 2 and 3", "department sales"],
    );
    check(
        "f.csv",
        &with("sales,Sales,,nowhere,1,,2020-01-01,\n"),
        &["line 2", "parent_code", "'nowhere' is not in the directory"],
    );
    check(
        "g.csv",
        &with("a,A,,b,1,,2020-01-01,\nb,B,,a,1,,2020-01-01,\n"),
        &["line 2", "parent_code", "above itself"],
    );
    let ring = "code,name,name_ja,parent_code,cost_center,legal_entity,successor_code,valid_from,valid_to\n\
        a,A,,,1,,b,2020-01-01,2021-01-01\nb,B,,,1,,a,2020-01-01,2022-01-01\n";
    check("ring.csv", ring.as_bytes(), &["line 2", "successor_code", "in a ring"]);
    check(
        "h.csv",
        b"code,name,name_ja,parent_code,cost_center,legal_entity,valid_from,valid_to,colour\n",
        &["unknown column 'colour'"],
    );
    check(
        "i.csv",
        b"code,name,parent_code,cost_center,legal_entity,valid_from,valid_to\n",
        &["column 'name_ja' is missing"],
    );
    check(
        "j.csv",
        b"code,name,name_ja,parent_code\n\xff\xfe",
        &["line 2 is neither UTF-8 nor CP932"],
    );
    check(
        "k.csv",
        b"person_id,name,email,department_code,manager_person_id,valid_from,valid_to\nE1,A,a@x,nowhere,,2020-01-01,\n",
        &["line 2", "department_code", "'nowhere'"],
    );
    check("l.csv", b"account_id,role_name,session_name,user_name,person_id,department_code,project_code,kind,valid_from,valid_to\n1,r,*,,,,,service,2020-01-01,\n", &["line 2", "account_id", "twelve digits"]);
    check("m.csv", b"account_id,role_name,session_name,user_name,person_id,department_code,project_code,kind,valid_from,valid_to\n*,r,*,,,,,robot,2020-01-01,\n", &["line 2", "kind", "none of person, service, gateway, shared"]);
    // A department that the kept people are in cannot go without them.
    let people =
        "person_id,name,email,department_code,manager_person_id,valid_from,valid_to\nE1,A,a@x.jp,sales,,2020-01-01,\n";
    std::fs::write(folder.join("people.csv"), people).unwrap();
    std::fs::write(folder.join("departments.csv"), with("sales,Sales,,,1,,2020-01-01,\n")).unwrap();
    let both = ["departments.csv", "people.csv"].map(|name| folder.join(name).to_str().unwrap().to_owned());
    let kept = scratch("directory-kept");
    assert!(
        anbun(&kept, &["directory", "import", &both[0], &both[1]])
            .status
            .success()
    );
    std::fs::write(folder.join("departments.csv"), with("legal,Legal,,,1,,2020-01-01,\n")).unwrap();
    let lost = anbun(&kept, &["directory", "import", &both[0]]);
    assert!(
        stderr(&lost).contains("no department 'sales', which person E1"),
        "{}",
        stderr(&lost)
    );
    // Nothing of all that was kept; a byte order mark is.
    std::fs::write(
        folder.join("good.csv"),
        [
            b"\xef\xbb\xbf".as_slice(),
            &with("sales,Sales,営業部,,1,,2020-01-01,\n"),
        ]
        .concat(),
    )
    .unwrap();
    let good = anbun(
        &data,
        &[
            "directory",
            "import",
            folder.join("good.csv").to_str().unwrap(),
            "--dry-run",
            "--format",
            "csv",
        ],
    );
    assert_eq!(
        stdout(&good),
        "table,change,row\ndepartments,added,sales from 2020-01-01\n"
    );
}

#[test]
fn tokens_are_made_listed_and_ended() {
    let data = scratch("tokens");
    let created = anbun(&data, &["token", "create", "clerk", "--role", "finance"]);
    assert!(stdout(&created).starts_with("anbun_"), "{}", stderr(&created));
    assert_eq!(
        anbun(&data, &["token", "create", "clerk", "--role", "admin"])
            .status
            .code(),
        Some(1)
    );
    let list = stdout(&anbun(&data, &["token", "list", "--format", "json"]));
    assert!(list.contains("\"clerk\"") && !list.contains(stdout(&created).trim()));
    assert!(anbun(&data, &["token", "revoke", "clerk"]).status.success());
}

#[test]
fn the_help_is_that_of_the_snapshot() {
    let output = Command::new(PROGRAM)
        .arg("--help")
        .env_remove("ANBUN_DATA_DIR")
        .output()
        .unwrap();
    insta::assert_snapshot!("help", stdout(&output));
}

/// Where there are no sockets (Windows), the server is on loopback with a password; the same code, tried here.
#[tokio::test]
async fn loopback_needs_the_password() {
    use anbun::store::private_server::{Durability, Transport, lease};
    use sqlx::ConnectOptions;
    let data = scratch("loopback");
    let folder = data.clone();
    let lease =
        tokio::task::spawn_blocking(move || lease(&folder, Path::new(PROGRAM), Durability::None, Transport::Loopback));
    let lease = lease.await.unwrap().unwrap();
    assert!(lease.place().starts_with("127.0.0.1:"));
    assert!(lease.connect_options("postgres").connect().await.is_ok());
    assert!(
        lease
            .connect_options("postgres")
            .password("guess")
            .connect()
            .await
            .is_err()
    );
    drop(lease);
    wait_until_stopped(&data);
}

/// A server that has only just been started has no pid file yet; its guard must end it all the same.
#[test]
fn a_program_killed_while_its_server_starts_leaves_no_server() {
    for milliseconds in [100, 300, 500, 600, 700, 800, 900] {
        let data = scratch("start-killed");
        let mut migrate = Command::new(PROGRAM)
            .arg("--data-dir")
            .arg(&data)
            .arg("migrate")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        migrate.kill().unwrap();
        migrate.wait().unwrap();
        // The guard holds its lock as long as it or its server lives.
        let guard = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(data.join("guard.lock"));
        let (guard, started) = (guard.unwrap(), Instant::now());
        while guard.try_lock().is_err() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "after {milliseconds} ms the guard never ended"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(guard);
        wait_until_stopped(&data);
        let again = anbun(&data, &["migrate"]);
        assert!(again.status.success(), "after {milliseconds} ms: {}", stderr(&again));
    }
}
