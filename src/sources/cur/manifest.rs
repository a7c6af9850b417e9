//! What a manifest says: which files make up a billing period.
//!
//! The manifest is the only list of files that is believed.  In overwrite mode emptied chunks of earlier refreshes lie
//! beside the current ones, and in create-new mode every refresh stays, so a listing would count money twice.  A file
//! outside the export is never opened, whatever a manifest says.

use std::collections::BTreeSet;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::SourceError;
use crate::domain::period::BillingPeriod;

/// A manifest larger than this is none.
pub(super) const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How every manifest's name ends; what comes before differs between delivery modes.
pub(super) const MANIFEST_SUFFIX: &str = "Manifest.json";
pub(super) const METADATA_FOLDER: &str = "metadata";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManifestFile {
    data_files: Option<Vec<String>>,
    report_keys: Option<serde::de::IgnoredAny>,
}

/// The data files of a manifest, as paths inside the export: `data/BILLING_PERIOD=2026-10/...`.
pub(super) fn list_files(object: &str, text: &[u8], period: BillingPeriod) -> Result<Vec<String>, SourceError> {
    let refuse = |what: String, action| SourceError::Manifest {
        object: object.to_owned(),
        what,
        action,
    };
    let json: ManifestFile = serde_json::from_slice(text).map_err(|e| {
        refuse(
            format!("it is not a manifest in JSON: {e}"),
            "wait for the next refresh; the data folder is not listed in its place",
        )
    })?;
    let Some(names) = json.data_files else {
        return Err(if json.report_keys.is_some() {
            refuse(
                "this is the manifest of a legacy Cost and Usage Report".to_owned(),
                "create a CUR 2.0 export in AWS Data Exports: the legacy report cannot name the caller",
            )
        } else {
            refuse("it has no dataFiles".to_owned(), "check which file this is")
        });
    };
    if names.is_empty() {
        return Err(refuse(
            "it lists no data files".to_owned(),
            "wait for the next refresh; what was loaded before is kept",
        ));
    }
    let files = names
        .iter()
        .map(|name| locate(name, period))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|what| refuse(what, "nothing was opened; check who wrote this manifest"))?;
    if files.iter().collect::<BTreeSet<_>>().len() != files.len() {
        return Err(refuse(
            "it lists a file twice".to_owned(),
            "nothing was loaded: the file's cost would count twice",
        ));
    }
    Ok(files)
}

/// The path inside the export that a name in a manifest means.  The name is a full `s3://` URI or a path inside the
/// bucket; its part from `data/BILLING_PERIOD=` on lies in the export.
fn locate(name: &str, period: BillingPeriod) -> Result<String, String> {
    let outside = || format!("it names '{name}', which is not a data file of {period} in this export");
    let parts: Vec<&str> = name.strip_prefix("s3://").unwrap_or(name).split('/').collect();
    let plain = |part: &&str| !matches!(*part, "" | "." | "..") && !part.contains(['\\', '\0', ':']);
    if !parts.iter().all(plain) {
        return Err(outside());
    }
    let at = parts
        .windows(2)
        .position(|pair| pair[0] == "data" && period_of_partition(pair[1]) == Some(period));
    let inside = &parts[at.ok_or_else(outside)?..];
    if inside.len() < 3 {
        return Err(outside());
    }
    if !name.to_ascii_lowercase().ends_with(".parquet") {
        return Err(format!("'{name}' is not Parquet; set the export's format to Parquet"));
    }
    Ok(inside.join("/"))
}

/// `BILLING_PERIOD=2026-10`, in any case.
pub(super) fn period_of_partition(name: &str) -> Option<BillingPeriod> {
    let (key, month) = name.split_once('=')?;
    key.eq_ignore_ascii_case("billing_period")
        .then(|| month.parse().ok())
        .flatten()
}

/// Why a folder with several manifests, or none, cannot be used.
pub(super) fn no_single_manifest(object: String, names: &[&str]) -> SourceError {
    match names {
        [first, .., last] => SourceError::Manifest {
            object,
            what: format!("two manifests, {first} and {last}"),
            action: "keep the manifests of one export in one folder",
        },
        _ => SourceError::Manifest {
            object,
            what: "no manifest".to_owned(),
            action: "wait: AWS writes the manifest after the last data file of a refresh",
        },
    }
}

/// One version of several things, in order.
#[derive(Default)]
pub(super) struct Fingerprint(Sha256);

impl Fingerprint {
    pub(super) fn of(bytes: &[u8]) -> String {
        let mut one = Self::default();
        one.0.update(bytes);
        one.finish()
    }

    pub(super) fn add(&mut self, text: &str) {
        self.0.update(b"\n");
        self.0.update(text);
    }

    pub(super) fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_inside_the_export_are_found_and_others_are_not() {
        let period = "2026-10".parse().unwrap_or_else(|e| panic!("{e}"));
        for (name, inside) in [
            (
                "s3://bucket/a/b/cur/data/BILLING_PERIOD=2026-10/cur-00001.snappy.parquet",
                "data/BILLING_PERIOD=2026-10/cur-00001.snappy.parquet",
            ),
            (
                "cur/data/billing_period=2026-10/cur-00001.snappy.parquet",
                "data/billing_period=2026-10/cur-00001.snappy.parquet",
            ),
            (
                "s3://bucket/data/x/data/BILLING_PERIOD=2026-10/20261103T050000Z-1/cur-00001.snappy.parquet",
                "data/BILLING_PERIOD=2026-10/20261103T050000Z-1/cur-00001.snappy.parquet",
            ),
        ] {
            assert_eq!(locate(name, period).as_deref(), Ok(inside));
        }
        for name in [
            "s3://bucket/cur/../other/data/BILLING_PERIOD=2026-10/x.parquet",
            "s3://bucket/cur/data/BILLING_PERIOD=2026-10/../../../etc/x.parquet",
            "s3://bucket/cur/data/BILLING_PERIOD=2026-09/x.parquet",
            "/etc/passwd",
            "s3://bucket/cur/x.parquet",
            "s3://bucket/cur/data/BILLING_PERIOD=2026-10/x.csv.gz",
            "s3://bucket/cur/data/BILLING_PERIOD=2026-10//x.parquet",
            "data\\BILLING_PERIOD=2026-10\\x.parquet",
            "data/BILLING_PERIOD=2026-10/C:x.parquet",
            "data/BILLING_PERIOD=2026-10",
            "",
        ] {
            assert!(locate(name, period).is_err(), "{name}");
        }
    }
}
