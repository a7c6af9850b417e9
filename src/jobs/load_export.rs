//! Loads an export: every billing period whose delivery is new.
//!
//! Reads manifests and Parquet files, writes one snapshot a period.  Safe to repeat: an unchanged delivery changes
//! nothing, a killed load left nothing.  Limits: one period at a time, as many threads as cores for reading it.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::PgConnection;

use super::close_month::AttributionWords;
use crate::clock::Clock;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::attribution::AttributionSettings;
use crate::domain::booked::book;
use crate::domain::close::MonthState;
use crate::domain::coverage;
use crate::domain::delivery::Delivery;
use crate::domain::directory::Directory;
use crate::domain::finding::Finding;
use crate::domain::job::JobName;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::sources::cur::{Export, ExportLocation, Manifest, ManifestHead, SourceError, read_delivery};
use crate::store::database::Database;
use crate::store::jobs::request_run;
use crate::store::load::{self, CurrentSnapshot, Refusal};
use crate::store::month::find_state;
use crate::store::{StoreError, StoreResult, directory, sealed_directories, statements};

/// A refresh that begins while a delivery is read makes the load start again, so many times in one run.
const RESTARTS_MAX: u32 = 3;
const RESTART_PAUSE: Duration = Duration::from_secs(2);

/// What to load.
#[derive(Debug, Clone)]
pub struct LoadExport {
    /// What the export is called; its address unless the settings name it.
    pub name: Option<String>,
    pub location: ExportLocation,
    /// Only these periods; all where empty.
    pub periods: Vec<BillingPeriod>,
    /// Load a delivery again that is loaded already, by today's directory.
    pub force: bool,
}

/// What a load works with.
pub struct Loading<'a> {
    pub database: &'a Database,
    pub settings: &'a AttributionSettings,
    pub clock: Clock,
    pub actor: &'a Actor,
    pub progress: &'a (dyn Fn(String) + Sync),
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
    Loaded {
        loaded: Loaded,
        findings: Vec<Finding>,
    },
    Unchanged,
    /// A newer delivery is not done yet; what is loaded stays.
    Waiting(anyhow::Error),
    /// The delivery cannot be loaded, however often it is read; what was loaded before stays.
    Refused(anyhow::Error),
    /// It could not be read this time.
    Failed(anyhow::Error),
}

impl PeriodOutcome {
    fn of(error: anyhow::Error) -> Self {
        match error.downcast_ref::<SourceError>() {
            Some(source) if source.is_under_way() => Self::Waiting(error),
            Some(source) if source.is_lasting() => Self::Refused(error),
            _ if error.is::<RefusedBefore>() => Self::Refused(error),
            _ if matches!(error.downcast_ref(), Some(StoreError::PayerCountedTwice { .. })) => Self::Refused(error),
            _ => Self::Failed(error),
        }
    }
}

/// The same delivery was refused before; it was not read again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct RefusedBefore(String);

/// A later version may read what this one cannot.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A delivery that is refused, as it is remembered.
fn refused_digest(manifest: &Manifest) -> String {
    format!("{} {VERSION}", manifest.digest)
}

/// What a run did.
#[derive(Debug)]
pub struct LoadOutcome {
    pub periods: Vec<(BillingPeriod, PeriodOutcome)>,
    /// Bytes of data files that were fetched over a network.
    pub bytes_fetched: u64,
}

impl LoadExport {
    fn source_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.location.address())
    }

    /// Loads period after period; one that is refused does not keep the others from being loaded.
    pub async fn run(&self, with: &Loading<'_>) -> anyhow::Result<LoadOutcome> {
        authorize(with.actor, Action::LoadData)?;
        let export = self.location.connect(with.clock.now()).await?;
        let mut found = export.find_manifests().await?;
        if !self.periods.is_empty() {
            for period in &self.periods {
                anyhow::ensure!(
                    found.iter().any(|(p, _)| p == period),
                    "{}: the export has no month {period}",
                    self.location.address()
                );
            }
            found.retain(|(period, _)| self.periods.contains(period));
        }
        let mut outcomes = Vec::with_capacity(found.len());
        for (period, head) in found {
            let mut refused = None;
            let outcome = match head {
                Ok(head) => self.load_period(&export, &head, with, &mut refused).await,
                Err(error) => Err(error.into()),
            };
            let outcome = outcome.unwrap_or_else(PeriodOutcome::of);
            self.note(period, &outcome, refused, with).await?;
            outcomes.push((period, outcome));
        }
        let is_loaded = |(_, outcome): &(BillingPeriod, PeriodOutcome)| matches!(outcome, PeriodOutcome::Loaded { .. });
        if outcomes.iter().any(is_loaded) {
            let mut connection = with.database.pool.acquire().await.map_err(StoreError::from)?;
            request_run(
                &mut connection,
                JobName::EvaluateBudgets,
                &with.actor.name,
                with.clock.now(),
            )
            .await?;
        }
        Ok(LoadOutcome {
            periods: outcomes,
            bytes_fetched: export.bytes_fetched(),
        })
    }

    /// A refusal stays with the month until a delivery of it is loaded: the old figures must not look like the newest.
    async fn note(
        &self,
        period: BillingPeriod,
        outcome: &PeriodOutcome,
        refused: Option<String>,
        with: &Loading<'_>,
    ) -> anyhow::Result<()> {
        let mut connection = with.database.pool.acquire().await.map_err(StoreError::from)?;
        let source_id = load::ensure_source(&mut connection, &self.source_name(), &self.location.address()).await?;
        let (error, is_waiting, digest) = match outcome {
            PeriodOutcome::Refused(error) => (Some(error), false, refused),
            PeriodOutcome::Failed(error) => (Some(error), false, None),
            PeriodOutcome::Waiting(error) => (Some(error), true, None),
            PeriodOutcome::Loaded { .. } | PeriodOutcome::Unchanged => (None, false, None),
        };
        let refusal = error.map(|error| Refusal {
            at: with.clock.now(),
            message: format!("{error:#}"),
            is_waiting,
            digest,
        });
        Ok(load::note_refusal(&mut connection, source_id, period, refusal.as_ref()).await?)
    }

    async fn load_period(
        &self,
        export: &Export,
        head: &ManifestHead,
        with: &Loading<'_>,
        refused: &mut Option<String>,
    ) -> anyhow::Result<PeriodOutcome> {
        let period = head.period;
        if self.is_loaded(export, head, with).await? {
            return Ok(PeriodOutcome::Unchanged);
        }
        // Its own connection: the month's lock ends with it, also when this program is killed.
        let connection = with.database.pool.acquire().await.map_err(StoreError::from)?;
        let mut connection = connection.detach();
        load::lock_period(&mut connection, period, || {
            (with.progress)(format!("{period}: another load of this month is running; waiting"))
        })
        .await?;
        let source_id = load::ensure_source(&mut connection, &self.source_name(), &self.location.address()).await?;
        let current = load::find_current_snapshot(&mut connection, source_id, period).await?;
        let before = load::find_lasting_refusal(&mut connection, source_id, period).await?;
        let known = Known {
            current: current.as_ref(),
            refused: before.as_ref().filter(|_| !self.force),
        };
        let Some((manifest, delivery)) = self.read_new(export, period, known, with, refused).await? else {
            return Ok(PeriodOutcome::Unchanged);
        };
        let decides = Deciding::read(&mut connection, period, with.settings).await?;
        let (directory, directory_version, settings) = (decides.directory, decides.version, decides.settings);
        let mut booked = tokio::task::spawn_blocking(move || book(delivery, &directory, &settings)).await?;
        let mut findings = std::mem::take(&mut booked.delivery.findings);
        findings.append(&mut booked.findings);
        let delivered_at = manifest.head.delivered_at;
        findings.extend(coverage::findings(period, &booked.delivery.days(), delivered_at));
        (with.progress)(format!(
            "{period}: storing {} charges of {} lines",
            booked.delivery.charges.len(),
            booked.delivery.lines_read
        ));
        let provenance = load::Provenance {
            source_id,
            digest: manifest.digest,
            manifest: manifest.head.object,
            files: manifest.versions,
            delivered_at,
            loaded_at: with.clock.now(),
            loaded_by: with.actor.name.clone(),
            directory_version,
        };
        load::replace_month(&mut connection, &provenance, &booked, &findings).await?;
        load::unlock_period(&mut connection, period).await?;
        let costs = booked
            .costs()
            .into_iter()
            .map(|(currency, cost)| (currency.to_owned(), cost));
        let loaded = Loaded {
            lines_read: booked.delivery.lines_read,
            lines_kept: booked.total().lines,
            charges: i64::try_from(booked.delivery.charges.len())?,
            costs: costs.collect(),
        };
        Ok(PeriodOutcome::Loaded { loaded, findings })
    }

    /// Whether the listing alone tells that a month is loaded: its manifest is the loaded one, and AWS is done with it.
    async fn is_loaded(&self, export: &Export, head: &ManifestHead, with: &Loading<'_>) -> anyhow::Result<bool> {
        if self.force || !export.is_remote() || head.period.is_settling(with.clock.now().date_naive()) {
            return Ok(false);
        }
        let mut connection = with.database.pool.acquire().await.map_err(StoreError::from)?;
        let Some(source_id) = load::find_source(&mut connection, &self.source_name()).await? else {
            return Ok(false);
        };
        let current = load::find_current_snapshot(&mut connection, source_id, head.period).await?;
        Ok(current.is_some_and(|current| head.is_of(&current.digest)))
    }

    /// Reads the month's delivery; `None` where it is the loaded one.  A refresh that begins meanwhile makes it start again.
    async fn read_new(
        &self,
        export: &Export,
        period: BillingPeriod,
        known: Known<'_>,
        with: &Loading<'_>,
        refused: &mut Option<String>,
    ) -> anyhow::Result<Option<(Manifest, Delivery)>> {
        let mut restarts = 0;
        loop {
            // Another load may have had the lock for long: what is the latest delivery is asked only now.
            let head = export.find_manifest(period).await?;
            let loaded = known
                .current
                .filter(|_| !self.force)
                .map(|current| current.digest.as_str());
            let is_same_manifest = loaded.is_some_and(|digest| head.is_of(digest));
            let is_settled = !period.is_settling(with.clock.now().date_naive());
            if is_same_manifest && is_settled && export.is_remote() {
                return Ok(None);
            }
            let manifest = export.describe(&head).await?;
            match loaded {
                Some(digest) if digest == manifest.digest => return Ok(None),
                Some(_) if is_same_manifest => return Err(SourceError::Changed { object: head.object }.into()),
                _ => {}
            }
            let digest = refused_digest(&manifest);
            if let Some((_, message)) = known.refused.filter(|(before, _)| *before == digest) {
                *refused = Some(digest);
                return Err(RefusedBefore(message.clone()).into());
            }
            *refused = Some(digest);
            (with.progress)(format!("{period}: reading {} files", manifest.file_count()));
            match read_whole(export, &manifest).await {
                Ok(delivery) => return Ok(Some((manifest, delivery))),
                Err(Reading::Refused(SourceError::Changed { .. })) if restarts < RESTARTS_MAX => {
                    restarts += 1;
                    (with.progress)(format!(
                        "{period}: the delivery changed while it was read; starting again"
                    ));
                    tokio::time::sleep(RESTART_PAUSE).await;
                }
                Err(Reading::Refused(error)) => return Err(error.into()),
                Err(error @ Reading::Ended(_)) => return Err(error.into()),
            }
        }
    }
}

/// What decides about a month's charges: as it was sealed with a final or locked month, else as it is now.
struct Deciding {
    directory: Directory,
    version: Option<i32>,
    settings: AttributionSettings,
}

impl Deciding {
    async fn read(
        connection: &mut PgConnection,
        period: BillingPeriod,
        settings: &AttributionSettings,
    ) -> StoreResult<Self> {
        let state = find_state(connection, period).await?;
        if let Some(statement_id) = state.statement_id.filter(|_| state.state >= MonthState::Final) {
            let statement = statements::find_statement(connection, statement_id).await?;
            let head: serde_json::Value = serde_json::from_str(&statement.head).unwrap_or_default();
            let words: Option<AttributionWords> = serde_json::from_value(head["attribution"].clone()).ok();
            let sealed = words.and_then(|words| words.settings());
            if let Some(version) = statement.directory_version
                && let Some(directory) = sealed_directories::find_directory(connection, version).await?
            {
                return Ok(Self {
                    directory,
                    version: Some(version),
                    settings: sealed.unwrap_or_else(|| settings.clone()),
                });
            }
        }
        let (directory, version) = directory::get_versioned_directory(connection).await?;
        let settings = settings.clone();
        Ok(Self {
            directory,
            version,
            settings,
        })
    }
}

/// What is known of a month before it is read.
#[derive(Clone, Copy)]
struct Known<'k> {
    current: Option<&'k CurrentSnapshot>,
    /// Digest and reason of a delivery that was refused for good.
    refused: Option<&'k (String, String)>,
}

#[derive(Debug, thiserror::Error)]
enum Reading {
    #[error(transparent)]
    Refused(#[from] SourceError),
    #[error("the thread that read the delivery ended early")]
    Ended(#[from] tokio::task::JoinError),
}

/// Reads a delivery and makes sure that it was one: a refresh that began meanwhile would mix two.
async fn read_whole(export: &Export, manifest: &Manifest) -> Result<Delivery, Reading> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let opened = export.open(manifest).await?;
    let delivery = tokio::task::spawn_blocking(move || read_delivery(&opened, threads)).await??;
    export.check_unchanged(manifest).await?;
    Ok(delivery)
}
