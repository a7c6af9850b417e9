//! Rows in PostgreSQL's binary COPY format: exact numerics without a detour through text.

use chrono::NaiveDate;
use sqlx::PgConnection;
use sqlx::postgres::PgCopyIn;

use super::StoreResult;
use crate::domain::money::{Amount, SCALE};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const BUFFER_BYTES: usize = 256 * 1024;
/// Dates count from 2000-01-01.
const EPOCH_DAYS_FROM_CE: i32 = 730_120;
/// A base-10000 digit holds four places, so twelve places are three digits.
const FRACTION_DIGITS: i16 = 3;
/// The scale that the server shows.
const SHOWN_SCALE: u16 = 12;
const _: () = assert!(SCALE == 12, "the two constants above follow the scale of money");

/// An open COPY.  Rows are buffered and sent in blocks, so that the server works while the next block is made.
pub(super) struct Copy<'c> {
    stream: PgCopyIn<&'c mut PgConnection>,
    buffer: Vec<u8>,
}

impl<'c> Copy<'c> {
    pub(super) async fn into(connection: &'c mut PgConnection, table: &str, columns: &[&str]) -> StoreResult<Self> {
        let statement = format!("copy {table} ({}) from stdin (format binary)", columns.join(", "));
        let stream = connection.copy_in_raw(&statement).await?;
        let mut buffer = Vec::with_capacity(BUFFER_BYTES + 4096);
        buffer.extend_from_slice(SIGNATURE);
        Ok(Self { stream, buffer })
    }

    /// Begins a row of so many columns; then each of them is put in order.
    pub(super) fn row(&mut self, columns: i16) -> Row<'_> {
        self.buffer.extend_from_slice(&columns.to_be_bytes());
        Row {
            buffer: &mut self.buffer,
        }
    }

    /// Sends what is buffered, where that is worth a message.
    pub(super) async fn flush_when_full(&mut self) -> StoreResult<()> {
        if self.buffer.len() >= BUFFER_BYTES {
            self.stream.send(self.buffer.as_slice()).await?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Ends the COPY; returns the number of rows that the server took.
    pub(super) async fn finish(mut self) -> StoreResult<u64> {
        self.buffer.extend_from_slice(&(-1_i16).to_be_bytes());
        self.stream.send(self.buffer.as_slice()).await?;
        Ok(self.stream.finish().await?)
    }
}

pub(super) struct Row<'b> {
    buffer: &'b mut Vec<u8>,
}

impl Row<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.buffer.extend_from_slice(&length.to_be_bytes());
        self.buffer.extend_from_slice(bytes);
    }

    pub(super) fn null(&mut self) -> &mut Self {
        self.buffer.extend_from_slice(&(-1_i32).to_be_bytes());
        self
    }

    pub(super) fn uuid_or_null(&mut self, value: Option<uuid::Uuid>) -> &mut Self {
        match value {
            Some(value) => self.put(value.as_bytes()),
            None => {
                self.null();
            }
        }
        self
    }

    pub(super) fn boolean(&mut self, value: bool) -> &mut Self {
        self.put(&[u8::from(value)]);
        self
    }

    pub(super) fn int2(&mut self, value: i16) -> &mut Self {
        self.put(&value.to_be_bytes());
        self
    }

    pub(super) fn int4(&mut self, value: i32) -> &mut Self {
        self.put(&value.to_be_bytes());
        self
    }

    pub(super) fn int4_or_null(&mut self, value: Option<i32>) -> &mut Self {
        match value {
            Some(value) => self.int4(value),
            None => self.null(),
        }
    }

    pub(super) fn int8(&mut self, value: i64) -> &mut Self {
        self.put(&value.to_be_bytes());
        self
    }

    pub(super) fn date(&mut self, value: NaiveDate) -> &mut Self {
        use chrono::Datelike;
        self.int4(value.num_days_from_ce() - EPOCH_DAYS_FROM_CE)
    }

    pub(super) fn date_or_null(&mut self, value: Option<NaiveDate>) -> &mut Self {
        match value {
            Some(value) => self.date(value),
            None => self.null(),
        }
    }

    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.put(value.as_bytes());
        self
    }

    pub(super) fn text_or_null(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(value),
            None => self.null(),
        }
    }

    /// `numeric`: count of base-10000 digits, weight of the first, sign, shown scale, digits.
    pub(super) fn numeric(&mut self, value: Amount) -> &mut Self {
        let mut digits = [0_u16; 12];
        let mut count = 0;
        let mut rest = value.units().unsigned_abs();
        let mut trailing = 0_i16;
        while rest > 0 {
            let digit = u16::try_from(rest % 10_000).unwrap_or(0);
            rest /= 10_000;
            if count == 0 && digit == 0 {
                trailing += 1;
                continue;
            }
            digits[count] = digit;
            count += 1;
        }
        let count_i16 = i16::try_from(count).unwrap_or(0);
        let weight = if count == 0 {
            0
        } else {
            count_i16 + trailing - FRACTION_DIGITS - 1
        };
        let sign: u16 = if value.units() < 0 { 0x4000 } else { 0 };
        self.buffer
            .extend_from_slice(&i32::from(8 + 2 * count_i16).to_be_bytes());
        self.buffer.extend_from_slice(&count_i16.to_be_bytes());
        self.buffer.extend_from_slice(&weight.to_be_bytes());
        self.buffer.extend_from_slice(&sign.to_be_bytes());
        self.buffer.extend_from_slice(&SHOWN_SCALE.to_be_bytes());
        for digit in digits[..count].iter().rev() {
            self.buffer.extend_from_slice(&digit.to_be_bytes());
        }
        self
    }
}
