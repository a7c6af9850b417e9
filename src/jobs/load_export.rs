//! Loads an export: every billing period whose delivery is new.
//!
//! Reads manifests and Parquet files, writes one snapshot a period.  Safe to repeat: an unchanged delivery changes
//! nothing, a killed load left nothing.  Limits: one period at a time, as many threads as cores for reading it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::clock::Clock;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::attribution::AttributionSettings;
use crate::domain::booked::book;
use crate::domain::coverage;
use crate::domain::finding::Finding;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::sources::cur::manifest::{self, Manifest};
use crate::sources::cur::{SourceError, read_delivery};
use crate::store::database::Database;
use crate::store::{directory, load};

/// What to load.
#[derive(Debug, Clone)]
pub struct LoadExport {
    /// What the export is called; its canonical path unless the settings name it.
    pub name: Option<String>,
    pub folder: PathBuf,
    /// Only these periods; all where empty.
    pub periods: Vec<BillingPeriod>,
    /// Load a delivery again that is loaded already, by today's directory.
    pub force: bool,
}

/// What was loaded of a billing period.
#[derive(Debug)]
pub struct Loaded {
    pub lines_read: i64,
    pub lines_kept: i64,
    pub charges: i64,
    /// Cost of the kept lines per currency.
    pub costs: BTreeMap<String, Amount>,
}

/// What happened to one billing period.
#[derive(Debug)]
pub enum PeriodOutcome {
    Loaded { loaded: Loaded, findings: Vec<Finding> },
    Unchanged,
    Refused(anyhow::Error),
}

impl LoadExport {
    /// Loads period after period; one that is refused does not keep the others from being loaded.
    pub async fn run(
        &self,
        database: &Database,
        settings: &AttributionSettings,
        clock: Clock,
        actor: &Actor,
        progress: &(dyn Fn(String) + Sync),
    ) -> anyhow::Result<Vec<(BillingPeriod, PeriodOutcome)>> {
        authorize(actor, Action::LoadData)?;
        let export = self
            .folder
            .canonicalize()
            .with_context(|| format!("{}: there is no such export folder", self.folder.display()))?;
        let mut found = manifest::find_manifests(&export)?;
        if !self.periods.is_empty() {
            for period in &self.periods {
                anyhow::ensure!(
                    found.iter().any(|(p, _)| p == period),
                    "{}: the export has no month {period}",
                    export.display()
                );
            }
            found.retain(|(period, _)| self.periods.contains(period));
        }
        let name = self.name.clone().unwrap_or_else(|| export.display().to_string());
        let mut outcomes = Vec::with_capacity(found.len());
        for (period, manifest) in found {
            let outcome = match manifest {
                Ok(manifest) => {
                    self.load_period(&name, &export, &manifest, database, settings, clock, actor, progress)
                        .await
                }
                Err(error) => Err(error.into()),
            };
            let outcome = outcome.unwrap_or_else(PeriodOutcome::Refused);
            self.note(&name, &export, period, &outcome, database, clock).await?;
            outcomes.push((period, outcome));
        }
        Ok(outcomes)
    }

    /// A refusal stays with the month until a delivery of it is loaded: the old figures must not look like the newest.
    async fn note(
        &self,
        name: &str,
        export: &Path,
        period: BillingPeriod,
        outcome: &PeriodOutcome,
        database: &Database,
        clock: Clock,
    ) -> anyhow::Result<()> {
        let mut connection = database.pool.acquire().await.map_err(crate::store::StoreError::from)?;
        let source_id = load::ensure_source(&mut connection, name, &export.display().to_string()).await?;
        let message = match outcome {
            PeriodOutcome::Refused(error) => Some(format!("{error:#}")),
            PeriodOutcome::Loaded { .. } | PeriodOutcome::Unchanged => None,
        };
        let refusal = message.as_deref().map(|message| (clock.now(), message));
        Ok(load::note_refusal(&mut connection, source_id, period, refusal).await?)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one call, from `run`; each argument is another thing"
    )]
    async fn load_period(
        &self,
        name: &str,
        export: &Path,
        manifest: &Manifest,
        database: &Database,
        settings: &AttributionSettings,
        clock: Clock,
        actor: &Actor,
        progress: &(dyn Fn(String) + Sync),
    ) -> anyhow::Result<PeriodOutcome> {
        let period = manifest.period;
        // Its own connection: the month's lock ends with it, also when this program is killed.
        let mut connection = database
            .pool
            .acquire()
            .await
            .map_err(crate::store::StoreError::from)?
            .detach();
        load::lock_period(&mut connection, period, || {
            progress(format!("{period}: another load of this month is running; waiting"))
        })
        .await?;
        let source_id = load::ensure_source(&mut connection, name, &export.display().to_string()).await?;
        // Another load may have had the lock for long: what is the latest delivery is asked only now.
        let manifest = &manifest::find_manifest(export, period)?;
        let current = load::find_current_snapshot(&mut connection, source_id, period).await?;
        match current {
            Some(current) if !self.force && current.digest == manifest.digest => return Ok(PeriodOutcome::Unchanged),
            Some(current) if !self.force && manifest.is_same_manifest(&current.digest) => {
                return Err(SourceError::Changed {
                    path: manifest.path.clone(),
                }
                .into());
            }
            _ => {}
        }
        progress(format!("{period}: reading {} files", manifest.files.len()));
        let delivery = read_whole(export, manifest).await?;
        let (directory, directory_version) = directory::get_versioned_directory(&mut connection).await?;
        let settings = settings.clone();
        let mut booked = tokio::task::spawn_blocking(move || book(delivery, &directory, &settings)).await?;
        let mut findings = std::mem::take(&mut booked.delivery.findings);
        findings.append(&mut booked.findings);
        findings.extend(coverage::findings(
            period,
            &booked.delivery.days(),
            manifest.delivered_at,
        ));
        progress(format!(
            "{period}: storing {} charges of {} lines",
            booked.delivery.charges.len(),
            booked.delivery.lines_read
        ));
        let provenance = load::Provenance {
            source_id,
            digest: manifest.digest.clone(),
            manifest: manifest.path.display().to_string(),
            delivered_at: manifest.delivered_at,
            loaded_at: clock.now(),
            loaded_by: actor.name.clone(),
            directory_version,
        };
        load::replace_month(&mut connection, &provenance, &booked, &findings).await?;
        load::unlock_period(&mut connection, period).await?;
        let loaded = Loaded {
            lines_read: booked.delivery.lines_read,
            lines_kept: booked.total().lines,
            charges: i64::try_from(booked.delivery.charges.len())?,
            costs: booked
                .costs()
                .into_iter()
                .map(|(currency, cost)| (currency.to_owned(), cost))
                .collect(),
        };
        Ok(PeriodOutcome::Loaded { loaded, findings })
    }
}

/// Reads a delivery and makes sure that it was one: a refresh that began meanwhile would mix two.
async fn read_whole(export: &Path, manifest: &Manifest) -> anyhow::Result<crate::domain::delivery::Delivery> {
    let (export, manifest) = (export.to_path_buf(), manifest.clone());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let read = move || -> Result<_, SourceError> {
        let delivery = read_delivery(&manifest, threads)?;
        manifest::check_unchanged(&export, &manifest)?;
        Ok(delivery)
    };
    Ok(tokio::task::spawn_blocking(read).await??)
}
