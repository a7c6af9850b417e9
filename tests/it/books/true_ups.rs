//! After the lock: a refund of October, and a dispute about it, become lines of November that name it.

use crate::books::company::{Company, Line};
use crate::books::october::{INVOICES, bill, line, october};

pub(super) fn later(charged: f64) -> Vec<Line> {
    let mut lines: Vec<Line> = (1..=30)
        .map(|day| Line {
            day,
            invoice: "",
            ..line("AmazonEC2", "Usage", "", 1.0)
        })
        .collect();
    lines.push(Line {
        invoice: "",
        ..line("AmazonBedrock", "Usage", "cowork-sales-sato", charged)
    });
    lines
}

fn refunded(amount: f64) -> Vec<Line> {
    let mut lines = bill();
    lines.push(line("AmazonBedrock", "Refund", "", -amount));
    lines
}

/// Adjustment and total by department.
pub(super) async fn adjusted(company: &Company, period: &str) -> Vec<(String, String, String)> {
    let month = company.json(&["chargeback", "preview", period]).await;
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

pub(super) fn row(code: &str, adjustments: i64, total: i64) -> (String, String, String) {
    (code.to_owned(), adjustments.to_string(), total.to_string())
}

/// The refund of 7 USD goes by October's rule and use, 60 to 30: -4.67 sales, -2.33 engineering.  It stands on the first invoice,
/// whose 95 USD were 15,200 yen, 160 each: -1,120 yen, -746.67 and -373.33, so -747 and -373.  The dispute moves 1,000 yen.
/// Sales' own 10 USD are 1,610 at November's rate.
#[tokio::test]
async fn what_comes_after_the_lock_is_novembers() {
    let company = october("true-ups").await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    company
        .run(&[
            "rates",
            "set",
            "161",
            "--kind",
            "ttm",
            "--date",
            "2026-11-30",
            "--source",
            "MUFG",
        ])
        .await;
    let (_, said) = company
        .refused(&[
            "chargeback",
            "reclass",
            "2026-10",
            "--from",
            "sales",
            "--to",
            "engineering",
            "--jpy",
            "1000",
            "--reason",
            "x",
        ])
        .await;
    assert!(said.contains("2026-10 is not locked"), "{said}");
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    company
        .run(&["chargeback", "posted", "2026-10", "--slip", "100131"])
        .await;
    company.run(&["chargeback", "lock", "2026-10"]).await;
    let locked = company.rows("2026-10").await;
    company.deliver("2026-11", &later(10.0)).await;
    assert_eq!(adjusted(&company, "2026-11").await, [row("sales", 0, 1_610)]);

    company.deliver("2026-10", &refunded(7.0)).await;
    assert_eq!(company.rows("2026-10").await, locked);
    // A locked month is explained by what was sealed, whatever its bill says now.
    for (department, total) in [("sales", "13816"), ("engineering", "7546")] {
        let explained = company
            .json(&["explain", "department", department, "--period", "2026-10"])
            .await;
        assert_eq!(explained["total"]["amount"], total, "{explained}");
    }
    let person = company.json(&["explain", "person", "p1", "--period", "2026-10"]).await;
    assert_eq!(person["total"]["amount"], "13816");
    assert_eq!(
        adjusted(&company, "2026-11").await,
        [row("sales", -747, 863), row("engineering", -373, -373)]
    );
    let reason = "the gateway was used by engineering";
    company
        .run(&[
            "chargeback",
            "reclass",
            "2026-10",
            "--from",
            "sales",
            "--to",
            "engineering",
            "--jpy",
            "1000",
            "--reason",
            reason,
        ])
        .await;
    // No more is moved than was charged, whatever the number of disputes; one that was a mistake is taken back.
    let again = async |jpy: &'static str| {
        let reclass = [
            "chargeback",
            "reclass",
            "2026-10",
            "--from",
            "sales",
            "--to",
            "engineering",
        ];
        [&reclass[..], &["--jpy", jpy, "--reason", reason]].concat()
    };
    let (_, said) = company.refused(&again("13000").await).await;
    assert!(said.contains("¥1,000 of it are moved already"), "{said}");
    // Two who settle at one moment cannot move more together than each could alone.
    let rest = again("12000").await;
    let (one, other) = tokio::join!(company.installation.run(&rest), company.installation.run(&rest));
    assert_ne!(one.status.success(), other.status.success());
    company
        .run(&["chargeback", "reclass", "2026-10", "--remove", "2"])
        .await;
    company.run(&again("5").await).await;
    let remove = ["chargeback", "reclass", "2026-10", "--remove", "3"];
    company.run(&remove).await;
    let (_, said) = company.refused(&remove).await;
    assert!(said.contains("has no reclass 3"), "{said}");
    let november = [row("engineering", 627, 627), row("sales", -1_747, -137)];
    assert_eq!(adjusted(&company, "2026-11").await, november);
    // By person they are the department's own.
    let people = company
        .json(&["chargeback", "preview", "2026-11", "--by", "person"])
        .await;
    assert_eq!(people["total"]["amount"], "490");

    // Another correction while November is open takes the place of the first.
    company.deliver("2026-10", &refunded(0.0)).await;
    assert_eq!(
        adjusted(&company, "2026-11").await,
        [row("engineering", 1_000, 1_000), row("sales", -1_000, 610)]
    );
    company.deliver("2026-10", &refunded(7.0)).await;

    company
        .run(&[
            "chargeback",
            "close",
            "2026-11",
            "--to",
            "final",
            "--accept",
            "invoiced=AWS has made none",
        ])
        .await;
    assert_eq!(adjusted(&company, "2026-11").await, november);
    let settled = ["chargeback", "reclass", "2026-10", "--remove", "1"];
    let (_, said) = company.refused(&settled).await;
    assert!(said.contains("is in a closed month"), "{said}");
    let mut connection = company.installation.database.pool.acquire().await.unwrap();
    let statements = anbun::store::statements::list_statements(&mut connection, "2026-11".parse().unwrap())
        .await
        .unwrap();
    let head: serde_json::Value = serde_json::from_str(&statements[0].head).unwrap();
    let adjustments = head["adjustments"].as_array().unwrap();
    assert_eq!(adjustments.len(), 3);
    assert!(
        adjustments
            .iter()
            .all(|line| line["origin"] == "2026-10" && line["crosses_fiscal_year"] == false)
    );
    assert_eq!(
        (adjustments[2]["because"].as_str(), adjustments[2]["jpy"].as_str()),
        (Some(reason), Some("1000"))
    );

    // December has nothing of it but what is new: one dollar more, 8 at 160 being -853 and -427.
    company.deliver("2026-12", &later(1.0)).await;
    let policy = ["rates", "policy", "set", "--from", "2026-12", "--kind", "planning"];
    company.run(&policy).await;
    assert_eq!(adjusted(&company, "2026-12").await, [row("sales", 0, 150)]);
    company.deliver("2026-10", &refunded(8.0)).await;
    assert_eq!(adjusted(&company, "2026-11").await, november);
    assert_eq!(
        adjusted(&company, "2026-12").await,
        [row("sales", -106, 44), row("engineering", -54, -54)]
    );
}

/// A refund after the lock that comes with its own invoice, 7 USD for 1,106 yen: at 158 and not at November's 161.  No use is on
/// that invoice, so the rule's fallback has it.
#[tokio::test]
async fn an_invoice_that_comes_after_the_lock_says_the_rate() {
    let company = october("late-invoice").await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    company
        .run(&[
            "rates",
            "set",
            "161",
            "--kind",
            "ttm",
            "--date",
            "2026-11-30",
            "--source",
            "MUFG",
        ])
        .await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    let refund = |kind: &str| {
        let header = INVOICES.lines().next().unwrap();
        let row = format!(
            "EUINJP26-190,999900001111,Amazon Web Services Japan G.K.,T6011001106696,{kind},EUINJP26-100,2026-12-02,2026-10,JPY,-7.00,-1106,none,,,\n"
        );
        company.file("refund.csv", &format!("{header}\n{row}"))
    };
    // Final is reopened first; locked takes what is new, and nothing in the place of what it rests on.
    let (_, said) = company.refused(&["invoices", "import", &refund("refund")]).await;
    assert!(said.contains("2026-10 is final"), "{said}");
    company
        .run(&["chargeback", "posted", "2026-10", "--slip", "100131"])
        .await;
    company.run(&["chargeback", "lock", "2026-10"]).await;
    company.deliver("2026-11", &later(10.0)).await;
    let (_, said) = company.refused(&["invoices", "import", &refund("corrected")]).await;
    assert!(
        said.contains("2026-10 is locked") && said.contains("as a manual pool"),
        "{said}"
    );
    let mut lines = bill();
    lines.push(Line {
        invoice: "EUINJP26-190",
        ..line("AmazonBedrock", "Refund", "", -7.0)
    });
    company.deliver("2026-10", &lines).await;
    assert_eq!(
        adjusted(&company, "2026-11").await,
        [row("sales", 0, 1_610), row("it", -1_127, -1_127)]
    );
    company.run(&["invoices", "import", &refund("refund")]).await;
    assert_eq!(
        adjusted(&company, "2026-11").await,
        [row("sales", 0, 1_610), row("it", -1_106, -1_106)]
    );
    // Typed wrong, it can be taken out while no closed month has its difference; what the lock rests on stays.
    company.run(&["invoices", "remove", "EUINJP26-190"]).await;
    assert_eq!(
        adjusted(&company, "2026-11").await,
        [row("sales", 0, 1_610), row("it", -1_127, -1_127)]
    );
    company.run(&["invoices", "import", &refund("refund")]).await;
    let (_, said) = company.refused(&["invoices", "remove", "EUINJP26-100"]).await;
    assert!(said.contains("2026-10 is locked"), "{said}");
    // Another dollar is on no late invoice: it stands on the first invoice, at its 160; the refund stays at its own rate.
    lines.push(line("AmazonBedrock", "Refund", "", -1.0));
    company.deliver("2026-10", &lines).await;
    let rows = adjusted(&company, "2026-11").await;
    assert!(rows.contains(&row("it", -1_106, -1_106)), "{rows:?}");
    let total: i64 = rows
        .iter()
        .map(|(_, adjustments, _)| adjustments.parse::<i64>().unwrap())
        .sum();
    assert_eq!(total, -1_106 - 160);
    company.deliver("2026-10", &lines[..lines.len() - 1]).await;
    let close = [
        "chargeback",
        "close",
        "2026-11",
        "--to",
        "final",
        "--accept",
        "invoiced=AWS has made none",
    ];
    company.run(&close).await;
    let (_, said) = company.refused(&["invoices", "remove", "EUINJP26-190"]).await;
    assert!(said.contains("2026-10 is locked"), "{said}");
}
