//! Definitions of exports, as the account has them and as anbun wants one.

use std::collections::BTreeMap;

use crate::sources::cur::columns_read;

/// The table of CUR 2.0.
pub const TABLE: &str = "COST_AND_USAGE_REPORT";

/// How a refresh treats the files of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// Rewritten in place.
    Overwrite,
    /// Every refresh in a folder of its own, for ever.
    CreateNew,
}

/// An export as it is defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillExport {
    /// Empty where it does not exist yet.
    pub arn: String,
    pub name: String,
    pub query: String,
    /// Settings of each table.
    pub tables: BTreeMap<String, BTreeMap<String, String>>,
    pub bucket: String,
    pub prefix: String,
    pub bucket_region: String,
    pub is_parquet: bool,
    pub overwrite: Overwrite,
    /// `HEALTHY` or why not; none where AWS does not say.
    pub health: Option<String>,
}

impl BillExport {
    /// Whether it is of the bill at all, and not of FOCUS or of carbon.
    pub fn is_of_the_bill(&self) -> bool {
        // Settings of the table are optional; its name in the query is not.
        let names = |text: &str| text.split_whitespace().any(|word| word == TABLE);
        self.tables.contains_key(TABLE) || names(&self.query)
    }

    pub fn setting(&self, name: &str) -> Option<&str> {
        self.tables.get(TABLE)?.get(name).map(String::as_str)
    }

    /// The columns of its query, in small letters as AWS names them; `*` where it names none.
    pub fn columns(&self) -> Vec<&str> {
        let query = self.query.trim();
        let from = query.to_ascii_lowercase().find(" from ").unwrap_or(query.len());
        let list = query.get(6..from).unwrap_or("");
        // A column may be 'product.region AS x'; what counts is the column it reads.
        list.split(',')
            .filter_map(|part| part.split_whitespace().next())
            .collect()
    }
}

/// A report of the legacy Cost and Usage Report service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyReport {
    pub name: String,
    pub bucket: String,
}

/// How finely an export tells when something was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// All that chargeback needs.
    Day,
    /// Twenty-four times the lines; it also tells what the last nine hours of a UTC day cost.
    Hour,
}

/// The export that anbun reads best: the columns that it reads and no others, rewritten in place.
pub fn wanted_export(
    name: &str,
    (bucket, prefix, bucket_region): (&str, &str, &str),
    granularity: Granularity,
) -> BillExport {
    let settings = [
        (
            "TIME_GRANULARITY",
            match granularity {
                Granularity::Day => "DAILY",
                Granularity::Hour => "HOURLY",
            },
        ),
        // Who called: without it there is no chargeback.
        ("INCLUDE_IAM_PRINCIPAL_DATA", "TRUE"),
        // Which inference profile was called.
        ("INCLUDE_RESOURCES", "TRUE"),
    ];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let columns: Vec<&str> = columns_read().collect();
    BillExport {
        arn: String::new(),
        name: name.to_owned(),
        query: format!("SELECT {} FROM {TABLE}", columns.join(", ")),
        tables: BTreeMap::from([(TABLE.to_owned(), settings.into())]),
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        bucket_region: bucket_region.to_owned(),
        is_parquet: true,
        overwrite: Overwrite::Overwrite,
        health: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_from_the_query() {
        let mut export = wanted_export("x", ("b", "p", "us-east-1"), Granularity::Day);
        assert!(export.columns().contains(&"tags") && export.columns().contains(&"line_item_iam_principal"));
        assert!(export.query.len() < 36_000);
        export.query = "select a, product.region AS r ,\n tags from COST_AND_USAGE_REPORT where b = 'from'".to_owned();
        assert_eq!(export.columns(), ["a", "product.region", "tags"]);
        export.query = String::new();
        assert_eq!(export.columns(), Vec::<&str>::new());
    }
}
