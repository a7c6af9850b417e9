//! What no line of October's bill is behind: fees by hand, and the difference between the invoices and the planning rate.

use crate::books::company::{Company, Line};
use crate::books::october::{INVOICES, RULES, line, october_with};

async fn adjusted(company: &Company) -> Vec<(String, String, String)> {
    let month = company.json(&["chargeback", "preview", "2026-10"]).await;
    let rows = month["rows"].as_array().unwrap().iter().map(|row| {
        let amount = |column: &str| row[column]["amount"].as_str().unwrap().to_owned();
        (
            row["code"].as_str().unwrap().to_owned(),
            amount("adjustments"),
            amount("total"),
        )
    });
    rows.collect()
}

fn row(code: &str, adjustments: i64, total: i64) -> (String, String, String) {
    (code.to_owned(), adjustments.to_string(), total.to_string())
}

/// 3,000 yen by what the payer's 140 USD of use were: sales 76.67 -> 1,642.93, engineering 30 -> 642.86, research 33.33 ->
/// 714.21; two yen are missing, for .93 and .86.  The other payer's 12.34 have no part in it.
#[tokio::test]
async fn a_fee_by_hand_is_shared_by_the_payers_use() {
    let company = october_with("manual", "").await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    let rules = format!("{RULES}manual,proportional,,it,,2026-04,\n");
    company
        .run(&["allocation", "import", &company.file("rules.csv", &rules)])
        .await;
    let add = |name: &'static str, jpy: &'static str, more: &[&'static str]| {
        let fixed = [
            "allocation",
            "manual",
            "add",
            name,
            "--period",
            "2026-10",
            "--jpy",
            jpy,
            "--reason",
            "AWS support",
        ];
        [&fixed[..], more].concat()
    };
    let (_, said) = company.refused(&add("support", "3000", &[])).await;
    assert!(
        said.contains("name the payer, one of 888800002222, 999900001111"),
        "{said}"
    );
    let (_, said) = company.refused(&add("support", "3000", &["--payer", "1"])).await;
    assert!(said.contains("payer '1' has no bill in 2026-10"), "{said}");
    let (_, said) = company
        .refused(&add("su pport", "3000", &["--payer", "999900001111"]))
        .await;
    assert!(said.contains("is no name of a pool"), "{said}");
    let (_, said) = company
        .refused(&add("support", "0", &["--payer", "999900001111"]))
        .await;
    assert!(said.contains("not zero"), "{said}");
    company.run(&add("support", "3000", &["--payer", "999900001111"])).await;
    let (_, said) = company
        .refused(&add("support", "1", &["--payer", "999900001111"]))
        .await;
    assert!(said.contains("has a manual pool 'support' already"), "{said}");
    assert_eq!(
        adjusted(&company).await,
        [
            row("sales", 1_643, 13_816 + 1_643),
            row("engineering", 643, 7_546 + 643),
            row("research", 714, 5_336 + 714)
        ]
    );
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    let steps = company.json(&["reconcile", "2026-10"]).await;
    let manual = steps["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["step"] == "manual pools");
    assert_eq!(manual.unwrap()["jpy"]["amount"], "3000");
    // Yen are no dollars: the bill's 166.84 stay what they are.
    assert_eq!(manual.unwrap()["usd"]["amount"], "0");
    let statement = steps["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["step"] == "statement");
    assert_eq!(statement.unwrap()["usd"]["amount"], "166.84");
    let remove = ["allocation", "manual", "remove", "support", "--period", "2026-10"];
    let (_, said) = company.refused(&remove).await;
    assert!(said.contains("2026-10 is final"), "{said}");
}

/// At 150 the bills are 104.5 -> 15,675, 50 -> 7,500 and 12.34 -> 1,851; the invoices come to 16,720, 8,005 and, at the TTM,
/// 1,973.  1,045 + 505 + 122 = 1,672 are IT's.
#[tokio::test]
async fn at_the_planning_rate_the_difference_to_the_invoices_is_a_pool_of_its_own() {
    let settings = "[currency]\nplanning_rate = '150'\nchargeback_rate = 'planning'\n[[journal.sources]]\nsource_department = 'sales'\naccount_code = '7101'\naccount_codes = { '未収入金' = '1180' }\n";
    let company = october_with("planned", settings).await;
    let before = company.json(&["chargeback", "preview", "2026-10"]).await;
    assert_eq!(before["total"]["amount"], (15_675 + 7_500 + 1_851).to_string());
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    let kept = company.json(&["chargeback", "preview", "2026-10"]).await;
    assert_eq!(kept["total"]["amount"], "26698");
    // 95 of it is tax, 9.5 USD for 1,520 instead of 1,425: it is booked apart.
    let visible: Vec<(&str, &str)> = kept["kept_visible"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kept| {
            (
                kept["label"].as_str().unwrap(),
                kept["amount"]["amount"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        visible,
        [("exchange_difference", "1577"), ("exchange_difference.tax", "95")]
    );
    let shared = format!("{RULES}exchange_difference,proportional,,it,,2026-04,\n");
    let (_, said) = company
        .refused(&["allocation", "import", &company.file("rules.csv", &shared)])
        .await;
    assert!(said.contains("goes to one department"), "{said}");
    let rules = format!("{RULES}exchange_difference,one_department,it,,,2026-04,\n");
    company
        .run(&["allocation", "import", &company.file("rules.csv", &rules)])
        .await;
    // Sales: 76.67 USD of use, 6.67 of the gateway, -3.33 of the credit and 6.33 of tax on the first invoice.
    let rows = adjusted(&company).await;
    assert!(rows.contains(&row("it", 1_672, 1_672)), "{rows:?}");
    let total: i64 = rows.iter().map(|(.., total)| total.parse::<i64>().unwrap()).sum();
    assert_eq!(total, 26_698);

    let steps = company.json(&["reconcile", "2026-10"]).await;
    let jpy = |name: &str| -> i64 {
        let found = steps["steps"].as_array().unwrap().iter().filter(|s| s["step"] == name);
        found
            .map(|s| s["jpy"]["amount"].as_str().unwrap().parse::<i64>().unwrap())
            .sum()
    };
    // The invoices stay what is reconciled; the difference is a step on the way to the statement.
    assert_eq!(
        (
            jpy("bill of this chargeback"),
            jpy("exchange difference"),
            jpy("statement")
        ),
        (26_698, 1_672, 26_698)
    );
    assert_eq!(steps["unexplained"]["amount"], "0");

    let (_, said) = company
        .refused(&["chargeback", "close", "2026-10", "--to", "final"])
        .await;
    // Nobody has recorded the rate that departments are charged at.
    assert!(said.contains("rate"), "{said}");
    company
        .run(&[
            "rates",
            "set",
            "150",
            "--kind",
            "planning",
            "--date",
            "2026-10-01",
            "--source",
            "budget",
        ])
        .await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    let journal = company
        .run(&[
            "chargeback",
            "export",
            "2026-10",
            "--as",
            "journal:sap",
            "--legal-entity",
            "JP01",
            "-o",
            "-",
        ])
        .await;
    let difference: Vec<&str> = journal.lines().filter(|line| line.contains("為替差額")).collect();
    // A debit and a credit.
    assert_eq!(difference.len(), 2, "{journal}");
    for side in &difference {
        assert!(side.contains("100181") && side.contains(",1577,"), "{journal}");
    }

    // Only the actual is posted: of the next version's file it is what is taken back, and not the difference, which the books never held.
    company
        .run(&["chargeback", "posted", "2026-10", "--slip", "100131"])
        .await;
    company
        .run(&["chargeback", "reopen", "2026-10", "--reason", "a rule"])
        .await;
    let kept = rules.replace("tax,proportional,,it", "tax,keep,,");
    company
        .run(&["allocation", "import", &company.file("rules.csv", &kept)])
        .await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    let export = [
        "chargeback",
        "export",
        "2026-10",
        "--as",
        "journal:sap",
        "--legal-entity",
        "JP01",
        "-o",
        "-",
    ];
    let next = company.run(&export).await;
    let of = |journal: &str, number: &str| journal.lines().filter(|line| line.contains(number)).count();
    assert_eq!(of(&next, "100141"), of(&journal, "100131"), "{next}");
    assert_eq!(of(&next, "為替差額"), 2, "{next}");
}

/// 90 USD of use and a discount of 9 on it; by the net column 54 and 27.
#[tokio::test]
async fn a_payer_is_booked_by_one_column_and_both_must_agree() {
    let company = Company::found("net", "[close]\ntwo_person = false\n").await;
    let mut lines: Vec<Line> = (1..=31)
        .map(|day| Line {
            day,
            ..line("AmazonEC2", "Usage", "", 1.0)
        })
        .collect();
    lines.extend([
        line("AmazonBedrock", "Usage", "cowork-sales-sato", 60.0),
        line("AmazonBedrock", "Usage", "cowork-engineering-suzuki", 30.0),
        line("AmazonBedrock", "EdpDiscount", "", -9.0),
        // Of another service: by the net column it is in the lines above.
        line("AmazonEC2", "EdpDiscount", "", -3.1),
    ]);
    let net = |sales: f64| [vec![0.9; 31], vec![sales, 27.0, 0.0, 0.0]].concat();
    let amounts = async |company: &Company| -> Vec<(String, String, String, String)> {
        let rows = company.rows("2026-10").await;
        rows.into_iter()
            .map(|(code, row)| (code, row[0].clone(), row[2].clone(), row[7].clone()))
            .collect()
    };
    let row = |code: &str, direct: &str, discounts: &str, total: &str| {
        (
            code.to_owned(),
            direct.to_owned(),
            discounts.to_owned(),
            total.to_owned(),
        )
    };
    company.deliver_with("2026-10", &lines, Some(net(54.0)), |_| 0).await;
    // At 150 yen; the discount follows the use.
    assert_eq!(
        amounts(&company).await,
        [
            row("sales", "9000", "-900", "8100"),
            row("engineering", "4500", "-450", "4050")
        ]
    );
    let set = |from: &'static str, basis: &'static str| {
        [
            "allocation",
            "basis",
            "set",
            "--payer",
            "999900001111",
            "--from",
            from,
            "--basis",
            basis,
        ]
    };
    company.run(&set("2026-10", "net")).await;
    assert_eq!(
        amounts(&company).await,
        [
            row("sales", "8100", "0", "8100"),
            row("engineering", "4050", "0", "4050")
        ]
    );
    // The invoice is met by either: 81 of Bedrock and 27.9 of EC2.
    let header = INVOICES.lines().next().unwrap();
    let invoice = "EUINJP26-100,999900001111,Amazon Web Services Japan G.K.,,invoice,,2026-11-02,2026-10,JPY,108.90,16335,none,,,\n";
    company
        .run(&[
            "invoices",
            "import",
            &company.file("invoices.csv", &format!("{header}\n{invoice}")),
        ])
        .await;
    assert_eq!(
        company.json(&["reconcile", "2026-10"]).await["unexplained"]["amount"],
        "0"
    );
    let closed = company
        .json(&[
            "chargeback",
            "close",
            "2026-10",
            "--to",
            "final",
            "--accept",
            "rate=planning",
        ])
        .await;
    assert_eq!(closed["statement"]["total"]["amount"], "12150");
    let (_, said) = company.refused(&set("2026-10", "unblended")).await;
    assert!(said.contains("2026-10 is final and rests on the basis"), "{said}");
    company
        .run(&["chargeback", "reopen", "2026-10", "--reason", "net"])
        .await;

    // Two columns that differ, and a column with nothing in it, are told.
    let codes = async |company: &Company| -> Vec<String> {
        let month = company.json(&["chargeback", "preview", "2026-10"]).await;
        let findings = month["findings"].as_array().unwrap().iter();
        findings
            .map(|finding| finding["code"].as_str().unwrap().to_owned())
            .filter(|code| code.starts_with("net_"))
            .collect()
    };
    assert!(codes(&company).await.is_empty());
    company.deliver_with("2026-10", &lines, Some(net(50.0)), |_| 0).await;
    assert_eq!(codes(&company).await, ["net_differs"]);
    company.deliver("2026-10", &lines).await;
    assert_eq!(codes(&company).await, ["net_missing"]);
    // What has no net cost is not booked at another.
    let (_, said) = company
        .refused(&[
            "chargeback",
            "close",
            "2026-10",
            "--to",
            "final",
            "--accept",
            "errors=x",
        ])
        .await;
    assert!(said.contains("net_column"), "{said}");
    let (_, said) = company
        .refused(&[
            "chargeback",
            "close",
            "2026-10",
            "--to",
            "final",
            "--accept",
            "rate=planning",
        ])
        .await;
    assert!(said.contains("errors"), "{said}");
}

/// Sales use 60 USD on the 3rd, engineering 60 on the 4th and 30 on the 5th.  The discount of the 3rd is sales', the credit of
/// the month everybody's: 60 to 90, so -6 and -9.  By use of the month the discount would have been -2.40 and -3.60.
#[tokio::test]
async fn a_discount_of_one_day_follows_the_use_of_that_day() {
    let company = Company::found("days", "[close]\ntwo_person = false\n").await;
    let on = |day, role, cost| Line {
        day,
        ..line("AmazonBedrock", "Usage", role, cost)
    };
    let mut lines: Vec<Line> = (1..=31)
        .map(|day| Line {
            day,
            ..line("AmazonEC2", "Usage", "", 1.0)
        })
        .collect();
    lines.extend([
        on(3, "cowork-sales-sato", 60.0),
        on(4, "cowork-engineering-suzuki", 60.0),
        on(5, "cowork-engineering-suzuki", 30.0),
        Line {
            day: 3,
            is_of_one_day: true,
            ..line("AmazonBedrock", "EdpDiscount", "", -6.0)
        },
        Line {
            day: 1,
            ..line("AmazonBedrock", "Credit", "", -15.0)
        },
    ]);
    company.deliver("2026-10", &lines).await;
    // At 150 yen.
    let expected = |code: &str, [direct, discounts, credits, total]: [&str; 4]| {
        let columns = [direct, "0", discounts, credits, "0", "0", "0", total];
        (code.to_owned(), columns.map(str::to_owned))
    };
    assert_eq!(
        company.rows("2026-10").await,
        [
            expected("engineering", ["13500", "0", "-1350", "12150"]),
            expected("sales", ["9000", "-900", "-900", "7200"])
        ]
    );
    // On a day without use it is nobody's, until a rule says more.
    let last = lines.len() - 2;
    lines[last].day = 6;
    company.deliver("2026-10", &lines).await;
    assert_eq!(
        company.rows("2026-10").await,
        [
            expected("engineering", ["13500", "0", "-1350", "12150"]),
            expected("sales", ["9000", "0", "-900", "8100"]),
        ]
    );
}
