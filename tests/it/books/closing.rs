//! What may not happen around a close.

use crate::books::company::{Company, DIRECTORY, Line};
use crate::books::october::{INVOICES, RULES, bill, line, october, october_with};

const JOURNAL: &str = "[journal]\n[[journal.sources]]\nsource_department = 'it'\n";

async fn total(company: &Company, period: &str) -> String {
    let month = company.json(&["chargeback", "preview", period]).await;
    month["total"]["amount"].as_str().unwrap().to_owned()
}

async fn journal(company: &Company, more: &[&str]) -> String {
    let all = [
        &[
            "chargeback",
            "export",
            "2026-10",
            "--as",
            "journal:yayoi",
            "--encoding",
            "utf-8",
            "--legal-entity",
            "JP01",
            "-o",
            "-",
        ],
        more,
    ]
    .concat();
    company.run(&all).await
}

/// Number, date, amount and debit department of each line.
fn lines(journal: &str) -> Vec<(String, String, String, String)> {
    let cells = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        (
            cells[1].to_owned(),
            cells[3].to_owned(),
            cells[8].to_owned(),
            cells[6].to_owned(),
        )
    };
    journal.lines().map(cells).collect()
}

fn cell(number: &str, date: &str, amount: &str, department: &str) -> (String, String, String, String) {
    (
        number.to_owned(),
        date.to_owned(),
        amount.to_owned(),
        department.to_owned(),
    )
}

/// Closing a final month again is no way around reopening it.
#[tokio::test]
async fn a_final_month_is_not_closed_into_something_else() {
    let company = october("final-again").await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    let close = ["chargeback", "close", "2026-10", "--to", "final"];
    company.run(&close).await;
    let before = total(&company, "2026-10").await;
    let keep = "pool,method,members,fallback,legal_entity,valid_from,valid_to\ntax,keep,,,,2026-04,\n";
    company
        .run(&["allocation", "import", &company.file("keep.csv", keep)])
        .await;
    let again = company.json(&close).await;
    assert_eq!(
        (again["statement"]["version"].as_i64(), total(&company, "2026-10").await),
        (Some(1), before)
    );
    // Nor is it taken away.
    let source: String = sqlx::query_scalar("select name from sources")
        .fetch_one(&company.installation.database.pool)
        .await
        .unwrap();
    let (_, said) = company
        .refused(&["ingest", "forget", &source, "--period", "2026-10"])
        .await;
    assert!(said.contains("2026-10 is final"), "{said}");
}

/// The directory moved on while the month was final: reopened, it follows.
#[tokio::test]
async fn a_reopened_month_follows_the_directory() {
    let company = october("reopened").await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    let gateway = DIRECTORY[2].1.replace("*,*,,,,gateway", "*,*,,engineering,,gateway");
    company
        .run(&["directory", "import", &company.file("principals.csv", &gateway)])
        .await;
    let direct =
        |rows: &[(String, [String; 8])]| rows.iter().find(|(code, _)| code == "engineering").unwrap().1[0].clone();
    let sealed = direct(&company.rows("2026-10").await);
    company
        .run(&[
            "chargeback",
            "reopen",
            "2026-10",
            "--reason",
            "the gateway is engineering's",
        ])
        .await;
    assert_ne!(direct(&company.rows("2026-10").await), sealed);
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
}

/// v1 is posted, reopened, and closed as v2: the file takes v1 back and posts v2, so that the books hold v2 once.
#[tokio::test]
async fn a_posted_version_is_taken_back_by_the_next() {
    let company = october_with("superseded", JOURNAL).await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    let first = lines(&journal(&company, &[]).await);
    assert_eq!(first[0], cell("100131", "2026/10/31", "7039", "開発本部"));
    company
        .run(&["chargeback", "posted", "2026-10", "--slip", "100131"])
        .await;
    company
        .run(&["chargeback", "reopen", "2026-10", "--reason", "tax is cost"])
        .await;
    let settings = format!(
        "[close]\ntwo_person = false\n{JOURNAL}[[journal.entities]]\nlegal_entity = 'JP01'\ntax_mode = 'gross'\n"
    );
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    // Another statement would be the same as the first; what is booked of it is not.
    let second = lines(&journal(&company, &[]).await);
    let half = second.len() / 2;
    assert_eq!(second.len(), 2 * first.len());
    assert_eq!(second[0], cell("100141", "2026/10/31", "7039", "情報システム部"));
    assert_eq!(second[half], cell("100231", "2026/10/31", "7039", "開発本部"));
    // A file that was made by other settings is another file.
    company.installation.settings(&settings);
    let gross = lines(&journal(&company, &[]).await);
    assert_eq!(gross[half], cell("100231", "2026/10/31", "7546", "開発本部"));
    // What is taken back is what was posted, not what the same statement would be booked as today.
    assert_eq!(gross[0], cell("100141", "2026/10/31", "7039", "情報システム部"));
}

/// Both entities post v1, only JP01 posts v2: of v3 JP01's file takes v2 back, and JP02's still v1.
#[tokio::test]
async fn each_entity_takes_back_what_its_own_books_hold() {
    let company = october_with("own-books", JOURNAL).await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    let close = ["chargeback", "close", "2026-10", "--to", "final"];
    let file_of = async |entity: &str| {
        let export = [
            "chargeback",
            "export",
            "2026-10",
            "--as",
            "journal:yayoi",
            "-o",
            "-",
            "--legal-entity",
            entity,
        ];
        lines(&company.run(&export).await)
    };
    let post = async |entity: &str, slip: &str| {
        let posted = [
            "chargeback",
            "posted",
            "2026-10",
            "--slip",
            slip,
            "--legal-entity",
            entity,
        ];
        company.run(&posted).await;
    };
    let close_anew = async |tax: &str| {
        company
            .run(&["chargeback", "reopen", "2026-10", "--reason", "a rule"])
            .await;
        let rules = RULES.replace("tax,proportional,,it", tax);
        company
            .run(&["allocation", "import", &company.file("rules.csv", &rules)])
            .await;
        company.run(&close).await;
    };
    company.run(&close).await;
    for entity in ["JP01", "JP02"] {
        file_of(entity).await;
        post(entity, "100131").await;
    }
    close_anew("tax,keep,,").await;
    file_of("JP01").await;
    post("JP01", "100231").await;
    close_anew("tax,proportional,,it").await;
    let numbers = |lines: Vec<(String, String, String, String)>| -> Vec<String> {
        let mut numbers: Vec<String> = lines.into_iter().map(|line| line.0).collect();
        numbers.dedup();
        numbers
    };
    // JP01's books hold the first and the second: what took back the first was not posted.
    assert_eq!(numbers(file_of("JP01").await), ["100141", "100241", "100331"]);
    assert_eq!(numbers(file_of("JP02").await), ["100141", "100331"]);
}

/// v2's file is made before somebody says that v1 is in the books: from then on it is another file, which takes v1 back.
#[tokio::test]
async fn what_is_posted_late_is_still_taken_back() {
    let company = october_with("posted-late", JOURNAL).await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    let close = ["chargeback", "close", "2026-10", "--to", "final"];
    company.run(&close).await;
    company
        .run(&["chargeback", "reopen", "2026-10", "--reason", "a rule"])
        .await;
    let keep = RULES.replace("tax,proportional,,it", "tax,keep,,");
    company
        .run(&["allocation", "import", &company.file("keep.csv", &keep)])
        .await;
    company.run(&close).await;
    let alone = lines(&journal(&company, &[]).await);
    assert!(alone.iter().all(|line| line.0 == "100231"), "{alone:?}");

    let posted = ["chargeback", "posted", "2026-10", "--slip"];
    company
        .run(&[&posted[..], &["100131", "--statement", "1"]].concat())
        .await;
    let export = [
        "chargeback",
        "export",
        "2026-10",
        "--as",
        "journal:yayoi",
        "--legal-entity",
        "JP01",
        "-o",
        "-",
    ];
    let (_, said) = company.refused(&export).await;
    assert!(said.contains("export its journal first, with --statement 1"), "{said}");
    let first = lines(&journal(&company, &["--statement", "1"]).await);
    let both = lines(&journal(&company, &[]).await);
    assert_eq!(both.len(), first.len() + alone.len());
    assert_eq!(both[0].0, "100141");

    // The month is locked when the books hold every slip of it, and no other.
    let (_, said) = company.refused(&[&posted[..], &["100239"]].concat()).await;
    assert!(said.contains("100141, 100231"), "{said}");
    company.run(&[&posted[..], &["100231"]].concat()).await;
    let (_, said) = company.refused(&["chargeback", "lock", "2026-10"]).await;
    assert!(said.contains("100141 of JP01"), "{said}");
    company.run(&[&posted[..], &["100141"]].concat()).await;

    // Research is JP02's: its books hold its own journal before nobody can change the month any more.
    let (_, said) = company.refused(&["chargeback", "lock", "2026-10"]).await;
    assert!(said.contains("the journal of JP02"), "{said}");
    let receiver = export.map(|word| if word == "JP01" { "JP02" } else { word });
    company.run(&[&receiver[..], &["--statement", "1"]].concat()).await;
    company.run(&receiver).await;
    let (_, said) = company.refused(&["chargeback", "lock", "2026-10"]).await;
    assert!(said.contains("100231 of JP02"), "{said}");
    company
        .run(&[&posted[..], &["100231", "--slip", "100141", "--legal-entity", "JP02"]].concat())
        .await;
    company.run(&["chargeback", "lock", "2026-10"]).await;
}

/// The accrual is in October's books: the actual goes to November, or October has the cost twice.
#[tokio::test]
async fn an_actual_after_a_posted_accrual_has_a_later_date() {
    let company = october_with("accrual", JOURNAL).await;
    company
        .run(&["chargeback", "close", "2026-10", "--to", "provisional"])
        .await;
    let accrual = lines(&journal(&company, &[]).await);
    let dates: Vec<(&str, &str)> = accrual.iter().map(|line| (line.0.as_str(), line.1.as_str())).collect();
    assert_eq!(
        (dates[0], *dates.last().unwrap()),
        (("100111", "2026/10/31"), ("100121", "2026/11/01"))
    );
    company
        .run(&["chargeback", "posted", "2026-10", "--slip", "100111"])
        .await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    let export = [
        "chargeback",
        "export",
        "2026-10",
        "--as",
        "journal:yayoi",
        "--legal-entity",
        "JP01",
        "-o",
        "-",
    ];
    let (_, said) = company.refused(&export).await;
    assert!(said.contains("give the actual a --posting-date"), "{said}");
    assert!(
        journal(&company, &["--posting-date", "2026-11-06"])
            .await
            .contains("2026/11/06")
    );
}

#[tokio::test]
async fn invoices_that_do_not_fit_are_named() {
    let company = october("odd-invoices").await;
    let elsewhere = INVOICES.replace("USINV26-300", "USINV26-999");
    let (code, said) = company
        .refused(&["invoices", "import", &company.file("elsewhere.csv", &elsewhere)])
        .await;
    assert!(
        code == Some(3) && said.contains("no line of the bill names it"),
        "{said}"
    );
    let (_, said) = company
        .refused(&["chargeback", "close", "2026-10", "--to", "final"])
        .await;
    assert!(said.contains("unexplained") && said.contains("invoices"), "{said}");
    company.run(&["invoices", "remove", "USINV26-999"]).await;
    let header = INVOICES.lines().next().unwrap();
    let third = INVOICES.lines().nth(3).unwrap().trim_start();
    company
        .run(&[
            "invoices",
            "import",
            &company.file("third.csv", &format!("{header}\n{third}\n")),
        ])
        .await;
    // The same one twice, and one that corrects the second: 8,105 yen instead of 8,005.
    let (code, said) = company
        .refused(&[
            "invoices",
            "import",
            &company.file("again.csv", &format!("{header}\n{third}\n")),
        ])
        .await;
    assert!(code == Some(1) && said.contains("recorded already"), "{said}");
    let before: i64 = total(&company, "2026-10").await.parse().unwrap();
    let corrected = "EUINJP26-201,999900001111,\"Amazon Web Services, Inc.\",T9700150104216,corrected,EUINJP26-200,2026-11-20,2026-10,JPY,50.00,8105,none,,,";
    company
        .run(&[
            "invoices",
            "import",
            &company.file("corrected.csv", &format!("{header}\n{corrected}\n")),
        ])
        .await;
    assert_eq!(total(&company, "2026-10").await, (before + 100).to_string());
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    assert_eq!(
        company.json(&["reconcile", "2026-10"]).await["unexplained"]["amount"],
        "0"
    );
    for (name, row, expected) in [
        (
            "tax",
            "X1,1,S,,invoice,,2026-11-02,2026-10,JPY,100,16000,charged,0.10,10,16000",
            "is about 1600 yen",
        ),
        (
            "none",
            "X1,1,S,,invoice,,2026-11-02,2026-10,JPY,100,16000,none,0.10,0,1600",
            "is 'charged' and not 'none'",
        ),
    ] {
        let (_, said) = company
            .refused(&["invoices", "import", &company.file(name, &format!("{header}\n{row}\n"))])
            .await;
        assert!(said.contains(expected), "{said}");
    }
}

/// Names are in no kept file, and a cell of a session is no formula.
#[tokio::test]
async fn no_name_is_kept() {
    let company = october("names").await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    company
        .run(
            &[
                "chargeback",
                "export",
                "2026-10",
                "--as",
                "xlsx",
                "--with-people",
                "-o",
                "-",
            ]
            .map(|a| if a == "-" { "/dev/null" } else { a }),
        )
        .await;
    let kept: i64 = sqlx::query_scalar("select count(*) from exported_files")
        .fetch_one(&company.installation.database.pool)
        .await
        .unwrap();
    assert_eq!(kept, 0);
    let mut lines: Vec<Line> = bill();
    lines.push(line("AmazonBedrock", "Usage", "=cmd", 1.0));
    company.run(&["chargeback", "reopen", "2026-10", "--reason", "x"]).await;
    company.deliver("2026-10", &lines).await;
    let csv = company
        .run(&[
            "costs",
            "--from",
            "2026-10-01",
            "--to",
            "2026-11-01",
            "--by",
            "role",
            "--format",
            "csv",
        ])
        .await;
    assert!(csv.contains("\n'=cmd,"), "{csv}");
}

/// Why November is not October: the parts add up.
#[tokio::test]
async fn a_change_has_its_reasons() {
    let company = october("why").await;
    let mut november: Vec<Line> = (1..=30)
        .map(|day| Line {
            day,
            invoice: "",
            ..line("AmazonEC2", "Usage", "", 1.0)
        })
        .collect();
    november.push(Line {
        invoice: "",
        ..line("AmazonBedrock", "Usage", "cowork-sales-sato", 120.0)
    });
    company.deliver("2026-11", &november).await;
    let change = company.json(&["chargeback", "why", "2026-11"]).await;
    let departments = change["departments"].as_array().unwrap();
    assert_eq!(departments.len(), 3);
    for department in departments {
        let amount = |value: &serde_json::Value| {
            value["amount"]
                .as_str()
                .unwrap()
                .parse::<rust_decimal::Decimal>()
                .unwrap()
        };
        let reasons: rust_decimal::Decimal = department["reasons"]
            .as_array()
            .unwrap()
            .iter()
            .map(|reason| amount(&reason["amount"]))
            .sum();
        assert_eq!(reasons, amount(&department["change"]));
    }
    let (code, _) = company.refused(&["chargeback", "why", "2026-10"]).await;
    assert_eq!(code, Some(1));
}

/// The auditor needs no more than sha256sum; what somebody changed in the database is seen.
#[tokio::test]
async fn an_auditor_can_check_the_evidence() {
    let company = october_with("evidence", JOURNAL).await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    company
        .run(&["chargeback", "close", "2026-10", "--to", "provisional"])
        .await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    company
        .run(&["chargeback", "export", "2026-10", "--as", "csv", "-o", "/dev/null"])
        .await;
    company
        .run(&["chargeback", "posted", "2026-10", "--slip", "100231"])
        .await;
    company.run(&["chargeback", "lock", "2026-10"]).await;
    let folder = company.folder.join("evidence");
    let pack = ["chargeback", "evidence", "2026-10", "-o", folder.to_str().unwrap()];
    company.run(&pack).await;
    // What decided, and what each delivery was made of; nobody's name.
    let directory = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut directory = directory.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("directory-"));
    let directory = std::fs::read_to_string(directory.next().unwrap()).unwrap();
    let names = ["佐藤", "sato", "example.com", "llm-gateway", "\"p1\""];
    assert!(
        directory.contains("\"research\"") && !names.iter().any(|name| directory.contains(name)),
        "{directory}"
    );
    let sealed = std::fs::read_to_string(folder.join("statement-v1.txt")).unwrap();
    assert!(sealed.contains("bill-00001.snappy.parquet "), "{sealed}");
    let checked = std::process::Command::new("sha256sum")
        .args(["-c", "--strict", "SHA256SUMS"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(checked.status.success());
    let month: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("month.json")).unwrap()).unwrap();
    let sums = std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    for statement in month["statements"].as_array().unwrap() {
        let line = format!(
            "{}  statement-v{}.txt",
            statement["digest"].as_str().unwrap(),
            statement["version"]
        );
        assert!(sums.contains(&line), "{sums}");
    }
    // The approval is a seal of its own, of the statement and what was posted, and the next link of the chain.
    let locked = &month["statements"][1];
    assert!(sums.contains(&format!("{}  lock-v2.txt", locked["lock_digest"].as_str().unwrap())));
    let lock = std::fs::read_to_string(folder.join("lock-v2.txt")).unwrap();
    let digest = locked["digest"].as_str().unwrap();
    assert!(
        lock.starts_with(&format!("{digest}\n")) && lock.contains("\"slips\":[[\"\",\"100231\"]]"),
        "{lock}"
    );
    assert_eq!(locked["approved_by"], locked["prepared_by"]);
    assert!(lock.contains("one person"), "{lock}");
    let text = std::fs::read_to_string(folder.join("statement-v2.txt")).unwrap();
    assert!(!text.contains("sato") && text.contains("EUINJP26-100"));
    let (_, said) = company.refused(&pack).await;
    assert!(said.contains("is there already"), "{said}");
    sqlx::query("update statement_lines set amount = amount + 1 where line = 0 and statement_id = 2")
        .execute(&company.installation.database.pool)
        .await
        .unwrap();
    let again = company.folder.join("again");
    let (_, said) = company
        .refused(&["chargeback", "evidence", "2026-10", "-o", again.to_str().unwrap()])
        .await;
    assert!(said.contains("of statements [2] is not"), "{said}");
    sqlx::query("update month_locks set record = replace(record, 'approved_by', 'approved_bY')")
        .execute(&company.installation.database.pool)
        .await
        .unwrap();
    sqlx::query("update statement_lines set amount = amount - 1 where line = 0 and statement_id = 2")
        .execute(&company.installation.database.pool)
        .await
        .unwrap();
    let third = company.folder.join("third");
    let (_, said) = company
        .refused(&["chargeback", "evidence", "2026-10", "-o", third.to_str().unwrap()])
        .await;
    assert!(said.contains("of locks [2] is not"), "{said}");
}
