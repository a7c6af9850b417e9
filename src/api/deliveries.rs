//! `GET /api/v1/deliveries`: what is loaded, and how old it is.

use axum::Json;
use axum::extract::{Extension, State};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::domain::actor::{Action, Actor, authorize};
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::store::{StoreResult, status};

#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveriesView {
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
}

pub async fn read(connection: &mut PgConnection) -> StoreResult<DeliveriesView> {
    let mut data = Vec::new();
    for delivery in status::list_deliveries(connection).await? {
        let findings = status::list_findings(connection, delivery.period, delivery.period.next()).await?;
        let own: Vec<_> = findings.into_iter().filter(|f| f.source == delivery.source).collect();
        let count = |severity| own.iter().filter(|f| f.severity == severity).count();
        data.push(DeliveryView {
            gaps: own
                .iter()
                .filter(|f| f.code == "day_missing")
                .map(|f| f.subject.clone())
                .collect(),
            errors: count(crate::domain::finding::Severity::Error),
            warnings: count(crate::domain::finding::Severity::Warning),
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
        });
    }
    Ok(DeliveriesView { data })
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
    Ok(Json(read(&mut connection).await?))
}
