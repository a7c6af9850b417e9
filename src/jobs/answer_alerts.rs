//! What people do about alerts: they have seen to one, or want silence for a while.  The same for command, API, page and Slack.

use anyhow::{Context as _, bail};
use chrono::{DateTime, Days, NaiveTime, Utc};
use sqlx::{Connection, PgConnection};

use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::alert::Silence;
use crate::domain::alert::facts::AlertFacts;
use crate::store::StoreError;
use crate::store::alerts::{AlertFilter, StoredAlert, acknowledge, list_alerts, snooze};

/// One alert; those of single people only for who may see people.
async fn find(connection: &mut PgConnection, alert_id: i64, actor: &Actor) -> anyhow::Result<StoredAlert> {
    let filter = AlertFilter {
        alert_id: Some(alert_id),
        sees_people: authorize(actor, Action::ReadPeople).is_ok(),
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
    (actor, now): (&Actor, DateTime<Utc>),
) -> anyhow::Result<StoredAlert> {
    authorize(actor, Action::AnswerAlerts)?;
    find(connection, alert_id, actor).await?;
    acknowledge(connection, alert_id, &actor.name, now).await?;
    find(connection, alert_id, actor).await
}

/// Keeps what an alert is about silent; until when.
pub async fn snooze_alert(
    connection: &mut PgConnection,
    alert_id: i64,
    silence: Silence,
    (actor, now): (&Actor, DateTime<Utc>),
) -> anyhow::Result<DateTime<Utc>> {
    authorize(actor, Action::AnswerAlerts)?;
    let mut transaction = connection.begin().await.map_err(StoreError::from)?;
    let alert = find(&mut transaction, alert_id, actor).await?;
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
    snooze(&mut transaction, &alert.subject, until, &actor.name, now).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(until)
}
