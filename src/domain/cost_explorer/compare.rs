//! The bill against Cost Explorer, day by day and service by service; every difference is named, with its reason if known.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::AskedDay;
use crate::domain::charge::BEDROCK_EDITION_SUFFIX;
use crate::domain::finding::{Finding, Severity};
use crate::domain::freshness::{MARKETPLACE_SETTLING_HOURS, SETTLING_HOURS};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

/// Cost Explorer rounds each of its sums at the tenth decimal; below this a difference is that rounding.
const ROUNDING: Amount = Amount::from_units(1_000_000);
/// An estimate is asked again after a week; until then an older one may differ from a younger bill.
const ESTIMATE_IS_YOUNG: TimeDelta = TimeDelta::days(8);

/// What Cost Explorer calls the service of a line.
pub fn service_of(product_code: Option<&str>, product_name: Option<&str>) -> String {
    match (product_code, product_name) {
        (_, Some(name)) if name.ends_with(BEDROCK_EDITION_SUFFIX) => name.to_owned(),
        (Some("AmazonBedrock"), _) => "Amazon Bedrock".to_owned(),
        (Some("AmazonBedrockService" | "AmazonBedrockFoundationModels"), _) => "Amazon Bedrock Service".to_owned(),
        (_, Some(name)) => name.to_owned(),
        (Some(code), None) => code.to_owned(),
        (None, None) => "no service".to_owned(),
    }
}

/// An amount of the bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BilledDay {
    pub day: NaiveDate,
    pub service: String,
    pub charge_type: String,
    pub currency: String,
    pub cost: Amount,
}

/// An amount of Cost Explorer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplorerDay {
    pub day: NaiveDate,
    pub service: String,
    /// As the bill spells it.
    pub charge_type: String,
    pub currency: String,
    pub cost: Amount,
}

/// How old both sides are.
#[derive(Debug, Clone, Default)]
pub struct Ages {
    /// Days that Cost Explorer was asked for, of months whose bill is loaded.
    pub asked: BTreeMap<NaiveDate, AskedDay>,
    /// When the loaded delivery of each month was made.
    pub delivered_at: BTreeMap<BillingPeriod, DateTime<Utc>>,
}

impl Ages {
    /// Whether a day was complete on both sides when they were made.
    fn is_settled(&self, day: NaiveDate, hours: i64) -> bool {
        let complete = (day + Days::new(1)).and_time(NaiveTime::MIN).and_utc() + TimeDelta::hours(hours);
        let (asked, delivered) = (self.asked.get(&day), self.delivered_at.get(&BillingPeriod::of(day)));
        asked.is_some_and(|asked| asked.fetched_at >= complete) && delivered.is_some_and(|at| *at >= complete)
    }

    /// Whether Cost Explorer's side is an estimate that will soon be asked again.
    fn is_young_estimate(&self, day: NaiveDate) -> bool {
        let until = day.and_time(NaiveTime::MIN).and_utc() + ESTIMATE_IS_YOUNG;
        self.asked
            .get(&day)
            .is_some_and(|asked| asked.is_estimated && asked.fetched_at < until)
    }
}

/// Why two amounts differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Settling,
    DifferentAge,
    OnlyInBill,
    OnlyInCostExplorer,
    DayNotInBill,
    TaxApart,
    OtherDays,
    Unexplained,
}

#[derive(Debug, Clone, Default)]
struct Pair {
    billed: Option<Amount>,
    explorer: Option<Amount>,
}

impl Pair {
    fn difference(&self) -> Amount {
        self.explorer.unwrap_or_default() - self.billed.unwrap_or_default()
    }

    fn differs(&self) -> bool {
        let units = self.difference().units();
        units.abs() > ROUNDING.units()
    }
}

type Pairs = BTreeMap<(NaiveDate, String, String, String), Pair>;

/// What differs, by day, service, charge type and currency; only days that Cost Explorer was asked for.
fn pair(billed: &[BilledDay], explorer: &[ExplorerDay], ages: &Ages) -> Pairs {
    let mut pairs = Pairs::new();
    for own in billed.iter().filter(|own| ages.asked.contains_key(&own.day)) {
        let key = (
            own.day,
            own.service.clone(),
            own.charge_type.clone(),
            own.currency.clone(),
        );
        *pairs.entry(key).or_default().billed.get_or_insert_default() += own.cost;
    }
    for other in explorer.iter().filter(|other| ages.asked.contains_key(&other.day)) {
        let key = (
            other.day,
            other.service.clone(),
            other.charge_type.clone(),
            other.currency.clone(),
        );
        *pairs.entry(key).or_default().explorer.get_or_insert_default() += other.cost;
    }
    pairs.retain(|_, pair| pair.differs());
    pairs
}

/// Usage, day by day and service by service.
pub fn compare_usage(billed: &[BilledDay], explorer: &[ExplorerDay], ages: &Ages) -> Vec<(BillingPeriod, Finding)> {
    let services_of = |days: &mut dyn Iterator<Item = (NaiveDate, &String)>| -> BTreeSet<(BillingPeriod, String)> {
        days.map(|(day, service)| (BillingPeriod::of(day), service.clone()))
            .collect()
    };
    let in_bill = services_of(&mut billed.iter().map(|own| (own.day, &own.service)));
    let in_explorer = services_of(&mut explorer.iter().map(|other| (other.day, &other.service)));
    let differing = pair(billed, explorer, ages)
        .into_iter()
        .map(|((day, service, charge_type, currency), pair)| {
            let month = (BillingPeriod::of(day), service);
            let is_edition = month.1.ends_with(BEDROCK_EDITION_SUFFIX);
            let hours = if is_edition {
                MARKETPLACE_SETTLING_HOURS
            } else {
                SETTLING_HOURS
            };
            let reason = if !ages.is_settled(day, hours) {
                Reason::Settling
            } else if !in_explorer.contains(&month) {
                Reason::OnlyInBill
            } else if !in_bill.contains(&month) {
                Reason::OnlyInCostExplorer
            } else if pair.billed.is_none() {
                Reason::DayNotInBill
            } else if ages.is_young_estimate(day) {
                Reason::DifferentAge
            } else {
                Reason::Unexplained
            };
            (day, month.1, charge_type, currency, reason, pair)
        });
    report(differing)
}

/// Everything that is not usage: credits, tax, refunds, discounts.  Months count; within one, AWS books them on other days.
pub fn compare_records(billed: &[BilledDay], explorer: &[ExplorerDay], ages: &Ages) -> Vec<(BillingPeriod, Finding)> {
    let mut months: BTreeMap<(BillingPeriod, String, String, String), Amount> = BTreeMap::new();
    let pairs = pair(billed, explorer, ages);
    for ((day, service, charge_type, currency), pair) in &pairs {
        let key = (
            BillingPeriod::of(*day),
            service.clone(),
            charge_type.clone(),
            currency.clone(),
        );
        *months.entry(key).or_default() += pair.difference();
    }
    let differing = pairs.into_iter().map(|((day, service, charge_type, currency), pair)| {
        let key = (
            BillingPeriod::of(day),
            service.clone(),
            charge_type.clone(),
            currency.clone(),
        );
        let whole_month = months.get(&key).copied().unwrap_or_default();
        let reason = if charge_type == "Tax" && pair.explorer.is_none() {
            Reason::TaxApart
        } else if whole_month.units().abs() <= ROUNDING.units() {
            Reason::OtherDays
        } else if !ages.is_settled(day, SETTLING_HOURS) {
            Reason::Settling
        } else if ages.is_young_estimate(day) {
            Reason::DifferentAge
        } else {
            Reason::Unexplained
        };
        (day, service, charge_type, currency, reason, pair)
    });
    report(differing)
}

/// Usage by the value of a principal tag: days and sums only, because a value can be a person.
pub fn compare_tag(
    tag: &str,
    billed: &BTreeMap<(NaiveDate, String), Amount>,
    explorer: &BTreeMap<(NaiveDate, String), Amount>,
    ages: &Ages,
) -> Vec<(BillingPeriod, Finding)> {
    let mut months: BTreeMap<BillingPeriod, (Vec<NaiveDate>, Amount)> = BTreeMap::new();
    let keys: BTreeSet<&(NaiveDate, String)> = billed.keys().chain(explorer.keys()).collect();
    for key in keys {
        let amount_in = |side: &BTreeMap<(NaiveDate, String), Amount>| side.get(key).copied().unwrap_or_default();
        let difference = amount_in(explorer) - amount_in(billed);
        let is_settled = ages.is_settled(key.0, MARKETPLACE_SETTLING_HOURS) && !ages.is_young_estimate(key.0);
        if is_settled && difference.units().abs() > ROUNDING.units() {
            let (days, sum) = months.entry(BillingPeriod::of(key.0)).or_default();
            *sum += Amount::from_units(difference.units().abs());
            if days.last() != Some(&key.0) {
                days.push(key.0);
            }
        }
    }
    let findings = months.into_iter().map(|(period, (days, sum))| {
        let shown: Vec<String> = days.iter().map(|day| day.format("%-d %b").to_string()).collect();
        let message = format!(
            "Cost Explorer and the bill give {sum} USD of usage to other values of the tag (or to none) on {}",
            shown.join(", ")
        );
        let action = "nothing where the tag was activated in these days; else compare them in the console";
        let finding = Finding::new("cost_explorer_tag_differs", Severity::Info, tag, message, action);
        let lines = i64::try_from(days.len()).unwrap_or(i64::MAX);
        (period, finding.with_cost(sum, "USD", lines))
    });
    findings.collect()
}

type Differing = (NaiveDate, String, String, String, Reason, Pair);

/// One finding a month, service, charge type and reason, which names each of its days.
fn report(differing: impl Iterator<Item = Differing>) -> Vec<(BillingPeriod, Finding)> {
    type Group = (BillingPeriod, String, String, String, Reason);
    let mut groups: BTreeMap<Group, Vec<(NaiveDate, Amount)>> = BTreeMap::new();
    for (day, service, charge_type, currency, reason, pair) in differing {
        let key = (BillingPeriod::of(day), service, charge_type, currency, reason);
        groups.entry(key).or_default().push((day, pair.difference()));
    }
    let findings = groups
        .into_iter()
        .map(|((period, service, charge_type, currency, reason), days)| {
            let total = days.iter().fold(Amount::ZERO, |sum, (_, amount)| sum + *amount);
            let each: Vec<String> = days
                .iter()
                .map(|(day, amount)| format!("{} {amount}", day.format("%-d %b")))
                .collect();
            let (severity, why, action) = in_words(reason);
            let message = format!(
                "Cost Explorer less the bill, {charge_type} in {currency}: {}; {why}",
                each.join(", ")
            );
            let finding = Finding::new("cost_explorer_differs", severity, service, message, action);
            let lines = i64::try_from(days.len()).unwrap_or(i64::MAX);
            (period, finding.with_cost(total, &currency, lines))
        });
    findings.collect()
}

const fn in_words(reason: Reason) -> (Severity, &'static str, &'static str) {
    match reason {
        Reason::Settling => (
            Severity::Info,
            "these days are still arriving on both sides",
            "nothing; the next comparisons look again",
        ),
        Reason::DifferentAge => (
            Severity::Info,
            "Cost Explorer's figure is an estimate of the first days, which is asked again",
            "nothing; the next comparisons look again",
        ),
        Reason::OnlyInBill => (
            Severity::Warning,
            "Cost Explorer does not show this service, the bill does",
            "check that Cost Explorer is asked in the payer account of this bill",
        ),
        Reason::OnlyInCostExplorer => (
            Severity::Error,
            "the bill's export has no line of this service: money may be missing",
            "check that the export covers the whole payer, and its column list",
        ),
        Reason::DayNotInBill => (
            Severity::Error,
            "the bill has no line of this service on these days, on others it has: money may be missing",
            "wait for the next delivery; if it stays, check the health of the export in AWS Data Exports",
        ),
        Reason::TaxApart => (
            Severity::Info,
            "Cost Explorer counts tax under a service of its own",
            "nothing",
        ),
        Reason::OtherDays => (
            Severity::Info,
            "the month agrees, the days do not: AWS books such lines on other days here and there",
            "nothing",
        ),
        Reason::Unexplained => (
            Severity::Warning,
            "no reason is known",
            "compare the days in the console; if it stays for a week, ask AWS Support",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDITION: &str = "Claude Sonnet 4.6 (Amazon Bedrock Edition)";

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    fn amount(text: &str) -> Amount {
        Amount::parse(text).unwrap_or_default()
    }

    fn billed(day: &str, service: &str, charge_type: &str, cost: &str) -> BilledDay {
        BilledDay {
            day: day.parse().unwrap_or_default(),
            service: service.to_owned(),
            charge_type: charge_type.to_owned(),
            currency: "USD".to_owned(),
            cost: amount(cost),
        }
    }

    fn explorer(day: &str, service: &str, charge_type: &str, cost: &str) -> ExplorerDay {
        let BilledDay {
            day,
            service,
            charge_type,
            currency,
            cost,
        } = billed(day, service, charge_type, cost);
        ExplorerDay {
            day,
            service,
            charge_type,
            currency,
            cost,
        }
    }

    /// All of November, asked and delivered on the twenty-first; what is before the tenth is final.
    fn ages() -> Ages {
        let month: BillingPeriod = "2026-11".parse().unwrap_or_else(|e| panic!("{e}"));
        let asked = month.days().iter().map(|day| {
            let is_estimated = day >= "2026-11-10".parse().unwrap_or_default();
            let fetched_at = at("2026-11-22T03:00:00Z");
            (
                day,
                AskedDay {
                    is_estimated,
                    fetched_at,
                },
            )
        });
        Ages {
            asked: asked.collect(),
            delivered_at: [(month, at("2026-11-22T05:00:00Z"))].into(),
        }
    }

    type Compare = fn(&[BilledDay], &[ExplorerDay], &Ages) -> Vec<(BillingPeriod, Finding)>;

    fn check(compare: Compare, own: &[BilledDay], other: &[ExplorerDay], expected: &[(&str, &str, &str)]) {
        let found = compare(own, other, &ages());
        let told: Vec<(String, String, bool)> = found
            .iter()
            .zip(expected)
            .map(|((_, f), (.., why))| {
                let amount = f.amount.map(|a| a.to_string()).unwrap_or_default();
                (f.subject.clone(), amount, f.message.contains(why))
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(s, a, _)| ((*s).to_owned(), (*a).to_owned(), true))
            .collect();
        assert_eq!((found.len(), told), (expected.len(), expected), "{found:#?}");
    }

    #[test]
    fn equal_days_say_nothing_and_a_rounding_is_none() {
        check(
            compare_usage,
            &[billed("2026-11-03", "Amazon Bedrock", "Usage", "1.000000000049")],
            &[explorer("2026-11-03", "Amazon Bedrock", "Usage", "1.0")],
            &[],
        );
    }

    #[test]
    fn every_difference_is_named_with_its_reason() {
        check(
            compare_usage,
            &[
                billed("2026-11-21", "Amazon Bedrock", "Usage", "5"),
                billed("2026-11-03", "Amazon Bedrock", "Usage", "5"),
                billed("2026-11-04", "Amazon Bedrock", "Usage", "5"),
                billed("2026-11-19", EDITION, "Usage", "1"),
                billed("2026-11-01", "Only Bill", "Usage", "2"),
                billed("2026-11-16", "Amazon Bedrock", "Usage", "1"),
            ],
            &[
                explorer("2026-11-21", "Amazon Bedrock", "Usage", "3"),
                explorer("2026-11-03", "Amazon Bedrock", "Usage", "5.25"),
                explorer("2026-11-04", "Amazon Bedrock", "Usage", "4"),
                explorer("2026-11-19", EDITION, "Usage", "0.5"),
                explorer("2026-11-02", "Only Explorer", "Usage", "7"),
                explorer("2026-11-16", "Amazon Bedrock", "Usage", "1.5"),
                explorer("2026-11-12", "Amazon Bedrock", "Usage", "5000"),
            ],
            &[
                ("Amazon Bedrock", "-2", "still arriving"),
                ("Amazon Bedrock", "0.5", "an estimate of the first days"),
                ("Amazon Bedrock", "5000", "money may be missing"),
                ("Amazon Bedrock", "-0.75", "3 Nov 0.25, 4 Nov -1; no reason is known"),
                (EDITION, "-0.5", "still arriving"),
                ("Only Bill", "-2", "Cost Explorer does not show this service"),
                ("Only Explorer", "7", "money may be missing"),
            ],
        );
    }

    #[test]
    fn tax_stands_apart_and_credits_may_fall_on_other_days() {
        check(
            compare_records,
            &[
                billed("2026-11-01", "Amazon Bedrock", "Tax", "1"),
                billed("2026-11-01", "Amazon Bedrock", "Credit", "-3"),
                billed("2026-11-02", "Amazon Bedrock", "Refund", "-1"),
            ],
            &[explorer("2026-11-05", "Amazon Bedrock", "Credit", "-3")],
            &[
                ("Amazon Bedrock", "0", "the month agrees"),
                ("Amazon Bedrock", "1", "no reason is known"),
                ("Amazon Bedrock", "-1", "a service of its own"),
            ],
        );
    }

    #[test]
    fn values_of_a_tag_are_compared_and_never_named() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap_or_default();
        let side = |rows: &[(&str, &str, &str)]| -> BTreeMap<(NaiveDate, String), Amount> {
            rows.iter()
                .map(|(d, value, cost)| ((day(d), (*value).to_owned()), amount(cost)))
                .collect()
        };
        let bill = side(&[("2026-11-03", "taro", "5"), ("2026-11-04", "taro", "1")]);
        let explorer = side(&[
            ("2026-11-03", "", "5"),
            ("2026-11-04", "taro", "1"),
            ("2026-11-21", "jun", "9"),
        ]);
        let found = compare_tag("iamPrincipal/user", &bill, &explorer, &ages());
        assert_eq!(found.len(), 1);
        assert!(
            found[0].1.message.contains("10 USD") && found[0].1.message.ends_with("on 3 Nov"),
            "{found:?}"
        );
        assert!(!found[0].1.message.contains("taro"));
    }

    #[test]
    fn services_are_called_as_cost_explorer_calls_them() {
        for (code, name, service) in [
            (Some("AmazonBedrock"), None, "Amazon Bedrock"),
            (
                Some("AmazonBedrockService"),
                Some("Amazon Bedrock Service"),
                "Amazon Bedrock Service",
            ),
            (Some("7zgyu5r4uonlsrnaq20qq63eo"), Some(EDITION), EDITION),
            (Some("x"), None, "x"),
            (None, None, "no service"),
        ] {
            assert_eq!(service_of(code, name), service);
        }
    }
}
