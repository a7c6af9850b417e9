//! Budgets as finance keeps them in a file.

use std::collections::BTreeMap;

use super::csv_table::{CsvError, CsvLine, CsvTable};
use crate::domain::budget::{Budget, BudgetBasis, BudgetScope, Frequency};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::threshold::Threshold;

const COLUMNS: &[&str] = &[
    "name",
    "scope",
    "code",
    "frequency",
    "currency",
    "amount",
    "rate",
    "valid_from",
    "valid_to",
];
const OPTIONAL: &[&str] = &[
    "basis",
    "with_allocated",
    "with_tax",
    "owner_person_id",
    "channel",
    "thresholds",
];

/// Reads all budgets; they take the place of those that hold.
pub fn read_budgets(table: &CsvTable) -> Result<Vec<Budget>, CsvError> {
    table.expect_columns(COLUMNS, OPTIONAL)?;
    let mut budgets: Vec<(u64, Budget)> = Vec::new();
    for line in table.lines() {
        let budget = budget(&line)?;
        budget.check().map_err(|(column, what)| line.refuse(column, what))?;
        if let Some((first, _)) = budgets.iter().find(|(_, other)| other.overlaps(&budget)) {
            let what = format!("both say the budget '{}' of the same months", budget.name);
            return Err(table.refuse_lines((*first, line.line), "valid_from", what));
        }
        budgets.push((line.line, budget));
    }
    Ok(budgets.into_iter().map(|(_, budget)| budget).collect())
}

/// A budget as a row of such a file.
pub fn row_of(budget: &Budget) -> BTreeMap<String, String> {
    let flag = |is_on: bool| if is_on { "yes" } else { "no" }.to_owned();
    let month = |month: Option<BillingPeriod>| month.map(|month| month.to_string()).unwrap_or_default();
    let cells = [
        ("name", budget.name.clone()),
        ("scope", budget.scope.to_string()),
        ("code", budget.code.clone()),
        ("frequency", budget.frequency.to_string()),
        ("currency", budget.currency.clone()),
        ("amount", budget.amount.to_string()),
        ("rate", budget.rate.map(|rate| rate.to_string()).unwrap_or_default()),
        ("valid_from", budget.valid_from.to_string()),
        ("valid_to", month(budget.valid_to)),
        ("basis", budget.basis.to_string()),
        ("with_allocated", flag(budget.with_allocated)),
        ("with_tax", flag(budget.with_tax)),
        ("owner_person_id", budget.owner_person_id.clone()),
        ("channel", budget.channel.clone()),
        ("thresholds", Threshold::list_text(&budget.thresholds)),
    ];
    cells.map(|(column, cell)| (column.to_owned(), cell)).into()
}

fn budget(line: &CsvLine<'_>) -> Result<Budget, CsvError> {
    fn named<T>(
        line: &CsvLine<'_>,
        column: &'static str,
        default: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, CsvError> {
        let text = line.optional(column).unwrap_or_else(|| default.to_owned());
        parse(&text).ok_or_else(|| {
            line.refuse(
                column,
                format!("'{text}' is none of what it can be; see docs/BUDGETS.md"),
            )
        })
    }
    let flag = |column: &'static str| match line.text(column).as_str() {
        "" | "false" | "no" => Ok(false),
        "true" | "yes" => Ok(true),
        other => Err(line.refuse(column, format!("'{other}' is neither yes nor no"))),
    };
    let amount = line.required("amount")?;
    Ok(Budget {
        name: line.required("name")?,
        scope: named(line, "scope", "", BudgetScope::parse)?,
        code: line.text("code"),
        frequency: named(line, "frequency", "month", Frequency::parse)?,
        currency: line.required("currency")?,
        amount: Amount::parse(&amount).ok_or_else(|| line.refuse("amount", format!("'{amount}' is no amount")))?,
        rate: line.parsed("rate", "rate")?,
        basis: named(line, "basis", "after_discounts", BudgetBasis::parse)?,
        with_allocated: flag("with_allocated")?,
        with_tax: flag("with_tax")?,
        owner_person_id: line.text("owner_person_id"),
        channel: line.text("channel"),
        thresholds: Threshold::parse_list(&line.text("thresholds")).map_err(|what| line.refuse("thresholds", what))?,
        valid_from: line
            .month("valid_from")?
            .ok_or_else(|| line.refuse("valid_from", "it is empty"))?,
        valid_to: line.month("valid_to")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rows: &str) -> Result<Vec<Budget>, String> {
        let text = format!("name,scope,code,frequency,currency,amount,rate,valid_from,valid_to,with_tax\n{rows}");
        let table = CsvTable::parse(std::path::Path::new("budgets.csv"), text.as_bytes());
        table.and_then(|table| read_budgets(&table)).map_err(|e| e.to_string())
    }

    #[test]
    fn a_row_is_read_back_as_it_was() {
        let budgets = read("sales,department,sales,quarter,JPY,1000000,150.25,2026-04,2026-10,yes\n");
        let budgets = budgets.unwrap_or_else(|e| panic!("{e}"));
        let table = CsvTable::of_rows("budgets", &[row_of(&budgets[0])]);
        let again = table
            .and_then(|table| read_budgets(&table))
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(again, budgets);
    }

    #[test]
    fn a_budget_that_is_set_leaves_what_is_before_and_after() {
        let months = |budgets: &[Budget]| -> Vec<String> {
            let of = |b: &Budget| {
                format!(
                    "{} {} {}..{}",
                    b.name,
                    b.amount,
                    b.valid_from,
                    b.valid_to.map(|to| to.to_string()).unwrap_or_default()
                )
            };
            budgets.iter().map(of).collect()
        };
        let read = |rows: &str| read(rows).unwrap_or_else(|e| panic!("{e}"));
        let old = read("a,company,,month,JPY,1,150,2026-04,,\nb,company,,month,JPY,9,150,2026-04,,\n");
        let set = |row: &str| months(&read(row).remove(0).set_among(old.clone()));
        assert_eq!(
            set("a,company,,month,JPY,2,150,2026-10,2026-12,"),
            [
                "a 1 2026-04..2026-10",
                "a 1 2026-12..",
                "b 9 2026-04..",
                "a 2 2026-10..2026-12"
            ]
        );
        assert_eq!(
            set("a,company,,month,JPY,2,150,2026-04,,"),
            ["b 9 2026-04..", "a 2 2026-04.."]
        );
        assert_eq!(set("c,company,,month,JPY,2,150,2026-04,,").len(), 3);
    }

    #[test]
    fn budgets_are_refused_by_line_and_column() {
        let good = "sales,department,sales,month,JPY,1000000,150,2026-04,2026-10,\nsales,department,sales,,JPY,1200000,150,2026-10,,yes\n";
        let budgets = read(good).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((budgets.len(), budgets[1].with_tax), (2, true));
        for (rows, expected) in [
            (
                "a,team,x,month,JPY,1,150,2026-04,,",
                "line 2, column scope: 'team' is none",
            ),
            (
                "a,company,,month,JPY,1,1.5,2026-04,,",
                "line 2, column rate: 1.5 yen for a dollar",
            ),
            (
                "a,company,,month,JPY,x,150,2026-04,,",
                "column amount: 'x' is no amount",
            ),
            ("a,company,,month,JPY,1,150,,,", "column valid_from: it is empty"),
            ("a,company,,month,JPY,1,150,2026-04,,maybe", "column with_tax"),
            (
                "a,company,,month,JPY,1,150,2026-04,,\na,company,,month,JPY,2,150,2026-09,,",
                "lines 2 and 3, column valid_from: both say the budget 'a' of the same months",
            ),
        ] {
            assert!(
                read(&format!("{rows}\n")).is_err_and(|e| e.contains(expected)),
                "{rows}"
            );
        }
    }
}
