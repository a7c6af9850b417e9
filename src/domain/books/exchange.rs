//! The exchange difference: what the invoices of a month come to besides the planning rate that departments are charged at.

use std::collections::BTreeMap;

use super::{Column, Converted, DepartmentInMonth, Ledger, Posting, living};
use crate::domain::allocation::{AllocationRule, Method, Pool, rule_for};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

/// The department that the rules give the difference to; none: it is kept visible.
pub fn exchange_difference_receiver<'d>(
    rules: &'d [AllocationRule],
    period: BillingPeriod,
    departments: &'d BTreeMap<String, DepartmentInMonth>,
) -> Option<&'d str> {
    let (_, rule) = rule_for(rules, &Pool::ExchangeDifference, period)?;
    match &rule.method {
        Method::OneDepartment(code) => {
            living(code, departments).or_else(|| rule.fallback.as_deref().and_then(|code| living(code, departments)))
        }
        _ => None,
    }
}

/// One posting for each payer and seller whose invoices come to another sum than it is charged.
pub fn exchange_differences(
    ledger: &Ledger,
    invoiced: &Converted,
    charged: &Converted,
    receiver: Option<&str>,
) -> BTreeMap<(String, String), Vec<Posting>> {
    let mut differences: BTreeMap<(String, String), Amount> = BTreeMap::new();
    for (books, is_charged) in [(invoiced, false), (charged, true)] {
        for group in &books.groups {
            if let Some(bill) = group.bills.first().map(|bill| &ledger.bills[*bill]) {
                let of_bill = (bill.payer.clone(), bill.seller.clone());
                *differences.entry(of_bill).or_default() += if is_charged { -group.total } else { group.total };
            }
        }
    }
    let differs = differences.into_iter().filter(|(_, amount)| !amount.is_zero());
    let postings = differs.map(|(bill, amount)| {
        let posting = Posting {
            group: 0,
            column: Column::Adjustments,
            department: receiver.map(str::to_owned),
            pool: Some(Pool::ExchangeDifference),
            billed: Amount::ZERO,
            amount,
            lines: 0,
            tokens: 0,
        };
        (bill, vec![posting])
    });
    postings.collect()
}
