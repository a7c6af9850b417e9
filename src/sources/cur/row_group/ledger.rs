//! The columns that every line is summed by, and the sums of the lines that are not Bedrock.

use chrono::NaiveDate;
use hashbrown::HashMap;

use super::{Interner, Result, RowGroupError, double_column, in_column, money, text_column};
use crate::domain::delivery::{LeftOutKey, TextId, Totals};
use crate::domain::money::Amount;
use crate::sources::cur::accumulate::Accumulator;
use crate::sources::cur::columnar::{ColumnError, DayColumn, DoubleColumn, RowGroup, TextColumn};
use crate::sources::cur::columns::{
    ACCOUNT, CHARGE_TYPE, COST, CURRENCY, INVOICE, NET_COST, PAYER, SELLER, USAGE_START,
};

/// Up to this many cells the left-out lines of a row group are summed in a flat table instead of a hash map.
const DENSE_CELLS_MAX: usize = 1 << 18;

/// The columns that every line is summed by, Bedrock or not.
pub(super) struct Ledger {
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
    pub(super) fn read(group: &RowGroup<'_>, rows: usize) -> Result<Self> {
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

    /// The columns of the kept rows, one value each; the memory of the others is given back before more is read.
    pub(super) fn keep(self, kept: &[u32], sums: &mut Accumulator) -> Result<KeptLedger> {
        let texts = |column: TextColumn, name, sums: &mut Accumulator| -> Result<Vec<TextId>> {
            let mut ids = Interner::new(&column, name);
            kept.iter()
                .map(|row| ids.id(column.codes[*row as usize], sums))
                .collect()
        };
        let rows = || kept.iter().map(|row| *row as usize);
        Ok(KeptLedger {
            usage_dates: rows()
                .map(|row| self.days.days[self.days.codes[row] as usize - 1])
                .collect(),
            hours: rows().map(|row| self.days.hours[row]).collect(),
            costs: rows().map(|row| self.cost(row)).collect::<Result<_>>()?,
            net_costs: rows().map(|row| self.net_cost(row)).collect::<Result<_>>()?,
            payers: texts(self.payers, PAYER, sums)?,
            accounts: texts(self.accounts, ACCOUNT, sums)?,
            sellers: texts(self.sellers, SELLER, sums)?,
            invoices: texts(self.invoices, INVOICE, sums)?,
            charge_types: texts(self.charge_types, CHARGE_TYPE, sums)?,
            currencies: texts(self.currencies, CURRENCY, sums)?,
        })
    }

    /// Sums the rows that are not kept.  Their key is a number in mixed radix over the codes of the row group.
    pub(super) fn add_left_out(&self, kept: &[u32], sums: &mut Accumulator) -> Result<()> {
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

/// The ledger's columns for the kept rows only.
pub(super) struct KeptLedger {
    pub(super) usage_dates: Vec<NaiveDate>,
    pub(super) hours: Vec<u8>,
    pub(super) payers: Vec<TextId>,
    pub(super) accounts: Vec<TextId>,
    pub(super) sellers: Vec<TextId>,
    pub(super) invoices: Vec<TextId>,
    pub(super) charge_types: Vec<TextId>,
    pub(super) currencies: Vec<TextId>,
    pub(super) costs: Vec<Amount>,
    /// `None` where the net column is NULL.
    pub(super) net_costs: Vec<Option<Amount>>,
}
