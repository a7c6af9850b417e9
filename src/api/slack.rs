//! `POST /api/v1/slack/interactions`: presses of buttons in Slack.
//!
//! The request is Slack's if its signature says so (v0: HMAC-SHA256 of version, timestamp and the raw body), and is taken once.  Who
//! presses is looked up in the directory; somebody who is not in it, or whose budget it is not, is refused and told so.
//! Source: https://docs.slack.dev/authentication/verifying-requests-from-slack.

mod presses;

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::TimeDelta;
use serde_json::Value;

use crate::http::AppState;
use crate::http::error::ApiError;
use crate::messages::delivery::signed_by;
use crate::messages::slack_client::SlackBot;
use crate::store::slack::{Press, forget_presses, note_press};
use presses::{Pressed, answer};

/// Older requests can be somebody's recording.
const AGE_MAX: TimeDelta = TimeDelta::minutes(5);
/// Slack waits three seconds for an answer; what we ask it meanwhile must end before.
const ASKED_WITHIN: Duration = Duration::from_millis(1_200);

/// Routes that need no token: their requests are signed.
pub fn router() -> Router<AppState> {
    Router::new().route("/api/v1/slack/interactions", post(interactions))
}

/// A press of a button, as Slack signs and sends it.
#[utoipa::path(
    post,
    path = "/api/v1/slack/interactions",
    tag = "budgets",
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "`payload`, as Slack sends it"),
    responses(
        (status = 200, description = "Taken, or refused with a word to who pressed"),
        (status = 401, description = "Not signed by Slack, too old, or taken before")
    )
)]
pub async fn interactions(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let slack = &state.config.slack;
    let (Some(secret), Some(token)) = (&slack.signing_secret, &slack.token) else {
        return Err(ApiError::NotFound("there is no Slack app".to_owned()));
    };
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let (timestamp, signature) = (text("x-slack-request-timestamp"), text("x-slack-signature"));
    let now = state.clock.now();
    let age = timestamp.parse::<i64>().ok().map(|sent| now.timestamp().abs_diff(sent));
    let is_fresh = age.is_some_and(|age| age <= AGE_MAX.num_seconds().unsigned_abs());
    let signed = signature.strip_prefix("v0=").unwrap_or_default();
    // As Slack writes it: another spelling of the same would be taken a second time.
    let is_plain = signed.len() == 64 && signed.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let is_slacks = is_plain && signed_by(secret, &[b"v0:", timestamp.as_bytes(), b":", &body], signed);
    if !is_fresh || !is_slacks {
        tracing::warn!(
            is_fresh,
            is_slacks,
            "a press of a button is refused: it is not signed by Slack, or too old"
        );
        return Err(ApiError::Unauthenticated);
    }
    let Some(pressed) = payload(&body).as_ref().and_then(Pressed::read) else {
        return Err(ApiError::BadParameter {
            pointer: "payload",
            detail: "it is no press of a button".to_owned(),
        });
    };
    let mut connection = state.database.pool.acquire().await?;
    let press = Press {
        signature: signed,
        slack_user: &pressed.slack_user,
        action: &pressed.action,
    };
    if !note_press(&mut connection, &press, now).await? {
        tracing::warn!(
            user = pressed.slack_user,
            action = pressed.action,
            "a press of a button is refused: it was taken before"
        );
        return Err(ApiError::Unauthenticated);
    }
    forget_presses(&mut connection, now - AGE_MAX * 12).await?;
    let http = reqwest::Client::builder()
        .timeout(ASKED_WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| ApiError::Conflict(error.to_string()))?;
    let bot = SlackBot::new(http, &slack.api, token);
    answer(&mut connection, &state, &bot, &pressed).await?;
    // Slack closes a form on an empty answer, and shows an error on any other status.
    Ok(StatusCode::OK.into_response())
}

/// The JSON in the form's field.
fn payload(body: &Bytes) -> Option<Value> {
    let (_, payload) = form_urlencoded::parse(body).find(|(name, _)| name == "payload")?;
    serde_json::from_str(&payload).ok()
}
