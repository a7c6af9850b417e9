//! Whether the journals of a statement balance: what the company as a whole must see before it closes a month.

use std::collections::BTreeMap;

use super::{JournalError, WORKBOOK, entities_of, journal};
use crate::documents::SealedStatement;
use crate::domain::close::JournalStanding;
use crate::domain::journal::JournalSettings;

/// Makes the journal of every legal entity and adds them up: debits equal credits, each entity books what it is charged, and what
/// one owes another stands in both books.
pub fn standing(statement: &SealedStatement, settings: &JournalSettings) -> JournalStanding {
    if settings.sources.is_empty() {
        return JournalStanding::NotMade;
    }
    match difference(statement, settings) {
        Ok((debits, 0)) => JournalStanding::Balances { debits },
        Ok((_, difference)) => JournalStanding::Differs { difference },
        Err(error) => JournalStanding::CannotBeMade(error.to_string()),
    }
}

/// All debits, and how far the books are from balancing: zero where they do.
fn difference(statement: &SealedStatement, settings: &JournalSettings) -> Result<(i128, i128), JournalError> {
    let (mut debits, mut credits, mut off) = (0_i128, 0_i128, 0_i128);
    // What stands between two entities, by payer and debtor: receivables less payables.
    let mut between: BTreeMap<(String, String), i128> = BTreeMap::new();
    let receivables: Vec<&str> = settings
        .sources
        .iter()
        .map(|of| of.receivable_account.as_str())
        .collect();
    let payables: Vec<&str> = settings.sources.iter().map(|of| of.payable_account.as_str()).collect();
    for entity in entities_of(statement, settings)? {
        let made = journal(statement, settings, WORKBOOK, Some(&entity), None)?;
        off += (made.own_moved + made.own_share + made.tax_elsewhere - made.charged).abs();
        for line in made.slips.iter().flat_map(|slip| &slip.lines) {
            for (side, amount) in [(&line.debit, line.amount), (&line.credit, -line.amount)] {
                *(if amount > 0 { &mut debits } else { &mut credits }) += amount;
                if side.partner.is_empty() {
                    continue;
                }
                if receivables.contains(&side.account.as_str()) {
                    *between.entry((entity.clone(), side.partner.clone())).or_default() += amount;
                } else if payables.contains(&side.account.as_str()) {
                    *between.entry((side.partner.clone(), entity.clone())).or_default() += amount;
                }
            }
        }
    }
    off += (debits + credits).abs();
    off += between.values().map(|rest| rest.abs()).sum::<i128>();
    Ok((debits, off))
}
