//! Where facts come from: exports of the bill.  Imports domain only.

pub mod cur;
