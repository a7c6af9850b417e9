//! What a person sees when a page cannot be shown.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::http::error::ApiError;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    title: String,
    detail: String,
}

/// An API error as a page.
pub(super) struct PageError(ApiError);

impl<E: Into<ApiError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let detail = match &self.0 {
            ApiError::Internal(_) => "The server failed. Its log says why.".to_owned(),
            other => other.to_string(),
        };
        // The problem decides the status and the headers, such as the question for a token.
        let (mut parts, _) = self.0.into_response().into_parts();
        parts.headers.remove(axum::http::header::CONTENT_TYPE);
        parts.headers.remove(axum::http::header::CONTENT_LENGTH);
        let title = parts.status.canonical_reason().unwrap_or("Error").to_owned();
        (parts.status, parts.headers, render(&ErrorPage { title, detail })).into_response()
    }
}

/// A template as a response.
pub(super) fn render(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(error = %error, "a page cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

pub(super) async fn not_found(uri: axum::http::Uri) -> Response {
    let error = ApiError::NotFound(format!("there is nothing at {}", uri.path()));
    if uri.path().starts_with("/api/") {
        error.into_response()
    } else {
        PageError::from(error).into_response()
    }
}
