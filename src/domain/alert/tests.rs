use super::*;
use crate::domain::budget_status::BudgetOutlook;
use crate::domain::forecast::Method;
use crate::domain::spending::Spending;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn yen(amount: i128) -> Amount {
    Amount::from_whole(amount)
}

/// A budget of 1,000,000 yen for October that stands at an amount, a hundredth of it in dollars of use.
fn standing(spent: i128, forecast: i128) -> BudgetStatus {
    BudgetStatus {
        window: Window {
            from: "2026-10".parse().unwrap_or_else(|e| panic!("{e}")),
            to: "2026-11".parse().unwrap_or_else(|e| panic!("{e}")),
        },
        limit: yen(1_000_000),
        raised: Amount::ZERO,
        spent: yen(spent),
        spent_usd: yen(spent / 100),
        spent_at_todays_rate: None,
        spending: Spending {
            usage: yen(spent / 100),
            ..Spending::default()
        },
        outlook: Some(BudgetOutlook {
            method: Method::Levels,
            expected: yen(forecast),
            low: yen(forecast),
            high: yen(forecast),
            not_billed_yet: Amount::ZERO,
            runs_out_on: None,
            settled_to: day("2026-10-17"),
            settled_use: yen(spent / 100),
            open_use: Amount::ZERO,
        }),
        missing: Vec::new(),
        days_left: 12,
    }
}

fn stood(spent: i128, open_use: i128) -> Stood {
    Stood {
        spent: yen(spent),
        limit: yen(1_000_000),
        forecast: yen(spent),
        settled_to: day("2026-10-16"),
        open_use: yen(open_use),
        directory_version: Some(1),
        allocation_version: Some(1),
    }
}

fn spoke(threshold: &str, level: i128, rearmed: Option<Rearmed>) -> Spoke {
    Spoke {
        alert_id: 7,
        threshold: threshold.to_owned(),
        arming: 0,
        raised_at: DateTime::UNIX_EPOCH,
        level: yen(level),
        rearmed,
    }
}

struct Case {
    status: BudgetStatus,
    spoke: Vec<Spoke>,
    before: Option<Stood>,
    /// Dollars of use on 17 October.
    newest: i128,
    today: &'static str,
    directory_version: i32,
    allocation_version: i32,
}

impl Case {
    fn of(status: BudgetStatus) -> Self {
        Self {
            status,
            spoke: Vec::new(),
            before: None,
            newest: 0,
            today: "2026-10-20",
            directory_version: 1,
            allocation_version: 1,
        }
    }

    fn judge(&self) -> Vec<(String, Verdict)> {
        let history = History {
            days: [
                (day("2026-10-01"), self.status.spent_usd - yen(self.newest)),
                (day("2026-10-17"), yen(self.newest)),
            ]
            .into(),
        };
        let look = Look {
            status: &self.status,
            history: &history,
            thresholds: &Threshold::DEFAULT,
            spoke: &self.spoke,
            before: self.before.as_ref(),
            is_new_budget: false,
            directory_version: Some(self.directory_version),
            allocation_version: Some(self.allocation_version),
            today: day(self.today),
        };
        let judged = look.judge().into_iter();
        judged.map(|of| (of.threshold.to_string(), of.verdict)).collect()
    }

    fn of_threshold(&self, threshold: &str) -> Verdict {
        let found = self.judge().into_iter().find(|(of, _)| of == threshold);
        found.unwrap_or_else(|| panic!("{threshold}")).1
    }
}

fn speaks(cause: Cause, is_told: bool) -> Verdict {
    Verdict::Speaks {
        cause,
        arming: 0,
        again: None,
        is_told,
    }
}

#[test]
fn of_several_crossed_at_once_the_highest_is_told() {
    let case = Case::of(standing(850_000, 990_000));
    let expected = [
        ("50%".to_owned(), speaks(Cause::NewUse, false)),
        ("80%".to_owned(), speaks(Cause::NewUse, true)),
        ("100%".to_owned(), Verdict::NotReached),
        ("forecast 100%".to_owned(), Verdict::NotReached),
    ];
    assert_eq!(case.judge(), expected);
    // What is foreseen beyond the limit is higher than what is spent under it, and less than what is spent beyond it.
    assert_eq!(
        Case::of(standing(850_000, 1_200_000)).of_threshold("forecast 100%"),
        speaks(Cause::NewUse, true)
    );
    let beyond = Case::of(standing(1_000_000, 1_200_000));
    assert_eq!(beyond.of_threshold("100%"), speaks(Cause::NewUse, true));
    assert_eq!(beyond.of_threshold("forecast 100%"), speaks(Cause::NewUse, false));
}

#[test]
fn a_threshold_speaks_once() {
    let mut case = Case::of(standing(850_000, 850_000));
    case.spoke = vec![spoke("50%", 500_000, None), spoke("80%", 800_000, None)];
    assert_eq!(case.of_threshold("80%"), Verdict::SpokeAlready { alert_id: 7 });
    case.before = Some(stood(850_000, 0));
    // A little under it is still over it.
    case.status = standing(770_000, 770_000);
    assert_eq!(case.of_threshold("80%"), Verdict::SpokeAlready { alert_id: 7 });
    case.status = standing(759_999, 759_999);
    let because = Rearmed::Restatement;
    // What the directory moved away is no correction.
    case.directory_version = 2;
    assert_eq!(case.of_threshold("80%"), Verdict::SpokeAlready { alert_id: 7 });
    case.directory_version = 1;
    assert_eq!(case.of_threshold("80%"), Verdict::Rearms { alert_id: 7, because });
    // Taken back once, it can speak again, and says so.
    case.spoke[1].rearmed = Some(because);
    assert_eq!(case.of_threshold("80%"), Verdict::NotReached);
    case.before = None;
    case.status = standing(800_000, 800_000);
    let again = Verdict::Speaks {
        cause: Cause::NewUse,
        arming: 1,
        again: Some(because),
        is_told: true,
    };
    assert_eq!(case.of_threshold("80%"), again);
}

#[test]
fn a_raised_budget_can_speak_again_and_a_forecast_does_not_flutter() {
    let mut case = Case::of(standing(850_000, 850_000));
    case.status.limit = yen(1_100_000);
    case.spoke = vec![spoke("80%", 800_000, None), spoke("forecast 100%", 1_000_000, None)];
    let because = Rearmed::BudgetChange;
    assert_eq!(case.of_threshold("80%"), Verdict::Rearms { alert_id: 7, because });
    assert_eq!(
        case.of_threshold("forecast 100%"),
        Verdict::Rearms { alert_id: 7, because }
    );
    case.status.limit = yen(1_000_000);
    assert_eq!(
        case.of_threshold("forecast 100%"),
        Verdict::SpokeAlready { alert_id: 7 }
    );
    // Still beyond the raised budget: it has spoken.
    case.status = standing(950_000, 950_000);
    case.status.limit = yen(1_100_000);
    assert_eq!(case.of_threshold("80%"), Verdict::SpokeAlready { alert_id: 7 });
}

#[test]
fn a_forecast_says_nothing_in_the_first_days() {
    let mut case = Case::of(standing(100_000, 2_000_000));
    case.today = "2026-10-04";
    assert_eq!(case.of_threshold("forecast 100%"), Verdict::TooEarly);
    case.today = "2026-10-05";
    assert_eq!(case.of_threshold("forecast 100%"), speaks(Cause::NewUse, true));
}

#[test]
fn the_cause_says_whether_anybody_used_more() {
    let mut case = Case::of(standing(850_000, 850_000));
    // 79 % before, of which the days from the 16th on had 100 dollars; now they have 700.
    case.before = Some(stood(790_000, 100));
    case.newest = 700;
    assert_eq!(case.of_threshold("80%"), speaks(Cause::NewUse, true));
    // The newest days are as they were: something older changed.
    case.newest = 100;
    assert_eq!(case.of_threshold("80%"), speaks(Cause::Restatement, true));
    case.allocation_version = 2;
    assert_eq!(case.of_threshold("80%"), speaks(Cause::Rule, true));
    case.directory_version = 2;
    assert_eq!(case.of_threshold("80%"), speaks(Cause::Reattribution, true));
    // The same amount, and a limit that came down.
    case.before = Some(stood(850_000, 100));
    assert_eq!(case.of_threshold("80%"), speaks(Cause::BudgetChange, true));
}

#[test]
fn a_past_window_is_recorded_and_not_told() {
    let mut case = Case::of(standing(1_200_000, 1_200_000));
    case.today = "2026-11-05";
    assert_eq!(case.of_threshold("100%"), speaks(Cause::NewUse, true));
    // Also after a jump of the clock by a year.
    for today in ["2026-11-06", "2027-10-20"] {
        case.today = today;
        assert!(
            case.judge()
                .iter()
                .all(|(_, verdict)| !matches!(verdict, Verdict::Speaks { is_told: true, .. }))
        );
        assert_eq!(case.of_threshold("100%"), speaks(Cause::Past, false));
    }
}

#[test]
fn without_data_nothing_is_said_to_be_well() {
    let mut case = Case::of(standing(0, 0));
    case.status.outlook = None;
    assert!(case.judge().iter().all(|(_, verdict)| *verdict == Verdict::NoData));
}
