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
pub use recount::{recount, remove_left_over_layouts};

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
    /// A refresh, or a copy, that is not done; nothing is wrong.
    #[error("{object}: {what}; {action}")]
    UnderWay {
        object: String,
        what: String,
        action: &'static str,
    },
    /// A bucket or folder in which no delivery has come yet.
    #[error("{object}: no delivery is there; {action}")]
    NoDelivery { object: String, action: &'static str },
    #[error(
        "{object}: the delivery changed while it was read; a refresh is under way, run the load again when it is done"
    )]
    Changed { object: String },
    #[error(transparent)]
    Aws(#[from] AwsFailure),
}

impl SourceError {
    /// Whether waiting is all there is to do.
    pub const fn is_under_way(&self) -> bool {
        matches!(self, Self::UnderWay { .. } | Self::Changed { .. })
    }

    /// Whether the same delivery would be refused again, however often it is read.
    pub const fn is_lasting(&self) -> bool {
        match self {
            Self::Manifest { .. } | Self::File { .. } | Self::Column { .. } | Self::Value { .. } => true,
            Self::UnderWay { .. } | Self::NoDelivery { .. } | Self::Changed { .. } | Self::Aws(_) => false,
        }
    }
}
