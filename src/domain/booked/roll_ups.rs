//! The sums that reports read, of a decided delivery.
//!
//! Each is asserted to add up to the delivery: nothing that was read can fall between two reports.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::NaiveDate;
use hashbrown::{HashMap, HashSet};

use super::Booked;
use crate::domain::attribution::{Reason, State};
use crate::domain::charge::ChargeClass;
use crate::domain::delivery::{ChargeKey, Index, Measures, TextId};
use crate::domain::money::Amount;
use crate::domain::named::named;
use crate::domain::usage_type::{CacheTtl, LineKind, Meaning, TokenKind};

/// Sums of a roll-up row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RollUp {
    pub lines: i64,
    pub tokens: i64,
    pub cost: Amount,
    pub net_cost: Amount,
    /// Lines whose net column was NULL.
    pub lines_without_net: i64,
}

impl RollUp {
    pub(super) fn add(&mut self, tokens: i64, measures: &Measures) {
        self.lines += measures.lines;
        self.tokens += tokens;
        self.cost += measures.cost;
        self.net_cost += measures.net_cost;
        self.lines_without_net += measures.lines_without_net;
    }

    fn merge(&mut self, other: &Self) {
        self.lines += other.lines;
        self.tokens += other.tokens;
        self.cost += other.cost;
        self.net_cost += other.net_cost;
        self.lines_without_net += other.lines_without_net;
    }
}

/// A department's (or a reason's) day: charge type, currency and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DepartmentKey<'a> {
    pub charge_type: &'a str,
    pub currency: &'a str,
    pub state: State,
    pub reason: Option<Reason>,
    pub department: Option<&'a str>,
}

/// The bill that a line is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BillKey<'a> {
    pub payer: &'a str,
    pub seller: &'a str,
    pub invoice: Option<&'a str>,
}

/// A department's (or a reason's) month by everything that allocation asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DepartmentMonthKey<'a> {
    pub bill: BillKey<'a>,
    pub account: Option<&'a str>,
    pub product: Option<&'a str>,
    pub line_kind: LineKind,
    pub token: Option<(TokenKind, Option<CacheTtl>)>,
    pub department: DepartmentKey<'a>,
    /// Of a credit or discount that is of one day.
    pub day: Option<NaiveDate>,
}

/// Usage on a day on which the same account and product has a credit or discount of that day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountDayKey<'a> {
    pub payer: &'a str,
    pub account: &'a str,
    pub product: &'a str,
    pub day: NaiveDate,
    pub department: Option<&'a str>,
}

/// Usage of somebody by what it was used for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PersonModelKey<'a> {
    pub bill: BillKey<'a>,
    pub currency: &'a str,
    pub attribution: OwnerKey<'a>,
    pub meaning: &'a Meaning,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OwnerKey<'a> {
    pub state: State,
    pub reason: Option<Reason>,
    pub department: Option<&'a str>,
    pub person: Option<&'a str>,
    pub project: Option<&'a str>,
}

/// Attributed usage of somebody for a project on a bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonKey<'a> {
    pub bill: BillKey<'a>,
    pub currency: &'a str,
    pub department: &'a str,
    pub person: Option<&'a str>,
    pub project: Option<&'a str>,
}

named! {
    /// What daily use is summed by besides departments.
    UsageScope {
        Project = "project",
        Person = "person",
        Account = "account",
        Family = "family",
        Model = "model",
    }
}

/// Use on a day of one project, person, account, family of models or model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsageDayKey<'a> {
    pub scope: UsageScope,
    pub code: Cow<'a, str>,
    pub currency: &'a str,
    pub day: NaiveDate,
}

/// All roll-ups of a delivery.
pub struct RollUps<'a> {
    pub person_months: HashMap<PersonKey<'a>, RollUp>,
    pub department_days: BTreeMap<(NaiveDate, DepartmentKey<'a>), RollUp>,
    pub department_months: BTreeMap<DepartmentMonthKey<'a>, RollUp>,
    pub account_days: BTreeMap<AccountDayKey<'a>, RollUp>,
    pub usage_days: BTreeMap<UsageDayKey<'a>, RollUp>,
    pub person_model_months: Vec<(PersonModelKey<'a>, RollUp)>,
}

impl Booked {
    /// Sums the charges for reports.  Panics if a sum does not add up to the whole, rather than store a wrong one.
    pub fn roll_ups(&self) -> RollUps<'_> {
        let texts = &self.delivery.texts;
        // First by small numbers, then by what they stand for.
        type Sections = (TextId, TextId, TextId, TextId, TextId, TextId);
        let mut days: HashMap<(NaiveDate, TextId, TextId, Index), RollUp> = HashMap::new();
        let mut months: HashMap<(Sections, Index, Index, Option<NaiveDate>), RollUp> = HashMap::new();
        for ((key, measures), booking) in self.delivery.charges.iter().zip(&self.bookings) {
            let day = (key.usage_date, key.charge_type, key.currency, booking.attribution);
            days.entry(day).or_default().add(booking.tokens, measures);
            let section = (
                key.payer,
                key.seller,
                key.invoice,
                key.account,
                key.charge_type,
                key.currency,
            );
            let own_day = key.is_of_one_day.then_some(key.usage_date);
            let month = (section, booking.attribution, booking.meter, own_day);
            months.entry(month).or_default().add(booking.tokens, measures);
        }
        let department_key = |attribution: Index, charge_type, currency| {
            let attribution = &self.attributions[attribution as usize];
            DepartmentKey {
                charge_type: texts.or_empty(charge_type),
                currency: texts.or_empty(currency),
                state: attribution.state,
                reason: attribution.reason,
                department: attribution.department.as_deref(),
            }
        };
        let mut department_days: BTreeMap<(NaiveDate, DepartmentKey<'_>), RollUp> = BTreeMap::new();
        for ((day, charge_type, currency, attribution), sums) in days {
            let key = department_key(attribution, charge_type, currency);
            department_days.entry((day, key)).or_default().merge(&sums);
        }
        let mut department_months: HashMap<DepartmentMonthKey<'_>, RollUp> = HashMap::new();
        let mut person_models: HashMap<PersonModelKey<'_>, RollUp> = HashMap::new();
        let mut person_months: HashMap<PersonKey<'_>, RollUp> = HashMap::new();
        for ((section, attribution, meter, day), sums) in months {
            let (payer, seller, invoice, account, charge_type, currency) = section;
            let (owner, meter) = (&self.attributions[attribution as usize], &self.meters[meter as usize]);
            let bill = BillKey {
                payer: texts.or_empty(payer),
                seller: texts.or_empty(seller),
                invoice: texts.get(invoice),
            };
            let is_usage = ChargeClass::of(texts.or_empty(charge_type)) == ChargeClass::Usage;
            let key = DepartmentMonthKey {
                bill,
                account: texts.get(account),
                product: texts.get(meter.key.product_code),
                // Tax and credits name a usage type too, and are no use of it.
                line_kind: if is_usage {
                    meter.meaning.line_kind
                } else {
                    LineKind::Unknown
                },
                token: meter.meaning.tokens.map(|tokens| (tokens.kind, tokens.ttl)),
                department: department_key(attribution, charge_type, currency),
                day,
            };
            department_months.entry(key).or_default().merge(&sums);
            if let Some(department) = owner.department.as_deref().filter(|_| owner.state == State::Attributed) {
                let key = PersonKey {
                    bill,
                    currency: texts.or_empty(currency),
                    department,
                    person: owner.person.as_deref(),
                    project: owner.project.as_deref(),
                };
                person_months.entry(key).or_default().merge(&sums);
            }
            if is_usage {
                let key = PersonModelKey {
                    bill,
                    currency: texts.or_empty(currency),
                    attribution: OwnerKey {
                        state: owner.state,
                        reason: owner.reason,
                        department: owner.department.as_deref(),
                        person: owner.person.as_deref(),
                        project: owner.project.as_deref(),
                    },
                    meaning: &meter.meaning,
                };
                person_models.entry(key).or_default().merge(&sums);
            }
        }
        let roll_ups = RollUps {
            person_months,
            department_days,
            department_months: department_months.into_iter().collect(),
            account_days: self.account_days(),
            usage_days: self.usage_days(),
            person_model_months: person_models.into_iter().collect(),
        };
        self.assert_complete(&roll_ups);
        roll_ups
    }

    /// What credits and discounts of one day are divided by.
    fn account_days(&self) -> BTreeMap<AccountDayKey<'_>, RollUp> {
        let texts = &self.delivery.texts;
        let meter_of = |key: &ChargeKey| (key.payer, key.account, key.product_code, key.usage_date);
        let charges = self.delivery.charges.iter();
        let credited: HashSet<_> = charges
            .filter(|(key, _)| key.is_of_one_day)
            .map(|(key, _)| meter_of(key))
            .collect();
        let mut days: BTreeMap<AccountDayKey<'_>, RollUp> = BTreeMap::new();
        if credited.is_empty() {
            return days;
        }
        for ((key, measures), booking) in self.delivery.charges.iter().zip(&self.bookings) {
            let (Some(account), Some(product)) = (texts.get(key.account), texts.get(key.product_code)) else {
                continue;
            };
            if booking.class == ChargeClass::Usage && credited.contains(&meter_of(key)) {
                let day = AccountDayKey {
                    payer: texts.or_empty(key.payer),
                    account,
                    product,
                    day: key.usage_date,
                    department: self.attributions[booking.attribution as usize].department.as_deref(),
                };
                days.entry(day).or_default().add(booking.tokens, measures);
            }
        }
        days
    }

    fn usage_days(&self) -> BTreeMap<UsageDayKey<'_>, RollUp> {
        let texts = &self.delivery.texts;
        // First by small numbers, then by what they stand for.
        let mut attributions: HashMap<(NaiveDate, TextId, Index), RollUp> = HashMap::new();
        let mut accounts: HashMap<(NaiveDate, TextId, TextId), RollUp> = HashMap::new();
        let mut meters: HashMap<(NaiveDate, TextId, Index), RollUp> = HashMap::new();
        for ((key, measures), booking) in self.delivery.charges.iter().zip(&self.bookings) {
            if booking.class == ChargeClass::Usage {
                let (day, currency) = (key.usage_date, key.currency);
                let attribution = attributions.entry((day, currency, booking.attribution));
                attribution.or_default().add(booking.tokens, measures);
                accounts
                    .entry((day, currency, key.account))
                    .or_default()
                    .add(booking.tokens, measures);
                meters
                    .entry((day, currency, booking.meter))
                    .or_default()
                    .add(booking.tokens, measures);
            }
        }
        let by_owner = attributions.iter().flat_map(|((day, currency, attribution), sums)| {
            let owner = &self.attributions[*attribution as usize];
            [
                (
                    UsageScope::Project,
                    owner.project.as_deref().map(Cow::Borrowed),
                    (day, currency),
                    sums,
                ),
                (
                    UsageScope::Person,
                    owner.person.as_deref().map(Cow::Borrowed),
                    (day, currency),
                    sums,
                ),
            ]
        });
        let by_account = accounts.iter().map(|((day, currency, account), sums)| {
            (
                UsageScope::Account,
                texts.get(*account).map(Cow::Borrowed),
                (day, currency),
                sums,
            )
        });
        let by_model = meters.iter().flat_map(|((day, currency, meter), sums)| {
            let model = self.meters[*meter as usize].meaning.model.as_ref();
            let family = model.map(|model| model.family.as_str());
            let name = model.map(|model| Cow::Owned(model.to_string()));
            [
                (UsageScope::Family, family.map(Cow::Borrowed), (day, currency), sums),
                (UsageScope::Model, name, (day, currency), sums),
            ]
        });
        let mut days: BTreeMap<UsageDayKey<'_>, RollUp> = BTreeMap::new();
        for (scope, code, (day, currency), sums) in by_owner.chain(by_account).chain(by_model) {
            if let Some(code) = code {
                let key = UsageDayKey {
                    scope,
                    code,
                    currency: texts.or_empty(*currency),
                    day: *day,
                };
                days.entry(key).or_default().merge(sums);
            }
        }
        days
    }

    fn assert_complete(&self, roll_ups: &RollUps<'_>) {
        let sum = |sums: &mut dyn Iterator<Item = &RollUp>| {
            sums.fold(RollUp::default(), |mut all, one| {
                all.merge(one);
                all
            })
        };
        let total = self.total();
        assert_eq!(
            sum(&mut roll_ups.department_days.values()),
            total,
            "department days add up to the delivery"
        );
        assert_eq!(
            sum(&mut roll_ups.department_months.values()),
            total,
            "department months add up to the delivery"
        );
        let attributed = roll_ups.person_model_months.iter();
        let attributed = attributed.filter(|(key, _)| key.attribution.state == State::Attributed);
        assert_eq!(
            sum(&mut roll_ups.person_months.values()),
            sum(&mut attributed.map(|(_, s)| s)),
            "people add up to the attributed usage"
        );
        let usage = sum(&mut roll_ups
            .department_months
            .iter()
            .filter(|(key, _)| ChargeClass::of(key.department.charge_type) == ChargeClass::Usage)
            .map(|(_, s)| s));
        assert_eq!(
            sum(&mut roll_ups.person_model_months.iter().map(|(_, s)| s)),
            usage,
            "people and models add up to the usage"
        );
    }
}
