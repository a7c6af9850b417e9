//! Loads: replaced and never added, all or nothing, one at a time, two payers side by side.

use std::process::{Command, Stdio};
use std::time::Duration;

use rust_decimal::Decimal;

use crate::exports::SmallExport;
use crate::support::{self, anbun, database, import_directory, load, scratch, stderr, stdout, try_load};
use anbun::jobs::load_export::PeriodOutcome;
use anbun::store::database::Database;

async fn costs_by_payer(database: &Database) -> Vec<(String, Decimal)> {
    sqlx::query_as(
        "select account, sum(cost) from charges c join accounts a on a.account_key = payer_key group by 1 order by 1",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn the_same_delivery_twice_changes_nothing() {
    let database = database().await;
    let export = SmallExport::new("twice");
    load(&database, export.write()).await;
    let outcomes = load(&database, &export.folder).await;
    assert!(matches!(outcomes[0].1, PeriodOutcome::Unchanged));
    let snapshots: i64 = sqlx::query_scalar("select count(*) from snapshots")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(snapshots, 1);
}

/// AWS writes the manifest last: new files under the old manifest are a refresh that is not done.
#[tokio::test]
async fn files_that_change_under_their_manifest_are_refused() {
    let database = database().await;
    let mut export = SmallExport::new("under-way");
    load(&database, export.write()).await;
    let manifest = std::fs::read(export.manifest_file()).unwrap();
    export.lines.push((9, "Usage", "AmazonBedrock", "USD", 1.0));
    export.write();
    std::fs::write(export.manifest_file(), manifest).unwrap();
    assert!(
        support::refusal(&database, &export.folder)
            .await
            .contains("a refresh is under way")
    );
    assert_eq!(costs_by_payer(&database).await[0].1, Decimal::new(275, 3));
}

/// Figures that a refused delivery did not reach say so until one is loaded.
#[tokio::test]
async fn a_refusal_stays_with_the_month_until_a_delivery_is_loaded() {
    let database = database().await;
    let export = SmallExport::new("refused");
    load(&database, export.write()).await;
    let findings = async || {
        let mut connection = database.pool.acquire().await.unwrap();
        let month: anbun::domain::period::BillingPeriod = "2026-10".parse().unwrap();
        let found =
            anbun::api::findings::period_findings(&mut connection, month, month.next(), &crate::support::as_seen())
                .await
                .unwrap();
        found
            .into_iter()
            .filter(|finding| finding.code == "delivery_refused")
            .map(|finding| finding.message)
            .collect::<Vec<_>>()
    };
    assert!(findings().await.is_empty());
    std::fs::write(export.manifest_file(), "{").unwrap();
    support::refusal(&database, &export.folder).await;
    assert!(findings().await[0].contains("not a manifest in JSON"));
    load(&database, export.write()).await;
    assert!(findings().await.is_empty());
}

#[tokio::test]
async fn a_later_delivery_replaces_and_another_payer_stays() {
    let database = database().await;
    let first = SmallExport::new("first");
    let second = SmallExport {
        payer: "999900002222",
        ..SmallExport::new("second")
    };
    load(&database, first.write()).await;
    load(&database, second.write()).await;
    let both = [
        ("999900001111".to_owned(), Decimal::new(275, 3)),
        ("999900002222".to_owned(), Decimal::new(275, 3)),
    ];
    assert_eq!(costs_by_payer(&database).await, both);
    // Amounts can fall as well as rise: the refund of a line is its absence.
    let mut corrected = first;
    corrected.lines.retain(|line| line.1 != "Tax");
    load(&database, corrected.write()).await;
    let after = [
        ("999900001111".to_owned(), Decimal::new(25, 2)),
        ("999900002222".to_owned(), Decimal::new(275, 3)),
    ];
    assert_eq!(costs_by_payer(&database).await, after);
    let rolled_up: Decimal = sqlx::query_scalar("select sum(cost) from department_months")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(rolled_up, Decimal::new(525, 3));
    let left_out: i64 = sqlx::query_scalar("select sum(lines)::bigint from left_out_totals")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(left_out, 62);
}

#[tokio::test]
async fn two_loads_of_a_month_at_once_end_with_one() {
    let database = database().await;
    let export = SmallExport::new("at-once");
    export.write();
    let loads = (0..4).map(|_| {
        let (database, folder) = (database.clone(), export.folder.clone());
        tokio::spawn(async move { try_load(&database, &folder).await })
    });
    let mut loaded = 0;
    for handle in loads.collect::<Vec<_>>() {
        loaded += handle
            .await
            .unwrap()
            .unwrap()
            .iter()
            .filter(|(_, o)| matches!(o, PeriodOutcome::Loaded { .. }))
            .count();
    }
    assert_eq!(loaded, 1);
    assert_eq!(
        costs_by_payer(&database).await,
        [("999900001111".to_owned(), Decimal::new(275, 3))]
    );
}

/// A reader who counts all the time sees the old month or the new one, never a part of either.
#[tokio::test]
async fn readers_see_all_or_nothing() {
    let database = database().await;
    let mut export = SmallExport::new("readers");
    load(&database, export.write()).await;
    let reader = {
        let database = database.clone();
        tokio::spawn(async move {
            let mut seen = std::collections::BTreeSet::new();
            for _ in 0..400 {
                let row: (Decimal, Decimal) = sqlx::query_as("select (select coalesce(sum(cost), 0) from charges), (select coalesce(sum(cost), 0) from department_months)")
                    .fetch_one(&database.pool)
                    .await
                    .unwrap();
                seen.insert(row);
            }
            seen
        })
    };
    export.lines.push((9, "Usage", "AmazonBedrock", "USD", 1.0));
    for _ in 0..5 {
        load(&database, export.write()).await;
    }
    let (old, new) = (Decimal::new(275, 3), Decimal::new(1275, 3));
    assert!(reader.await.unwrap().is_subset(&[(old, old), (new, new)].into()));
}

/// The program is killed at many moments of a load; the old month is whole each time, and the last run loads the new one.
#[test]
fn a_killed_load_leaves_the_old_month() {
    let data = scratch("killed");
    let mut export = SmallExport::new("killed-export");
    assert!(
        anbun(&data, &["ingest", "cur", export.write().to_str().unwrap()])
            .status
            .success()
    );
    let total = |data: &std::path::Path| {
        let output = anbun(data, &["costs", "--format", "json"]);
        let json: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
        json["total"]["cost"]["amount"].as_str().unwrap().to_owned()
    };
    assert_eq!(total(&data), "0.275");
    export.lines.push((9, "Usage", "AmazonBedrock", "USD", 1.0));
    export.write();
    for milliseconds in [5, 20, 40, 60, 80, 100, 130, 160] {
        let mut load = Command::new(support::PROGRAM)
            .arg("--data-dir")
            .arg(&data)
            .args(["ingest", "cur", export.folder.to_str().unwrap(), "--force"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        load.kill().unwrap();
        load.wait().unwrap();
        let now = total(&data);
        assert!(now == "0.275" || now == "1.275", "after {milliseconds} ms: {now}");
    }
    assert!(
        anbun(&data, &["ingest", "cur", export.folder.to_str().unwrap(), "--force"])
            .status
            .success()
    );
    assert_eq!(total(&data), "1.275");
    // Nothing is left behind but the month's one part.
    let status = anbun(&data, &["ingest", "status"]);
    assert!(status.status.success(), "{}{}", stdout(&status), stderr(&status));
}

#[tokio::test]
async fn a_month_can_be_forgotten_and_taken_from_another_export() {
    let database = database().await;
    let (first, second) = (SmallExport::new("forget-first"), SmallExport::new("forget-second"));
    load(&database, first.write()).await;
    assert!(support::refusal(&database, second.write()).await.contains("twice"));
    let mut connection = database.pool.acquire().await.unwrap();
    let name = first.folder.canonicalize().unwrap().display().to_string();
    let source = anbun::store::load::find_source(&mut connection, &name)
        .await
        .unwrap()
        .unwrap();
    assert!(
        anbun::store::load::forget(&mut connection, source, "2026-10".parse().unwrap())
            .await
            .unwrap()
    );
    load(&database, &second.folder).await;
    assert_eq!(costs_by_payer(&database).await.len(), 1);
}

/// The department as it was attributed stays with the charge, whatever the directory says later.
#[tokio::test]
async fn a_later_directory_does_not_rewrite_the_past() {
    let database = database().await;
    let write = |code: &str| {
        let folder = scratch("directory");
        let rows = format!(
            "code,name,name_ja,parent_code,cost_center,legal_entity,valid_from,valid_to\n{code},{code},,,1,,2020-01-01,\n"
        );
        std::fs::write(folder.join("departments.csv"), rows).unwrap();
        std::fs::write(
            folder.join("people.csv"),
            "person_id,name,email,department_code,manager_person_id,valid_from,valid_to\n",
        )
        .unwrap();
        std::fs::write(
            folder.join("projects.csv"),
            "code,name,owner_person_id,department_code,valid_from,valid_to\n",
        )
        .unwrap();
        std::fs::write(folder.join("principals.csv"), "account_id,role_name,session_name,user_name,person_id,department_code,project_code,kind,valid_from,valid_to\n").unwrap();
        folder
    };
    import_directory(&database, &write("sales")).await;
    let export = SmallExport::new("past");
    load(&database, export.write()).await;
    import_directory(&database, &write("marketing")).await;
    let departments: Vec<Option<String>> =
        sqlx::query_scalar("select distinct department from department_months where charge_class = 'usage'")
            .fetch_all(&database.pool)
            .await
            .unwrap();
    // The role still says sales, which no department is called any more.
    assert_eq!(departments, [None]);
    let deliveries = anbun::store::status::list_deliveries(&mut database.pool.acquire().await.unwrap())
        .await
        .unwrap();
    assert!(!deliveries[0].directory_is_older);
}

/// A disk of its own that is small; only root can make one.
#[cfg(target_os = "linux")]
struct SmallDisk(std::path::PathBuf);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mount() -> Option<Self> {
        use std::os::unix::fs::PermissionsExt;
        let folder = scratch("small-disk");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=150m", "tmpfs"])
            .arg(&folder)
            .output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            support::left_out("a full disk needs a disk that can be mounted");
            return None;
        }
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        Some(Self(folder))
    }

    /// Fills the disk but for about a megabyte.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        let block = vec![0_u8; 64 * 1024];
        let mut written = 0_u64;
        while std::io::Write::write_all(&mut file, &block).is_ok() {
            written += 64 * 1024;
        }
        file.set_len(written.saturating_sub(1024 * 1024)).unwrap();
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let started = std::time::Instant::now();
        while self.0.join("data/postgres/postmaster.pid").exists() && started.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_refuses_the_load_and_leaves_the_old_month() {
    let Some(disk) = SmallDisk::mount() else { return };
    let data = disk.0.join("data");
    let sample = scratch("disk-sample");
    let size = anbun::sample::SampleSize {
        first: "2026-09".parse().unwrap(),
        months: 1,
        people: 60,
        seed: 1,
    };
    anbun::sample::write_sample(&sample, size, &|_| {}).unwrap();
    let old = SmallExport {
        payer: "999900007777",
        ..SmallExport::new("disk-export")
    };
    assert!(
        anbun(&data, &["ingest", "cur", old.write().to_str().unwrap()])
            .status
            .success()
    );
    let mut serve = Command::new(support::PROGRAM)
        .arg("--data-dir")
        .arg(&data)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(anbun(&data, &["migrate"]).status.success());
    disk.fill();
    let new = sample.join("export");
    let refused = anbun(&data, &["ingest", "cur", new.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1), "{}", stdout(&refused));
    let message = stderr(&refused);
    assert!(
        message.contains("disk of the database is full") || message.contains("No space left"),
        "{message}"
    );
    std::fs::remove_file(disk.0.join("filler")).unwrap();
    let after = anbun(&data, &["costs", "--from", "2026-10-01", "--format", "json"]);
    assert!(
        stdout(&after).contains("\"amount\": \"0.275\""),
        "{}{}",
        stdout(&after),
        stderr(&after)
    );
    let loaded = anbun(&data, &["ingest", "cur", new.to_str().unwrap()]);
    assert!(loaded.status.success(), "{}", stderr(&loaded));
    serve.kill().unwrap();
    serve.wait().unwrap();
}

/// A line of another day that October bills is October's: the slice of a month adds up to its chargeback.
#[tokio::test]
async fn a_late_line_counts_in_the_month_that_bills_it() {
    let database = database().await;
    let mut export = SmallExport::new("late");
    export.lines.push((40, "Usage", "AmazonBedrock", "USD", 2.0));
    load(&database, export.write()).await;
    let mut connection = database.pool.acquire().await.unwrap();
    let question = anbun::api::costs::Question::default();
    let actor = anbun::domain::actor::Actor::local();
    let slice = anbun::api::costs::answer(&mut connection, &question, &actor, &crate::support::as_seen())
        .await
        .unwrap();
    assert_eq!(slice.total.unwrap().cost.amount, "2.275");
    let reporting = anbun::domain::chargeback::Reporting::AsBilled;
    let by = anbun::domain::chargeback::GroupBy::Department;
    let month = anbun::api::chargeback::read(
        &mut connection,
        "2026-10".parse().unwrap(),
        &anbun::api::chargeback::ViewQuestion::of(by, reporting),
        &crate::support::as_seen(),
    )
    .await
    .unwrap();
    assert_eq!(month.unwrap().total.amount, "2.275");
}

/// A role that names another department than its person's own: the order of evidence decides, and the amount is told.
#[tokio::test]
async fn a_role_that_disagrees_with_its_persons_department_is_a_finding_with_its_amount() {
    let database = database().await;
    let folder = scratch("disagrees");
    for (name, text) in [
        (
            "departments",
            "code,name,name_ja,parent_code,cost_center,legal_entity,valid_from,valid_to,successor_code\n\
             sales,Sales,,,1,,2020-01-01,,\ndata,Data,,,2,,2020-01-01,,\nold,Old,,,3,,2020-01-01,2026-10-04,data\n",
        ),
        (
            "people",
            "person_id,name,email,department_code,manager_person_id,valid_from,valid_to\n\
             E1,X,x@example.com,data,,2020-01-01,\n",
        ),
        (
            "principals",
            "account_id,role_name,session_name,user_name,person_id,department_code,project_code,kind,valid_from,valid_to\n",
        ),
        (
            "projects",
            "code,name,owner_person_id,department_code,valid_from,valid_to\n",
        ),
    ] {
        std::fs::write(folder.join(format!("{name}.csv")), text).unwrap();
    }
    import_directory(&database, &folder).await;
    let export = SmallExport::new("disagrees-export");
    load(&database, export.write()).await;
    let found: Vec<(String, Decimal, i64)> =
        sqlx::query_as("select subject, amount, lines from findings where code = 'department_disagrees'")
            .fetch_all(&database.pool)
            .await
            .unwrap();
    assert_eq!(found, [("sales, people of data".to_owned(), Decimal::new(25, 2), 1)]);
    // A role of an abolished department is its successor's from the day on which it ended; there the person is at home.
    let mut later = SmallExport {
        principal: Some("arn:aws:sts::111122223333:assumed-role/cowork-old-x/s"),
        payer: "999900002222",
        ..SmallExport::new("abolished")
    };
    later.lines.push((9, "Usage", "AmazonBedrock", "USD", 1.0));
    load(&database, later.write()).await;
    let rules: Vec<(Option<String>, Option<String>, Decimal)> = sqlx::query_as(
        "select a.department, a.rule, sum(c.cost) from charges c join attributions a using (attribution_key)
        join accounts p on p.account_key = c.payer_key join bill_sections b using (section_key)
        where p.account = '999900002222' and b.charge_type = 'Usage' group by 1, 2 order by 2",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let some = |text: &str| Some(text.to_owned());
    let expected = [
        (some("old"), some("role_name"), Decimal::new(25, 2)),
        (some("data"), some("successor"), Decimal::ONE),
    ];
    assert_eq!(rules, expected);
}

/// Two ways to the same sums: the load's own, and the database's from the charges that it stored.
#[tokio::test]
async fn sums_made_anew_from_charges_are_those_of_the_load() {
    let database = database().await;
    let mut export = SmallExport::new("anew");
    export.lines.push((3, "EdpDiscount", "AmazonBedrock", "USD", -0.05));
    load(&database, export.write()).await;
    let sample = scratch("anew-sample");
    let size = anbun::sample::SampleSize {
        first: "2026-08".parse().unwrap(),
        months: 2,
        people: 20,
        seed: 3,
    };
    anbun::sample::write_sample(&sample, size, &|_| {}).unwrap();
    import_directory(&database, &sample.join("directory")).await;
    load(&database, &sample.join("export")).await;
    for table in [
        "department_days",
        "department_months",
        "account_days",
        "usage_days",
        "person_model_months",
        "person_months",
    ] {
        let sums = format!("select coalesce(string_agg(t::text, E'\\n' order by t::text), '') from {table} as t");
        let of_load: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sums.clone()))
            .fetch_one(&database.pool)
            .await
            .unwrap();
        sqlx::query("select roll_up_charges(source_id, billing_period) from snapshots where is_current")
            .execute(&database.pool)
            .await
            .unwrap();
        let anew: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sums))
            .fetch_one(&database.pool)
            .await
            .unwrap();
        assert!(of_load.len() > 50 && of_load == anew, "{table}");
    }
}
