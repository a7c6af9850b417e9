//! String columns as codes into the strings that the row group has.

use bytes::Bytes;
use hashbrown::HashMap;
use parquet::basic::Type as PhysicalType;
use parquet::column::page::PageReader;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArray, ByteArrayType};

use super::pages::{self, PagePart};
use super::{ColumnError, RowGroup};

/// A string column of one row group.  Code 0 is NULL; code `n` is the n-th string.
pub(crate) struct TextColumn {
    /// One code a row, or one for each row that was asked for.
    pub(crate) codes: Vec<u32>,
    pub(crate) strings: Strings,
}

/// Distinct strings of a column chunk, in the order of their codes.
///
/// Those of the dictionary page stay where they are, as ranges of the page; only what comes outside it is looked up.
#[derive(Default)]
pub(crate) struct Strings {
    page: Bytes,
    ranges: Vec<(u32, u32)>,
    others: Vec<Bytes>,
    positions: HashMap<Bytes, u32>,
}

impl Strings {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let of_page = self
            .ranges
            .iter()
            .map(|(start, end)| &self.page[*start as usize..*end as usize]);
        of_page.chain(self.others.iter().map(AsRef::as_ref))
    }

    pub(crate) fn len(&self) -> usize {
        self.ranges.len() + self.others.len()
    }

    /// The string of a code; `None` for NULL.
    pub(crate) fn get(&self, code: u32) -> Option<&[u8]> {
        let at = (code as usize).checked_sub(1)?;
        match self.ranges.get(at) {
            Some((start, end)) => Some(&self.page[*start as usize..*end as usize]),
            None => self.others.get(at - self.ranges.len()).map(AsRef::as_ref),
        }
    }

    /// Takes over the strings of a dictionary page.
    pub(super) fn take_page(&mut self, page: Bytes, count: usize) -> Result<(), ColumnError> {
        if self.len() > 0 {
            return Err(ColumnError::damaged("a second dictionary in one column chunk"));
        }
        let mut cursor = PlainCursor::new(page.clone());
        self.ranges.reserve(count.min(page.len() / 4 + 1));
        for _ in 0..count {
            let range = cursor.next()?;
            let end = |at: usize| u32::try_from(at).map_err(|_| ColumnError::damaged("a dictionary of more than 4 GB"));
            self.ranges.push((end(range.start)?, end(range.end)?));
        }
        self.page = page;
        Ok(())
    }

    /// The code of a string that stands outside a dictionary.
    pub(super) fn code_of(&mut self, value: &[u8], owner: &Bytes) -> u32 {
        if let Some(code) = self.positions.get(value) {
            return *code;
        }
        let code = u32::try_from(self.len() + 1).unwrap_or(u32::MAX);
        let value = owner.slice_ref(value);
        self.others.push(value.clone());
        self.positions.insert(value, code);
        code
    }
}

/// Walks the plain strings of a page: four bytes of length, then its bytes.
pub(super) struct PlainCursor {
    bytes: Bytes,
    at: usize,
}

impl PlainCursor {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self { bytes, at: 0 }
    }

    /// Where the next string stands.
    pub(super) fn next(&mut self) -> Result<std::ops::Range<usize>, ColumnError> {
        let ended = || ColumnError::damaged("a page ends inside a string");
        let rest = self.bytes.get(self.at..).ok_or_else(ended)?;
        let length = u32::from_le_bytes(*rest.first_chunk::<4>().ok_or_else(ended)?) as usize;
        let start = self.at + 4;
        if rest.len() - 4 < length {
            return Err(ended());
        }
        self.at = start + length;
        Ok(start..self.at)
    }

    pub(super) fn code_of_next(&mut self, strings: &mut Strings) -> Result<u32, ColumnError> {
        let range = self.next()?;
        Ok(strings.code_of(&self.bytes[range], &self.bytes))
    }
}

impl TextColumn {
    /// Reads a root column for all rows; `None` where the file does not have it.
    pub(crate) fn read(group: &RowGroup<'_>, name: &str) -> Result<Option<Self>, ColumnError> {
        Self::read_rows(group, name, None)
    }

    /// Reads a root column for some rows, which must be ascending: strings of the others are stepped over.
    pub(crate) fn read_for(group: &RowGroup<'_>, name: &str, rows: &[u32]) -> Result<Option<Self>, ColumnError> {
        Self::read_rows(group, name, Some(rows))
    }

    fn read_rows(group: &RowGroup<'_>, name: &str, rows: Option<&[u32]>) -> Result<Option<Self>, ColumnError> {
        let leaves = group.leaves(name);
        let Some(&leaf) = leaves.first() else { return Ok(None) };
        let descriptor = group.descriptor(leaf);
        if leaves.len() > 1 || descriptor.physical_type() != PhysicalType::BYTE_ARRAY || descriptor.max_rep_level() > 0
        {
            return Err(ColumnError::WrongType {
                found: descriptor.physical_type().to_string(),
                expected: "string",
            });
        }
        let wanted = rows.map_or(group.rows()?, <[u32]>::len);
        let mut column = Self {
            codes: Vec::with_capacity(wanted),
            strings: Strings::default(),
        };
        let read = match rows {
            Some(rows) => column.read_pages_for(group, leaf, descriptor.max_def_level(), rows)?,
            None => column.read_pages(group, leaf, descriptor.max_def_level())?,
        };
        if !read {
            column.read_any_encoding(group, leaf)?;
            if let Some(rows) = rows {
                column.codes = rows
                    .iter()
                    .filter_map(|row| column.codes.get(*row as usize).copied())
                    .collect();
            }
        }
        if column.codes.len() != wanted {
            return Err(ColumnError::damaged(format!(
                "{} values for {wanted} rows",
                column.codes.len()
            )));
        }
        Ok(Some(column))
    }

    /// A column of nothing but NULL, for one that an export may leave out.
    pub(crate) fn absent(rows: usize) -> Self {
        Self {
            codes: vec![0; rows],
            strings: Strings::default(),
        }
    }

    /// Returns false where a page has an encoding that is left to `read_any_encoding`.
    fn read_pages(&mut self, group: &RowGroup<'_>, leaf: usize, max_definition: i16) -> Result<bool, ColumnError> {
        let (mut levels, mut indices) = (Vec::new(), Vec::new());
        let mut pages = group.pages(leaf)?;
        while let Some(page) = pages.get_next_page()? {
            let Some(part) = pages::cut(page, 0, max_definition)? else {
                return Ok(false);
            };
            let page = match part {
                PagePart::Dictionary { bytes, count } => {
                    self.strings.take_page(bytes, count)?;
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
                let mut cursor = PlainCursor::new(page.values.clone());
                for _ in 0..present {
                    indices.push(cursor.code_of_next(&mut self.strings)?);
                }
            }
            spread(&mut self.codes, &levels, max_definition, present, &indices);
        }
        Ok(true)
    }

    /// The same for some rows only.
    fn read_pages_for(
        &mut self,
        group: &RowGroup<'_>,
        leaf: usize,
        max_definition: i16,
        rows: &[u32],
    ) -> Result<bool, ColumnError> {
        let (mut levels, mut indices) = (Vec::new(), Vec::new());
        let max = u32::try_from(max_definition).unwrap_or(0);
        let mut rows = rows.iter().map(|row| *row as usize).peekable();
        let mut first_row = 0;
        let mut pages = group.pages(leaf)?;
        while let Some(page) = pages.get_next_page()? {
            let Some(part) = pages::cut(page, 0, max_definition)? else {
                return Ok(false);
            };
            let page = match part {
                PagePart::Dictionary { bytes, count } => {
                    self.strings.take_page(bytes, count)?;
                    continue;
                }
                PagePart::Data(page) => page,
            };
            let next_page = first_row + page.values_count;
            if rows.peek().is_some_and(|row| *row < next_page) {
                let present = page.definition_levels(max_definition, &mut levels)?;
                let mut cursor = PlainCursor::new(page.values.clone());
                if page.is_dictionary() {
                    page.indices(present, self.strings.len(), &mut indices)?;
                }
                let (mut at, mut value) = (first_row, 0);
                while let Some(row) = rows.next_if(|row| *row < next_page) {
                    // Values before this row that are there, NULLs aside.
                    let before = &levels[at - first_row..row - first_row];
                    let passed = if present == levels.len() {
                        before.len()
                    } else {
                        before.iter().filter(|level| **level == max).count()
                    };
                    let is_there = levels[row - first_row] == max;
                    if !page.is_dictionary() {
                        for _ in 0..passed {
                            cursor.next()?;
                        }
                    }
                    value += passed;
                    let code = match (is_there, page.is_dictionary()) {
                        (false, _) => 0,
                        (true, true) => indices[value] + 1,
                        (true, false) => cursor.code_of_next(&mut self.strings)?,
                    };
                    self.codes.push(code);
                    value += usize::from(is_there);
                    at = row + 1;
                }
            }
            first_row = next_page;
        }
        Ok(true)
    }

    fn read_any_encoding(&mut self, group: &RowGroup<'_>, leaf: usize) -> Result<(), ColumnError> {
        *self = Self {
            codes: Vec::new(),
            strings: Strings::default(),
        };
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
                let code = value.map_or(0, |value| self.strings.code_of(&value, &value));
                self.codes.push(code);
            }
        }
    }
}

/// Appends values to rows: those that the levels call present in turn, the default for the others.
pub(super) fn spread<T: Copy + Default>(
    rows: &mut Vec<T>,
    levels: &[u32],
    max_definition: i16,
    present: usize,
    values: &[T],
) {
    if present == levels.len() {
        rows.extend_from_slice(values);
        return;
    }
    let max = u32::try_from(max_definition).unwrap_or(0);
    let mut values = values.iter().copied();
    rows.extend(levels.iter().map(|level| {
        if *level == max {
            values.next().unwrap_or_default()
        } else {
            T::default()
        }
    }));
}
