//! What the books hold of earlier versions is taken back, whoever holds it and however much of it was posted.

use crate::books::company::{Company, DIRECTORY};
use crate::books::october::{INVOICES, RULES, october_with};
use crate::support::stdout;

const JOURNAL: &str = "[journal]\n[[journal.sources]]\nsource_department = 'it'\n";

/// The numbers of the slips of a legal entity's journal.
async fn slips(company: &Company, entity: &str, more: &[&str]) -> Vec<String> {
    let export = [
        "chargeback",
        "export",
        "2026-10",
        "--as",
        "journal:yayoi",
        "--encoding",
        "utf-8",
        "--legal-entity",
        entity,
        "-o",
        "-",
    ];
    let journal = company.run(&[&export[..], more].concat()).await;
    let mut numbers: Vec<String> = journal
        .lines()
        .map(|line| line.split(',').nth(1).unwrap().to_owned())
        .collect();
    numbers.dedup();
    numbers
}

async fn posted(company: &Company, entity: &str, numbers: &[&str]) {
    for number in numbers {
        company
            .run(&[
                "chargeback",
                "posted",
                "2026-10",
                "--slip",
                number,
                "--legal-entity",
                entity,
            ])
            .await;
    }
}

/// Reopens, changes the rule for tax, and closes again.
async fn close_anew(company: &Company, tax_rule: &str) {
    company
        .run(&["chargeback", "reopen", "2026-10", "--reason", "a rule"])
        .await;
    let rules = RULES.replace("tax,proportional,,it", tax_rule);
    company
        .run(&["allocation", "import", &company.file("again.csv", &rules)])
        .await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
}

async fn closed(name: &str) -> Company {
    let company = october_with(name, JOURNAL).await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    company
}

/// Of the second version the books hold only what it took back, or only what it added: the third takes back what is left.
#[tokio::test]
async fn a_version_that_was_posted_in_part_is_taken_back_in_part() {
    for (name, of_second, expected) in [
        ("part-cancelled", "100141", vec!["100331"]),
        ("part-added", "100231", vec!["100141", "100241", "100331"]),
    ] {
        let company = closed(name).await;
        slips(&company, "JP01", &[]).await;
        posted(&company, "JP01", &["100131"]).await;
        close_anew(&company, "tax,keep,,").await;
        assert_eq!(slips(&company, "JP01", &[]).await, ["100141", "100231"]);
        posted(&company, "JP01", &[of_second]).await;
        close_anew(&company, "tax,proportional,,it").await;
        assert_eq!(slips(&company, "JP01", &[]).await, expected, "{name}");
    }
}

/// Research goes to JP01 with the second version: JP02 owes nothing any more, and its books still hold the first.
#[tokio::test]
async fn a_company_that_is_not_charged_any_more_takes_back_what_it_booked() {
    let company = closed("not-charged").await;
    for entity in ["JP01", "JP02"] {
        assert_eq!(slips(&company, entity, &[]).await, ["100131"]);
        posted(&company, entity, &["100131"]).await;
    }
    company
        .run(&["chargeback", "reopen", "2026-10", "--reason", "research is ours"])
        .await;
    let departments = DIRECTORY[0].1.replace("0002100,JP02", "0002100,JP01");
    company
        .run(&["directory", "import", &company.file("departments.csv", &departments)])
        .await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    assert_eq!(slips(&company, "JP01", &[]).await, ["100141", "100231"]);
    posted(&company, "JP01", &["100141", "100231"]).await;
    let (_, said) = company.refused(&["chargeback", "lock", "2026-10"]).await;
    assert!(said.contains("the journal of JP02"), "{said}");
    assert_eq!(slips(&company, "JP02", &[]).await, ["100141"]);
    let (_, said) = company.refused(&["chargeback", "lock", "2026-10"]).await;
    assert!(said.contains("100141 of JP02"), "{said}");
    posted(&company, "JP02", &["100141"]).await;
    company.run(&["chargeback", "lock", "2026-10"]).await;
}

/// The accrual is in the books, its reversal is not: October's cost would stand there twice.
#[tokio::test]
async fn a_month_is_not_locked_before_its_accrual_is_reversed() {
    let company = october_with("unreversed", JOURNAL).await;
    company
        .run(&["chargeback", "close", "2026-10", "--to", "provisional"])
        .await;
    assert_eq!(slips(&company, "JP01", &[]).await, ["100111", "100121"]);
    posted(&company, "JP01", &["100111"]).await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    for entity in ["JP01", "JP02"] {
        slips(&company, entity, &["--posting-date", "2026-11-06"]).await;
        posted(&company, entity, &["100231"]).await;
    }
    let (_, said) = company.refused(&["chargeback", "lock", "2026-10"]).await;
    assert!(said.contains("100121 of JP01"), "{said}");
    let accrual = [
        "chargeback",
        "posted",
        "2026-10",
        "--statement",
        "1",
        "--slip",
        "100121",
    ];
    company.run(&accrual).await;
    company.run(&["chargeback", "lock", "2026-10"]).await;

    // No line of a locked month's bill names it: it would change nothing, so it is not taken.
    let late = INVOICES.lines().next().unwrap().to_owned()
        + "\nJP-99,999900001111,Amazon Web Services Japan G.K.,T6011001106696,refund,EUINJP26-100,2026-12-01,2026-10,JPY,-1.25,-200,none,,,\n";
    let (_, said) = company
        .refused(&["invoices", "import", &company.file("late.csv", &late)])
        .await;
    assert!(
        said.contains("line 2") && said.contains("would change nothing"),
        "{said}"
    );
}

/// An invoice that no line names stands in the reconciliation, unexplained, as in the check of the close.
#[tokio::test]
async fn an_invoice_without_a_bill_is_unexplained() {
    let company = october_with("alone", "").await;
    let more = format!(
        "{INVOICES}JP-99,999900001111,Amazon Web Services Japan G.K.,T6011001106696,invoice,,2026-11-20,2026-10,JPY,50.00,8000,none,,,\n"
    );
    company
        .refused(&["invoices", "import", &company.file("invoices.csv", &more)])
        .await;
    let told = company
        .installation
        .run(&["reconcile", "2026-10", "--format", "csv"])
        .await;
    assert_eq!(told.status.code(), Some(3));
    let steps = stdout(&told);
    assert!(
        steps.contains("invoice net,JP-99,50,8000") && steps.contains("unexplained,JP-99,-50,-8000"),
        "{steps}"
    );
}

/// 50 USD at the 160.1 that the invoice prints are 8,005 yen.  Typed with another digit it is another rate.
#[tokio::test]
async fn the_printed_rate_checks_what_is_typed() {
    let company = october_with("printed", "").await;
    let with_rate = |net_jpy: &str| {
        let mut lines = INVOICES.lines();
        let header = format!("{},printed_rate\n", lines.next().unwrap());
        let rows: String = lines
            .map(|line| match line.contains(",8005,") {
                true => format!("{},160.1\n", line.replace(",8005,", &format!(",{net_jpy},"))),
                false => format!("{line},\n"),
            })
            .collect();
        company.file(&format!("{net_jpy}.csv"), &format!("{header}{rows}"))
    };
    let (code, said) = company.refused(&["invoices", "import", &with_rate("9005")]).await;
    assert!(
        code == Some(3) && said.contains("it prints 160.1 yen for a dollar, by which its net is 8005 JPY"),
        "{said}"
    );
    let month = company.json(&["chargeback", "preview", "2026-10"]).await;
    assert!(month["findings"].to_string().contains("invoice_rate_odd"), "{month}");
    for id in ["EUINJP26-100", "EUINJP26-200", "USINV26-300"] {
        company.run(&["invoices", "remove", id]).await;
    }
    company.run(&["invoices", "import", &with_rate("8005")]).await;
    let listed = company.json(&["invoices", "list", "2026-10"]).await;
    assert!(listed.to_string().contains("160.1"), "{listed}");
}
