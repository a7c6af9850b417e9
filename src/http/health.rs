//! Whether the process lives, and whether it can answer.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::AppState;

/// The process lives.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The database answers and has this version's schema.
pub async fn readyz(State(state): State<AppState>) -> impl IntoResponse {
    match state.database.check_schema().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(error) => {
            tracing::warn!(error = %error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        }
    }
}

/// Prometheus text.
pub async fn metrics(State(state): State<AppState>) -> String {
    state.metrics.render()
}
