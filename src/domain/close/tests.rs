use super::*;

fn facts(findings: &[Finding]) -> CloseFacts<'_> {
    CloseFacts {
        target: MonthState::Final,
        recounts_missing: 0,
        recounts_unequal: 0,
        quarantined: Amount::ZERO,
        quarantine_max: Amount::ZERO,
        days_missing: 0,
        accrued: None,
        without_invoice: Amount::ZERO,
        unconverted: &[],
        unmapped: &[],
        missing_from_books: (Amount::ZERO, Amount::ZERO),
        decided_by_another_directory: false,
        journal: JournalStanding::Balances { debits: 7 },
        findings,
    }
}

#[test]
fn a_clean_month_passes_and_each_fault_blocks_by_name() {
    assert!(checks(&facts(&[])).iter().all(|check| check.passed));
    let finding = |code: &'static str, severity| Finding::new(code, severity, "x", "m", "a");
    let findings = [
        finding("invoice_differs", Severity::Error),
        finding("rate_missing", Severity::Warning),
        finding("nothing_to_divide_by", Severity::Warning),
        finding("day_missing", Severity::Error),
        finding("invoice_not_recorded", Severity::Warning),
        finding("tax_undecided", Severity::Warning),
    ];
    let failing = CloseFacts {
        recounts_missing: 1,
        missing_from_books: (Amount::ZERO, Amount::from_whole(1)),
        decided_by_another_directory: true,
        quarantined: Amount::from_whole(5),
        days_missing: 2,
        without_invoice: Amount::from_whole(1),
        unconverted: &[("CNY".to_owned(), Amount::ZERO)],
        unmapped: &[("freee".to_owned(), "legal".to_owned(), Amount::ZERO)],
        journal: JournalStanding::Differs { difference: 1 },
        ..facts(&findings)
    };
    let blocking: Vec<&str> = checks(&failing)
        .iter()
        .filter(|check| check.blocks())
        .map(|check| check.name)
        .collect();
    let all = [
        "conservation",
        "directory",
        "recount",
        "unexplained",
        "journal",
        "currencies",
        "rate",
        "mappings",
        "quarantine",
        "days",
        "allocation",
        "errors",
        "invoices",
        "invoiced",
        "tax",
    ];
    assert_eq!(blocking, all);
}

#[test]
fn a_journal_that_differs_or_cannot_be_made_is_never_waived() {
    let of = |journal: JournalStanding| {
        let facts = CloseFacts { journal, ..facts(&[]) };
        let found = checks(&facts).into_iter().find(|check| check.name == "journal");
        found.map(|check| (check.is_hard, check.passed))
    };
    assert_eq!(of(JournalStanding::Differs { difference: -1 }), Some((true, false)));
    assert_eq!(of(JournalStanding::CannotBeMade(String::new())), Some((true, false)));
    assert_eq!(of(JournalStanding::NotMade), Some((true, true)));
}

#[test]
fn only_soft_checks_are_waived_and_with_a_reason() {
    let mut found = checks(&CloseFacts {
        quarantined: Amount::from_whole(5),
        ..facts(&[])
    });
    let with = |name: &str, reason: &str| BTreeMap::from([(name.to_owned(), reason.to_owned())]);
    assert!(matches!(
        waive(&mut found, &with("recount", "late")),
        Err(WaiverError::Hard(..))
    ));
    assert!(matches!(
        waive(&mut found, &with("quarantine", " ")),
        Err(WaiverError::NoReason(_))
    ));
    assert!(matches!(
        waive(&mut found, &with("all", "x")),
        Err(WaiverError::Unknown(..))
    ));
    assert_eq!(waive(&mut found, &with("quarantine", "asked the owner")), Ok(()));
    assert!(!found.iter().any(Check::blocks));
}

#[test]
fn a_locked_month_stays() {
    use MonthState::{Final, Locked, Open, Provisional};
    assert_eq!(may_close(Locked, Final), Err(StepError::Locked));
    assert!(may_close(Final, Provisional).is_err());
    for (from, to) in [
        (Open, Provisional),
        (Open, Final),
        (Provisional, Provisional),
        (Provisional, Final),
        (Final, Final),
    ] {
        assert_eq!(may_close(from, to), Ok(()), "{from} to {to}");
    }
}
