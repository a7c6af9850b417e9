//! Fetching the needed column chunks of row groups while earlier ones are decoded, within a bound of memory.

use std::ops::Range;
use std::sync::{Arc, Mutex, mpsc};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};

use super::RemoteObject;
use crate::sources::cur::SourceError;
use crate::sources::cur::columnar::FetchedRanges;

/// Neighbours are fetched together up to here; a single longer chunk stays one request.
const PART_BYTES_MAX: u64 = 8 * 1024 * 1024;
const REQUESTS_AT_ONCE: usize = 12;
/// A gap between two needed chunks is fetched along where it is at most this part of what is needed around it, so that a
/// month costs few requests and at most five hundredths more bytes than it needs.
const NEEDED_FOR_A_GAP: u64 = 20;
/// The room is counted in units of this many bytes.
const ROOM_UNIT: u64 = 1024;

/// What one row group needs of its object.
pub(in crate::sources::cur) struct FetchJob {
    pub(in crate::sources::cur) object: RemoteObject,
    /// Column chunks, in any order.
    pub(in crate::sources::cur) chunks: Vec<Range<u64>>,
}

/// A row group's bytes; they leave the bound when this is dropped.
pub(in crate::sources::cur) struct FetchedGroup {
    pub(in crate::sources::cur) ranges: FetchedRanges,
    _room: OwnedSemaphorePermit,
}

/// A row group by its number, and its bytes.
type Arrival = (usize, Result<FetchedGroup, SourceError>);

/// Row groups in the order in which they arrive.
pub(in crate::sources::cur) struct Arrivals {
    receiver: Mutex<mpsc::Receiver<Arrival>>,
    fetching: AbortHandle,
}

impl Arrivals {
    /// The next row group; `None` when all have come.
    pub(in crate::sources::cur) fn next(&self) -> Option<Arrival> {
        let receiver = self.receiver.lock().ok()?;
        receiver.recv().ok()
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.fetching.abort();
    }
}

/// Starts fetching; at most `bytes_max` bytes (or one row group, if that is larger) are held at a time.
pub(in crate::sources::cur) fn fetch_ahead(jobs: Vec<FetchJob>, bytes_max: u64) -> Arrivals {
    let runtime = jobs.first().map_or_else(Handle::current, |job| job.object.runtime());
    let (sender, receiver) = mpsc::channel();
    let units_max = u32::try_from(bytes_max / ROOM_UNIT).unwrap_or(u32::MAX).max(1);
    let room = Arc::new(Semaphore::new(units_max as usize));
    let requests = Arc::new(Semaphore::new(REQUESTS_AT_ONCE));
    let fetching = runtime.spawn(async move {
        let mut groups = JoinSet::new();
        for (number, job) in jobs.into_iter().enumerate() {
            let parts = plan(job.chunks);
            let bytes: u64 = parts.iter().map(|part| part.end - part.start).sum();
            let units = u32::try_from(bytes.div_ceil(ROOM_UNIT))
                .unwrap_or(u32::MAX)
                .min(units_max);
            let Ok(held) = Arc::clone(&room).acquire_many_owned(units).await else {
                return;
            };
            let (sender, requests) = (sender.clone(), Arc::clone(&requests));
            groups.spawn(async move {
                let ranges = fetch_parts(&job.object, parts, &requests).await;
                let group = ranges.map(|ranges| FetchedGroup { ranges, _room: held });
                // Nobody waits any more where another row group has failed.
                drop(sender.send((number, group)));
            });
            while groups.try_join_next().is_some() {}
        }
        while groups.join_next().await.is_some() {}
    });
    Arrivals {
        receiver: Mutex::new(receiver),
        fetching: fetching.abort_handle(),
    }
}

async fn fetch_parts(
    object: &RemoteObject,
    parts: Vec<Range<u64>>,
    requests: &Arc<Semaphore>,
) -> Result<FetchedRanges, SourceError> {
    let mut fetches = JoinSet::new();
    for part in parts {
        let (object, requests) = (object.clone(), Arc::clone(requests));
        fetches.spawn(async move {
            let _turn = requests.acquire_owned().await;
            let start = part.start;
            object.fetch(part).await.map(|bytes| (start, bytes))
        });
    }
    let mut ranges = Vec::with_capacity(fetches.len());
    while let Some(done) = fetches.join_next().await {
        match done {
            Ok(fetched) => ranges.push(fetched?),
            Err(error) => return Err(object.broken(&error.to_string())),
        }
    }
    Ok(FetchedRanges::new(ranges))
}

/// The stretches to fetch for some chunks: neighbours together, as long as little else lies between them.
fn plan(mut chunks: Vec<Range<u64>>) -> Vec<Range<u64>> {
    chunks.sort_by_key(|chunk| (chunk.start, chunk.end));
    let mut stretches: Vec<(Range<u64>, u64)> = Vec::new();
    for chunk in chunks.into_iter().filter(|chunk| chunk.start < chunk.end) {
        let needed_here = chunk.end - chunk.start;
        if let Some((stretch, needed)) = stretches.last_mut() {
            let all = *needed + needed_here;
            let whole = chunk.end.max(stretch.end) - stretch.start;
            let gaps = whole.saturating_sub(all);
            if whole <= PART_BYTES_MAX && gaps * NEEDED_FOR_A_GAP <= all {
                stretch.end = stretch.end.max(chunk.end);
                *needed = all;
                continue;
            }
        }
        stretches.push((chunk, needed_here));
    }
    stretches.into_iter().map(|(stretch, _)| stretch).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_are_fetched_together_and_far_ones_apart() {
        let planned = |chunks: &[(u64, u64)]| -> Vec<(u64, u64)> {
            let stretches = plan(chunks.iter().map(|(start, end)| *start..*end).collect());
            stretches
                .into_iter()
                .map(|stretch| (stretch.start, stretch.end))
                .collect()
        };
        assert_eq!(planned(&[(100, 200), (0, 100)]), [(0, 200)]);
        assert_eq!(planned(&[(0, 1000), (1010, 2000)]), [(0, 2000)]);
        assert_eq!(planned(&[(0, 100), (1000, 1100)]), [(0, 100), (1000, 1100)]);
        assert_eq!(planned(&[(5, 5)]), []);
    }

    proptest! {
        #[test]
        fn every_chunk_is_inside_one_stretch_and_little_else_is_fetched(
            sizes in proptest::collection::vec((1_u64..3_000_000, 0_u64..200_000), 1..40)
        ) {
            let mut at = 0;
            let mut chunks = Vec::new();
            for (size, gap) in sizes {
                chunks.push(at..at + size);
                at += size + gap;
            }
            let needed: u64 = chunks.iter().map(|c| c.end - c.start).sum();
            let stretches = plan(chunks.clone());
            for chunk in &chunks {
                prop_assert_eq!(stretches.iter().filter(|s| s.start <= chunk.start && chunk.end <= s.end).count(), 1);
            }
            let fetched: u64 = stretches.iter().map(|s| s.end - s.start).sum();
            prop_assert!(fetched * 20 <= needed * 21);
        }
    }
}
