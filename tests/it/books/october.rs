//! October: two sellers with their own rates, a payer whose invoice is in dollars, tax, a credit, and a gateway.

use crate::books::company::{Company, Line, OTHER_PAYER, PAYER};

const JAPAN: &str = "Amazon Web Services Japan G.K.";
const INC: &str = "Amazon Web Services, Inc.";

pub(super) fn line(product: &'static str, charge_type: &'static str, role: &'static str, cost: f64) -> Line {
    Line {
        day: 5,
        payer: PAYER,
        seller: JAPAN,
        invoice: "EUINJP26-100",
        product,
        charge_type,
        role,
        cost,
        is_of_one_day: false,
    }
}

pub(super) fn bill() -> Vec<Line> {
    let marketplace = |role, cost| Line {
        seller: INC,
        invoice: "EUINJP26-200",
        ..line("prod-claude", "Usage", role, cost)
    };
    let mut lines = vec![
        line("AmazonBedrock", "Usage", "cowork-sales-sato", 60.0),
        line("AmazonBedrock", "Usage", "cowork-engineering-suzuki", 30.0),
        line("AmazonBedrock", "Usage", "llm-gateway", 10.0),
        line("AmazonBedrock", "Credit", "", -5.0),
        line("AmazonBedrock", "Tax", "", 9.5),
        line("AmazonEC2", "Tax", "", 10.0),
        marketplace("cowork-research-tanaka", 33.33),
        marketplace("cowork-sales-sato", 16.67),
        Line {
            payer: OTHER_PAYER,
            invoice: "USINV26-300",
            ..line("AmazonBedrock", "Usage", "cowork-engineering-suzuki", 12.34)
        },
    ];
    // Every day of the month has a line of another service: 31 x 100/31 would not be exact, so 30 of 3 and one of 10.
    lines.extend((1..=31).map(|day| Line {
        day,
        ..line("AmazonEC2", "Usage", "", if day == 31 { 10.0 } else { 3.0 })
    }));
    lines
}

pub(super) const INVOICES: &str = "invoice_id,payer,seller,registration_number,kind,corrects,issue_date,period,currency,net_usd,net_jpy,treatment,tax_rate,tax_usd,tax_jpy\n\
    EUINJP26-100,999900001111,Amazon Web Services Japan G.K.,T6011001106696,invoice,,2026-11-02,2026-10,JPY,195.00,31201,charged,0.10,19.50,3120\n\
    EUINJP26-200,999900001111,\"Amazon Web Services, Inc.\",T9700150104216,invoice,,2026-11-03,2026-10,JPY,50.00,8005,none,,,\n\
    USINV26-300,888800002222,\"Amazon Web Services, Inc.\",,invoice,,2026-11-03,2026-10,USD,12.34,,none,,,\n";

pub(super) const RULES: &str = "pool,method,members,fallback,legal_entity,valid_from,valid_to\n\
    unattributed,proportional,,it,,2026-04,\n\
    credit,proportional,,it,,2026-04,\n\
    refund,proportional,,it,,2026-04,\n\
    tax,proportional,,it,,2026-04,\n";

fn row(code: &str, amounts: [i64; 8]) -> (String, [String; 8]) {
    (code.to_owned(), amounts.map(|yen| yen.to_string()))
}

pub(super) async fn october(name: &str) -> Company {
    october_with(name, "").await
}

pub(super) async fn october_with(name: &str, settings: &str) -> Company {
    let company = Company::found(name, &format!("[close]\ntwo_person = false\n{settings}")).await;
    company.deliver("2026-10", &bill()).await;
    company
        .run(&["allocation", "import", &company.file("rules.csv", RULES)])
        .await;
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
    company
        .run(&["rates", "policy", "set", "--from", "2026-10", "--kind", "ttm"])
        .await;
    company
}

/// The month by hand.
///
/// Invoice 100, AWS Japan: 195 USD for 31,201 yen, 160.00513 yen a dollar.
///   direct     90 USD  14,400.46 -> 14,400     sales 60: 9,600.31 -> 9,600    engineering 30: 4,800.15 -> 4,800
///   gateway    10 USD   1,600.05 ->  1,600     two thirds: 1,066.70 -> 1,067  one third: 533.35 -> 533
///   credit     -5 USD    -800.03 ->   -800     sales -3.33: -533.35 -> -533   engineering -1.67: -266.68 -> -267
///   EC2       100 USD  16,000.51 -> 16,001     (the yen that is missing goes to the largest fraction)
///   tax      19.5 USD for 3,120 yen, 160 a dollar: ours 9.5 -> 1,520, EC2's 10 -> 1,600
///                                              sales 6.33: 1,013.33 -> 1,013  engineering 3.17: 506.67 -> 507
/// Invoice 200, AWS Inc.: 50 USD for 8,005 yen, 160.1 a dollar, no tax.
///   direct     50 USD                           research 33.33: 5,336.13 -> 5,336   sales 16.67: 2,668.87 -> 2,669
/// Invoice 300, in dollars: 12.34 at the TTM of 159.91 is 1,973.29 -> 1,973, engineering.
///
/// The credit follows the usage of Bedrock in the account: 60, 30 and 10, so -3, -1.5 and -0.5; the gateway's -0.5 goes by
/// the rule, 60 to 30.
#[tokio::test]
async fn two_sellers_and_an_invoice_in_dollars_tie_to_the_yen() {
    let company = october("october").await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    let expected = [
        //                  direct alloc disc credit refund other   tax  total
        row("sales", [9_600 + 2_669, 1_067, 0, -533, 0, 0, 1_013, 13_816]),
        row("engineering", [4_800 + 1_973, 533, 0, -267, 0, 0, 507, 7_546]),
        row("research", [5_336, 0, 0, 0, 0, 0, 0, 5_336]),
    ];
    assert_eq!(company.rows("2026-10").await, expected);

    let steps = company.json(&["reconcile", "2026-10"]).await;
    let step = |name: &str, invoice: Option<&str>| {
        let found = steps["steps"]
            .as_array()
            .unwrap()
            .iter()
            .find(|s| s["step"] == name && s["invoice"].as_str() == invoice);
        let found = found.unwrap_or_else(|| panic!("{name} of {invoice:?}"));
        let amount = |currency: &str| found[currency]["amount"].as_str().unwrap().to_owned();
        (amount("usd"), amount("jpy"))
    };
    let pair = |usd: &str, jpy: &str| (usd.to_owned(), jpy.to_owned());
    let first = Some("EUINJP26-100");
    assert_eq!(step("invoice net", first), pair("195", "31201"));
    assert_eq!(step("invoice tax", first), pair("19.5", "3120"));
    assert_eq!(step("other services", first), pair("-100", "-16001"));
    assert_eq!(step("tax of other services", first), pair("-10", "-1600"));
    // 31,201 + 3,120 - 16,001 - 1,600
    assert_eq!(step("bill of this chargeback", first), pair("104.5", "16720"));
    assert_eq!(step("statement", None), pair("166.84", "26698"));
    assert_eq!(steps["unexplained"]["amount"], "0");

    // Closing it seals these figures.
    let closed = company.json(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    assert_eq!(closed["statement"]["total"]["amount"], "26698");
    assert_eq!(company.rows("2026-10").await, expected);
    let again = company.json(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    assert_eq!(again["statement"]["digest"], closed["statement"]["digest"]);
    assert_eq!(again["statement"]["version"], 1);
}

#[tokio::test]
async fn before_its_invoices_a_month_is_at_the_policys_rate() {
    let company = october("planning").await;
    let month = company.json(&["chargeback", "preview", "2026-10"]).await;
    assert_eq!(
        (month["rates"][0]["value"].as_str(), month["rates"][0]["kind"].as_str()),
        (Some("159.91"), Some("ttm"))
    );
    // Each payer and seller at 159.91: 104.5 -> 16,710.60, 50 -> 7,995.50, 12.34 -> 1,973.29; 16,711 + 7,996 + 1,973.
    assert_eq!(month["total"]["amount"], "26680");
    // Final needs every invoice that the bill names; provisional does not.
    let (code, said) = company
        .refused(&["chargeback", "close", "2026-10", "--to", "final"])
        .await;
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("2026-10 stays as it is: invoices"), "{said}");
    let (code, said) = company
        .refused(&[
            "chargeback",
            "close",
            "2026-10",
            "--to",
            "final",
            "--accept",
            "invoices=later",
        ])
        .await;
    assert!(code == Some(2) && said.contains("never waived"), "{said}");
    company
        .run(&["chargeback", "close", "2026-10", "--to", "provisional"])
        .await;
    assert_eq!(company.json(&["month", "2026-10"]).await["state"], "provisional");
}

async fn digest_of(connection: &mut sqlx::PgConnection, statement: &anbun::store::statements::Statement) -> String {
    let text = anbun::store::statements::canonical(connection, statement)
        .await
        .unwrap();
    anbun::domain::digest::sha256(&[text.as_bytes()])
}

#[tokio::test]
async fn a_closed_month_stays_as_it_was_sealed() {
    let company = october("steps").await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    let preview = company.rows("2026-10").await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;

    // A rate, a rule, a move of a person and a refund change nothing of it; the refund is told.
    company
        .run(&[
            "rates",
            "set",
            "170",
            "--kind",
            "ttm",
            "--date",
            "2026-10-30",
            "--source",
            "typo",
        ])
        .await;
    let keep = "pool,method,members,fallback,legal_entity,valid_from,valid_to\ntax,keep,,,,2026-04,\n";
    company
        .run(&["allocation", "import", &company.file("keep.csv", keep)])
        .await;
    let mut refunded = bill();
    refunded.push(line("AmazonBedrock", "Refund", "", -7.0));
    company.deliver("2026-10", &refunded).await;
    assert_eq!(company.rows("2026-10").await, preview);
    let month = company.json(&["chargeback", "preview", "2026-10"]).await;
    let restated = month["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["code"] == "restated")
        .unwrap();
    assert_eq!(restated["amount"]["amount"], "-7");
    let dollars = company
        .json(&["chargeback", "preview", "2026-10", "--currency", "USD"])
        .await;
    assert_eq!(dollars["total"]["amount"], "166.84");

    // Its register is closed with it; reopening needs a reason and makes a new version.
    let (code, said) = company.refused(&["invoices", "remove", "EUINJP26-200"]).await;
    assert!(code == Some(1) && said.contains("2026-10 is final"), "{said}");
    assert_eq!(
        company
            .refused(&["chargeback", "reopen", "2026-10", "--reason", " "])
            .await
            .0,
        Some(1)
    );
    company
        .run(&["chargeback", "reopen", "2026-10", "--reason", "refund"])
        .await;
    assert_eq!(
        company.json(&["chargeback", "preview", "2026-10"]).await["state"],
        "open"
    );
    // The invoice does not have the refund: that is never waived.
    let (code, said) = company
        .refused(&["chargeback", "close", "2026-10", "--to", "final"])
        .await;
    assert!(code == Some(3) && said.contains("unexplained"), "{said}");
    company
        .run(&["chargeback", "reopen", "2026-10", "--reason", "still open"])
        .await;
    company.deliver("2026-10", &bill()).await;
    // By the rule that keeps it, the gateway's use is undecided.
    let (code, said) = company
        .refused(&["chargeback", "close", "2026-10", "--to", "final"])
        .await;
    assert!(code == Some(3) && said.contains("stays as it is: quarantine"), "{said}");
    company
        .run(&["allocation", "import", &company.file("rules.csv", RULES)])
        .await;
    let closed = company.json(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    assert_eq!(closed["statement"]["version"], 2);

    // Lock: the journal of this version is posted first, and nothing opens it again.
    let (_, said) = company.refused(&["chargeback", "lock", "2026-10"]).await;
    assert!(said.contains("not marked as posted"), "{said}");
    let (_, said) = company
        .refused(&["chargeback", "posted", "2026-10", "--slip", "100131"])
        .await;
    assert!(said.contains("its slips begin with 1002"), "{said}");
    company
        .run(&["chargeback", "posted", "2026-10", "--slip", "100231"])
        .await;
    company.run(&["chargeback", "lock", "2026-10"]).await;
    company.run(&["chargeback", "lock", "2026-10"]).await;
    for step in [
        vec!["reopen", "2026-10", "--reason", "no"],
        vec!["close", "2026-10", "--to", "final"],
    ] {
        let (_, said) = company.refused(&[vec!["chargeback"], step].concat()).await;
        assert!(said.contains("the month is locked"), "{said}");
    }

    // Nobody can change a sealed line without being seen, and no name is in any of them.
    let mut connection = company.installation.database.pool.acquire().await.unwrap();
    let period = "2026-10".parse().unwrap();
    let mut previous = None;
    for statement in anbun::store::statements::list_statements(&mut connection, period)
        .await
        .unwrap()
    {
        let digest = digest_of(&mut connection, &statement).await;
        assert_eq!(digest, statement.digest);
        assert_eq!(statement.previous_digest, previous);
        assert!(!statement.head.contains("sato") && !statement.head.contains("p1"));
        previous = Some(statement.digest.clone());
        let change = "update statement_lines set amount = amount + 1 where statement_id = $1 and line = 0";
        sqlx::query(change)
            .bind(statement.statement_id)
            .execute(&mut *connection)
            .await
            .unwrap();
        let digest = digest_of(&mut connection, &statement).await;
        assert_ne!(digest, statement.digest);
    }
}

#[tokio::test]
async fn two_people_and_the_order_of_months() {
    let company = Company::found("order", "").await;
    for period in ["2026-09", "2026-10"] {
        let others = bill()
            .into_iter()
            .filter(|line| line.product == "AmazonEC2" && line.charge_type == "Usage");
        let of_month = others.filter(|line| period == "2026-10" || line.day < 31);
        let mut lines: Vec<Line> = of_month.map(|line| Line { invoice: "", ..line }).collect();
        lines.push(Line {
            invoice: "",
            ..line("AmazonBedrock", "Usage", "cowork-sales-sato", 60.0)
        });
        company.deliver(period, &lines).await;
    }
    let close = |period: &'static str| {
        [
            "chargeback",
            "close",
            period,
            "--to",
            "final",
            "--accept",
            "invoiced=AWS has made none",
            "--accept",
            "rate=planning is the policy",
        ]
    };
    company.run(&close("2026-10")).await;
    company
        .run(&["chargeback", "posted", "2026-10", "--slip", "100131"])
        .await;
    let (_, said) = company.refused(&["chargeback", "lock", "2026-10"]).await;
    assert!(said.contains("2026-09 is not locked yet"), "{said}");
    company.run(&close("2026-09")).await;
    company
        .run(&["chargeback", "posted", "2026-09", "--slip", "090131"])
        .await;
    let (_, said) = company.refused(&["chargeback", "lock", "2026-09"]).await;
    assert!(said.contains("somebody else locks it"), "{said}");
    let (_, said) = company
        .refused(&["chargeback", "reopen", "2026-09", "--reason", "x"])
        .await;
    assert!(said.contains("2026-10 is final already"), "{said}");
}

/// 16 USD of the first invoice's tax are said to be at 10 %, 3.50 at 8 %: together they are divided as before, and that is told.
#[tokio::test]
async fn taxes_of_two_rates_are_divided_as_one_sum_and_told() {
    let company = october("two-rates").await;
    let one = "charged,0.10,19.50,3120\n";
    let (before, after) = INVOICES.split_once(one).unwrap();
    let row = before.lines().last().unwrap();
    let two = format!("{before}charged,0.10,16.00,2560\n{row}charged,0.08,3.50,560\n{after}");
    company
        .run(&["invoices", "import", &company.file("invoices.csv", &two)])
        .await;
    let rows = company.rows("2026-10").await;
    assert_eq!((rows[0].0.as_str(), rows[0].1[6].as_str()), ("sales", "1013"));
    let month = company.json(&["chargeback", "preview", "2026-10"]).await;
    let told = month["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["code"] == "tax_rates");
    let message = told.unwrap()["message"].as_str().unwrap();
    assert!(message.contains("8% and 10%"), "{message}");
}

/// What a file says wrong is named by its place; an amount that no invoice has is refused before anything is added up.
#[tokio::test]
async fn invoices_are_refused_by_their_place_in_the_file() {
    let company = october("places").await;
    let file = company.file("invoices.csv", INVOICES);
    let huge = INVOICES.replace("none,,,\n", "none,0.10,100000000000000000000000000,0\n");
    let (_, said) = company
        .refused(&["invoices", "import", &company.file("huge.csv", &huge)])
        .await;
    assert!(
        said.contains("huge.csv, line 3") && said.contains("no invoice has an amount above"),
        "{said}"
    );
    company.run(&["invoices", "import", &file]).await;
    let (_, said) = company.refused(&["invoices", "import", &file]).await;
    assert!(
        said.contains("invoices.csv, line 2, column invoice_id: invoice EUINJP26-100 is recorded already"),
        "{said}"
    );
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    let another = company.file("another.csv", &INVOICES.replace("EUINJP26-100", "EUINJP26-101"));
    let (_, said) = company.refused(&["invoices", "import", &another]).await;
    assert!(
        said.contains("another.csv, line 2, column invoice_id: 2026-10 is final"),
        "{said}"
    );
}

/// A rule of one legal entity divides inside it; a caller that nobody knows is not decided by a rule for shared cost.
#[tokio::test]
async fn a_rule_stays_inside_its_entity_and_decides_about_nobody() {
    let company = october("entities").await;
    let rules = |row: &str| company.file("entity.csv", &format!("{RULES}{row}\n"));
    for row in [
        "discount,fixed,sales=0.5;research=0.5,,JP01,2026-04,",
        "discount,proportional,,research,JP01,2026-04,",
    ] {
        let (_, said) = company.refused(&["allocation", "import", &rules(row)]).await;
        assert!(
            said.contains("is of legal entity JP01, and department 'research' is of JP02"),
            "{said}"
        );
    }
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    let mut lines = bill();
    for line in lines.iter_mut().filter(|line| line.role == "llm-gateway") {
        line.role = "someones-own-script";
    }
    company.deliver("2026-10", &lines).await;
    let (code, said) = company
        .refused(&["chargeback", "close", "2026-10", "--to", "final"])
        .await;
    assert!(code == Some(3) && said.contains("stays as it is: quarantine"), "{said}");
}

/// From the yen back to the line items; the parts add up to the row.
#[tokio::test]
async fn every_yen_is_explained() {
    let company = october("explain").await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    let sales = company
        .json(&["explain", "department", "sales", "--period", "2026-10"])
        .await;
    assert_eq!(sales["total"]["amount"], "13816");
    let part = |column: &str, invoice: &str| {
        let found = sales["parts"]
            .as_array()
            .unwrap()
            .iter()
            .find(|p| p["column"] == column && p["invoice"] == invoice);
        found.unwrap_or_else(|| panic!("{column} of {invoice}")).clone()
    };
    // 60 x 31,201 / 195 = 9,600.30769...
    let direct = part("direct", "EUINJP26-100");
    assert_eq!(
        (direct["exact"].as_str(), direct["rounding"].as_str()),
        (Some("9600.307692307692"), Some("-0.307692307692"))
    );
    assert_eq!(
        (direct["because"].as_str(), direct["amount"]["amount"].as_str()),
        (Some("own usage"), Some("9600"))
    );
    let shared = part("allocated", "EUINJP26-100");
    let because = shared["because"].as_str().unwrap();
    assert!(
        because
            .starts_with("6.666666666667 of 10 of unattributed.shared_principal by rule 'unattributed: proportional'")
            && because.ends_with("60 of 90 of direct use"),
        "{because}"
    );
    let credit = part("credits", "EUINJP26-100");
    let because = credit["because"].as_str().unwrap();
    assert!(
        because.contains("-3 credit follows usage") && because.contains("-0.333333333333 of -0.5 of credit by rule"),
        "{because}"
    );
    // What the pools are made of: the gateway, the credit and the taxes.
    let pooled: Vec<(&str, &str)> = sales["pool_items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["charge_type"].as_str().unwrap(),
                row["cost"]["amount"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(pooled, [("Usage", "10"), ("Tax", "9.5"), ("Credit", "-5")]);
    assert_eq!(sales["pool_items"][0]["reason"], "shared_principal");
    let items = sales["line_items"].as_array().unwrap();
    assert_eq!((items.len(), sales["line_items_cost"].as_str()), (2, Some("76.67")));
    assert_eq!(
        (items[0]["rule"].as_str(), items[0]["unit_price"].as_str()),
        (Some("role_name"), Some("1"))
    );
    let sato = company.json(&["explain", "person", "p1", "--period", "2026-10"]).await;
    assert_eq!(sato["total"]["amount"], "13816");
}

/// The gateway is nobody's until somebody says whose it is: what that moves is said first.
#[tokio::test]
async fn a_quarantined_principal_is_assigned_in_one_step() {
    let company = october("quarantine").await;
    let keep = "pool,method,members,fallback,legal_entity,valid_from,valid_to\ntax,keep,,,,2026-04,\n";
    company
        .run(&["allocation", "import", &company.file("keep.csv", keep)])
        .await;
    let arn = "arn:aws:sts::111122223333:assumed-role/cowork-enginering-x/s";
    let mut lines = bill();
    lines.push(line("AmazonBedrock", "Usage", "cowork-enginering-x", 10.0));
    company.deliver("2026-10", &lines).await;
    let server = crate::peers::Serving::start(&company.installation).await;
    let (_, body) = server.get("/api/v1/principals?state=quarantined&period=2026-10").await;
    let found: serde_json::Value = serde_json::from_str(&body).unwrap();
    let undecided = found["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["arn"] == arn)
        .unwrap();
    assert_eq!(undecided["suggestion"]["department"], "engineering", "{undecided}");
    let assign = [
        "directory",
        "assign",
        arn,
        "--department",
        "engineering",
        "--from",
        "2026-04-01",
    ];
    let preview = company.json(&[&assign[..], &["--dry-run"]].concat()).await;
    // 10 USD at 159.91, and with it its share of the credit that follows usage.
    let moved = preview["moved"].as_array().unwrap();
    assert_eq!(moved.len(), 2, "{moved:?}");
    let before = company.rows("2026-10").await;
    company.run(&assign).await;
    let after = company.rows("2026-10").await;
    assert_ne!(before, after);
    let engineering = after.iter().find(|(code, _)| code == "engineering").unwrap();
    assert_eq!(
        engineering.1[7],
        moved.iter().find(|m| m["department"] == "engineering").unwrap()["after"]["amount"]
            .as_str()
            .unwrap()
    );
    let (_, said) = company.refused(&assign).await;
    assert!(said.contains("has an entry from 2026-04-01 on already"), "{said}");
}

/// A company that reports in dollars is charged in cents, open and sealed alike; the book of record stays exact.
///
///   15.019 USD is 15.02: sales 10.015 -> 10.01, engineering 5.004 -> 5.00, and the cent to the larger loss, sales.
#[tokio::test]
async fn a_company_that_reports_in_dollars_is_charged_to_the_cent() {
    let company = Company::found(
        "cents",
        "[close]\ntwo_person = false\n[currency]\nreporting = \"USD\"\n",
    )
    .await;
    let mut lines = vec![
        line("AmazonBedrock", "Usage", "cowork-sales-sato", 10.015),
        line("AmazonBedrock", "Usage", "cowork-engineering-suzuki", 5.004),
    ];
    lines.extend((1..=31).map(|day| Line {
        day,
        ..line("AmazonEC2", "Usage", "", 1.0)
    }));
    company.deliver("2026-10", &lines).await;
    let preview = |by: &'static str| {
        let company = &company;
        async move {
            let month = company.json(&["chargeback", "preview", "2026-10", "--by", by]).await;
            let of = |row: &serde_json::Value| row["total"]["amount"].as_str().unwrap().to_owned();
            let rows: Vec<String> = month["rows"].as_array().unwrap().iter().map(of).collect();
            assert_eq!(month["currency"], "USD");
            (of(&month), rows)
        }
    };
    let expected = ("15.02".to_owned(), vec!["10.02".to_owned(), "5".to_owned()]);
    assert_eq!(preview("department").await, expected);
    assert_eq!(preview("person").await, expected);
    let costs = company
        .json(&["costs", "--from", "2026-10-01", "--to", "2026-11-01"])
        .await;
    assert_eq!(costs["total"]["cost"]["amount"], "15.019");
    let rate = [
        "rates",
        "set",
        "150",
        "--kind",
        "ttm",
        "--date",
        "2026-10-30",
        "--source",
        "MUFG",
    ];
    company.run(&rate).await;
    company
        .run(&["rates", "policy", "set", "--from", "2026-10", "--kind", "ttm"])
        .await;
    company
        .run(&["chargeback", "close", "2026-10", "--to", "provisional"])
        .await;
    assert_eq!(preview("department").await, expected);
    assert_eq!(preview("person").await, expected);
}

/// Two invoices of one seller in dollars, at 148: 10.003 is 1,480.44 and 4.003 is 592.44; each is rounded by itself, to 1,480 and 592.
/// Of the first 6.003 is ours: 888.44 -> 888; the EC2 of 4 is 592 at the same rate.
#[tokio::test]
async fn each_invoice_is_rounded_by_itself() {
    let company = Company::found("each-invoice", "[close]\ntwo_person = false\n").await;
    let of = |invoice, product, role, cost| Line {
        payer: OTHER_PAYER,
        invoice,
        ..line(product, "Usage", role, cost)
    };
    let mut lines: Vec<Line> = (1..=31)
        .map(|day| Line {
            day,
            ..of("US-3", "AmazonEC2", "", 1.0)
        })
        .collect();
    lines.push(of("US-1", "AmazonBedrock", "cowork-sales-sato", 6.003));
    lines.push(of("US-1", "AmazonEC2", "", 4.0));
    lines.push(of("US-2", "AmazonBedrock", "cowork-sales-sato", 4.003));
    company.deliver("2026-10", &lines).await;
    let rate = [
        "rates",
        "set",
        "148",
        "--kind",
        "ttm",
        "--date",
        "2026-10-30",
        "--source",
        "MUFG",
    ];
    company.run(&rate).await;
    company
        .run(&["rates", "policy", "set", "--from", "2026-10", "--kind", "ttm"])
        .await;
    assert_eq!(
        company.json(&["chargeback", "preview", "2026-10"]).await["total"]["amount"],
        "1480"
    );
    let steps = company.json(&["reconcile", "2026-10"]).await;
    let jpy = |name: &str, invoice: &str| -> String {
        let mut all = steps["steps"].as_array().unwrap().iter();
        let found = all.find(|s| s["step"] == name && s["invoice"] == invoice);
        found.unwrap_or_else(|| panic!("{name} {invoice}"))["jpy"]["amount"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(jpy("bill without recorded invoice", "US-1"), (888 + 592).to_string());
    assert_eq!(jpy("other services", "US-1"), "-592");
    assert_eq!(jpy("bill of this chargeback", "US-1"), "888");
    assert_eq!(jpy("bill of this chargeback", "US-2"), "592");
}

/// The invoice in dollars asks for 12.38, its lines sum to 12.34: four cents at 159.91 are 6 yen that no department is charged.
#[tokio::test]
async fn what_an_invoice_in_dollars_rounds_is_a_line_in_yen() {
    let company = october("cents").await;
    let rounded = INVOICES.replace("USD,12.34", "USD,12.38");
    company
        .run(&["invoices", "import", &company.file("invoices.csv", &rounded)])
        .await;
    let steps = company.run(&["reconcile", "2026-10", "--format", "csv"]).await;
    for line in [
        "invoice net,USINV26-300,12.38,1979",
        "invoice rounding,USINV26-300,-0.04,-6",
        "unexplained,USINV26-300,0,0",
        "bill of this chargeback,USINV26-300,12.34,1973",
    ] {
        assert!(steps.contains(line), "{line}: {steps}");
    }
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
}
