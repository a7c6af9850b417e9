//! What requests that act have in common: a body, an answer that the same key gets again, a refusal.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{Datelike, NaiveDate};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::actor::Actor;
use crate::domain::digest::sha256;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::jobs::keep_registers::RegisterError;
use crate::sources::csv_table::CsvError;
use crate::store::StoreError;
use crate::store::idempotency::{Answer, find_answer, keep_answer, wait_for_turn};

pub(super) fn bad(pointer: &'static str, detail: String) -> ApiError {
    ApiError::BadParameter { pointer, detail }
}

pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    // PostgreSQL's texts cannot hold it.
    if body.windows(6).any(|letters| letters == b"\\u0000") {
        return Err(bad("body", "it holds a NUL".to_owned()));
    }
    serde_json::from_slice(body).map_err(|e| bad("body", e.to_string()))
}

/// A day that PostgreSQL and people can write.
pub(super) fn in_reach(pointer: &'static str, day: NaiveDate) -> Result<NaiveDate, ApiError> {
    match (1..=9_999).contains(&day.year()) {
        true => Ok(day),
        false => Err(bad(pointer, format!("{day} is out of reach"))),
    }
}

impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Invalid(detail) => bad("body", detail),
            RegisterError::Row(error) => error.into(),
            RegisterError::Conflict(detail) => Self::Conflict(detail),
            RegisterError::NotFound(detail) => Self::NotFound(detail),
            RegisterError::NotAllowed(error) => error.into(),
            RegisterError::Store(error @ StoreError::MonthIsClosed { .. }) => Self::Conflict(error.to_string()),
            RegisterError::Store(error) => Self::Internal(error),
        }
    }
}

impl From<CsvError> for ApiError {
    fn from(error: CsvError) -> Self {
        let pointer = match &error {
            CsvError::Cell { column, .. } => column,
            CsvError::Unreadable { .. } | CsvError::Header { .. } | CsvError::Lines { .. } => "body",
        };
        bad(pointer, error.to_string())
    }
}

/// Answers a request that acts; the same key and request get the same answer without acting again.
pub(super) async fn once<V: Serialize>(
    state: &AppState,
    actor: &Actor,
    headers: &HeaderMap,
    what: &str,
    body: &Bytes,
    act: impl AsyncFnOnce() -> Result<(StatusCode, V), ApiError>,
) -> Result<Response, ApiError> {
    let key = match headers.get("idempotency-key").map(|key| key.to_str()) {
        None => None,
        Some(Ok(key)) if !key.is_empty() && key.len() <= 200 => Some(key),
        Some(_) => return Err(bad("Idempotency-Key", "it is 1 to 200 letters of ASCII".to_owned())),
    };
    let request_digest = sha256(&[what.as_bytes(), b"\n", body]);
    // Held until the answer is kept: a client that tries again meanwhile waits for it.
    let mut turn = match key {
        Some(key) => Some(wait_for_turn(&state.database, (&actor.name, key)).await?),
        None => None,
    };
    let known = match (key, turn.as_mut()) {
        (Some(key), Some(connection)) => find_answer(connection, (&actor.name, key), state.clock.now()).await?,
        _ => None,
    };
    if let Some(answer) = known {
        if answer.request_digest != request_digest {
            return Err(ApiError::KeyReused);
        }
        let status = u16::try_from(answer.status)
            .ok()
            .and_then(|status| StatusCode::from_u16(status).ok());
        return Ok(json(status.unwrap_or(StatusCode::OK), answer.body));
    }
    let (status, view) = act().await?;
    let body = serde_json::to_string(&view).unwrap_or_default();
    // A refusal is not kept: its cause may be gone at the next try.
    if let (Some(key), Some(connection), true) = (key, turn.as_mut(), status.is_success()) {
        let answer = Answer {
            request_digest,
            status: i32::from(status.as_u16()),
            body: body.clone(),
        };
        keep_answer(connection, (&actor.name, key), &answer, state.clock.now()).await?;
    }
    Ok(json(status, body))
}

fn json(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
