//! `anbun ingest`

use anyhow::Context;
use clap::Subcommand;

use super::locations::{cost_explorer_settings, export_location};
use super::output::{self, Table};
use super::{CommandContext, NeedsDecision};
use crate::api::deliveries::{self, ChangesView, DeliveryView};
use crate::api::view::FindingView;
use crate::config::ExportConfig;
use crate::domain::actor::{Action, authorize};
use crate::domain::finding::Severity;
use crate::domain::job::JobName;
use crate::domain::period::BillingPeriod;
use crate::domain::text::grouped;
use crate::jobs::load_export::{LoadExport, PeriodOutcome};
use crate::sources::cur::ExportLocation;
use crate::store::load;

#[derive(Debug, Subcommand)]
pub(super) enum IngestCommand {
    /// Load a CUR 2.0 export: every billing period whose delivery is new
    Cur {
        /// s3://bucket/prefix/export-name, the export's folder (it holds 'data' and 'metadata'), a file:// address, or the name
        /// of an export in the settings
        location: String,
        /// Only this month; may be repeated
        #[arg(long, value_name = "YYYY-MM")]
        period: Vec<BillingPeriod>,
        /// Load again what is loaded already, by today's directory
        #[arg(long)]
        force: bool,
    },
    /// Ask Cost Explorer for what it has not been asked yet, and compare with the bill; each request costs 0.01 USD
    CostExplorer {
        /// Only this month
        #[arg(long, value_name = "YYYY-MM")]
        period: Option<BillingPeriod>,
        /// Instead of the settings' max_requests_per_day, this once
        #[arg(long, value_name = "N")]
        max_requests: Option<u32>,
    },
    /// What is loaded, how old it is, and its gaps
    Status,
    /// Remove a month that was loaded from an export
    Forget {
        /// The export as 'ingest status' names it
        source: String,
        #[arg(long, value_name = "YYYY-MM", required = true)]
        period: Vec<BillingPeriod>,
    },
}

pub(super) async fn run(context: &CommandContext, command: IngestCommand) -> anyhow::Result<()> {
    match command {
        IngestCommand::Cur {
            location,
            period,
            force,
        } => {
            let (name, location) = locate(context, &location)?;
            let job = LoadExport {
                name,
                location,
                periods: period,
                force,
            };
            load_export(context, &job).await
        }
        IngestCommand::CostExplorer { period, max_requests } => {
            let mut settings = cost_explorer_settings(&context.config);
            settings.period = period;
            settings.max_requests_per_day = max_requests.unwrap_or(settings.max_requests_per_day);
            super::job::run_now(context, JobName::FetchCostExplorer, |with| {
                with.cost_explorer = Some(settings)
            })
            .await
        }
        IngestCommand::Status => status(context).await,
        IngestCommand::Forget { source, period } => forget(context, &source, &period).await,
    }
}

/// An export of the settings by its name or location, else the location itself.
fn locate(context: &CommandContext, location: &str) -> anyhow::Result<(Option<String>, ExportLocation)> {
    let known = context
        .config
        .exports
        .iter()
        .find(|export| export.name == location || export.location == location);
    match known {
        Some(export) => Ok((Some(export.name.clone()), export_location(&context.config, export))),
        None => {
            let export = ExportConfig::at(location);
            export.check().map_err(anyhow::Error::msg)?;
            Ok((None, export_location(&context.config, &export)))
        }
    }
}

async fn load_export(context: &CommandContext, job: &LoadExport) -> anyhow::Result<()> {
    let database = context.database().await?;
    let settings = context.config.attribution.settings()?;
    let outcome = job.run(&context.loading(&database, &settings)).await?;
    if outcome.bytes_fetched > 0 {
        eprintln!("{} bytes fetched", grouped(&outcome.bytes_fetched.to_string()));
    }
    let mut table = Table::new(&[
        "period",
        "outcome",
        "lines",
        "charges",
        "Bedrock lines",
        "cost",
        "errors",
        "warnings",
    ]);
    let mut refused = Vec::new();
    let mut findings: Vec<FindingView> = Vec::new();
    for (period, outcome) in outcome.periods {
        let mut cells = vec![period.to_string()];
        match outcome {
            PeriodOutcome::Loaded {
                loaded,
                findings: found,
            } => {
                let count = |severity| found.iter().filter(|f| f.severity == severity).count().to_string();
                let costs = loaded
                    .costs
                    .iter()
                    .map(|(currency, cost)| format!("{} {currency}", grouped(&cost.to_string())));
                cells.push("loaded".to_owned());
                cells.extend([loaded.lines_read, loaded.charges, loaded.lines_kept].map(|n| grouped(&n.to_string())));
                cells.extend([
                    costs.collect::<Vec<_>>().join("; "),
                    count(Severity::Error),
                    count(Severity::Warning),
                ]);
                findings.extend(found.into_iter().map(|finding| FindingView::new(Some(period), finding)));
            }
            PeriodOutcome::Unchanged => cells.extend(
                ["unchanged".to_owned()]
                    .into_iter()
                    .chain(std::iter::repeat_n(String::new(), 6)),
            ),
            PeriodOutcome::Waiting(error) => {
                cells.extend(
                    ["under way".to_owned()]
                        .into_iter()
                        .chain(std::iter::repeat_n(String::new(), 6)),
                );
                refused.push(error);
            }
            PeriodOutcome::Refused(error) | PeriodOutcome::Failed(error) => {
                cells.extend(
                    ["refused".to_owned()]
                        .into_iter()
                        .chain(std::iter::repeat_n(String::new(), 6)),
                );
                refused.push(error);
            }
        }
        table.push(cells);
    }
    let view: Vec<std::collections::BTreeMap<&String, &String>> = table
        .rows
        .iter()
        .map(|row| table.header.iter().zip(row).collect())
        .collect();
    output::print(context.format(), &view, &table)?;
    output::print_findings(&findings);
    let count = refused.len();
    match refused.into_iter().next() {
        None => Ok(()),
        Some(error) if count == 1 => Err(error),
        Some(error) => Err(error.context(format!("{count} months were refused, the first because"))),
    }
}

async fn status(context: &CommandContext) -> anyhow::Result<()> {
    authorize(&context.actor, Action::ReadOperations)?;
    let database = context.database().await?;
    let view = deliveries::read(&mut *database.pool.acquire().await?, &context.as_seen()).await?;
    let mut table = Table::new(&[
        "period",
        "source",
        "data as of",
        "days",
        "lines",
        "Bedrock lines",
        "gaps",
        "errors",
        "warnings",
    ]);
    for row in &view.data {
        let days = row
            .first_day
            .zip(row.last_day)
            .map(|(first, last)| format!("{first} to {last}"))
            .unwrap_or_default();
        table.push(vec![
            row.period.clone(),
            row.source.clone(),
            row.delivered_at.format("%Y-%m-%d %H:%M UTC").to_string(),
            days,
            grouped(&row.lines_read.to_string()),
            grouped(&row.lines_kept.to_string()),
            row.gaps.join(" "),
            row.errors.to_string(),
            row.warnings.to_string(),
        ]);
    }
    output::print(context.format(), &view, &table)?;
    for row in &view.data {
        row.changes.iter().for_each(|changes| tell_changes(row, changes));
    }
    match view.data.iter().find(|row| row.errors > 0) {
        None => Ok(()),
        Some(row) => Err(NeedsDecision(format!(
            "{} of {} has findings that a person must look at; see 'anbun chargeback preview {}'",
            row.period, row.source, row.period
        ))
        .into()),
    }
}

/// Changes of one delivery that are told one by one.
const CHANGES_TOLD: usize = 3;

/// What the last refresh of a month changed, the largest first.
fn tell_changes(row: &DeliveryView, changes: &ChangesView) {
    let since = changes.since.format("%-d %b");
    if changes.count == 0 {
        eprintln!(
            "{} of {}: no amount changed since the delivery of {since}",
            row.period, row.source
        );
    }
    for change in changes.largest.iter().take(CHANGES_TOLD) {
        let where_ = change
            .department
            .as_ref()
            .or(change.reason.as_ref())
            .unwrap_or(&change.charge_type);
        eprintln!(
            "{} of {}: {} {} in {where_}, {}, since the delivery of {since}",
            row.period,
            row.source,
            signed(&change.amount.amount),
            change.amount.currency,
            change.day.format("%-d %b"),
        );
    }
    if changes.count > CHANGES_TOLD {
        let total: Vec<String> = changes
            .total
            .iter()
            .map(|total| format!("{} {}", signed(&total.amount), total.currency))
            .collect();
        eprintln!(
            "{} of {}: {} changes in all, {} together; 'anbun ingest status --format json' has the largest",
            row.period,
            row.source,
            changes.count,
            total.join(", ")
        );
    }
}

fn signed(amount: &str) -> String {
    let sign = if amount.starts_with('-') { "" } else { "+" };
    format!("{sign}{}", grouped(amount))
}

async fn forget(context: &CommandContext, source: &str, periods: &[BillingPeriod]) -> anyhow::Result<()> {
    authorize(&context.actor, Action::LoadData)?;
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let source_id = load::find_source(&mut connection, source)
        .await?
        .with_context(|| format!("there is no source '{source}'; see 'anbun ingest status'"))?;
    for period in periods {
        let was_loaded = load::forget(&mut connection, source_id, *period).await?;
        anyhow::ensure!(was_loaded, "{period} of '{source}' is not loaded");
        eprintln!("{period} of '{source}' is no longer counted");
    }
    Ok(())
}
