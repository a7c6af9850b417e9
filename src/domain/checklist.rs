//! The clerk's checklist: what a month needs until it is locked, who does it by which business day, and what hangs on it.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::calendar::BusinessCalendar;
use super::close::{Check, MonthState};
use super::money::Amount;
use super::named::named;
use super::period::BillingPeriod;

named! {
    /// Tasks, in their order.
    TaskName {
        Deliveries = "deliveries",
        Rate = "rate",
        Mappings = "mappings",
        Undecided = "undecided",
        Provisional = "provisional",
        Accrual = "accrual",
        Invoices = "invoices",
        Reconciliation = "reconciliation",
        Final = "final",
        Journal = "journal",
        Lock = "lock",
        Statements = "statements",
    }
}

impl TaskName {
    /// The business day of the next month by which it is due, unless the settings say otherwise.
    pub const fn due_business_day(self) -> usize {
        match self {
            Self::Deliveries | Self::Rate => 1,
            Self::Mappings | Self::Undecided => 2,
            Self::Provisional => 3,
            Self::Accrual => 4,
            Self::Invoices => 5,
            Self::Reconciliation => 6,
            Self::Final => 7,
            Self::Journal => 8,
            Self::Lock => 9,
            Self::Statements => 10,
        }
    }

    /// The checks that it is done by.
    const fn checks(self) -> &'static [&'static str] {
        match self {
            Self::Deliveries => &["conservation", "directory", "recount", "days", "errors"],
            Self::Rate => &["rate", "currencies"],
            Self::Mappings => &["mappings"],
            Self::Undecided => &["quarantine", "allocation"],
            Self::Invoices => &["invoices", "invoiced", "tax"],
            Self::Reconciliation => &["unexplained"],
            Self::Provisional | Self::Accrual | Self::Final | Self::Journal | Self::Statements | Self::Lock => &[],
        }
    }
}

named! {
    TaskState {
        Done = "done",
        Open = "open",
        Overdue = "overdue",
    }
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub name: TaskName,
    /// Who does it; empty where nobody was named.
    pub owner: String,
    /// None where the calendar does not know the holidays of its year.
    pub due: Option<NaiveDate>,
    pub state: TaskState,
    pub amount: Amount,
    pub currency: &'static str,
    pub what: String,
    pub action: String,
}

/// Who does what by when, where the settings say so.
#[derive(Debug, Clone, Default)]
pub struct TaskPlan {
    pub owners: BTreeMap<TaskName, String>,
    pub due_business_days: BTreeMap<TaskName, usize>,
    pub calendar: BusinessCalendar,
}

/// What the tasks are told from.
#[derive(Debug, Clone)]
pub struct ChecklistFacts<'f> {
    pub period: BillingPeriod,
    pub state: MonthState,
    /// Of the final close; none once the month is final.
    pub checks: &'f [Check],
    /// In yen: what the month comes to.
    pub total: Amount,
    /// Whether the journal of the statement that closed the month is in the books.
    pub is_posted: bool,
    /// Whether somebody else has still to approve the statement, by locking the month.
    pub awaits_approver: bool,
    /// Departments whose statement was not sent, and yen of disputes that nobody has settled.
    pub statements_unsent: usize,
    pub disputed: Amount,
    /// Principals about whom an answer is overdue.
    pub answers_overdue: usize,
    pub today: NaiveDate,
}

/// Every task of a month.
pub fn tasks(facts: &ChecklistFacts<'_>, plan: &TaskPlan) -> Vec<Task> {
    TaskName::ALL.iter().map(|name| task(*name, facts, plan)).collect()
}

fn task(name: TaskName, facts: &ChecklistFacts<'_>, plan: &TaskPlan) -> Task {
    let nth = plan.due_business_days.get(&name).copied();
    let due = plan
        .calendar
        .business_day(facts.period.next().first_day(), nth.unwrap_or(name.due_business_day()));
    let (is_done, (amount, currency), what, action) = standing(name, facts);
    let is_late = due.is_some_and(|due| due < facts.today);
    Task {
        name,
        owner: plan.owners.get(&name).cloned().unwrap_or_default(),
        due,
        state: match (is_done, is_late) {
            (true, _) => TaskState::Done,
            (false, false) => TaskState::Open,
            (false, true) => TaskState::Overdue,
        },
        amount,
        currency,
        what,
        action,
    }
}

type Standing = (bool, (Amount, &'static str), String, String);

fn standing(name: TaskName, facts: &ChecklistFacts<'_>) -> Standing {
    let period = facts.period;
    let is_final = facts.state >= MonthState::Final;
    let step = |is_done: bool, (done, to_do): (&str, &str), action: String| -> Standing {
        let amount = if is_done { Amount::ZERO } else { facts.total };
        let what = if is_done { done } else { to_do };
        (is_done, (amount, "JPY"), what.to_owned(), action)
    };
    let export = format!("anbun chargeback export {period} --as journal:PRESET, then 'chargeback posted'");
    match name {
        TaskName::Provisional if is_final => {
            step(true, ("it is final, which is beyond the accrual", ""), String::new())
        }
        TaskName::Provisional => step(
            facts.state >= MonthState::Provisional,
            ("it is closed for the accrual", "it is not closed for the accrual yet"),
            format!("anbun chargeback close {period} --to provisional"),
        ),
        TaskName::Accrual if is_final && !facts.is_posted => {
            step(true, ("it is final: an accrual is needed no more", ""), export)
        }
        TaskName::Accrual => step(
            facts.is_posted,
            ("its slips are in the books", "its slips are not in the books yet"),
            export,
        ),
        TaskName::Final => step(
            is_final,
            ("it is closed and ties to its invoices", "it is not closed to final yet"),
            format!("anbun chargeback close {period} --to final"),
        ),
        TaskName::Journal => step(
            is_final && facts.is_posted,
            ("its slips are in the books", "its slips are not in the books yet"),
            export,
        ),
        TaskName::Statements => {
            let is_told = is_final && !facts.awaits_approver;
            let is_done = is_told && facts.statements_unsent == 0 && facts.disputed.is_zero();
            let what = match (facts.statements_unsent, facts.disputed.is_zero()) {
                _ if !is_final => "departments are told once it is final".to_owned(),
                _ if facts.awaits_approver => "departments are told once somebody else has locked it".to_owned(),
                (0, true) => "every department has its statement".to_owned(),
                (0, false) => "a department disputes its statement".to_owned(),
                (unsent, _) => format!("{unsent} departments have not been sent their statement"),
            };
            let action = format!("anbun chargeback send {period}, then 'chargeback answer'");
            (is_done, (facts.disputed, "JPY"), what, action)
        }
        TaskName::Lock => step(
            facts.state == MonthState::Locked,
            ("it is locked", "it is not locked yet"),
            format!("anbun chargeback lock {period}"),
        ),
        name => by_checks(name, facts),
    }
}

/// A task that is done once its checks pass.
fn by_checks(name: TaskName, facts: &ChecklistFacts<'_>) -> Standing {
    let of_task = facts.checks.iter().filter(|check| name.checks().contains(&check.name));
    let failing: Vec<&Check> = of_task.filter(|check| check.blocks()).collect();
    let overdue = (name == TaskName::Undecided && facts.answers_overdue > 0)
        .then(|| format!("{} answers are overdue: ask again", facts.answers_overdue));
    let Some(first) = failing.first() else {
        let passes = match name {
            TaskName::Deliveries => "the bill is whole and counted twice",
            TaskName::Rate => "the rate is the policy's",
            TaskName::Mappings => "every department has an account",
            TaskName::Undecided => "what is undecided is within the limit",
            TaskName::Invoices => "every invoice is recorded",
            _ => "nothing is unexplained",
        };
        return match overdue {
            None => (true, (Amount::ZERO, "JPY"), passes.to_owned(), String::new()),
            Some(what) => {
                let action = format!("ask again; the page /quarantine/{} has whom", facts.period);
                (false, (Amount::ZERO, "JPY"), what, action)
            }
        };
    };
    // Amounts of one currency are added; a sum of two would be none.
    let of_currency = failing.iter().filter(|check| check.currency == first.currency);
    let amount = of_currency.map(|check| check.amount).sum();
    let mut what: Vec<String> = failing.iter().map(|check| check.message.clone()).collect();
    what.extend(overdue);
    (
        false,
        (amount, first.currency),
        what.join("; "),
        first.action.to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(state: MonthState, today: &str) -> ChecklistFacts<'static> {
        ChecklistFacts {
            period: "2026-10".parse().unwrap_or_else(|e| panic!("{e}")),
            state,
            checks: &[],
            total: Amount::from_whole(1_000),
            is_posted: false,
            awaits_approver: false,
            statements_unsent: 2,
            disputed: Amount::ZERO,
            answers_overdue: 0,
            today: today.parse().unwrap_or_default(),
        }
    }

    fn states(facts: &ChecklistFacts<'_>) -> Vec<(&'static str, &'static str)> {
        let holidays = ["2026-11-03", "2026-11-23"].map(|text| (text.parse().unwrap_or_default(), String::new()));
        let plan = TaskPlan {
            due_business_days: BTreeMap::from([(TaskName::Lock, 5)]),
            calendar: BusinessCalendar {
                holidays: holidays.into(),
                closed: Vec::new(),
            },
            ..TaskPlan::default()
        };
        let left = tasks(facts, &plan)
            .into_iter()
            .filter(|task| task.state != TaskState::Done);
        left.map(|task| (task.name.as_str(), task.state.as_str())).collect()
    }

    /// Business days of November 2026: the 2nd, then after Culture Day the 4th, 5th, 6th and 9th.
    #[test]
    fn what_is_left_is_told_by_state_and_day() {
        let open = facts(MonthState::Open, "2026-11-05");
        let left = ["provisional", "accrual", "final", "journal", "lock", "statements"];
        assert_eq!(states(&open), left.map(|name| (name, "open")));
        // The third business day was the 5th.
        let late = facts(MonthState::Open, "2026-11-06");
        assert_eq!(states(&late)[0], ("provisional", "overdue"));
        let closed = ChecklistFacts {
            is_posted: true,
            awaits_approver: false,
            statements_unsent: 0,
            ..facts(MonthState::Final, "2026-11-10")
        };
        assert_eq!(states(&closed), [("lock", "overdue")]);
        let asked = ChecklistFacts {
            answers_overdue: 1,
            ..closed.clone()
        };
        assert_eq!(states(&asked)[0].0, "undecided");
        let disputed = ChecklistFacts {
            disputed: Amount::from_whole(5),
            ..closed
        };
        assert!(states(&disputed).iter().any(|(name, _)| *name == "statements"));
        let unapproved = ChecklistFacts {
            awaits_approver: true,
            disputed: Amount::ZERO,
            ..disputed
        };
        assert!(states(&unapproved).iter().any(|(name, _)| *name == "statements"));
    }
}
