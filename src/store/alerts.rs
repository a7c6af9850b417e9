//! Alerts, and how budgets stood when they were looked at.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use super::StoreResult;
use crate::domain::alert::facts::AlertFacts;
use crate::domain::alert::{AlertKind, Rearmed, Spoke, Stood};
use crate::domain::money::Amount;

/// A subject, and the first day of the window.
pub type Subject = (String, NaiveDate);

/// The last time that each threshold of some windows spoke.
pub async fn list_spoken(
    connection: &mut PgConnection,
    kinds: &[AlertKind],
    asked: &BTreeSet<Subject>,
) -> StoreResult<BTreeMap<Subject, Vec<Spoke>>> {
    let kinds: Vec<String> = kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    let (subjects, windows): (Vec<String>, Vec<NaiveDate>) = asked.iter().cloned().unzip();
    let rows = sqlx::query_file!("queries/alerts/list_spoken.sql", &kinds, &subjects, &windows)
        .fetch_all(connection)
        .await?;
    let mut spoken: BTreeMap<Subject, Vec<Spoke>> = BTreeMap::new();
    for row in rows {
        spoken.entry((row.subject, row.window_from)).or_default().push(Spoke {
            alert_id: row.alert_id,
            threshold: row.threshold,
            arming: row.arming,
            raised_at: row.raised_at,
            level: row.level.as_deref().and_then(Amount::parse).unwrap_or_default(),
            rearmed: row.rearmed_because.as_deref().and_then(Rearmed::parse),
        });
    }
    Ok(spoken)
}

/// An alert that is to be raised.
#[derive(Debug, Clone)]
pub struct NewAlert {
    pub kind: AlertKind,
    pub subject: String,
    pub window_from: NaiveDate,
    pub threshold: String,
    pub arming: i32,
    pub cause: &'static str,
    pub facts: AlertFacts,
    pub is_personal: bool,
}

/// Raises an alert and answers its number; none where it is there already.
pub async fn raise(connection: &mut PgConnection, alert: &NewAlert, at: DateTime<Utc>) -> StoreResult<Option<i64>> {
    Ok(sqlx::query_file_scalar!(
        "queries/alerts/insert.sql",
        alert.kind.as_str(),
        alert.subject,
        alert.window_from,
        alert.threshold,
        alert.arming,
        at,
        alert.cause,
        serde_json::to_value(&alert.facts).unwrap_or_default(),
        alert.is_personal
    )
    .fetch_optional(connection)
    .await?)
}

/// Lets an alert speak again.
pub async fn rearm(
    connection: &mut PgConnection,
    alert_id: i64,
    because: Rearmed,
    at: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query_file!("queries/alerts/rearm.sql", alert_id, at, because.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// How budgets stood when they were last looked at, in some windows.
pub async fn list_evaluations(
    connection: &mut PgConnection,
    windows: &[NaiveDate],
) -> StoreResult<BTreeMap<Subject, Stood>> {
    let rows = sqlx::query_file!("queries/alerts/list_evaluations.sql", windows)
        .fetch_all(connection)
        .await?;
    let read = rows
        .into_iter()
        .filter_map(|row| Some(((row.budget, row.window_from), serde_json::from_value(row.stood).ok()?)));
    Ok(read.collect())
}

/// Budgets that were ever looked at.
pub async fn list_known_budgets(connection: &mut PgConnection) -> StoreResult<BTreeSet<String>> {
    let names = sqlx::query_file_scalar!("queries/alerts/list_known_budgets.sql")
        .fetch_all(connection)
        .await?;
    Ok(names.into_iter().collect())
}

/// Notes how budgets stand.
pub async fn note_evaluations(
    connection: &mut PgConnection,
    stand: &BTreeMap<Subject, Stood>,
    at: DateTime<Utc>,
) -> StoreResult<()> {
    let (budgets, windows): (Vec<String>, Vec<NaiveDate>) = stand.keys().cloned().unzip();
    let stood: Vec<serde_json::Value> = stand
        .values()
        .map(|stood| serde_json::to_value(stood).unwrap_or_default())
        .collect();
    sqlx::query_file!("queries/alerts/upsert_evaluations.sql", &budgets, &windows, at, &stood)
        .execute(connection)
        .await?;
    Ok(())
}

/// What keeps silent at a moment, and until when.
pub async fn list_snoozes(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
) -> StoreResult<BTreeMap<String, DateTime<Utc>>> {
    let rows = sqlx::query_file!("queries/alerts/list_snoozes.sql", now)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|row| (row.subject, row.snoozed_until)).collect())
}

/// An alert with what became of it.
#[derive(Debug, Clone)]
pub struct StoredAlert {
    pub alert_id: i64,
    pub kind: String,
    pub subject: String,
    pub window_from: NaiveDate,
    pub threshold: String,
    pub arming: i32,
    pub raised_at: DateTime<Utc>,
    pub cause: String,
    pub facts: Option<AlertFacts>,
    pub is_personal: bool,
    pub acknowledged_by: Option<String>,
    pub acknowledged_at: Option<DateTime<Utc>>,
    pub rearmed_because: Option<String>,
    pub ended_at: Option<DateTime<Utc>>,
    /// Way, destination, state, attempts, when it was sent and what went wrong, as JSON.
    pub messages: serde_json::Value,
}

/// Which alerts are asked for.
#[derive(Debug, Clone, Default)]
pub struct AlertFilter<'f> {
    pub subject: Option<&'f str>,
    pub kind: Option<&'f str>,
    pub only_open: bool,
    pub sees_people: bool,
    pub before: Option<i64>,
    pub alert_id: Option<i64>,
    pub limit: i64,
}

pub async fn list_alerts(connection: &mut PgConnection, filter: &AlertFilter<'_>) -> StoreResult<Vec<StoredAlert>> {
    let rows = sqlx::query_file!(
        "queries/alerts/list.sql",
        filter.subject,
        filter.kind,
        filter.only_open,
        filter.sees_people,
        filter.before,
        filter.limit,
        filter.alert_id
    )
    .fetch_all(connection)
    .await?;
    let alerts = rows.into_iter().map(|row| StoredAlert {
        alert_id: row.alert_id,
        kind: row.kind,
        subject: row.subject,
        window_from: row.window_from,
        threshold: row.threshold,
        arming: row.arming,
        raised_at: row.raised_at,
        cause: row.cause,
        facts: serde_json::from_value(row.facts).ok(),
        is_personal: row.is_personal,
        acknowledged_by: row.acknowledged_by,
        acknowledged_at: row.acknowledged_at,
        rearmed_because: row.rearmed_because,
        ended_at: row.ended_at,
        messages: row.messages,
    });
    Ok(alerts.collect())
}

/// Says that somebody has seen to an alert; false where somebody had already.
pub async fn acknowledge(
    connection: &mut PgConnection,
    alert_id: i64,
    by: &str,
    at: DateTime<Utc>,
) -> StoreResult<bool> {
    let changed = sqlx::query_file!("queries/alerts/acknowledge.sql", alert_id, by, at)
        .execute(connection)
        .await?;
    Ok(changed.rows_affected() > 0)
}

/// Keeps a subject silent until a time, what waits to be sent included.
pub async fn snooze(
    connection: &mut PgConnection,
    subject: &str,
    until: DateTime<Utc>,
    by: &str,
    at: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query_file!("queries/alerts/snooze.sql", subject, until, by, at)
        .execute(&mut *connection)
        .await?;
    sqlx::query_file!("queries/outbox/postpone.sql", subject, until)
        .execute(connection)
        .await?;
    Ok(())
}
