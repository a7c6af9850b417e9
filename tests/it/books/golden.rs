//! Four months of one company, whole: what was billed is below, what comes out of it is in the folder `golden`, and
//! `golden/README.md` does the sums by hand.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use calamine::{Data, Reader, Xlsx};

use crate::books::company::{Company, DIRECTORY, Line, OTHER_PAYER, PAYER};
use crate::books::october::RULES;

const JAPAN: &str = "Amazon Web Services Japan G.K.";
const INC: &str = "Amazon Web Services, Inc.";

const SETTINGS: &str = "[close]\ntwo_person = false\n[journal]\ntext = 'Claude {month} {department}'\n[[journal.sources]]\nsource_department = 'it'\naccount_code = '7101'\naccount_codes = { '未収入金' = '1180', '仮払消費税' = '1190', '未払金' = '2150', '未払費用' = '2151', '仮受消費税' = '2160' }\n";

/// Suzuki has a role of his own that names no department: the person decides.
const ENTRIES: &str = "account_id,role_name,session_name,user_name,person_id,department_code,project_code,kind,valid_from,valid_to\n\
    111122223333,llm-gateway,*,*,,,,gateway,2026-04-01,\n\
    111122223333,dev-suzuki,*,*,p2,,,person,2026-04-01,\n";

const INVOICE_COLUMNS: &str = "invoice_id,payer,seller,registration_number,kind,corrects,issue_date,period,currency,net_usd,net_jpy,treatment,tax_rate,tax_usd,tax_jpy\n";

/// One line of AWS Japan's bill: Bedrock where a role is named, else another service.
fn line(day: u32, invoice: &'static str, charge_type: &'static str, role: &'static str, cost: f64) -> Line {
    let is_bedrock = !role.is_empty() || matches!(charge_type, "Refund" | "Credit");
    Line {
        day,
        payer: PAYER,
        seller: JAPAN,
        invoice,
        product: if is_bedrock { "AmazonBedrock" } else { "AmazonEC2" },
        charge_type,
        role,
        cost,
        is_of_one_day: false,
    }
}

fn bedrock_tax(invoice: &'static str, cost: f64) -> Line {
    Line {
        product: "AmazonBedrock",
        ..line(1, invoice, "Tax", "", cost)
    }
}

/// One dollar of another service on every day up to one.
fn other_service(invoice: &'static str, until: u32) -> Vec<Line> {
    (1..=until).map(|day| line(day, invoice, "Usage", "", 1.0)).collect()
}

fn july() -> Vec<Line> {
    let mut lines = other_service("JP-07", 31);
    lines.extend([
        line(5, "JP-07", "Usage", "cowork-sales-sato", 60.0),
        line(6, "JP-07", "Usage", "dev-suzuki", 30.0),
        line(7, "JP-07", "Usage", "llm-gateway", 10.0),
        bedrock_tax("JP-07", 10.0),
        line(1, "JP-07", "Tax", "", 3.1),
    ]);
    lines
}

fn august() -> Vec<Line> {
    let marketplace = |role, cost| Line {
        seller: INC,
        product: "prod-claude",
        ..line(9, "INC-08", "Usage", role, cost)
    };
    let mut lines = other_service("JP-08", 31);
    lines.extend([
        line(5, "JP-08", "Usage", "cowork-sales-sato", 20.0),
        line(6, "JP-08", "Usage", "dev-suzuki", 10.0),
        bedrock_tax("JP-08", 3.0),
        line(1, "JP-08", "Tax", "", 3.1),
        marketplace("cowork-research-tanaka", 25.5),
        marketplace("cowork-sales-sato", 14.5),
    ]);
    lines
}

fn september() -> Vec<Line> {
    let mut lines = other_service("JP-09", 30);
    lines.extend([
        line(5, "JP-09", "Usage", "cowork-sales-sato", 30.0),
        line(7, "JP-09", "Usage", "llm-gateway", 6.0),
        line(10, "JP-09", "Usage", "dev-suzuki", 10.0),
        line(20, "JP-09", "Usage", "dev-suzuki", 20.0),
        bedrock_tax("JP-09", 6.6),
        line(1, "JP-09", "Tax", "", 3.0),
        Line {
            payer: OTHER_PAYER,
            seller: INC,
            ..line(8, "USD-09", "Usage", "cowork-engineering-suzuki", 7.77)
        },
    ]);
    lines
}

fn october(invoice: &'static str, until: u32) -> Vec<Line> {
    let mut lines = other_service(invoice, until);
    lines.extend([
        line(22, invoice, "Usage", "cowork-sales-sato", 40.0),
        line(23, invoice, "Usage", "dev-suzuki", 15.0),
        line(24, invoice, "Usage", "cowork-research-tanaka", 12.0),
        // Abolished on the first of the month: its roles are its successor's.
        line(25, invoice, "Usage", "cowork-engineering-ito", 10.0),
        line(24, invoice, "Credit", "", -6.0),
    ]);
    if until == 31 {
        lines.extend([
            line(30, invoice, "Usage", "dev-suzuki", 14.0),
            line(31, invoice, "Usage", "cowork-research-tanaka", 14.0),
            bedrock_tax(invoice, 9.9),
            line(1, invoice, "Tax", "", 3.1),
        ]);
    }
    lines
}

/// The folder of expected files.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/books/golden")
}

/// Compares with the expected file of a name; `ANBUN_UPDATE_GOLDEN` writes it anew, to be read before it is committed.
fn expect(name: &str, found: &str) {
    let path = golden().join(name);
    let found = found.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    if std::env::var_os("ANBUN_UPDATE_GOLDEN").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
    for (at, (found, expected)) in (1..).zip(found.lines().zip(expected.lines())) {
        assert_eq!(found, expected, "{name}, line {at}");
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{name}");
}

async fn bytes(company: &Company, period: &str, arguments: &[&str]) -> Vec<u8> {
    let all = [&["chargeback", "export", period, "-o", "-"], arguments].concat();
    let output = company.installation.run(&all).await;
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        crate::support::stderr(&output)
    );
    output.stdout
}

/// Statement and journals of a month.
async fn expect_files(company: &Company, period: &str, version: &str, entities: &[&str], more: &[&str]) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let statement = text(bytes(company, period, &["--as", "csv"]).await);
    expect(&format!("{period}{version}-statement.csv"), &statement);
    for entity in entities {
        let arguments = [&["--as", "journal:sap", "--legal-entity", entity], more].concat();
        let journal = text(bytes(company, period, &arguments).await);
        expect(&format!("{period}{version}-journal-{entity}.csv"), &journal);
    }
}

/// What one legal entity owes the other in a month.
async fn expect_intercompany(company: &Company, period: &str) {
    let file = bytes(company, period, &["--as", "intercompany"]).await;
    expect(&format!("{period}-intercompany.csv"), &String::from_utf8(file).unwrap());
}

/// Every sheet of the month's workbook, cell by cell; what differs from run to run by a word.
async fn expect_workbook(company: &Company, period: &str, more: &[&str]) {
    let file = bytes(company, period, &[&["--as", "xlsx"], more].concat()).await;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(file)).unwrap();
    let mut text = String::new();
    for name in book.sheet_names() {
        text.push_str(&format!("== {name}\n"));
        for row in book.worksheet_range(&name).unwrap().rows() {
            let item = row[0].to_string();
            let varies =
                ["SHA-256", "作成者", "締め日時", "データ時点"].contains(&item.as_str()) || item.starts_with("データ ");
            let cells: Vec<String> = match varies {
                true => vec![item.split(' ').next().unwrap_or_default().to_owned(), "...".to_owned()],
                false => row.iter().map(cell).collect(),
            };
            text.push_str(cells.join("\t").trim_end());
            text.push('\n');
        }
    }
    expect(&format!("{period}-workbook.tsv"), &text);
}

fn cell(cell: &Data) -> String {
    match cell {
        // Yen are whole, dollars as billed.
        Data::Float(number) => number.to_string(),
        Data::DateTime(serial) => {
            let days = chrono::Days::new(format!("{:.0}", serial.as_f64()).parse().unwrap());
            (chrono::NaiveDate::from_ymd_opt(1899, 12, 30).unwrap() + days).to_string()
        }
        other => other.to_string(),
    }
}

async fn expect_reconciled(company: &Company, period: &str) {
    let steps = company.run(&["reconcile", period, "--format", "csv"]).await;
    expect(&format!("{period}-reconciliation.csv"), &steps);
}

async fn post(company: &Company, period: &str, legal_entity: &str, slips: &[&str]) {
    let mut posted = vec!["chargeback", "posted", period, "--legal-entity", legal_entity];
    for slip in slips {
        posted.extend(["--slip", slip]);
    }
    company.run(&posted).await;
}

#[tokio::test]
async fn four_months_of_one_company_are_as_they_are_by_hand() {
    let company = Company::found("golden", SETTINGS).await;
    company
        .run(&["directory", "import", &company.file("principals.csv", ENTRIES)])
        .await;
    company
        .run(&["allocation", "import", &company.file("rules.csv", RULES)])
        .await;
    let rates = "rate_date,kind,value,source\n2026-07-31,ttm,150.00,MUFG\n2026-08-31,ttm,148.00,MUFG\n2026-09-30,ttm,151.50,MUFG\n2026-10-30,ttm,152.00,MUFG\n";
    company
        .run(&["rates", "import", &company.file("rates.csv", rates)])
        .await;
    company
        .run(&["rates", "policy", "set", "--from", "2026-07", "--kind", "ttm"])
        .await;
    let invoices = async |name: &str, rows: &str| {
        let file = company.file(name, &format!("{INVOICE_COLUMNS}{rows}"));
        company.run(&["invoices", "import", &file]).await;
    };
    let close = async |period: &str, to: &str| {
        company.run(&["chargeback", "close", period, "--to", to]).await;
    };

    company.deliver("2026-07", &july()).await;
    invoices("07.csv", "JP-07,999900001111,Amazon Web Services Japan G.K.,T6011001106696,invoice,,2026-08-03,2026-07,JPY,131.00,19650,charged,0.10,13.10,1965\n").await;
    close("2026-07", "final").await;
    expect_files(&company, "2026-07", "", &["JP01"], &[]).await;
    expect_reconciled(&company, "2026-07").await;
    expect_workbook(&company, "2026-07", &[]).await;
    post(&company, "2026-07", "JP01", &["070131"]).await;
    company.run(&["chargeback", "lock", "2026-07"]).await;

    // After July is locked AWS gives 9 dollars back.
    company.deliver("2026-08", &august()).await;
    let mut refunded = july();
    refunded.push(line(5, "JP-07", "Refund", "", -9.0));
    company.deliver("2026-07", &refunded).await;
    invoices("08.csv", "JP-08,999900001111,Amazon Web Services Japan G.K.,T6011001106696,invoice,,2026-09-02,2026-08,JPY,61.00,9034,charged,0.10,6.10,903\n\
        INC-08,999900001111,\"Amazon Web Services, Inc.\",T9700150104216,invoice,,2026-09-03,2026-08,JPY,40.00,5950,none,,,\n").await;
    close("2026-08", "final").await;
    expect_files(&company, "2026-08", "", &["JP01", "JP02"], &[]).await;
    expect_reconciled(&company, "2026-08").await;
    expect_workbook(&company, "2026-08", &[]).await;
    expect_intercompany(&company, "2026-08").await;
    post(&company, "2026-08", "JP01", &["080131", "080161"]).await;
    post(&company, "2026-08", "JP02", &["080131"]).await;
    company.run(&["chargeback", "lock", "2026-08"]).await;

    // Suzuki goes to sales on 16 September; and 500 yen of August were engineering's, not sales'.
    let people = DIRECTORY[1].1.replace(
        "p2,鈴木 一郎,suzuki@example.com,engineering,,2026-04-01,\n",
        "p2,鈴木 一郎,suzuki@example.com,engineering,,2026-04-01,2026-09-16\n\
         p2,鈴木 一郎,suzuki@example.com,sales,,2026-09-16,\n",
    );
    company.deliver("2026-09", &september()).await;
    company
        .run(&["directory", "import", &company.file("people.csv", &people)])
        .await;
    let dispute = [
        "chargeback",
        "reclass",
        "2026-08",
        "--from",
        "sales",
        "--to",
        "engineering",
        "--jpy",
        "500",
        "--reason",
        "the shared role was engineering's",
    ];
    company.run(&dispute).await;
    invoices("09.csv", "JP-09,999900001111,Amazon Web Services Japan G.K.,T6011001106696,invoice,,2026-10-02,2026-09,JPY,96.00,14400,charged,0.10,9.60,1440\n\
        USD-09,888800002222,\"Amazon Web Services, Inc.\",,invoice,,2026-10-03,2026-09,USD,7.77,,none,,,\n").await;
    close("2026-09", "final").await;
    expect_files(&company, "2026-09", "", &["JP01"], &[]).await;
    expect_reconciled(&company, "2026-09").await;
    expect_workbook(&company, "2026-09", &[]).await;
    post(&company, "2026-09", "JP01", &["090131", "090171"]).await;
    company.run(&["chargeback", "lock", "2026-09"]).await;

    // On 1 October engineering is abolished, and platform goes on for it.
    let departments = DIRECTORY[0]
        .1
        .replace("legal_entity,valid_from", "legal_entity,successor_code,valid_from");
    let departments = departments.replace(",2026-04-01,\n", ",,2026-04-01,\n").replace(
        "engineering,Engineering,開発本部,,0001200,JP01,,2026-04-01,\n",
        "engineering,Engineering,開発本部,,0001200,JP01,platform,2026-04-01,2026-10-01\n\
         platform,Platform,基盤部,,0001250,JP01,,2026-10-01,\n",
    );
    company
        .run(&["directory", "import", &company.file("departments.csv", &departments)])
        .await;

    // October: first what is there on the 29th, then all of it.
    company.deliver("2026-10", &october("", 29)).await;
    close("2026-10", "provisional").await;
    expect_files(&company, "2026-10", "-provisional", &["JP01", "JP02"], &[]).await;
    post(&company, "2026-10", "JP01", &["100111", "100121"]).await;
    company.deliver("2026-10", &october("JP-10", 31)).await;
    invoices("10.csv", "JP-10,999900001111,Amazon Web Services Japan G.K.,T6011001106696,invoice,,2026-11-04,2026-10,JPY,130.00,19760,charged,0.10,13.00,1976\n").await;
    close("2026-10", "final").await;
    let dated = ["--posting-date", "2026-11-09"];
    expect_files(&company, "2026-10", "", &["JP01", "JP02"], &dated).await;
    expect_reconciled(&company, "2026-10").await;
    expect_workbook(&company, "2026-10", &dated).await;
    expect_intercompany(&company, "2026-10").await;
    post(&company, "2026-10", "JP01", &["100231"]).await;
    post(&company, "2026-10", "JP02", &["100231"]).await;
    company.run(&["chargeback", "lock", "2026-10"]).await;

    // Whatever is asked in the end, the months say what they said.
    for (period, total) in [
        ("2026-07", "16500"),
        ("2026-08", "9487"),
        ("2026-09", "12067"),
        ("2026-10", "16553"),
    ] {
        let month = company.json(&["chargeback", "preview", period]).await;
        assert_eq!(
            (month["state"].as_str(), month["total"]["amount"].as_str()),
            (Some("locked"), Some(total)),
            "{period}"
        );
    }
}
