//! October before AWS has told all of it: the missing days are accrued, apart from the bill, and taken back when it has.

use serde_json::Value;

use crate::books::company::{Company, Line, PAYER};

const SETTINGS: &str = "[close]\ntwo_person = false\n[journal]\ntext = 'Claude {month} {department}'\n[[journal.sources]]\nsource_department = 'it'\naccount_code = '7101'\naccount_codes = { '未払費用' = '2151' }\n";

fn line(day: u32, role: &'static str, cost: f64) -> Line {
    Line {
        day,
        payer: PAYER,
        seller: "Amazon Web Services Japan G.K.",
        invoice: "",
        product: if role.is_empty() { "AmazonEC2" } else { "AmazonBedrock" },
        charge_type: "Usage",
        role,
        cost,
        is_of_one_day: false,
    }
}

/// Another service on every day up to one; the 22nd to the 24th are a Thursday to a Saturday, as the 29th to the 31st are.
fn delivered(until: u32) -> Vec<Line> {
    let mut lines: Vec<Line> = (1..=until).map(|day| line(day, "", 1.0)).collect();
    lines.extend([
        line(1, "cowork-sales-sato", 100.0),
        line(22, "cowork-sales-sato", 5.0),
        line(22, "cowork-engineering-suzuki", 3.0),
        line(23, "cowork-sales-sato", 7.0),
        line(23, "llm-gateway", 2.0),
    ]);
    lines
}

async fn adjusted(company: &Company) -> Vec<(String, String, String, String)> {
    let month = company.json(&["chargeback", "preview", "2026-10"]).await;
    let rows = month["rows"].as_array().unwrap().iter().map(|row| {
        let amount = |column: &str| row[column]["amount"].as_str().unwrap().to_owned();
        let code = row["code"].as_str().unwrap().to_owned();
        (code, amount("direct"), amount("accruals"), amount("total"))
    });
    rows.collect()
}

fn row(code: &str, direct: i64, accruals: i64, total: i64) -> (String, String, String, String) {
    let text = |yen: i64| yen.to_string();
    (code.to_owned(), text(direct), text(accruals), text(total))
}

async fn head(company: &Company, nth: usize) -> Value {
    let mut connection = company.installation.database.pool.acquire().await.unwrap();
    let statements = anbun::store::statements::list_statements(&mut connection, "2026-10".parse().unwrap())
        .await
        .unwrap();
    serde_json::from_str(&statements[nth].head).unwrap()
}

fn step(steps: &Value, name: &str) -> (String, String) {
    let found = steps["steps"].as_array().unwrap().iter().find(|s| s["step"] == name);
    let found = found.unwrap_or_else(|| panic!("{name} in {steps}"));
    let amount = |currency: &str| found[currency]["amount"].as_str().unwrap().to_owned();
    (amount("usd"), amount("jpy"))
}

/// Bill: sales 112, engineering 3, the gateway 2 USD: 117 at 159.91 is 18,709.47 -> 18,709; 115 of it direct, 18,389.65, and
/// the gateway's 319.82.  18,709 falls to 18,389 and 319, one yen short, to the .82: 320.  Direct: sales 17,909.92, engineering
/// 479.73: 17,909 and 479 are one short of 18,389: sales 17,910.
/// Days 29 to 31 as 22 to 24: sales 12 -> 1,918.92, engineering 3 -> 479.73, the gateway 2 -> 319.82; 17 USD are 2,718.47 ->
/// 2,718; 1,918 + 479 + 319 are two short: sales 1,919 and, .82 before .73, the gateway 320.
#[tokio::test]
async fn missing_days_are_accrued_and_the_error_is_shown() {
    let company = Company::found("provisional", SETTINGS).await;
    company.deliver("2026-10", &delivered(28)).await;
    let rate = [
        "rates",
        "set",
        "159.91",
        "--kind",
        "ttm",
        "--date",
        "2026-10-30",
        "--source",
        "MUFG",
    ];
    company.run(&rate).await;
    let policy = ["rates", "policy", "set", "--from", "2026-10", "--kind", "ttm"];
    company.run(&policy).await;
    assert_eq!(
        adjusted(&company).await,
        [row("sales", 17_910, 0, 17_910), row("engineering", 479, 0, 479)]
    );
    let close = [
        "chargeback",
        "close",
        "2026-10",
        "--to",
        "provisional",
        "--accept",
        "quarantine=asked",
    ];
    let closed = company.json(&close).await;
    let days = closed["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["check"] == "days");
    let days = days.unwrap();
    assert_eq!(
        (&days["passed"], days["amount"]["amount"].as_str()),
        (&Value::Bool(true), Some("2718"))
    );
    // Closing it again changes nothing: the estimate is the same.
    assert_eq!(
        company.json(&close).await["statement"]["digest"],
        closed["statement"]["digest"]
    );
    assert_eq!(
        adjusted(&company).await,
        [row("sales", 17_910, 1_919, 19_829), row("engineering", 479, 479, 958)]
    );
    let steps = company.json(&["reconcile", "2026-10"]).await;
    assert_eq!(
        step(&steps, "accruals of days not delivered"),
        ("15".to_owned(), "2398".to_owned())
    );
    assert_eq!(
        step(&steps, "accruals kept visible"),
        ("2".to_owned(), "320".to_owned())
    );
    // 18,709 + 2,718
    assert_eq!(step(&steps, "statement"), ("134".to_owned(), "21427".to_owned()));
    let accruals = &head(&company, 0).await["accruals"];
    assert!(accruals["method"].as_str().unwrap().contains("same weekday"));
    assert_eq!(accruals["from"][PAYER], "2026-10-29");

    // The whole provisional month is one accrual, reversed on the first.
    let journal = company
        .run(&["chargeback", "export", "2026-10", "--as", "journal:sap", "-o", "-"])
        .await;
    let amounts: Vec<&str> = journal
        .lines()
        .filter(|l| l.contains("19829") || l.contains(",958,"))
        .collect();
    assert_eq!(
        amounts.len(),
        8,
        "two lines of two sides, and their reversal: {journal}"
    );
    assert!(journal.contains("100111") && journal.contains("100121"), "{journal}");

    // Then AWS tells all of it: 6 USD of sales and 4 of engineering on the last days.
    let mut whole = delivered(31);
    whole.extend([
        line(29, "cowork-sales-sato", 6.0),
        line(29, "cowork-engineering-suzuki", 3.0),
        line(31, "cowork-engineering-suzuki", 1.0),
    ]);
    company.deliver("2026-10", &whole).await;
    let finals = [
        "chargeback",
        "close",
        "2026-10",
        "--to",
        "final",
        "--accept",
        "quarantine=asked",
        "--accept",
        "invoiced=AWS has made none",
    ];
    company.run(&finals).await;
    let head = head(&company, 1).await;
    let errors: Vec<(Option<&str>, &str, &str, &str)> = head["accrual_errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            let usd = |what: &str| e[what].as_str().unwrap();
            (
                e["department"].as_str(),
                usd("estimated_usd"),
                usd("billed_usd"),
                usd("difference_usd"),
            )
        })
        .collect();
    assert_eq!(
        errors,
        [
            (None, "2", "0", "-2"),
            (Some("engineering"), "3", "4", "1"),
            (Some("sales"), "12", "6", "-6")
        ]
    );
    let steps = company.json(&["reconcile", "2026-10"]).await;
    let pair = |usd: &str, jpy: &str| (usd.to_owned(), jpy.to_owned());
    assert_eq!(
        step(&steps, "beside: delivered after the provisional statement"),
        pair("10", "0")
    );
    assert_eq!(
        step(&steps, "beside: accruals of the provisional statement"),
        pair("17", "2718")
    );
    assert_eq!(step(&steps, "beside: reversal of these accruals"), pair("-17", "-2718"));
    // 118 and 7 USD: nothing of the estimate is left.  127 x 159.91 = 20,308.57 -> 20,309: 19,988.75 and 319.82 -> 19,989, 320.
    // 18,869.38 and 1,119.37.
    assert_eq!(
        adjusted(&company).await,
        [row("sales", 18_870, 0, 18_870), row("engineering", 1_119, 0, 1_119)]
    );

    // What was known before stays known, and what was not yet.
    let today = anbun::clock::Clock::System.now().date_naive();
    let now = company
        .json(&["chargeback", "preview", "2026-10", "--as-known-on", &today.to_string()])
        .await;
    assert_eq!(now["total"]["amount"], "20309");
    let yesterday = today.pred_opt().unwrap().to_string();
    let (code, said) = company
        .refused(&["chargeback", "preview", "2026-10", "--as-known-on", &yesterday])
        .await;
    assert!(code == Some(1) && said.contains("no sealed statement by"), "{said}");
    let first = company
        .run(&[
            "chargeback",
            "export",
            "2026-10",
            "--as",
            "csv",
            "--statement",
            "1",
            "-o",
            "-",
        ])
        .await;
    let known = company
        .run(&[
            "chargeback",
            "export",
            "2026-10",
            "--as",
            "csv",
            "--as-known-on",
            &today.to_string(),
            "-o",
            "-",
        ])
        .await;
    assert!(first.contains("19829") && known.contains("18870") && !known.contains("19829"));
}
