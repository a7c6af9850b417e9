//! What each button does.

use anyhow::Context as _;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::domain::alert::facts::{AlertFacts, BudgetFacts};
use crate::domain::alert::{Silence, Way};
use crate::domain::directory::{Directory, DirectoryDay};
use crate::domain::language::Language;
use crate::domain::money::Amount;
use crate::domain::text::comparable_name;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::jobs::alerting::Names;
use crate::jobs::answer_alerts::{Answering, acknowledge_alert, find_alert, snooze_alert};
use crate::jobs::raise_budget::{WantedRaise, ask_for_raise, decide_about_raise};
use crate::messages::alert_message::{Audience, headline};
use crate::messages::block_kit::{Block, Button, Mrkdwn, SlackMessage};
use crate::messages::slack_client::SlackBot;
use crate::store::StoreError;
use crate::store::alerts::StoredAlert;
use crate::store::directory::get_directory;
use crate::store::outbox::{NewMessage, is_told, lock_outbox, put};
use crate::store::slack::{find_slack_person, find_slack_user, keep_slack_person};

/// The form that a raise is asked for with.
const RAISE_FORM: &str = "raise";

/// A press, as far as it is read.
#[derive(Debug, Clone)]
pub(super) struct Pressed {
    pub slack_user: String,
    /// Where it was pressed; empty in a form.
    channel: String,
    pub action: String,
    /// What the button stands for: an alert, or a raise.
    value: String,
    trigger: String,
    /// Of a form: its fields.
    fields: Value,
}

impl Pressed {
    /// None of what is neither a press of a button nor a form of ours.
    pub(super) fn read(payload: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let slack_user = text(&payload["user"]["id"]);
        if slack_user.is_empty() {
            return None;
        }
        match payload["type"].as_str()? {
            "block_actions" => {
                let action = payload["actions"].get(0)?;
                Some(Self {
                    slack_user,
                    channel: text(&payload["channel"]["id"]),
                    action: text(&action["action_id"]),
                    value: text(&action["value"]),
                    trigger: text(&payload["trigger_id"]),
                    fields: Value::Null,
                })
            }
            "view_submission" => {
                let view = &payload["view"];
                // Alert and channel, as they were put there.
                let (value, channel) = view["private_metadata"].as_str()?.split_once(' ')?;
                Some(Self {
                    slack_user,
                    channel: channel.to_owned(),
                    action: text(&view["callback_id"]),
                    value: value.to_owned(),
                    trigger: String::new(),
                    fields: view["state"]["values"].clone(),
                })
            }
            _ => None,
        }
    }

    fn field(&self, name: &str) -> String {
        let field = &self.fields[name]["value"];
        let text = field["value"].as_str().or(field["selected_date"].as_str());
        text.unwrap_or_default().trim().to_owned()
    }
}

/// Somebody who pressed, as the directory knows them.
struct Presser {
    person_id: String,
    answering: Answering,
}

/// Does what a press asks, and tells who pressed.
pub(super) async fn answer(
    connection: &mut PgConnection,
    state: &AppState,
    bot: &SlackBot,
    pressed: &Pressed,
) -> Result<(), ApiError> {
    // A button that is only a link tells us as well.
    if pressed.action == "open" {
        return Ok(());
    }
    let language = language_of(state, &pressed.channel);
    let said = match act(connection, state, bot, pressed).await {
        Ok(said) => said,
        Err(error) => match error.downcast::<StoreError>() {
            Ok(error) => return Err(ApiError::Internal(error)),
            Err(error) => {
                tracing::info!(
                    user = pressed.slack_user,
                    action = pressed.action,
                    error = format!("{error:#}"),
                    "a press is refused"
                );
                Some(format!("{}: {error:#}", language.choose("できません", "Not done")))
            }
        },
    };
    if let Some(said) = said.filter(|_| !pressed.channel.is_empty()) {
        let body = json!({"channel": pressed.channel, "user": pressed.slack_user, "text": said});
        if let Err(refusal) = bot.call("chat.postEphemeral", &body).await {
            tracing::warn!(error = %refusal, "who pressed a button could not be told");
        }
    }
    Ok(())
}

fn language_of(state: &AppState, channel: &str) -> Language {
    let channels = &state.config.slack.channels;
    let own = channels.iter().find(|of| of.name == channel).and_then(|of| of.language);
    own.unwrap_or(state.config.slack.language)
}

async fn act(
    connection: &mut PgConnection,
    state: &AppState,
    bot: &SlackBot,
    pressed: &Pressed,
) -> anyhow::Result<Option<String>> {
    let now = state.clock.now();
    let language = language_of(state, &pressed.channel);
    let directory = get_directory(connection).await?;
    let day = directory.on(now.date_naive());
    let person_id = who(connection, bot, (&directory, now.date_naive()), &pressed.slack_user).await?;
    let presser = Presser {
        answering: Answering {
            name: person_id.clone(),
            sees_people: true,
            is_finance: false,
        },
        person_id,
    };
    if let "approve_raise" | "refuse_raise" = pressed.action.as_str() {
        return decide(connection, pressed, &presser, &day, (language, now))
            .await
            .map(Some);
    }
    let alert_id: i64 = pressed.value.parse().context("the button is of no alert")?;
    let alert = find_alert(connection, alert_id, &presser.answering).await?;
    let facts = match &alert.facts {
        Some(AlertFacts::Budget(facts)) => Some(facts.as_ref()),
        _ => None,
    };
    match (&alert.facts, facts) {
        (_, Some(facts)) => entitled(facts, &presser.person_id, &day)?,
        (Some(AlertFacts::Anomaly(anomaly)), _) => {
            let own = match anomaly.scope.as_str() {
                "person" => day
                    .person(&anomaly.code)
                    .is_some_and(|of| of.person_id == presser.person_id || of.manager_person_id == presser.person_id),
                "department" => day.home(&presser.person_id) == Some(anomaly.code.as_str()),
                "project" => day
                    .project(&anomaly.code)
                    .is_some_and(|of| of.owner_person_id == presser.person_id),
                _ => true,
            };
            anyhow::ensure!(own, "this is of somebody else");
        }
        _ => {}
    }
    match (pressed.action.as_str(), facts) {
        ("acknowledge", _) => {
            acknowledge_alert(connection, alert_id, (&presser.answering, now)).await?;
            Ok(Some(
                language.choose("確認済みにしました。", "Acknowledged.").to_owned(),
            ))
        }
        ("snooze_day" | "snooze_week" | "snooze_window", _) => {
            let silence = match pressed.action.as_str() {
                "snooze_day" => Silence::Day,
                "snooze_week" => Silence::Week,
                _ => Silence::Window,
            };
            let until = snooze_alert(connection, alert_id, silence, (&presser.answering, now)).await?;
            let until = until.format("%Y-%m-%d %H:%M UTC");
            Ok(Some(match language {
                Language::Japanese => format!("{until} まで通知を止めます。"),
                Language::English => format!("Silent until {until}."),
            }))
        }
        ("request_raise", Some(facts)) => {
            let view = raise_form(alert_id, facts, pressed, language);
            let body = json!({"trigger_id": pressed.trigger, "view": view});
            bot.call("views.open", &body)
                .await
                .context("Slack does not open the form")?;
            Ok(None)
        }
        (RAISE_FORM, Some(facts)) => ask(connection, pressed, facts, &presser, (language, now))
            .await
            .map(Some),
        ("ask_manager", Some(facts)) => {
            let people = Names::of(&directory, now.date_naive());
            let audience = Audience {
                language,
                sees_people: false,
                people: &people.people,
                subjects: &people.subjects,
                public_url: state.config.server.public_url.as_deref(),
                has_buttons: false,
            };
            ask_manager(connection, bot, (&alert, facts), (&day, &audience), now)
                .await
                .map(Some)
        }
        (other, _) => anyhow::bail!("there is no button '{other}'"),
    }
}

/// The person of the directory that a Slack user is, by what was noted before or by the e-mail address that Slack knows.
async fn who(
    connection: &mut PgConnection,
    bot: &SlackBot,
    (directory, today): (&Directory, NaiveDate),
    slack_user: &str,
) -> anyhow::Result<String> {
    let is_there = |person_id: &str| {
        let mut people = directory.people.iter();
        people.any(|person| person.person_id == person_id && person.valid.contains(today))
    };
    if let Some(person_id) = find_slack_person(connection, slack_user)
        .await?
        .filter(|id| is_there(id))
    {
        return Ok(person_id);
    }
    let unknown =
        "your Slack account is of nobody in the directory; ask who runs anbun to add you with 'anbun alerts person'";
    let found = bot
        .call("users.info", &json!({"user": slack_user}))
        .await
        .context(unknown)?;
    // Of another company that shares the channel, gone, or a program: its e-mail says nothing about who sits there.
    let is = |what: &str| found["user"][what] == true;
    if is("is_stranger") || is("deleted") || is("is_bot") || is("is_restricted") || is("is_ultra_restricted") {
        anyhow::bail!(
            "your Slack account is a guest's, another company's or deactivated; budgets are answered for by the company's own people"
        );
    }
    let email = found["user"]["profile"]["email"].as_str().unwrap_or_default();
    let valid = directory.people.iter().filter(|person| person.valid.contains(today));
    let same = valid
        .into_iter()
        .find(|person| !email.is_empty() && comparable_name(&person.email) == comparable_name(email));
    let person_id = same.context(unknown)?.person_id.clone();
    keep_slack_person(connection, slack_user, &person_id).await?;
    Ok(person_id)
}

/// A budget is answered for by its owner, the owner's manager, and the owner of its project; one without an owner by its department.
fn entitled(facts: &BudgetFacts, person_id: &str, day: &DirectoryDay<'_>) -> anyhow::Result<()> {
    let owner = facts.owner_person_id.as_str();
    let manages = day.person(owner).is_some_and(|of| of.manager_person_id == person_id);
    let owns_project = facts.scope == "project"
        && day
            .project(&facts.code)
            .is_some_and(|of| of.owner_person_id == person_id);
    let is_of_department = owner.is_empty()
        && facts.scope == "department"
        && day.person(person_id).is_some_and(|of| of.department_code == facts.code);
    anyhow::ensure!(
        owner == person_id || manages || owns_project || is_of_department,
        "this budget is answered for by its owner or their manager"
    );
    Ok(())
}

fn raise_form(alert_id: i64, facts: &BudgetFacts, pressed: &Pressed, language: Language) -> Value {
    let plain = |text: &str| json!({"type": "plain_text", "text": text, "emoji": false});
    let input = |name: &str, label: &str, element: Value, is_optional: bool| json!({"type": "input", "block_id": name, "label": plain(label), "element": element, "optional": is_optional});
    let text = |is_long: bool| json!({"type": "plain_text_input", "action_id": "value", "multiline": is_long, "max_length": 500});
    let last_day = facts.window_to.pred_opt().unwrap_or(facts.window_to);
    let date = json!({"type": "datepicker", "action_id": "value", "initial_date": last_day.to_string()});
    let amount = match language {
        Language::Japanese => format!("増額 ({})", facts.currency),
        Language::English => format!("Raise by ({})", facts.currency),
    };
    json!({
        "type": "modal",
        "callback_id": RAISE_FORM,
        "private_metadata": format!("{alert_id} {}", pressed.channel),
        "title": plain(language.choose("増額の申請", "Request a raise")),
        "submit": plain(language.choose("申請", "Request")),
        "close": plain(language.choose("閉じる", "Close")),
        "blocks": [
            input("amount", &amount, text(false), false),
            input("until", language.choose("最終日", "Last day"), date, false),
            input("reason", language.choose("理由", "Reason"), text(true), false),
            input("ringi", language.choose("稟議番号", "Ringi number"), text(false), true),
        ],
    })
}

/// Notes that a raise is asked for, and asks in the channel for somebody else's decision.
async fn ask(
    connection: &mut PgConnection,
    pressed: &Pressed,
    facts: &BudgetFacts,
    presser: &Presser,
    (language, now): (Language, DateTime<Utc>),
) -> anyhow::Result<String> {
    let amount = pressed.field("amount").replace([',', '¥', '$'], "");
    let until = pressed.field("until");
    let wanted = WantedRaise {
        budget: facts.budget.clone(),
        amount: Amount::parse(&amount).with_context(|| format!("'{amount}' is no amount"))?,
        until: until
            .parse::<NaiveDate>()
            .with_context(|| format!("'{until}' is no date"))?,
        reason: pressed.field("reason"),
        ringi: pressed.field("ringi"),
    };
    let mut transaction = connection.begin().await.map_err(StoreError::from)?;
    let raise_id = ask_for_raise(&mut transaction, &wanted, &presser.answering, now).await?;
    let title = match language {
        Language::Japanese => format!("増額の申請 #{raise_id}"),
        Language::English => format!("Raise #{raise_id} is asked for"),
    };
    let button = |action: &str, japanese, english| Button {
        action_id: action.to_owned(),
        text: language.choose(japanese, english).to_owned(),
        value: raise_id.to_string(),
        url: None,
        is_primary: action == "approve_raise",
    };
    let message = SlackMessage {
        blocks: vec![
            Block::Header(title.clone()),
            Block::Section(Mrkdwn::lines([
                Mrkdwn::plain(&format!("+{} {} → {}", wanted.amount, facts.currency, wanted.until)),
                Mrkdwn::plain(&wanted.reason),
                Mrkdwn::plain(&wanted.ringi),
            ])),
            Block::Actions(vec![
                button("approve_raise", "承認", "Approve"),
                button("refuse_raise", "却下", "Refuse"),
            ]),
        ],
        text: title,
    };
    let content = message.to_json();
    let message = NewMessage {
        message_id: Uuid::new_v4(),
        way: Way::Slack,
        destination: &pressed.channel,
        content: &content,
        thread_of: None,
        alerts: &[],
        not_before: now,
    };
    put(&mut transaction, &message, now).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(match language {
        Language::Japanese => format!("申請しました (#{raise_id})。別の人の承認が必要です。"),
        Language::English => format!("Asked for (#{raise_id}). Somebody else decides."),
    })
}

async fn decide(
    connection: &mut PgConnection,
    pressed: &Pressed,
    presser: &Presser,
    day: &DirectoryDay<'_>,
    (language, now): (Language, DateTime<Utc>),
) -> anyhow::Result<String> {
    let raise_id: i32 = pressed.value.parse().context("the button is of no raise")?;
    let is_approved = pressed.action == "approve_raise";
    let raises = crate::store::budgets::list_requested_raises(connection).await?;
    let asked = raises.into_iter().find(|of| of.raise.raise_id == raise_id);
    let asked = asked.with_context(|| format!("there is no raise {raise_id}"))?;
    let manager = day
        .person(&asked.requested_by)
        .map(|of| of.manager_person_id.clone())
        .unwrap_or_default();
    anyhow::ensure!(
        asked.requested_by == presser.person_id || manager == presser.person_id,
        "a raise is decided about by the manager of who asked, or by finance"
    );
    decide_about_raise(connection, raise_id, is_approved, &presser.answering, now).await?;
    Ok(match (is_approved, language) {
        (true, Language::Japanese) => format!("#{raise_id} を承認しました。"),
        (true, Language::English) => format!("Raise #{raise_id} is approved."),
        (false, Language::Japanese) => format!("#{raise_id} を却下しました。"),
        (false, Language::English) => format!("Raise #{raise_id} is refused."),
    })
}

/// A direct message to the owner's manager, once for each alert.
async fn ask_manager(
    connection: &mut PgConnection,
    bot: &SlackBot,
    (alert, facts): (&StoredAlert, &BudgetFacts),
    (day, audience): (&DirectoryDay<'_>, &Audience<'_>),
    now: DateTime<Utc>,
) -> anyhow::Result<String> {
    let manager = day
        .person(&facts.owner_person_id)
        .map(|of| of.manager_person_id.clone());
    let manager = manager
        .filter(|id| !id.is_empty())
        .context("the budget's owner has no manager in the directory")?;
    let slack_user = find_slack_user(connection, &manager).await?;
    let slack_user =
        slack_user.context("the manager's Slack account is not known; add it with 'anbun alerts person'")?;
    // By its channel, in which a message can be looked for.
    let opened = bot.call("conversations.open", &json!({"users": slack_user})).await;
    let opened = opened.context("Slack opens no direct message")?;
    let direct = opened["channel"]["id"]
        .as_str()
        .context("Slack opens no direct message")?
        .to_owned();
    let told = AlertFacts::Budget(Box::new(facts.clone()));
    let question = audience.language.choose(
        "この予算について相談があります。返信するか、増額を検討してください。",
        "Your team asks about this budget: please answer, or consider a raise.",
    );
    let title = headline(&told, audience);
    let content = SlackMessage {
        blocks: vec![Block::Header(title.clone()), Block::Section(Mrkdwn::words(question))],
        text: title,
    };
    let content = content.to_json();
    let message = NewMessage {
        message_id: Uuid::new_v4(),
        way: Way::Slack,
        destination: &direct,
        content: &content,
        thread_of: None,
        alerts: &[alert.alert_id],
        not_before: now,
    };
    let mut transaction = connection.begin().await.map_err(StoreError::from)?;
    lock_outbox(&mut transaction).await?;
    anyhow::ensure!(
        !is_told(&mut transaction, alert.alert_id, (Way::Slack, &direct)).await?,
        "the manager was asked about this already"
    );
    put(&mut transaction, &message, now).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(audience
        .language
        .choose("上長に送りました。", "Your manager is asked.")
        .to_owned())
}
