//! What a provisional month takes the days to cost that no delivery has yet.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::domain::accrual::{METHOD, estimate, missing_days};
use crate::domain::books::Posting;
use crate::domain::money::{Amount, Ratio};
use crate::domain::period::BillingPeriod;
use crate::store::StoreResult;
use crate::store::accruals::{list_days_of_use, list_gaps, postings};
use crate::store::month::DeliveryUsed;

/// The estimate, in postings by payer and seller.
pub(super) struct Estimate {
    pub(super) postings: BTreeMap<(String, String), Vec<Posting>>,
    /// The first missing day, by payer.
    from: BTreeMap<String, NaiveDate>,
}

impl Estimate {
    /// None where no day is missing, or nothing is delivered that it could be made from.
    pub(super) async fn read(
        connection: &mut PgConnection,
        period: BillingPeriod,
        deliveries: &[DeliveryUsed],
        rate: Ratio,
    ) -> StoreResult<Option<Self>> {
        let last_days = || deliveries.iter().filter_map(|used| used.last_day);
        if !last_days().any(|last| missing_days(period, last).next().is_some()) {
            return Ok(None);
        }
        let delivered = list_days_of_use(connection, period, period.first_day()).await?;
        if delivered.is_empty() {
            return Ok(None);
        }
        let gaps = list_gaps(connection, period).await?;
        let estimated = estimate(period, &delivered, &gaps);
        let from = delivered
            .iter()
            .filter_map(|use_of| Some((use_of.key.payer.clone(), missing_days(period, use_of.last_day).next()?)));
        Ok(Some(Self {
            from: from.collect(),
            postings: postings(&estimated, rate)?,
        }))
    }

    fn all(&self) -> impl Iterator<Item = (&(String, String), &Posting)> {
        self.postings
            .iter()
            .flat_map(|(bill, postings)| postings.iter().map(move |posting| (bill, posting)))
    }

    pub(super) fn total(&self) -> Amount {
        self.all().map(|(_, posting)| posting.amount).sum()
    }

    /// As the statement prints it.
    pub(super) fn of_head(&self) -> Value {
        let lines = self.all().map(|((payer, seller), posting)| {
            json!({
                "payer": payer,
                "seller": seller,
                "department": posting.department,
                "pool": posting.pool.as_ref().map(ToString::to_string),
                "usd": posting.billed.to_string(),
                "jpy": posting.amount.to_string(),
            })
        });
        json!({
            "method": METHOD,
            "from": self.from,
            "lines": lines.collect::<Vec<_>>(),
            "jpy": self.total().to_string(),
        })
    }
}
