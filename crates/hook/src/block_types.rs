//! The type of the object in a sampled block, read when the block is released, or at the end.

use crate::sampler::Sampler;
use crate::tables::{intern, mix, publish};
use crate::type_detection::{HEAD, before_object, type_at, type_pointer_offsets};
use crate::wire::{dropped, kind, live};
use std::sync::atomic::Ordering::{Acquire, Relaxed};

impl Sampler {
    /// Returns the kind of the object in a block that starts with `head`.
    pub(crate) fn kind(&self, head: &[u8]) -> u32 {
        let offsets = &self.python.offsets;
        let at = &offsets.type_object;
        let fields = [offsets.pyobject.ob_type, at.tp_name, at.tp_flags];
        for (before, at) in type_pointer_offsets(offsets.pyobject.ob_type) {
            let Some(bytes) = head.get(at..at + 8).and_then(|b| <[u8; 8]>::try_from(b).ok()) else {
                break;
            };
            let address = u64::from_le_bytes(bytes);
            let fits = |flags| before_object(flags, offsets.free_threaded) == before;
            if let Some((index, flags)) = self.find_type(address) {
                if fits(flags) {
                    return kind::TYPED + index;
                }
                continue;
            }
            let read = |address, out: &mut [u8]| self.python.read(address, out);
            if let Some(found) = type_at(address, fields, read).filter(|t| fits(t.flags)) {
                return self.add_type(address, found.name, found.flags);
            }
        }
        kind::OBJECT
    }

    /// Returns the index and flags of a type that is already in the table.
    fn find_type(&self, address: u64) -> Option<(u32, u64)> {
        let (hash, slots) = (mix(4, address), self.types.len() / kind::WORDS);
        for step in 0..8 {
            let index = (hash as usize).wrapping_add(step) & (slots - 1);
            match self.types.get(index * kind::WORDS..(index + 1) * kind::WORDS)? {
                [key, ready, _, flags] if key.load(Acquire) == hash => {
                    return (ready.load(Acquire) == 1).then(|| (index as u32, flags.load(Relaxed)));
                }
                [key, ..] if key.load(Acquire) == 0 => return None,
                _ => {}
            }
        }
        None
    }

    fn add_type(&self, address: u64, name: u64, flags: u64) -> u32 {
        // The memory after the name may be unreadable, so read eight bytes at a time.
        let mut bytes = [0u8; 256];
        for (n, eight) in bytes.chunks_mut(8).enumerate() {
            if !self.python.read(name + 8 * n as u64, eight) || eight.contains(&0) {
                break;
            }
        }
        let length = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        let name = bytes.get(..length).unwrap_or_default();
        if name.is_empty() || std::str::from_utf8(name).is_err() {
            return kind::OBJECT;
        }
        let Some(slot) = intern(self.types, kind::WORDS, mix(4, address)) else {
            self.drop_one(dropped::TYPES);
            return kind::OBJECT;
        };
        if let ([_, _, text, word], true) = (slot.words, slot.fresh) {
            self.keep(text, name);
            word.store(flags, Relaxed);
            publish(slot.words);
        }
        kind::TYPED + slot.index as u32
    }

    /// Reads the kind of every live object, at the end.
    pub(crate) fn read_live(&self) {
        for (key, block) in self.live.keys.iter().zip(self.live.blocks.chunks(2)) {
            let (address, [_, word]) = (key.load(Acquire), block) else { continue };
            let (was, bits) = (word.load(Relaxed), live::SIZE_BITS);
            if address <= live::CLAIMED || was >> bits != u64::from(kind::OBJECT) {
                continue;
            }
            let size = was & ((1 << bits) - 1);
            let mut bytes = [0; HEAD];
            let Some(head) = bytes.get_mut(..HEAD.min(size as usize)) else { continue };
            if self.python.read(address, head) {
                word.store(u64::from(self.kind(head)) << bits | size, Relaxed);
            }
        }
    }
}
