//! What the amounts of an answer rest on.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::findings::{AsSeen, period_findings};
use super::view::{FindingView, RateView, rates};
use crate::domain::finding::Finding;
use crate::domain::invoice::RateOfBill;
use crate::domain::period::BillingPeriod;
use crate::store::StoreResult;
use crate::store::chargeback::find_data_as_of;
use crate::store::month::find_state;
use crate::store::statements::{Statement, find_statement};

/// What the amounts of an answer rest on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Footing {
    /// `bill`, or `estimate` for what is not billed yet; never both.
    pub basis: &'static str,
    /// `open`, `provisional`, `final` or `locked`.
    pub state: &'static str,
    /// When the oldest delivery behind the amounts was made.
    pub data_as_of: Option<DateTime<Utc>>,
    pub rates: Vec<RateView>,
    pub findings: Vec<FindingView>,
}

/// Of amounts of a month in their own currency.
pub async fn footing(connection: &mut PgConnection, period: BillingPeriod, seen: &AsSeen) -> StoreResult<Footing> {
    Ok(Footing {
        basis: "bill",
        state: find_state(connection, period).await?.state.as_str(),
        data_as_of: find_data_as_of(connection, period).await?,
        rates: Vec::new(),
        findings: period_findings(connection, period, period.next(), seen).await?,
    })
}

/// Of amounts of a month in yen: by the rates and findings of its books while it is open, else as its statement was sealed.
pub async fn footing_in_yen(
    connection: &mut PgConnection,
    period: BillingPeriod,
    open: Option<(&[RateOfBill], &[Finding])>,
    seen: &AsSeen,
) -> StoreResult<Footing> {
    let mut footing = footing(connection, period, seen).await?;
    if let Some((used, found)) = open {
        footing.rates = rates(used, false);
        let found = found.iter().cloned();
        footing
            .findings
            .extend(found.map(|finding| FindingView::new(Some(period), finding)));
    } else if let Some(statement_id) = find_state(connection, period).await?.statement_id {
        let statement = find_statement(connection, statement_id).await?;
        (footing.data_as_of, footing.rates) = sealed_moment(&statement);
    }
    Ok(footing)
}

/// The age of a statement's data, and the rates that it was sealed with.
pub(super) fn sealed_moment(statement: &Statement) -> (Option<DateTime<Utc>>, Vec<RateView>) {
    let head: Value = serde_json::from_str(&statement.head).unwrap_or_default();
    let data_as_of = head["data_as_of"].as_str().and_then(|text| text.parse().ok());
    (data_as_of, rates_of(&head))
}

fn rates_of(head: &Value) -> Vec<RateView> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let rates = head["rates"].as_array().into_iter().flatten().map(|rate| RateView {
        value: text(&rate["value"]).unwrap_or_default(),
        source_currency: "USD",
        target_currency: "JPY",
        kind: text(&rate["kind"]).unwrap_or_default(),
        date: text(&rate["date"]),
        source: text(&rate["source"]).unwrap_or_default(),
        invoice: text(&rate["invoice"]),
        locked: true,
    });
    rates.collect()
}
