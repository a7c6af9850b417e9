//! Where facts come from: exports of the bill, files of the directory.  Imports domain only.

pub mod cur;
pub mod directory_csv;
