//! When a budget speaks: at shares of it, at an amount, and when its end is foreseen beyond it.

use std::fmt;

use super::money::Amount;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Threshold {
    /// Per cent that are spent.
    Spent(u32),
    /// An amount that is spent, in the budget's currency.
    Amount(Amount),
    /// Per cent that are foreseen for the end of the window.
    Forecast(u32),
}

/// More than ten times a budget is a slip of the keys.
const PERCENT_MAX: u32 = 1_000;
/// As many as a budget of AWS can have.
const THRESHOLDS_MAX: usize = 10;

impl Threshold {
    /// What a budget has that names none.
    pub const DEFAULT: [Self; 4] = [Self::Spent(50), Self::Spent(80), Self::Spent(100), Self::Forecast(100)];

    /// Reads `80%`, `1000000` or `forecast 100%`.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let percent = |text: &str| -> Option<u32> {
            let percent = text.trim().strip_suffix('%')?.trim().parse().ok()?;
            (1..=PERCENT_MAX).contains(&percent).then_some(percent)
        };
        if let Some(rest) = text.strip_prefix("forecast ") {
            return percent(rest).map(Self::Forecast);
        }
        if text.ends_with('%') {
            return percent(text).map(Self::Spent);
        }
        Amount::parse(text)
            .filter(|amount| amount.units() > 0)
            .map(Self::Amount)
    }

    /// Reads a list with semicolons; an empty one is the default.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        if text.trim().is_empty() {
            return Ok(Self::DEFAULT.to_vec());
        }
        let mut thresholds = Vec::new();
        for part in text.split(';') {
            let threshold = Self::parse(part).ok_or_else(|| {
                format!(
                    "'{}' is no threshold; write 80%, an amount such as 1000000, or 'forecast 100%'",
                    part.trim()
                )
            })?;
            if !thresholds.contains(&threshold) {
                thresholds.push(threshold);
            }
        }
        if thresholds.len() > THRESHOLDS_MAX {
            return Err(format!("a budget has at most {THRESHOLDS_MAX} thresholds"));
        }
        Ok(thresholds)
    }

    pub fn list_text(thresholds: &[Self]) -> String {
        let texts: Vec<String> = thresholds.iter().map(Self::to_string).collect();
        texts.join(";")
    }

    pub const fn is_forecast(self) -> bool {
        matches!(self, Self::Forecast(_))
    }

    /// The amount at which it speaks, of a budget of so much.
    pub const fn level(self, limit: Amount) -> Amount {
        match self {
            Self::Amount(amount) => amount,
            // Cut at the twelfth decimal.
            Self::Spent(percent) | Self::Forecast(percent) => Amount::from_units(limit.units() / 100 * percent as i128),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spent(percent) => write!(f, "{percent}%"),
            Self::Amount(amount) => write!(f, "{amount}"),
            Self::Forecast(percent) => write!(f, "forecast {percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read_and_written_alike() {
        let text = "50%;1000000;forecast 110%";
        let read = Threshold::parse_list(text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(Threshold::list_text(&read), text);
        let limit = Amount::from_whole(800_000);
        let levels: Vec<Amount> = read.iter().map(|threshold| threshold.level(limit)).collect();
        assert_eq!(levels, [400_000, 1_000_000, 880_000].map(Amount::from_whole));
        assert_eq!(Threshold::parse_list(" ").map(|all| all.len()), Ok(4));
        assert_eq!(Threshold::parse_list("80%; 80%").map(|all| all.len()), Ok(1));
        for wrong in [
            "0%",
            "80 percent",
            "-1",
            "forecast",
            "1001%",
            "80%,90%",
            "80%;",
            "forecast 5",
        ] {
            assert!(Threshold::parse_list(wrong).is_err(), "{wrong}");
        }
        let eleven: Vec<String> = (1..=11).map(|percent| format!("{percent}%")).collect();
        assert!(Threshold::parse_list(&eleven.join(";")).is_err_and(|e| e.contains("at most 10")));
    }
}
