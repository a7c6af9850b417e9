//! Job `recount-charges`: sums months a second way, straight from their files, and compares with what is stored and answered.
//!
//! Runs once a day.  Reads the files of months that AWS still refreshes, and of deliveries that were never recounted;
//! writes findings of those deliveries.  Safe to repeat.  Limits: a few older months a run, one file at a time, its sums in
//! memory, and for files in a bucket five columns of one of them on disk.

use chrono::{DateTime, Utc};

use super::{JobContext, NamedExport, RunReport};
use crate::domain::finding::Finding;
use crate::domain::recount::compare;
use crate::sources::cur::{ExportLocation, recount};
use crate::store::StoreError;
use crate::store::recounts::{self, LoadedMonth};

/// Months that do not change any more, in one run.
const OLDER_MONTHS_MAX: usize = 6;
/// Findings that are kept of one month: one that differs everywhere is told in fewer words.
const DIFFERENCES_MAX: usize = 200;

pub(super) async fn recount_charges(with: &JobContext, report: &mut RunReport) -> anyhow::Result<()> {
    let mut connection = with.database.pool.acquire().await.map_err(StoreError::from)?;
    let months = recounts::list_loaded(&mut connection).await?;
    drop(connection);
    let now = with.clock.now();
    let mut older = 0;
    for month in months {
        if !month.period.is_settling(now.date_naive()) {
            if month.recounted_at.is_some() || older == OLDER_MONTHS_MAX {
                continue;
            }
            older += 1;
        }
        let what = match recount_month(&month, with, now).await {
            Ok(what) => what,
            Err(error) => {
                report
                    .failures
                    .push(error.context(format!("recount of {} of '{}'", month.period, month.source)));
                continue;
            }
        };
        match what {
            Recounted::Agrees { lines } => {
                report.count("agree", 1);
                report.count("lines", lines);
            }
            Recounted::Differs(_) => report.count("differ", 1),
            Recounted::Superseded => report.count("newer_delivery", 1),
            Recounted::NotThere => report.count("files_not_there", 1),
        }
        if let Recounted::Differs(findings) = what {
            let first = findings
                .first()
                .map(|finding| finding.message.clone())
                .unwrap_or_default();
            tracing::error!(source = month.source, period = %month.period, differences = findings.len(), first, "a recount differs");
        }
    }
    Ok(())
}

enum Recounted {
    Agrees {
        lines: i64,
    },
    Differs(Vec<Finding>),
    /// There is a newer delivery than the loaded one; loading it comes first.
    Superseded,
    /// A folder that was loaded by hand and is gone.
    NotThere,
}

async fn recount_month(month: &LoadedMonth, with: &JobContext, now: DateTime<Utc>) -> anyhow::Result<Recounted> {
    let Some(location) = location_of(month, &with.exports) else {
        return Ok(Recounted::NotThere);
    };
    let export = location.connect(now).await?;
    let head = export.find_manifest(month.period).await?;
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

/// The export by the settings, else the folder that it was loaded from by hand.
fn location_of(month: &LoadedMonth, exports: &[NamedExport]) -> Option<ExportLocation> {
    if let Some(export) = exports.iter().find(|export| export.name == month.source) {
        return Some(export.location.clone());
    }
    let folder = std::path::PathBuf::from(&month.location);
    folder.is_dir().then_some(ExportLocation::Folder(folder))
}
