//! Deciding stored usage anew, as if it had been loaded under another directory.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::attribution::{Attribution, AttributionSettings, EvidenceTags, Reason, Rule, attribute};
use super::directory::{Directory, DirectoryDay};
use super::finding::{Finding, Severity};
use super::money::Amount;
use super::period::DayRange;

/// Usage of one principal with its tags, in a stretch of days in which the directory stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredUse {
    pub arn: Option<String>,
    pub tags: EvidenceTags,
    /// The first day of the stretch.
    pub from: NaiveDate,
    pub currency: String,
    pub lines: i64,
    pub cost: Amount,
}

/// What was decided about each use, and what a reader must know about the whole.
#[derive(Debug)]
pub struct Redecided {
    pub attributions: Vec<Attribution>,
    pub findings: Vec<Finding>,
}

/// Decides each use by the directory on its days.
pub fn decide_anew(
    uses: &[StoredUse],
    spans: &[DayRange],
    directory: &Directory,
    settings: &AttributionSettings,
) -> Redecided {
    let days: Vec<OnceCell<DirectoryDay<'_>>> = spans.iter().map(|_| OnceCell::new()).collect();
    let mut undecided: BTreeMap<(Reason, &str), (Amount, i64)> = BTreeMap::new();
    let mut disagreeing: BTreeMap<(String, String, &str), (Amount, i64)> = BTreeMap::new();
    let mut attributions = Vec::with_capacity(uses.len());
    for used in uses {
        let span = spans.partition_point(|span| span.from <= used.from).saturating_sub(1);
        let day = days[span].get_or_init(|| directory.on(spans[span].from));
        let attribution = attribute(used.arn.as_deref(), &used.tags, day, settings);
        let add = |sums: &mut (Amount, i64)| *sums = (sums.0 + used.cost, sums.1 + used.lines);
        if let Some(reason) = attribution.reason {
            add(undecided.entry((reason, &used.currency)).or_default());
        }
        if let Some(home) = home_elsewhere(&attribution, day) {
            let department = attribution.department.clone().unwrap_or_default();
            add(disagreeing.entry((department, home, &used.currency)).or_default());
        }
        attributions.push(attribution);
    }
    let undecided = undecided
        .into_iter()
        .map(|((reason, currency), sums)| undecided_finding(reason, currency, sums));
    let disagreeing = disagreeing
        .into_iter()
        .map(|((department, home, currency), sums)| disagreement_finding(&department, &home, currency, sums));
    Redecided {
        findings: undecided.chain(disagreeing).collect(),
        attributions,
    }
}

/// The department that the person of a decision is in on the day, if a tag or role name gave the charge to another.
pub(super) fn home_elsewhere(attribution: &Attribution, day: &DirectoryDay<'_>) -> Option<String> {
    let names_department = matches!(attribution.rule, Some(Rule::Tag | Rule::RoleName | Rule::Successor));
    let home = day.home(attribution.person.as_deref()?)?;
    (names_department && attribution.department.as_deref() != Some(home)).then(|| home.to_owned())
}

/// Codes of the findings that a new decision replaces.
pub const DECIDED_FINDINGS: [&str; 2] = ["unattributed_usage", "department_disagrees"];

pub(super) fn undecided_finding(reason: Reason, currency: &str, (cost, lines): (Amount, i64)) -> Finding {
    let finding = Finding::new(
        DECIDED_FINDINGS[0],
        Severity::Warning,
        reason.as_str(),
        "usage that no rule gave to a department",
        "see 'anbun explain principal' and add the principal, the department or the person to the directory",
    );
    finding.with_cost(cost, currency, lines)
}

/// People are not named.
pub(super) fn disagreement_finding(
    department: &str,
    home: &str,
    currency: &str,
    (cost, lines): (Amount, i64),
) -> Finding {
    let finding = Finding::new(
        DECIDED_FINDINGS[1],
        Severity::Warning,
        format!("{department}, people of {home}"),
        format!(
            "a tag or role name gives this usage to {department}, while its people are in {home} on these days; the evidence order decided"
        ),
        "correct the tag, role name or directory where the people have moved; see 'anbun explain principal'",
    );
    finding.with_cost(cost, currency, lines)
}
