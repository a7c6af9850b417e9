//! Exchange rates with their dates and sources, and the policy that says which one a month uses.
//!
//! A month is at the policy's rate until its invoices are recorded; then each invoice's own yen are divided and no rate
//! multiplies anything.  There is no default rate: a policy that finds none says so.

use chrono::{Datelike, NaiveDate, Weekday};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Severity};
use super::named::named;
use super::period::BillingPeriod;

named! {
    /// What a rate is.
    RateKind {
        /// The company's own rate (社内レート), from its date until the next.
        Planning = "planning",
        /// The bank's middle rate.
        Ttm = "ttm",
        Tts = "tts",
        Ttb = "ttb",
        /// Between banks, as the Bank of Japan publishes it: no TTM.
        Interbank = "interbank",
    }
}

named! {
    /// Of which day a policy takes the rate.
    DateRule {
        /// The last published on or before the month's last day.
        MonthEnd = "month_end",
        /// The same of the month before.
        PreviousMonthEnd = "previous_month_end",
        /// The first published on or after the month's first day.
        MonthStart = "month_start",
        /// The plain average of the month's published rates.
        MonthAverage = "month_average",
    }
}

/// Yen for a dollar on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    pub kind: RateKind,
    pub date: NaiveDate,
    pub value: Decimal,
    pub source: String,
    pub set_by: String,
}

/// Which rate months from one on use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatePolicy {
    pub valid_from: BillingPeriod,
    pub kind: RateKind,
    pub date_rule: DateRule,
    pub set_by: String,
}

/// A USD/JPY rate outside this range is a slip of the keys, or the currencies swapped.
pub const PLAUSIBLE_RATES: (i64, i64) = (50, 500);

/// Decimals that a rate may have.
const RATE_SCALE_MAX: u32 = 8;

/// Why a rate is refused; `accepted` lets an odd one pass, never a zero.
pub fn check_rate(value: Decimal, accepted: bool) -> Result<(), String> {
    let (low, high) = PLAUSIBLE_RATES;
    if value <= Decimal::ZERO {
        return Err(format!("a rate of {value} is none: write how many yen a dollar costs"));
    }
    if value.normalize().scale() > RATE_SCALE_MAX || value >= Decimal::from(1_000_000) {
        return Err(format!("{value} has too many digits for a rate"));
    }
    if !accepted && (value < Decimal::from(low) || value > Decimal::from(high)) {
        return Err(format!(
            "{value} yen for a dollar is outside {low} to {high}; are the currencies swapped? Repeat it with --accept if it is right"
        ));
    }
    Ok(())
}

/// The rate that a month is converted at, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateUsed {
    pub value: Decimal,
    pub kind: RateKind,
    pub date: Option<NaiveDate>,
    pub source: String,
}

/// What departments are charged at once the invoices of a month are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargebackRate {
    /// At what the invoices come to.
    Invoice,
    /// At the planning rate; what the invoices come to besides is a pool of its own, the exchange difference.
    Planning,
}

/// What the settings say about yen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct YenRates {
    /// For months for which no rate is recorded.
    pub planning_default: Decimal,
    pub charged_at: ChargebackRate,
}

/// Every rate and policy there is.
#[derive(Debug, Clone)]
pub struct RateBook {
    pub rates: Vec<Rate>,
    pub policies: Vec<RatePolicy>,
    /// The settings' planning rate, for months for which no other is set.
    pub planning_default: Decimal,
}

/// Banks publish no rate on weekends, holidays and at New Year; one of longer before the end of a month is not its rate.
const LOOK_BACK_DAYS: u64 = 5;
/// The first rate of a month comes after New Year's holidays at the latest.
const LOOK_AHEAD_DAYS: u64 = 10;

impl RateBook {
    /// The recorded rate of a kind and day.
    pub fn find(&self, kind: RateKind, date: NaiveDate) -> Option<&Rate> {
        self.rates.iter().find(|rate| rate.kind == kind && rate.date == date)
    }

    /// The rate of a month before its invoices.  Where the policy finds none, the planning rate stands in and is said to.
    pub fn resolve(&self, period: BillingPeriod) -> (RateUsed, Option<Finding>) {
        let policy = self
            .policies
            .iter()
            .filter(|policy| policy.valid_from <= period)
            .max_by_key(|p| p.valid_from);
        match policy {
            Some(policy) if policy.kind != RateKind::Planning => match self.by_policy(policy, period) {
                Some(used) => {
                    let late = later_bank_day(policy, period, &used);
                    (used, late)
                }
                None => (self.planning(period), Some(missing(policy, period))),
            },
            _ => {
                let planning = self.planning(period);
                let unsaid = planning.date.is_none().then(|| nobody_said(period));
                (planning, unsaid)
            }
        }
    }

    /// The company's own rate in a month.
    pub fn planning(&self, period: BillingPeriod) -> RateUsed {
        let set = self
            .rates
            .iter()
            .filter(|rate| rate.kind == RateKind::Planning && rate.date < period.days().to);
        match set.max_by_key(|rate| rate.date) {
            Some(rate) => used(rate),
            None => RateUsed {
                value: self.planning_default,
                kind: RateKind::Planning,
                date: None,
                source: "[currency] planning_rate".to_owned(),
            },
        }
    }

    fn by_policy(&self, policy: &RatePolicy, period: BillingPeriod) -> Option<RateUsed> {
        let published = || self.rates.iter().filter(|rate| rate.kind == policy.kind);
        let until = |to: NaiveDate| {
            let oldest = to - chrono::Days::new(LOOK_BACK_DAYS);
            published()
                .filter(|rate| rate.date < to && rate.date >= oldest)
                .max_by_key(|rate| rate.date)
                .map(used)
        };
        let days = period.days();
        match policy.date_rule {
            DateRule::MonthEnd => until(days.to),
            DateRule::PreviousMonthEnd => until(days.from),
            DateRule::MonthStart => {
                let newest = days.from + chrono::Days::new(LOOK_AHEAD_DAYS);
                published()
                    .filter(|rate| rate.date >= days.from && rate.date < newest)
                    .min_by_key(|rate| rate.date)
                    .map(used)
            }
            DateRule::MonthAverage => {
                let of_month: Vec<&Rate> = published().filter(|rate| days.contains(rate.date)).collect();
                let last = of_month.iter().map(|rate| rate.date).max()?;
                let sum: Decimal = of_month.iter().map(|rate| rate.value).sum();
                Some(RateUsed {
                    value: sum.checked_div(Decimal::from(of_month.len()))?.round_dp(4).normalize(),
                    kind: policy.kind,
                    date: Some(last),
                    source: format!("average of {} rates, {}", of_month.len(), of_month.first()?.source),
                })
            }
        }
    }
}

fn used(rate: &Rate) -> RateUsed {
    RateUsed {
        value: rate.value,
        kind: rate.kind,
        date: Some(rate.date),
        source: rate.source.clone(),
    }
}

/// The policy's rate is not there.
pub const RATE_MISSING: &str = "rate_missing";

/// The settings' rate is a guess until somebody records it as theirs.
pub fn nobody_said(period: BillingPeriod) -> Finding {
    Finding::new(
        RATE_MISSING,
        Severity::Info,
        "planning rate of the settings",
        format!("no rate is recorded for {period} and no policy names one; yen are at [currency] planning_rate"),
        "record it with 'anbun rates set', or a policy with 'anbun rates policy set'",
    )
}

fn missing(policy: &RatePolicy, period: BillingPeriod) -> Finding {
    Finding::new(
        RATE_MISSING,
        Severity::Warning,
        format!("{} by {}", policy.kind, policy.date_rule),
        format!("the rate that the policy asks for {period} is not recorded; yen are at the planning rate"),
        "record it with 'anbun rates set' or 'anbun rates import'",
    )
}

/// A rate of the end of a month after which there was another weekday: a bank holiday, or a rate that nobody has recorded.
fn later_bank_day(policy: &RatePolicy, period: BillingPeriod, used: &RateUsed) -> Option<Finding> {
    let end = match policy.date_rule {
        DateRule::MonthEnd => period.days().to,
        DateRule::PreviousMonthEnd => period.days().from,
        DateRule::MonthStart | DateRule::MonthAverage => return None,
    };
    let after = used.date?.succ_opt()?.iter_days().take_while(|day| *day < end);
    let last = after
        .filter(|day| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun))
        .last()?;
    Some(Finding::new(
        "rate_before_month_end",
        Severity::Info,
        format!("{} by {}", policy.kind, policy.date_rule),
        format!(
            "the rate is of {}, and {last} was a weekday: right if the bank was closed",
            used.date?
        ),
        "record the rate of that day if there is one, with 'anbun rates set'",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(kind: RateKind, date: &str, value: &str) -> Rate {
        Rate {
            kind,
            date: date.parse().unwrap_or_else(|_| panic!("{date}")),
            value: value.parse().unwrap_or_else(|_| panic!("{value}")),
            source: "MUFG".to_owned(),
            set_by: "clerk".to_owned(),
        }
    }

    fn book(kind: RateKind, date_rule: DateRule) -> RateBook {
        RateBook {
            rates: vec![
                rate(RateKind::Ttm, "2026-09-30", "158"),
                rate(RateKind::Ttm, "2026-10-01", "159"),
                rate(RateKind::Ttm, "2026-10-30", "160"),
                rate(RateKind::Ttm, "2026-11-02", "170"),
                rate(RateKind::Planning, "2026-10-01", "155"),
            ],
            policies: vec![RatePolicy {
                valid_from: "2026-10".parse().unwrap_or_else(|e| panic!("{e}")),
                kind,
                date_rule,
                set_by: "clerk".to_owned(),
            }],
            planning_default: Decimal::from(150),
        }
    }

    fn resolved(kind: RateKind, date_rule: DateRule, period: &str) -> (String, bool) {
        let (used, finding) = book(kind, date_rule).resolve(period.parse().unwrap_or_else(|e| panic!("{e}")));
        (used.value.to_string(), finding.is_some())
    }

    #[test]
    fn a_policy_takes_the_rate_of_its_day() {
        let of = |rule, period| resolved(RateKind::Ttm, rule, period);
        assert_eq!(of(DateRule::MonthEnd, "2026-10"), ("160".to_owned(), false));
        assert_eq!(of(DateRule::PreviousMonthEnd, "2026-10"), ("158".to_owned(), false));
        assert_eq!(of(DateRule::MonthStart, "2026-10"), ("159".to_owned(), false));
        assert_eq!(of(DateRule::MonthAverage, "2026-10"), ("159.5".to_owned(), false));
        // Friday's holds on the last day, a Saturday.  Had the bank told none on Friday, that is said beside Thursday's.
        let mut thursday = book(RateKind::Ttm, DateRule::MonthEnd);
        thursday.rates[2].date = "2026-10-29".parse().unwrap_or_default();
        let (used, said) = thursday.resolve("2026-10".parse().unwrap_or_else(|e| panic!("{e}")));
        assert_eq!(used.value, Decimal::from(160));
        assert!(said.is_some_and(|said| said.code == "rate_before_month_end" && said.message.contains("2026-10-30")));
        // A rate of the second is not November's last.
        assert_eq!(of(DateRule::MonthEnd, "2026-11"), ("155".to_owned(), true));
        // Before the policy, and before any planning rate was set.
        assert_eq!(of(DateRule::MonthEnd, "2026-09"), ("150".to_owned(), true));
        assert_eq!(
            resolved(RateKind::Planning, DateRule::MonthEnd, "2026-11"),
            ("155".to_owned(), false)
        );
        assert_eq!(
            resolved(RateKind::Tts, DateRule::MonthEnd, "2026-10"),
            ("155".to_owned(), true)
        );
    }

    #[test]
    fn odd_rates_need_a_second_word() {
        let check = |text: &str, accepted| check_rate(text.parse().unwrap_or_default(), accepted);
        assert!(check("0", true).is_err() && check("-150", true).is_err() && check("0.000000001", true).is_err());
        assert!(check("0.0066", false).is_err_and(|e| e.contains("--accept")));
        assert!(check("0.0066", true).is_ok() && check("159.91", false).is_ok() && check("501", false).is_err());
    }
}
