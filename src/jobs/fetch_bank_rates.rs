//! Records the Bank of Japan's rates of some months: those that the register does not have, and never another for a day that it has.

use sqlx::PgConnection;

use crate::clock::Clock;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::period::BillingPeriod;
use crate::domain::rate::{Rate, RateKind, YenRates, check_rate};
use crate::jobs::keep_registers::keep_rates;
use crate::sources::bank_of_japan::{SOURCE, fetch_rates};
use crate::store::rates::read_rate_book;

/// A published rate beside the one of the register, where it has one of that day.
#[derive(Debug)]
pub struct Published {
    pub rate: Rate,
    pub recorded: Option<Rate>,
}

impl Published {
    /// Whether the register says something else of the day; a person decides which of the two is right.
    pub fn differs(&self) -> bool {
        self.recorded
            .as_ref()
            .is_some_and(|known| known.value != self.rate.value)
    }
}

/// Asks for the months from one to another, both included, and records what is new; a dry run records nothing.
pub async fn fetch_bank_rates(
    connection: &mut PgConnection,
    (endpoint, yen): (&str, YenRates),
    (from, to): (BillingPeriod, BillingPeriod),
    is_dry_run: bool,
    (actor, clock): (&Actor, Clock),
) -> anyhow::Result<Vec<Published>> {
    authorize(actor, Action::KeepRegisters)?;
    let fetched = fetch_rates(endpoint, from, to).await?;
    for (date, value) in &fetched {
        check_rate(*value, false)
            .map_err(|what| anyhow::anyhow!("the Bank of Japan's rate of {date}: {what}; nothing was recorded"))?;
    }
    let book = read_rate_book(connection, yen).await?;
    let published: Vec<Published> = fetched
        .into_iter()
        .map(|(date, value)| Published {
            recorded: book.find(RateKind::Interbank, date).cloned(),
            rate: Rate {
                kind: RateKind::Interbank,
                date,
                value,
                source: SOURCE.to_owned(),
                set_by: actor.name.clone(),
            },
        })
        .collect();
    let new = published.iter().filter(|published| published.recorded.is_none());
    let new: Vec<Rate> = new.map(|published| published.rate.clone()).collect();
    if !is_dry_run && !new.is_empty() {
        keep_rates(connection, &new, (actor, clock)).await?;
    }
    Ok(published)
}
