//! A store that speaks as much of S3's protocol as reading needs, with faults on demand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

/// Pages of a listing are short, so that paging is always tried.
const PAGE: usize = 2;

#[derive(Clone)]
pub(crate) struct Object {
    pub content: Bytes,
    pub written_at: DateTime<Utc>,
}

/// What goes wrong with a request.
pub(crate) enum Fault {
    /// Status, code, and headers.
    Refuse(u16, &'static str, &'static [(&'static str, &'static str)]),
    /// The body ends after so many bytes.
    Truncate(usize),
    /// The body comes in small pieces with pauses.
    Slow,
}

/// Looks at each request (method, key or prefix, number of the request) before it is answered; may change the store.
type Watcher = Box<dyn FnMut(&mut BTreeMap<String, Object>, &str, &str, usize) -> Option<Fault> + Send>;

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, Object>,
    watcher: Option<Watcher>,
    requests: Vec<String>,
    /// Listings show keys that were not asked for.
    strangers: bool,
}

/// A bucket called `bills` behind a server of its own.
#[derive(Clone)]
pub(crate) struct Bucket {
    inner: Arc<Mutex<Inner>>,
    pub endpoint: String,
}

impl Bucket {
    pub(crate) async fn serve() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let bucket = Self {
            inner: Arc::default(),
            endpoint,
        };
        let router = Router::new().fallback(answer).with_state(bucket.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        bucket
    }

    pub(crate) fn put(&self, key: &str, content: impl Into<Bytes>, written_at: DateTime<Utc>) {
        let object = Object {
            content: content.into(),
            written_at,
        };
        self.inner.lock().unwrap().objects.insert(key.to_owned(), object);
    }

    /// An export's files below a prefix: data first, its manifests a second later.
    pub(crate) fn put_export(&self, prefix: &str, folder: &std::path::Path, written_at: DateTime<Utc>) {
        for (inside, content) in super::files_below(folder) {
            let later = if inside.starts_with("metadata/") { 1 } else { 0 };
            self.put(
                &format!("{prefix}/{inside}"),
                content,
                written_at + chrono::TimeDelta::seconds(later),
            );
        }
    }

    pub(crate) fn watch(
        &self,
        watcher: impl FnMut(&mut BTreeMap<String, Object>, &str, &str, usize) -> Option<Fault> + Send + 'static,
    ) {
        self.inner.lock().unwrap().watcher = Some(Box::new(watcher));
    }

    pub(crate) fn answer_with_strangers(&self) {
        self.inner.lock().unwrap().strangers = true;
    }

    pub(crate) fn stop_watching(&self) {
        self.inner.lock().unwrap().watcher = None;
    }

    /// Requests since the last call, as `METHOD key`.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.lock().unwrap().requests)
    }

    pub(crate) fn settings(&self, name: &str, prefix: &str) -> String {
        format!(
            "[[exports]]\nname = \"{name}\"\nlocation = \"s3://bills/{prefix}\"\nendpoint = \"{}\"\n",
            self.endpoint
        )
    }
}

fn etag(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    format!(
        "\"{}\"",
        digest[..16].iter().map(|b| format!("{b:02x}")).collect::<String>()
    )
}

async fn answer(State(bucket): State<Bucket>, request: Request) -> Response {
    let path = percent_decoded(request.uri().path().trim_start_matches('/'));
    let key = path
        .strip_prefix("bills")
        .unwrap_or(&path)
        .trim_start_matches('/')
        .to_owned();
    let query: BTreeMap<String, String> = request
        .uri()
        .query()
        .unwrap_or("")
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(k, v)| (k.to_owned(), percent_decoded(v)))
        .collect();
    let mut inner = bucket.inner.lock().unwrap();
    let subject = if key.is_empty() {
        query.get("prefix").cloned().unwrap_or_default()
    } else {
        key.clone()
    };
    inner.requests.push(format!("{} {subject}", request.method()));
    let number = inner.requests.len();
    let mut watcher = inner.watcher.take();
    let fault = watcher
        .as_mut()
        .and_then(|watch| watch(&mut inner.objects, request.method().as_str(), &subject, number));
    inner.watcher = watcher;
    if let Some(Fault::Refuse(status, code, headers)) = fault {
        let mut response = problem(StatusCode::from_u16(status).unwrap(), code, &subject);
        for (name, value) in headers {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        return response;
    }
    if key.is_empty() {
        list(&inner.objects, &query, inner.strangers)
    } else {
        get(&inner.objects, &key, request.method(), request.headers(), fault)
    }
}

fn problem(status: StatusCode, code: &str, resource: &str) -> Response {
    let body =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{code} of {resource}</Message></Error>");
    (status, [("content-type", "application/xml")], body).into_response()
}

fn list(objects: &BTreeMap<String, Object>, query: &BTreeMap<String, String>, strangers: bool) -> Response {
    let prefix = query.get("prefix").map_or("", String::as_str);
    let after = query.get("continuation-token").map_or("", String::as_str);
    let matching = objects
        .iter()
        .filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after);
    let page: Vec<_> = matching.clone().take(PAGE).collect();
    let is_truncated = matching.count() > page.len();
    let mut xml = format!(
        "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>bills</Name><Prefix>{prefix}</Prefix><KeyCount>{}</KeyCount><MaxKeys>{PAGE}</MaxKeys><IsTruncated>{is_truncated}</IsTruncated>",
        page.len()
    );
    if is_truncated {
        xml.push_str(&format!(
            "<NextContinuationToken>{}</NextContinuationToken>",
            page[page.len() - 1].0
        ));
    }
    for (key, object) in page {
        xml.push_str(&format!(
            "<Contents><Key>{key}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
            object.written_at.format("%Y-%m-%dT%H:%M:%S.000Z"),
            etag(&object.content).replace('"', "&quot;"),
            object.content.len()
        ));
    }
    if strangers {
        xml.push_str("<Contents><Key>x</Key><Size>-1</Size></Contents><Contents><Key>cur</Key></Contents><Contents/>");
    }
    xml.push_str("</ListBucketResult>");
    ([("content-type", "application/xml")], xml).into_response()
}

fn get(
    objects: &BTreeMap<String, Object>,
    key: &str,
    method: &Method,
    headers: &HeaderMap,
    fault: Option<Fault>,
) -> Response {
    let Some(object) = objects.get(key) else {
        return problem(StatusCode::NOT_FOUND, "NoSuchKey", key);
    };
    let etag = etag(&object.content);
    let asked = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    if asked("if-match").is_some_and(|wanted| wanted.trim_matches('"') != etag.trim_matches('"')) {
        return problem(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", key);
    }
    let whole = object.content.len();
    let range = asked("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let (status, content) = match range {
        None => (StatusCode::OK, object.content.clone()),
        Some((from, to)) => {
            let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
            if from >= whole {
                return problem(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", key);
            }
            (
                StatusCode::PARTIAL_CONTENT,
                object.content.slice(from..whole.min(to + 1)),
            )
        }
    };
    let length = content.len();
    let body = match fault {
        Some(Fault::Truncate(after)) => pieces(vec![Ok(content.slice(..after.min(length))), Err(broken())], 0),
        Some(Fault::Slow) => {
            let step = length.div_ceil(8).max(1);
            let parts = (0..length)
                .step_by(step)
                .map(|at| Ok(content.slice(at..length.min(at + step))));
            pieces(parts.collect(), 60)
        }
        _ => Body::from(content),
    };
    Response::builder()
        .status(status)
        .header("etag", etag)
        .header(
            "last-modified",
            object.written_at.format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        )
        .header("content-length", length)
        .body(if method == Method::HEAD { Body::empty() } else { body })
        .unwrap()
}

fn broken() -> std::io::Error {
    std::io::Error::other("the store breaks off")
}

/// A body in pieces, with pauses of so many milliseconds between them.
fn pieces(parts: Vec<std::io::Result<Bytes>>, pause_milliseconds: u64) -> Body {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        for part in parts {
            if sender.send(part).await.is_err() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(pause_milliseconds)).await;
        }
    });
    Body::new(Pieces(receiver))
}

struct Pieces(tokio::sync::mpsc::Receiver<std::io::Result<Bytes>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        self.0
            .poll_recv(context)
            .map(|part| part.map(|part| part.map(http_body::Frame::data)))
    }
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%')
            .then(|| {
                text.get(at + 1..at + 3)
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            })
            .flatten();
        decoded.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).unwrap()
}
