mod companies;

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::*;
use crate::domain::allocation::{AllocationRule, Method};
use crate::domain::chargeback::Chargeback;
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
        day: None,
        lines: 1,
        tokens: 10,
        cost: amount(cost),
    }
}

/// Usage of `claude` in account 1 on a day of the month.
fn used_on(day: u32, department: Option<&str>, cost: &str) -> UsageOfDay {
    UsageOfDay {
        payer: "111122223333".to_owned(),
        account: "1".to_owned(),
        product: "claude".to_owned(),
        day: period().first_day() + chrono::Days::new(u64::from(day) - 1),
        department: department.map(str::to_owned),
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
        usage_of_days: Vec::new(),
        manual: Vec::new(),
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

/// Sales used 6 on the 5th, legal 6 over the rest of the month.  A discount of the 5th is sales' alone; a credit of the 7th, on which
/// nobody used anything, belongs to no use that is known; one of the whole month is both's.
#[test]
fn a_discount_of_a_day_follows_the_usage_of_that_day() {
    let on = |day, sum: ChargeSum| ChargeSum {
        day: Some(used_on(day, None, "0").day),
        ..sum
    };
    let mut facts = facts(vec![
        usage(Some("sales"), "6"),
        usage(Some("legal"), "6"),
        on(5, line(ChargeClass::Discount, "EdpDiscount", "claude", "-0.6")),
        on(7, line(ChargeClass::Credit, "Credit", "claude", "-0.2")),
        line(ChargeClass::Credit, "Credit", "claude", "-1"),
    ]);
    facts.usage_of_days = vec![used_on(5, Some("sales"), "6")];
    let ledger = Ledger::build(period(), &facts, &[]);
    assert_eq!(column(&ledger, Column::Discounts), pairs(&[("sales", "-0.6")]));
    assert_eq!(
        column(&ledger, Column::Credits),
        pairs(&[("(kept)", "-0.2"), ("legal", "-0.5"), ("sales", "-0.5")])
    );
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

/// The same for tax: 10 and -9.99 of tax for 2 yen are 1,500 and -1,499 by the policy, and one yen is left of the two.
#[test]
fn tax_that_cancels_is_at_the_policys_rate_too() {
    let mut facts = facts(vec![
        usage(Some("sales"), "100"),
        line(ChargeClass::Tax, "Tax", "claude", "10"),
    ]);
    let other = |is_tax, cost| OtherServices {
        bill: 0,
        is_tax,
        lines: 1,
        cost: amount(cost),
    };
    facts.other_services = vec![other(false, "-99.99"), other(true, "-9.99")];
    let ledger = Ledger::build(period(), &facts, &[rule("tax", "proportional", "")]);
    let invoice = BillRate::Invoice("X".to_owned(), InvoiceTotals { net: 2, tax: 2 }, policy());
    let converted = ledger
        .convert(&Conversion::Whole(vec![invoice]))
        .unwrap_or_else(|e| panic!("{e}"));
    let month = Chargeback::by_department(period(), &converted.postings);
    assert_eq!(month.rows[0].column(Column::Tax), Amount::from_whole(1_500));
    let group = &converted.groups[0];
    assert_eq!(
        month.total + group.other_services + group.other_tax,
        Amount::from_whole(4)
    );
}
