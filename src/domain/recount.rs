//! The same lines summed on two routes: what the files hold, what is stored, and what is answered must agree.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::charge::{BEDROCK_EDITION_SUFFIX, BEDROCK_PRODUCT_CODES};
use super::finding::{Finding, Severity};
use super::money::Amount;

/// Sums are compared at the tenth decimal.
const TENTH_DECIMAL: i128 = 100;
/// A double holds an amount to one part in so many, and then some.
const DOUBLE_PRECISION: i128 = 1 << 50;

/// Lines and cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub lines: i64,
    pub cost: Amount,
}

impl Sum {
    pub fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.cost += other.cost;
    }

    fn agrees_with(self, other: Self) -> bool {
        // A double of a million has no tenth decimal: two routes may read its last bit differently.
        let last_bit = self.cost.units().abs() / DOUBLE_PRECISION;
        self.lines == other.lines && (self.cost - other.cost).units().abs() < TENTH_DECIMAL + last_bit
    }
}

/// A day of a charge type in one currency, of one product or of all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecountKey {
    pub day: NaiveDate,
    /// None for all products together.
    pub product_code: Option<String>,
    pub charge_type: String,
    pub currency: String,
}

pub type Sums = BTreeMap<RecountKey, Sum>;

/// Stored sums: of all lines, and of Bedrock's by product.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    pub sums: Sums,
    /// Names of product codes, where a line says one.
    pub product_names: BTreeMap<String, String>,
    /// What pages and API answer for Bedrock's lines, by each roll-up that they read.
    pub answered: Vec<Answered>,
}

/// A sum of a roll-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub roll_up: String,
    /// None for the whole month.
    pub day: Option<NaiveDate>,
    pub charge_type: String,
    pub currency: String,
    pub sum: Sum,
}

/// Every difference by day and service.  `recounted` has a product code in each key.
pub fn compare(recounted: &Sums, stored: &Stored) -> Vec<Finding> {
    let mut expected = Sums::new();
    for (key, sum) in recounted {
        let every_product = RecountKey {
            product_code: None,
            ..key.clone()
        };
        expected.entry(every_product).or_default().add(*sum);
        if key
            .product_code
            .as_deref()
            .is_some_and(|code| is_all_bedrock(code, stored))
        {
            expected.entry(key.clone()).or_default().add(*sum);
        }
    }
    let is_comparable = |key: &RecountKey| {
        key.product_code
            .as_deref()
            .is_none_or(|code| is_all_bedrock(code, stored))
    };
    let held: Sums = stored
        .sums
        .iter()
        .filter(|(key, _)| is_comparable(key))
        .map(|(k, s)| (k.clone(), *s))
        .collect();
    let mut findings = differences(&expected, &held, stored);
    findings.extend(compare_answers(stored));
    findings
}

/// Stored charges against each roll-up that answers are read from.
fn compare_answers(stored: &Stored) -> Vec<Finding> {
    /// Roll-up, day (or the whole month), charge type, currency.
    type AnswerKey<'s> = (&'s str, Option<NaiveDate>, &'s str, &'s str);
    let mut expected: BTreeMap<AnswerKey<'_>, Sum> = BTreeMap::new();
    for (key, sum) in stored.sums.iter().filter(|(key, _)| key.product_code.is_some()) {
        let (charge_type, currency) = (key.charge_type.as_str(), key.currency.as_str());
        let mut add = |roll_up, day| {
            expected
                .entry((roll_up, day, charge_type, currency))
                .or_default()
                .add(*sum)
        };
        add("department_days", Some(key.day));
        add("department_months", None);
        if charge_type == "Usage" {
            add("person_model_months", None);
        }
    }
    let mut answered: BTreeMap<AnswerKey<'_>, Sum> = BTreeMap::new();
    for row in &stored.answered {
        let key = (
            row.roll_up.as_str(),
            row.day,
            row.charge_type.as_str(),
            row.currency.as_str(),
        );
        answered.entry(key).or_default().add(row.sum);
    }
    let keys: std::collections::BTreeSet<&AnswerKey<'_>> = expected.keys().chain(answered.keys()).collect();
    let found = keys.into_iter().filter_map(|key| {
        let sum_in = |sums: &BTreeMap<AnswerKey<'_>, Sum>| sums.get(key).copied().unwrap_or_default();
        let (a, b) = (sum_in(&expected), sum_in(&answered));
        if a.agrees_with(b) {
            return None;
        }
        let (roll_up, day, charge_type, currency) = key;
        let when = day.map_or_else(|| "the month".to_owned(), |day| day.to_string());
        let message = format!(
            "{charge_type} of {when}: stored are {} {currency} in {} lines, answered are {} in {} lines ({roll_up})",
            a.cost, a.lines, b.cost, b.lines
        );
        let finding = Finding::new(
            "recount_differs",
            Severity::Error,
            format!("{when} all services"),
            message,
            ACTION,
        );
        Some(finding.with_cost(b.cost - a.cost, currency, b.lines - a.lines))
    });
    found.collect()
}

/// Products of which every line is Bedrock; of others a rule may have caught some lines only.
fn is_all_bedrock(code: &str, stored: &Stored) -> bool {
    let named = stored.product_names.get(code);
    BEDROCK_PRODUCT_CODES.contains(&code) || named.is_some_and(|name| name.ends_with(BEDROCK_EDITION_SUFFIX))
}

const ACTION: &str =
    "load the month again with 'anbun ingest cur LOCATION --force'; if it stays, report it with both figures";

fn differences(first: &Sums, second: &Sums, stored: &Stored) -> Vec<Finding> {
    let keys: std::collections::BTreeSet<&RecountKey> = first.keys().chain(second.keys()).collect();
    let found = keys.into_iter().filter_map(|key| {
        let sum_in = |sums: &Sums| sums.get(key).copied().unwrap_or_default();
        let (a, b) = (sum_in(first), sum_in(second));
        if a.agrees_with(b) {
            return None;
        }
        let service = match &key.product_code {
            None => "all services",
            Some(code) => stored.product_names.get(code).unwrap_or(code),
        };
        let message = format!(
            "{} of {}, {}: the files say {} {} in {} lines, stored are {} in {} lines",
            key.charge_type, key.day, service, a.cost, key.currency, a.lines, b.cost, b.lines
        );
        let finding = Finding::new(
            "recount_differs",
            Severity::Error,
            format!("{} {service}", key.day),
            message,
            ACTION,
        );
        Some(finding.with_cost(b.cost - a.cost, &key.currency, b.lines - a.lines))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(day: u32, code: Option<&str>) -> RecountKey {
        RecountKey {
            day: NaiveDate::from_ymd_opt(2026, 10, day).unwrap_or_default(),
            product_code: code.map(str::to_owned),
            charge_type: "Usage".to_owned(),
            currency: "USD".to_owned(),
        }
    }

    fn sum(lines: i64, cost: &str) -> Sum {
        let cost = Amount::parse(cost).unwrap_or_default();
        Sum { lines, cost }
    }

    /// Every roll-up answers so many lines and so much for the one day.
    fn answer(stored: &mut Stored, lines: &str, cost: &str) {
        let roll_ups = [
            ("department_days", Some(key(3, None).day)),
            ("department_months", None),
            ("person_model_months", None),
        ];
        let answered = roll_ups.map(|(roll_up, day)| Answered {
            roll_up: roll_up.to_owned(),
            day,
            charge_type: "Usage".to_owned(),
            currency: "USD".to_owned(),
            sum: sum(lines.parse().unwrap_or(0), cost),
        });
        stored.answered = answered.to_vec();
    }

    /// Two products: one is Bedrock's, of the other nothing is.
    fn agreeing() -> (Sums, Stored) {
        let recounted = Sums::from([
            (key(3, Some("AmazonBedrock")), sum(2, "0.25")),
            (key(3, Some("AmazonEC2")), sum(5, "7")),
        ]);
        let stored = Stored {
            sums: Sums::from([
                (key(3, None), sum(7, "7.25")),
                (key(3, Some("AmazonBedrock")), sum(2, "0.25")),
            ]),
            product_names: BTreeMap::new(),
            answered: Vec::new(),
        };
        let mut stored = stored;
        answer(&mut stored, "2", "0.25");
        (recounted, stored)
    }

    fn subjects(recounted: &Sums, stored: &Stored) -> Vec<String> {
        compare(recounted, stored)
            .into_iter()
            .map(|finding| finding.subject)
            .collect()
    }

    #[test]
    fn equal_sums_say_nothing_and_the_eleventh_decimal_is_no_difference() {
        let (mut recounted, stored) = agreeing();
        assert_eq!(subjects(&recounted, &stored), Vec::<String>::new());
        recounted.insert(key(3, Some("AmazonEC2")), sum(5, "7.00000000004"));
        assert_eq!(subjects(&recounted, &stored), Vec::<String>::new());
        assert!(sum(1, "2000000.01").agrees_with(sum(1, "2000000.0100000003")));
        assert!(!sum(1, "2000.01").agrees_with(sum(1, "2000.0100000003")));
    }

    #[test]
    fn each_difference_names_its_day_and_service() {
        let (recounted, mut stored) = agreeing();
        stored.answered[0].sum = sum(2, "0.24");
        assert_eq!(subjects(&recounted, &stored), ["2026-10-03 all services"]);
        stored.answered[0].sum = sum(2, "0.25");
        for month in [1, 2] {
            let was = std::mem::replace(&mut stored.answered[month].sum, sum(1, "0.25"));
            assert_eq!(subjects(&recounted, &stored), ["the month all services"], "{month}");
            stored.answered[month].sum = was;
        }
        let (mut recounted, stored) = agreeing();
        recounted.insert(key(3, Some("AmazonBedrock")), sum(2, "0.2500000001"));
        assert_eq!(
            subjects(&recounted, &stored),
            ["2026-10-03 all services", "2026-10-03 AmazonBedrock"]
        );
        let (mut recounted, stored) = agreeing();
        recounted.insert(key(4, Some("AmazonBedrock")), sum(1, "0"));
        assert_eq!(
            subjects(&recounted, &stored),
            ["2026-10-04 all services", "2026-10-04 AmazonBedrock"]
        );
        let (recounted, mut stored) = agreeing();
        stored.sums.remove(&key(3, None));
        assert_eq!(subjects(&recounted, &stored), ["2026-10-03 all services"]);
    }

    /// A line of another product that only its operation makes Bedrock.
    #[test]
    fn a_product_that_is_bedrock_in_part_is_compared_in_the_whole_only() {
        let (mut recounted, mut stored) = agreeing();
        recounted.insert(key(3, Some("AmazonEC2")), sum(6, "8"));
        stored.sums.insert(key(3, None), sum(8, "8.25"));
        stored.sums.insert(key(3, Some("AmazonEC2")), sum(1, "1"));
        answer(&mut stored, "3", "1.25");
        assert_eq!(subjects(&recounted, &stored), Vec::<String>::new());
    }
}
