//! Parquet's run-length and bit-packed hybrid: how levels and dictionary indices are written.

use super::ColumnError;

/// Appends exactly `count` values of `width` bits to `out`.
pub(super) fn decode(mut bytes: &[u8], width: u8, count: usize, out: &mut Vec<u32>) -> Result<(), ColumnError> {
    if width > 32 {
        return Err(ColumnError::damaged(format!("values of {width} bits")));
    }
    let end = out.len() + count;
    out.reserve(count);
    while out.len() < end {
        let header = take_varint(&mut bytes)?;
        let left = end - out.len();
        if header & 1 == 0 {
            let run = usize::try_from(header >> 1).unwrap_or(usize::MAX).min(left);
            let value_bytes = usize::from(width).div_ceil(8);
            let (value, rest) = bytes.split_at_checked(value_bytes).ok_or_else(ended)?;
            let mut padded = [0_u8; 4];
            padded[..value_bytes].copy_from_slice(value);
            if run == 0 {
                return Err(ColumnError::damaged("a run of no values"));
            }
            out.resize(out.len() + run, u32::from_le_bytes(padded));
            bytes = rest;
        } else {
            let groups = usize::try_from(header >> 1).unwrap_or(usize::MAX);
            if groups == 0 {
                return Err(ColumnError::damaged("a run of no values"));
            }
            let packed = groups.saturating_mul(usize::from(width)).min(bytes.len());
            let values = groups.saturating_mul(8).min(left);
            if packed * 8 < values * usize::from(width) {
                return Err(ended());
            }
            unpack(&bytes[..packed], width, values, out);
            bytes = &bytes[packed..];
        }
    }
    Ok(())
}

fn ended() -> ColumnError {
    ColumnError::damaged("the page ends inside its values")
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, ColumnError> {
    let mut value = 0_u64;
    for (i, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * i).min(63);
        if byte & 0x80 == 0 {
            *bytes = &bytes[i + 1..];
            return Ok(value);
        }
    }
    Err(ended())
}

/// Unpacks `count` little-endian values of `width` bits.
fn unpack(packed: &[u8], width: u8, count: usize, out: &mut Vec<u32>) {
    let (width, mask) = (
        usize::from(width),
        if width == 32 {
            u64::from(u32::MAX)
        } else {
            (1_u64 << width) - 1
        },
    );
    // Values whose eight bytes lie inside the buffer are read with one load each; the last few from a padded copy.
    let safe = if packed.len() < 8 || width == 0 {
        0
    } else {
        ((packed.len() - 8) * 8 / width + 1).min(count)
    };
    let value_at = |bytes: &[u8], bit: usize| {
        let mut word = [0_u8; 8];
        word.copy_from_slice(&bytes[bit / 8..bit / 8 + 8]);
        #[expect(clippy::cast_possible_truncation, reason = "masked to at most 32 bits")]
        let value = (u64::from_le_bytes(word) >> (bit % 8) & mask) as u32;
        value
    };
    out.extend((0..safe).map(|i| value_at(packed, i * width)));
    if safe < count {
        let first_byte = safe * width / 8;
        let mut tail = packed[first_byte.min(packed.len())..].to_vec();
        tail.resize(tail.len() + 16, 0);
        out.extend((safe..count).map(|i| value_at(&tail, i * width - first_byte * 8)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One bit-packed run of all values, as a writer would lay it out.
    fn packed(values: &[u32], width: u8) -> Vec<u8> {
        let groups = values.len().div_ceil(8);
        let mut bytes = vec![0_u8; groups * usize::from(width)];
        for (i, value) in values.iter().enumerate() {
            for bit in 0..usize::from(width) {
                let at = i * usize::from(width) + bit;
                bytes[at / 8] |= u8::from(value >> bit & 1 == 1) << (at % 8);
            }
        }
        let mut run = Vec::new();
        let mut header = (groups << 1 | 1) as u64;
        while header > 0x7f {
            run.push((header & 0x7f) as u8 | 0x80);
            header >>= 7;
        }
        run.push((header & 0x7f) as u8);
        run.extend(bytes);
        run
    }

    proptest! {
        #[test]
        fn packed_values_come_back(width in 1_u8..=32, seed in prop::collection::vec(any::<u32>(), 1..300)) {
            let values: Vec<u32> = seed.iter().map(|v| if width == 32 { *v } else { v & ((1 << width) - 1) }).collect();
            let mut out = Vec::new();
            prop_assert!(decode(&packed(&values, width), width, values.len(), &mut out).is_ok());
            prop_assert_eq!(out, values);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), width in 0_u8..40, count in 0_usize..500) {
            let mut out = Vec::new();
            if decode(&bytes, width, count, &mut out).is_ok() {
                prop_assert_eq!(out.len(), count);
            }
        }
    }

    #[test]
    fn runs_and_packs_mix() {
        let mut out = Vec::new();
        let bytes = [0x0a, 0x03, 0x03, 0b1100_0110, 0b0000_1010, 0x00]; // five times 3, then eight 2-bit values
        assert!(decode(&bytes, 2, 13, &mut out).is_ok());
        assert_eq!(out, [3, 3, 3, 3, 3, 2, 1, 0, 3, 2, 2, 0, 0]);
    }

    #[test]
    fn values_of_no_bits_are_zero() {
        let mut out = Vec::new();
        assert!(decode(&[0x14], 0, 10, &mut out).is_ok());
        assert_eq!(out, [0; 10]);
    }
}
