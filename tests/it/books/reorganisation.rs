//! A reorganisation in the middle of October: who moves takes the use of the later days along, and closed months stay.

use crate::books::company::{Company, DIRECTORY, Line, PAYER};

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

/// Suzuki's own entry, so that the person decides and not the role.
const SUZUKI: &str = "account_id,role_name,session_name,user_name,person_id,department_code,project_code,kind,valid_from,valid_to\n\
    111122223333,dev-suzuki,*,*,p2,,,person,2026-04-01,\n";

fn bill(days: u32) -> Vec<Line> {
    let mut lines: Vec<Line> = (1..=days).map(|day| line(day, "", 1.0)).collect();
    lines.extend([
        line(10, "dev-suzuki", 20.0),
        line(20, "dev-suzuki", 30.0),
        line(20, "cowork-sales-sato", 5.0),
    ]);
    lines
}

/// Suzuki goes to sales on the 15th: 30 of 50 dollars, at 150 yen, are no longer engineering's.
#[tokio::test]
async fn open_months_follow_the_directory_and_closed_ones_do_not() {
    let company = Company::found("reorganisation", "[close]\ntwo_person = false\n").await;
    company
        .run(&["directory", "import", &company.file("principals.csv", SUZUKI)])
        .await;
    company.deliver("2026-09", &bill(30)).await;
    company.deliver("2026-10", &bill(31)).await;
    company
        .run(&[
            "chargeback",
            "close",
            "2026-09",
            "--to",
            "final",
            "--accept",
            "invoiced=AWS has made none",
            "--accept",
            "rate=planning is the policy",
        ])
        .await;
    let totals = async |period: &str| -> Vec<(String, String)> {
        let rows = company
            .rows(period)
            .await
            .into_iter()
            .map(|(code, amounts)| (code, amounts[7].clone()));
        rows.collect()
    };
    let expect = |rows: &[(&str, &str)]| -> Vec<(String, String)> {
        rows.iter()
            .map(|(code, yen)| ((*code).to_owned(), (*yen).to_owned()))
            .collect()
    };
    let before = expect(&[("engineering", "7500"), ("sales", "750")]);
    assert_eq!(totals("2026-10").await, before);

    let people = DIRECTORY[1].1.replace(
        "p2,鈴木 一郎,suzuki@example.com,engineering,,2026-04-01,\n",
        "p2,鈴木 一郎,suzuki@example.com,engineering,,2026-04-01,2026-10-15\n\
         p2,鈴木 一郎,suzuki@example.com,sales,,2026-10-15,\n",
    );
    let file = company.file("people.csv", &people);
    // September stays in the preview's silence: it is final.
    let preview = company.json(&["directory", "import", &file, "--dry-run"]).await;
    let moved: Vec<(String, String, String)> = preview["moved"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| {
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            (
                text(&m["department"]),
                text(&m["before"]["amount"]),
                text(&m["after"]["amount"]),
            )
        })
        .collect();
    let text = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(
        moved,
        [text("engineering", "7500", "3000"), text("sales", "750", "5250")]
    );
    assert_eq!(totals("2026-10").await, before);

    company.run(&["directory", "import", &file]).await;
    assert_eq!(
        totals("2026-10").await,
        expect(&[("sales", "5250"), ("engineering", "3000")])
    );
    assert_eq!(totals("2026-09").await, before);
    // Under today's organisation all of it is sales': a view, closed months included; the books stay.
    for (period, all) in [("2026-09", "8250"), ("2026-10", "8250")] {
        let view = company
            .json(&["chargeback", "preview", period, "--organisation", "today"])
            .await;
        assert_eq!(view["rows"].as_array().unwrap().len(), 1, "{view}");
        assert_eq!(
            (
                view["rows"][0]["code"].as_str(),
                view["rows"][0]["total"]["amount"].as_str()
            ),
            (Some("sales"), Some(all))
        );
        assert!(view["organisation"].is_string());
    }
    let by_person = [
        "chargeback",
        "preview",
        "2026-10",
        "--by",
        "person",
        "--organisation",
        "today",
    ];
    assert_eq!(company.refused(&by_person).await.0, Some(2));
    assert_eq!(totals("2026-09").await, before);
    // The sums behind every page moved with it, and still are those of the charges.
    let mut connection = company.installation.database.pool.acquire().await.unwrap();
    let differing: i64 = sqlx::query_scalar(
        "select count(*) from (select department, sum(cost) from department_months where billing_period = '2026-10-01' and charge_class = 'usage' group by 1 \
         except select department, sum(cost) from charges join attributions using (attribution_key) where billing_period = '2026-10-01' group by 1) as d",
    )
    .fetch_one(&mut *connection)
    .await
    .unwrap();
    assert_eq!(differing, 0);
    // A delivery of the closed month is decided by the directory as it was sealed.
    let mut september = bill(30);
    september.push(line(20, "dev-suzuki", 1.0));
    company.deliver("2026-09", &september).await;
    let slice = company
        .json(&[
            "costs",
            "--from",
            "2026-09-01",
            "--to",
            "2026-10-01",
            "--by",
            "department",
        ])
        .await;
    let engineering = slice["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["dimensions"]["department"] == "engineering")
        .unwrap();
    assert_eq!(engineering["cost"]["amount"], "51");
}

/// An hourly export: sales used 5 USD at 16:00 UTC on the 14th and 2 at 20:00 on the 31st, which in Japan are the 15th and the
/// 1st of November.  Suzuki's move on the 15th and the end of the month divide there.
#[tokio::test]
async fn the_nine_hours_of_the_utc_cut_off_are_told() {
    let company = Company::found("cut-off", "[close]\ntwo_person = false\n").await;
    let people = DIRECTORY[1].1.replace(
        "p2,鈴木 一郎,suzuki@example.com,engineering,,2026-04-01,\n",
        "p2,鈴木 一郎,suzuki@example.com,engineering,,2026-04-01,2026-10-15\n\
         p2,鈴木 一郎,suzuki@example.com,sales,,2026-10-15,\n",
    );
    company
        .run(&["directory", "import", &company.file("people.csv", &people)])
        .await;
    let mut lines: Vec<Line> = (1..=31).map(|day| line(day, "", 1.0)).collect();
    lines.extend([
        line(14, "cowork-sales-sato", 5.0),
        line(14, "cowork-sales-sato", 3.0),
        line(31, "cowork-sales-sato", 2.0),
    ]);
    let hour_of = |line: &Line| match line.cost {
        5.0 => 16,
        2.0 => 20,
        3.0 => 14,
        _ => 0,
    };
    let close = [
        "chargeback",
        "close",
        "2026-10",
        "--to",
        "provisional",
        "--accept",
        "rate=planning",
    ];
    let cut_offs = async |version: usize| -> Vec<(String, String, Option<String>)> {
        let mut connection = company.installation.database.pool.acquire().await.unwrap();
        let statements = anbun::store::statements::list_statements(&mut connection, "2026-10".parse().unwrap())
            .await
            .unwrap();
        let head: serde_json::Value = serde_json::from_str(&statements[version].head).unwrap();
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let cuts = head["utc_cut_off"].as_array().unwrap().iter();
        cuts.map(|cut| {
            (
                text(&cut["last_nine_hours_of"]).unwrap(),
                text(&cut["before"]).unwrap(),
                text(&cut["usd"]),
            )
        })
        .collect()
    };
    let cut = |day: &str, before: &str, usd: Option<&str>| (day.to_owned(), before.to_owned(), usd.map(str::to_owned));
    company.deliver_with("2026-10", &lines, None, hour_of).await;
    company.run(&close).await;
    assert_eq!(
        cut_offs(0).await,
        [
            cut("2026-10-14", "reorganisation", Some("5")),
            cut("2026-10-31", "month", Some("2"))
        ]
    );
    // An export of whole days does not tell, and does not say zero.
    company.deliver("2026-10", &lines).await;
    company.run(&close).await;
    assert_eq!(
        cut_offs(1).await,
        [
            cut("2026-10-14", "reorganisation", None),
            cut("2026-10-31", "month", None)
        ]
    );
}
