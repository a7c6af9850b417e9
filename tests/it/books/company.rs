//! The company of the books, and how its bill is written down.

use std::fs;
use std::path::PathBuf;

use chrono::{Days, Months, NaiveDate};
use serde_json::Value;

use crate::exports::write_columns;
use crate::peers::Installation;
use crate::support::{scratch, stderr, stdout};

/// A line of the bill: day, payer, seller, invoice, product, charge type, caller, cost.
#[derive(Clone)]
pub(crate) struct Line {
    pub day: u32,
    pub payer: &'static str,
    pub seller: &'static str,
    pub invoice: &'static str,
    pub product: &'static str,
    pub charge_type: &'static str,
    /// A role; empty where the bill names no caller.
    pub role: &'static str,
    pub cost: f64,
    /// A credit or discount of its day, and not of its month.
    pub is_of_one_day: bool,
}

pub(crate) const PAYER: &str = "999900001111";
pub(crate) const OTHER_PAYER: &str = "888800002222";

/// The company: two legal entities, one person in each department, a gateway that many use.
pub(crate) const DIRECTORY: [(&str, &str); 4] = [
    (
        "departments.csv",
        "code,name,name_ja,parent_code,cost_center,legal_entity,valid_from,valid_to\n\
         sales,Sales,営業部,,0001300,JP01,2026-04-01,\n\
         engineering,Engineering,開発本部,,0001200,JP01,2026-04-01,\n\
         it,IT,情報システム部,,0001600,JP01,2026-04-01,\n\
         research,Research,研究所,,0002100,JP02,2026-04-01,\n",
    ),
    (
        "people.csv",
        "person_id,name,email,department_code,manager_person_id,valid_from,valid_to\n\
         p1,佐藤 花子,sato@example.com,sales,,2026-04-01,\n\
         p2,鈴木 一郎,suzuki@example.com,engineering,,2026-04-01,\n\
         p3,田中 実,tanaka@example.com,research,,2026-04-01,\n",
    ),
    (
        "principals.csv",
        "account_id,role_name,session_name,user_name,person_id,department_code,project_code,kind,valid_from,valid_to\n\
         111122223333,llm-gateway,*,*,,,,gateway,2026-04-01,\n",
    ),
    (
        "projects.csv",
        "code,name,owner_person_id,department_code,valid_from,valid_to\n",
    ),
];

/// The company's installation, with its directory imported.
pub(crate) struct Company {
    pub installation: Installation,
    pub folder: PathBuf,
}

impl Company {
    pub(crate) async fn found(name: &str, settings: &str) -> Self {
        let installation = Installation::new(name).await;
        installation.settings(settings);
        let folder = scratch(name);
        let company = Self { installation, folder };
        let mut arguments = vec!["directory".to_owned(), "import".to_owned()];
        for (file, text) in DIRECTORY {
            arguments.push(company.file(file, text));
        }
        company
            .run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
            .await;
        company
    }

    /// Writes a file of the company's; its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Runs a command that must succeed; what it printed.
    pub(crate) async fn run(&self, arguments: &[&str]) -> String {
        let output = self.installation.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    }

    /// Runs a command that must not succeed; its exit code and what it said.
    pub(crate) async fn refused(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.installation.run(arguments).await;
        assert!(!output.status.success(), "{arguments:?}: {}", stdout(&output));
        (output.status.code(), stderr(&output))
    }

    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let with_format = [arguments, &["--format", "json"]].concat();
        serde_json::from_str(&self.run(&with_format).await).unwrap()
    }

    /// Delivers a month's bill and loads it, counted a second time.
    pub(crate) async fn deliver(&self, period: &str, lines: &[Line]) {
        self.deliver_with(period, lines, None, |_| 0).await;
    }

    /// The same with a net column, and with an hour for each line.
    pub(crate) async fn deliver_with(
        &self,
        period: &str,
        lines: &[Line],
        net: Option<Vec<f64>>,
        hour_of: impl Fn(&Line) -> u32,
    ) {
        let export = self.folder.join("bill");
        let data = export.join(format!("data/BILLING_PERIOD={period}"));
        let metadata = export.join(format!("metadata/BILLING_PERIOD={period}"));
        for folder in [&data, &metadata] {
            fs::create_dir_all(folder).unwrap();
        }
        let file = "bill-00001.snappy.parquet";
        let text = |of: fn(&Line) -> Option<String>| lines.iter().map(of).collect::<Vec<_>>();
        let first: NaiveDate = format!("{period}-01").parse().unwrap();
        let end_of = |line: &Line| {
            let end = if line.charge_type == "Usage" || line.is_of_one_day {
                first + Days::new(u64::from(line.day))
            } else {
                first + Months::new(1)
            };
            Some(format!("{end}T00:00:00Z"))
        };
        let texts = [
            ("bill_payer_account_id", text(|l| Some(l.payer.to_owned()))),
            ("bill_invoicing_entity", text(|l| Some(l.seller.to_owned()))),
            (
                "bill_invoice_id",
                text(|l| Some(l.invoice.to_owned()).filter(|id| !id.is_empty())),
            ),
            ("line_item_usage_account_id", text(|_| Some("111122223333".to_owned()))),
            ("line_item_currency_code", text(|_| Some("USD".to_owned()))),
            ("line_item_line_item_type", text(|l| Some(l.charge_type.to_owned()))),
            ("line_item_product_code", text(|l| Some(l.product.to_owned()))),
            (
                "line_item_usage_type",
                text(|_| Some("APN1-Claude4.6Opus-input-tokens".to_owned())),
            ),
            ("pricing_unit", text(|_| Some("1K tokens".to_owned()))),
            ("line_item_usage_end_date", lines.iter().map(end_of).collect()),
            (
                "line_item_operation",
                text(|l| Some("InvokeModelInference".to_owned()).filter(|_| l.product.starts_with("prod-"))),
            ),
            (
                "line_item_iam_principal",
                text(|l| {
                    Some(format!("arn:aws:sts::111122223333:assumed-role/{}/s", l.role)).filter(|_| !l.role.is_empty())
                }),
            ),
        ];
        let costs: Vec<f64> = lines.iter().map(|line| line.cost).collect();
        let mut doubles = vec![
            ("line_item_unblended_cost", costs.clone()),
            ("line_item_usage_amount", costs),
        ];
        doubles.extend(net.map(|net| ("line_item_net_unblended_cost", net)));
        let starts: Vec<(u32, u32)> = lines.iter().map(|line| (line.day, hour_of(line))).collect();
        write_columns(&data.join(file), period, &starts, &texts, &doubles);
        let manifest = serde_json::json!({"dataFiles": [format!("s3://b/bill/data/BILLING_PERIOD={period}/{file}")], "columns": []});
        fs::write(metadata.join("bill-Manifest.json"), manifest.to_string()).unwrap();
        let export = export.display().to_string();
        self.run(&["ingest", "cur", &export, "--force"]).await;
        self.run(&["job", "run", "recount-charges"]).await;
    }

    /// The month's rows by code: direct, allocated, discounts, credits, refunds, other, tax, total.
    pub(crate) async fn rows(&self, period: &str) -> Vec<(String, [String; 8])> {
        let month = self.json(&["chargeback", "preview", period]).await;
        let columns = [
            "direct",
            "allocated",
            "discounts",
            "credits",
            "refunds",
            "other",
            "tax",
            "total",
        ];
        let rows = month["rows"].as_array().unwrap().iter().map(|row| {
            let amount = |column: &str| row[column]["amount"].as_str().unwrap().to_owned();
            (row["code"].as_str().unwrap_or("").to_owned(), columns.map(amount))
        });
        rows.collect()
    }
}
