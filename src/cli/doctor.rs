//! `anbun doctor`: everything that anbun needs, each with the one thing to do next.
//!
//! A check that cannot be made is a line that says so; the others go on.

mod aws;
mod data;

use super::output::{self, Table};
use super::{CommandContext, NeedsDecision};
use crate::domain::actor::{Action, authorize};
use crate::domain::check::{Check, Health};
use crate::store::database::Database;

pub(super) async fn run(context: &CommandContext) -> anyhow::Result<()> {
    authorize(&context.actor, Action::ReadOperations)?;
    let mut checks = vec![Check::ok("settings", "read and understood")];
    let (database, stored) = database_checks(context).await;
    checks.extend(stored);
    checks.extend(aws::checks(context, database.as_ref()).await);
    if let Some(database) = &database {
        checks.extend(data::checks(context, database).await);
    }
    let mut table = Table::new(&["", "check", "found", "next"]);
    for check in &checks {
        let health = match check.health {
            Health::Ok => "ok",
            Health::Warn => "warn",
            Health::Fail => "FAIL",
        };
        let cells = [health, &check.check, &check.found, &check.action];
        table.push(cells.map(str::to_owned).to_vec());
    }
    output::print(context.format(), &checks, &table)?;
    match checks.iter().filter(|check| check.health == Health::Fail).count() {
        0 => Ok(()),
        failed => Err(NeedsDecision(format!("{failed} checks need a person")).into()),
    }
}

/// The database where it can be used, and what is to be said of it.
async fn database_checks(context: &CommandContext) -> (Option<Database>, Vec<Check>) {
    let database = match context.connect().await {
        Ok(database) => database,
        Err(error) => {
            return (
                None,
                vec![Check::fail("database", format!("{error:#}"), "see the message")],
            );
        }
    };
    let is_private = context.config.database.url.is_none();
    let answers = Check::ok("database", if is_private { "private, answers" } else { "answers" });
    // A private database has no other user of an older version; every other command migrates it too.
    let migrated = if is_private { database.migrate().await } else { Ok(()) };
    let checked = match migrated {
        Ok(()) => database.check_schema().await,
        Err(error) => Err(error),
    };
    match checked {
        Ok(()) => (
            Some(database),
            vec![answers, Check::ok("schema", "is that of this version")],
        ),
        Err(error) => {
            let schema = Check::fail("schema", error.to_string(), "run 'anbun migrate'");
            (None, vec![answers, schema])
        }
    }
}
