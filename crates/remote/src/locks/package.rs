//! The structures of the Python package `ungil`, which are made to be read from outside.
//!
//! A thread that waits sleeps in a parker that names what it waits for
//! (`crates/sync/src/park/parker.rs`); a lock begins with a mark and has its owner at a fixed place
//! (`crates/sync/src/lock/mutex.rs`). The Python object keeps that lock in a box of its own.

use super::holders::{Confidence, Hold};
use super::reader::Reader;
use crate::frames::Frame;
use crate::memory::{half, word};
use crate::python::Thread;
use crate::wait_target::{PACKAGE, Releaser, WaitTarget, WaitedObject};
use std::sync::Arc;

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
    pub(crate) fn words(&mut self, object: u64) -> Vec<u64> {
        let Some(size) = self.basic_size(object) else { return Vec::new() };
        let len = size.saturating_sub(self.head()).min(8 * MOST_WORDS);
        let bytes =
            self.memory().vec(object.saturating_add(self.head()), len, 8 * MOST_WORDS as usize);
        bytes.unwrap_or_default().chunks_exact(8).map(|bytes| word(bytes, 0)).collect()
    }

    /// The name of the type of an object of the package.
    fn package_type(&mut self, object: u64) -> Option<Arc<str>> {
        self.type_name(object).filter(|name| name.starts_with("ungil."))
    }

    /// Returns what a thread of the package waits for, by the address its parker names.
    pub(super) fn package_object(&mut self, address: u64, frames: &[Frame]) -> WaitedObject {
        let core = self.core(address);
        // The nearest of those that may contain the address, for what one box ends with may be near
        // another.
        let found = self.slots(frames).into_iter().filter_map(|object| {
            let name = self.package_type(object)?;
            Some((self.distance(object, address)?, object, name))
        });
        let nearest = found.min_by_key(|&(distance, ..)| distance);
        let object = nearest.as_ref().map_or(address, |&(_, object, _)| object);
        let name = nearest.map(|(.., name)| name);
        match core {
            Some(core) => {
                let name = name.unwrap_or_else(|| "ungil.Lock".into());
                let owner = if core.held { core.ident } else { 0 };
                WaitedObject::new(object, WaitTarget::PackageLock(name), Releaser::Owner(owner))
            }
            None => {
                let name = name.unwrap_or_else(|| PACKAGE.into());
                WaitedObject::new(object, WaitTarget::PackageStructure(name), Releaser::Anyone)
            }
        }
    }

    /// How far an address is from the object that it lies in, or from the start of one of the
    /// object's boxes.
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
        if !core.held || core.tid != thread.listed_id {
            return Vec::new();
        }
        let confidence = Confidence::Owner;
        vec![Hold {
            lock: manager,
            target: WaitTarget::PackageLock(name),
            name: None,
            depth: core.depth,
            confidence,
            frame: None,
        }]
    }
}
