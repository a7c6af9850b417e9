//! AWS Data Exports, table COST_AND_USAGE_REPORT (CUR 2.0), as Parquet in a folder.

mod accumulate;
mod columnar;
mod columns;
pub mod manifest;
mod read;
pub mod recount;
mod row_group;

pub use read::read_delivery;

use std::path::PathBuf;

/// Why a delivery was refused.  Nothing of a refused delivery is kept.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{}: {what}; {action}", path.display())]
    Manifest {
        path: PathBuf,
        what: String,
        action: &'static str,
    },
    #[error("{}: {what}; {action}", path.display())]
    File {
        path: PathBuf,
        what: String,
        action: &'static str,
    },
    #[error("{}, column {column}: {what}; {action}", path.display())]
    Column {
        path: PathBuf,
        column: &'static str,
        what: String,
        action: String,
    },
    #[error("{}, row group {row_group}, column {column}, row {row}: {what}; nothing was loaded, ask AWS Support to deliver the month again", path.display())]
    Value {
        path: PathBuf,
        row_group: usize,
        column: &'static str,
        row: usize,
        what: String,
    },
    #[error("{}: the delivery changed while it was read; a refresh is under way, run the load again when it is done", path.display())]
    Changed { path: PathBuf },
}
