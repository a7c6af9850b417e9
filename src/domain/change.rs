//! Why an amount changed from one month to another: parts that add up to the change.
//!
//! Own usage in dollars is taken apart by volume, model mix, routing mix (kind of token, route, tier, context inside a model) and
//! price, each with the later month's tokens and the earlier month's prices; then by the exchange rate.  Every other column is a part
//! of its own.

use std::collections::{BTreeMap, BTreeSet};

use num_bigint::BigInt;

use super::books::Column;
use super::money::{Amount, Ratio};

/// Usage of a department in a month, by what makes its price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// None: usage that is no tokens of a model.
    pub model: Option<String>,
    pub segment: String,
    pub tokens: i64,
    pub cost: Amount,
}

/// A department's month.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MonthOf {
    pub segments: Vec<Segment>,
    /// In the currency of the chargeback.
    pub columns: BTreeMap<Column, Amount>,
    /// The column of adjustments by the kind of pool.
    pub adjustments: BTreeMap<&'static str, Amount>,
}

/// One reason, in the currency of the chargeback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    pub name: &'static str,
    /// Of usage.
    pub model: Option<String>,
    pub amount: Amount,
}

/// The columns besides own usage, each a part of its own.
const OTHER_COLUMNS: [(&str, Column); 7] = [
    ("allocation", Column::Allocated),
    ("other charges", Column::Other),
    ("discounts", Column::Discounts),
    ("credits", Column::Credits),
    ("refunds", Column::Refunds),
    ("tax", Column::Tax),
    ("accruals", Column::Accruals),
];

/// Kinds of adjustments, each a part of its own.
const ADJUSTMENTS: [(&str, &str); 4] = [
    ("true-ups of earlier months", "true_up"),
    ("disputes of earlier months", "reclass"),
    ("manual pools", "manual"),
    ("exchange difference", "exchange_difference"),
];

impl MonthOf {
    /// Everything besides own usage, by name.
    fn others(&self) -> impl Iterator<Item = (&'static str, Amount)> {
        let columns = OTHER_COLUMNS
            .iter()
            .map(|(name, column)| (*name, self.columns.get(column).copied().unwrap_or_default()));
        let adjustments = ADJUSTMENTS
            .iter()
            .map(|(name, kind)| (*name, self.adjustments.get(kind).copied().unwrap_or_default()));
        columns.chain(adjustments)
    }

    fn direct(&self) -> Amount {
        self.columns.get(&Column::Direct).copied().unwrap_or_default()
    }

    pub fn total(&self) -> Amount {
        self.columns.values().copied().sum()
    }
}

type Sums<'s> = BTreeMap<&'s str, BTreeMap<&'s str, (i64, Amount)>>;

fn by_model(month: &MonthOf) -> (Sums<'_>, Amount) {
    let mut models: Sums<'_> = BTreeMap::new();
    let mut other = Amount::ZERO;
    for segment in &month.segments {
        match segment.model.as_deref().filter(|_| segment.tokens > 0) {
            Some(model) => {
                let sums = models.entry(model).or_default().entry(&segment.segment).or_default();
                *sums = (sums.0 + segment.tokens, sums.1 + segment.cost);
            }
            None => other += segment.cost,
        }
    }
    (models, other)
}

/// `cost * tokens / of_tokens`, cut at the twelfth decimal.
fn scaled(cost: Amount, tokens: i64, of_tokens: i64) -> Amount {
    if of_tokens == 0 {
        return Amount::ZERO;
    }
    let units = BigInt::from(cost.units()) * tokens / of_tokens;
    Amount::from_units(i128::try_from(units).unwrap_or_default())
}

/// The parts of a change, those of usage by model.  They add up to it, to the last unit.
pub fn reasons(before: &MonthOf, after: &MonthOf) -> Vec<Reason> {
    let (then, other_then) = by_model(before);
    let (now, other_now) = by_model(after);
    let nothing = BTreeMap::new();
    let sum = |segments: &BTreeMap<&str, (i64, Amount)>| {
        segments.values().fold((0, Amount::ZERO), |sums, (tokens, cost)| {
            (sums.0 + tokens, sums.1 + *cost)
        })
    };
    let all = |models: &Sums<'_>| {
        models
            .values()
            .map(sum)
            .fold((0, Amount::ZERO), |sums, (tokens, cost)| {
                (sums.0 + tokens, sums.1 + cost)
            })
    };
    let ((tokens_then, cost_then), (tokens_now, cost_now)) = (all(&then), all(&now));
    let models: BTreeSet<&str> = then.keys().chain(now.keys()).copied().collect();
    let mut dollars: Vec<(&'static str, Option<&str>, Amount)> = Vec::new();
    for model in models {
        let (known, segments) = (then.get(model).unwrap_or(&nothing), now.get(model).unwrap_or(&nothing));
        let ((own_tokens_then, own_then), (own_tokens_now, own_now)) = (sum(known), sum(segments));
        // What it would have cost had every model grown alike; with its own tokens; and with its own segments.
        let at_average = if tokens_then == 0 {
            own_now
        } else {
            scaled(own_then, tokens_now, tokens_then)
        };
        // A model that was not there before has its own price: it is a matter of the mix.
        let at_model = match known.is_empty() {
            true => own_now,
            false => scaled(own_then, own_tokens_now, own_tokens_then),
        };
        let at_segments: Amount = match known.is_empty() {
            true => own_now,
            false => segments
                .iter()
                .map(|(segment, (tokens, cost))| {
                    known
                        .get(segment)
                        .map_or(*cost, |(known, price)| scaled(*price, *tokens, *known))
                })
                .sum(),
        };
        dollars.extend([
            ("volume", Some(model), at_average - own_then),
            ("model mix", Some(model), at_model - at_average),
            ("routing mix", Some(model), at_segments - at_model),
            ("price", Some(model), own_now - at_segments),
        ]);
    }
    dollars.push(("usage that is no tokens", None, other_now - other_then));
    // In the later currency at the earlier month's rate; the rest of the change of own usage is the rate's.
    let (usd_then, usd_now) = (cost_then + other_then, cost_now + other_now);
    let in_yen = |usd: Amount| {
        let (yen, of) = if usd_then.is_zero() {
            (after.direct(), usd_now)
        } else {
            (before.direct(), usd_then)
        };
        if of.is_zero() {
            return Amount::ZERO;
        }
        let units = BigInt::from(usd.units()) * yen.units() / of.units();
        Amount::from_units(i128::try_from(units).unwrap_or_default())
    };
    let mut reasons: Vec<Reason> = dollars
        .into_iter()
        .map(|(name, model, usd)| Reason {
            name,
            model: model.map(str::to_owned),
            amount: in_yen(usd),
        })
        .collect();
    let explained: Amount = reasons.iter().map(|reason| reason.amount).sum();
    reasons.push(Reason {
        name: "exchange rate and rounding",
        model: None,
        amount: after.direct() - before.direct() - explained,
    });
    let others = before.others().zip(after.others());
    reasons.extend(others.map(|((name, then), (_, now))| Reason {
        name,
        model: None,
        amount: now - then,
    }));
    let all: Amount = reasons.iter().map(|reason| reason.amount).sum();
    assert_eq!(
        all,
        after.total() - before.total(),
        "the reasons of a change add up to it"
    );
    reasons.retain(|reason| !reason.amount.is_zero());
    reasons
}

/// Why a month is not what was budgeted: own usage at the budget's own rate by model, the exchange rate, and every other column.
/// The parts add up to the month less the budget.
pub fn reasons_against_budget(budget: Amount, rate: Ratio, month: &MonthOf) -> Vec<Reason> {
    let mut models: BTreeMap<Option<&str>, Amount> = BTreeMap::new();
    for segment in &month.segments {
        *models.entry(segment.model.as_deref()).or_default() += segment.cost;
    }
    let of_month = |name, amount| Reason {
        name,
        model: None,
        amount,
    };
    let mut reasons = vec![of_month("the budget", -budget)];
    reasons.extend(models.iter().map(|(model, usd)| Reason {
        name: "usage at the budget's rate",
        model: model.map(str::to_owned),
        amount: rate.exact(*usd),
    }));
    let at_rate: Amount = reasons[1..].iter().map(|reason| reason.amount).sum();
    reasons.push(of_month("exchange rate and rounding", month.direct() - at_rate));
    reasons.extend(month.others().map(|(name, amount)| of_month(name, amount)));
    let all: Amount = reasons.iter().map(|reason| reason.amount).sum();
    assert_eq!(
        all,
        month.total() - budget,
        "the reasons against a budget add up to the difference"
    );
    reasons.retain(|reason| !reason.amount.is_zero());
    reasons
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amount(text: &str) -> Amount {
        Amount::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    fn month(segments: &[(&str, &str, i64, &str)], direct: i128) -> MonthOf {
        let of = |(model, segment, tokens, cost): &(&str, &str, i64, &str)| Segment {
            model: Some((*model).to_owned()).filter(|model| !model.is_empty()),
            segment: (*segment).to_owned(),
            tokens: *tokens,
            cost: amount(cost),
        };
        MonthOf {
            segments: segments.iter().map(of).collect(),
            columns: BTreeMap::from([(Column::Direct, Amount::from_whole(direct))]),
            adjustments: BTreeMap::new(),
        }
    }

    fn of(name: &str, reasons: &[Reason]) -> String {
        let found = reasons.iter().filter(|reason| reason.name == name);
        found.map(|reason| reason.amount).sum::<Amount>().to_string()
    }

    /// 100 tokens of opus for 10 and 100 of haiku for 2, at 100 yen; then 300 and 100, opus dearer by a tenth, at 110 yen.
    #[test]
    fn a_change_is_taken_apart() {
        let before = month(&[("opus", "input", 100, "10"), ("haiku", "input", 100, "2")], 1_200);
        let after = month(&[("opus", "input", 300, "33"), ("haiku", "input", 100, "2")], 3_850);
        let found = reasons(&before, &after);
        // 400 tokens at the old average of 0.06 are 24; at the old prices by model 32; they cost 35.
        assert_eq!(of("volume", &found), "1200");
        assert_eq!(of("model mix", &found), "800");
        assert_eq!(of("routing mix", &found), "0");
        assert_eq!(of("price", &found), "300");
        // By model: all of the price is opus's, and haiku had its share of the growth without growing.
        let by_model = |name: &str| -> Vec<(Option<&str>, String)> {
            let own = found.iter().filter(|reason| reason.name == name);
            own.map(|reason| (reason.model.as_deref(), reason.amount.to_string()))
                .collect()
        };
        assert_eq!(by_model("price"), [(Some("opus"), "300".to_owned())]);
        assert_eq!(
            by_model("model mix"),
            [(Some("haiku"), "-200".to_owned()), (Some("opus"), "1000".to_owned())]
        );
        // 35 dollars, ten yen dearer each.
        assert_eq!(of("exchange rate and rounding", &found), "350");
    }

    #[test]
    fn a_new_model_is_mix_and_a_new_department_volume() {
        let before = month(&[("opus", "input", 100, "10")], 1_000);
        let after = month(&[("opus", "input", 100, "10"), ("sonnet", "input", 100, "6")], 1_600);
        let found = reasons(&before, &after);
        assert_eq!(
            (of("volume", &found), of("model mix", &found)),
            ("1000".to_owned(), "-400".to_owned())
        );
        let found = reasons(&MonthOf::default(), &after);
        assert_eq!(of("volume", &found), "1600");
    }

    proptest! {
        #[test]
        fn reasons_add_up(parts in prop::collection::vec((0_u8..4, 0_u8..3, 0_i64..1_000, -1_000_000_i64..1_000_000), 0..20), cut in 0_usize..20, yen in prop::array::uniform4(-1_000_000_i64..1_000_000)) {
            let segments: Vec<Segment> = parts.into_iter().map(|(model, segment, tokens, cost)| Segment {
                model: (model > 0).then(|| format!("m{model}")),
                segment: format!("s{segment}"),
                tokens,
                cost: Amount::from_units(i128::from(cost) * 1_000_000_007),
            }).collect();
            let cut = cut.min(segments.len());
            let columns = |direct: i64, tax: i64| BTreeMap::from([(Column::Direct, Amount::from_whole(direct.into())), (Column::Tax, Amount::from_whole(tax.into()))]);
            let before = MonthOf { segments: segments[..cut].to_vec(), columns: columns(yen[0], yen[1]), adjustments: BTreeMap::new() };
            let after = MonthOf { segments: segments[cut..].to_vec(), columns: columns(yen[2], yen[3]), adjustments: BTreeMap::new() };
            // It asserts that they do.
            prop_assert!(reasons(&before, &after).iter().all(|reason| !reason.amount.is_zero()));
        }
    }
}
