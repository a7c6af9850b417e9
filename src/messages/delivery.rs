//! What became of a message on its way out, whoever takes it.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// Why a message was not taken, or not surely.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It may have been taken: nobody answered, or nothing that can be read.
    #[error("it is not known whether it was taken: {0}")]
    Unknown(String),
    /// It was not; later it may be.
    #[error("not taken now: {what}")]
    NotTaken {
        what: String,
        retry_after: Option<Duration>,
    },
    /// The token or address is refused, whatever the message.
    #[error("refused: {0}")]
    Account(String),
    /// This channel is.
    #[error("the channel is refused: {0}")]
    Destination(String),
    /// The message itself is, and will be again.
    #[error("the message is refused: {0}")]
    Content(String),
}

/// An answer of this size is something else.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Nobody waits longer for a turn, whatever is asked.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

impl Refusal {
    /// What failed before there was an answer.  Only what never reached anybody was surely not taken.
    pub fn of_transport(error: &reqwest::Error) -> Self {
        let mut what = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            what = format!("{what}: {inner}");
            cause = inner.source();
        }
        if error.is_connect() || error.is_builder() {
            Self::NotTaken {
                what,
                retry_after: None,
            }
        } else {
            Self::Unknown(what)
        }
    }

    /// A word for it that findings are grouped by.
    pub fn code(&self) -> &str {
        match self {
            Self::Unknown(_) => "unknown_outcome",
            Self::NotTaken { .. } => "not_taken",
            Self::Account(code) | Self::Destination(code) | Self::Content(code) => code,
        }
    }
}

/// The body of an answer; one that asks to wait or that a server broke off is a refusal.
pub async fn answer_of(sent: reqwest::Response) -> Result<String, Refusal> {
    let status = sent.status();
    if status.as_u16() == 429 {
        let wait = sent.headers().get("retry-after").and_then(|text| text.to_str().ok());
        let seconds = wait.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(30);
        return Err(Refusal::NotTaken {
            what: "too many messages".to_owned(),
            retry_after: Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX)),
        });
    }
    if status.is_server_error() {
        return Err(Refusal::Unknown(format!("HTTP {}", status.as_u16())));
    }
    let mut sent = sent;
    let mut body: Vec<u8> = Vec::new();
    while let Some(part) = sent
        .chunk()
        .await
        .map_err(|error| Refusal::of_transport(&error.without_url()))?
    {
        body.extend_from_slice(&part);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(Refusal::Unknown("the answer is too long".to_owned()));
        }
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// HMAC-SHA256 in hexadecimal.
pub fn signature(secret: &str, parts: &[&[u8]]) -> String {
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Whether a signature in hexadecimal is that of some bytes; takes as long for a wrong one as for the right one.
pub fn signed_by(secret: &str, parts: &[&[u8]], signature: &str) -> bool {
    let digits = signature.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> = digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let (Some(bytes), Ok(mut mac)) = (bytes, Hmac::<Sha256>::new_from_slice(secret.as_bytes())) else {
        return false;
    };
    for part in parts {
        mac.update(part);
    }
    mac.verify_slice(&bytes).is_ok()
}

/// Posts to a receiver of the company's own.
///
/// `X-Anbun-Signature` is `v1=` and the HMAC-SHA256 of timestamp, a point and the body; `X-Anbun-Message-Id` is the same in each attempt.
pub async fn post_signed(
    http: &reqwest::Client,
    (url, secret): (&str, &str),
    (message_id, timestamp): (&str, i64),
    content: &Value,
) -> Result<(), Refusal> {
    let body = content.to_string();
    let timestamp = timestamp.to_string();
    let signed = signature(secret, &[timestamp.as_bytes(), b".", body.as_bytes()]);
    let request = http
        .post(url)
        .header("Content-Type", "application/json")
        .header("X-Anbun-Timestamp", timestamp)
        .header("X-Anbun-Message-Id", message_id)
        .header("X-Anbun-Signature", format!("v1={signed}"))
        .body(body);
    let sent = request
        .send()
        .await
        .map_err(|error| Refusal::of_transport(&error.without_url()))?;
    let status = sent.status();
    if status.is_success() {
        return Ok(());
    }
    if status.as_u16() == 503 {
        return Err(Refusal::NotTaken {
            what: "HTTP 503".to_owned(),
            retry_after: None,
        });
    }
    answer_of(sent).await?;
    Err(match status.as_u16() {
        400 | 413 | 422 => Refusal::Content(format!("http_{}", status.as_u16())),
        _ => Refusal::Account(format!("http_{}", status.as_u16())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature("Jefe", &[b"what do ya want ", b"for nothing?"]), expected);
        assert!(signed_by("Jefe", &[b"what do ya want for nothing?"], expected));
        for wrong in ["", "5", "xx", &expected[2..], &expected.replace('5', "6")] {
            assert!(!signed_by("Jefe", &[b"what do ya want for nothing?"], wrong), "{wrong}");
        }
    }
}
