//! A whole delivery: its row groups over the cores, the sums merged, and what a reader of them must know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::accumulate::Accumulator;
use super::columnar::{ColumnError, ColumnarFile, RowGroup};
use super::manifest::Manifest;
use super::row_group::RowGroupError;
use super::{SourceError, columns, row_group};
use crate::domain::charge::{ChargeClass, KNOWN_CHARGE_TYPES, SelectionRule};
use crate::domain::delivery::{Delivery, TextId, Totals};
use crate::domain::finding::{Finding, Severity};

/// Reads every file of a delivery with at most `threads` threads.
///
/// Memory follows the number of distinct charges and the size of a row group, not the number of rows.
pub fn read_delivery(manifest: &Manifest, threads: usize) -> Result<Delivery, SourceError> {
    // What any file lacks is missing: its lines are without it.
    let mut present: Option<BTreeSet<String>> = None;
    let mut files = Vec::with_capacity(manifest.files.len());
    for path in &manifest.files {
        let file = ColumnarFile::open(path).map_err(|error| file_error(path, &error))?;
        // A chunk that a refresh has emptied may have lost its columns with its rows.
        if file.row_groups().next().is_some() {
            let names = file.column_names();
            columns::check_needed(path, &names)?;
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            present = Some(present.map_or_else(|| BTreeSet::clone(&names), |others| &others & &names));
        }
        files.push((path, file));
    }
    let jobs: Vec<(&PathBuf, RowGroup<'_>)> = files
        .iter()
        .flat_map(|(path, file)| file.row_groups().map(move |group| (*path, group)))
        .collect();
    let present = present.unwrap_or_default();
    let sums = sum_row_groups(&jobs, threads.clamp(1, jobs.len().max(1)))?;
    let mut delivery = sums.finish(manifest.period);
    delivery.findings = columns::findings(&present);
    let found = findings(&delivery, present.contains(columns::PRINCIPAL));
    delivery.findings.extend(found);
    Ok(delivery)
}

fn sum_row_groups(jobs: &[(&PathBuf, RowGroup<'_>)], threads: usize) -> Result<Accumulator, SourceError> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Accumulator, (usize, SourceError)> {
        let mut sums = Accumulator::default();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((path, group)) = jobs.get(at) else {
                return Ok(sums);
            };
            if let Err(error) = row_group::read(group, &mut sums) {
                next.store(jobs.len(), Ordering::Relaxed);
                return Err((at, row_group_error(path, group.number, error)));
            }
        }
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mine = work();
        std::iter::once(mine)
            .chain(others.into_iter().filter_map(|handle| handle.join().ok()))
            .collect()
    });
    assert_eq!(results.len(), threads, "every reader thread ends with a result");
    let mut merged: Option<Accumulator> = None;
    let mut first_error: Option<(usize, SourceError)> = None;
    for result in results {
        match result {
            Ok(sums) => match &mut merged {
                Some(merged) => merged.merge(sums),
                None => merged = Some(sums),
            },
            Err((at, error)) if first_error.as_ref().is_none_or(|(first, _)| at < *first) => {
                first_error = Some((at, error))
            }
            Err(_) => {}
        }
    }
    match first_error {
        Some((_, error)) => Err(error),
        None => Ok(merged.unwrap_or_default()),
    }
}

fn file_error(path: &Path, error: &ColumnError) -> SourceError {
    SourceError::File {
        path: path.to_path_buf(),
        what: format!("it is not a whole Parquet file: {error}"),
        action: "nothing was loaded and what was loaded before is kept; wait for the next refresh of the export",
    }
}

fn row_group_error(path: &Path, row_group: usize, error: RowGroupError) -> SourceError {
    let path = path.to_path_buf();
    match error {
        RowGroupError::Value { column, row, what } => SourceError::Value {
            path,
            row_group,
            column,
            row,
            what,
        },
        RowGroupError::Column(column, error) => SourceError::Column {
            path,
            column,
            what: format!("row group {row_group}: {error}"),
            action: "nothing was loaded and what was loaded before is kept; wait for the next refresh of the export"
                .to_owned(),
        },
    }
}

/// What only one rule caught, what is of an unknown kind, and whether callers are known at all.
fn findings(delivery: &Delivery, has_principal_column: bool) -> Vec<Finding> {
    let texts = &delivery.texts;
    let mut only_one: BTreeMap<(SelectionRule, &str, &str), Totals> = BTreeMap::new();
    let mut unknown_types: BTreeMap<(&str, &str), Totals> = BTreeMap::new();
    let (mut usage_lines, mut usage_with_principal) = (0, 0);
    for (key, measures) in &delivery.charges {
        let totals = measures.totals();
        let (charge_type, currency) = (texts.or_empty(key.charge_type), texts.or_empty(key.currency));
        if let Some(rule) = key.caught_by.only() {
            only_one
                .entry((rule, texts.or_empty(key.product_code), currency))
                .or_default()
                .add(&totals);
        }
        if !KNOWN_CHARGE_TYPES.contains(&charge_type) {
            unknown_types.entry((charge_type, currency)).or_default().add(&totals);
        }
        if ChargeClass::of(charge_type) == ChargeClass::Usage {
            usage_lines += measures.lines;
            if key.principal != TextId::NULL && !texts.or_empty(key.principal).is_empty() {
                usage_with_principal += measures.lines;
            }
        }
    }
    let mut findings = Vec::new();
    if has_principal_column && usage_lines > 0 && usage_with_principal == 0 {
        findings.push(Finding::new(
            "principal_column_blank",
            Severity::Error,
            columns::PRINCIPAL,
            "no Bedrock line of the month names its caller, so no charge can be attributed",
            "check INCLUDE_IAM_PRINCIPAL_DATA with GetExport; AWS fills the column from the change on only",
        ));
    }
    for ((rule, product_code, currency), totals) in only_one {
        let finding = Finding::new(
            "caught_by_one_rule",
            Severity::Info,
            product_code,
            format!("lines of this product are Bedrock by their {} alone", rule.as_str()),
            "check that the product is Amazon Bedrock",
        );
        findings.push(finding.with_cost(totals.cost, currency, totals.lines));
    }
    for ((charge_type, currency), totals) in unknown_types {
        let finding = Finding::new(
            "unknown_charge_type",
            Severity::Warning,
            charge_type,
            "AWS does not document this charge type; it is kept under other",
            "look at the lines and decide how finance treats them",
        );
        findings.push(finding.with_cost(totals.cost, currency, totals.lines));
    }
    if delivery.charges.is_empty() {
        findings.push(Finding::new(
            "no_bedrock_lines",
            Severity::Warning,
            delivery.period.to_string(),
            "the delivery has no line of Amazon Bedrock at all",
            "check that this is the export of the payer account that Bedrock is billed to",
        ));
    }
    findings
}
