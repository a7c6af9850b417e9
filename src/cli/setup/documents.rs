//! The same export in the forms that people use to make one, and the policies that go with it.

use askama::Template;
use serde_json::{Value, json};

use crate::sources::data_exports::{BillExport, TABLE};

/// Where the payer's account goes in a policy that is printed before it is known.
const ACCOUNT_MARK: &str = "PAYER_ACCOUNT_ID";

#[derive(Template)]
#[template(path = "setup/export.tf", escape = "none")]
struct Terraform<'a> {
    bucket: &'a str,
    bucket_region: &'a str,
    prefix: &'a str,
    name: &'a str,
    query: &'a str,
    table: &'static str,
    settings: Vec<(&'a str, &'a str)>,
    bucket_policy_hcl: String,
}

#[derive(Template)]
#[template(path = "setup/export.yaml", escape = "none")]
struct CloudFormation<'a> {
    bucket: &'a str,
    bucket_region: &'a str,
    prefix: &'a str,
    name: &'a str,
    query: &'a str,
    table: &'static str,
    settings: Vec<(&'a str, &'a str)>,
    bucket_policy: String,
}

#[derive(Template)]
#[template(path = "setup/export.sh", escape = "none")]
struct Shell<'a> {
    bucket: &'a str,
    account_mark: &'static str,
    bucket_policy: String,
    export_json: String,
}

pub(super) fn terraform(export: &BillExport) -> anyhow::Result<String> {
    let policy = pretty(&bucket_policy(export))?;
    // JSON objects are HCL objects too; the account is known there.
    let policy = policy.replace(ACCOUNT_MARK, "${data.aws_caller_identity.payer.account_id}");
    let template = Terraform {
        bucket: &export.bucket,
        bucket_region: &export.bucket_region,
        prefix: &export.prefix,
        name: &export.name,
        query: &export.query,
        table: TABLE,
        settings: settings(export),
        bucket_policy_hcl: policy.replace('\n', "\n  "),
    };
    Ok(template.render()?)
}

pub(super) fn cloudformation(export: &BillExport) -> anyhow::Result<String> {
    let template = CloudFormation {
        bucket: &export.bucket,
        bucket_region: &export.bucket_region,
        prefix: &export.prefix,
        name: &export.name,
        query: &export.query,
        table: TABLE,
        settings: settings(export),
        bucket_policy: pretty(&bucket_policy(export))?,
    };
    Ok(template.render()?)
}

pub(super) fn shell(export: &BillExport) -> anyhow::Result<String> {
    let template = Shell {
        bucket: &export.bucket,
        account_mark: ACCOUNT_MARK,
        bucket_policy: pretty(&bucket_policy(export))?,
        export_json: pretty(&definition(export))?,
    };
    Ok(template.render()?)
}

/// The least that the identity anbun runs as must be allowed.
pub(super) fn policy(export: &BillExport) -> anyhow::Result<String> {
    let bucket = format!("arn:aws:s3:::{}", export.bucket);
    let inside = match export.prefix.as_str() {
        "" => format!("{}/", export.name),
        prefix => format!("{prefix}/{}/", export.name),
    };
    let statement = |sid: &str, actions: Value, resource: String| json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource});
    let mut list = statement("FindDeliveries", json!(["s3:ListBucket"]), bucket.clone());
    list["Condition"] = json!({"StringLike": {"s3:prefix": [format!("{inside}*")]}});
    pretty(&json!({
        "Version": "2012-10-17",
        "Statement": [
            list,
            statement("ReadDeliveries", json!(["s3:GetObject"]), format!("{bucket}/{inside}*")),
            statement(
                "CheckTheExport",
                json!(["bcm-data-exports:ListExports", "bcm-data-exports:GetExport", "cur:DescribeReportDefinitions"]),
                "*".to_owned(),
            ),
            statement(
                "CompareWithCostExplorer",
                json!(["ce:GetCostAndUsage", "ce:GetDimensionValues", "ce:ListCostAllocationTags"]),
                "*".to_owned(),
            ),
            statement(
                "ReadInvoices",
                json!(["invoicing:ListInvoiceSummaries"]),
                "*".to_owned(),
            ),
        ],
    }))
}

pub(super) fn bucket_policy_text(export: &BillExport) -> anyhow::Result<String> {
    pretty(&bucket_policy(export))
}

fn settings(export: &BillExport) -> Vec<(&str, &str)> {
    let settings = export.tables.get(TABLE).into_iter().flatten();
    settings.map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// Lets the two services that write exports write this account's into the bucket, and nobody else's.
fn bucket_policy(export: &BillExport) -> Value {
    let bucket = format!("arn:aws:s3:::{}", export.bucket);
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "LetDataExportsWrite",
            "Effect": "Allow",
            "Principal": {"Service": ["bcm-data-exports.amazonaws.com", "billingreports.amazonaws.com"]},
            "Action": ["s3:PutObject", "s3:GetBucketPolicy"],
            "Resource": [bucket, format!("{bucket}/*")],
            "Condition": {
                "StringEquals": {"aws:SourceAccount": ACCOUNT_MARK},
                "StringLike": {"aws:SourceArn": [
                    format!("arn:aws:cur:us-east-1:{ACCOUNT_MARK}:definition/*"),
                    format!("arn:aws:bcm-data-exports:us-east-1:{ACCOUNT_MARK}:export/*"),
                ]},
            },
        }],
    })
}

/// As `aws bcm-data-exports create-export` wants it.
fn definition(export: &BillExport) -> Value {
    json!({
        "Name": export.name,
        "DataQuery": {"QueryStatement": export.query, "TableConfigurations": export.tables},
        "DestinationConfigurations": {"S3Destination": {
            "S3Bucket": export.bucket,
            "S3Prefix": export.prefix,
            "S3Region": export.bucket_region,
            "S3OutputConfigurations": {
                "OutputType": "CUSTOM", "Format": "PARQUET", "Compression": "PARQUET", "Overwrite": "OVERWRITE_REPORT",
            },
        }},
        "RefreshCadence": {"Frequency": "SYNCHRONOUS"},
    })
}

fn pretty(value: &Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)?)
}
