//! What people do about alerts: they have seen to one, or want silence for a while.  The same for command, API, page and Slack.

use anyhow::{Context as _, bail};
use chrono::{DateTime, Days, NaiveTime, Utc};
use sqlx::{Connection, PgConnection};

use crate::domain::actor::{Action, Actor, NotAllowed, authorize};
use crate::domain::alert::Silence;
use crate::domain::alert::facts::AlertFacts;
use crate::store::StoreError;
use crate::store::alerts::{AlertFilter, StoredAlert, acknowledge, list_alerts, snooze};
use crate::store::outbox::{lock_outbox, resend};

/// Who answers.
#[derive(Debug, Clone)]
pub struct Answering {
    pub name: String,
    pub sees_people: bool,
    /// Whether it is who decides about any amount.
    pub is_finance: bool,
}

impl Answering {
    /// Somebody with a token or at the terminal.
    pub fn of(actor: &Actor) -> Result<Self, NotAllowed> {
        authorize(actor, Action::AnswerAlerts)?;
        Ok(Self {
            name: actor.name.clone(),
            sees_people: authorize(actor, Action::ReadPeople).is_ok(),
            is_finance: authorize(actor, Action::KeepRegisters).is_ok(),
        })
    }
}

/// One alert; those of single people only for who may see people.
pub async fn find_alert(
    connection: &mut PgConnection,
    alert_id: i64,
    answering: &Answering,
) -> anyhow::Result<StoredAlert> {
    let filter = AlertFilter {
        alert_id: Some(alert_id),
        sees_people: answering.sees_people,
        limit: 1,
        ..AlertFilter::default()
    };
    let found = list_alerts(connection, &filter).await?.into_iter().next();
    found.with_context(|| format!("there is no alert {alert_id}"))
}

/// Notes that somebody has seen to an alert.  Doing it twice changes nothing.
pub async fn acknowledge_alert(
    connection: &mut PgConnection,
    alert_id: i64,
    (answering, now): (&Answering, DateTime<Utc>),
) -> anyhow::Result<StoredAlert> {
    find_alert(connection, alert_id, answering).await?;
    acknowledge(connection, alert_id, &answering.name, now).await?;
    find_alert(connection, alert_id, answering).await
}

/// Sends an alert's messages again that were given up; how many.  Where nobody can look whether one was taken, it says that it may be
/// a repeat.
pub async fn resend_alert(
    connection: &mut PgConnection,
    alert_id: i64,
    (answering, now): (&Answering, DateTime<Utc>),
) -> anyhow::Result<u64> {
    let mut transaction = connection.begin().await.map_err(StoreError::from)?;
    find_alert(&mut transaction, alert_id, answering).await?;
    lock_outbox(&mut transaction).await?;
    let resent = resend(&mut transaction, alert_id, now).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(resent)
}

/// Keeps what an alert is about silent; until when.
pub async fn snooze_alert(
    connection: &mut PgConnection,
    alert_id: i64,
    silence: Silence,
    (answering, now): (&Answering, DateTime<Utc>),
) -> anyhow::Result<DateTime<Utc>> {
    let mut transaction = connection.begin().await.map_err(StoreError::from)?;
    let alert = find_alert(&mut transaction, alert_id, answering).await?;
    let until = match silence {
        Silence::Day => now + Days::new(1),
        Silence::Week => now + Days::new(7),
        Silence::Window => match &alert.facts {
            Some(AlertFacts::Budget(facts)) => facts.window_to.and_time(NaiveTime::MIN).and_utc(),
            _ => bail!("alert {alert_id} is of no budget's window: keep it silent for a day or a week"),
        },
    };
    if until <= now {
        bail!("the window of alert {alert_id} is over already");
    }
    snooze(&mut transaction, &alert.subject, until, &answering.name, now).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(until)
}
