//! Exact money: a decimal at twelve places, and its conversion into parts that add up to their total.
//!
//! Owns the one conversion from the binary doubles of a bill to decimals, and the one way to round.
//! Must never hold money in a float, and never round anywhere but in `to_whole`, `convert_parts` and `split`.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};

use num_bigint::BigInt;
use rust_decimal::Decimal;

/// Decimal places that every stored amount has.  AWS bills nine to ten; twelve leave room for rates per token.
pub const SCALE: u32 = 12;
const UNIT: i128 = 1_000_000_000_000;

/// A line of this much or more is no amount of money but a damaged file.
pub const LINE_LIMIT: f64 = 1e9;

/// An exact amount in units of 10^-12, without a currency.  Sums are integer sums, so order never matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i128);

impl Amount {
    pub const ZERO: Self = Self(0);

    /// From units of 10^-12.
    pub const fn from_units(units: i128) -> Self {
        Self(units)
    }

    /// In units of 10^-12.
    pub const fn units(self) -> i128 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The decimal that the double's shortest round-trip text spells, at twelve places, half to even.
    ///
    /// `None` for what is not a finite number or is too large to be stored exactly.
    pub fn from_double(value: f64) -> Option<Self> {
        // With at most fifteen digits the shortest text is the only decimal of that length which reads back as this
        // double: so an integer that divides back to it is that text.  Most of a bill takes one of these two ways.
        for (factor, units) in [(1e12, 1), (1e10, 100)] {
            let scaled = (value * factor).round_ties_even();
            if scaled.abs() < 1e15 && scaled / factor == value {
                #[expect(clippy::cast_possible_truncation, reason = "below 10^15")]
                return Some(Self(i128::from(scaled as i64) * units));
            }
        }
        if !value.is_finite() || value.abs() >= 1e24 {
            return None;
        }
        Self::parse(ryu::Buffer::new().format_finite(value))
    }

    /// Reads plain or scientific decimal text; digits past the twelfth place are rounded half to even.
    pub fn parse(text: &str) -> Option<Self> {
        let (body, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, body) = match body.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, body),
        };
        let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut digits: i128 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            if !byte.is_ascii_digit() {
                return None;
            }
            digits = digits.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
        }
        let shift = i32::try_from(SCALE).ok()?.checked_add(exponent)?;
        let shift = shift.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let units = if shift >= 0 {
            digits.checked_mul(10_i128.checked_pow(shift.unsigned_abs())?)?
        } else {
            match 10_i128.checked_pow(shift.unsigned_abs()) {
                Some(divisor) => divide_half_even(digits, divisor),
                None => 0,
            }
        };
        Some(Self(if negative { -units } else { units }))
    }

    /// `None` where the amount has more digits than a `Decimal` can hold.
    pub fn to_decimal(self) -> Option<Decimal> {
        Decimal::try_from_i128_with_scale(self.0, SCALE).ok()
    }

    /// Reads a decimal exactly; digits past the twelfth place are rounded half to even.
    pub fn from_decimal(value: Decimal) -> Option<Self> {
        let scale = value.scale();
        let mantissa = value.mantissa();
        if scale <= SCALE {
            mantissa.checked_mul(10_i128.pow(SCALE - scale)).map(Self)
        } else {
            Some(Self(divide_half_even(mantissa, 10_i128.pow(scale - SCALE))))
        }
    }

    /// A whole number of units of a currency, such as yen.
    pub const fn from_whole(whole: i128) -> Self {
        Self(whole * UNIT)
    }

    /// So many units of a currency's last decimal place, such as cents.
    pub const fn from_decimals(units: i128, decimals: u32) -> Self {
        Self(units * (UNIT / 10_i128.pow(decimals)))
    }

    /// The units of a currency's last decimal place that this is; `None` where it has a fraction of one.
    pub const fn in_decimals(self, decimals: u32) -> Option<i128> {
        let unit = UNIT / 10_i128.pow(decimals);
        if self.0 % unit == 0 { Some(self.0 / unit) } else { None }
    }

    /// Converted and rounded once to a whole number, half away from zero (四捨五入).
    pub fn to_whole(self, ratio: Ratio) -> Option<i128> {
        Some(divide_half_away(
            self.0.checked_mul(ratio.numerator)?,
            ratio.denominator,
        ))
    }

    /// The whole number that this is; `None` where it has a fraction.
    pub const fn whole(self) -> Option<i128> {
        if self.0 % UNIT == 0 { Some(self.0 / UNIT) } else { None }
    }
}

/// How many whole units of a currency an amount of another is, exactly: a rate, or an invoice's yen over its dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio {
    numerator: i128,
    /// Above zero.
    denominator: i128,
}

impl Ratio {
    /// One for one.
    pub const ONE: Self = Self {
        numerator: 1,
        denominator: UNIT,
    };

    /// Units of so many decimal places for one of the currency: cents for a dollar.
    pub const fn of_decimals(decimals: u32) -> Self {
        Self {
            numerator: 1,
            denominator: UNIT / 10_i128.pow(decimals),
        }
    }

    /// A rate such as 150.25 yen for a dollar; `None` where it has too many digits.
    pub fn of_rate(rate: Decimal) -> Option<Self> {
        Some(Self {
            numerator: rate.mantissa(),
            denominator: UNIT.checked_mul(10_i128.checked_pow(rate.scale())?)?,
        })
    }

    /// Whole units of the one currency, and the amount of the other that they stand for: `of_total` reads it back.
    pub fn as_total(self) -> (i128, Amount) {
        (self.numerator, Amount(self.denominator))
    }

    /// What an amount is before it is rounded, cut at the twelfth decimal.
    pub fn exact(self, amount: Amount) -> Amount {
        let (negative, numerator) = (self.numerator < 0, self.numerator.abs());
        let (whole, rest) = multiply_divide(amount.0.abs(), numerator, self.denominator);
        let (fraction, _) = multiply_divide(rest, UNIT, self.denominator);
        let size = Amount(whole * UNIT + fraction);
        if negative == (amount.0 < 0) { size } else { -size }
    }

    /// A whole total over the exact amount that it stands for; `None` where that amount is zero.
    pub const fn of_total(whole: i128, amount: Amount) -> Option<Self> {
        match amount.0 {
            0 => None,
            units if units < 0 => Some(Self {
                numerator: -whole,
                denominator: -units,
            }),
            units => Some(Self {
                numerator: whole,
                denominator: units,
            }),
        }
    }
}

/// Splits an amount by weights into parts of twelve decimals that add up to it, by the largest remainder.
///
/// Weights are zero or more.  A part of weight zero gets nothing; among equal remainders the larger weight, then the first,
/// gets the last unit; negating the amount negates every part.  `None` where no weight is above zero.
pub fn split(total: Amount, weights: &[i128]) -> Option<Vec<Amount>> {
    assert!(weights.iter().all(|weight| *weight >= 0), "weights are zero or more");
    let all = weights
        .iter()
        .try_fold(0_i128, |sum, weight| sum.checked_add(*weight))?;
    if all == 0 {
        return None;
    }
    let size = total.0.abs();
    let mut parts: Vec<(i128, i128)> = weights
        .iter()
        .map(|weight| multiply_divide(size, *weight, all))
        .collect();
    let missing = size - parts.iter().map(|(quotient, _)| quotient).sum::<i128>();
    let mut losers: Vec<usize> = (0..parts.len()).filter(|&i| parts[i].1 > 0).collect();
    losers.sort_by_key(|&i| (std::cmp::Reverse(parts[i].1), std::cmp::Reverse(weights[i]), i));
    for i in losers.into_iter().take(usize::try_from(missing).unwrap_or(usize::MAX)) {
        parts[i].0 += 1;
    }
    let parts: Vec<Amount> = parts
        .into_iter()
        .map(|(units, _)| Amount(units * total.0.signum()))
        .collect();
    assert_eq!(
        parts.iter().copied().sum::<Amount>(),
        total,
        "the parts of a split add up to it"
    );
    Some(parts)
}

/// Quotient and remainder of `a * b / c` for numbers of zero or more, without overflow of the product.
fn multiply_divide(a: i128, b: i128, c: i128) -> (i128, i128) {
    if let Some(product) = a.checked_mul(b) {
        return (product / c, product % c);
    }
    let product = BigInt::from(a) * BigInt::from(b);
    let small = |number: BigInt| i128::try_from(number).unwrap_or(i128::MAX);
    (small(&product / c), small(&product % c))
}

fn divide_half_even(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, (value % divisor).abs());
    match (rest * 2).cmp(&divisor) {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Greater => quotient + value.signum(),
        std::cmp::Ordering::Equal => quotient + (quotient & 1) * value.signum(),
    }
}

fn divide_half_away(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, (value % divisor).abs());
    if rest >= divisor - rest {
        quotient + value.signum()
    } else {
        quotient
    }
}

/// Plain decimal text without trailing zeros: `12.5`, `-0.000000000001`, `0`.
impl serde::Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("'{text}' is no amount")))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (
            self.0.unsigned_abs() / UNIT.unsigned_abs(),
            self.0.unsigned_abs() % UNIT.unsigned_abs(),
        );
        let sign = if self.0 < 0 { "-" } else { "" };
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let text = format!("{fraction:012}");
        write!(f, "{sign}{whole}.{}", text.trim_end_matches('0'))
    }
}

impl Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Amount {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Amount {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// Converts parts at a ratio into whole units that add up to `total`, by the largest remainder.
///
/// `total` must be the whole of the parts at the same ratio, rounded up or down.  Each part is cut towards zero, and what
/// is then missing goes, one each, to the parts that lost most of it; among equal losses to the larger part, then to the
/// first.  So no part is off by a whole unit, negating everything negates the result, and parts that convert exactly stay.
pub fn convert_parts(total: i128, parts: &[Amount], ratio: Ratio) -> Option<Vec<i128>> {
    let divisor = ratio.denominator;
    let exact: Vec<i128> = parts
        .iter()
        .map(|part| part.0.checked_mul(ratio.numerator))
        .collect::<Option<_>>()?;
    let mut whole: Vec<i128> = exact.iter().map(|value| value / divisor).collect();
    let missing = total - whole.iter().sum::<i128>();
    let mut losers: Vec<usize> = (0..exact.len())
        .filter(|&i| (exact[i] % divisor).signum() == missing.signum())
        .collect();
    losers.sort_by_key(|&i| {
        (
            std::cmp::Reverse((exact[i] % divisor).abs()),
            std::cmp::Reverse(exact[i].abs()),
            i,
        )
    });
    for i in losers
        .into_iter()
        .take(usize::try_from(missing.unsigned_abs()).unwrap_or(usize::MAX))
    {
        whole[i] += missing.signum();
    }
    assert_eq!(
        whole.iter().sum::<i128>(),
        total,
        "the parts of a conversion add up to its total"
    );
    Some(whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amount(text: &str) -> Amount {
        Amount::parse(text).unwrap_or_else(|| panic!("{text} is no amount"))
    }

    fn ratio(rate: Decimal) -> Ratio {
        Ratio::of_rate(rate).unwrap_or_else(|| panic!("{rate}"))
    }

    #[test]
    fn a_split_adds_up_and_gives_nothing_to_nobody() {
        let check = |total: &str, weights: &[i128], expected: &[&str]| {
            let expected: Vec<Amount> = expected.iter().map(|text| amount(text)).collect();
            assert_eq!(split(amount(total), weights), Some(expected), "{total} by {weights:?}");
        };
        check(
            "0.01",
            &[1, 1, 1],
            &["0.003333333334", "0.003333333333", "0.003333333333"],
        );
        check(
            "-0.01",
            &[1, 1, 1],
            &["-0.003333333334", "-0.003333333333", "-0.003333333333"],
        );
        check("10", &[0, 3, 1], &["0", "7.5", "2.5"]);
        check("0", &[5, 2], &["0", "0"]);
        // Products beyond 128 bits.
        check(
            "999999999999",
            &[i128::MAX / 4, i128::MAX / 4],
            &["499999999999.5", "499999999999.5"],
        );
        assert_eq!(split(amount("1"), &[0, 0]), None);
        assert_eq!(split(amount("1"), &[]), None);
    }

    #[test]
    fn an_invoices_yen_are_split_by_its_dollars() {
        // 100.35 USD for 16,048 yen: the printed rate of 159.92 would give 16,047.97.
        let invoice = amount("100.35");
        let ratio = Ratio::of_total(16_048, invoice).unwrap_or_else(|| panic!("no ratio"));
        assert_eq!(invoice.to_whole(ratio), Some(16_048));
        let parts = [amount("60.01"), amount("40.34")];
        // Exact: 9596.82 and 6451.18: 9,596 and 6,451 leave one yen for the first.
        assert_eq!(convert_parts(16_048, &parts, ratio), Some(vec![9_597, 6_451]));
        assert_eq!(ratio.exact(parts[0]).to_string(), "9596.815944195316");
        assert_eq!(ratio.exact(-parts[1]).to_string(), "-6451.184055804683");
        let refund = Ratio::of_total(-16_048, -invoice).unwrap_or_else(|| panic!("no ratio"));
        assert_eq!(refund, ratio);
        assert_eq!(Ratio::of_total(1, Amount::ZERO), None);
    }

    #[test]
    fn a_double_becomes_the_decimal_of_its_shortest_text() {
        let cases = [
            (0.1, "0.1"),
            (0.1 + 0.2, "0.3"), // 0.30000000000000004 at twelve places
            (1.789_808_625, "1.789808625"),
            (-0.000_000_000_1, "-0.0000000001"),
            (5206.87, "5206.87"),
            (99_999.123_456_789, "99999.123456789"),
            (999_999_999.99, "999999999.99"),
            (1e-13, "0"),
            (1.5e-12, "0.000000000002"),
            (2.5e-12, "0.000000000002"),
            (0.0, "0"),
            (-0.0, "0"),
            (123_456_789_012_345_680.0, "123456789012345680"),
        ];
        for (double, text) in cases {
            assert_eq!(
                Amount::from_double(double).map(|a| a.to_string()).as_deref(),
                Some(text),
                "{double}"
            );
        }
    }

    #[test]
    fn what_is_no_number_is_no_amount() {
        for double in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e24] {
            assert_eq!(Amount::from_double(double), None, "{double}");
        }
    }

    #[test]
    fn yen_are_rounded_half_away_from_zero() {
        let rate = ratio(Decimal::new(15_000, 2));
        for (usd, yen) in [
            ("0.01", 2),
            ("-0.01", -2),
            ("0.003333333333", 0),
            ("10", 1500),
            ("0.009999999999", 1),
        ] {
            assert_eq!(amount(usd).to_whole(rate), Some(yen), "{usd}");
        }
    }

    #[test]
    fn the_remainder_goes_to_the_largest_loss() {
        let rate = Ratio::ONE;
        let check = |parts: &[&str], total: i128, expected: &[i128]| {
            let parts: Vec<Amount> = parts.iter().map(|p| amount(p)).collect();
            assert_eq!(
                convert_parts(total, &parts, rate).as_deref(),
                Some(expected),
                "{parts:?}"
            );
        };
        check(&["0.3", "0.3", "0.4"], 1, &[0, 0, 1]);
        check(&["1.5", "1.5"], 3, &[2, 1]);
        check(&["-0.3", "-0.3", "-0.4"], -1, &[0, 0, -1]);
        check(&["10.6", "-0.6"], 10, &[10, 0]);
        check(&["2", "0.5", "0.5"], 3, &[2, 1, 0]);
        check(&[], 0, &[]);
    }

    proptest! {
        #[test]
        fn doubles_and_text_agree(value in -1e9_f64..1e9) {
            let text = ryu::Buffer::new().format_finite(value).to_owned();
            prop_assert_eq!(Amount::from_double(value), Amount::parse(&text));
        }

        #[test]
        fn short_decimals_are_exact(units in -999_999_999_999_999_i64..999_999_999_999_999) {
            #[expect(clippy::cast_precision_loss, reason = "fifteen digits fit a double")]
            let double = units as f64 / 1e10;
            prop_assert_eq!(Amount::from_double(double), Some(Amount::from_units(i128::from(units) * 100)));
        }

        #[test]
        fn print_then_parse_is_identity(units in any::<i64>()) {
            let amount = Amount::from_units(i128::from(units) * 1_000_003);
            prop_assert_eq!(Amount::parse(&amount.to_string()), Some(amount));
        }

        #[test]
        fn splits_add_up_mirror_and_ignore_order(
            units in -1_000_000_000_000_000_000_000_i128..1_000_000_000_000_000_000_000,
            mut weights in prop::collection::vec(0_i128..1_000_000_000_000_000_000_000, 1..40),
        ) {
            weights[0] += 1;
            let parts = split(Amount(units), &weights).unwrap_or_default();
            prop_assert_eq!(parts.iter().copied().sum::<Amount>(), Amount(units));
            let mirrored: Vec<Amount> = parts.iter().map(|part| -*part).collect();
            prop_assert_eq!(split(Amount(-units), &weights), Some(mirrored));
            let all: BigInt = weights.iter().sum();
            for (part, weight) in parts.iter().zip(&weights) {
                let off = BigInt::from(part.0) * &all - BigInt::from(units) * weight;
                prop_assert!(off.magnitude() < all.magnitude());
            }
        }

        #[test]
        fn converted_parts_add_up_and_are_near(
            units in prop::collection::vec(-1_000_000_000_000_000_i64..1_000_000_000_000_000, 0..60),
            rate in 1_i64..50_000,
        ) {
            let rate = ratio(Decimal::new(rate, 2));
            let parts: Vec<Amount> = units.into_iter().map(|u| Amount::from_units(i128::from(u))).collect();
            let total = parts.iter().copied().sum::<Amount>().to_whole(rate).unwrap_or_default();
            let whole = convert_parts(total, &parts, rate).unwrap_or_default();
            prop_assert_eq!(whole.iter().sum::<i128>(), total);
            for (part, whole) in parts.iter().zip(&whole) {
                let exact = part.units() * rate.numerator;
                prop_assert!((whole * rate.denominator - exact).abs() < rate.denominator);
                prop_assert!(exact != 0 || *whole == 0);
            }
            let negated: Vec<Amount> = parts.iter().map(|p| -*p).collect();
            let mirrored: Vec<i128> = whole.iter().map(|w| -w).collect();
            prop_assert_eq!(convert_parts(-total, &negated, rate), Some(mirrored));
        }
    }
}
