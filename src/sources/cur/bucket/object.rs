//! One version of one object, read by ranges.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use bytes::{Bytes, BytesMut};
use rand::RngExt;
use tokio::runtime::Handle;

use super::ObjectFile;
use crate::sources::aws::{AwsFailure, Call};
use crate::sources::cur::SourceError;
use crate::sources::cur::columnar::FileContent;

/// The SDK repeats requests; a body that breaks off is repeated here.
const BODIES_MAX: u32 = 4;
/// Larger ranges grow with what really arrives.
const BUFFER_BYTES_MAX: usize = 64 * 1024 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// An object at the version that was listed: every range of it comes with that ETag or not at all.
#[derive(Clone)]
pub(in crate::sources::cur) struct RemoteObject(Arc<Inner>);

struct Inner {
    client: Client,
    bucket: String,
    key: String,
    etag: String,
    bytes: u64,
    call: Call,
    bytes_fetched: Arc<AtomicU64>,
    runtime: Handle,
}

impl RemoteObject {
    pub(super) fn new(
        client: Client,
        bucket: String,
        file: &ObjectFile,
        call: Call,
        bytes_fetched: Arc<AtomicU64>,
    ) -> Self {
        Self(Arc::new(Inner {
            client,
            bucket,
            key: file.key.clone(),
            etag: file.etag.clone(),
            bytes: file.bytes,
            call,
            bytes_fetched,
            runtime: Handle::current(),
        }))
    }

    pub(in crate::sources::cur) fn address(&self) -> &str {
        &self.0.call.object
    }

    pub(in crate::sources::cur) fn bytes(&self) -> u64 {
        self.0.bytes
    }

    pub(super) fn runtime(&self) -> Handle {
        self.0.runtime.clone()
    }

    /// What went wrong here rather than there.
    pub(super) fn broken(&self, what: &str) -> SourceError {
        self.0.call.cut_off(what).into()
    }

    /// A range of the object, whole.
    pub(in crate::sources::cur) async fn fetch(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..BODIES_MAX {
            match self.fetch_once(&range).await {
                Err(Attempt::Again(_)) => {
                    let jitter = pause * rand::rng().random_range(0..=100) / 100;
                    tokio::time::sleep(pause + jitter).await;
                    pause *= 2;
                }
                Err(Attempt::Final(failure)) => return Err(SourceError::Aws(failure).while_reading()),
                Ok(bytes) => return Ok(bytes),
            }
        }
        self.fetch_once(&range).await.map_err(|attempt| match attempt {
            Attempt::Again(failure) | Attempt::Final(failure) => SourceError::Aws(failure).while_reading(),
        })
    }

    async fn fetch_once(&self, range: &Range<u64>) -> Result<Bytes, Attempt> {
        let Inner {
            client,
            bucket,
            key,
            etag,
            call,
            bytes_fetched,
            ..
        } = &*self.0;
        let request = client.get_object().bucket(bucket).key(key).if_match(etag);
        let request = request.range(format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        let answer = request.send().await.map_err(|e| Attempt::Final(call.failure(&e)))?;
        let mut body = answer.body;
        let expected = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let cut_off = |what: String| Attempt::Again(call.cut_off(what));
        // One buffer of the right size, filled as the body arrives; a store that claims a giant object gets no giant buffer.
        let mut bytes = BytesMut::with_capacity(expected.min(BUFFER_BYTES_MAX));
        loop {
            match body.next().await {
                None => break,
                Some(Ok(more)) => {
                    bytes_fetched.fetch_add(more.len() as u64, Ordering::Relaxed);
                    if more.len() > expected - bytes.len() {
                        let what = format!("more than the {expected} bytes that were asked for came back");
                        return Err(cut_off(what));
                    }
                    bytes.extend_from_slice(&more);
                }
                Some(Err(error)) => return Err(cut_off(format!("its content broke off: {error}"))),
            }
        }
        if bytes.len() == expected {
            Ok(bytes.freeze())
        } else {
            Err(cut_off(format!(
                "{} bytes came back instead of {expected}",
                bytes.len()
            )))
        }
    }
}

enum Attempt {
    Again(AwsFailure),
    Final(AwsFailure),
}

impl FileContent for RemoteObject {
    /// For the threads that decode; they are none of the runtime's own.
    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        self.0.runtime.block_on(self.fetch(range)).map_err(io::Error::other)
    }
}
