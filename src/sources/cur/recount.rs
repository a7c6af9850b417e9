//! The second route: the same files decoded and summed by Polars.
//!
//! A file in a bucket is first laid out on disk with holes where nothing is needed: footer and column chunks at their own
//! places, one file at a time.  Where the chunks lie is asked of the footer as the fast reader does; what is in them is not.

use std::fs::File;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use polars::prelude::*;

use super::SourceError;
use super::bucket::copy_columns;
use super::columns::{CHARGE_TYPE, COST, CURRENCY, PRODUCT_CODE, USAGE_START};
use super::export::{DataFile, Export, Manifest};
use crate::domain::money::Amount;
use crate::domain::recount::{RecountKey, Sum, Sums};

const LAYOUT_PREFIX: &str = "anbun-recount-";
const LEFT_OVER_AFTER: TimeDelta = TimeDelta::days(1);
const COLUMNS: [&str; 5] = [USAGE_START, PRODUCT_CODE, CHARGE_TYPE, CURRENCY, COST];
/// The fraction of an amount is summed in units of the twelfth decimal.
const FRACTION_UNITS: f64 = 1e12;

/// Sums all lines of a delivery by day, product, charge type and currency.
pub async fn recount(export: &Export, manifest: &Manifest) -> Result<Sums, SourceError> {
    let mut sums = Sums::new();
    for file in &manifest.files {
        let (object, summed) = match (file, export) {
            (DataFile::Local(path), _) => (path.display().to_string(), sum_file(path.clone()).await),
            (DataFile::Object(object), Export::Bucket(bucket)) => {
                let remote = bucket.remote(object);
                let layout = Layout::new();
                copy_columns(&remote, &COLUMNS, &layout.path).await?;
                (remote.address().to_owned(), sum_file(layout.path.clone()).await)
            }
            (DataFile::Object(_), Export::Folder(_)) => continue,
        };
        let summed = summed.map_err(|what| SourceError::File {
            object,
            what: format!("it cannot be recounted: {what}"),
            action: "the loaded figures stay; the next run tries again",
        })?;
        for (key, sum) in summed {
            sums.entry(key).or_default().add(sum);
        }
    }
    Ok(sums)
}

/// A file that is removed however the recount ends.
struct Layout {
    path: PathBuf,
}

impl Layout {
    fn new() -> Self {
        let name = format!("{LAYOUT_PREFIX}{}.parquet", uuid::Uuid::new_v4());
        Self {
            path: std::env::temp_dir().join(name),
        }
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

/// Removes what recounts of killed programs have left.
pub fn remove_left_over_layouts(now: DateTime<Utc>) {
    let entries = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(LAYOUT_PREFIX)) {
        let written = entry.metadata().and_then(|properties| properties.modified());
        if written.is_ok_and(|written| now - DateTime::<Utc>::from(written) > LEFT_OVER_AFTER) {
            drop(std::fs::remove_file(entry.path()));
        }
    }
}

/// Makes the file that a layout is written into; nobody else may read a bill.
pub(super) fn create_private(path: &Path, length: u64) -> std::io::Result<File> {
    let mut options = File::options();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    file.set_len(length)?;
    Ok(file)
}

async fn sum_file(path: PathBuf) -> Result<Vec<(RecountKey, Sum)>, String> {
    let summed = tokio::task::spawn_blocking(move || sum_with_polars(&path)).await;
    summed.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
}

fn sum_with_polars(path: &Path) -> PolarsResult<Vec<(RecountKey, Sum)>> {
    let file = PlRefPath::try_from_pathbuf(path.to_path_buf())?;
    let mut lines = LazyFrame::scan_parquet(file, ScanArgsParquet::default())?;
    let schema = lines.collect_schema()?;
    if schema.is_empty() {
        // A chunk that a refresh has emptied may have lost its columns with its rows.
        return Ok(Vec::new());
    }
    let day = match schema.get(USAGE_START) {
        Some(DataType::String) => col(USAGE_START).str().slice(lit(0), lit(10)).cast(DataType::Date),
        _ => col(USAGE_START).cast(DataType::Date),
    };
    // Whole units apart from the fraction: each is an exact integer, so no order of rows can change a sum.
    let whole = col(COST).cast(DataType::Int64);
    let fraction = (col(COST) - whole.clone().cast(DataType::Float64)) * lit(FRACTION_UNITS);
    // A cast cuts towards zero, so half a unit away from zero makes it round.
    let half = when(col(COST).lt(lit(0.0))).then(lit(-0.5)).otherwise(lit(0.5));
    let fraction = (fraction + half).cast(DataType::Int64);
    let text = |name: &str| col(name).cast(DataType::String).fill_null(lit(""));
    let sums = lines
        .select([
            day.cast(DataType::Int32).alias("day"),
            text(PRODUCT_CODE).alias("product_code"),
            text(CHARGE_TYPE).alias("charge_type"),
            text(CURRENCY).alias("currency"),
            whole.alias("whole"),
            fraction.alias("fraction"),
        ])
        .group_by([col("day"), col("product_code"), col("charge_type"), col("currency")])
        .agg([
            len().cast(DataType::Int64).alias("lines"),
            col("whole").sum(),
            col("fraction").sum(),
        ])
        .collect_with_engine(Engine::Streaming)?
        .unwrap_single();
    let text = |name: &str| Ok::<_, PolarsError>(sums.column(name)?.str()?.clone());
    let number = |name: &str| Ok::<_, PolarsError>(sums.column(name)?.i64()?.clone());
    let days = sums.column("day")?.i32()?.clone();
    let (codes, types, currencies) = (text("product_code")?, text("charge_type")?, text("currency")?);
    let (lines, wholes, fractions) = (number("lines")?, number("whole")?, number("fraction")?);
    let row = |i: usize| {
        let days_since_1970 = u64::try_from(days.get(i).unwrap_or(0)).unwrap_or(0);
        let key = RecountKey {
            day: NaiveDate::default() + Days::new(days_since_1970),
            product_code: Some(codes.get(i).unwrap_or("").to_owned()),
            charge_type: types.get(i).unwrap_or("").to_owned(),
            currency: currencies.get(i).unwrap_or("").to_owned(),
        };
        let whole = Amount::from_whole(i128::from(wholes.get(i).unwrap_or(0)));
        let sum = Sum {
            lines: lines.get(i).unwrap_or(0),
            cost: whole + Amount::from_units(i128::from(fractions.get(i).unwrap_or(0))),
        };
        (key, sum)
    };
    Ok((0..sums.height()).map(row).collect())
}
