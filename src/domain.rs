//! The pure centre: what charges, months, people and money are, and what is decided about them.
//! Imports nothing of ours; no async, no I/O, no clock.

pub mod accrual;
pub mod actor;
pub mod allocation;
pub mod attribution;
pub mod booked;
pub mod books;
pub mod change;
pub mod charge;
pub mod chargeback;
pub mod check;
pub mod close;
pub mod cost_explorer;
pub mod coverage;
pub mod delivery;
pub mod digest;
pub mod dimension;
pub mod directory;
pub mod finding;
pub mod freshness;
pub mod invoice;
pub mod job;
pub mod journal;
pub mod money;
mod named;
pub mod period;
pub mod principal;
pub mod rate;
pub mod reattribution;
pub mod reconciliation;
pub mod recount;
pub mod schedule;
pub mod statement;
pub mod suggestion;
pub mod text;
pub mod true_up;
pub mod usage_type;
