//! How much one look may read.
//!
//! Every list that is walked has a bound, but lists of lists multiply their bounds, and a process
//! that is out to keep its reader busy can hold 65,536 threads that share 65,536 frames. So
//! whatever a look does is paid for from one allowance: a unit a read, and what it keeps for each
//! frame. When it is spent nothing can be read any more, every loop comes to its end, and what was
//! found until then is given and said to be incomplete.

use crate::memory::{Memory, Piece, ReadError};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Units of one look. A read costs about a microsecond, so this is some seconds; ten thousand
/// threads of a hundred frames take less than a million.
pub(crate) const OF_A_LOOK: i64 = 4 << 20;
/// Bytes of one unit, for reads of many.
const BYTES: u64 = 4096;
/// More than can be spent in a lifetime: no limit.
const UNLIMITED: i64 = i64::MAX;

/// A memory whose reads are paid for.
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

    /// Limits what is read to `units` until the result is dropped.
    pub(crate) fn limit(&self, units: i64) -> ReadLimit {
        self.left.store(units, Ordering::Relaxed);
        ReadLimit(self.left.clone())
    }
}

impl Memory for BudgetedMemory {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        if !self.spend(1 + into.len() as u64 / BYTES) {
            return Err(ReadError::BudgetSpent);
        }
        self.inner.read(address, into)
    }

    fn read_many(&self, pieces: &mut [Piece<'_>]) -> Result<usize, ReadError> {
        if !self.spend(pieces.iter().map(|piece| 1 + piece.into.len() as u64 / BYTES).sum()) {
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
        // Looks at one process are made one after the other, so that nothing is lost between the
        // two.
        self.left.store(left.saturating_sub(units).max(0), Ordering::Relaxed);
        left > 0
    }
}

/// What is left of a limit; gone with it.
#[derive(Debug)]
pub(crate) struct ReadLimit(Arc<AtomicI64>);

impl ReadLimit {
    /// Nothing is left: what was read since is not all there was.
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
    fn what_is_spent_cannot_be_read_and_a_limit_ends() {
        let metered = BudgetedMemory::new(Box::new(Zeros));
        let memory: &dyn Memory = &metered;
        {
            let allowance = metered.limit(3);
            assert!(memory.u64(8).is_ok() && !allowance.is_spent());
            // One unit and one for 4096 bytes.
            assert!(memory.vec(8, 4096, 4096).is_ok() && allowance.is_spent());
            assert_eq!(memory.u64(8), Err(ReadError::BudgetSpent));
            assert_eq!(memory.read_many(&mut [Piece { address: 8, into: &mut [0; 8] }]), Ok(0));
        }
        assert!((0..100).all(|_| memory.u64(8).is_ok()));
    }
}
