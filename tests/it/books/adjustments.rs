//! What no line of October's bill is behind: fees by hand, and the difference between the invoices and the planning rate.

use crate::books::company::Company;
use crate::books::october::{INVOICES, RULES, october_with};

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
    assert_eq!(kept["kept_visible"][0]["label"], "exchange_difference");
    assert_eq!(kept["kept_visible"][0]["amount"]["amount"], "1672");
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
    assert_eq!(difference.len(), 1, "{journal}");
    assert!(difference.iter().all(|line| line.contains("100181")), "{journal}");
}
