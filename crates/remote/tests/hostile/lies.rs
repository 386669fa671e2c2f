//! A memory that lies: a live process's, with some words changed as they are read. The process
//! itself is not touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use ungil_remote::memory::{Memory, ReadError};

/// What a reader did with the memory.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    /// Calls.
    pub(crate) reads: AtomicU64,
    /// Bytes asked for in all.
    pub(crate) bytes: AtomicU64,
    /// Words that were read one by one or in small groups: those whose content decides something.
    pub(crate) words: Mutex<BTreeSet<u64>>,
}

/// A reader that makes this many calls in one look does not come to an end.
pub(crate) const MOST_READS: u64 = 20_000_000;
/// Larger reads are of heaps and tables; their words are many and each decides little.
const SMALL: usize = 1024;
/// Words kept.
const MOST_WORDS: usize = 1 << 17;

/// The memory.
pub(crate) struct Lying {
    pub(crate) inner: Box<dyn Memory>,
    /// What is read instead, by the address of the word.
    pub(crate) lies: BTreeMap<u64, u64>,
    pub(crate) spent: Arc<Spent>,
    /// Whether words are kept.
    pub(crate) keep: bool,
}

impl Memory for Lying {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let reads = self.spent.reads.fetch_add(1, Ordering::Relaxed);
        assert!(reads < MOST_READS, "it reads for ever");
        self.spent.bytes.fetch_add(into.len() as u64, Ordering::Relaxed);
        self.inner.read(address, into)?;
        if self.keep && into.len() <= SMALL {
            let mut words = self.spent.words.lock().expect("no panic while it is held");
            if words.len() < MOST_WORDS {
                words.extend((address & !7..address + into.len() as u64).step_by(8));
            }
        }
        let end = address.saturating_add(into.len() as u64);
        for (&at, &lie) in self.lies.range(address.saturating_sub(7)..end) {
            for (offset, byte) in (at..at.saturating_add(8)).zip(lie.to_le_bytes()) {
                let place =
                    offset.checked_sub(address).and_then(|place| usize::try_from(place).ok());
                if let Some(place) = place.and_then(|place| into.get_mut(place)) {
                    *place = byte;
                }
            }
        }
        Ok(())
    }
}
