//! Foresees the ends of months of seeded companies and prints how far each way was off: `cargo run --release --example backtest`.
//!
//! The figures of docs/FORECASTS.md.  The only argument is the number of companies of each family, 32 by default.

use std::error::Error;

use anbun::domain::calendar::{BusinessCalendar, ClosedDay};
use anbun::domain::forecast::backtest::{Family, Foresight, Trial, median_error, trials};
use anbun::sources::holiday_csv::read_holidays;

const DAYS: [u32; 4] = [5, 10, 15, 20];

fn main() -> Result<(), Box<dyn Error>> {
    let companies: u64 = std::env::args().nth(1).map_or(Ok(32), |text| text.parse())?;
    let closed = ["12-29", "12-30", "12-31", "01-02", "01-03", "08-13", "08-14", "08-15"];
    let calendar = BusinessCalendar {
        holidays: read_holidays(None)?,
        closed: closed.iter().filter_map(|day| ClosedDay::parse(day)).collect(),
    };
    let all: Vec<Trial> = (0..companies)
        .flat_map(|seed| Family::ALL.map(|family| (family, seed)))
        .flat_map(|(family, seed)| trials(family, seed, &DAYS, &calendar))
        .collect();
    println!("| day | of | anbun | run rate | week before | inside the band |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for day in DAYS {
        for (of, is_company) in [("companies", true), ("departments", false)] {
            print_row(
                day,
                of,
                all.iter().filter(|t| t.day == day && t.is_company == is_company),
            );
        }
    }
    for family in Family::ALL {
        for day in [10, 20] {
            print_row(
                day,
                &format!("{family:?}"),
                all.iter().filter(|t| t.day == day && t.family == family),
            );
        }
    }
    println!("{} trials", all.len());
    Ok(())
}

fn print_row<'t>(day: u32, of: &str, trials: impl Iterator<Item = &'t Trial> + Clone) {
    let errors = Foresight::ALL.map(|foresight| {
        let (error, _) = median_error(trials.clone().filter(|t| t.foresight == foresight));
        format!("{:.1} %", error * 100.0)
    });
    let ours = trials.filter(|t| t.foresight == Foresight::Ours);
    let (inside, count) = ours.fold((0, 0), |(inside, count), t| {
        (inside + i32::from(t.is_inside), count + 1)
    });
    println!(
        "| {day} | {of} | {} | {} % |",
        errors.join(" | "),
        inside * 100 / count.max(1)
    );
}
