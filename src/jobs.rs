//! Work with an end: what to do is looked up, done, bounded, and safe to repeat.  Imports domain, sources, store, clock.
//!
//! The scheduled jobs are one file each; `runner` keeps one run of a job at a time and writes down how it went,
//! `scheduler` decides when.

pub mod alerting;
pub mod allocate;
pub mod answer_alerts;
pub mod check_aws_setup;
pub mod close_month;
pub mod evaluate_budgets;
pub mod fetch_bank_rates;
mod fetch_cost_explorer;
pub mod import_directory;
pub mod keep_budgets;
pub mod keep_registers;
pub mod load_export;
mod load_exports;
pub mod post_journal;
pub mod posted_before;
pub mod raise_budget;
pub mod reclass_month;
mod recount_charges;
pub mod runner;
pub mod scheduler;
pub mod send_alerts;

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use rust_decimal::Decimal;

use crate::clock::Clock;
use crate::domain::actor::Actor;
use crate::domain::attribution::AttributionSettings;
use crate::domain::finding::Finding;
use crate::domain::job::JobName;
use crate::domain::period::BillingPeriod;
use crate::domain::schedule::Schedule;
use crate::jobs::alerting::AlertSettings;
use crate::sources::aws::AwsAccess;
use crate::sources::cur::ExportLocation;
use crate::store::database::Database;
use crate::store::jobs::JobFinding;

/// An export of the settings.
#[derive(Debug, Clone)]
pub struct NamedExport {
    pub name: String,
    pub location: ExportLocation,
    /// The account that owns the export, where AWS itself delivers it.
    pub account: Option<AwsAccess>,
}

/// How Cost Explorer may be asked.
#[derive(Debug, Clone)]
pub struct CostExplorerSettings {
    pub access: AwsAccess,
    /// Principal tags, without their prefix.
    pub tag_keys: Vec<String>,
    pub max_requests_per_day: u32,
    /// Whose Cost Explorer it is, where the settings say so.
    pub payer: Option<String>,
    /// Only this month.
    pub period: Option<BillingPeriod>,
}

/// What every job works with.
#[derive(Debug, Clone)]
pub struct JobContext {
    pub database: Database,
    pub clock: Clock,
    pub actor: Actor,
    pub attribution: AttributionSettings,
    pub exports: Vec<NamedExport>,
    /// The account's own services: identity, Data Exports.
    pub account: AwsAccess,
    /// None where the settings do not ask for it.
    pub cost_explorer: Option<CostExplorerSettings>,
    pub alerts: AlertSettings,
    pub schedules: BTreeMap<JobName, Schedule>,
    pub time_zone: Tz,
    /// This program among others that work on the same database.
    pub replica: String,
}

/// What a run did and found.  A run with failures has failed, however much else it did.
#[derive(Debug, Default)]
pub struct RunReport {
    pub counts: BTreeMap<&'static str, i64>,
    /// What AWS charges for the run's requests, in USD.
    pub cost: Decimal,
    pub findings: Vec<JobFinding>,
    /// What could not be done, and is worth another try.
    pub failures: Vec<anyhow::Error>,
    /// Deliveries that are refused for what is in them: told, and no reason to try sooner.
    pub refused: Vec<anyhow::Error>,
    /// Sources whose findings this run knows; a run without failures knows all.
    pub examined: BTreeSet<String>,
}

impl RunReport {
    fn failed(failure: anyhow::Error) -> Self {
        Self {
            failures: vec![failure],
            ..Self::default()
        }
    }

    fn count(&mut self, what: &'static str, more: i64) {
        *self.counts.entry(what).or_default() += more;
    }

    fn find(&mut self, period: Option<BillingPeriod>, source: &str, finding: Finding) {
        self.findings.push(JobFinding {
            period,
            source: source.to_owned(),
            finding,
        });
    }
}

/// Does a job's work.
async fn perform(job: JobName, with: &JobContext, report: &mut RunReport) -> anyhow::Result<()> {
    match job {
        JobName::LoadExports => load_exports::load_exports(with, report).await,
        JobName::FetchCostExplorer => fetch_cost_explorer::fetch_cost_explorer(with, report).await,
        JobName::CheckAwsSetup => check_aws_setup::check_aws_setup(with, report).await,
        JobName::RecountCharges => recount_charges::recount_charges(with, report).await,
        JobName::EvaluateBudgets => evaluate_budgets::evaluate_budgets(with, report).await,
    }
}
