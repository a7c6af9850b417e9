//! `GET /api/v1/deliveries`: what is loaded, how old it is, and what its last refresh changed.

use axum::Json;
use axum::extract::{Extension, State};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::findings::{AsSeen, period_findings};
use super::footing::Footing;
use super::view::MoneyView;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::finding::Severity;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::store::changes::{DayChange, DeliveryChanges, find_changes};
use crate::store::status::LoadedDelivery;
use crate::store::{StoreResult, status};

/// Changes that are told one by one; the others are in the totals.
const CHANGES_SHOWN: usize = 20;

#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveriesView {
    #[serde(flatten)]
    pub footing: Footing,
    pub data: Vec<DeliveryView>,
}

/// A month that is loaded from a source.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryView {
    pub source: String,
    pub location: String,
    pub period: String,
    /// When AWS finished the delivery.
    pub delivered_at: DateTime<Utc>,
    pub loaded_at: DateTime<Utc>,
    pub lines_read: i64,
    pub lines_kept: i64,
    pub first_day: Option<NaiveDate>,
    pub last_day: Option<NaiveDate>,
    /// The directory has changed since the month was attributed.
    pub directory_is_newer: bool,
    /// Days that should have lines and have none.
    pub gaps: Vec<String>,
    pub errors: usize,
    pub warnings: usize,
    /// What it changed against the delivery before; null for a month's first.
    pub changes: Option<ChangesView>,
}

/// New less old.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangesView {
    /// When the delivery before was made.
    pub since: DateTime<Utc>,
    pub total: Vec<MoneyView>,
    /// The largest, by amount.
    pub largest: Vec<DayChangeView>,
    /// How many days of departments changed in all.
    pub count: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DayChangeView {
    pub day: NaiveDate,
    pub charge_type: String,
    /// Null for what no department has.
    pub department: Option<String>,
    /// Why no department has it.
    pub reason: Option<String>,
    pub amount: MoneyView,
    pub lines: i64,
}

impl From<DeliveryChanges> for ChangesView {
    fn from(changes: DeliveryChanges) -> Self {
        let total = changes.totals();
        let total = total
            .into_iter()
            .map(|(currency, amount)| MoneyView::new(amount, currency))
            .collect();
        let count = changes.days.len();
        let largest = changes
            .days
            .into_iter()
            .take(CHANGES_SHOWN)
            .map(DayChangeView::from)
            .collect();
        Self {
            since: changes.since,
            total,
            largest,
            count,
        }
    }
}

impl From<DayChange> for DayChangeView {
    fn from(change: DayChange) -> Self {
        Self {
            day: change.day,
            amount: MoneyView::new(change.cost, &change.currency),
            charge_type: change.charge_type,
            department: change.department,
            reason: change.reason,
            lines: change.lines,
        }
    }
}

pub async fn read(connection: &mut PgConnection, seen: &AsSeen) -> StoreResult<DeliveriesView> {
    let deliveries = status::list_deliveries(connection).await?;
    let months = deliveries.iter().map(|delivery| delivery.period);
    let findings = match (months.clone().min(), months.max()) {
        (Some(first), Some(last)) => period_findings(connection, first, last.next(), seen).await?,
        _ => Vec::new(),
    };
    let data_as_of = deliveries.iter().map(|delivery| delivery.delivered_at).min();
    let mut data = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        data.push(view(connection, delivery).await?);
    }
    Ok(DeliveriesView {
        footing: Footing {
            basis: "bill",
            state: "open",
            data_as_of,
            rates: Vec::new(),
            findings,
        },
        data,
    })
}

async fn view(connection: &mut PgConnection, delivery: LoadedDelivery) -> StoreResult<DeliveryView> {
    let findings = status::list_findings(connection, delivery.period, delivery.period.next(), false).await?;
    let own: Vec<_> = findings.into_iter().filter(|f| f.source == delivery.source).collect();
    let count = |severity| own.iter().filter(|f| f.severity == severity).count();
    let gaps = own
        .iter()
        .filter(|f| f.code == "day_missing")
        .map(|f| f.subject.clone());
    Ok(DeliveryView {
        gaps: gaps.collect(),
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        changes: find_changes(connection, delivery.snapshot_id)
            .await?
            .map(ChangesView::from),
        source: delivery.source,
        location: delivery.location,
        period: delivery.period.to_string(),
        delivered_at: delivery.delivered_at,
        loaded_at: delivery.loaded_at,
        lines_read: delivery.lines_read,
        lines_kept: delivery.lines_kept,
        first_day: delivery.first_day,
        last_day: delivery.last_day,
        directory_is_newer: delivery.directory_is_older,
    })
}

/// What is loaded per source and month.
#[utoipa::path(
    get,
    path = "/api/v1/deliveries",
    tag = "operations",
    responses((status = 200, body = DeliveriesView), (status = 401, body = Problem, content_type = "application/problem+json"))
)]
pub async fn list_deliveries(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<DeliveriesView>, ApiError> {
    authorize(&actor, Action::ReadOperations)?;
    let mut connection = state.database.pool.acquire().await?;
    Ok(Json(
        read(&mut connection, &AsSeen::of(&state.config, state.clock)).await?,
    ))
}
