//! Which lines of a row group are Bedrock.
//!
//! Family, code and operation are narrow columns and tell at once.  A Marketplace product that runs on Bedrock has an
//! opaque code (`7zgyu5r4uonlsrnaq20qq63eo`); only its name in the `product` map tells.

use hashbrown::HashMap;

use super::{Interner, Result, in_column, text_column, text_of};
use crate::domain::charge::{
    BEDROCK_EDITION_SUFFIX, BEDROCK_OPERATION_PREFIX, BEDROCK_PRODUCT_CODES, BEDROCK_PRODUCT_FAMILY, SelectionRule,
};
use crate::domain::delivery::{Index, Product, TextId};
use crate::sources::cur::accumulate::Accumulator;
use crate::sources::cur::columnar::{MapColumn, RowGroup, TextColumn};
use crate::sources::cur::columns::{OPERATION, PRODUCT, PRODUCT_CODE, PRODUCT_FAMILY};

/// Lines of a product code that are asked for its name before all of them are.
const PROBES_MAX: u32 = 64;
/// Probing reads the products twice; it is worth that where at least this part (one in so many) of the lines is open.
const PROBED_PART: usize = 8;

/// Which lines are Bedrock, by the rules that can be told from narrow columns.
pub(super) struct Selection {
    /// Rows that are kept, ascending.
    pub(super) kept: Vec<u32>,
    /// For each kept row the rules that caught it; none where only its product's name can tell.
    pub(super) caught_by: Vec<u8>,
    pub(super) products: Vec<Index>,
    pub(super) codes: Vec<TextId>,
    pub(super) families: Vec<TextId>,
    pub(super) operations: Vec<TextId>,
}

impl Selection {
    pub(super) fn decide(group: &RowGroup<'_>, rows: usize, sums: &mut Accumulator) -> Result<Self> {
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
        let mask = |row: usize| {
            by_code[codes.codes[row] as usize]
                | by_family[families.codes[row] as usize]
                | by_operation[operations.codes[row] as usize]
        };
        let mut editions = Editions {
            codes: &codes,
            ids: Interner::new(&codes, PRODUCT_CODE),
            standing: Vec::new(),
        };
        editions.look_up(sums)?;
        let probes = editions.probes();
        if !probes.is_empty() {
            let products = read_products(group, &probes, sums)?;
            editions.learn(&probes, &products, sums)?;
        }
        let asked = (0..rows).filter(|row| mask(*row) != 0 || editions.is_possible(*row));
        let asked: Vec<u32> = asked.filter_map(|row| u32::try_from(row).ok()).collect();
        let products = read_products(group, &asked, sums)?;
        editions.learn(&asked, &products, sums)?;
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
            if rules != 0 || editions.is_possible(at) {
                this.kept.push(row);
                this.caught_by.push(rules);
                this.products.push(product);
                this.codes.push(editions.ids.id(codes.codes[at], sums)?);
                this.families.push(family_ids.id(families.codes[at], sums)?);
                this.operations.push(operation_ids.id(operations.codes[at], sums)?);
            }
        }
        Ok(this)
    }
}

/// Whether a product code is an edition of Bedrock, as far as the bill has said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Edition,
    NoEdition,
    /// No line has named the product yet.
    Open,
}

/// The product codes of a row group.
///
/// Only the product's name tells, and a code has one name: so it is asked once for each code and not for each line.  A
/// code that no line has named yet is kept until the end.
struct Editions<'c> {
    codes: &'c TextColumn,
    ids: Interner<'c>,
    /// By code of the column; NULL stands for no product.
    standing: Vec<Standing>,
}

impl Editions<'_> {
    fn look_up(&mut self, sums: &mut Accumulator) -> Result<()> {
        self.standing = vec![Standing::NoEdition];
        for code in (1..).take(self.codes.strings.len()) {
            // An empty code is no product's: a name found beside it says nothing about its other lines.
            let is_known =
                |name: &[u8]| name.is_empty() || BEDROCK_PRODUCT_CODES.iter().any(|known| known.as_bytes() == name);
            let id = self.ids.id(code, sums)?;
            self.standing.push(match sums.edition(id) {
                Some(true) => Standing::Edition,
                Some(false) => Standing::NoEdition,
                None if self.codes.strings.get(code).is_some_and(is_known) => Standing::NoEdition,
                None => Standing::Open,
            });
        }
        Ok(())
    }

    fn is_possible(&self, row: usize) -> bool {
        self.standing[self.codes.codes[row] as usize] != Standing::NoEdition
    }

    /// Where most lines are of open codes, the first few lines of each: they usually decide, and save reading the rest.
    fn probes(&self) -> Vec<u32> {
        let is_open = |code: &u32| self.standing[*code as usize] == Standing::Open;
        let open = self.codes.codes.iter().filter(|code| is_open(code)).count();
        if open * PROBED_PART < self.codes.codes.len() {
            return Vec::new();
        }
        let mut seen = vec![0_u32; self.standing.len()];
        let mut probes = Vec::new();
        for (row, code) in (0..).zip(&self.codes.codes) {
            if is_open(code) && seen[*code as usize] < PROBES_MAX {
                seen[*code as usize] += 1;
                probes.push(row);
            }
        }
        probes
    }

    fn learn(&mut self, rows: &[u32], products: &[(Index, Option<bool>)], sums: &mut Accumulator) -> Result<()> {
        for (row, (_, is_edition)) in rows.iter().zip(products) {
            let code = self.codes.codes[*row as usize];
            if let (Standing::Open, Some(is_edition)) = (self.standing[code as usize], is_edition) {
                let id = self.ids.id(code, sums)?;
                sums.learn_edition(id, *is_edition);
            }
        }
        self.look_up(sums)
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
