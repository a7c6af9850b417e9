use super::*;
use crate::domain::budget::{BudgetBasis, BudgetScope};
use crate::domain::threshold::Threshold;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn month(text: &str) -> BillingPeriod {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn budget() -> Budget {
    Budget {
        name: "rag".to_owned(),
        scope: BudgetScope::Project,
        code: "rag".to_owned(),
        frequency: Frequency::Month,
        currency: "JPY".to_owned(),
        amount: Amount::from_whole(1_000_000),
        rate: Some(Decimal::from(150)),
        basis: BudgetBasis::AfterDiscounts,
        with_allocated: false,
        with_tax: false,
        owner_person_id: String::new(),
        channel: String::new(),
        thresholds: Threshold::DEFAULT.to_vec(),
        valid_from: month("2026-04"),
        valid_to: None,
    }
}

/// 200 dollars on each day of September and October up to the 20th, of the last three only half.
fn used() -> (History, KnownDays) {
    let days = day("2026-09-01").iter_days().take(50);
    let cost = |of: NaiveDate| if of >= day("2026-10-18") { 100 } else { 200 };
    let history = History {
        days: days.map(|of| (of, Amount::from_whole(cost(of)))).collect(),
    };
    let known = KnownDays {
        delivered: history.days.keys().copied().collect(),
        settled_to: day("2026-10-18"),
    };
    (history, known)
}

fn spending() -> Spending {
    Spending {
        usage: Amount::from_whole(3_700),
        discounts: Amount::from_whole(-370),
        credits: Amount::from_whole(-500),
        allocated: Amount::from_whole(40),
        tax: Amount::from_whole(300),
        tokens: 1,
    }
}

fn of(budget: &Budget, raises: &[Raise]) -> BudgetStatus {
    let (history, known) = used();
    let facts = BudgetFacts {
        budget,
        raises,
        window: Window::of(budget.frequency, month("2026-10"), 4),
        months: BTreeMap::from([(month("2026-10"), spending())]),
        missing: Vec::new(),
        history: &history,
        known: &known,
        today: day("2026-10-21"),
        todays_rate: Ratio::of_rate(Decimal::from(160)).unwrap_or(Ratio::ONE),
        // Every day is alike.
        calendar: &BusinessCalendar::default(),
    };
    status(&facts).unwrap_or_else(|| panic!("too large"))
}

#[test]
fn windows_are_months_quarters_and_fiscal_years() {
    for (frequency, asked, start, from, to) in [
        (Frequency::Month, "2026-10", 4, "2026-10", "2026-11"),
        (Frequency::Quarter, "2026-12", 4, "2026-10", "2027-01"),
        (Frequency::Quarter, "2026-12", 2, "2026-11", "2027-02"),
        (Frequency::FiscalYear, "2027-03", 4, "2026-04", "2027-04"),
        (Frequency::FiscalYear, "2026-12", 1, "2026-01", "2027-01"),
        (Frequency::FiscalYear, "2026-12", 12, "2026-12", "2027-12"),
    ] {
        let window = Window::of(frequency, month(asked), start);
        assert_eq!(
            (window.from, window.to),
            (month(from), month(to)),
            "{frequency} {asked} {start}"
        );
    }
    let quarter = Window::of(Frequency::Quarter, month("2026-05"), 4);
    assert_eq!(quarter.months().count(), 3);
}

#[test]
fn the_basis_says_what_counts_and_the_rate_is_the_budgets_own() {
    let spent = |budget: Budget| of(&budget, &[]).spent;
    // 3,330 dollars at 150.
    assert_eq!(spent(budget()), Amount::from_whole(499_500));
    let usage = Budget {
        basis: BudgetBasis::Usage,
        ..budget()
    };
    assert_eq!(spent(usage), Amount::from_whole(555_000));
    let credits = Budget {
        basis: BudgetBasis::AfterCredits,
        with_allocated: true,
        with_tax: true,
        ..budget()
    };
    assert_eq!(spent(credits), Amount::from_whole(475_500));
    let dollars = Budget {
        currency: "USD".to_owned(),
        rate: None,
        amount: Amount::from_whole(5_000),
        ..budget()
    };
    let in_dollars = of(&dollars, &[]);
    assert_eq!(
        (in_dollars.spent, in_dollars.spent_at_todays_rate),
        (Amount::from_whole(3_330), None)
    );
    assert_eq!(
        of(&budget(), &[]).spent_at_todays_rate,
        Some(Amount::from_whole(532_800))
    );
    assert_eq!(
        percent_of(Amount::from_whole(499_500), Amount::from_whole(1_000_000)).to_string(),
        "49.9"
    );
}

#[test]
fn what_is_to_come_is_foreseen_from_settled_days_and_shares_the_discounts() {
    let status = of(&budget(), &[]);
    let outlook = status.outlook.unwrap_or_else(|| panic!("nothing is known"));
    // 14 days at 200 less 300 that are billed: 2,500 dollars, less a tenth, at 150.
    let off = outlook.expected - Amount::from_whole(499_500 + 337_500);
    assert!(off.units().abs() < Amount::from_whole(30_000).units(), "{outlook:?}");
    assert!(outlook.low <= outlook.expected && outlook.expected <= outlook.high);
    // Half of three days and today: 500 dollars.
    let off = outlook.not_billed_yet - Amount::from_whole(67_500);
    assert!(off.units().abs() < Amount::from_whole(8_000).units(), "{outlook:?}");
    assert_eq!(
        (outlook.settled_use, outlook.open_use),
        (Amount::from_whole(3_400), Amount::from_whole(300))
    );
    assert_eq!((outlook.runs_out_on, status.days_left), (None, 11));
}

#[test]
fn the_day_it_runs_out_is_told_before_and_after_it() {
    let small = |amount: i128| Budget {
        amount: Amount::from_whole(amount),
        ..budget()
    };
    // 27,000 yen a day: 100,000 are passed on the fourth.
    let runs_out = |budget: Budget| of(&budget, &[]).outlook.and_then(|outlook| outlook.runs_out_on);
    assert_eq!(runs_out(small(100_000)), Some(day("2026-10-04")));
    let ahead = runs_out(small(700_000)).unwrap_or_default();
    assert!(ahead > day("2026-10-24") && ahead < day("2026-10-29"), "{ahead}");
}

#[test]
fn a_raise_holds_between_its_days_and_only_for_its_budget() {
    let raise = |budget: &str, from: &str, to: &str| Raise {
        raise_id: 1,
        budget: budget.to_owned(),
        amount: Amount::from_whole(200_000),
        currency: "JPY".to_owned(),
        valid_from: day(from),
        valid_to: day(to),
        reason: "a release".to_owned(),
        ringi: "R-1".to_owned(),
        approved_by: "keiri".to_owned(),
    };
    let raises = [
        raise("rag", "2026-10-21", "2026-10-22"),
        raise("rag", "2026-10-01", "2026-10-21"),
        raise("other", "2026-10-01", "2026-11-01"),
        // Of the time when the budget was in dollars.
        Raise {
            currency: "USD".to_owned(),
            ..raise("rag", "2026-10-21", "2026-10-22")
        },
    ];
    let status = of(&budget(), &raises);
    assert_eq!(
        (status.limit, status.raised),
        (Amount::from_whole(1_200_000), Amount::from_whole(200_000))
    );
}

#[test]
fn a_window_of_which_nothing_is_loaded_has_no_outlook() {
    let (history, known) = used();
    let budget = budget();
    let facts = BudgetFacts {
        budget: &budget,
        raises: &[],
        window: Window::of(Frequency::Month, month("2027-10"), 4),
        months: BTreeMap::new(),
        missing: vec![month("2027-10")],
        history: &history,
        known: &known,
        today: day("2027-10-21"),
        todays_rate: Ratio::ONE,
        calendar: &BusinessCalendar::default(),
    };
    let status = status(&facts).unwrap_or_else(|| panic!("too large"));
    assert_eq!((status.outlook, status.missing), (None, vec![month("2027-10")]));
}

/// Shared cost was booked at once and a credit is larger than the use: neither says anything of days to come.
#[test]
fn what_does_not_follow_use_is_not_foreseen_to_grow() {
    let (history, known) = used();
    let of = |budget: Budget, spending: Spending| {
        let facts = BudgetFacts {
            budget: &budget,
            raises: &[],
            window: Window::of(Frequency::Month, month("2026-10"), 4),
            months: BTreeMap::from([(month("2026-10"), spending)]),
            missing: Vec::new(),
            history: &history,
            known: &known,
            today: day("2026-10-21"),
            todays_rate: Ratio::ONE,
            calendar: &BusinessCalendar::default(),
        };
        let status = status(&facts).unwrap_or_else(|| panic!("too large"));
        let outlook = status.outlook.unwrap_or_else(|| panic!("nothing is known"));
        (status.spent, outlook.expected - status.spent)
    };
    let (_, plain) = of(budget(), spending());
    let shared = Budget {
        with_allocated: true,
        ..budget()
    };
    let (_, more) = of(
        shared,
        Spending {
            allocated: Amount::from_whole(100_000),
            ..spending()
        },
    );
    assert_eq!(more, plain);
    let after_credits = Budget {
        basis: BudgetBasis::AfterCredits,
        ..budget()
    };
    let (spent, more) = of(
        after_credits,
        Spending {
            credits: Amount::from_whole(-9_000),
            ..spending()
        },
    );
    assert!(spent.units() < 0 && more == plain, "{spent} {more} {plain}");
}
