//! The two services that know exports: `bcm-data-exports`, and `cur` for legacy reports.  Both answer in us-east-1 only.

use aws_sdk_bcmdataexports::error::BuildError;
use aws_sdk_bcmdataexports::types::{
    CompressionOption, DataQuery, DestinationConfigurations, Export, FormatOption, FrequencyOption, OverwriteOption,
    RefreshCadence, S3Destination, S3OutputConfigurations, S3OutputType,
};

use super::definition::{BillExport, LegacyReport, Overwrite};
use crate::sources::aws::{AwsAccess, AwsFailure, Call};

const REGION: &str = "us-east-1";
/// More exports than fit into so many pages are somebody's mistake.
const PAGES_MAX: usize = 20;

pub struct DataExports {
    exports: aws_sdk_bcmdataexports::Client,
    legacy: aws_sdk_costandusagereport::Client,
}

impl DataExports {
    pub async fn connect(access: &AwsAccess) -> Self {
        let access = AwsAccess {
            region: Some(REGION.to_owned()),
            ..access.clone()
        };
        let shared = access.load(REGION).await;
        Self {
            exports: aws_sdk_bcmdataexports::Client::new(&shared),
            legacy: aws_sdk_costandusagereport::Client::new(&shared),
        }
    }

    /// Every export of the account with its definition.
    pub async fn fetch_exports(&self) -> Result<Vec<BillExport>, AwsFailure> {
        let mut found = Vec::new();
        let mut token = None;
        for _ in 0..PAGES_MAX {
            let call = call("bcm-data-exports:ListExports", "AWS Data Exports");
            let request = self.exports.list_exports().set_next_token(token);
            let page = request.send().await.map_err(|e| call.failure(&e))?;
            for reference in page.exports() {
                found.push(self.fetch_export(reference.export_arn()).await?);
            }
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                return Ok(found);
            }
        }
        let call = call("bcm-data-exports:ListExports", "AWS Data Exports");
        Err(call.cut_off(format!("more than {PAGES_MAX} pages of exports")))
    }

    async fn fetch_export(&self, arn: &str) -> Result<BillExport, AwsFailure> {
        let call = call("bcm-data-exports:GetExport", arn);
        let answer = self
            .exports
            .get_export()
            .export_arn(arn)
            .send()
            .await
            .map_err(|e| call.failure(&e))?;
        let export = answer
            .export()
            .ok_or_else(|| call.cut_off("the answer has no export"))?;
        let destination = export.destination_configurations().and_then(|d| d.s3_destination());
        let output = destination.and_then(S3Destination::s3_output_configurations);
        let query = export.data_query();
        let tables = query.and_then(DataQuery::table_configurations);
        let health = answer.export_status().and_then(|status| {
            let code = status.status_code()?.as_str();
            Some(
                status
                    .status_reason()
                    .map_or_else(|| code.to_owned(), |reason| format!("{code}: {}", reason.as_str())),
            )
        });
        Ok(BillExport {
            arn: arn.to_owned(),
            name: export.name().to_owned(),
            query: query.map_or("", DataQuery::query_statement).to_owned(),
            tables: tables
                .into_iter()
                .flatten()
                .map(|(table, settings)| (table.clone(), settings.clone().into_iter().collect()))
                .collect(),
            bucket: destination.map_or("", S3Destination::s3_bucket).to_owned(),
            prefix: destination
                .map_or("", S3Destination::s3_prefix)
                .trim_matches('/')
                .to_owned(),
            bucket_region: destination.map_or("", S3Destination::s3_region).to_owned(),
            is_parquet: output.is_some_and(|output| *output.format() == FormatOption::Parquet),
            overwrite: match output.map(S3OutputConfigurations::overwrite) {
                Some(OverwriteOption::CreateNewReport) => Overwrite::CreateNew,
                _ => Overwrite::Overwrite,
            },
            health,
        })
    }

    /// Reports of the legacy service, which cannot name callers.
    pub async fn fetch_legacy_reports(&self) -> Result<Vec<LegacyReport>, AwsFailure> {
        let call = call("cur:DescribeReportDefinitions", "legacy Cost and Usage Reports");
        let mut found = Vec::new();
        let mut token = None;
        for _ in 0..PAGES_MAX {
            let request = self.legacy.describe_report_definitions().set_next_token(token);
            let page = request.send().await.map_err(|e| call.failure(&e))?;
            found.extend(page.report_definitions().iter().map(|report| LegacyReport {
                name: report.report_name().to_owned(),
                bucket: report.s3_bucket().to_owned(),
            }));
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Makes an export; its ARN.
    pub async fn create_export(&self, export: &BillExport) -> Result<String, AwsFailure> {
        let call = call("bcm-data-exports:CreateExport", &export.name);
        let definition = define(export).map_err(|e| call.cut_off(e.to_string()))?;
        let sent = self.exports.create_export().export(definition).send().await;
        let answer = sent.map_err(|e| call.failure(&e))?;
        Ok(answer.export_arn().unwrap_or_default().to_owned())
    }
}

fn call(action: &'static str, object: &str) -> Call {
    Call {
        action,
        object: object.to_owned(),
        resource: "*".to_owned(),
    }
}

fn define(export: &BillExport) -> Result<Export, BuildError> {
    let mut query = DataQuery::builder().query_statement(&export.query);
    for (table, settings) in &export.tables {
        query = query.table_configurations(table, settings.clone().into_iter().collect());
    }
    let output = S3OutputConfigurations::builder()
        .output_type(S3OutputType::Custom)
        .format(FormatOption::Parquet)
        .compression(CompressionOption::Parquet)
        .overwrite(match export.overwrite {
            Overwrite::Overwrite => OverwriteOption::OverwriteReport,
            Overwrite::CreateNew => OverwriteOption::CreateNewReport,
        });
    let destination = S3Destination::builder()
        .s3_bucket(&export.bucket)
        .s3_prefix(&export.prefix)
        .s3_region(&export.bucket_region)
        .s3_output_configurations(output.build()?);
    let destinations = DestinationConfigurations::builder().s3_destination(destination.build()?);
    Export::builder()
        .name(&export.name)
        .data_query(query.build()?)
        .destination_configurations(destinations.build())
        .refresh_cadence(
            RefreshCadence::builder()
                .frequency(FrequencyOption::Synchronous)
                .build()?,
        )
        .build()
}
