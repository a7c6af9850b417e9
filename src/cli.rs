//! Commands, one file each; they do the wiring.  Data on stdout, progress and errors on stderr.

mod alerts;
mod allocation;
mod budgets;
mod chargeback;
mod config;
mod costs;
mod demo;
mod directory;
mod doctor;
mod explain;
mod ingest;
mod invoices;
mod job;
mod locations;
mod month;
mod output;
mod rates;
mod reconcile;
mod serve;
mod setup;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};

use crate::api::findings::AsSeen;
use crate::api::steps::close_settings;
use crate::clock::Clock;
use crate::config::{Config, default_data_folder, user_name};
use crate::domain::actor::{Actor, NotAllowed};
use crate::domain::attribution::AttributionSettings;
use crate::domain::close::{StepError, WaiverError};
use crate::http::error::ApiError;
use crate::jobs::close_month::CloseSettings;
use crate::jobs::load_export::Loading;
use crate::store::database::Database;
use crate::store::private_server::{self, Durability, GUARD_COMMAND};
use output::Format;

/// Turns the Amazon Bedrock part of an AWS bill into a department chargeback that adds up to the invoice.
#[derive(Debug, Parser)]
#[command(name = "anbun", version, about, propagate_version = true)]
pub struct Arguments {
    #[command(flatten)]
    global: GlobalArguments,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args, Clone)]
struct GlobalArguments {
    /// Settings; anbun.toml in this folder, else in the user's config folder
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the private database
    #[arg(long, global = true, value_name = "FOLDER", env = "ANBUN_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// How data is printed; a table by default
    #[arg(long, global = true, value_enum)]
    format: Option<Format>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a sample company, load its exports, and serve the result
    Demo(demo::DemoArguments),
    /// Serve pages and API
    Serve(serve::ServeArguments),
    /// Bring the database to this version's schema
    Migrate {
        /// Only say whether it is; exit 1 if not
        #[arg(long)]
        check: bool,
    },
    /// Departments, people, projects and principals
    #[command(subcommand)]
    Directory(directory::DirectoryCommand),
    /// Load the bill
    #[command(subcommand)]
    Ingest(ingest::IngestCommand),
    /// Why something is what it is
    #[command(subcommand)]
    Explain(explain::ExplainCommand),
    /// Any slice of the charges
    Costs(costs::CostsArguments),
    /// A month per department, person or project
    #[command(subcommand)]
    Chargeback(chargeback::ChargebackCommand),
    /// What is left to do until a month is closed
    Month(month::MonthArguments),
    /// From invoice to chargeback, step by step
    Reconcile(reconcile::ReconcileArguments),
    /// Exchange rates, and which of them months use
    #[command(subcommand)]
    Rates(rates::RatesCommand),
    /// The register of invoices
    #[command(subcommand)]
    Invoices(invoices::InvoicesCommand),
    /// Rules for shared cost
    #[command(subcommand)]
    Allocation(allocation::AllocationCommand),
    /// What the company means to spend
    #[command(subcommand)]
    Budgets(budgets::BudgetsCommand),
    /// What budgets said, and why
    #[command(subcommand)]
    Alerts(alerts::AlertsCommand),
    /// Tokens that open the server
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Scheduled work and how it went
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Help to make what anbun needs outside of it
    #[command(subcommand)]
    Setup(setup::SetupCommand),
    /// Check everything that anbun needs
    Doctor,
    /// Settings
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Completions for a shell
    Completions { shell: clap_complete::Shell },
    /// Holds the private database; started by other commands
    #[command(name = GUARD_COMMAND, hide = true)]
    DatabaseGuard {
        data_folder: PathBuf,
        binaries: PathBuf,
        durability: String,
        transport: String,
    },
}

/// For what is left when a command has ended.
const SHUTDOWN_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);

/// A command that found something a person must decide on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NeedsDecision(String);

/// A command that was written wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// What a command works with.
struct CommandContext {
    global: GlobalArguments,
    config: Arc<Config>,
    clock: Clock,
    actor: Actor,
}

impl CommandContext {
    fn data_folder(&self) -> PathBuf {
        self.global.data_dir.clone().unwrap_or_else(default_data_folder)
    }

    fn format(&self) -> Format {
        self.global.format.unwrap_or_default()
    }

    /// The database with this version's schema; the private one is migrated at once, it has no other user of an older version.
    async fn database(&self) -> anyhow::Result<Database> {
        let database = self.connect().await?;
        match self.config.database.url {
            Some(_) => database.check_schema().await?,
            None => database.migrate().await?,
        }
        Ok(database)
    }

    /// What a load at the terminal works with; progress goes to stderr.
    fn loading<'a>(&'a self, database: &'a Database, settings: &'a AttributionSettings) -> Loading<'a> {
        Loading {
            database,
            settings,
            clock: self.clock,
            actor: &self.actor,
            progress: &|line| eprintln!("{line}"),
        }
    }

    fn closing(&self) -> anyhow::Result<CloseSettings> {
        Ok(close_settings(&self.config)?)
    }

    /// The day where the company is.
    fn today(&self) -> chrono::NaiveDate {
        let now = self.clock.now();
        now.with_timezone(&self.config.calendar.time_zone).date_naive()
    }

    fn as_seen(&self) -> AsSeen {
        AsSeen::of(&self.config, self.clock)
    }

    async fn connect(&self) -> anyhow::Result<Database> {
        Ok(match &self.config.database.url {
            Some(url) => Database::at_url(url).await?,
            None => {
                let program = std::env::current_exe().context("the program cannot find itself")?;
                Database::private(&self.data_folder(), &program, Durability::Full).await?
            }
        })
    }
}

/// Runs a command to its exit code: 0 done, 1 failed, 2 usage, 3 a person must decide, 4 not allowed.
pub fn run(arguments: Arguments) -> ExitCode {
    match dispatch(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if is_broken_pipe(&error) {
                return ExitCode::SUCCESS;
            }
            eprintln!("anbun: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<NeedsDecision>() {
        return 3;
    }
    if error.is::<NotAllowed>() {
        return 4;
    }
    if error.is::<Usage>() || error.is::<WaiverError>() {
        return 2;
    }
    match error.downcast_ref::<StepError>() {
        Some(StepError::SamePerson(_)) => return 4,
        Some(StepError::NotPosted(_) | StepError::EarlierNotLocked(_) | StepError::LaterIsClosed(..)) => return 3,
        Some(StepError::Locked | StepError::NotFrom { .. } | StepError::NoReason) | None => {}
    }
    match error.downcast_ref::<ApiError>() {
        Some(ApiError::BadParameter { .. }) => 2,
        Some(ApiError::NotAllowed | ApiError::Unauthenticated) => 4,
        _ => 1,
    }
}

/// The reader of our output went away, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

fn dispatch(arguments: Arguments) -> anyhow::Result<()> {
    // These need neither settings nor a database.
    match &arguments.command {
        Command::DatabaseGuard {
            data_folder,
            binaries,
            durability,
            transport,
        } => {
            return Ok(private_server::run_guard(data_folder, binaries, durability, transport)?);
        }
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Arguments::command(), "anbun", &mut std::io::stdout());
            return Ok(());
        }
        _ => {}
    }
    let config = Arc::new(Config::load(arguments.global.config.as_deref())?);
    let context = CommandContext {
        global: arguments.global,
        config,
        clock: Clock::System,
        actor: Actor {
            name: user_name(),
            ..Actor::local()
        },
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        match arguments.command {
            Command::Demo(arguments) => demo::run(&context, arguments).await,
            Command::Serve(arguments) => serve::run(&context, arguments).await,
            Command::Migrate { check } => migrate(&context, check).await,
            Command::Directory(command) => directory::run(&context, command).await,
            Command::Ingest(command) => ingest::run(&context, command).await,
            Command::Explain(command) => explain::run(&context, command).await,
            Command::Costs(arguments) => costs::run(&context, arguments).await,
            Command::Chargeback(command) => chargeback::run(&context, command).await,
            Command::Month(arguments) => month::run(&context, arguments).await,
            Command::Reconcile(arguments) => reconcile::run(&context, arguments).await,
            Command::Rates(command) => rates::run(&context, command).await,
            Command::Invoices(command) => invoices::run(&context, command).await,
            Command::Allocation(command) => allocation::run(&context, command).await,
            Command::Budgets(command) => budgets::run(&context, command).await,
            Command::Alerts(command) => alerts::run(&context, command).await,
            Command::Token(command) => token::run(&context, command).await,
            Command::Job(command) => job::run(&context, command).await,
            Command::Setup(command) => setup::run(&context, command).await,
            Command::Doctor => doctor::run(&context).await,
            Command::Config(command) => config::run(&context, &command),
            Command::Completions { .. } | Command::DatabaseGuard { .. } => Ok(()),
        }
    });
    // A thread that still reads a file for an abandoned load must not keep the program from ending.
    runtime.shutdown_timeout(SHUTDOWN_WITHIN);
    result
}

async fn migrate(context: &CommandContext, check: bool) -> anyhow::Result<()> {
    let database = context.connect().await?;
    if !check {
        database.migrate().await?;
    }
    database.check_schema().await?;
    eprintln!("the schema is that of this version");
    Ok(())
}
