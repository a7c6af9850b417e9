//! One delivery of one billing period, read and summed: daily charges of what is Bedrock, exact totals of what is not.
//!
//! Text is interned, so that a charge is a row of small numbers: grouping, merging and storing never compare strings.
//! All sums are integers; reading the same lines in another order or on more threads gives the same delivery.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use hashbrown::HashMap;

use super::attribution::EvidenceTags;
use super::charge::{CaughtBy, ChargeClass};
use super::finding::Finding;
use super::money::Amount;
use super::period::BillingPeriod;

/// A text of a delivery.  Zero is NULL, which is another thing than an empty text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TextId(pub u32);

impl TextId {
    pub const NULL: Self = Self(0);
}

/// Every distinct text of a delivery, once.
#[derive(Debug, Default)]
pub struct Texts {
    values: Vec<Box<str>>,
    positions: HashMap<Box<str>, TextId>,
}

impl Texts {
    pub fn intern(&mut self, text: &str) -> TextId {
        if let Some(id) = self.positions.get(text) {
            return *id;
        }
        self.values.push(text.into());
        let id = TextId(u32::try_from(self.values.len()).unwrap_or(u32::MAX));
        self.positions.insert(text.into(), id);
        id
    }

    /// The text; `None` for NULL.
    pub fn get(&self, id: TextId) -> Option<&str> {
        self.values.get((id.0 as usize).checked_sub(1)?).map(AsRef::as_ref)
    }

    /// The text, with NULL as the empty one.
    pub fn or_empty(&self, id: TextId) -> &str {
        self.get(id).unwrap_or("")
    }
}

/// What the bill says about the product of a line, where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Product {
    pub provider: TextId,
    pub model: TextId,
    pub inference_type: TextId,
    pub feature: TextId,
    pub product_name: TextId,
}

/// Index into `Delivery::products` or `Delivery::tag_sets`.
pub type Index = u32;

/// Everything that later questions can ask of a charge; lines that agree in all of it become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChargeKey {
    pub usage_date: NaiveDate,
    pub payer: TextId,
    pub account: TextId,
    pub principal: TextId,
    pub tag_set: Index,
    pub product_code: TextId,
    pub product_family: TextId,
    pub product: Index,
    pub usage_type: TextId,
    pub operation: TextId,
    pub region: TextId,
    /// Only where the resource is an inference profile.
    pub resource: TextId,
    pub unit: TextId,
    pub charge_type: TextId,
    pub bill_type: TextId,
    pub tax_type: TextId,
    pub billing_entity: TextId,
    pub seller: TextId,
    pub invoice: TextId,
    pub currency: TextId,
    /// Only for credits and refunds.
    pub description: TextId,
    /// A credit or discount of this day and no longer; false where the bill does not say.
    pub is_of_one_day: bool,
    pub caught_by: CaughtBy,
}

/// Sums over the lines of a charge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measures {
    pub quantity: Amount,
    pub cost: Amount,
    /// The net column; the cost where it is NULL, line by line.
    pub net_cost: Amount,
    pub list_cost: Amount,
    pub lines: i64,
    /// Lines whose net column was NULL, so that `net_cost` fell back to the cost.
    pub lines_without_net: i64,
    pub lines_without_list: i64,
    /// Of lines that begin in the last nine hours of the UTC day: in Japan it is the next day.
    pub cost_of_late_hours: Amount,
    /// Lines that begin after the first hour: an export of whole days has none.
    pub lines_after_midnight: i64,
}

/// The UTC hour with which the next day begins in Japan.
pub const LATE_FROM_HOUR: u8 = 15;

impl Measures {
    pub fn add(&mut self, other: &Self) {
        self.quantity += other.quantity;
        self.cost += other.cost;
        self.net_cost += other.net_cost;
        self.list_cost += other.list_cost;
        self.lines += other.lines;
        self.lines_without_net += other.lines_without_net;
        self.lines_without_list += other.lines_without_list;
        self.cost_of_late_hours += other.cost_of_late_hours;
        self.lines_after_midnight += other.lines_after_midnight;
    }
}

impl Measures {
    /// The sums that lines of every kind have.
    pub fn totals(&self) -> Totals {
        Totals {
            cost: self.cost,
            net_cost: self.net_cost,
            lines: self.lines,
        }
    }
}

/// What a line that is not Bedrock is summed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeftOutKey {
    pub usage_date: NaiveDate,
    pub payer: TextId,
    pub account: TextId,
    pub seller: TextId,
    pub invoice: TextId,
    pub charge_type: TextId,
    pub currency: TextId,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub cost: Amount,
    pub net_cost: Amount,
    pub lines: i64,
}

impl Totals {
    pub fn add(&mut self, other: &Self) {
        self.cost += other.cost;
        self.net_cost += other.net_cost;
        self.lines += other.lines;
    }
}

/// A billing period as one delivery has it.
#[derive(Debug)]
pub struct Delivery {
    pub period: BillingPeriod,
    pub texts: Texts,
    pub products: Vec<Product>,
    pub tag_sets: Vec<EvidenceTags>,
    pub charges: Vec<(ChargeKey, Measures)>,
    pub left_out: Vec<(LeftOutKey, Totals)>,
    pub lines_read: i64,
    pub findings: Vec<Finding>,
}

impl Delivery {
    /// UTC days that have any line at all, Bedrock or not.
    pub fn days(&self) -> BTreeSet<NaiveDate> {
        let charged = self.charges.iter().map(|(key, _)| key.usage_date);
        charged
            .chain(self.left_out.iter().map(|(key, _)| key.usage_date))
            .collect()
    }

    /// Usage in dollars of the last nine hours of each UTC day; none of an export that does not tell hours.
    pub fn late_hours(&self) -> Option<BTreeMap<NaiveDate, Amount>> {
        let is_usage = |key: &ChargeKey| {
            let (charge_type, currency) = (self.texts.or_empty(key.charge_type), self.texts.or_empty(key.currency));
            ChargeClass::of(charge_type) == ChargeClass::Usage && currency == "USD"
        };
        let mut late: BTreeMap<NaiveDate, Amount> = BTreeMap::new();
        let mut tells_hours = false;
        for (key, measures) in self.charges.iter().filter(|(key, _)| is_usage(key)) {
            *late.entry(key.usage_date).or_default() += measures.cost_of_late_hours;
            tells_hours |= measures.lines_after_midnight > 0;
        }
        tells_hours.then_some(late)
    }

    /// Payer accounts that the delivery bills.
    pub fn payers(&self) -> BTreeSet<&str> {
        let charged = self.charges.iter().map(|(key, _)| key.payer);
        charged
            .chain(self.left_out.iter().map(|(key, _)| key.payer))
            .map(|id| self.texts.or_empty(id))
            .collect()
    }
}
