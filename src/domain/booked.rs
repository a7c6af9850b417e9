//! A delivery with every charge decided: what it meters and whose it is.
//!
//! This is the step from AWS's bill to the company's books.

mod roll_ups;

use std::cell::OnceCell;
use std::collections::BTreeMap;

use chrono::NaiveDate;
use hashbrown::HashMap;

use super::attribution::{Attribution, AttributionSettings, Reason, attribute};
use super::charge::ChargeClass;
use super::delivery::{ChargeKey, Delivery, Index, Measures, TextId};
use super::directory::{Directory, DirectoryDay};
use super::finding::{Finding, Severity};
use super::money::Amount;
use super::period::DayRange;
use super::reattribution::{disagreement_finding, home_elsewhere, undecided_finding};
use super::usage_type::{LineKind, Meaning, ProductMetadata, tokens_per_unit};

pub use roll_ups::{AccountDayKey, BillKey, DepartmentKey, RollUp, RollUps};

/// What a charge meters, in the bill's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MeterKey {
    pub product_code: TextId,
    pub product_family: TextId,
    pub product: Index,
    pub usage_type: TextId,
    pub operation: TextId,
    pub region: TextId,
    pub unit: TextId,
    /// Tax, credits and the like name a usage type too, but count no tokens of it.
    pub is_usage: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    pub key: MeterKey,
    pub meaning: Meaning,
    pub tokens_per_unit: Option<u32>,
}

/// Where a charge is booked.
#[derive(Debug, Clone, Copy)]
pub struct Booking {
    pub meter: Index,
    pub attribution: Index,
    pub class: ChargeClass,
    pub tokens: i64,
}

/// A decided delivery.  `bookings` runs parallel to `delivery.charges`.
#[derive(Debug)]
pub struct Booked {
    pub delivery: Delivery,
    pub meters: Vec<Meter>,
    pub attributions: Vec<Attribution>,
    pub bookings: Vec<Booking>,
    pub findings: Vec<Finding>,
}

/// Decides every charge of a delivery by the directory on its day.
pub fn book(delivery: Delivery, directory: &Directory, settings: &AttributionSettings) -> Booked {
    let mut meters = Meters::default();
    let mut attributions = Attributions::new(&delivery, directory, settings);
    let bookings: Vec<Booking> = delivery
        .charges
        .iter()
        .map(|(key, measures)| {
            let class = ChargeClass::of(delivery.texts.or_empty(key.charge_type));
            let meter = meters.index_of(&delivery, key, class == ChargeClass::Usage);
            let tokens = tokens_of(&meters.values[meter as usize], measures.quantity);
            let attribution = attributions.index_of(key, class);
            if class == ChargeClass::Usage {
                attributions.note_disagreement(key, measures);
            }
            Booking {
                meter,
                attribution,
                class,
                tokens,
            }
        })
        .collect();
    let disagreements = attributions.disagreements();
    let attributions = attributions.values;
    let mut booked = Booked {
        delivery,
        meters: meters.values,
        attributions,
        bookings,
        findings: Vec::new(),
    };
    booked.findings = findings(&booked);
    booked.findings.extend(disagreements);
    booked
}

/// Whole tokens of a quantity; zero where the line is not tokens or the unit is not known.
fn tokens_of(meter: &Meter, quantity: Amount) -> i64 {
    let (Some(_), Some(per_unit)) = (
        meter.meaning.tokens.filter(|_| meter.key.is_usage),
        meter.tokens_per_unit,
    ) else {
        return 0;
    };
    let units = quantity.units() * i128::from(per_unit);
    let one = 10_i128.pow(super::money::SCALE);
    i64::try_from((units + units.signum() * one / 2) / one).unwrap_or(i64::MAX)
}

#[derive(Default)]
struct Meters {
    values: Vec<Meter>,
    positions: HashMap<MeterKey, Index>,
}

impl Meters {
    fn index_of(&mut self, delivery: &Delivery, key: &ChargeKey, is_usage: bool) -> Index {
        let key = MeterKey {
            product_code: key.product_code,
            product_family: key.product_family,
            product: key.product,
            usage_type: key.usage_type,
            operation: key.operation,
            region: key.region,
            unit: key.unit,
            is_usage,
        };
        *self.positions.entry(key).or_insert_with(|| {
            let texts = &delivery.texts;
            let product = delivery.products[key.product as usize];
            let metadata = ProductMetadata {
                provider: texts.get(product.provider),
                model: texts.get(product.model),
                inference_type: texts.get(product.inference_type),
                product_name: texts.get(product.product_name),
            };
            let mut meaning = Meaning::read(texts.or_empty(key.usage_type), metadata);
            if !is_usage {
                meaning.tokens = None;
            }
            self.values.push(Meter {
                key,
                meaning,
                tokens_per_unit: tokens_per_unit(texts.or_empty(key.unit)),
            });
            Index::try_from(self.values.len() - 1).unwrap_or(Index::MAX)
        })
    }
}

/// A decision that was made before.
struct Decided {
    index: Index,
    /// The person's own department, where a tag or role name names another one.
    home: Option<String>,
}

/// Decisions, each made once for a principal with its tags and a stretch of days in which the directory stands still.
struct Attributions<'a> {
    delivery: &'a Delivery,
    settings: &'a AttributionSettings,
    directory: &'a Directory,
    spans: Vec<DayRange>,
    /// The directory in each span, made when it is first asked.
    days: Vec<OnceCell<DirectoryDay<'a>>>,
    known: HashMap<(usize, TextId, Index), Decided>,
    /// Usage whose tag or role name names another department than its person's own, by both and currency.
    disagreeing: BTreeMap<(String, String, TextId), (Amount, i64)>,
    positions: HashMap<Attribution, Index>,
    values: Vec<Attribution>,
}

impl<'a> Attributions<'a> {
    fn new(delivery: &'a Delivery, directory: &'a Directory, settings: &'a AttributionSettings) -> Self {
        let charged = delivery.charges.iter().map(|(key, _)| key.usage_date);
        let first = charged.clone().min().unwrap_or(delivery.period.first_day());
        let last = charged.max().unwrap_or(delivery.period.first_day());
        let spans = directory.spans(DayRange {
            from: first,
            to: last.succ_opt().unwrap_or(NaiveDate::MAX),
        });
        let days = spans.iter().map(|_| OnceCell::new()).collect();
        let (known, positions) = (HashMap::new(), HashMap::new());
        let disagreeing = BTreeMap::new();
        Self {
            disagreeing,
            delivery,
            settings,
            directory,
            spans,
            days,
            known,
            positions,
            values: Vec::new(),
        }
    }

    fn index_of(&mut self, key: &ChargeKey, class: ChargeClass) -> Index {
        if class != ChargeClass::Usage {
            return self.position(Attribution::unattributed(Reason::NotUsage));
        }
        let memo = self.memo(key);
        if let Some(decided) = self.known.get(&memo) {
            return decided.index;
        }
        let span = memo.0;
        let tags = &self.delivery.tag_sets[key.tag_set as usize];
        let day = self.days[span].get_or_init(|| self.directory.on(self.spans[span].from));
        let attribution = attribute(self.delivery.texts.get(key.principal), tags, day, self.settings);
        let home = home_elsewhere(&attribution, day);
        let index = self.position(attribution);
        self.known.insert(memo, Decided { index, home });
        index
    }

    fn memo(&self, key: &ChargeKey) -> (usize, TextId, Index) {
        let span = self.spans.partition_point(|span| span.from <= key.usage_date);
        (span.saturating_sub(1), key.principal, key.tag_set)
    }

    fn note_disagreement(&mut self, key: &ChargeKey, measures: &Measures) {
        let decided = self.known.get(&self.memo(key));
        let Some((decided, home)) = decided.and_then(|decided| Some((decided, decided.home.clone()?))) else {
            return;
        };
        let department = self.values[decided.index as usize]
            .department
            .clone()
            .unwrap_or_default();
        let sums = self.disagreeing.entry((department, home, key.currency)).or_default();
        *sums = (sums.0 + measures.cost, sums.1 + measures.lines);
    }

    /// One finding for two departments and a currency; people are not named.
    fn disagreements(&self) -> Vec<Finding> {
        let found = self
            .disagreeing
            .iter()
            .map(|((department, home, currency), (cost, lines))| {
                disagreement_finding(
                    department,
                    home,
                    self.delivery.texts.or_empty(*currency),
                    (*cost, *lines),
                )
            });
        found.collect()
    }

    fn position(&mut self, attribution: Attribution) -> Index {
        if let Some(index) = self.positions.get(&attribution) {
            return *index;
        }
        let index = Index::try_from(self.values.len()).unwrap_or(Index::MAX);
        self.values.push(attribution.clone());
        self.positions.insert(attribution, index);
        index
    }
}

impl Booked {
    /// Cost, net cost, tokens and lines of the whole.
    pub fn total(&self) -> RollUp {
        let mut total = RollUp::default();
        for ((_, measures), booking) in self.delivery.charges.iter().zip(&self.bookings) {
            total.add(booking.tokens, measures);
        }
        total
    }

    /// Cost per currency: currencies are never added up.
    pub fn costs(&self) -> BTreeMap<&str, Amount> {
        let mut costs = BTreeMap::new();
        for (key, measures) in &self.delivery.charges {
            *costs.entry(self.delivery.texts.or_empty(key.currency)).or_default() += measures.cost;
        }
        costs
    }
}

/// Lines whose usage type or unit is not known, and money that nobody owns.
fn findings(booked: &Booked) -> Vec<Finding> {
    let texts = &booked.delivery.texts;
    let mut unknown: BTreeMap<(&'static str, &str, &str), (Amount, i64)> = BTreeMap::new();
    let mut undecided: BTreeMap<(Reason, &str), (Amount, i64)> = BTreeMap::new();
    for ((key, measures), booking) in booked.delivery.charges.iter().zip(&booked.bookings) {
        if booking.class != ChargeClass::Usage {
            continue;
        }
        let meter = &booked.meters[booking.meter as usize];
        let (usage_type, currency) = (texts.or_empty(key.usage_type), texts.or_empty(key.currency));
        let mut note = |code, subject| {
            let sums = unknown.entry((code, subject, currency)).or_default();
            *sums = (sums.0 + measures.cost, sums.1 + measures.lines);
        };
        match meter.meaning.line_kind {
            LineKind::Unknown => note("unknown_usage_type", usage_type),
            LineKind::Tokens if meter.tokens_per_unit.is_none() => note("unknown_unit", texts.or_empty(key.unit)),
            LineKind::Tokens if meter.meaning.model.is_none() => note("unknown_model", usage_type),
            LineKind::Tokens | LineKind::Capacity | LineKind::Feature => {}
        }
        if meter.meaning.disagrees {
            note("metadata_disagrees", usage_type);
        }
        if let Some(reason) = booked.attributions[booking.attribution as usize].reason {
            let sums = undecided.entry((reason, currency)).or_default();
            *sums = (sums.0 + measures.cost, sums.1 + measures.lines);
        }
    }
    let unknown = unknown.into_iter().map(|((code, subject, currency), (cost, lines))| {
        let (message, action) = match code {
            "unknown_usage_type" => (
                "this usage type is in no known grammar: its cost counts, its tokens do not",
                "check on the AWS price list what it is",
            ),
            "unknown_unit" => (
                "lines in this unit cannot be scaled to tokens: their cost counts, their tokens do not",
                "check on the bill what one unit is",
            ),
            "unknown_model" => (
                "neither the usage type nor the product names a model",
                "check on the bill which product it is",
            ),
            _ => (
                "the product metadata names another kind of token than the usage type",
                "check on the bill which of the two is right; the metadata was taken",
            ),
        };
        Finding::new(code, Severity::Warning, subject, message, action).with_cost(cost, currency, lines)
    });
    let undecided = undecided
        .into_iter()
        .map(|((reason, currency), sums)| undecided_finding(reason, currency, sums));
    unknown.chain(undecided).collect()
}
