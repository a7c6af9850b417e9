//! Exports in a bucket: read like those in a folder, by their manifests alone, never half-written, never as a whole.

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;

use crate::exports::SmallExport;
use crate::peers::bucket::{Bucket, Fault};
use crate::peers::{Installation, moto};
use crate::support::{make_cur, stderr, stdout, write_export};
use anbun::store::database::Database;

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) async fn bedrock_cost(database: &Database) -> Decimal {
    sqlx::query_scalar("select coalesce(sum(cost), 0) from charges")
        .fetch_one(&database.pool)
        .await
        .unwrap()
}

async fn snapshots(database: &Database) -> i64 {
    sqlx::query_scalar("select count(*) from snapshots")
        .fetch_one(&database.pool)
        .await
        .unwrap()
}

const INGEST: [&str; 3] = ["ingest", "cur", "bills"];

/// A bucket with a small export in it, and a program that knows of it.
pub(crate) async fn small(name: &str) -> (Bucket, Installation, SmallExport) {
    let bucket = Bucket::serve().await;
    let export = SmallExport::new(name);
    bucket.put_export("cur/small", export.write(), at("2026-11-03T05:00:00Z"));
    let installation = Installation::new(name).await;
    installation.settings(&bucket.settings("bills", "cur/small"));
    (bucket, installation, export)
}

#[tokio::test]
async fn a_bucket_is_read_like_a_folder_and_by_ranges() {
    let Some(tools) = make_cur() else { return };
    let export = write_export(
        &tools,
        "bucket",
        &["--rows", "20000", "--files", "3", "--bedrock-share", "0.3"],
    );
    let folder = crate::support::database().await;
    crate::support::load(&folder, &export).await;
    let bucket = Bucket::serve().await;
    bucket.put_export("deep/prefix/cur", &export, at("2026-11-03T05:00:00Z"));
    let installation = Installation::new("bucket").await;
    installation.settings(&bucket.settings("bills", "deep/prefix/cur"));
    let run = installation.run(&INGEST).await;
    assert!(run.status.success(), "{}", stderr(&run));
    assert!(stderr(&run).contains("bytes fetched"), "{}", stderr(&run));
    for sums in [
        "select coalesce(sum(lines), 0)::bigint, coalesce(sum(cost), 0), coalesce(sum(net_cost), 0) from charges",
        "select coalesce(sum(lines), 0)::bigint, coalesce(sum(cost), 0), coalesce(sum(net_cost), 0) from left_out_totals",
    ] {
        let read = async |database: &Database| -> (i64, Decimal, Decimal) {
            sqlx::query_as(sqlx::AssertSqlSafe(sums))
                .fetch_one(&database.pool)
                .await
                .unwrap()
        };
        assert_eq!(read(&installation.database).await, read(&folder).await);
    }
    let requests = bucket.take_requests();
    assert!(requests.iter().all(|r| r.starts_with("GET")), "{requests:?}");
    assert!(
        !requests
            .iter()
            .any(|r| r.contains("expected") || r.contains("directory")),
        "{requests:?}"
    );
}

/// Trap: listing and reading everything.  What no manifest names is never opened.
#[tokio::test]
async fn what_the_manifest_does_not_list_is_harmless() {
    let (bucket, installation, _export) = small("unlisted").await;
    let data = "cur/small/data/BILLING_PERIOD=2026-10";
    bucket.put(
        &format!("{data}/small-00002.snappy.parquet"),
        "",
        at("2026-11-03T05:00:00Z"),
    );
    bucket.put(
        &format!("{data}/small-00003.snappy.parquet"),
        "not Parquet",
        at("2026-11-03T05:00:09Z"),
    );
    bucket.put(
        "cur/small/metadata/BILLING_PERIOD=2026-10/small-Metadata.json",
        "{",
        at("2026-11-03T05:00:00Z"),
    );
    bucket.put("cur/small/metadata/readme.txt", "", at("2026-11-03T05:00:00Z"));
    bucket.put("aws-programmatic-access-test-object", "", at("2026-11-03T05:00:00Z"));
    let run = installation.run(&INGEST).await;
    assert!(run.status.success(), "{}", stderr(&run));
    assert_eq!(bedrock_cost(&installation.database).await, Decimal::new(275, 3));
}

#[tokio::test]
async fn both_delivery_modes_and_any_spelling_of_the_partition_are_read() {
    for (name, data, metadata, listed) in [
        (
            "lower",
            "data/billing_period=2026-10",
            "metadata/billing_period=2026-10",
            "cur/small/data/billing_period=2026-10",
        ),
        (
            "create-new",
            "data/BILLING_PERIOD=2026-10/20261103T050000Z-1",
            "metadata/BILLING_PERIOD=2026-10/20261103T050000Z-1",
            "s3://another-bucket/x/data/BILLING_PERIOD=2026-10/20261103T050000Z-1",
        ),
    ] {
        let bucket = Bucket::serve().await;
        let export = SmallExport::new(name);
        export.write();
        let content = std::fs::read(export.data_file()).unwrap();
        let written = at("2026-11-03T05:00:00Z");
        bucket.put(
            &format!("cur/small/{data}/small-00001.snappy.parquet"),
            content.clone(),
            written,
        );
        let manifest =
            serde_json::json!({"dataFiles": [format!("{listed}/small-00001.snappy.parquet")], "columns": []});
        bucket.put(
            &format!("cur/small/{metadata}/Manifest.json"),
            manifest.to_string(),
            written,
        );
        // An older execution of the create-new mode.
        bucket.put(
            "cur/small/metadata/BILLING_PERIOD=2026-10/20261101T050000Z-0/Manifest.json",
            "{",
            written,
        );
        if name == "lower" {
            bucket.take_requests();
        }
        let installation = Installation::new(name).await;
        installation.settings(&bucket.settings("bills", "cur/small"));
        let run = installation.run(&INGEST).await;
        if name == "lower" {
            // Two folders for one month cannot both be right.
            assert!(stderr(&run).contains("a second folder for 2026-10"), "{}", stderr(&run));
            continue;
        }
        assert!(run.status.success(), "{}", stderr(&run));
        assert_eq!(
            bedrock_cost(&installation.database).await,
            Decimal::new(275, 3),
            "{name}"
        );
    }
    let (bucket, installation, export) = small("lower-case").await;
    let lower = Bucket::serve().await;
    for (inside, content) in crate::peers::files_below(&export.folder) {
        lower.put(
            &format!("cur/small/{}", inside.replace("BILLING_PERIOD", "billing_period")),
            content,
            at("2026-11-03T05:00:00Z"),
        );
    }
    let manifest =
        serde_json::json!({"dataFiles": ["cur/small/data/billing_period=2026-10/small-00001.snappy.parquet"]});
    lower.put(
        "cur/small/metadata/billing_period=2026-10/small-Manifest.json",
        manifest.to_string(),
        at("2026-11-03T05:00:00Z"),
    );
    drop(bucket);
    installation.settings(&lower.settings("bills", "cur/small"));
    let run = installation.run(&INGEST).await;
    assert!(run.status.success(), "{}", stderr(&run));
    assert_eq!(bedrock_cost(&installation.database).await, Decimal::new(275, 3));
}

#[tokio::test]
async fn the_same_delivery_again_reads_nothing_and_says_so() {
    let (bucket, installation, export) = small("again").await;
    assert!(installation.run(&INGEST).await.status.success());
    bucket.take_requests();
    let run = installation.run(&INGEST).await;
    assert!(stdout(&run).contains("unchanged"), "{}", stdout(&run));
    let requests = bucket.take_requests();
    assert!(!requests.iter().any(|r| r.contains(".parquet")), "{requests:?}");
    assert_eq!(snapshots(&installation.database).await, 1);
    // In overwrite mode the next manifest can have the same content; only its time differs.
    bucket.put_export("cur/small", &export.folder, at("2026-11-03T13:00:00Z"));
    let run = installation.run(&INGEST).await;
    assert!(stdout(&run).contains("loaded"), "{}", stdout(&run));
    assert_eq!(bedrock_cost(&installation.database).await, Decimal::new(275, 3));
}

/// Trap: overwrite mode is not atomic.  Between the first new chunk and the new manifest a reader would see a mix.
#[tokio::test]
async fn a_refresh_under_way_is_never_loaded_and_heals_with_its_manifest() {
    let (bucket, installation, mut export) = small("under-way-s3").await;
    assert!(installation.run(&INGEST).await.status.success());
    export.lines.push((9, "Usage", "AmazonBedrock", "USD", 1.0));
    export.write();
    let key = "cur/small/data/BILLING_PERIOD=2026-10/small-00001.snappy.parquet";
    let refreshed = at("2026-11-03T13:00:00Z");
    bucket.put(key, std::fs::read(export.data_file()).unwrap(), refreshed);
    let run = installation.run(&["ingest", "cur", "bills", "--force"]).await;
    let said = stderr(&run);
    assert!(
        !run.status.success() && said.contains(key) && said.contains("a refresh is under way"),
        "{said}"
    );
    assert_eq!(bedrock_cost(&installation.database).await, Decimal::new(275, 3));
    bucket.put_export("cur/small", &export.folder, refreshed + TimeDelta::seconds(30));
    assert!(installation.run(&INGEST).await.status.success());
    assert_eq!(bedrock_cost(&installation.database).await, Decimal::new(1275, 3));
}

#[tokio::test]
async fn a_refresh_that_begins_while_files_are_read_starts_the_load_again() {
    let (bucket, installation, mut export) = small("meanwhile").await;
    export.lines.push((9, "Usage", "AmazonBedrock", "USD", 1.0));
    export.write();
    let files = crate::peers::files_below(&export.folder);
    let mut done = false;
    bucket.watch(move |objects, _, key, _| {
        // After the footer was read, before the first chunk.
        if key.ends_with(".parquet") && !done {
            done = true;
            let written_at = at("2026-11-03T13:00:00Z");
            for (inside, content) in &files {
                let object = crate::peers::bucket::Object {
                    content: content.clone().into(),
                    written_at,
                };
                objects.insert(format!("cur/small/{inside}"), object);
            }
        }
        None
    });
    let run = installation.run(&INGEST).await;
    assert!(run.status.success(), "{}", stderr(&run));
    assert!(
        stderr(&run).contains("changed while it was read; starting again"),
        "{}",
        stderr(&run)
    );
    assert_eq!(bedrock_cost(&installation.database).await, Decimal::new(1275, 3));
    assert_eq!(snapshots(&installation.database).await, 1);
}

#[tokio::test]
async fn broken_slow_and_throttled_answers_are_asked_for_again() {
    let (bucket, installation, _export) = small("faults").await;
    bucket.watch(|_, _, key, number| match number {
        1 => Some(Fault::Refuse(503, "SlowDown", &[])),
        3 => Some(Fault::Refuse(500, "InternalError", &[])),
        _ if !key.ends_with(".parquet") => None,
        n if n % 3 == 0 => Some(Fault::Truncate(10)),
        _ => Some(Fault::Slow),
    });
    let run = installation.run(&INGEST).await;
    assert!(run.status.success(), "{}", stderr(&run));
    assert_eq!(bedrock_cost(&installation.database).await, Decimal::new(275, 3));
}

/// In each case the last good figures stay, the message names the object and the cause, and the next run heals.
#[tokio::test]
async fn what_goes_wrong_is_named_and_the_next_run_heals() {
    let (bucket, installation, export) = small("wrong").await;
    assert!(installation.run(&INGEST).await.status.success());
    let next = "2026-11-03T13:00:00Z";
    bucket.put_export("cur/small", &export.folder, at(next));
    let file = "s3://bills/cur/small/data/BILLING_PERIOD=2026-10/small-00001.snappy.parquet";
    type Case = (&'static str, fn() -> Fault, &'static str, &'static [&'static str]);
    let cases: [Case; 7] = [
        (
            "metadata/",
            || Fault::Refuse(403, "AccessDenied", &[]),
            "AccessDenied",
            &["allow s3:ListBucket on arn:aws:s3:::bills"],
        ),
        (
            ".parquet",
            || Fault::Refuse(403, "AccessDenied", &[]),
            file,
            &["allow s3:GetObject on arn:aws:s3:::bills/cur/small/"],
        ),
        (
            "metadata/",
            || Fault::Refuse(404, "NoSuchBucket", &[]),
            "NoSuchBucket",
            &["check the name"],
        ),
        (
            "metadata/",
            || Fault::Refuse(301, "PermanentRedirect", &[("x-amz-bucket-region", "ap-northeast-1")]),
            "PermanentRedirect",
            &["the bucket is in ap-northeast-1"],
        ),
        (
            "metadata/",
            || Fault::Refuse(403, "RequestTimeTooSkewed", &[]),
            "RequestTimeTooSkewed",
            &["set the clock"],
        ),
        (
            ".parquet",
            || Fault::Refuse(400, "ExpiredToken", &[]),
            "ExpiredToken",
            &["sign in again"],
        ),
        (".parquet", || Fault::Truncate(3), file, &["the next run tries again"]),
    ];
    for (where_, fault, what, remedies) in cases {
        bucket.watch(move |_, _, key, _| key.contains(where_).then(fault));
        let run = installation.run(&INGEST).await;
        let said = stderr(&run);
        assert_eq!(run.status.code(), Some(1), "{said}");
        assert!(said.contains(what), "'{what}' is not in: {said}");
        for remedy in remedies {
            assert!(said.contains(remedy), "'{remedy}' is not in: {said}");
        }
        assert_eq!(bedrock_cost(&installation.database).await, Decimal::new(275, 3));
    }
    bucket.stop_watching();
    let run = installation.run(&INGEST).await;
    assert!(
        run.status.success() && stdout(&run).contains("loaded"),
        "{}",
        stderr(&run)
    );
}

#[tokio::test]
async fn damaged_and_missing_objects_leave_the_old_month() {
    let (bucket, installation, _export) = small("damaged").await;
    assert!(installation.run(&INGEST).await.status.success());
    let data = "cur/small/data/BILLING_PERIOD=2026-10/small-00001.snappy.parquet";
    let manifest = "cur/small/metadata/BILLING_PERIOD=2026-10/small-Manifest.json";
    let listing = |name: &str| serde_json::json!({"dataFiles": [format!("s3://bills/{name}")]}).to_string();
    let mut hour = 0;
    let mut check = async |content: Option<&str>, manifest_text: String, needles: Vec<&str>| {
        hour += 1;
        let written = at("2026-11-04T00:00:00Z") + TimeDelta::hours(hour);
        if let Some(content) = content {
            bucket.put(data, content.to_owned(), written);
        }
        bucket.put(manifest, manifest_text, written);
        let run = installation.run(&INGEST).await;
        let said = stderr(&run);
        for needle in needles {
            assert!(said.contains(needle), "'{needle}' is not in: {said}");
        }
        assert_eq!(run.status.code(), Some(1));
        assert_eq!(bedrock_cost(&installation.database).await, Decimal::new(275, 3));
    };
    check(
        None,
        listing("cur/small/data/BILLING_PERIOD=2026-10/gone.parquet"),
        vec!["gone.parquet", "there is no such object"],
    )
    .await;
    check(Some(""), listing(data), vec![data, "it has no bytes"]).await;
    check(
        Some("PAR1 and no more"),
        listing(data),
        vec![data, "not a whole Parquet file"],
    )
    .await;
    check(Some("short"), listing(data), vec![data, "not a whole Parquet file"]).await;
    check(
        None,
        "{".to_owned(),
        vec!["small-Manifest.json", "not a manifest in JSON"],
    )
    .await;
    check(
        None,
        listing("cur/small/data/BILLING_PERIOD=2026-10/../../../secret.parquet"),
        vec!["not a data file of 2026-10"],
    )
    .await;
    check(
        None,
        serde_json::json!({"reportKeys": []}).to_string(),
        vec!["legacy Cost and Usage Report"],
    )
    .await;
}

/// Money must not count twice: both exports are named.
#[tokio::test]
async fn two_exports_of_one_payer_and_month_are_refused_by_name() {
    let (bucket, installation, export) = small("twice-s3").await;
    bucket.put_export("cur/other", &export.folder, at("2026-11-03T05:00:00Z"));
    let both = format!(
        "{}{}",
        bucket.settings("bills", "cur/small"),
        bucket.settings("other", "cur/other")
    );
    installation.settings(&both);
    assert!(installation.run(&INGEST).await.status.success());
    let run = installation.run(&["ingest", "cur", "other"]).await;
    assert!(stderr(&run).contains("counted from export 'bills'"), "{}", stderr(&run));
    assert_eq!(bedrock_cost(&installation.database).await, Decimal::new(275, 3));
}

#[tokio::test]
async fn copies_are_read_once_they_stand_still() {
    let (bucket, installation, export) = small("copied").await;
    // The manifest came first, as a copying program may have it.
    bucket.put_export("cur/small", &export.folder, at("2026-11-03T05:00:00Z"));
    let data = "cur/small/data/BILLING_PERIOD=2026-10/small-00001.snappy.parquet";
    bucket.put(
        data,
        std::fs::read(export.data_file()).unwrap(),
        at("2026-11-03T06:00:00Z"),
    );
    assert!(stderr(&installation.run(&INGEST).await).contains("set 'copied = true'"));
    installation.settings(&format!("{}copied = true\n", bucket.settings("bills", "cur/small")));
    assert!(installation.run(&INGEST).await.status.success());
    let now: DateTime<Utc> = sqlx::query_scalar("select now()")
        .fetch_one(&installation.database.pool)
        .await
        .unwrap();
    bucket.put_export("cur/small", &export.folder, now);
    assert!(stderr(&installation.run(&INGEST).await).contains("stood still for an hour"));
}

/// moto is another implementation than our own store: the same reading must hold against it, with a role's credentials.
#[tokio::test]
async fn moto_serves_an_export_to_an_assumed_role() {
    let Some(endpoint) = moto::endpoint() else { return };
    let client = moto::client(endpoint);
    client.create_bucket().bucket("bills").send().await.unwrap();
    let export = SmallExport::new("moto");
    moto::upload(&client, "bills", "cur/small", export.write()).await;
    let installation = Installation::new("moto").await;
    installation.settings(&format!(
        "[aws]\nendpoint = \"{endpoint}\"\n[[exports]]\nname = \"bills\"\nlocation = \"s3://bills/cur/small\"\nendpoint = \"{endpoint}\"\nrole_arn = \"arn:aws:iam::123456789012:role/anbun\"\nexternal_id = \"x\"\n"
    ));
    let run = installation.run(&INGEST).await;
    assert!(run.status.success(), "{}", stderr(&run));
    assert_eq!(bedrock_cost(&installation.database).await, Decimal::new(275, 3));
    let run = installation.run(&INGEST).await;
    assert!(stdout(&run).contains("unchanged"), "{}", stdout(&run));
}
