//! A file of the bucket on disk, with holes where nothing is needed.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::{RemoteObject, open_file};
use crate::sources::cur::SourceError;
use crate::sources::cur::columnar::FOOTER_BYTES;
use crate::sources::cur::recount::create_private;

/// Every Parquet file begins and ends so.
const MAGIC: &[u8] = b"PAR1";

/// Writes the footer and the chunks of some columns to their own places in a new file.
pub(in crate::sources::cur) async fn copy_columns(
    remote: &RemoteObject,
    columns: &[&str],
    to: &Path,
) -> Result<(), SourceError> {
    let length = remote.bytes();
    let broken = |what: String| remote.broken(&what);
    let file = create_private(to, length).map_err(|e| broken(format!("{}: {e}", to.display())))?;
    let file = Arc::new(file);
    let tail = remote.fetch(length.saturating_sub(8)..length).await?;
    let footer = tail
        .get(..4)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_le_bytes);
    let footer_from = length.saturating_sub((u64::from(footer) + 8).max(FOOTER_BYTES));
    let opened = open_file(remote.clone()).await?;
    let mut ranges: Vec<Range<u64>> = Vec::new();
    ranges.push(footer_from..length);
    for group in opened.file.row_groups() {
        for leaf in columns.iter().flat_map(|column| group.leaves(column)) {
            ranges.push(group.chunk_range(leaf).map_err(|e| broken(e.to_string()))?);
        }
    }
    write_at(&file, 0, MAGIC).map_err(|e| broken(e.to_string()))?;
    for range in ranges {
        let start = range.start;
        let bytes = remote.fetch(range).await?;
        let file = Arc::clone(&file);
        let written = tokio::task::spawn_blocking(move || write_at(&file, start, &bytes)).await;
        written
            .map_err(|e| broken(e.to_string()))?
            .map_err(|e| broken(e.to_string()))?;
    }
    Ok(())
}

#[cfg(unix)]
fn write_at(file: &File, at: u64, bytes: &[u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn write_at(file: &File, at: u64, bytes: &[u8]) -> std::io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        done += std::os::windows::fs::FileExt::seek_write(file, &bytes[done..], at + done as u64)?;
    }
    Ok(())
}
