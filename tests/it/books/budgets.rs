//! October against what was budgeted for it.

use serde_json::Value;

use crate::books::october::{INVOICES, october_with};

const BUDGETS: &str = "name,scope,code,frequency,currency,amount,rate,valid_from,valid_to,owner_person_id\n\
    Sales,department,sales,month,JPY,10000,150,2026-04,,p1\n\
    Research,department,research,quarter,USD,60,,2026-04,,\n\
    All,company,,fiscal_year,JPY,1200000,150,2026-04,,\n";

/// Sales' 76.67 USD are 11,500.50 at the budget's 150, and 12,269 by the invoices: 768.50 of it is the rate.  With 1,067 allocated,
/// -533 of credit and 1,013 of tax it is 13,816, 3,816 above the budget.  Research has 20 USD a month, 3,198.20 -> 3,198 at the TTM of
/// 159.91; it used 33.33, 5,329.80, and the invoice made 5,336 of it.
#[tokio::test]
async fn a_department_is_not_at_its_budget_for_reasons_that_add_up() {
    let company = october_with("budgets", "").await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    let file = company.file("budgets.csv", BUDGETS);
    let preview = company
        .json(&["budgets", "import", &file, "--dry-run", "--period", "2026-10"])
        .await;
    let would = |name: &str| -> Value {
        let data = preview["data"].as_array().unwrap().iter();
        data.clone().find(|budget| budget["name"] == name).unwrap().clone()
    };
    assert_eq!(would("Sales")["percent"], "115.0");
    assert_eq!(would("Research")["spent"]["amount"], "33.33");
    assert!(company.json(&["budgets", "list"]).await.as_array().unwrap().is_empty());
    company.run(&["budgets", "import", &file]).await;
    assert_eq!(company.json(&["budgets", "list"]).await.as_array().unwrap().len(), 3);
    for (from, to, said) in [
        (",sales,", ",legal,", "department 'legal' is not in the directory"),
        (",p1\n", ",p9\n", "its owner 'p9' is not in the directory"),
        (
            "JPY,10000,150",
            "JPY,10000,",
            "column rate: a budget in yen has the rate",
        ),
    ] {
        let wrong = company.file("wrong.csv", &BUDGETS.replacen(from, to, 1));
        let (_, refused) = company.refused(&["budgets", "import", &wrong]).await;
        assert!(refused.contains(said), "{refused}");
    }
    // One is set from November on: what is not said stays, and so do the others.
    let set = ["budgets", "set", "Sales", "--from", "2026-11", "--amount", "12000"];
    company.run(&[&set[..], &["--dry-run"]].concat()).await;
    company.run(&set).await;
    let listed = company.json(&["budgets", "list"]).await;
    let of_sales: Vec<(String, String, String)> = listed
        .as_array()
        .unwrap()
        .iter()
        .filter(|budget| budget["name"] == "Sales")
        .map(|budget| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (
                text(&budget["valid_from"]),
                text(&budget["valid_to"]),
                text(&budget["amount"]["amount"]),
            )
        })
        .collect();
    let row = |from: &str, to: &str, amount: &str| (from.to_owned(), to.to_owned(), amount.to_owned());
    assert_eq!(
        of_sales,
        [row("2026-04", "2026-11", "10000"), row("2026-11", "", "12000")]
    );
    assert_eq!(listed.as_array().unwrap().len(), 4);
    let (_, refused) = company
        .refused(&["budgets", "set", "New", "--from", "2026-11", "--amount", "0"])
        .await;
    assert!(
        refused.contains("budget 'New'") && refused.contains("scope"),
        "{refused}"
    );
    let view = company.json(&["chargeback", "why", "2026-10", "--budget"]).await;
    let of = |code: &str| -> Value {
        let found = view["departments"]
            .as_array()
            .unwrap()
            .iter()
            .find(|d| d["department"] == code);
        found.unwrap_or_else(|| panic!("{code} in {view}")).clone()
    };
    let parts = |department: &Value| -> Vec<(String, String)> {
        let reasons = department["reasons"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        reasons
            .map(|reason| (text(&reason["reason"]), text(&reason["amount"]["amount"])))
            .collect()
    };
    let part = |reason: &str, amount: &str| (reason.to_owned(), amount.to_owned());
    let sales = of("sales");
    assert_eq!(
        (
            sales["budgeted"]["amount"].as_str(),
            sales["difference"]["amount"].as_str()
        ),
        (Some("10000"), Some("3816"))
    );
    assert_eq!(
        parts(&sales),
        [
            part("the budget", "-10000"),
            part("usage at the budget's rate", "11500.5"),
            part("exchange rate and rounding", "768.5"),
            part("allocation", "1067"),
            part("credits", "-533"),
            part("tax", "1013"),
        ]
    );
    assert_eq!(sales["reasons"][1]["model"], "claude-opus-4.6");
    let research = of("research");
    assert_eq!(research["budgeted"]["amount"], "3198");
    assert_eq!(
        parts(&research),
        [
            part("the budget", "-3198"),
            part("usage at the budget's rate", "5329.8003"),
            part("exchange rate and rounding", "6.1997"),
        ]
    );
    assert_eq!(view["departments"].as_array().unwrap().len(), 2);
}

/// Sales used 76.67 USD: 11,500.50 yen at the budget's 150, rounded once.  No day of October is open any more, so nothing is foreseen
/// beyond it.  Of the fiscal year April to September were never loaded, and that is said and not taken for 0.
#[tokio::test]
async fn a_budget_says_what_is_spent_and_what_it_does_not_know() {
    let company = october_with("budget-status", "").await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    company
        .run(&["budgets", "import", &company.file("budgets.csv", BUDGETS)])
        .await;
    let of = async |name: &'static str| -> Value {
        let view = company.json(&["budgets", "status", name, "--period", "2026-10"]).await;
        view["data"][0].clone()
    };
    let sales = of("Sales").await;
    assert_eq!(sales["spent"]["amount"], "11501");
    assert_eq!(
        (&sales["percent"], &sales["spent_usd"]["amount"]),
        (&"115.0".into(), &"76.67".into())
    );
    assert_eq!(sales["forecast"]["basis"], "estimate");
    assert_eq!(sales["forecast"]["expected"]["amount"], "11501");
    assert_eq!(sales["forecast"]["runs_out_on"], "2026-10-05");
    assert_eq!(
        (&sales["days_left"], &sales["limit"]["amount"]),
        (&0.into(), &"10000".into())
    );
    let research = of("Research").await;
    assert_eq!(research["spent"]["amount"], "33.33");
    assert_eq!(
        (&research["from"], &research["to"]),
        (&"2026-10".into(), &"2027-01".into())
    );
    let (code, said) = company
        .refused(&["budgets", "status", "All", "--period", "2026-10"])
        .await;
    assert!(code == Some(3) && said.contains("2026-04, 2026-05"), "{said}");
    let (code, said) = company.refused(&["budgets", "status", "--period", "2027-01"]).await;
    assert!(code == Some(3) && said.contains("is not known, and not 0"), "{said}");

    let server = crate::peers::Serving::start(&company.installation).await;
    let (status, body) = server.get("/api/v1/budgets/Sales/status?period=2026-10").await;
    assert!(status == 200 && body.contains("\"percent\":\"115.0\""), "{body}");
    assert_eq!(server.get("/api/v1/budgets/Nobody/status").await.0, 404);
}
