//! Below a department: its people, their models, their projects.
//!
//! Own usage is each person's.  What a department has besides it (shared cost, discounts, credits, tax) is divided by usage on
//! the same bill, first between people, then between a person's models, then between a model's projects.  A view that asks for
//! people only needs no models: the division above does not depend on the one below.

use std::collections::BTreeMap;

use super::convert::{Converted, TooLargeToConvert, apportion};
use super::{Column, LeafSum, Ledger};
use crate::domain::money::{Amount, Ratio, split};

/// What one leaf has of one column in one group of bills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafAmount {
    pub group: usize,
    pub column: Column,
    pub department: String,
    pub person: Option<String>,
    pub model: Option<String>,
    pub project: Option<String>,
    pub billed: Amount,
    pub amount: Amount,
    pub lines: i64,
    pub tokens: i64,
}

type LeafKey<'l> = (Option<&'l str>, Option<&'l str>, Option<&'l str>);

const LEVELS: usize = 3;

fn key_of(leaf: &LeafSum) -> LeafKey<'_> {
    (leaf.person.as_deref(), leaf.model.as_deref(), leaf.project.as_deref())
}

fn same_above(a: &LeafKey<'_>, b: &LeafKey<'_>, level: usize) -> bool {
    a.0 == b.0 && (level < 1 || a.1 == b.1) && (level < 2 || a.2 == b.2)
}

/// Divides every posting of a department between its leaves.
pub fn spread_over_leaves(
    ledger: &Ledger,
    converted: &Converted,
    leaves: &[LeafSum],
) -> Result<Vec<LeafAmount>, TooLargeToConvert> {
    let mut by_department: BTreeMap<(usize, &str), Vec<&LeafSum>> = BTreeMap::new();
    for leaf in leaves {
        by_department
            .entry((leaf.bill, &leaf.department))
            .or_default()
            .push(leaf);
    }
    let mut costs: BTreeMap<(usize, Column, &str), Amount> = BTreeMap::new();
    for entry in &ledger.entries {
        if let Some(department) = entry.department.as_deref() {
            *costs.entry((entry.bill, entry.column, department)).or_default() += entry.cost;
        }
    }
    let mut spread = Vec::new();
    let mut known: BTreeMap<(usize, &str), People<'_>> = BTreeMap::new();
    for posting in &converted.postings {
        let Some(department) = posting.department.as_deref() else {
            continue;
        };
        let group = &converted.groups[posting.group];
        // What no line of the bill is behind is the department's: it has no people of this month.
        if !posting.column.is_billed() {
            spread.push(LeafAmount {
                group: posting.group,
                column: posting.column,
                department: department.to_owned(),
                person: None,
                model: None,
                project: None,
                billed: posting.billed,
                amount: posting.amount,
                lines: 0,
                tokens: 0,
            });
            continue;
        }
        let people = known
            .entry((posting.group, department))
            .or_insert_with(|| People::of(&group.bills, department, &by_department));
        let mut billed = vec![Amount::ZERO; people.keys.len()];
        for (bill, used) in group.bills.iter().zip(&people.used) {
            if posting.column == Column::Direct {
                for (at, leaf) in used {
                    billed[*at] += leaf.cost;
                }
            } else if let Some(cost) = costs.get(&(*bill, posting.column, department)) {
                people.divide(*cost, used, 0, &mut billed);
            }
        }
        assert_eq!(
            billed.iter().copied().sum::<Amount>(),
            posting.billed,
            "leaves add up to their department"
        );
        let amounts = match group.ratio(posting.column) {
            _ if group.is_as_billed => billed.clone(),
            None => vec![Amount::ZERO; people.keys.len()],
            Some(ratio) => {
                let mut amounts = vec![Amount::ZERO; people.keys.len()];
                people.convert(posting.amount, (0, people.keys.len()), 0, ratio, &billed, &mut amounts)?;
                amounts
            }
        };
        for (at, key) in people.keys.iter().enumerate() {
            let counts = people.counts[at];
            let (lines, tokens) = if posting.column == Column::Direct {
                counts
            } else {
                (0, 0)
            };
            if billed[at].is_zero() && amounts[at].is_zero() && lines == 0 {
                continue;
            }
            spread.push(LeafAmount {
                group: posting.group,
                column: posting.column,
                department: department.to_owned(),
                person: key.0.map(str::to_owned),
                model: key.1.map(str::to_owned),
                project: key.2.map(str::to_owned),
                billed: billed[at],
                amount: amounts[at],
                lines,
                tokens,
            });
        }
    }
    Ok(spread)
}

/// The leaves of one department in one group of bills.
struct People<'l> {
    /// Ordered and distinct.
    keys: Vec<LeafKey<'l>>,
    counts: Vec<(i64, i64)>,
    /// By bill of the group: each leaf with the position of its key.
    used: Vec<Vec<(usize, &'l LeafSum)>>,
}

impl<'l> People<'l> {
    fn of(bills: &[usize], department: &'l str, leaves: &BTreeMap<(usize, &'l str), Vec<&'l LeafSum>>) -> Self {
        let of_bill = |bill: &usize| leaves.get(&(*bill, department)).map_or(&[][..], Vec::as_slice);
        let mut keys: Vec<LeafKey<'l>> = bills.iter().flat_map(of_bill).map(|leaf| key_of(leaf)).collect();
        keys.sort_unstable();
        keys.dedup();
        // A department that has others' cost and no use of its own.
        if keys.is_empty() || bills.iter().any(|bill| of_bill(bill).is_empty()) {
            let nobody: LeafKey<'l> = (None, None, None);
            if let Err(at) = keys.binary_search(&nobody) {
                keys.insert(at, nobody);
            }
        }
        let mut counts = vec![(0, 0); keys.len()];
        let used = bills.iter().map(|bill| {
            let mut used: Vec<(usize, &'l LeafSum)> = of_bill(bill)
                .iter()
                .map(|leaf| (keys.binary_search(&key_of(leaf)).unwrap_or(0), *leaf))
                .collect();
            used.sort_unstable_by_key(|(at, _)| *at);
            for (at, leaf) in &used {
                counts[*at] = (counts[*at].0 + leaf.lines, counts[*at].1 + leaf.tokens);
            }
            used
        });
        let used = used.collect();
        Self { keys, counts, used }
    }

    /// Divides a cost between leaves of one bill, level by level, by their usage.
    fn divide(&self, cost: Amount, leaves: &[(usize, &LeafSum)], level: usize, billed: &mut [Amount]) {
        let Some((first, _)) = leaves.first() else {
            let nobody = self.keys.binary_search(&(None, None, None)).unwrap_or(0);
            billed[nobody] += cost;
            return;
        };
        if level == LEVELS {
            billed[*first] += cost;
            return;
        }
        let groups: Vec<&[(usize, &LeafSum)]> = leaves
            .chunk_by(|a, b| same_above(&self.keys[a.0], &self.keys[b.0], level))
            .collect();
        let used = |group: &[(usize, &LeafSum)]| group.iter().map(|(_, leaf)| leaf.cost).sum::<Amount>().units().max(0);
        let mut weights: Vec<i128> = groups.iter().map(|group| used(group)).collect();
        if weights.iter().all(|weight| *weight == 0) {
            weights.fill(1);
        }
        for (group, part) in groups.iter().zip(split(cost, &weights).unwrap_or_default()) {
            self.divide(part, group, level + 1, billed);
        }
    }

    /// Apportions a whole amount downwards over a stretch of keys.
    fn convert(
        &self,
        amount: Amount,
        (from, to): (usize, usize),
        level: usize,
        ratio: Ratio,
        billed: &[Amount],
        amounts: &mut [Amount],
    ) -> Result<(), TooLargeToConvert> {
        if level == LEVELS || to - from == 1 {
            amounts[from] = amount;
            return Ok(());
        }
        let mut groups: Vec<(usize, usize)> = Vec::new();
        for group in self.keys[from..to].chunk_by(|a, b| same_above(a, b, level)) {
            let start = groups.last().map_or(from, |(_, end)| *end);
            groups.push((start, start + group.len()));
        }
        let sums: Vec<Amount> = groups
            .iter()
            .map(|(a, b)| billed[*a..*b].iter().copied().sum())
            .collect();
        for (group, part) in groups.iter().zip(apportion(amount, &sums, Some(ratio), false)?) {
            self.convert(part, *group, level + 1, ratio, billed, amounts)?;
        }
        Ok(())
    }
}
