//! `anbun demo`: a sample company through the real pipeline, beside and never among real data.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use super::CommandContext;
use super::{chargeback, serve};
use crate::api::chargeback as chargeback_api;
use crate::config::{AwsConfig, Config, CostExplorerConfig, ReportingCurrency};
use crate::domain::chargeback::{GroupBy, Reporting};
use crate::domain::period::BillingPeriod;
use crate::jobs::import_directory::{ImportSettings, Keep, import_directory};
use crate::jobs::load_export::{LoadExport, PeriodOutcome};
use crate::sample::{SampleSize, SampleSums, write_sample};
use crate::sources::cur::ExportLocation;
use crate::store::database::Database;
use crate::store::{load, status};

const SOURCE: &str = "demo";

#[derive(Debug, clap::Args)]
pub(super) struct DemoArguments {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Months of bills, the last of them the newest that is over
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=36))]
    months: u32,
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(8..=5000))]
    people: u32,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the chargeback and exit instead of serving it
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(context: &CommandContext, arguments: DemoArguments) -> anyhow::Result<()> {
    // Its own folder and database, whatever the settings say: sample figures never stand among real ones.
    let mut global = context.global.clone();
    global.data_dir = Some(context.data_folder().join("demo"));
    let config = Config {
        database: crate::config::DatabaseConfig::default(),
        exports: Vec::new(),
        aws: AwsConfig::default(),
        cost_explorer: CostExplorerConfig::default(),
        ..(*context.config).clone()
    };
    let context = CommandContext {
        global,
        config: config.into(),
        clock: context.clock,
        actor: context.actor.clone(),
    };
    let started = Instant::now();
    let _only_one = serve::lock(&context)?;
    let database = context.connect().await?;
    database.migrate().await?;
    eprintln!("database ready after {:.1} s", started.elapsed().as_secs_f64());
    let newest = BillingPeriod::of(context.clock.now().date_naive()).previous();
    let first = (1..arguments.months).fold(newest, |period, _| period.previous());
    let size = SampleSize {
        first,
        months: arguments.months,
        people: arguments.people,
        seed: arguments.seed,
    };
    let folder = context.data_folder().join("sample");
    let sample = {
        let folder = folder.clone();
        tokio::task::spawn_blocking(move || write_sample(&folder, size, &|line| eprintln!("{line}"))).await??
    };
    eprintln!(
        "{} line items for {} people written after {:.1} s",
        sample.lines,
        size.people,
        started.elapsed().as_secs_f64()
    );
    let directory = ["departments", "people", "principals", "projects"];
    let directory = directory.map(|name| folder.join("directory").join(format!("{name}.csv")));
    let importing = ImportSettings {
        attribution: context.config.attribution.settings()?,
        yen: context.config.currency.yen(),
    };
    let with = (&context.actor, context.clock);
    import_directory(&directory, Keep::Yes, &database, &importing, with).await?;
    load_sample(&context, &database, &folder.join("export"), size).await?;
    check_sums(&database, size, &sample.sums).await?;
    eprintln!(
        "loaded, attributed and checked to the last digit after {:.1} s",
        started.elapsed().as_secs_f64()
    );
    if arguments.once {
        let reporting = match context.config.currency.reporting {
            ReportingCurrency::Jpy => Reporting::Yen(context.config.currency.yen()),
            ReportingCurrency::Usd => Reporting::Cents,
        };
        let mut connection = database.pool.acquire().await?;
        let view = chargeback_api::read(
            &mut connection,
            newest,
            &chargeback_api::ViewQuestion::of(GroupBy::Department, reporting),
            &context.as_seen(),
        )
        .await?;
        return chargeback::print(&context, &view.ok_or_else(|| chargeback_api::not_loaded(newest))?);
    }
    eprintln!(
        "other commands see the sample with --data-dir {}",
        context.data_folder().display()
    );
    serve::serve(&context, database, arguments.listen).await
}

async fn load_sample(
    context: &CommandContext,
    database: &Database,
    export: &Path,
    size: SampleSize,
) -> anyhow::Result<()> {
    let settings = context.config.attribution.settings()?;
    let mut connection = database.pool.acquire().await?;
    let source_id = load::ensure_source(&mut connection, SOURCE, &export.display().to_string()).await?;
    for delivery in status::list_deliveries(&mut connection).await? {
        load::forget(&mut connection, source_id, delivery.period).await?;
    }
    drop(connection);
    let job = LoadExport {
        name: Some(SOURCE.to_owned()),
        location: ExportLocation::Folder(export.to_path_buf()),
        periods: size.periods(),
        force: true,
    };
    for (period, outcome) in job.run(&context.loading(database, &settings)).await?.periods {
        if let PeriodOutcome::Refused(error) | PeriodOutcome::Failed(error) | PeriodOutcome::Waiting(error) = outcome {
            return Err(error.context(format!("{period} of the sample was refused")));
        }
    }
    Ok(())
}

/// The sums of the pipeline against those that the sample was made with.
async fn check_sums(database: &Database, size: SampleSize, sums: &SampleSums) -> anyhow::Result<()> {
    let mut connection = database.pool.acquire().await?;
    for period in size.periods() {
        let stored = status::list_bedrock_totals(&mut connection, period).await?;
        let made = sums
            .iter()
            .filter(|((p, _), _)| *p == period)
            .map(|((_, charge_type), (lines, cost))| ((*charge_type).to_owned(), *lines, *cost));
        let made: Vec<_> = made.collect();
        anyhow::ensure!(
            stored == made,
            "{period}: stored {stored:?}, but the sample was made of {made:?}"
        );
    }
    Ok(())
}
