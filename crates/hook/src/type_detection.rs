//! Detects the type of the object in a block from the words at its start.
//!
//! CPython puts up to two headers in front of an object, and the type determines which: two words
//! for a managed dict and weak references (`Py_TPFLAGS_PREHEADER`), and on builds with the GIL two
//! words for the collector (`Py_TPFLAGS_HAVE_GC`); see `_PyType_PreHeaderSize` in
//! `pycore_object.h`. So a word is accepted as the type pointer only if it points to a type whose
//! flags put the object at exactly that offset, and memory is accepted as a type only if its chain
//! of metaclasses ends in `type`.

use cpython_layout::structures::type_flags::{HAVE_GC, PREHEADER, READY, TYPE_SUBCLASS};

/// Bytes at the start of a block that are examined.
pub const HEAD: usize = 64;

/// Maximum length of a chain of metaclasses.
const MAX_CHAIN: usize = 8;

/// The fields of a type object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeInfo {
    /// Its address.
    pub address: u64,
    /// Address of its `tp_name`.
    pub name: u64,
    /// Its `tp_flags`.
    pub flags: u64,
}

/// Returns the offset of an object of a type with `flags` from the start of its block.
pub fn before_object(flags: u64, free_threaded: bool) -> usize {
    let collector = if free_threaded || flags & HAVE_GC == 0 { 0 } else { 16 };
    let managed = if flags & PREHEADER == 0 { 0 } else { 16 };
    collector + managed
}

/// Returns the possible offsets of the type pointer in a block, each with the offset of its object,
/// for a type pointer at `ob_type` in objects.
pub fn type_pointer_offsets(ob_type: u64) -> impl Iterator<Item = (usize, usize)> {
    [0, 16, 32].into_iter().map(move |before| (before, before + ob_type as usize))
}

/// Reads a possible type object, with `fields` the offsets of `ob_type`, `tp_name` and `tp_flags`.
/// `read` fills the buffer from an address, or returns false.
pub fn type_at(
    address: u64,
    fields: [u64; 3],
    read: impl Fn(u64, &mut [u8]) -> bool,
) -> Option<TypeInfo> {
    let plausible = |a: u64| a > 0xffff && a.is_multiple_of(8) && a < 1 << 47;
    if !plausible(address) {
        return None;
    }
    let look = |address: u64| {
        let mut words = [[0u8; 8]; 3];
        for (word, field) in words.iter_mut().zip(fields) {
            if !read(address.checked_add(field)?, word) {
                return None;
            }
        }
        Some(words.map(u64::from_le_bytes))
    };
    let [meta, name, flags] = look(address)?;
    if flags & READY == 0 || !plausible(meta) || name <= 0xffff {
        return None;
    }
    // Follow the metaclasses up to `type`, which is its own. A pointer in the collector's lists can
    // look like a type, but no chain of such pointers ends in one that points to itself.
    let mut class = meta;
    for _ in 0..MAX_CHAIN {
        let [its_class, _, its_flags] = look(class)?;
        if its_flags & READY == 0 || its_flags & TYPE_SUBCLASS == 0 || !plausible(its_class) {
            return None;
        }
        if its_class == class {
            return Some(TypeInfo { address, name, flags });
        }
        class = its_class;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFSETS: [u64; 3] = [8, 24, 40];

    fn memory(words: &[(u64, u64)]) -> impl Fn(u64, &mut [u8]) -> bool + use<> {
        let words = words.to_vec();
        move |at, out: &mut [u8]| {
            let found = words.iter().find(|(a, _)| *a == at);
            if let Some((_, value)) = found {
                out.copy_from_slice(&value.to_le_bytes());
            }
            found.is_some()
        }
    }

    /// `type` at 0x20000, a class at 0x30000.
    fn two_types(flags: u64) -> Vec<(u64, u64)> {
        vec![
            (0x20008, 0x20000),
            (0x20018, 0x90000),
            (0x20028, READY | TYPE_SUBCLASS),
            (0x30008, 0x20000),
            (0x30018, 0x91000),
            (0x30028, flags),
        ]
    }

    #[test]
    fn a_type_is_recognized_by_its_metaclass() {
        let read = memory(&two_types(READY | HAVE_GC));
        let found = type_at(0x30000, OFFSETS, &read);
        assert_eq!(
            found,
            Some(TypeInfo { address: 0x30000, name: 0x91000, flags: READY | HAVE_GC })
        );
        assert!(type_at(0x20000, OFFSETS, &read).is_some(), "type is its own class");
    }

    #[test]
    fn other_memory_is_rejected() {
        assert_eq!(type_at(0x30000, OFFSETS, memory(&two_types(0))), None, "not ready");
        assert_eq!(type_at(0x30001, OFFSETS, memory(&two_types(READY))), None, "odd");
        assert_eq!(type_at(0x40000, OFFSETS, memory(&two_types(READY))), None, "unmapped");
        assert_eq!(type_at(u64::MAX - 7, OFFSETS, memory(&[])), None);
        let instance = vec![(0x50008, 0x30000), (0x50018, 0x91000), (0x50028, READY)];
        let read = memory(&[two_types(READY), instance].concat());
        assert_eq!(type_at(0x50000, OFFSETS, read), None, "its class is not a metaclass");
        let mut round = two_types(READY | TYPE_SUBCLASS);
        round[0].1 = 0x30000;
        assert_eq!(
            type_at(0x30000, OFFSETS, memory(&round)),
            None,
            "a cycle that is not its own class"
        );
    }

    #[test]
    fn flags_determine_the_offset_of_the_object() {
        assert_eq!(before_object(0, false), 0);
        assert_eq!(before_object(HAVE_GC, false), 16);
        assert_eq!(before_object(HAVE_GC | 1 << 4, false), 32);
        assert_eq!(before_object(HAVE_GC, true), 0);
        assert_eq!(before_object(HAVE_GC | 1 << 3, true), 16);
    }
}
