//! A Parquet file by its footer, and the column chunks of its row groups.

use std::fs::File;
use std::io::{self, Cursor};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::column::page::PageReader;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescPtr;

use super::ColumnError;

/// Writers end a row group long before this; a footer that claims more is damaged, and memory follows what it claims.
const ROWS_MAX: usize = 50_000_000;
/// Read from a file's end at first: the footer of a file of fifty columns and fifty row groups.
pub(crate) const FOOTER_BYTES: u64 = 64 * 1024;

/// Bytes of a file by their place in it, wherever the file lies.
pub(crate) trait FileContent: Send + Sync {
    fn read(&self, range: Range<u64>) -> io::Result<Bytes>;
}

/// An open Parquet file; the footer is read once, data only by the column chunk.
pub(crate) struct ColumnarFile {
    content: Box<dyn FileContent>,
    length: u64,
    metadata: ParquetMetaData,
}

impl ColumnarFile {
    pub(crate) fn open(path: &Path) -> Result<Self, ColumnError> {
        let file = File::open(path).map_err(|e| ColumnError::damaged(format!("it cannot be opened: {e}")))?;
        let length = file.metadata().map_err(|e| ColumnError::damaged(e.to_string()))?.len();
        if length == 0 {
            return Err(ColumnError::damaged("it has no bytes"));
        }
        let magic = read_at(&file, 0..length.min(4)).map_err(|e| ColumnError::damaged(e.to_string()))?;
        if magic != "PAR1" {
            return Err(ColumnError::damaged("it does not begin as a Parquet file does"));
        }
        let end = |bytes: u64| read_at(&file, length.saturating_sub(bytes)..length);
        let mut tail = end(FOOTER_BYTES).map_err(|e| ColumnError::damaged(e.to_string()))?;
        let metadata = loop {
            match parse_footer(&tail, length)? {
                Footer::Whole(metadata) => break *metadata,
                Footer::Longer(bytes) => tail = end(bytes).map_err(|e| ColumnError::damaged(e.to_string()))?,
            }
        };
        Ok(Self::new(Box::new(LocalFile(file)), length, metadata))
    }

    pub(crate) fn new(content: Box<dyn FileContent>, length: u64, metadata: ParquetMetaData) -> Self {
        Self {
            content,
            length,
            metadata,
        }
    }

    pub(crate) fn row_groups(&self) -> impl Iterator<Item = RowGroup<'_>> {
        let groups = self.metadata.row_groups().iter().enumerate();
        groups.map(|(number, metadata)| RowGroup {
            file: self,
            number,
            metadata,
            fetched: None,
        })
    }

    /// Root columns of the file, in order.
    pub(crate) fn column_names(&self) -> Vec<&str> {
        self.metadata
            .file_metadata()
            .schema_descr()
            .root_schema()
            .get_fields()
            .iter()
            .map(|f| f.name())
            .collect()
    }
}

/// What the end of a file says.
pub(crate) enum Footer {
    Whole(Box<ParquetMetaData>),
    /// The footer is longer than the bytes given: it needs so many from the end of the file.
    Longer(u64),
}

/// Reads the footer from the last bytes of a file.
pub(crate) fn parse_footer(tail: &Bytes, file_length: u64) -> Result<Footer, ColumnError> {
    let mut reader = ParquetMetaDataReader::new();
    match reader.try_parse_sized(tail, file_length) {
        Ok(()) => Ok(Footer::Whole(Box::new(reader.finish()?))),
        Err(ParquetError::NeedMoreData(needed)) if needed as u64 > tail.len() as u64 => {
            Ok(Footer::Longer(needed as u64))
        }
        Err(error) => Err(error.into()),
    }
}

/// Stretches of a file that were fetched ahead.
#[derive(Debug, Default)]
pub(crate) struct FetchedRanges {
    /// By their start, in order.
    ranges: Vec<(u64, Bytes)>,
}

impl FetchedRanges {
    pub(crate) fn new(mut ranges: Vec<(u64, Bytes)>) -> Self {
        ranges.sort_by_key(|(start, _)| *start);
        Self { ranges }
    }

    fn get(&self, range: &Range<u64>) -> Option<Bytes> {
        let after = self.ranges.partition_point(|(start, _)| *start <= range.start);
        let (start, bytes) = self.ranges.get(after.checked_sub(1)?)?;
        let from = usize::try_from(range.start - start).ok()?;
        let to = usize::try_from(range.end - start).ok()?;
        (to <= bytes.len()).then(|| bytes.slice(from..to))
    }
}

/// One row group of a file.
#[derive(Clone, Copy)]
pub(crate) struct RowGroup<'f> {
    file: &'f ColumnarFile,
    pub(crate) number: usize,
    metadata: &'f RowGroupMetaData,
    fetched: Option<&'f FetchedRanges>,
}

impl<'f> RowGroup<'f> {
    pub(crate) fn with_fetched(self, fetched: &'f FetchedRanges) -> Self {
        Self {
            fetched: Some(fetched),
            ..self
        }
    }

    pub(crate) fn rows(&self) -> Result<usize, ColumnError> {
        let rows = self.metadata.num_rows();
        usize::try_from(rows)
            .ok()
            .filter(|rows| *rows <= ROWS_MAX)
            .ok_or_else(|| ColumnError::damaged(format!("a row group of {rows} rows")))
    }

    /// The leaf columns below a root column, in order; empty where the file does not have it.
    pub(crate) fn leaves(&self, root: &str) -> Vec<usize> {
        let leaf_of = |(i, column): (usize, &parquet::file::metadata::ColumnChunkMetaData)| {
            (column.column_descr().path().parts().first().map(String::as_str) == Some(root)).then_some(i)
        };
        self.metadata.columns().iter().enumerate().filter_map(leaf_of).collect()
    }

    pub(super) fn descriptor(&self, leaf: usize) -> ColumnDescPtr {
        self.metadata.column(leaf).column_descr_ptr()
    }

    /// Where the chunk of a leaf lies in the file.
    pub(crate) fn chunk_range(&self, leaf: usize) -> Result<Range<u64>, ColumnError> {
        let chunk = self.metadata.column(leaf);
        // The crate's own `byte_range` panics on the negative offsets of a damaged footer.
        let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        let start = u64::try_from(start).map_err(|_| ColumnError::damaged("a column chunk before the file"))?;
        let length = u64::try_from(chunk.compressed_size())
            .map_err(|_| ColumnError::damaged("a column chunk without an end"))?;
        match start.checked_add(length) {
            Some(end) if end <= self.file.length => Ok(start..end),
            _ => Err(ColumnError::damaged("a column chunk lies outside the file")),
        }
    }

    /// The pages of one leaf; its bytes are read in one go.
    pub(super) fn pages(&self, leaf: usize) -> Result<SerializedPageReader<ChunkBytes>, ColumnError> {
        let range = self.chunk_range(leaf)?;
        let start = range.start;
        let bytes = match self.fetched.and_then(|fetched| fetched.get(&range)) {
            Some(bytes) => bytes,
            None => self.file.content.read(range)?,
        };
        let chunk = self.metadata.column(leaf);
        let bytes = Arc::new(ChunkBytes { start, bytes });
        Ok(SerializedPageReader::new(bytes, chunk, self.rows()?, None)?)
    }

    pub(super) fn boxed_pages(&self, leaf: usize) -> Result<Box<dyn PageReader>, ColumnError> {
        Ok(Box::new(self.pages(leaf)?))
    }
}

struct LocalFile(File);

impl FileContent for LocalFile {
    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        read_at(&self.0, range)
    }
}

fn length_of(range: &Range<u64>) -> io::Result<usize> {
    usize::try_from(range.end - range.start).map_err(io::Error::other)
}

#[cfg(unix)]
fn read_at(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    use std::os::unix::fs::FileExt;
    let mut buffer = vec![0; length_of(&range)?];
    file.read_exact_at(&mut buffer, range.start)?;
    Ok(buffer.into())
}

#[cfg(windows)]
fn read_at(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    use std::os::windows::fs::FileExt;
    let mut buffer = vec![0; length_of(&range)?];
    let mut done = 0;
    while done < buffer.len() {
        match file.seek_read(&mut buffer[done..], range.start + done as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => done += read,
        }
    }
    Ok(buffer.into())
}

/// The bytes of one column chunk, addressed by their place in the file.
pub(super) struct ChunkBytes {
    start: u64,
    bytes: Bytes,
}

impl ChunkBytes {
    fn from(&self, start: u64) -> ParquetResult<Bytes> {
        let offset = start
            .checked_sub(self.start)
            .and_then(|o| usize::try_from(o).ok())
            .filter(|o| *o <= self.bytes.len());
        offset
            .map(|o| self.bytes.slice(o..))
            .ok_or_else(|| ParquetError::EOF("a page lies outside its column chunk".to_owned()))
    }
}

impl Length for ChunkBytes {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for ChunkBytes {
    type T = Cursor<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Cursor<Bytes>> {
        self.from(start).map(Cursor::new)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let bytes = self.from(start)?;
        if length > bytes.len() {
            return Err(ParquetError::EOF("a page ends outside its column chunk".to_owned()));
        }
        Ok(bytes.slice(..length))
    }
}
