//! pymalloc's arenas (builds with a GIL): what the allocator of small blocks holds, and how much of
//! it is in use.

use crate::memory::{Memory, Piece, ReadError, half, word};
use cpython_layout::structures::{Arena, Obmalloc, Pool};
use serde::Serialize;

/// The largest block.
const LARGEST: u64 = 16 * Obmalloc::SIZES;
/// Arenas that are believed.
const MOST_ARENAS: u64 = 1 << 24;
/// Arenas' descriptions that are read together.
const TOGETHER: usize = 1 << 10;
const ARENA: usize = Arena::SIZE as usize;
const POOL: u64 = Obmalloc::POOL_SIZE;
const POOL_HEAD: usize = Pool::SIZE as usize;

/// What pymalloc holds, in bytes, and how much of it is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Arenas {
    /// Arenas, which are what it asks the system for.
    pub arenas: u64,
    /// What they take.
    pub reserved: u64,
    /// Blocks in use; objects and buffers up to 512 bytes.
    pub blocks: u64,
    /// What those take: `reserved - block_bytes` is held and used by nobody.
    pub block_bytes: u64,
}

impl Arenas {
    pub(crate) fn add(&mut self, other: &Arenas) {
        self.arenas += other.arenas;
        self.reserved += other.reserved;
        self.blocks += other.blocks;
        self.block_bytes += other.block_bytes;
    }

    /// Held and used by nobody, bytes.
    #[must_use]
    pub fn unused(&self) -> u64 {
        self.reserved.saturating_sub(self.block_bytes)
    }
}

/// Looks at the arenas of the allocator whose state is at `state`.
///
/// # Errors
/// The process ended or may not be read any more.
pub(crate) fn survey(memory: &dyn Memory, state: u64) -> Result<Arenas, ReadError> {
    let arenas = memory.u64(state.saturating_add(Obmalloc::ARENAS))?;
    let most = memory.u32(state.saturating_add(Obmalloc::MAX_ARENAS))?;
    count(memory, arenas, u64::from(most))
}

fn count(memory: &dyn Memory, arenas: u64, most: u64) -> Result<Arenas, ReadError> {
    let mut sums = Arenas::default();
    let most = most.min(MOST_ARENAS);
    let mut descriptions = vec![0; ARENA * TOGETHER];
    for first in (0..most).step_by(TOGETHER) {
        let now = (most - first).min(TOGETHER as u64) as usize;
        let bytes = &mut descriptions[..now * ARENA];
        match memory.read(arenas.saturating_add(first * ARENA as u64), bytes) {
            Ok(()) => {}
            Err(error) if error.is_local() => break,
            Err(error) => return Err(error),
        }
        for arena in bytes.chunks_exact(ARENA) {
            let (address, fresh) =
                (word(arena, Arena::ADDRESS as usize), word(arena, Arena::NEXT_POOL as usize));
            let pools = u64::from(half(arena, Arena::TOTAL_POOLS as usize));
            let start = address.checked_next_multiple_of(POOL).filter(|_| address != 0);
            // 1 MiB, or 2 where huge pages were asked for.
            if let Some(start) = start.filter(|_| (1..=256).contains(&pools)) {
                sums.arenas += 1;
                // The part before the first pool that is aligned is lost.
                sums.reserved += (pools * POOL).next_multiple_of(Obmalloc::ARENA_SIZE);
                let carved = fresh.saturating_sub(start) / POOL;
                in_use(memory, start, carved.min(pools), &mut sums)?;
            }
        }
    }
    Ok(sums)
}

/// Adds the blocks in use of the `pools` pools from `start` on.
fn in_use(memory: &dyn Memory, start: u64, pools: u64, sums: &mut Arenas) -> Result<(), ReadError> {
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
        if block <= LARGEST && count <= POOL / block {
            sums.blocks += count;
            sums.block_bytes += count * block;
        }
    }
    Ok(())
}
