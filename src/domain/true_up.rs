//! What a locked month would say now, less what it says: lines of the next open month that name their origin.
//!
//! Both sides are divided by the directory and the rules that were sealed, so that only the bill and its invoices can differ.
//! What earlier true-ups have settled is taken off.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Add;

use super::allocation::Pool;
use super::books::{Column, DepartmentInMonth, living};
use super::money::{Amount, Ratio, convert_parts};
use super::named::named;
use super::period::BillingPeriod;

named! {
    /// What stood behind dollars of a locked month.
    Billing {
        /// An invoice that was recorded when the month was sealed.
        SealedInvoice = "sealed_invoice",
        /// No invoice in yen: they were charged at a rate of the company's.
        NoInvoice = "no_invoice",
        /// An invoice that was recorded after the month was sealed.
        LateInvoice = "late_invoice",
    }
}

impl Billing {
    /// What brought a line.
    pub fn because(self) -> &'static str {
        match self {
            Self::SealedInvoice => "a delivery after the month was locked",
            Self::NoInvoice => "charged without an invoice, and changed or invoiced after the month was locked",
            Self::LateInvoice => "an invoice that was recorded after the month was locked",
        }
    }
}

/// Where an amount of a locked month stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrueUpKey {
    pub payer: String,
    pub seller: String,
    /// None: kept visible.
    pub department: Option<String>,
    pub column: Column,
    pub billing: Billing,
}

/// Dollars, and the whole yen that they were put in the books at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stood {
    pub usd: Amount,
    pub jpy: Amount,
}

impl Add for Stood {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            usd: self.usd + other.usd,
            jpy: self.jpy + other.jpy,
        }
    }
}

impl Stood {
    /// As many of some dollars as these are.
    fn dollars_within(self, usd: Amount) -> Amount {
        let (limit, wanted) = (self.usd.units(), usd.units());
        if limit.signum() != wanted.signum() {
            Amount::ZERO
        } else if wanted.abs() < limit.abs() {
            usd
        } else {
            self.usd
        }
    }

    /// The yen of some of these dollars.
    fn yen_of(self, usd: Amount) -> Option<Amount> {
        if usd == self.usd {
            return Some(self.jpy);
        }
        if usd.is_zero() {
            return Some(Amount::ZERO);
        }
        Some(Ratio::of_total(self.jpy.whole()?, self.usd)?.exact(usd))
    }
}

/// Amounts of a month by where they stand.
pub type Standing = BTreeMap<TrueUpKey, Stood>;

/// A locked month: as it was sealed, as its bill and its invoices are now, and what other months have taken over of it.
#[derive(Debug, Clone, Default)]
pub struct Restated {
    pub locked: Standing,
    /// What is on no invoice has no yen yet.
    pub now: Standing,
    pub settled: Standing,
}

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
    /// Its name among what is not a department's own usage; `Origin::of` reads it.
    pub fn pool(&self) -> Pool {
        let TrueUpKey {
            department,
            column,
            billing,
            ..
        } = &self.key;
        let (column, billing) = (column.as_str(), billing.as_str());
        let department = department.as_deref().unwrap_or("");
        Pool::TrueUp(format!("{}/{column}/{billing}/{department}", self.origin))
    }
}

/// What a true-up's pool says of where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub period: BillingPeriod,
    pub column: Column,
    pub billing: Billing,
    pub department: Option<String>,
}

impl Origin {
    pub fn of(pool: &Pool) -> Option<Self> {
        let Pool::TrueUp(text) = pool else {
            return None;
        };
        let mut parts = text.splitn(4, '/');
        let (period, column, billing, department) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            period: period.parse().ok()?,
            column: Column::parse(column)?,
            billing: Billing::parse(billing)?,
            department: Some(department.to_owned()).filter(|code| !code.is_empty()),
        })
    }
}

/// The origin of a reclass, of its pool's name.
pub fn origin_of_reclass(name: &str) -> Option<BillingPeriod> {
    name.split('/').next()?.parse().ok()
}

/// Dollars that changed, at which yen they leave, and how many are new.
struct Change {
    usd: Amount,
    jpy: Amount,
    new: Amount,
}

impl Restated {
    /// What is on an invoice has that invoice's yen.  Of the rest, what goes leaves at the yen at which it came; what comes is new.
    fn change(&self, key: &TrueUpKey) -> Option<Change> {
        let of = |standing: &Standing| standing.get(key).copied().unwrap_or_default();
        let (locked, now, settled) = (of(&self.locked), of(&self.now), of(&self.settled));
        let usd = now.usd - locked.usd - settled.usd;
        if key.billing != Billing::NoInvoice {
            return Some(Change {
                usd,
                jpy: now.jpy - locked.jpy - settled.jpy,
                new: Amount::ZERO,
            });
        }
        let (base, left) = (locked + settled, now.usd);
        let kept = base.dollars_within(left);
        Some(Change {
            usd,
            jpy: base.yen_of(kept)? - base.jpy,
            new: left - kept,
        })
    }

    /// Makes the lines of an origin month.  New dollars of each payer and seller are converted and rounded once.
    pub fn true_ups(
        &self,
        origin: BillingPeriod,
        departments: &BTreeMap<String, DepartmentInMonth>,
        rate_of_new: Ratio,
    ) -> Option<Vec<TrueUp>> {
        let keys: BTreeSet<&TrueUpKey> = self
            .now
            .keys()
            .chain(self.locked.keys())
            .chain(self.settled.keys())
            .collect();
        let mut by_bill: BTreeMap<(&str, &str), Vec<(&TrueUpKey, Change)>> = BTreeMap::new();
        for key in keys {
            let of_bill = by_bill.entry((&key.payer, &key.seller)).or_default();
            of_bill.push((key, self.change(key)?));
        }
        let mut lines = Vec::new();
        for changes in by_bill.into_values() {
            let new: Vec<Amount> = changes.iter().map(|(_, change)| change.new).collect();
            let old: Vec<Amount> = changes.iter().map(|(_, change)| change.jpy).collect();
            let new = in_whole_yen(&new, rate_of_new)?;
            let old = in_whole_yen(&old, Ratio::ONE)?;
            for (((key, change), new), old) in changes.into_iter().zip(new).zip(old) {
                let jpy = Amount::from_whole(new + old);
                if change.usd.is_zero() && jpy.is_zero() {
                    continue;
                }
                lines.push(TrueUp {
                    origin,
                    key: key.clone(),
                    // A closed department's lines go to who goes on for it.
                    department: key
                        .department
                        .as_deref()
                        .map(|code| living(code, departments).unwrap_or(code).to_owned()),
                    usd: change.usd,
                    jpy,
                });
            }
        }
        Some(lines)
    }
}

fn in_whole_yen(parts: &[Amount], ratio: Ratio) -> Option<Vec<i128>> {
    let total = parts.iter().copied().sum::<Amount>().to_whole(ratio)?;
    convert_parts(total, parts, ratio)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;

    fn key(department: Option<&str>, billing: Billing) -> TrueUpKey {
        TrueUpKey {
            payer: "1".to_owned(),
            seller: "AWS".to_owned(),
            department: department.map(str::to_owned),
            column: Column::Direct,
            billing,
        }
    }

    fn amount(text: &str) -> Amount {
        Amount::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    fn standing(parts: &[(Option<&str>, Billing, &str, i128)]) -> Standing {
        let stood = |usd: &str, jpy: i128| Stood {
            usd: amount(usd),
            jpy: Amount::from_whole(jpy),
        };
        parts
            .iter()
            .map(|(code, billing, usd, jpy)| (key(*code, *billing), stood(usd, *jpy)))
            .collect()
    }

    fn origin() -> BillingPeriod {
        "2026-08".parse().unwrap_or_else(|e| panic!("{e}"))
    }

    /// Lines at 150 yen for what is new: who, what stood behind it, dollars, yen.
    fn lines(
        restated: &Restated,
        departments: &BTreeMap<String, DepartmentInMonth>,
    ) -> Vec<(Option<String>, Billing, String, String)> {
        let rate = Ratio::of_rate(Decimal::from(150)).unwrap_or(Ratio::ONE);
        let lines = restated.true_ups(origin(), departments, rate).unwrap_or_default();
        let line = |line: TrueUp| {
            (
                line.department,
                line.key.billing,
                line.usd.to_string(),
                line.jpy.to_string(),
            )
        };
        lines.into_iter().map(line).collect()
    }

    fn line(department: &str, billing: Billing, usd: &str, jpy: &str) -> (Option<String>, Billing, String, String) {
        (Some(department.to_owned()), billing, usd.to_owned(), jpy.to_owned())
    }

    #[test]
    fn only_what_is_new_is_trued_up_and_its_yen_add_up() {
        use Billing::{NoInvoice, SealedInvoice};
        let restated = Restated {
            now: standing(&[
                (Some("sales"), NoInvoice, "10.5", 0),
                (Some("old"), NoInvoice, "3.25", 0),
                (Some("old"), SealedInvoice, "2", 322),
                (None, NoInvoice, "1", 0),
            ]),
            locked: standing(&[
                (Some("sales"), NoInvoice, "10", 1_600),
                (Some("old"), NoInvoice, "3", 480),
                (Some("old"), SealedInvoice, "1", 161),
                (None, NoInvoice, "1", 160),
            ]),
            settled: standing(&[(Some("sales"), NoInvoice, "0.25", 40)]),
        };
        let department = |days_valid, successor: Option<&str>| DepartmentInMonth {
            legal_entity: String::new(),
            days_valid,
            successor: successor.map(str::to_owned),
        };
        let departments = BTreeMap::from([
            ("old".to_owned(), department(0, Some("new"))),
            ("new".to_owned(), department(30, None)),
        ]);
        // 0.5 USD is 75 yen: 37.5 each, the odd yen to the first.
        assert_eq!(
            lines(&restated, &departments),
            [
                line("new", SealedInvoice, "1", "161"),
                line("new", NoInvoice, "0.25", "38"),
                line("sales", NoInvoice, "0.25", "37")
            ]
        );
        let first = restated
            .true_ups(origin(), &departments, Ratio::ONE)
            .unwrap_or_default();
        let pool = first[0].pool();
        assert_eq!(Pool::parse(&pool.to_string()), Some(pool.clone()));
        let expected = Origin {
            period: origin(),
            column: Column::Direct,
            billing: SealedInvoice,
            department: Some("old".to_owned()),
        };
        assert_eq!(Origin::of(&pool), Some(expected));
    }

    /// 10 dollars were locked at 160 yen without an invoice.  It comes with 1,612 yen for 8 of them, and later with the rest.
    #[test]
    fn an_invoice_takes_the_place_of_the_rate_that_stood_for_it() {
        use Billing::{LateInvoice, NoInvoice};
        let mut restated = Restated {
            now: standing(&[
                (Some("sales"), NoInvoice, "2", 0),
                (Some("sales"), LateInvoice, "8", 1_312),
            ]),
            locked: standing(&[(Some("sales"), NoInvoice, "10", 1_600)]),
            settled: Standing::new(),
        };
        let none = BTreeMap::new();
        let first = [
            line("sales", NoInvoice, "-8", "-1280"),
            line("sales", LateInvoice, "8", "1312"),
        ];
        assert_eq!(lines(&restated, &none), first);
        restated.settled = standing(&[
            (Some("sales"), NoInvoice, "-8", -1_280),
            (Some("sales"), LateInvoice, "8", 1_312),
        ]);
        assert_eq!(lines(&restated, &none), []);
        // Half a dollar that is new and not invoiced is at the open month's rate.
        restated.now = standing(&[
            (Some("sales"), NoInvoice, "2.5", 0),
            (Some("sales"), LateInvoice, "8", 1_312),
        ]);
        assert_eq!(lines(&restated, &none), [line("sales", NoInvoice, "0.5", "75")]);
        restated.now = standing(&[(Some("sales"), LateInvoice, "10", 1_633)]);
        assert_eq!(
            lines(&restated, &none),
            [
                line("sales", NoInvoice, "-2", "-320"),
                line("sales", LateInvoice, "2", "321")
            ]
        );
    }

    proptest! {
        /// Whatever happens on the way: once every dollar is on a late invoice, the months together have that invoice's yen.
        #[test]
        fn in_the_end_the_books_have_what_the_invoices_say(
            locked in proptest::collection::vec((-1_000_000_i128..1_000_000, 100_i128..200), 1..8),
            steps in proptest::collection::vec(proptest::collection::vec((-1_000_000_i128..1_000_000, -1_000_000_i128..1_000_000, -10_000_i128..10_000), 1..8), 1..4),
        ) {
            let code = |nth: usize| format!("d{nth}");
            let stood = |cents: i128, jpy: i128| Stood { usd: Amount::from_units(cents * 10_000_000_000), jpy: Amount::from_whole(jpy) };
            let mut restated = Restated::default();
            for (nth, (cents, rate)) in locked.iter().enumerate() {
                restated.locked.insert(key(Some(&code(nth)), Billing::NoInvoice), stood(*cents, cents * rate / 100));
            }
            let last = steps.len() - 1;
            for (step, parts) in steps.iter().enumerate() {
                restated.now.clear();
                for (nth, (without, late, jpy)) in parts.iter().enumerate() {
                    if step != last {
                        restated.now.insert(key(Some(&code(nth)), Billing::NoInvoice), stood(*without, 0));
                    }
                    restated.now.insert(key(Some(&code(nth)), Billing::LateInvoice), stood(*late, *jpy));
                }
                let rate = Ratio::of_rate(Decimal::from(140 + step as i64)).unwrap_or(Ratio::ONE);
                for line in restated.true_ups(origin(), &BTreeMap::new(), rate).unwrap_or_default() {
                    let settled = restated.settled.entry(line.key).or_default();
                    *settled = *settled + Stood { usd: line.usd, jpy: line.jpy };
                }
                prop_assert_eq!(restated.true_ups(origin(), &BTreeMap::new(), rate).unwrap_or_default(), Vec::new());
            }
            for nth in 0..8 {
                let booked = |standing: &Standing| -> Stood {
                    let own = standing.iter().filter(|(key, _)| key.department == Some(code(nth)));
                    own.fold(Stood::default(), |sum, (_, stood)| sum + *stood)
                };
                prop_assert_eq!(booked(&restated.locked) + booked(&restated.settled), booked(&restated.now));
            }
        }
    }
}
