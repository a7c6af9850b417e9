//! A month as AWS Data Exports delivers it: a Parquet file, and the manifest after it.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use chrono::{Datelike, Days, NaiveTime, TimeZone, Utc};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use super::company::PAYER;
use super::usage::Line;
use crate::domain::period::BillingPeriod;

const EXPORT: &str = "sample-cur2";
const ROW_GROUP_LINES: usize = 100_000;

/// A text column: its name, and its value in a line.
type TextOf = fn(&Line) -> Option<&str>;

const TEXT_COLUMNS: &[(&str, TextOf)] = &[
    ("bill_billing_entity", |l| {
        Some(if l.product_code.starts_with('A') {
            "AWS"
        } else {
            "AWS Marketplace"
        })
    }),
    ("bill_bill_type", |l| {
        Some(if l.charge_type == "Refund" {
            "Refund"
        } else {
            "Anniversary"
        })
    }),
    ("bill_invoice_id", |_| None),
    ("bill_invoicing_entity", |l| Some(l.seller)),
    ("bill_payer_account_id", |_| Some(PAYER)),
    ("line_item_currency_code", |_| Some("USD")),
    ("line_item_iam_principal", |l| l.principal.as_deref()),
    ("line_item_line_item_description", |l| Some(l.description)),
    ("line_item_line_item_type", |l| Some(l.charge_type)),
    ("line_item_operation", |l| Some(l.operation)),
    ("line_item_product_code", |l| Some(l.product_code)),
    ("line_item_resource_id", |l| l.resource.as_deref()),
    ("line_item_tax_type", |l| l.tax_type),
    ("line_item_usage_account_id", |l| Some(l.account)),
    ("line_item_usage_type", |l| Some(&l.usage_type)),
    ("pricing_unit", |l| l.unit),
    ("product_product_family", |l| l.product_family),
    ("product_region_code", |l| Some(l.region)),
];

type DoubleOf = fn(&Line) -> f64;

/// Doubles that hold an integer of 10^-10 exactly: no line has more than fifteen digits.
#[expect(clippy::cast_precision_loss, reason = "an export holds doubles")]
const DOUBLE_COLUMNS: &[(&str, DoubleOf)] = &[
    ("line_item_net_unblended_cost", |l| l.net_cost as f64 / 1e10),
    ("line_item_unblended_cost", |l| l.cost as f64 / 1e10),
    ("line_item_usage_amount", |l| l.quantity),
    ("pricing_public_on_demand_cost", |l| l.cost as f64 / 1e10),
];

type MapOf = fn(&Line) -> &[(&'static str, String)];

const MAP_COLUMNS: &[(&str, MapOf)] = &[("product", |l| &l.product), ("tags", |l| &l.tags)];

/// Writes the data file and then the manifest of a month.
pub(super) fn write_month(export: &Path, period: BillingPeriod, lines: &[Line]) -> anyhow::Result<()> {
    let partition = format!("BILLING_PERIOD={period}");
    let (data, metadata) = (
        export.join("data").join(&partition),
        export.join("metadata").join(&partition),
    );
    fs::create_dir_all(&data)?;
    fs::create_dir_all(&metadata)?;
    let name = format!("{EXPORT}-00001.snappy.parquet");
    write_parquet(&data.join(&name), period, lines)?;
    let names = ["line_item_usage_start_date", "line_item_usage_end_date"].map(|name| (name, "timestamp"));
    let names = names
        .into_iter()
        .chain(TEXT_COLUMNS.iter().map(|(name, _)| (*name, "string")))
        .chain(DOUBLE_COLUMNS.iter().map(|(name, _)| (*name, "double")));
    let columns: Vec<_> = names
        .chain(MAP_COLUMNS.iter().map(|(name, _)| (*name, "map")))
        .map(|(name, kind)| json!({"name": name, "type": kind}))
        .collect();
    let manifest = json!({
        "executionId": format!("sample-{period}"),
        "columns": columns,
        "dataFiles": [format!("s3://sample-bucket/{EXPORT}/data/{partition}/{name}")],
    });
    fs::write(
        metadata.join(format!("{EXPORT}-Manifest.json")),
        serde_json::to_vec_pretty(&manifest)?,
    )?;
    Ok(())
}

fn schema() -> String {
    let mut text =
        String::from("message line_item {\n  required int64 line_item_usage_start_date (TIMESTAMP_MILLIS);\n");
    text.push_str("  required int64 line_item_usage_end_date (TIMESTAMP_MILLIS);\n");
    text.push_str("  required int64 bill_billing_period_start_date (TIMESTAMP_MILLIS);\n");
    for (name, _) in TEXT_COLUMNS {
        text.push_str(&format!("  optional binary {name} (UTF8);\n"));
    }
    for (name, _) in DOUBLE_COLUMNS {
        text.push_str(&format!("  optional double {name};\n"));
    }
    for (name, _) in MAP_COLUMNS {
        text.push_str(&format!("  optional group {name} (MAP) {{ repeated group key_value {{ required binary key (UTF8); optional binary value (UTF8); }} }}\n"));
    }
    text + "}"
}

fn write_parquet(path: &Path, period: BillingPeriod, lines: &[Line]) -> anyhow::Result<()> {
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(
        File::create(path)?,
        Arc::new(parse_message_type(&schema())?),
        Arc::new(properties),
    )?;
    let first = period.first_day();
    let period_start = Utc
        .with_ymd_and_hms(first.year(), first.month(), 1, 0, 0, 0)
        .single()
        .map_or(0, |t| t.timestamp_millis());
    for lines in lines.chunks(ROW_GROUP_LINES) {
        let mut group = writer.next_row_group()?;
        write_times(
            &mut group,
            &lines.iter().map(|l| l.start.timestamp_millis()).collect::<Vec<_>>(),
        )?;
        write_times(&mut group, &lines.iter().map(|l| end_of(period, l)).collect::<Vec<_>>())?;
        write_times(&mut group, &vec![period_start; lines.len()])?;
        for (_, text_of) in TEXT_COLUMNS {
            write_texts(&mut group, lines.iter().map(text_of))?;
        }
        for (_, double_of) in DOUBLE_COLUMNS {
            let values: Vec<f64> = lines.iter().map(double_of).collect();
            let mut column = next_column(&mut group)?;
            column
                .typed::<DoubleType>()
                .write_batch(&values, Some(&vec![1; values.len()]), None)?;
            column.close()?;
        }
        for (_, map_of) in MAP_COLUMNS {
            write_map(&mut group, lines, *map_of)?;
        }
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

/// Usage is of a day; what follows from it, of the month.
fn end_of(period: BillingPeriod, line: &Line) -> i64 {
    let end = if line.charge_type == "Usage" {
        line.start + Days::new(1)
    } else {
        period.next().first_day().and_time(NaiveTime::MIN).and_utc()
    };
    end.timestamp_millis()
}

fn next_column<'a>(
    group: &'a mut SerializedRowGroupWriter<'_, File>,
) -> anyhow::Result<parquet::file::writer::SerializedColumnWriter<'a>> {
    group
        .next_column()?
        .ok_or_else(|| anyhow::anyhow!("the schema has fewer columns than are written"))
}

fn write_times(group: &mut SerializedRowGroupWriter<'_, File>, values: &[i64]) -> anyhow::Result<()> {
    let mut column = next_column(group)?;
    column.typed::<Int64Type>().write_batch(values, None, None)?;
    Ok(column.close()?)
}

fn write_texts<'l>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    texts: impl Iterator<Item = Option<&'l str>>,
) -> anyhow::Result<()> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for text in texts {
        levels.push(i16::from(text.is_some()));
        values.extend(text.map(ByteArray::from));
    }
    let mut column = next_column(group)?;
    column
        .typed::<ByteArrayType>()
        .write_batch(&values, Some(&levels), None)?;
    Ok(column.close()?)
}

/// A map is two leaves with the same repetition: a line without entries is an empty map.
fn write_map(group: &mut SerializedRowGroupWriter<'_, File>, lines: &[Line], map_of: MapOf) -> anyhow::Result<()> {
    for is_value in [false, true] {
        let (mut values, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
        for line in lines {
            let entries = map_of(line);
            if entries.is_empty() {
                definition.push(1);
                repetition.push(0);
            }
            for (i, (key, value)) in entries.iter().enumerate() {
                definition.push(if is_value { 3 } else { 2 });
                repetition.push(i16::from(i > 0));
                values.push(ByteArray::from(if is_value { value.as_str() } else { *key }));
            }
        }
        let mut column = next_column(group)?;
        column
            .typed::<ByteArrayType>()
            .write_batch(&values, Some(&definition), Some(&repetition))?;
        column.close()?;
    }
    Ok(())
}
