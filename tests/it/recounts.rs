//! The recount: files summed by another engine against what is stored and answered, from a folder and from a bucket.

use std::path::Path;

use crate::buckets::at;
use crate::peers::Installation;
use crate::peers::bucket::Bucket;
use crate::support::{make_cur, stderr, stdout, write_export};

const RECOUNT: [&str; 3] = ["job", "run", "recount-charges"];

async fn loaded_from_bucket(name: &str, export: &Path) -> (Bucket, Installation) {
    let bucket = Bucket::serve().await;
    bucket.put_export("cur/bill", export, at("2026-11-03T05:00:00Z"));
    let installation = Installation::new(name).await;
    installation.settings(&bucket.settings("bills", "cur/bill"));
    let run = installation.run(&["ingest", "cur", "bills"]).await;
    assert!(run.status.success(), "{}", stderr(&run));
    (bucket, installation)
}

async fn execute(installation: &Installation, sql: &'static str) {
    let done = sqlx::query(sql).execute(&installation.database.pool).await.unwrap();
    assert!(done.rows_affected() > 0, "{sql}");
}

#[tokio::test]
async fn a_second_route_counts_the_same_lines_in_a_folder_and_in_a_bucket() {
    let Some(tools) = make_cur() else { return };
    let export = write_export(
        &tools,
        "recount",
        &["--rows", "20000", "--files", "2", "--bedrock-share", "0.2"],
    );
    let (bucket, installation) = loaded_from_bucket("recount-bucket", &export).await;
    bucket.take_requests();
    let run = installation.run(&RECOUNT).await;
    assert!(run.status.success(), "{}", stderr(&run));
    assert!(
        stdout(&run).contains("agree") && stdout(&run).contains("20000"),
        "{}",
        stdout(&run)
    );
    let left: Vec<_> = std::fs::read_dir(std::env::temp_dir())
        .unwrap()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("anbun-recount-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let folder = Installation::new("recount-folder").await;
    folder.settings("");
    assert!(
        folder
            .run(&["ingest", "cur", &export.display().to_string()])
            .await
            .status
            .success()
    );
    let run = folder.run(&RECOUNT).await;
    assert!(
        run.status.success() && stdout(&run).contains("agree"),
        "{}",
        stderr(&run)
    );
}

/// One unit of the tenth decimal in one charge, or in the sums that pages read, is seen with its day and service.
#[tokio::test]
async fn a_difference_is_a_finding_with_its_day_and_service_until_it_is_gone() {
    let Some(tools) = make_cur() else { return };
    let export = write_export(&tools, "tampered", &["--rows", "5000", "--bedrock-share", "0.5"]);
    let (_bucket, installation) = loaded_from_bucket("tampered", &export).await;
    let differences = async || -> Vec<(String, String)> {
        let run = installation.run(&RECOUNT).await;
        assert!(run.status.success(), "{}", stderr(&run));
        sqlx::query_as("select subject, message from findings where code = 'recount_differs' order by 1")
            .fetch_all(&installation.database.pool)
            .await
            .unwrap()
    };
    assert_eq!(differences().await, []);
    execute(
        &installation,
        "update charges set cost = cost + 0.0000000001 where (usage_date, meter_key) = (
            select c.usage_date, c.meter_key from charges c join meters m using (meter_key)
            where m.product_code = 'AmazonBedrockService' order by 1, 2 limit 1)",
    )
    .await;
    // October does not settle for ever; what was recounted once and does not settle is not read again.
    execute(&installation, "delete from recounts").await;
    let found = differences().await;
    assert!(
        found
            .iter()
            .any(|(subject, _)| subject.ends_with("Amazon Bedrock Service")),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|(_, message)| message.contains("stored are") && message.contains("answered are")),
        "{found:?}"
    );
    let preview = installation.run(&["chargeback", "preview", "2026-10"]).await;
    assert!(stderr(&preview).contains("the files say"), "{}", stderr(&preview));
    assert!(
        installation
            .run(&["ingest", "cur", "bills", "--force"])
            .await
            .status
            .success()
    );
    assert_eq!(
        differences().await.len(),
        found.len(),
        "the findings of a superseded delivery stay with it"
    );
    let current: i64 = sqlx::query_scalar(
        "select count(*) from findings join snapshots using (snapshot_id) where is_current and code = 'recount_differs'",
    )
    .fetch_one(&installation.database.pool)
    .await
    .unwrap();
    assert_eq!(current, 0);
}

#[tokio::test]
async fn a_newer_delivery_is_loaded_before_it_is_recounted() {
    let export = crate::exports::SmallExport::new("newer");
    let (bucket, installation) = loaded_from_bucket("newer", export.write()).await;
    bucket.put_export("cur/bill", &export.folder, at("2026-11-04T05:00:00Z"));
    let run = installation.run(&RECOUNT).await;
    assert!(
        run.status.success() && stdout(&run).contains("newer_delivery"),
        "{}",
        stdout(&run)
    );
    assert!(installation.run(&["job", "run", "load-exports"]).await.status.success());
    let run = installation.run(&RECOUNT).await;
    assert!(stdout(&run).contains("agree"), "{} {}", stdout(&run), stderr(&run));
}
