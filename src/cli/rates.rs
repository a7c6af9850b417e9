//! `anbun rates list|set|import|fetch|policy`

use std::path::PathBuf;

use anyhow::bail;
use chrono::NaiveDate;
use clap::Subcommand;
use rust_decimal::Decimal;

use super::output::{self, Table};
use super::{CommandContext, NeedsDecision};
use crate::api::registers::{PolicyView, RateRecordView};
use crate::domain::actor::{Action, authorize};
use crate::domain::period::BillingPeriod;
use crate::domain::rate::{DateRule, Rate, RateKind, RatePolicy, check_rate};
use crate::jobs::fetch_bank_rates::{Published, fetch_bank_rates};
use crate::sources::csv_table::CsvTable;
use crate::sources::finance_csv::read_rates;
use crate::store::rates::{read_rate_book, record_policy, record_rates};

#[derive(Debug, Subcommand)]
pub(super) enum RatesCommand {
    /// Every rate that counts
    List,
    /// Record one rate: yen for a dollar
    Set {
        value: Decimal,
        #[arg(long, value_parser = ["planning", "ttm", "tts", "ttb", "interbank"])]
        kind: String,
        /// The day that it is of; a planning rate holds from it until the next
        #[arg(long)]
        date: NaiveDate,
        /// Where it comes from, such as the bank's board
        #[arg(long)]
        source: String,
        /// It is right although it looks odd
        #[arg(long)]
        accept: bool,
    },
    /// Record rates from CSV: rate_date,kind,value,source
    Import {
        file: PathBuf,
        /// They are right although some look odd
        #[arg(long)]
        accept: bool,
    },
    /// Record a month's interbank rates as the Bank of Japan publishes them; they are no TTM
    Fetch {
        period: BillingPeriod,
        /// The last month, where it is not the same
        #[arg(long)]
        to: Option<BillingPeriod>,
        /// Only print what would be recorded
        #[arg(long)]
        dry_run: bool,
    },
    /// Which rate months use until their invoices are recorded
    #[command(subcommand)]
    Policy(PolicyCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    List,
    /// From a month on
    Set {
        #[arg(long)]
        from: BillingPeriod,
        #[arg(long, value_parser = ["planning", "ttm", "tts", "ttb", "interbank"])]
        kind: String,
        #[arg(long, value_parser = ["month_end", "previous_month_end", "month_start", "month_average"], default_value = "month_end")]
        date_rule: String,
    },
}

pub(super) async fn run(context: &CommandContext, command: RatesCommand) -> anyhow::Result<()> {
    let (by, now) = (context.actor.name.as_str(), context.clock.now());
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    match command {
        RatesCommand::List => {
            authorize(&context.actor, Action::ReadChargeback)?;
            let book = read_rate_book(&mut connection, context.config.currency.yen()).await?;
            let views: Vec<RateRecordView> = book.rates.iter().map(RateRecordView::of).collect();
            let mut table = Table::new(&["date", "kind", "yen for a dollar", "source", "set by"]);
            for view in &views {
                table.push(vec![
                    view.date.clone(),
                    view.kind.to_owned(),
                    view.value.clone(),
                    view.source.clone(),
                    view.set_by.clone(),
                ]);
            }
            output::print(context.format(), &views, &table)
        }
        RatesCommand::Set {
            value,
            kind,
            date,
            source,
            accept,
        } => {
            authorize(&context.actor, Action::KeepRegisters)?;
            if let Err(what) = check_rate(value, accept) {
                bail!("{what}; nothing was recorded");
            }
            let kind = RateKind::parse(&kind).unwrap_or(RateKind::Planning);
            let set_by = by.to_owned();
            record_rates(
                &mut connection,
                &[Rate {
                    kind,
                    date,
                    value,
                    source,
                    set_by,
                }],
                by,
                now,
            )
            .await?;
            eprintln!("recorded: {value} yen for a dollar, {kind} of {date}");
            Ok(())
        }
        RatesCommand::Import { file, accept } => {
            authorize(&context.actor, Action::KeepRegisters)?;
            let rates = read_rates(&CsvTable::read(&file)?, by, accept)?;
            record_rates(&mut connection, &rates, by, now).await?;
            eprintln!("{} rates are recorded", rates.len());
            Ok(())
        }
        RatesCommand::Fetch { period, to, dry_run } => {
            let months = (period, to.unwrap_or(period));
            let (from, until) = months;
            if until < from {
                bail!("{until} is before {from}");
            }
            let currency = &context.config.currency;
            let asked = (currency.bank_of_japan.as_str(), currency.yen());
            let acting = (&context.actor, context.clock);
            let published = fetch_bank_rates(&mut connection, asked, months, dry_run, acting).await?;
            print_published(context, &published, dry_run)
        }
        RatesCommand::Policy(PolicyCommand::List) => {
            authorize(&context.actor, Action::ReadChargeback)?;
            let book = read_rate_book(&mut connection, context.config.currency.yen()).await?;
            let views: Vec<PolicyView> = book.policies.iter().map(PolicyView::of).collect();
            let mut table = Table::new(&["from", "kind", "date rule", "set by"]);
            for view in &views {
                let cells = [&view.valid_from, view.kind, view.date_rule, &view.set_by];
                table.push(cells.map(str::to_owned).to_vec());
            }
            output::print(context.format(), &views, &table)
        }
        RatesCommand::Policy(PolicyCommand::Set { from, kind, date_rule }) => {
            authorize(&context.actor, Action::KeepRegisters)?;
            let policy = RatePolicy {
                valid_from: from,
                kind: RateKind::parse(&kind).unwrap_or(RateKind::Planning),
                date_rule: DateRule::parse(&date_rule).unwrap_or(DateRule::MonthEnd),
                set_by: by.to_owned(),
            };
            record_policy(&mut connection, &policy, now).await?;
            eprintln!(
                "months from {from} on use the {} rate by {}",
                policy.kind, policy.date_rule
            );
            Ok(())
        }
    }
}

fn print_published(context: &CommandContext, published: &[Published], dry_run: bool) -> anyhow::Result<()> {
    let views: Vec<RateRecordView> = published.iter().map(|one| RateRecordView::of(&one.rate)).collect();
    let mut table = Table::new(&["date", "yen for a dollar", "is", "what"]);
    for (one, view) in published.iter().zip(&views) {
        let (is, what) = match &one.recorded {
            None => ("new", String::new()),
            Some(known) if one.differs() => (
                "DIFFERS",
                format!(
                    "the register has {} ({}) and keeps it; 'anbun rates set' changes it",
                    known.value, known.source
                ),
            ),
            Some(_) => ("recorded", String::new()),
        };
        table.push(vec![view.date.clone(), view.value.clone(), is.to_owned(), what]);
    }
    output::print(context.format(), &views, &table)?;
    let new = published.iter().filter(|one| one.recorded.is_none()).count();
    match dry_run {
        true => eprintln!("nothing was recorded: this was a dry run"),
        false => eprintln!("{new} rates are recorded as interbank; the Bank of Japan's are no TTM"),
    }
    match published.iter().filter(|one| one.differs()).count() {
        0 => Ok(()),
        differing => Err(NeedsDecision(format!("{differing} rates differ from the register")).into()),
    }
}
