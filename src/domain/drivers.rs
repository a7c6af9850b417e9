//! Who and what makes most of a budget's use in a month.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::alert::facts::{Drivers, ModelDriver, ModelShare, PersonDriver};
use super::budget::{Budget, BudgetScope};
use super::money::{Amount, Ratio};

const PEOPLE_TOLD: usize = 3;

/// Attributed use of a month that agrees in everything that budgets and messages ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseOfMonth {
    pub department: String,
    pub person: Option<String>,
    pub project: Option<String>,
    pub family: Option<String>,
    pub model: String,
    pub route: String,
    pub cost: Amount,
}

/// A month's use, found by what it is of.
#[derive(Debug, Clone, Default)]
pub struct UsedMonth {
    rows: Vec<UseOfMonth>,
    by_code: HashMap<(BudgetScope, String), Vec<usize>>,
}

impl UsedMonth {
    pub fn of(rows: Vec<UseOfMonth>) -> Self {
        let mut by_code: HashMap<(BudgetScope, String), Vec<usize>> = HashMap::new();
        for (at, row) in rows.iter().enumerate() {
            let own = [
                (BudgetScope::Department, Some(&row.department)),
                (BudgetScope::Project, row.project.as_ref()),
                (BudgetScope::Person, row.person.as_ref()),
                (BudgetScope::Family, row.family.as_ref()),
            ];
            for (scope, code) in own {
                if let Some(code) = code {
                    by_code.entry((scope, code.clone())).or_default().push(at);
                }
            }
        }
        Self { rows, by_code }
    }

    /// What is a budget's, whose departments are those of its subtree.  No use of people knows accounts.
    fn of_budget(&self, budget: &Budget, departments: &BTreeSet<String>) -> Vec<&UseOfMonth> {
        let of_code = |code: &str| {
            let found = self.by_code.get(&(budget.scope, code.to_owned()));
            found.into_iter().flatten().map(|at| &self.rows[*at])
        };
        match budget.scope {
            BudgetScope::Company => self.rows.iter().collect(),
            BudgetScope::Department => departments.iter().flat_map(|code| of_code(code)).collect(),
            BudgetScope::Project | BudgetScope::Person | BudgetScope::Family => of_code(&budget.code).collect(),
            BudgetScope::Account => Vec::new(),
        }
    }
}

/// What drives a budget in a month, against the month before; all but what is quarantined.
pub fn drivers(budget: &Budget, departments: &BTreeSet<String>, (now, before): (&UsedMonth, &UsedMonth)) -> Drivers {
    let own = now.of_budget(budget, departments);
    let mut models: BTreeMap<(&str, &str), (BTreeSet<&str>, Amount)> = BTreeMap::new();
    let mut people: BTreeMap<&str, Amount> = BTreeMap::new();
    for of in own {
        let (users, cost) = models.entry((&of.model, &of.route)).or_default();
        users.extend(of.person.as_deref());
        *cost += of.cost;
        if let Some(person) = &of.person {
            *people.entry(person).or_default() += of.cost;
        }
    }
    let mut models: Vec<ModelDriver> = models
        .into_iter()
        .map(|((model, route), (users, cost))| ModelDriver {
            model: model.to_owned(),
            route: route.to_owned(),
            people: i64::try_from(users.len()).unwrap_or(i64::MAX),
            cost,
        })
        .collect();
    models.sort_by_key(|driver| std::cmp::Reverse(driver.cost));
    let mut people: Vec<PersonDriver> = people
        .into_iter()
        .map(|(person, cost)| PersonDriver {
            person_id: person.to_owned(),
            cost,
        })
        .collect();
    people.sort_by_key(|driver| std::cmp::Reverse(driver.cost));
    people.truncate(PEOPLE_TOLD);
    let before = before.of_budget(budget, departments).into_iter();
    let before = before.map(|of| (of.model.as_str(), of.cost));
    Drivers {
        mix: mix(&models, before),
        people,
        models,
        quarantined: Amount::ZERO,
    }
}

/// Each model's share of the cost, and what it was; the largest first.
pub fn mix<'b>(now: &[ModelDriver], before: impl Iterator<Item = (&'b str, Amount)>) -> Vec<ModelShare> {
    let sum = |all: &mut dyn Iterator<Item = (&'b str, Amount)>| {
        let mut sums: BTreeMap<&str, Amount> = BTreeMap::new();
        all.for_each(|(model, cost)| *sums.entry(model).or_default() += cost);
        sums
    };
    let mut before = before;
    let before = sum(&mut before);
    let mut by_model: BTreeMap<&str, Amount> = BTreeMap::new();
    for driver in now {
        *by_model.entry(&driver.model).or_default() += driver.cost;
    }
    let share = |cost: Amount, of: Amount| {
        let percent = Ratio::of_total(100, of)?.exact(cost);
        i64::try_from(percent.units() / Amount::from_whole(1).units()).ok()
    };
    let (all, all_before): (Amount, Amount) = (by_model.values().copied().sum(), before.values().copied().sum());
    let shares = by_model.into_iter().map(|(model, cost)| ModelShare {
        model: model.to_owned(),
        share: share(cost, all).unwrap_or_default(),
        share_before: before.get(model).and_then(|cost| share(*cost, all_before)),
    });
    let mut shares: Vec<ModelShare> = shares.collect();
    shares.sort_by_key(|of| std::cmp::Reverse(of.share));
    shares
}
