//! Pages, rendered on the server, without script; those with forms act by the API's functions.  Imports domain, store, http, and the API's views for their figures.

mod budgets_page;
mod chargeback_page;
mod directory_page;
mod documentation_page;
mod error_page;
mod figures;
mod month_page;
mod quarantine_page;
mod step_page;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;

use crate::http::AppState;

pub fn router() -> Router<AppState> {
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/chargeback") }))
        .route("/chargeback", get(chargeback_page::newest))
        .route("/chargeback/{period}", get(chargeback_page::month))
        .route("/budgets", get(budgets_page::budgets))
        .route("/alerts", get(budgets_page::alerts).post(budgets_page::answer))
        .route("/forecasts", get(budgets_page::kept_forecasts))
        .route("/months/{period}", get(month_page::month))
        .route("/months/{period}/rows", get(step_page::rows))
        .route(
            "/quarantine/{period}",
            get(quarantine_page::show).post(quarantine_page::decide),
        )
        .route(
            "/directory/{table}",
            get(directory_page::show).post(directory_page::change),
        )
        .route("/api/docs", get(documentation_page::documentation))
        .route("/assets/anbun.css", get(style_sheet))
        .fallback(error_page::not_found)
}

async fn style_sheet() -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "text/css; charset=utf-8"),
            (header::CACHE_CONTROL, "public, max-age=3600"),
        ],
        include_str!("web/anbun.css"),
    )
}
