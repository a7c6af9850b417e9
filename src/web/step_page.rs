//! A step of the reconciliation opened to its rows.

use askama::Template;
use axum::extract::{Extension, Path, State};
use axum::response::Response;

use super::error_page::{PageError, render};
use crate::api::chargeback::parse_period;
use crate::api::step_rows::{StepQuery, read_step};
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::text::grouped;
use crate::http::AppState;
use crate::http::query::Query;

#[derive(Template)]
#[template(path = "step.html")]
struct StepPage {
    period: String,
    state: &'static str,
    data_as_of: String,
    step: String,
    invoice: String,
    rows: Vec<RowLine>,
    usd: String,
    jpy: String,
}

struct RowLine {
    what: String,
    department: String,
    account: String,
    product: String,
    lines: String,
    usd: String,
    jpy: String,
}

pub(super) async fn rows(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
    Query(query): Query<StepQuery>,
) -> Result<Response, PageError> {
    let period = parse_period(&period)?;
    authorize(&actor, Action::ReadChargeback)?;
    let view = read_step(&state, period, &query).await?;
    let rows = view.rows.into_iter().map(|row| RowLine {
        what: row.what,
        department: row.department.unwrap_or_default(),
        account: row.account.unwrap_or_default(),
        product: row.product.unwrap_or_default(),
        lines: row.lines.map(|lines| grouped(&lines.to_string())).unwrap_or_default(),
        usd: grouped(&row.usd.amount),
        jpy: row.jpy.map(|jpy| grouped(&jpy.amount)).unwrap_or_default(),
    });
    Ok(render(&StepPage {
        period: view.period,
        state: view.footing.state,
        data_as_of: view
            .footing
            .data_as_of
            .map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string())
            .unwrap_or_default(),
        step: view.step,
        invoice: view.invoice.unwrap_or_default(),
        rows: rows.collect(),
        usd: grouped(&view.usd.amount),
        jpy: grouped(&view.jpy.amount),
    }))
}
