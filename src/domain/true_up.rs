//! What a locked month would say now, less what it says: lines of the next open month that name their origin.
//!
//! Both sides are divided by the directory and the rules that were sealed, so that only the bill can differ.  What earlier
//! true-ups have settled is taken off.

use std::collections::BTreeMap;

use super::allocation::Pool;
use super::books::{Column, DepartmentInMonth, living};
use super::money::{Amount, Ratio, convert_parts};
use super::period::BillingPeriod;

/// Where an amount of a locked month stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrueUpKey {
    pub payer: String,
    pub seller: String,
    /// None: kept visible.
    pub department: Option<String>,
    pub column: Column,
}

/// Exact amounts of a month by where they stand.
pub type Standing = BTreeMap<TrueUpKey, Amount>;

/// A line of the next open month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrueUp {
    pub origin: BillingPeriod,
    /// Where it stood in the origin month.
    pub key: TrueUpKey,
    /// Who has it now: the department of that time, or who goes on for it.
    pub department: Option<String>,
    pub usd: Amount,
    pub jpy: Amount,
}

impl TrueUp {
    /// Its name among what is not a department's own usage; `parse_origin` reads it.
    pub fn pool(&self) -> Pool {
        let department = self.key.department.as_deref().unwrap_or("");
        Pool::TrueUp(format!("{}/{}/{department}", self.origin, self.key.column.as_str()))
    }
}

/// Origin, column and department of a true-up's pool.
pub fn parse_origin(pool: &Pool) -> Option<(BillingPeriod, Column, Option<String>)> {
    let Pool::TrueUp(text) = pool else {
        return None;
    };
    let (origin, rest) = text.split_once('/')?;
    let (column, department) = rest.split_once('/')?;
    let department = Some(department.to_owned()).filter(|code| !code.is_empty());
    Some((origin.parse().ok()?, Column::parse(column)?, department))
}

/// The origin of a reclass, of its pool's name.
pub fn origin_of_reclass(name: &str) -> Option<BillingPeriod> {
    name.split('/').next()?.parse().ok()
}

/// What a locked month lacks: `now` less `locked` less `settled`.
pub fn differences(now: &Standing, locked: &Standing, settled: &Standing) -> Standing {
    let mut left = now.clone();
    for (key, amount) in locked.iter().chain(settled) {
        *left.entry(key.clone()).or_default() += -*amount;
    }
    left.retain(|_, amount| !amount.is_zero());
    left
}

/// Makes the lines of an origin month.  Each payer's and seller's difference is converted and rounded once.
pub fn true_ups(
    origin: BillingPeriod,
    differences: &Standing,
    departments: &BTreeMap<String, DepartmentInMonth>,
    ratio_of: impl Fn(&str, &str) -> Option<Ratio>,
) -> Option<Vec<TrueUp>> {
    let mut lines = Vec::new();
    let mut by_bill: BTreeMap<(&str, &str), Vec<(&TrueUpKey, Amount)>> = BTreeMap::new();
    for (key, usd) in differences {
        by_bill.entry((&key.payer, &key.seller)).or_default().push((key, *usd));
    }
    for ((payer, seller), parts) in by_bill {
        let ratio = ratio_of(payer, seller)?;
        let billed: Vec<Amount> = parts.iter().map(|(_, usd)| *usd).collect();
        let total = billed.iter().copied().sum::<Amount>().to_whole(ratio)?;
        for ((key, usd), jpy) in parts.iter().zip(convert_parts(total, &billed, ratio)?) {
            lines.push(TrueUp {
                origin,
                key: (*key).clone(),
                // A closed department's lines go to who goes on for it.
                department: key
                    .department
                    .as_deref()
                    .map(|code| living(code, departments).unwrap_or(code).to_owned()),
                usd: *usd,
                jpy: Amount::from_whole(jpy),
            });
        }
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;

    fn key(department: Option<&str>, column: Column) -> TrueUpKey {
        TrueUpKey {
            payer: "1".to_owned(),
            seller: "AWS".to_owned(),
            department: department.map(str::to_owned),
            column,
        }
    }

    fn standing(parts: &[(Option<&str>, &str)]) -> Standing {
        let amount = |text: &str| Amount::parse(text).unwrap_or_else(|| panic!("{text}"));
        parts
            .iter()
            .map(|(code, text)| (key(*code, Column::Direct), amount(text)))
            .collect()
    }

    #[test]
    fn only_what_is_new_is_trued_up_and_its_yen_add_up() {
        let now = standing(&[(Some("sales"), "10.5"), (Some("old"), "3.25"), (None, "1")]);
        let locked = standing(&[(Some("sales"), "10"), (Some("old"), "3"), (None, "1")]);
        let settled = standing(&[(Some("sales"), "0.25")]);
        let left = differences(&now, &locked, &settled);
        assert_eq!(left, standing(&[(Some("old"), "0.25"), (Some("sales"), "0.25")]));
        let ended = DepartmentInMonth {
            legal_entity: String::new(),
            days_valid: 0,
            successor: Some("new".to_owned()),
        };
        let lives = DepartmentInMonth {
            legal_entity: String::new(),
            days_valid: 30,
            successor: None,
        };
        let departments = BTreeMap::from([("old".to_owned(), ended), ("new".to_owned(), lives)]);
        let origin: BillingPeriod = "2026-08".parse().unwrap_or_else(|e| panic!("{e}"));
        let ratio = Ratio::of_rate(Decimal::from(150));
        let lines = true_ups(origin, &left, &departments, |_, _| ratio).unwrap_or_default();
        // 0.5 USD is 75 yen: 37.5 each, the odd yen to the first.
        let found: Vec<_> = lines
            .iter()
            .map(|line| (line.department.as_deref(), line.jpy.to_string()))
            .collect();
        assert_eq!(
            found,
            [(Some("new"), "38".to_owned()), (Some("sales"), "37".to_owned())]
        );
        let pool = lines[0].pool();
        assert_eq!(Pool::parse(&pool.to_string()), Some(pool.clone()));
        assert_eq!(
            parse_origin(&pool),
            Some((origin, Column::Direct, Some("old".to_owned())))
        );
    }
}
