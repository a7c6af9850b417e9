//! One row group into an accumulator: narrow columns decide which lines are Bedrock, wide ones are read for those only.

use chrono::NaiveDate;
use hashbrown::HashMap;

use super::accumulate::Accumulator;
use super::columnar::{ColumnError, DayColumn, DoubleColumn, MapColumn, RowGroup, TextColumn};
use super::columns::{
    ACCOUNT, BILL_TYPE, BILLING_ENTITY, CHARGE_TYPE, COST, CURRENCY, DESCRIPTION, INVOICE, LIST_COST, NET_COST,
    OPERATION, PAYER, PRINCIPAL, PRODUCT, PRODUCT_CODE, PRODUCT_FAMILY, QUANTITY, REGION, RESOURCE, SELLER, TAGS,
    TAX_TYPE, UNIT, USAGE_START, USAGE_TYPE,
};
use crate::domain::attribution::{EvidenceTags, is_evidence_tag};
use crate::domain::charge::{
    BEDROCK_EDITION_SUFFIX, BEDROCK_OPERATION_PREFIX, BEDROCK_PRODUCT_CODES, BEDROCK_PRODUCT_FAMILY, CaughtBy,
    ChargeClass, SelectionRule,
};
use crate::domain::delivery::{ChargeKey, Index, LeftOutKey, Measures, Product, TextId, Totals};
use crate::domain::money::{Amount, LINE_LIMIT};

/// Up to this many cells the left-out lines of a row group are summed in a flat table instead of a hash map.
const DENSE_CELLS_MAX: usize = 1 << 18;

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
    add_kept(group, &selection, &ledger, sums)?;
    sums.lines_read += i64::try_from(rows).unwrap_or(i64::MAX);
    Ok(())
}

fn text_column(group: &RowGroup<'_>, name: &'static str, rows: usize) -> Result<TextColumn> {
    Ok(TextColumn::read(group, name)
        .map_err(in_column(name))?
        .unwrap_or_else(|| TextColumn::absent(rows)))
}

/// Which lines are Bedrock, by the rules that can be told from narrow columns.
struct Selection {
    /// Rows that are kept, ascending.
    kept: Vec<u32>,
    /// For each kept row the rules that caught it; none where only its product's name can tell.
    caught_by: Vec<u8>,
    products: Vec<Index>,
    codes: Vec<TextId>,
    families: Vec<TextId>,
    operations: Vec<TextId>,
}

impl Selection {
    fn decide(group: &RowGroup<'_>, rows: usize, sums: &mut Accumulator) -> Result<Self> {
        let codes = text_column(group, PRODUCT_CODE, rows)?;
        let families = text_column(group, PRODUCT_FAMILY, rows)?;
        let operations = text_column(group, OPERATION, rows)?;
        let by_code = bits(&codes, SelectionRule::ProductCode, |v| {
            BEDROCK_PRODUCT_CODES.iter().any(|known| known.as_bytes() == v)
        });
        let by_family = bits(&families, SelectionRule::ProductFamily, |v| {
            v == BEDROCK_PRODUCT_FAMILY.as_bytes()
        });
        let by_operation = bits(&operations, SelectionRule::Operation, |v| {
            v.starts_with(BEDROCK_OPERATION_PREFIX.as_bytes())
        });
        // Product codes of which it is not known yet whether they are editions of Bedrock, and those known to be.
        let mut code_ids = Interner::new(&codes, PRODUCT_CODE);
        let (mut open, mut edition) = (
            vec![false; codes.strings.len() + 1],
            vec![false; codes.strings.len() + 1],
        );
        for code in 1..=codes.strings.len() {
            let id = code_ids.id(u32::try_from(code).unwrap_or(0), sums)?;
            open[code] = by_code[code] == 0 && sums.edition(id).is_none();
            edition[code] = sums.edition(id) == Some(true);
        }
        let mask = |row: usize| {
            by_code[codes.codes[row] as usize]
                | by_family[families.codes[row] as usize]
                | by_operation[operations.codes[row] as usize]
        };
        let asked =
            |row: &usize| mask(*row) != 0 || open[codes.codes[*row] as usize] || edition[codes.codes[*row] as usize];
        let asked: Vec<u32> = (0..rows)
            .filter(asked)
            .filter_map(|row| u32::try_from(row).ok())
            .collect();
        let products = read_products(group, &asked, sums)?;
        for (row, (_, is_edition)) in asked.iter().zip(&products) {
            let code = codes.codes[*row as usize];
            if let (true, Some(is_edition)) = (open[code as usize], is_edition) {
                let id = code_ids.id(code, sums)?;
                sums.learn_edition(id, *is_edition);
            }
        }
        // A code that now has a name is decided; one that no line has named yet is kept until the end.
        let mut maybe_edition = edition;
        for code in 1..=codes.strings.len() {
            let id = code_ids.id(u32::try_from(code).unwrap_or(0), sums)?;
            maybe_edition[code] |= open[code] && sums.edition(id) != Some(false);
        }
        let mut this = Self {
            kept: Vec::new(),
            caught_by: Vec::new(),
            products: Vec::new(),
            codes: Vec::new(),
            families: Vec::new(),
            operations: Vec::new(),
        };
        let (mut family_ids, mut operation_ids) = (
            Interner::new(&families, PRODUCT_FAMILY),
            Interner::new(&operations, OPERATION),
        );
        for (&row, (product, _)) in asked.iter().zip(products) {
            let at = row as usize;
            let rules = mask(at);
            if rules != 0 || maybe_edition[codes.codes[at] as usize] {
                this.kept.push(row);
                this.caught_by.push(rules);
                this.products.push(product);
                this.codes.push(code_ids.id(codes.codes[at], sums)?);
                this.families.push(family_ids.id(families.codes[at], sums)?);
                this.operations.push(operation_ids.id(operations.codes[at], sums)?);
            }
        }
        Ok(this)
    }
}

/// For each code of a column the bit of a rule, where its string fits; code 0 never does.
fn bits(column: &TextColumn, rule: SelectionRule, fits: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    std::iter::once(0)
        .chain(
            column
                .strings
                .iter()
                .map(|value| if fits(value) { rule as u8 } else { 0 }),
        )
        .collect()
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
    std::str::from_utf8(bytes)
        .map_err(|_| RowGroupError::Column(column, ColumnError::Damaged("a string is not UTF-8".to_owned())))
}

/// The product of each asked row, and whether its name says that it is an edition of Bedrock (`None` without a name).
fn read_products(group: &RowGroup<'_>, rows: &[u32], sums: &mut Accumulator) -> Result<Vec<(Index, Option<bool>)>> {
    let Some(map) = MapColumn::read(group, PRODUCT, rows).map_err(in_column(PRODUCT))? else {
        let none = sums.product(Product::default());
        return Ok(vec![(none, None); rows.len()]);
    };
    const KEYS: [&[u8]; 5] = [b"provider", b"model", b"inference_type", b"feature", b"product_name"];
    let place_of_key: Vec<Option<usize>> = std::iter::once(None)
        .chain(map.keys.iter().map(|key| KEYS.iter().position(|k| *k == key)))
        .collect();
    let mut known: HashMap<[u32; 5], (Index, Option<bool>)> = HashMap::new();
    let mut products = Vec::with_capacity(rows.len());
    for nth in 0..rows.len() {
        let mut codes = [0_u32; 5];
        for (key, value) in map.entries(nth) {
            if let Some(place) = place_of_key[*key as usize] {
                codes[place] = *value;
            }
        }
        let product = match known.get(&codes) {
            Some(product) => *product,
            None => {
                let mut ids = [TextId::NULL; 5];
                for (id, code) in ids.iter_mut().zip(codes) {
                    if let Some(bytes) = map.values.get(code).filter(|bytes| !bytes.is_empty()) {
                        *id = sums.texts.intern(text_of(bytes, PRODUCT)?);
                    }
                }
                let [provider, model, inference_type, feature, product_name] = ids;
                let is_edition = sums
                    .texts
                    .get(product_name)
                    .map(|name| name.ends_with(BEDROCK_EDITION_SUFFIX));
                let product = (
                    sums.product(Product {
                        provider,
                        model,
                        inference_type,
                        feature,
                        product_name,
                    }),
                    is_edition,
                );
                known.insert(codes, product);
                product
            }
        };
        products.push(product);
    }
    Ok(products)
}

/// The columns that every line is summed by, Bedrock or not.
struct Ledger {
    days: DayColumn,
    payers: TextColumn,
    accounts: TextColumn,
    sellers: TextColumn,
    invoices: TextColumn,
    charge_types: TextColumn,
    currencies: TextColumn,
    costs: DoubleColumn,
    net_costs: DoubleColumn,
}

impl Ledger {
    fn read(group: &RowGroup<'_>, rows: usize) -> Result<Self> {
        let this = Self {
            days: DayColumn::read(group, USAGE_START)
                .map_err(in_column(USAGE_START))?
                .ok_or_else(|| {
                    RowGroupError::Column(
                        USAGE_START,
                        ColumnError::Damaged("it is not in this row group".to_owned()),
                    )
                })?,
            payers: text_column(group, PAYER, rows)?,
            accounts: text_column(group, ACCOUNT, rows)?,
            sellers: text_column(group, SELLER, rows)?,
            invoices: text_column(group, INVOICE, rows)?,
            charge_types: text_column(group, CHARGE_TYPE, rows)?,
            currencies: text_column(group, CURRENCY, rows)?,
            costs: double_column(group, COST, rows)?,
            net_costs: double_column(group, NET_COST, rows)?,
        };
        for (column, codes) in [
            (USAGE_START, &this.days.codes),
            (CURRENCY, &this.currencies.codes),
            (CHARGE_TYPE, &this.charge_types.codes),
        ] {
            if let Some(row) = codes.iter().position(|code| *code == 0) {
                return Err(RowGroupError::Value {
                    column,
                    row,
                    what: "it is empty".to_owned(),
                });
            }
        }
        Ok(this)
    }

    fn cost(&self, row: usize) -> Result<Amount> {
        match self.costs.get(row) {
            Some(value) => money(value, COST, row),
            None => Err(RowGroupError::Value {
                column: COST,
                row,
                what: "it is empty, and no cost is not zero".to_owned(),
            }),
        }
    }

    fn net_cost(&self, row: usize) -> Result<Option<Amount>> {
        self.net_costs
            .get(row)
            .map(|value| money(value, NET_COST, row))
            .transpose()
    }

    fn day(&self, row: usize) -> NaiveDate {
        self.days.days[self.days.codes[row] as usize - 1]
    }

    /// Sums the rows that are not kept.  Their key is a number in mixed radix over the codes of the row group.
    fn add_left_out(&self, kept: &[u32], sums: &mut Accumulator) -> Result<()> {
        let columns = [
            &self.payers,
            &self.accounts,
            &self.sellers,
            &self.invoices,
            &self.charge_types,
            &self.currencies,
        ];
        let radixes: Vec<usize> = columns.iter().map(|c| c.strings.len() + 1).collect();
        let cells = radixes
            .iter()
            .try_fold(self.days.days.len() + 1, |all, radix| all.checked_mul(*radix));
        let cells = cells.ok_or_else(|| {
            RowGroupError::Column(
                ACCOUNT,
                ColumnError::Damaged("more distinct values than can be summed".to_owned()),
            )
        })?;
        let cell_of = |row: usize| {
            columns
                .iter()
                .zip(&radixes)
                .fold(self.days.codes[row] as usize, |cell, (column, radix)| {
                    cell * radix + column.codes[row] as usize
                })
        };
        let mut dense = vec![Totals::default(); if cells <= DENSE_CELLS_MAX { cells } else { 0 }];
        let mut sparse: HashMap<usize, Totals> = HashMap::new();
        let mut kept = kept.iter().map(|row| *row as usize).peekable();
        for row in 0..self.days.codes.len() {
            if kept.next_if_eq(&row).is_some() {
                continue;
            }
            let cost = self.cost(row)?;
            let net_cost = self.net_cost(row)?.unwrap_or(cost);
            let cell = cell_of(row);
            let totals = match dense.get_mut(cell) {
                Some(totals) => totals,
                None => sparse.entry(cell).or_default(),
            };
            totals.cost += cost;
            totals.net_cost += net_cost;
            totals.lines += 1;
        }
        let mut ids: Vec<Interner<'_>> = columns
            .iter()
            .zip([PAYER, ACCOUNT, SELLER, INVOICE, CHARGE_TYPE, CURRENCY])
            .map(|(c, name)| Interner::new(c, name))
            .collect();
        let used = dense
            .into_iter()
            .enumerate()
            .filter(|(_, totals)| totals.lines > 0)
            .chain(sparse);
        for (mut cell, totals) in used {
            let mut parts = [TextId::NULL; 6];
            for place in (0..6).rev() {
                parts[place] = ids[place].id(u32::try_from(cell % radixes[place]).unwrap_or(0), sums)?;
                cell /= radixes[place];
            }
            let [payer, account, seller, invoice, charge_type, currency] = parts;
            let key = LeftOutKey {
                usage_date: self.days.days[cell - 1],
                payer,
                account,
                seller,
                invoice,
                charge_type,
                currency,
            };
            sums.add_left_out(key, &totals);
        }
        Ok(())
    }
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
fn add_kept(group: &RowGroup<'_>, selection: &Selection, ledger: &Ledger, sums: &mut Accumulator) -> Result<()> {
    let (kept, rows) = (&selection.kept, ledger.days.codes.len());
    if kept.is_empty() {
        return Ok(());
    }
    let gather = |column: &TextColumn, name, sums: &mut Accumulator| -> Result<Vec<TextId>> {
        let mut ids = Interner::new(column, name);
        kept.iter()
            .map(|row| ids.id(column.codes[*row as usize], sums))
            .collect()
    };
    let read = |name, sums: &mut Accumulator| -> Result<Vec<TextId>> {
        let column = kept_column(group, name, kept)?;
        let mut ids = Interner::new(&column, name);
        column.codes.iter().map(|code| ids.id(*code, sums)).collect()
    };
    let payers = gather(&ledger.payers, PAYER, sums)?;
    let accounts = gather(&ledger.accounts, ACCOUNT, sums)?;
    let sellers = gather(&ledger.sellers, SELLER, sums)?;
    let invoices = gather(&ledger.invoices, INVOICE, sums)?;
    let charge_types = gather(&ledger.charge_types, CHARGE_TYPE, sums)?;
    let currencies = gather(&ledger.currencies, CURRENCY, sums)?;
    let principals = read(PRINCIPAL, sums)?;
    let usage_types = read(USAGE_TYPE, sums)?;
    let regions = read(REGION, sums)?;
    let units = read(UNIT, sums)?;
    let bill_types = read(BILL_TYPE, sums)?;
    let tax_types = read(TAX_TYPE, sums)?;
    let billing_entities = read(BILLING_ENTITY, sums)?;
    let resources = profiles(&kept_column(group, RESOURCE, kept)?, sums)?;
    let is_credit: Vec<bool> = charge_types
        .iter()
        .map(|id| {
            matches!(
                ChargeClass::of(sums.texts.or_empty(*id)),
                ChargeClass::Credit | ChargeClass::Refund
            )
        })
        .collect();
    let descriptions = if is_credit.contains(&true) {
        read(DESCRIPTION, sums)?
    } else {
        vec![TextId::NULL; kept.len()]
    };
    let tag_sets = read_tag_sets(group, kept, sums)?;
    let quantities = double_column(group, QUANTITY, rows)?;
    let list_costs = double_column(group, LIST_COST, rows)?;
    for (nth, &row) in kept.iter().enumerate() {
        let row = row as usize;
        let cost = ledger.cost(row)?;
        let net_cost = ledger.net_cost(row)?;
        let list_cost = list_costs
            .get(row)
            .map(|value| money(value, LIST_COST, row))
            .transpose()?;
        let quantity = quantities.get(row).unwrap_or(0.0);
        let quantity = Amount::from_double(quantity).ok_or_else(|| RowGroupError::Value {
            column: QUANTITY,
            row,
            what: format!("{quantity} is no quantity"),
        })?;
        let key = ChargeKey {
            usage_date: ledger.day(row),
            payer: payers[nth],
            account: accounts[nth],
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
            charge_type: charge_types[nth],
            bill_type: bill_types[nth],
            tax_type: tax_types[nth],
            billing_entity: billing_entities[nth],
            seller: sellers[nth],
            invoice: invoices[nth],
            currency: currencies[nth],
            description: if is_credit[nth] {
                descriptions[nth]
            } else {
                TextId::NULL
            },
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
        };
        sums.add_charge(key, &measures);
    }
    Ok(())
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
