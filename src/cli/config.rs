//! `anbun config`

use clap::Subcommand;

use super::CommandContext;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Every setting as it is in force, without secrets
    Show,
    /// Only check the settings
    Check,
}

pub(super) fn run(context: &CommandContext, command: &ConfigCommand) -> anyhow::Result<()> {
    match command {
        // Loading has checked them.
        ConfigCommand::Check => eprintln!("the settings are good"),
        ConfigCommand::Show => print!("{}", context.config.shown()),
    }
    Ok(())
}
