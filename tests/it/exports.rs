//! Bad exports: each is refused with the object and what to do, and what was loaded before stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use rust_decimal::Decimal;

use crate::support::{damage, database, import_directory, load, make_cur, refusal, scratch, write_export};
use anbun::store::database::Database;

/// The value of a text column in a line.
type TextOf = fn(&SmallExport, usize) -> Option<String>;

/// A small export of one month written by hand: each line is day, charge type, product code, currency, cost.
pub(crate) struct SmallExport {
    pub folder: PathBuf,
    pub period: &'static str,
    pub payer: &'static str,
    pub lines: Vec<(u32, &'static str, &'static str, &'static str, f64)>,
    pub without: Option<&'static str>,
    /// Who called, on each line of usage.
    pub principal: Option<&'static str>,
}

impl SmallExport {
    pub(crate) fn new(name: &str) -> Self {
        let lines = (1..=31).map(|day| (day, "Usage", "AmazonEC2", "USD", 1.0)).chain([
            (3, "Usage", "AmazonBedrock", "USD", 0.25),
            (4, "Tax", "AmazonBedrock", "USD", 0.025),
        ]);
        Self {
            folder: scratch(name).join("export"),
            period: "2026-10",
            payer: "999900001111",
            lines: lines.collect(),
            without: None,
            principal: Some("arn:aws:sts::111122223333:assumed-role/cowork-sales-x/s"),
        }
    }

    pub(crate) fn data_file(&self) -> PathBuf {
        self.folder.join(format!(
            "data/BILLING_PERIOD={}/small-00001.snappy.parquet",
            self.period
        ))
    }

    pub(crate) fn manifest_file(&self) -> PathBuf {
        self.folder
            .join(format!("metadata/BILLING_PERIOD={}/small-Manifest.json", self.period))
    }

    pub(crate) fn write(&self) -> &Path {
        let texts: [(&str, TextOf); 11] = [
            ("bill_payer_account_id", |e, _| Some(e.payer.to_owned())),
            ("bill_invoicing_entity", |_, _| Some("Seller".to_owned())),
            ("line_item_usage_account_id", |_, _| Some("111122223333".to_owned())),
            ("line_item_currency_code", |e, i| Some(e.lines[i].3.to_owned())),
            ("line_item_line_item_type", |e, i| Some(e.lines[i].1.to_owned())),
            ("line_item_product_code", |e, i| Some(e.lines[i].2.to_owned())),
            ("line_item_usage_type", |_, _| {
                Some("USE1-Claude4.6Opus-input-tokens".to_owned())
            }),
            ("pricing_unit", |_, _| Some("1K tokens".to_owned())),
            ("line_item_iam_principal", |e, i| {
                e.principal.filter(|_| e.lines[i].1 == "Usage").map(str::to_owned)
            }),
            ("line_item_operation", |_, _| None),
            // Every line is of its day.
            ("line_item_usage_end_date", |e, i| {
                Some(format!("{}-{:02}T23:59:59Z", e.period, e.lines[i].0))
            }),
        ];
        let doubles = ["line_item_unblended_cost", "line_item_usage_amount"];
        let kept = |name: &&str| self.without != Some(*name);
        for path in [self.data_file(), self.manifest_file()] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        let days: Vec<u32> = self.lines.iter().map(|line| line.0).collect();
        let of_lines = |text_of: &TextOf| (0..self.lines.len()).map(|i| text_of(self, i)).collect();
        let texts = texts
            .iter()
            .filter(|(name, _)| kept(name))
            .map(|(name, of)| (*name, of_lines(of)));
        let numbers = |_| self.lines.iter().map(|line| line.4).collect();
        let doubles = doubles
            .into_iter()
            .filter(|name| kept(name))
            .map(|name| (name, numbers(name)));
        write_columns(
            &self.data_file(),
            self.period,
            &days.iter().map(|day| (*day, 0)).collect::<Vec<_>>(),
            &texts.collect::<Vec<_>>(),
            &doubles.collect::<Vec<_>>(),
        );
        self.write_manifest(&format!(
            "s3://bucket/small/data/BILLING_PERIOD={}/small-00001.snappy.parquet",
            self.period
        ));
        &self.folder
    }

    pub(crate) fn write_manifest(&self, data_file: &str) {
        // Every refresh is another execution.
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let execution = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string();
        let manifest = serde_json::json!({"executionId": execution, "dataFiles": [data_file], "columns": []});
        fs::write(self.manifest_file(), manifest.to_string()).unwrap();
    }
}

/// Writes a Parquet file of an export: days of the period, text columns (which may be null), and doubles.
pub(crate) fn write_columns(
    file: &Path,
    period: &str,
    // Day of the month and UTC hour.
    starts: &[(u32, u32)],
    texts: &[(&str, Vec<Option<String>>)],
    doubles: &[(&str, Vec<f64>)],
) {
    let mut schema = String::from("message m { required int64 line_item_usage_start_date (TIMESTAMP_MILLIS);");
    for (name, _) in texts {
        schema.push_str(&format!(" optional binary {name} (UTF8);"));
    }
    for (name, _) in doubles {
        schema.push_str(&format!(" required double {name};"));
    }
    schema.push('}');
    let file = fs::File::create(file).unwrap();
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(WriterProperties::new())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let first: chrono::NaiveDate = format!("{period}-01").parse().unwrap();
    let time_of = |(day, hour): &(u32, u32)| {
        let day = first + chrono::Days::new(u64::from(*day) - 1);
        day.and_hms_opt(*hour, 0, 0).unwrap().and_utc().timestamp_millis()
    };
    let times: Vec<i64> = starts.iter().map(time_of).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&times, None, None).unwrap();
    column.close().unwrap();
    for (_, values) in texts {
        let levels: Vec<i16> = values.iter().map(|v| i16::from(v.is_some())).collect();
        let values: Vec<ByteArray> = values.iter().flatten().map(|v| ByteArray::from(v.as_str())).collect();
        let mut column = group.next_column().unwrap().unwrap();
        let typed = column.typed::<ByteArrayType>();
        typed.write_batch(&values, Some(&levels), None).unwrap();
        column.close().unwrap();
    }
    for (_, values) in doubles {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(values, None, None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

async fn bedrock_total(database: &Database) -> (i64, Decimal) {
    sqlx::query_as("select coalesce(sum(lines), 0)::bigint, coalesce(sum(cost), 0) from charges")
        .fetch_one(&database.pool)
        .await
        .unwrap()
}

async fn finding_codes(database: &Database) -> Vec<(String, String)> {
    let sql = "select f.code, f.subject from findings f join snapshots s using (snapshot_id) where s.is_current order by 1, 2";
    sqlx::query_as(sql).fetch_all(&database.pool).await.unwrap()
}

#[tokio::test]
async fn a_small_export_is_loaded() {
    let database = database().await;
    let export = SmallExport::new("small");
    load(&database, export.write()).await;
    assert_eq!(bedrock_total(&database).await, (2, Decimal::new(275, 3)));
    let left_out: (i64, Decimal) = sqlx::query_as("select sum(lines)::bigint, sum(cost) from left_out_totals")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(left_out, (31, Decimal::from(31)));
}

#[tokio::test]
async fn every_damage_is_refused_and_the_old_month_stays() {
    let Some(tools) = make_cur() else { return };
    let export = write_export(
        &tools,
        "whole",
        &[
            "--rows",
            "5000",
            "--bedrock-share",
            "0.5",
            "--files",
            "2",
            "--principals",
            "40",
        ],
    );
    let database = database().await;
    import_directory(&database, &export.join("directory")).await;
    for (kind, needles) in [
        (
            "truncated-parquet",
            &["example-cur2-00001.snappy.parquet", "not a whole Parquet file"][..],
        ),
        ("empty-file", &["example-cur2-00001.snappy.parquet", "no bytes"]),
        (
            "not-parquet",
            &["example-cur2-00001.snappy.parquet", "does not begin as a Parquet file"],
        ),
        (
            "missing-object",
            &["example-cur2-00002.snappy.parquet", "refresh may be under way"],
        ),
        ("manifest-not-json", &["Manifest.json", "not a manifest in JSON"]),
        ("manifest-outside", &["Manifest.json", "not a data file of 2026-10"]),
        (
            "missing-cost-column",
            &[
                "line_item_unblended_cost",
                "add 'line_item_unblended_cost' to the column list",
            ],
        ),
        (
            "wrong-type-column",
            &["line_item_unblended_cost", "BOOLEAN", "expected double"],
        ),
        (
            "nan-cost",
            &["row group 0", "line_item_unblended_cost", "NaN is no amount of money"],
        ),
        (
            "inf-cost",
            &["row group 0", "line_item_unblended_cost", "inf is no amount of money"],
        ),
        (
            "huge-cost",
            &["row group 0", "line_item_unblended_cost", "is no amount of money"],
        ),
    ] {
        let damaged = damage(&tools, &export, kind);
        let message = refusal(&database, &damaged).await;
        for needle in needles {
            assert!(message.contains(needle), "{kind}: '{needle}' is not in: {message}");
        }
        assert_eq!(bedrock_total(&database).await.0, 0, "{kind}");
    }
    let twice = damage(&tools, &export, "duplicate-period");
    load(&database, &twice.join("first")).await;
    let before = bedrock_total(&database).await;
    let message = refusal(&database, &twice.join("second")).await;
    assert!(
        message.contains("999900001111") && message.contains("counted from export"),
        "{message}"
    );
    assert_eq!(bedrock_total(&database).await, before);
}

#[tokio::test]
async fn emptied_chunks_of_an_earlier_refresh_are_harmless() {
    let Some(tools) = make_cur() else { return };
    let arguments = [
        "--rows",
        "4000",
        "--bedrock-share",
        "0.5",
        "--files",
        "3",
        "--until",
        "10",
        "--principals",
        "40",
    ];
    let export = write_export(&tools, "stale", &arguments);
    let again: Vec<&str> = arguments[..6]
        .iter()
        .chain(&arguments[8..])
        .chain(&["--until", "11", "--delivery", "2", "--chunks", "1"])
        .copied()
        .collect();
    let status = std::process::Command::new(&tools.1)
        .arg(tools.0.join("make_cur.py"))
        .arg("--out")
        .arg(&export)
        .args(again)
        .output();
    assert!(status.unwrap().status.success());
    let database = database().await;
    load(&database, &export).await;
    let expected: serde_json::Value =
        serde_json::from_slice(&fs::read(export.join("expected/totals.json")).unwrap()).unwrap();
    let lines: i64 = expected["bedrock"]
        .as_object()
        .unwrap()
        .values()
        .map(|t| t["lines"].as_i64().unwrap())
        .sum();
    assert_eq!(bedrock_total(&database).await.0, lines);
}

#[tokio::test]
async fn needed_columns_are_named_and_optional_ones_are_findings() {
    let database = database().await;
    for column in [
        "line_item_unblended_cost",
        "line_item_currency_code",
        "line_item_product_code",
        "line_item_usage_amount",
        "bill_payer_account_id",
    ] {
        let export = SmallExport {
            without: Some(column),
            ..SmallExport::new("needed")
        };
        let message = refusal(&database, export.write()).await;
        assert!(
            message.contains(column) && message.contains("column list of the export"),
            "{message}"
        );
    }
    let export = SmallExport {
        without: Some("line_item_iam_principal"),
        ..SmallExport::new("optional")
    };
    load(&database, export.write()).await;
    assert_eq!(bedrock_total(&database).await, (2, Decimal::new(275, 3)));
    assert!(finding_codes(&database).await.contains(&(
        "principal_column_missing".to_owned(),
        "line_item_iam_principal".to_owned()
    )));
}

#[tokio::test]
async fn unknown_kinds_keep_their_cost_and_are_named() {
    let database = database().await;
    let mut export = SmallExport::new("unknown");
    export.lines.extend([
        (5, "SurpriseFee", "AmazonBedrock", "USD", 7.5),
        (6, "Usage", "AmazonBedrock", "XTS", 2.0),
    ]);
    load(&database, export.write()).await;
    let by_currency: Vec<(String, Decimal)> =
        sqlx::query_as("select currency, sum(cost) from department_months group by 1 order by 1")
            .fetch_all(&database.pool)
            .await
            .unwrap();
    assert_eq!(
        by_currency,
        [
            ("USD".to_owned(), Decimal::new(7775, 3)),
            ("XTS".to_owned(), Decimal::from(2))
        ]
    );
    assert!(
        finding_codes(&database)
            .await
            .contains(&("unknown_charge_type".to_owned(), "SurpriseFee".to_owned()))
    );
}

#[tokio::test]
async fn a_missing_first_or_middle_day_is_a_gap_and_a_quiet_sunday_is_none() {
    let database = database().await;
    let mut export = SmallExport::new("gaps");
    export.lines.retain(|line| line.0 != 1 && line.0 != 17 && line.0 != 31);
    load(&database, export.write()).await;
    let gaps: Vec<String> = finding_codes(&database)
        .await
        .into_iter()
        .filter(|(code, _)| code == "day_missing")
        .map(|(_, day)| day)
        .collect();
    assert_eq!(gaps, ["2026-10-01", "2026-10-17", "2026-10-31"]);
}

#[tokio::test]
async fn manifests_that_are_none_are_refused() {
    let database = database().await;
    let nothing = scratch("nothing");
    assert!(
        refusal(&database, &nothing)
            .await
            .contains("no manifests can be read there")
    );
    fs::create_dir_all(nothing.join("metadata")).unwrap();
    assert!(refusal(&database, &nothing).await.contains("no folder BILLING_PERIOD"));
    let export = SmallExport::new("manifests");
    export.write();
    for (text, needle) in [
        ("", "not a manifest in JSON"),
        ("[]", "not a manifest in JSON"),
        ("{\"reportKeys\": []}", "legacy Cost and Usage Report"),
        ("{\"columns\": []}", "no dataFiles"),
        ("{\"dataFiles\": []}", "no data files"),
        (
            "{\"dataFiles\": [\"s3://b/e/data/BILLING_PERIOD=2026-10/x.csv.gz\"]}",
            "not Parquet",
        ),
        (
            "{\"dataFiles\": [\"e/data/BILLING_PERIOD=2026-10/small-00001.snappy.parquet\", \"s3://b/e/data/BILLING_PERIOD=2026-10/small-00001.snappy.parquet\"]}",
            "a file twice",
        ),
    ] {
        fs::write(export.manifest_file(), text).unwrap();
        let message = refusal(&database, &export.folder).await;
        assert!(message.contains(needle), "{text}: {message}");
    }
    #[cfg(unix)]
    {
        export.write();
        let outside = scratch("outside").join("other.parquet");
        fs::rename(export.data_file(), &outside).unwrap();
        std::os::unix::fs::symlink(&outside, export.data_file()).unwrap();
        assert!(
            refusal(&database, &export.folder)
                .await
                .contains("leads out of the export")
        );
    }
}

/// Every byte of a file in turn is made wrong; the reader refuses or reads, and never panics.
#[tokio::test]
async fn damaged_bytes_never_panic() {
    let export = SmallExport::new("bytes");
    export.write();
    let whole = fs::read(export.data_file()).unwrap();
    let location = anbun::sources::cur::ExportLocation::Folder(export.folder.clone());
    let export_at = location.connect(chrono::DateTime::UNIX_EPOCH).await.unwrap();
    let head = export_at.find_manifest(export.period.parse().unwrap()).await.unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        fs::write(export.data_file(), &damaged).unwrap();
        let manifest = export_at.describe(&head).await.unwrap();
        let Ok(opened) = export_at.open(&manifest).await else {
            continue;
        };
        let read = tokio::task::spawn_blocking(move || drop(anbun::sources::cur::read_delivery(&opened, 1))).await;
        assert!(read.is_ok(), "byte {at}");
    }
}
