//! What the company's books hold of the versions of a month that a statement takes the place of.

use std::collections::BTreeSet;

use anyhow::Context as _;
use chrono::NaiveDate;
use sqlx::PgConnection;

use crate::documents::journal::{Journal, Slip, SlipKind, cancelled};
use crate::domain::close::MonthState;
use crate::domain::period::BillingPeriod;
use crate::store::StoreResult;
use crate::store::files::{KeptJournal, list_journals};
use crate::store::month::{PostedSlip, list_posted};
use crate::store::statements::{Statement, list_statements};

pub struct PostedBefore {
    /// Earlier statements of the same state that the books hold anything of, the oldest first.
    pub superseded: Vec<PostedStatement>,
    /// Earlier provisional ones of a month that is final.
    accruals: Vec<PostedStatement>,
}

pub struct PostedStatement {
    version: i32,
    pub slips: Vec<PostedSlip>,
    pub journals: Vec<KeptJournal>,
}

impl PostedStatement {
    /// Whether the books of a legal entity hold it.  Slips that no file named are of every entity, until somebody names one.
    fn is_in_books_of(&self, legal_entity: &str) -> bool {
        let is_named = self.slips.iter().any(|posted| !posted.legal_entity.is_empty());
        !is_named || self.slips.iter().any(|posted| posted.legal_entity == legal_entity)
    }

    fn journal_of(&self, legal_entity: &str) -> Option<&KeptJournal> {
        self.journals.iter().find(|kept| kept.legal_entity == legal_entity)
    }

    /// The numbers of the slips that the books of a legal entity hold.
    fn slips_of(&self, legal_entity: &str) -> BTreeSet<&str> {
        let own = self
            .slips
            .iter()
            .filter(|posted| posted.legal_entity.is_empty() || posted.legal_entity == legal_entity);
        own.map(|posted| posted.slip.as_str()).collect()
    }

    /// The slips of its journal that the books of a legal entity hold.  Where they number slips themselves, none of the file's is
    /// named: they hold it whole.
    fn posted_slips(&self, kept: &KeptJournal) -> anyhow::Result<Vec<Slip>> {
        let journal: Journal = serde_json::from_value(kept.journal.clone())
            .with_context(|| format!("the journal of version {} cannot be read", self.version))?;
        let (named, mut slips) = (self.slips_of(&kept.legal_entity), journal.slips);
        if slips.iter().any(|slip| named.contains(slip.number.as_str())) {
            slips.retain(|slip| named.contains(slip.number.as_str()));
        }
        Ok(slips)
    }
}

impl PostedBefore {
    pub async fn read(connection: &mut PgConnection, statement: &Statement) -> StoreResult<Self> {
        let mut posted = Self {
            superseded: Vec::new(),
            accruals: Vec::new(),
        };
        let mut statements = list_statements(connection, statement.period).await?;
        statements.retain(|earlier| earlier.version < statement.version);
        statements.sort_by_key(|earlier| earlier.version);
        for earlier in statements {
            let slips = list_posted(connection, earlier.statement_id).await?;
            if slips.is_empty() {
                continue;
            }
            let of_state = match (earlier.state, statement.state) {
                (before, now) if before == now => &mut posted.superseded,
                (MonthState::Provisional, _) => &mut posted.accruals,
                _ => continue,
            };
            of_state.push(PostedStatement {
                version: earlier.version,
                slips,
                journals: list_journals(connection, earlier.statement_id).await?,
            });
        }
        Ok(posted)
    }

    /// The slips that the books of a legal entity hold of all versions before, without those that a posted slip took back.
    pub fn held_by(&self, legal_entity: &str, period: BillingPeriod) -> anyhow::Result<Vec<Slip>> {
        let mut held: Vec<Slip> = Vec::new();
        for posted in self.superseded.iter().filter(|of| of.is_in_books_of(legal_entity)) {
            // What was posted is taken back as its file had it, so there is one.
            let kept = posted.journal_of(legal_entity).with_context(|| {
                format!(
                    "statement {0} of {period} is posted, and no file says what its slips hold for {legal_entity}: export its journal first, with --statement {0}",
                    posted.version
                )
            })?;
            for slip in posted.posted_slips(kept)? {
                if slip.kind == SlipKind::Cancellation {
                    held.retain(|of| cancelled(of.clone()).number != slip.number);
                } else {
                    held.push(slip);
                }
            }
        }
        Ok(held)
    }

    /// Every legal entity whose books hold something of an earlier version, by the files that were made of it.
    pub fn entities_that_hold(&self, period: BillingPeriod) -> anyhow::Result<BTreeSet<String>> {
        let journals = self.superseded.iter().flat_map(|of| &of.journals);
        let known: BTreeSet<&str> = journals.map(|kept| kept.legal_entity.as_str()).collect();
        let mut holding = BTreeSet::new();
        for entity in known {
            if !self.held_by(entity, period)?.is_empty() {
                holding.insert(entity.to_owned());
            }
        }
        Ok(holding)
    }

    /// Slips of posted accruals that the books do not hold: the reversal of one that is there.
    pub fn accruals_left(&self) -> anyhow::Result<Vec<String>> {
        let mut left = Vec::new();
        for posted in &self.accruals {
            for kept in posted
                .journals
                .iter()
                .filter(|kept| posted.is_in_books_of(&kept.legal_entity))
            {
                let held = posted.posted_slips(kept)?;
                let missing = kept
                    .numbers
                    .iter()
                    .filter(|number| held.iter().all(|slip| slip.number != **number));
                left.extend(missing.map(|number| format!("{number} of {}", kept.legal_entity)));
            }
        }
        Ok(left)
    }

    /// The accrual is in the service month already: the actual goes to another.
    pub fn check_date(
        &self,
        period: BillingPeriod,
        state: MonthState,
        posting_date: Option<NaiveDate>,
    ) -> anyhow::Result<()> {
        let next = period.next().first_day();
        let needs_date = !self.accruals.is_empty() && state == MonthState::Final;
        anyhow::ensure!(
            !needs_date || posting_date.is_some_and(|date| date >= next),
            "the accrual of {period} is posted and reversed on {next}: give the actual a --posting-date from then on, or the month has the cost twice"
        );
        Ok(())
    }
}
