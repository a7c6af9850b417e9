//! Deciding whose a charge is, by evidence.
//!
//! Five rules are asked in order; the first that finds a department, or evidence that it cannot resolve, decides.
//! Evidence that cannot be resolved quarantines a charge: a later rule never repairs it, and nothing is guessed.
//! The person and the project come from the first rule that finds one, also after the deciding rule.

mod rules;

pub use rules::{RolePattern, RolePatternError};

use std::collections::BTreeMap;
use std::fmt;

use super::directory::DirectoryDay;
use super::period::CALLER_IDENTITY_SINCE;
use super::principal::Principal;

/// The evidence that decided, in the order in which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    Directory,
    Tag,
    RoleName,
    SessionName,
    Account,
    /// A tag or a role name carries a department that has ended; the one that goes on for it has the charge.
    Successor,
    /// A principal that no rule said anything about.
    None,
}

impl Rule {
    pub const IN_ORDER: [Self; 5] = [
        Self::Directory,
        Self::Tag,
        Self::RoleName,
        Self::SessionName,
        Self::Account,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Tag => "tag",
            Self::RoleName => "role_name",
            Self::SessionName => "session_name",
            Self::Account => "account",
            Self::Successor => "successor",
            Self::None => "none",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::IN_ORDER.into_iter().find(|rule| rule.as_str() == text)
    }
}

/// Where a usage charge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    Attributed,
    /// There is a principal, and a person must decide.
    Quarantined,
    /// There is nobody to decide about.
    Unattributed,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attributed => "attributed",
            Self::Quarantined => "quarantined",
            Self::Unattributed => "unattributed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Attributed, Self::Quarantined, Self::Unattributed]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// Why a charge is not attributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    Unparsed,
    Ambiguous,
    UnknownDepartment,
    UnknownPerson,
    SharedPrincipal,
    NoPrincipal,
    BeforeActivation,
    NotUsage,
}

impl Reason {
    pub const ALL: [Self; 8] = [
        Self::Unparsed,
        Self::Ambiguous,
        Self::UnknownDepartment,
        Self::UnknownPerson,
        Self::SharedPrincipal,
        Self::NoPrincipal,
        Self::BeforeActivation,
        Self::NotUsage,
    ];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unparsed => "unparsed",
            Self::Ambiguous => "ambiguous",
            Self::UnknownDepartment => "unknown_department",
            Self::UnknownPerson => "unknown_person",
            Self::SharedPrincipal => "shared_principal",
            Self::NoPrincipal => "no_principal",
            Self::BeforeActivation => "before_activation",
            Self::NotUsage => "not_usage",
        }
    }
}

impl Reason {
    /// Whether somebody must decide, or there is nobody to decide about.
    pub const fn state(self) -> State {
        match self {
            Self::Unparsed
            | Self::Ambiguous
            | Self::UnknownDepartment
            | Self::UnknownPerson
            | Self::SharedPrincipal => State::Quarantined,
            Self::NoPrincipal | Self::BeforeActivation | Self::NotUsage => State::Unattributed,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose a charge is, and how that was decided.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attribution {
    pub state: State,
    pub reason: Option<Reason>,
    pub department: Option<String>,
    pub person: Option<String>,
    pub project: Option<String>,
    /// `None` where no rule was asked.
    pub rule: Option<Rule>,
    pub person_rule: Option<Rule>,
}

impl Attribution {
    /// A charge that is not usage, or that nobody can be asked about.
    pub const fn unattributed(reason: Reason) -> Self {
        Self {
            state: State::Unattributed,
            reason: Some(reason),
            department: None,
            person: None,
            project: None,
            rule: None,
            person_rule: None,
        }
    }

    const fn quarantined(reason: Reason, rule: Rule) -> Self {
        Self {
            state: State::Quarantined,
            reason: Some(reason),
            department: None,
            person: None,
            project: None,
            rule: Some(rule),
            person_rule: None,
        }
    }
}

/// What one rule found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    pub department: Option<String>,
    pub person: Option<String>,
    pub project: Option<String>,
    /// The evidence carries a department that has ended: this is its successor.
    pub is_successor: bool,
    /// Evidence that is there but cannot be resolved.
    pub problem: Option<Reason>,
    /// The directory calls the principal a gateway or shared, and names no department.
    pub shared: bool,
}

impl Evidence {
    fn problem(reason: Reason) -> Self {
        Self {
            problem: Some(reason),
            ..Self::default()
        }
    }

    fn decides(&self) -> bool {
        self.department.is_some() || self.problem.is_some()
    }
}

/// What the company chose: order of evidence, patterns of role names.
#[derive(Debug, Clone)]
pub struct AttributionSettings {
    pub order: Vec<Rule>,
    pub role_patterns: Vec<RolePattern>,
}

/// A decision together with every rule that was tried for it, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub attribution: Attribution,
    pub tried: Vec<(Rule, Evidence)>,
}

/// Tags that can say who called; every other key is no evidence.
pub const EVIDENCE_TAG_KEYS: [&str; 4] = ["department", "user", "project", "cost-center"];
pub const PRINCIPAL_TAG_PREFIX: &str = "iamPrincipal/";

/// Whether a key of the `tags` map is kept with a charge.
pub fn is_evidence_tag(key: &str) -> bool {
    key.starts_with(PRINCIPAL_TAG_PREFIX) || EVIDENCE_TAG_KEYS.contains(&key)
}

pub type EvidenceTags = BTreeMap<String, String>;

/// Decides about one usage line: a principal as the bill spells it, its tags, and the directory on the day of use.
pub fn attribute(
    arn: Option<&str>,
    tags: &EvidenceTags,
    directory: &DirectoryDay<'_>,
    settings: &AttributionSettings,
) -> Attribution {
    explain(arn, tags, directory, settings).attribution
}

/// The same decision, with what each rule found.
pub fn explain(
    arn: Option<&str>,
    tags: &EvidenceTags,
    directory: &DirectoryDay<'_>,
    settings: &AttributionSettings,
) -> Explanation {
    if directory.day < CALLER_IDENTITY_SINCE {
        return Explanation {
            attribution: Attribution::unattributed(Reason::BeforeActivation),
            tried: Vec::new(),
        };
    }
    let Some(arn) = arn.filter(|arn| !arn.is_empty()) else {
        return Explanation {
            attribution: Attribution::unattributed(Reason::NoPrincipal),
            tried: Vec::new(),
        };
    };
    let principal = Principal::parse(arn);
    let mut tried: Vec<(Rule, Evidence)> = Vec::with_capacity(settings.order.len());
    for &rule in &settings.order {
        // An account's owner does not answer for a role that the directory calls shared.
        if rule == Rule::Account && tried.iter().any(|(_, evidence)| evidence.shared) {
            continue;
        }
        tried.push((rule, rules::ask(rule, principal.as_ref(), tags, directory, settings)));
    }
    Explanation {
        attribution: decide(&tried),
        tried,
    }
}

fn decide(tried: &[(Rule, Evidence)]) -> Attribution {
    let Some((rule, deciding)) = tried.iter().find(|(_, evidence)| evidence.decides()) else {
        let shared = tried.iter().any(|(_, evidence)| evidence.shared);
        return Attribution::quarantined(
            if shared {
                Reason::SharedPrincipal
            } else {
                Reason::Unparsed
            },
            Rule::None,
        );
    };
    if let Some(reason) = deciding.problem {
        return Attribution::quarantined(reason, *rule);
    }
    let with_person = tried.iter().find(|(_, evidence)| evidence.person.is_some());
    Attribution {
        state: State::Attributed,
        reason: None,
        department: deciding.department.clone(),
        person: with_person.and_then(|(_, evidence)| evidence.person.clone()),
        project: tried.iter().find_map(|(_, evidence)| evidence.project.clone()),
        rule: Some(if deciding.is_successor { Rule::Successor } else { *rule }),
        person_rule: with_person.map(|(rule, _)| *rule),
    }
}

#[cfg(test)]
mod tests;
