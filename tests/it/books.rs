//! Golden books: a small company whose months can be checked by hand.

mod adjustments;
mod bank_of_japan;
mod budgets;
mod checklist;
mod closing;
pub(crate) mod company;
mod directory_http;
mod files;
mod forgotten;
mod golden;
mod http;
mod invoicing;
mod late_invoices;
mod october;
mod provisional;
mod reorganisation;
mod taken_back;
mod true_ups;
