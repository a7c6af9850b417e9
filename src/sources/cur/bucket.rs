//! An export in an S3 bucket: listings, manifests, and data files opened at one version each.
//!
//! Listings are used to find manifests and the versions of files, never to decide which files count.

mod layout;
mod object;
mod prefetch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{Region, ResponseChecksumValidation};
use aws_sdk_s3::primitives::DateTime as AwsTime;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::JoinSet;

use super::columnar::{ColumnarFile, FOOTER_BYTES, Footer, parse_footer};
use super::export::{DataFile, FoundManifest, Manifest, ManifestHead, OpenDelivery, OpenFile};
use super::manifest::{
    Fingerprint, MANIFEST_BYTES_MAX, MANIFEST_SUFFIX, METADATA_FOLDER, list_files, no_single_manifest,
    period_of_partition,
};
use super::{SourceError, read};
use crate::domain::period::BillingPeriod;
use crate::sources::aws::{AwsAccess, AwsFailureKind, Call};
pub(super) use layout::copy_columns;
pub(super) use object::RemoteObject;
pub(super) use prefetch::{Arrivals, FetchJob, FetchedGroup, fetch_ahead};

const FALLBACK_REGION: &str = "us-east-1";
const ATTEMPTS_MAX: u32 = 5;
/// An export whose manifests do not fit into so many pages of a thousand keys is none.
const LIST_PAGES_MAX: usize = 100;
const FOOTERS_AT_ONCE: usize = 8;
/// AWS writes the manifest last.  A copy is believed once its files have stood still for so long.
const COPY_SETTLES_AFTER: TimeDelta = TimeDelta::hours(1);

/// A data file as a listing shows it.
#[derive(Debug, Clone)]
pub(super) struct ObjectFile {
    key: String,
    etag: String,
    bytes: u64,
}

pub struct BucketExport {
    client: Client,
    bucket: String,
    prefix: String,
    fetch_bytes_max: u64,
    are_copies: bool,
    now: DateTime<Utc>,
    bytes_fetched: Arc<AtomicU64>,
}

/// A partition by its folder's own name, and what is in it by its path there.
type Partition<'l> = (&'l str, Vec<(&'l str, &'l Listed)>);

struct Listed {
    key: String,
    etag: String,
    bytes: u64,
    written_at: DateTime<Utc>,
}

impl BucketExport {
    /// Finds the bucket's region where the settings do not name one.
    pub(super) async fn connect(
        bucket: &str,
        prefix: &str,
        access: &AwsAccess,
        fetch_bytes_max: u64,
        are_copies: bool,
        now: DateTime<Utc>,
    ) -> Result<Self, SourceError> {
        let shared = access.load(FALLBACK_REGION).await;
        let client = |region: Option<String>| {
            let config = aws_sdk_s3::config::Builder::from(&shared)
                .force_path_style(access.endpoint.is_some())
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
                .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
                .region(region.map(Region::new).or_else(|| shared.region().cloned()));
            Client::from_conf(config.build())
        };
        let region = match (&access.region, &access.endpoint) {
            (None, None) => region_of(&client(None), bucket).await,
            _ => None,
        };
        Ok(Self {
            client: client(region),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            fetch_bytes_max,
            are_copies,
            now,
            bytes_fetched: Arc::default(),
        })
    }

    pub(super) fn bytes_fetched(&self) -> u64 {
        self.bytes_fetched.load(Ordering::Relaxed)
    }

    fn key(&self, inside: &str) -> String {
        if self.prefix.is_empty() {
            inside.to_owned()
        } else {
            format!("{}/{inside}", self.prefix)
        }
    }

    fn address(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    fn call(&self, action: &'static str, key: &str) -> Call {
        let resource = match action {
            "s3:ListBucket" => format!("arn:aws:s3:::{}", self.bucket),
            _ => format!("arn:aws:s3:::{}/{}*", self.bucket, self.key("")),
        };
        Call {
            action,
            object: self.address(key),
            resource,
        }
    }

    pub(super) async fn find_manifests(&self) -> Result<Vec<FoundManifest>, SourceError> {
        let folder = format!("{}/", self.key(METADATA_FOLDER));
        let listed = self.list(&folder).await?;
        let refuse = |object: String, what: String| SourceError::Manifest {
            object,
            what,
            action: "give the address of one export, s3://bucket/prefix/export-name, below which 'data' and 'metadata' are",
        };
        let mut partitions: BTreeMap<BillingPeriod, Partition<'_>> = BTreeMap::new();
        for object in &listed {
            // A store may answer with anything; only what lies in the folder is of this export.
            let inside = object.key.strip_prefix(&folder).and_then(|rest| rest.split_once('/'));
            let Some((partition, rest)) = inside else { continue };
            let Some(period) = period_of_partition(partition) else {
                continue;
            };
            let (name, objects) = partitions.entry(period).or_insert((partition, Vec::new()));
            if *name != partition {
                let what = format!("a second folder for {period}, beside {name}");
                return Err(refuse(self.address(&format!("{folder}{partition}")), what));
            }
            objects.push((rest, object));
        }
        if partitions.is_empty() {
            return Err(SourceError::NoDelivery {
                object: self.address(&folder),
                action: "the first one comes within a day of making the export; else give s3://bucket/prefix/export-name",
            });
        }
        let heads = partitions.into_iter().map(|(period, (name, objects))| {
            let partition = self.address(&format!("{folder}{name}"));
            let head = latest_manifest(&objects, partition).map(|object| ManifestHead {
                object: self.address(&object.key),
                period,
                delivered_at: object.written_at,
                version: version_of(object),
            });
            (period, head)
        });
        Ok(heads.collect())
    }

    pub(super) async fn describe(&self, head: &ManifestHead) -> Result<Manifest, SourceError> {
        let manifest = self.reread(head).await?;
        if manifest.head.version == head.version {
            Ok(manifest)
        } else {
            Err(SourceError::Changed {
                object: head.object.clone(),
            })
        }
    }

    /// The manifest at the same key as it is now, with the versions of its files.
    pub(super) async fn reread(&self, head: &ManifestHead) -> Result<Manifest, SourceError> {
        let key = head
            .object
            .strip_prefix(&self.address(""))
            .unwrap_or(&head.object)
            .to_owned();
        let (text, etag, written_at) = self.get_manifest(&key).await?;
        let head = ManifestHead {
            delivered_at: written_at,
            version: version(&etag, written_at),
            ..head.clone()
        };
        let names = list_files(&head.object, &text, head.period)?;
        let files = self.find_files(&head, &names).await?;
        let mut fingerprint = Fingerprint::default();
        let mut versions = Vec::new();
        for (name, file) in names.iter().zip(&files) {
            let version = format!("{name} {} {}", file.bytes, file.etag);
            fingerprint.add(&version);
            versions.push(version);
        }
        let digest = format!("{}/{}", head.version, fingerprint.finish());
        Ok(Manifest {
            head,
            files: files.into_iter().map(DataFile::Object).collect(),
            versions,
            digest,
        })
    }

    async fn get_manifest(&self, key: &str) -> Result<(Vec<u8>, String, DateTime<Utc>), SourceError> {
        let call = self.call("s3:GetObject", key);
        let sent = self.client.get_object().bucket(&self.bucket).key(key).send().await;
        let answer = sent.map_err(|e| call.failure(&e))?;
        let etag = answer.e_tag().unwrap_or_default().to_owned();
        let written_at = time(answer.last_modified());
        let mut body = answer.body;
        let mut text = Vec::new();
        while let Some(more) = body.next().await {
            text.extend_from_slice(&more.map_err(|e| call.cut_off(format!("its content broke off: {e}")))?);
            if text.len() as u64 > MANIFEST_BYTES_MAX {
                return Err(SourceError::Manifest {
                    object: self.address(key),
                    what: format!("more than {MANIFEST_BYTES_MAX} bytes are no manifest"),
                    action: "check which file this is",
                });
            }
        }
        Ok((text, etag, written_at))
    }

    /// The files of a manifest as they are listed now, in the manifest's order.
    async fn find_files(&self, head: &ManifestHead, names: &[String]) -> Result<Vec<ObjectFile>, SourceError> {
        let mut listed: BTreeMap<String, Listed> = BTreeMap::new();
        let folders: std::collections::BTreeSet<&str> = names
            .iter()
            .filter_map(|name| name.rsplit_once('/'))
            .map(|(folder, _)| folder)
            .collect();
        for folder in folders {
            let found = self.list(&format!("{}/", self.key(folder))).await?;
            listed.extend(found.into_iter().map(|object| (object.key.clone(), object)));
        }
        let missing = "a refresh may be under way: the next run reads it again, what was loaded before is kept";
        let refuse = |object: String, what: &str, action| SourceError::File {
            object,
            what: what.to_owned(),
            action,
        };
        let mut files = Vec::with_capacity(names.len());
        let mut newest = DateTime::<Utc>::MIN_UTC;
        for name in names {
            let key = self.key(name);
            let address = self.address(&key);
            let Some(object) = listed.remove(&key) else {
                return Err(refuse(
                    address,
                    "the manifest lists it, but there is no such object",
                    missing,
                ));
            };
            if object.bytes == 0 {
                return Err(refuse(address, "the manifest lists it, but it has no bytes", missing));
            }
            // S3 tells times by the second.
            if !self.are_copies && object.written_at > head.delivered_at {
                let what = format!(
                    "it was written at {}, after the manifest ({}): a refresh is under way",
                    object.written_at.format("%H:%M:%S UTC"),
                    head.delivered_at.format("%Y-%m-%d %H:%M:%S UTC")
                );
                let action = "the next run reads it when the new manifest is there; if these objects are copies, set 'copied = true' for the export";
                return Err(SourceError::UnderWay {
                    object: address,
                    what,
                    action,
                });
            }
            newest = newest.max(object.written_at);
            files.push(ObjectFile {
                key,
                etag: object.etag,
                bytes: object.bytes,
            });
        }
        if self.are_copies {
            self.check_copy_settled(head, newest)?;
        }
        Ok(files)
    }

    /// Copies say nothing by their order, so they must have stood still.
    fn check_copy_settled(&self, head: &ManifestHead, newest: DateTime<Utc>) -> Result<(), SourceError> {
        let newest = newest.max(head.delivered_at);
        if self.now - newest >= COPY_SETTLES_AFTER {
            return Ok(());
        }
        Err(SourceError::UnderWay {
            object: head.object.clone(),
            what: format!("the copy changed at {}", newest.format("%Y-%m-%d %H:%M:%S UTC")),
            action: "a copy is read once it has stood still for an hour; the next runs look again",
        })
    }

    /// Opens the files at the versions of the manifest's description.
    pub(super) async fn open(&self, manifest: &Manifest) -> Result<OpenDelivery, SourceError> {
        let mut files: Vec<Option<OpenFile>> = manifest.files.iter().map(|_| None).collect();
        let mut opening = JoinSet::new();
        let mut waiting = manifest.files.iter().enumerate();
        loop {
            while opening.len() < FOOTERS_AT_ONCE {
                let Some((at, file)) = waiting.next() else { break };
                let DataFile::Object(file) = file else { continue };
                let remote = self.remote(file);
                opening.spawn(async move { (at, open_file(remote).await) });
            }
            match opening.join_next().await {
                None => break,
                Some(Ok((at, opened))) => files[at] = Some(opened?),
                Some(Err(error)) => return Err(self.call("s3:GetObject", "").cut_off(error.to_string()).into()),
            }
        }
        Ok(OpenDelivery {
            period: manifest.head.period,
            files: files.into_iter().flatten().collect(),
            fetch_bytes_max: self.fetch_bytes_max,
        })
    }

    pub(super) fn remote(&self, file: &ObjectFile) -> RemoteObject {
        RemoteObject::new(
            self.client.clone(),
            self.bucket.clone(),
            file,
            self.call("s3:GetObject", &file.key),
            Arc::clone(&self.bytes_fetched),
        )
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, SourceError> {
        let call = self.call("s3:ListBucket", prefix);
        let mut listed = Vec::new();
        let mut token = None;
        for _ in 0..LIST_PAGES_MAX {
            let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix);
            let sent = request.set_continuation_token(token.take()).send().await;
            let page = sent.map_err(|e| call.failure(&e))?;
            listed.extend(page.contents().iter().filter_map(|object| {
                Some(Listed {
                    key: object.key()?.to_owned(),
                    etag: object.e_tag().unwrap_or_default().to_owned(),
                    bytes: u64::try_from(object.size().unwrap_or(0)).unwrap_or(0),
                    written_at: time(object.last_modified()),
                })
            }));
            token = page.next_continuation_token().map(str::to_owned);
            if token.is_none() {
                return Ok(listed);
            }
        }
        Err(SourceError::Manifest {
            object: self.address(prefix),
            what: format!("more than {LIST_PAGES_MAX} pages of objects"),
            action: "give the address of one export, not of a whole bucket",
        })
    }
}

/// The region that a bucket answers from, if it says so; without an answer the first request tells what is wrong.
async fn region_of(client: &Client, bucket: &str) -> Option<String> {
    match client.head_bucket().bucket(bucket).send().await {
        Ok(answer) => answer.bucket_region().map(str::to_owned),
        Err(error) => {
            let call = Call {
                action: "s3:ListBucket",
                object: String::new(),
                resource: String::new(),
            };
            call.failure(&error).region.map(String::from)
        }
    }
}

fn latest_manifest<'l>(objects: &[(&str, &'l Listed)], partition: String) -> Result<&'l Listed, SourceError> {
    let is_manifest = |name: &str| name.ends_with(MANIFEST_SUFFIX);
    let here: Vec<_> = objects
        .iter()
        .filter(|(name, _)| !name.contains('/') && is_manifest(name))
        .collect();
    match here.as_slice() {
        [(_, manifest)] => return Ok(manifest),
        [] => {}
        _ => {
            let names: Vec<&str> = here.iter().map(|(name, _)| *name).collect();
            return Err(no_single_manifest(partition, &names));
        }
    }
    // Create-new mode without the copy of the latest: the folder names begin with the time of the refresh.
    let below = objects
        .iter()
        .filter(|(name, _)| name.matches('/').count() == 1 && is_manifest(name));
    let latest = below.max_by_key(|(name, _)| *name);
    latest
        .map(|(_, manifest)| *manifest)
        .ok_or_else(|| no_single_manifest(partition, &[]))
}

fn version_of(object: &Listed) -> String {
    version(&object.etag, object.written_at)
}

/// In overwrite mode two manifests in a row can have the same content and so the same ETag; the time tells them apart.
fn version(etag: &str, written_at: DateTime<Utc>) -> String {
    format!("{}@{}", etag.trim_matches('"'), written_at.timestamp())
}

fn time(time: Option<&AwsTime>) -> DateTime<Utc> {
    time.and_then(|time| DateTime::from_timestamp(time.secs(), 0))
        .unwrap_or_default()
}

async fn open_file(remote: RemoteObject) -> Result<OpenFile, SourceError> {
    let length = remote.bytes();
    let mut tail = remote.fetch(length.saturating_sub(FOOTER_BYTES)..length).await?;
    let metadata = loop {
        match parse_footer(&tail, length).map_err(|error| read::file_error(remote.address(), &error))? {
            Footer::Whole(metadata) => break *metadata,
            Footer::Longer(bytes) => tail = remote.fetch(length.saturating_sub(bytes)..length).await?,
        }
    };
    Ok(OpenFile {
        object: remote.address().to_owned(),
        file: ColumnarFile::new(Box::new(remote.clone()), length, metadata),
        remote: Some(remote),
    })
}

impl SourceError {
    /// A missing or changed object while a delivery is read is a refresh, not a fault.
    pub(super) fn while_reading(self) -> Self {
        match self {
            Self::Aws(failure) if matches!(failure.kind, AwsFailureKind::Changed) => Self::Changed {
                object: failure.object.into(),
            },
            other => other,
        }
    }
}
