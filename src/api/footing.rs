//! What the amounts of an answer rest on.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::findings::{AsSeen, period_findings};
use super::view::{FindingView, RateView, rates};
use crate::domain::close::MonthState;
use crate::domain::finding::Finding;
use crate::domain::invoice::RateOfBill;
use crate::domain::period::BillingPeriod;
use crate::http::AppState;
use crate::store::StoreResult;
use crate::store::chargeback::find_data_as_of;
use crate::store::month::find_state;
use crate::store::rates::read_rate_book;
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

/// An answer, and what its amounts rest on.
#[derive(Debug, Serialize, ToSchema)]
pub struct Footed<T> {
    #[serde(flatten)]
    pub footing: Footing,
    #[serde(flatten)]
    pub answer: T,
}

/// An answer of amounts of some months; of none, of the month in which it is asked.
pub async fn footed<T>(
    state: &AppState,
    connection: &mut PgConnection,
    periods: impl IntoIterator<Item = BillingPeriod>,
    answer: T,
) -> StoreResult<Footed<T>> {
    let seen = AsSeen::of(&state.config, state.clock);
    let mut periods: BTreeSet<BillingPeriod> = periods.into_iter().collect();
    if periods.is_empty() {
        periods.insert(BillingPeriod::of(seen.now.date_naive()));
    }
    let footing = footing_over(connection, &periods, &seen).await?;
    Ok(Footed { footing, answer })
}

/// An answer of amounts that no bill is behind: what somebody plans, or what is foreseen.
pub async fn footed_estimate<T>(
    state: &AppState,
    connection: &mut PgConnection,
    periods: impl IntoIterator<Item = BillingPeriod>,
    answer: T,
) -> StoreResult<Footed<T>> {
    let mut footed = footed(state, connection, periods, answer).await?;
    footed.footing.basis = "estimate";
    Ok(footed)
}

/// Several months rest on what the least of them does: the least closed state, the oldest data, every rate, every finding.
async fn footing_over(
    connection: &mut PgConnection,
    periods: &BTreeSet<BillingPeriod>,
    seen: &AsSeen,
) -> StoreResult<Footing> {
    let book = read_rate_book(connection, seen.yen).await?;
    let (mut states, mut ages, mut used, mut findings) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for period in periods {
        let now = find_state(connection, *period).await?;
        let (age, of_month) = match now.statement_id {
            Some(statement_id) => sealed_moment(&find_statement(connection, statement_id).await?),
            None => {
                let policy = RateOfBill::of_policy(&book.resolve(*period).0);
                (find_data_as_of(connection, *period).await?, rates(&[policy], false))
            }
        };
        for finding in period_findings(connection, *period, period.next(), seen).await? {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        states.push(now.state);
        ages.extend(age);
        used.extend(of_month);
    }
    Ok(Footing {
        basis: "bill",
        state: states.into_iter().min().unwrap_or(MonthState::Open).as_str(),
        data_as_of: ages.into_iter().min(),
        rates: used,
        findings,
    })
}
