//! AWS Data Exports, table COST_AND_USAGE_REPORT (CUR 2.0), as Parquet in a folder or a bucket.

mod accumulate;
mod bucket;
mod columnar;
mod columns;
mod export;
mod folder;
mod manifest;
mod read;
mod recount;
mod row_group;

pub use columns::{needed as columns_needed, read as columns_read};
pub use export::{Export, ExportLocation, FoundManifest, Manifest, ManifestHead, OpenDelivery};
pub use read::read_delivery;
pub use recount::recount;

use super::aws::AwsFailure;

/// Why a delivery was refused.  Nothing of a refused delivery is kept.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{object}: {what}; {action}")]
    Manifest {
        object: String,
        what: String,
        action: &'static str,
    },
    #[error("{object}: {what}; {action}")]
    File {
        object: String,
        what: String,
        action: &'static str,
    },
    #[error("{object}, column {column}: {what}; {action}")]
    Column {
        object: String,
        column: &'static str,
        what: String,
        action: String,
    },
    #[error(
        "{object}, row group {row_group}, column {column}, row {row}: {what}; nothing was loaded, ask AWS Support to deliver the month again"
    )]
    Value {
        object: String,
        row_group: usize,
        column: &'static str,
        row: usize,
        what: String,
    },
    #[error(
        "{object}: the delivery changed while it was read; a refresh is under way, run the load again when it is done"
    )]
    Changed { object: String },
    #[error(transparent)]
    Aws(#[from] AwsFailure),
}
