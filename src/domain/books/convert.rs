//! A ledger in the currency of the chargeback: whole yen that add up to each invoice.
//!
//! The bills of one invoice are one group, and so are those of one payer and seller that no invoice is made for yet.  A group's total is whole; it is apportioned once,
//! downwards: columns, then departments and what is kept visible.  An invoice's total is the invoice's own, divided by exact
//! dollars between this chargeback and the other services on it: the printed rate never multiplies anything.

use std::collections::BTreeMap;

use super::{Column, Entry, Ledger};
use crate::domain::allocation::Pool;
use crate::domain::money::{Amount, Ratio, convert_parts};

/// What an invoice says in the currency that it is paid in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvoiceTotals {
    pub net: i128,
    pub tax: i128,
}

/// How one bill comes into the currency of the chargeback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BillRate {
    /// There is none: the bill is in no total.
    Unknown,
    Rate(Ratio),
    /// The invoice by its id, in whole units of the currency, and the policy's rate for one whose amounts cancel.
    Invoice(String, InvoiceTotals, Ratio),
}

/// How a ledger is converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conversion {
    /// Only bills in this currency, as they are.
    AsBilled(&'static str),
    /// A rate for each bill of the ledger.
    Whole(Vec<BillRate>),
}

/// What one holder has of one column in one group of bills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    pub group: usize,
    pub column: Column,
    /// None: kept visible.
    pub department: Option<String>,
    /// Which pool is kept visible; of what no line of the bill is behind, which it is.
    pub pool: Option<Pool>,
    /// Exact, as billed.
    pub billed: Amount,
    pub amount: Amount,
    pub lines: i64,
    pub tokens: i64,
}

/// Bills that are converted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub bills: Vec<usize>,
    pub invoice: Option<String>,
    pub(super) is_as_billed: bool,
    net: Option<Ratio>,
    tax: Option<Ratio>,
    pub total: Amount,
    /// What of an invoice belongs to other services, net and tax.
    pub other_services: Amount,
    pub other_tax: Amount,
}

impl Group {
    /// Whether no line of the month's bill is behind it.
    pub fn is_adjustment(&self, ledger: &Ledger) -> bool {
        let is_of_bill = |entry: &Entry| self.bills.contains(&entry.bill) && entry.column.is_billed();
        let has_others = ledger
            .other_services
            .iter()
            .any(|other| self.bills.contains(&other.bill));
        self.invoice.is_none() && !has_others && !ledger.entries.iter().any(is_of_bill)
    }

    /// What an amount of a column is before it is rounded; none where it is as billed or has no ratio.
    pub fn exact(&self, column: Column, billed: Amount) -> Option<Amount> {
        self.ratio(column).map(|ratio| ratio.exact(billed))
    }

    /// What its dollars are divided by; none where nothing is left to divide, or where it is as billed.
    pub fn ratio(&self, column: Column) -> Option<Ratio> {
        if column == Column::Tax { self.tax } else { self.net }
    }
}

/// A ledger in one currency.  Postings are ordered by group, column and holder.
#[derive(Debug, Clone)]
pub struct Converted {
    pub groups: Vec<Group>,
    pub postings: Vec<Posting>,
    /// Bills without a rate, by currency: in no posting.
    pub unconverted: Vec<(String, Amount)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the amounts of the month are too large to be converted exactly")]
pub struct TooLargeToConvert;

impl Converted {
    /// Adds amounts that no line of the month carries, as a group of a bill that the ledger has for them.
    pub fn adjust(&mut self, bill: usize, postings: impl IntoIterator<Item = Posting>) {
        let group = self.groups.len();
        let first = self.postings.len();
        self.postings
            .extend(postings.into_iter().map(|posting| Posting { group, ..posting }));
        let added = &self.postings[first..];
        self.groups.push(Group {
            bills: vec![bill],
            invoice: None,
            is_as_billed: false,
            net: None,
            tax: None,
            total: added.iter().map(|posting| posting.amount).sum(),
            other_services: Amount::ZERO,
            other_tax: Amount::ZERO,
        });
    }

    pub fn total(&self) -> Amount {
        self.groups.iter().map(|group| group.total).sum()
    }
}

type Cell<'l> = (Column, Option<&'l str>, Option<&'l Pool>);

impl Ledger {
    /// Converts every bill that has a rate.  Panics if postings do not add up to their group.
    pub fn convert(&self, conversion: &Conversion) -> Result<Converted, TooLargeToConvert> {
        let mut members: BTreeMap<GroupKey<'_>, Vec<usize>> = BTreeMap::new();
        let mut unconverted: BTreeMap<&str, Amount> = BTreeMap::new();
        for (at, bill) in self.bills.iter().enumerate() {
            let key = match conversion {
                Conversion::AsBilled(currency) if bill.currency == *currency => Some(GroupKey::AsBilled(at)),
                Conversion::AsBilled(_) => None,
                Conversion::Whole(rates) => match &rates[at] {
                    BillRate::Unknown => None,
                    BillRate::Rate(ratio) => {
                        let invoice = bill.invoice.as_deref();
                        Some(GroupKey::Rate(
                            &bill.payer,
                            &bill.seller,
                            &bill.currency,
                            invoice,
                            *ratio,
                        ))
                    }
                    BillRate::Invoice(id, totals, policy) => {
                        Some(GroupKey::Invoice(id, totals.net, totals.tax, *policy))
                    }
                },
            };
            match key {
                Some(key) => members.entry(key).or_default().push(at),
                None => {
                    let billed = self
                        .entries
                        .iter()
                        .filter(|entry| entry.bill == at)
                        .map(|entry| entry.cost)
                        .sum();
                    *unconverted.entry(&bill.currency).or_default() += billed;
                }
            }
        }
        let mut converted = Converted {
            groups: Vec::new(),
            postings: Vec::new(),
            unconverted: unconverted
                .into_iter()
                .map(|(currency, amount)| (currency.to_owned(), amount))
                .collect(),
        };
        for (key, bills) in members {
            self.convert_group(&key, bills, &mut converted)?;
        }
        Ok(converted)
    }

    fn convert_group(
        &self,
        key: &GroupKey<'_>,
        bills: Vec<usize>,
        converted: &mut Converted,
    ) -> Result<(), TooLargeToConvert> {
        let mut cells: BTreeMap<Cell<'_>, (Amount, i64, i64)> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| bills.contains(&entry.bill)) {
            let is_named = entry.department.is_none() || !entry.column.is_billed();
            let kept = entry.pool.as_ref().filter(|_| is_named);
            let sums = cells
                .entry((entry.column, entry.department.as_deref(), kept))
                .or_default();
            *sums = (sums.0 + entry.cost, sums.1 + entry.lines, sums.2 + entry.tokens);
        }
        let billed = |column: Column| {
            cells
                .iter()
                .filter(|(cell, _)| cell.0 == column)
                .map(|(_, sums)| sums.0)
                .sum()
        };
        let columns: Vec<(Column, Amount)> = Column::ALL.into_iter().map(|column| (column, billed(column))).collect();
        let others = |is_tax: bool| -> Amount {
            let of_bills = self
                .other_services
                .iter()
                .filter(|o| o.is_tax == is_tax && bills.contains(&o.bill));
            of_bills.map(|o| o.cost).sum()
        };
        let group = match key {
            GroupKey::AsBilled(_) => Totals::as_billed(&columns),
            GroupKey::Rate(.., ratio) => Totals::at_rate(*ratio, &columns)?,
            GroupKey::Invoice(_, net, tax, policy) => {
                let turnover = |is_tax: bool| {
                    let own = cells.iter().filter(|(cell, _)| (cell.0 == Column::Tax) == is_tax);
                    own.map(|(_, sums)| sums.0.units().abs()).sum::<i128>() + others(is_tax).units().abs()
                };
                let turnovers = (turnover(false), turnover(true));
                Totals::of_invoice(
                    (*net, *tax),
                    (*policy, turnovers),
                    &columns,
                    others(false),
                    others(true),
                )?
            }
        };
        let at = converted.groups.len();
        let first = converted.postings.len();
        for (column, total) in &group.columns {
            let cells: Vec<(&Cell<'_>, &(Amount, i64, i64))> =
                cells.iter().filter(|(cell, _)| cell.0 == *column).collect();
            let billed: Vec<Amount> = cells.iter().map(|(_, sums)| sums.0).collect();
            let ratio = if *column == Column::Tax { group.tax } else { group.net };
            let amounts = apportion(*total, &billed, ratio, group.is_as_billed)?;
            for (((column, department, pool), (billed, lines, tokens)), amount) in cells.into_iter().zip(amounts) {
                converted.postings.push(Posting {
                    group: at,
                    column: *column,
                    department: department.map(str::to_owned),
                    pool: pool.cloned(),
                    billed: *billed,
                    amount,
                    lines: *lines,
                    tokens: *tokens,
                });
            }
        }
        converted
            .postings
            .extend(group.rest.iter().map(|(column, pool, amount)| Posting {
                group: at,
                column: *column,
                department: None,
                pool: Some(pool.clone()),
                billed: Amount::ZERO,
                amount: *amount,
                lines: 0,
                tokens: 0,
            }));
        let posted: Amount = converted.postings[first..].iter().map(|posting| posting.amount).sum();
        assert_eq!(posted, group.total, "the postings of a group add up to it");
        converted.groups.push(Group {
            bills,
            invoice: match key {
                GroupKey::Invoice(id, ..) => Some((*id).to_owned()),
                GroupKey::AsBilled(_) | GroupKey::Rate(..) => None,
            },
            is_as_billed: group.is_as_billed,
            net: group.net,
            tax: group.tax,
            total: group.total,
            other_services: group.other_services,
            other_tax: group.other_tax,
        });
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum GroupKey<'l> {
    AsBilled(usize),
    /// Payer, seller, currency and invoice are booked apart, so they are rounded apart.
    Rate(&'l str, &'l str, &'l str, Option<&'l str>, Ratio),
    Invoice(&'l str, i128, i128, Ratio),
}

/// An invoice's net of less than one part in so many of its turnover is no base for a rate.
const CANCELS_BELOW: i128 = 100;

/// Whether charges and credits cancel, so that the little that is left says nothing about the rate.
pub fn cancels(billed: Amount, turnover: i128) -> bool {
    billed.units().abs() < turnover / CANCELS_BELOW
}

/// What an invoice's amount is divided by, and how much of it: all by its own yen, or what the policy's rate makes of it.
fn divisor(
    total: i128,
    billed: Amount,
    turnover: i128,
    policy: Ratio,
) -> Result<(Option<Ratio>, i128), TooLargeToConvert> {
    if cancels(billed, turnover) {
        return Ok((Some(policy), billed.to_whole(policy).ok_or(TooLargeToConvert)?));
    }
    Ok((Ratio::of_total(total, billed), total))
}

/// A group's total down to its columns.
struct Totals {
    is_as_billed: bool,
    columns: Vec<(Column, Amount)>,
    /// What no exact amount stands for: kept visible under its own name.
    rest: Vec<(Column, Pool, Amount)>,
    net: Option<Ratio>,
    tax: Option<Ratio>,
    total: Amount,
    other_services: Amount,
    other_tax: Amount,
}

impl Totals {
    fn as_billed(columns: &[(Column, Amount)]) -> Self {
        Self {
            is_as_billed: true,
            columns: columns.to_vec(),
            rest: Vec::new(),
            net: None,
            tax: None,
            total: columns.iter().map(|(_, billed)| *billed).sum(),
            other_services: Amount::ZERO,
            other_tax: Amount::ZERO,
        }
    }

    fn at_rate(ratio: Ratio, columns: &[(Column, Amount)]) -> Result<Self, TooLargeToConvert> {
        let billed: Vec<Amount> = columns.iter().map(|(_, billed)| *billed).collect();
        let total = billed
            .iter()
            .copied()
            .sum::<Amount>()
            .to_whole(ratio)
            .ok_or(TooLargeToConvert)?;
        let amounts = apportion(Amount::from_whole(total), &billed, Some(ratio), false)?;
        Ok(Self {
            is_as_billed: false,
            columns: columns.iter().map(|(column, _)| *column).zip(amounts).collect(),
            rest: Vec::new(),
            net: Some(ratio),
            tax: Some(ratio),
            total: Amount::from_whole(total),
            other_services: Amount::ZERO,
            other_tax: Amount::ZERO,
        })
    }

    fn of_invoice(
        (net, tax): (i128, i128),
        (policy, (net_turnover, tax_turnover)): (Ratio, (i128, i128)),
        columns: &[(Column, Amount)],
        others: Amount,
        other_tax: Amount,
    ) -> Result<Self, TooLargeToConvert> {
        let (own, own_tax): (Vec<_>, Vec<_>) = columns.iter().copied().partition(|(column, _)| *column != Column::Tax);
        let mut this = Self::as_billed(&[]);
        this.is_as_billed = false;
        let billed: Amount = own.iter().map(|(_, billed)| *billed).sum();
        let (ratio, divided) = divisor(net, billed + others, net_turnover, policy)?;
        this.net = ratio;
        this.other_services = this.divide(divided, &own, others, this.net)?;
        let rounding = if ratio.is_some() { net - divided } else { net };
        if rounding != 0 {
            let pool = Pool::Other("InvoiceRounding".to_owned());
            this.rest.push((Column::Other, pool, Amount::from_whole(rounding)));
        }
        let taxed: Amount = own_tax.iter().map(|(_, billed)| *billed).sum();
        let (ratio, divided) = divisor(tax, taxed + other_tax, tax_turnover, policy)?;
        this.tax = ratio;
        this.other_tax = this.divide(divided, &own_tax, other_tax, this.tax)?;
        let rest = if ratio.is_some() { tax - divided } else { tax };
        if rest != 0 {
            // No tax line says whose it is; it follows the net amounts, and what cancels there says nothing.
            let by_net = Ratio::of_total(rest, billed + others).filter(|_| !cancels(billed + others, net_turnover));
            let parts = match by_net {
                Some(ratio) => convert_parts(rest, &[billed, others], ratio).ok_or(TooLargeToConvert)?,
                None => vec![rest, 0],
            };
            this.other_tax += Amount::from_whole(parts[1]);
            if parts[0] != 0 {
                this.rest.push((Column::Tax, Pool::Tax, Amount::from_whole(parts[0])));
            }
        }
        this.total = Amount::from_whole(net + tax) - this.other_services - this.other_tax;
        Ok(this)
    }

    /// Divides a whole total between columns and other services; returns what the other services have.
    fn divide(
        &mut self,
        total: i128,
        columns: &[(Column, Amount)],
        others: Amount,
        ratio: Option<Ratio>,
    ) -> Result<Amount, TooLargeToConvert> {
        let mut billed: Vec<Amount> = columns.iter().map(|(_, billed)| *billed).collect();
        billed.push(others);
        let whole = if ratio.is_some() {
            Amount::from_whole(total)
        } else {
            Amount::ZERO
        };
        let mut amounts = apportion(whole, &billed, ratio, false)?;
        let others = amounts.pop().unwrap_or_default();
        self.columns
            .extend(columns.iter().map(|(column, _)| *column).zip(amounts));
        Ok(others)
    }
}

/// Parts of a total, as billed or in whole units.  Without a ratio nothing of the total is left to divide.
pub(super) fn apportion(
    total: Amount,
    billed: &[Amount],
    ratio: Option<Ratio>,
    as_billed: bool,
) -> Result<Vec<Amount>, TooLargeToConvert> {
    if as_billed {
        return Ok(billed.to_vec());
    }
    let Some(ratio) = ratio else {
        return Ok(vec![Amount::ZERO; billed.len()]);
    };
    let whole = total.whole().ok_or(TooLargeToConvert)?;
    let parts = convert_parts(whole, billed, ratio).ok_or(TooLargeToConvert)?;
    Ok(parts.into_iter().map(Amount::from_whole).collect())
}
