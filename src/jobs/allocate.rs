//! What other rules for shared cost would move, in yen, in the months that are neither final nor locked.

use sqlx::PgConnection;

use crate::domain::allocation::AllocationRule;
use crate::domain::chargeback::{Moved, Reporting, moved};
use crate::domain::close::MonthState;
use crate::domain::period::BillingPeriod;
use crate::domain::rate::YenRates;
use crate::store::StoreResult;
use crate::store::books::{Leaves, assemble, assemble_by};
use crate::store::chargeback::list_periods;
use crate::store::directory::list_departments;
use crate::store::month::list_states;

/// The open months in which something moves, each with what does.
pub async fn preview_rules(
    connection: &mut PgConnection,
    rules: &[AllocationRule],
    yen: YenRates,
) -> StoreResult<Vec<(BillingPeriod, Vec<Moved>)>> {
    let departments = list_departments(connection).await?;
    let closed = list_states(connection).await?;
    let reporting = Reporting::Yen(yen);
    let mut months = Vec::new();
    for loaded in list_periods(connection).await? {
        let period = loaded.period;
        if closed
            .get(&period)
            .is_some_and(|state| state.state >= MonthState::Final)
        {
            continue;
        }
        let before = assemble(connection, period, &departments, reporting, Leaves::None).await?;
        let with = (rules.to_vec(), None);
        let after = assemble_by(connection, period, &departments, reporting, Leaves::None, with).await?;
        let changes = moved(&before.converted.postings, &after.converted.postings);
        if !changes.is_empty() {
            months.push((period, changes));
        }
    }
    Ok(months)
}
