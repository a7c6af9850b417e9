//! What anbun needs of AWS: credentials, buckets, definitions of exports, Cost Explorer.

use chrono::TimeDelta;

use crate::cli::CommandContext;
use crate::cli::job::named_exports;
use crate::cli::locations::{account_access, cost_explorer_settings};
use crate::domain::check::Check;
use crate::domain::cost_explorer::PRINCIPAL_TAG_PREFIX;
use crate::domain::freshness::STALE_AFTER;
use crate::domain::period::BillingPeriod;
use crate::jobs::NamedExport;
use crate::jobs::check_aws_setup::{check_tag, examine_exports, places_by_account, unreadable};
use crate::sources::aws::AwsAccess;
use crate::sources::cur::{ExportLocation, SourceError};
use crate::sources::identity::fetch_identity;
use crate::store::cost_explorer as store;
use crate::store::database::Database;

/// AWS refuses a signature that is five minutes off.
const SKEW_NEAR_REFUSAL: TimeDelta = TimeDelta::minutes(4);
const SKEW_NOTICED: TimeDelta = TimeDelta::seconds(60);

pub(super) async fn checks(context: &CommandContext, database: Option<&Database>) -> Vec<Check> {
    let exports = named_exports(&context.config);
    let mut checks = Vec::new();
    let mut accounts = places_by_account(&exports);
    let asks_aws = !accounts.is_empty() || context.config.cost_explorer.enabled;
    if accounts.is_empty() && asks_aws {
        accounts.push((account_access(&context.config), Vec::new()));
    }
    for (account, _) in &accounts {
        checks.extend(credentials(account, context).await);
    }
    for export in &exports {
        checks.extend(listing(context, export).await);
    }
    for (account, places) in &accounts {
        match examine_exports(account, places).await {
            Ok(found) => checks.extend(found),
            Err(failure) => checks.push(unreadable("Data Exports", &failure)),
        }
    }
    if exports.is_empty() {
        let action = "name your export under [[exports]] in anbun.toml; 'anbun setup aws' helps to make one";
        checks.push(Check::warn(
            "exports",
            "the settings name none, so nothing is loaded by itself",
            action,
        ));
    }
    match (context.config.cost_explorer.enabled, database) {
        (true, Some(database)) => checks.extend(cost_explorer(context, database).await),
        (true, None) => {}
        (false, _) if asks_aws => checks.push(Check::ok(
            "Cost Explorer",
            "not asked ([cost_explorer] enabled = false)",
        )),
        (false, _) => {}
    }
    checks
}

async fn credentials(account: &AwsAccess, context: &CommandContext) -> Vec<Check> {
    let (check, answered_at) = match fetch_identity(account).await {
        Ok(identity) => {
            let found = format!("{} in account {}", identity.arn, identity.account);
            (Check::ok("credentials", found), identity.answered_at)
        }
        Err(failure) => (unreadable("credentials", &failure), failure.answered_at),
    };
    let clock = answered_at.map(|there| {
        let skew = (there - context.clock.now()).abs();
        let told = format!("{} s away from AWS's", skew.num_seconds());
        let action = "set the clock of the machine: AWS refuses signatures that are five minutes off";
        match skew {
            skew if skew >= SKEW_NEAR_REFUSAL => Check::fail("clock of AWS", told, action),
            skew if skew >= SKEW_NOTICED => Check::warn("clock of AWS", told, action),
            _ => Check::ok("clock of AWS", "agrees with the machine's"),
        }
    });
    std::iter::once(check).chain(clock).collect()
}

/// Whether an export can be listed, and how old its newest manifest is.
async fn listing(context: &CommandContext, export: &NamedExport) -> Vec<Check> {
    let subject = format!("export {}", export.name);
    let now = context.clock.now();
    let found = async { export.location.connect(now).await?.find_manifests().await };
    let found = match found.await {
        Ok(found) => found,
        Err(SourceError::Aws(failure)) => return vec![unreadable(&subject, &failure)],
        Err(error @ SourceError::NoDelivery { .. }) => {
            let action = "wait a day after the export was made; then see its health in AWS Data Exports";
            return vec![Check::warn(subject, error.to_string(), action)];
        }
        Err(error) => return vec![Check::fail(subject, error.to_string(), "correct [[exports]] location")],
    };
    let wrong = found
        .iter()
        .find_map(|(period, head)| Some((period, head.as_ref().err()?)));
    if let Some((period, error)) = wrong {
        let action = "wait for the next refresh, or see the message";
        return vec![Check::fail(subject, format!("{period}: {error}"), action)];
    }
    let newest = found
        .iter()
        .filter_map(|(_, head)| head.as_ref().ok())
        .max_by_key(|head| head.delivered_at);
    let Some(newest) = newest else { return Vec::new() };
    let age = now - newest.delivered_at;
    let months = found.len();
    let told = format!("{months} months, the newest manifest is {} hours old", age.num_hours());
    let current = BillingPeriod::of(now.date_naive());
    let is_live = matches!(export.location, ExportLocation::Bucket { .. }) || newest.period == current;
    vec![if age > STALE_AFTER && is_live {
        let action = "AWS delivers at least once a day: see the health of the export in AWS Data Exports";
        Check::warn(subject, told, action)
    } else {
        Check::ok(subject, told)
    }]
}

/// What is left of the day's requests, and which tags can be grouped by, as the job last saw them.
async fn cost_explorer(context: &CommandContext, database: &Database) -> Vec<Check> {
    let settings = cost_explorer_settings(&context.config);
    let read = async {
        let mut connection = database.pool.acquire().await?;
        let asked = store::count_requests(&mut connection, context.clock.now().date_naive()).await?;
        let mut tags = Vec::new();
        for payer in store::list_payer_months(&mut connection).await?.into_keys() {
            tags.extend(store::list_tags(&mut connection, &payer).await?.0);
        }
        Ok::<_, crate::store::StoreError>((asked, tags))
    };
    let (asked, tags) = match read.await {
        Ok(read) => read,
        Err(error) => return vec![Check::fail("Cost Explorer", error.to_string(), "see the message")],
    };
    let most = i64::from(settings.max_requests_per_day);
    let told = format!("{asked} of {most} requests used today, {} USD", store::price_of(asked));
    let mut checks = vec![if asked >= most {
        Check::warn(
            "Cost Explorer requests",
            told,
            "nothing, tomorrow goes on; or raise max_requests_per_day",
        )
    } else {
        Check::ok("Cost Explorer requests", told)
    }];
    checks.extend(tags.iter().map(check_tag));
    if tags.is_empty() && !settings.tag_keys.is_empty() {
        let keys: Vec<String> = settings
            .tag_keys
            .iter()
            .map(|key| format!("{PRINCIPAL_TAG_PREFIX}{key}"))
            .collect();
        let found = format!("{} were not looked for yet", keys.join(", "));
        checks.push(Check::warn(
            "principal tags",
            found,
            "run 'anbun job run fetch-cost-explorer'",
        ));
    }
    checks
}
