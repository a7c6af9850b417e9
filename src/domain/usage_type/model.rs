//! Names of models: from the title in the product metadata, or from the name inside a usage type.
//!
//! A version is read as a whole (`claude-opus-5` and `claude-opus-5-5` are two models), so no list of models is needed
//! and the next generation is read like the last one.

use std::fmt;

/// A model by provider, family and version: `anthropic`, `opus`, `4.6`.  A version may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Model {
    pub provider: String,
    pub family: String,
    pub version: String,
}

/// `claude-opus-4.6`, `claude-2.0`; for other providers the bill's own id, such as `nova-lite-2.0` or `gpt-oss-120b`.
impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match (self.provider.as_str(), self.family.as_str()) {
            ("anthropic", "claude") => "claude".to_owned(),
            ("anthropic", family) => format!("claude-{family}"),
            (_, family) => family.to_owned(),
        };
        if self.version.is_empty() {
            f.write_str(&family)
        } else {
            write!(f, "{family}-{}", self.version)
        }
    }
}

impl Model {
    fn new(provider: &str, family: &str, version: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            family: family.to_owned(),
            version: version.to_owned(),
        }
    }

    /// From a title such as `Claude Opus 4.6`, `Claude 3.5 Haiku (Amazon Bedrock Edition)`, `Nova 2 Lite`.
    ///
    /// `provider` is the metadata's own word; without it only titles of known makers are models, so that a service
    /// name such as `Amazon Bedrock Service` is none.
    pub(super) fn from_title(title: &str, provider: Option<&str>) -> Option<Self> {
        let title = title.trim().trim_end_matches("(Amazon Bedrock Edition)").trim_end();
        let words: Vec<&str> = title.split_whitespace().collect();
        match words.as_slice() {
            ["Claude", version] if is_version(version) => Some(Self::new("anthropic", "claude", version)),
            ["Claude", family, version] if is_version(version) && is_word(family) => {
                Some(Self::new("anthropic", &family.to_lowercase(), version))
            }
            ["Claude", version, family] if is_version(version) && is_word(family) => {
                Some(Self::new("anthropic", &family.to_lowercase(), version))
            }
            ["Nova", version, variant] if is_version(version) => Some(Self::nova(variant, version)),
            ["Nova", variant] if is_word(variant) => Some(Self::nova(variant, "")),
            [name] if name.starts_with("gpt-") => Some(Self::new("openai", &name.to_lowercase(), "")),
            [] => None,
            words => provider.map(|p| Self::new(&p.to_lowercase(), &words.join("-").to_lowercase(), "")),
        }
    }

    /// From the name inside a classic usage type: `Claude4.6Opus`, `Claude2.0`, `Nova2.0Lite`, `gpt-oss-120b`.
    pub(super) fn from_classic_name(name: &str) -> Option<Self> {
        if let Some(rest) = name.strip_prefix("Claude") {
            let (version, family) = split_version(rest);
            return match (version, family) {
                ("", _) => None,
                (version, "") => Some(Self::new("anthropic", "claude", version)),
                (version, family) if is_word(family) => Some(Self::new("anthropic", &family.to_lowercase(), version)),
                _ => None,
            };
        }
        if let Some(rest) = name.strip_prefix("Nova") {
            let (version, variant) = split_version(rest);
            return is_word(variant).then(|| Self::nova(variant, version));
        }
        (!name.is_empty()).then(|| Self::new(maker_of(name), &name.to_lowercase(), ""))
    }

    /// From the id inside a newer usage type: `anthropic.claude-opus-5-5`, `openai.gpt-oss-120b`.
    pub(super) fn from_dotted_id(id: &str) -> Option<Self> {
        let (provider, name) = id.split_once('.')?;
        let Some(rest) = name.strip_prefix("claude-").filter(|_| provider == "anthropic") else {
            return (!name.is_empty()).then(|| Self::new(provider, name, ""));
        };
        let (family, version) = rest.split_once('-')?;
        let version = version.replace('-', ".");
        (is_word(family) && is_version(&version)).then(|| Self::new(provider, family, &version))
    }

    fn nova(variant: &str, version: &str) -> Self {
        let version = if version.is_empty() || version.contains('.') {
            version.to_owned()
        } else {
            format!("{version}.0")
        };
        Self::new("amazon", &format!("nova-{}", variant.to_lowercase()), &version)
    }
}

/// The maker of a model that a classic usage type names without one; empty where the bill does not say.
fn maker_of(name: &str) -> &'static str {
    if name.starts_with("gpt-") { "openai" } else { "" }
}

fn split_version(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    text.split_at(end)
}

fn is_version(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && split_version(text).1.is_empty() && !text.ends_with('.')
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic())
}
