//! `anbun costs`

use super::CommandContext;
use super::output::{self, Table};
use crate::api::costs::{Question, answer, parse_day, parse_dimension, parse_filter};
use crate::domain::text::grouped;

#[derive(Debug, clap::Args)]
pub(super) struct CostsArguments {
    /// First day, YYYY-MM-DD; the newest loaded month by default
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Day after the last, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Dimensions to group by, separated by commas
    #[arg(long, value_name = "DIM,...", value_delimiter = ',')]
    by: Vec<String>,
    /// Only where a dimension has a value; may be repeated
    #[arg(long = "where", value_name = "DIM=VALUE")]
    filters: Vec<String>,
}

pub(super) async fn run(context: &CommandContext, arguments: CostsArguments) -> anyhow::Result<()> {
    let mut question = Question {
        from: arguments
            .from
            .as_deref()
            .map(|text| parse_day("from", text))
            .transpose()?,
        to: arguments.to.as_deref().map(|text| parse_day("to", text)).transpose()?,
        by: arguments
            .by
            .iter()
            .map(|text| parse_dimension("by", text))
            .collect::<Result<_, _>>()?,
        filters: Vec::new(),
    };
    for text in &arguments.filters {
        let (dimension, value) = parse_filter(text)?;
        question.add_filter(dimension, value);
    }
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let view = answer(&mut connection, &question, &context.actor, &context.as_seen()).await?;
    let mut header: Vec<&str> = question.by.iter().map(|d| d.as_str()).collect();
    header.extend(["cost", "net cost", "currency", "tokens", "lines"]);
    let mut table = Table::new(&header);
    for row in &view.data {
        let mut cells: Vec<String> = row
            .dimensions
            .values()
            .map(|v| v.as_str().unwrap_or("").to_owned())
            .collect();
        cells.extend([
            grouped(&row.cost.amount),
            grouped(&row.net_cost.amount),
            row.cost.currency.clone(),
            grouped(&row.tokens),
            row.lines.to_string(),
        ]);
        table.push(cells);
    }
    output::print(context.format(), &view, &table)?;
    for total in &view.totals {
        eprintln!(
            "total {} {} in {} lines",
            grouped(&total.cost.amount),
            total.cost.currency,
            total.lines
        );
    }
    output::print_findings(&view.findings);
    Ok(())
}
