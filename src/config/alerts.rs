//! Settings of Slack and of the other ways that alerts go out.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::settings::default_of;
use crate::domain::language::Language;
use crate::domain::money::Amount;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlackConfig {
    /// A secret.
    pub token: Option<String>,
    /// A secret.
    pub webhook_url: Option<String>,
    pub default_channel: Option<String>,
    /// A secret.
    pub signing_secret: Option<String>,
    pub language: Language,
    pub api: String,
    pub channels: Vec<ChannelConfig>,
}

impl Default for SlackConfig {
    fn default() -> Self {
        Self {
            token: None,
            webhook_url: None,
            default_channel: None,
            signing_secret: None,
            language: Language::default(),
            api: default_of("slack.api").to_owned(),
            channels: Vec::new(),
        }
    }
}

/// What holds for one channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelConfig {
    pub name: String,
    #[serde(default)]
    pub language: Option<Language>,
    /// People may be named there.
    #[serde(default)]
    pub names: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertsConfig {
    /// Dollars beyond what is usual.
    pub unusual_from_usd: Decimal,
    pub webhook_url: Option<String>,
    /// A secret.
    pub webhook_secret: Option<String>,
    /// To the budget's owner, by `[mail]`.
    pub mail: bool,
}

impl SlackConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |name: &str, what: &str| {
            Err(ConfigError::Value {
                name: name.to_owned(),
                what: what.to_owned(),
            })
        };
        if self.token.is_some() && self.webhook_url.is_some() {
            return refuse(
                "slack.webhook_url",
                "there is a token too, and the same message would come twice; keep one of them",
            );
        }
        if self.token.is_some() && self.default_channel.is_none() {
            return refuse(
                "slack.default_channel",
                "a bot needs to know where budgets without a channel speak, such as C0123ABCD",
            );
        }
        Ok(())
    }
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self {
            unusual_from_usd: Decimal::ONE_HUNDRED,
            webhook_url: None,
            webhook_secret: None,
            mail: false,
        }
    }
}

impl AlertsConfig {
    pub fn unusual_least(&self) -> Result<Amount, ConfigError> {
        let amount = Amount::from_decimal(self.unusual_from_usd).filter(|amount| amount.units() > 0);
        amount.ok_or_else(|| ConfigError::Value {
            name: "alerts.unusual_from_usd".to_owned(),
            what: format!("{} is no amount above 0", self.unusual_from_usd),
        })
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.unusual_least()?;
        if self.webhook_url.is_some() && self.webhook_secret.as_ref().is_none_or(|secret| secret.len() < 16) {
            return Err(ConfigError::Value {
                name: "alerts.webhook_secret".to_owned(),
                what: "messages to the webhook are signed; give a secret of at least 16 characters".to_owned(),
            });
        }
        Ok(())
    }
}
