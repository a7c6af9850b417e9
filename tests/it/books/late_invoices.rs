//! Lines that were locked without an invoice: when it comes, its yen take the place of the rate that stood for it.

use crate::books::company::{Company, Line};
use crate::books::october::{INVOICES, RULES, bill, line, october_with};
use crate::books::true_ups::{adjusted, later, row};

const LATE: &str = "EUINJP26-200";

/// October's bill before AWS, Inc. has made its invoice.
fn not_yet_invoiced() -> Vec<Line> {
    let mut lines = bill();
    for line in lines.iter_mut().filter(|line| line.invoice == LATE) {
        line.invoice = "";
    }
    lines
}

/// The register without one invoice, or that invoice alone.
fn invoices(company: &Company, is_late: bool) -> String {
    let (header, rows) = INVOICES.split_once('\n').unwrap();
    let rows = rows.lines().filter(|row| row.starts_with(LATE) == is_late);
    company.file("register.csv", &[vec![header], rows.collect()].concat().join("\n"))
}

async fn locked_without(name: &str, settings: &str) -> Company {
    let company = october_with(name, settings).await;
    let rules = format!("{RULES}exchange_difference,one_department,it,,,2026-04,\n");
    company
        .run(&["allocation", "import", &company.file("rules.csv", &rules)])
        .await;
    let november = ["rates", "set", "161", "--kind", "ttm", "--date", "2026-11-30"];
    company.run(&[&november[..], &["--source", "MUFG"]].concat()).await;
    let planning = ["rates", "set", "150", "--kind", "planning", "--date", "2026-10-01"];
    company.run(&[&planning[..], &["--source", "budget"]].concat()).await;
    company.deliver("2026-10", &not_yet_invoiced()).await;
    company.run(&["invoices", "import", &invoices(&company, false)]).await;
    let close = ["chargeback", "close", "2026-10", "--to", "final"];
    let accepted = ["--accept", "invoiced=AWS, Inc. is late"];
    company.run(&[&close[..], &accepted].concat()).await;
    company
        .run(&["chargeback", "posted", "2026-10", "--slip", "100131"])
        .await;
    company.run(&["chargeback", "lock", "2026-10"]).await;
    company.deliver("2026-11", &later(10.0)).await;
    company
}

/// At the TTM of 159.91 the 50 USD were 7,995.5 -> 7,996: research 5,330, sales 2,666.  The invoice says 8,005: 5,336 and 2,669.
#[tokio::test]
async fn what_was_locked_at_the_policys_rate_comes_to_the_invoices_yen() {
    let company = locked_without(
        "uninvoiced",
        "[[journal.sources]]\nsource_department = 'it'\naccount_code = '7101'\naccount_codes = { '未収入金' = '1180' }\n",
    )
    .await;
    let locked = company.rows("2026-10").await;
    let total =
        |rows: &[(String, [String; 8])]| -> i64 { rows.iter().map(|(_, row)| row[7].parse::<i64>().unwrap()).sum() };
    assert_eq!(total(&locked), 26_698 - 8_005 + 7_996);
    assert_eq!(adjusted(&company, "2026-11").await, [row("sales", 0, 1_610)]);

    // AWS names the invoice in the next delivery; until it is recorded its dollars stay as they are.
    company.deliver("2026-10", &bill()).await;
    assert_eq!(adjusted(&company, "2026-11").await, [row("sales", 0, 1_610)]);
    company.run(&["invoices", "import", &invoices(&company, true)]).await;
    let november = [row("sales", 3, 1_613), row("research", 6, 6)];
    assert_eq!(adjusted(&company, "2026-11").await, november);
    assert_eq!(company.rows("2026-10").await, locked);

    let close = ["chargeback", "close", "2026-11", "--to", "final"];
    let accepted = ["--accept", "invoiced=AWS has made none"];
    company.run(&[&close[..], &accepted].concat()).await;
    assert_eq!(adjusted(&company, "2026-11").await, november);
    let journal = [
        "chargeback",
        "export",
        "2026-11",
        "--as",
        "journal:sap",
        "--legal-entity",
        "JP01",
        "-o",
        "-",
    ];
    let journal = company.run(&journal).await;
    assert!(journal.contains(",6,") && journal.contains("過月分調整"), "{journal}");
    // It is settled once, and a dollar of a later delivery that is on no invoice is at the open month's rate.
    company.deliver("2026-12", &later(1.0)).await;
    let policy = ["rates", "policy", "set", "--from", "2026-12", "--kind", "planning"];
    company.run(&policy).await;
    assert_eq!(adjusted(&company, "2026-12").await, [row("sales", 0, 150)]);
    let mut more = bill();
    more.push(Line {
        invoice: "",
        ..line("AmazonBedrock", "Usage", "cowork-engineering-suzuki", 1.0)
    });
    company.deliver("2026-10", &more).await;
    // The credit moves a little with it: its dollars are shared by use.
    assert_eq!(
        adjusted(&company, "2026-12").await,
        [row("sales", 5, 155), row("engineering", 145, 145)]
    );
}

/// At the planning rate of 150 departments stay at 7,500; the other 505 yen of the invoice are IT's.
#[tokio::test]
async fn at_the_planning_rate_a_late_invoice_is_an_exchange_difference() {
    let company = locked_without(
        "uninvoiced-planned",
        "[currency]\nplanning_rate = '150'\nchargeback_rate = 'planning'\n",
    )
    .await;
    company.deliver("2026-10", &bill()).await;
    company.run(&["invoices", "import", &invoices(&company, true)]).await;
    let november = [row("sales", 0, 1_500), row("it", 505, 505)];
    let found = adjusted(&company, "2026-11").await;
    assert_eq!(found, november);
    // Another planning rate for October is November's from then on; October stays at the rate that was sealed.
    let planning = ["rates", "set", "160", "--kind", "planning", "--date", "2026-10-15"];
    company.run(&[&planning[..], &["--source", "late"]].concat()).await;
    let november = [row("sales", 0, 1_600), row("it", 505, 505)];
    assert_eq!(adjusted(&company, "2026-11").await, november);
}
