use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rust_decimal::Decimal;

use super::*;
use crate::domain::allocation::{AllocationRule, Method};
use crate::domain::chargeback::{Chargeback, GroupBy};
use crate::domain::money::Ratio;

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap_or_else(|| panic!("{text}"))
}

fn period() -> BillingPeriod {
    "2026-10".parse().unwrap_or_else(|e| panic!("{e}"))
}

fn rate(text: &str) -> BillRate {
    let rate: Decimal = text.parse().unwrap_or_else(|_| panic!("{text}"));
    BillRate::Rate(Ratio::of_rate(rate).unwrap_or_else(|| panic!("{text}")))
}

fn policy() -> Ratio {
    Ratio::of_rate(Decimal::from(150)).unwrap_or_else(|| panic!("150"))
}

fn bill(invoice: &str) -> Bill {
    Bill {
        payer: "111122223333".to_owned(),
        seller: "AWS Japan".to_owned(),
        invoice: Some(invoice.to_owned()).filter(|id| !id.is_empty()),
        currency: "USD".to_owned(),
    }
}

fn usage(department: Option<&str>, cost: &str) -> ChargeSum {
    ChargeSum {
        bill: 0,
        account: Some("1".to_owned()),
        product: Some("claude".to_owned()),
        class: ChargeClass::Usage,
        charge_type: "Usage".to_owned(),
        line_kind: LineKind::Tokens,
        token: Some("input".to_owned()),
        reason: department.is_none().then_some(Reason::Unparsed),
        department: department.map(str::to_owned),
        lines: 1,
        tokens: 10,
        cost: amount(cost),
    }
}

fn line(class: ChargeClass, charge_type: &str, product: &str, cost: &str) -> ChargeSum {
    ChargeSum {
        class,
        charge_type: charge_type.to_owned(),
        product: Some(product.to_owned()),
        token: None,
        reason: Some(Reason::NotUsage),
        ..usage(None, cost)
    }
}

fn departments(codes: &[(&str, u32)]) -> BTreeMap<String, DepartmentInMonth> {
    let of = |(code, days): &(&str, u32)| {
        let department = DepartmentInMonth {
            legal_entity: "JP01".to_owned(),
            days_valid: *days,
            successor: None,
        };
        ((*code).to_owned(), department)
    };
    codes.iter().map(of).collect()
}

fn facts(sums: Vec<ChargeSum>) -> MonthFacts {
    MonthFacts {
        bills: vec![bill("")],
        sums,
        other_services: Vec::new(),
        departments: departments(&[("sales", 31), ("legal", 31), ("it", 31)]),
    }
}

fn rule(pool: &str, method: &str, members: &str) -> AllocationRule {
    AllocationRule {
        pool: pool.to_owned(),
        method: Method::parse(method, members).unwrap_or_else(|e| panic!("{e}")),
        fallback: None,
        legal_entity: None,
        valid_from: "2026-04".parse().unwrap_or_else(|e| panic!("{e}")),
        valid_to: None,
    }
}

/// What each department has of a column, as text.
fn column(ledger: &Ledger, column: Column) -> Vec<(String, String)> {
    let mut sums: BTreeMap<String, Amount> = BTreeMap::new();
    for entry in ledger.entries.iter().filter(|entry| entry.column == column) {
        let holder = entry.department.clone().unwrap_or_else(|| "(kept)".to_owned());
        *sums.entry(holder).or_default() += entry.cost;
    }
    sums.into_iter()
        .map(|(holder, cost)| (holder, cost.to_string()))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect()
}

/// One month by hand, at 150 yen: 1.23 + 0.41 of usage, 0.10 undecided, 0.164 tax, -0.05 credit = 1.854 USD = 278.1 yen.
#[test]
fn a_month_in_yen_adds_up() {
    let facts = facts(vec![
        usage(Some("sales"), "1.23"),
        usage(Some("legal"), "0.41"),
        usage(None, "0.10"),
        line(ChargeClass::Tax, "Tax", "claude", "0.164"),
        line(ChargeClass::Credit, "Credit", "other", "-0.05"),
    ]);
    let ledger = Ledger::build(period(), &facts, &[]);
    let converted = ledger
        .convert(&Conversion::Whole(vec![rate("150")]))
        .unwrap_or_else(|e| panic!("{e}"));
    let month = Chargeback::by_department(period(), &converted.postings);
    assert_eq!(month.total, Amount::from_whole(278));
    // Exact by column: direct 246, allocated 15, credits -7.5, tax 24.6.  Cut: 246 + 15 - 7 + 24 = 278; nothing is missing.
    // Direct: sales 184.5, legal 61.5; cut 184 + 61; the yen that is missing goes to the larger of two equal losses.
    let rows: Vec<_> = month
        .rows
        .iter()
        .map(|r| (r.code.as_deref().unwrap_or(""), r.total().to_string()))
        .collect();
    assert_eq!(rows, [("sales", "185".to_owned()), ("legal", "61".to_owned())]);
    let kept: Vec<_> = month
        .kept
        .iter()
        .map(|k| (k.label.as_str(), k.amount.to_string()))
        .collect();
    assert_eq!(
        kept,
        [
            ("unparsed", "15".to_owned()),
            ("Tax", "24".to_owned()),
            ("Credit", "-7".to_owned())
        ]
    );
}

#[test]
fn pools_are_divided_by_their_rules() {
    let facts = facts(vec![
        usage(Some("sales"), "6"),
        usage(Some("legal"), "2"),
        usage(None, "4"),
        line(ChargeClass::Tax, "Tax", "claude", "1.2"),
        line(ChargeClass::Refund, "Refund", "claude", "-1"),
        line(ChargeClass::Other, "Fee", "claude", "3"),
    ]);
    let rules = [
        rule("unattributed", "proportional", ""),
        rule("tax", "fixed", "sales=0.5;legal=0.25;it=0.25"),
        rule("refund", "one_department", "it"),
        rule("other", "evenly", "sales;legal;it"),
    ];
    let ledger = Ledger::build(period(), &facts, &rules);
    // 4 by 6 and 2.
    assert_eq!(
        column(&ledger, Column::Allocated),
        pairs(&[("legal", "1"), ("sales", "3")])
    );
    assert_eq!(
        column(&ledger, Column::Tax),
        pairs(&[("it", "0.3"), ("legal", "0.3"), ("sales", "0.6")])
    );
    assert_eq!(column(&ledger, Column::Refunds), pairs(&[("it", "-1")]));
    assert_eq!(
        column(&ledger, Column::Other),
        pairs(&[("it", "1"), ("legal", "1"), ("sales", "1")])
    );
    assert_eq!(ledger.findings, []);
}

#[test]
fn credits_and_discounts_follow_the_usage_that_they_belong_to() {
    let other_product = |cost| ChargeSum {
        product: Some("titan".to_owned()),
        ..usage(Some("it"), cost)
    };
    let facts = facts(vec![
        usage(Some("sales"), "6"),
        usage(None, "2"),
        other_product("100"),
        line(ChargeClass::Credit, "Credit", "claude", "-0.8"),
        line(ChargeClass::Discount, "EdpDiscount", "titan", "-10"),
        line(ChargeClass::Credit, "Credit", "elsewhere", "-0.5"),
    ]);
    let ledger = Ledger::build(period(), &facts, &[rule("discount", "proportional", "")]);
    // Of the credit on claude a quarter falls on usage that nobody owns and stays visible with the one that has no usage.
    assert_eq!(
        column(&ledger, Column::Credits),
        pairs(&[("(kept)", "-0.7"), ("sales", "-0.6")])
    );
    assert_eq!(column(&ledger, Column::Discounts), pairs(&[("it", "-10")]));
}

#[test]
fn tokens_weigh_what_the_bill_charges_for_their_kind() {
    let tokens = |department: &str, kind: &str, tokens: i64, cost: &str| ChargeSum {
        token: Some(kind.to_owned()),
        tokens,
        ..usage(Some(department), cost)
    };
    // A cache read costs a tenth: 1,000,000 tokens for 0.5 against 5.
    let facts = facts(vec![
        tokens("sales", "input", 1_000_000, "5"),
        tokens("legal", "cache_read", 1_000_000, "0.5"),
        line(ChargeClass::Tax, "Tax", "claude", "1.1"),
    ]);
    let taxes = |method| {
        column(
            &Ledger::build(period(), &facts, &[rule("tax", method, "")]),
            Column::Tax,
        )
    };
    assert_eq!(taxes("by_tokens"), pairs(&[("legal", "0.1"), ("sales", "1")]));
    assert_eq!(taxes("by_raw_tokens"), pairs(&[("legal", "0.55"), ("sales", "0.55")]));
}

#[test]
fn a_base_of_nothing_goes_to_the_fallback_or_stays_visible() {
    let facts = facts(vec![line(ChargeClass::Tax, "Tax", "claude", "1")]);
    let mut tax = rule("tax", "proportional", "");
    let ledger = Ledger::build(period(), &facts, std::slice::from_ref(&tax));
    assert_eq!(column(&ledger, Column::Tax), pairs(&[("(kept)", "1")]));
    assert_eq!(ledger.findings[0].code, "nothing_to_divide_by");
    tax.fallback = Some("it".to_owned());
    let ledger = Ledger::build(period(), &facts, &[tax]);
    assert_eq!(
        (column(&ledger, Column::Tax), ledger.findings.len()),
        (pairs(&[("it", "1")]), 0)
    );
}

#[test]
fn departments_that_end_are_weighed_by_days_and_followed_by_their_successor() {
    let mut facts = facts(vec![usage(None, "4.7")]);
    facts.departments = departments(&[("sales", 31), ("new", 16), ("gone", 0)]);
    if let Some(gone) = facts.departments.get_mut("gone") {
        gone.successor = Some("sales".to_owned());
    }
    let evenly = |members| {
        column(
            &Ledger::build(period(), &facts, &[rule("unattributed", "evenly", members)]),
            Column::Allocated,
        )
    };
    assert_eq!(evenly("sales;new"), pairs(&[("new", "1.6"), ("sales", "3.1")]));
    assert_eq!(evenly("gone"), pairs(&[("sales", "4.7")]));
    // A fixed share of a department that is gone without a successor leaves the whole pool visible.
    let fixed = rule("unattributed", "fixed", "sales=0.5;never=0.5");
    let ledger = Ledger::build(period(), &facts, &[fixed]);
    assert_eq!(column(&ledger, Column::Allocated), pairs(&[("(kept)", "4.7")]));
    assert_eq!(ledger.findings.len(), 1);
}

#[test]
fn a_platform_department_is_shared_and_receives_nothing() {
    let facts = facts(vec![
        usage(Some("it"), "8"),
        usage(Some("sales"), "3"),
        usage(Some("legal"), "1"),
        usage(None, "4"),
    ]);
    let rules = [
        rule("department.it", "proportional", ""),
        rule("unattributed", "proportional", ""),
    ];
    let ledger = Ledger::build(period(), &facts, &rules);
    assert_eq!(
        column(&ledger, Column::Direct),
        pairs(&[("legal", "1"), ("sales", "3")])
    );
    assert_eq!(
        column(&ledger, Column::Allocated),
        pairs(&[("legal", "3"), ("sales", "9")])
    );
}

#[test]
fn an_invoices_yen_are_divided_with_the_other_services_on_it() {
    // 30 USD of ours and 70 of others for 16,001 yen; 10 USD of tax for 1,600 yen, 3 of it ours.
    let mut facts = facts(vec![
        usage(Some("sales"), "20"),
        usage(None, "10"),
        line(ChargeClass::Tax, "Tax", "claude", "3"),
    ]);
    let other = |is_tax, cost| OtherServices {
        bill: 0,
        is_tax,
        lines: 1,
        cost: amount(cost),
    };
    facts.other_services = vec![other(false, "70"), other(true, "7")];
    let ledger = Ledger::build(period(), &facts, &[]);
    let invoice = BillRate::Invoice(
        "EUINJP26-1".to_owned(),
        InvoiceTotals {
            net: 16_001,
            tax: 1_600,
        },
        policy(),
    );
    let converted = ledger
        .convert(&Conversion::Whole(vec![invoice]))
        .unwrap_or_else(|e| panic!("{e}"));
    // 3,200.2 + 1,600.1 + 11,200.7: the yen that is missing goes to the other services.
    let group = &converted.groups[0];
    assert_eq!(
        (group.other_services, group.other_tax),
        (Amount::from_whole(11_201), Amount::from_whole(1_120))
    );
    let amounts: Vec<String> = converted
        .postings
        .iter()
        .map(|posting| posting.amount.to_string())
        .collect();
    assert_eq!(amounts, ["3200", "1600", "480"]);
    assert_eq!(converted.total(), Amount::from_whole(5_280));
}

/// 5 and -5 dollars for one yen: by the policy's 150 they are 750 and -750, and the yen has a name.
#[test]
fn an_invoice_whose_amounts_cancel_is_at_the_policys_rate() {
    let facts = facts(vec![usage(Some("sales"), "5"), usage(Some("legal"), "-5")]);
    let ledger = Ledger::build(period(), &facts, &[]);
    let invoice = BillRate::Invoice("X".to_owned(), InvoiceTotals { net: 1, tax: 2 }, policy());
    let converted = ledger
        .convert(&Conversion::Whole(vec![invoice]))
        .unwrap_or_else(|e| panic!("{e}"));
    let month = Chargeback::by_department(period(), &converted.postings);
    let rows: Vec<_> = month.rows.iter().map(|row| row.total().to_string()).collect();
    assert_eq!(rows, ["750", "-750"]);
    let kept: Vec<_> = month.kept.iter().map(|k| (k.label.clone(), k.amount)).collect();
    let named = |label: &str, yen| (label.to_owned(), Amount::from_whole(yen));
    assert_eq!(kept, [named("Tax", 2), named("InvoiceRounding", 1)]);
}

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
    let bills: Vec<Bill> = (0..random.random_range(1..4))
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
                project: Some(format!("x{}", random.random_range(0..3))).filter(|project| project != "x0"),
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
        sums.push(ChargeSum {
            bill: random.random_range(0..bills.len()),
            cost,
            ..line(class, charge_type, &product, "0")
        });
    }
    let other_services = (0..random.random_range(0..3))
        .map(|n| OtherServices {
            bill: random.random_range(0..bills.len()),
            is_tax: n == 1,
            lines: 1,
            cost: money(&mut random),
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
        "department.d00",
    ] {
        let (method, members) = match random.random_range(0..7) {
            0 => ("proportional", ""),
            1 => ("by_tokens", ""),
            2 => ("by_raw_tokens", ""),
            3 if !members.is_empty() && pool != "department.d00" => ("evenly", members.as_str()),
            4 => ("keep", ""),
            _ => continue,
        };
        let mut rule = rule(pool, method, members);
        rule.fallback = codes.last().cloned().filter(|_| random.random_bool(0.5));
        rules.push(rule);
    }
    let rates = bills
        .iter()
        .map(|bill| match random.random_range(0..3) {
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
            other_services,
            departments: departments_of(&departments),
        },
        leaves,
        rules,
        rates,
    }
}

fn departments_of(codes: &[(&str, u32)]) -> BTreeMap<String, DepartmentInMonth> {
    departments(codes)
}

impl Company {
    fn negated(&self) -> Self {
        let mut facts = self.facts.clone();
        facts.sums.iter_mut().for_each(|sum| sum.cost = -sum.cost);
        facts
            .other_services
            .iter_mut()
            .for_each(|other| other.cost = -other.cost);
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
                    Column::Tax | Column::Adjustments => ChargeClass::Tax,
                };
                let booked: Amount = ledger.entries.iter().filter(|e| e.bill == bill && of_class(e.column) == class).map(|e| e.cost).sum();
                prop_assert_eq!(booked, billed);
            }
        }
        let mut shuffled = MonthFacts { ..company.facts.clone() };
        let mut leaves = company.leaves.clone();
        let mut random = StdRng::seed_from_u64(seed ^ 1);
        shuffled.sums.shuffle(&mut random);
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
        }
    }

    /// A month of refunds only is the mirror of the same month of charges, where weights do not depend on the sign.
    #[test]
    fn negation_is_symmetric(seed in any::<u64>()) {
        let mut company = company(seed);
        // A base below zero counts as none, so a negated company divides its pools differently; its own usage does not.
        company.rules.clear();
        company.facts.sums.retain(|sum| !matches!(sum.class, ChargeClass::Credit | ChargeClass::Discount));
        let rates = Conversion::Whole(company.facts.bills.iter().map(|_| rate("159.91")).collect());
        let spread = |company: &Company| {
            let ledger = Ledger::build(period(), &company.facts, &company.rules);
            let converted = ledger.convert(&rates).unwrap_or_else(|e| panic!("{e}"));
            spread_over_leaves(&ledger, &converted, &company.leaves).unwrap_or_else(|e| panic!("{e}"))
        };
        let mut mirrored = spread(&company.negated());
        for leaf in &mut mirrored {
            leaf.amount = -leaf.amount;
            leaf.billed = -leaf.billed;
        }
        prop_assert_eq!(spread(&company), mirrored);
    }
}
