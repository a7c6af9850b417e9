//! What is loaded: the directory, deliveries, callers, what is attributed, and the jobs.

use rust_decimal::Decimal;

use crate::api::deliveries::{self, DeliveryView};
use crate::api::findings::job_findings;
use crate::cli::CommandContext;
use crate::domain::check::Check;
use crate::store::database::Database;
use crate::store::status::{self, AttributedShare};
use crate::store::{StoreResult, directory};

/// Attributed usage below this share of a month is worth a look.
const ATTRIBUTED_PERCENT_MIN: i64 = 80;
const CLOCK_SECONDS_MAX: i64 = 30;
const DELIVERIES_SHOWN: usize = 12;
const MONTHS_SHOWN: usize = 6;

pub(super) async fn checks(context: &CommandContext, database: &Database) -> Vec<Check> {
    match read(context, database).await {
        Ok(checks) => checks,
        Err(error) => vec![Check::fail("stored data", error.to_string(), "see the message")],
    }
}

async fn read(context: &CommandContext, database: &Database) -> StoreResult<Vec<Check>> {
    let mut connection = database.pool.acquire().await?;
    let seen = context.as_seen();
    let server_now = database.now(&mut connection).await?;
    let mut checks = vec![clock((server_now - seen.now).num_seconds())];
    let known = directory::get_directory(&mut connection).await?;
    checks.push(if known.departments.is_empty() {
        let action = "run 'anbun directory import FILE...'";
        Check::fail(
            "directory",
            "it has no departments, so nothing can be attributed",
            action,
        )
    } else {
        let (departments, people, principals) = (known.departments.len(), known.people.len(), known.principals.len());
        Check::ok(
            "directory",
            format!("{departments} departments, {people} people, {principals} principals"),
        )
    });
    let loaded = deliveries::read(&mut connection, &seen).await?;
    if loaded.data.is_empty() {
        checks.push(Check::fail(
            "loaded data",
            "no delivery is loaded",
            "run 'anbun ingest cur LOCATION'",
        ));
    }
    checks.extend(
        loaded
            .data
            .iter()
            .take(DELIVERIES_SHOWN)
            .map(|delivery| check_delivery(delivery, seen.now)),
    );
    let late = loaded
        .footing
        .findings
        .iter()
        .filter(|f| matches!(f.code.as_str(), "days_not_delivered" | "data_is_stale"));
    checks.extend(late.map(|finding| {
        let subject = format!("age of {}", finding.period.as_deref().unwrap_or("the data"));
        let (message, action) = (finding.message.clone(), finding.action.clone());
        if finding.severity == "error" {
            Check::fail(subject, message, action)
        } else {
            Check::warn(subject, message, action)
        }
    }));
    if let Some(newest) = loaded.data.first() {
        let of_newest = |code: &str| {
            let of = loaded
                .footing
                .findings
                .iter()
                .filter(|f| f.period.as_ref() == Some(&newest.period));
            of.into_iter().find(|f| f.code == code).cloned()
        };
        let wrong = of_newest("principal_column_missing").or_else(|| of_newest("principal_column_blank"));
        checks.push(match wrong {
            Some(finding) => Check::fail("callers", finding.message, finding.action),
            None => Check::ok(
                "callers",
                format!("the principal column is there and filled in {}", newest.period),
            ),
        });
    }
    let shares = status::list_attributed_shares(&mut connection).await?;
    checks.extend(shares.iter().take(MONTHS_SHOWN).filter_map(check_share));
    checks.extend(
        job_findings(&mut connection, &seen)
            .await?
            .into_iter()
            .map(|finding| Check::fail(format!("job {}", finding.subject), finding.message, finding.action)),
    );
    Ok(checks)
}

fn clock(skew_seconds: i64) -> Check {
    if skew_seconds.abs() < CLOCK_SECONDS_MAX {
        Check::ok("clock", "agrees with the database")
    } else {
        let found = format!("{} s away from the database's", skew_seconds.abs());
        Check::warn(
            "clock",
            found,
            "set the clock of the machine: AWS refuses what is five minutes off",
        )
    }
}

fn check_delivery(delivery: &DeliveryView, now: chrono::DateTime<chrono::Utc>) -> Check {
    let name = format!("delivery {} of {}", delivery.period, delivery.source);
    let age = (now - delivery.delivered_at).num_days();
    let found = format!(
        "{} lines, {age} days old, {} errors, {} warnings",
        delivery.lines_read, delivery.errors, delivery.warnings
    );
    match (delivery.errors, delivery.directory_is_newer) {
        (0, false) => Check::ok(name, found),
        (0, true) => {
            let found = format!("{found}, attributed by an older directory");
            Check::warn(name, found, "load it again with --force")
        }
        _ => Check::fail(
            name,
            found,
            format!("see 'anbun chargeback preview {}'", delivery.period),
        ),
    }
}

fn check_share(share: &AttributedShare) -> Option<Check> {
    let part = share.attributed.checked_div(share.total)?;
    let percent = (part * Decimal::ONE_HUNDRED).round_dp(1);
    let name = format!("attributed in {} ({})", share.period, share.currency);
    let found = format!("{percent} % of the usage");
    Some(if percent >= Decimal::from(ATTRIBUTED_PERCENT_MIN) {
        Check::ok(name, found)
    } else {
        let action = "see 'anbun costs --by principal,reason --where state=quarantined'";
        Check::warn(name, found, action)
    })
}
