//! When each job runs.  The defaults and their reasons stand with the settings.

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::settings::default_of;
use crate::domain::job::JobName;
use crate::domain::schedule::Schedule;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    pub load_exports: String,
    pub fetch_cost_explorer: String,
    pub check_aws_setup: String,
    pub recount_charges: String,
    pub evaluate_budgets: String,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        let default = |job| default_of(&format!("schedule.{}", setting_of(job))).to_owned();
        Self {
            load_exports: default(JobName::LoadExports),
            fetch_cost_explorer: default(JobName::FetchCostExplorer),
            check_aws_setup: default(JobName::CheckAwsSetup),
            recount_charges: default(JobName::RecountCharges),
            evaluate_budgets: default(JobName::EvaluateBudgets),
        }
    }
}

const fn setting_of(job: JobName) -> &'static str {
    match job {
        JobName::LoadExports => "load_exports",
        JobName::FetchCostExplorer => "fetch_cost_explorer",
        JobName::CheckAwsSetup => "check_aws_setup",
        JobName::RecountCharges => "recount_charges",
        JobName::EvaluateBudgets => "evaluate_budgets",
    }
}

impl ScheduleConfig {
    fn text(&self, job: JobName) -> &str {
        match job {
            JobName::LoadExports => &self.load_exports,
            JobName::FetchCostExplorer => &self.fetch_cost_explorer,
            JobName::CheckAwsSetup => &self.check_aws_setup,
            JobName::RecountCharges => &self.recount_charges,
            JobName::EvaluateBudgets => &self.evaluate_budgets,
        }
    }

    /// When a job runs where it has work; the settings were checked when they were read.
    pub(super) fn of(&self, job: JobName) -> Schedule {
        self.text(job).parse().unwrap_or(Schedule::Off)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for job in JobName::ALL {
            self.text(job).parse::<Schedule>().map_err(|e| ConfigError::Value {
                name: format!("schedule.{}", setting_of(job)),
                what: e.to_string(),
            })?;
        }
        Ok(())
    }
}
