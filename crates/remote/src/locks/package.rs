//! The structures of the Python package `ungil`, which are made to be read from outside.
//!
//! A thread that waits sleeps in a parker that names what it waits for (`crates/sync/src/park/parker.rs`); a lock begins with a mark and has its
//! owner at a fixed place (`crates/sync/src/lock/mutex.rs`). The Python object keeps that lock in a box of its own.

use super::holders::{Confidence, Hold};
use super::reader::Reader;
use super::structures::{Known, Subject};
use crate::frames::Frame;
use crate::memory::{half, word};
use crate::python::Thread;

/// What a lock begins with, and what its fields are, in bytes from there.
const MARK: &[u8; 4] = b"ungL";
const STATE: usize = 4;
const OWNER_TID: usize = 8;
const OWNER_IDENT: usize = 16;
const DEPTH: usize = 24;
const HELD: u32 = 1;
/// An object's box is no larger, in bytes.
const LARGEST_BOX: u64 = 4096;
/// Words of an object that are looked through for its lock.
const MOST_WORDS: u64 = 32;

/// A lock of the package as it was found.
struct Core {
    held: bool,
    tid: u32,
    ident: u64,
    depth: u32,
}

impl Reader<'_> {
    fn core(&self, address: u64) -> Option<Core> {
        let bytes = self.memory().bytes::<32>(address).ok()?;
        bytes.starts_with(MARK).then(|| Core {
            held: half(&bytes, STATE) & HELD != 0,
            tid: half(&bytes, OWNER_TID),
            ident: word(&bytes, OWNER_IDENT),
            depth: half(&bytes, DEPTH).max(1),
        })
    }

    /// The words of an object behind its head, one of which may lead to its lock.
    pub(super) fn words(&mut self, object: u64) -> Vec<u64> {
        let Some(size) = self.basic_size(object) else { return Vec::new() };
        let len = size.saturating_sub(self.head()).min(8 * MOST_WORDS);
        let bytes = self.memory().vec(object.saturating_add(self.head()), len, 8 * MOST_WORDS as usize);
        bytes.unwrap_or_default().chunks_exact(8).map(|bytes| word(bytes, 0)).collect()
    }

    /// The name of the type of an object of the package.
    fn package_type(&mut self, object: u64) -> Option<String> {
        self.type_name(object).filter(|name| name.starts_with("ungil.")).map(|name| name.to_string())
    }

    /// What a thread of the package waits for, by the address its parker names.
    pub(super) fn ungil(&mut self, address: u64, frames: &[Frame]) -> Known {
        let core = self.core(address);
        let subject = match &core {
            Some(core) if core.held => Subject::Owner(core.ident),
            Some(_) => Subject::Owner(0),
            None => Subject::Anybody,
        };
        // The nearest of those that may contain the address, for what one box ends with may be near another.
        let found = self.slots(frames).into_iter().filter_map(|object| {
            let name = self.package_type(object)?;
            Some((self.distance(object, address)?, object, name))
        });
        match found.min_by_key(|&(distance, ..)| distance) {
            Some((_, object, name)) => Known { object, kind: name.into(), name: None, subject },
            None => {
                let kind = if core.is_some() { "ungil.Lock" } else { "ungil" };
                Known { object: address, kind: kind.into(), name: None, subject }
            }
        }
    }

    /// How far an address is from the object that it lies in, or from the start of one of the object's boxes.
    fn distance(&mut self, object: u64, address: u64) -> Option<u64> {
        let size = self.basic_size(object)?;
        if (object..object.saturating_add(size)).contains(&address) {
            return Some(0);
        }
        let distances = self.words(object).into_iter().filter_map(|word| address.checked_sub(word));
        distances.filter(|&distance| distance < LARGEST_BOX).min()
    }

    /// What is held by being inside a `with` of an object of the package.
    pub(super) fn held_ungil(&mut self, thread: &Thread, manager: u64) -> Vec<Hold> {
        let Some(name) = self.package_type(manager) else { return Vec::new() };
        let Some(core) = self.words(manager).into_iter().find_map(|word| self.core(word)) else {
            return Vec::new();
        };
        if !core.held || core.tid != thread.own_id {
            return Vec::new();
        }
        let confidence = Confidence::Owner;
        vec![Hold {
            lock: manager,
            kind: name.into(),
            name: None,
            depth: core.depth,
            confidence,
            frame: None,
        }]
    }
}
