//! The journal of a statement: slips that move each department's share from the department that pays AWS.
//!
//! Debits equal credits on every line.  What is kept visible makes no line, nor does the paying department's own share; both
//! are counted, so that the journal, they and the tax that is booked elsewhere add up to the statement.

pub mod template;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{DepartmentNames, SealedStatement};
use crate::domain::books::Column;
use crate::domain::close::MonthState;
use crate::domain::journal::{JournalSettings, JournalSource, Style, TaxMode, VendorLiability};
use crate::domain::money::{Amount, Ratio, convert_parts};
use crate::domain::period::BillingPeriod;
use crate::domain::true_up::parse_origin;

/// What a slip is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SlipKind {
    Accrual,
    /// Of an accrual, on the first day of the next month.
    Reversal,
    Actual,
    /// Takes back a slip of an earlier version that the books hold.
    Cancellation,
}

/// The workbook's own name among accounting systems: its journal sheet goes into none.
pub const WORKBOOK: &str = "workbook";

impl SlipKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accrual => "accrual",
            Self::Reversal => "reversal",
            Self::Actual => "actual",
            Self::Cancellation => "cancellation",
        }
    }

    const fn digit(self) -> u32 {
        match self {
            Self::Accrual => 1,
            Self::Reversal => 2,
            Self::Actual => 3,
            Self::Cancellation => 4,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Accrual => "(概算)",
            Self::Reversal => "(戻し)",
            Self::Actual => "",
            Self::Cancellation => "(取消)",
        }
    }
}

/// One side of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    pub department_code: String,
    pub department_name: String,
    pub account: String,
    pub account_code: String,
    pub sub_account: String,
    pub tax_code: String,
    pub partner: String,
}

/// A line of a slip: the same amount on both sides, above zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalLine {
    pub debit: Side,
    pub credit: Side,
    pub amount: i128,
    pub text: String,
}

/// Lines that are posted together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slip {
    /// Month of the year, version, kind, source: six digits that stay the same whenever the file is made again.
    pub number: String,
    pub kind: SlipKind,
    pub date: NaiveDate,
    pub lines: Vec<JournalLine>,
}

/// Why there is no journal.  Nothing is written before every check has passed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    #[error("{0} is open: close it first; a journal is made from a sealed statement")]
    NotClosed(BillingPeriod),
    #[error("no [[journal.sources]] says which department pays for payer {payer}, seller '{seller}'")]
    NoSource { payer: String, seller: String },
    #[error("source department '{0}' is not in the directory")]
    UnknownSource(String),
    #[error("{system} has no mapping for department '{department}'; add it to the journal mappings")]
    NoMapping { system: String, department: String },
    #[error("department '{0}' has no cost centre in the directory; a journal needs a code for every department")]
    NoCostCenter(String),
    #[error("the statement charges departments of several legal entities ({0}); name one with --legal-entity")]
    SeveralEntities(String),
    #[error("the statement charges no department of legal entity '{0}'; there are {1}")]
    UnknownEntity(String, String),
    #[error("the text '{text}' has {length} letters and {system} takes {most}; shorten [journal] text")]
    TextTooLong {
        system: String,
        text: String,
        length: usize,
        most: usize,
    },
    #[error(
        "{system} needs '{column}' on every line, and '{place}' has none; set it in [[journal.sources]] or in the journal mappings"
    )]
    Empty {
        system: String,
        column: String,
        /// The department, or the account of a side without one.
        place: String,
    },
    #[error(transparent)]
    Encoding(#[from] super::encoding::Unrepresentable),
    #[error("an amount is too large to be booked")]
    TooLarge,
}

/// The slips of a statement for one legal entity, and what makes no line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    pub legal_entity: String,
    pub slips: Vec<Slip>,
    /// What the slips move on the entity's own departments.
    pub own_moved: i128,
    /// The paying department's own share, which makes no line.
    pub own_share: i128,
    /// Tax of departments that are charged without it.
    pub tax_elsewhere: i128,
    /// What the statement charges the departments of the entity.
    pub charged: i128,
}

/// What one department owes one source.
struct Charge<'s> {
    source: &'s JournalSource,
    department: String,
    amount: i128,
}

/// Makes the slips of a statement for the departments of one legal entity.
pub fn journal(
    statement: &SealedStatement,
    settings: &JournalSettings,
    system: &str,
    legal_entity: Option<&str>,
    posting_date: Option<NaiveDate>,
) -> Result<Journal, JournalError> {
    if statement.state == MonthState::Open {
        return Err(JournalError::NotClosed(statement.period));
    }
    let entity_of = |code: &str| statement.names_of(code).legal_entity;
    let entities = entities_of(statement, settings)?;
    let all = entities.join(", ");
    let entity = match (legal_entity, entities.as_slice()) {
        (Some(entity), known) if known.iter().any(|k| k == entity) => entity.to_owned(),
        (Some(entity), _) => return Err(JournalError::UnknownEntity(entity.to_owned(), all)),
        (None, [entity]) => entity.clone(),
        (None, _) => return Err(JournalError::SeveralEntities(all)),
    };
    let (charges, tax_elsewhere) = charges(statement, settings)?;
    let booking = Booking {
        statement,
        settings,
        system,
    };
    let (mut own_moved, mut own_share) = (0, 0);
    let mut of_source: BTreeMap<usize, Vec<JournalLine>> = BTreeMap::new();
    let mut receivable: BTreeMap<(usize, String), i128> = BTreeMap::new();
    for charge in &charges {
        let nth = settings
            .sources
            .iter()
            .position(|source| source == charge.source)
            .unwrap_or(0);
        let payer_entity = entity_of(&charge.source.source_department);
        let holder_entity = entity_of(&charge.department);
        if payer_entity == entity && holder_entity != entity {
            *receivable.entry((nth, holder_entity)).or_default() += charge.amount;
            continue;
        }
        if holder_entity != entity {
            continue;
        }
        match booking.line(charge, payer_entity == entity)? {
            Some(line) => {
                own_moved += charge.amount;
                of_source.entry(nth).or_default().push(line);
            }
            None => own_share += charge.amount,
        }
    }
    for ((nth, other), amount) in receivable {
        let line = booking.receivable(&settings.sources[nth], &other, amount)?;
        of_source.entry(nth).or_default().extend(line);
    }
    let slips = of_source
        .into_iter()
        .flat_map(|(nth, lines)| booking.slips(nth, lines, posting_date))
        .collect();
    let whole = |amount: Amount| amount.whole().ok_or(JournalError::TooLarge);
    let of_entity = statement
        .lines
        .iter()
        .filter(|line| line.department.as_deref().is_some_and(|code| entity_of(code) == entity));
    let charged = whole(of_entity.map(|line| line.amount).sum())?;
    let journal = Journal {
        tax_elsewhere: tax_elsewhere.get(&entity).copied().unwrap_or_default(),
        legal_entity: entity,
        slips,
        own_moved,
        own_share,
        charged,
    };
    Ok(journal)
}

/// The legal entities that a journal concerns: those that are charged, and those that pay AWS for them.
pub fn entities_of(statement: &SealedStatement, settings: &JournalSettings) -> Result<Vec<String>, JournalError> {
    let mut entities = std::collections::BTreeSet::new();
    for line in &statement.lines {
        if let Some(code) = &line.department {
            let source = source_of(statement, settings, line.bill_group)?;
            entities.insert(statement.names_of(code).legal_entity);
            entities.insert(
                statement
                    .names_of(&settings.sources[source].source_department)
                    .legal_entity,
            );
        }
    }
    Ok(entities.into_iter().collect())
}

/// What every department owes every source, and the tax that is booked elsewhere by legal entity.
fn charges<'s>(
    statement: &SealedStatement,
    settings: &'s JournalSettings,
) -> Result<(Vec<Charge<'s>>, BTreeMap<String, i128>), JournalError> {
    // Net of tax, and tax, by source and department.
    let mut owed: BTreeMap<(usize, String), (Amount, Amount)> = BTreeMap::new();
    for line in &statement.lines {
        let Some(department) = &line.department else {
            continue;
        };
        let source = source_of(statement, settings, line.bill_group)?;
        let sums = owed.entry((source, department.clone())).or_default();
        // A true-up of tax is tax.
        let origin = line.pool.as_ref().and_then(parse_origin);
        if line.column == Column::Tax || origin.is_some_and(|(_, column, _)| column == Column::Tax) {
            sums.1 += line.amount;
        } else {
            sums.0 += line.amount;
        }
    }
    let mut elsewhere: BTreeMap<String, i128> = BTreeMap::new();
    // Source and department, net and tax.
    type Owed = ((usize, String), Amount, Amount);
    let mut by_entity: BTreeMap<String, Vec<Owed>> = BTreeMap::new();
    for ((source, department), (net, tax)) in owed {
        let entity = statement.names_of(&department).legal_entity;
        by_entity
            .entry(entity)
            .or_default()
            .push(((source, department), net, tax));
    }
    let whole = |amount: Amount| amount.whole().ok_or(JournalError::TooLarge);
    let mut charges = Vec::new();
    for (entity, rows) in by_entity {
        let tax = settings
            .entities
            .iter()
            .find(|tax| tax.legal_entity == entity)
            .cloned()
            .unwrap_or_default();
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
        for (((source, department), net, _), tax) in rows.into_iter().zip(charged_tax) {
            let amount = whole(net)? + tax;
            if amount != 0 {
                charges.push(Charge {
                    source: &settings.sources[source],
                    department,
                    amount,
                });
            }
        }
    }
    Ok((charges, elsewhere))
}

/// The source of a group of bills: the one that names payer and seller, else the payer, else the seller, else `*`.
fn source_of(statement: &SealedStatement, settings: &JournalSettings, group: usize) -> Result<usize, JournalError> {
    let bill = &statement.head["groups"][group]["bills"][0];
    let text = |key: &str| bill[key].as_str().unwrap_or_default();
    let (payer, seller) = (text("payer"), text("seller"));
    let fits = |source: &JournalSource| {
        let of = |setting: &str, value: &str| {
            if setting == value {
                Some(1)
            } else {
                (setting == "*").then_some(0)
            }
        };
        Some(2 * of(&source.payer, payer)? + of(&source.seller, seller)?)
    };
    let best = settings
        .sources
        .iter()
        .enumerate()
        .filter_map(|(nth, source)| Some((fits(source)?, std::cmp::Reverse(nth))));
    let best = best.max().map(|(_, std::cmp::Reverse(nth))| nth);
    let nth = best.ok_or_else(|| JournalError::NoSource {
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

struct Booking<'s> {
    statement: &'s SealedStatement,
    settings: &'s JournalSettings,
    system: &'s str,
}

impl Booking<'_> {
    /// A department's side of an account, by the names of the accounting system.
    fn side(&self, source: &JournalSource, department: &str, account: &str) -> Result<Side, JournalError> {
        let mapping = self
            .settings
            .mappings
            .iter()
            .find(|m| m.system == self.system && m.department == department);
        let maps_all = self.settings.mappings.iter().any(|m| m.system == self.system);
        let names: DepartmentNames = self.statement.names_of(department);
        let is_cost = account == source.account;
        let base = Side {
            account: account.to_owned(),
            account_code: source.code_of(account),
            sub_account: if is_cost {
                source.sub_account.clone()
            } else {
                String::new()
            },
            tax_code: source.tax_code.clone(),
            partner: String::new(),
            department_code: String::new(),
            department_name: String::new(),
        };
        match mapping {
            Some(mapping) => {
                let or = |own: &str, other: String| if own.is_empty() { other } else { own.to_owned() };
                Ok(Side {
                    department_code: mapping.code.clone(),
                    department_name: mapping.name.clone(),
                    account: if is_cost {
                        or(&mapping.account, base.account)
                    } else {
                        base.account
                    },
                    sub_account: if is_cost {
                        or(&mapping.sub_account, base.sub_account)
                    } else {
                        base.sub_account
                    },
                    tax_code: or(&mapping.tax_code, base.tax_code),
                    ..base
                })
            }
            None if maps_all => Err(JournalError::NoMapping {
                system: self.system.to_owned(),
                department: department.to_owned(),
            }),
            None if self.system == WORKBOOK => Ok(Side {
                department_code: department.to_owned(),
                department_name: names.shown().to_owned(),
                ..base
            }),
            None if names.cost_center.is_empty() => Err(JournalError::NoCostCenter(department.to_owned())),
            None => Ok(Side {
                department_code: names.cost_center.clone(),
                department_name: names.shown().to_owned(),
                ..base
            }),
        }
    }

    /// The line of a charge; none where the paying department would move its cost to itself.
    fn line(&self, charge: &Charge<'_>, is_same_entity: bool) -> Result<Option<JournalLine>, JournalError> {
        let source = charge.source;
        let payer = &source.source_department;
        let (debit_account, credit_account) = match source.style {
            Style::SameAccount => (&source.account, &source.account),
            Style::TransferAccount => (&source.transfer_debit_account, &source.transfer_credit_account),
        };
        let is_provisional = self.statement.state == MonthState::Provisional;
        let moves_only = source.vendor_liability == VendorLiability::AccountsPayable;
        let only_moves = is_same_entity && moves_only && !is_provisional;
        let debit = self.side(
            source,
            &charge.department,
            if only_moves { debit_account } else { &source.account },
        )?;
        let credit = match () {
            // The entity owes the one that pays AWS.
            () if !is_same_entity => Side {
                account: source.payable_account.clone(),
                account_code: source.code_of(&source.payable_account),
                tax_code: source.tax_code.clone(),
                partner: self.statement.names_of(payer).legal_entity,
                ..Side::default()
            },
            () if is_provisional => self.side(source, payer, &source.accrual_account)?,
            () if !moves_only => self.side(source, payer, &source.vendor_account)?,
            () if charge.department == *payer => return Ok(None),
            () => self.side(source, payer, credit_account)?,
        };
        let text = self.text(&charge.department);
        Ok(Some(signed(debit, credit, charge.amount, text)))
    }

    /// What another legal entity owes this one.
    fn receivable(
        &self,
        source: &JournalSource,
        entity: &str,
        amount: i128,
    ) -> Result<Option<JournalLine>, JournalError> {
        if amount == 0 {
            return Ok(None);
        }
        let debit = Side {
            account: source.receivable_account.clone(),
            account_code: source.code_of(&source.receivable_account),
            tax_code: source.tax_code.clone(),
            partner: entity.to_owned(),
            ..Side::default()
        };
        let credit = self.side(source, &source.source_department, self.credit_account(source))?;
        Ok(Some(signed(debit, credit, amount, self.text(entity))))
    }

    /// What the paying department is credited on: until the invoice the accrual, then the vendor or its own cost.
    fn credit_account<'a>(&self, source: &'a JournalSource) -> &'a str {
        match (self.statement.state, source.vendor_liability) {
            (MonthState::Provisional, _) => &source.accrual_account,
            (_, VendorLiability::Anbun) => &source.vendor_account,
            (_, VendorLiability::AccountsPayable) => &source.account,
        }
    }

    fn text(&self, department: &str) -> String {
        let names = self.statement.names_of(department);
        let shown = if names.shown().is_empty() {
            department
        } else {
            names.shown()
        };
        let month = self.statement.period.first_day().format("%Y年%-m月分").to_string();
        let filled = self
            .settings
            .text
            .replace("{month}", &month)
            .replace("{department}", shown);
        filled
            .replace("{code}", department)
            .replace("{version}", &self.statement.version.to_string())
    }

    /// A provisional month is accrued on its last day and reversed on the next; a final one has its own date.
    fn slips(&self, nth: usize, lines: Vec<JournalLine>, posting_date: Option<NaiveDate>) -> Vec<Slip> {
        let period = self.statement.period;
        let next = period.next().first_day();
        let last = next.pred_opt().unwrap_or(next);
        let slip = |kind: SlipKind, date, lines: Vec<JournalLine>| Slip {
            number: self.number(kind, nth),
            kind,
            date,
            lines: lines
                .into_iter()
                .map(|line| JournalLine {
                    text: format!("{}{}", line.text, kind.word()),
                    ..line
                })
                .collect(),
        };
        match self.statement.state {
            MonthState::Provisional => vec![
                slip(SlipKind::Accrual, last, lines.clone()),
                slip(SlipKind::Reversal, next, lines.into_iter().map(swapped).collect()),
            ],
            _ => vec![slip(SlipKind::Actual, posting_date.unwrap_or(last), lines)],
        }
    }

    fn number(&self, kind: SlipKind, nth: usize) -> String {
        let prefix = slip_prefix(self.statement.period, self.statement.version);
        format!("{prefix}{}{}", kind.digit(), (nth + 1) % 10)
    }
}

/// What the numbers of a statement's slips begin with: month of the year and version.
pub fn slip_prefix(period: BillingPeriod, version: i32) -> String {
    format!("{}{:02}", period.first_day().format("%m"), version % 100)
}

/// A line with its amount above zero: one below swaps its sides.
fn signed(debit: Side, credit: Side, amount: i128, text: String) -> JournalLine {
    let line = JournalLine {
        debit,
        credit,
        amount: amount.abs(),
        text,
    };
    if amount < 0 { swapped(line) } else { line }
}

/// The exact reversal of a slip that the books hold: the same date, its own number.
pub fn cancelled(slip: Slip) -> Slip {
    // Of an accrual's reversal it is another slip than of the accrual itself.
    let kind = if slip.kind == SlipKind::Reversal {
        5
    } else {
        SlipKind::Cancellation.digit()
    };
    let mut number = slip.number.clone();
    if number.len() > 4 {
        number.replace_range(4..5, &kind.to_string());
    }
    let lines = slip.lines.into_iter().map(|line| {
        let line = swapped(line);
        JournalLine {
            text: format!("{}{}", line.text, SlipKind::Cancellation.word()),
            ..line
        }
    });
    Slip {
        number,
        kind: SlipKind::Cancellation,
        date: slip.date,
        lines: lines.collect(),
    }
}

/// The exact reversal of a line.
pub fn swapped(line: JournalLine) -> JournalLine {
    JournalLine {
        debit: line.credit,
        credit: line.debit,
        ..line
    }
}
