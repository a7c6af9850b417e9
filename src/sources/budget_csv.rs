//! Budgets as finance keeps them in a file.

use super::csv_table::{CsvError, CsvLine, CsvTable};
use crate::domain::budget::{Budget, BudgetBasis, BudgetScope, Frequency};
use crate::domain::money::Amount;
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
