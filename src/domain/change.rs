//! Why an amount changed from one month to another: parts that add up to the change.
//!
//! Own usage in dollars is taken apart by volume, model mix, routing mix (kind of token, route, tier, context inside a model) and
//! price, each with the later month's tokens and the earlier month's prices; then by the exchange rate.  Every other column is a part
//! of its own.

use std::collections::BTreeMap;

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
}

/// One reason, in the currency of the chargeback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    pub name: &'static str,
    pub amount: Amount,
}

/// The columns besides own usage, each a part of its own.
const OTHER_COLUMNS: [(&str, Column); 8] = [
    ("allocation", Column::Allocated),
    ("other charges", Column::Other),
    ("discounts", Column::Discounts),
    ("credits", Column::Credits),
    ("refunds", Column::Refunds),
    ("tax", Column::Tax),
    ("true-ups and adjustments", Column::Adjustments),
    ("accruals", Column::Accruals),
];

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

/// The parts of a change.  They add up to it, to the last unit.
pub fn reasons(before: &MonthOf, after: &MonthOf) -> Vec<Reason> {
    let column = |month: &MonthOf, column| month.columns.get(&column).copied().unwrap_or_default();
    let (then, other_then) = by_model(before);
    let (now, other_now) = by_model(after);
    let sum = |models: &Sums<'_>| {
        let all = models.values().flat_map(BTreeMap::values);
        all.fold((0, Amount::ZERO), |sums, (tokens, cost)| {
            (sums.0 + tokens, sums.1 + *cost)
        })
    };
    let ((tokens_then, cost_then), (tokens_now, cost_now)) = (sum(&then), sum(&now));
    // What the later month's tokens would have cost at the earlier month's average, by model, and by segment.
    let at_average = if tokens_then == 0 {
        cost_now
    } else {
        scaled(cost_then, tokens_now, tokens_then)
    };
    let (mut at_models, mut at_segments) = (Amount::ZERO, Amount::ZERO);
    for (model, segments) in &now {
        let of_model = segments.values().fold((0, Amount::ZERO), |sums, (tokens, cost)| {
            (sums.0 + tokens, sums.1 + *cost)
        });
        let Some(known) = then.get(model) else {
            // A model that was not there before has its own price: it is a matter of the mix.
            at_models += of_model.1;
            at_segments += of_model.1;
            continue;
        };
        let before = known.values().fold((0, Amount::ZERO), |sums, (tokens, cost)| {
            (sums.0 + tokens, sums.1 + *cost)
        });
        at_models += scaled(before.1, of_model.0, before.0);
        for (segment, (tokens, cost)) in segments {
            at_segments += known
                .get(segment)
                .map_or(*cost, |(known, price)| scaled(*price, *tokens, *known));
        }
    }
    let dollars = [
        ("volume", at_average - cost_then),
        ("model mix", at_models - at_average),
        ("routing mix", at_segments - at_models),
        ("price", cost_now - at_segments),
        ("usage that is no tokens", other_now - other_then),
    ];
    // In the later currency at the earlier month's rate; the rest of the change of own usage is the rate's.
    let (direct_then, direct_now) = (column(before, Column::Direct), column(after, Column::Direct));
    let usd_then = cost_then + other_then;
    let usd_now = cost_now + other_now;
    let in_yen = |usd: Amount| {
        let (yen, of) = if usd_then.is_zero() {
            (direct_now, usd_now)
        } else {
            (direct_then, usd_then)
        };
        if of.is_zero() {
            return Amount::ZERO;
        }
        let units = BigInt::from(usd.units()) * yen.units() / of.units();
        Amount::from_units(i128::try_from(units).unwrap_or_default())
    };
    let mut reasons: Vec<Reason> = dollars
        .iter()
        .map(|(name, usd)| Reason {
            name,
            amount: in_yen(*usd),
        })
        .collect();
    let explained: Amount = reasons.iter().map(|reason| reason.amount).sum();
    reasons.push(Reason {
        name: "exchange rate and rounding",
        amount: direct_now - direct_then - explained,
    });
    for (name, of) in OTHER_COLUMNS {
        reasons.push(Reason {
            name,
            amount: column(after, of) - column(before, of),
        });
    }
    let total = |month: &MonthOf| month.columns.values().copied().sum::<Amount>();
    let all: Amount = reasons.iter().map(|reason| reason.amount).sum();
    assert_eq!(
        all,
        total(after) - total(before),
        "the reasons of a change add up to it"
    );
    reasons
}

/// Why a month is not what was budgeted: own usage at the budget's own rate by model, the exchange rate, and every other column.
/// The parts add up to the month less the budget.
pub fn reasons_against_budget(budget: Amount, rate: Ratio, month: &MonthOf) -> Vec<BudgetReason> {
    let mut models: BTreeMap<Option<&str>, Amount> = BTreeMap::new();
    for segment in &month.segments {
        *models.entry(segment.model.as_deref()).or_default() += segment.cost;
    }
    let mut reasons = vec![BudgetReason {
        name: "the budget",
        model: None,
        amount: -budget,
    }];
    reasons.extend(models.iter().map(|(model, usd)| BudgetReason {
        name: "usage at the budget's rate",
        model: model.map(str::to_owned),
        amount: rate.exact(*usd),
    }));
    let at_rate: Amount = reasons[1..].iter().map(|reason| reason.amount).sum();
    let of = |column| month.columns.get(&column).copied().unwrap_or_default();
    let mut push = |name, amount: Amount| {
        reasons.push(BudgetReason {
            name,
            model: None,
            amount,
        });
    };
    push("exchange rate and rounding", of(Column::Direct) - at_rate);
    for (name, column) in OTHER_COLUMNS {
        push(name, of(column));
    }
    let total: Amount = month.columns.values().copied().sum();
    let all: Amount = reasons.iter().map(|reason| reason.amount).sum();
    assert_eq!(
        all,
        total - budget,
        "the reasons against a budget add up to the difference"
    );
    reasons.retain(|reason| !reason.amount.is_zero());
    reasons
}

/// One reason against a budget, in yen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetReason {
    pub name: &'static str,
    /// Of usage.
    pub model: Option<String>,
    pub amount: Amount,
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
        }
    }

    fn of(name: &str, reasons: &[Reason]) -> String {
        let found = reasons.iter().find(|reason| reason.name == name);
        found.map(|reason| reason.amount.to_string()).unwrap_or_default()
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
            let before = MonthOf { segments: segments[..cut].to_vec(), columns: columns(yen[0], yen[1]) };
            let after = MonthOf { segments: segments[cut..].to_vec(), columns: columns(yen[2], yen[3]) };
            // It asserts that they do.
            prop_assert!(reasons(&before, &after).len() == 14);
        }
    }
}
