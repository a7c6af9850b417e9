//! String columns as codes into the strings that the row group has.

use std::collections::HashMap;

use bytes::Bytes;
use parquet::basic::Type as PhysicalType;
use parquet::column::page::PageReader;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArray, ByteArrayType};

use super::pages::{self, PagePart};
use super::{ColumnError, RowGroup};

/// A string column of one row group.  Code 0 is NULL; code `n` is `strings[n - 1]`.
pub(crate) struct TextColumn {
    pub(crate) codes: Vec<u32>,
    pub(crate) strings: Strings,
}

/// Distinct strings of a column chunk, in the order of their codes.
#[derive(Default)]
pub(crate) struct Strings {
    values: Vec<Bytes>,
    /// Filled only once a value arrives outside a dictionary page.
    positions: HashMap<Bytes, u32>,
}

impl Strings {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.values.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The string of a code; `None` for NULL.
    pub(crate) fn get(&self, code: u32) -> Option<&Bytes> {
        self.values.get((code as usize).checked_sub(1)?)
    }

    /// Takes over the strings of a dictionary page.
    pub(super) fn extend_from_page(&mut self, page: &Bytes, count: usize) -> Result<(), ColumnError> {
        let mut rest = page.clone();
        self.values.reserve(count.min(page.len() / 4 + 1));
        for _ in 0..count {
            let value = take_plain(&mut rest)?;
            self.values.push(value);
        }
        Ok(())
    }

    pub(super) fn code_of(&mut self, value: Bytes) -> u32 {
        if self.positions.is_empty() && !self.values.is_empty() {
            self.positions = self.values.iter().cloned().zip(1..).collect();
        }
        let next = u32::try_from(self.values.len() + 1).unwrap_or(u32::MAX);
        *self.positions.entry(value).or_insert_with_key(|value| {
            self.values.push(value.clone());
            next
        })
    }
}

/// A plain string: four bytes of length, then its bytes.
pub(super) fn take_plain(rest: &mut Bytes) -> Result<Bytes, ColumnError> {
    let ended = || ColumnError::damaged("a page ends inside a string");
    let prefix = rest.first_chunk::<4>().ok_or_else(ended)?;
    let length = u32::from_le_bytes(*prefix) as usize;
    if rest.len() - 4 < length {
        return Err(ended());
    }
    let value = rest.slice(4..4 + length);
    *rest = rest.slice(4 + length..);
    Ok(value)
}

impl TextColumn {
    /// Reads a root column; `None` where the file does not have it.
    pub(crate) fn read(group: &RowGroup<'_>, name: &str) -> Result<Option<Self>, ColumnError> {
        let leaves = group.leaves(name);
        let Some(&leaf) = leaves.first() else { return Ok(None) };
        let descriptor = group.descriptor(leaf);
        if leaves.len() > 1 || descriptor.physical_type() != PhysicalType::BYTE_ARRAY || descriptor.max_rep_level() > 0 {
            return Err(ColumnError::WrongType { found: descriptor.physical_type().to_string(), expected: "string" });
        }
        let mut column = Self { codes: Vec::with_capacity(group.rows()?), strings: Strings::default() };
        if !column.read_pages(group, leaf, descriptor.max_def_level())? {
            column.read_any_encoding(group, leaf)?;
        }
        if column.codes.len() != group.rows()? {
            return Err(ColumnError::damaged(format!("{} values for {} rows", column.codes.len(), group.rows()?)));
        }
        Ok(Some(column))
    }

    /// A column of nothing but NULL, for one that an export may leave out.
    pub(crate) fn absent(rows: usize) -> Self {
        Self { codes: vec![0; rows], strings: Strings::default() }
    }

    /// Returns false where a page has an encoding that is left to `read_any_encoding`.
    fn read_pages(&mut self, group: &RowGroup<'_>, leaf: usize, max_definition: i16) -> Result<bool, ColumnError> {
        let (mut levels, mut indices) = (Vec::new(), Vec::new());
        let mut pages = group.pages(leaf)?;
        while let Some(page) = pages.get_next_page()? {
            let Some(part) = pages::cut(page, 0, max_definition)? else { return Ok(false) };
            let page = match part {
                PagePart::Dictionary { bytes, count } => {
                    self.strings.extend_from_page(&bytes, count)?;
                    continue;
                }
                PagePart::Data(page) => page,
            };
            let present = page.definition_levels(max_definition, &mut levels)?;
            if page.is_dictionary() {
                page.indices(present, self.strings.len(), &mut indices)?;
                indices.iter_mut().for_each(|index| *index += 1);
            } else {
                indices.clear();
                let mut rest = page.values.clone();
                for _ in 0..present {
                    indices.push(self.strings.code_of(take_plain(&mut rest)?));
                }
            }
            spread(&mut self.codes, &levels, max_definition, present, &indices);
        }
        Ok(true)
    }

    fn read_any_encoding(&mut self, group: &RowGroup<'_>, leaf: usize) -> Result<(), ColumnError> {
        *self = Self { codes: Vec::new(), strings: Strings::default() };
        let descriptor = group.descriptor(leaf);
        let optional = descriptor.max_def_level() > 0;
        let mut reader = ColumnReaderImpl::<ByteArrayType>::new(descriptor, group.boxed_pages(leaf)?);
        let (mut levels, mut values): (Vec<i16>, Vec<ByteArray>) = (Vec::new(), Vec::new());
        loop {
            levels.clear();
            values.clear();
            let (records, _, _) = reader.read_records(8192, optional.then_some(&mut levels), None, &mut values)?;
            if records == 0 {
                return Ok(());
            }
            let mut values = values.iter().map(|value| Bytes::copy_from_slice(value.data()));
            for i in 0..records {
                let present = !optional || levels.get(i).is_some_and(|level| *level > 0);
                let value = if present { values.next() } else { None };
                let code = value.map_or(0, |value| self.strings.code_of(value));
                self.codes.push(code);
            }
        }
    }
}

/// Appends values to rows: those that the levels call present in turn, the default for the others.
pub(super) fn spread<T: Copy + Default>(rows: &mut Vec<T>, levels: &[u32], max_definition: i16, present: usize, values: &[T]) {
    if present == levels.len() {
        rows.extend_from_slice(values);
        return;
    }
    let max = u32::try_from(max_definition).unwrap_or(0);
    let mut values = values.iter().copied();
    rows.extend(levels.iter().map(|level| if *level == max { values.next().unwrap_or_default() } else { T::default() }));
}
