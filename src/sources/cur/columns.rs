//! The columns that anbun reads, and what it means when an export lacks one.

use std::collections::BTreeSet;

use super::SourceError;
use crate::domain::finding::{Finding, Severity};

pub(super) const USAGE_START: &str = "line_item_usage_start_date";
pub(super) const USAGE_END: &str = "line_item_usage_end_date";
pub(super) const CHARGE_TYPE: &str = "line_item_line_item_type";
pub(super) const COST: &str = "line_item_unblended_cost";
pub(super) const NET_COST: &str = "line_item_net_unblended_cost";
pub(super) const LIST_COST: &str = "pricing_public_on_demand_cost";
pub(super) const QUANTITY: &str = "line_item_usage_amount";
pub(super) const CURRENCY: &str = "line_item_currency_code";
pub(super) const PAYER: &str = "bill_payer_account_id";
pub(super) const ACCOUNT: &str = "line_item_usage_account_id";
pub(super) const SELLER: &str = "bill_invoicing_entity";
pub(super) const INVOICE: &str = "bill_invoice_id";
pub(super) const BILL_TYPE: &str = "bill_bill_type";
pub(super) const BILLING_ENTITY: &str = "bill_billing_entity";
pub(super) const PRODUCT_CODE: &str = "line_item_product_code";
pub(super) const PRODUCT_FAMILY: &str = "product_product_family";
pub(super) const OPERATION: &str = "line_item_operation";
pub(super) const USAGE_TYPE: &str = "line_item_usage_type";
pub(super) const UNIT: &str = "pricing_unit";
pub(super) const REGION: &str = "product_region_code";
pub(super) const RESOURCE: &str = "line_item_resource_id";
pub(super) const TAX_TYPE: &str = "line_item_tax_type";
pub(super) const DESCRIPTION: &str = "line_item_line_item_description";
pub(super) const PRINCIPAL: &str = "line_item_iam_principal";
pub(super) const TAGS: &str = "tags";
pub(super) const PRODUCT: &str = "product";

/// Columns that every row group with a Bedrock line is read for.  Descriptions and ends are read for credits and discounts alone.
pub(super) const ALWAYS_READ: [&str; 24] = [
    USAGE_START,
    CHARGE_TYPE,
    COST,
    NET_COST,
    LIST_COST,
    QUANTITY,
    CURRENCY,
    PAYER,
    ACCOUNT,
    SELLER,
    INVOICE,
    BILL_TYPE,
    BILLING_ENTITY,
    PRODUCT_CODE,
    PRODUCT_FAMILY,
    OPERATION,
    USAGE_TYPE,
    UNIT,
    REGION,
    RESOURCE,
    TAX_TYPE,
    PRINCIPAL,
    TAGS,
    PRODUCT,
];

/// Columns without which a month cannot be summed: their absence must never read as zero cost.
const NEEDED: [&str; 9] = [
    USAGE_START,
    CHARGE_TYPE,
    COST,
    QUANTITY,
    CURRENCY,
    PAYER,
    ACCOUNT,
    PRODUCT_CODE,
    USAGE_TYPE,
];

/// Columns without which nothing is loaded.
pub fn needed() -> impl Iterator<Item = &'static str> {
    NEEDED.into_iter()
}

/// Every column that is read, where the export has it.
pub fn read() -> impl Iterator<Item = &'static str> {
    ALWAYS_READ.into_iter().chain([DESCRIPTION, USAGE_END])
}

/// Columns that an export may lack, with what is lost without them.
const OPTIONAL: [(&str, Severity, &str, &str); 14] = [
    (
        TAGS,
        Severity::Warning,
        "tags are no evidence for any charge",
        "add 'tags' to the column list of the export",
    ),
    (
        UNIT,
        Severity::Error,
        "quantities have no unit, so no tokens are counted",
        "add 'pricing_unit' to the column list of the export",
    ),
    (
        PRODUCT,
        Severity::Warning,
        "Marketplace products cannot be recognised by name, nor models by their metadata",
        "add 'product' to the column list of the export",
    ),
    (
        PRODUCT_FAMILY,
        Severity::Warning,
        "Bedrock lines are recognised by code, name and operation only",
        "add 'product_product_family' to the column list of the export",
    ),
    (
        OPERATION,
        Severity::Warning,
        "Bedrock lines are recognised by family, code and name only",
        "add 'line_item_operation' to the column list of the export",
    ),
    (
        NET_COST,
        Severity::Info,
        "the net cost is the unblended cost; AWS leaves the column out without a discount",
        "nothing, unless the account has discounts",
    ),
    (
        LIST_COST,
        Severity::Info,
        "list cost is unknown",
        "add 'pricing_public_on_demand_cost' to the column list of the export",
    ),
    (
        INVOICE,
        Severity::Warning,
        "charges cannot be tied to invoices",
        "add 'bill_invoice_id' to the column list of the export",
    ),
    (
        SELLER,
        Severity::Warning,
        "sellers cannot be told apart",
        "add 'bill_invoicing_entity' to the column list of the export",
    ),
    (
        BILL_TYPE,
        Severity::Info,
        "refund bills cannot be told apart",
        "add 'bill_bill_type' to the column list of the export",
    ),
    (
        REGION,
        Severity::Info,
        "regions are read from the prefix of the usage type, which is not always right",
        "add 'product_region_code' to the column list of the export",
    ),
    (
        RESOURCE,
        Severity::Info,
        "inference profiles are unknown",
        "set INCLUDE_RESOURCES to TRUE",
    ),
    (
        USAGE_END,
        Severity::Info,
        "credits and discounts follow the usage of the month instead of that of their day",
        "add 'line_item_usage_end_date' to the column list of the export",
    ),
    (
        TAX_TYPE,
        Severity::Info,
        "kinds of tax cannot be told apart",
        "add 'line_item_tax_type' to the column list of the export",
    ),
];

/// Refuses a file without a needed column.
pub(super) fn check_needed(object: &str, present: &[&str]) -> Result<(), SourceError> {
    match NEEDED.iter().find(|name| !present.contains(name)) {
        None => Ok(()),
        Some(column) => Err(SourceError::Column {
            object: object.to_owned(),
            column,
            what: "the file does not have it".to_owned(),
            action: format!(
                "add '{column}' to the column list of the export and wait for its next delivery; nothing was loaded"
            ),
        }),
    }
}

/// Findings for the columns that no file of the delivery has.
pub(super) fn findings(present: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !present.contains(PRINCIPAL) {
        findings.push(Finding::new(
            "principal_column_missing",
            Severity::Error,
            PRINCIPAL,
            "the export does not have the column, so no charge can be attributed",
            "set INCLUDE_IAM_PRINCIPAL_DATA to TRUE in the table configuration of the export; AWS fills it from then on only",
        ));
    }
    for (column, severity, lost, action) in OPTIONAL {
        if !present.contains(column) {
            findings.push(Finding::new(
                "column_missing",
                severity,
                column,
                format!("the export does not have it: {lost}"),
                action,
            ));
        }
    }
    findings
}
