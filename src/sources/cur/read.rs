//! A whole delivery: its row groups over the cores, the sums merged, and what a reader of them must know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::accumulate::Accumulator;
use super::bucket::{Arrivals, FetchJob, FetchedGroup, fetch_ahead};
use super::columnar::{ColumnError, RowGroup};
use super::export::{OpenDelivery, OpenFile};
use super::row_group::RowGroupError;
use super::{SourceError, columns, row_group};
use crate::domain::charge::{ChargeClass, KNOWN_CHARGE_TYPES, SelectionRule};
use crate::domain::delivery::{Delivery, TextId, Totals};
use crate::domain::finding::{Finding, Severity};

/// Reads every file of a delivery with at most `threads` threads.  Blocks; not for the runtime's own threads.
///
/// Memory follows the number of distinct charges and the size of a row group, not the number of rows.
pub fn read_delivery(delivery: &OpenDelivery, threads: usize) -> Result<Delivery, SourceError> {
    // What any file lacks is missing: its lines are without it.
    let mut present: Option<BTreeSet<String>> = None;
    for OpenFile { object, file, .. } in &delivery.files {
        // A chunk that a refresh has emptied may have lost its columns with its rows.
        if file.row_groups().next().is_some() {
            let names = file.column_names();
            columns::check_needed(object, &names)?;
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            present = Some(present.map_or_else(|| BTreeSet::clone(&names), |others| &others & &names));
        }
    }
    let groups: Vec<Job<'_>> = delivery
        .files
        .iter()
        .flat_map(|file| file.file.row_groups().map(move |group| Job { file, group }))
        .collect();
    let present = present.unwrap_or_default();
    let feed = Feed::of(&groups, delivery.fetch_bytes_max)?;
    let sums = sum_row_groups(&groups, &feed, threads.clamp(1, groups.len().max(1)))?;
    let mut read = sums.finish(delivery.period);
    read.findings = columns::findings(&present);
    let found = findings(&read, present.contains(columns::PRINCIPAL));
    read.findings.extend(found);
    Ok(read)
}

/// A row group to read.
struct Job<'d> {
    file: &'d OpenFile,
    group: RowGroup<'d>,
}

/// Where the threads take their next row group from.
enum Feed {
    /// The files are at hand: one after the other.
    AtHand { next: AtomicUsize, count: usize },
    /// As they arrive.
    Fetched(Arrivals),
}

impl Feed {
    fn of(jobs: &[Job<'_>], fetch_bytes_max: u64) -> Result<Self, SourceError> {
        let mut fetches = Vec::with_capacity(jobs.len());
        for Job { file, group } in jobs {
            let Some(remote) = &file.remote else {
                let (next, count) = (AtomicUsize::new(0), jobs.len());
                return Ok(Self::AtHand { next, count });
            };
            let chunks = columns::ALWAYS_READ
                .iter()
                .flat_map(|column| group.leaves(column))
                .map(|leaf| group.chunk_range(leaf));
            let chunks = chunks
                .collect::<Result<_, _>>()
                .map_err(|e| file_error(&file.object, &e))?;
            let object = remote.clone();
            fetches.push(FetchJob { object, chunks });
        }
        Ok(Self::Fetched(fetch_ahead(fetches, fetch_bytes_max)))
    }

    /// The number of the next row group, with its bytes where they were fetched.
    fn next(&self) -> Option<(usize, Option<Result<FetchedGroup, SourceError>>)> {
        match self {
            Self::AtHand { next, count } => {
                let at = next.fetch_add(1, Ordering::Relaxed);
                (at < *count).then_some((at, None))
            }
            Self::Fetched(arrivals) => arrivals.next().map(|(at, group)| (at, Some(group))),
        }
    }
}

fn sum_row_groups(jobs: &[Job<'_>], feed: &Feed, threads: usize) -> Result<Accumulator, SourceError> {
    let failed = AtomicBool::new(false);
    let done = AtomicUsize::new(0);
    let work = || -> Result<Accumulator, (usize, SourceError)> {
        let mut sums = Accumulator::default();
        while !failed.load(Ordering::Relaxed) {
            let Some((at, fetched)) = feed.next() else { break };
            if let Err(error) = read_job(&jobs[at], fetched, &mut sums) {
                failed.store(true, Ordering::Relaxed);
                return Err((at, error));
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(sums)
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
    if let Some((_, error)) = first_error {
        return Err(error);
    }
    let sums = merged.unwrap_or_default();
    let expected = jobs.iter().map(|job| job.group.rows().unwrap_or(0)).sum::<usize>();
    // Fetching can end early without an error of its own; half a month must not pass for a whole one.
    if done.into_inner() != jobs.len() || usize::try_from(sums.lines_read).ok() != Some(expected) {
        let object = jobs.first().map_or_else(String::new, |job| job.file.object.clone());
        return Err(SourceError::Changed { object });
    }
    Ok(sums)
}

fn read_job(
    job: &Job<'_>,
    fetched: Option<Result<FetchedGroup, SourceError>>,
    sums: &mut Accumulator,
) -> Result<(), SourceError> {
    let read = |group: &RowGroup<'_>, sums| {
        row_group::read(group, sums).map_err(|e| row_group_error(&job.file.object, job.group.number, e))
    };
    match fetched {
        None => read(&job.group, sums),
        Some(fetched) => read(&job.group.with_fetched(&fetched?.ranges), sums),
    }
}

/// A file that could not be opened as Parquet.
pub(super) fn file_error(object: &str, error: &ColumnError) -> SourceError {
    SourceError::File {
        object: object.to_owned(),
        what: format!("it is not a whole Parquet file: {error}"),
        action: "nothing was loaded and what was loaded before is kept; wait for the next refresh of the export",
    }
}

fn row_group_error(object: &str, row_group: usize, error: RowGroupError) -> SourceError {
    let object = object.to_owned();
    match error {
        // A chunk that could not be fetched says nothing about what is in it.
        RowGroupError::Column(_, ColumnError::Unreadable(error))
            if error.get_ref().is_some_and(|e| e.is::<SourceError>()) =>
        {
            match error.into_inner().map(|inner| inner.downcast::<SourceError>()) {
                Some(Ok(error)) => *error,
                _ => SourceError::Changed { object },
            }
        }
        RowGroupError::Value { column, row, what } => SourceError::Value {
            object,
            row_group,
            column,
            row,
            what,
        },
        RowGroupError::Column(column, error) => SourceError::Column {
            object,
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
