//! `anbun explain`

use chrono::NaiveDate;
use clap::Subcommand;

use super::CommandContext;
use super::output::{self, Table};
use crate::api::explain::{self, UsageTypeView};
use crate::domain::actor::{Action, authorize};

#[derive(Debug, Subcommand)]
pub(super) enum ExplainCommand {
    /// Which rule decides about a principal, and what every rule found
    Principal {
        /// As the bill spells it
        arn: String,
        /// A tag of the principal or its session; may be repeated
        #[arg(long = "tag", value_name = "KEY=VALUE")]
        tags: Vec<String>,
        /// The UTC day of use; today by default
        #[arg(long, value_name = "DATE")]
        on: Option<NaiveDate>,
    },
    /// How usage types are read
    UsageType {
        #[arg(required = true)]
        usage_types: Vec<String>,
    },
}

pub(super) async fn run(context: &CommandContext, command: ExplainCommand) -> anyhow::Result<()> {
    match command {
        ExplainCommand::UsageType { usage_types } => {
            let views: Vec<UsageTypeView> = usage_types.iter().map(|text| UsageTypeView::read(text)).collect();
            let mut table = Table::new(&[
                "usage type",
                "line",
                "model",
                "tokens",
                "cache",
                "route",
                "tier",
                "context",
                "region",
            ]);
            for view in &views {
                let optional = |value: Option<&'static str>| value.unwrap_or("").to_owned();
                let mut row = vec![
                    view.usage_type.clone(),
                    view.line_kind.to_owned(),
                    view.model.clone().unwrap_or_default(),
                ];
                row.extend(
                    [
                        view.token_kind,
                        view.cache_ttl,
                        view.route,
                        view.tier,
                        view.context,
                        view.region,
                    ]
                    .map(optional),
                );
                table.push(row);
            }
            output::print(context.format(), &views, &table)
        }
        ExplainCommand::Principal { arn, tags, on } => {
            authorize(&context.actor, Action::ReadPeople)?;
            let pairs = tags
                .iter()
                .map(|tag| tag.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())));
            let tags = pairs
                .collect::<Option<_>>()
                .ok_or_else(|| anyhow::anyhow!("a tag is written KEY=VALUE"))?;
            let on = on.unwrap_or_else(|| context.clock.now().date_naive());
            let database = context.database().await?;
            let view = explain::principal(
                &mut *database.pool.acquire().await?,
                &arn,
                &tags,
                on,
                &context.config.attribution.settings()?,
            )
            .await?;
            let mut table = Table::new(&["rule", "department", "person", "project", "problem"]);
            for tried in &view.tried {
                let text = |value: &Option<String>| value.clone().unwrap_or_default();
                let problem = tried.problem.unwrap_or(if tried.shared { "shared" } else { "" });
                table.push(vec![
                    tried.rule.to_owned(),
                    text(&tried.department),
                    text(&tried.person),
                    text(&tried.project),
                    problem.to_owned(),
                ]);
            }
            output::print(context.format(), &view, &table)?;
            let decided = match (view.department.as_deref(), view.reason) {
                (Some(department), _) => format!(
                    "{department}{}",
                    view.person.as_deref().map(|p| format!(", {p}")).unwrap_or_default()
                ),
                (None, reason) => reason.unwrap_or("").to_owned(),
            };
            eprintln!(
                "{} on {on}: {decided} (rule: {})",
                view.state,
                view.rule.unwrap_or("none")
            );
            Ok(())
        }
    }
}
