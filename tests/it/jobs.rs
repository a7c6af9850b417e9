//! Scheduled work: one run at a time over all replicas, healed by the next run, seen when it fails.

use std::time::Duration;

use chrono::TimeDelta;
use rust_decimal::Decimal;

use crate::buckets::{at, bedrock_cost, small};
use crate::peers::bucket::Fault;
use crate::peers::{Serving, until};
use crate::support::{stderr, stdout};

/// Two servers on one database, deliveries that keep coming, and kills at any moment: every delivery is loaded once, and
/// what a reader sees is always one whole delivery.
#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_load_each_delivery_once_through_kills() {
    let (bucket, installation, mut export) = small("replicas").await;
    let settings = format!(
        "{}[schedule]\nload_exports = \"every 1s\"\n",
        bucket.settings("bills", "cur/small")
    );
    installation.settings(&settings);
    let mut replicas = [Serving::start(&installation).await, Serving::start(&installation).await];
    let first = at("2026-11-03T05:00:00Z");
    let mut expected = Decimal::new(275, 3);
    until("the first delivery is loaded", async || {
        bedrock_cost(&installation.database).await == expected
    })
    .await;
    for cycle in 1_u32..=50 {
        export.lines.push((9, "Usage", "AmazonBedrock", "USD", 1.0));
        expected += Decimal::ONE;
        bucket.put_export("cur/small", export.write(), first + TimeDelta::hours(i64::from(cycle)));
        // A moment that falls before, into and after the load, in turn.
        tokio::time::sleep(Duration::from_millis(u64::from(cycle * 37 % 900))).await;
        let killed = &mut replicas[(cycle % 2) as usize];
        killed.kill();
        let seen = bedrock_cost(&installation.database).await;
        assert!(
            seen == expected || seen == expected - Decimal::ONE,
            "{seen} in cycle {cycle}"
        );
        *killed = Serving::start(&installation).await;
        until("the delivery is loaded", async || {
            bedrock_cost(&installation.database).await == expected
        })
        .await;
    }
    let loads: Vec<(String, i64)> = sqlx::query_as("select digest, count(*) from snapshots group by 1")
        .fetch_all(&installation.database.pool)
        .await
        .unwrap();
    assert!(
        loads.iter().all(|(_, count)| *count == 1),
        "a delivery was loaded twice"
    );
    assert_eq!(loads.len(), 51);
    let current: i64 = sqlx::query_scalar("select count(*) from snapshots where is_current")
        .fetch_one(&installation.database.pool)
        .await
        .unwrap();
    assert_eq!(current, 1);
}

#[tokio::test]
async fn a_failing_job_is_seen_everywhere_and_heals_without_a_hand() {
    let (bucket, installation, _export) = small("failing").await;
    assert!(installation.run(&["job", "run", "load-exports"]).await.status.success());
    bucket.watch(|_, _, _, _| Some(Fault::Refuse(403, "AccessDenied", &[])));
    for _ in 0..3 {
        let run = installation.run(&["job", "run", "load-exports"]).await;
        assert_eq!(run.status.code(), Some(1));
        assert!(
            stderr(&run).contains("s3://bills/cur/small") && stderr(&run).contains("AccessDenied"),
            "{}",
            stderr(&run)
        );
    }
    let list = installation.run(&["job", "list"]).await;
    assert_eq!(list.status.code(), Some(3), "{}", stderr(&list));
    assert!(
        stdout(&list).contains("failing") && stderr(&list).contains("3 times in a row"),
        "{}",
        stderr(&list)
    );
    let seen_by = async |path: &str, needles: &[&str]| {
        let serving = Serving::start(&installation).await;
        let (status, body) = serving.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        for needle in needles {
            assert!(body.contains(needle), "{path} lacks '{needle}': {body}");
        }
    };
    seen_by(
        "/api/v1/jobs",
        &["\"health\":\"failing\"", "job_failing", "AccessDenied"],
    )
    .await;
    seen_by("/readyz", &["ready\n", "job load-exports: failed"]).await;
    seen_by(
        "/metrics",
        &["anbun_job_well{job=\"load-exports\"} 0", "anbun_job_failures_in_a_row"],
    )
    .await;
    bucket.stop_watching();
    assert!(installation.run(&["job", "run", "load-exports"]).await.status.success());
    let list = installation.run(&["job", "list"]).await;
    assert!(
        list.status.success() && stdout(&list).contains("well"),
        "{}",
        stdout(&list)
    );
    // What is left is true: the export has October, and that month is over.
    let left: Vec<String> = sqlx::query_scalar("select code from job_findings")
        .fetch_all(&installation.database.pool)
        .await
        .unwrap();
    let day = chrono::Datelike::day(&anbun::clock::Clock::System.now());
    assert_eq!(
        left,
        if day >= 4 {
            vec!["month_not_delivered"]
        } else {
            Vec::new()
        }
    );
}

/// Where the next month cannot come at all, the newest one that is there says so, however closed it is.
#[tokio::test]
async fn the_newest_month_says_that_nothing_newer_can_come() {
    let (bucket, installation, _export) = small("nothing-newer").await;
    assert!(installation.run(&LOAD).await.status.success());
    bucket.watch(|_, _, _, _| Some(Fault::Refuse(403, "AccessDenied", &[])));
    assert_eq!(installation.run(&LOAD).await.status.code(), Some(1));
    let found = findings(&installation, "2026-10").await;
    assert!(
        found.contains(&("export_unreadable".to_owned(), "error".to_owned())),
        "{found:?}"
    );
}

/// What ails a job touches every figure that is still open: it stands on the page, in the answers and at the terminal.
#[tokio::test]
async fn an_unreadable_export_marks_the_figures_of_open_months() {
    let now: chrono::DateTime<chrono::Utc> = chrono::DateTime::from(std::time::UNIX_EPOCH + since_epoch());
    let month = now.format("%Y-%m").to_string();
    let bucket = crate::peers::bucket::Bucket::serve().await;
    let export = crate::exports::SmallExport {
        period: Box::leak(month.clone().into_boxed_str()),
        ..crate::exports::SmallExport::new("open-month")
    };
    bucket.put_export("cur/small", export.write(), now - TimeDelta::hours(2));
    let installation = crate::peers::Installation::new("open-month").await;
    installation.settings(&bucket.settings("bills", "cur/small"));
    assert!(installation.run(&["job", "run", "load-exports"]).await.status.success());
    bucket.watch(|_, _, _, _| Some(Fault::Refuse(503, "ServiceUnavailable", &[("retry-after", "7200")])));
    let run = installation.run(&["job", "run", "load-exports"]).await;
    assert_eq!(run.status.code(), Some(1));
    let preview = installation.run(&["chargeback", "preview", &month]).await;
    assert!(
        stderr(&preview).contains("export 'bills' cannot be read"),
        "{}",
        stderr(&preview)
    );
    let serving = Serving::start(&installation).await;
    for path in [
        format!("/chargeback/{month}"),
        format!("/api/v1/chargeback/{month}"),
        "/api/v1/costs".to_owned(),
    ] {
        let (status, body) = serving.get(&path).await;
        assert_eq!(status, 200);
        assert!(body.contains("cannot be read"), "{path}: {body}");
    }
    // What AWS asks for is honoured: the next try is two hours away.
    let retry_in: Option<f64> = sqlx::query_scalar(
        "select extract(epoch from retry_at - finished_at)::float8 from job_runs where job = 'load-exports' order by run_id desc limit 1",
    )
    .fetch_one(&installation.database.pool)
    .await
    .unwrap();
    assert!(retry_in.is_some_and(|seconds| seconds >= 7200.0), "{retry_in:?}");
}

fn since_epoch() -> Duration {
    let clock = anbun::clock::Clock::System.now();
    Duration::from_secs(u64::try_from(clock.timestamp()).unwrap())
}

#[tokio::test]
async fn a_wish_at_the_api_is_granted_and_unknown_jobs_are_not_there() {
    let (bucket, installation, _export) = small("wish").await;
    let settings = format!(
        "{}[schedule]\nload_exports = \"off\"\n",
        bucket.settings("bills", "cur/small")
    );
    installation.settings(&settings);
    let serving = Serving::start(&installation).await;
    let (status, body) = serving.post("/api/v1/jobs/load-exports/runs").await;
    assert_eq!(status, 202, "{body}");
    until("the export is loaded", async || {
        bedrock_cost(&installation.database).await == Decimal::new(275, 3)
    })
    .await;
    let (status, body) = serving.get("/api/v1/jobs").await;
    assert!(status == 200 && body.contains("\"trigger\":\"request\""), "{body}");
    assert_eq!(serving.post("/api/v1/jobs/nothing/runs").await.0, 404);
}

/// A stop is graceful: a load in the middle is given up cleanly, within ten seconds, and the next server does it.
#[tokio::test]
async fn a_stop_abandons_a_slow_load_and_the_next_server_does_it() {
    let (bucket, installation, _export) = small("stop").await;
    bucket.watch(|_, _, key, _| {
        if key.ends_with(".parquet") {
            std::thread::sleep(Duration::from_millis(200));
        }
        key.ends_with(".parquet").then_some(Fault::Refuse(503, "SlowDown", &[]))
    });
    let serving = Serving::start(&installation).await;
    until("the load has begun", async || {
        bucket.take_requests().iter().any(|r| r.ends_with(".parquet"))
    })
    .await;
    let (took, said) = serving.stop().await;
    assert!(took < Duration::from_secs(10), "{took:?}: {said}");
    assert_eq!(bedrock_cost(&installation.database).await, Decimal::ZERO);
    bucket.stop_watching();
    // The run without an end is begun again as soon as it looks dead; a command need not wait for that.
    let run = installation.run(&["job", "run", "load-exports"]).await;
    assert!(run.status.success(), "{}", stderr(&run));
    assert_eq!(bedrock_cost(&installation.database).await, Decimal::new(275, 3));
    let unended: i64 = sqlx::query_scalar("select count(*) from job_runs where status = 'running'")
        .fetch_one(&installation.database.pool)
        .await
        .unwrap();
    assert_eq!(unended, 0);
}

/// Superseded deliveries keep their sums, so that a refresh can be asked what it changed.
#[tokio::test]
async fn a_refresh_says_what_it_changed() {
    let (bucket, installation, mut export) = small("changed").await;
    assert!(installation.run(&["ingest", "cur", "bills"]).await.status.success());
    export.lines.push((14, "Usage", "AmazonBedrock", "USD", 1204.17));
    bucket.put_export("cur/small", export.write(), at("2026-11-04T05:00:00Z"));
    assert!(installation.run(&["ingest", "cur", "bills"]).await.status.success());
    let status = installation.run(&["ingest", "status"]).await;
    let line = "2026-10 of bills: +1,204.17 USD in unknown_department, 14 Oct, since the delivery of 3 Nov";
    assert!(stderr(&status).contains(line), "{}", stderr(&status));
    export.lines.pop();
    bucket.put_export("cur/small", export.write(), at("2026-11-05T05:00:00Z"));
    assert!(installation.run(&["ingest", "cur", "bills"]).await.status.success());
    let status = installation.run(&["ingest", "status", "--format", "json"]).await;
    let json: serde_json::Value = serde_json::from_str(&stdout(&status)).unwrap();
    let changes = &json["data"][0]["changes"];
    assert_eq!(changes["since"], "2026-11-04T05:00:01Z");
    assert_eq!(changes["total"][0]["amount"], "-1204.17");
    assert_eq!(changes["largest"][0]["day"], "2026-10-14");
    assert_eq!(changes["count"], 1);
}

async fn findings(installation: &crate::peers::Installation, month: &str) -> Vec<(String, String)> {
    let answer = installation
        .run(&["chargeback", "preview", month, "--format", "json"])
        .await;
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&answer)).unwrap_or_else(|e| panic!("{e}: {}", stderr(&answer)));
    let text = |finding: &serde_json::Value, field: &str| finding[field].as_str().unwrap_or_default().to_owned();
    let found = json["findings"].as_array().unwrap().iter();
    found
        .map(|finding| (text(finding, "code"), text(finding, "severity")))
        .collect()
}

const LOAD: [&str; 3] = ["job", "run", "load-exports"];

/// A delivery that is refused for what is in it is told by every run and read by one; other exports keep their pace.
#[tokio::test]
async fn a_refused_delivery_is_read_once_and_does_not_fail_the_job() {
    let (bucket, installation, mut export) = small("read-once").await;
    assert!(installation.run(&LOAD).await.status.success());
    export.lines.push((9, "Usage", "AmazonBedrock", "USD", f64::NAN));
    bucket.put_export("cur/small", export.write(), at("2026-11-04T05:00:00Z"));
    bucket.take_requests();
    for reads in [true, false, false] {
        let run = installation.run(&LOAD).await;
        assert!(
            run.status.success() && stdout(&run).contains("refused"),
            "{}",
            stderr(&run)
        );
        let requests = bucket.take_requests();
        assert_eq!(requests.iter().any(|r| r.ends_with(".parquet")), reads, "{requests:?}");
    }
    let (status, error): (String, Option<String>) =
        sqlx::query_as("select status, error from job_runs order by run_id desc limit 1")
            .fetch_one(&installation.database.pool)
            .await
            .unwrap();
    assert!(
        status == "done" && error.is_some_and(|e| e.contains("NaN is no amount of money")),
        "{status}"
    );
    assert!(
        findings(&installation, "2026-10")
            .await
            .contains(&("delivery_refused".to_owned(), "error".to_owned()))
    );
    export.lines.pop();
    bucket.put_export("cur/small", export.write(), at("2026-11-05T05:00:00Z"));
    assert!(installation.run(&LOAD).await.status.success());
    assert!(
        !findings(&installation, "2026-10")
            .await
            .iter()
            .any(|(code, _)| code == "delivery_refused")
    );
}

/// A second export of the same payer is refused by name and read once; when the first one makes room, it is loaded.
#[tokio::test]
async fn a_second_export_of_a_payer_waits_for_room() {
    let (bucket, installation, export) = small("room").await;
    bucket.put_export("cur/other", &export.folder, at("2026-11-03T05:00:00Z"));
    installation.settings(&format!(
        "{}{}",
        bucket.settings("bills", "cur/small"),
        bucket.settings("other", "cur/other")
    ));
    let run = installation.run(&LOAD).await;
    assert!(
        run.status.success() && stdout(&run).contains("refused"),
        "{}",
        stdout(&run)
    );
    bucket.take_requests();
    assert!(installation.run(&LOAD).await.status.success());
    let read = bucket.take_requests().into_iter().any(|r| r.ends_with(".parquet"));
    assert!(!read, "a conflict is not read again");
    installation.settings(&bucket.settings("other", "cur/other"));
    assert!(
        installation
            .run(&["ingest", "forget", "bills", "--period", "2026-10"])
            .await
            .status
            .success()
    );
    let run = installation.run(&LOAD).await;
    assert!(stdout(&run).contains("loaded"), "{}", stdout(&run));
    assert_eq!(bedrock_cost(&installation.database).await, Decimal::new(275, 3));
}

/// A refresh that is being written is waited for: no failure, no alarm, until it has lasted for hours.
#[tokio::test]
async fn a_refresh_under_way_is_waited_for_and_alarms_after_six_hours() {
    let (bucket, installation, export) = small("awaited").await;
    assert!(installation.run(&LOAD).await.status.success());
    bucket.put_export("cur/small", &export.folder, at("2026-11-04T05:00:00Z"));
    let key = "cur/small/data/BILLING_PERIOD=2026-10/small-00001.snappy.parquet";
    bucket.put(
        key,
        std::fs::read(export.data_file()).unwrap(),
        at("2026-11-04T13:00:00Z"),
    );
    for _ in 0..2 {
        let run = installation.run(&LOAD).await;
        assert!(
            run.status.success() && stdout(&run).contains("under_way"),
            "{}",
            stderr(&run)
        );
    }
    let awaited = |severity: &str| ("delivery_awaited".to_owned(), severity.to_owned());
    assert!(findings(&installation, "2026-10").await.contains(&awaited("info")));
    sqlx::query("update refusals set refused_at = refused_at - interval '7 hours'")
        .execute(&installation.database.pool)
        .await
        .unwrap();
    assert!(installation.run(&LOAD).await.status.success());
    assert!(
        findings(&installation, "2026-10").await.contains(&awaited("error")),
        "the waiting keeps its beginning"
    );
    bucket.put_export("cur/small", &export.folder, at("2026-11-04T13:00:05Z"));
    assert!(installation.run(&LOAD).await.status.success());
    assert!(
        !findings(&installation, "2026-10")
            .await
            .iter()
            .any(|(code, _)| code.starts_with("delivery_"))
    );
}

/// Whatever a store or a service answers, the run ends with a row.
#[tokio::test]
async fn hostile_answers_end_a_run_and_not_the_program() {
    let (bucket, installation, _export) = small("hostile").await;
    bucket.watch(|_, _, _, _| Some(Fault::Refuse(503, "SlowDown", &[("retry-after", "9000000000000")])));
    let run = installation.run(&LOAD).await;
    assert_eq!(run.status.code(), Some(1), "{}", stderr(&run));
    let hours: f64 = sqlx::query_scalar(
        "select extract(epoch from retry_at - finished_at)::float8 / 3600 from job_runs order by run_id desc limit 1",
    )
    .fetch_one(&installation.database.pool)
    .await
    .unwrap();
    assert!((5.9..6.1).contains(&hours), "{hours}");
    bucket.stop_watching();
    bucket.answer_with_strangers();
    let run = installation.run(&LOAD).await;
    assert!(!stderr(&run).contains("panicked"), "{}", stderr(&run));
    let unended: i64 = sqlx::query_scalar("select count(*) from job_runs where status = 'running'")
        .fetch_one(&installation.database.pool)
        .await
        .unwrap();
    assert_eq!(unended, 0);
}

/// A new export has nothing for a day; that is no failure.
#[tokio::test]
async fn an_export_without_a_delivery_is_waited_for() {
    let bucket = crate::peers::bucket::Bucket::serve().await;
    let installation = crate::peers::Installation::new("new-export").await;
    installation.settings(&bucket.settings("bills", "cur/small"));
    let run = installation.run(&LOAD).await;
    assert!(
        run.status.success() && stderr(&run).contains("within a day of making the export"),
        "{}",
        stderr(&run)
    );
    let doctor = installation.run(&["doctor"]).await;
    assert!(stdout(&doctor).contains("no delivery is there"), "{}", stdout(&doctor));
}
