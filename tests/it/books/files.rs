//! The files of October, as finance gets them.

use std::io::Cursor;
use std::process::Command;

use calamine::{Data, Reader, Xlsx};

use crate::books::company::Company;
use crate::books::october::{INVOICES, october_with};
use crate::support::{left_out, stderr};

const JOURNAL: &str = "[journal]\ntext = 'Claude {month} {department}'\n[[journal.sources]]\nsource_department = 'it'\naccount_code = '7101'\naccount_codes = { '未収入金' = '1180', '未払金' = '2150' }\n";

async fn closed(name: &str, settings: &str) -> Company {
    let company = october_with(name, settings).await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    company
}

async fn bytes(company: &Company, arguments: &[&str]) -> Vec<u8> {
    let all = [&["chargeback", "export", "2026-10", "-o", "-"], arguments].concat();
    let output = company.installation.run(&all).await;
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    output.stdout
}

async fn text(company: &Company, arguments: &[&str]) -> String {
    String::from_utf8(bytes(company, arguments).await).unwrap()
}

/// Without tax: sales 13,816 - 1,013 = 12,803, engineering 7,546 - 507 = 7,039; research, 5,336, is another company's.
#[tokio::test]
async fn a_journal_moves_what_each_department_is_charged() {
    let company = closed("journal", JOURNAL).await;
    let (_, said) = company
        .refused(&["chargeback", "export", "2026-10", "--as", "journal:freee"])
        .await;
    assert!(said.contains("several legal entities (JP01, JP02)"), "{said}");
    let own = text(&company, &["--as", "journal:freee", "--legal-entity", "JP01"]).await;
    let lines: Vec<&str> = own.trim_start_matches('\u{feff}').split("\r\n").collect();
    assert_eq!(
        lines,
        [
            "[表題行],日付,伝票番号,決算整理仕訳,借方勘定科目,借方科目コード,借方補助科目,借方取引先,借方取引先コード,借方部門,借方品目,借方メモタグ,借方セグメント1,借方セグメント2,借方セグメント3,借方金額,借方税区分,借方税額,貸方勘定科目,貸方科目コード,貸方補助科目,貸方取引先,貸方取引先コード,貸方部門,貸方品目,貸方メモタグ,貸方セグメント1,貸方セグメント2,貸方セグメント3,貸方金額,貸方税区分,貸方税額,摘要",
            "[明細行],2026/10/31,100131,,クラウド利用料,7101,,,,開発本部,,,,,,7039,対象外,0,クラウド利用料,7101,,,,情報システム部,,,,,,7039,対象外,0,Claude 2026年10月分 開発本部",
            "[明細行],2026/10/31,100131,,クラウド利用料,7101,,,,営業部,,,,,,12803,対象外,0,クラウド利用料,7101,,,,情報システム部,,,,,,12803,対象外,0,Claude 2026年10月分 営業部",
            // What the other company owes.
            "[明細行],2026/10/31,100131,,未収入金,1180,,JP02,,,,,,,,5336,対象外,0,クラウド利用料,7101,,,,情報システム部,,,,,,5336,対象外,0,Claude 2026年10月分 JP02",
            "",
        ]
    );
    let other = text(&company, &["--as", "journal:freee", "--legal-entity", "JP02"]).await;
    assert!(
        other.contains("クラウド利用料,7101,,,,研究所,,,,,,5336,対象外,0,未払金,2150,,JP01,,,,,,,,5336,対象外,0,Claude 2026年10月分 研究所\r\n"),
        "{other}"
    );
    // The same bytes again, with a warning; a date of its own is another file.
    let again = company
        .installation
        .run(&[
            "chargeback",
            "export",
            "2026-10",
            "--as",
            "journal:freee",
            "--legal-entity",
            "JP01",
            "-o",
            "-",
        ])
        .await;
    assert_eq!(String::from_utf8(again.stdout.clone()).unwrap(), own);
    assert!(stderr(&again).contains("exported 1 times before"), "{}", stderr(&again));
    let dated = text(
        &company,
        &[
            "--as",
            "journal:freee",
            "--legal-entity",
            "JP01",
            "--posting-date",
            "2026-11-06",
        ],
    )
    .await;
    assert!(dated.contains("2026/11/06,100131"));
}

/// 1.3 says how shared amounts were split: the shares of a column on a bill add up to one, and the amounts stay those of 1.2.
#[tokio::test]
async fn focus_1_3_says_how_shared_cost_was_split() {
    let company = closed("focus-1-3", "").await;
    let read = |text: String| -> Vec<std::collections::BTreeMap<String, String>> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        reader.deserialize().map(Result::unwrap).collect()
    };
    let older = read(text(&company, &["--as", "focus-csv"]).await);
    let newer = read(text(&company, &["--as", "focus-1.3-csv"]).await);
    assert_eq!(newer.len(), older.len());
    let cost =
        |row: &std::collections::BTreeMap<String, String>| row["BilledCost"].parse::<rust_decimal::Decimal>().unwrap();
    assert_eq!(
        newer.iter().map(cost).sum::<rust_decimal::Decimal>(),
        rust_decimal::Decimal::from(26_698)
    );
    let mut shares: std::collections::BTreeMap<(String, String), rust_decimal::Decimal> = Default::default();
    for row in &newer {
        // What 1.2 says stays; the providers are told apart and are never empty.
        assert!(!row["ServiceProviderName"].is_empty() && row["ProviderName"] == row["ServiceProviderName"]);
        let is_usage = row["ChargeCategory"] == "Usage";
        assert_eq!(row["SkuPriceId"].is_empty(), !is_usage);
        assert_eq!(row["PricingQuantity"].is_empty(), !is_usage);
        let details = &row["AllocatedMethodDetails"];
        assert_eq!(details.is_empty(), row["AllocatedMethodId"].is_empty());
        assert_eq!(row["AllocatedResourceId"].is_empty(), row["AllocatedTags"].is_empty());
        if row["x_AllocationColumn"] == "direct" {
            assert!(details.is_empty());
            continue;
        }
        let details: serde_json::Value = serde_json::from_str(details).unwrap();
        let ratio = details["Elements"][0]["AllocatedRatio"]
            .to_string()
            .parse::<rust_decimal::Decimal>()
            .unwrap();
        let origin = (row["InvoiceId"].clone(), row["x_AllocationColumn"].clone());
        *shares.entry(origin).or_default() += ratio;
        let tags: serde_json::Value = serde_json::from_str(&row["AllocatedTags"]).unwrap();
        assert_eq!(tags["department"], row["x_Department"].as_str());
        assert!(row["AllocatedResourceName"].is_ascii() && !row["x_DepartmentName"].is_ascii());
    }
    assert_eq!(shares.len(), 3, "allocated, credits and tax of the first invoice");
    assert!(
        shares.values().all(|sum| *sum == rust_decimal::Decimal::ONE),
        "{shares:?}"
    );
    let parquet = bytes(&company, &["--as", "focus-1.3"]).await;
    assert!(parquet.starts_with(b"PAR1"));
}

/// Research is JP02's: 33.33 USD of the second invoice, without tax.
#[tokio::test]
async fn what_one_company_owes_the_other_names_the_aws_invoice() {
    let company = closed("intercompany", JOURNAL).await;
    let file = text(&company, &["--as", "intercompany"]).await;
    let lines: Vec<&str> = file.trim_start_matches('\u{feff}').split("\r\n").collect();
    assert_eq!(
        lines,
        [
            "対象月,支払会社,負担会社,利用月,AWS請求書,発行者,登録番号,消費税率,部門コード,部門名,税抜額,消費税,合計",
            "2026-10,JP01,JP02,2026-10,EUINJP26-200,\"Amazon Web Services, Inc.\",T9700150104216,,research,研究所,5336,0,5336",
            "2026-10,JP01,JP02,合計,,,,,,,5336,0,5336",
            "",
        ]
    );
    let english = text(
        &company,
        &["--as", "intercompany", "--language", "en", "--legal-entity", "JP02"],
    )
    .await;
    assert!(
        english.contains("paid_by,owed_by,month_of_use,aws_invoices"),
        "{english}"
    );
    let sheet = bytes(&company, &["--as", "journal:sap.xlsx", "--legal-entity", "JP01"]).await;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(sheet)).unwrap();
    let range = book.worksheet_range_at(0).unwrap().unwrap();
    // A row is one side: engineering is debited, IT is credited.
    let cell = |row, column| range.get_value((row, column)).unwrap().clone();
    assert_eq!((cell(1, 11), cell(1, 12)), (Data::Float(7_039.0), Data::Empty));
    assert_eq!((cell(2, 11), cell(2, 12)), (Data::Empty, Data::Float(7_039.0)));
    assert_eq!(cell(1, 14), Data::String("0001200".to_owned()));
    assert_eq!(
        [cell(1, 1), cell(2, 1)],
        [Data::String("JP01".to_owned()), Data::String("JP01".to_owned())]
    );
}

/// Gross: with all of the tax, 1,013 and 507.  Net with 30 % of it not deductible: 1,520 x 0.3 = 456; 303.9 and 152.1.
#[tokio::test]
async fn tax_is_charged_by_the_entitys_mode() {
    for (name, tax, sales, engineering) in [
        ("gross", "tax_mode = 'gross'", 13_816, 7_546),
        ("partly", "non_deductible_share = '0.3'", 12_803 + 304, 7_039 + 152),
    ] {
        let settings = format!("{JOURNAL}[[journal.entities]]\nlegal_entity = 'JP01'\n{tax}\n");
        let company = closed(name, &settings).await;
        let journal = text(&company, &["--as", "journal:sap", "--legal-entity", "JP01"]).await;
        for amount in [sales, engineering] {
            assert!(
                journal.contains(&format!(",{amount},,対象外,")) && journal.contains(&format!(",,{amount},対象外,")),
                "{name}: {journal}"
            );
        }
    }
}

/// The journal books what AWS is owed: 12,803 + 7,039 of its own departments, 5,336 of JP02's, and the tax of 1,520 that no
/// department is charged.  Nothing is kept visible, so it is the statement.
#[tokio::test]
async fn what_aws_is_owed_is_booked_whole() {
    let settings = "[journal]\n[[journal.sources]]\nsource_department = 'it'\naccount_code = '7101'\nvendor_liability = 'anbun'\n\
        account_codes = { '未払金' = '2100', '仮払消費税' = '1190', '未収入金' = '1180' }\n";
    let company = closed("owed", settings).await;
    let journal = text(&company, &["--as", "journal:sap", "--legal-entity", "JP01"]).await;
    assert_eq!(
        balances(&journal),
        [
            ("1180".to_owned(), 5_336),
            ("1190".to_owned(), 1_520),
            ("2100".to_owned(), -26_698),
            ("7101".to_owned(), 12_803 + 7_039)
        ],
        "{journal}"
    );
    assert_eq!(5_336 + 1_520 + 12_803 + 7_039, 26_698);
}

/// Debits less credits of a sheet, by account; what comes to nothing is left out.
fn balances(journal: &str) -> Vec<(String, i64)> {
    let mut by_account: std::collections::BTreeMap<String, i64> = std::collections::BTreeMap::new();
    for line in journal.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let amount = |at: usize| cells[at].parse::<i64>().unwrap_or_default();
        *by_account.entry(cells[9].to_owned()).or_default() += amount(11) - amount(12);
    }
    by_account.into_iter().filter(|(_, balance)| *balance != 0).collect()
}

/// A company's own template, and accounts of its own for what moves between departments; the second invoice's tax is declared by
/// the buyer: 50 USD for 8,005 yen are the base of its return.
#[tokio::test]
async fn a_template_of_ones_own_and_transfer_accounts() {
    let company = october_with("template", "").await;
    let template = company.file(
        "pca.toml",
        "name = 'pca'\nencoding = 'utf-8'\nheader = true\ndate_format = '%Y%m%d'\ntext_max = 60\n\
         columns = [{ header = '日付', value = '{date}', required = true }, { header = '借方', value = '{debit_account}' }, \
         { header = '部門', value = '{debit_department_code}' }, { header = '貸方', value = '{credit_account}' }, \
         { header = '金額', value = '{amount}' }]\n",
    );
    company.installation.settings(&format!(
        "[close]\ntwo_person = false\n[journal]\ntemplates = ['{template}']\n[[journal.sources]]\nsource_department = 'it'\n\
         style = 'transfer_account'\n"
    ));
    let reversed = INVOICES.replacen("8005,none", "8005,reverse_charge", 1);
    company
        .run(&["invoices", "import", &company.file("invoices.csv", &reversed)])
        .await;
    let steps = company.run(&["reconcile", "2026-10", "--format", "csv"]).await;
    assert!(
        steps.contains("beside: base of the reverse charge,EUINJP26-200,50,8005"),
        "{steps}"
    );
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    let journal = text(&company, &["--as", "journal:pca", "--legal-entity", "JP01"]).await;
    let lines: Vec<&str> = journal.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "日付,借方,部門,貸方,金額",
            "20261031,部門間振替費,0001200,部門間振替収益,7039",
            "20261031,部門間振替費,0001300,部門間振替収益,12803",
        ]
    );
}

#[tokio::test]
async fn every_preset_writes_what_its_system_reads() {
    let company = closed("presets", JOURNAL).await;
    let cp932 = |bytes: Vec<u8>| {
        let (text, _, is_damaged) = encoding_rs::SHIFT_JIS.decode(&bytes);
        assert!(!is_damaged);
        text.into_owned()
    };
    let own = ["--legal-entity", "JP01"];
    let with = |preset: &'static str| ["--as", preset, own[0], own[1]];
    let obc = cp932(bytes(&company, &with("journal:obc")).await);
    assert!(
        obc.starts_with("OBCD001,CSJS005,CSJS007,")
            && obc.contains("\r\n*,2026/10/31,100131,Claude 2026年10月分 開発本部,0001200,7101,"),
        "{obc}"
    );
    // No header; the lines of one slip are marked as first, middle and last.
    let yayoi = cp932(bytes(&company, &with("journal:yayoi")).await);
    let flags: Vec<&str> = yayoi.lines().map(|line| &line[..4]).collect();
    assert_eq!(flags, ["2110", "2100", "2101"]);
    assert!(yayoi.lines().all(|line| line.split(',').count() == 25));
    let moneyforward = text(&company, &with("journal:moneyforward")).await;
    assert!(
        moneyforward.lines().all(|line| line.split(',').count() == 27),
        "{moneyforward}"
    );
    let (_, said) = company
        .refused(&["chargeback", "export", "2026-10", "--as", "journal:pca"])
        .await;
    assert!(
        said.contains("no journal template 'pca'; there are freee, moneyforward, obc, yayoi, sap"),
        "{said}"
    );

    // A department that the system's mappings do not name is refused before anything is written.
    let mappings = company.file("mappings.csv", "system,department,code,name\nfreee,sales,S1,営業\n");
    let settings = format!(
        "[close]\ntwo_person = false\n{}",
        JOURNAL.replace("[journal]\n", &format!("[journal]\nmappings = '{mappings}'\n"))
    );
    company.installation.settings(&settings);
    let (_, said) = company
        .refused(&[
            "chargeback",
            "export",
            "2026-10",
            "--as",
            "journal:freee",
            "--legal-entity",
            "JP01",
        ])
        .await;
    assert!(said.contains("freee has no mapping for department"), "{said}");
}

/// Every sheet says the statement's total, and LibreOffice opens the workbook as it is.
#[tokio::test]
async fn the_workbook_ties_to_the_statement() {
    let company = closed("workbook", JOURNAL).await;
    let file = bytes(&company, &["--as", "xlsx"]).await;
    assert_eq!(bytes(&company, &["--as", "xlsx"]).await, file);
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(file.clone())).unwrap();
    assert_eq!(book.sheet_names(), ["部門別", "モデル別", "仕訳", "前提条件"]);
    let mut sum_of = |sheet: &str, except: &str| {
        let range = book.worksheet_range(sheet).unwrap();
        let last = range.width() - 1;
        let rows = range
            .rows()
            .skip(1)
            .filter(|row| row[0] != Data::String(except.to_owned()));
        rows.map(|row| {
            if let Data::Float(amount) = row[last] {
                amount
            } else {
                0.0
            }
        })
        .sum::<f64>()
    };
    let near = |found: f64, expected: i32| {
        assert!(
            (found - f64::from(expected)).abs() < 0.5,
            "{found} instead of {expected}"
        )
    };
    near(sum_of("部門別", ""), 26_698);
    near(sum_of("モデル別", ""), 26_698);
    // 7,039 + 12,803 + 5,336 in the paying company, 5,336 in the other.
    near(sum_of("仕訳", ""), 25_178 + 5_336);
    // What the journals move, and what makes no line, add up to the month.
    let assumptions = book.worksheet_range("前提条件").unwrap();
    let tied = |item: &str, entity: &str| {
        let is = |cell: &Data, text: &str| match cell {
            Data::Empty => text.is_empty(),
            Data::String(shown) => shown == text,
            _ => false,
        };
        let found = assumptions
            .rows()
            .find(|row| is(&row[0], item) && is(&row[1], entity) && is(&row[2], "仕訳の突合"));
        match &found.unwrap_or_else(|| panic!("{item} of {entity}"))[4] {
            Data::Float(amount) => *amount,
            other => panic!("{other:?}"),
        }
    };
    // JP01 is charged 13,816 + 7,546; 1,520 of it is tax that is booked elsewhere.
    near(tied("振替額", "JP01") + tied("別途計上の消費税", "JP01"), 21_362);
    near(tied("会社への請求額", "JP01"), 21_362);
    near(tied("月次合計", ""), 26_698);
    let steps: Vec<String> = assumptions.rows().map(|row| row[0].to_string()).collect();
    assert!(
        steps.contains(&"請求書 税抜額".to_owned()) && !steps.contains(&"invoice net".to_owned()),
        "{steps:?}"
    );
    // Codes are text: leading zeros stay.
    let departments = book.worksheet_range("部門別").unwrap();
    assert_eq!(departments.get_value((1, 2)), Some(&Data::String("0001300".to_owned())));
    let people = bytes(&company, &["--as", "xlsx", "--with-people", "--language", "en"]).await;
    let mut with_people: Xlsx<_> = Xlsx::new(Cursor::new(people)).unwrap();
    assert_eq!(
        with_people.sheet_names(),
        ["departments", "models", "people", "journal", "assumptions"]
    );
    let range = with_people.worksheet_range("people").unwrap();
    let names: Vec<&Data> = range.rows().map(|row| &row[1]).collect();
    assert!(names.contains(&&Data::String("佐藤 花子".to_owned())));
    let noted: i64 =
        sqlx::query_scalar("select count(*) from personal_data_reads where question = 'workbook 2026-10 with people'")
            .fetch_one(&company.installation.database.pool)
            .await
            .unwrap();
    assert_eq!(noted, 1);

    let path = company.folder.join("book.xlsx");
    std::fs::write(&path, file).unwrap();
    let profile = format!(
        "-env:UserInstallation=file://{}",
        company.folder.join("office").display()
    );
    let convert = Command::new("soffice")
        .args([
            profile.as_str(),
            "--headless",
            "--convert-to",
            "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,1",
            "--outdir",
        ])
        .arg(&company.folder)
        .arg(&path)
        .output();
    match convert {
        Ok(output) => {
            assert!(output.status.success(), "{}", stderr(&output));
            let read: Vec<_> = std::fs::read_dir(&company.folder)
                .unwrap()
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect();
            let csv = read
                .iter()
                .find(|path| {
                    path.extension().is_some_and(|e| e == "csv") && path.display().to_string().contains("book")
                })
                .unwrap();
            let csv = std::fs::read_to_string(csv).unwrap();
            assert!(csv.contains("0001300") && csv.contains("13816"), "{csv}");
        }
        Err(_) => {
            assert!(std::env::var_os("CI").is_none(), "LibreOffice is missing");
            left_out("LibreOffice is not there to open the workbook");
        }
    }
}

#[tokio::test]
async fn the_csv_opens_in_excel_and_is_no_formula() {
    let company = closed("csv", "").await;
    let csv = text(&company, &["--as", "csv"]).await;
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(
        lines,
        [
            "\u{feff}対象月,区分,部門コード,部門名,原価センタ,会社,直課,配賦,その他,割引,クレジット,返金,消費税,調整,概算計上,合計,通貨",
            "2026-10,部門,sales,営業部,0001300,JP01,12269,1067,0,0,-533,0,1013,0,0,13816,JPY",
            "2026-10,部門,engineering,開発本部,0001200,JP01,6773,533,0,0,-267,0,507,0,0,7546,JPY",
            "2026-10,部門,research,研究所,0002100,JP02,5336,0,0,0,0,0,0,0,0,5336,JPY",
            "2026-10,請求小計,,,,,24378,1600,0,0,-800,0,1520,0,0,26698,JPY",
            "2026-10,合計,,,,,,,,,,,,,,26698,JPY",
            "",
        ]
    );
    let (_, said) = company
        .refused(&["chargeback", "export", "2026-09", "--as", "csv"])
        .await;
    assert!(said.contains("2026-09 is open"), "{said}");
}

/// The FOCUS file adds up to the statement, names nobody, and the validator finds nothing but what contradicts itself.
#[tokio::test]
async fn the_focus_file_is_valid() {
    let company = closed("focus", "").await;
    let csv = text(&company, &["--as", "focus-csv"]).await;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let sum = |column: &str| -> rust_decimal::Decimal {
        records
            .iter()
            .map(|row| row[at(column)].parse::<rust_decimal::Decimal>().unwrap())
            .sum()
    };
    assert_eq!(
        (sum("BilledCost"), sum("x_BilledAmount")),
        (26_698.into(), rust_decimal::Decimal::new(16_684, 2))
    );
    assert!(!csv.contains("sato") && !csv.contains("佐藤") && !csv.contains("p1"));

    let Some(validator) = std::env::var_os("ANBUN_TEST_FOCUS_VALIDATOR").map(std::path::PathBuf::from) else {
        left_out("focus-validator is not there: the FOCUS file is checked for its sums only");
        return;
    };
    let path = company.folder.join("focus.parquet");
    std::fs::write(&path, bytes(&company, &["--as", "focus"]).await).unwrap();
    // It looks for its rules below its working folder.
    let packages = Command::new(validator.with_file_name("python"))
        .args([
            "-c",
            "import focus_validator, os; print(os.path.dirname(os.path.dirname(focus_validator.__file__)))",
        ])
        .output()
        .unwrap();
    let report = Command::new(&validator)
        .current_dir(String::from_utf8(packages.stdout).unwrap().trim())
        .arg("--data-file")
        .arg(&path)
        .args([
            "--validate-version",
            "1.2",
            "--focus-dataset",
            "CostAndUsage",
            "--block-download",
            "--output-type",
            "console",
        ])
        .output()
        .unwrap();
    let report = format!("{}{}", String::from_utf8_lossy(&report.stdout), stderr(&report));
    // It exits 0 whatever it finds, so its report is read.  InvoiceId may be neither null nor not null by its rules.
    assert!(report.contains("| Pass: "), "{report}");
    let failed: Vec<&str> = report.lines().filter(|line| line.contains(": FAIL ")).collect();
    assert!(
        failed.iter().all(|line| line.contains("InvoiceId-C-004-C")),
        "{failed:#?}"
    );
}
