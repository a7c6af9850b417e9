//! Figures as people read them.

use rust_decimal::Decimal;

use crate::api::view::MoneyView;
use crate::domain::text::grouped;

/// `¥1,234,567` or `$1,234.57`; a page shows cents, the API every digit.
pub(super) fn money(money: &MoneyView) -> String {
    let Ok(amount) = money.amount.parse::<Decimal>() else {
        return money.amount.clone();
    };
    let (symbol, places) = match money.currency.as_str() {
        "JPY" => ("¥", 0),
        "USD" => ("$", 2),
        _ => ("", 2),
    };
    let sign = if amount.is_sign_negative() && !amount.is_zero() {
        "−"
    } else {
        ""
    };
    let text = grouped(&format!(
        "{:.*}",
        places,
        amount.abs().round_dp(u32::try_from(places).unwrap_or(0))
    ));
    if symbol.is_empty() {
        format!("{sign}{text} {}", money.currency)
    } else {
        format!("{sign}{symbol}{text}")
    }
}

/// Tokens in millions: `1,234.5 M`.
pub(super) fn millions(tokens: &str) -> String {
    let Ok(tokens) = tokens.parse::<Decimal>() else {
        return tokens.to_owned();
    };
    if tokens.is_zero() {
        return String::new();
    }
    let millions = tokens / Decimal::from(1_000_000);
    if millions < Decimal::new(1, 1) {
        "< 0.1 M".to_owned()
    } else {
        format!("{} M", grouped(&format!("{:.1}", millions.round_dp(1))))
    }
}

pub(super) fn percent(share: Option<&str>) -> String {
    let Some(share) = share.and_then(|text| text.parse::<Decimal>().ok()) else {
        return String::new();
    };
    let percent = (share * Decimal::ONE_HUNDRED).round_dp(1);
    let sign = if percent.is_sign_negative() && !percent.is_zero() {
        "−"
    } else {
        ""
    };
    format!("{sign}{:.1} %", percent.abs())
}

/// Length of a bar, 0 to 100, for a share of the largest row.
pub(super) fn bar(amount: &str, largest: &str) -> u8 {
    let (Ok(amount), Ok(largest)) = (amount.parse::<Decimal>(), largest.parse::<Decimal>()) else {
        return 0;
    };
    if largest <= Decimal::ZERO || amount <= Decimal::ZERO {
        return 0;
    }
    u8::try_from((amount / largest * Decimal::ONE_HUNDRED).round().mantissa())
        .unwrap_or(100)
        .clamp(1, 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_as_people_write_them() {
        let show = |amount: &str, currency: &str| {
            money(&MoneyView {
                amount: amount.to_owned(),
                currency: currency.to_owned(),
            })
        };
        assert_eq!(show("1234567", "JPY"), "¥1,234,567");
        assert_eq!(show("-1234.5678", "USD"), "−$1,234.57");
        assert_eq!(show("0", "USD"), "$0.00");
        assert_eq!(show("12", "CNY"), "12.00 CNY");
        assert_eq!(millions("1234567890"), "1,234.6 M");
        assert_eq!(millions("99999"), "< 0.1 M");
        assert_eq!(percent(Some("0.1234")), "12.3 %");
        assert_eq!(
            (percent(Some("-0.0002")), percent(Some("-0.05"))),
            ("0.0 %".to_owned(), "−5.0 %".to_owned())
        );
        assert_eq!(
            (bar("5", "10"), bar("0.0001", "10"), bar("-1", "10"), bar("10", "10")),
            (50, 1, 0, 100)
        );
    }
}
