//! The server: who may come in, how errors look, health.  Imports config, store, clock, domain.

pub mod authentication;
pub mod error;
pub mod health;
pub mod query;
pub mod server;

use chrono::NaiveDate;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::attribution::AttributionSettings;
use crate::store::database::Database;

/// What every handler can reach.
#[derive(Clone)]
pub struct AppState {
    pub database: Database,
    pub config: Arc<Config>,
    pub attribution: Arc<AttributionSettings>,
    pub clock: Clock,
    /// The server listens on loopback only, so that a request can come from nobody but this machine.
    pub is_loopback_only: bool,
    pub metrics: PrometheusHandle,
}

impl AppState {
    /// The day where the company is.
    pub fn today(&self) -> NaiveDate {
        self.clock
            .now()
            .with_timezone(&self.config.calendar.time_zone)
            .date_naive()
    }
}
