//! Days that cost unusually much, by what is usual on days of their kind, and why.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate};

use super::calendar::BusinessCalendar;
use super::forecast::projection::{History, KnownDays};
use super::money::{Amount, Ratio};
use super::named::named;

/// Days on end, with only days off between, that cost unusually much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Episode {
    pub from: NaiveDate,
    pub last: NaiveDate,
    /// The day that is furthest from what is usual.
    pub day: NaiveDate,
    pub cost: Amount,
    pub usual: Amount,
    /// A settled business day after it was as usual again.
    pub is_over: bool,
}

/// Episodes are looked for so far back; what is usual needs as much again.
const LOOKED_BACK: u64 = 30;
const USUAL_DAYS: usize = 20;
/// Fewer days of a kind say nothing about what is usual.
const USUAL_DAYS_MIN: usize = 5;
/// As many days of its own weekday are a better measure than all business days.
const WEEKDAYS_MIN: usize = 4;
/// Times the median deviation, of which a normal distribution's standard deviation is 1.48.
const DEVIATIONS: i128 = 6;

/// Finds the episodes of the last weeks, the oldest first.
pub fn episodes(history: &History, known: &KnownDays, least: Amount, calendar: &BusinessCalendar) -> Vec<Episode> {
    let end = known.delivered.last().copied().unwrap_or(known.settled_to);
    let mut found: Vec<Episode> = Vec::new();
    for day in (end - Days::new(LOOKED_BACK)).iter_days().take_while(|day| *day <= end) {
        let judged = usual(history, known, day, calendar);
        let cost = history.days.get(&day).copied().unwrap_or(Amount::ZERO);
        let is_off = !calendar.is_business_day(day);
        let is_unusual = judged.is_some_and(|(usual, bound)| cost > bound && cost - usual >= least);
        let open = found.last_mut().filter(|episode| !episode.is_over);
        match (is_unusual, judged, open) {
            (true, Some((usual, _)), Some(episode)) => {
                episode.last = day;
                if cost - usual > episode.cost - episode.usual {
                    (episode.day, episode.cost, episode.usual) = (day, cost, usual);
                }
            }
            (true, Some((usual, _)), None) => found.push(Episode {
                from: day,
                last: day,
                day,
                cost,
                usual,
                is_over: false,
            }),
            // A day that settles may still become one, and a day off ends nothing.
            (false, Some(_), Some(episode)) if !is_off && day < known.settled_to => episode.is_over = true,
            _ => {}
        }
    }
    found
}

/// What days of a kind cost before a day, and beyond what a day is unusual; none where too few are known.
fn usual(
    history: &History,
    known: &KnownDays,
    day: NaiveDate,
    calendar: &BusinessCalendar,
) -> Option<(Amount, Amount)> {
    let is_business = calendar.is_business_day(day);
    let before = known.delivered.range(..day).rev().filter(|of| **of < known.settled_to);
    let of_kind: Vec<NaiveDate> = before
        .copied()
        .filter(|of| calendar.is_business_day(*of) == is_business)
        .take(USUAL_DAYS)
        .collect();
    // Days before the first use are no days without use.
    let first = *history.days.iter().find(|(_, cost)| cost.units() > 0)?.0;
    let of_kind: Vec<NaiveDate> = of_kind.into_iter().filter(|of| *of >= first).collect();
    if of_kind.len() < USUAL_DAYS_MIN {
        return None;
    }
    let of_weekday: Vec<NaiveDate> = of_kind
        .iter()
        .copied()
        .filter(|of| of.weekday() == day.weekday())
        .collect();
    let days = if of_weekday.len() >= WEEKDAYS_MIN {
        &of_weekday
    } else {
        &of_kind
    };
    let cost = |of: &NaiveDate| history.days.get(of).copied().unwrap_or(Amount::ZERO);
    let middle = median(days.iter().map(cost).collect());
    // How far days are apart is measured on more of them.
    let apart = median(
        of_kind
            .iter()
            .map(|of| Amount::from_units((cost(of) - middle).units().abs()))
            .collect(),
    );
    let bound = middle + Amount::from_units((apart.units() * DEVIATIONS).max(middle.units() / 2));
    Some((middle, bound))
}

fn median(mut amounts: Vec<Amount>) -> Amount {
    amounts.sort();
    amounts.get(amounts.len() / 2).copied().unwrap_or(Amount::ZERO)
}

named! {
    /// What makes a day dearer than usual.
    Because {
        Volume = "volume",
        Model = "model",
        Route = "route",
    }
}

/// Tokens and cost of a model by a route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    pub tokens: i64,
    pub cost: Amount,
}

/// By model and route.
pub type Parts = BTreeMap<(String, String), Part>;

/// Why a day was dearer than a usual one, and by which model most.
pub fn because(day: &Parts, usual: &Parts) -> (Because, String) {
    let sum = |parts: &Parts, model: Option<&str>| {
        let of = parts
            .iter()
            .filter(|((name, _), _)| model.is_none_or(|model| model == name));
        of.fold(Part::default(), |sum, (_, part)| Part {
            tokens: sum.tokens + part.tokens,
            cost: sum.cost + part.cost,
        })
    };
    let priced = |tokens: i64, of: Part| -> Amount {
        let price = Ratio::of_total(i128::from(tokens), Amount::from_units(i128::from(of.tokens).max(1)));
        price.map_or(Amount::ZERO, |share| {
            Amount::from_units(share.exact(of.cost).units() / Amount::from_whole(1).units())
        })
    };
    let models: Vec<&str> = distinct(day.keys().map(|(model, _)| model.as_str()));
    let (all, all_usual) = (sum(day, None), sum(usual, None));
    // At the usual price of all, at the usual price of each model, and as it was.
    let by_volume = priced(all.tokens, all_usual);
    let by_model: Amount = models
        .iter()
        .map(|model| {
            let (now, before) = (sum(day, Some(model)), sum(usual, Some(model)));
            if before.tokens > 0 {
                priced(now.tokens, before)
            } else {
                now.cost
            }
        })
        .sum();
    let (volume, model, route) = (by_volume - all_usual.cost, by_model - by_volume, all.cost - by_model);
    let because = [
        (Because::Volume, volume),
        (Because::Model, model),
        (Because::Route, route),
    ];
    let strongest = because.into_iter().max_by_key(|(_, amount)| *amount);
    let dearest = models.into_iter().max_by_key(|model| sum(day, Some(model)).cost);
    (
        strongest.map_or(Because::Volume, |(because, _)| because),
        dearest.unwrap_or("other").to_owned(),
    )
}

fn distinct<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
    texts.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    /// 100 dollars on business days, 10 on others, from August to 20 October, and what is said of some days.
    fn used(odd: &[(&str, i128)]) -> (History, KnownDays) {
        let calendar = BusinessCalendar::default();
        let days = day("2026-08-03").iter_days().take_while(|of| *of <= day("2026-10-20"));
        let cost = |of: NaiveDate| {
            let told = odd.iter().find(|(text, _)| day(text) == of).map(|(_, cost)| *cost);
            // Days are never quite alike.
            told.unwrap_or(if calendar.is_business_day(of) {
                100 + i128::from(of.day() % 5)
            } else {
                10
            })
        };
        let history = History {
            days: days.map(|of| (of, Amount::from_whole(cost(of)))).collect(),
        };
        let known = KnownDays {
            delivered: history.days.keys().copied().collect(),
            settled_to: day("2026-10-18"),
        };
        (history, known)
    }

    fn found(odd: &[(&str, i128)], least: i128) -> Vec<(String, String, i128, bool)> {
        let (history, known) = used(odd);
        let episodes = episodes(
            &history,
            &known,
            Amount::from_whole(least),
            &BusinessCalendar::default(),
        );
        let told = episodes.into_iter();
        told.map(|of| {
            (
                of.from.to_string(),
                of.last.to_string(),
                of.cost.whole().unwrap_or(0),
                of.is_over,
            )
        })
        .collect()
    }

    fn episode(from: &str, last: &str, cost: i128, is_over: bool) -> (String, String, i128, bool) {
        (from.to_owned(), last.to_owned(), cost, is_over)
    }

    #[test]
    fn an_unusual_stretch_is_one_episode_and_ends_by_itself() {
        assert_eq!(found(&[], 20), []);
        // Thursday, Friday and, after a usual weekend, Monday.
        let stretch = [("2026-10-08", 300), ("2026-10-09", 400), ("2026-10-12", 350)];
        assert_eq!(found(&stretch, 20), [episode("2026-10-08", "2026-10-12", 400, true)]);
        // A Sunday like a business day is unusual; a business day like a Sunday is not dear.
        assert_eq!(
            found(&[("2026-10-11", 100), ("2026-10-13", 10)], 20),
            [episode("2026-10-11", "2026-10-11", 100, true)]
        );
        // Not settled yet, and not over.
        assert_eq!(
            found(&[("2026-10-20", 300)], 20),
            [episode("2026-10-20", "2026-10-20", 300, false)]
        );
    }

    #[test]
    fn small_amounts_and_short_histories_say_nothing() {
        assert_eq!(found(&[("2026-10-08", 300)], 250), []);
        let (mut history, known) = used(&[("2026-10-08", 300)]);
        history.days.retain(|of, _| *of >= day("2026-10-05"));
        assert_eq!(
            episodes(&history, &known, Amount::from_whole(20), &BusinessCalendar::default()),
            []
        );
    }

    #[test]
    fn a_dear_day_is_explained_by_volume_model_or_route() {
        let parts = |all: &[(&str, &str, i64, i128)]| -> Parts {
            let part = |(model, route, tokens, cost): &(&str, &str, i64, i128)| {
                let part = Part {
                    tokens: *tokens,
                    cost: Amount::from_whole(*cost),
                };
                ((model.to_string(), route.to_string()), part)
            };
            all.iter().map(part).collect()
        };
        let usual = parts(&[("sonnet", "global", 900, 90), ("opus", "global", 20, 10)]);
        let of = |day: &[(&str, &str, i64, i128)]| because(&parts(day), &usual);
        assert_eq!(
            of(&[("sonnet", "global", 2_700, 270), ("opus", "global", 60, 30)]),
            (Because::Volume, "sonnet".to_owned())
        );
        assert_eq!(
            of(&[("sonnet", "global", 500, 50), ("opus", "global", 420, 210)]),
            (Because::Model, "opus".to_owned())
        );
        assert_eq!(
            of(&[("sonnet", "regional", 900, 150), ("opus", "global", 20, 10)]),
            (Because::Route, "sonnet".to_owned())
        );
    }
}
