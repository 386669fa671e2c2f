//! pymalloc's arenas (builds with a GIL): what the allocator of small blocks holds, and how much of it is in use.
//!
//! Its state is not exported. It is found in the interpreter by what it is: it begins with a table of list heads, and the head
//! of an empty list points to itself, by a fixed amount off (`usedpools`, pycore_obmalloc.h).

use crate::memory::{Memory, Piece, ReadError, half, word};
use serde::Serialize;

/// `OBMALLOC_USED_POOLS_SIZE`: two words for each of 32 sizes.
const USED: usize = 64;
/// A pool's blocks are of one size. Its head has the number of blocks in use, the pool before it and the number of its size.
const POOL: u64 = 16 << 10;
const COUNT: usize = 0;
const PREVIOUS: usize = 24;
const SIZE_INDEX: usize = 36;
const POOL_HEAD: usize = 48;
/// `struct arena_object`.
const ARENA: usize = 48;
/// An interpreter's state, and arenas, that are believed.
const LARGEST_STATE: usize = 4 << 20;
const MOST_ARENAS: u64 = 1 << 24;
/// Arenas' descriptions that are read together.
const TOGETHER: usize = 1 << 10;

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

/// Looks at the arenas of the interpreter whose state is the `size` bytes at `interpreter`; `None` where its allocator is not
/// pymalloc.
///
/// # Errors
/// The process ended or may not be read any more.
pub(crate) fn survey(
    memory: &dyn Memory,
    interpreter: u64,
    size: u64,
) -> Result<Option<(u64, Arenas)>, ReadError> {
    let state = memory.vec(interpreter, size, LARGEST_STATE)?;
    let mut places: Vec<u64> = state.chunks_exact(8).map(|chunk| word(chunk, 0)).collect();
    places.retain(|place| place.is_multiple_of(8) && (1 << 16..1 << 47).contains(place));
    places.sort_unstable();
    places.dedup();
    for place in places {
        let table = match memory.vec(place, USED as u64 * 8 + 16, 1 << 12) {
            Ok(table) => table,
            Err(ReadError::Unmapped(_)) => continue,
            Err(error) => return Err(error),
        };
        if is_table(memory, place, &table)? {
            let (arenas, most) = (word(&table, USED * 8), u64::from(half(&table, USED * 8 + 8)));
            return Ok(Some((place, count(memory, arenas, most)?)));
        }
    }
    Ok(None)
}

/// Whether the words at `place` are the heads of 32 lists of pools: each empty, or with a first pool that points back and has
/// blocks of the list's size.
fn is_table(memory: &dyn Memory, place: u64, table: &[u8]) -> Result<bool, ReadError> {
    let mut pools = Vec::new();
    for index in 0..USED as u64 / 2 {
        let own = place.wrapping_add(16 * index).wrapping_sub(16);
        let (next, previous) = (word(table, 16 * index as usize), word(table, 16 * index as usize + 8));
        let is_list =
            next.is_multiple_of(POOL) && previous.is_multiple_of(POOL) && next != 0 && previous != 0;
        match (next == own && previous == own, is_list) {
            (true, _) => {}
            (false, true) => pools.push((next, own, index)),
            (false, false) => return Ok(false),
        }
    }
    for (pool, own, index) in pools {
        match memory.bytes::<POOL_HEAD>(pool) {
            Ok(head) if word(&head, PREVIOUS) == own && u64::from(half(&head, SIZE_INDEX)) == index => {}
            Ok(_) | Err(ReadError::Unmapped(_)) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
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
            Err(ReadError::Unmapped(_)) => break,
            Err(error) => return Err(error),
        }
        for arena in bytes.chunks_exact(ARENA) {
            let (address, fresh) = (word(arena, 0), word(arena, 8));
            let pools = u64::from(half(arena, 20));
            // 1 MiB, or 2 where huge pages were asked for.
            if address != 0 && (1..=256).contains(&pools) {
                sums.arenas += 1;
                // The part before the first pool that is aligned is lost.
                sums.reserved += (pools * POOL).next_multiple_of(1 << 20);
                let start = address.next_multiple_of(POOL);
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
        let block = 16 * (u64::from(half(head, SIZE_INDEX)) + 1);
        let count = u64::from(half(head, COUNT));
        if block <= 512 && count <= POOL / block {
            sums.blocks += count;
            sums.block_bytes += count * block;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One pool, and nothing else.
    struct OnePool(u64, [u8; POOL_HEAD]);

    impl Memory for OnePool {
        fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
            let start = address.checked_sub(self.0).ok_or(ReadError::Unmapped(address))? as usize;
            let from = self.1.get(start..start + into.len()).ok_or(ReadError::Unmapped(address))?;
            into.copy_from_slice(from);
            Ok(())
        }
    }

    #[test]
    fn a_table_of_pools_is_known_by_what_points_back() {
        let (place, pool) = (0x7f00_0000_1000_u64, 0x7f00_0010_0000_u64);
        let mut table: Vec<u8> =
            (0..32_u64).flat_map(|index| [place + 16 * index - 16; 2]).flat_map(u64::to_le_bytes).collect();
        let mut head = [0; POOL_HEAD];
        head[SIZE_INDEX] = 3;
        head[PREVIOUS..PREVIOUS + 8].copy_from_slice(&(place + 32).to_le_bytes());
        let memory = OnePool(pool, head);
        let known = |place, table: &[u8]| is_table(&memory, place, table).expect("reads");
        assert!(known(place, &table), "all lists are empty");
        assert!(!known(place + 8, &table), "the same bytes elsewhere");
        assert!(!known(0, &[0; 512]));
        table[48..64].copy_from_slice(&[pool.to_le_bytes(); 2].concat());
        assert!(known(place, &table), "one list has a pool");
        table[64..80].copy_from_slice(&[pool.to_le_bytes(); 2].concat());
        assert!(!known(place, &table), "the pool is of another list");
    }
}
