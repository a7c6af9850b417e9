use super::backtest::{Family, Foresight, Trial, median_error, trials};
use super::*;
use crate::domain::calendar::ClosedDay;

/// Japan's holidays as they are shipped, and a company's own days.
fn calendar() -> BusinessCalendar {
    let closed = ["12-29", "12-30", "12-31", "01-02", "01-03", "08-13", "08-14", "08-15"];
    let shipped = include_str!("../../../calendar/holidays-jp.csv");
    let holidays = shipped.lines().filter_map(|line| {
        let (day, name) = line.split_once(',')?;
        Some((day.parse().ok()?, name.to_owned()))
    });
    BusinessCalendar {
        holidays: holidays.collect(),
        closed: closed.iter().filter_map(|day| ClosedDay::parse(day)).collect(),
    }
}

/// One company of each family; `bench/backtest.rs` has more of them, and prints what docs/FORECASTS.md quotes.
#[test]
fn the_end_of_a_month_is_foreseen_better_than_by_run_rate_and_by_the_week_before() {
    let calendar = calendar();
    assert!(calendar.covers(2024) && calendar.covers(2026));
    let trials: Vec<Trial> = Family::ALL
        .into_iter()
        .flat_map(|family| trials(family, 1, &[10, 20], &calendar))
        .collect();
    for (day, bound) in [(10, 0.10), (20, 0.05)] {
        for is_company in [true, false] {
            let [ours, run_rate, naive] = Foresight::ALL.map(|foresight| {
                let is_of = |t: &&Trial| t.day == day && t.foresight == foresight && t.is_company == is_company;
                median_error(trials.iter().filter(is_of)).0
            });
            assert!(ours < run_rate && ours < naive, "day {day}: {ours} {run_rate} {naive}");
            assert!(ours <= bound, "day {day}: {ours}");
        }
    }
    let ours = trials.iter().filter(|trial| trial.foresight == Foresight::Ours);
    let (inside, all) = ours.fold((0, 0), |(inside, all), trial| {
        (inside + i32::from(trial.is_inside), all + 1)
    });
    assert!(inside * 100 > all * 70, "{inside} of {all} are inside the band");
}

/// Golden Week has hardly any business days: a run rate of April would promise them.
#[test]
fn a_week_of_holidays_is_no_week_of_business_days() {
    let calendar = calendar();
    let date = |text: &str| -> NaiveDate { text.parse().unwrap_or_default() };
    let from = date("2026-03-02");
    let days = from.iter_days().take_while(|day| *day < date("2026-04-29"));
    let values = days.map(|day| Some(if calendar.is_business_day(day) { 100.0 } else { 10.0 }));
    let past = DailyUse {
        from,
        values: values.collect(),
    };
    let outlook = outlook(&past, date("2026-04-29"), date("2026-05-07"), &calendar);
    // Two business days, and six days off.
    assert!((outlook.sum - 260.0).abs() < 40.0, "{outlook:?}");
}
