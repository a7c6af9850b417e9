//! Settings: a TOML file, overridden by the environment.  The only reader of the environment.
//!
//! `ANBUN__SECTION__KEY` overrides a setting, `ANBUN__SECTION__KEY_FILE` reads it from a file (for secrets).  A key that
//! is not known is an error with the nearest one that is: a setting that is silently ignored is a wrong figure later.

mod alerts;
mod aws;
mod close;
mod schedule;
mod settings;

pub use alerts::{AlertsConfig, ChannelConfig, SlackConfig};
pub use aws::{AwsConfig, CostExplorerConfig, ExportConfig};
pub use close::{CalendarConfig, CloseConfig};
pub use schedule::ScheduleConfig;
pub use settings::KNOWN_SETTINGS;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::domain::attribution::{AttributionSettings, RolePattern, Rule};
use crate::domain::job::JobName;
use crate::domain::journal::{EntityTax, JournalSettings, JournalSource, Mapping, SOURCES_MAX};
use crate::domain::rate::{ChargebackRate, YenRates};
use crate::domain::schedule::Schedule;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: {what}", path.display())]
    File { path: PathBuf, what: String },
    #[error("unknown setting '{name}'{}", suggestion.as_ref().map(|s| format!("; did you mean '{s}'?")).unwrap_or_default())]
    UnknownKey { name: String, suggestion: Option<String> },
    #[error("setting '{name}': {what}")]
    Value { name: String, what: String },
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub database: DatabaseConfig,
    pub server: ServerConfig,
    pub calendar: CalendarConfig,
    pub currency: CurrencyConfig,
    pub close: CloseConfig,
    pub journal: JournalConfig,
    pub mail: MailConfig,
    pub slack: SlackConfig,
    pub alerts: AlertsConfig,
    pub exports: Vec<ExportConfig>,
    pub aws: AwsConfig,
    pub cost_explorer: CostExplorerConfig,
    pub attribution: AttributionConfig,
    pub schedule: ScheduleConfig,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    pub url: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    pub listen: SocketAddr,
    pub public_url: Option<String>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportingCurrency {
    #[serde(rename = "JPY")]
    Jpy,
    #[serde(rename = "USD")]
    Usd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    LargestRemainder,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CurrencyConfig {
    pub reporting: ReportingCurrency,
    pub planning_rate: Decimal,
    pub chargeback_rate: ChargebackRate,
    pub rounding: Rounding,
    /// Where `anbun rates fetch` asks.
    pub bank_of_japan: String,
}

impl CurrencyConfig {
    pub const fn yen(&self) -> YenRates {
        YenRates {
            planning_default: self.planning_rate,
            charged_at: self.chargeback_rate,
        }
    }
}

impl Default for CurrencyConfig {
    fn default() -> Self {
        Self {
            reporting: ReportingCurrency::Jpy,
            planning_rate: Decimal::new(15_000, 2),
            chargeback_rate: ChargebackRate::Invoice,
            rounding: Rounding::LargestRemainder,
            bank_of_japan: settings::default_of("currency.bank_of_japan").to_owned(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JournalConfig {
    pub mappings: Option<PathBuf>,
    pub templates: Vec<PathBuf>,
    pub text: String,
    pub sources: Vec<JournalSource>,
    pub entities: Vec<EntityTax>,
}

impl JournalConfig {
    /// With the mappings of its file.
    pub fn settings(&self, mappings: Vec<Mapping>) -> JournalSettings {
        JournalSettings {
            sources: self.sources.clone(),
            entities: self.entities.clone(),
            mappings,
            text: self.text.clone(),
        }
    }
}

/// Where e-mail goes out; without a server it is written into files.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailConfig {
    /// `smtps://user:password@host`; a secret.
    pub url: Option<String>,
    pub from: Option<String>,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            mappings: None,
            templates: Vec::new(),
            text: settings::default_of("journal.text").to_owned(),
            sources: Vec::new(),
            entities: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttributionConfig {
    pub order: Vec<String>,
    pub role_patterns: Vec<String>,
}

impl Default for AttributionConfig {
    fn default() -> Self {
        Self {
            order: Rule::IN_ORDER.map(|rule| rule.as_str().to_owned()).to_vec(),
            role_patterns: vec!["cowork-{department}-{user}".to_owned()],
        }
    }
}

impl AttributionConfig {
    pub fn settings(&self) -> Result<AttributionSettings, ConfigError> {
        let value = |name: &str, what: String| ConfigError::Value {
            name: name.to_owned(),
            what,
        };
        let mut order = Vec::new();
        for text in &self.order {
            let rule = Rule::parse(text).ok_or_else(|| value("attribution.order", format!("'{text}' is no rule")))?;
            if order.contains(&rule) {
                return Err(value("attribution.order", format!("'{text}' is there twice")));
            }
            order.push(rule);
        }
        let patterns = self.role_patterns.iter().map(|text| {
            text.parse::<RolePattern>()
                .map_err(|e| value("attribution.role_patterns", e.to_string()))
        });
        Ok(AttributionSettings {
            order,
            role_patterns: patterns.collect::<Result<_, _>>()?,
        })
    }
}

/// A planning rate outside this range is a slip of the keys, or the currencies swapped.
const PLANNING_RATE_RANGE: (i64, i64) = (50, 500);

impl Config {
    /// Reads the file (where there is one) and the environment.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let path = path.map(Path::to_path_buf).or_else(default_file);
        let mut table = match &path {
            None => toml::Table::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|e| ConfigError::File {
                    path: path.clone(),
                    what: e.to_string(),
                })?;
                text.parse::<toml::Table>().map_err(|e| ConfigError::File {
                    path: path.clone(),
                    what: e.to_string(),
                })?
            }
        };
        override_by_environment(&mut table, &mut std::env::vars())?;
        Self::from_table(table)
    }

    fn from_table(table: toml::Table) -> Result<Self, ConfigError> {
        check_known(&table)?;
        let config: Self = toml::Value::Table(table)
            .try_into()
            .map_err(|e: toml::de::Error| ConfigError::Value {
                name: "file".to_owned(),
                what: e.message().to_owned(),
            })?;
        let (low, high) = PLANNING_RATE_RANGE;
        if config.currency.planning_rate < Decimal::from(low) || config.currency.planning_rate > Decimal::from(high) {
            let what = format!(
                "{} yen for a dollar is outside {low} to {high}",
                config.currency.planning_rate
            );
            return Err(ConfigError::Value {
                name: "currency.planning_rate".to_owned(),
                what,
            });
        }
        config.calendar.closed()?;
        config.close.check()?;
        if !(1..=12).contains(&config.calendar.fiscal_year_start_month) {
            let what = format!("{} is no month; April is 4", config.calendar.fiscal_year_start_month);
            let name = "calendar.fiscal_year_start_month".to_owned();
            return Err(ConfigError::Value { name, what });
        }
        config.attribution.settings()?;
        if config.journal.sources.len() > SOURCES_MAX {
            return Err(ConfigError::Value {
                name: "journal.sources".to_owned(),
                what: format!("slip numbers tell {SOURCES_MAX} sources apart, and there are more"),
            });
        }
        config.check_exports()?;
        config.schedule.check()?;
        config.slack.check()?;
        config.alerts.check()?;
        Ok(config)
    }

    /// When a job runs here: one that has nothing to do is off.
    pub fn schedule_of(&self, job: JobName) -> Schedule {
        let has_work = match job {
            JobName::LoadExports => !self.exports.is_empty(),
            JobName::FetchCostExplorer => self.cost_explorer.enabled,
            JobName::CheckAwsSetup => self.exports.iter().any(ExportConfig::is_delivered_by_aws),
            JobName::RecountCharges | JobName::EvaluateBudgets => true,
        };
        if has_work { self.schedule.of(job) } else { Schedule::Off }
    }

    /// Two exports of one name would replace each other's months.
    fn check_exports(&self) -> Result<(), ConfigError> {
        let value = |name: &str, what: String| ConfigError::Value {
            name: name.to_owned(),
            what,
        };
        for (nth, export) in self.exports.iter().enumerate() {
            if self.exports[..nth].iter().any(|other| other.name == export.name) {
                return Err(value(
                    "exports.name",
                    format!("two exports are called '{}'", export.name),
                ));
            }
            export.check().map_err(|what| value("exports.location", what))?;
        }
        Ok(())
    }

    /// The settings as TOML, without what is secret.
    pub fn shown(&self) -> String {
        let mut shown = self.clone();
        for url in [&mut shown.database.url, &mut shown.mail.url] {
            hide_password(url);
        }
        let secrets = [
            &mut shown.slack.token,
            &mut shown.slack.webhook_url,
            &mut shown.slack.signing_secret,
            &mut shown.alerts.webhook_secret,
        ];
        for secret in secrets.into_iter().flatten() {
            "...".clone_into(secret);
        }
        toml::to_string(&shown).unwrap_or_default()
    }
}

/// Keeps of an address with a password what is no secret.
fn hide_password(url: &mut Option<String>) {
    if let Some(url) = url
        && let Some((scheme, rest)) = url.split_once("://")
        && let Some((_, host)) = rest.rsplit_once('@')
    {
        *url = format!("{scheme}://...@{host}");
    }
}

fn default_file() -> Option<PathBuf> {
    let named = std::env::var_os("ANBUN_CONFIG").map(PathBuf::from);
    named.or_else(|| {
        let user = user_folder("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("anbun/anbun.toml"));
        [Some(PathBuf::from("anbun.toml")), user]
            .into_iter()
            .flatten()
            .find(|path| path.is_file())
    })
}

fn user_folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let home = || {
        std::env::var_os("HOME")
            .or_else(|| std::env::var_os("USERPROFILE"))
            .map(|home| PathBuf::from(home).join(below_home))
    };
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .or_else(home)
}

/// Who sits at the terminal, by the operating system's name for them.
pub fn user_name() -> String {
    let named = ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|variable| std::env::var(variable).ok());
    named
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "local".to_owned())
}

/// Where the private database lies unless `--data-dir` says otherwise.  A server never runs as root and cannot pass
/// root's home, so root's is a system folder.
pub fn default_data_folder() -> PathBuf {
    let home_of_root = std::env::var_os("HOME").is_some_and(|home| home == "/root");
    match user_folder("XDG_DATA_HOME", ".local/share") {
        Some(folder) if !home_of_root => folder.join("anbun"),
        _ if cfg!(unix) => PathBuf::from("/var/lib/anbun"),
        folder => folder.unwrap_or_default().join("anbun"),
    }
}

fn check_known(table: &toml::Table) -> Result<(), ConfigError> {
    let known = |name: &str| KNOWN_SETTINGS.iter().any(|(known, ..)| *known == name);
    let unknown = |name: String| {
        let nearest = KNOWN_SETTINGS
            .iter()
            .map(|(known, ..)| *known)
            .max_by(|a, b| strsim::jaro(a, &name).total_cmp(&strsim::jaro(b, &name)));
        let suggestion = nearest
            .filter(|known| strsim::jaro(known, &name) > 0.8)
            .map(str::to_owned);
        ConfigError::UnknownKey { name, suggestion }
    };
    for (section, value) in table {
        let tables: Vec<&toml::Table> = match value {
            toml::Value::Table(table) => vec![table],
            toml::Value::Array(items) => items.iter().filter_map(toml::Value::as_table).collect(),
            _ => return Err(unknown(section.clone())),
        };
        if !KNOWN_SETTINGS
            .iter()
            .any(|(known, ..)| known.split('.').next() == Some(section))
        {
            return Err(unknown(section.clone()));
        }
        for key in tables.into_iter().flat_map(toml::Table::keys) {
            let name = format!("{section}.{key}");
            if !known(&name) {
                return Err(unknown(name));
            }
        }
    }
    Ok(())
}

fn override_by_environment(
    table: &mut toml::Table,
    variables: &mut dyn Iterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    let mut overrides: Vec<(String, String)> = variables.filter(|(name, _)| name.starts_with("ANBUN__")).collect();
    overrides.sort();
    for (variable, value) in overrides {
        let name = variable.trim_start_matches("ANBUN__").to_lowercase();
        let refuse = |what: String| ConfigError::Value {
            name: variable.clone(),
            what,
        };
        let (name, value) = match name.strip_suffix("_file") {
            Some(name) => {
                let text = std::fs::read_to_string(&value).map_err(|e| refuse(format!("{value}: {e}")))?;
                (name.to_owned(), text.trim_end().to_owned())
            }
            None => (name, value),
        };
        let (section, key) = name
            .split_once("__")
            .ok_or_else(|| refuse("write it as ANBUN__SECTION__KEY".to_owned()))?;
        let section = table
            .entry(section)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let section = section
            .as_table_mut()
            .ok_or_else(|| refuse("a list cannot be set by the environment".to_owned()))?;
        // A list is written as TOML; everything else is text, which is what the settings' types read.
        let value = match format!("v = {value}")
            .parse::<toml::Table>()
            .ok()
            .and_then(|mut t| t.remove("v"))
        {
            Some(list @ toml::Value::Array(_)) => list,
            _ => toml::Value::String(value),
        };
        section.insert(key.to_owned(), value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let mut table: toml::Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
        let mut variables = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        override_by_environment(&mut table, &mut variables).map_err(|e| e.to_string())?;
        Config::from_table(table).map_err(|e| e.to_string())
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest() {
        assert_eq!(
            load("[server]\nlisten_on = 'x'", &[]).err().as_deref(),
            Some("unknown setting 'server.listen_on'; did you mean 'server.listen'?")
        );
        assert!(load("[slak]\ntoken = 'x'", &[]).is_err_and(|e| e.starts_with("unknown setting 'slak'")));
        assert!(load("planning_rate = 1", &[]).is_err());
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let config = load(
            "[currency]\nplanning_rate = '140'",
            &[
                ("ANBUN__CURRENCY__PLANNING_RATE", "155.5"),
                ("ANBUN__SERVER__LISTEN", "127.0.0.1:9"),
            ],
        );
        let config = config.unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            (config.currency.planning_rate, config.server.listen.port()),
            (Decimal::new(1555, 1), 9)
        );
        assert!(load("", &[("ANBUN__SERVER__LISTN", "x")]).is_err_and(|e| e.contains("server.listen")));
    }

    #[test]
    fn a_rate_the_wrong_way_round_is_refused() {
        assert!(load("[currency]\nplanning_rate = '0.0066'", &[]).is_err_and(|e| e.contains("planning_rate")));
    }

    #[test]
    fn a_password_is_not_shown() {
        let config =
            load("[database]\nurl = 'postgres://anbun:secret@db/anbun'", &[]).unwrap_or_else(|e| panic!("{e}"));
        assert!(!config.shown().contains("secret") && config.shown().contains("@db/anbun"));
    }

    #[test]
    fn wrong_patterns_are_refused() {
        for pattern in ["cowork-{department}{user}", "cowork-{user}", "{department}-{user}-{x}"] {
            assert!(
                load(&format!("[attribution]\nrole_patterns = ['{pattern}']"), &[]).is_err(),
                "{pattern}"
            );
        }
    }
}
