//! From the facts of a month to its ledger.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{Basis, ChargeSum, Column, Division, Entry, Ledger, MonthFacts, living};
use crate::domain::allocation::{AllocationRule, Method, Pool, rule_for};
use crate::domain::attribution::Reason;
use crate::domain::charge::ChargeClass;
use crate::domain::finding::{Finding, Severity};
use crate::domain::money::{Amount, split};
use crate::domain::period::BillingPeriod;
use crate::domain::usage_type::LineKind;

type EntryKey = (usize, Column, Option<String>, Option<Pool>, Basis);

/// Lines, tokens and cost.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    lines: i64,
    tokens: i64,
    cost: Amount,
}

impl Sums {
    fn add(&mut self, sum: &ChargeSum) {
        self.lines += sum.lines;
        self.tokens += sum.tokens;
        self.cost += sum.cost;
    }
}

impl Ledger {
    /// Divides a month.  Panics if entries do not add up to a bill, rather than answer with a wrong one.
    pub fn build(period: BillingPeriod, facts: &MonthFacts, rules: &[AllocationRule]) -> Self {
        let mut building = Building::new(period, facts, rules);
        building.charge_directly();
        building.follow_usage();
        building.run_pools();
        let ledger = Self {
            period,
            bills: facts.bills.clone(),
            entries: building.entries(),
            other_services: facts.other_services.clone(),
            divisions: building.divisions,
            findings: building.findings,
        };
        ledger.assert_complete(facts);
        ledger
    }

    fn assert_complete(&self, facts: &MonthFacts) {
        for bill in 0..self.bills.len() {
            let billed: Amount = facts
                .sums
                .iter()
                .filter(|sum| sum.bill == bill)
                .map(|sum| sum.cost)
                .chain(
                    facts
                        .manual
                        .iter()
                        .filter(|manual| manual.bill == bill)
                        .map(|manual| manual.cost),
                )
                .sum();
            let booked: Amount = self
                .entries
                .iter()
                .filter(|entry| entry.bill == bill)
                .map(|entry| entry.cost)
                .sum();
            assert_eq!(booked, billed, "the entries of a bill add up to it");
        }
    }
}

/// Usage that a department's share is measured by.
#[derive(Debug, Clone, Default)]
struct Base {
    cost: Amount,
    /// Tokens by kind.
    tokens: BTreeMap<String, i64>,
}

struct Building<'f> {
    period: BillingPeriod,
    facts: &'f MonthFacts,
    rules: &'f [AllocationRule],
    amounts: BTreeMap<EntryKey, Sums>,
    /// What each department used, by bill.
    bases: BTreeMap<usize, BTreeMap<String, Base>>,
    /// What is not divided yet.
    pools: BTreeMap<(Pool, usize), Sums>,
    divisions: Vec<Division>,
    findings: Vec<Finding>,
}

impl<'f> Building<'f> {
    fn new(period: BillingPeriod, facts: &'f MonthFacts, rules: &'f [AllocationRule]) -> Self {
        Self {
            period,
            facts,
            rules,
            amounts: BTreeMap::new(),
            bases: BTreeMap::new(),
            pools: BTreeMap::new(),
            divisions: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// A department whose own cost a rule shares.
    fn is_shared(&self, department: &str) -> bool {
        let pool = Pool::Department(department.to_owned());
        rule_for(self.rules, &pool, self.period).is_some_and(|(_, rule)| rule.method != Method::KeepVisible)
    }

    /// Whether the usage of a bill is what a pool of another is divided by: its own, and for what is added by hand all of the
    /// payer's.
    fn is_base_of(&self, of: usize, bill: usize) -> bool {
        let is_manual = self.facts.manual.iter().any(|manual| manual.bill == of);
        of == bill || is_manual && self.facts.bills[of].payer == self.facts.bills[bill].payer
    }

    fn charge_directly(&mut self) {
        for manual in &self.facts.manual {
            let key = (Pool::Manual(manual.name.clone()), manual.bill);
            let sums = self.pools.entry(key).or_default();
            sums.lines += 1;
            sums.cost += manual.cost;
        }
        let mut shared: BTreeMap<&str, bool> = BTreeMap::new();
        for sum in &self.facts.sums {
            let (ChargeClass::Usage, Some(department)) = (sum.class, sum.department.as_deref()) else {
                let pool = pool_of(sum);
                // Credits and discounts are looked at again: some have an owner.
                if !matches!(pool, Pool::Credit | Pool::Discount(_)) {
                    self.pools.entry((pool, sum.bill)).or_default().add(sum);
                }
                continue;
            };
            if *shared.entry(department).or_insert_with(|| self.is_shared(department)) {
                let pool = Pool::Department(department.to_owned());
                self.pools.entry((pool, sum.bill)).or_default().add(sum);
                continue;
            }
            let key = (
                sum.bill,
                Column::Direct,
                Some(department.to_owned()),
                None,
                Basis::Direct,
            );
            self.amounts.entry(key).or_default().add(sum);
            let bases = self.bases.entry(sum.bill).or_default();
            let base = bases.entry(department.to_owned()).or_default();
            base.cost += sum.cost;
            if let Some(token) = &sum.token {
                *base.tokens.entry(token.clone()).or_default() += sum.tokens;
            }
        }
    }

    /// Credits and discounts of usage that the bill shows go where that usage is: on their day, where they have one, else in the
    /// month.  What falls on usage that nobody owns stays in the pool.
    fn follow_usage(&mut self) {
        type Meter<'f> = (&'f str, &'f str, &'f str, Option<NaiveDate>);
        let meter = |sum: &'f ChargeSum| -> Option<Meter<'f>> {
            let payer = &self.facts.bills[sum.bill].payer;
            Some((payer, sum.account.as_deref()?, sum.product.as_deref()?, sum.day))
        };
        let mut used: BTreeMap<Meter<'f>, BTreeMap<Option<&'f str>, Amount>> = BTreeMap::new();
        for sum in self.facts.sums.iter().filter(|sum| sum.class == ChargeClass::Usage) {
            if let Some(meter) = meter(sum) {
                let owner = sum
                    .department
                    .as_deref()
                    .filter(|department| !self.is_shared(department));
                *used.entry(meter).or_default().entry(owner).or_default() += sum.cost;
            }
        }
        for of_day in &self.facts.usage_of_days {
            let meter: Meter<'f> = (&of_day.payer, &of_day.account, &of_day.product, Some(of_day.day));
            let owner = of_day
                .department
                .as_deref()
                .filter(|department| !self.is_shared(department));
            *used.entry(meter).or_default().entry(owner).or_default() += of_day.cost;
        }
        let mut left: BTreeMap<(Pool, usize), Sums> = BTreeMap::new();
        for sum in &self.facts.sums {
            let pool = pool_of(sum);
            if !matches!(pool, Pool::Credit | Pool::Discount(_)) {
                continue;
            }
            let owners: Vec<(&Option<&str>, i128)> = meter(sum)
                .and_then(|meter| used.get(&meter))
                .map(|owners| {
                    owners
                        .iter()
                        .map(|(owner, cost)| (owner, cost.units().max(0)))
                        .collect()
                })
                .unwrap_or_default();
            let weights: Vec<i128> = owners.iter().map(|(_, weight)| *weight).collect();
            let Some(parts) = split(sum.cost, &weights) else {
                left.entry((pool, sum.bill)).or_default().add(sum);
                continue;
            };
            for ((owner, _), part) in owners.iter().zip(parts) {
                match owner {
                    Some(department) if !part.is_zero() => {
                        let department = Some((*department).to_owned());
                        let key = (
                            sum.bill,
                            Column::of(&pool),
                            department,
                            Some(pool.clone()),
                            Basis::FollowsUsage,
                        );
                        self.amounts.entry(key).or_default().cost += part;
                    }
                    Some(_) => {}
                    None => {
                        let rest = left.entry((pool.clone(), sum.bill)).or_default();
                        rest.cost += part;
                        rest.lines += sum.lines;
                    }
                }
            }
        }
        self.pools.extend(left);
    }

    fn run_pools(&mut self) {
        for ((pool, bill), sums) in std::mem::take(&mut self.pools) {
            let divided = match rule_for(self.rules, &pool, self.period) {
                Some((at, rule)) if rule.method != Method::KeepVisible => self.divide(&pool, bill, sums.cost, at, rule),
                _ => None,
            };
            match divided {
                Some((basis, parts)) => {
                    for (department, part) in parts.into_iter().filter(|(_, part)| !part.is_zero()) {
                        let key = (bill, Column::of(&pool), Some(department), Some(pool.clone()), basis);
                        self.amounts.entry(key).or_default().cost += part;
                    }
                }
                None => {
                    let key = (bill, Column::of(&pool), None, Some(pool), Basis::Kept);
                    let kept = self.amounts.entry(key).or_default();
                    kept.lines += sums.lines;
                    kept.tokens += sums.tokens;
                    kept.cost += sums.cost;
                }
            }
        }
    }

    /// The shares of a pool, or nothing where it has to stay visible.
    fn divide(
        &mut self,
        pool: &Pool,
        bill: usize,
        amount: Amount,
        at: usize,
        rule: &AllocationRule,
    ) -> Option<(Basis, Vec<(String, Amount)>)> {
        let weights = self.weights(bill, rule);
        let (codes, weights): (Vec<String>, Vec<i128>) = weights.into_iter().unzip();
        if let Some(parts) = split(amount, &weights) {
            self.divisions.push(Division {
                pool: pool.clone(),
                bill,
                rule: at,
                whole: amount,
                weights: codes.iter().cloned().zip(weights).collect(),
            });
            return Some((Basis::Rule(at), codes.into_iter().zip(parts).collect()));
        }
        let fallback = rule.fallback.as_deref().and_then(|code| self.in_month(code));
        if let Some(fallback) = fallback.filter(|code| self.shares(rule, code)) {
            return Some((Basis::Fallback(at), vec![(fallback, amount)]));
        }
        if !amount.is_zero() {
            let (bill, finding) = (
                &self.facts.bills[bill],
                Finding::new(
                    "nothing_to_divide_by",
                    Severity::Warning,
                    pool.to_string(),
                    format!(
                        "the rule '{}' finds nobody to divide this by, and has no fallback that exists: it stays visible",
                        rule.method.name()
                    ),
                    "name a fallback department in the allocation rule, or another method",
                ),
            );
            self.findings.push(finding.with_cost(amount, &bill.currency, 0));
        }
        None
    }

    fn in_month(&self, code: &str) -> Option<String> {
        living(code, &self.facts.departments).map(str::to_owned)
    }

    /// Whether a department is of the legal entity that a rule is for.
    fn shares(&self, rule: &AllocationRule, code: &str) -> bool {
        let entity_of = |code: &str| self.facts.departments.get(code).map(|d| d.legal_entity.as_str());
        rule.legal_entity
            .as_deref()
            .is_none_or(|entity| entity_of(code) == Some(entity))
    }

    /// What each department's share is measured by, never below zero.
    fn weights(&self, bill: usize, rule: &AllocationRule) -> BTreeMap<String, i128> {
        let mut bases: BTreeMap<String, Base> = BTreeMap::new();
        for (_, base) in self.bases.iter().filter(|(other, _)| self.is_base_of(bill, **other)) {
            for (code, used) in base {
                let sum = bases.entry(code.clone()).or_default();
                sum.cost += used.cost;
                for (kind, count) in &used.tokens {
                    *sum.tokens.entry(kind.clone()).or_default() += count;
                }
            }
        }
        let shares = |code: &str| self.shares(rule, code);
        let bases = || bases.iter().filter(|(code, _)| shares(code));
        let mut weights: BTreeMap<String, i128> = BTreeMap::new();
        match &rule.method {
            Method::KeepVisible => {}
            Method::Proportional => {
                weights.extend(bases().map(|(code, base)| (code.clone(), base.cost.units().max(0))))
            }
            Method::ByRawTokens => {
                let counted = bases()
                    .map(|(code, base)| (code.clone(), base.tokens.values().map(|n| i128::from(*n).max(0)).sum()));
                weights.extend(counted);
            }
            Method::ByTokens => {
                let prices = self.prices(bill);
                weights.extend(bases().map(|(code, base)| {
                    let weighed = base.tokens.iter().map(|(kind, count)| {
                        i128::from(*count).max(0) * prices.get(kind.as_str()).copied().unwrap_or(0)
                    });
                    (code.clone(), weighed.sum())
                }));
            }
            Method::Evenly(members) => {
                for code in members {
                    if let Some(receiver) = self.in_month(code).filter(|receiver| shares(receiver)) {
                        let days = self.facts.departments.get(code).map_or(0, |d| d.days_valid);
                        let days = if days == 0 {
                            self.facts.departments[&receiver].days_valid
                        } else {
                            days
                        };
                        *weights.entry(receiver).or_default() += i128::from(days);
                    }
                }
            }
            Method::Fixed(members) => {
                let all: Option<Vec<(String, i128)>> = members
                    .iter()
                    .map(|(code, share)| {
                        let mut share = *share;
                        share.rescale(9);
                        Some((self.in_month(code).filter(|code| shares(code))?, share.mantissa()))
                    })
                    .collect();
                // A share of a department that is gone would make the others' larger: then the pool stays visible.
                for (receiver, share) in all.into_iter().flatten() {
                    *weights.entry(receiver).or_default() += share;
                }
            }
            Method::OneDepartment(code) => {
                weights.extend(self.in_month(code).filter(|code| shares(code)).map(|code| (code, 1)));
            }
        }
        weights
    }

    /// What a token of a kind costs on average on a bill, in units of 10^-18.
    fn prices(&self, bill: usize) -> BTreeMap<&'f str, i128> {
        let mut kinds: BTreeMap<&str, (i128, i128)> = BTreeMap::new();
        let usage = self
            .facts
            .sums
            .iter()
            .filter(|sum| sum.class == ChargeClass::Usage && self.is_base_of(bill, sum.bill));
        for sum in usage {
            if let Some(token) = &sum.token {
                let kind = kinds.entry(token).or_default();
                *kind = (kind.0 + sum.cost.units(), kind.1 + i128::from(sum.tokens));
            }
        }
        let known = kinds.into_iter().filter(|(_, (cost, tokens))| *tokens > 0 && *cost > 0);
        known
            .map(|(kind, (cost, tokens))| (kind, cost * 1_000_000 / tokens))
            .collect()
    }

    fn entries(&mut self) -> Vec<Entry> {
        let entries = std::mem::take(&mut self.amounts).into_iter();
        let entries = entries.map(|((bill, column, department, pool, basis), sums)| Entry {
            bill,
            column,
            pool,
            department,
            basis,
            cost: sums.cost,
            lines: sums.lines,
            tokens: sums.tokens,
        });
        entries.collect()
    }
}

/// The pool of lines that are not a department's own usage.
fn pool_of(sum: &ChargeSum) -> Pool {
    match sum.class {
        ChargeClass::Usage => {
            let reason = sum.reason.unwrap_or(Reason::NoPrincipal);
            match sum.line_kind {
                LineKind::Feature => Pool::Feature(reason),
                LineKind::Capacity => Pool::Capacity(reason),
                LineKind::Tokens | LineKind::Unknown => Pool::Unattributed(reason),
            }
        }
        ChargeClass::Tax => Pool::Tax,
        ChargeClass::Credit => Pool::Credit,
        ChargeClass::Refund => Pool::Refund,
        ChargeClass::Discount => Pool::Discount(sum.charge_type.clone()),
        ChargeClass::Other => Pool::Other(sum.charge_type.clone()),
    }
}
