//! Strings of the target: compact `PyUnicodeObject`s.
//!
//! A file name or argument that is not UTF-8 is a `str` with lone surrogates in Python:
//! `os.fsdecode` maps byte 0x80 + n to U+DC80 + n. A Rust string cannot contain surrogates, so each
//! is represented by the private character 0x100000 above it. [`file_name`] restores the bytes.

use crate::memory::{Memory, ReadError, half, word};
use cpython_layout::DebugOffsets;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Maximum number of characters read; longer strings are truncated.
const MAX_LENGTH: u64 = 4096;

/// Returns whether the string object at `address` equals `expected`. A string of another length is
/// not read.
#[must_use]
pub fn str_equals(
    memory: &dyn Memory,
    offsets: &DebugOffsets,
    address: u64,
    expected: &str,
) -> bool {
    let length = memory.u64(address.saturating_add(offsets.unicode_object.length));
    length.is_ok_and(|length| length == expected.chars().count() as u64)
        && read_str(memory, offsets, address).is_ok_and(|text| text == expected)
}

/// Offset added to a lone surrogate: the result is in U+10D800 to U+10DFFF.
const ABOVE_SURROGATES: u32 = 0x10_0000;
/// Offset that `os.fsdecode` adds to a byte that is not UTF-8.
const FROM_BYTE: u32 = 0xdc00;

/// Returns the character for a code point of a `str`.
fn character(code_point: u32) -> char {
    char::from_u32(code_point)
        .or_else(|| char::from_u32(code_point.checked_add(ABOVE_SURROGATES)?))
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Returns the byte represented by a character, if the character stands for a byte that was not
/// UTF-8.
#[must_use]
pub fn undecoded(letter: char) -> Option<u8> {
    let byte = u32::from(letter).checked_sub(ABOVE_SURROGATES + FROM_BYTE)?;
    u8::try_from(byte).ok().filter(|&byte| byte >= 0x80)
}

/// Decodes bytes like `os.fsdecode`, preserving those that are not UTF-8.
#[must_use]
pub fn decoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|&byte| character(FROM_BYTE + u32::from(byte))));
    }
    text
}

/// Encodes a file name like `os.fsencode`.
#[must_use]
pub fn file_name(text: &str) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    for letter in text.chars() {
        match undecoded(letter) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    OsString::from_vec(bytes)
}

/// Reads the string object at `address`, truncating long strings.
///
/// # Errors
/// As [`Memory::read`]; [`ReadError::Unexpected`] if there is no compact string.
pub fn read_str(
    memory: &dyn Memory,
    offsets: &DebugOffsets,
    address: u64,
) -> Result<String, ReadError> {
    let at = &offsets.unicode_object;
    let head = memory.vec(address, at.asciiobject_size, 256)?;
    let length = word(&head, at.length as usize).min(MAX_LENGTH);
    let state = half(&head, at.state as usize);
    // cpython/unicodeobject.h: `interned` takes a byte in free-threaded builds and two bits in
    // others.
    let flags = if offsets.free_threaded { state >> 8 } else { state >> 2 };
    let (kind, compact, ascii) = (flags & 7, flags & 8 != 0, flags & 16 != 0);
    if !compact {
        return Err(ReadError::Unexpected(address));
    }
    // PyCompactUnicodeObject adds two words: the cached UTF-8 and its length.
    let compact_size = at.compactunicodeobject_size.unwrap_or(at.asciiobject_size + 16);
    let data = address.saturating_add(if ascii { at.asciiobject_size } else { compact_size });
    let bytes = memory.vec(data, length * u64::from(kind), MAX_LENGTH as usize * 4)?;
    Ok(match kind {
        1 => bytes.iter().map(|&byte| char::from(byte)).collect(),
        // Not UTF-16: each unit is a code point.
        2 => {
            let units = bytes.as_chunks::<2>().0.iter();
            units.map(|&pair| character(u16::from_le_bytes(pair).into())).collect()
        }
        4 => bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&four| character(u32::from_le_bytes(four)))
            .collect(),
        _ => return Err(ReadError::Unexpected(address)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn preserves_bytes_that_are_not_utf_8() {
        let name = decoded(b"caf\xe9 \xff.py");
        assert_eq!(name, "caf\u{10dce9} \u{10dcff}.py");
        assert_eq!(character(0xdce9), '\u{10dce9}', "what os.fsdecode makes of the byte");
        assert_eq!(file_name(&name).as_bytes(), b"caf\xe9 \xff.py");
        assert_eq!(undecoded('\u{10dce9}'), Some(0xe9));
        assert_eq!(
            (undecoded('\u{10dc7f}'), undecoded('\u{10dd00}'), undecoded('x')),
            (None, None, None)
        );
        assert_eq!(character(0xd800), '\u{10d800}', "any other lone surrogate");
    }

    proptest! {
        #[test]
        fn any_name_round_trips(bytes: Vec<u8>) {
            let text = decoded(&bytes);
            let name = file_name(&text);
            prop_assert_eq!(name.as_bytes(), bytes.as_slice());
        }
    }
}
