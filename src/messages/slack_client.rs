//! Slack's Web API and incoming webhooks, as far as a message goes out by them.
//!
//! Whoever sends twice is told from whoever does not: each answer is sorted into taken, not taken, and not known.
//! Errors: https://docs.slack.dev/reference/methods/chat.postMessage, https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::delivery::{Refusal, answer_of};

/// The name of anbun's metadata in a message.
const EVENT: &str = "anbun_message";
/// What a message should stand under was deleted.
pub const THREAD_IS_GONE: &str = "thread_not_found";
/// Clocks of two machines differ.
const LOOKED_BACK: TimeDelta = TimeDelta::minutes(5);
const PAGES_MAX: usize = 20;

#[derive(Clone)]
pub struct SlackBot {
    http: reqwest::Client,
    api: String,
    token: String,
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    pub channel: String,
    pub ts: String,
}

impl SlackBot {
    pub fn new(http: reqwest::Client, api: &str, token: &str) -> Self {
        Self {
            http,
            api: api.trim_end_matches('/').to_owned(),
            token: token.to_owned(),
        }
    }

    /// Sends a message, under another where `thread_ts` is given.
    pub async fn post(
        &self,
        channel: &str,
        content: &Value,
        thread_ts: Option<&str>,
        message_id: &str,
    ) -> Result<Posted, Refusal> {
        let mut body = content.clone();
        body["channel"] = channel.into();
        body["unfurl_links"] = false.into();
        body["metadata"] = json!({"event_type": EVENT, "event_payload": {"message_id": message_id}});
        if let Some(ts) = thread_ts {
            body["thread_ts"] = ts.into();
        }
        let answer = self.call("chat.postMessage", &body).await?;
        posted(&answer).ok_or_else(|| Refusal::Unknown("Slack's answer names no message".to_owned()))
    }

    /// Looks for a message by its id: in the channel, or under another message.
    pub async fn find(
        &self,
        channel: &str,
        thread_ts: Option<&str>,
        message_id: &str,
        sent_after: DateTime<Utc>,
    ) -> Result<Option<Posted>, Refusal> {
        let method = if thread_ts.is_some() {
            "conversations.replies"
        } else {
            "conversations.history"
        };
        let oldest = (sent_after - LOOKED_BACK).timestamp().to_string();
        let mut cursor = String::new();
        for _ in 0..PAGES_MAX {
            let mut query = vec![
                ("channel", channel),
                ("include_all_metadata", "true"),
                ("limit", "200"),
                ("oldest", &oldest),
            ];
            query.extend(thread_ts.map(|ts| ("ts", ts)));
            if !cursor.is_empty() {
                query.push(("cursor", &cursor));
            }
            let request = self.http.get(format!("{}/{method}", self.api)).query(&query);
            let answer = match read(request.bearer_auth(&self.token)).await {
                // Nothing stands under what is gone.
                Err(Refusal::Destination(code)) if code == THREAD_IS_GONE => return Ok(None),
                answer => answer?,
            };
            let messages = answer["messages"].as_array().cloned().unwrap_or_default();
            let found = messages.iter().find(|of| {
                let metadata = &of["metadata"];
                metadata["event_type"] == EVENT && metadata["event_payload"]["message_id"] == message_id
            });
            if let Some(found) = found {
                let ts = found["ts"].as_str().unwrap_or_default().to_owned();
                return Ok(Some(Posted {
                    channel: channel.to_owned(),
                    ts,
                }));
            }
            let next = answer["response_metadata"]["next_cursor"].as_str();
            match next.filter(|next| !next.is_empty()) {
                Some(next) => next.clone_into(&mut cursor),
                None => return Ok(None),
            }
        }
        Err(Refusal::Unknown(
            "the channel has too many messages to look through".to_owned(),
        ))
    }

    /// What the token is, and what it may: the bot's name and its scopes.
    pub async fn who(&self) -> Result<(String, Vec<String>), Refusal> {
        let request = self
            .http
            .post(format!("{}/auth.test", self.api))
            .bearer_auth(&self.token);
        let sent = request.send().await.map_err(|error| Refusal::of_transport(&error))?;
        let scopes = sent.headers().get("x-oauth-scopes").and_then(|text| text.to_str().ok());
        let scopes = scopes
            .unwrap_or_default()
            .split(',')
            .map(|scope| scope.trim().to_owned());
        let scopes: Vec<String> = scopes.filter(|scope| !scope.is_empty()).collect();
        let answer = checked(answer_of(sent).await?)?;
        Ok((answer["user"].as_str().unwrap_or_default().to_owned(), scopes))
    }

    /// Calls a method with a JSON body.
    pub async fn call(&self, method: &str, body: &Value) -> Result<Value, Refusal> {
        let request = self
            .http
            .post(format!("{}/{method}", self.api))
            .bearer_auth(&self.token);
        read(request.json(body)).await
    }
}

async fn read(request: reqwest::RequestBuilder) -> Result<Value, Refusal> {
    let sent = request.send().await.map_err(|error| Refusal::of_transport(&error))?;
    checked(answer_of(sent).await?)
}

fn posted(answer: &Value) -> Option<Posted> {
    let text = |key: &str| answer[key].as_str().map(str::to_owned);
    Some(Posted {
        channel: text("channel")?,
        ts: text("ts")?,
    })
}

/// An answer that says of itself whether it is well: Slack refuses with status 200.
fn checked(body: String) -> Result<Value, Refusal> {
    let Ok(answer) = serde_json::from_str::<Value>(&body) else {
        return Err(Refusal::Unknown("Slack's answer is no JSON".to_owned()));
    };
    if answer["ok"] == true {
        return Ok(answer);
    }
    let code = answer["error"].as_str().unwrap_or("no_error_code").to_owned();
    Err(match code.as_str() {
        "ratelimited" | "rate_limited" => Refusal::NotTaken {
            what: code,
            retry_after: Some(Duration::from_secs(30)),
        },
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => Refusal::Unknown(code),
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" | "missing_scope"
        | "no_permission" | "org_login_required" | "ekm_access_denied" => Refusal::Account(code),
        // Of the message, and the same message will not be taken later.
        "msg_too_long"
        | "msg_blocks_too_long"
        | "no_text"
        | "invalid_blocks"
        | "invalid_blocks_format"
        | "invalid_metadata_format"
        | "invalid_metadata_schema"
        | "metadata_too_large"
        | "too_many_attachments"
        | "invalid_arguments"
        | "invalid_json" => Refusal::Content(code),
        // The channel, or what nobody has thought of: it waits, and somebody is told.
        _ => Refusal::Destination(code),
    })
}

/// Sends a message by an incoming webhook, which answers in plain text.
pub async fn post_to_webhook(http: &reqwest::Client, url: &str, content: &Value) -> Result<(), Refusal> {
    let request = http.post(url).json(content);
    // The address is a secret, and an error of the library would say it.
    let sent = request
        .send()
        .await
        .map_err(|error| Refusal::of_transport(&error.without_url()))?;
    let status = sent.status();
    if status.is_success() {
        return Ok(());
    }
    match answer_of(sent).await {
        Err(refusal) => Err(refusal),
        Ok(code) => Err(match code.trim() {
            "action_prohibited" | "invalid_token" | "team_disabled" | "no_service" | "no_active_hooks" | "no_team" => {
                Refusal::Account(code.trim().to_owned())
            }
            "channel_not_found" | "channel_is_archived" | "posting_to_general_channel_denied" => {
                Refusal::Destination(code.trim().to_owned())
            }
            "invalid_payload" | "no_text" | "too_many_attachments" | "invalid_blocks" => {
                Refusal::Content(code.trim().to_owned())
            }
            _ => Refusal::Account(format!("http_{}", status.as_u16())),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_sorted_by_what_they_say_of_the_message() {
        assert!(checked(r#"{"ok":true,"ts":"1.2","channel":"C1"}"#.to_owned()).is_ok_and(|a| posted(&a).is_some()));
        let refused = |code: &str| checked(format!(r#"{{"ok":false,"error":"{code}"}}"#)).err();
        assert!(matches!(refused("token_revoked"), Some(Refusal::Account(code)) if code == "token_revoked"));
        assert!(matches!(refused("not_in_channel"), Some(Refusal::Destination(_))));
        assert!(matches!(refused("msg_too_long"), Some(Refusal::Content(_))));
        assert!(matches!(refused("internal_error"), Some(Refusal::Unknown(_))));
        assert!(matches!(refused("ratelimited"), Some(Refusal::NotTaken { .. })));
        assert!(matches!(checked("<html>".to_owned()), Err(Refusal::Unknown(_))));
    }
}
