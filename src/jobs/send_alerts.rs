//! Sends what waits in the outbox, each message once.
//!
//! A message is leased, sent, and noted.  Where an attempt ends without an answer, by a broken line or because the program was killed,
//! nobody knows whether it was taken: a bot then looks for it in the channel before it sends again; other ways cannot look, so they
//! repeat at most once, marked as a possible repeat.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::domain::alert::Way;
use crate::domain::language::Language;
use crate::messages::block_kit::{Block, Mrkdwn, SlackMessage};
use crate::messages::delivery::{Refusal, post_signed};
use crate::messages::mail::{Mail, MailError, MailServer};
use crate::messages::slack_client::{Posted, SlackBot, THREAD_IS_GONE, post_to_webhook};
use crate::store::database::Database;
use crate::store::outbox::{self, Failure, Leased, note_failure, note_sent};
use crate::store::{StoreError, StoreResult};

/// The ways out, by the settings.
#[derive(Clone)]
pub struct Ways {
    pub http: reqwest::Client,
    pub slack: Option<SlackBot>,
    pub slack_webhook: Option<String>,
    /// Address and key.
    pub webhook: Option<(String, String)>,
    pub mail: Option<MailWay>,
}

#[derive(Clone)]
pub struct MailWay {
    pub url: String,
    pub from: String,
}

/// An attempt is over by then, however slow the other side is.
pub const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// Longer than an attempt with its look into the channel can take.
const LEASED_FOR: TimeDelta = TimeDelta::seconds(60);
const AT_ONCE: i64 = 16;
const LOOK_EVERY: Duration = Duration::from_millis(500);
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(2);
const PAUSE_MAX: TimeDelta = TimeDelta::minutes(5);
/// After an unknown outcome: what was taken slowly is there to be found by then.
const SETTLES_AFTER: TimeDelta = TimeDelta::seconds(5);
/// What could not be sent by then is given up; a finding says so.
const GIVEN_UP_AFTER: TimeDelta = TimeDelta::days(7);
/// The words of messages are kept as long as anybody asks why.
const WORDS_KEPT_FOR: TimeDelta = TimeDelta::days(90);
const REPEATED_AFTER: TimeDelta = TimeDelta::minutes(2);
/// Well within the lease, whatever is asked on the way.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(40);
const STOP_WITHIN: Duration = Duration::from_secs(6);

/// Sends until `stop` says true.  A slow receiver keeps nobody else waiting.
pub async fn run_sender(database: Database, ways: Ways, clock: Clock, mut stop: watch::Receiver<bool>) {
    let ways = Arc::new(ways);
    let mut forget_at = clock.now();
    let mut sending = JoinSet::new();
    while !*stop.borrow() {
        while let Some(ended) = sending.try_join_next() {
            note_end(ended);
        }
        if let Err(error) = begin_due(&database, &ways, clock, &mut sending).await {
            tracing::warn!(error = %error, "the outbox cannot be read; looking again soon");
        }
        if clock.now() >= forget_at {
            forget_at = clock.now() + TimeDelta::days(1);
            if let Err(error) = forget(&database, clock.now()).await {
                tracing::warn!(error = %error, "old messages could not be forgotten");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.changed() => {}
        }
    }
    // What is under way is let end; what does not is looked for by the next program.
    let all = async {
        while let Some(ended) = sending.join_next().await {
            note_end(ended)
        }
    };
    drop(tokio::time::timeout(STOP_WITHIN, all).await);
}

async fn forget(database: &Database, now: DateTime<Utc>) -> StoreResult<()> {
    let mut connection = database.pool.acquire().await?;
    outbox::forget_contents(&mut connection, now - WORDS_KEPT_FOR).await
}

/// Sends what is due, one message a destination; how many attempts were made.
pub async fn send_due(database: &Database, ways: &Arc<Ways>, clock: Clock) -> StoreResult<usize> {
    let mut sending = JoinSet::new();
    let attempts = begin_due(database, ways, clock, &mut sending).await?;
    while let Some(ended) = sending.join_next().await {
        note_end(ended);
    }
    Ok(attempts)
}

async fn begin_due(
    database: &Database,
    ways: &Arc<Ways>,
    clock: Clock,
    sending: &mut JoinSet<StoreResult<()>>,
) -> StoreResult<usize> {
    let mut connection = database.pool.acquire().await?;
    let now = clock.now();
    let leased = outbox::lease(&mut connection, now, now + LEASED_FOR, AT_ONCE).await?;
    let attempts = leased.len();
    for message in leased {
        let (database, ways) = (database.clone(), Arc::clone(ways));
        sending.spawn(async move { send_one(&database, &ways, clock, &message).await });
    }
    Ok(attempts)
}

/// What could not be noted is unknown once its lease ends.
fn note_end(ended: Result<StoreResult<()>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(error = %error, "what became of a message could not be noted"),
        Err(error) => tracing::error!(error = %error, "a fault of anbun itself while sending"),
    }
}

async fn send_one(database: &Database, ways: &Ways, clock: Clock, message: &Leased) -> StoreResult<()> {
    let attempt = tokio::time::timeout(ATTEMPT_WITHIN, attempt(ways, clock, message)).await;
    let outcome = attempt.unwrap_or_else(|_| Err(Refusal::Unknown("it took too long".to_owned())));
    let now = clock.now();
    let mut connection = database.pool.acquire().await.map_err(StoreError::from)?;
    let refusal = match outcome {
        Ok(posted) => {
            let stands = posted
                .as_ref()
                .map(|posted| (posted.channel.as_str(), posted.ts.as_str()));
            return note_sent(&mut connection, message, now, stands).await;
        }
        Err(refusal) => refusal,
    };
    let what = refusal.to_string();
    let is_unknown = message.is_unknown || matches!(refusal, Refusal::Unknown(_));
    let is_repeated = message.way != Way::Slack && matches!(refusal, Refusal::Unknown(_)) && message.is_unknown;
    // Whoever refuses can be mended, however late.
    let is_refused = matches!(refusal, Refusal::Account(_) | Refusal::Destination(_));
    let is_old = !is_refused && now - message.tried_since > GIVEN_UP_AFTER;
    let failure = Failure {
        is_dead: is_old || is_repeated || matches!(refusal, Refusal::Content(_)),
        not_before: now + pause(message, &refusal),
        is_unknown,
        is_unknown_now: matches!(refusal, Refusal::Unknown(_)),
        code: refusal.code(),
        what: &what,
    };
    tracing::warn!(message.id = %message.message_id, way = %message.way, attempts = message.attempts, is_dead = failure.is_dead, what, "an alert was not sent");
    note_failure(&mut connection, message, &failure).await?;
    if let Refusal::NotTaken {
        retry_after: Some(_), ..
    } = refusal
    {
        outbox::postpone_destination(&mut connection, message, failure.not_before).await?;
    }
    Ok(())
}

/// Longer after each attempt, not all at the same moment, and never sooner than was asked.
fn pause(message: &Leased, refusal: &Refusal) -> TimeDelta {
    let doubled = FIRST_PAUSE * 2_i32.pow(u32::try_from(message.attempts - 1).unwrap_or(0).min(8));
    let capped = doubled.min(PAUSE_MAX);
    let jitter = capped * rand::rng().random_range(0..=50) / 100;
    let asked = match refusal {
        Refusal::NotTaken {
            retry_after: Some(wait),
            ..
        } => TimeDelta::from_std(*wait).unwrap_or(PAUSE_MAX),
        // The one repeat of a receiver that cannot be asked comes when it may be up again.
        Refusal::Unknown(_) if message.way != Way::Slack => REPEATED_AFTER,
        Refusal::Unknown(_) => SETTLES_AFTER,
        _ => TimeDelta::zero(),
    };
    (capped + jitter).max(asked)
}

async fn attempt(ways: &Ways, clock: Clock, message: &Leased) -> Result<Option<Posted>, Refusal> {
    let is_gone = || Refusal::Account("not_in_the_settings_any_more".to_owned());
    let id = message.message_id.to_string();
    if message.way != Way::Slack && message.repeats > 0 {
        // A program was killed in the middle of the repeat.
        return Err(Refusal::Unknown("it was repeated once already".to_owned()));
    }
    match message.way {
        Way::Slack => {
            let bot = ways.slack.as_ref().ok_or_else(is_gone)?;
            let channel = message.thread_channel.as_deref().unwrap_or(&message.destination);
            let thread = message.thread_ts.as_deref();
            if message.is_unknown {
                let found = bot.find(channel, thread, &id, message.first_attempt_at).await?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            match bot.post(channel, &message.content, thread, &id).await {
                // Somebody deleted what it would stand under.
                Err(Refusal::Destination(code)) if thread.is_some() && code == THREAD_IS_GONE => {
                    bot.post(channel, &message.content, None, &id).await.map(Some)
                }
                posted => posted.map(Some),
            }
        }
        Way::SlackWebhook => {
            let url = ways.slack_webhook.as_ref().ok_or_else(is_gone)?;
            let content = marked(&message.content, message.is_unknown);
            post_to_webhook(&ways.http, url, &content).await.map(|()| None)
        }
        Way::Webhook => {
            let (url, secret) = ways.webhook.as_ref().ok_or_else(is_gone)?;
            let mut content = message.content.clone();
            content["may_be_repeated"] = message.is_unknown.into();
            let stamp = (id.as_str(), clock.now().timestamp());
            post_signed(&ways.http, (url, secret), stamp, &content)
                .await
                .map(|()| None)
        }
        Way::Mail => {
            let way = ways.mail.as_ref().ok_or_else(is_gone)?;
            send_mail(way, message, &id).await.map(|()| None)
        }
    }
}

/// A repeat says that it may be one.
fn marked(content: &Value, is_repeat: bool) -> Value {
    let mut content = content.clone();
    if is_repeat {
        let note = serde_json::json!({
            "type": "context",
            "elements": [{"type": "mrkdwn", "text": "再送: 前回届いたか不明です / may be a repeat", "verbatim": true}]
        });
        if let Some(blocks) = content["blocks"].as_array_mut().filter(|blocks| blocks.len() < 50) {
            blocks.push(note);
        }
    }
    content
}

async fn send_mail(way: &MailWay, message: &Leased, id: &str) -> Result<(), Refusal> {
    let text = |key: &str| message.content[key].as_str().unwrap_or_default();
    let mark = if message.repeats > 0 {
        "[再送 / may be a repeat] "
    } else {
        ""
    };
    let subject = format!("{mark}{}", text("subject"));
    let mail = Mail {
        from: &way.from,
        to_name: "",
        to_address: &message.destination,
        subject: &subject,
        text: text("text"),
        attached: None,
        id: Some(id),
    };
    let server = MailServer::at(&way.url).map_err(|error| Refusal::Account(error.to_string()))?;
    server.send(&mail).await.map_err(|error| match error {
        MailError::Refused {
            is_unknown: true, what, ..
        } => Refusal::Unknown(what),
        MailError::Refused { is_final: true, .. } => Refusal::Content("mail_refused".to_owned()),
        MailError::Refused { what, .. } => Refusal::NotTaken {
            what,
            retry_after: None,
        },
        MailError::Server(what) => Refusal::Account(what),
        // Neither an address nor a server's words, which repeat it, are shown to whoever reads findings.
        MailError::Address(_) | MailError::Content(_) => Refusal::Content("mail_cannot_be_made".to_owned()),
    })
}

/// What a bot must be allowed, and one of what it needs to look before it repeats.
const SCOPE_TO_POST: &str = "chat:write";
const SCOPES_TO_LOOK: [&str; 2] = ["channels:history", "groups:history"];

/// Sends a sample and says what was found about the token, its scopes and the channel.
pub async fn try_channel(
    ways: &Ways,
    channel: Option<&str>,
    language: Language,
    clock: Clock,
) -> anyhow::Result<Vec<String>> {
    let text = language.choose("anbunのテストです。", "A test of anbun.").to_owned();
    let content = SlackMessage {
        blocks: vec![Block::Section(Mrkdwn::plain(&text))],
        text,
    };
    let content = content.to_json();
    let mut said = Vec::new();
    if let Some(bot) = &ways.slack {
        let (name, scopes) = bot.who().await.context("the token")?;
        said.push(format!("the token is of {name}, with {}", scopes.join(", ")));
        let may = |scope: &str| scopes.is_empty() || scopes.iter().any(|of| of == scope);
        anyhow::ensure!(
            may(SCOPE_TO_POST),
            "the token lacks the scope {SCOPE_TO_POST}: add it to the app and install it again"
        );
        anyhow::ensure!(
            SCOPES_TO_LOOK.iter().any(|scope| may(scope)),
            "the token lacks {}: without one of them a message cannot be looked for before it is repeated",
            SCOPES_TO_LOOK.join(" and ")
        );
        let channel = channel.context("name a channel, or set [slack] default_channel")?;
        let id = uuid::Uuid::new_v4().to_string();
        let advice = "invite the bot to the channel, and give the channel by its id";
        let posted = bot.post(channel, &content, None, &id).await.context(advice)?;
        said.push(format!("a sample stands in {} at {}", posted.channel, posted.ts));
        let found = bot
            .find(&posted.channel, None, &id, clock.now())
            .await
            .context(advice)?;
        anyhow::ensure!(
            found.is_some(),
            "the sample is not found in the channel's history: the bot cannot see its own messages"
        );
        said.push("the bot finds it again".to_owned());
    }
    if let Some(url) = &ways.slack_webhook {
        post_to_webhook(&ways.http, url, &content).await?;
        said.push("Slack's webhook took a sample".to_owned());
    }
    if let Some((url, secret)) = &ways.webhook {
        let id = uuid::Uuid::new_v4().to_string();
        let sample = serde_json::json!({"alerts": [], "is_sample": true});
        post_signed(&ways.http, (url, secret), (&id, clock.now().timestamp()), &sample).await?;
        said.push("the webhook took a sample".to_owned());
    }
    anyhow::ensure!(
        !said.is_empty(),
        "there is no way out: set [slack] token or webhook_url, or [alerts] webhook_url"
    );
    Ok(said)
}
