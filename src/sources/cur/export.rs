//! An export wherever it lies: its manifests, the files of a delivery, and whether they are still the same.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::bucket::{BucketExport, ObjectFile};
use super::columnar::ColumnarFile;
use super::folder::FolderExport;
use super::{SourceError, read};
use crate::domain::period::BillingPeriod;
use crate::sources::aws::AwsAccess;

/// Where an export lies, as the settings or a command say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportLocation {
    Folder(PathBuf),
    Bucket {
        bucket: String,
        /// Up to the export's own name, without slashes at the ends.
        prefix: String,
        access: AwsAccess,
        /// At most so many bytes of files are held in memory before they are decoded.
        fetch_bytes_max: u64,
        /// The objects are copies, whose times say nothing about the order in which AWS wrote them.
        are_copies: bool,
    },
}

/// An export that can be read.
pub enum Export {
    Folder(FolderExport),
    Bucket(BucketExport),
}

/// The manifest of a billing period as a listing shows it.
#[derive(Debug, Clone)]
pub struct ManifestHead {
    pub object: String,
    pub period: BillingPeriod,
    /// When the manifest was written: it is the last file of a refresh.
    pub delivered_at: DateTime<Utc>,
    /// Another one for every refresh.
    pub version: String,
}

/// A billing period of an export with its manifest, or why that cannot be used.
pub type FoundManifest = (BillingPeriod, Result<ManifestHead, SourceError>);

/// A delivery with the files that make it up.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub head: ManifestHead,
    pub(super) files: Vec<DataFile>,
    /// Each file's key, bytes, and version: an ETag, or when it was written.
    pub versions: Vec<String>,
    /// `manifest/files`: the manifest's version, then that of all files together.
    pub digest: String,
}

#[derive(Debug, Clone)]
pub(super) enum DataFile {
    Local(PathBuf),
    Object(ObjectFile),
}

impl ManifestHead {
    /// Whether a digest is of this same manifest, whatever became of its files.  AWS writes the manifest last: files that
    /// are new under an old manifest are a refresh that is not done.
    pub fn is_of(&self, digest: &str) -> bool {
        digest
            .split_once('/')
            .is_some_and(|(manifest, _)| manifest == self.version)
    }
}

impl Manifest {
    pub fn file_count(&self) -> usize {
        self.files.len()
    }
}

/// A delivery whose files are open: their footers are read, and every later byte comes from the same versions of them.
pub struct OpenDelivery {
    pub period: BillingPeriod,
    pub(super) files: Vec<OpenFile>,
    /// Bound of what is fetched ahead, where the files are not at hand.
    pub(super) fetch_bytes_max: u64,
}

pub(super) struct OpenFile {
    pub(super) object: String,
    pub(super) file: ColumnarFile,
    pub(super) remote: Option<super::bucket::RemoteObject>,
}

/// Bytes of a bucket's files that are held in memory before they are decoded, unless the settings say otherwise.
const FETCH_BYTES_MAX: u64 = 128 * 1024 * 1024;

impl ExportLocation {
    /// An export in a bucket that the settings do not name.
    pub fn of_bucket(bucket: &str, prefix: &str, account: AwsAccess) -> Self {
        Self::Bucket {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            access: AwsAccess {
                region: None,
                endpoint: None,
                ..account
            },
            fetch_bytes_max: FETCH_BYTES_MAX,
            are_copies: false,
        }
    }

    /// The address that people know it by.
    pub fn address(&self) -> String {
        match self {
            Self::Folder(folder) => folder
                .canonicalize()
                .unwrap_or_else(|_| folder.clone())
                .display()
                .to_string(),
            Self::Bucket { bucket, prefix, .. } => format!("s3://{bucket}/{prefix}"),
        }
    }

    /// `now` is what copies are judged by: they are read once they have stood still.
    pub async fn connect(&self, now: DateTime<Utc>) -> Result<Export, SourceError> {
        Ok(match self {
            Self::Folder(folder) => Export::Folder(FolderExport::at(folder)?),
            Self::Bucket {
                bucket,
                prefix,
                access,
                fetch_bytes_max,
                are_copies,
            } => {
                let (bytes_max, are_copies) = (*fetch_bytes_max, *are_copies);
                Export::Bucket(BucketExport::connect(bucket, prefix, access, bytes_max, are_copies, now).await?)
            }
        })
    }
}

impl Export {
    /// The latest manifest of each billing period, in order of periods.  A period whose manifest cannot be used is an error
    /// of its own and leaves the others usable.
    pub async fn find_manifests(&self) -> Result<Vec<FoundManifest>, SourceError> {
        match self {
            Self::Folder(folder) => folder.find_manifests(),
            Self::Bucket(bucket) => bucket.find_manifests().await,
        }
    }

    /// The latest manifest of one billing period.
    pub async fn find_manifest(&self, period: BillingPeriod) -> Result<ManifestHead, SourceError> {
        let found = self
            .find_manifests()
            .await?
            .into_iter()
            .find(|(found, _)| *found == period);
        found.map_or_else(
            || {
                Err(SourceError::Changed {
                    object: period.to_string(),
                })
            },
            |(_, head)| head,
        )
    }

    /// Whether looking at the files of a delivery costs requests.
    pub const fn is_remote(&self) -> bool {
        matches!(self, Self::Bucket(_))
    }

    /// The files of a manifest, with their versions.
    pub async fn describe(&self, head: &ManifestHead) -> Result<Manifest, SourceError> {
        match self {
            Self::Folder(folder) => folder.describe(head),
            Self::Bucket(bucket) => bucket.describe(head).await,
        }
    }

    /// Opens every file of a delivery.
    pub async fn open(&self, manifest: &Manifest) -> Result<OpenDelivery, SourceError> {
        match self {
            Self::Folder(_) => open_local(manifest),
            Self::Bucket(bucket) => bucket.open(manifest).await,
        }
    }

    /// Fails where the delivery is not the one that the manifest described when it was found.
    pub async fn check_unchanged(&self, manifest: &Manifest) -> Result<(), SourceError> {
        let changed = || SourceError::Changed {
            object: manifest.head.object.clone(),
        };
        let again = match self {
            Self::Folder(folder) => folder.reread(&manifest.head).map_err(|_| changed())?,
            Self::Bucket(bucket) => bucket.reread(&manifest.head).await?,
        };
        if again.digest == manifest.digest {
            Ok(())
        } else {
            Err(changed())
        }
    }

    /// Bytes of files that were fetched over a network so far.
    pub fn bytes_fetched(&self) -> u64 {
        match self {
            Self::Folder(_) => 0,
            Self::Bucket(bucket) => bucket.bytes_fetched(),
        }
    }
}

fn open_local(manifest: &Manifest) -> Result<OpenDelivery, SourceError> {
    let mut files = Vec::with_capacity(manifest.files.len());
    for file in &manifest.files {
        let DataFile::Local(path) = file else { continue };
        let object = path.display().to_string();
        let file = ColumnarFile::open(path).map_err(|error| read::file_error(&object, &error))?;
        files.push(OpenFile {
            object,
            file,
            remote: None,
        });
    }
    Ok(OpenDelivery {
        period: manifest.head.period,
        files,
        fetch_bytes_max: 0,
    })
}
