//! The memory of a live process with some words modified on read. The process itself is not
//! affected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use ungil_remote::memory::{Memory, ReadError};

/// Statistics of a reader.
#[derive(Debug, Default)]
pub(crate) struct ReadStats {
    /// Number of read calls.
    pub(crate) reads: AtomicU64,
    /// Total number of bytes requested.
    pub(crate) bytes: AtomicU64,
    /// Addresses of words that were read individually or in small groups, so that their content
    /// affects control flow.
    pub(crate) words: Mutex<BTreeSet<u64>>,
}

/// Number of read calls in one look that counts as an endless loop.
pub(crate) const MAX_READS: u64 = 20_000_000;
/// Maximum size of a small read. Larger ones are of heaps and tables, whose single words matter
/// little.
const MAX_SMALL_READ: usize = 1024;
/// Maximum number of recorded words.
const MAX_WORDS: usize = 1 << 17;

/// The modified memory.
pub(crate) struct ModifiedMemory {
    pub(crate) inner: Box<dyn Memory>,
    /// Replacement values by the address of the word.
    pub(crate) lies: BTreeMap<u64, u64>,
    pub(crate) spent: Arc<ReadStats>,
    /// Whether read addresses are recorded.
    pub(crate) keep: bool,
}

impl Memory for ModifiedMemory {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let reads = self.spent.reads.fetch_add(1, Ordering::Relaxed);
        assert!(reads < MAX_READS, "endless loop");
        self.spent.bytes.fetch_add(into.len() as u64, Ordering::Relaxed);
        self.inner.read(address, into)?;
        if self.keep && into.len() <= MAX_SMALL_READ {
            let mut words = self.spent.words.lock().expect("no panic while it is held");
            if words.len() < MAX_WORDS {
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
