//! `anbun chargeback export`

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use chrono::NaiveDate;

use crate::api::files::{FileKind, FileQuestion, file};
use crate::cli::{CommandContext, Usage};
use crate::documents::Language;
use crate::documents::encoding::Encoding;
use crate::domain::period::BillingPeriod;
use crate::domain::text::grouped;
use crate::sources::csv_table::CsvTable;
use crate::sources::finance_csv::read_journal_mappings;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ExportArguments {
    /// YYYY-MM
    period: BillingPeriod,
    /// csv, xlsx, focus (1.2, Parquet), focus-csv, focus-1.3, focus-1.3-csv, intercompany, or journal:PRESET with freee, moneyforward, obc, yayoi, sap or a
    /// template of the settings; journal:sap.xlsx is a worksheet
    #[arg(long = "as", value_name = "KIND")]
    kind: String,
    /// Where to; a name of its own in this folder by default, '-' is stdout
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Number of an earlier statement; the one that closed the month by default
    #[arg(long)]
    statement: Option<i32>,
    /// The last statement that was sealed by the end of that UTC day
    #[arg(long, conflicts_with = "statement")]
    as_known_on: Option<NaiveDate>,
    #[arg(long, value_parser = ["ja", "en"], default_value = "ja")]
    language: String,
    /// Of CSV files
    #[arg(long, value_parser = Encoding::NAMES)]
    encoding: Option<String>,
    /// A journal is of one legal entity
    #[arg(long)]
    legal_entity: Option<String>,
    /// Of the actual; the month's last day by default
    #[arg(long)]
    posting_date: Option<NaiveDate>,
    /// A sheet by person in the workbook; noted with your name
    #[arg(long)]
    with_people: bool,
}

pub(super) async fn run(context: &CommandContext, arguments: ExportArguments) -> anyhow::Result<()> {
    let Some(kind) = FileKind::parse(&arguments.kind) else {
        return Err(Usage(format!(
            "'{}' is none of csv, xlsx, focus, focus-csv, focus-1.3, focus-1.3-csv, intercompany, journal:PRESET",
            arguments.kind
        ))
        .into());
    };
    if arguments.with_people && kind != FileKind::Xlsx {
        return Err(Usage("only the workbook has a sheet by person".to_owned()).into());
    }
    let question = FileQuestion {
        period: arguments.period,
        kind,
        version: arguments.statement,
        as_known_on: arguments.as_known_on,
        language: if arguments.language == "ja" {
            Language::Japanese
        } else {
            Language::English
        },
        encoding: arguments.encoding.as_deref().and_then(Encoding::parse),
        legal_entity: arguments.legal_entity,
        posting_date: arguments.posting_date,
        with_people: arguments.with_people,
    };
    let mappings = match &context.config.journal.mappings {
        Some(path) => read_journal_mappings(&CsvTable::read(path)?)?,
        None => Vec::new(),
    };
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    let with = (&context.actor, context.clock.now());
    let made = file(&mut connection, &question, &context.config, mappings, with).await?;
    let place = match &arguments.output {
        Some(path) if path.as_os_str() == "-" => {
            std::io::stdout().lock().write_all(&made.content)?;
            "stdout".to_owned()
        }
        path => {
            let path = path.clone().unwrap_or_else(|| PathBuf::from(&made.file_name));
            std::fs::write(&path, &made.content).with_context(|| format!("{} cannot be written", path.display()))?;
            path.display().to_string()
        }
    };
    eprintln!("{place}: {} bytes, SHA-256 {}", made.content.len(), made.sha256);
    for journal in &made.journals {
        for slip in &journal.slips {
            let sum: i128 = slip.lines.iter().map(|line| line.amount).sum();
            let (lines, sum) = (slip.lines.len(), grouped(&sum.to_string()));
            eprintln!(
                "{} slip {} of {}, {}: {lines} lines, ¥{sum}",
                journal.legal_entity,
                slip.number,
                slip.date,
                slip.kind.as_str()
            );
        }
        eprintln!(
            "{}: charged ¥{} = moved ¥{} + own share ¥{} + tax booked elsewhere ¥{}",
            journal.legal_entity,
            grouped(&journal.charged.to_string()),
            grouped(&journal.own_moved.to_string()),
            grouped(&journal.own_share.to_string()),
            grouped(&journal.tax_elsewhere.to_string())
        );
    }
    if made.taken > 0 && arguments.kind.starts_with("journal:") {
        eprintln!(
            "warning: this journal was exported {} times before; post it once",
            made.taken
        );
    }
    Ok(())
}
