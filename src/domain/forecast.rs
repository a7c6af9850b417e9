//! How much more will be used: day by day from past days, with a band.
//!
//! A day is a level times what kind of day it is.  The kinds are business days by weekday, and days off; the calendar says which is
//! which.  The level is a mixture of recent means over shorter and longer spans, with and without the growth of the last weeks, each
//! weighted by how well it would have foreseen the past weeks.  Floats: a forecast is no money.

pub mod backtest;
pub mod projection;

use chrono::{Datelike, NaiveDate, Weekday};

use super::calendar::BusinessCalendar;

/// Use by the day from a day on; `None` where nothing was delivered or the day still settles.
#[derive(Debug, Clone)]
pub struct DailyUse {
    pub from: NaiveDate,
    pub values: Vec<Option<f64>>,
}

/// What days to come are expected to bring.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlook {
    pub days: Vec<(NaiveDate, f64)>,
    /// The sum of the days, and what it is unlikely (one in ten on each side) to be below or above.
    pub sum: f64,
    pub low: f64,
    pub high: f64,
    pub method: Method,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Days by their kind, and a level of several spans.
    Levels,
    /// Too few days are known: the mean of those that are, by business days and days off.
    FewDays,
    /// Nothing is known.
    Nothing,
}

impl Method {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Levels => "levels",
            Self::FewDays => "few_days",
            Self::Nothing => "nothing",
        }
    }
}

/// Fewer known days than this are no pattern.
const DAYS_FOR_A_PATTERN: usize = 14;
/// Older days say nothing about the kinds of days any more.
const DAYS_LOOKED_BACK: usize = 70;
/// How much a day off is of a business day, where nothing is known: and how many days' weight that has.
const OFF_SHARE: f64 = 0.2;
const OFF_WEIGHT: f64 = 2.0;
const WEEKDAY_WEIGHT: f64 = 6.0;
/// Spans of the level, as half-lives in business days.
const HALF_LIVES: [f64; 4] = [1.5, 4.0, 9.0, 20.0];
/// Growth in a week beyond this is a step, not a trend.
const GROWTH_MAX: f64 = 0.12;
/// How fast growth ends, a week.
const DAMPING: f64 = 0.7;
/// One in ten is beyond on each side.
const BAND: f64 = 1.2816;

/// How much of a mean business day each day is.
struct Shape {
    weekdays: [f64; 5],
    off: f64,
}

impl Shape {
    fn of(known: &[(NaiveDate, f64)], calendar: &BusinessCalendar) -> Self {
        let (mut business, mut off) = ((0.0, 0.0), (0.0, 0.0));
        let mut weekdays = [(0.0, 0.0); 5];
        // Against the mean around each day, so that growth is not taken for a weekday.
        for (nth, (day, value)) in known.iter().enumerate() {
            let around = mean_around(known, nth, calendar);
            if around <= 0.0 {
                continue;
            }
            let share = (value / around).min(4.0);
            if calendar.is_business_day(*day) {
                business = (business.0 + share, business.1 + 1.0);
                let at = &mut weekdays[index_of(day.weekday())];
                *at = (at.0 + share, at.1 + 1.0);
            } else {
                off = (off.0 + share, off.1 + 1.0);
            }
        }
        let mean = if business.1 > 0.0 { business.0 / business.1 } else { 1.0 };
        let mean = if mean > 0.0 { mean } else { 1.0 };
        let weekday = |(sum, count): (f64, f64)| (sum / mean + WEEKDAY_WEIGHT) / (count + WEEKDAY_WEIGHT);
        Self {
            weekdays: weekdays.map(weekday),
            off: (off.0 / mean + OFF_SHARE * OFF_WEIGHT) / (off.1 + OFF_WEIGHT),
        }
    }

    fn at(&self, day: NaiveDate, calendar: &BusinessCalendar) -> f64 {
        if calendar.is_business_day(day) {
            self.weekdays[index_of(day.weekday())]
        } else {
            self.off
        }
    }
}

fn index_of(weekday: Weekday) -> usize {
    (weekday.num_days_from_monday() as usize).min(4)
}

/// The mean business day of the week before and the week after.
fn mean_around(known: &[(NaiveDate, f64)], nth: usize, calendar: &BusinessCalendar) -> f64 {
    let from = nth.saturating_sub(7);
    let near = &known[from..(nth + 8).min(known.len())];
    let business = near.iter().filter(|(day, _)| calendar.is_business_day(*day));
    let (sum, count) = business.fold((0.0, 0.0), |(sum, count), (_, value)| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

/// What is expected of the days from `from` to `to` (exclusive).
pub fn outlook(past: &DailyUse, from: NaiveDate, to: NaiveDate, calendar: &BusinessCalendar) -> Outlook {
    let known: Vec<(NaiveDate, f64)> = past
        .from
        .iter_days()
        .zip(&past.values)
        .filter_map(|(day, value)| Some((day, value.filter(|_| day < from)?)))
        .collect();
    let known = &known[known.len().saturating_sub(DAYS_LOOKED_BACK)..];
    let ahead = || from.iter_days().take_while(|day| *day < to);
    // Days before the first use are no days without use.
    let first = known.iter().position(|(_, value)| *value > 0.0);
    let Some(known) = first.map(|first| &known[first..]) else {
        return Outlook {
            days: ahead().map(|day| (day, 0.0)).collect(),
            sum: 0.0,
            low: 0.0,
            high: 0.0,
            method: Method::Nothing,
        };
    };
    let shape = Shape::of(known, calendar);
    if known.len() < DAYS_FOR_A_PATTERN {
        let (sum, weight) = known.iter().fold((0.0, 0.0), |(sum, weight), (day, value)| {
            (sum + value, weight + shape.at(*day, calendar))
        });
        let level = if weight > 0.0 { sum / weight } else { 0.0 };
        let days: Vec<_> = ahead().map(|day| (day, level * shape.at(day, calendar))).collect();
        let sum: f64 = days.iter().map(|(_, value)| value).sum();
        return Outlook {
            low: sum * 0.5,
            high: sum * 1.8,
            days,
            sum,
            method: Method::FewDays,
        };
    }
    let tamed = tame(known, &shape, calendar);
    let levels = Levels::weigh(&tamed, &shape, calendar);
    let days: Vec<_> = ahead()
        .map(|day| (day, levels.expect(&tamed, day, from, &shape, calendar)))
        .collect();
    let sum: f64 = days.iter().map(|(_, value)| value).sum();
    let off = BAND * levels.relative_error * growing_doubt(days.len());
    Outlook {
        low: sum * (1.0 - off).max(0.0),
        high: sum * (1.0 + off),
        days,
        sum,
        method: Method::Levels,
    }
}

/// What a fortnight was off by grows with the square root of the time ahead.
#[expect(clippy::cast_precision_loss, reason = "days")]
fn growing_doubt(days: usize) -> f64 {
    (days as f64 / 14.0).sqrt().clamp(0.5, 4.0)
}

/// Takes single bursts down to what is usual around them: they are use, but no level.
fn tame(known: &[(NaiveDate, f64)], shape: &Shape, calendar: &BusinessCalendar) -> Vec<(NaiveDate, f64)> {
    let plain: Vec<f64> = known
        .iter()
        .map(|(day, value)| value / shape.at(*day, calendar).max(0.05))
        .collect();
    let tamed = known.iter().enumerate().map(|(nth, (day, value))| {
        let mut near: Vec<f64> = plain[nth.saturating_sub(4)..(nth + 5).min(plain.len())].to_vec();
        near.sort_by(f64::total_cmp);
        let usual = near[near.len() / 2] * shape.at(*day, calendar).max(0.05);
        (*day, if *value > 3.0 * usual { 1.5 * usual } else { *value })
    });
    tamed.collect()
}

/// The spans, weighted by how well each has foreseen.
struct Levels {
    /// For each half-life, without and with growth.
    weights: [[f64; 2]; HALF_LIVES.len()],
    relative_error: f64,
}

impl Levels {
    fn weigh(known: &[(NaiveDate, f64)], shape: &Shape, calendar: &BusinessCalendar) -> Self {
        let mut errors = [[0.0; 2]; HALF_LIVES.len()];
        let mut turnover = 0.0;
        let mut tries = 0.0;
        // From every third day of the last six weeks: the days that followed, a fortnight at most.
        let first = known.len().saturating_sub(42).max(10);
        for origin in (first..known.len().saturating_sub(4)).step_by(3) {
            let (before, after) = known.split_at(origin);
            let after = &after[..after.len().min(14)];
            let Some((start, _)) = after.first() else { continue };
            let real: f64 = after.iter().map(|(_, value)| value).sum();
            for (nth, half_life) in HALF_LIVES.iter().enumerate() {
                let level = level(before, *half_life, shape, calendar);
                let growth = growth(before, shape, calendar);
                for (with_growth, error) in errors[nth].iter_mut().enumerate() {
                    let expected: f64 = after
                        .iter()
                        .map(|(day, _)| level * grown(growth, with_growth, *start, *day) * shape.at(*day, calendar))
                        .sum();
                    *error += (expected - real).abs();
                }
            }
            turnover += real;
            tries += 1.0;
        }
        if turnover <= 0.0 || tries < 3.0 {
            return Self {
                weights: [[0.125; 2]; HALF_LIVES.len()],
                relative_error: 0.3,
            };
        }
        let mut weights = errors.map(|pair| pair.map(|error| 1.0 / (error / turnover + 0.01).powi(3)));
        let all: f64 = weights.iter().flatten().sum();
        weights.iter_mut().flatten().for_each(|weight| *weight /= all);
        let mixed = weights.iter().flatten().zip(errors.iter().flatten());
        Self {
            relative_error: mixed.map(|(weight, error)| weight * error / turnover).sum::<f64>() * 1.25,
            weights,
        }
    }

    fn expect(
        &self,
        known: &[(NaiveDate, f64)],
        day: NaiveDate,
        from: NaiveDate,
        shape: &Shape,
        calendar: &BusinessCalendar,
    ) -> f64 {
        let growth = growth(known, shape, calendar);
        let mut expected = 0.0;
        for (half_life, weights) in HALF_LIVES.iter().zip(&self.weights) {
            let level = level(known, *half_life, shape, calendar);
            for (with_growth, weight) in weights.iter().enumerate() {
                expected += weight * level * grown(growth, with_growth, from, day);
            }
        }
        expected * shape.at(day, calendar)
    }
}

/// The mean business day, newer days counting more.
fn level(known: &[(NaiveDate, f64)], half_life: f64, shape: &Shape, calendar: &BusinessCalendar) -> f64 {
    let (mut sum, mut all, mut age) = (0.0, 0.0, 0.0);
    for (day, value) in known.iter().rev() {
        let part = shape.at(*day, calendar);
        let weight = 0.5_f64.powf(age / half_life);
        sum += weight * value;
        all += weight * part;
        age += part.min(1.0);
    }
    if all > 0.0 { sum / all } else { 0.0 }
}

/// Growth a week: the last fortnight against the one before.
fn growth(known: &[(NaiveDate, f64)], shape: &Shape, calendar: &BusinessCalendar) -> f64 {
    if known.len() < 28 {
        return 0.0;
    }
    let plain = |days: &[(NaiveDate, f64)]| {
        let (sum, parts) = days.iter().fold((0.0, 0.0), |(sum, parts), (day, value)| {
            (sum + value, parts + shape.at(*day, calendar))
        });
        if parts > 0.0 { sum / parts } else { 0.0 }
    };
    let (before, after) = known[known.len() - 28..].split_at(14);
    let (before, after) = (plain(before), plain(after));
    if before <= 0.0 || after <= 0.0 {
        return 0.0;
    }
    ((after / before).ln() / 2.0).clamp(-GROWTH_MAX, GROWTH_MAX)
}

/// How much a level has grown on a day: less each week.
#[expect(clippy::cast_precision_loss, reason = "days")]
fn grown(growth: f64, with_growth: usize, from: NaiveDate, day: NaiveDate) -> f64 {
    if with_growth == 0 {
        return 1.0;
    }
    // The level is that of about a week before.
    let weeks = (day - from).num_days() as f64 / 7.0 + 1.0;
    let damped = DAMPING * (1.0 - DAMPING.powf(weeks)) / (1.0 - DAMPING);
    (growth * damped).exp()
}

#[cfg(test)]
mod tests;
