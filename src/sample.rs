//! A sample company and its bill: what `anbun demo` shows, written as AWS would deliver it.
//!
//! Everything follows from a seed.  Amounts are made as integers of 10^-10 USD, and their sums are kept: they are an
//! oracle for the whole pipeline that does not come from reading the files back.

mod company;
mod export;
mod usage;

pub use company::Company;

use std::collections::BTreeMap;
use std::path::Path;

use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;

/// What to make.
#[derive(Debug, Clone, Copy)]
pub struct SampleSize {
    pub first: BillingPeriod,
    pub months: u32,
    pub people: u32,
    pub seed: u64,
}

impl SampleSize {
    pub fn periods(self) -> Vec<BillingPeriod> {
        std::iter::successors(Some(self.first), |period| Some(period.next()))
            .take(self.months as usize)
            .collect()
    }
}

/// Lines and cost of a month per charge type, Bedrock only, as they were made.
pub type SampleSums = BTreeMap<(BillingPeriod, &'static str), (i64, Amount)>;

/// What was written.
#[derive(Debug)]
pub struct WrittenSample {
    pub lines: i64,
    pub sums: SampleSums,
}

/// Writes `directory/` and `export/` below a folder.
pub fn write_sample(folder: &Path, size: SampleSize, progress: &dyn Fn(String)) -> anyhow::Result<WrittenSample> {
    let company = Company::new(size);
    company.write(&folder.join("directory"))?;
    let mut written = WrittenSample {
        lines: 0,
        sums: SampleSums::new(),
    };
    for (number, period) in size.periods().into_iter().enumerate() {
        let lines = usage::month(&company, size, number, period);
        for line in lines.iter().filter(|line| line.is_bedrock) {
            let sum = written.sums.entry((period, line.charge_type)).or_default();
            *sum = (sum.0 + 1, sum.1 + Amount::from_units(i128::from(line.cost) * 100));
        }
        written.lines += i64::try_from(lines.len())?;
        export::write_month(&folder.join("export"), period, &lines)?;
        progress(format!("{period}: wrote {} line items", lines.len()));
    }
    Ok(written)
}
