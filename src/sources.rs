//! Reading from outside: exports of the bill, AWS's own services, directory files.  Imports domain only.

pub mod aws;
pub mod cost_explorer;
pub mod cur;
pub mod data_exports;
pub mod directory_csv;
pub mod identity;
