//! The exchange difference: what the invoices of a month come to besides the planning rate that departments are charged at.

use std::collections::BTreeMap;

use super::{Column, Converted, DepartmentInMonth, Ledger, Posting, living};
use crate::domain::allocation::{AllocationRule, Method, Pool, TaxPart, rule_for};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

/// The department that the rules give the difference to; none: it is kept visible.
pub fn exchange_difference_receiver<'d>(
    rules: &'d [AllocationRule],
    period: BillingPeriod,
    departments: &'d BTreeMap<String, DepartmentInMonth>,
) -> Option<&'d str> {
    let (_, rule) = rule_for(rules, &Pool::ExchangeDifference(TaxPart::Net), period)?;
    match &rule.method {
        Method::OneDepartment(code) => {
            living(code, departments).or_else(|| rule.fallback.as_deref().and_then(|code| living(code, departments)))
        }
        _ => None,
    }
}

/// For each payer and seller whose invoices come to another sum than it is charged a posting of the net, and one of the tax.
pub fn exchange_differences(
    ledger: &Ledger,
    invoiced: &Converted,
    charged: &Converted,
    receiver: Option<&str>,
) -> BTreeMap<(String, String), Vec<Posting>> {
    let mut differences: BTreeMap<(String, String, TaxPart), Amount> = BTreeMap::new();
    for (books, is_charged) in [(invoiced, false), (charged, true)] {
        for posting in &books.postings {
            let first = books.groups[posting.group].bills.first();
            let Some(bill) = first.map(|bill| &ledger.bills[*bill]) else {
                continue;
            };
            let part = if posting.column == Column::Tax {
                TaxPart::Tax
            } else {
                TaxPart::Net
            };
            let key = (bill.payer.clone(), bill.seller.clone(), part);
            *differences.entry(key).or_default() += if is_charged { -posting.amount } else { posting.amount };
        }
    }
    let mut postings: BTreeMap<(String, String), Vec<Posting>> = BTreeMap::new();
    for ((payer, seller, part), amount) in differences {
        if amount.is_zero() {
            continue;
        }
        postings.entry((payer, seller)).or_default().push(Posting {
            group: 0,
            column: Column::Adjustments,
            department: receiver.map(str::to_owned),
            pool: Some(Pool::ExchangeDifference(part)),
            billed: Amount::ZERO,
            amount,
            lines: 0,
            tokens: 0,
        });
    }
    postings
}
