//! `anbun explain`

use chrono::NaiveDate;
use clap::Subcommand;

use super::CommandContext;
use super::output::{self, Table};
use crate::api::chargeback::not_loaded;
use crate::api::derivation::{Subject, derive};
use crate::api::explain::{self, UsageTypeView};
use crate::domain::actor::{Action, authorize};
use crate::domain::period::BillingPeriod;
use crate::domain::text::grouped;
use crate::store::tokens::note_personal_data_read;

#[derive(Debug, Subcommand)]
pub(super) enum ExplainCommand {
    /// Which rule decides about a principal, and what every rule found
    Principal {
        /// As the bill spells it
        arn: String,
        /// A tag of the principal or its session; may be repeated; those of the bill by default
        #[arg(long = "tag", value_name = "KEY=VALUE")]
        tags: Vec<String>,
        /// The UTC day of use; today by default
        #[arg(long, value_name = "DATE")]
        on: Option<NaiveDate>,
    },
    /// How the amount of a department came to be, down to groups of line items
    Department {
        code: String,
        /// YYYY-MM
        #[arg(long)]
        period: BillingPeriod,
    },
    /// How the amount of a person came to be
    Person {
        person_id: String,
        /// YYYY-MM
        #[arg(long)]
        period: BillingPeriod,
    },
    /// How usage types are read
    UsageType {
        #[arg(required = true)]
        usage_types: Vec<String>,
    },
}

pub(super) async fn run(context: &CommandContext, command: ExplainCommand) -> anyhow::Result<()> {
    match command {
        ExplainCommand::Department { code, period } => amount(context, period, Subject::Department(code)).await,
        ExplainCommand::Person { person_id, period } => amount(context, period, Subject::Person(person_id)).await,
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
                tags,
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
            if let Some(day) = view.tags_of {
                let tags: Vec<String> = view.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
                match tags.as_slice() {
                    [] => eprintln!("no tags in the bill of {day}"),
                    tags => eprintln!("tags in the bill of {day}: {}", tags.join(", ")),
                }
            }
            eprintln!(
                "{} on {on}: {decided} (rule: {})",
                view.state,
                view.rule.unwrap_or("none")
            );
            Ok(())
        }
    }
}

async fn amount(context: &CommandContext, period: BillingPeriod, subject: Subject) -> anyhow::Result<()> {
    authorize(&context.actor, Action::ReadChargeback)?;
    authorize(&context.actor, Action::ReadPeople)?;
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let what = format!("explanation of {subject:?} in {period}");
    note_personal_data_read(&mut connection, &context.actor, &what, context.clock.now()).await?;
    let view = derive(&mut connection, period, &subject, &context.as_seen(), true).await?;
    let view = view.ok_or_else(|| not_loaded(period))?;
    let mut table = Table::new(&["what", "as billed", "exact JPY", "rounding", "JPY", "because"]);
    for part in &view.parts {
        let of_bill = part.invoice.as_deref().unwrap_or(&part.seller);
        table.push(vec![
            format!("{} on {of_bill}", part.column),
            format!("{} {}", grouped(&part.billed.amount), part.billed.currency),
            part.exact.as_deref().map(grouped).unwrap_or_default(),
            part.rounding.clone().unwrap_or_default(),
            grouped(&part.amount.amount),
            part.because.clone(),
        ]);
    }
    let (empty, total) = (String::new(), grouped(&view.total.amount));
    table.push(vec![
        "total".to_owned(),
        empty.clone(),
        empty.clone(),
        empty.clone(),
        total,
        empty.clone(),
    ]);
    for items in &view.line_items {
        let price = items.unit_price.as_deref().unwrap_or("");
        let unit = items.unit.as_deref().unwrap_or("");
        table.push(vec![
            format!("{} {}", items.day, items.usage_type.as_deref().unwrap_or("")),
            format!("{} {}", grouped(&items.cost.amount), items.cost.currency),
            empty.clone(),
            empty.clone(),
            empty.clone(),
            format!(
                "{} x {price} {unit}, {}, by {}",
                items.quantity,
                items.principal.as_deref().unwrap_or("no principal"),
                items.rule.as_deref().unwrap_or("no rule")
            ),
        ]);
    }
    for pooled in &view.pool_items {
        let items = &pooled.items;
        let texts = [&pooled.reason, &pooled.description, &items.principal];
        let texts: Vec<&str> = texts.into_iter().flatten().map(String::as_str).collect();
        table.push(vec![
            format!("in pools: {} {}", items.day, pooled.charge_type),
            format!("{} {}", grouped(&items.cost.amount), items.cost.currency),
            empty.clone(),
            empty.clone(),
            empty.clone(),
            texts.join(", "),
        ]);
    }
    output::print(context.format(), &view, &table)?;
    if view.pool_item_groups > 0 {
        let shown = view.pool_items.len();
        eprintln!(
            "{shown} of {} groups of line items in the month's pools",
            view.pool_item_groups
        );
    }
    let shown = view.line_items.len();
    eprintln!(
        "{shown} of {} groups of line items, {} as billed in all",
        view.line_item_groups, view.line_items_cost
    );
    Ok(())
}
