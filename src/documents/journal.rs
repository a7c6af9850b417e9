//! The journal of a statement: slips that move each department's share from the department that pays AWS.
//!
//! Debits equal credits on every line.  What is kept visible makes no line, nor does the paying department's own share; both
//! are counted, so that the journal, they and the tax that is booked elsewhere add up to the statement.

pub mod balance;
pub(super) mod charges;
pub mod template;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use self::charges::{Charge, charges, source_of};
use super::{DepartmentNames, SealedStatement};
use crate::domain::allocation::Pool;
use crate::domain::close::MonthState;
use crate::domain::journal::{JournalSettings, JournalSource, Style, TaxMode, VendorLiability, slip_prefix};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

/// What a slip is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SlipKind {
    Accrual,
    /// Of an accrual, on the first day of the next month.
    Reversal,
    Actual,
    /// Takes back a slip of an earlier version that the books hold.
    Cancellation,
    /// What a delivery changed of a locked month.
    TrueUp,
    /// An approved dispute of a locked month; it sums to nothing.
    Reclass,
    /// What the invoices come to besides the planning rate.
    RateDifference,
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
            Self::TrueUp => "true-up",
            Self::Reclass => "reclass",
            Self::RateDifference => "rate difference",
        }
    }

    /// Its digit in the number of a slip, and the digit of the slip that takes it back.  A statement has an accrual and its
    /// reversal, or the others, so that no two slips of it share a digit.
    const fn digits(self) -> (char, char) {
        match self {
            Self::Accrual => ('1', '4'),
            Self::Reversal => ('2', '5'),
            Self::Actual | Self::Cancellation => ('3', '4'),
            Self::TrueUp => ('6', '9'),
            Self::Reclass => ('7', '0'),
            Self::RateDifference => ('8', '5'),
        }
    }

    /// Of a posting that is no line of the month's bill.
    const fn of(pool: Option<&Pool>) -> Self {
        match pool {
            Some(Pool::TrueUp(_)) => Self::TrueUp,
            Some(Pool::Reclass(_)) => Self::Reclass,
            Some(Pool::ExchangeDifference(_)) => Self::RateDifference,
            _ => Self::Actual,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Accrual => "(概算)",
            Self::Reversal => "(戻し)",
            Self::Actual => "",
            Self::Cancellation => "(取消)",
            Self::TrueUp => "(過月分調整)",
            Self::Reclass => "(過月分振替)",
            Self::RateDifference => "(為替差額)",
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
    #[error("the worksheet cannot be made: {0}")]
    Sheet(String),
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

impl Journal {
    /// Of a legal entity that a statement charges nothing.
    pub fn without_lines(legal_entity: &str) -> Self {
        Self {
            legal_entity: legal_entity.to_owned(),
            slips: Vec::new(),
            own_moved: 0,
            own_share: 0,
            tax_elsewhere: 0,
            charged: 0,
        }
    }
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
    let mut of_source: BTreeMap<(usize, SlipKind), Vec<JournalLine>> = BTreeMap::new();
    // Net and tax that other entities owe this one; tax that AWS is owed; tax that this one owes another.
    let mut receivable: BTreeMap<(usize, SlipKind, BillingPeriod, String), (i128, i128)> = BTreeMap::new();
    let mut input_tax: BTreeMap<(usize, SlipKind, BillingPeriod), i128> = BTreeMap::new();
    let mut tax_owed: BTreeMap<(usize, SlipKind, BillingPeriod), i128> = BTreeMap::new();
    for charge in &charges {
        let nth = settings
            .sources
            .iter()
            .position(|source| source == charge.source)
            .unwrap_or(0);
        let payer_entity = entity_of(&charge.source.source_department);
        let holder_entity = entity_of(&charge.department);
        let key = (nth, charge.kind, charge.origin);
        // Tax is booked by the invoice: an accrual has what is cost.
        let (net, tax) = match statement.state {
            MonthState::Provisional => (charge.amount, 0),
            _ => (charge.net(), charge.tax),
        };
        match (payer_entity == entity, holder_entity == entity) {
            (true, true) => *input_tax.entry(key).or_default() += charge.tax_elsewhere,
            (true, false) => {
                let (nth, kind, origin) = key;
                let owed = receivable.entry((nth, kind, origin, holder_entity)).or_default();
                *owed = (owed.0 + net, owed.1 + tax);
                if settings.tax_of(&entity).tax_mode == TaxMode::Net {
                    *input_tax.entry(key).or_default() += tax;
                }
                continue;
            }
            (false, true) => *tax_owed.entry(key).or_default() += net + tax - charge.amount,
            (false, false) => continue,
        }
        if charge.amount == 0 {
            continue;
        }
        match booking.line(charge, payer_entity == entity)? {
            Some(line) => {
                own_moved += charge.amount;
                of_source.entry((nth, charge.kind)).or_default().push(line);
            }
            None => own_share += charge.amount,
        }
    }
    for ((nth, kind, origin, other), owed) in receivable {
        let lines = booking.receivable(&settings.sources[nth], &other, owed, origin)?;
        of_source.entry((nth, kind)).or_default().extend(lines);
    }
    for ((nth, kind, origin), amount) in input_tax {
        if let Some(line) = booking.input_tax(&settings.sources[nth], (amount, origin))? {
            of_source.entry((nth, kind)).or_default().push(line);
        }
    }
    for ((nth, kind, origin), amount) in tax_owed {
        let lines = booking.tax_owed(&settings.sources[nth], amount, origin);
        of_source.entry((nth, kind)).or_default().extend(lines);
    }
    let with_lines = of_source.into_iter().filter(|(_, lines)| !lines.is_empty());
    let slips = with_lines
        .flat_map(|((nth, kind), lines)| booking.slips(nth, kind, lines, posting_date))
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
            () if !is_same_entity => {
                let payer_entity = self.statement.names_of(payer).legal_entity;
                self.owing(source, &source.payable_account, &payer_entity)
            }
            () if is_provisional => self.side(source, payer, &source.accrual_account)?,
            () if !moves_only => self.side(source, payer, &source.vendor_account)?,
            () if charge.department == *payer => return Ok(None),
            () => self.side(source, payer, credit_account)?,
        };
        let text = self.text(&charge.department, charge.origin);
        Ok(Some(signed(debit, credit, charge.amount, text)))
    }

    /// What another legal entity owes this one: between entities it is a supply, and its tax is passed on with it.
    fn receivable(
        &self,
        source: &JournalSource,
        entity: &str,
        (net, tax): (i128, i128),
        origin: BillingPeriod,
    ) -> Result<Vec<JournalLine>, JournalError> {
        let payer = &source.source_department;
        let debit = self.owing(source, &source.receivable_account, entity);
        let credit = self.side(source, payer, self.credit_account(source))?;
        let text = self.text(entity, origin);
        let of = |credit: Side, amount: i128| signed(debit.clone(), credit, amount, text.clone());
        let own_entity = self.statement.names_of(payer).legal_entity;
        let lines = match self.settings.tax_of(&own_entity).tax_mode {
            TaxMode::Gross => vec![of(credit, net + tax)],
            TaxMode::Net => vec![
                of(credit, net),
                of(self.owing(source, &source.output_tax_account, entity), tax),
            ],
        };
        Ok(lines.into_iter().filter(|line| line.amount != 0).collect())
    }

    /// Tax that another legal entity passes on to this one, and that no department of it is charged.
    fn tax_owed(&self, source: &JournalSource, amount: i128, origin: BillingPeriod) -> Option<JournalLine> {
        let payer_entity = self.statement.names_of(&source.source_department).legal_entity;
        let debit = self.owing(source, &source.input_tax_account, &payer_entity);
        let credit = self.owing(source, &source.payable_account, &payer_entity);
        let text = self.text(&payer_entity, origin);
        (amount != 0).then(|| signed(debit, credit, amount, text))
    }

    /// A side that is no department's: what stands between two legal entities.
    fn owing(&self, source: &JournalSource, account: &str, other_entity: &str) -> Side {
        Side {
            account: account.to_owned(),
            account_code: source.code_of(account),
            tax_code: source.tax_code.clone(),
            partner: other_entity.to_owned(),
            ..Side::default()
        }
    }

    /// Tax that no department is charged: AWS is owed it all the same, where the journal books what AWS is owed.
    fn input_tax(
        &self,
        source: &JournalSource,
        (amount, origin): (i128, BillingPeriod),
    ) -> Result<Option<JournalLine>, JournalError> {
        let is_due =
            source.vendor_liability == VendorLiability::Anbun && self.statement.state != MonthState::Provisional;
        if amount == 0 || !is_due {
            return Ok(None);
        }
        let payer = &source.source_department;
        let debit = self.side(source, payer, &source.input_tax_account)?;
        let credit = self.side(source, payer, &source.vendor_account)?;
        Ok(Some(signed(debit, credit, amount, self.text(payer, origin))))
    }

    /// What the paying department is credited on: until the invoice the accrual, then the vendor or its own cost.
    fn credit_account<'a>(&self, source: &'a JournalSource) -> &'a str {
        match (self.statement.state, source.vendor_liability) {
            (MonthState::Provisional, _) => &source.accrual_account,
            (_, VendorLiability::Anbun) => &source.vendor_account,
            (_, VendorLiability::AccountsPayable) => &source.account,
        }
    }

    /// The month is the one that the amount is of: a true-up names its origin.
    fn text(&self, department: &str, origin: BillingPeriod) -> String {
        let names = self.statement.names_of(department);
        let shown = if names.shown().is_empty() {
            department
        } else {
            names.shown()
        };
        let month = origin.first_day().format("%Y年%-m月分").to_string();
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
    fn slips(&self, nth: usize, kind: SlipKind, lines: Vec<JournalLine>, posting_date: Option<NaiveDate>) -> Vec<Slip> {
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
            _ => vec![slip(kind, posting_date.unwrap_or(last), lines)],
        }
    }

    fn number(&self, kind: SlipKind, nth: usize) -> String {
        let prefix = slip_prefix(self.statement.period, self.statement.version);
        format!("{prefix}{}{}", kind.digits().0, (nth + 1) % 10)
    }
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
    let mut number = slip.number.clone();
    if number.len() > 4 {
        number.replace_range(4..5, &slip.kind.digits().1.to_string());
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
