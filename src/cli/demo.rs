//! `anbun demo`
use super::CommandContext;
#[derive(Debug, clap::Args)]
pub struct DemoArguments {}
pub async fn run(_: &CommandContext, _: DemoArguments) -> anyhow::Result<()> { Ok(()) }
