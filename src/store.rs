//! PostgreSQL: the only module that names sqlx.  Functions take a connection, so the caller owns the transaction.
//! Imports domain only.

pub mod accruals;
pub mod alerts;
pub mod allocation;
pub mod anomalies;
pub mod books;
pub mod budgets;
pub mod changes;
pub mod chargeback;
mod copy;
pub mod cost_bases;
pub mod cost_explorer;
pub mod costs;
pub mod database;
pub mod department_statements;
mod dimensions;
pub mod directory;
pub mod drivers;
pub mod explain;
pub mod files;
pub mod forecasts;
pub mod idempotency;
pub mod invoices;
pub mod jobs;
pub mod load;
pub mod manual_pools;
pub mod month;
pub mod month_locks;
pub mod outbox;
pub mod principals;
pub mod private_server;
pub mod questions;
pub mod rates;
pub mod reattribution;
pub mod recounts;
pub mod sealed_directories;
pub mod serve_lock;
pub mod slack;
pub mod spending;
pub mod statements;
pub mod status;
pub mod tokens;
pub mod true_ups;

use crate::domain::close::MonthState;
use crate::domain::period::BillingPeriod;
use private_server::PrivateServerError;

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    PrivateServer(#[from] PrivateServerError),
    #[error("the database at {place} cannot be reached: {source}; check [database] url and that the server runs")]
    Unreachable { place: String, source: sqlx::Error },
    #[error(
        "the database has migration {0}, which this anbun does not know: it belongs to a newer version; install that version"
    )]
    NewerSchema(i64),
    #[error("the database lacks {0} migrations; run 'anbun migrate'")]
    OlderSchema(usize),
    #[error("this PostgreSQL is version {0}; anbun needs 14 or newer")]
    OldServer(String),
    #[error("the migrations failed: {0}")]
    Migration(sqlx::migrate::MigrateError),
    #[error(
        "payer {payer} of {period} is counted from export '{other}' already; counting it twice would double its cost, so nothing was loaded. If this export is to replace that one, remove that one first with 'anbun ingest forget {other} --period {period}'"
    )]
    PayerCountedTwice {
        payer: String,
        period: String,
        other: String,
    },
    #[error("what was written does not equal what was read ({what}: {written} instead of {read}); nothing was changed")]
    WrittenDiffers {
        what: &'static str,
        written: String,
        read: String,
    },
    #[error("{period} is {state}: what it rests on cannot be changed any more; reopen it where it is final")]
    MonthIsClosed { period: BillingPeriod, state: MonthState },
    #[error("the disk of the database is full; nothing was changed. Free some space and run the command again")]
    DiskFull,
    #[error("an amount is too large to be stored exactly")]
    TooLarge,
    #[error(transparent)]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // 53100 is disk_full.
        match error.as_database_error().and_then(|e| e.code()) {
            Some(code) if code == "53100" => Self::DiskFull,
            _ => Self::Database(error),
        }
    }
}

pub type StoreResult<T> = Result<T, StoreError>;
