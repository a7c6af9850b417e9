//! Rules for shared cost: what happens to each pool, in which months.
//!
//! A rule names a pool by its name (`unattributed.no_principal`) or by its first word (`unattributed`); the longer name wins.
//! Rules hold for whole bill months.  A pool without a rule is kept visible: nothing is spread that nobody asked to spread.

use std::collections::BTreeSet;
use std::fmt;

use rust_decimal::Decimal;

use super::attribution::Reason;
use super::period::BillingPeriod;

/// Whether an amount is consumption tax: it is booked apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaxPart {
    Net,
    Tax,
}

/// A part of the bill that is not one department's by itself.  The order is the order in which pools run; tax is last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pool {
    /// The direct cost of a department that serves the others, such as a platform team.
    Department(String),
    /// Usage that is no tokens: guardrails, knowledge bases, runtimes.
    Feature(Reason),
    /// Provisioned or reserved throughput.
    Capacity(Reason),
    Unattributed(Reason),
    Other(String),
    /// What finance adds to a month by hand, by its name.
    Manual(String),
    Discount(String),
    Credit,
    Refund,
    Tax,
    /// What the invoices come to besides the planning rate that departments are charged at.
    ExchangeDifference(TaxPart),
    /// Of days that are not delivered yet: use that nobody owns, by its reason; no rule divides it.
    Accrual(String),
    /// Of a locked month: origin, column and department; no rule divides it.
    TrueUp(String),
    /// Of an approved dispute, by its number.
    Reclass(String),
}

impl Pool {
    /// The first words of the names, which rules may use for all pools of a kind.
    pub const KINDS: [&'static str; 11] = [
        "department",
        "feature",
        "capacity",
        "unattributed",
        "other",
        "manual",
        "discount",
        "credit",
        "refund",
        "tax",
        "exchange_difference",
    ];

    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Department(_) => "department",
            Self::Feature(_) => "feature",
            Self::Capacity(_) => "capacity",
            Self::Unattributed(_) => "unattributed",
            Self::Other(_) => "other",
            Self::Manual(_) => "manual",
            Self::Discount(_) => "discount",
            Self::Credit => "credit",
            Self::Refund => "refund",
            Self::Tax => "tax",
            Self::ExchangeDifference(_) => "exchange_difference",
            Self::Accrual(_) => "accrual",
            Self::TrueUp(_) => "true_up",
            Self::Reclass(_) => "reclass",
        }
    }
}

impl Pool {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('.').unwrap_or((text, ""));
        Some(match kind {
            "department" => Self::Department(rest.to_owned()),
            "feature" => Self::Feature(Reason::parse(rest)?),
            "capacity" => Self::Capacity(Reason::parse(rest)?),
            "unattributed" => Self::Unattributed(Reason::parse(rest)?),
            "other" => Self::Other(rest.to_owned()),
            "manual" => Self::Manual(rest.to_owned()),
            "discount" => Self::Discount(rest.to_owned()),
            "credit" => Self::Credit,
            "refund" => Self::Refund,
            "tax" => Self::Tax,
            "exchange_difference" if rest == "tax" => Self::ExchangeDifference(TaxPart::Tax),
            "exchange_difference" => Self::ExchangeDifference(TaxPart::Net),
            "accrual" => Self::Accrual(rest.to_owned()),
            "true_up" => Self::TrueUp(rest.to_owned()),
            "reclass" => Self::Reclass(rest.to_owned()),
            _ => return None,
        })
    }
}

/// `unattributed.no_principal`, `discount.EdpDiscount`, `tax`.
impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::Feature(reason) | Self::Capacity(reason) | Self::Unattributed(reason) => write!(f, ".{reason}"),
            Self::Other(name)
            | Self::Manual(name)
            | Self::Accrual(name)
            | Self::Discount(name)
            | Self::Department(name)
            | Self::TrueUp(name)
            | Self::Reclass(name) => write!(f, ".{name}"),
            Self::ExchangeDifference(TaxPart::Tax) => f.write_str(".tax"),
            Self::Credit | Self::Refund | Self::Tax | Self::ExchangeDifference(TaxPart::Net) => Ok(()),
        }
    }
}

/// How a pool is divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    KeepVisible,
    /// By each department's usage before credits, refunds and discounts.
    Proportional,
    /// Equal shares of the named departments, weighted by the days of the month on which they exist.
    Evenly(Vec<String>),
    /// Shares that sum to one.
    Fixed(Vec<(String, Decimal)>),
    /// By tokens, weighted by what the month's bill charges on average for their kind.
    ByTokens,
    /// By the bare count of tokens.
    ByRawTokens,
    OneDepartment(String),
}

impl Method {
    pub const NAMES: [&'static str; 7] = [
        "keep",
        "proportional",
        "evenly",
        "fixed",
        "by_tokens",
        "by_raw_tokens",
        "one_department",
    ];

    pub const fn name(&self) -> &'static str {
        match self {
            Self::KeepVisible => "keep",
            Self::Proportional => "proportional",
            Self::Evenly(_) => "evenly",
            Self::Fixed(_) => "fixed",
            Self::ByTokens => "by_tokens",
            Self::ByRawTokens => "by_raw_tokens",
            Self::OneDepartment(_) => "one_department",
        }
    }

    /// Reads a method by its name and members: `sales;legal`, `sales=0.6;legal=0.4`, or one department.
    pub fn parse(name: &str, members: &str) -> Result<Self, String> {
        let members: Vec<&str> = members
            .split(';')
            .map(str::trim)
            .filter(|member| !member.is_empty())
            .collect();
        let without = |method: Self| match members.is_empty() {
            true => Ok(method),
            false => Err(format!("the method '{name}' has no members")),
        };
        match name {
            "keep" => without(Self::KeepVisible),
            "proportional" => without(Self::Proportional),
            "by_tokens" => without(Self::ByTokens),
            "by_raw_tokens" => without(Self::ByRawTokens),
            "one_department" => match members.as_slice() {
                [code] => Ok(Self::OneDepartment((*code).to_owned())),
                _ => Err("the method 'one_department' names exactly one member".to_owned()),
            },
            "evenly" => {
                let distinct: BTreeSet<&str> = members.iter().copied().collect();
                match (members.len(), distinct.len()) {
                    (0, _) => Err("the method 'evenly' names its members, such as sales;legal".to_owned()),
                    (all, different) if all != different => Err("a member is named twice".to_owned()),
                    _ => Ok(Self::Evenly(distinct.into_iter().map(str::to_owned).collect())),
                }
            }
            "fixed" => parse_shares(&members).map(Self::Fixed),
            _ => Err(format!("'{name}' is none of {}", Self::NAMES.join(", "))),
        }
    }

    /// The members as `parse` reads them.
    pub fn members(&self) -> String {
        match self {
            Self::KeepVisible | Self::Proportional | Self::ByTokens | Self::ByRawTokens => String::new(),
            Self::OneDepartment(code) => code.clone(),
            Self::Evenly(codes) => codes.join(";"),
            Self::Fixed(shares) => {
                let shares: Vec<String> = shares.iter().map(|(code, share)| format!("{code}={share}")).collect();
                shares.join(";")
            }
        }
    }

    /// Departments that the method names.
    pub fn named(&self) -> Vec<&str> {
        match self {
            Self::KeepVisible | Self::Proportional | Self::ByTokens | Self::ByRawTokens => Vec::new(),
            Self::OneDepartment(code) => vec![code],
            Self::Evenly(codes) => codes.iter().map(String::as_str).collect(),
            Self::Fixed(shares) => shares.iter().map(|(code, _)| code.as_str()).collect(),
        }
    }
}

fn parse_shares(members: &[&str]) -> Result<Vec<(String, Decimal)>, String> {
    let mut shares: Vec<(String, Decimal)> = Vec::new();
    for member in members {
        let read = member.split_once('=').and_then(|(code, share)| {
            let share: Decimal = share.trim().parse().ok()?;
            Some((code.trim().to_owned(), share.normalize()))
        });
        let (code, share) = read.ok_or_else(|| format!("'{member}' is no share; write it as sales=0.6"))?;
        if share <= Decimal::ZERO || share > Decimal::ONE || share.scale() > 9 {
            return Err(format!(
                "the share of {code} is above 0, at most 1, and has at most 9 decimals"
            ));
        }
        if shares.iter().any(|(other, _)| *other == code) {
            return Err(format!("{code} has two shares"));
        }
        shares.push((code, share));
    }
    let sum: Decimal = shares.iter().map(|(_, share)| *share).sum();
    if sum != Decimal::ONE {
        return Err(format!("the shares sum to {sum} and not to 1"));
    }
    shares.sort();
    Ok(shares)
}

/// What happens to a pool in a stretch of months.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationRule {
    /// A pool's name, or its first word for all of the kind.
    pub pool: String,
    pub method: Method,
    /// Who has the pool where nobody has the base that the method divides by.
    pub fallback: Option<String>,
    /// Only departments of this legal entity share.
    pub legal_entity: Option<String>,
    pub valid_from: BillingPeriod,
    /// Exclusive.
    pub valid_to: Option<BillingPeriod>,
}

impl AllocationRule {
    pub fn holds_in(&self, period: BillingPeriod) -> bool {
        self.valid_from <= period && self.valid_to.is_none_or(|to| period < to)
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.valid_to.is_none_or(|to| other.valid_from < to) && other.valid_to.is_none_or(|to| self.valid_from < to)
    }

    /// Departments that the rule may give something to by name.
    pub fn receivers(&self) -> Vec<&str> {
        let mut named = self.method.named();
        named.extend(self.fallback.as_deref());
        named
    }

    /// The department whose own cost is the pool.
    pub fn source(&self) -> Option<&str> {
        self.pool.strip_prefix("department.")
    }
}

/// Whether a text can be the pool of a rule.
pub fn check_pool(text: &str) -> Result<(), String> {
    let (kind, rest) = text.split_once('.').unwrap_or((text, ""));
    if !Pool::KINDS.contains(&kind) {
        return Err(format!(
            "'{text}' is no pool; pools begin with {}",
            Pool::KINDS.join(", ")
        ));
    }
    match kind {
        "department" if rest.is_empty() => Err("name the department: department.CODE".to_owned()),
        "feature" | "capacity" | "unattributed" if !rest.is_empty() && Reason::parse(rest).is_none() => {
            Err(format!("'{rest}' is no reason why usage has no department"))
        }
        "credit" | "refund" | "tax" | "exchange_difference" if !rest.is_empty() => {
            Err(format!("'{kind}' has no parts"))
        }
        _ => Ok(()),
    }
}

/// Rules in their order, with what each may contradict.  Errors name two positions.
pub fn check_rules(rules: &[AllocationRule]) -> Result<(), RuleConflict> {
    for (second, rule) in rules.iter().enumerate() {
        let is_named = matches!(rule.method, Method::KeepVisible | Method::OneDepartment(_));
        if rule.pool == "exchange_difference" && !is_named {
            let what = "the exchange difference goes to one department, or is kept visible".to_owned();
            return Err(RuleConflict {
                first: second,
                second,
                what,
            });
        }
        for (first, other) in rules.iter().enumerate() {
            if first < second && other.pool == rule.pool && other.overlaps(rule) {
                let what = format!("both say what happens to {} in the same months", rule.pool);
                return Err(RuleConflict { first, second, what });
            }
            // A department whose cost is shared receives nothing: it would go round.
            let loops = other.source().is_some_and(|source| rule.receivers().contains(&source));
            if loops && other.method != Method::KeepVisible && other.overlaps(rule) {
                let what = format!(
                    "{} is shared by the one and receives from the other: the allocation would go round in a loop",
                    other.source().unwrap_or_default()
                );
                return Err(RuleConflict { first, second, what });
            }
        }
    }
    Ok(())
}

/// Two rules that cannot hold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleConflict {
    pub first: usize,
    pub second: usize,
    pub what: String,
}

/// The rule for a pool in a month: the one of its own name, else the one of its kind.
pub fn rule_for<'r>(
    rules: &'r [AllocationRule],
    pool: &Pool,
    period: BillingPeriod,
) -> Option<(usize, &'r AllocationRule)> {
    let of = |name: &str| {
        let mut holding = rules.iter().enumerate().filter(|(_, rule)| rule.holds_in(period));
        holding.find(|(_, rule)| rule.pool == name)
    };
    of(&pool.to_string()).or_else(|| of(pool.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(pool: &str, method: &str, members: &str) -> AllocationRule {
        AllocationRule {
            pool: pool.to_owned(),
            method: Method::parse(method, members).unwrap_or_else(|e| panic!("{e}")),
            fallback: None,
            legal_entity: None,
            valid_from: "2026-04".parse().unwrap_or_else(|e| panic!("{e}")),
            valid_to: None,
        }
    }

    #[test]
    fn methods_are_read_strictly() {
        for (name, members, error) in [
            ("fixed", "a=0.5;b=0.4", "the shares sum to 0.9 and not to 1"),
            ("fixed", "a=0.5;a=0.5", "a has two shares"),
            (
                "fixed",
                "a=2;b=-1",
                "the share of a is above 0, at most 1, and has at most 9 decimals",
            ),
            ("fixed", "a", "'a' is no share; write it as sales=0.6"),
            (
                "evenly",
                "",
                "the method 'evenly' names its members, such as sales;legal",
            ),
            ("evenly", "a;a", "a member is named twice"),
            (
                "one_department",
                "a;b",
                "the method 'one_department' names exactly one member",
            ),
            ("keep", "a", "the method 'keep' has no members"),
        ] {
            assert_eq!(Method::parse(name, members).err().as_deref(), Some(error));
        }
        assert!(Method::parse("by_headcount", "").is_err_and(|e| e.contains("is none of keep")));
        let fixed = Method::parse("fixed", " b=0.40 ; a=0.6").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(fixed.members(), "a=0.6;b=0.4");
    }

    #[test]
    fn pools_are_known_by_name() {
        for pool in [
            "tax",
            "unattributed",
            "unattributed.unparsed",
            "discount.EdpDiscount",
            "department.it",
        ] {
            assert_eq!(check_pool(pool), Ok(()), "{pool}");
        }
        for pool in ["", "taxes", "tax.x", "unattributed.x", "department", "department."] {
            assert!(check_pool(pool).is_err(), "{pool}");
        }
    }

    #[test]
    fn loops_and_overlaps_are_refused() {
        let platform = rule("department.it", "fixed", "sales=1");
        let round = rule("department.sales", "evenly", "it;legal");
        assert!(check_rules(&[platform.clone(), round]).is_err_and(|e| e.what.contains("loop")));
        let tax_to_it = rule("tax", "one_department", "it");
        assert!(check_rules(&[platform.clone(), tax_to_it]).is_err_and(|e| e.what.contains("loop")));
        let own = rule("department.it", "evenly", "it");
        assert!(check_rules(&[own]).is_err_and(|e| e.what.contains("loop")));
        let twice = [rule("tax", "keep", ""), rule("tax", "proportional", "")];
        assert!(check_rules(&twice).is_err_and(|e| e.what.contains("both say") && (e.first, e.second) == (0, 1)));
        assert_eq!(check_rules(&[platform, rule("tax", "proportional", "")]), Ok(()));
    }

    #[test]
    fn a_pool_is_read_as_it_is_written() {
        for text in [
            "department.a.b",
            "feature.no_principal",
            "capacity.unparsed",
            "other.Fee",
            "discount.Edp",
            "credit",
            "refund",
            "tax",
        ] {
            assert_eq!(Pool::parse(text).map(|pool| pool.to_string()).as_deref(), Some(text));
        }
        assert_eq!((Pool::parse("vat"), Pool::parse("unattributed.x")), (None, None));
    }

    #[test]
    fn the_longer_name_wins() {
        let rules = [
            rule("unattributed", "proportional", ""),
            rule("unattributed.no_principal", "keep", ""),
        ];
        let period = "2026-10".parse().unwrap_or_else(|e| panic!("{e}"));
        let found = |pool| rule_for(&rules, &pool, period).map(|(at, _)| at);
        assert_eq!(found(Pool::Unattributed(Reason::NoPrincipal)), Some(1));
        assert_eq!(found(Pool::Unattributed(Reason::Unparsed)), Some(0));
        assert_eq!(found(Pool::Tax), None);
        let before = "2026-03".parse().unwrap_or_else(|e| panic!("{e}"));
        assert!(rule_for(&rules, &Pool::Unattributed(Reason::Unparsed), before).is_none());
    }
}
