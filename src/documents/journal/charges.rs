//! What every department owes every source: the amounts that a journal's lines are made from.

use std::collections::BTreeMap;

use super::{JournalError, SlipKind};
use crate::documents::SealedStatement;
use crate::domain::allocation::Pool;
use crate::domain::close::MonthState;
use crate::domain::journal::{JournalSettings, JournalSource, TaxMode, source_of as find_source};
use crate::domain::money::{Amount, Ratio, convert_parts};
use crate::domain::period::BillingPeriod;
use crate::domain::statement::StatementLine;
use crate::domain::true_up::{Origin, origin_of_reclass};

/// What one department owes one source.
pub(super) struct Charge<'s> {
    pub(super) source: &'s JournalSource,
    pub(super) department: String,
    pub(super) kind: SlipKind,
    /// The month that it is of.
    pub(super) origin: BillingPeriod,
    /// With the tax that the department is charged.
    pub(super) amount: i128,
    /// All tax of it, and what the department is not charged.
    pub(super) tax: i128,
    pub(super) tax_elsewhere: i128,
}

impl Charge<'_> {
    /// What another legal entity owes for it without tax.
    pub(super) const fn net(&self) -> i128 {
        self.amount + self.tax_elsewhere - self.tax
    }
}

/// What is summed into one line of a journal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Owed {
    source: usize,
    department: String,
    kind: SlipKind,
    origin: BillingPeriod,
}

/// What every department owes every source, and the tax that is booked elsewhere by legal entity.
pub(super) fn charges<'s>(
    statement: &SealedStatement,
    settings: &'s JournalSettings,
) -> Result<(Vec<Charge<'s>>, BTreeMap<String, i128>), JournalError> {
    let mut owed: BTreeMap<Owed, (Amount, Amount)> = BTreeMap::new();
    for line in &statement.lines {
        let Some(department) = &line.department else {
            continue;
        };
        let source = source_of(statement, settings, line.bill_group)?;
        // The whole of a provisional month is one accrual.
        let kind = match statement.state {
            MonthState::Provisional => SlipKind::Accrual,
            _ => SlipKind::of(line.pool.as_ref()),
        };
        let key = Owed {
            source,
            department: department.clone(),
            kind,
            origin: match kind {
                SlipKind::Accrual => statement.period,
                _ => origin_of(statement, line),
            },
        };
        let sums = owed.entry(key).or_default();
        if line.is_tax() {
            sums.1 += line.amount;
        } else {
            sums.0 += line.amount;
        }
    }
    let mut elsewhere: BTreeMap<String, i128> = BTreeMap::new();
    // What is owed, net and tax.
    let mut by_entity: BTreeMap<String, Vec<(Owed, Amount, Amount)>> = BTreeMap::new();
    for (key, (net, tax)) in owed {
        let entity = statement.names_of(&key.department).legal_entity;
        by_entity.entry(entity).or_default().push((key, net, tax));
    }
    let whole = |amount: Amount| amount.whole().ok_or(JournalError::TooLarge);
    let mut charges = Vec::new();
    for (entity, rows) in by_entity {
        let tax = settings.tax_of(&entity);
        let taxes: Vec<Amount> = rows.iter().map(|(_, _, tax)| *tax).collect();
        let all: Amount = taxes.iter().copied().sum();
        let charged_tax = match tax.tax_mode {
            TaxMode::Gross => taxes.iter().map(|tax| whole(*tax)).collect::<Result<Vec<_>, _>>()?,
            TaxMode::Net => {
                let share = Ratio::of_rate(tax.non_deductible_share).ok_or(JournalError::TooLarge)?;
                let total = all.to_whole(share).ok_or(JournalError::TooLarge)?;
                convert_parts(total, &taxes, share).ok_or(JournalError::TooLarge)?
            }
        };
        elsewhere.insert(entity, whole(all)? - charged_tax.iter().sum::<i128>());
        for ((key, net, all), tax) in rows.into_iter().zip(charged_tax) {
            let amount = whole(net)? + tax;
            let all = whole(all)?;
            let tax_elsewhere = all - tax;
            if amount != 0 || tax_elsewhere != 0 {
                charges.push(Charge {
                    source: &settings.sources[key.source],
                    department: key.department,
                    kind: key.kind,
                    origin: key.origin,
                    amount,
                    tax: all,
                    tax_elsewhere,
                });
            }
        }
    }
    Ok((charges, elsewhere))
}

/// The month that a line is of: a true-up or reclass is of an earlier one.
pub(in crate::documents) fn origin_of(statement: &SealedStatement, line: &StatementLine) -> BillingPeriod {
    let origin = match &line.pool {
        Some(Pool::Reclass(text)) => origin_of_reclass(text),
        Some(pool) => Origin::of(pool).map(|origin| origin.period),
        None => None,
    };
    origin.unwrap_or(statement.period)
}

/// The source of a group of bills.
pub(in crate::documents) fn source_of(
    statement: &SealedStatement,
    settings: &JournalSettings,
    group: usize,
) -> Result<usize, JournalError> {
    let bill = &statement.head["groups"][group]["bills"][0];
    let text = |key: &str| bill[key].as_str().unwrap_or_default();
    let (payer, seller) = (text("payer"), text("seller"));
    let nth = find_source(&settings.sources, payer, seller).ok_or_else(|| JournalError::NoSource {
        payer: payer.to_owned(),
        seller: seller.to_owned(),
    })?;
    let code = &settings.sources[nth].source_department;
    if statement.departments.contains_key(code) {
        Ok(nth)
    } else {
        Err(JournalError::UnknownSource(code.clone()))
    }
}
