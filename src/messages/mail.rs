//! E-mail: made by one library, sent to the company's own server, or written down for somebody to send.

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

/// A server that does not answer within this is down.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// One e-mail.
#[derive(Debug, Clone)]
pub struct Mail<'m> {
    pub from: &'m str,
    pub to_name: &'m str,
    pub to_address: &'m str,
    pub subject: &'m str,
    pub text: &'m str,
    pub attached: Option<Attached<'m>>,
    /// Before the `@` of its Message-ID, where one mail can go out twice: programs that know it show it once.
    pub id: Option<&'m str>,
}

/// A table that goes with a mail.
#[derive(Debug, Clone, Copy)]
pub struct Attached<'m> {
    pub file_name: &'m str,
    pub table: &'m [u8],
}

/// Why a mail was not made or sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("'{0}' is no e-mail address")]
    Address(String),
    #[error("the mail cannot be made: {0}")]
    Content(String),
    #[error("[mail] url: {0}")]
    Server(String),
    #[error("the mail server did not take the mail to {to}: {what}")]
    Refused {
        to: String,
        what: String,
        /// It will not take it later either.
        is_final: bool,
        /// Whether it was taken is not known.
        is_unknown: bool,
    },
}

/// The mail as its bytes: what a `.eml` file holds.
pub fn written(mail: &Mail<'_>) -> Result<Vec<u8>, MailError> {
    // Mail programs open such a letter as one that is still to be sent.
    let mut bytes = b"X-Unsent: 1\r\n".to_vec();
    bytes.extend(message(mail)?.formatted());
    Ok(bytes)
}

fn message(mail: &Mail<'_>) -> Result<Message, MailError> {
    let from: Mailbox = mail
        .from
        .parse()
        .map_err(|_| MailError::Address(mail.from.to_owned()))?;
    let address = mail
        .to_address
        .parse()
        .map_err(|_| MailError::Address(mail.to_address.to_owned()))?;
    // A name can hold a line break, which would begin a header of its own.
    let name = mail.to_name.replace(char::is_control, " ");
    let content = |e: &dyn std::fmt::Display| MailError::Content(e.to_string());
    let mut parts = MultiPart::mixed().singlepart(SinglePart::plain(mail.text.to_owned()));
    if let Some(attached) = mail.attached {
        let csv = ContentType::parse("text/csv; charset=utf-8").map_err(|e| content(&e))?;
        parts = parts.singlepart(Attachment::new(attached.file_name.to_owned()).body(attached.table.to_vec(), csv));
    }
    let mut message = Message::builder();
    if let Some(id) = mail.id {
        message = message.message_id(Some(format!("<{id}@anbun>")));
    }
    message
        .from(from)
        .to(Mailbox::new(Some(name).filter(|name| !name.is_empty()), address))
        .subject(mail.subject.replace(char::is_control, " "))
        .multipart(parts)
        .map_err(|e| content(&e))
}

/// A mail server.
pub struct MailServer(AsyncSmtpTransport<Tokio1Executor>);

impl MailServer {
    /// By its address, such as `smtps://user:password@mail.example.com` or `smtp://localhost:25`.
    pub fn at(url: &str) -> Result<Self, MailError> {
        // A password is not sent where everybody on the way can read it.
        if url.starts_with("smtp://") && url.contains('@') && !url.contains("tls=required") {
            let what = "a password needs encryption: write smtps://, or add ?tls=required for STARTTLS";
            return Err(MailError::Server(what.to_owned()));
        }
        let builder =
            AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|e| MailError::Server(e.to_string()))?;
        Ok(Self(builder.timeout(Some(ANSWERS_WITHIN)).build()))
    }

    pub async fn send(&self, mail: &Mail<'_>) -> Result<(), MailError> {
        let sent = self.0.send(message(mail)?).await;
        sent.map(|_| ()).map_err(|e| MailError::Refused {
            to: mail.to_address.to_owned(),
            what: e.to_string(),
            is_final: e.is_permanent(),
            // What the server answered is an answer, and nothing was sent to one that was not reached.  The library has no other
            // sign of that than its words.
            is_unknown: !(e.is_permanent()
                || e.is_transient()
                || e.is_client()
                || e.is_tls()
                || e.to_string().starts_with("Connection error")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail<'m>(to_name: &'m str, to_address: &'m str) -> Mail<'m> {
        Mail {
            from: "anbun <anbun@example.com>",
            to_name,
            to_address,
            subject: "営業部\r\nBcc: all@example.com",
            text: "合計 ¥1",
            attached: Some(Attached {
                file_name: "営業.csv",
                table: "a,b".as_bytes(),
            }),
            id: None,
        }
    }

    #[test]
    fn a_name_begins_no_header_and_a_wrong_address_is_named() {
        let bytes =
            written(&mail("佐藤\r\nBcc: all@example.com", "sato@example.com")).unwrap_or_else(|e| panic!("{e}"));
        let text = String::from_utf8_lossy(&bytes);
        let headers = text.split("\r\n\r\n").next().unwrap_or_default();
        assert!(
            !headers.lines().any(|line| line.to_lowercase().starts_with("bcc")),
            "{headers}"
        );
        assert!(matches!(written(&mail("x", "nobody")), Err(MailError::Address(a)) if a == "nobody"));
        assert!(MailServer::at("http://localhost").is_err());
        assert!(
            MailServer::at("smtp://user:secret@mail.example.com:587").is_err_and(|e| !e.to_string().contains("secret"))
        );
        assert!(MailServer::at("smtp://user:secret@mail.example.com:587?tls=required").is_ok());
    }
}
