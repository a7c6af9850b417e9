//! Column chunks of a Parquet file as dense codes and numbers, one row group at a time.
//!
//! An export has some seventy columns and a hundred bytes a row that anbun never needs.  This reader fetches single
//! column chunks, decodes dictionary indices straight from the pages, and materialises strings only for codes that are
//! used.  Page headers, compression and the rarer encodings are the `parquet` crate's; the two encodings that AWS writes
//! (dictionary and plain) are decoded here, because decoding them is most of the work of a load.

mod file;
mod hybrid;
mod maps;
mod numbers;
mod pages;
mod texts;

pub(super) use file::{ColumnarFile, FOOTER_BYTES, FetchedRanges, FileContent, Footer, RowGroup, parse_footer};
pub(super) use maps::MapColumn;
pub(super) use numbers::{DayColumn, DoubleColumn};
pub(super) use texts::TextColumn;

/// Why a column chunk could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ColumnError {
    #[error("its type is {found}, expected {expected}")]
    WrongType { found: String, expected: &'static str },
    #[error("damaged: {0}")]
    Damaged(String),
    #[error("{0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The file could not be read, which says nothing about what is in it.
    #[error("{0}")]
    Unreadable(#[from] std::io::Error),
}

impl ColumnError {
    fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }
}
