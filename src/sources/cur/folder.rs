//! An export in a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::SourceError;
use super::export::{DataFile, FoundManifest, Manifest, ManifestHead};
use super::manifest::{
    Fingerprint, MANIFEST_BYTES_MAX, MANIFEST_SUFFIX, METADATA_FOLDER, list_files, no_single_manifest,
    period_of_partition,
};
use crate::domain::period::BillingPeriod;

pub struct FolderExport {
    root: PathBuf,
}

impl FolderExport {
    pub(super) fn at(folder: &Path) -> Result<Self, SourceError> {
        let root = folder.canonicalize().map_err(|e| SourceError::Manifest {
            object: folder.display().to_string(),
            what: format!("there is no such export folder: {e}"),
            action: "give the folder of one export, the one that holds 'data' and 'metadata'",
        })?;
        Ok(Self { root })
    }

    pub(super) fn find_manifests(&self) -> Result<Vec<FoundManifest>, SourceError> {
        let metadata = self.root.join(METADATA_FOLDER);
        let refuse = |path: &Path, what: String| SourceError::Manifest {
            object: path.display().to_string(),
            what,
            action: "give the folder of one export, the one that holds 'data' and 'metadata'",
        };
        let partitions =
            list(&metadata).map_err(|e| refuse(&metadata, format!("no manifests can be read there: {e}")))?;
        let mut found: Vec<(BillingPeriod, PathBuf)> = partitions
            .into_iter()
            .filter(|path| path.is_dir())
            .filter_map(|path| Some((period_of_partition(name_of(&path))?, path)))
            .collect();
        found.sort();
        if found.is_empty() {
            return Err(SourceError::NoDelivery {
                object: metadata.display().to_string(),
                action: "no folder BILLING_PERIOD=YYYY-MM with a manifest: give the folder of one export",
            });
        }
        if let Some(pair) = found.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let what = format!("a second folder for {}, beside {}", pair[0].0, pair[0].1.display());
            return Err(refuse(&pair[1].1, what));
        }
        let head = |period, partition: &Path| Ok(read_manifest(&latest_manifest(partition)?, period)?.0);
        Ok(found
            .iter()
            .map(|(period, partition)| (*period, head(*period, partition)))
            .collect())
    }

    pub(super) fn describe(&self, head: &ManifestHead) -> Result<Manifest, SourceError> {
        let again = self.reread(head)?;
        if again.head.version == head.version {
            Ok(again)
        } else {
            Err(SourceError::Changed {
                object: head.object.clone(),
            })
        }
    }

    /// The manifest at the same place as it is now.
    pub(super) fn reread(&self, head: &ManifestHead) -> Result<Manifest, SourceError> {
        let (head, text) = read_manifest(Path::new(&head.object), head.period)?;
        let mut fingerprint = Fingerprint::default();
        let mut versions = Vec::new();
        let mut files = Vec::new();
        for name in list_files(&head.object, &text, head.period)? {
            let path = name.split('/').fold(self.root.clone(), |path, part| path.join(part));
            let properties = self.check_listed(&path)?;
            let written = properties.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let nanos = written
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |d| d.as_nanos());
            let version = format!("{name} {} {nanos}", properties.len());
            fingerprint.add(&version);
            versions.push(version);
            files.push(DataFile::Local(path));
        }
        let digest = format!("{}/{}", head.version, fingerprint.finish());
        Ok(Manifest {
            head,
            files,
            versions,
            digest,
        })
    }

    fn check_listed(&self, file: &Path) -> Result<fs::Metadata, SourceError> {
        let refuse = |what: String, action| SourceError::File {
            object: file.display().to_string(),
            what,
            action,
        };
        let missing = "a refresh may be under way: run the load again later, what was loaded before is kept";
        let real = file.canonicalize().map_err(|e| {
            let what = format!("the manifest lists it, but it cannot be opened: {e}");
            refuse(what, missing)
        })?;
        if !real.starts_with(&self.root) {
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

fn latest_manifest(partition: &Path) -> Result<PathBuf, SourceError> {
    let unreadable = |e: std::io::Error| SourceError::Manifest {
        object: partition.display().to_string(),
        what: format!("it cannot be listed: {e}"),
        action: "check the folder's permissions",
    };
    let entries = list(partition).map_err(unreadable)?;
    let is_manifest = |path: &&PathBuf| name_of(path).ends_with(MANIFEST_SUFFIX) && path.is_file();
    let found: Vec<&PathBuf> = entries.iter().filter(is_manifest).collect();
    if let [manifest] = found.as_slice() {
        return Ok((*manifest).clone());
    }
    if found.is_empty() {
        // Create-new mode without the copy of the latest: the folder names begin with the time of the refresh.
        for folder in entries.iter().rev().filter(|path| path.is_dir()) {
            if let Some(manifest) = list(folder).map_err(unreadable)?.iter().find(is_manifest) {
                return Ok(manifest.clone());
            }
        }
    }
    let names: Vec<&str> = found.iter().map(|path| name_of(path)).collect();
    Err(no_single_manifest(partition.display().to_string(), &names))
}

fn read_manifest(path: &Path, period: BillingPeriod) -> Result<(ManifestHead, Vec<u8>), SourceError> {
    let object = path.display().to_string();
    let refuse = |what: String, action| SourceError::Manifest {
        object: object.clone(),
        what,
        action,
    };
    let unreadable =
        |e: std::io::Error| refuse(format!("it cannot be read: {e}"), "check the file and its permissions");
    let properties = fs::metadata(path).map_err(unreadable)?;
    if properties.len() > MANIFEST_BYTES_MAX {
        let what = format!("{} bytes are no manifest", properties.len());
        return Err(refuse(what, "check which file this is"));
    }
    let text = fs::read(path).map_err(unreadable)?;
    let delivered_at = properties.modified().map_err(unreadable)?.into();
    let head = ManifestHead {
        object: object.clone(),
        period,
        delivered_at,
        version: Fingerprint::of(&text),
    };
    Ok((head, text))
}
