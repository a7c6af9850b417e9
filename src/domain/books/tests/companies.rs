//! Properties that hold for every company's month, however odd.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::domain::chargeback::GroupBy;

/// A random company's month: everything that can be odd about it is.
struct Company {
    facts: MonthFacts,
    leaves: Vec<LeafSum>,
    rules: Vec<AllocationRule>,
    rates: Vec<BillRate>,
}

fn company(seed: u64) -> Company {
    let mut random = StdRng::seed_from_u64(seed);
    let people = match random.random_range(0..200) {
        0 => 2_000,
        1..20 => random.random_range(50..200),
        _ => random.random_range(1..12),
    };
    let codes: Vec<String> = (0..random.random_range(0..12)).map(|n| format!("d{n:02}")).collect();
    let mut bills: Vec<Bill> = (0..random.random_range(1..4))
        .map(|n| bill(&format!("invoice-{n}")))
        .collect();
    let money = |random: &mut StdRng| match random.random_range(0..8) {
        0 => Amount::ZERO,
        1 => amount("0.01"),
        2 => Amount::from_units(i128::from(random.random_range(-999_i64..999))),
        // Six billion dollars: 10^12 yen.
        3 => Amount::from_units(i128::from(random.random_range(0..6_000_000_000_i64)) * 1_000_000_000_000),
        4 => -Amount::from_units(i128::from(random.random_range(0..9_000_000_000_000_i64))),
        _ => Amount::from_units(i128::from(random.random_range(0..90_000_000_000_000_i64))),
    };
    let mut leaves = Vec::new();
    let mut sums = Vec::new();
    for person in 0..people {
        for _ in 0..random.random_range(1..4) {
            let Some(department) = codes.get(random.random_range(0..codes.len().max(1))) else {
                continue;
            };
            let leaf = LeafSum {
                bill: random.random_range(0..bills.len()),
                department: department.clone(),
                person: Some(format!("p{person:04}")).filter(|_| person % 7 != 0),
                model: Some(format!("claude-{}", random.random_range(0..3))),
                // Half of all people have one project.
                project: Some(format!(
                    "x{}",
                    if person % 2 == 0 {
                        person % 3
                    } else {
                        random.random_range(0..3)
                    }
                ))
                .filter(|project| project != "x0"),
                lines: 1,
                tokens: 10,
                cost: money(&mut random),
            };
            let own = ChargeSum {
                bill: leaf.bill,
                product: leaf.model.clone(),
                cost: leaf.cost,
                ..usage(Some(department), "0")
            };
            leaves.push(leaf);
            sums.push(own);
        }
    }
    let kinds = [
        (ChargeClass::Usage, "Usage"),
        (ChargeClass::Tax, "Tax"),
        (ChargeClass::Credit, "Credit"),
        (ChargeClass::Refund, "Refund"),
        (ChargeClass::Discount, "EdpDiscount"),
        (ChargeClass::Other, "Fee"),
    ];
    for _ in 0..random.random_range(0..12) {
        let (class, charge_type) = kinds[random.random_range(0..kinds.len())];
        let product = format!("claude-{}", random.random_range(0..4));
        let cost = money(&mut random);
        let day = random.random_range(1..6);
        let is_of_day = class.follows_usage() && random.random_bool(0.5);
        sums.push(ChargeSum {
            bill: random.random_range(0..bills.len()),
            cost,
            day: is_of_day.then(|| used_on(day, None, "0").day),
            ..line(class, charge_type, &product, "0")
        });
    }
    let usage_of_days = (0..random.random_range(0..9))
        .map(|_| UsageOfDay {
            product: format!("claude-{}", random.random_range(0..4)),
            department: codes.get(random.random_range(0..codes.len() + 1)).cloned(),
            cost: money(&mut random),
            ..used_on(random.random_range(1..6), None, "0")
        })
        .collect();
    let other_services = (0..random.random_range(0..3))
        .map(|n| OtherServices {
            bill: random.random_range(0..bills.len()),
            is_tax: n == 1,
            lines: 1,
            cost: money(&mut random),
        })
        .collect();
    let manual: Vec<ManualPool> = (0..random.random_range(0..3))
        .map(|n| {
            let bill = Bill {
                seller: String::new(),
                invoice: None,
                currency: "JPY".to_owned(),
                ..bills[random.random_range(0..bills.len())].clone()
            };
            bills.push(bill);
            ManualPool {
                bill: bills.len() - 1,
                name: format!("m{n}"),
                cost: Amount::from_whole(random.random_range(-1_000_000_i64..1_000_000).into()),
            }
        })
        .collect();
    let members = codes.join(";");
    let mut rules = Vec::new();
    for pool in [
        "unattributed",
        "tax",
        "credit",
        "refund",
        "discount",
        "other",
        "manual",
        "department.d00",
    ] {
        let names_receivers = !codes.is_empty() && pool != "department.d00";
        let (method, members) = match random.random_range(0..9) {
            0 => ("proportional", String::new()),
            1 => ("by_tokens", String::new()),
            2 => ("by_raw_tokens", String::new()),
            3 if names_receivers => ("evenly", members.clone()),
            4 => ("keep", String::new()),
            5 if names_receivers => ("fixed", fixed_shares(&codes, &mut random)),
            6 if names_receivers => ("one_department", codes[random.random_range(0..codes.len())].clone()),
            _ => continue,
        };
        let mut rule = rule(pool, method, &members);
        rule.fallback = codes.last().cloned().filter(|_| random.random_bool(0.5));
        let entity = ["JP01", "JP02"][random.random_range(0..2)].to_owned();
        rule.legal_entity = Some(entity).filter(|_| random.random_bool(0.3));
        rules.push(rule);
    }
    let rates = bills
        .iter()
        .map(|bill| match random.random_range(0..3) {
            _ if bill.currency == "JPY" => BillRate::Rate(Ratio::ONE),
            0 => rate("150.00"),
            1 => rate("159.91"),
            _ => {
                let totals = InvoiceTotals {
                    net: i128::from(random.random_range(-1_000_000_i64..1_000_000_000_000)),
                    tax: i128::from(random.random_range(-1_000_i64..1_000_000)),
                };
                BillRate::Invoice(bill.invoice.clone().unwrap_or_default(), totals, policy())
            }
        })
        .collect();
    let departments = codes
        .iter()
        .map(|code| (code.as_str(), random.random_range(0..31)))
        .collect::<Vec<_>>();
    Company {
        facts: MonthFacts {
            bills,
            sums,
            usage_of_days,
            other_services,
            manual,
            departments: departments_of(&departments),
        },
        leaves,
        rules,
        rates,
    }
}

/// Every third department is of the other legal entity.
fn departments_of(codes: &[(&str, u32)]) -> BTreeMap<String, DepartmentInMonth> {
    let mut all = departments(codes);
    for (nth, department) in all.values_mut().enumerate() {
        if nth % 3 == 2 {
            department.legal_entity = "JP02".to_owned();
        }
    }
    all
}

/// Shares of all departments that sum to one.
fn fixed_shares(codes: &[String], random: &mut StdRng) -> String {
    let mut left = 1_000_000_000;
    let shares = codes.iter().enumerate().map(|(nth, code)| {
        let is_last = nth + 1 == codes.len();
        let share = if is_last {
            left
        } else {
            random.random_range(1..=left / 2)
        };
        left -= share;
        format!("{code}={}.{:09}", share / 1_000_000_000, share % 1_000_000_000)
    });
    shares.collect::<Vec<_>>().join(";")
}

impl Company {
    /// The same usage; everything that pools are made of is taken back instead of given, or given instead of taken.
    fn with_negated_pools(&self) -> Self {
        let mut facts = self.facts.clone();
        let others = facts.sums.iter_mut().filter(|sum| sum.class != ChargeClass::Usage);
        others.for_each(|sum| sum.cost = -sum.cost);
        facts.manual.iter_mut().for_each(|manual| manual.cost = -manual.cost);
        Self {
            facts,
            leaves: self.leaves.clone(),
            rules: self.rules.clone(),
            rates: self.rates.clone(),
        }
    }

    fn negated(&self) -> Self {
        let mut facts = self.facts.clone();
        facts.sums.iter_mut().for_each(|sum| sum.cost = -sum.cost);
        facts
            .usage_of_days
            .iter_mut()
            .for_each(|of_day| of_day.cost = -of_day.cost);
        facts
            .other_services
            .iter_mut()
            .for_each(|other| other.cost = -other.cost);
        facts.manual.iter_mut().for_each(|manual| manual.cost = -manual.cost);
        let mut leaves = self.leaves.clone();
        leaves.iter_mut().for_each(|leaf| leaf.cost = -leaf.cost);
        Self {
            facts,
            leaves,
            rules: self.rules.clone(),
            rates: self.rates.clone(),
        }
    }
}

/// The leaves that a view by project reads: those of a department's person with one project without their models.
fn of_projects(leaves: &[LeafSum]) -> Vec<LeafSum> {
    let owner = |leaf: &LeafSum| (leaf.department.clone(), leaf.person.clone());
    let mut projects: BTreeMap<_, BTreeSet<Option<String>>> = BTreeMap::new();
    for leaf in leaves {
        projects.entry(owner(leaf)).or_default().insert(leaf.project.clone());
    }
    let (mut coarse, several): (Vec<LeafSum>, Vec<LeafSum>) = leaves
        .iter()
        .cloned()
        .partition(|leaf| projects[&owner(leaf)].len() == 1);
    coarse.iter_mut().for_each(|leaf| leaf.model = None);
    let key = |leaf: &LeafSum| (leaf.bill, owner(leaf));
    coarse.sort_by_key(key);
    let summed = coarse.chunk_by(|a, b| key(a) == key(b)).map(|same| LeafSum {
        cost: same.iter().map(|leaf| leaf.cost).sum(),
        lines: same.iter().map(|leaf| leaf.lines).sum(),
        tokens: same.iter().map(|leaf| leaf.tokens).sum(),
        ..same[0].clone()
    });
    summed.chain(several).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Direct + allocated + unattributed = bill; parts = total in every view; every pool spent once; order is irrelevant.
    #[test]
    fn every_companys_month_adds_up(seed in any::<u64>()) {
        let company = company(seed);
        let ledger = Ledger::build(period(), &company.facts, &company.rules);
        for bill in 0..company.facts.bills.len() {
            for class in ChargeClass::ALL {
                let billed: Amount = company.facts.sums.iter().filter(|s| s.bill == bill && s.class == class).map(|s| s.cost).sum();
                let of_class = |column| match column {
                    Column::Direct | Column::Allocated => ChargeClass::Usage,
                    Column::Other => ChargeClass::Other,
                    Column::Discounts => ChargeClass::Discount,
                    Column::Credits => ChargeClass::Credit,
                    Column::Refunds => ChargeClass::Refund,
                    Column::Tax | Column::Adjustments | Column::Accruals => ChargeClass::Tax,
                };
                let of_bill = ledger.entries.iter().filter(|e| e.bill == bill && e.column.is_billed());
                let booked: Amount = of_bill.filter(|e| of_class(e.column) == class).map(|e| e.cost).sum();
                prop_assert_eq!(booked, billed);
            }
        }
        let manual: Amount = company.facts.manual.iter().map(|manual| manual.cost).sum();
        let added: Amount = ledger.entries.iter().filter(|e| e.column == Column::Adjustments).map(|e| e.cost).sum();
        prop_assert_eq!(added, manual);
        let mut shuffled = MonthFacts { ..company.facts.clone() };
        let mut leaves = company.leaves.clone();
        let mut random = StdRng::seed_from_u64(seed ^ 1);
        shuffled.sums.shuffle(&mut random);
        shuffled.usage_of_days.shuffle(&mut random);
        leaves.shuffle(&mut random);
        let again = Ledger::build(period(), &shuffled, &company.rules);
        prop_assert_eq!(&ledger.entries, &again.entries);
        for conversion in [Conversion::Whole(company.rates.clone()), Conversion::AsBilled("USD")] {
            let converted = ledger.convert(&conversion).unwrap_or_else(|e| panic!("{e}"));
            for (at, posting) in converted.postings.iter().enumerate() {
                let is_named_rest = posting.pool.is_some() && posting.department.is_none();
                prop_assert!(!posting.billed.is_zero() || posting.amount.is_zero() || is_named_rest, "{at}: a zero part got a yen");
            }
            let spread = spread_over_leaves(&ledger, &converted, &company.leaves).unwrap_or_else(|e| panic!("{e}"));
            prop_assert_eq!(&spread, &spread_over_leaves(&ledger, &converted, &leaves).unwrap_or_else(|e| panic!("{e}")));
            let by_department = Chargeback::by_department(period(), &converted.postings);
            prop_assert_eq!(&Chargeback::by_leaf(period(), GroupBy::Department, &spread, &converted.postings), &by_department);
            for by in [GroupBy::Person, GroupBy::Project] {
                prop_assert_eq!(Chargeback::by_leaf(period(), by, &spread, &converted.postings).total, by_department.total);
            }
            // Models of those who have one project change nothing of the projects.
            let coarse = spread_over_leaves(&ledger, &converted, &of_projects(&company.leaves)).unwrap_or_else(|e| panic!("{e}"));
            let by_project = |leaves: &[LeafAmount]| Chargeback::by_leaf(period(), GroupBy::Project, leaves, &converted.postings);
            prop_assert_eq!(by_project(&coarse), by_project(&spread));
            if conversion == Conversion::AsBilled("USD") {
                let (mut postings, mut spread) = (converted.postings.clone(), spread);
                round_to_cents(&mut postings, &mut spread).unwrap_or_else(|e| panic!("{e}"));
                for (at, group) in converted.groups.iter().enumerate() {
                    let cents: Amount = postings.iter().filter(|of| of.group == at).map(|of| of.amount).sum();
                    let off = (cents - group.total).units().abs();
                    prop_assert!(cents.in_decimals(2).is_some() && off <= Amount::from_decimals(1, 2).units() / 2, "{at}: {cents}");
                }
                prop_assert!(postings.iter().all(|of| !of.billed.is_zero() || of.amount.is_zero()), "a zero part got a cent");
                let by_department = Chargeback::by_department(period(), &postings);
                prop_assert_eq!(&Chargeback::by_leaf(period(), GroupBy::Department, &spread, &postings), &by_department);
            }
        }
    }

    /// Pools with the other sign are divided into the same parts with the other sign: by every rule, and what follows usage.
    #[test]
    fn pools_negate(seed in any::<u64>()) {
        let company = company(seed);
        let mirror = company.with_negated_pools();
        let pooled = |company: &Company, sign: i128| -> Vec<Entry> {
            let ledger = Ledger::build(period(), &company.facts, &company.rules);
            let is_usage = |entry: &Entry| matches!(entry.column, Column::Direct | Column::Allocated);
            let entries = ledger.entries.into_iter().filter(|entry| !is_usage(entry) && !entry.cost.is_zero());
            entries.map(|entry| Entry { cost: Amount::from_units(entry.cost.units() * sign), ..entry }).collect()
        };
        prop_assert_eq!(pooled(&company, 1), pooled(&mirror, -1));
    }

    /// A month of refunds only is the mirror of the same month of charges, to the yen, by rules whose weights do not depend on the sign.
    #[test]
    fn negation_is_symmetric(seed in any::<u64>()) {
        let mut company = company(seed);
        // A base below zero counts as none, so a negated company divides differently what goes by use.
        company.rules.retain(|rule| matches!(rule.method, Method::Evenly(_) | Method::Fixed(_) | Method::OneDepartment(_) | Method::KeepVisible));
        company.facts.sums.retain(|sum| !matches!(sum.class, ChargeClass::Credit | ChargeClass::Discount));
        let spread = |company: &Company, rates: &[BillRate]| {
            let ledger = Ledger::build(period(), &company.facts, &company.rules);
            let converted = ledger.convert(&Conversion::Whole(rates.to_vec())).unwrap_or_else(|e| panic!("{e}"));
            spread_over_leaves(&ledger, &converted, &company.leaves).unwrap_or_else(|e| panic!("{e}"))
        };
        let negated = company.negated();
        let mirror_of = |rate: &BillRate| match rate {
            BillRate::Invoice(id, totals, policy) => {
                let totals = InvoiceTotals { net: -totals.net, tax: -totals.tax };
                BillRate::Invoice(id.clone(), totals, *policy)
            }
            same => same.clone(),
        };
        let one_rate: Vec<BillRate> = company.facts.bills.iter().map(|_| rate("159.91")).collect();
        // At a rate, and by invoices, whose yen are divided.
        for rates in [&one_rate, &company.rates] {
            let mirrored: Vec<BillRate> = rates.iter().map(mirror_of).collect();
            // A person's part of what is shared goes by use above zero: it is compared by department.
            let by_department = |leaves: &[LeafAmount], sign: i128| {
                let mut sums: BTreeMap<(usize, Column, String), (Amount, Amount)> = BTreeMap::new();
                for leaf in leaves {
                    let sum = sums.entry((leaf.group, leaf.column, leaf.department.clone())).or_default();
                    let signed = |amount: Amount| Amount::from_units(amount.units() * sign);
                    *sum = (sum.0 + signed(leaf.billed), sum.1 + signed(leaf.amount));
                }
                sums
            };
            let own = |leaves: Vec<LeafAmount>| leaves.into_iter().filter(|leaf| leaf.column == Column::Direct).collect::<Vec<_>>();
            let (found, mut mirrored) = (spread(&company, rates), spread(&negated, &mirrored));
            prop_assert_eq!(by_department(&found, 1), by_department(&mirrored, -1));
            for leaf in &mut mirrored {
                leaf.amount = -leaf.amount;
                leaf.billed = -leaf.billed;
            }
            prop_assert_eq!(own(found), own(mirrored));
        }
    }
}
