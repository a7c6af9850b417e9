//! A data page cut into its levels and its values.

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::Page;

use super::{ColumnError, hybrid};

/// A data page of which nothing is decoded yet.
pub(super) struct DataPage {
    pub values_count: usize,
    pub encoding: Encoding,
    repetition: Bytes,
    definition: Bytes,
    pub values: Bytes,
}

/// Writers end a page long before this; a header that claims more is damaged, and memory follows what it claims.
const VALUES_MAX: u32 = 1 << 26;

/// What a page reader yields, for columns read here.
pub(super) enum PagePart {
    Dictionary { bytes: Bytes, count: usize },
    Data(DataPage),
}

/// Cuts a page; `None` where its encodings are left to the `parquet` crate.
pub(super) fn cut(page: Page, max_repetition: i16, max_definition: i16) -> Result<Option<PagePart>, ColumnError> {
    if page.num_values() > VALUES_MAX {
        return Err(ColumnError::damaged(format!("a page of {} values", page.num_values())));
    }
    match page {
        Page::DictionaryPage {
            buf,
            num_values,
            encoding,
            ..
        } => {
            let plain = matches!(encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY);
            Ok(plain.then_some(PagePart::Dictionary {
                bytes: buf,
                count: num_values as usize,
            }))
        }
        Page::DataPage {
            buf,
            num_values,
            encoding,
            def_level_encoding,
            rep_level_encoding,
            ..
        } => {
            let readable = (max_definition == 0 || def_level_encoding == Encoding::RLE)
                && (max_repetition == 0 || rep_level_encoding == Encoding::RLE);
            if !readable || !is_ours(encoding) {
                return Ok(None);
            }
            let mut rest = buf;
            let repetition = if max_repetition > 0 {
                take_prefixed(&mut rest)?
            } else {
                Bytes::new()
            };
            let definition = if max_definition > 0 {
                take_prefixed(&mut rest)?
            } else {
                Bytes::new()
            };
            Ok(Some(PagePart::Data(DataPage {
                values_count: num_values as usize,
                encoding,
                repetition,
                definition,
                values: rest,
            })))
        }
        Page::DataPageV2 {
            buf,
            num_values,
            encoding,
            def_levels_byte_len,
            rep_levels_byte_len,
            ..
        } => {
            if !is_ours(encoding) {
                return Ok(None);
            }
            let mut rest = buf;
            let repetition = take(&mut rest, rep_levels_byte_len as usize)?;
            let definition = take(&mut rest, def_levels_byte_len as usize)?;
            Ok(Some(PagePart::Data(DataPage {
                values_count: num_values as usize,
                encoding,
                repetition,
                definition,
                values: rest,
            })))
        }
    }
}

fn is_ours(encoding: Encoding) -> bool {
    matches!(
        encoding,
        Encoding::PLAIN | Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY
    )
}

fn take(rest: &mut Bytes, length: usize) -> Result<Bytes, ColumnError> {
    if length > rest.len() {
        return Err(ColumnError::damaged("the levels of a page are longer than the page"));
    }
    Ok(rest.split_to(length))
}

fn take_prefixed(rest: &mut Bytes) -> Result<Bytes, ColumnError> {
    let prefix = take(rest, 4)?;
    let mut length = [0_u8; 4];
    length.copy_from_slice(&prefix);
    take(rest, u32::from_le_bytes(length) as usize)
}

impl DataPage {
    pub(super) fn is_dictionary(&self) -> bool {
        self.encoding != Encoding::PLAIN
    }

    /// Definition levels, and how many of them say that a value is there.
    pub(super) fn definition_levels(&self, max_definition: i16, out: &mut Vec<u32>) -> Result<usize, ColumnError> {
        out.clear();
        if max_definition == 0 {
            out.resize(self.values_count, 0);
            return Ok(self.values_count);
        }
        let max = u32::try_from(max_definition).unwrap_or(0);
        hybrid::decode(&self.definition, level_width(max), self.values_count, out)?;
        Ok(out.iter().filter(|level| **level == max).count())
    }

    pub(super) fn repetition_levels(&self, max_repetition: i16, out: &mut Vec<u32>) -> Result<(), ColumnError> {
        out.clear();
        if max_repetition == 0 {
            out.resize(self.values_count, 0);
            return Ok(());
        }
        hybrid::decode(
            &self.repetition,
            level_width(u32::try_from(max_repetition).unwrap_or(0)),
            self.values_count,
            out,
        )
    }

    /// The dictionary indices of the values that are there; each is checked against the dictionary.
    pub(super) fn indices(&self, present: usize, dictionary: usize, out: &mut Vec<u32>) -> Result<(), ColumnError> {
        out.clear();
        if present == 0 {
            return Ok(());
        }
        let (width, packed) = self
            .values
            .split_first()
            .ok_or_else(|| ColumnError::damaged("a page without values"))?;
        hybrid::decode(packed, *width, present, out)?;
        match out.iter().max() {
            Some(largest) if *largest as usize >= dictionary => Err(ColumnError::damaged(format!(
                "index {largest} in a dictionary of {dictionary}"
            ))),
            _ => Ok(()),
        }
    }
}

fn level_width(max_level: u32) -> u8 {
    u8::try_from(32 - max_level.leading_zeros()).unwrap_or(32)
}
