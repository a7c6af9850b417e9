//! Job `recount-charges`: sums months a second way, straight from their files, and compares with what is stored and answered.
//!
//! Runs once a day.  Reads the files of months that AWS still refreshes, and of deliveries that were never recounted;
//! writes findings of those deliveries.  Safe to repeat.  Limits: a few older months a run, one file at a time, its sums in
//! memory, and for files in a bucket five columns of one of them on disk.

use chrono::{DateTime, TimeDelta, Utc};

use super::{JobContext, RunReport};
use crate::domain::finding::{Finding, Severity};
use crate::domain::recount::compare;
use crate::sources::cur::{ExportLocation, recount, remove_left_over_layouts};
use crate::store::StoreError;
use crate::store::recounts::{self, LoadedMonth};

/// A retry on the same day does not read again what it has read.
const RECOUNTED_EVERY: TimeDelta = TimeDelta::hours(20);
/// Months that do not change any more, in one run.
const OLDER_MONTHS_MAX: usize = 6;
/// Findings that are kept of one month: one that differs everywhere is told in fewer words.
const DIFFERENCES_MAX: usize = 200;

pub(super) async fn recount_charges(with: &JobContext, report: &mut RunReport) -> anyhow::Result<()> {
    let mut connection = with.database.pool.acquire().await.map_err(StoreError::from)?;
    let months = recounts::list_loaded(&mut connection).await?;
    drop(connection);
    let now = with.clock.now();
    remove_left_over_layouts(now);
    let mut older = 0;
    for month in months {
        if !is_worth_it(&month, now) || older == OLDER_MONTHS_MAX {
            continue;
        }
        match recount_month(&month, with, now).await {
            Ok(Recounted::Agrees { lines }) => {
                report.count("agree", 1);
                report.count("lines", lines);
                older += usize::from(!month.period.is_settling(now.date_naive()));
            }
            Ok(Recounted::Differs(findings)) => {
                report.count("differ", 1);
                let first = findings
                    .first()
                    .map(|finding| finding.message.clone())
                    .unwrap_or_default();
                tracing::error!(source = month.source, period = %month.period, differences = findings.len(), first, "a recount differs");
            }
            // Loading it comes first.
            Ok(Recounted::Superseded) => report.count("newer_delivery", 1),
            Ok(Recounted::NotThere) => {
                report.count("files_not_there", 1);
                report.find(Some(month.period), &month.source, not_recounted(&month));
            }
            Err(error) => {
                report
                    .failures
                    .push(error.context(format!("recount of {} of '{}'", month.period, month.source)));
            }
        }
    }
    Ok(())
}

/// Months that AWS still refreshes, once a day; others once.
fn is_worth_it(month: &LoadedMonth, now: DateTime<Utc>) -> bool {
    match month.recounted_at {
        None => true,
        Some(at) => month.period.is_settling(now.date_naive()) && now - at >= RECOUNTED_EVERY,
    }
}

fn not_recounted(month: &LoadedMonth) -> Finding {
    let message = format!(
        "its files are no longer at {}, so a second route cannot count them",
        month.location
    );
    let subject = format!("{} of {}", month.period, month.source);
    Finding::new(
        "not_recounted",
        Severity::Info,
        subject,
        message,
        "nothing; the loaded figures stay",
    )
}

enum Recounted {
    Agrees {
        lines: i64,
    },
    Differs(Vec<Finding>),
    /// There is a newer delivery than the loaded one.
    Superseded,
    /// The files are gone: a folder that was loaded by hand, a month that a lifecycle rule took.
    NotThere,
}

async fn recount_month(month: &LoadedMonth, with: &JobContext, now: DateTime<Utc>) -> anyhow::Result<Recounted> {
    let Some(location) = location_of(month, with) else {
        return Ok(Recounted::NotThere);
    };
    let export = location.connect(now).await?;
    let found = export
        .find_manifests()
        .await?
        .into_iter()
        .find(|(period, _)| *period == month.period);
    let Some((_, head)) = found else {
        return Ok(Recounted::NotThere);
    };
    let head = head?;
    let manifest = export.describe(&head).await?;
    if manifest.digest != month.digest {
        return Ok(Recounted::Superseded);
    }
    let recounted = recount(&export, &manifest).await?;
    export.check_unchanged(&manifest).await?;
    let mut connection = with.database.pool.acquire().await.map_err(StoreError::from)?;
    let stored = recounts::sum_stored(&mut connection, &month.source, month.period).await?;
    let is_current = recounts::list_loaded(&mut connection)
        .await?
        .iter()
        .any(|m| m.snapshot_id == month.snapshot_id);
    if !is_current {
        return Ok(Recounted::Superseded);
    }
    let mut findings = compare(&recounted, &stored);
    findings.truncate(DIFFERENCES_MAX);
    recounts::note_recount(&mut connection, month.snapshot_id, &findings, now).await?;
    Ok(if findings.is_empty() {
        let lines = recounted.values().map(|sum| sum.lines).sum();
        Recounted::Agrees { lines }
    } else {
        Recounted::Differs(findings)
    })
}

/// The export by the settings, else where it was loaded from by hand.
fn location_of(month: &LoadedMonth, with: &JobContext) -> Option<ExportLocation> {
    if let Some(export) = with.exports.iter().find(|export| export.name == month.source) {
        return Some(export.location.clone());
    }
    if let Some((bucket, prefix)) = month
        .location
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'))
    {
        return Some(ExportLocation::of_bucket(bucket, prefix, with.account.clone()));
    }
    let folder = std::path::PathBuf::from(&month.location);
    folder.is_dir().then_some(ExportLocation::Folder(folder))
}
