//! The program: arguments, telemetry, and a command.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Two providers are in the tree of dependencies; whichever comes first would otherwise depend on who connects first.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("anbun: a TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    anbun::telemetry::start();
    anbun::cli::run(anbun::cli::Arguments::parse())
}
