//! Logs on stderr: one line a job or failure, none a row.  `ANBUN_LOG` sets what is logged, such as `anbun=debug`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Where credentials were looked for in vain is said by our own message, in a sentence.
const DEFAULT_FILTER: &str = "warn,anbun=info,aws_config=off,aws_smithy_runtime=error";

pub fn start() {
    let filter = EnvFilter::try_from_env("ANBUN_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
