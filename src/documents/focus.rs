//! The allocated charges as a FOCUS dataset of version 1.2 or 1.3, in Parquet and CSV.
//!
//! One row is a department's (or a pool's) amount of one column, model and project on one bill, over the whole month; people are
//! left out.  Amounts are in the currency of the statement; what the bill said is in `x_BilledAmount`.  What FOCUS has no column for
//! begins with `x_`.  Columns: https://focus.finops.org/focus-specification/v1-2/ and /v1-3/; `split` holds what 1.3 adds.

mod split;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::Value;

use super::department_csv::written;
use super::encoding::{Encoding, Unrepresentable, encode};
use super::{SealedStatement, neutral};
use crate::domain::allocation::Pool;
use crate::domain::books::Column;
use crate::domain::money::Amount;
use crate::domain::true_up::Origin;

/// Version of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FocusVersion {
    V1_2,
    /// With the providers' two roles, and how shared cost was split.
    V1_3,
}

impl FocusVersion {
    /// What a file's name says of it; that of 1.2 says nothing.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::V1_2 => "",
            Self::V1_3 => "-1.3",
        }
    }
}

/// Of 1.2; those of 1.3 are these and `split::COLUMNS`.
const COLUMNS: [&str; 40] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "PricingCategory",
    "PricingCurrency",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "x_AllocationColumn",
    "x_BilledAmount",
    "x_CostCenter",
    "x_Department",
    "x_DepartmentName",
    "x_LegalEntity",
    "x_Model",
    "x_OriginPeriod",
    "x_Pool",
    "x_Project",
    "x_StatementSha256",
    "x_StatementVersion",
];

/// What one row is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct RowKey<'s> {
    group: usize,
    column: Column,
    department: Option<&'s str>,
    pool: Option<&'s Pool>,
    model: Option<&'s str>,
    project: Option<&'s str>,
    currency: &'s str,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    billed: Amount,
    amount: Amount,
    tokens: i64,
}

/// Columns that are no text.
const DECIMALS: [&str; 9] = [
    "BilledCost",
    "ConsumedQuantity",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "ListCost",
    "ListUnitPrice",
    "PricingQuantity",
    "x_BilledAmount",
];
const TIMES: [&str; 4] = [
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargePeriodEnd",
    "ChargePeriodStart",
];

/// As CSV.  Its costs add up to the statement.
pub fn focus_csv(statement: &SealedStatement, version: FocusVersion) -> Result<Vec<u8>, Unrepresentable> {
    let columns = columns(version);
    let mut all = vec![columns.iter().map(|name| (*name).to_owned()).collect()];
    all.extend(rows(statement, version));
    encode(&written(&all), Encoding::Utf8)
}

/// As Parquet: texts, decimals of twelve places, and times in UTC; what is empty is null.
pub fn focus_parquet(statement: &SealedStatement, version: FocusVersion) -> Result<Vec<u8>, ParquetError> {
    let (columns, rows) = (columns(version), rows(statement, version));
    let mut schema = String::from("message focus {");
    for name in &columns {
        let kind = match *name {
            name if DECIMALS.contains(&name) => format!("fixed_len_byte_array(16) {name} (DECIMAL(38,12))"),
            name if TIMES.contains(&name) => format!("int64 {name} (TIMESTAMP(MICROS,true))"),
            name => format!("binary {name} (STRING)"),
        };
        schema.push_str(&format!(" optional {kind};"));
    }
    schema.push('}');
    let schema = Arc::new(parse_message_type(&schema)?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for (at, name) in columns.iter().enumerate() {
        let cells: Vec<&str> = rows.iter().map(|row| row[at].as_str()).collect();
        let levels: Vec<i16> = cells.iter().map(|cell| i16::from(!cell.is_empty())).collect();
        let present = cells.iter().filter(|cell| !cell.is_empty());
        if let Some(mut column) = group.next_column()? {
            if DECIMALS.contains(name) {
                let units = present.map(|cell| Amount::parse(cell).unwrap_or_default().units().to_be_bytes().to_vec());
                let values: Vec<FixedLenByteArray> = units.map(FixedLenByteArray::from).collect();
                column
                    .typed::<FixedLenByteArrayType>()
                    .write_batch(&values, Some(&levels), None)?;
            } else if TIMES.contains(name) {
                let time = |cell: &&str| cell.parse::<DateTime<Utc>>().unwrap_or_default().timestamp_micros();
                let values: Vec<i64> = present.map(time).collect();
                column.typed::<Int64Type>().write_batch(&values, Some(&levels), None)?;
            } else {
                let values: Vec<ByteArray> = present.map(|cell| ByteArray::from(*cell)).collect();
                column
                    .typed::<ByteArrayType>()
                    .write_batch(&values, Some(&levels), None)?;
            }
            column.close()?;
        }
    }
    group.close()?;
    writer.into_inner()
}

/// The names in their order: FOCUS's own first.
fn columns(version: FocusVersion) -> Vec<&'static str> {
    let mut columns = COLUMNS.to_vec();
    if version == FocusVersion::V1_3 {
        columns.extend(split::COLUMNS);
        columns.sort_by_key(|name| (name.starts_with("x_"), *name));
    }
    columns
}

/// The rows, as text, in the order of the columns.
fn rows(statement: &SealedStatement, version: FocusVersion) -> Vec<Vec<String>> {
    let mut rows: BTreeMap<RowKey<'_>, Sums> = BTreeMap::new();
    for line in &statement.lines {
        let key = RowKey {
            group: line.bill_group,
            column: line.column,
            department: line.department.as_deref(),
            pool: line.pool.as_ref(),
            model: line.model.as_deref(),
            project: line.project.as_deref(),
            currency: &line.currency,
        };
        let sums = rows.entry(key).or_default();
        sums.billed += line.billed;
        sums.amount += line.amount;
        sums.tokens += line.tokens;
    }
    if version == FocusVersion::V1_2 {
        return rows.iter().map(|(key, sums)| row(statement, key, sums)).collect();
    }
    let shares = split::shares(&rows);
    let columns = columns(version);
    let whole = rows.iter().zip(shares).map(|((key, sums), share)| {
        let mut cells: BTreeMap<&str, String> = COLUMNS.into_iter().zip(row(statement, key, sums)).collect();
        cells.extend(split::cells(statement, key, share, &cells["ProviderName"]));
        columns
            .iter()
            .map(|name| cells.remove(name).unwrap_or_default())
            .collect()
    });
    whole.collect()
}

fn row(statement: &SealedStatement, key: &RowKey<'_>, sums: &Sums) -> Vec<String> {
    let bill = &statement.head["groups"][key.group]["bills"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (payer, seller) = (text(&bill["payer"]), text(&bill["seller"]));
    let invoice = statement.invoice_of(key.group);
    let names = key.department.map(|code| statement.names_of(code)).unwrap_or_default();
    let time = |day: chrono::NaiveDate| format!("{}T00:00:00Z", day.format("%Y-%m-%d"));
    let (starts, ends) = (
        time(statement.period.first_day()),
        time(statement.period.next().first_day()),
    );
    let category = match key.column {
        Column::Direct | Column::Allocated => "Usage",
        Column::Tax => "Tax",
        Column::Credits | Column::Refunds => "Credit",
        Column::Other | Column::Discounts | Column::Adjustments | Column::Accruals => "Adjustment",
    };
    let origin = key.pool.and_then(Origin::of).map(|origin| origin.period.to_string());
    let is_usage = category == "Usage";
    // Own usage is counted in tokens; a share of others' use is one share.
    let (quantity, unit) = match (is_usage, sums.tokens > 0) {
        (true, true) => (decimal(Amount::from_whole(sums.tokens.into())), "Tokens"),
        (true, false) => (decimal(Amount::from_whole(1)), "Count"),
        (false, _) => (String::new(), ""),
    };
    let description = match (key.model, key.pool) {
        (Some(model), _) => format!("{} {model}", key.column.as_str()),
        (None, Some(pool)) => format!("{} {pool}", key.column.as_str()),
        (None, None) => key.column.as_str().to_owned(),
    };
    let amount = decimal(sums.amount);
    let optional = |text: Option<&str>| text.map(neutral).unwrap_or_default();
    vec![
        amount.clone(),
        payer.clone(),
        payer,
        "JPY".to_owned(),
        ends.clone(),
        starts.clone(),
        category.to_owned(),
        if origin.is_some() { "Correction" } else { "" }.to_owned(),
        neutral(&description),
        if is_usage { "Usage-Based" } else { "One-Time" }.to_owned(),
        ends,
        starts,
        quantity.clone(),
        unit.to_owned(),
        amount.clone(),
        amount.clone(),
        invoice,
        neutral(&seller),
        amount,
        if is_usage { "Standard" } else { "" }.to_owned(),
        key.currency.to_owned(),
        quantity,
        unit.to_owned(),
        // The AWS entity that sells is the one that provides.
        neutral(&seller),
        neutral(&seller),
        "AI and Machine Learning".to_owned(),
        "Amazon Bedrock".to_owned(),
        "Generative AI".to_owned(),
        key.column.as_str().to_owned(),
        decimal(sums.billed),
        neutral(&names.cost_center),
        optional(key.department),
        neutral(names.shown()),
        neutral(&names.legal_entity),
        optional(key.model),
        origin.unwrap_or_default(),
        key.pool.map(|pool| neutral(&pool.to_string())).unwrap_or_default(),
        optional(key.project),
        statement.digest.clone(),
        statement.version.to_string(),
    ]
}

/// A decimal with a point, so that no reader takes a column of whole amounts for integers.
fn decimal(amount: Amount) -> String {
    let text = amount.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}
