//! Whether the exports of an account are what anbun needs.  Pure: definitions in, checks out.

use super::definition::{BillExport, LegacyReport, Overwrite};
use crate::domain::check::Check;
use crate::sources::cur::{columns_needed, columns_read};

/// Where the settings say an export lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPlace {
    /// As the settings call it.
    pub name: String,
    pub bucket: String,
    /// Up to the export's own name.
    pub prefix: String,
}

impl BucketPlace {
    fn is_of(&self, export: &BillExport) -> bool {
        let whole = if export.prefix.is_empty() {
            export.name.clone()
        } else {
            format!("{}/{}", export.prefix, export.name)
        };
        self.bucket == export.bucket && self.prefix == whole
    }
}

const SETUP: &str = "make one with 'anbun setup aws --print terraform' (or cloudformation, cli), or '--apply'";

/// Checks of every configured place, and of the account as a whole where no place is configured.
pub fn examine(places: &[BucketPlace], exports: &[BillExport], legacy: &[LegacyReport]) -> Vec<Check> {
    let of_the_bill: Vec<&BillExport> = exports.iter().filter(|export| export.is_of_the_bill()).collect();
    if of_the_bill.is_empty() {
        return vec![no_export(legacy)];
    }
    if places.is_empty() {
        return of_the_bill
            .into_iter()
            .map(|export| examine_one(&export.name, export))
            .collect();
    }
    let checks = places.iter().map(|place| {
        let subject = format!("definition of export {}", place.name);
        match exports.iter().find(|export| place.is_of(export)) {
            Some(export) if !export.is_of_the_bill() => {
                let tables: Vec<&str> = export.tables.keys().map(String::as_str).collect();
                let found = format!("it is of the table {}, which cannot name callers", tables.join(", "));
                Check::fail(subject, found, SETUP)
            }
            Some(export) => examine_one(&subject, export),
            None => Check::warn(
                subject,
                format!(
                    "no export of this account delivers to s3://{}/{}",
                    place.bucket, place.prefix
                ),
                "check [[exports]] location, or that these are the credentials of the account that owns the export",
            ),
        }
    });
    checks.collect()
}

fn no_export(legacy: &[LegacyReport]) -> Check {
    match legacy.first() {
        None => Check::fail("Data Exports", "the account has no CUR 2.0 export", SETUP),
        Some(report) => Check::fail(
            "Data Exports",
            format!(
                "the account has the legacy report '{}' in bucket {} and no CUR 2.0 export; a legacy report cannot name callers, so it is not read",
                report.name, report.bucket
            ),
            SETUP,
        ),
    }
}

/// The first thing that is wrong with an export, the gravest first.
fn examine_one(subject: &str, export: &BillExport) -> Check {
    let columns = export.columns();
    let reads_all = columns.contains(&"*");
    let lacks = |column: &&str| !reads_all && !columns.contains(column);
    let edit = |what: &str| format!("edit export '{}': {what}", export.name);
    if !export.is_parquet {
        return Check::fail(
            subject,
            "it delivers CSV",
            edit("set format and compression to Parquet"),
        );
    }
    if let Some(column) = columns_needed().find(lacks) {
        return Check::fail(
            subject,
            format!("its query lacks {column}"),
            edit(&format!("add {column} to its columns")),
        );
    }
    if export.setting("INCLUDE_IAM_PRINCIPAL_DATA") != Some("TRUE") || lacks(&"line_item_iam_principal") {
        let found = "callers are not switched on, so no charge can be attributed";
        let action =
            "set INCLUDE_IAM_PRINCIPAL_DATA to TRUE and add line_item_iam_principal; AWS fills it from then on only";
        return Check::fail(subject, found, edit(action));
    }
    if export.setting("TIME_GRANULARITY") == Some("MONTHLY") {
        return Check::fail(
            subject,
            "it is by the month, days cannot be told",
            edit("set TIME_GRANULARITY to DAILY"),
        );
    }
    if let Some(health) = export.health.as_deref().filter(|health| *health != "HEALTHY") {
        let action = "see AWS Data Exports in the console: often the bucket's policy no longer lets AWS write";
        return Check::fail(subject, format!("AWS says it is {health}"), action);
    }
    let missing: Vec<&str> = columns_read().filter(lacks).collect();
    if !missing.is_empty() {
        let found = format!("its query lacks {}", missing.join(", "));
        return Check::warn(
            subject,
            found,
            edit("add these columns; 'anbun setup aws --print cli' has the whole query"),
        );
    }
    if export.setting("INCLUDE_RESOURCES") != Some("TRUE") {
        let found = "resources are not switched on, so inference profiles are unknown";
        return Check::warn(subject, found, edit("set INCLUDE_RESOURCES to TRUE"));
    }
    if export.overwrite == Overwrite::CreateNew {
        let found = "every refresh is kept, so the bucket grows by a month's files up to three times a day";
        return Check::warn(
            subject,
            found,
            edit("overwrite existing files, or give the bucket a lifecycle rule"),
        );
    }
    Check::ok(
        subject,
        format!(
            "s3://{}/{}/{} has what anbun reads",
            export.bucket, export.prefix, export.name
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::check::Health;
    use crate::sources::data_exports::{Granularity, TABLE, wanted_export};

    fn good() -> BillExport {
        wanted_export("bill", ("bucket", "cur", "us-east-1"), Granularity::Day)
    }

    fn check(change: impl Fn(&mut BillExport), health: Health, found: &str) {
        let mut export = good();
        change(&mut export);
        let place = BucketPlace {
            name: "main".to_owned(),
            bucket: "bucket".to_owned(),
            prefix: "cur/bill".to_owned(),
        };
        let checks = examine(&[place], &[export], &[]);
        assert_eq!(checks.len(), 1);
        assert_eq!(checks[0].health, health, "{checks:?}");
        assert!(checks[0].found.contains(found), "{checks:?}");
        assert_eq!(checks[0].action.is_empty(), health == Health::Ok, "{checks:?}");
    }

    fn set(export: &mut BillExport, key: &str, value: &str) {
        let settings = export.tables.entry(TABLE.to_owned()).or_default();
        settings.insert(key.to_owned(), value.to_owned());
    }

    #[test]
    fn what_anbun_makes_is_what_it_wants() {
        check(|_| (), Health::Ok, "has what anbun reads");
    }

    #[test]
    fn each_fault_is_named() {
        check(|e| e.is_parquet = false, Health::Fail, "CSV");
        check(
            |e| e.query = e.query.replace("line_item_unblended_cost, ", ""),
            Health::Fail,
            "line_item_unblended_cost",
        );
        check(
            |e| set(e, "INCLUDE_IAM_PRINCIPAL_DATA", "FALSE"),
            Health::Fail,
            "callers are not switched on",
        );
        check(
            |e| e.query = e.query.replace("line_item_iam_principal, ", ""),
            Health::Fail,
            "callers are not switched on",
        );
        check(|e| set(e, "TIME_GRANULARITY", "MONTHLY"), Health::Fail, "by the month");
        check(
            |e| e.health = Some("UNHEALTHY: INSUFFICIENT_PERMISSION".to_owned()),
            Health::Fail,
            "INSUFFICIENT_PERMISSION",
        );
        check(|e| e.query = e.query.replace("tags, ", ""), Health::Warn, "lacks tags");
        check(|e| set(e, "INCLUDE_RESOURCES", "FALSE"), Health::Warn, "resources");
        check(
            |e| e.overwrite = Overwrite::CreateNew,
            Health::Warn,
            "every refresh is kept",
        );
        check(
            |e| {
                e.tables = [("FOCUS_1_2_AWS".to_owned(), [].into())].into();
                e.query = "SELECT BilledCost FROM FOCUS_1_2_AWS".to_owned();
            },
            Health::Fail,
            "no CUR 2.0 export",
        );
        check(
            |e| e.bucket = "other".to_owned(),
            Health::Warn,
            "no export of this account delivers",
        );
        check(
            |e| set(e, "TIME_GRANULARITY", "HOURLY"),
            Health::Ok,
            "has what anbun reads",
        );
    }

    #[test]
    fn a_legacy_report_alone_is_explained() {
        let legacy = LegacyReport {
            name: "old".to_owned(),
            bucket: "b".to_owned(),
        };
        let checks = examine(&[], &[], &[legacy]);
        assert!(
            checks[0].health == Health::Fail && checks[0].found.contains("legacy report 'old'"),
            "{checks:?}"
        );
        assert!(examine(&[], &[], &[])[0].found.contains("has no CUR 2.0 export"));
        assert_eq!(examine(&[], &[good()], &[])[0].health, Health::Ok);
    }
}
