//! Objects counted by type. A type is read when it is first met and kept by its address, for a heap
//! has millions of objects and some thousand types.

use crate::memory::{half, word};
use crate::objects::{Objects, Type};
use cpython_layout::structures::CACHED_KEYS;
use cpython_layout::structures::type_flags::{INLINE_VALUES, PREHEADER, TYPE_SUBCLASS};
use rustc_hash::FxHashMap;
use serde::Serialize;

/// Types, and addresses that are none, that are kept. Only memory that is no heap has more.
const MOST: usize = 1 << 18;
/// An object of more items is not believed: `ob_size` is something else in it.
const MOST_ITEMS: u64 = 1 << 40;

/// The objects of one type. Types of the same module and name are one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// `__module__`; `builtins` where there is none.
    pub module: String,
    /// `__qualname__`.
    pub name: String,
    /// How many.
    pub objects: u64,
    /// What they take; [`super::Coverage`] says of what.
    pub bytes: u64,
}

/// A type that was met.
#[derive(Debug)]
struct Known {
    module: String,
    name: String,
    objects: u64,
    bytes: u64,
    fixed: u64,
    item_size: u64,
}

/// Counts objects.
pub(crate) struct Census<'a> {
    objects: Objects<'a>,
    known: FxHashMap<u64, Option<u32>>,
    kinds: Vec<Known>,
    last: (u64, Option<u32>),
}

impl<'a> Census<'a> {
    pub(crate) fn new(objects: Objects<'a>) -> Census<'a> {
        Census { objects, known: FxHashMap::default(), kinds: Vec::new(), last: (0, None) }
    }

    /// Counts an object of the type at `address`, which takes `bytes`; false where no type is
    /// there.
    pub(crate) fn add(&mut self, address: u64, bytes: u64) -> bool {
        let Some(kind) = self.index(address) else { return false };
        let kind = &mut self.kinds[kind as usize];
        kind.objects += 1;
        kind.bytes += bytes;
        true
    }

    /// Counts an object whose head is `bytes`, with a size as `sys.getsizeof` has it: of the object
    /// and what is before it, not of what it points to.
    pub(crate) fn add_sized(&mut self, bytes: &[u8]) -> bool {
        let at = self.objects.offsets;
        let Some(kind) = self.index(word(bytes, at.pyobject.ob_type as usize)) else {
            return false;
        };
        let kind = &mut self.kinds[kind as usize];
        let items = word(bytes, at.pyobject.size as usize).cast_signed().unsigned_abs();
        let items = if kind.item_size == 0 || items > MOST_ITEMS { 0 } else { items };
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
            None if self.known.len() >= MOST || address == 0 || !address.is_multiple_of(8) => None,
            None => {
                let kind = self.kind(address);
                let index = kind.map(|kind| {
                    self.kinds.push(kind);
                    // At most MOST types are kept, so the number fits.
                    self.kinds.len() as u32 - 1
                });
                self.known.insert(address, index);
                index
            }
        };
        self.last = (address, found);
        found
    }

    /// The type at `address`, if there is one: it is ready for use, and its own type makes types.
    fn kind(&self, address: u64) -> Option<Known> {
        let found = self.objects.type_at(address).ok()?;
        let metatype = self.objects.type_of(address).ok()?;
        if metatype.flags & TYPE_SUBCLASS == 0 || found.item_size > 1 << 20 {
            return None;
        }
        let plain = self.objects.name(&found).ok().filter(|name| !name.is_empty())?;
        let (module, name) = self.full_name(&found, plain);
        let before = if found.flags & PREHEADER != 0 { 16 } else { 0 };
        // The collector's head; `fixed` is used where there is a GIL, where each object it knows
        // has one.
        let fixed = found.basic_size + before + 16 + self.inline_values(&found);
        Some(Known { module, name, objects: 0, bytes: 0, fixed, item_size: found.item_size })
    }

    /// Module and qualified name. A compiled type has the module in its name, if it is not a
    /// builtin.
    fn full_name(&self, of: &Type, plain: String) -> (String, String) {
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

    /// Where a heap type keeps the keys its instances share.
    fn cached_keys(&self, of: &Type) -> u64 {
        let offset = match self.objects.offsets.heap_type_object {
            Some(heap) => heap.ht_cached_keys,
            None => self.objects.offsets.type_object.size + CACHED_KEYS,
        };
        of.address.saturating_add(offset)
    }

    /// Bytes of the values instances keep after themselves (`_PyInlineValuesSize`, pycore_dict.h).
    fn inline_values(&self, of: &Type) -> u64 {
        if of.flags & INLINE_VALUES == 0 {
            return 0;
        }
        let memory = self.objects.memory;
        let keys = memory.u64(self.cached_keys(of)).and_then(|keys| memory.bytes::<32>(keys));
        let Ok(keys) = keys else { return 0 };
        // dk_usable and dk_nentries: how many keys there may be.
        let usable = word(&keys, 16).saturating_add(word(&keys, 24));
        if usable > 1 << 8 { 0 } else { usable.next_multiple_of(8) + 8 * (usable + 1) }
    }

    /// Forgets what was counted; types stay known.
    pub(crate) fn clear(&mut self) {
        for kind in &mut self.kinds {
            (kind.objects, kind.bytes) = (0, 0);
        }
    }

    /// What was counted, most bytes first.
    pub(crate) fn finish(self) -> Vec<Count> {
        let mut merged: FxHashMap<(String, String), (u64, u64)> = FxHashMap::default();
        for kind in self.kinds.into_iter().filter(|kind| kind.objects > 0) {
            let sums = merged.entry((kind.module, kind.name)).or_default();
            sums.0 += kind.objects;
            sums.1 = sums.1.saturating_add(kind.bytes);
        }
        let mut counts: Vec<Count> = merged
            .into_iter()
            .map(|((module, name), (objects, bytes))| Count { module, name, objects, bytes })
            .collect();
        counts.sort_by(|a, b| {
            b.bytes.cmp(&a.bytes).then_with(|| (&a.module, &a.name).cmp(&(&b.module, &b.name)))
        });
        counts
    }
}

/// How an object with the free-threaded head `bytes` (`Include/object.h`, `Py_GIL_DISABLED`)
/// stands: whether anything refers to it. What nothing refers to is being freed, or is kept by the
/// runtime to be used again.
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
    fn what_nothing_refers_to_is_told_apart() {
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
