//! Text as accounting systems read it: UTF-8, UTF-8 with a mark for Excel, or CP932.
//!
//! A letter that CP932 does not have is an error with its place; the few that only differ by font are replaced before.

use std::fmt;

/// How a file is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    /// Excel opens it by a double click.
    Utf8Bom,
    Cp932,
}

impl Encoding {
    pub const NAMES: [&'static str; 3] = ["utf-8", "utf-8-bom", "cp932"];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Utf8Bom => "utf-8-bom",
            Self::Cp932 => "cp932",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Utf8, Self::Utf8Bom, Self::Cp932]
            .into_iter()
            .find(|encoding| encoding.as_str() == text)
    }
}

/// A letter that the encoding does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrepresentable {
    pub line: usize,
    pub letter: char,
    pub encoding: Encoding,
}

impl std::error::Error for Unrepresentable {}

impl fmt::Display for Unrepresentable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: {} has no '{}' (U+{:04X}); change the name that holds it in the directory or in the journal mappings, or choose another encoding",
            self.line,
            self.encoding.as_str(),
            self.letter,
            u32::from(self.letter)
        )
    }
}

/// Encodes a text.
pub fn encode(text: &str, encoding: Encoding) -> Result<Vec<u8>, Unrepresentable> {
    match encoding {
        Encoding::Utf8 => Ok(text.as_bytes().to_vec()),
        Encoding::Utf8Bom => Ok([b"\xef\xbb\xbf", text.as_bytes()].concat()),
        Encoding::Cp932 => {
            let mut bytes = Vec::with_capacity(text.len());
            for (at, line) in text.split_inclusive('\n').enumerate() {
                let line: String = line.chars().map(in_cp932).collect();
                let (encoded, _, is_damaged) = encoding_rs::SHIFT_JIS.encode(&line);
                if is_damaged {
                    let has_no = |letter: &char| encoding_rs::SHIFT_JIS.encode(&letter.to_string()).2;
                    return Err(Unrepresentable {
                        line: at + 1,
                        letter: line.chars().find(has_no).unwrap_or('?'),
                        encoding,
                    });
                }
                bytes.extend_from_slice(&encoded);
            }
            Ok(bytes)
        }
    }
}

/// The letter that CP932 has in the place of one that only looks different.
const fn in_cp932(letter: char) -> char {
    match letter {
        '\u{301c}' => '\u{ff5e}', // wave dash
        '\u{2014}' => '\u{2015}', // em dash
        '\u{2016}' => '\u{2225}', // double vertical line
        '\u{2212}' => '\u{ff0d}', // minus
        '\u{00a5}' => '\u{ffe5}', // yen: it would become a backslash
        '\u{203e}' => '\u{ffe3}', // overline: it would become a tilde
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_differ_by_font_are_replaced_and_others_named() {
        let encoded = encode("¥〜—−髙﨑①㈱\r\n", Encoding::Cp932).unwrap_or_else(|e| panic!("{e}"));
        let (text, _, is_damaged) = encoding_rs::SHIFT_JIS.decode(&encoded);
        assert_eq!((text.as_ref(), is_damaged), ("￥～―－髙﨑①㈱\r\n", false));
        assert_eq!(encode("¥", Encoding::Cp932), Ok(vec![0x81, 0x8f]));
        let error = encode("a\nb𠮷\n", Encoding::Cp932).err();
        assert_eq!(error.map(|e| (e.line, e.letter)), Some((2, '𠮷')));
        assert_eq!(encode("é", Encoding::Utf8Bom), Ok(vec![0xef, 0xbb, 0xbf, 0xc3, 0xa9]));
    }
}
