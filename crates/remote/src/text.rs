//! Strings of the target: `PyUnicodeObject` in its compact forms.

use crate::memory::{Memory, ReadError, half, word};
use crate::offsets::DebugOffsets;

/// What is read of one string at most, in characters. A name that is longer is cut.
const LONGEST: u64 = 4096;

/// Whether the string object at `address` reads `expected`. One of another length is not read.
#[must_use]
pub fn is_text(memory: &dyn Memory, offsets: &DebugOffsets, address: u64, expected: &str) -> bool {
    let length = memory.u64(address.saturating_add(offsets.unicode_object.length));
    length.is_ok_and(|length| length == expected.chars().count() as u64)
        && text(memory, offsets, address).is_ok_and(|text| text == expected)
}

/// Reads the string object at `address`; what is not UTF-8 after decoding is replaced, what is too long is cut.
///
/// # Errors
/// As [`Memory::read`]; [`ReadError::Unmapped`] where there is no string in a compact form.
pub fn text(memory: &dyn Memory, offsets: &DebugOffsets, address: u64) -> Result<String, ReadError> {
    let at = &offsets.unicode_object;
    let head = memory.vec(address, at.asciiobject_size, 256)?;
    let length = word(&head, at.length as usize).min(LONGEST);
    let state = half(&head, at.state as usize);
    // cpython/unicodeobject.h: free-threaded builds give `interned` a byte of its own, the others two bits.
    let flags = if offsets.free_threaded { state >> 8 } else { state >> 2 };
    let (kind, compact, ascii) = (flags & 7, flags & 8 != 0, flags & 16 != 0);
    if !compact {
        return Err(ReadError::Unmapped(address));
    }
    // PyCompactUnicodeObject adds two words, the cached UTF-8 and its length.
    let compact_size = at.compactunicodeobject_size.unwrap_or(at.asciiobject_size + 16);
    let data = address.saturating_add(if ascii { at.asciiobject_size } else { compact_size });
    let bytes = memory.vec(data, length * u64::from(kind), LONGEST as usize * 4)?;
    Ok(match kind {
        1 => bytes.iter().map(|&byte| char::from(byte)).collect(),
        2 => char::decode_utf16(bytes.as_chunks::<2>().0.iter().map(|&pair| u16::from_le_bytes(pair)))
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        4 => bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&four| char::from_u32(u32::from_le_bytes(four)).unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        _ => return Err(ReadError::Unmapped(address)),
    })
}
