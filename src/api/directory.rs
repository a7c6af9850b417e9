//! The directory over HTTP: `GET`, `POST` and `PATCH` of departments, people, projects and entries for principals.
//!
//! Rows have the columns of their CSV files.  A change is checked like an import, decides the open months anew in its own
//! transaction, and says which yen move; `dry_run` does all of it and takes it back.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::acting::{bad, once, read};
use super::footing::{Footed, footed};
use super::registers::MovedView;
use crate::config::Config;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::period::BillingPeriod;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::jobs::import_directory::{ImportSettings, Imported, Keep, change_row};
use crate::jobs::keep_registers::RegisterError;
pub use crate::sources::directory_csv::DirectoryTable;
use crate::sources::directory_csv::{Row, RowChange};
use crate::store::directory::get_directory;
use crate::store::tokens::note_personal_data_read;

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RowsQuery {
    /// YYYY-MM-DD: only rows that hold on that day.
    pub on: Option<NaiveDate>,
    /// At most 1000; 100 by default.
    pub limit: Option<usize>,
    /// From `next_cursor` of the page before.
    pub cursor: Option<String>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ChangeQuery {
    /// Only say what would change and which yen would move.
    pub dry_run: Option<bool>,
}

/// Rows with the columns of the table's CSV file.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowsView {
    pub data: Vec<Row>,
    pub next_cursor: Option<String>,
}

/// What a change of the directory came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct DirectoryChangeView {
    /// Null of a dry run, and where nothing changes.
    pub version: Option<i32>,
    pub changes: Vec<RowChangeView>,
    /// In yen, in the months that are neither final nor locked.
    pub moved: Vec<MovedView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RowChangeView {
    pub table: &'static str,
    /// `added`, `changed` or `removed`.
    pub change: &'static str,
    pub row: String,
}

impl DirectoryChangeView {
    pub fn of(imported: &Imported) -> Self {
        let mut changes = Vec::new();
        for (table, of_table) in imported.changes.tables() {
            for (change, rows) in [
                ("added", &of_table.added),
                ("changed", &of_table.changed),
                ("removed", &of_table.removed),
            ] {
                changes.extend(rows.iter().map(|row| RowChangeView {
                    table,
                    change,
                    row: row.clone(),
                }));
            }
        }
        let moved = imported
            .moved
            .iter()
            .flat_map(|(period, changes)| changes.iter().map(|change| MovedView::of(*period, change)));
        Self {
            version: imported.version,
            changes,
            moved: moved.collect(),
        }
    }

    /// With what the yen that moved rest on.
    pub async fn footed(self, state: &AppState) -> Result<Footed<Self>, ApiError> {
        let mut connection = state.database.pool.acquire().await?;
        let periods: Vec<BillingPeriod> = self
            .moved
            .iter()
            .filter_map(|moved| moved.period.parse().ok())
            .collect();
        Ok(footed(state, &mut connection, periods, self).await?)
    }
}

/// What a change of the directory is decided by.
pub fn import_settings(config: &Config) -> Result<ImportSettings, ApiError> {
    let attribution = config.attribution.settings();
    Ok(ImportSettings {
        attribution: attribution.map_err(|e| ApiError::Conflict(format!("[attribution] cannot be read: {e}")))?,
        yen: config.currency.yen(),
    })
}

/// A page of a table's rows.  People and principals are personal data: who asked is noted.
pub async fn rows_of(
    table: DirectoryTable,
    state: &AppState,
    actor: &Actor,
    query: &RowsQuery,
) -> Result<RowsView, ApiError> {
    authorize(actor, Action::ReadChargeback)?;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(bad("limit", format!("it is not between 1 and {LIMIT_MAX}")));
    }
    let first: usize = match query.cursor.as_deref() {
        None => 0,
        Some(text) => text
            .parse()
            .map_err(|_| bad("cursor", "it is not from a next_cursor".to_owned()))?,
    };
    let mut connection = state.database.pool.acquire().await?;
    if table.holds_people() {
        authorize(actor, Action::ReadPeople)?;
        let what = format!("directory: {}", table.as_str());
        note_personal_data_read(&mut connection, actor, &what, state.clock.now()).await?;
    }
    let directory = get_directory(&mut connection).await?;
    let mut rows = table.rows(&directory, query.on).into_iter().skip(first);
    let mut data: Vec<Row> = rows.by_ref().take(limit).collect();
    if authorize(actor, Action::ReadPeople).is_err() {
        data.iter_mut().for_each(|row| drop(row.remove("owner_person_id")));
    }
    let next_cursor = rows.next().map(|_| (first + limit).to_string());
    Ok(RowsView { data, next_cursor })
}

/// A change that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct ChangeQuestion {
    pub table: DirectoryTable,
    /// Cells of the row with its key, and not a further row.
    pub is_amended: bool,
    pub is_dry_run: bool,
}

/// Changes one row.
pub async fn change_by(
    state: &AppState,
    actor: &Actor,
    question: ChangeQuestion,
    row: &Row,
) -> Result<DirectoryChangeView, ApiError> {
    authorize(actor, Action::ChangeDirectory)?;
    if question.table.holds_people() {
        // What changes and what moves says what is in the row, and what its principal costs.
        authorize(actor, Action::ReadPeople)?;
    }
    let change = if question.is_amended {
        RowChange::Amend
    } else {
        RowChange::Add
    };
    let keep = if question.is_dry_run { Keep::DryRun } else { Keep::Yes };
    let settings = import_settings(&state.config)?;
    let what = (question.table, change, row);
    let changed = change_row(what, keep, &state.database, &settings, (actor, state.clock)).await;
    Ok(DirectoryChangeView::of(&changed.map_err(RegisterError::of)?))
}

async fn change(
    (table, is_amended): (DirectoryTable, bool),
    state: &AppState,
    actor: &Actor,
    query: &ChangeQuery,
    (headers, body): (&HeaderMap, &Bytes),
) -> Result<Response, ApiError> {
    authorize(actor, Action::ChangeDirectory)?;
    let row: Row = read(body)?;
    let question = ChangeQuestion {
        table,
        is_amended,
        is_dry_run: query.dry_run.unwrap_or(false),
    };
    once(state, actor, headers, &format!("{question:?}"), body, async || {
        let view = change_by(state, actor, question, &row).await?;
        let is_made = !is_amended && view.version.is_some();
        let status = if is_made { StatusCode::CREATED } else { StatusCode::OK };
        Ok((status, view.footed(state).await?))
    })
    .await
}

/// The three routes of a table: the same but for its name and its path.
macro_rules! table_routes {
    ($module:ident, $table:ident, $path:literal) => {
        pub mod $module {
            use super::*;

            /// Rows of the directory, with the columns of its CSV file.
            #[utoipa::path(
                                        get,
                                        path = $path,
                                        tag = "directory",
                                        params(RowsQuery),
                                        responses(
                                            (status = 200, body = RowsView),
                                            (status = 400, body = Problem, content_type = "application/problem+json"),
                                            (status = 401, body = Problem, content_type = "application/problem+json"),
                                            (status = 403, body = Problem, content_type = "application/problem+json")
                                        )
                                    )]
            pub async fn list_rows(
                State(state): State<AppState>,
                Extension(actor): Extension<Actor>,
                Query(query): Query<RowsQuery>,
            ) -> Result<Json<RowsView>, ApiError> {
                rows_of(DirectoryTable::$table, &state, &actor, &query)
                    .await
                    .map(Json)
            }

            /// Add a row.  Open months follow at once; the answer says which yen moved.
            #[utoipa::path(
                                        post,
                                        path = $path,
                                        tag = "directory",
                                        params(ChangeQuery, ("Idempotency-Key" = Option<String>, Header)),
                                        request_body = Row,
                                        responses(
                                            (status = 200, body = Footed<DirectoryChangeView>, description = "Of a dry run"),
                                            (status = 201, body = Footed<DirectoryChangeView>),
                                            (status = 400, body = Problem, content_type = "application/problem+json"),
                                            (status = 403, body = Problem, content_type = "application/problem+json")
                                        )
                                    )]
            pub async fn add_row(
                State(state): State<AppState>,
                Extension(actor): Extension<Actor>,
                Query(query): Query<ChangeQuery>,
                headers: HeaderMap,
                body: Bytes,
            ) -> Result<Response, ApiError> {
                let what = (DirectoryTable::$table, false);
                change(what, &state, &actor, &query, (&headers, &body)).await
            }

            /// Change cells of the row whose key columns are given, such as its `valid_to`.
            #[utoipa::path(
                                        patch,
                                        path = $path,
                                        tag = "directory",
                                        params(ChangeQuery, ("Idempotency-Key" = Option<String>, Header)),
                                        request_body = Row,
                                        responses(
                                            (status = 200, body = Footed<DirectoryChangeView>),
                                            (status = 400, body = Problem, content_type = "application/problem+json"),
                                            (status = 403, body = Problem, content_type = "application/problem+json"),
                                            (status = 404, body = Problem, content_type = "application/problem+json")
                                        )
                                    )]
            pub async fn amend_row(
                State(state): State<AppState>,
                Extension(actor): Extension<Actor>,
                Query(query): Query<ChangeQuery>,
                headers: HeaderMap,
                body: Bytes,
            ) -> Result<Response, ApiError> {
                let what = (DirectoryTable::$table, true);
                change(what, &state, &actor, &query, (&headers, &body)).await
            }
        }
    };
}

table_routes!(departments, Departments, "/api/v1/departments");
table_routes!(people, People, "/api/v1/people");
table_routes!(projects, Projects, "/api/v1/projects");
// Who called in a month is at /api/v1/principals; what the directory says of them is below it.
table_routes!(principals, Principals, "/api/v1/principals/entries");
