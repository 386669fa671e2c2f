//! Counts objects by type. Types are read once and cached by address: a heap has millions of
//! objects but only thousands of types.

use crate::memory::{half, word};
use crate::objects::{ObjectReader, TypeInfo};
use cpython_layout::structures::CACHED_KEYS;
use cpython_layout::structures::type_flags::{INLINE_VALUES, PREHEADER, TYPE_SUBCLASS};
use rustc_hash::FxHashMap;
use serde::Serialize;

/// Maximum number of cached addresses, of types and others. Only memory that is not a heap exceeds
/// it.
const MAX_TYPES: usize = 1 << 18;
/// Upper bound for a plausible `ob_size`; larger values mean the field has another meaning.
const MAX_ITEMS: u64 = 1 << 40;

/// Objects of one type. Types with the same module and name are merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TypeCount {
    /// `__module__`; `builtins` if there is none.
    pub module: String,
    /// `__qualname__`.
    pub name: String,
    /// Number of objects.
    pub objects: u64,
    /// Their size in bytes; see [`super::Coverage`] for what is included.
    pub bytes: u64,
}

/// A type found in the heap.
#[derive(Debug)]
struct HistogramEntry {
    module: String,
    name: String,
    objects: u64,
    bytes: u64,
    fixed: u64,
    item_size: u64,
}

/// Counts objects by type.
pub(crate) struct TypeHistogram<'a> {
    objects: ObjectReader<'a>,
    known: FxHashMap<u64, Option<u32>>,
    entries: Vec<HistogramEntry>,
    last: (u64, Option<u32>),
}

impl<'a> TypeHistogram<'a> {
    pub(crate) fn new(objects: ObjectReader<'a>) -> TypeHistogram<'a> {
        TypeHistogram { objects, known: FxHashMap::default(), entries: Vec::new(), last: (0, None) }
    }

    /// Counts an object of `bytes` bytes with the type at `address`. Returns `false` if there is no
    /// type.
    pub(crate) fn add(&mut self, address: u64, bytes: u64) -> bool {
        let Some(kind) = self.index(address) else { return false };
        let kind = &mut self.entries[kind as usize];
        kind.objects += 1;
        kind.bytes += bytes;
        true
    }

    /// Counts an object with the header `bytes`, with its size as `sys.getsizeof` has it: the
    /// object and its pre-header, without what it points to.
    pub(crate) fn add_sized(&mut self, bytes: &[u8]) -> bool {
        let at = self.objects.offsets;
        let Some(kind) = self.index(word(bytes, at.pyobject.ob_type as usize)) else {
            return false;
        };
        let kind = &mut self.entries[kind as usize];
        let items = word(bytes, at.pyobject.size as usize).cast_signed().unsigned_abs();
        let items = if kind.item_size == 0 || items > MAX_ITEMS { 0 } else { items };
        kind.objects += 1;
        kind.bytes = kind.bytes.saturating_add(kind.fixed + items.saturating_mul(kind.item_size));
        true
    }

    fn index(&mut self, address: u64) -> Option<u32> {
        if self.last.0 == address {
            return self.last.1;
        }
        let found = match self.known.get(&address) {
            Some(&found) => found,
            None if self.known.len() >= MAX_TYPES || address == 0 || !address.is_multiple_of(8) => {
                None
            }
            None => {
                let kind = self.kind(address);
                let index = kind.map(|kind| {
                    self.entries.push(kind);
                    // At most MAX_TYPES entries exist, so the index fits.
                    self.entries.len() as u32 - 1
                });
                self.known.insert(address, index);
                index
            }
        };
        self.last = (address, found);
        found
    }

    /// Reads the type at `address`. A valid type is ready for use, and its own type is a metatype.
    fn kind(&self, address: u64) -> Option<HistogramEntry> {
        let found = self.objects.type_at(address).ok()?;
        let metatype = self.objects.type_of(address).ok()?;
        if metatype.flags & TYPE_SUBCLASS == 0 || found.item_size > 1 << 20 {
            return None;
        }
        let plain = self.objects.name(&found).ok().filter(|name| !name.is_empty())?;
        let (module, name) = self.full_name(&found, plain);
        let before = if found.flags & PREHEADER != 0 { 16 } else { 0 };
        // The collector's header. `fixed` is used only with the GIL, where each tracked object has
        // one.
        let fixed = found.basic_size + before + 16 + self.inline_values(&found);
        Some(HistogramEntry {
            module,
            name,
            objects: 0,
            bytes: 0,
            fixed,
            item_size: found.item_size,
        })
    }

    /// Returns module and qualified name. The `tp_name` of a static type includes the module unless
    /// it is a builtin.
    fn full_name(&self, of: &TypeInfo, plain: String) -> (String, String) {
        let text = |address: u64| self.objects.text(address).ok().filter(|text| !text.is_empty());
        if of.is_heap_type() {
            let module = self.objects.item(of.dict, "__module__").and_then(text);
            let qualname =
                self.objects.memory.u64(self.cached_keys(of).saturating_sub(8)).ok().and_then(text);
            if let (Some(module), Some(name)) = (module, qualname) {
                return (module, name);
            }
        }
        match plain.rsplit_once('.') {
            Some((module, name)) => (module.into(), name.into()),
            None => ("builtins".into(), plain),
        }
    }

    /// Returns the address at which a heap type stores the keys its instances share.
    fn cached_keys(&self, of: &TypeInfo) -> u64 {
        let offset = match self.objects.offsets.heap_type_object {
            Some(heap) => heap.ht_cached_keys,
            None => self.objects.offsets.type_object.size + CACHED_KEYS,
        };
        of.address.saturating_add(offset)
    }

    /// Returns the size in bytes of the inline values after an instance (`_PyInlineValuesSize`,
    /// pycore_dict.h).
    fn inline_values(&self, of: &TypeInfo) -> u64 {
        if of.flags & INLINE_VALUES == 0 {
            return 0;
        }
        let memory = self.objects.memory;
        let keys = memory.u64(self.cached_keys(of)).and_then(|keys| memory.bytes::<32>(keys));
        let Ok(keys) = keys else { return 0 };
        // dk_usable and dk_nentries: the maximum number of keys.
        let usable = word(&keys, 16).saturating_add(word(&keys, 24));
        if usable > 1 << 8 { 0 } else { usable.next_multiple_of(8) + 8 * (usable + 1) }
    }

    /// Resets the counts; types stay cached.
    pub(crate) fn clear(&mut self) {
        for kind in &mut self.entries {
            (kind.objects, kind.bytes) = (0, 0);
        }
    }

    /// Returns the counts, largest size first.
    pub(crate) fn finish(self) -> Vec<TypeCount> {
        let mut merged: FxHashMap<(String, String), (u64, u64)> = FxHashMap::default();
        for kind in self.entries.into_iter().filter(|kind| kind.objects > 0) {
            let sums = merged.entry((kind.module, kind.name)).or_default();
            sums.0 += kind.objects;
            sums.1 = sums.1.saturating_add(kind.bytes);
        }
        let mut counts: Vec<TypeCount> = merged
            .into_iter()
            .map(|((module, name), (objects, bytes))| TypeCount { module, name, objects, bytes })
            .collect();
        counts.sort_by(|a, b| {
            b.bytes.cmp(&a.bytes).then_with(|| (&a.module, &a.name).cmp(&(&b.module, &b.name)))
        });
        counts
    }
}

/// Returns whether anything refers to the object with the free-threaded header `bytes`
/// (`Include/object.h`, `Py_GIL_DISABLED`). An object without references is being freed, or is
/// cached by the runtime for reuse.
pub(crate) fn is_referred_to(bytes: &[u8]) -> bool {
    const IMMORTAL: u32 = u32::MAX;
    let local = half(bytes, 12);
    // The two low bits of the shared count are flags.
    let shared = word(bytes, 16).cast_signed() >> 2;
    local == IMMORTAL || i64::from(local).saturating_add(shared) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(local: u32, shared: i64) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[12..16].copy_from_slice(&local.to_le_bytes());
        bytes[16..24].copy_from_slice(&shared.to_le_bytes());
        bytes
    }

    #[test]
    fn detects_objects_without_references() {
        let merged = 3;
        assert!(is_referred_to(&head(1, 0)));
        assert!(is_referred_to(&head(u32::MAX, 0)), "immortal");
        assert!(is_referred_to(&head(0, 1 << 2 | merged)));
        assert!(is_referred_to(&head(2, -1 << 2)));
        assert!(!is_referred_to(&head(0, 0)), "freed");
        assert!(!is_referred_to(&head(0, merged)));
        assert!(!is_referred_to(&head(1, -1 << 2)), "another thread dropped it");
    }
}
