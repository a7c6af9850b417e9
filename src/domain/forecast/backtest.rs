//! Companies of fixed families, and how far each way to foresee a month's end was off, knowing only what was known on the day.

use std::f64::consts::PI;

use chrono::{Datelike, Days, NaiveDate};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{DailyUse, outlook};
use crate::domain::calendar::BusinessCalendar;
use crate::domain::period::BillingPeriod;

/// What happens to a company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Steady,
    /// Grows by a few per cent a month.
    Growing,
    /// Half again as much, or a third less, from one day on, some times a year.
    Steps,
    /// Single days, now and then three in a row, with several times the use.
    Bursts,
    /// People come and go at the beginning of months, most in April.
    JoinersAndLeavers,
    /// Closed for longer than the calendar says: all of Golden Week, a week of Obon, more days around the New Year.
    Holidays,
    /// A new model doubles use in two weeks, and its price falls later.
    Releases,
    /// Ten people: noisy.
    Small,
}

impl Family {
    pub const ALL: [Self; 8] = [
        Self::Steady,
        Self::Growing,
        Self::Steps,
        Self::Bursts,
        Self::JoinersAndLeavers,
        Self::Holidays,
        Self::Releases,
        Self::Small,
    ];
}

/// How the end of a month is foreseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foresight {
    Ours,
    /// The mean of the month's days so far.
    RunRate,
    /// Each day as the same weekday of the last known week.
    SeasonalNaive,
}

impl Foresight {
    pub const ALL: [Self; 3] = [Self::Ours, Self::RunRate, Self::SeasonalNaive];
}

/// One forecast against what came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    pub family: Family,
    pub is_company: bool,
    pub day: u32,
    pub foresight: Foresight,
    /// Of what came; 0.1 is a tenth too much.
    pub error: f64,
    /// Of ours: whether what came was inside the band.
    pub is_inside: bool,
}

const YEARS: u64 = 3;
const DEPARTMENTS: usize = 6;
/// What is left of the newest day, of the day before and of the one before that.
const DELIVERED: [f64; 3] = [0.15, 0.6, 0.92];

/// Three years of a seeded company by department, the first of which is the company as a whole.
pub fn company(family: Family, seed: u64, from: NaiveDate, calendar: &BusinessCalendar) -> Vec<Vec<f64>> {
    let mut random = StdRng::seed_from_u64(seed);
    let departments: Vec<Vec<f64>> = (0..DEPARTMENTS)
        .map(|_| department(family, &mut random, from, calendar))
        .collect();
    let days = departments[0].len();
    let whole = (0..days)
        .map(|day| departments.iter().map(|of| of[day]).sum())
        .collect();
    std::iter::once(whole).chain(departments).collect()
}

fn department(family: Family, random: &mut StdRng, from: NaiveDate, calendar: &BusinessCalendar) -> Vec<f64> {
    let to = from + Days::new(YEARS * 365);
    let mut level: f64 = 20.0 * 10.0_f64.powf(random.random_range(0.0..1.2));
    let noise: f64 = if family == Family::Small {
        0.45
    } else {
        random.random_range(0.08..0.2)
    };
    let off = random.random_range(0.02..0.25);
    let monday = random.random_range(0.9..1.1);
    let growth: f64 = if family == Family::Growing {
        random.random_range(0.02..0.06)
    } else {
        random.random_range(-0.003..0.008)
    };
    let mut release = (0.0_f64, 0.0_f64);
    let mut burst = 0;
    let mut days = Vec::new();
    for day in from.iter_days().take_while(|day| *day < to) {
        level *= (growth / 30.0).exp() * (normal(random) * 0.006).exp();
        match family {
            Family::Steps if random.random_bool(1.0 / 120.0) => {
                level *= if random.random_bool(0.55) { 1.5 } else { 0.67 }
            }
            Family::JoinersAndLeavers if day.day() == 1 => {
                let april = if day.month() == 4 { 0.15 } else { 0.0 };
                level *= 1.0 + april + random.random_range(-0.08..0.1);
            }
            Family::Releases if random.random_bool(1.0 / 150.0) => release = (random.random_range(0.4..1.0), 0.0),
            Family::Bursts if random.random_bool(1.0 / 40.0) => burst = random.random_range(1..4),
            _ => {}
        }
        let mut use_of_day = level * (normal(random) * noise).exp();
        if release.0 > 0.0 {
            release.1 += 1.0;
            // Up within two weeks, and half of it gone after two months.
            use_of_day *= 1.0 + release.0 * (release.1 / 14.0).min(1.0) * (-(release.1 - 14.0).max(0.0) / 90.0).exp();
        }
        if burst > 0 && calendar.is_business_day(day) {
            burst -= 1;
            use_of_day *= random.random_range(3.0..7.0);
        }
        let is_closed = family == Family::Holidays && is_long_holiday(day);
        use_of_day *= match (calendar.is_business_day(day) && !is_closed, day.weekday()) {
            (false, _) => off,
            (true, chrono::Weekday::Mon) => monday,
            (true, _) => 1.0,
        };
        days.push(use_of_day);
    }
    days
}

/// Days on which many companies are closed beyond what any calendar says.
fn is_long_holiday(day: NaiveDate) -> bool {
    match day.month() {
        1 => day.day() <= 5,
        4 => day.day() >= 29,
        5 => day.day() <= 6,
        8 => (10..=17).contains(&day.day()),
        12 => day.day() >= 27,
        _ => false,
    }
}

/// A standard normal number.
fn normal(random: &mut StdRng) -> f64 {
    let (first, second): (f64, f64) = (random.random_range(f64::EPSILON..1.0), random.random_range(0.0..1.0));
    (-2.0 * first.ln()).sqrt() * (2.0 * PI * second).cos()
}

/// Foresees the end of every month of a company from its second year's start, on the days that are asked.
pub fn trials(family: Family, seed: u64, days: &[u32], calendar: &BusinessCalendar) -> Vec<Trial> {
    let from = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap_or_default();
    let mut trials = Vec::new();
    for (nth, series) in company(family, seed, from, calendar).iter().enumerate() {
        let last = from + Days::new(series.len() as u64);
        let mut period = BillingPeriod::of(from + Days::new(100));
        while period.days().to <= last {
            for day in days {
                let today = period.first_day() + Days::new(u64::from(*day) - 1);
                let known = known_on(series, from, today);
                let month = position(from, period.days().from)..position(from, period.days().to);
                let real: f64 = series[month].iter().sum();
                for foresight in Foresight::ALL {
                    let (expected, band) = foresee(foresight, &known, from, today, period, calendar);
                    trials.push(Trial {
                        family,
                        is_company: nth == 0,
                        day: *day,
                        foresight,
                        error: expected / real - 1.0,
                        is_inside: band.0 <= real && real <= band.1,
                    });
                }
            }
            period = period.next();
        }
    }
    trials
}

fn position(from: NaiveDate, day: NaiveDate) -> usize {
    usize::try_from((day - from).num_days()).unwrap_or_default()
}

/// The days before a day, the newest of them in part.
fn known_on(series: &[f64], from: NaiveDate, today: NaiveDate) -> Vec<f64> {
    let mut known = series[..position(from, today)].to_vec();
    for (value, share) in known.iter_mut().rev().zip(DELIVERED) {
        *value *= share;
    }
    known
}

fn foresee(
    foresight: Foresight,
    known: &[f64],
    from: NaiveDate,
    today: NaiveDate,
    period: BillingPeriod,
    calendar: &BusinessCalendar,
) -> (f64, (f64, f64)) {
    let settled = known.len() - DELIVERED.len();
    let settled_to = today - Days::new(DELIVERED.len() as u64);
    let first = position(from, period.first_day()).min(settled);
    let billed: f64 = known[first..settled].iter().sum();
    let ahead = || {
        settled_to
            .max(period.first_day())
            .iter_days()
            .take_while(|day| *day < period.days().to)
    };
    match foresight {
        Foresight::Ours => {
            let past = DailyUse {
                from,
                values: known[..settled].iter().copied().map(Some).collect(),
            };
            let outlook = outlook(&past, settled_to.max(period.first_day()), period.days().to, calendar);
            (billed + outlook.sum, (billed + outlook.low, billed + outlook.high))
        }
        Foresight::RunRate => {
            #[expect(clippy::cast_precision_loss, reason = "days")]
            let mean = billed / (settled - first).max(1) as f64;
            (billed + ahead().map(|_| mean).sum::<f64>(), (0.0, 0.0))
        }
        Foresight::SeasonalNaive => {
            let as_a_week_before = |day: NaiveDate| {
                let mut at = position(from, day);
                while at >= settled {
                    at -= 7;
                }
                known[at]
            };
            (billed + ahead().map(as_a_week_before).sum::<f64>(), (0.0, 0.0))
        }
    }
}

/// The median of how far trials were off, and how many there were.
pub fn median_error<'t>(trials: impl Iterator<Item = &'t Trial>) -> (f64, usize) {
    let mut errors: Vec<f64> = trials.map(|trial| trial.error.abs()).collect();
    errors.sort_by(f64::total_cmp);
    (errors.get(errors.len() / 2).copied().unwrap_or_default(), errors.len())
}
