//! Reads the structures of the Python package `ungil`, which are designed to be read from outside.
//!
//! A waiting thread sleeps in a parker that stores the address it waits for
//! (`crates/sync/src/park/parker.rs`). A lock begins with a magic number and has its owner at a
//! fixed offset (`crates/sync/src/lock/mutex.rs`). The Python object holds that lock in a box.

use super::holders::{Confidence, Hold};
use super::reader::LockReader;
use crate::frames::Frame;
use crate::memory::{half, word};
use crate::python::Thread;
use crate::wait_target::{PACKAGE, Releaser, WaitTarget, WaitedObject};
use std::sync::Arc;

/// Magic number at the start of a lock, and the offsets of its fields in bytes.
const MAGIC: &[u8; 4] = b"ungL";
const STATE: usize = 4;
const OWNER_TID: usize = 8;
const OWNER_IDENT: usize = 16;
const DEPTH: usize = 24;
const HELD: u32 = 1;
/// Maximum size of an object's box in bytes.
const MAX_BOX_SIZE: u64 = 4096;
/// Maximum number of words of an object that are searched for its lock.
const MAX_WORDS: u64 = 32;

/// A lock of the package.
struct LockCore {
    held: bool,
    tid: u32,
    ident: u64,
    depth: u32,
}

impl LockReader<'_> {
    fn lock_core(&self, address: u64) -> Option<LockCore> {
        let bytes = self.memory().bytes::<32>(address).ok()?;
        bytes.starts_with(MAGIC).then(|| LockCore {
            held: half(&bytes, STATE) & HELD != 0,
            tid: half(&bytes, OWNER_TID),
            ident: word(&bytes, OWNER_IDENT),
            depth: half(&bytes, DEPTH).max(1),
        })
    }

    /// Returns the words of an object after its header. One of them may point to its lock.
    pub(crate) fn words(&mut self, object: u64) -> Vec<u64> {
        let Some(size) = self.basic_size(object) else { return Vec::new() };
        let len = size.saturating_sub(self.header_size()).min(8 * MAX_WORDS);
        let bytes = self.memory().vec(
            object.saturating_add(self.header_size()),
            len,
            8 * MAX_WORDS as usize,
        );
        bytes.unwrap_or_default().chunks_exact(8).map(|bytes| word(bytes, 0)).collect()
    }

    /// Returns the type name of an object of the package.
    fn package_type(&mut self, object: u64) -> Option<Arc<str>> {
        self.type_name(object).filter(|name| name.starts_with("ungil."))
    }

    /// Returns what a thread of the package waits for, given the address stored in its parker.
    pub(super) fn package_object(&mut self, address: u64, frames: &[Frame]) -> WaitedObject {
        let core = self.lock_core(address);
        // Several objects may contain the address, because the end of one box may be near another
        // box. Choose the nearest.
        let found = self.frame_objects(frames).into_iter().filter_map(|object| {
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

    /// Returns the distance of an address from the object that contains it, or from the start of
    /// one of the object's boxes.
    fn distance(&mut self, object: u64, address: u64) -> Option<u64> {
        let size = self.basic_size(object)?;
        if (object..object.saturating_add(size)).contains(&address) {
            return Some(0);
        }
        let distances = self.words(object).into_iter().filter_map(|word| address.checked_sub(word));
        distances.filter(|&distance| distance < MAX_BOX_SIZE).min()
    }

    /// Returns the locks held by being inside a `with` statement of an object of the package.
    pub(super) fn held_by_package(&mut self, thread: &Thread, manager: u64) -> Vec<Hold> {
        let Some(name) = self.package_type(manager) else { return Vec::new() };
        let Some(core) = self.words(manager).into_iter().find_map(|word| self.lock_core(word))
        else {
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
