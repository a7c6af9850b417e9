//! What the account has, what doctor says of it, and the export that anbun makes.

use serde_json::{Value, json};

use crate::buckets::at;
use crate::exports::SmallExport;
use crate::peers::Installation;
use crate::peers::billing::{Billing, PAYER};
use crate::peers::bucket::{Bucket, Fault};
use crate::support::{stderr, stdout};

async fn connected(name: &str) -> (Billing, Bucket, Installation) {
    let billing = Billing::serve().await;
    let bucket = Bucket::serve().await;
    let mut installation = Installation::new(name).await;
    installation.s3 = Some(bucket.endpoint.clone());
    let export = SmallExport::new(name);
    bucket.put_export("cur/bill", export.write(), at("2026-11-03T05:00:00Z"));
    installation.settings(&format!(
        "[aws]\nendpoint = \"{}\"\n[cost_explorer]\nenabled = true\n[[exports]]\nname = \"main\"\nlocation = \"s3://bills/cur/bill\"\n",
        billing.endpoint
    ));
    (billing, bucket, installation)
}

async fn doctor(installation: &Installation) -> (Option<i32>, Vec<Value>) {
    let run = installation.run(&["doctor", "--format", "json"]).await;
    let checks: Value = serde_json::from_str(&stdout(&run)).unwrap_or_else(|e| panic!("{e}: {}", stderr(&run)));
    (run.status.code(), checks.as_array().unwrap().clone())
}

/// Health and finding of the check that begins so.
fn of<'c>(checks: &'c [Value], name: &str) -> (&'c str, &'c str) {
    let check = checks
        .iter()
        .find(|check| check["check"].as_str().unwrap().starts_with(name));
    let check = check.unwrap_or_else(|| panic!("no check {name} in {checks:#?}"));
    (check["health"].as_str().unwrap(), check["found"].as_str().unwrap())
}

#[tokio::test]
async fn doctor_checks_everything_and_every_failed_line_says_what_to_do() {
    let (billing, _bucket, installation) = connected("doctor").await;
    let (code, checks) = doctor(&installation).await;
    assert_eq!(code, Some(3));
    assert_eq!(of(&checks, "credentials").0, "ok");
    assert!(of(&checks, "credentials").1.contains(PAYER));
    assert_eq!(of(&checks, "clock of AWS").0, "ok");
    assert_eq!(of(&checks, "export main").0, "warn", "the only manifest is weeks old");
    assert_eq!(
        of(&checks, "Data Exports"),
        ("fail", "the account has no CUR 2.0 export")
    );
    assert_eq!(
        of(&checks, "Cost Explorer requests").1,
        "0 of 10 requests used today, 0.00 USD"
    );
    assert_eq!(of(&checks, "loaded data"), ("fail", "no delivery is loaded"));
    for check in &checks {
        let is_well = check["health"] == "ok";
        assert_eq!(check["action"].as_str().unwrap().is_empty(), is_well, "{check}");
    }
    billing.put_report(json!({
        "ReportName": "old", "TimeUnit": "DAILY", "Format": "Parquet", "Compression": "Parquet",
        "AdditionalSchemaElements": [], "S3Bucket": "bills", "S3Prefix": "x", "S3Region": "us-east-1",
    }));
    let (_, checks) = doctor(&installation).await;
    assert!(
        of(&checks, "Data Exports").1.contains("the legacy report 'old'"),
        "{checks:#?}"
    );
}

/// A missing permission is one failed line, not an abort.
#[tokio::test]
async fn doctor_works_partly_configured() {
    let (billing, bucket, installation) = connected("partly").await;
    billing.answer_instead(|_, _, _| {
        Some((
            400,
            json!({"__type": "AccessDeniedException", "message": "not authorized"}),
        ))
    });
    bucket.watch(|_, _, _, _| Some(Fault::Refuse(403, "AccessDenied", &[])));
    let (code, checks) = doctor(&installation).await;
    assert_eq!(code, Some(3));
    for name in ["credentials", "export main", "Data Exports"] {
        assert_eq!(of(&checks, name).0, "fail", "{name}");
        assert!(of(&checks, name).1.contains("AccessDenied"), "{name}");
    }
    assert_eq!(of(&checks, "clock").0, "ok");
    assert_eq!(of(&checks, "directory").0, "fail");
    installation.settings("");
    let (_, checks) = doctor(&installation).await;
    assert_eq!(of(&checks, "exports").0, "warn");
    assert!(
        !checks.iter().any(|check| check["check"] == "credentials"),
        "nothing of AWS is configured"
    );
}

#[tokio::test]
async fn setup_makes_the_export_that_doctor_wants() {
    let (billing, _bucket, installation) = connected("setup").await;
    let refused = installation.run(&["setup", "aws", "--apply"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("add --yes"), "{}", stderr(&refused));
    assert!(
        !billing
            .take_calls()
            .iter()
            .any(|(operation, _)| operation == "CreateExport")
    );
    let made = installation.run(&["setup", "aws", "--apply", "--yes"]).await;
    assert!(made.status.success(), "{}", stderr(&made));
    assert!(
        stderr(&made).contains("created arn:aws:bcm-data-exports"),
        "{}",
        stderr(&made)
    );
    let (_, checks) = doctor(&installation).await;
    assert_eq!(
        of(&checks, "definition of export main"),
        ("ok", "s3://bills/cur/bill has what anbun reads")
    );
    let again = installation.run(&["setup", "aws", "--apply", "--yes"]).await;
    assert!(
        stderr(&again).contains("there is an export 'bill' already"),
        "{}",
        stderr(&again)
    );
    // The daily job sees when somebody switches callers off.
    let arn = format!("arn:aws:bcm-data-exports:us-east-1:{PAYER}:export/bill-1");
    let calls = billing.take_calls();
    let (_, mut export) = calls
        .into_iter()
        .find(|(operation, _)| operation == "CreateExport")
        .unwrap();
    export["Export"]["DataQuery"]["TableConfigurations"]["COST_AND_USAGE_REPORT"]["INCLUDE_IAM_PRINCIPAL_DATA"] =
        json!("FALSE");
    billing.put_export(&arn, export["Export"].clone());
    let run = installation.run(&["job", "run", "check-aws-setup"]).await;
    assert!(
        run.status.success() && stderr(&run).contains("callers are not switched on"),
        "{}",
        stderr(&run)
    );
}

#[tokio::test]
async fn an_account_that_does_not_let_anbun_look_is_a_finding_and_an_outage_a_failure() {
    let (billing, _bucket, installation) = connected("look").await;
    billing.answer_instead(|_, _, _| Some((400, json!({"__type": "AccessDeniedException", "message": "no"}))));
    let run = installation.run(&["job", "run", "check-aws-setup"]).await;
    assert!(
        run.status.success() && stderr(&run).contains("bcm-data-exports:ListExports"),
        "{}",
        stderr(&run)
    );
    billing.answer_instead(|_, _, _| Some((500, json!({"__type": "InternalServerException", "message": "no"}))));
    assert_eq!(
        installation.run(&["job", "run", "check-aws-setup"]).await.status.code(),
        Some(1)
    );
}

#[tokio::test]
async fn every_form_of_the_setup_is_whole_and_hostile_names_are_refused() {
    let installation = Installation::new("forms").await;
    installation.settings("");
    let print = async |form: &str| {
        let arguments = [
            "setup", "aws", "--bucket", "my-bills", "--prefix", "cur", "--name", "bill", "--print", form,
        ];
        let run = installation.run(&arguments).await;
        assert!(run.status.success(), "{form}: {}", stderr(&run));
        stdout(&run)
    };
    for form in ["terraform", "cloudformation", "cli"] {
        let text = print(form).await;
        for needle in [
            "my-bills",
            "INCLUDE_IAM_PRINCIPAL_DATA",
            "line_item_iam_principal",
            "tags",
            "SYNCHRONOUS",
            "bcm-data-exports.amazonaws.com",
        ] {
            assert!(text.contains(needle), "{form} lacks {needle}: {text}");
        }
        assert!(!text.contains("&quot;") && !text.contains("{{"), "{form}: {text}");
    }
    assert!(print("cli").await.contains("DAILY"));
    let hourly = [
        "setup", "aws", "--bucket", "my-bills", "--name", "bill", "--print", "cli", "--hourly",
    ];
    let hourly = stdout(&installation.run(&hourly).await);
    assert!(hourly.contains("HOURLY") && !hourly.contains("DAILY"), "{hourly}");
    let policy: Value = serde_json::from_str(&print("policy").await).unwrap();
    let actions: Vec<&str> = policy["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|statement| statement["Action"].as_array().unwrap())
        .map(|action| action.as_str().unwrap())
        .collect();
    assert!(actions.contains(&"s3:GetObject") && actions.contains(&"ce:GetCostAndUsage"));
    assert!(
        !actions
            .iter()
            .any(|a| a.contains('*') || a.contains("Put") || a.contains("Create")),
        "{actions:?}"
    );
    for (flag, value) in [
        ("--bucket", "x'; rm -rf /"),
        ("--name", "a\"b"),
        ("--prefix", "$(id)"),
        ("--bucket-region", "us;1"),
        ("--name", ""),
    ] {
        let mut arguments = vec!["setup", "aws", "--print", "cli", flag, value];
        if flag != "--bucket" {
            arguments.extend(["--bucket", "b"]);
        }
        let run = installation.run(&arguments).await;
        assert!(
            !run.status.success() && stderr(&run).contains("AWS does not allow"),
            "{flag}: {}",
            stderr(&run)
        );
    }
}
