//! Reads dictionaries and inline instance attributes of the target.
//!
//! Layouts are from `pycore_dict.h` and are the same in 3.13, 3.14 and 3.15. The dictionary may
//! change while it is read: a key and its value may not have been present at the same time.

use crate::memory::{Memory, ReadError, half, word};
use cpython_layout::DebugOffsets;

/// Maximum number of entries read per dictionary.
pub const MAX_ENTRIES: u64 = 1 << 16;

/// `PyDictKeysObject`: header, then the hash table of indices, then the entries.
mod keys {
    pub(super) const LOG2_INDEX_BYTES: usize = 9;
    pub(super) const KIND: usize = 10;
    pub(super) const ENTRIES: usize = 24;
    pub(super) const INDICES: u64 = 32;
    /// `DICT_KEYS_GENERAL`: hash, key, value. The other kinds have key and value.
    pub(super) const GENERAL: u8 = 0;
    /// `DICT_KEYS_SPLIT`: the values are stored separately, in the order of the keys.
    pub(super) const SPLIT: u8 = 2;
}
/// `PyDictValues`: capacity, size, embedded and valid, one byte each. The values begin at this
/// offset.
const VALUES: u64 = 8;
/// Offset of the byte that is 0 once a dictionary has replaced the inline values.
const VALUES_VALID: usize = 3;

/// Addresses of a key object and its value object.
pub type DictEntry = (u64, u64);

/// Returns the entries of the dictionary object at `address` in insertion order.
///
/// # Errors
/// As [`Memory::read`]: there is no dictionary, or it is being replaced.
pub fn entries(
    memory: &dyn Memory,
    offsets: &DebugOffsets,
    address: u64,
) -> Result<Vec<DictEntry>, ReadError> {
    let at = &offsets.dict_object;
    let head = memory.vec(address, at.size, 256)?;
    let values = match word(&head, at.ma_values as usize) {
        0 => None,
        values => Some(values.saturating_add(VALUES)),
    };
    read_keys(memory, word(&head, at.ma_keys as usize), values)
}

/// Returns the inline attributes of an instance (`Py_TPFLAGS_INLINE_VALUES`), given its type's
/// shared keys. Empty if the inline values are no longer in use.
///
/// # Errors
/// As [`Memory::read`].
pub fn inline_attributes(
    memory: &dyn Memory,
    keys: u64,
    values: u64,
) -> Result<Vec<DictEntry>, ReadError> {
    let head = memory.bytes::<8>(values)?;
    if head[VALUES_VALID] == 0 {
        return Ok(Vec::new());
    }
    read_keys(memory, keys, Some(values.saturating_add(VALUES)))
}

/// Returns the entries of a keys object; `values` is the address of separately stored values.
fn read_keys(
    memory: &dyn Memory,
    keys: u64,
    values: Option<u64>,
) -> Result<Vec<DictEntry>, ReadError> {
    let head = memory.bytes::<32>(keys)?;
    let kind = head[keys::KIND];
    let index_bytes =
        1_u64.checked_shl(u32::from(head[keys::LOG2_INDEX_BYTES])).unwrap_or(u64::MAX);
    let count = word(&head, keys::ENTRIES);
    if count > 1 << 32 || index_bytes > 1 << 40 || kind > keys::SPLIT {
        return Err(ReadError::Unexpected(keys));
    }
    let count = count.min(MAX_ENTRIES);
    let size: u64 = if kind == keys::GENERAL { 24 } else { 16 };
    let start = keys.saturating_add(keys::INDICES).saturating_add(index_bytes);
    let bytes = memory.vec(start, count * size, MAX_ENTRIES as usize * 24)?;
    let split_values = match values {
        Some(values) if kind == keys::SPLIT => {
            Some(memory.vec(values, count * 8, MAX_ENTRIES as usize * 8)?)
        }
        _ => None,
    };
    let first = if kind == keys::GENERAL { 8 } else { 0 };
    Ok(bytes
        .chunks_exact(size as usize)
        .enumerate()
        .map(|(index, entry)| {
            let value = match &split_values {
                Some(values) => word(values, index * 8),
                None => word(entry, first + 8),
            };
            (word(entry, first), value)
        })
        // A deleted entry has no value, and an entry under construction no key.
        .filter(|&(key, value)| key != 0 && value != 0)
        .collect())
}

/// Returns the value of a Python `int` of at most 60 bits; `None` for a larger one and for anything
/// else.
#[must_use]
pub fn int(memory: &dyn Memory, offsets: &DebugOffsets, address: u64) -> Option<i64> {
    let at = &offsets.long_object;
    let bytes = memory.vec(address, at.ob_digit + 8, 256).ok()?;
    let tag = word(&bytes, at.lv_tag as usize);
    // longintrepr.h: the sign in two bits (0 positive, 1 zero, 2 negative), then the number of
    // 30-bit digits.
    let digit = |index: usize| i64::from(half(&bytes, at.ob_digit as usize + 4 * index));
    let size = match tag >> 3 {
        0 => 0,
        1 => digit(0),
        2 => digit(0) | digit(1) << 30,
        _ => return None,
    };
    match tag & 3 {
        0 => Some(size),
        1 => Some(0),
        2 => Some(-size),
        _ => None,
    }
}
