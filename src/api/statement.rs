//! `GET /api/v1/chargeback/{period}/statement`: the sealed statement, or a file of it.

use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use serde::Deserialize;
use utoipa::IntoParams;

use super::acting::{bad, in_reach};
use super::chargeback::parse_period;
use super::files::{FileKind, FileQuestion, asked_statement, file};
use crate::documents::Language;
use crate::documents::encoding::Encoding;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::period::BillingPeriod;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::sources::csv_table::CsvTable;
use crate::sources::finance_csv::read_journal_mappings;
use crate::store::StoreError;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct StatementQuery {
    /// `csv`, `xlsx`, `focus` (Parquet), `focus-csv` (1.2), `focus-1.3`, `focus-1.3-csv`, `intercompany` or `journal`; without it the statement itself as JSON.
    pub format: Option<String>,
    /// Of a journal.
    pub preset: Option<String>,
    /// `utf-8`, `utf-8-bom` or `cp932`.
    pub encoding: Option<String>,
    /// `ja` (default) or `en`.
    pub language: Option<String>,
    pub legal_entity: Option<String>,
    /// Number of an earlier statement.
    pub statement: Option<i32>,
    /// YYYY-MM-DD: the last statement that was sealed by the end of that UTC day.
    pub as_known_on: Option<NaiveDate>,
    /// Posting date of a journal, YYYY-MM-DD.
    pub posting_date: Option<NaiveDate>,
    /// `true`: a sheet by person in the workbook.
    pub people: Option<bool>,
}

/// The sealed statement of a closed month, or a file that was made of it.
#[utoipa::path(
    get,
    path = "/api/v1/chargeback/{period}/statement",
    tag = "chargeback",
    params(("period" = String, Path, description = "Month as YYYY-MM"), StatementQuery),
    responses(
        (status = 200, description = "The head of the statement as JSON, or the file"),
        (status = 304, description = "The client has it"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_statement(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
    Query(query): Query<StatementQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let period = parse_period(&period)?;
    let question = query.question(period)?;
    authorize(&actor, Action::ReadChargeback)?;
    let mut connection = state.database.pool.acquire().await?;
    let statement = asked_statement(&mut connection, &question)
        .await
        .map_err(|e| ApiError::NotFound(e.to_string()))?;
    let (name, kind, etag, content) = if query.format.is_none() {
        let etag = format!("\"{}\"", statement.digest);
        (None, "application/json", etag, statement.head.into_bytes())
    } else {
        if question.with_people {
            authorize(&actor, Action::ReadPeople)?;
        }
        let mappings = match &state.config.journal.mappings {
            Some(path) => CsvTable::read(path)
                .and_then(|table| read_journal_mappings(&table))
                .map_err(|e| ApiError::Conflict(e.to_string()))?,
            None => Vec::new(),
        };
        let with = (&actor, state.clock.now());
        let made = file(&mut connection, &question, &state.config, mappings, with).await;
        let made = made.map_err(|error| match error.downcast::<StoreError>() {
            Ok(error) => ApiError::Internal(error),
            Err(error) => ApiError::Conflict(error.to_string()),
        })?;
        (
            Some(made.file_name),
            question.kind.media_type(),
            format!("\"{}\"", made.sha256),
            made.content,
        )
    };
    let is_known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, kind)], content).into_response()
    };
    let value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    response.headers_mut().insert(header::ETAG, value(&etag));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Some(name) = name {
        let ascii = name.replace(|c: char| !c.is_ascii_graphic() || c == '"', "_");
        let encoded: String = name
            .bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect();
        let disposition = format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}");
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, value(&disposition));
    }
    Ok(response)
}

impl StatementQuery {
    fn question(&self, period: BillingPeriod) -> Result<FileQuestion, ApiError> {
        let kind = match (self.format.as_deref(), self.preset.as_deref()) {
            (None | Some("csv"), _) => FileKind::Csv,
            (Some("xlsx"), _) => FileKind::Xlsx,
            (Some(text @ ("focus" | "focus-csv" | "focus-1.3" | "focus-1.3-csv" | "intercompany")), _) => {
                FileKind::parse(text).ok_or_else(|| bad("format", text.to_owned()))?
            }
            (Some("journal"), Some(preset)) => FileKind::Journal(preset.to_owned()),
            (Some("journal"), None) => return Err(bad("preset", "a journal needs a preset".to_owned())),
            (Some(other), _) => {
                return Err(bad(
                    "format",
                    format!(
                        "'{other}' is none of csv, xlsx, focus, focus-csv, focus-1.3, focus-1.3-csv, intercompany, journal"
                    ),
                ));
            }
        };
        let language = match self.language.as_deref() {
            None | Some("ja") => Language::Japanese,
            Some("en") => Language::English,
            Some(other) => return Err(bad("language", format!("'{other}' is none of ja, en"))),
        };
        let encoding = match self.encoding.as_deref() {
            None => None,
            Some(text) => {
                let names = Encoding::NAMES.join(", ");
                Some(Encoding::parse(text).ok_or_else(|| bad("encoding", format!("'{text}' is none of {names}")))?)
            }
        };
        Ok(FileQuestion {
            with_people: self.people.unwrap_or(false) && kind == FileKind::Xlsx,
            period,
            kind,
            version: self.statement,
            as_known_on: self.as_known_on.map(|day| in_reach("as_known_on", day)).transpose()?,
            language,
            encoding,
            legal_entity: self.legal_entity.clone(),
            posting_date: self.posting_date,
        })
    }
}
