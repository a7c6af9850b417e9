//! AWS Data Exports: what exports the account has, whether they are what anbun needs, and how to make one that is.

mod client;
mod definition;
mod examine;

pub use client::DataExports;
pub use definition::{BillExport, Granularity, LegacyReport, Overwrite, TABLE, wanted_export};
pub use examine::{BucketPlace, examine};
