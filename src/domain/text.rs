//! How names are compared and amounts grouped.
//!
//! Names: after NFKC and without case, so that full-width and upper-case spellings are one name.
//! Codes that only look alike (`1210`, `0001210`) stay different: nothing here touches digits or zeros.

use unicode_normalization::UnicodeNormalization;

/// A name in the form in which names are compared.  Not for display.
pub fn comparable_name(name: &str) -> String {
    if name.is_ascii() {
        return name.trim().to_ascii_lowercase();
    }
    // Lower case after upper case folds letters such as the sharp s, which plain lower case leaves apart.
    let folded: String = name
        .nfkc()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect();
    folded.nfkc().collect::<String>().trim().to_owned()
}

/// Digits in groups of three: `1234567.5` is `1,234,567.5`.
pub fn grouped(amount: &str) -> String {
    let (sign, rest) = amount.strip_prefix('-').map_or(("", amount), |rest| ("-", rest));
    let (whole, fraction) = rest
        .split_once('.')
        .map_or((rest, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut text = String::from(sign);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{comparable_name, grouped};

    #[test]
    fn width_and_case_do_not_matter() {
        for (left, right) in [
            ("ＳＡＬＥＳ", "sales"),
            ("Straße", "STRASSE"),
            (" Alice.Kuroda ", "alice.kuroda"),
            ("ﾃﾞｰﾀ", "データ"),
        ] {
            assert_eq!(comparable_name(left), comparable_name(right));
        }
        assert_ne!(comparable_name("0001210"), comparable_name("1210"));
    }

    #[test]
    fn amounts_are_grouped() {
        for (plain, shown) in [
            ("0", "0"),
            ("-1", "-1"),
            ("1234567.5", "1,234,567.5"),
            ("-123", "-123"),
            ("1000", "1,000"),
            ("-0.001", "-0.001"),
        ] {
            assert_eq!(grouped(plain), shown);
        }
    }
}
