//! Limits the number of reads per look.
//!
//! Every list has a maximum length, but lists of lists multiply these limits: a malicious process
//! can have 65,536 threads that share 65,536 frames. So everything in a look is charged to one
//! budget: one unit per read, and more for each frame that is kept. When the budget is exhausted,
//! all reads fail, all loops end, and what was found so far is returned and marked as incomplete.

use crate::memory::{Memory, Piece, ReadError};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Budget of one look. A read costs about a microsecond, so this is several seconds. Ten thousand
/// threads of a hundred frames take less than a million units.
pub(crate) const LOOK_BUDGET: i64 = 4 << 20;
/// Number of bytes per unit, for large reads.
const BYTES_PER_UNIT: u64 = 4096;
/// Budget value that means no limit.
const UNLIMITED: i64 = i64::MAX;

/// Memory whose reads are charged to a budget.
pub(crate) struct BudgetedMemory {
    inner: Box<dyn Memory>,
    left: Arc<AtomicI64>,
}

impl BudgetedMemory {
    pub(crate) fn new(inner: Box<dyn Memory>) -> BudgetedMemory {
        BudgetedMemory { inner, left: Arc::new(AtomicI64::new(UNLIMITED)) }
    }

    pub(crate) fn into_inner(self) -> Box<dyn Memory> {
        self.inner
    }

    /// Limits the reads to `units` until the returned guard is dropped.
    pub(crate) fn limit(&self, units: i64) -> ReadLimit {
        self.left.store(units, Ordering::Relaxed);
        ReadLimit(self.left.clone())
    }
}

impl Memory for BudgetedMemory {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        if !self.spend(1 + into.len() as u64 / BYTES_PER_UNIT) {
            return Err(ReadError::BudgetSpent);
        }
        self.inner.read(address, into)
    }

    fn read_many(&self, pieces: &mut [Piece<'_>]) -> Result<usize, ReadError> {
        if !self
            .spend(pieces.iter().map(|piece| 1 + piece.into.len() as u64 / BYTES_PER_UNIT).sum())
        {
            return Ok(0);
        }
        self.inner.read_many(pieces)
    }

    fn spend(&self, units: u64) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        if left == UNLIMITED {
            return true;
        }
        let units = i64::try_from(units).unwrap_or(i64::MAX);
        // Looks at one process are sequential, so nothing is lost between load and store.
        self.left.store(left.saturating_sub(units).max(0), Ordering::Relaxed);
        left > 0
    }
}

/// Guard: lifts the read limit on drop.
#[derive(Debug)]
pub(crate) struct ReadLimit(Arc<AtomicI64>);

impl ReadLimit {
    /// Returns whether the budget is exhausted, so that what was read is incomplete.
    pub(crate) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

impl Drop for ReadLimit {
    fn drop(&mut self) {
        self.0.store(UNLIMITED, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zeros;

    impl Memory for Zeros {
        fn read(&self, _: u64, into: &mut [u8]) -> Result<(), ReadError> {
            into.fill(0);
            Ok(())
        }
    }

    #[test]
    fn reads_fail_when_spent_until_the_guard_is_dropped() {
        let metered = BudgetedMemory::new(Box::new(Zeros));
        let memory: &dyn Memory = &metered;
        {
            let limit = metered.limit(3);
            assert!(memory.u64(8).is_ok() && !limit.is_spent());
            // One unit for the read and one for 4096 bytes.
            assert!(memory.vec(8, 4096, 4096).is_ok() && limit.is_spent());
            assert_eq!(memory.u64(8), Err(ReadError::BudgetSpent));
            assert_eq!(memory.read_many(&mut [Piece { address: 8, into: &mut [0; 8] }]), Ok(0));
        }
        assert!((0..100).all(|_| memory.u64(8).is_ok()));
    }
}
