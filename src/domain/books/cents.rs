//! A month in dollars as a company is charged in them: exact amounts, rounded once to cents.
//!
//! The same order as for yen: a group of bills, its columns, their holders, then people, models and projects.  Whoever asks for
//! the book of record has the exact amounts; this is for the company that reports in dollars, whose books know cents only.

use std::collections::BTreeMap;

use super::convert::TooLargeToConvert;
use super::{Column, LeafAmount, Posting};
use crate::domain::money::{Amount, Ratio, convert_parts};

/// The decimal places of a dollar by ISO 4217.
const DECIMALS: u32 = 2;

/// Rounds what is as billed.  `leaves` are all leaves of the postings, or none where no view below departments is asked for.
pub fn round_to_cents(postings: &mut [Posting], leaves: &mut [LeafAmount]) -> Result<(), TooLargeToConvert> {
    let mut ordered: Vec<&mut Posting> = postings.iter_mut().collect();
    ordered.sort_by(|a, b| {
        let key = |of: &Posting| (of.group, of.column, of.department.clone(), of.pool.clone());
        key(a).cmp(&key(b))
    });
    let mut charged: BTreeMap<(usize, Column, String), Amount> = BTreeMap::new();
    for group in ordered.chunk_by_mut(|a, b| a.group == b.group) {
        let exact: Amount = group.iter().map(|posting| posting.billed).sum();
        let cents = exact.to_whole(Ratio::of_decimals(DECIMALS)).ok_or(TooLargeToConvert)?;
        apportion(cents, group, &[|a, b| a.column == b.column])?;
        for posting in group {
            if let Some(department) = &posting.department {
                let key = (posting.group, posting.column, department.clone());
                *charged.entry(key).or_default() += posting.amount;
            }
        }
    }
    let mut ordered: Vec<&mut LeafAmount> = leaves.iter_mut().collect();
    ordered.sort_by(|a, b| path_of(a).cmp(&path_of(b)));
    for department in ordered.chunk_by_mut(|a, b| path_of(a).0 == path_of(b).0) {
        let (group, column, code) = path_of(department[0]).0;
        let amount = charged.get(&(group, column, code.to_owned())).copied();
        let cents = amount
            .unwrap_or_default()
            .in_decimals(DECIMALS)
            .ok_or(TooLargeToConvert)?;
        let same_person = |a: &LeafAmount, b: &LeafAmount| a.person == b.person;
        let same_model = |a: &LeafAmount, b: &LeafAmount| a.model == b.model;
        apportion(cents, department, &[same_person, same_model])?;
    }
    Ok(())
}

type Path<'l> = (
    (usize, Column, &'l str),
    (Option<&'l str>, Option<&'l str>, Option<&'l str>),
);

fn path_of(leaf: &LeafAmount) -> Path<'_> {
    (
        (leaf.group, leaf.column, &leaf.department),
        (leaf.person.as_deref(), leaf.model.as_deref(), leaf.project.as_deref()),
    )
}

/// Something exact that is given its cents.
trait Rounded {
    fn exact(&self) -> Amount;
    fn set(&mut self, amount: Amount);
}

impl Rounded for Posting {
    fn exact(&self) -> Amount {
        self.billed
    }

    fn set(&mut self, amount: Amount) {
        self.amount = amount;
    }
}

impl Rounded for LeafAmount {
    fn exact(&self) -> Amount {
        self.billed
    }

    fn set(&mut self, amount: Amount) {
        self.amount = amount;
    }
}

/// Divides cents between ordered parts, level by level; `same` says of neighbours whether they are one part of a level.
fn apportion<T: Rounded>(
    cents: i128,
    parts: &mut [&mut T],
    same: &[fn(&T, &T) -> bool],
) -> Result<(), TooLargeToConvert> {
    let (level, below) = match same {
        [] => (None, same),
        [level, below @ ..] => (Some(level), below),
    };
    let mut chunks: Vec<&mut [&mut T]> = parts
        .chunk_by_mut(|a, b| level.is_some_and(|same| same(a, b)))
        .collect();
    let exact: Vec<Amount> = chunks
        .iter()
        .map(|of| of.iter().map(|part| part.exact()).sum())
        .collect();
    let shares = convert_parts(cents, &exact, Ratio::of_decimals(DECIMALS)).ok_or(TooLargeToConvert)?;
    for (chunk, cents) in chunks.iter_mut().zip(shares) {
        match &mut **chunk {
            [part] => part.set(Amount::from_decimals(cents, DECIMALS)),
            chunk => apportion(cents, chunk, below)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posting(column: Column, department: Option<&str>, billed: &str) -> Posting {
        Posting {
            group: 0,
            column,
            department: department.map(str::to_owned),
            pool: None,
            billed: Amount::parse(billed).unwrap_or_else(|| panic!("{billed}")),
            amount: Amount::ZERO,
            lines: 1,
            tokens: 0,
        }
    }

    fn leaf(person: &str, model: &str, billed: &str) -> LeafAmount {
        LeafAmount {
            group: 0,
            column: Column::Direct,
            department: "sales".to_owned(),
            person: Some(person.to_owned()),
            model: Some(model.to_owned()),
            project: None,
            billed: Amount::parse(billed).unwrap_or_else(|| panic!("{billed}")),
            amount: Amount::ZERO,
            lines: 1,
            tokens: 0,
        }
    }

    #[test]
    fn an_invoice_of_dollars_is_divided_to_the_cent() {
        // 10.015 + 5.004 + 1.5016 - 0.3 = 16.2206: an invoice of 16.22.  Columns 15.019, 1.5016, -0.3 are 15.01, 1.50 and
        // -0.30 when cut; the missing cent goes to direct, which lost 0.009.  There 10.01 and 5.00 lack it: 0.005 > 0.004.
        let mut postings = [
            posting(Column::Direct, Some("sales"), "10.015"),
            posting(Column::Direct, Some("legal"), "5.004"),
            posting(Column::Tax, None, "1.5016"),
            posting(Column::Credits, Some("sales"), "-0.3"),
        ];
        // sales has 10.02: ann's 6.6683 and ben's 3.3467 are 6.66 and 3.34; both cents are missing.  Of ann's 6.67 the models
        // have 3.3341 and 3.3342: 3.33 each, and the last cent goes to the larger loss.
        let mut leaves = [
            leaf("ann", "opus", "3.3341"),
            leaf("ann", "haiku", "3.3342"),
            leaf("ben", "opus", "3.3467"),
        ];
        let credit = LeafAmount {
            column: Column::Credits,
            ..leaf("ann", "opus", "-0.3")
        };
        let mut all = leaves.to_vec();
        all.push(credit);
        round_to_cents(&mut postings, &mut all).unwrap_or_else(|e| panic!("{e}"));
        let amounts = postings.iter().map(|of| of.amount.to_string()).collect::<Vec<_>>();
        assert_eq!(amounts, ["10.02", "5", "1.5", "-0.3"]);
        let amounts = all.iter().map(|of| of.amount.to_string()).collect::<Vec<_>>();
        assert_eq!(amounts, ["3.33", "3.34", "3.35", "-0.3"]);
        // The order of input says nothing.
        leaves.reverse();
        postings.reverse();
        round_to_cents(&mut postings, &mut leaves).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(leaves[2].amount.to_string(), "3.33");
    }
}
