//! `anbun setup aws`: the export that anbun reads best, and what it must be allowed to read it.

mod documents;

use std::io::{BufRead, IsTerminal, Write};

use anyhow::Context;
use clap::{Subcommand, ValueEnum};

use super::CommandContext;
use super::locations::account_access;
use crate::domain::actor::{Action, authorize};
use crate::sources::aws::AwsFailureKind;
use crate::sources::data_exports::{BillExport, DataExports, Granularity, wanted_export};
use crate::sources::identity::fetch_identity;

#[derive(Debug, Subcommand)]
pub(super) enum SetupCommand {
    /// Print or create the export of the bill, and print the policy for running anbun
    Aws(AwsArguments),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Terraform,
    Cloudformation,
    Cli,
    /// The least that anbun must be allowed to do
    Policy,
    /// What lets AWS write into the bucket
    BucketPolicy,
}

#[derive(Debug, clap::Args)]
pub(super) struct AwsArguments {
    /// What to print
    #[arg(long, value_enum, required_unless_present = "apply")]
    print: Option<Form>,
    /// Create the export now, after asking
    #[arg(long, conflicts_with = "print")]
    apply: bool,
    /// Do not ask
    #[arg(long, requires = "apply")]
    yes: bool,
    /// The bucket; that of the first s3:// export in the settings by default
    #[arg(long)]
    bucket: Option<String>,
    /// Folder in the bucket, before the export's name
    #[arg(long)]
    prefix: Option<String>,
    /// The export's name
    #[arg(long)]
    name: Option<String>,
    /// The bucket's region
    #[arg(long)]
    bucket_region: Option<String>,
    /// By the hour, with many more lines: statements then say what the last nine hours of a UTC month cost
    #[arg(long)]
    hourly: bool,
}

const DEFAULT_PREFIX: &str = "cur";
const DEFAULT_NAME: &str = "anbun-bill";
const DEFAULT_REGION: &str = "us-east-1";

pub(super) async fn run(context: &CommandContext, command: SetupCommand) -> anyhow::Result<()> {
    let SetupCommand::Aws(arguments) = command;
    let export = wanted(context, &arguments)?;
    match arguments.print {
        Some(Form::Terraform) => println!("{}", documents::terraform(&export)?),
        Some(Form::Cloudformation) => println!("{}", documents::cloudformation(&export)?),
        Some(Form::Cli) => println!("{}", documents::shell(&export)?),
        Some(Form::Policy) => println!("{}", documents::policy(&export)?),
        Some(Form::BucketPolicy) => println!("{}", documents::bucket_policy_text(&export)?),
        None => apply(context, &export, arguments.yes).await?,
    }
    Ok(())
}

/// The export by the arguments, else by the settings, else by the defaults.
fn wanted(context: &CommandContext, arguments: &AwsArguments) -> anyhow::Result<BillExport> {
    let known = context
        .config
        .exports
        .iter()
        .find_map(|export| Some((export, export.bucket_and_prefix()?)));
    let (mut bucket, mut prefix, mut name, mut region) = (None, None, None, None);
    if let Some((export, (known_bucket, whole))) = known {
        let (before, last) = whole.rsplit_once('/').unwrap_or(("", whole));
        bucket = Some(known_bucket.to_owned());
        prefix = Some(before.to_owned());
        name = Some(last.to_owned()).filter(|name| !name.is_empty());
        region = export.region.clone();
    }
    let bucket = arguments.bucket.clone().or(bucket);
    let bucket =
        bucket.context("name the bucket with --bucket, or in the settings as [[exports]] location = \"s3://...\"")?;
    let name = arguments
        .name
        .clone()
        .or(name)
        .unwrap_or_else(|| DEFAULT_NAME.to_owned());
    let prefix = arguments
        .prefix
        .clone()
        .or(prefix)
        .unwrap_or_else(|| DEFAULT_PREFIX.to_owned());
    let region = arguments
        .bucket_region
        .clone()
        .or(region)
        .unwrap_or_else(|| DEFAULT_REGION.to_owned());
    // These words go into scripts and policies that somebody runs.
    let plain = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    let well_formed = [
        ("--bucket", &bucket, "-."),
        ("--prefix", &prefix, "-_./="),
        ("--name", &name, "-_"),
        ("--bucket-region", &region, "-"),
    ];
    for (what, text, more) in well_formed {
        anyhow::ensure!(
            plain(text, more) && (what == "--prefix" || !text.is_empty()),
            "{what}: '{text}' is empty or has characters that AWS does not allow there"
        );
    }
    let granularity = if arguments.hourly {
        Granularity::Hour
    } else {
        Granularity::Day
    };
    Ok(wanted_export(
        &name,
        (&bucket, prefix.trim_matches('/'), &region),
        granularity,
    ))
}

async fn apply(context: &CommandContext, export: &BillExport, is_agreed: bool) -> anyhow::Result<()> {
    authorize(&context.actor, Action::SetUpAws)?;
    let access = account_access(&context.config);
    let identity = fetch_identity(&access).await?;
    let client = DataExports::connect(&access).await;
    if let Some(there) = client
        .fetch_exports()
        .await?
        .iter()
        .find(|there| there.name == export.name)
    {
        anyhow::bail!(
            "there is an export '{}' already ({}); see 'anbun doctor' for what it lacks, or choose another --name",
            there.name,
            there.arn
        );
    }
    eprintln!("as {}, in account {}:", identity.arn, identity.account);
    eprintln!(
        "  create the export '{}' to s3://{}/{}/{}",
        export.name, export.bucket, export.prefix, export.name
    );
    eprintln!("  {}", export.query);
    for (setting, value) in export.tables.values().flatten() {
        eprintln!("  {setting} = {value}");
    }
    if !is_agreed && !asks_yes()? {
        anyhow::bail!("nothing was created");
    }
    match client.create_export(export).await {
        Ok(arn) => {
            eprintln!("created {arn}; its first delivery comes within a day");
            eprintln!(
                "add to the settings:\n\n[[exports]]\nname = \"{}\"\nlocation = \"s3://{}/{}/{}\"",
                export.name, export.bucket, export.prefix, export.name
            );
            Ok(())
        }
        Err(failure) if failure.kind == AwsFailureKind::Refused => {
            let hint =
                "if the bucket is at fault, its policy must let AWS write: see 'anbun setup aws --print bucket-policy'";
            Err(anyhow::Error::new(failure).context(hint))
        }
        Err(failure) => Err(failure.into()),
    }
}

fn asks_yes() -> anyhow::Result<bool> {
    let input = std::io::stdin();
    anyhow::ensure!(input.is_terminal(), "nobody is there to ask; add --yes");
    eprint!("create it? [yes/no] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}
