//! Job `check-aws-setup`: whether AWS still delivers what anbun needs.
//!
//! Runs once a day.  Reads definitions of exports and legacy reports; writes findings only.  Safe to repeat; a handful of
//! free requests.  An account that does not let it look is a finding, not a failure.

use super::{JobContext, NamedExport, RunReport};
use crate::domain::check::{Check, Health};
use crate::domain::cost_explorer::PRINCIPAL_TAG_PREFIX;
use crate::domain::finding::Finding;
use crate::sources::aws::{AwsAccess, AwsFailure, AwsFailureKind};
use crate::sources::cur::ExportLocation;
use crate::sources::data_exports::{BucketPlace, DataExports, examine};
use crate::store::StoreError;
use crate::store::cost_explorer::{PrincipalTag, TagStatus};

const SOURCE: &str = "aws-setup";

pub(super) async fn check_aws_setup(with: &JobContext, report: &mut RunReport) -> anyhow::Result<()> {
    let mut checks = Vec::new();
    for (account, places) in places_by_account(&with.exports) {
        match examine_exports(&account, &places).await {
            Ok(found) => checks.extend(found),
            Err(failure) if failure.kind == AwsFailureKind::NotAllowed => {
                checks.push(unreadable("Data Exports", &failure))
            }
            Err(failure) => report.failures.push(anyhow::Error::new(failure)),
        }
    }
    if with.cost_explorer.is_some() {
        let mut connection = with.database.pool.acquire().await.map_err(StoreError::from)?;
        for payer in crate::store::cost_explorer::list_payer_months(&mut connection)
            .await?
            .into_keys()
        {
            let (tags, _) = crate::store::cost_explorer::list_tags(&mut connection, &payer).await?;
            checks.extend(tags.iter().map(check_tag));
        }
    }
    report.count("checks", i64::try_from(checks.len())?);
    for check in checks {
        if let Some(severity) = check.health.severity() {
            report.count("not_well", 1);
            let finding = Finding::new("aws_setup", severity, check.check, check.found, check.action);
            report.find(None, SOURCE, finding);
        }
    }
    Ok(())
}

/// Exports that AWS itself delivers, by the account that owns them.
pub fn places_by_account(exports: &[NamedExport]) -> Vec<(AwsAccess, Vec<BucketPlace>)> {
    let mut accounts: Vec<(AwsAccess, Vec<BucketPlace>)> = Vec::new();
    for export in exports {
        let (Some(account), ExportLocation::Bucket { bucket, prefix, .. }) = (&export.account, &export.location) else {
            continue;
        };
        let place = BucketPlace {
            name: export.name.clone(),
            bucket: bucket.clone(),
            prefix: prefix.clone(),
        };
        match accounts.iter_mut().find(|(known, _)| known == account) {
            Some((_, places)) => places.push(place),
            None => accounts.push((account.clone(), vec![place])),
        }
    }
    accounts
}

/// Checks of the exports' definitions.
pub async fn examine_exports(access: &AwsAccess, places: &[BucketPlace]) -> Result<Vec<Check>, AwsFailure> {
    let client = DataExports::connect(access).await;
    let exports = client.fetch_exports().await?;
    let has_one = exports.iter().any(|export| export.is_of_the_bill());
    // Legacy reports explain only why there is none.
    let legacy = if has_one {
        Vec::new()
    } else {
        client.fetch_legacy_reports().await?
    };
    Ok(examine(places, &exports, &legacy))
}

/// A check that AWS did not let us make.
pub fn unreadable(check: &str, failure: &AwsFailure) -> Check {
    let found = format!("{}: {}", failure.object, failure.what);
    match failure.kind {
        AwsFailureKind::Throttled | AwsFailureKind::Unavailable => {
            Check::warn(check, found, failure.remedy.to_string())
        }
        _ => Check::fail(check, found, failure.remedy.to_string()),
    }
}

/// Whether a principal tag can be grouped by.
pub fn check_tag(tag: &PrincipalTag) -> Check {
    let check = format!("tag {}", tag.key);
    let plain = tag.key.trim_start_matches(PRINCIPAL_TAG_PREFIX);
    match tag.status {
        TagStatus::Active => {
            let used = tag
                .last_used
                .map(|day| format!(", last used on {day}"))
                .unwrap_or_default();
            Check::ok(check, format!("is active{used}"))
        }
        TagStatus::Seen => Check::warn(
            check,
            "AWS has seen it on a principal that called, but it is not activated",
            format!(
                "activate it under Cost allocation tags in the payer account; '{plain}' as a resource tag is another one"
            ),
        ),
        TagStatus::NeverSeen => Check {
            check,
            health: Health::Ok,
            found: "no principal that called carries it".to_owned(),
            action: String::new(),
        },
    }
}
