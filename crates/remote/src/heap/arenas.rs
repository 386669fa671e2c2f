//! Builds with the GIL: usage of pymalloc's arenas, the allocator of small blocks.

use crate::memory::{Memory, Piece, ReadError, half, word};
use cpython_layout::structures::{Arena, Obmalloc, Pool};
use serde::Serialize;

/// Size of the largest block.
const MAX_BLOCK_SIZE: u64 = 16 * Obmalloc::SIZES;
/// Upper bound for the number of arenas.
const MAX_ARENAS: u64 = 1 << 24;
/// Number of arena descriptors read at once.
const BATCH: usize = 1 << 10;
const ARENA: usize = Arena::SIZE as usize;
const POOL: u64 = Obmalloc::POOL_SIZE;
const POOL_HEAD: usize = Pool::SIZE as usize;

/// Memory held by pymalloc, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PymallocUsage {
    /// Arenas, the unit in which it requests memory from the system.
    pub arenas: u64,
    /// Size of the arenas.
    pub reserved: u64,
    /// Blocks in use: objects and buffers of up to 512 bytes.
    pub blocks: u64,
    /// Size of the blocks in use: `reserved - block_bytes` is held but unused.
    pub block_bytes: u64,
}

impl PymallocUsage {
    pub(crate) fn add(&mut self, other: &PymallocUsage) {
        self.arenas += other.arenas;
        self.reserved += other.reserved;
        self.blocks += other.blocks;
        self.block_bytes += other.block_bytes;
    }

    /// Returns the bytes that no block uses.
    #[must_use]
    pub fn unused(&self) -> u64 {
        self.reserved.saturating_sub(self.block_bytes)
    }
}

/// Surveys the arenas of the allocator whose state is at `state`.
///
/// # Errors
/// The process ended or may no longer be read.
pub(crate) fn survey(memory: &dyn Memory, state: u64) -> Result<PymallocUsage, ReadError> {
    let arenas = memory.u64(state.saturating_add(Obmalloc::ARENAS))?;
    let count_max = memory.u32(state.saturating_add(Obmalloc::MAX_ARENAS))?;
    count(memory, arenas, u64::from(count_max))
}

fn count(memory: &dyn Memory, arenas: u64, count_max: u64) -> Result<PymallocUsage, ReadError> {
    let mut sums = PymallocUsage::default();
    let count_max = count_max.min(MAX_ARENAS);
    let mut descriptions = vec![0; ARENA * BATCH];
    for first in (0..count_max).step_by(BATCH) {
        let now = (count_max - first).min(BATCH as u64) as usize;
        let bytes = &mut descriptions[..now * ARENA];
        match memory.read(arenas.saturating_add(first * ARENA as u64), bytes) {
            Ok(()) => {}
            Err(error) if error.is_local() => break,
            Err(error) => return Err(error),
        }
        for arena in bytes.chunks_exact(ARENA) {
            let (address, next_pool) =
                (word(arena, Arena::ADDRESS as usize), word(arena, Arena::NEXT_POOL as usize));
            let pools = u64::from(half(arena, Arena::TOTAL_POOLS as usize));
            let start = address.checked_next_multiple_of(POOL).filter(|_| address != 0);
            // The size is 1 MiB, or 2 MiB with huge pages.
            if let Some(start) = start.filter(|_| (1..=256).contains(&pools)) {
                sums.arenas += 1;
                // The part before the first aligned pool is unused.
                sums.reserved += (pools * POOL).next_multiple_of(Obmalloc::ARENA_SIZE);
                let carved = next_pool.saturating_sub(start) / POOL;
                in_use(memory, start, carved.min(pools), &mut sums)?;
            }
        }
    }
    Ok(sums)
}

/// Adds the used blocks of the `pools` pools from `start` on.
fn in_use(
    memory: &dyn Memory,
    start: u64,
    pools: u64,
    sums: &mut PymallocUsage,
) -> Result<(), ReadError> {
    let mut heads = vec![0; pools as usize * POOL_HEAD];
    let mut pieces: Vec<Piece<'_>> = heads
        .chunks_exact_mut(POOL_HEAD)
        .zip(0..)
        .map(|(into, index)| Piece { address: start.saturating_add(index * POOL), into })
        .collect();
    let whole = memory.read_many(&mut pieces)?;
    for head in heads.chunks_exact(POOL_HEAD).take(whole) {
        let block = 16 * (u64::from(half(head, Pool::SIZE_INDEX as usize)) + 1);
        let count = u64::from(half(head, Pool::COUNT as usize));
        if block <= MAX_BLOCK_SIZE && count <= POOL / block {
            sums.blocks += count;
            sums.block_bytes += count * block;
        }
    }
    Ok(())
}
