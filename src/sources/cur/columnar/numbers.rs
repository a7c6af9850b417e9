//! Amounts as doubles, and timestamps as UTC days.

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Timelike, Utc};
use hashbrown::HashMap;
use parquet::basic::{LogicalType, TimeUnit, Type as PhysicalType};
use parquet::column::page::PageReader;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{DataType, DoubleType, Int64Type, Int96Type};

use super::pages::{self, PagePart};
use super::texts::{TextColumn, spread};
use super::{ColumnError, RowGroup};

/// A column of doubles.  NULL is a flag of its own: it is neither zero nor NaN.
pub(crate) struct DoubleColumn {
    values: Vec<f64>,
    present: Option<Vec<bool>>,
}

impl DoubleColumn {
    pub(crate) fn read(group: &RowGroup<'_>, name: &str) -> Result<Option<Self>, ColumnError> {
        let leaves = group.leaves(name);
        let Some(&leaf) = leaves.first() else { return Ok(None) };
        let descriptor = group.descriptor(leaf);
        if leaves.len() > 1 || descriptor.physical_type() != PhysicalType::DOUBLE || descriptor.max_rep_level() > 0 {
            return Err(ColumnError::WrongType {
                found: descriptor.physical_type().to_string(),
                expected: "double",
            });
        }
        let read = Fixed::<DoubleType>::read(group, leaf, |bytes: [u8; 8]| f64::from_le_bytes(bytes))?;
        Ok(Some(Self {
            values: read.values,
            present: read.present,
        }))
    }

    /// A column of nothing but NULL.
    pub(crate) fn absent(rows: usize) -> Self {
        Self {
            values: vec![0.0; rows],
            present: Some(vec![false; rows]),
        }
    }

    /// Only some rows, in their order; the memory of the others is given back.
    pub(crate) fn keep(self, rows: &[u32]) -> Self {
        let of = |row: &u32| *row as usize;
        Self {
            values: rows.iter().map(|row| self.values[of(row)]).collect(),
            present: self
                .present
                .map(|present| rows.iter().map(|row| present[of(row)]).collect()),
        }
    }

    pub(crate) fn get(&self, row: usize) -> Option<f64> {
        match &self.present {
            Some(present) if !present[row] => None,
            _ => Some(self.values[row]),
        }
    }
}

/// A column of timestamps as UTC days.  Code 0 is NULL; code `n` is `days[n - 1]`.
pub(crate) struct DayColumn {
    pub(crate) codes: Vec<u32>,
    pub(crate) days: Vec<NaiveDate>,
    /// Of each row, in UTC.
    pub(crate) hours: Vec<u8>,
}

impl DayColumn {
    /// Accepts INT64 of any unit, INT96, and text: no source states which of them AWS writes.
    pub(crate) fn read(group: &RowGroup<'_>, name: &str) -> Result<Option<Self>, ColumnError> {
        let leaves = group.leaves(name);
        let Some(&leaf) = leaves.first() else { return Ok(None) };
        let descriptor = group.descriptor(leaf);
        let found = || {
            format!(
                "{} {}",
                descriptor.physical_type(),
                descriptor
                    .logical_type_ref()
                    .map_or(String::new(), |t| format!("{t:?}"))
            )
        };
        let wrong = || ColumnError::WrongType {
            found: found(),
            expected: "timestamp (INT64, INT96 or text)",
        };
        if leaves.len() > 1 || descriptor.max_rep_level() > 0 {
            return Err(wrong());
        }
        let unit = match descriptor.logical_type_ref() {
            Some(LogicalType::Timestamp(timestamp)) => Some(timestamp.unit),
            _ => None,
        };
        match descriptor.physical_type() {
            PhysicalType::INT64 => {
                let read = Fixed::<Int64Type>::read(group, leaf, i64::from_le_bytes)?;
                Self::from_values(&read.values, read.present.as_deref(), |value| {
                    time_of_integer(value, unit.as_ref())
                })
                .map(Some)
            }
            PhysicalType::INT96 => {
                let read = Fixed::<Int96Type>::read(group, leaf, |bytes: [u8; 12]| {
                    let mut word = [0_u8; 16];
                    word[..12].copy_from_slice(&bytes);
                    u128::from_le_bytes(word)
                })?;
                Self::from_values(&read.values, read.present.as_deref(), time_of_int96).map(Some)
            }
            PhysicalType::BYTE_ARRAY => {
                let Some(text) = TextColumn::read(group, name)? else {
                    return Ok(None);
                };
                let codes = text.codes.iter().map(|code| u64::from(*code)).collect::<Vec<_>>();
                let present: Vec<bool> = codes.iter().map(|code| *code != 0).collect();
                let strings: Vec<&[u8]> = text.strings.iter().collect();
                Self::from_values(&codes, Some(&present), |code| {
                    let index = usize::try_from(code).ok()?.checked_sub(1)?;
                    std::str::from_utf8(strings.get(index)?).ok().and_then(time_of_text)
                })
                .map(Some)
            }
            _ => Err(wrong()),
        }
    }

    fn from_values<T: Copy + Eq + std::hash::Hash + std::fmt::Display>(
        values: &[T],
        present: Option<&[bool]>,
        time_of: impl Fn(T) -> Option<(NaiveDate, u8)>,
    ) -> Result<Self, ColumnError> {
        let mut this = Self {
            codes: Vec::with_capacity(values.len()),
            days: Vec::new(),
            hours: Vec::with_capacity(values.len()),
        };
        let mut known: HashMap<T, (u32, u8)> = HashMap::new();
        let mut last: Option<(T, (u32, u8))> = None;
        for (i, &value) in values.iter().enumerate() {
            if present.is_some_and(|present| !present[i]) {
                this.codes.push(0);
                this.hours.push(0);
                continue;
            }
            let (code, hour) = match last {
                Some((same, time)) if same == value => time,
                _ => match known.get(&value) {
                    Some(time) => *time,
                    None => {
                        let (day, hour) = time_of(value)
                            .ok_or_else(|| ColumnError::damaged(format!("'{value}' in row {i} is no time")))?;
                        let time = (this.code_of(day), hour);
                        known.insert(value, time);
                        time
                    }
                },
            };
            last = Some((value, (code, hour)));
            this.codes.push(code);
            this.hours.push(hour);
        }
        Ok(this)
    }

    fn code_of(&mut self, day: NaiveDate) -> u32 {
        let at = self.days.iter().position(|known| *known == day).unwrap_or_else(|| {
            self.days.push(day);
            self.days.len() - 1
        });
        u32::try_from(at + 1).unwrap_or(u32::MAX)
    }
}

/// Day and hour in UTC.
fn day_and_hour(time: DateTime<Utc>) -> (NaiveDate, u8) {
    (time.date_naive(), u8::try_from(time.hour()).unwrap_or(0))
}

fn time_of_integer(value: i64, unit: Option<&TimeUnit>) -> Option<(NaiveDate, u8)> {
    let per_second = match unit {
        Some(TimeUnit::MILLIS) => 1_000,
        Some(TimeUnit::MICROS) => 1_000_000,
        Some(TimeUnit::NANOS) => 1_000_000_000,
        // Without a unit its size tells: the ranges of 2001 to 2200 in each unit do not overlap.
        None => *[1, 1_000, 1_000_000, 1_000_000_000]
            .iter()
            .find(|n| (1_000_000_000 * **n..7_300_000_000 * **n).contains(&value))?,
    };
    DateTime::from_timestamp(value.div_euclid(per_second), 0).map(day_and_hour)
}

/// INT96: nanoseconds of the day in the low eight bytes, the Julian day in the high four.
fn time_of_int96(value: u128) -> Option<(NaiveDate, u8)> {
    const JULIAN_DAY_OF_1970: i64 = 2_440_588;
    const NANOS_PER_DAY: u128 = 86_400_000_000_000;
    let (nanos, julian) = (value & u128::from(u64::MAX), i64::try_from(value >> 64).ok()?);
    let days = julian - JULIAN_DAY_OF_1970 + i64::try_from(nanos / NANOS_PER_DAY).ok()?;
    let seconds = i64::try_from(nanos % NANOS_PER_DAY / 1_000_000_000).ok()?;
    DateTime::from_timestamp(days.checked_mul(86_400)? + seconds, 0).map(day_and_hour)
}

/// `2026-10-01T00:00:00.000Z`, `2026-10-01 00:00:00`, or the date alone; another zone is converted to UTC.
fn time_of_text(text: &str) -> Option<(NaiveDate, u8)> {
    let (date, time) = text.split_at_checked(10)?;
    let day = date.parse().ok()?;
    let zoneless = time
        .trim_end_matches('Z')
        .trim_end_matches("+00:00")
        .trim_end_matches(" UTC");
    let plain_time = |t: &str| chrono::NaiveTime::parse_from_str(t, "%H:%M:%S%.f").ok();
    match zoneless.strip_prefix(['T', ' ']) {
        None if time.is_empty() => Some((day, 0)),
        clock => match clock.and_then(plain_time) {
            Some(time) => Some((day, u8::try_from(time.hour()).unwrap_or(0))),
            None => DateTime::parse_from_rfc3339(text)
                .ok()
                .map(|time| day_and_hour(time.to_utc())),
        },
    }
}

/// Values of a fixed width, with their presence where any is NULL.
struct Fixed<D: Value> {
    values: Vec<D::Out>,
    present: Option<Vec<bool>>,
}

/// How a physical type that only the `parquet` crate decodes becomes a value here.
trait Value: DataType {
    type Out: Copy + Default;
    fn from_library(value: &Self::T) -> Self::Out;
}

impl Value for DoubleType {
    type Out = f64;
    fn from_library(value: &f64) -> f64 {
        *value
    }
}

impl Value for Int64Type {
    type Out = i64;
    fn from_library(value: &i64) -> i64 {
        *value
    }
}

impl Value for Int96Type {
    type Out = u128;
    fn from_library(value: &parquet::data_type::Int96) -> u128 {
        value
            .data()
            .iter()
            .rev()
            .fold(0, |all, word| all << 32 | u128::from(*word))
    }
}

impl<D: Value> Fixed<D> {
    fn read<const N: usize>(
        group: &RowGroup<'_>,
        leaf: usize,
        from_bytes: impl Fn([u8; N]) -> D::Out,
    ) -> Result<Self, ColumnError> {
        let rows = group.rows()?;
        let mut this = Self {
            values: Vec::with_capacity(rows),
            present: None,
        };
        if !this.read_pages(group, leaf, &from_bytes)? {
            this.read_any_encoding(group, leaf)?;
        }
        if this.values.len() != rows {
            return Err(ColumnError::damaged(format!(
                "{} values for {rows} rows",
                this.values.len()
            )));
        }
        Ok(this)
    }

    fn read_pages<const N: usize>(
        &mut self,
        group: &RowGroup<'_>,
        leaf: usize,
        from_bytes: &impl Fn([u8; N]) -> D::Out,
    ) -> Result<bool, ColumnError> {
        let max_definition = group.descriptor(leaf).max_def_level();
        let (mut levels, mut indices, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut dictionary: Vec<D::Out> = Vec::new();
        let decode = |bytes: &Bytes, count: usize, out: &mut Vec<D::Out>| {
            let (chunks, _) = bytes.as_chunks::<N>();
            out.extend(chunks.iter().take(count).map(|chunk| from_bytes(*chunk)));
            if out.len() == count {
                Ok(())
            } else {
                Err(ColumnError::damaged("a page ends inside its values"))
            }
        };
        let mut pages = group.pages(leaf)?;
        while let Some(page) = pages.get_next_page()? {
            let Some(part) = pages::cut(page, 0, max_definition)? else {
                return Ok(false);
            };
            let page = match part {
                PagePart::Dictionary { bytes, count } => {
                    decode(&bytes, count, &mut dictionary)?;
                    continue;
                }
                PagePart::Data(page) => page,
            };
            let present = page.definition_levels(max_definition, &mut levels)?;
            values.clear();
            if page.is_dictionary() {
                page.indices(present, dictionary.len(), &mut indices)?;
                values.extend(indices.iter().map(|index| dictionary[*index as usize]));
            } else {
                decode(&page.values, present, &mut values)?;
            }
            self.note_presence(&levels, max_definition, present);
            spread(&mut self.values, &levels, max_definition, present, &values);
        }
        Ok(true)
    }

    fn note_presence(&mut self, levels: &[u32], max_definition: i16, present: usize) {
        let max = u32::try_from(max_definition).unwrap_or(0);
        if present < levels.len() && self.present.is_none() {
            self.present = Some(vec![true; self.values.len()]);
        }
        if let Some(flags) = &mut self.present {
            flags.extend(levels.iter().map(|level| *level == max));
        }
    }

    fn read_any_encoding(&mut self, group: &RowGroup<'_>, leaf: usize) -> Result<(), ColumnError> {
        *self = Self {
            values: Vec::new(),
            present: None,
        };
        let descriptor = group.descriptor(leaf);
        let optional = descriptor.max_def_level() > 0;
        let mut reader = ColumnReaderImpl::<D>::new(descriptor, group.boxed_pages(leaf)?);
        let (mut levels, mut values): (Vec<i16>, Vec<D::T>) = (Vec::new(), Vec::new());
        loop {
            levels.clear();
            values.clear();
            let (records, _, _) = reader.read_records(8192, optional.then_some(&mut levels), None, &mut values)?;
            if records == 0 {
                return Ok(());
            }
            let levels: Vec<u32> = if optional {
                levels.iter().map(|l| u32::from(*l > 0)).collect()
            } else {
                vec![1; records]
            };
            let values: Vec<D::Out> = values.iter().map(D::from_library).collect();
            self.note_presence(&levels, 1, values.len());
            spread(&mut self.values, &levels, 1, values.len(), &values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_spelling_are_utc_days() {
        let day: NaiveDate = "2026-10-31".parse().unwrap_or_default();
        for (text, hour) in [
            ("2026-10-31", 0),
            ("2026-10-31T23:59:59Z", 23),
            ("2026-10-31 00:00:00", 0),
            ("2026-10-31T15:00:00.000Z", 15),
            ("2026-11-01T08:00:00+09:00", 23),
        ] {
            assert_eq!(time_of_text(text), Some((day, hour)), "{text}");
        }
        for text in ["", "2026-10", "2026-10-31x", "2026-10-31T25:00:00Z", "31.10.2026 00:00"] {
            assert_eq!(time_of_text(text), None, "{text}");
        }
        let seconds = 1_793_491_199; // 2026-10-31T23:59:59Z
        for scale in [1, 1_000, 1_000_000, 1_000_000_000] {
            assert_eq!(time_of_integer(seconds * scale, None), Some((day, 23)), "{scale}");
        }
        assert_eq!(time_of_integer(-1, None), None);
        assert_eq!(
            time_of_integer(seconds * 1_000, Some(&TimeUnit::MILLIS)),
            Some((day, 23))
        );
        assert_eq!(
            time_of_int96(u128::from(2_461_345_u32) << 64 | 86_399_000_000_000),
            Some((day, 23))
        );
    }
}
