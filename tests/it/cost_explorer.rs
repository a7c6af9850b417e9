//! Cost Explorer: few requests, counted and capped; whole answers; every difference to the bill named.

use std::sync::{Arc, Mutex};

use chrono::{Datelike, Days, NaiveDate};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::exports::SmallExport;
use crate::peers::billing::{Billing, PAYER};
use crate::peers::{Installation, moto};
use crate::support::{stderr, stdout};
use anbun::clock::Clock;

const TAGS: [&str; 3] = ["iamPrincipal/department", "iamPrincipal/project", "iamPrincipal/user"];

fn today() -> NaiveDate {
    Clock::System.now().date_naive()
}

const KEYS: &str = "tag_keys = [\"department\", \"project\", \"user\"]\n";

fn settings(billing: &Billing, more: &str) -> String {
    format!(
        "[aws]\nendpoint = \"{0}\"\n[cost_explorer]\nenabled = true\n{more}\n",
        billing.endpoint
    )
}

/// A payer with twelve Bedrock services of sixteen usage types each, and three tags.
fn large(billing: &Billing) {
    let editions: Vec<String> = (1..=10)
        .map(|n| format!("Claude {n} (Amazon Bedrock Edition)"))
        .collect();
    let mut services: Vec<String> = vec!["Amazon Bedrock".to_owned(), "Amazon Bedrock Service".to_owned()];
    services.extend(editions);
    billing.services(&services.iter().map(String::as_str).collect::<Vec<_>>());
    billing.active_tags(&TAGS);
    billing.final_before(today().with_day(1).unwrap());
    billing.totals(move |_, key| {
        let each = |labels: &[&str]| -> Vec<(String, String, String)> {
            let of = |service: &String| {
                labels
                    .iter()
                    .map(|l| (service.clone(), (*l).to_owned(), "0.0000000001".to_owned()))
                    .collect::<Vec<_>>()
            };
            services.iter().flat_map(of).collect()
        };
        match key {
            "USAGE_TYPE" => (0..16).flat_map(|n| each(&[&format!("USE1-type-{n}")])).collect(),
            "RECORD_TYPE" => each(&["Usage", "Credit", "Refund"]),
            tag => {
                let values = if tag.ends_with("user") { 100 } else { 40 };
                (0..values)
                    .map(|n| (String::new(), format!("value-{n}"), "1.5".to_owned()))
                    .collect()
            }
        }
    });
}

fn cost_explorer_calls(calls: &[(String, Value)]) -> usize {
    calls
        .iter()
        .filter(|(operation, _)| operation != "GetCallerIdentity")
        .count()
}

/// A day's asking costs at most ten requests, however large the payer; a first year at most sixty, once.
#[tokio::test]
async fn a_day_costs_ten_requests_at_most_and_a_first_year_sixty() {
    let billing = Billing::serve().await;
    large(&billing);
    let installation = Installation::new("requests").await;
    installation.settings(&settings(&billing, KEYS));
    let run = installation.run(&["job", "run", "fetch-cost-explorer"]).await;
    assert!(run.status.success(), "{}", stderr(&run));
    assert!(
        stderr(&run).contains("cost_explorer_budget_used") || stderr(&run).contains("all 10 requests"),
        "{}",
        stderr(&run)
    );
    let calls = billing.take_calls();
    assert_eq!(cost_explorer_calls(&calls), 10);
    // The newest days of every kind came first: five questions, after the services and the tags.
    let newest = calls.iter().filter(|(o, asked)| {
        o == "GetCostAndUsage" && asked["TimePeriod"]["End"] == (today() + Days::new(1)).to_string()
    });
    assert_eq!(newest.count(), 5);
    // Past the cap nothing is sent, and the run does not fail.
    let run = installation.run(&["job", "run", "fetch-cost-explorer"]).await;
    assert!(run.status.success());
    assert_eq!(cost_explorer_calls(&billing.take_calls()), 0);
    let run = installation
        .run(&["ingest", "cost-explorer", "--max-requests", "60"])
        .await;
    assert!(run.status.success(), "{}", stderr(&run));
    assert!(
        !stderr(&run).contains("are used"),
        "a year needs more than sixty: {}",
        stderr(&run)
    );
    assert!(cost_explorer_calls(&billing.take_calls()) <= 50);
    let days: Vec<(String, i64, NaiveDate)> =
        sqlx::query_as("select kind, count(*), min(usage_date) from cost_explorer_days group by 1 order by 1")
            .fetch_all(&installation.database.pool)
            .await
            .unwrap();
    assert_eq!(days.len(), 5, "{days:?}");
    assert!(
        days.iter()
            .filter(|(kind, ..)| !kind.starts_with("tag:"))
            .all(|(_, count, _)| *count >= 365),
        "{days:?}"
    );
    assert!(
        days.iter()
            .filter(|(kind, ..)| kind.starts_with("tag:"))
            .all(|(.., first)| first.to_string().as_str() >= "2026-04-08")
    );
    let list = installation.run(&["job", "list"]).await;
    assert!(
        stderr(&list).contains("requests today") && stderr(&list).contains("USD"),
        "{}",
        stderr(&list)
    );
}

/// A final day is not asked again; the next day asks for the newest days only.
#[tokio::test]
async fn a_window_that_is_final_is_not_asked_again() {
    let billing = Billing::serve().await;
    large(&billing);
    let installation = Installation::new("final").await;
    installation.settings(&settings(&billing, &format!("{KEYS}max_requests_per_day = 100")));
    assert!(
        installation
            .run(&["job", "run", "fetch-cost-explorer"])
            .await
            .status
            .success()
    );
    billing.take_calls();
    assert!(
        installation
            .run(&["job", "run", "fetch-cost-explorer"])
            .await
            .status
            .success()
    );
    assert_eq!(
        cost_explorer_calls(&billing.take_calls()),
        0,
        "the same day asks nothing twice"
    );
    // As if all of that had been yesterday.
    for table in [
        "cost_explorer_days set fetched_at = fetched_at",
        "cost_explorer_services set found_at = found_at",
        "cost_allocation_tags set checked_at = checked_at",
    ] {
        let sql = format!("update {table} - interval '1 day'");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&installation.database.pool)
            .await
            .unwrap();
    }
    assert!(
        installation
            .run(&["job", "run", "fetch-cost-explorer"])
            .await
            .status
            .success()
    );
    let calls = billing.take_calls();
    assert_eq!(cost_explorer_calls(&calls), 7, "{calls:?}");
}

/// Trap: every page is a request.  Pages that were paid for are kept, and the next day goes on behind them.
#[tokio::test]
async fn pages_are_all_read_and_go_on_the_next_day() {
    let billing = Billing::serve().await;
    billing.final_before(today() + Days::new(9));
    billing.groups_per_page(7);
    billing.totals(|_, key| {
        let labels = if key == "USAGE_TYPE" { 10 } else { 0 };
        (0..labels)
            .map(|n| ("Amazon Bedrock".to_owned(), format!("type-{n}"), "1".to_owned()))
            .collect()
    });
    let installation = Installation::new("pages").await;
    let month = today().format("%Y-%m").to_string();
    installation.settings(&settings(&billing, "tag_keys = []\nmax_requests_per_day = 14"));
    // Five days of ten groups are eight pages of seven; with the services and the record types that is ten requests, and
    // four a day are left for what is older.
    let arguments = ["ingest", "cost-explorer", "--period", &month];
    let asked = async || {
        let run = installation.run(&arguments).await;
        assert!(run.status.success(), "{}", stderr(&run));
        let sum: Option<Decimal> =
            sqlx::query_scalar("select sum(cost) from cost_explorer_totals where kind = 'usage_type'")
                .fetch_one(&installation.database.pool)
                .await
                .unwrap();
        sum.unwrap_or_default()
    };
    assert_eq!(
        asked().await,
        Decimal::from(50),
        "the newest days are whole, and half an answer is none"
    );
    // A day passes: what was asked is of yesterday, and the newest days are asked again first.
    let day_later = [
        "update cost_explorer_requests set requested_at = requested_at - interval '1 day'",
        "update cost_explorer_days set fetched_at = fetched_at - interval '1 day'",
        "update cost_explorer_services set found_at = found_at - interval '1 day'",
    ];
    let days = i64::from(today().day()).min(14);
    for _ in 0..20 {
        for sql in day_later {
            sqlx::query(sql).execute(&installation.database.pool).await.unwrap();
        }
        if asked().await >= Decimal::from(10 * days) {
            return;
        }
    }
    panic!("the pages never came together");
}

#[tokio::test]
async fn a_page_token_that_ran_out_is_asked_again_in_weeks() {
    let billing = Billing::serve().await;
    billing.groups_per_page(15);
    billing.totals(|_, key| {
        let labels = if key == "USAGE_TYPE" { 10 } else { 0 };
        (0..labels)
            .map(|n| ("Amazon Bedrock".to_owned(), format!("type-{n}"), "1".to_owned()))
            .collect()
    });
    let mut refused = false;
    billing.answer_instead(move |operation, asked, _| {
        let is_later_page = operation == "GetCostAndUsage" && asked["NextPageToken"].is_string();
        (is_later_page && !std::mem::replace(&mut refused, true)).then(|| {
            (
                400,
                json!({"__type": "InvalidNextTokenException", "message": "expired"}),
            )
        })
    });
    let installation = Installation::new("tokens-run-out").await;
    let month = today().format("%Y-%m").to_string();
    installation.settings(&settings(&billing, "tag_keys = []\nmax_requests_per_day = 200"));
    let run = installation.run(&["ingest", "cost-explorer", "--period", &month]).await;
    assert!(run.status.success(), "{}", stderr(&run));
    let wrong: i64 = sqlx::query_scalar(
        "select count(*) from (select usage_date from cost_explorer_totals where kind = 'usage_type' group by 1 having sum(cost) <> 10) as d",
    )
    .fetch_one(&installation.database.pool)
    .await
    .unwrap();
    assert_eq!(wrong, 0);
}

#[tokio::test]
async fn what_goes_wrong_there_is_named_and_heals() {
    let billing = Billing::serve().await;
    let installation = Installation::new("wrong-there").await;
    installation.settings(&settings(&billing, "max_requests_per_day = 100"));
    for (code, message, needle) in [
        (
            "AccessDeniedException",
            "User is not authorized to perform: ce:GetDimensionValues",
            "allow ce:GetDimensionValues",
        ),
        (
            "AccessDeniedException",
            "User not enabled for cost explorer access",
            "open Cost Explorer once in the console",
        ),
        (
            "DataUnavailableException",
            "not ready",
            "open Cost Explorer once in the console",
        ),
        ("LimitExceededException", "too many calls", "AWS asks to slow down"),
        ("ExpiredTokenException", "expired", "sign in again"),
    ] {
        billing.answer_instead(move |operation, _, _| {
            (operation != "GetCallerIdentity").then(|| (400, json!({"__type": code, "message": message})))
        });
        billing.take_calls();
        let run = installation.run(&["job", "run", "fetch-cost-explorer"]).await;
        assert_eq!(run.status.code(), Some(1));
        assert!(
            stderr(&run).contains(code) && stderr(&run).contains(needle),
            "{code}: {}",
            stderr(&run)
        );
        assert_eq!(
            cost_explorer_calls(&billing.take_calls()),
            1,
            "{code} is not asked again at once: it costs"
        );
    }
    for (amount, day) in [("NaN", "2026-11-01"), ("1e99", "2026-11-01"), ("1", "tomorrow")] {
        billing.answer_instead(move |operation, _, _| {
            (operation == "GetCostAndUsage").then(|| {
                let group = json!({"Keys": ["Amazon Bedrock", "x"], "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}}});
                (200, json!({"ResultsByTime": [{"TimePeriod": {"Start": day, "End": day}, "Groups": [group], "Estimated": false}]}))
            })
        });
        let run = installation.run(&["job", "run", "fetch-cost-explorer"]).await;
        assert_eq!(run.status.code(), Some(1));
        assert!(stderr(&run).contains("is no "), "{}", stderr(&run));
    }
    billing.answer_as_usual();
    assert!(
        installation
            .run(&["job", "run", "fetch-cost-explorer"])
            .await
            .status
            .success()
    );
}

/// The bill stays the truth; what differs is named by day and service.
#[tokio::test]
async fn differences_to_the_bill_are_named_by_day_and_service() {
    let billing = Billing::serve().await;
    let month = today().with_day(1).unwrap().pred_opt().unwrap().with_day(1).unwrap();
    let export = SmallExport {
        period: Box::leak(month.format("%Y-%m").to_string().into_boxed_str()),
        payer: PAYER,
        ..SmallExport::new("compared")
    };
    // The bill has 0.25 on the third and tax on the fourth; there, the third is dearer and a service is only on one side.
    billing.services(&["Amazon Bedrock", "Claude 9 (Amazon Bedrock Edition)"]);
    billing.final_before(today());
    billing.totals(
        move |day, key| match (key, day == month + Days::new(2), day == month + Days::new(5)) {
            ("USAGE_TYPE", true, _) => vec![("Amazon Bedrock".to_owned(), "x".to_owned(), "0.75".to_owned())],
            ("USAGE_TYPE", _, true) => vec![(
                "Claude 9 (Amazon Bedrock Edition)".to_owned(),
                "y".to_owned(),
                "3".to_owned(),
            )],
            _ => Vec::new(),
        },
    );
    let installation = Installation::new("compared").await;
    installation.settings(&settings(&billing, "max_requests_per_day = 100"));
    let run = installation
        .run(&["ingest", "cur", &export.write().display().to_string()])
        .await;
    assert!(run.status.success(), "{}", stderr(&run));
    let run = installation.run(&["ingest", "cost-explorer"]).await;
    assert!(run.status.success(), "{}", stderr(&run));
    let preview = installation
        .run(&["chargeback", "preview", export.period, "--format", "json"])
        .await;
    let json: Value = serde_json::from_str(&stdout(&preview)).unwrap();
    let differences: Vec<(String, String, String)> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["code"] == "cost_explorer_differs")
        .map(|f| {
            (
                f["severity"].to_string(),
                f["subject"].to_string(),
                f["amount"]["amount"].to_string(),
            )
        })
        .collect();
    let expected = [
        ("\"error\"", "\"Claude 9 (Amazon Bedrock Edition)\"", "\"3\""),
        ("\"warning\"", "\"Amazon Bedrock\"", "\"0.5\""),
        ("\"info\"", "\"Amazon Bedrock\"", "\"-0.025\""),
    ];
    assert_eq!(
        differences,
        expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())),
        "{json:#}"
    );
    let text = json.to_string();
    assert!(
        text.contains(&format!("{} 0.5", (month + Days::new(2)).format("%-d %b"))),
        "{text}"
    );
}

/// A run that cannot ask keeps what the last one found.
#[tokio::test]
async fn a_failed_run_does_not_hide_what_was_found() {
    let billing = Billing::serve().await;
    let installation = Installation::new("keeps").await;
    installation.settings(&settings(&billing, "tag_keys = []\nmax_requests_per_day = 100"));
    sqlx::query(
        "insert into job_findings (job, source, code, severity, subject, message, action, noticed_at)
        values ('fetch-cost-explorer', 'cost-explorer', 'cost_explorer_differs', 'error', 's', 'm', 'a', now())",
    )
    .execute(&installation.database.pool)
    .await
    .unwrap();
    billing.answer_instead(|_, _, _| Some((500, json!({"__type": "InternalServerException", "message": "no"}))));
    for _ in 0..2 {
        let run = installation.run(&["job", "run", "fetch-cost-explorer"]).await;
        assert_eq!(run.status.code(), Some(1));
    }
    let codes: Vec<String> = sqlx::query_scalar("select code from job_findings order by 1")
        .fetch_all(&installation.database.pool)
        .await
        .unwrap();
    assert_eq!(codes, ["cost_explorer_differs", "cost_explorer_unreadable"]);
}

/// moto answers with queued results: the real protocol of another implementation.
#[tokio::test]
async fn moto_answers_the_same_questions() {
    let Some(endpoint) = moto::endpoint() else { return };
    let queued = json!({"results": [{
        "ResultsByTime": [{
            "TimePeriod": {"Start": "2026-10-01", "End": "2026-10-02"},
            "Estimated": false,
            "Groups": [{"Keys": ["Amazon Bedrock", "x"], "Metrics": {"UnblendedCost": {"Amount": "2.5000000001", "Unit": "USD"}}}],
        }],
    }]});
    let client = reqwest::Client::new();
    let put = client
        .post(format!("{endpoint}/moto-api/static/ce/cost-and-usage-results"))
        .json(&queued)
        .send()
        .await
        .unwrap();
    assert_eq!(put.status().as_u16(), 201);
    // What moto does not know is asked of our own peer.
    let billing = Billing::serve().await;
    let forward: Arc<Mutex<Vec<Value>>> = Arc::default();
    let seen = Arc::clone(&forward);
    billing.answer_instead(move |operation, asked, _| {
        if operation == "GetCostAndUsage" {
            seen.lock().unwrap().push(asked.clone());
        }
        None
    });
    let installation = Installation::new("moto-ce").await;
    installation.settings(&settings(&billing, "tag_keys = []\nmax_requests_per_day = 3"));
    assert!(installation.run(&["ingest", "cost-explorer"]).await.status.success());
    let asked = forward.lock().unwrap().first().cloned().unwrap();
    let answer = client
        .post(endpoint)
        .header("x-amz-target", "AWSInsightsIndexService.GetCostAndUsage")
        .header("content-type", "application/x-amz-json-1.1")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/us-east-1/ce/aws4_request, SignedHeaders=host, Signature=x")
        .body(asked.to_string())
        .send()
        .await
        .unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        answer["ResultsByTime"][0]["Groups"][0]["Metrics"]["UnblendedCost"]["Amount"],
        "2.5000000001"
    );
    // That answer, as the program reads it.
    billing.answer_instead(move |operation, _, _| (operation == "GetCostAndUsage").then(|| (200, answer.clone())));
    installation.settings(&settings(&billing, "tag_keys = []\nmax_requests_per_day = 100"));
    assert!(
        installation
            .run(&["ingest", "cost-explorer", "--period", "2026-10"])
            .await
            .status
            .success()
    );
}
