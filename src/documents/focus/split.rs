//! What FOCUS 1.3 adds: who provides and who hosts, and how a shared amount was split between departments.
//!
//! The amounts of one column on one bill are one origin.  Its rows that a department has say their share; the shares of an origin,
//! what is kept visible with them, add up to one.

use std::collections::BTreeMap;

use serde_json::json;

use super::{RowKey, Sums};
use crate::documents::{SealedStatement, neutral};
use crate::domain::books::Column;
use crate::domain::money::{Amount, split};

pub(super) const COLUMNS: [&str; 12] = [
    "AllocatedMethodDetails",
    "AllocatedMethodId",
    "AllocatedResourceId",
    "AllocatedResourceName",
    "AllocatedTags",
    "CommitmentDiscountStatus",
    "ContractedUnitPrice",
    "HostProviderName",
    "ListUnitPrice",
    "ServiceProviderName",
    "SkuId",
    "SkuPriceId",
];

/// Whether a row is a part of a shared amount: own usage is not, nor what no line of the bill is behind.
fn is_shared(key: &RowKey<'_>) -> bool {
    key.column != Column::Direct && key.column.is_billed()
}

/// Each row's share of its origin; none of a row that is no share, and where amounts of both signs have no shares.
pub(super) fn shares(rows: &BTreeMap<RowKey<'_>, Sums>) -> Vec<Option<Amount>> {
    let mut shares = vec![None; rows.len()];
    /// Bill group, column and currency.
    type Origin<'r> = (usize, Column, &'r str);
    type Part<'r> = (usize, &'r RowKey<'r>, Amount);
    let mut origins: BTreeMap<Origin<'_>, Vec<Part<'_>>> = BTreeMap::new();
    for (at, (key, sums)) in rows.iter().enumerate().filter(|(_, (key, _))| is_shared(key)) {
        let origin = origins.entry((key.group, key.column, key.currency)).or_default();
        origin.push((at, key, sums.amount));
    }
    for parts in origins.values() {
        let is_split = parts.iter().any(|(_, key, _)| key.department.is_some());
        let signs = |above: bool| {
            parts
                .iter()
                .any(|(.., amount)| (amount.units() > 0) == above && !amount.is_zero())
        };
        if !is_split || (signs(true) && signs(false)) {
            continue;
        }
        let weights: Vec<i128> = parts.iter().map(|(.., amount)| amount.units().abs()).collect();
        for ((at, ..), share) in parts
            .iter()
            .zip(split(Amount::from_whole(1), &weights).unwrap_or_default())
        {
            shares[*at] = Some(share);
        }
    }
    shares
}

/// The added cells of a row.
pub(super) fn cells(
    statement: &SealedStatement,
    key: &RowKey<'_>,
    share: Option<Amount>,
    provider: &str,
) -> Vec<(&'static str, String)> {
    let mut cells = vec![
        ("ServiceProviderName", provider.to_owned()),
        ("HostProviderName", provider.to_owned()),
    ];
    if matches!(key.column, Column::Direct | Column::Allocated) {
        let of = key.model.or(key.department).unwrap_or(key.column.as_str());
        let sku = neutral(&format!("bedrock/{of}"));
        cells.extend([("SkuId", sku.clone()), ("SkuPriceId", sku)]);
    }
    let Some(share) = share else {
        return cells;
    };
    // A JSON number as it is written, and no double.
    let details = format!(
        "{{\"Elements\":[{{\"AllocatedRatio\":{},\"UsageUnit\":\"Yen\"}}]}}",
        super::decimal(share)
    );
    cells.push(("AllocatedMethodId", format!("anbun.{}", key.column.as_str())));
    cells.push(("AllocatedMethodDetails", details));
    if let Some(department) = key.department {
        let names = statement.names_of(department);
        // The specification wants ASCII here; the Japanese name is in x_DepartmentName.
        let is_plain = names.name.is_ascii() && !names.name.is_empty();
        let shown = if is_plain { names.name.as_str() } else { department };
        let tags = json!({"cost_center": names.cost_center, "department": department});
        cells.push(("AllocatedResourceId", neutral(department)));
        cells.push(("AllocatedResourceName", neutral(shown)));
        cells.push(("AllocatedTags", tags.to_string()));
    }
    cells
}
