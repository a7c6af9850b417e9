//! What a company means to spend: dated amounts for a department, project, person, family of models, account, or the whole.
//!
//! A budget in yen has a rate of its own, so that nobody crosses it only because the yen moved.

use rust_decimal::Decimal;

use super::money::{Amount, Ratio};
use super::named::named;
use super::period::BillingPeriod;
use super::rate::check_rate;
use super::threshold::Threshold;

named! {
    BudgetScope {
        Company = "company",
        Department = "department",
        Project = "project",
        Person = "person",
        /// Of models, such as opus.
        Family = "family",
        Account = "account",
    }
}

named! {
    Frequency {
        Month = "month",
        Quarter = "quarter",
        FiscalYear = "fiscal_year",
    }
}

impl Frequency {
    pub const fn months(self) -> i128 {
        match self {
            Self::Month => 1,
            Self::Quarter => 3,
            Self::FiscalYear => 12,
        }
    }
}

named! {
    /// What is held against the amount.
    BudgetBasis {
        Usage = "usage",
        AfterDiscounts = "after_discounts",
        AfterCredits = "after_credits",
    }
}

/// An amount for a stretch of months.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    pub name: String,
    pub scope: BudgetScope,
    /// Empty for the company.
    pub code: String,
    pub frequency: Frequency,
    pub currency: String,
    /// Of one month, quarter or year.
    pub amount: Amount,
    /// Yen for a dollar, of a budget in yen.
    pub rate: Option<Decimal>,
    pub basis: BudgetBasis,
    pub with_allocated: bool,
    pub with_tax: bool,
    pub owner_person_id: String,
    pub channel: String,
    pub thresholds: Vec<Threshold>,
    pub valid_from: BillingPeriod,
    /// Exclusive.
    pub valid_to: Option<BillingPeriod>,
}

impl Budget {
    /// Why it cannot be recorded as it is: the column and what is wrong.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let refuse = |column, what: &str| Err((column, what.to_owned()));
        if (self.scope == BudgetScope::Company) != self.code.is_empty() {
            return refuse("code", "it names what the budget is of; that of the company has none");
        }
        if self.amount.units() <= 0 {
            return refuse("amount", "it is above 0");
        }
        match (self.currency.as_str(), self.rate) {
            ("JPY", None) => return refuse("rate", "a budget in yen has the rate that it is kept at"),
            ("JPY", Some(rate)) => check_rate(rate, false).map_err(|what| ("rate", what))?,
            ("USD", None) => {}
            ("USD", Some(_)) => return refuse("rate", "a budget in dollars has no rate"),
            _ => return refuse("currency", "it is JPY or USD"),
        }
        if self.currency == "JPY" && self.amount.whole().is_none() {
            return refuse("amount", "yen are whole");
        }
        if self.currency == "JPY"
            && self
                .thresholds
                .iter()
                .any(|of| matches!(of, Threshold::Amount(yen) if yen.whole().is_none()))
        {
            return refuse("thresholds", "yen are whole");
        }
        if self.channel.starts_with(['#', '@']) {
            return refuse("channel", "it is a channel's id, such as C0123ABCD");
        }
        if self.valid_to.is_some_and(|to| to <= self.valid_from) {
            return refuse("valid_to", "it is the first month in which the budget no longer holds");
        }
        Ok(())
    }

    pub fn holds_in(&self, period: BillingPeriod) -> bool {
        self.valid_from <= period && self.valid_to.is_none_or(|to| period < to)
    }

    /// Whether both say what the same thing may cost in the same month.
    pub fn overlaps(&self, other: &Self) -> bool {
        let dates = self.valid_to.is_none_or(|to| other.valid_from < to)
            && other.valid_to.is_none_or(|to| self.valid_from < to);
        self.name == other.name && dates
    }

    /// All budgets once this one is said: others of its name go on before and after its months.
    pub fn set_among(self, others: Vec<Self>) -> Vec<Self> {
        let mut all = Vec::with_capacity(others.len() + 1);
        for other in others {
            if !other.overlaps(&self) {
                all.push(other);
                continue;
            }
            if other.valid_from < self.valid_from {
                all.push(Self {
                    valid_to: Some(self.valid_from),
                    ..other.clone()
                });
            }
            if let Some(to) = self.valid_to.filter(|to| other.valid_to.is_none_or(|end| *to < end)) {
                all.push(Self {
                    valid_from: to,
                    ..other
                });
            }
        }
        all.push(self);
        all
    }

    /// Yen for one month at the budget's own rate; one in dollars at the rate that is asked.  A longer one in equal parts.
    pub fn month_in_yen(&self, rate: Ratio) -> Option<Amount> {
        let of_month = Amount::from_units(self.amount.units() / self.frequency.months());
        match self.currency.as_str() {
            "JPY" => Some(of_month),
            _ => of_month.to_whole(rate).map(Amount::from_whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        Budget {
            name: "sales".to_owned(),
            scope: BudgetScope::Department,
            code: "sales".to_owned(),
            frequency: Frequency::Quarter,
            currency: "JPY".to_owned(),
            amount: Amount::from_whole(3_000_000),
            rate: Some(Decimal::from(150)),
            basis: BudgetBasis::AfterDiscounts,
            with_allocated: false,
            with_tax: false,
            owner_person_id: String::new(),
            channel: String::new(),
            thresholds: Threshold::DEFAULT.to_vec(),
            valid_from: "2026-04".parse().unwrap_or_else(|e| panic!("{e}")),
            valid_to: None,
        }
    }

    #[test]
    fn a_budget_is_read_strictly_and_a_quarter_has_three_months() {
        assert_eq!(budget().check(), Ok(()));
        let rate = Ratio::of_rate(Decimal::from(160)).unwrap_or(Ratio::ONE);
        assert_eq!(budget().month_in_yen(rate), Some(Amount::from_whole(1_000_000)));
        let in_dollars = Budget {
            currency: "USD".to_owned(),
            rate: None,
            amount: Amount::from_whole(300),
            ..budget()
        };
        assert_eq!(in_dollars.check(), Ok(()));
        assert_eq!(in_dollars.month_in_yen(rate), Some(Amount::from_whole(16_000)));
        for (wrong, column) in [
            (Budget { rate: None, ..budget() }, "rate"),
            (
                Budget {
                    rate: Some(Decimal::ZERO),
                    ..budget()
                },
                "rate",
            ),
            (
                Budget {
                    code: String::new(),
                    ..budget()
                },
                "code",
            ),
            (
                Budget {
                    scope: BudgetScope::Company,
                    ..budget()
                },
                "code",
            ),
            (
                Budget {
                    amount: Amount::ZERO,
                    ..budget()
                },
                "amount",
            ),
            (
                Budget {
                    amount: Amount::from_units(1),
                    ..budget()
                },
                "amount",
            ),
            (
                Budget {
                    currency: "EUR".to_owned(),
                    ..budget()
                },
                "currency",
            ),
            (
                Budget {
                    valid_to: Some(budget().valid_from),
                    ..budget()
                },
                "valid_to",
            ),
            (
                Budget {
                    rate: Some(Decimal::from(150)),
                    ..in_dollars
                },
                "rate",
            ),
        ] {
            assert_eq!(wrong.check().err().map(|(column, _)| column), Some(column), "{wrong:?}");
        }
    }
}
