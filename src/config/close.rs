//! Settings of the monthly close and its calendar.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::domain::calendar::ClosedDay;
use crate::domain::checklist::TaskName;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CalendarConfig {
    pub time_zone: Tz,
    /// 1 to 12.
    pub fiscal_year_start_month: u32,
    /// CSV of national holidays; the shipped one by default.
    pub holidays: Option<PathBuf>,
    /// Month and day, such as `12-29`.
    pub closed_days: Vec<String>,
}

impl Default for CalendarConfig {
    fn default() -> Self {
        Self {
            time_zone: Tz::Asia__Tokyo,
            fiscal_year_start_month: 4,
            holidays: None,
            closed_days: ["12-29", "12-30", "12-31", "01-02", "01-03"]
                .map(str::to_owned)
                .to_vec(),
        }
    }
}

impl CalendarConfig {
    pub fn closed(&self) -> Result<Vec<ClosedDay>, ConfigError> {
        let read = self.closed_days.iter().map(|text| {
            ClosedDay::parse(text).ok_or_else(|| ConfigError::Value {
                name: "calendar.closed_days".to_owned(),
                what: format!("'{text}' is no day of a year; write it as 12-29"),
            })
        });
        read.collect()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CloseConfig {
    pub two_person: bool,
    /// In yen.
    pub quarantine_max: u64,
    /// Who does which task.
    pub owners: BTreeMap<String, String>,
    /// The business day of the next month by which a task is due.
    pub due_business_days: BTreeMap<String, usize>,
}

impl Default for CloseConfig {
    fn default() -> Self {
        Self {
            two_person: true,
            quarantine_max: 0,
            owners: BTreeMap::new(),
            due_business_days: BTreeMap::new(),
        }
    }
}

impl CloseConfig {
    /// A map by task; a name that is none is an error.
    pub fn by_task<T: Clone>(setting: &str, map: &BTreeMap<String, T>) -> Result<BTreeMap<TaskName, T>, ConfigError> {
        let read = map.iter().map(|(name, value)| match TaskName::parse(name) {
            Some(task) => Ok((task, value.clone())),
            None => {
                let names: Vec<&str> = TaskName::ALL.iter().map(|task| task.as_str()).collect();
                let what = format!("'{name}' is no task; tasks are {}", names.join(", "));
                let name = format!("close.{setting}");
                Err(ConfigError::Value { name, what })
            }
        });
        read.collect()
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        Self::by_task("owners", &self.owners)?;
        let due = Self::by_task("due_business_days", &self.due_business_days)?;
        match due.iter().find(|(_, nth)| !(1..=20).contains(*nth)) {
            None => Ok(()),
            Some((task, nth)) => Err(ConfigError::Value {
                name: "close.due_business_days".to_owned(),
                what: format!("{task} is due on business day {nth}; 1 to 20 are"),
            }),
        }
    }
}
