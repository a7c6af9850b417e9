//! JSON, one file per resource.  The commands print the same views.  Imports domain, store, http.

mod acting;
pub mod alerts;
pub mod budget_status;
pub mod budgets;
pub mod change;
pub mod chargeback;
pub mod costs;
pub mod deliveries;
pub mod department_statements;
pub mod derivation;
pub mod directory;
pub mod explain;
pub mod files;
pub mod findings;
pub mod footing;
pub mod forecasts;
pub mod jobs;
pub mod month;
pub mod people;
pub mod principals;
pub mod raises;
pub mod registers;
mod sealed;
pub mod slack;
pub mod statement;
pub mod step_rows;
pub mod steps;
pub mod view;

use axum::Router;
use axum::extract::Extension;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::AppState;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "anbun",
        description = "Department chargeback of the Amazon Bedrock part of an AWS bill. Money is a decimal string with a currency, never a float; every answer with money names its basis, state, age, rates and findings."
    ),
    // It is routed without a token, by its signature.
    paths(slack::interactions),
    tags(
        (name = "chargeback", description = "A month per department, person or project"),
        (name = "costs", description = "Any slice of the charges"),
        (name = "principals", description = "Who called, and whose that is"),
        (name = "registers", description = "Rates, invoices, rules for shared cost"),
        (name = "budgets", description = "What a company means to spend"),
        (name = "directory", description = "Departments, people, projects, and whose principals are"),
        (name = "operations", description = "What is loaded")
    )
)]
struct ApiDocument;

/// The routes with their documents.
fn documented_routes() -> (Router<AppState>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(ApiDocument::openapi())
        .routes(routes!(chargeback::get_chargeback))
        .routes(routes!(change::get_change))
        .routes(routes!(change::get_budget_change))
        .routes(routes!(statement::get_statement))
        .routes(routes!(steps::close))
        .routes(routes!(steps::lock))
        .routes(routes!(steps::reopen))
        .routes(routes!(steps::reclass))
        .routes(routes!(department_statements::get_standings))
        .routes(routes!(department_statements::send_statements))
        .routes(routes!(department_statements::post_answer))
        .routes(routes!(month::get_month))
        .routes(routes!(month::get_reconciliation))
        .routes(routes!(step_rows::get_step_rows))
        .routes(routes!(costs::get_costs))
        .routes(routes!(people::get_person_usage))
        .routes(routes!(principals::list_principals))
        .routes(routes!(principals::assign))
        .routes(routes!(principals::note_asked))
        .routes(routes!(derivation::explain_amount))
        .routes(routes!(explain::explain_principal))
        .routes(routes!(explain::explain_usage_type))
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(jobs::list_jobs))
        .routes(routes!(jobs::request_run))
        .routes(routes!(registers::list_rates, registers::changes::post_rates))
        .routes(routes!(registers::list_invoices, registers::changes::post_invoices))
        .routes(routes!(registers::list_rules, registers::changes::post_rules))
        .routes(routes!(budgets::get_budgets, budgets::post_budgets))
        .routes(routes!(budgets::put_budget))
        .routes(routes!(budget_status::get_statuses))
        .routes(routes!(alerts::get_alerts))
        .routes(routes!(forecasts::get_forecasts))
        .routes(routes!(alerts::get_why))
        .routes(routes!(alerts::ack))
        .routes(routes!(alerts::snooze))
        .routes(routes!(alerts::post_resend))
        .routes(routes!(raises::get_raises, raises::post_raise))
        .routes(routes!(raises::post_decision))
        .routes(routes!(budget_status::get_status))
        .routes(routes!(registers::list_pools, registers::changes::post_pool))
        .routes(routes!(
            directory::departments::list_rows,
            directory::departments::add_row,
            directory::departments::amend_row
        ))
        .routes(routes!(
            directory::people::list_rows,
            directory::people::add_row,
            directory::people::amend_row
        ))
        .routes(routes!(
            directory::projects::list_rows,
            directory::projects::add_row,
            directory::projects::amend_row
        ))
        .routes(routes!(
            directory::principals::list_rows,
            directory::principals::add_row,
            directory::principals::amend_row
        ))
        .split_for_parts()
}

/// The OpenAPI 3.1 document of the API.
pub fn document() -> utoipa::openapi::OpenApi {
    documented_routes().1
}

pub fn router() -> Router<AppState> {
    let (router, document) = documented_routes();
    let document: Arc<str> = document.to_json().unwrap_or_default().into();
    router
        .route("/api/openapi.json", get(openapi))
        .layer(Extension(document))
}

async fn openapi(Extension(document): Extension<Arc<str>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], document.to_string())
}
