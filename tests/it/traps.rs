//! What AWS's billing data is known to trip programs up with: a named test for each trap that concerns the sources.

use chrono::{DateTime, Days, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::buckets::{at, bedrock_cost};
use crate::exports::SmallExport;
use crate::peers::Installation;
use crate::peers::billing::Billing;
use crate::peers::bucket::Bucket;
use crate::support::{database, load, stderr, stdout};
use anbun::clock::Clock;
use anbun::store::database::Database;

fn now() -> DateTime<Utc> {
    Clock::System.now()
}

async fn reasons(database: &Database) -> Vec<(Option<String>, Decimal)> {
    sqlx::query_as("select reason, sum(cost) from department_days where charge_class = 'usage' group by 1 order by 1")
        .fetch_all(&database.pool)
        .await
        .unwrap()
}

/// 1. The obvious product code holds a fraction of the spend.
#[tokio::test]
async fn every_product_code_of_bedrock_is_counted() {
    let database = database().await;
    let mut export = SmallExport::new("codes");
    export.lines.extend([
        (5, "Usage", "AmazonBedrockService", "USD", 10.0),
        (5, "Usage", "AmazonBedrockFoundationModels", "USD", 100.0),
    ]);
    load(&database, export.write()).await;
    assert_eq!(bedrock_cost(&database).await, Decimal::new(110_275, 3));
}

/// 12. A refresh replaces; amounts can fall as well as rise.
#[tokio::test]
async fn a_refresh_replaces_the_month_and_can_lower_it() {
    let bucket = Bucket::serve().await;
    let installation = Installation::new("falls").await;
    installation.settings(&bucket.settings("bills", "cur/small"));
    let mut export = SmallExport::new("falls");
    for (hour, expected) in [(0, 275), (1, 275), (2, 25)] {
        if hour == 2 {
            export.lines.retain(|line| line.1 != "Tax");
            export
                .lines
                .iter_mut()
                .filter(|line| line.2 == "AmazonBedrock")
                .for_each(|line| line.4 = 0.025);
        }
        bucket.put_export(
            "cur/small",
            export.write(),
            at("2026-11-03T05:00:00Z") + TimeDelta::hours(hour),
        );
        assert!(installation.run(&["ingest", "cur", "bills"]).await.status.success());
        assert_eq!(bedrock_cost(&installation.database).await, Decimal::new(expected, 3));
    }
}

/// 13. In create-new mode every refresh stays: a listing would multiply the cost.
#[tokio::test]
async fn of_many_refreshes_only_the_manifests_own_files_count() {
    let bucket = Bucket::serve().await;
    let export = SmallExport::new("refreshes");
    export.write();
    let content = std::fs::read(export.data_file()).unwrap();
    for refresh in 1..=3 {
        let folder = format!("data/BILLING_PERIOD=2026-10/2026110{refresh}T050000Z-{refresh}");
        let written = at("2026-11-01T05:00:00Z") + TimeDelta::days(refresh);
        bucket.put(
            &format!("cur/small/{folder}/small-00001.snappy.parquet"),
            content.clone(),
            written,
        );
        let manifest =
            serde_json::json!({"dataFiles": [format!("s3://bills/cur/small/{folder}/small-00001.snappy.parquet")]});
        let own =
            format!("cur/small/metadata/BILLING_PERIOD=2026-10/2026110{refresh}T050000Z-{refresh}/small-Manifest.json");
        bucket.put(&own, manifest.to_string(), written);
        bucket.put(
            "cur/small/metadata/BILLING_PERIOD=2026-10/small-Manifest.json",
            manifest.to_string(),
            written,
        );
    }
    let installation = Installation::new("refreshes").await;
    installation.settings(&bucket.settings("bills", "cur/small"));
    let run = installation.run(&["ingest", "cur", "bills"]).await;
    assert!(run.status.success(), "{}", stderr(&run));
    assert_eq!(bedrock_cost(&installation.database).await, Decimal::new(275, 3));
    let opened: Vec<String> = bucket
        .take_requests()
        .into_iter()
        .filter(|r| r.ends_with(".parquet"))
        .collect();
    assert!(
        opened.iter().all(|request| request.contains("T050000Z-3")),
        "{opened:?}"
    );
}

/// 14. Lines that are equal to the last byte can be two charges.
#[tokio::test]
async fn equal_lines_are_all_counted() {
    let database = database().await;
    let mut export = SmallExport::new("equal");
    export.lines.extend([(7, "Usage", "AmazonBedrock", "USD", 0.5); 3]);
    load(&database, export.write()).await;
    assert_eq!(bedrock_cost(&database).await, Decimal::new(1775, 3));
    let lines: i64 = sqlx::query_scalar("select sum(lines)::bigint from charges")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(lines, 5);
}

/// 15. The newest days are not complete: 48 hours, 72 for what AWS bills through Marketplace.
#[tokio::test]
async fn the_newest_days_are_settling_and_every_answer_says_so() {
    let month = now().format("%Y-%m").to_string();
    let export = SmallExport {
        period: Box::leak(month.clone().into_boxed_str()),
        ..SmallExport::new("settling")
    };
    let installation = Installation::new("settling").await;
    installation.settings("");
    assert!(
        installation
            .run(&["ingest", "cur", &export.write().display().to_string()])
            .await
            .status
            .success()
    );
    for arguments in [
        vec!["chargeback", "preview", &month, "--format", "json"],
        vec!["costs", "--format", "json"],
    ] {
        let answer = stdout(&installation.run(&arguments).await);
        assert!(
            answer.contains("\"settling\"") && answer.contains("(48 hours)") && answer.contains("(72 hours)"),
            "{answer}"
        );
        assert!(answer.contains("data_as_of"), "{answer}");
    }
}

/// 15. A pull that stopped is not a quiet week: days that should be there by now are named, whenever they are read.
#[tokio::test]
async fn days_that_should_have_come_by_now_are_missing_and_not_cheap() {
    let database = database().await;
    let mut export = SmallExport::new("stopped");
    export.lines.retain(|line| line.0 <= 20);
    load(&database, export.write()).await;
    // As a delivery of the twenty-first, whose last days were not to be expected.
    sqlx::query("update snapshots set delivered_at = '2026-10-21T05:00:00Z'")
        .execute(&database.pool)
        .await
        .unwrap();
    sqlx::query("delete from findings")
        .execute(&database.pool)
        .await
        .unwrap();
    let mut connection = database.pool.acquire().await.unwrap();
    let mut codes_on = async |day: &str| -> Vec<String> {
        let mut seen = crate::support::as_seen();
        seen.now = at(day);
        let month: anbun::domain::period::BillingPeriod = "2026-10".parse().unwrap();
        let found = anbun::api::findings::period_findings(&mut connection, month, month.next(), &seen)
            .await
            .unwrap();
        found.into_iter().map(|finding| finding.code).collect()
    };
    assert_eq!(codes_on("2026-10-21T06:00:00Z").await, ["settling"]);
    assert!(
        codes_on("2026-10-26T06:00:00Z")
            .await
            .contains(&"days_not_delivered".to_owned())
    );
    assert!(
        codes_on("2026-10-26T06:00:00Z")
            .await
            .contains(&"data_is_stale".to_owned())
    );
    assert!(
        codes_on("2026-12-26T06:00:00Z")
            .await
            .contains(&"days_not_delivered".to_owned())
    );
}

/// 16. A missing or empty column is a fault of configuration, never zero spend.
#[tokio::test]
async fn a_principal_column_that_is_missing_or_blank_is_a_fault() {
    for (name, without, principal, code) in [
        (
            "missing-column",
            Some("line_item_iam_principal"),
            None,
            "principal_column_missing",
        ),
        ("blank-column", None, None, "principal_column_blank"),
    ] {
        let export = SmallExport {
            without,
            principal,
            ..SmallExport::new(name)
        };
        let installation = Installation::new(name).await;
        installation.settings("");
        assert!(
            installation
                .run(&["ingest", "cur", &export.write().display().to_string()])
                .await
                .status
                .success()
        );
        assert_eq!(bedrock_cost(&installation.database).await, Decimal::new(275, 3));
        let answer = stdout(
            &installation
                .run(&["chargeback", "preview", "2026-10", "--format", "json"])
                .await,
        );
        assert!(answer.contains(code), "{answer}");
        let doctor = installation.run(&["doctor"]).await;
        assert!(
            doctor.status.code() == Some(3) && stdout(&doctor).contains("callers"),
            "{}",
            stdout(&doctor)
        );
    }
}

/// 17. NULL and an empty string are both nobody.
#[tokio::test]
async fn null_and_empty_principals_are_alike() {
    for principal in [None, Some("")] {
        let database = database().await;
        let export = SmallExport {
            principal,
            ..SmallExport::new("nobody")
        };
        load(&database, export.write()).await;
        assert_eq!(
            reasons(&database).await,
            [(Some("no_principal".to_owned()), Decimal::new(25, 2))],
            "{principal:?}"
        );
    }
}

/// 19. There is no history: nothing before 2026-04-08 names its caller.
#[tokio::test]
async fn use_before_the_switch_existed_has_its_own_reason() {
    let database = database().await;
    let export = SmallExport {
        period: "2026-03",
        principal: None,
        ..SmallExport::new("history")
    };
    load(&database, export.write()).await;
    assert_eq!(
        reasons(&database).await,
        [(Some("before_activation".to_owned()), Decimal::new(25, 2))]
    );
}

async fn cost_explorer(name: &str, more: &str) -> (Billing, Installation) {
    let billing = Billing::serve().await;
    let installation = Installation::new(name).await;
    installation.settings(&format!(
        "[aws]\nendpoint = \"{}\"\n[cost_explorer]\nenabled = true\nmax_requests_per_day = 100\n{more}",
        billing.endpoint
    ));
    (billing, installation)
}

/// 24 and 25. A tag's totals are a view of the same money, kept apart from usage; what has no tag stays visible.
#[tokio::test]
async fn tag_totals_stand_apart_and_the_untagged_stays_visible() {
    let (billing, installation) = cost_explorer("tagged", "tag_keys = [\"department\"]\n").await;
    billing.active_tags(&["iamPrincipal/department"]);
    billing.totals(|_, key| match key {
        "USAGE_TYPE" => vec![("Amazon Bedrock".to_owned(), "x".to_owned(), "3".to_owned())],
        "RECORD_TYPE" => Vec::new(),
        _ => vec![
            (String::new(), "sales".to_owned(), "2".to_owned()),
            (String::new(), String::new(), "1".to_owned()),
        ],
    });
    let run = installation.run(&["ingest", "cost-explorer"]).await;
    assert!(run.status.success(), "{}", stderr(&run));
    let days: Vec<(String, String, Decimal)> =
        sqlx::query_as("select kind, label, cost from cost_explorer_totals where usage_date = $1 order by 1, 2")
            .bind(now().date_naive())
            .fetch_all(&installation.database.pool)
            .await
            .unwrap();
    let tag = "tag:iamPrincipal/department".to_owned();
    let expected = [
        (tag.clone(), String::new(), Decimal::ONE),
        (tag, "sales".to_owned(), Decimal::TWO),
        ("usage_type".to_owned(), "x".to_owned(), Decimal::from(3)),
    ];
    assert_eq!(days, expected);
}

/// 26. End is exclusive and days are UTC: to see today, tomorrow is the end.
#[tokio::test]
async fn the_end_of_a_question_is_the_day_after_its_last() {
    let (billing, installation) = cost_explorer("end", "tag_keys = []\n").await;
    assert!(installation.run(&["ingest", "cost-explorer"]).await.status.success());
    let asked: Vec<Value> = billing
        .take_calls()
        .into_iter()
        .filter(|(o, _)| o == "GetCostAndUsage")
        .map(|(_, a)| a)
        .collect();
    let tomorrow = (now().date_naive() + Days::new(1)).to_string();
    assert!(asked.iter().any(|a| a["TimePeriod"]["End"] == tomorrow), "{asked:?}");
    assert!(asked.iter().all(|a| a["Granularity"] == "DAILY"));
}

/// 28. Usage is asked without credits, refunds and tax; those are asked by record type.
#[tokio::test]
async fn usage_is_asked_without_credits() {
    let (billing, installation) = cost_explorer("records", "tag_keys = [\"user\"]\n").await;
    billing.active_tags(&["iamPrincipal/user"]);
    assert!(installation.run(&["ingest", "cost-explorer"]).await.status.success());
    for (operation, asked) in billing.take_calls() {
        if operation != "GetCostAndUsage" {
            continue;
        }
        let by_record = asked["GroupBy"].to_string().contains("RECORD_TYPE");
        let filtered = asked["Filter"]
            .to_string()
            .contains("\"RECORD_TYPE\",\"Values\":[\"Usage\"]");
        assert_eq!(by_record, !filtered, "{asked}");
        assert!(asked["Filter"].to_string().contains("Amazon Bedrock"), "{asked}");
    }
}

/// 30. Nine decimals and more are real.
#[tokio::test]
async fn small_amounts_keep_their_digits() {
    let database = database().await;
    let mut export = SmallExport::new("digits");
    export.lines.push((7, "Usage", "AmazonBedrock", "USD", 1.789_808_625));
    export
        .lines
        .push((7, "Usage", "AmazonBedrock", "USD", 0.000_000_000_123));
    load(&database, export.write()).await;
    assert_eq!(bedrock_cost(&database).await, Decimal::new(2_064_808_625_123, 12));
}

/// Where the other traps of the sources are held; each of these tests is there.
const ELSEWHERE: &[(u8, &str, &str)] = &[
    (
        12,
        "buckets",
        "a_refresh_under_way_is_never_loaded_and_heals_with_its_manifest",
    ),
    (13, "buckets", "what_the_manifest_does_not_list_is_harmless"),
    (13, "exports", "emptied_chunks_of_an_earlier_refresh_are_harmless"),
    (
        18,
        "recounts",
        "a_second_route_counts_the_same_lines_in_a_folder_and_in_a_bucket",
    ),
    (27, "cost_explorer", "pages_are_all_read_and_go_on_the_next_day"),
    (27, "cost_explorer", "a_window_that_is_final_is_not_asked_again"),
];

#[test]
fn traps_that_are_held_elsewhere_are_there() {
    for (trap, module, test) in ELSEWHERE {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/{module}.rs"));
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains(&format!("fn {test}()")), "trap {trap}: {module}::{test}");
    }
}
