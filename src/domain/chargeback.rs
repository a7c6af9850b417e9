//! A month's chargeback: a value made from sums, in the currency that is asked for.
//!
//! Every charge is in a department's row or among what is kept visible, and both add up to the bill.  In yen the whole
//! bill is rounded once and then apportioned downwards (rate group, department, person, model, project): every view sums
//! the same leaves, so no two pages can differ by a yen.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::attribution::{Reason, State};
use super::charge::ChargeClass;
use super::money::{Amount, convert_parts};
use super::period::BillingPeriod;

/// Lines of one kind and owner, summed over a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerSum {
    pub class: ChargeClass,
    pub charge_type: String,
    pub currency: String,
    pub state: State,
    pub reason: Option<Reason>,
    pub department: Option<String>,
    pub lines: i64,
    pub tokens: i64,
    pub cost: Amount,
}

/// Attributed usage by everything that a view may ask for: a leaf of the month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafSum {
    pub currency: String,
    pub department: String,
    pub person: Option<String>,
    pub model: Option<String>,
    pub project: Option<String>,
    pub lines: i64,
    pub tokens: i64,
    pub cost: Amount,
}

/// What the rows of a chargeback are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    Department,
    Person,
    Project,
}

impl GroupBy {
    pub const ALL: [Self; 3] = [Self::Department, Self::Person, Self::Project];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Department => "department",
            Self::Person => "person",
            Self::Project => "project",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.as_str() == text)
    }
}

/// The currency of a chargeback, and how amounts come into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reporting {
    /// Dollars as billed.
    Usd,
    /// Whole yen at the planning rate, before the month's invoice rates are known.
    YenAtPlanningRate(Decimal),
}

impl Reporting {
    pub const fn currency(self) -> &'static str {
        match self {
            Self::Usd => "USD",
            Self::YenAtPlanningRate(_) => "JPY",
        }
    }

    /// The rate at which amounts of a currency are converted; `None` where there is none.
    fn rate_of(self, currency: &str) -> Option<Decimal> {
        match (self, currency) {
            (Self::YenAtPlanningRate(rate), "USD") => Some(rate),
            (Self::YenAtPlanningRate(_), "JPY") | (Self::Usd, "USD") => Some(Decimal::ONE),
            _ => None,
        }
    }
}

/// What one department, person or project is charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargebackRow {
    /// `None`: attributed to a department, but to no known person or project.
    pub code: Option<String>,
    pub direct: Amount,
    pub tokens: i64,
    pub lines: i64,
}

/// Part of the bill that no row carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptVisible {
    pub class: ChargeClass,
    /// The reason of usage that is not attributed, else the charge type.
    pub label: String,
    pub state: State,
    pub amount: Amount,
    pub lines: i64,
}

/// A month as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chargeback {
    pub period: BillingPeriod,
    pub by: GroupBy,
    pub currency: &'static str,
    /// By amount, the largest first.
    pub rows: Vec<ChargebackRow>,
    pub kept: Vec<KeptVisible>,
    pub total: Amount,
    /// What is billed in a currency for which there is no rate: in no row and not in the total.
    pub unconverted: Vec<(String, Amount)>,
}

#[derive(Debug, thiserror::Error)]
#[error("the amounts of {0} are too large to be converted exactly")]
pub struct TooLargeToConvert(pub BillingPeriod);

impl Chargeback {
    /// Builds a month.  `leaves` are needed for every view but the one by department; they must be the same usage as in `sums`.
    pub fn build(
        period: BillingPeriod,
        sums: &[OwnerSum],
        leaves: &[LeafSum],
        by: GroupBy,
        reporting: Reporting,
    ) -> Result<Self, TooLargeToConvert> {
        let mut groups: BTreeMap<&str, Vec<&OwnerSum>> = BTreeMap::new();
        for sum in sums {
            groups.entry(&sum.currency).or_default().push(sum);
        }
        let mut this = Self {
            period,
            by,
            currency: reporting.currency(),
            rows: Vec::new(),
            kept: Vec::new(),
            total: Amount::ZERO,
            unconverted: Vec::new(),
        };
        let mut rows: BTreeMap<Option<String>, ChargebackRow> = BTreeMap::new();
        let mut kept: BTreeMap<(ChargeClass, String, State), KeptVisible> = BTreeMap::new();
        for (currency, group) in groups {
            let Some(rate) = reporting.rate_of(currency) else {
                this.unconverted
                    .push((currency.to_owned(), group.iter().map(|s| s.cost).sum()));
                continue;
            };
            let convert = |total: Amount, parts: &[Amount]| match reporting {
                Reporting::Usd => Some(parts.to_vec()),
                Reporting::YenAtPlanningRate(_) => {
                    let whole = total.units() / 10_i128.pow(super::money::SCALE);
                    Some(
                        convert_parts(whole, parts, rate)?
                            .into_iter()
                            .map(Amount::from_whole)
                            .collect(),
                    )
                }
            };
            let billed: Amount = group.iter().map(|s| s.cost).sum();
            let total = match reporting {
                Reporting::Usd => billed,
                Reporting::YenAtPlanningRate(_) => {
                    Amount::from_whole(billed.to_whole(rate).ok_or(TooLargeToConvert(period))?)
                }
            };
            let items = items_of(&group);
            let costs: Vec<Amount> = items.iter().map(|item| item.cost).collect();
            let amounts = convert(total, &costs).ok_or(TooLargeToConvert(period))?;
            for (item, amount) in items.iter().zip(amounts) {
                match (&item.key, by) {
                    (ItemKey::Department(code), GroupBy::Department) => {
                        add_row(&mut rows, Some((*code).to_owned()), amount, item.tokens, item.lines)
                    }
                    (ItemKey::Department(code), _) => {
                        let own: Vec<&LeafSum> = leaves
                            .iter()
                            .filter(|l| l.currency == currency && l.department == *code)
                            .collect();
                        for (leaf, amount) in apportion(amount, &own, &convert).ok_or(TooLargeToConvert(period))? {
                            let key = if by == GroupBy::Person {
                                leaf.person.clone()
                            } else {
                                leaf.project.clone()
                            };
                            add_row(&mut rows, key, amount, leaf.tokens, leaf.lines);
                        }
                    }
                    (ItemKey::Kept(class, label, state), _) => {
                        let key = (*class, (*label).to_owned(), *state);
                        let entry = kept.entry(key).or_insert_with(|| KeptVisible {
                            class: *class,
                            label: (*label).to_owned(),
                            state: *state,
                            amount: Amount::ZERO,
                            lines: 0,
                        });
                        entry.amount += amount;
                        entry.lines += item.lines;
                    }
                }
            }
            this.total += total;
        }
        this.rows = rows.into_values().collect();
        this.rows
            .sort_by(|a, b| b.direct.cmp(&a.direct).then_with(|| a.code.cmp(&b.code)));
        this.kept = kept.into_values().collect();
        let rows: Amount = this.rows.iter().map(|row| row.direct).sum();
        let kept: Amount = this.kept.iter().map(|kept| kept.amount).sum();
        assert_eq!(
            rows + kept,
            this.total,
            "rows and what is kept visible add up to the bill"
        );
        Ok(this)
    }

    /// Usage that no department is charged for, by reason.
    pub fn unattributed(&self) -> impl Iterator<Item = &KeptVisible> {
        self.kept.iter().filter(|kept| kept.class == ChargeClass::Usage)
    }

    /// A row's share of the total in ten-thousandths; `None` of a total of zero.
    pub fn share(&self, amount: Amount) -> Option<Decimal> {
        let (part, total) = (amount.to_decimal()?, self.total.to_decimal()?);
        part.checked_div(total).map(|share| share.round_dp(4).normalize())
    }
}

fn add_row(
    rows: &mut BTreeMap<Option<String>, ChargebackRow>,
    code: Option<String>,
    amount: Amount,
    tokens: i64,
    lines: i64,
) {
    let row = rows.entry(code.clone()).or_insert(ChargebackRow {
        code,
        direct: Amount::ZERO,
        tokens: 0,
        lines: 0,
    });
    row.direct += amount;
    row.tokens += tokens;
    row.lines += lines;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ItemKey<'a> {
    Department(&'a str),
    Kept(ChargeClass, &'a str, State),
}

struct Item<'a> {
    key: ItemKey<'a>,
    cost: Amount,
    tokens: i64,
    lines: i64,
}

/// The first level below the bill: departments, then everything that is kept visible.
fn items_of<'a>(group: &[&'a OwnerSum]) -> Vec<Item<'a>> {
    let mut items: BTreeMap<ItemKey<'a>, Item<'a>> = BTreeMap::new();
    for sum in group {
        let key = match (&sum.department, sum.class) {
            (Some(code), ChargeClass::Usage) => ItemKey::Department(code),
            (_, ChargeClass::Usage) => {
                ItemKey::Kept(ChargeClass::Usage, sum.reason.map_or("", Reason::as_str), sum.state)
            }
            (_, class) => ItemKey::Kept(class, &sum.charge_type, sum.state),
        };
        let item = items.entry(key).or_insert(Item {
            key,
            cost: Amount::ZERO,
            tokens: 0,
            lines: 0,
        });
        item.cost += sum.cost;
        item.tokens += sum.tokens;
        item.lines += sum.lines;
    }
    items.into_values().collect()
}

/// A department's amount over its people, each person's over models, each model's over projects.
fn apportion<'l>(
    amount: Amount,
    leaves: &[&'l LeafSum],
    convert: &impl Fn(Amount, &[Amount]) -> Option<Vec<Amount>>,
) -> Option<Vec<(&'l LeafSum, Amount)>> {
    let levels: [fn(&LeafSum) -> &Option<String>; 3] = [|l| &l.person, |l| &l.model, |l| &l.project];
    let mut parts: Vec<(Vec<&'l LeafSum>, Amount)> = vec![(leaves.to_vec(), amount)];
    for level in levels {
        let mut finer = Vec::new();
        for (members, amount) in parts {
            let mut by_key: BTreeMap<&Option<String>, Vec<&'l LeafSum>> = BTreeMap::new();
            for leaf in members {
                by_key.entry(level(leaf)).or_default().push(leaf);
            }
            let groups: Vec<Vec<&'l LeafSum>> = by_key.into_values().collect();
            let costs: Vec<Amount> = groups.iter().map(|group| group.iter().map(|l| l.cost).sum()).collect();
            finer.extend(groups.into_iter().zip(convert(amount, &costs)?));
        }
        parts = finer;
    }
    // The store groups by all of the levels, so a last group is one leaf.
    Some(
        parts
            .into_iter()
            .filter_map(|(group, amount)| group.first().map(|leaf| (*leaf, amount)))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amount(text: &str) -> Amount {
        Amount::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    fn period() -> BillingPeriod {
        "2026-10".parse().unwrap_or_else(|e| panic!("{e}"))
    }

    fn usage(department: Option<&str>, cost: &str) -> OwnerSum {
        OwnerSum {
            class: ChargeClass::Usage,
            charge_type: "Usage".to_owned(),
            currency: "USD".to_owned(),
            state: if department.is_some() {
                State::Attributed
            } else {
                State::Quarantined
            },
            reason: department.is_none().then_some(Reason::Unparsed),
            department: department.map(str::to_owned),
            lines: 1,
            tokens: 10,
            cost: amount(cost),
        }
    }

    fn other(class: ChargeClass, charge_type: &str, currency: &str, cost: &str) -> OwnerSum {
        OwnerSum {
            class,
            charge_type: charge_type.to_owned(),
            currency: currency.to_owned(),
            state: State::Unattributed,
            reason: Some(Reason::NotUsage),
            ..usage(None, cost)
        }
    }

    fn leaf(department: &str, person: Option<&str>, model: &str, cost: &str) -> LeafSum {
        LeafSum {
            currency: "USD".to_owned(),
            department: department.to_owned(),
            person: person.map(str::to_owned),
            model: Some(model.to_owned()),
            project: None,
            lines: 1,
            tokens: 10,
            cost: amount(cost),
        }
    }

    /// One month by hand, at 150 yen: 1.23 + 0.41 of usage, 0.10 undecided, 0.164 tax, -0.05 credit = 1.854 USD = 278.1 yen.
    #[test]
    fn a_month_in_yen_adds_up() {
        let sums = [
            usage(Some("sales"), "1.23"),
            usage(Some("legal"), "0.41"),
            usage(None, "0.10"),
            other(ChargeClass::Tax, "Tax", "USD", "0.164"),
            other(ChargeClass::Credit, "Credit", "USD", "-0.05"),
        ];
        let month = Chargeback::build(
            period(),
            &sums,
            &[],
            GroupBy::Department,
            Reporting::YenAtPlanningRate(Decimal::from(150)),
        )
        .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(month.total, Amount::from_whole(278));
        // Exact: sales 184.5, legal 61.5, undecided 15, tax 24.6, credit -7.5.  Cut: 184 + 61 + 15 + 24 - 7 = 277; the one
        // yen that is missing goes to tax, which lost 0.6.
        let rows: Vec<_> = month
            .rows
            .iter()
            .map(|r| (r.code.as_deref().unwrap_or(""), r.direct.to_string()))
            .collect();
        assert_eq!(rows, [("sales", "184".to_owned()), ("legal", "61".to_owned())]);
        let kept: Vec<_> = month
            .kept
            .iter()
            .map(|k| (k.label.as_str(), k.amount.to_string()))
            .collect();
        assert_eq!(
            kept,
            [
                ("unparsed", "15".to_owned()),
                ("Tax", "25".to_owned()),
                ("Credit", "-7".to_owned())
            ]
        );
    }

    #[test]
    fn people_sum_the_same_leaves_as_departments() {
        let sums = [usage(Some("sales"), "1.0033"), usage(Some("legal"), "0.5")];
        let leaves = [
            leaf("sales", Some("E1"), "a", "0.3344"),
            leaf("sales", Some("E1"), "b", "0.3344"),
            leaf("sales", None, "a", "0.3345"),
            leaf("legal", Some("E1"), "a", "0.5"),
        ];
        let reporting = Reporting::YenAtPlanningRate(Decimal::from(150));
        let build = |by| Chargeback::build(period(), &sums, &leaves, by, reporting).unwrap_or_else(|e| panic!("{e}"));
        let (departments, people) = (build(GroupBy::Department), build(GroupBy::Person));
        assert_eq!(departments.total, people.total);
        assert_eq!(
            people.rows.iter().map(|r| r.direct).sum::<Amount>(),
            departments.rows.iter().map(|r| r.direct).sum::<Amount>()
        );
        assert_eq!(people.rows.len(), 2);
    }

    #[test]
    fn a_currency_without_a_rate_is_named_and_not_added() {
        let sums = [
            usage(Some("sales"), "1"),
            other(ChargeClass::Tax, "Tax", "EUR", "5"),
            other(ChargeClass::Tax, "Tax", "JPY", "7"),
        ];
        let yen = Chargeback::build(
            period(),
            &sums,
            &[],
            GroupBy::Department,
            Reporting::YenAtPlanningRate(Decimal::from(100)),
        )
        .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            (yen.total, yen.unconverted),
            (Amount::from_whole(107), vec![("EUR".to_owned(), amount("5"))])
        );
        let usd = Chargeback::build(period(), &sums, &[], GroupBy::Department, Reporting::Usd)
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((usd.total, usd.unconverted.len()), (amount("1"), 2));
    }

    proptest! {
        #[test]
        fn every_view_adds_up(costs in prop::collection::vec((0_u8..6, 0_u8..5, 0_u8..4, -5_000_000_000_000_i64..50_000_000_000_000), 1..80), rate in 1_i64..40_000) {
            let mut leaves: BTreeMap<(u8, u8, u8), Amount> = BTreeMap::new();
            for (department, person, model, units) in costs {
                *leaves.entry((department, person, model)).or_default() += Amount::from_units(i128::from(units));
            }
            let leaves: Vec<LeafSum> = leaves.into_iter().map(|((d, p, m), cost)| {
                LeafSum { cost, ..leaf(&format!("d{d}"), (p > 0).then_some(format!("p{p}")).as_deref(), &format!("m{m}"), "0") }
            }).collect();
            let mut departments: BTreeMap<&str, Amount> = BTreeMap::new();
            for leaf in &leaves {
                *departments.entry(&leaf.department).or_default() += leaf.cost;
            }
            let mut sums: Vec<OwnerSum> = departments.iter().map(|(code, cost)| OwnerSum { cost: *cost, ..usage(Some(code), "0") }).collect();
            sums.push(other(ChargeClass::Tax, "Tax", "USD", "3.333333"));
            let reporting = Reporting::YenAtPlanningRate(Decimal::new(rate, 2));
            let totals: Vec<Amount> = GroupBy::ALL.into_iter().map(|by| {
                let month = Chargeback::build(period(), &sums, &leaves, by, reporting).unwrap_or_else(|e| panic!("{e}"));
                month.rows.iter().map(|r| r.direct).sum()
            }).collect();
            prop_assert!(totals.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }
}
