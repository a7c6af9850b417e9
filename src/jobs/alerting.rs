//! Where alerts go, and in which words: decided when they are raised, in the transaction that raises them.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::alert::Way;
use crate::domain::alert::facts::{AlertFacts, Drivers};
use crate::domain::calendar::BusinessCalendar;
use crate::domain::directory::Directory;
use crate::domain::language::Language;
use crate::domain::money::Amount;
use crate::domain::rate::YenRates;
use crate::messages::alert_message::{Audience, HEADS_MIN, alert_message, digest_message, headline};
use crate::messages::block_kit::SlackMessage;
use crate::store::StoreResult;
use crate::store::outbox::{NewMessage, find_thread, put};

/// How alerts are made and where they go, by the settings.
#[derive(Debug, Clone)]
pub struct AlertSettings {
    pub fiscal_year_start_month: u32,
    pub yen: YenRates,
    pub calendar: BusinessCalendar,
    /// A day is unusual from so many dollars beyond what is usual.
    pub unusual_least: Amount,
    pub slack: SlackWay,
    pub default_channel: String,
    pub language: Language,
    pub channels: BTreeMap<String, ChannelSettings>,
    pub public_url: Option<String>,
    pub has_buttons: bool,
    /// Whether there is a receiver of the company's own.
    pub has_webhook: bool,
    pub has_mail: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlackWay {
    None,
    Bot,
    Webhook,
}

#[derive(Debug, Clone, Copy)]
pub struct ChannelSettings {
    pub language: Language,
    pub names: bool,
}

/// An alert that was raised and is to be told.
#[derive(Debug, Clone)]
pub struct Told {
    pub alert_id: i64,
    pub facts: AlertFacts,
    pub subject: String,
    pub window_from: NaiveDate,
    /// Empty: the default one.
    pub channel: String,
    pub owner_person_id: String,
    /// Of a subject that keeps silent for a while.
    pub not_before: DateTime<Utc>,
}

/// One message a second is what Slack takes in a channel, and more than so many at once nobody reads.
const MESSAGES_AT_ONCE_MAX: usize = 30;
/// What a webhook is called in the outbox.
const THE_ONE: &str = "default";

impl AlertSettings {
    fn channel(&self, name: &str) -> ChannelSettings {
        let default = ChannelSettings {
            language: self.language,
            names: false,
        };
        self.channels.get(name).copied().unwrap_or(default)
    }

    /// Where one alert goes.
    fn destinations(&self, told: &Told, directory: &Directory, today: NaiveDate) -> Vec<(Way, String)> {
        let mut found = Vec::new();
        let channel = if told.channel.is_empty() {
            &self.default_channel
        } else {
            &told.channel
        };
        match self.slack {
            SlackWay::None => {}
            SlackWay::Bot => found.push((Way::Slack, channel.clone())),
            SlackWay::Webhook => found.push((Way::SlackWebhook, THE_ONE.to_owned())),
        }
        if self.has_webhook {
            found.push((Way::Webhook, THE_ONE.to_owned()));
        }
        if self.has_mail {
            let day = directory.on(today);
            let owner = day.person(&told.owner_person_id);
            let address = owner.map(|owner| owner.email.clone()).filter(|email| !email.is_empty());
            found.extend(address.map(|address| (Way::Mail, address)));
        }
        found
    }
}

/// Writes what is to be sent of alerts, each once by each way.  Many at one place, and all of a first look, are one digest.
pub(super) async fn tell(
    connection: &mut PgConnection,
    settings: &AlertSettings,
    told: &[Told],
    directory: &Directory,
    (is_first_look, now): (bool, DateTime<Utc>),
) -> StoreResult<usize> {
    let names = Names::of(directory, now.date_naive());
    let mut places: BTreeMap<(Way, String), Vec<&Told>> = BTreeMap::new();
    for one in told {
        for place in settings.destinations(one, directory, now.date_naive()) {
            places.entry(place).or_default().push(one);
        }
    }
    let mut messages = 0;
    for ((way, destination), told) in places {
        let channel = match way {
            Way::Slack => settings.channel(&destination),
            Way::SlackWebhook | Way::Webhook | Way::Mail => settings.channel(""),
        };
        let audience = Audience {
            language: channel.language,
            sees_people: channel.names,
            people: &names.people,
            subjects: &names.subjects,
            public_url: settings.public_url.as_deref(),
            has_buttons: settings.has_buttons && way == Way::Slack,
        };
        // What keeps silent for a while is told by itself, later.
        let (told, later): (Vec<&Told>, Vec<&Told>) = told.into_iter().partition(|one| one.not_before <= now);
        let is_digest = told.len() > MESSAGES_AT_ONCE_MAX || (is_first_look && told.len() > 1);
        if is_digest {
            let alerts: Vec<(i64, AlertFacts)> = told.iter().map(|one| (one.alert_id, one.facts.clone())).collect();
            let ids: Vec<i64> = told.iter().map(|one| one.alert_id).collect();
            let content = content(way, &digest_message(&alerts, &audience), &alerts, &audience);
            let message = NewMessage {
                message_id: Uuid::new_v4(),
                way,
                destination: &destination,
                content: &content,
                thread_of: None,
                alerts: &ids,
                not_before: now,
            };
            put(connection, &message, now).await?;
            messages += 1;
        }
        let alone = told.into_iter().filter(|_| !is_digest);
        for one in alone.chain(later) {
            let thread_of = match way {
                Way::Slack => find_thread(connection, (&one.subject, one.window_from), (way, &destination)).await?,
                Way::SlackWebhook | Way::Webhook | Way::Mail => None,
            };
            let alert = [(one.alert_id, one.facts.clone())];
            let content = content(
                way,
                &alert_message(one.alert_id, &one.facts, &audience),
                &alert,
                &audience,
            );
            let message = NewMessage {
                message_id: Uuid::new_v4(),
                way,
                destination: &destination,
                content: &content,
                thread_of,
                alerts: &[one.alert_id],
                not_before: one.not_before.max(now),
            };
            put(connection, &message, now).await?;
            messages += 1;
        }
    }
    Ok(messages)
}

/// What goes out by a way.
fn content(way: Way, slack: &SlackMessage, alerts: &[(i64, AlertFacts)], audience: &Audience<'_>) -> Value {
    match way {
        Way::Slack | Way::SlackWebhook => slack.to_json(),
        Way::Webhook => {
            let alerts: Vec<Value> = alerts
                .iter()
                .map(|(id, facts)| json!({"alert_id": id, "headline": headline(facts, audience), "facts": public(facts)}))
                .collect();
            json!({"alerts": alerts})
        }
        Way::Mail => json!({"subject": slack.text, "text": slack.as_text()}),
    }
}

/// Facts without whom they are of.
fn public(facts: &AlertFacts) -> Value {
    let nameless = |drivers: &mut Drivers| {
        drivers.people.clear();
        for driver in &mut drivers.models {
            driver.people = if driver.people < HEADS_MIN { 0 } else { driver.people };
        }
    };
    let mut facts = facts.clone();
    match &mut facts {
        AlertFacts::Digest(digest) => nameless(&mut digest.drivers),
        AlertFacts::Budget(budget) => {
            nameless(&mut budget.drivers);
            budget.owner_person_id.clear();
            if budget.scope == "person" {
                budget.code.clear();
                budget.budget.clear();
            }
        }
        AlertFacts::Anomaly(anomaly) if anomaly.scope == "person" => anomaly.code.clear(),
        AlertFacts::FirstSeen(seen) if seen.kind == "principal" => seen.codes.clear(),
        AlertFacts::Anomaly(_) | AlertFacts::FirstSeen(_) => {}
    }
    serde_json::to_value(&facts).unwrap_or_default()
}

/// Names as the directory has them on a day.
pub struct Names {
    pub people: BTreeMap<String, String>,
    pub subjects: BTreeMap<(String, String), String>,
}

impl Names {
    pub fn of(directory: &Directory, today: NaiveDate) -> Self {
        let mut subjects = BTreeMap::new();
        for of in &directory.departments {
            if of.valid.contains(today) {
                let name = if of.name_ja.is_empty() { &of.name } else { &of.name_ja };
                subjects.insert(("department".to_owned(), of.code.clone()), name.clone());
            }
        }
        for of in directory.projects.iter().filter(|of| of.valid.contains(today)) {
            subjects.insert(("project".to_owned(), of.code.clone()), of.name.clone());
        }
        let people = directory.people.iter().filter(|of| of.valid.contains(today));
        Self {
            people: people.map(|of| (of.person_id.clone(), of.name.clone())).collect(),
            subjects,
        }
    }
}
