//! `anbun doctor`: everything that anbun needs, each with the one thing to do next.

use serde::Serialize;

use super::output::{self, Table};
use super::{CommandContext, NeedsDecision};
use crate::api::deliveries;
use crate::domain::actor::{Action, authorize};
use crate::store::database::Database;
use crate::store::status;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct Check {
    check: String,
    health: Health,
    found: String,
    /// The one thing to do next.
    action: String,
}

impl Check {
    fn new(check: impl Into<String>, health: Health, found: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            health,
            found: found.into(),
            action: action.into(),
        }
    }
}

/// Attributed usage below this share of a month is worth a look.
const ATTRIBUTED_PERCENT_MIN: i64 = 80;

pub(super) async fn run(context: &CommandContext) -> anyhow::Result<()> {
    authorize(&context.actor, Action::ReadOperations)?;
    let mut checks = vec![Check::new("settings", Health::Ok, "read and understood", "")];
    match context.connect().await {
        Err(error) => checks.push(Check::new(
            "database",
            Health::Fail,
            format!("{error:#}"),
            "see the message",
        )),
        Ok(database) => {
            checks.push(Check::new(
                "database",
                Health::Ok,
                if context.config.database.url.is_some() {
                    "answers"
                } else {
                    "private, answers"
                },
                "",
            ));
            match database.check_schema().await {
                Ok(()) => {
                    checks.push(Check::new("schema", Health::Ok, "is that of this version", ""));
                    checks.extend(data_checks(context, &database).await?);
                }
                Err(error) => checks.push(Check::new(
                    "schema",
                    Health::Fail,
                    error.to_string(),
                    "run 'anbun migrate'",
                )),
            }
        }
    }
    let mut table = Table::new(&["", "check", "found", "next"]);
    for check in &checks {
        let health = match check.health {
            Health::Ok => "ok",
            Health::Warn => "warn",
            Health::Fail => "FAIL",
        };
        table.push(vec![
            health.to_owned(),
            check.check.clone(),
            check.found.clone(),
            check.action.clone(),
        ]);
    }
    output::print(context.format(), &checks, &table)?;
    match checks.iter().filter(|check| check.health == Health::Fail).count() {
        0 => Ok(()),
        failed => Err(NeedsDecision(format!("{failed} checks need a person")).into()),
    }
}

async fn data_checks(context: &CommandContext, database: &Database) -> anyhow::Result<Vec<Check>> {
    let mut connection = database.pool.acquire().await?;
    let mut checks = Vec::new();
    let server_now: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("select now()").fetch_one(&mut *connection).await?;
    let skew = (server_now - context.clock.now()).num_seconds().abs();
    checks.push(if skew < 30 {
        Check::new("clock", Health::Ok, "agrees with the database", "")
    } else {
        Check::new(
            "clock",
            Health::Warn,
            format!("{skew} s away from the database's"),
            "set the clock of the machine",
        )
    });
    let directory = crate::store::directory::get_directory(&mut connection).await?;
    checks.push(if directory.departments.is_empty() {
        Check::new(
            "directory",
            Health::Fail,
            "it has no departments, so nothing can be attributed",
            "run 'anbun directory import FILE...'",
        )
    } else {
        let found = format!(
            "{} departments, {} people, {} principals",
            directory.departments.len(),
            directory.people.len(),
            directory.principals.len()
        );
        Check::new("directory", Health::Ok, found, "")
    });
    for export in &context.config.exports {
        let location = super::locations::export_location(&context.config, export);
        let found = async { location.connect(context.clock.now()).await?.find_manifests().await }.await;
        let name = format!("export {}", export.name);
        checks.push(match found {
            Ok(found) => match found
                .iter()
                .find_map(|(period, manifest)| Some((period, manifest.as_ref().err()?)))
            {
                None => Check::new(name, Health::Ok, format!("{} months", found.len()), ""),
                Some((period, error)) => Check::new(
                    name,
                    Health::Fail,
                    format!("{period}: {error}"),
                    "wait for the next refresh, or see the message",
                ),
            },
            Err(error) => Check::new(name, Health::Fail, error.to_string(), "correct [[exports]] location"),
        });
    }
    let deliveries = deliveries::read(&mut connection, &context.as_seen()).await?.data;
    if deliveries.is_empty() {
        checks.push(Check::new(
            "data",
            Health::Fail,
            "no delivery is loaded",
            "run 'anbun ingest cur LOCATION'",
        ));
    }
    for delivery in deliveries.iter().take(12) {
        let name = format!("delivery {} of {}", delivery.period, delivery.source);
        let age = (context.clock.now() - delivery.delivered_at).num_days();
        let found = format!(
            "{} lines, {age} days old, {} errors, {} warnings",
            delivery.lines_read, delivery.errors, delivery.warnings
        );
        checks.push(match (delivery.errors, delivery.directory_is_newer) {
            (0, false) => Check::new(name, Health::Ok, found, ""),
            (0, true) => Check::new(
                name,
                Health::Warn,
                format!("{found}, attributed by an older directory"),
                "load it again with --force",
            ),
            _ => Check::new(
                name,
                Health::Fail,
                found,
                format!("see 'anbun chargeback preview {}'", delivery.period),
            ),
        });
    }
    for share in status::list_attributed_shares(&mut connection)
        .await?
        .into_iter()
        .take(6)
    {
        if share.total.is_zero() {
            continue;
        }
        let percent = (share.attributed / share.total * rust_decimal::Decimal::ONE_HUNDRED).round_dp(1);
        let name = format!("attributed in {} ({})", share.period, share.currency);
        checks.push(if percent >= rust_decimal::Decimal::from(ATTRIBUTED_PERCENT_MIN) {
            Check::new(name, Health::Ok, format!("{percent} % of the usage"), "")
        } else {
            Check::new(
                name,
                Health::Warn,
                format!("{percent} % of the usage"),
                "see 'anbun costs --by principal,reason --where state=quarantined'",
            )
        });
    }
    Ok(checks)
}
