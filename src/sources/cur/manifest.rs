//! The manifest of a delivery: which files make up a billing period.
//!
//! The manifest is the only list of files that is believed.  In overwrite mode emptied chunks of earlier refreshes lie
//! beside the current ones, and in create-new mode every refresh stays, so a listing of the folder would count money twice.
//! A file outside the export is never opened, whatever a manifest says.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::SourceError;
use crate::domain::period::BillingPeriod;

/// A manifest larger than this is none.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// One delivery of one billing period, found by its manifest.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub path: PathBuf,
    pub period: BillingPeriod,
    pub files: Vec<PathBuf>,
    /// When the manifest was written: it is the last file of a refresh.
    pub delivered_at: DateTime<Utc>,
    /// Of the manifest's content, then of the length and time of every file that it lists: `content/files`.
    pub digest: String,
}

impl Manifest {
    /// Whether a digest is of this same manifest, whatever became of its files.  AWS writes the manifest last: files that
    /// are new under an old manifest are a refresh that is not done.
    pub fn is_same_manifest(&self, digest: &str) -> bool {
        let content = |digest: &str| digest.split('/').next().map(str::to_owned);
        content(&self.digest) == content(digest)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManifestFile {
    data_files: Option<Vec<String>>,
    report_keys: Option<serde::de::IgnoredAny>,
}

/// A billing period of an export with its manifest, or why that cannot be used.
pub type FoundManifest = (BillingPeriod, Result<Manifest, SourceError>);

/// The latest manifest of each billing period of an export, in order of periods.  A period whose manifest cannot be used
/// is an error of its own and leaves the others usable.
pub fn find_manifests(export: &Path) -> Result<Vec<FoundManifest>, SourceError> {
    let metadata = export.join("metadata");
    let refuse = |path: &Path, what: String| SourceError::Manifest {
        path: path.to_path_buf(),
        what,
        action: "give the folder of one export, the one that holds 'data' and 'metadata'",
    };
    let partitions = list(&metadata).map_err(|e| refuse(&metadata, format!("no manifests can be read there: {e}")))?;
    let mut found: Vec<(BillingPeriod, PathBuf)> = partitions
        .into_iter()
        .filter_map(|path| Some((partition_period(&path)?, path)))
        .collect();
    found.sort();
    if found.is_empty() {
        return Err(refuse(
            &metadata,
            "no folder BILLING_PERIOD=YYYY-MM with a manifest".to_owned(),
        ));
    }
    if let Some(pair) = found.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(refuse(
            &pair[1].1,
            format!("a second folder for {}, beside {}", pair[0].0, pair[0].1.display()),
        ));
    }
    let read = |period, partition: &Path| read_manifest(export, &latest_manifest(partition)?, period);
    Ok(found
        .iter()
        .map(|(period, partition)| (*period, read(*period, partition)))
        .collect())
}

/// The latest manifest of one billing period.
pub fn find_manifest(export: &Path, period: BillingPeriod) -> Result<Manifest, SourceError> {
    let found = find_manifests(export)?.into_iter().find(|(found, _)| *found == period);
    found.map_or_else(
        || {
            Err(SourceError::Changed {
                path: export.to_path_buf(),
            })
        },
        |(_, manifest)| manifest,
    )
}

/// Fails where the delivery is not the one that the manifest described when it was found.
pub fn check_unchanged(export: &Path, manifest: &Manifest) -> Result<(), SourceError> {
    let changed = || SourceError::Changed {
        path: manifest.path.clone(),
    };
    let again = read_manifest(export, &manifest.path, manifest.period).map_err(|_| changed())?;
    if again.digest == manifest.digest {
        Ok(())
    } else {
        Err(changed())
    }
}

fn list(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or("")
}

/// `BILLING_PERIOD=2026-10`, in any case.
fn partition_period(path: &Path) -> Option<BillingPeriod> {
    period_of_partition_name(name_of(path)).filter(|_| path.is_dir())
}

fn period_of_partition_name(name: &str) -> Option<BillingPeriod> {
    let (key, month) = name.split_once('=')?;
    key.eq_ignore_ascii_case("billing_period")
        .then(|| month.parse().ok())
        .flatten()
}

fn latest_manifest(partition: &Path) -> Result<PathBuf, SourceError> {
    let refuse = |what: String, action| SourceError::Manifest {
        path: partition.to_path_buf(),
        what,
        action,
    };
    let unreadable = |e: std::io::Error| refuse(format!("it cannot be listed: {e}"), "check the folder's permissions");
    let entries = list(partition).map_err(unreadable)?;
    let is_manifest = |path: &&PathBuf| name_of(path).ends_with("Manifest.json") && path.is_file();
    let found: Vec<&PathBuf> = entries.iter().filter(is_manifest).collect();
    match found.as_slice() {
        [manifest] => return Ok((*manifest).clone()),
        [] => {}
        [first, .., last] => {
            let what = format!("two manifests, {} and {}", name_of(first), name_of(last));
            return Err(refuse(what, "keep the manifests of one export in one folder"));
        }
    }
    // Create-new mode without the copy of the latest: the folder names begin with the time of the refresh.
    for folder in entries.iter().rev().filter(|path| path.is_dir()) {
        if let Some(manifest) = list(folder).map_err(unreadable)?.iter().find(is_manifest) {
            return Ok(manifest.clone());
        }
    }
    Err(refuse(
        "no manifest".to_owned(),
        "wait: AWS writes the manifest after the last data file of a refresh",
    ))
}

fn read_manifest(export: &Path, path: &Path, period: BillingPeriod) -> Result<Manifest, SourceError> {
    let refuse = |what: String, action| SourceError::Manifest {
        path: path.to_path_buf(),
        what,
        action,
    };
    let unreadable =
        |e: std::io::Error| refuse(format!("it cannot be read: {e}"), "check the file and its permissions");
    let properties = fs::metadata(path).map_err(unreadable)?;
    if properties.len() > MANIFEST_BYTES_MAX {
        return Err(refuse(
            format!("{} bytes are no manifest", properties.len()),
            "check which file this is",
        ));
    }
    let text = fs::read(path).map_err(unreadable)?;
    let json: ManifestFile = serde_json::from_slice(&text).map_err(|e| {
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
    let mut hash = Sha256::new();
    let mut files = Vec::with_capacity(names.len());
    for name in &names {
        let file = locate(export, name, period)
            .map_err(|what| refuse(what, "nothing was opened; check who wrote this manifest"))?;
        let properties = check_listed(export, &file)?;
        let written = properties.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let nanos = written
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |d| d.as_nanos());
        hash.update(format!("\n{name} {} {nanos}", properties.len()));
        files.push(file);
    }
    let mut unique = files.clone();
    unique.sort();
    unique.dedup();
    if unique.len() != files.len() {
        return Err(refuse(
            "it lists a file twice".to_owned(),
            "nothing was loaded: the file's cost would count twice",
        ));
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let digest = format!("{}/{}", hex(&Sha256::digest(&text)), hex(&hash.finalize()));
    let delivered_at = properties.modified().map_err(unreadable)?.into();
    Ok(Manifest {
        path: path.to_path_buf(),
        period,
        files,
        delivered_at,
        digest,
    })
}

/// The local file that a name in a manifest means: a full `s3://` URI or a path inside the bucket, whose part from
/// `data/BILLING_PERIOD=` on lies in the export's folder.
fn locate(export: &Path, name: &str, period: BillingPeriod) -> Result<PathBuf, String> {
    let outside = || format!("it names '{name}', which is not a data file of {period} in this export");
    let mut parts: Vec<&str> = name.strip_prefix("s3://").unwrap_or(name).split('/').collect();
    let plain = |part: &&str| {
        matches!(
            Path::new(part).components().collect::<Vec<_>>().as_slice(),
            [Component::Normal(_)]
        )
    };
    if !parts.iter().all(plain) || name.contains('\\') {
        return Err(outside());
    }
    let at = parts
        .windows(2)
        .position(|pair| pair[0] == "data" && period_of_partition_name(pair[1]) == Some(period));
    let inside = parts.split_off(at.ok_or_else(outside)?);
    if !name.to_ascii_lowercase().ends_with(".parquet") {
        return Err(format!("'{name}' is not Parquet; set the export's format to Parquet"));
    }
    Ok(inside.iter().fold(export.to_path_buf(), |path, part| path.join(part)))
}

fn check_listed(export: &Path, file: &Path) -> Result<fs::Metadata, SourceError> {
    let refuse = |what: String, action| SourceError::File {
        path: file.to_path_buf(),
        what,
        action,
    };
    let missing = "a refresh may be under way: run the load again later, what was loaded before is kept";
    let (real, root) = match (file.canonicalize(), export.canonicalize()) {
        (Ok(real), Ok(root)) => (real, root),
        (Err(e), _) | (_, Err(e)) => {
            return Err(refuse(
                format!("the manifest lists it, but it cannot be opened: {e}"),
                missing,
            ));
        }
    };
    if !real.starts_with(&root) {
        return Err(refuse(
            "it is a link that leads out of the export".to_owned(),
            "nothing was opened; put the file itself there",
        ));
    }
    let properties = fs::metadata(&real).map_err(|e| refuse(e.to_string(), missing))?;
    if properties.len() == 0 {
        return Err(refuse("the manifest lists it, but it has no bytes".to_owned(), missing));
    }
    Ok(properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_inside_the_export_are_found_and_others_are_not() {
        let period = "2026-10".parse().unwrap_or_else(|e| panic!("{e}"));
        let root = Path::new("/exports/cur");
        for name in [
            "s3://bucket/a/b/cur/data/BILLING_PERIOD=2026-10/cur-00001.snappy.parquet",
            "cur/data/billing_period=2026-10/cur-00001.snappy.parquet",
            "s3://bucket/data/x/data/BILLING_PERIOD=2026-10/20261103T050000Z-1/cur-00001.snappy.parquet",
        ] {
            let file = locate(root, name, period).unwrap_or_else(|e| panic!("{e}"));
            assert!(
                file.starts_with("/exports/cur/data") && file.ends_with("cur-00001.snappy.parquet"),
                "{}",
                file.display()
            );
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
            "",
        ] {
            assert!(locate(root, name, period).is_err(), "{name}");
        }
    }
}
