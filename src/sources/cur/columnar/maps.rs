//! Map columns (`tags`, `product`), decoded only for the rows that are asked for.
//!
//! A map of strings is two leaves, keys and values, with repetition levels.  Most rows of an export have maps that
//! nobody needs: their levels and indices are stepped over, and no string of theirs is ever made.

use parquet::basic::Type as PhysicalType;
use parquet::column::page::PageReader;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArray, ByteArrayType};

use super::pages::{self, PagePart};
use super::texts::{PlainCursor, Strings};
use super::{ColumnError, RowGroup};

/// The entries of the asked rows.
pub(crate) struct MapColumn {
    /// Entries of the n-th asked row: `entries[starts[n]..starts[n + 1]]`, each a code of a key and of a value.
    starts: Vec<u32>,
    entries: Vec<(u32, u32)>,
    pub(crate) keys: Strings,
    pub(crate) values: Strings,
}

impl MapColumn {
    /// Reads the map for the rows in `rows`, which must be ascending; `None` where the file has no such column.
    pub(crate) fn read(group: &RowGroup<'_>, name: &str, rows: &[u32]) -> Result<Option<Self>, ColumnError> {
        let leaves = group.leaves(name);
        if leaves.is_empty() {
            return Ok(None);
        }
        let [key_leaf, value_leaf] = leaves[..] else {
            return Err(ColumnError::WrongType {
                found: format!("{} leaves", leaves.len()),
                expected: "map of string to string",
            });
        };
        let keys = Leaf::read(group, key_leaf, rows)?;
        let values = Leaf::read(group, value_leaf, rows)?;
        if keys.starts != values.starts {
            return Err(ColumnError::damaged("keys and values of the map do not pair up"));
        }
        let entries = keys.codes.into_iter().zip(values.codes).collect();
        Ok(Some(Self {
            starts: keys.starts,
            entries,
            keys: keys.strings,
            values: values.strings,
        }))
    }

    /// Entries of one row as pairs of codes; the value's code is 0 where it is NULL.
    pub(crate) fn entries(&self, nth_row: usize) -> &[(u32, u32)] {
        &self.entries[self.starts[nth_row] as usize..self.starts[nth_row + 1] as usize]
    }
}

/// One leaf of a map: for each asked row the codes of its entries.
#[derive(Default)]
struct Leaf {
    starts: Vec<u32>,
    codes: Vec<u32>,
    strings: Strings,
}

/// Walks rows as they pass by in the levels, and knows which of them are asked for.
struct Walk<'r> {
    rows: &'r [u32],
    next: usize,
    row: i64,
    wanted: bool,
}

impl Walk<'_> {
    fn step(&mut self, starts: &mut Vec<u32>, entries: usize) {
        self.row += 1;
        self.wanted = self
            .rows
            .get(self.next)
            .is_some_and(|next| i64::from(*next) == self.row);
        if self.wanted {
            self.next += 1;
            starts.push(u32::try_from(entries).unwrap_or(u32::MAX));
        }
    }
}

impl Leaf {
    fn read(group: &RowGroup<'_>, leaf: usize, rows: &[u32]) -> Result<Self, ColumnError> {
        let descriptor = group.descriptor(leaf);
        if descriptor.physical_type() != PhysicalType::BYTE_ARRAY || descriptor.max_rep_level() != 1 {
            return Err(ColumnError::WrongType {
                found: descriptor.physical_type().to_string(),
                expected: "map of string to string",
            });
        }
        // The level at which an entry exists: the key's own, which the value's may exceed by being NULL.
        let entry_level =
            u32::try_from(descriptor.max_def_level() - i16::from(descriptor.self_type().is_optional())).unwrap_or(0);
        let this = match Self::read_pages(group, leaf, rows, entry_level)? {
            Some(this) => this,
            None => Self::read_any_encoding(group, leaf, rows, entry_level)?,
        };
        if this.starts.len() != rows.len() + 1 {
            return Err(ColumnError::damaged("the map has fewer rows than its row group"));
        }
        Ok(this)
    }

    fn read_pages(
        group: &RowGroup<'_>,
        leaf: usize,
        rows: &[u32],
        entry_level: u32,
    ) -> Result<Option<Self>, ColumnError> {
        let max_definition = group.descriptor(leaf).max_def_level();
        let max = u32::try_from(max_definition).unwrap_or(0);
        let mut this = Self::default();
        let (mut repetition, mut definition, mut indices) = (Vec::new(), Vec::new(), Vec::new());
        let mut walk = Walk {
            rows,
            next: 0,
            row: -1,
            wanted: false,
        };
        let mut pages = group.pages(leaf)?;
        while let Some(page) = pages.get_next_page()? {
            let Some(part) = pages::cut(page, 1, max_definition)? else {
                return Ok(None);
            };
            let page = match part {
                PagePart::Dictionary { bytes, count } => {
                    this.strings.take_page(bytes, count)?;
                    continue;
                }
                PagePart::Data(page) => page,
            };
            page.repetition_levels(1, &mut repetition)?;
            let present = page.definition_levels(max_definition, &mut definition)?;
            let is_dictionary = page.is_dictionary();
            if is_dictionary {
                page.indices(present, this.strings.len(), &mut indices)?;
            }
            let mut plain = PlainCursor::new(page.values.clone());
            let mut value = 0;
            for (&repeat, &level) in repetition.iter().zip(&definition) {
                if repeat == 0 {
                    walk.step(&mut this.starts, this.codes.len());
                }
                if level == max {
                    if is_dictionary {
                        if walk.wanted {
                            this.codes.push(indices[value] + 1);
                        }
                        value += 1;
                    } else if walk.wanted {
                        let code = plain.code_of_next(&mut this.strings)?;
                        this.codes.push(code);
                    } else {
                        plain.next()?;
                    }
                } else if level >= entry_level && walk.wanted {
                    this.codes.push(0);
                }
            }
        }
        this.starts.push(u32::try_from(this.codes.len()).unwrap_or(u32::MAX));
        Ok(Some(this))
    }

    fn read_any_encoding(
        group: &RowGroup<'_>,
        leaf: usize,
        rows: &[u32],
        entry_level: u32,
    ) -> Result<Self, ColumnError> {
        let mut this = Self::default();
        let descriptor = group.descriptor(leaf);
        let max = descriptor.max_def_level();
        let mut reader = ColumnReaderImpl::<ByteArrayType>::new(descriptor, group.boxed_pages(leaf)?);
        let mut walk = Walk {
            rows,
            next: 0,
            row: -1,
            wanted: false,
        };
        let (mut definition, mut repetition, mut values): (Vec<i16>, Vec<i16>, Vec<ByteArray>) = Default::default();
        loop {
            definition.clear();
            repetition.clear();
            values.clear();
            let (records, _, _) =
                reader.read_records(8192, Some(&mut definition), Some(&mut repetition), &mut values)?;
            if records == 0 {
                this.starts.push(u32::try_from(this.codes.len()).unwrap_or(u32::MAX));
                return Ok(this);
            }
            let mut values = values.iter();
            for (&repeat, &level) in repetition.iter().zip(&definition) {
                if repeat == 0 {
                    walk.step(&mut this.starts, this.codes.len());
                }
                let value = if level == max { values.next() } else { None };
                if walk.wanted && (value.is_some() || i64::from(level) >= i64::from(entry_level)) {
                    let owned = value.map(|v| bytes::Bytes::copy_from_slice(v.data()));
                    let code = owned.map_or(0, |v| this.strings.code_of(&v, &v));
                    this.codes.push(code);
                }
            }
        }
    }
}
