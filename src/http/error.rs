//! Errors as RFC 9457 problems.  A client learns what it did wrong; of a fault of ours it learns the request id only.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::actor::NotAllowed;
use crate::store::StoreError;

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A parameter is wrong; `pointer` names it.
    #[error("{detail}")]
    BadParameter { pointer: &'static str, detail: String },
    #[error("{0}")]
    NotFound(String),
    /// What is there forbids it now.
    #[error("{0}")]
    Conflict(String),
    #[error("this Idempotency-Key was used for another request")]
    KeyReused,
    #[error("a token is needed")]
    Unauthenticated,
    #[error("not allowed")]
    NotAllowed,
    #[error(transparent)]
    Internal(#[from] StoreError),
}

impl From<NotAllowed> for ApiError {
    fn from(_: NotAllowed) -> Self {
        Self::NotAllowed
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// An RFC 9457 problem.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    /// Stable; programs may rely on it.
    code: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'static str>,
    request_id: String,
}

impl ApiError {
    const fn status(&self) -> StatusCode {
        match self {
            Self::BadParameter { .. } => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::NotAllowed => StatusCode::FORBIDDEN,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn code(&self) -> (&'static str, &'static str) {
        match self {
            Self::BadParameter { .. } => ("bad_parameter", "A parameter is wrong"),
            Self::NotFound(_) => ("not_found", "There is no such thing"),
            Self::Conflict(_) => ("conflict", "What is there forbids it"),
            Self::KeyReused => ("key_reused", "The key belongs to another request"),
            Self::Unauthenticated => ("unauthenticated", "A token is needed"),
            Self::NotAllowed => ("not_allowed", "Not allowed"),
            Self::Internal(_) => ("internal", "The server failed"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let request_id = uuid::Uuid::new_v4().to_string();
        let detail = match &self {
            Self::Internal(error) => {
                tracing::error!(request.id = request_id, error = %error, "request failed");
                "the server failed; its log names the request id".to_owned()
            }
            other => other.to_string(),
        };
        let (code, title) = self.code();
        let pointer = match &self {
            Self::BadParameter { pointer, .. } => Some(*pointer),
            _ => None,
        };
        let problem = Problem {
            kind: "about:blank",
            title,
            status: self.status().as_u16(),
            code,
            detail,
            pointer,
            request_id,
        };
        let mut response = (self.status(), Json(problem)).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if matches!(self, Self::Unauthenticated) {
            // A browser asks for the token as a password; programs send it as a bearer token.
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"anbun\", charset=\"UTF-8\""),
            );
        }
        response
    }
}
