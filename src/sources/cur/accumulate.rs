//! Sums of what was read so far, one accumulator a thread, merged at the end.
//!
//! Which Marketplace products run on Bedrock is known for certain only when everything was read: a line of a product
//! that no line has named yet is held among the charges with no rule, and `finish` decides about all of them at once.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::domain::attribution::EvidenceTags;
use crate::domain::charge::{CaughtBy, SelectionRule};
use crate::domain::delivery::{ChargeKey, Delivery, Index, LeftOutKey, Measures, Product, TextId, Texts, Totals};
use crate::domain::period::BillingPeriod;

#[derive(Default)]
pub(super) struct Accumulator {
    pub(super) texts: Texts,
    products: Distinct<Product>,
    tag_sets: Distinct<EvidenceTags>,
    charges: HashMap<ChargeKey, Measures>,
    left_out: HashMap<LeftOutKey, Totals>,
    /// Product codes by whether the bill names them an edition of Bedrock.
    editions: BTreeMap<TextId, bool>,
    pub(super) lines_read: i64,
}

/// Distinct values in order of arrival.
#[derive(Default)]
struct Distinct<T> {
    values: Vec<T>,
    positions: HashMap<T, Index>,
}

impl<T: Clone + Eq + std::hash::Hash> Distinct<T> {
    fn index_of(&mut self, value: T) -> Index {
        if let Some(index) = self.positions.get(&value) {
            return *index;
        }
        let index = Index::try_from(self.values.len()).unwrap_or(Index::MAX);
        self.values.push(value.clone());
        self.positions.insert(value, index);
        index
    }
}

impl Accumulator {
    pub(super) fn product(&mut self, product: Product) -> Index {
        self.products.index_of(product)
    }

    pub(super) fn tag_set(&mut self, tags: EvidenceTags) -> Index {
        self.tag_sets.index_of(tags)
    }

    pub(super) fn edition(&self, product_code: TextId) -> Option<bool> {
        self.editions.get(&product_code).copied()
    }

    pub(super) fn learn_edition(&mut self, product_code: TextId, is_edition: bool) {
        *self.editions.entry(product_code).or_default() |= is_edition;
    }

    pub(super) fn add_charge(&mut self, key: ChargeKey, measures: &Measures) {
        self.charges.entry(key).or_default().add(measures);
    }

    pub(super) fn add_left_out(&mut self, key: LeftOutKey, totals: &Totals) {
        self.left_out.entry(key).or_default().add(totals);
    }

    pub(super) fn merge(&mut self, other: Self) {
        let mut texts = vec![TextId::NULL; 1];
        let mut id = 1;
        while let Some(text) = other.texts.get(TextId(id)) {
            texts.push(self.texts.intern(text));
            id += 1;
        }
        let text = |id: TextId| texts[id.0 as usize];
        let products: Vec<Index> = other
            .products
            .values
            .iter()
            .map(|p| {
                self.products.index_of(Product {
                    provider: text(p.provider),
                    model: text(p.model),
                    inference_type: text(p.inference_type),
                    feature: text(p.feature),
                    product_name: text(p.product_name),
                })
            })
            .collect();
        let tag_sets: Vec<Index> = other
            .tag_sets
            .values
            .into_iter()
            .map(|tags| self.tag_sets.index_of(tags))
            .collect();
        for (code, is_edition) in other.editions {
            self.learn_edition(text(code), is_edition);
        }
        self.charges.reserve(other.charges.len());
        for (key, measures) in other.charges {
            let key = ChargeKey {
                usage_date: key.usage_date,
                payer: text(key.payer),
                account: text(key.account),
                principal: text(key.principal),
                tag_set: tag_sets[key.tag_set as usize],
                product_code: text(key.product_code),
                product_family: text(key.product_family),
                product: products[key.product as usize],
                usage_type: text(key.usage_type),
                operation: text(key.operation),
                region: text(key.region),
                resource: text(key.resource),
                unit: text(key.unit),
                charge_type: text(key.charge_type),
                bill_type: text(key.bill_type),
                tax_type: text(key.tax_type),
                billing_entity: text(key.billing_entity),
                seller: text(key.seller),
                invoice: text(key.invoice),
                currency: text(key.currency),
                description: text(key.description),
                is_of_one_day: key.is_of_one_day,
                caught_by: key.caught_by,
            };
            self.add_charge(key, &measures);
        }
        for (key, totals) in other.left_out {
            let key = LeftOutKey {
                usage_date: key.usage_date,
                payer: text(key.payer),
                account: text(key.account),
                seller: text(key.seller),
                invoice: text(key.invoice),
                charge_type: text(key.charge_type),
                currency: text(key.currency),
            };
            self.add_left_out(key, &totals);
        }
        self.lines_read += other.lines_read;
    }

    pub(super) fn finish(mut self, period: BillingPeriod) -> Delivery {
        let mut charges = Vec::with_capacity(self.charges.len());
        for (mut key, measures) in std::mem::take(&mut self.charges) {
            // No key has this bit yet, and all keys of a product code get it or none: so no two become one.
            if self.edition(key.product_code) == Some(true) {
                key.caught_by = CaughtBy(key.caught_by.0 | SelectionRule::BedrockEdition as u8);
            }
            if key.caught_by.nothing() {
                self.add_left_out(left_out_key(&key), &measures.totals());
            } else {
                charges.push((key, measures));
            }
        }
        let kept: i64 = charges.iter().map(|(_, m)| m.lines).sum();
        let left_out: i64 = self.left_out.values().map(|t| t.lines).sum();
        assert_eq!(
            kept + left_out,
            self.lines_read,
            "every line that was read is in exactly one sum"
        );
        Delivery {
            period,
            texts: self.texts,
            products: self.products.values,
            tag_sets: self.tag_sets.values,
            charges,
            left_out: self.left_out.into_iter().collect(),
            lines_read: self.lines_read,
            findings: Vec::new(),
        }
    }
}

fn left_out_key(key: &ChargeKey) -> LeftOutKey {
    LeftOutKey {
        usage_date: key.usage_date,
        payer: key.payer,
        account: key.account,
        seller: key.seller,
        invoice: key.invoice,
        charge_type: key.charge_type,
        currency: key.currency,
    }
}
