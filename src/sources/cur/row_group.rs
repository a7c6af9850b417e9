//! One row group into an accumulator: narrow columns decide which lines are Bedrock, wide ones are read for those only.

mod ledger;
mod selection;

use chrono::NaiveDate;
use hashbrown::HashMap;

use super::accumulate::Accumulator;
use super::columnar::{ColumnError, DayColumn, DoubleColumn, MapColumn, RowGroup, TextColumn};
use super::columns::{
    BILL_TYPE, BILLING_ENTITY, DESCRIPTION, LIST_COST, PRINCIPAL, QUANTITY, REGION, RESOURCE, TAGS, TAX_TYPE, UNIT,
    USAGE_END, USAGE_START, USAGE_TYPE,
};
use crate::domain::attribution::{EvidenceTags, is_evidence_tag};
use crate::domain::charge::{CaughtBy, ChargeClass};
use crate::domain::delivery::{ChargeKey, Index, LATE_FROM_HOUR, Measures, TextId};
use crate::domain::money::{Amount, LINE_LIMIT};
use ledger::{KeptLedger, Ledger};
use selection::Selection;

/// More of anything than this in one line is no measurement but a damaged file.
const QUANTITY_LIMIT: f64 = 1e12;

/// A failure with the column that it is about.
pub(super) enum RowGroupError {
    Column(&'static str, ColumnError),
    Value {
        column: &'static str,
        row: usize,
        what: String,
    },
}

type Result<T> = std::result::Result<T, RowGroupError>;

fn in_column(column: &'static str) -> impl FnOnce(ColumnError) -> RowGroupError {
    move |error| RowGroupError::Column(column, error)
}

/// Adds every line of a row group to the sums.
pub(super) fn read(group: &RowGroup<'_>, sums: &mut Accumulator) -> Result<()> {
    let rows = group.rows().map_err(in_column(USAGE_START))?;
    let selection = Selection::decide(group, rows, sums)?;
    let ledger = Ledger::read(group, rows)?;
    ledger.add_left_out(&selection.kept, sums)?;
    let ledger = ledger.keep(&selection.kept, sums)?;
    add_kept(group, &selection, &ledger, sums)?;
    sums.lines_read += i64::try_from(rows).unwrap_or(i64::MAX);
    Ok(())
}

fn text_column(group: &RowGroup<'_>, name: &'static str, rows: usize) -> Result<TextColumn> {
    Ok(TextColumn::read(group, name)
        .map_err(in_column(name))?
        .unwrap_or_else(|| TextColumn::absent(rows)))
}

/// Interns the strings of a column as they are used.
struct Interner<'c> {
    column: &'c TextColumn,
    name: &'static str,
    ids: Vec<Option<TextId>>,
}

impl<'c> Interner<'c> {
    fn new(column: &'c TextColumn, name: &'static str) -> Self {
        Self {
            column,
            name,
            ids: vec![None; column.strings.len() + 1],
        }
    }

    fn id(&mut self, code: u32, sums: &mut Accumulator) -> Result<TextId> {
        if let Some(id) = self.ids[code as usize] {
            return Ok(id);
        }
        let id = match self.column.strings.get(code) {
            None => TextId::NULL,
            Some(bytes) => sums.texts.intern(text_of(bytes, self.name)?),
        };
        self.ids[code as usize] = Some(id);
        Ok(id)
    }
}

fn text_of<'b>(bytes: &'b [u8], column: &'static str) -> Result<&'b str> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    let damaged = || ColumnError::Damaged("a string is not UTF-8, or holds a NUL".to_owned());
    text.ok_or_else(|| RowGroupError::Column(column, damaged()))
}

fn double_column(group: &RowGroup<'_>, name: &'static str, rows: usize) -> Result<DoubleColumn> {
    Ok(DoubleColumn::read(group, name)
        .map_err(in_column(name))?
        .unwrap_or_else(|| DoubleColumn::absent(rows)))
}

fn money(value: f64, column: &'static str, row: usize) -> Result<Amount> {
    if value.is_nan() || value.abs() >= LINE_LIMIT {
        return Err(RowGroupError::Value {
            column,
            row,
            what: format!("{value} is no amount of money"),
        });
    }
    Amount::from_double(value).ok_or_else(|| RowGroupError::Value {
        column,
        row,
        what: format!("{value} is no amount of money"),
    })
}

/// Reads the wide columns for the kept rows and adds them as charges.
fn add_kept(group: &RowGroup<'_>, selection: &Selection, ledger: &KeptLedger, sums: &mut Accumulator) -> Result<()> {
    let kept = &selection.kept;
    if kept.is_empty() {
        return Ok(());
    }
    let read = |name, sums: &mut Accumulator| -> Result<Vec<TextId>> {
        let column = kept_column(group, name, kept)?;
        let mut ids = Interner::new(&column, name);
        column.codes.iter().map(|code| ids.id(*code, sums)).collect()
    };
    let principals = read(PRINCIPAL, sums)?;
    let usage_types = read(USAGE_TYPE, sums)?;
    let regions = read(REGION, sums)?;
    let units = read(UNIT, sums)?;
    let bill_types = read(BILL_TYPE, sums)?;
    let tax_types = read(TAX_TYPE, sums)?;
    let billing_entities = read(BILLING_ENTITY, sums)?;
    let resources = profiles(&kept_column(group, RESOURCE, kept)?, sums)?;
    let classes = ledger
        .charge_types
        .iter()
        .map(|id| ChargeClass::of(sums.texts.or_empty(*id)));
    let classes: Vec<ChargeClass> = classes.collect();
    let is_credit: Vec<bool> = classes
        .iter()
        .map(|class| matches!(class, ChargeClass::Credit | ChargeClass::Refund))
        .collect();
    let ends = if classes.iter().any(|class| class.follows_usage()) {
        DayColumn::read(group, USAGE_END).map_err(in_column(USAGE_END))?
    } else {
        None
    };
    let descriptions = if is_credit.contains(&true) {
        read(DESCRIPTION, sums)?
    } else {
        vec![TextId::NULL; kept.len()]
    };
    let tag_sets = read_tag_sets(group, kept, sums)?;
    let rows = group.rows().map_err(in_column(QUANTITY))?;
    let quantities = double_column(group, QUANTITY, rows)?.keep(kept);
    let list_costs = double_column(group, LIST_COST, rows)?.keep(kept);
    for (nth, &row) in kept.iter().enumerate() {
        let row = row as usize;
        let (cost, net_cost) = (ledger.costs[nth], ledger.net_costs[nth]);
        let list_cost = list_costs
            .get(nth)
            .map(|value| money(value, LIST_COST, row))
            .transpose()?;
        let quantity = quantities.get(nth).unwrap_or(0.0);
        let quantity = Amount::from_double(quantity).filter(|_| quantity.abs() < QUANTITY_LIMIT);
        let quantity = quantity.ok_or_else(|| RowGroupError::Value {
            column: QUANTITY,
            row,
            what: format!("{} is no quantity", quantities.get(nth).unwrap_or(0.0)),
        })?;
        let key = ChargeKey {
            usage_date: ledger.usage_dates[nth],
            payer: ledger.payers[nth],
            account: ledger.accounts[nth],
            principal: principals[nth],
            tag_set: tag_sets[nth],
            product_code: selection.codes[nth],
            product_family: selection.families[nth],
            product: selection.products[nth],
            usage_type: usage_types[nth],
            operation: selection.operations[nth],
            region: regions[nth],
            resource: resources[nth],
            unit: units[nth],
            charge_type: ledger.charge_types[nth],
            bill_type: bill_types[nth],
            tax_type: tax_types[nth],
            billing_entity: billing_entities[nth],
            seller: ledger.sellers[nth],
            invoice: ledger.invoices[nth],
            currency: ledger.currencies[nth],
            description: if is_credit[nth] {
                descriptions[nth]
            } else {
                TextId::NULL
            },
            is_of_one_day: classes[nth].follows_usage()
                && ends
                    .as_ref()
                    .is_some_and(|ends| ends_within_a_day(ledger.usage_dates[nth], ends, row)),
            caught_by: CaughtBy(selection.caught_by[nth]),
        };
        let measures = Measures {
            quantity,
            cost,
            net_cost: net_cost.unwrap_or(cost),
            list_cost: list_cost.unwrap_or_default(),
            lines: 1,
            lines_without_net: i64::from(net_cost.is_none()),
            lines_without_list: i64::from(list_cost.is_none()),
            cost_of_late_hours: if ledger.hours[nth] >= LATE_FROM_HOUR {
                cost
            } else {
                Amount::ZERO
            },
            lines_after_midnight: i64::from(ledger.hours[nth] > 0),
        };
        sums.add_charge(key, &measures);
    }
    Ok(())
}

/// Whether a line ends by the midnight after the day that it begins on; the end itself is exclusive.
fn ends_within_a_day(begins: NaiveDate, ends: &DayColumn, row: usize) -> bool {
    let Some(&end) = (ends.codes[row] as usize)
        .checked_sub(1)
        .and_then(|at| ends.days.get(at))
    else {
        return false;
    };
    end == begins || begins.succ_opt() == Some(end) && ends.hours[row] == 0
}

fn kept_column(group: &RowGroup<'_>, name: &'static str, kept: &[u32]) -> Result<TextColumn> {
    Ok(TextColumn::read_for(group, name, kept)
        .map_err(in_column(name))?
        .unwrap_or_else(|| TextColumn::absent(kept.len())))
}

/// Resources of the kept rows, where they are inference profiles; what else a line ran on is nobody's question.
fn profiles(column: &TextColumn, sums: &mut Accumulator) -> Result<Vec<TextId>> {
    let is_profile = |bytes: &[u8]| bytes.windows(18).any(|w| w == b"inference-profile/");
    let mut ids = Interner::new(column, RESOURCE);
    let profile = |code: &u32| match column.strings.get(*code) {
        Some(bytes) if is_profile(bytes) => ids.id(*code, sums),
        _ => Ok(TextId::NULL),
    };
    column.codes.iter().map(profile).collect()
}

/// The tags of each kept row that can say who called.
fn read_tag_sets(group: &RowGroup<'_>, kept: &[u32], sums: &mut Accumulator) -> Result<Vec<Index>> {
    let Some(map) = MapColumn::read(group, TAGS, kept).map_err(in_column(TAGS))? else {
        let none = sums.tag_set(EvidenceTags::new());
        return Ok(vec![none; kept.len()]);
    };
    let is_evidence: Vec<bool> = std::iter::once(false)
        .chain(
            map.keys
                .iter()
                .map(|key| std::str::from_utf8(key).is_ok_and(is_evidence_tag)),
        )
        .collect();
    let mut known: HashMap<Vec<(u32, u32)>, Index> = HashMap::new();
    let mut tag_sets = Vec::with_capacity(kept.len());
    let mut codes: Vec<(u32, u32)> = Vec::new();
    for nth in 0..kept.len() {
        codes.clear();
        codes.extend(map.entries(nth).iter().filter(|(key, _)| is_evidence[*key as usize]));
        let index = match known.get(codes.as_slice()) {
            Some(index) => *index,
            None => {
                let mut tags = EvidenceTags::new();
                for (key, value) in &codes {
                    // An empty value is no tag, like an absent key.
                    if let (Some(key), Some(value)) =
                        (map.keys.get(*key), map.values.get(*value).filter(|v| !v.is_empty()))
                    {
                        tags.insert(text_of(key, TAGS)?.to_owned(), text_of(value, TAGS)?.to_owned());
                    }
                }
                let index = sums.tag_set(tags);
                known.insert(codes.clone(), index);
                index
            }
        };
        tag_sets.push(index);
    }
    Ok(tag_sets)
}
