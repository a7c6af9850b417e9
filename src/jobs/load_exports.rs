//! Job `load-exports`: polls the manifests of every export of the settings and loads the billing periods that are new.
//!
//! Reads listings and manifests, and the data files of what is new; writes snapshots.  Safe to repeat: an unchanged
//! delivery is not read.  Each export and each month is by itself: one that fails does not keep the others from being
//! loaded, and its last good figures stay.  Limits: those of one load at a time.

use chrono::Datelike;

use super::load_export::{LoadExport, Loading, PeriodOutcome};
use super::{JobContext, NamedExport, RunReport};
use crate::domain::finding::{Finding, Severity};
use crate::domain::period::BillingPeriod;
use crate::sources::cur::SourceError;

/// By this day of a month AWS has delivered its first ones.
const DELIVERED_BY_DAY: u32 = 4;

pub(super) async fn load_exports(with: &JobContext, report: &mut RunReport) -> anyhow::Result<()> {
    for export in &with.exports {
        report.examined.insert(export.name.clone());
        if let Err(error) = load_one(export, with, report).await {
            if let Some(SourceError::NoDelivery { .. }) = error.downcast_ref() {
                let message = format!("export '{}': {error}", export.name);
                let action = "nothing on the first day; then see the export's health in AWS Data Exports";
                let subject = export.location.address();
                report.find(
                    None,
                    &export.name,
                    Finding::new("month_not_delivered", Severity::Warning, subject, message, action),
                );
                continue;
            }
            let finding = Finding::new(
                "export_unreadable",
                Severity::Error,
                export.location.address(),
                format!(
                    "export '{}' cannot be read, its figures may be old: {error:#}",
                    export.name
                ),
                "do what the message says; the next run tries again",
            );
            report.find(None, &export.name, finding);
            report.failures.push(error.context(format!("export '{}'", export.name)));
        }
    }
    Ok(())
}

async fn load_one(export: &NamedExport, with: &JobContext, report: &mut RunReport) -> anyhow::Result<()> {
    let job = LoadExport {
        name: Some(export.name.clone()),
        location: export.location.clone(),
        periods: Vec::new(),
        force: false,
    };
    let loading = Loading {
        database: &with.database,
        settings: &with.attribution,
        clock: with.clock,
        actor: &with.actor,
        progress: &|line| tracing::debug!(export.name = export.name, "{line}"),
    };
    let outcome = job.run(&loading).await?;
    report.count("bytes_fetched", i64::try_from(outcome.bytes_fetched)?);
    let today = with.clock.now().date_naive();
    let month = BillingPeriod::of(today);
    if today.day() >= DELIVERED_BY_DAY && !outcome.periods.iter().any(|(period, _)| *period == month) {
        let message = format!(
            "no delivery of {month} has come from export '{}', though the month has begun",
            export.name
        );
        let action = "see the health of the export in AWS Data Exports, or whether this is still the export in use";
        let subject = month.to_string();
        let finding = Finding::new("month_not_delivered", Severity::Warning, subject, message, action);
        report.find(None, &export.name, finding);
    }
    for (period, outcome) in outcome.periods {
        match outcome {
            PeriodOutcome::Unchanged => report.count("unchanged", 1),
            PeriodOutcome::Loaded { loaded, .. } => {
                report.count("loaded", 1);
                report.count("lines", loaded.lines_read);
            }
            // The month keeps what stands in its way as its own finding.
            PeriodOutcome::Waiting(_) => report.count("under_way", 1),
            PeriodOutcome::Refused(error) => {
                report.count("refused", 1);
                report
                    .refused
                    .push(error.context(format!("export '{}', {period}", export.name)));
            }
            PeriodOutcome::Failed(error) => {
                report.count("failed", 1);
                report
                    .failures
                    .push(error.context(format!("export '{}', {period}", export.name)));
            }
        }
    }
    Ok(())
}
