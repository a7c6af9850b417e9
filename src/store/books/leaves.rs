//! The leaves of a month: what its people used, as finely as a view needs it.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::{Bills, amount};
use crate::domain::books::LeafSum;
use crate::domain::period::BillingPeriod;
use crate::store::StoreResult;

/// A month and the payers whose net column counts.
pub(super) struct Month {
    pub period: BillingPeriod,
    pub net_payers: Vec<String>,
}

/// By person.
pub(super) async fn list_people(
    connection: &mut PgConnection,
    month: &Month,
    bills: &mut Bills,
) -> StoreResult<Vec<LeafSum>> {
    let rows = sqlx::query_file!(
        "queries/books/sum_people.sql",
        month.period.first_day(),
        &month.net_payers
    )
    .fetch_all(connection)
    .await?;
    let leaves = rows.into_iter().map(|row| {
        Ok(LeafSum {
            bill: bills.position(row.payer, row.seller, row.invoice, row.currency),
            department: row.department,
            person: row.person,
            model: None,
            project: None,
            lines: row.lines,
            tokens: row.tokens,
            cost: amount(row.cost)?,
        })
    });
    leaves.collect()
}

/// By person and project; by model too where a person of a department has several projects, since yen go to models first.
pub(super) async fn list_projects(
    connection: &mut PgConnection,
    month: &Month,
    bills: &mut Bills,
) -> StoreResult<Vec<LeafSum>> {
    let rows = sqlx::query_file!(
        "queries/books/sum_projects.sql",
        month.period.first_day(),
        &month.net_payers
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut projects: BTreeMap<(&str, Option<&str>), BTreeSet<Option<&str>>> = BTreeMap::new();
    for row in &rows {
        let owner = (row.department.as_str(), row.person.as_deref());
        projects.entry(owner).or_default().insert(row.project.as_deref());
    }
    let several = projects.into_iter().filter(|(_, projects)| projects.len() > 1);
    let several: BTreeSet<(String, Option<String>)> = several
        .map(|((department, person), _)| (department.to_owned(), person.map(str::to_owned)))
        .collect();
    let mut leaves = if several.is_empty() {
        Vec::new()
    } else {
        list_leaves(connection, month, Some(&several), bills).await?
    };
    for row in rows {
        let owner = (row.department, row.person);
        if several.contains(&owner) {
            continue;
        }
        leaves.push(LeafSum {
            bill: bills.position(row.payer, row.seller, row.invoice, row.currency),
            department: owner.0,
            person: owner.1,
            model: None,
            project: row.project,
            lines: row.lines,
            tokens: row.tokens,
            cost: amount(row.cost)?,
        });
    }
    Ok(leaves)
}

/// By person, model and project: all, or those of some people of some departments.
pub(super) async fn list_leaves(
    connection: &mut PgConnection,
    month: &Month,
    of: Option<&BTreeSet<(String, Option<String>)>>,
    bills: &mut Bills,
) -> StoreResult<Vec<LeafSum>> {
    let asked = of.map(|of| {
        let names = of
            .iter()
            .map(|(code, person)| (code.clone(), person.clone().unwrap_or_default()));
        names.unzip::<String, String, Vec<_>, Vec<_>>()
    });
    let (departments, people) = asked.unzip();
    let rows = sqlx::query_file!(
        "queries/books/sum_leaves.sql",
        month.period.first_day(),
        &month.net_payers,
        departments.as_deref(),
        people.as_deref(),
    )
    .fetch_all(connection)
    .await?;
    let leaves = rows.into_iter().map(|row| {
        Ok(LeafSum {
            bill: bills.position(row.payer, row.seller, row.invoice, row.currency),
            department: row.department,
            person: row.person,
            model: row.model,
            project: row.project,
            lines: row.lines,
            tokens: row.tokens,
            cost: amount(row.cost)?,
        })
    });
    leaves.collect()
}
