//! Why a part of an amount is a department's, in words: the pool, the rule and the base, or what brought it.

use crate::domain::allocation::{AllocationRule, Pool};
use crate::domain::books::{Basis, Entry, Posting};
use crate::domain::true_up::{Origin, origin_of_reclass};
use crate::store::books::MonthBooks;

/// Why a department has a posting: what brought it, else the bases of the entries that it is made of.
pub(super) fn because(books: &MonthBooks, (group, posting): (usize, &Posting), department: &str) -> String {
    because_of_adjustment(posting).unwrap_or_else(|| {
        let reasons = reasons(books, group, posting, department);
        match (&posting.pool, reasons.is_empty()) {
            (Some(pool), true) => pool.to_string(),
            _ => reasons,
        }
    })
}

/// What brought a line that no line of the month's bill is behind.
pub(super) fn because_of_adjustment(posting: &Posting) -> Option<String> {
    let pool = posting.pool.as_ref()?;
    if let Some(origin) = Origin::of(pool) {
        let (column, month) = (origin.column.as_str(), origin.period);
        return Some(format!("{column} of {month}: {}", origin.billing.because()));
    }
    match pool {
        Pool::Reclass(name) => {
            let origin = origin_of_reclass(name).map(|origin| origin.to_string());
            Some(format!(
                "an approved dispute of {}",
                origin.unwrap_or_else(|| name.clone())
            ))
        }
        _ => None,
    }
}

/// The bases of the entries behind a posting.
fn reasons(books: &MonthBooks, group: usize, posting: &Posting, department: &str) -> String {
    let bills = &books.converted.groups[group].bills;
    let behind = books.ledger.entries.iter().filter(|entry| {
        entry.column == posting.column
            && entry.department.as_deref() == Some(department)
            && bills.contains(&entry.bill)
            && (posting.pool.is_none() || posting.pool == entry.pool)
    });
    let mut reasons: Vec<String> = Vec::new();
    for entry in behind {
        let pool = entry.pool.as_ref().map(ToString::to_string).unwrap_or_default();
        let rule = |at: usize| books.rules.get(at).map(named).unwrap_or_default();
        let reason = match entry.basis {
            Basis::Direct => "own usage".to_owned(),
            Basis::FollowsUsage => format!("{} {} follows usage of the same account and product", entry.cost, pool),
            Basis::Rule(at) => {
                let (whole, base) = divided(books, entry, at, department);
                format!("{} of {whole}{pool} by {}{base}", entry.cost, rule(at))
            }
            Basis::Fallback(at) => format!("{} of {pool} as the fallback of {}", entry.cost, rule(at)),
            Basis::Kept => continue,
        };
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons.join("; ")
}

/// The whole pool that an entry is a share of, and what the share is measured by.
fn divided(books: &MonthBooks, entry: &Entry, rule: usize, department: &str) -> (String, String) {
    let mut divisions = books.ledger.divisions.iter();
    let division = divisions.find(|division| {
        division.rule == rule && division.bill == entry.bill && Some(&division.pool) == entry.pool.as_ref()
    });
    let Some(division) = division else {
        return (String::new(), String::new());
    };
    let method = books.rules.get(rule).map(|rule| &rule.method);
    let base = method.and_then(|method| division.base_of(department, method));
    let base = base.map(|base| format!(", {base}")).unwrap_or_default();
    (format!("{} of ", division.whole), base)
}

fn named(rule: &AllocationRule) -> String {
    let members = rule.method.members();
    let members = if members.is_empty() {
        String::new()
    } else {
        format!(" {members}")
    };
    format!("rule '{}: {}{members}'", rule.pool, rule.method.name())
}
