//! What is remembered of the accesses to the parts of one object.

use crate::access::AccessKind;
use crate::lock_order::LockSetId;
use crate::stack::{Site, StackId};
use crate::thread::ThreadNumber;
use crate::value::Signature;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A past access of one thread.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mark {
    /// The thread's own time; 0 if there was none.
    pub(crate) time: u32,
    pub(crate) kind: AccessKind,
    pub(crate) site: Site,
    pub(crate) stack: StackId,
    pub(crate) locks: LockSetId,
    /// The activation it was made in.
    pub(crate) frame: usize,
    /// The cell's version before it.
    pub(crate) version: u32,
    /// For a write: it depended on a read of the same part, at this site.
    pub(crate) unit: Option<Site>,
    /// For a write: the value.
    pub(crate) value: Signature,
    /// For a read: the object had no such attribute.
    pub(crate) missing: bool,
    /// Order among the thread's marks.
    pub(crate) sequence: u64,
    /// For a write that depended on a read: nothing had been written before that read.
    pub(crate) first: bool,
}

/// The last accesses of one thread to one part of an object.
#[derive(Default)]
pub(crate) struct Entry {
    pub(crate) thread: ThreadNumber,
    pub(crate) read: Mark,
    pub(crate) write: Mark,
}

/// One part of an object.
#[derive(Default)]
pub(crate) struct Cell {
    /// Number of writes so far.
    pub(crate) version: u32,
    /// The value written last, as a number; 0 if there is none or it is unknown.
    pub(crate) value: u64,
    pub(crate) last_writer: ThreadNumber,
    pub(crate) entries: Vec<Entry>,
    /// How many accesses were made with each set of locks held.
    pub(crate) held: Vec<(LockSetId, u32)>,
}

/// Keys are hashes already.
#[derive(Default)]
pub(crate) struct SameHash(u64);

impl Hasher for SameHash {
    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// The parts of one object.
#[derive(Default)]
pub(crate) struct Cells {
    pub(crate) cells: HashMap<u64, Cell, BuildHasherDefault<SameHash>>,
    /// Some part was written since the object is shared.
    pub(crate) written: bool,
    /// The last unordered read without a lock of something written under locks: reader, activation,
    /// part.
    pub(crate) half_read: Option<HalfRead>,
}

/// A read that was unordered with another thread's write.
#[derive(Clone, Copy)]
pub(crate) struct HalfRead {
    pub(crate) reader: ThreadNumber,
    pub(crate) frame: usize,
    pub(crate) part: u64,
    pub(crate) writer: ThreadNumber,
    pub(crate) write: Mark,
}
