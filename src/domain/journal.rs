//! How a company books the chargeback: who pays AWS, on which accounts, and what its accounting system calls departments.

use super::period::BillingPeriod;
use serde::{Deserialize, Serialize};

/// How a payer's and seller's cost is moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JournalSource {
    /// `*` for every payer that no other source names.
    pub payer: String,
    pub seller: String,
    /// The department that pays AWS; its cost becomes the others'.
    pub source_department: String,
    pub account: String,
    pub account_code: String,
    /// Codes of the other accounts, by their names.
    pub account_codes: std::collections::BTreeMap<String, String>,
    pub sub_account: String,
    pub style: Style,
    /// For the style `transfer_account`: what the debit and the credit are booked on.
    pub transfer_debit_account: String,
    pub transfer_credit_account: String,
    /// Who books what AWS is owed.
    pub vendor_liability: VendorLiability,
    pub vendor_account: String,
    /// Tax that no department is charged: of what AWS is owed, where the journal books that, and of what another entity passes on.
    pub input_tax_account: String,
    /// Until the invoice: what a provisional month is credited to.
    pub accrual_account: String,
    /// Between legal entities.
    pub receivable_account: String,
    pub payable_account: String,
    /// Between legal entities: the tax that the payer passes on, where its own departments are charged without tax.
    pub output_tax_account: String,
    pub tax_code: String,
}

impl JournalSource {
    /// The code of an account; empty where nobody gave one.
    pub fn code_of(&self, account: &str) -> String {
        if account == self.account && !self.account_code.is_empty() {
            return self.account_code.clone();
        }
        self.account_codes.get(account).cloned().unwrap_or_default()
    }
}

impl Default for JournalSource {
    fn default() -> Self {
        let text = str::to_owned;
        Self {
            payer: text("*"),
            seller: text("*"),
            source_department: String::new(),
            account: text("クラウド利用料"),
            account_code: String::new(),
            account_codes: std::collections::BTreeMap::new(),
            sub_account: String::new(),
            style: Style::SameAccount,
            transfer_debit_account: text("部門間振替費"),
            transfer_credit_account: text("部門間振替収益"),
            vendor_liability: VendorLiability::AccountsPayable,
            vendor_account: text("未払金"),
            input_tax_account: text("仮払消費税"),
            accrual_account: text("未払費用"),
            receivable_account: text("未収入金"),
            payable_account: text("未払金"),
            output_tax_account: text("仮受消費税"),
            tax_code: text("対象外"),
        }
    }
}

/// How an allocation is booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// The same account on both sides: the source line is reversed (分割配賦).
    SameAccount,
    /// Accounts of their own; the source stays untouched (費用配賦).
    TransferAccount,
}

/// Who books the liability to AWS: never both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VendorLiability {
    /// Accounts payable books the invoice on the source department; the journal only moves it.
    AccountsPayable,
    /// The journal credits what AWS is owed.
    Anbun,
}

/// How a legal entity treats consumption tax.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EntityTax {
    pub legal_entity: String,
    /// Departments are charged without tax, or with it.
    pub tax_mode: TaxMode,
    /// Of the tax, what cannot be deducted and is cost even in `net`.
    pub non_deductible_share: rust_decimal::Decimal,
}

impl Default for EntityTax {
    fn default() -> Self {
        Self {
            legal_entity: String::new(),
            tax_mode: TaxMode::Net,
            non_deductible_share: rust_decimal::Decimal::ZERO,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxMode {
    Net,
    Gross,
}

/// What an accounting system calls a department.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    pub system: String,
    pub department: String,
    pub code: String,
    pub name: String,
    /// Empty: the source's account.
    pub account: String,
    pub sub_account: String,
    pub tax_code: String,
}

/// Everything that a journal is made by.
#[derive(Debug, Clone, Default)]
pub struct JournalSettings {
    pub sources: Vec<JournalSource>,
    pub entities: Vec<EntityTax>,
    pub mappings: Vec<Mapping>,
    /// With `{month}`, `{department}`, `{code}` and `{version}`.
    pub text: String,
}

impl JournalSettings {
    pub fn tax_of(&self, legal_entity: &str) -> EntityTax {
        let mut entities = self.entities.iter();
        let own = entities.find(|tax| tax.legal_entity == legal_entity);
        own.cloned().unwrap_or_default()
    }
}

/// Sources that slip numbers can tell apart: each has a digit.
pub const SOURCES_MAX: usize = 10;

/// The place of the source of a bill: the one that names payer and seller, else the payer, else the seller, else `*`.
pub fn source_of(sources: &[JournalSource], payer: &str, seller: &str) -> Option<usize> {
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
    let fitting = sources
        .iter()
        .enumerate()
        .filter_map(|(nth, source)| Some((fits(source)?, std::cmp::Reverse(nth))));
    fitting.max().map(|(_, std::cmp::Reverse(nth))| nth)
}

/// What the numbers of a statement's slips begin with: month of the year and version.
pub fn slip_prefix(period: BillingPeriod, version: i32) -> String {
    format!("{}{:02}", period.first_day().format("%m"), version % 100)
}
