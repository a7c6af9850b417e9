//! Where exports lie and how AWS is reached.

use serde::{Deserialize, Serialize};

use super::settings::default_of;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportConfig {
    pub name: String,
    pub location: String,
    pub region: Option<String>,
    pub endpoint: Option<String>,
    pub profile: Option<String>,
    pub role_arn: Option<String>,
    pub external_id: Option<String>,
    #[serde(default = "fetch_mib_max")]
    pub fetch_mib_max: u32,
    #[serde(default)]
    pub copied: bool,
}

fn fetch_mib_max() -> u32 {
    default_of("exports.fetch_mib_max").parse().unwrap_or(128)
}

impl ExportConfig {
    /// An export without any setting but its place.
    pub fn at(location: &str) -> Self {
        Self {
            name: location.to_owned(),
            location: location.to_owned(),
            region: None,
            endpoint: None,
            profile: None,
            role_arn: None,
            external_id: None,
            fetch_mib_max: fetch_mib_max(),
            copied: false,
        }
    }

    /// Bucket and prefix of an `s3://` address.
    pub fn bucket_and_prefix(&self) -> Option<(&str, &str)> {
        let rest = self.location.strip_prefix("s3://")?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        Some((bucket, prefix.trim_matches('/')))
    }

    /// Whether AWS itself writes there, and not somebody who copies.
    pub fn is_delivered_by_aws(&self) -> bool {
        let is_aws = self
            .endpoint
            .as_ref()
            .is_none_or(|endpoint| endpoint.contains(".amazonaws.com"));
        self.bucket_and_prefix().is_some() && is_aws && !self.copied
    }

    pub fn check(&self) -> Result<(), String> {
        let parts = self
            .bucket_and_prefix()
            .map(|(bucket, prefix)| (bucket.is_empty(), prefix));
        match parts {
            Some((true, _)) => Err(format!(
                "'{}' names no bucket: write s3://bucket/prefix/export-name",
                self.location
            )),
            Some((_, prefix)) if prefix.split('/').any(|part| part == "..") => {
                Err(format!("'{}' leads out of its prefix", self.location))
            }
            None if self.location.contains("://") && !self.location.starts_with("file://") => Err(format!(
                "'{}' is neither a folder nor s3://bucket/prefix/export-name",
                self.location
            )),
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AwsConfig {
    pub profile: Option<String>,
    pub region: Option<String>,
    pub role_arn: Option<String>,
    pub external_id: Option<String>,
    pub endpoint: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CostExplorerConfig {
    #[serde(deserialize_with = "truth")]
    pub enabled: bool,
    pub endpoint: Option<String>,
    pub tag_keys: Vec<String>,
    #[serde(deserialize_with = "number")]
    pub max_requests_per_day: u32,
    pub payer: Option<String>,
}

impl Default for CostExplorerConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            endpoint: None,
            tag_keys: ["department", "project"].map(str::to_owned).to_vec(),
            max_requests_per_day: default_of("cost_explorer.max_requests_per_day").parse().unwrap_or(0),
            payer: None,
        }
    }
}

/// The environment gives every value as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum OrText<T> {
    Value(T),
    Text(String),
}

fn truth<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match OrText::deserialize(deserializer)? {
        OrText::Value(value) => Ok(value),
        OrText::Text(text) => text
            .parse()
            .map_err(|_| serde::de::Error::custom(format!("'{text}' is neither true nor false"))),
    }
}

fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match OrText::deserialize(deserializer)? {
        OrText::Value(value) => Ok(value),
        OrText::Text(text) => text
            .parse()
            .map_err(|_| serde::de::Error::custom(format!("'{text}' is no whole number"))),
    }
}
