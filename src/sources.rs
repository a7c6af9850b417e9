//! Reading from outside: exports of the bill, AWS's own services, files of the directory and of finance.  Imports domain only.

pub mod aws;
pub mod bank_of_japan;
pub mod budget_csv;
pub mod cost_explorer;
pub mod csv_table;
pub mod cur;
pub mod data_exports;
pub mod directory_csv;
pub mod finance_csv;
pub mod holiday_csv;
pub mod identity;
pub mod invoicing;
