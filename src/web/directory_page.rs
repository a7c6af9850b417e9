//! The directory by table, with a form that adds or changes one row.  A form shows what would move before it saves.

use std::collections::BTreeMap;

use askama::Template;
use axum::Form;
use axum::extract::{Extension, Path, State};
use axum::response::Response;

use super::error_page::{PageError, render};
use crate::api::directory::{ChangeQuestion, DirectoryTable, RowsQuery, change_by, rows_of};
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::text::grouped;
use crate::http::AppState;
use crate::http::error::ApiError;

const SHOWN: usize = 500;

#[derive(Template)]
#[template(path = "directory.html")]
struct DirectoryPage {
    table: &'static str,
    tables: Vec<&'static str>,
    columns: Vec<&'static str>,
    key: String,
    rows: Vec<Vec<String>>,
    is_more: bool,
    may_change: bool,
    /// Cells of the form, in the order of the columns.
    cells: Vec<(&'static str, String)>,
    outcome: Option<Outcome>,
}

struct Outcome {
    message: String,
    is_error: bool,
    moved: Vec<[String; 4]>,
    /// Of a preview: `add` or `amend`, to save.
    to_save: Option<String>,
}

fn table_named(name: &str) -> Result<DirectoryTable, ApiError> {
    let found = DirectoryTable::ALL.into_iter().find(|table| table.as_str() == name);
    found.ok_or_else(|| ApiError::NotFound(format!("the directory has no table '{name}'")))
}

pub(super) async fn show(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(table): Path<String>,
) -> Result<Response, PageError> {
    page(&state, &actor, table_named(&table)?, (BTreeMap::new(), None)).await
}

/// The fields of the form: `step` (`preview` or `save`), `change` (`add` or `amend`), and the columns of the table.
pub(super) async fn change(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(table): Path<String>,
    Form(mut form): Form<BTreeMap<String, String>>,
) -> Result<Response, PageError> {
    authorize(&actor, Action::ChangeDirectory)?;
    let table = table_named(&table)?;
    if table.holds_people() {
        // Before anything is saved: whoever may not see the page afterwards does not act on it.
        authorize(&actor, Action::ReadPeople)?;
    }
    let is_preview = form.remove("step").as_deref() != Some("save");
    let kind = form.remove("change").unwrap_or_default();
    let is_amended = kind == "amend";
    let mut row = form.clone();
    if is_amended {
        // An empty field of a row that is changed means that the cell stays.
        row.retain(|column, cell| !cell.is_empty() || table.key().contains(&column.as_str()));
    }
    let question = ChangeQuestion {
        table,
        is_amended,
        is_dry_run: is_preview,
    };
    let outcome = match change_by(&state, &actor, question, &row).await {
        Ok(view) => Outcome {
            message: match (is_preview, view.changes.is_empty()) {
                (_, true) => "Nothing changes: the row is as it was.".to_owned(),
                (true, false) if view.moved.is_empty() => "No yen would move in the open months. Save it?".to_owned(),
                (true, false) => "This would move the yen below. Save it?".to_owned(),
                (false, false) => "Saved. The months that are not closed follow it; closed ones stay.".to_owned(),
            },
            is_error: false,
            to_save: (is_preview && !view.changes.is_empty()).then_some(kind),
            moved: view
                .moved
                .iter()
                .map(|moved| {
                    let department = moved.department.clone().unwrap_or_else(|| "kept visible".to_owned());
                    let (before, after) = (grouped(&moved.before.amount), grouped(&moved.after.amount));
                    [moved.period.clone(), department, before, after]
                })
                .collect(),
        },
        Err(error @ (ApiError::Internal(_) | ApiError::NotAllowed)) => return Err(error.into()),
        Err(error) => Outcome {
            message: error.to_string(),
            is_error: true,
            moved: Vec::new(),
            to_save: None,
        },
    };
    page(&state, &actor, table, (form, Some(outcome))).await
}

async fn page(
    state: &AppState,
    actor: &Actor,
    table: DirectoryTable,
    (form, outcome): (BTreeMap<String, String>, Option<Outcome>),
) -> Result<Response, PageError> {
    let query = RowsQuery {
        limit: Some(SHOWN),
        ..RowsQuery::default()
    };
    let view = rows_of(table, state, actor, &query).await?;
    let columns = table.columns();
    let cells = |row: &BTreeMap<String, String>| -> Vec<String> {
        let cell = |column: &&str| row.get(*column).cloned().unwrap_or_default();
        columns.iter().map(cell).collect()
    };
    Ok(render(&DirectoryPage {
        table: table.as_str(),
        tables: DirectoryTable::ALL.map(DirectoryTable::as_str).to_vec(),
        key: table.key().join(", "),
        rows: view.data.iter().map(cells).collect(),
        is_more: view.next_cursor.is_some(),
        may_change: authorize(actor, Action::ChangeDirectory).is_ok(),
        cells: columns.iter().copied().zip(cells(&form)).collect(),
        columns,
        outcome,
    }))
}
