//! The second route: the same files summed by Polars, without anything of the fast reader.

use std::path::PathBuf;

use polars::prelude::*;

use super::columns::{CHARGE_TYPE, COST, CURRENCY};
use crate::domain::money::Amount;

/// Lines and cost of a charge type in one currency, over every line of the files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recounted {
    pub charge_type: String,
    pub currency: String,
    pub lines: i64,
    pub cost: Amount,
}

/// Sums all lines of the files by charge type and currency, each cost rounded to ten decimals and added as an integer.
pub fn recount(files: &[PathBuf]) -> PolarsResult<Vec<Recounted>> {
    let paths: Vec<PlRefPath> = files
        .iter()
        .map(|path| PlRefPath::try_from_pathbuf(path.clone()))
        .collect::<PolarsResult<_>>()?;
    let lines = LazyFrame::scan_parquet_files(
        paths.into(),
        ScanArgsParquet {
            allow_missing_columns: true,
            ..Default::default()
        },
    )?;
    // A cast cuts towards zero, so half a unit away from zero makes it round.
    let half = when(col(COST).lt(lit(0.0))).then(lit(-0.5)).otherwise(lit(0.5));
    let units = (col(COST) * lit(1e10) + half).cast(DataType::Int64);
    let sums = lines
        .group_by([col(CHARGE_TYPE), col(CURRENCY)])
        .agg([len().cast(DataType::Int64).alias("lines"), units.sum().alias("units")])
        .sort([CHARGE_TYPE, CURRENCY], SortMultipleOptions::default())
        .collect_with_engine(Engine::Streaming)?
        .unwrap_single();
    let (types, currencies) = (
        sums.column(CHARGE_TYPE)?.str()?.clone(),
        sums.column(CURRENCY)?.str()?.clone(),
    );
    let (lines, units) = (
        sums.column("lines")?.i64()?.clone(),
        sums.column("units")?.i64()?.clone(),
    );
    let row = |i: usize| Recounted {
        charge_type: types.get(i).unwrap_or("").to_owned(),
        currency: currencies.get(i).unwrap_or("").to_owned(),
        lines: lines.get(i).unwrap_or(0),
        cost: Amount::from_units(i128::from(units.get(i).unwrap_or(0)) * 100),
    };
    Ok((0..sums.height()).map(row).collect())
}
