//! A Parquet file by its footer, and the column chunks of its row groups.

use std::fs::File;
use std::io::{Cursor, Read};
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

/// An open Parquet file; the footer is read once, data only by the column chunk.
pub(crate) struct ColumnarFile {
    file: File,
    metadata: ParquetMetaData,
}

impl ColumnarFile {
    pub(crate) fn open(path: &Path) -> Result<Self, ColumnError> {
        let file = File::open(path).map_err(|e| ColumnError::damaged(format!("it cannot be opened: {e}")))?;
        let length = file.metadata().map_err(|e| ColumnError::damaged(e.to_string()))?.len();
        if length == 0 {
            return Err(ColumnError::damaged("it has no bytes"));
        }
        let mut magic = [0_u8; 4];
        let mut head = &file;
        if head.read_exact(&mut magic).is_err() || &magic != b"PAR1" {
            return Err(ColumnError::damaged("it does not begin as a Parquet file does"));
        }
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file)?;
        Ok(Self { file, metadata })
    }

    pub(crate) fn row_groups(&self) -> impl Iterator<Item = RowGroup<'_>> {
        self.metadata
            .row_groups()
            .iter()
            .enumerate()
            .map(|(number, metadata)| RowGroup {
                file: self,
                number,
                metadata,
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

/// One row group of a file.
#[derive(Clone, Copy)]
pub(crate) struct RowGroup<'f> {
    file: &'f ColumnarFile,
    pub(crate) number: usize,
    metadata: &'f RowGroupMetaData,
}

impl<'f> RowGroup<'f> {
    pub(crate) fn rows(&self) -> Result<usize, ColumnError> {
        let rows = self.metadata.num_rows();
        usize::try_from(rows)
            .ok()
            .filter(|rows| *rows <= ROWS_MAX)
            .ok_or_else(|| ColumnError::damaged(format!("a row group of {rows} rows")))
    }

    /// The leaf columns below a root column, in order; empty where the file does not have it.
    pub(super) fn leaves(&self, root: &str) -> Vec<usize> {
        let leaf_of = |(i, column): (usize, &parquet::file::metadata::ColumnChunkMetaData)| {
            (column.column_descr().path().parts().first().map(String::as_str) == Some(root)).then_some(i)
        };
        self.metadata.columns().iter().enumerate().filter_map(leaf_of).collect()
    }

    pub(super) fn descriptor(&self, leaf: usize) -> ColumnDescPtr {
        self.metadata.column(leaf).column_descr_ptr()
    }

    /// The pages of one leaf; its bytes are read from the file in one go.
    pub(super) fn pages(&self, leaf: usize) -> Result<SerializedPageReader<ChunkBytes>, ColumnError> {
        let chunk = self.metadata.column(leaf);
        // The crate's own `byte_range` panics on the negative offsets of a damaged footer.
        let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        let start = u64::try_from(start).map_err(|_| ColumnError::damaged("a column chunk before the file"))?;
        let length = usize::try_from(chunk.compressed_size())
            .map_err(|_| ColumnError::damaged("a column chunk without an end"))?;
        let file_length = self.file.file.len();
        if start.checked_add(length as u64).is_none_or(|end| end > file_length) {
            return Err(ColumnError::damaged("a column chunk lies outside the file"));
        }
        let bytes = read_range(&self.file.file, start, length).map_err(|e| ColumnError::damaged(e.to_string()))?;
        Ok(SerializedPageReader::new(
            Arc::new(ChunkBytes { start, bytes }),
            chunk,
            self.rows()?,
            None,
        )?)
    }

    pub(super) fn boxed_pages(&self, leaf: usize) -> Result<Box<dyn PageReader>, ColumnError> {
        Ok(Box::new(self.pages(leaf)?))
    }
}

#[cfg(unix)]
fn read_range(file: &File, start: u64, length: usize) -> std::io::Result<Bytes> {
    use std::os::unix::fs::FileExt;
    let mut buffer = vec![0; length];
    file.read_exact_at(&mut buffer, start)?;
    Ok(buffer.into())
}

#[cfg(windows)]
fn read_range(file: &File, start: u64, length: usize) -> std::io::Result<Bytes> {
    use std::os::windows::fs::FileExt;
    let mut buffer = vec![0; length];
    let mut done = 0;
    while done < length {
        match file.seek_read(&mut buffer[done..], start + done as u64)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
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
