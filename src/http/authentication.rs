//! Who makes a request.
//!
//! Once a token was ever made, every request needs one: as a bearer token, or as the password of HTTP Basic so that a
//! browser can ask for it.  Ending the last token locks the server, it does not open it.  Before the first, a server that
//! listens on loopback only serves whoever sits at the machine; then the Host must be a loopback name, or a web page could
//! reach it through a name of its own, and nothing may say that a proxy passes on somebody else's request.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use super::AppState;
use super::error::ApiError;
use crate::config::user_name;
use crate::domain::actor::Actor;
use crate::store::tokens;

/// Puts the actor into the request, or refuses it.
pub async fn authenticate(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    // No name has this byte, and PostgreSQL's text cannot hold it.
    if request.uri().to_string().contains("%00") {
        return Err(ApiError::BadParameter {
            pointer: "uri",
            detail: "it holds a NUL".to_owned(),
        });
    }
    if !request.method().is_safe() && is_from_another_site(request.headers(), state.config.server.public_url.as_deref())
    {
        return Err(ApiError::NotAllowed);
    }
    let actor = identify(&state, request.headers()).await?;
    request.extensions_mut().insert(actor);
    Ok(next.run(request).await)
}

async fn identify(state: &AppState, headers: &HeaderMap) -> Result<Actor, ApiError> {
    let mut connection = state.database.pool.acquire().await?;
    if let Some(secret) = presented_secret(headers) {
        return tokens::find_actor(&mut connection, &secret, state.clock.now())
            .await?
            .ok_or(ApiError::Unauthenticated);
    }
    let is_local = state.is_loopback_only && is_loopback_host(headers) && !is_forwarded(headers);
    if !is_local || tokens::count_tokens(&mut connection).await? > 0 {
        return Err(ApiError::Unauthenticated);
    }
    // The same name as at the terminal: it is the same person.
    Ok(Actor {
        name: user_name(),
        ..Actor::local()
    })
}

/// A change that a page of another site asks the browser for, which sends our password along.
fn is_from_another_site(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let origin = text("origin").map(|origin| origin.split_once("://").map_or("", |(_, host)| host));
    // A proxy may pass on another Host than the one that browsers know.
    let public = public_url
        .and_then(|url| url.split_once("://"))
        .map(|(_, host)| host.trim_end_matches('/'));
    site || origin.is_some_and(|origin| Some(origin) != text("host") && Some(origin) != public)
}

/// Somebody else's request that a proxy on this machine passes on.
fn is_forwarded(headers: &HeaderMap) -> bool {
    headers
        .keys()
        .any(|name| name == header::FORWARDED || name == header::VIA || name.as_str().starts_with("x-forwarded"))
}

fn presented_secret(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let pair = decode_base64(rest.trim())?;
        return pair.split_once(':').map(|(_, password)| password.to_owned());
    }
    None
}

/// Standard base64, as HTTP Basic uses it.
fn decode_base64(text: &str) -> Option<String> {
    let mut bits = 0_u32;
    let mut count = 0;
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    String::from_utf8(bytes).ok()
}

fn is_loopback_host(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("");
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap_or_else(|e| panic!("{e}")))])
    }

    #[test]
    fn only_loopback_names_are_local() {
        for (host, local) in [
            ("127.0.0.1:8080", true),
            ("localhost", true),
            ("[::1]:8080", true),
            ("evil.example", false),
            ("127.0.0.1.evil.example:80", false),
            ("", false),
        ] {
            assert_eq!(is_loopback_host(&headers(header::HOST, host)), local, "{host}");
        }
    }

    #[test]
    fn another_sites_page_changes_nothing() {
        let from = |pairs: &[(&'static str, &str)]| {
            let parse = |value: &str| value.parse().unwrap_or_else(|e| panic!("{e}"));
            let headers = pairs
                .iter()
                .map(|(n, v)| (header::HeaderName::from_static(n), parse(v)));
            is_from_another_site(&headers.collect(), Some("https://anbun.example.com/"))
        };
        assert!(
            !from(&[])
                && !from(&[
                    ("origin", "http://a:1"),
                    ("host", "a:1"),
                    ("sec-fetch-site", "same-origin")
                ])
        );
        assert!(from(&[("sec-fetch-site", "cross-site")]) && from(&[("sec-fetch-site", "same-site")]));
        assert!(!from(&[
            ("origin", "https://anbun.example.com"),
            ("host", "upstream:8080")
        ]));
        assert!(from(&[("origin", "http://evil"), ("host", "a:1")]) && from(&[("origin", "null"), ("host", "a:1")]));
    }

    #[test]
    fn a_secret_is_a_bearer_token_or_a_basic_password() {
        let secret = |value: &str| presented_secret(&headers(header::AUTHORIZATION, value));
        assert_eq!(secret("Bearer anbun_x").as_deref(), Some("anbun_x"));
        assert_eq!(secret("Basic YW55Om9uZTp0d28=").as_deref(), Some("one:two"));
        for wrong in ["Basic !!!", "Digest x", "x", "Basic YQ=="] {
            assert_eq!(secret(wrong), None, "{wrong}");
        }
    }
}
