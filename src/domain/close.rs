//! Closing a month: its states, and what each step demands.
//!
//! open -> provisional -> final -> locked.  A hard check is never waived; a soft one is, by name, with a reason that is
//! printed on the statement.  Locked never reopens.

use std::collections::BTreeMap;

use super::finding::{Finding, Severity};
use super::money::Amount;
use super::named::named;
use super::rate::RATE_MISSING;

named! {
    MonthState {
        Open = "open",
        Provisional = "provisional",
        Final = "final",
        Locked = "locked",
    }
}

/// Something that a step demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: &'static str,
    pub is_hard: bool,
    pub passed: bool,
    /// What hangs on it.
    pub amount: Amount,
    pub currency: &'static str,
    pub message: String,
    pub action: &'static str,
    /// Why a soft one that fails was let pass.
    pub waived: Option<String>,
}

impl Check {
    fn new(name: &'static str, is_hard: bool, message: impl Into<String>, action: &'static str) -> Self {
        Self {
            name,
            is_hard,
            passed: true,
            amount: Amount::ZERO,
            currency: "JPY",
            message: message.into(),
            action,
            waived: None,
        }
    }

    fn failing(self, amount: Amount) -> Self {
        Self {
            passed: false,
            amount,
            ..self
        }
    }

    /// Of bills and invoices, which are in dollars.
    fn failing_in_dollars(self, amount: Amount) -> Self {
        Self {
            currency: "USD",
            ..self.failing(amount)
        }
    }

    /// Whether it stands in the way.
    pub fn blocks(&self) -> bool {
        !self.passed && self.waived.is_none()
    }
}

/// How the journals that would be made of the statement stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalStanding {
    /// The settings name nobody who pays AWS.
    NotMade,
    Balances {
        debits: i128,
    },
    Differs {
        difference: i128,
    },
    CannotBeMade(String),
}

/// What the checks look at.
#[derive(Debug, Clone)]
pub struct CloseFacts<'f> {
    pub target: MonthState,
    /// Deliveries that were not counted a second time, and those whose second count differs.
    pub recounts_missing: i64,
    pub recounts_unequal: i64,
    /// In the currency of the chargeback.
    pub quarantined: Amount,
    /// Up to this much may stay undecided.
    pub quarantine_max: Amount,
    pub days_missing: usize,
    /// What they are taken to cost, in the currency of the chargeback, where that could be estimated.
    pub accrued: Option<Amount>,
    /// In the currency of the chargeback: bills that carry no invoice yet.
    pub without_invoice: Amount,
    pub unconverted: &'f [(String, Amount)],
    /// Departments without an account: the accounting system, the department, what it is charged.
    pub unmapped: &'f [(String, String, Amount)],
    /// What deliveries bill and the books do not have, Bedrock's lines and the others.
    pub missing_from_books: (Amount, Amount),
    /// Charges that another version of the directory decided than the one that is sealed.
    pub decided_by_another_directory: bool,
    pub journal: JournalStanding,
    /// Of the books and of the deliveries.
    pub findings: &'f [Finding],
}

/// Journals that do not balance stand in the way for good, and so do those that cannot be made: nobody could have added them up.
fn journal_check(journal: &JournalStanding) -> Check {
    let check = |message: String| {
        let action = "look at [[journal.sources]] and 'anbun chargeback export --as intercompany'";
        Check::new("journal", true, message, action)
    };
    match journal {
        JournalStanding::NotMade => check("no journal is made: [[journal.sources]] names nobody".to_owned()),
        JournalStanding::Balances { debits } => check(format!(
            "debits equal credits, {debits} JPY, and what one legal entity owes another stands in both books"
        )),
        JournalStanding::Differs { difference } => {
            let message = format!("the journals of the legal entities are {difference} JPY from balancing");
            check(message).failing(Amount::from_whole(*difference))
        }
        JournalStanding::CannotBeMade(what) => {
            check(format!("its journal cannot be made: {what}")).failing(Amount::ZERO)
        }
    }
}

/// Every check of a step, in the order of the checklist.
pub fn checks(facts: &CloseFacts<'_>) -> Vec<Check> {
    let of = |code: &str| {
        facts
            .findings
            .iter()
            .filter(|finding| finding.code == code)
            .collect::<Vec<_>>()
    };
    let amount = |found: &[&Finding]| found.iter().filter_map(|finding| finding.amount).sum::<Amount>();
    let told = |found: &[&Finding]| {
        found
            .iter()
            .map(|finding| finding.subject.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut checks = Vec::new();

    let conservation = Check::new(
        "conservation",
        true,
        "the books have every line of every delivery, once",
        "load the month again with 'anbun ingest cur --force'",
    );
    let (own, others) = facts.missing_from_books;
    checks.push(match own.is_zero() && others.is_zero() {
        true => conservation,
        false => Check {
            message: format!("the books lack {own} of Bedrock and {others} of other services"),
            ..conservation.failing_in_dollars(own + others)
        },
    });

    let directory = Check::new(
        "directory",
        true,
        "every charge is decided by the directory that is sealed",
        "reopen the month, or import the directory again",
    );
    checks.push(match facts.decided_by_another_directory {
        false => directory,
        true => Check {
            message: "charges were decided by an older directory than the one that would be sealed".to_owned(),
            ..directory.failing(Amount::ZERO)
        },
    });

    let recount = Check::new(
        "recount",
        true,
        "every delivery was counted a second time and is equal",
        "run 'anbun job run recount-charges'",
    );
    checks.push(match (facts.recounts_missing, facts.recounts_unequal) {
        (0, 0) => recount,
        (0, unequal) => Check {
            message: format!("the second count of {unequal} deliveries differs"),
            ..recount.failing(Amount::ZERO)
        },
        (missing, _) => Check {
            message: format!("{missing} deliveries were not counted a second time"),
            ..recount.failing(Amount::ZERO)
        },
    });

    let net = Check::new(
        "net_column",
        true,
        "every line of a payer that is booked by its net column has one",
        "add the net columns to the export and load the month again, or book the payer unblended",
    );
    let missing = of("net_missing");
    checks.push(match missing.is_empty() {
        true => net,
        false => Check {
            message: format!("lines have no net cost: {}", told(&missing)),
            ..net.failing_in_dollars(amount(&missing))
        },
    });

    let mut differs = of("invoice_differs");
    differs.extend(of("invoice_not_on_bill"));
    let unexplained = Check::new(
        "unexplained",
        true,
        "every recorded invoice is on the bill and equals it",
        "see 'anbun reconcile', and record the invoice again where it was typed wrong",
    );
    checks.push(match differs.is_empty() {
        true => unexplained,
        false => Check {
            message: format!("unexplained between invoice and bill, in USD: {}", told(&differs)),
            ..unexplained.failing_in_dollars(amount(&differs))
        },
    });

    checks.push(journal_check(&facts.journal));

    let currencies = Check::new(
        "currencies",
        true,
        "every bill has a rate",
        "record a rate for the currency of the bill",
    );
    checks.push(match facts.unconverted {
        [] => currencies,
        [(currency, amount), ..] => Check {
            message: format!("{amount} {currency} cannot be converted"),
            ..currencies.failing_in_dollars(*amount)
        },
    });

    let rate = Check::new(
        "rate",
        false,
        "the rate is the policy's",
        "record it with 'anbun rates set'",
    );
    checks.push(match of(RATE_MISSING).first() {
        None => rate,
        Some(finding) => Check {
            message: finding.message.clone(),
            ..rate.failing(Amount::ZERO)
        },
    });

    let mappings = Check::new(
        "mappings",
        false,
        "every department has its account",
        "add it to the journal mappings, or its cost centre to the directory",
    );
    checks.push(match facts.unmapped {
        [] => mappings,
        unmapped => {
            let named = unmapped
                .iter()
                .map(|(system, department, _)| format!("{department} in {system}"));
            Check {
                message: format!("no account: {}", named.collect::<Vec<_>>().join(", ")),
                ..mappings.failing(unmapped.iter().map(|(.., amount)| *amount).sum())
            }
        }
    });

    let quarantine = Check::new(
        "quarantine",
        false,
        "what is undecided is within the limit",
        "decide them on the page 'Undecided', or with 'anbun directory assign'",
    );
    checks.push(match facts.quarantined > facts.quarantine_max {
        false => quarantine,
        true => Check {
            message: format!("more is undecided than the {} yen that may be", facts.quarantine_max),
            ..quarantine.failing(facts.quarantined)
        },
    });

    let days = Check::new(
        "days",
        false,
        "every day of the month is delivered",
        "wait for the delivery, or close with the days missing",
    );
    checks.push(match (facts.days_missing, facts.accrued) {
        (0, _) => days,
        (missing, Some(amount)) => Check {
            message: format!("{missing} days of the month are not delivered; they are accrued, apart from the bill"),
            amount,
            ..days
        },
        (missing, None) => Check {
            message: format!("{missing} days of the month are not delivered"),
            ..days.failing(Amount::ZERO)
        },
    });

    let undivided = of("nothing_to_divide_by");
    let allocation = Check::new(
        "allocation",
        false,
        "every rule finds somebody to divide by",
        "name a fallback in the allocation rule",
    );
    checks.push(match undivided.is_empty() {
        true => allocation,
        false => Check {
            message: format!("these pools stay visible: {}", told(&undivided)),
            ..allocation.failing_in_dollars(amount(&undivided))
        },
    });

    let named_elsewhere = [
        "invoice_differs",
        RATE_MISSING,
        "nothing_to_divide_by",
        "invoice_not_recorded",
        "no_rate",
    ];
    let errors: Vec<&Finding> = facts
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error && !named_elsewhere.contains(&finding.code))
        .collect();
    let no_errors = Check::new(
        "errors",
        false,
        "no finding of the month is an error",
        "see 'anbun chargeback preview'",
    );
    checks.push(match errors.is_empty() {
        true => no_errors,
        false => Check {
            message: format!("{} findings are errors: {}", errors.len(), told(&errors)),
            ..no_errors.failing(Amount::ZERO)
        },
    });

    if facts.target == MonthState::Final {
        let missing = of("invoice_not_recorded");
        let recorded = Check::new(
            "invoices",
            true,
            "every invoice that the bill names is recorded",
            "record them with 'anbun invoices add' or 'import'",
        );
        checks.push(match missing.is_empty() {
            true => recorded,
            false => Check {
                message: format!("not recorded, in USD: {}", told(&missing)),
                ..recorded.failing_in_dollars(amount(&missing))
            },
        });
        let invoiced = Check::new(
            "invoiced",
            false,
            "every line of the bill has its invoice",
            "wait until AWS has made the invoices",
        );
        checks.push(match facts.without_invoice.is_zero() {
            true => invoiced,
            false => Check {
                message: "lines of the bill have no invoice yet".to_owned(),
                ..invoiced.failing(facts.without_invoice)
            },
        });
        let undecided = of("tax_undecided");
        let tax = Check::new(
            "tax",
            false,
            "how tax stands is known for every invoice",
            "record the invoice with its treatment",
        );
        checks.push(match undecided.is_empty() {
            true => tax,
            false => Check {
                message: format!("undecided: {}", told(&undecided)),
                ..tax.failing(Amount::ZERO)
            },
        });
    }
    checks
}

/// Letters that a reason may have.
const WAIVER_MAX: usize = 500;

/// Why waivers are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaiverError {
    #[error("there is no check '{0}'; checks are {1}")]
    Unknown(String, String),
    #[error("the check '{0}' is never waived: {1}")]
    Hard(String, String),
    #[error("the check '{0}' is waived without a reason")]
    NoReason(String),
    #[error("the reason for '{0}' has more than 500 letters")]
    TooLong(String),
}

/// Lets soft checks pass, each with its reason.
pub fn waive(checks: &mut [Check], waivers: &BTreeMap<String, String>) -> Result<(), WaiverError> {
    for (name, reason) in waivers {
        let all = checks.iter().map(|check| check.name).collect::<Vec<_>>().join(", ");
        let Some(check) = checks.iter_mut().find(|check| check.name == name) else {
            return Err(WaiverError::Unknown(name.clone(), all));
        };
        if reason.trim().is_empty() {
            return Err(WaiverError::NoReason(name.clone()));
        }
        if check.is_hard {
            return Err(WaiverError::Hard(name.clone(), check.message.clone()));
        }
        if reason.chars().count() > WAIVER_MAX {
            return Err(WaiverError::TooLong(name.clone()));
        }
        // What passes needs no waiver, and none is printed.
        if !check.passed {
            check.waived = Some(reason.trim().to_owned());
        }
    }
    Ok(())
}

/// Why a month may not take a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    #[error("the month is locked; what comes later becomes a true-up in the next open month")]
    Locked,
    #[error("a {from} month cannot become {to}; {action}")]
    NotFrom {
        from: MonthState,
        to: MonthState,
        action: &'static str,
    },
    #[error("{0} is not locked yet; months are locked in their order")]
    EarlierNotLocked(String),
    #[error("{0} is {1} already; reopen it first, then this one")]
    LaterIsClosed(String, MonthState),
    #[error("'{0}' prepared the statement; somebody else locks it, or set [close] two_person = false")]
    SamePerson(String),
    #[error("the journal is not marked as posted: {0}; say so with 'anbun chargeback posted'")]
    NotPosted(String),
    #[error("reopening a month needs a reason")]
    NoReason,
}

/// Whether a month in a state may be closed to another.
pub fn may_close(from: MonthState, to: MonthState) -> Result<(), StepError> {
    match (from, to) {
        (MonthState::Locked, _) => Err(StepError::Locked),
        (MonthState::Final, MonthState::Provisional) => Err(StepError::NotFrom {
            from,
            to,
            action: "reopen it first, with a reason",
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
