//! Taking over budgets: all of a file, or one that is set.

use std::collections::BTreeMap;

use sqlx::{Connection as _, PgConnection};

use super::keep_registers::RegisterError;
use crate::clock::Clock;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::budget::{Budget, BudgetScope};
use crate::domain::job::JobName;
use crate::domain::period::BillingPeriod;
use crate::sources::budget_csv::{read_budgets, row_of};
use crate::sources::csv_table::CsvTable;
use crate::store::budgets::{list_budgets, lock_budgets, replace_budgets};
use crate::store::directory::get_directory;
use crate::store::jobs::request_run;

/// Takes over all budgets as a new version; with a dry run only checks them.
pub async fn keep_budgets(
    connection: &mut PgConnection,
    table: &CsvTable,
    is_dry_run: bool,
    (actor, clock): (&Actor, Clock),
) -> Result<(Vec<Budget>, Option<i32>), RegisterError> {
    authorize(actor, Action::KeepRegisters)?;
    let budgets = read_budgets(table)?;
    let mut transaction = connection.begin().await?;
    lock_budgets(&mut transaction).await?;
    let version = take_over(&mut transaction, &budgets, is_dry_run, (actor, clock)).await?;
    transaction.commit().await?;
    Ok((budgets, version))
}

/// What is said of one budget; what is not said stays as it is.
#[derive(Debug, Clone)]
pub struct BudgetChange {
    pub name: String,
    /// Columns of the budget file.  The first month is among them.
    pub cells: BTreeMap<String, String>,
}

/// Sets one budget from a month on, and keeps all others, as a new version; with a dry run only checks it.  Of a budget that is there
/// already, what is not said is as it is in that month.
pub async fn set_budget(
    connection: &mut PgConnection,
    change: &BudgetChange,
    is_dry_run: bool,
    (actor, clock): (&Actor, Clock),
) -> Result<(Vec<Budget>, Option<i32>), RegisterError> {
    authorize(actor, Action::KeepRegisters)?;
    let mut transaction = connection.begin().await?;
    lock_budgets(&mut transaction).await?;
    let others = list_budgets(&mut transaction).await?;
    let from = change
        .cells
        .get("valid_from")
        .and_then(|text| text.parse::<BillingPeriod>().ok());
    let of_name = others.iter().filter(|other| other.name == change.name);
    let known = of_name.max_by_key(|other| (from.is_some_and(|from| other.holds_in(from)), other.valid_from));
    let mut row = known.map(row_of).unwrap_or_default();
    // It holds as long as what it takes the place of, else until the next of its name.
    let later = others
        .iter()
        .filter(|other| other.name == change.name && from.is_some_and(|from| other.valid_from > from));
    let end = match known.filter(|known| from.is_some_and(|from| known.holds_in(from))) {
        Some(known) => known.valid_to,
        None => later.map(|other| other.valid_from).min(),
    };
    row.insert(
        "valid_to".to_owned(),
        end.map(|end| end.to_string()).unwrap_or_default(),
    );
    row.insert("name".to_owned(), change.name.clone());
    row.extend(change.cells.clone());
    let columns = [
        "scope",
        "code",
        "frequency",
        "currency",
        "amount",
        "rate",
        "valid_from",
        "valid_to",
    ];
    for column in columns {
        row.entry(column.to_owned()).or_default();
    }
    let table = CsvTable::of_rows(&format!("budget '{}'", change.name), &[row])?;
    let mut budgets = read_budgets(&table)?;
    let set = budgets
        .pop()
        .ok_or_else(|| RegisterError::Invalid("no budget is said".to_owned()))?;
    let budgets = set.set_among(others);
    let version = take_over(&mut transaction, &budgets, is_dry_run, (actor, clock)).await?;
    transaction.commit().await?;
    Ok((budgets, version))
}

/// Checks that everybody and everything that budgets name is there, and stores them.
async fn take_over(
    transaction: &mut PgConnection,
    budgets: &[Budget],
    is_dry_run: bool,
    (actor, clock): (&Actor, Clock),
) -> Result<Option<i32>, RegisterError> {
    let directory = get_directory(transaction).await?;
    for budget in budgets {
        let code = &budget.code;
        let is_known = match budget.scope {
            BudgetScope::Department => directory.departments.iter().any(|known| known.code == *code),
            BudgetScope::Project => directory.projects.iter().any(|known| known.code == *code),
            BudgetScope::Person => directory.people.iter().any(|known| known.person_id == *code),
            BudgetScope::Company | BudgetScope::Family | BudgetScope::Account => true,
        };
        if !is_known {
            let what = format!(
                "budget '{}': {} '{code}' is not in the directory",
                budget.name, budget.scope
            );
            return Err(RegisterError::Invalid(what));
        }
        let owner = &budget.owner_person_id;
        if !owner.is_empty() && !directory.people.iter().any(|known| known.person_id == *owner) {
            let what = format!("budget '{}': its owner '{owner}' is not in the directory", budget.name);
            return Err(RegisterError::Invalid(what));
        }
    }
    if is_dry_run {
        return Ok(None);
    }
    let version = replace_budgets(transaction, budgets, &actor.name, clock.now()).await?;
    request_run(transaction, JobName::EvaluateBudgets, &actor.name, clock.now()).await?;
    Ok(Some(version))
}
