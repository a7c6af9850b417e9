//! A closed month as it was sealed: what a later delivery, rate or rule says is a finding, never another figure.

use sqlx::PgConnection;

use super::chargeback::{ChargebackView, NamesByCode, ViewQuestion, view_books, view_of};
use super::footing::{Footing, sealed_moment};
use super::view::{FindingView, MoneyView};
use crate::domain::books::{LeafAmount, Posting};
use crate::domain::chargeback::{Chargeback, GroupBy, Reporting};
use crate::domain::close::MonthState;
use crate::domain::directory::DirectoryDay;
use crate::domain::money::Amount;
use crate::store::StoreResult;
use crate::store::cost_bases::{compare_bases, list_net_payers};
use crate::store::month::{find_state, list_deliveries_used};
use crate::store::statements::{Statement, find_statement, list_lines, list_postings, list_snapshot_ids};

pub(super) struct SealedMonth {
    statement: Statement,
    state: MonthState,
    pub(super) chargeback: Chargeback,
    unconverted: Vec<(String, Amount)>,
    restated: Option<Amount>,
}

impl SealedMonth {
    pub(super) async fn read(
        connection: &mut PgConnection,
        statement_id: i32,
        question: &ViewQuestion,
        today: Option<&DirectoryDay<'_>>,
    ) -> StoreResult<Self> {
        let (by, reporting) = (question.by, question.reporting);
        let statement = find_statement(connection, statement_id).await?;
        let state = match question.as_known_on {
            None => find_state(connection, statement.period).await?.state,
            Some(_) => statement.state,
        };
        let sealed = list_postings(connection, statement_id).await?;
        let own = sealed.iter().filter(|(_, posting)| posting.column.is_billed());
        let billed: Amount = own.map(|(_, posting)| posting.billed).sum();
        let mut unconverted: Vec<(String, Amount)> = Vec::new();
        let mut postings: Vec<Posting> = Vec::new();
        for (currency, posting) in sealed {
            match in_currency(&currency, reporting, posting.billed, posting.amount) {
                Some(amount) => postings.push(Posting { amount, ..posting }),
                None => match unconverted.iter_mut().find(|(known, _)| *known == currency) {
                    Some((_, sum)) => *sum += posting.billed,
                    None => unconverted.push((currency, posting.billed)),
                },
            }
        }
        let leaves = match by {
            GroupBy::Department if today.is_none() => Vec::new(),
            _ => {
                let lines = list_lines(connection, statement_id).await?;
                let leaves = lines.iter().filter_map(|line| {
                    let amount = in_currency(&line.currency, reporting, line.billed, line.amount)?;
                    Some(LeafAmount { amount, ..line.leaf()? })
                });
                leaves.collect()
            }
        };
        let chargeback = view_books(question, statement.period, postings, leaves, today)?;
        let restated = match question.as_known_on {
            None => restated(connection, &statement, billed).await?,
            Some(_) => None,
        };
        Ok(Self {
            statement,
            state,
            chargeback,
            unconverted,
            restated,
        })
    }

    pub(super) fn view(
        &self,
        reporting: Reporting,
        names: &NamesByCode,
        mut findings: Vec<FindingView>,
    ) -> ChargebackView {
        findings.extend(
            self.restated
                .map(|amount| restated_finding(&self.statement, self.state, amount)),
        );
        let (data_as_of, rates) = sealed_moment(&self.statement);
        let footing = Footing {
            basis: "bill",
            state: self.state.as_str(),
            data_as_of,
            rates: match reporting {
                Reporting::AsBilled | Reporting::Cents => Vec::new(),
                Reporting::Yen(_) => rates,
            },
            findings,
        };
        view_of(&self.chargeback, reporting, names, footing, &self.unconverted)
    }
}

fn in_currency(currency: &str, reporting: Reporting, billed: Amount, sealed: Amount) -> Option<Amount> {
    match reporting {
        Reporting::Yen(_) => Some(sealed),
        Reporting::AsBilled | Reporting::Cents => (currency == "USD").then_some(billed),
    }
}

/// What deliveries that came after the seal change, in the bill's own currency.
async fn restated(connection: &mut PgConnection, statement: &Statement, sealed: Amount) -> StoreResult<Option<Amount>> {
    let used = list_snapshot_ids(connection, statement.statement_id).await?;
    let mut now = list_deliveries_used(connection, statement.period).await?;
    now.sort_by_key(|delivery| delivery.snapshot_id);
    if now.iter().map(|delivery| delivery.snapshot_id).collect::<Vec<_>>() == used {
        return Ok(None);
    }
    // Deliveries are counted unblended; a payer on the net basis was sealed by the other column.
    let net_payers = list_net_payers(connection, statement.period).await?;
    let measures = compare_bases(connection, statement.period).await?;
    let on_net = measures.iter().filter(|of| net_payers.contains(&of.payer));
    let net: Amount = on_net.map(|of| of.net_cost - of.cost).sum();
    let billed: Amount = now.iter().map(|delivery| delivery.cost).sum();
    Ok(Some(billed + net - sealed))
}

fn restated_finding(statement: &Statement, state: MonthState, amount: Amount) -> FindingView {
    let action = match state {
        MonthState::Locked => "nothing: it becomes a true-up in the next open month",
        _ => "look at what changed with 'anbun ingest status'; reopen the month to take it over",
    };
    FindingView {
        code: "restated".to_owned(),
        severity: "warning",
        subject: format!("statement {}", statement.version),
        message: "a delivery came after the month was sealed; these figures are the sealed ones, and this is how far its bill is from theirs"
            .to_owned(),
        action: action.to_owned(),
        period: Some(statement.period.to_string()),
        amount: Some(MoneyView::new(amount, "USD")),
        lines: None,
    }
}
