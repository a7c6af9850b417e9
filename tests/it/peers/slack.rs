//! Slack by its documented answers: messages are taken, limited, refused, or taken without saying so.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use serde_json::{Value, json};

/// What becomes of the next message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    Accept,
    /// Seconds to wait.
    Limit(u64),
    /// Taken, and the answer is a server's error.
    AcceptAnd500,
    /// Taken, and the line breaks.
    AcceptAndBreak,
    /// Not taken, and the line breaks.
    Break,
    /// Taken, and nobody answers.
    AcceptAndHang,
    /// An error code with status 200.
    Error(&'static str),
}

#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub channel: String,
    pub ts: String,
    pub body: Value,
}

#[derive(Default)]
struct Inner {
    messages: Vec<Message>,
    acts: VecDeque<Act>,
    always: Option<Act>,
    attempts: usize,
    calls: Vec<(String, Value)>,
    webhooks: Vec<(HeaderMap, Value)>,
}

#[derive(Clone, Default)]
pub(crate) struct Slack {
    inner: Arc<Mutex<Inner>>,
    pub endpoint: String,
}

impl Slack {
    pub(crate) async fn serve() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let slack = Self {
            inner: Arc::default(),
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
        };
        let router = Router::new()
            .route("/hook", post(webhook))
            .route("/api/{method}", any(method))
            .with_state(slack.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        slack
    }

    pub(crate) fn settings(&self) -> String {
        format!(
            "[slack]\ntoken = 'xoxb-test'\ndefault_channel = 'C0'\nsigning_secret = 'shhh'\napi = '{}/api'\n",
            self.endpoint
        )
    }

    pub(crate) fn next(&self, acts: &[Act]) {
        self.inner.lock().unwrap().acts.extend(acts);
    }

    pub(crate) fn always(&self, act: Option<Act>) {
        self.inner.lock().unwrap().always = act;
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        self.inner.lock().unwrap().messages.clone()
    }

    pub(crate) fn attempts(&self) -> usize {
        self.inner.lock().unwrap().attempts
    }

    pub(crate) fn calls(&self) -> Vec<(String, Value)> {
        self.inner.lock().unwrap().calls.clone()
    }

    pub(crate) fn webhooks(&self) -> Vec<(HeaderMap, Value)> {
        self.inner.lock().unwrap().webhooks.clone()
    }

    fn act(&self) -> Act {
        let mut inner = self.inner.lock().unwrap();
        inner.attempts += 1;
        inner.acts.pop_front().or(inner.always).unwrap_or(Act::Accept)
    }

    /// Every message that tests make is shown to Slack's own models afterwards; `.ci/run` says where.
    fn keep(body: &Value) {
        if let Some(folder) = std::env::var_os("ANBUN_TEST_SLACK_MESSAGES") {
            let file = std::path::Path::new(&folder).join(format!("{}.json", uuid::Uuid::new_v4()));
            std::fs::write(file, body.to_string()).unwrap();
        }
    }

    fn take(&self, body: &Value) -> Message {
        Self::keep(body);
        let mut inner = self.inner.lock().unwrap();
        let message = Message {
            channel: body["channel"].as_str().unwrap_or_default().to_owned(),
            ts: format!("1760000000.{:06}", inner.messages.len() + 1),
            body: body.clone(),
        };
        inner.messages.push(message.clone());
        message
    }
}

/// A body that ends before it should: the client's line breaks.
struct Broken {
    has_begun: bool,
}

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        let part = if std::mem::replace(&mut self.has_begun, true) {
            Err(std::io::Error::other("broken"))
        } else {
            Ok(http_body::Frame::data(Bytes::from("{\"ok\":")))
        };
        Poll::Ready(Some(part))
    }
}

fn broken() -> Response {
    Response::new(Body::new(Broken { has_begun: false }))
}

async fn done(act: Act, taken: impl FnOnce() -> Response) -> Response {
    match act {
        Act::Accept => taken(),
        Act::Limit(seconds) => (
            StatusCode::TOO_MANY_REQUESTS,
            [("retry-after", seconds.to_string())],
            "",
        )
            .into_response(),
        Act::AcceptAnd500 => {
            drop(taken());
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Act::AcceptAndBreak => {
            drop(taken());
            broken()
        }
        Act::Break => broken(),
        Act::AcceptAndHang => {
            drop(taken());
            tokio::time::sleep(Duration::from_secs(60)).await;
            StatusCode::OK.into_response()
        }
        Act::Error(code) => axum::Json(json!({"ok": false, "error": code})).into_response(),
    }
}

async fn webhook(State(slack): State<Slack>, headers: HeaderMap, body: Bytes) -> Response {
    let act = slack.act();
    let value: Value = serde_json::from_slice(&body).unwrap();
    done(act, || {
        slack.inner.lock().unwrap().webhooks.push((headers, value));
        "ok".into_response()
    })
    .await
}

async fn method(
    State(slack): State<Slack>,
    Path(name): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if headers
        .get("authorization")
        .is_none_or(|sent| sent != "Bearer xoxb-test")
    {
        return axum::Json(json!({"ok": false, "error": "invalid_auth"})).into_response();
    }
    let asked = |key: &str| query.iter().find(|(of, _)| of == key).map(|(_, value)| value.clone());
    match name.as_str() {
        "chat.postMessage" => {
            let body: Value = serde_json::from_slice(&body).unwrap();
            let act = slack.act();
            done(act, || {
                let message = slack.take(&body);
                axum::Json(json!({"ok": true, "channel": message.channel, "ts": message.ts})).into_response()
            })
            .await
        }
        "conversations.history" | "conversations.replies" => {
            let (channel, thread) = (asked("channel").unwrap_or_default(), asked("ts"));
            // The newest first, one a page: whoever looks must turn pages.
            let mut fitting: Vec<Value> = slack
                .messages()
                .iter()
                .filter(|of| of.channel == channel)
                .filter(|of| match &thread {
                    None => of.body["thread_ts"].is_null(),
                    Some(root) => of.ts == *root || of.body["thread_ts"] == root.as_str(),
                })
                .map(|of| json!({"ts": of.ts, "text": of.body["text"], "metadata": of.body["metadata"]}))
                .collect();
            fitting.reverse();
            let at: usize = asked("cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
            let next = if at + 1 < fitting.len() {
                (at + 1).to_string()
            } else {
                String::new()
            };
            let page: Vec<&Value> = fitting.iter().skip(at).take(1).collect();
            axum::Json(json!({"ok": true, "messages": page, "response_metadata": {"next_cursor": next}}))
                .into_response()
        }
        "auth.test" => (
            [("x-oauth-scopes", "chat:write,channels:history")],
            axum::Json(json!({"ok": true, "user": "anbun"})),
        )
            .into_response(),
        "conversations.open" => {
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let direct = body["users"].as_str().unwrap_or_default().replacen('U', "D", 1);
            axum::Json(json!({"ok": true, "channel": {"id": direct}})).into_response()
        }
        "users.info" => {
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let name = body["user"]
                .as_str()
                .unwrap_or_default()
                .trim_start_matches("U-")
                .to_owned();
            // "sato.stranger" says Sato's e-mail, from another company's workspace.
            let (name, kind) = name.split_once('.').unwrap_or((&name, ""));
            let profile = json!({"email": format!("{name}@example.com")});
            let mut user = json!({"profile": profile});
            match kind {
                "stranger" => user["is_stranger"] = json!(true),
                "left" => user["deleted"] = json!(true),
                _ => {}
            }
            axum::Json(json!({"ok": true, "user": user})).into_response()
        }
        _ => {
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            if name == "views.open" {
                Slack::keep(&body);
            }
            slack.inner.lock().unwrap().calls.push((name, body));
            axum::Json(json!({"ok": true})).into_response()
        }
    }
}
