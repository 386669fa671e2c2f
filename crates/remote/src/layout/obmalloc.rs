//! pymalloc, the allocator of builds with the GIL (pycore_obmalloc.h; the same in 3.13, 3.14 and 3.15).
//!
//! Arenas of 1 MiB hold pools of 16 KiB, a pool blocks of one size. An interpreter points to its allocator's state, which
//! begins with the heads of the lists of pools that have free blocks, one a size, each shaped as if it were a pool.

use super::probe::Probe;

/// Offsets in `struct _obmalloc_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Obmalloc;

impl Obmalloc {
    /// Sizes of blocks: 16, 32... bytes.
    pub const SIZES: u64 = 32;
    /// `mgmt.arenas`, a pointer to `maxarenas` of [`Arena`].
    pub const ARENAS: u64 = 512;
    /// `mgmt.maxarenas`, 32 bits.
    pub const MAX_ARENAS: u64 = 520;
    /// `mgmt.narenas_currently_allocated`, a word.
    pub const ARENAS_IN_USE: u64 = 1064;
    /// `mgmt.raw_allocated_blocks`, a word: blocks too large for a pool.
    pub const RAW_BLOCKS: u64 = 1088;
    /// `ARENA_SIZE`; huge pages (3.15's `PYTHON_PYMALLOC_HUGEPAGES`) make it twice as much.
    pub const ARENA_SIZE: u64 = 1 << 20;
    /// `POOL_SIZE`; pools are aligned to it.
    pub const POOL_SIZE: u64 = 16 << 10;
}

/// Offsets in `struct arena_object`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arena;

impl Arena {
    /// `sizeof(struct arena_object)`.
    pub const SIZE: u64 = 48;
    /// `address`: of the arena, 0 where the entry has none.
    pub const ADDRESS: u64 = 0;
    /// `pool_address`: of the first pool that was never used.
    pub const NEXT_POOL: u64 = 8;
    /// `nfreepools`, 32 bits.
    pub const FREE_POOLS: u64 = 16;
    /// `ntotalpools`, 32 bits.
    pub const TOTAL_POOLS: u64 = 20;
    /// `freepools`: the first of the pools that were used and are not, linked by [`Pool::NEXT`].
    pub const FREE_LIST: u64 = 24;
}

/// Offsets in `struct pool_header`, at the start of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool;

impl Pool {
    /// `sizeof(struct pool_header)`: the blocks begin here.
    pub const SIZE: u64 = 48;
    /// `ref.count`, 32 bits: blocks given out.
    pub const COUNT: u64 = 0;
    /// `freeblock`: the first of the free blocks, each of which begins with the next.
    pub const FREE_BLOCK: u64 = 8;
    /// `nextpool`.
    pub const NEXT: u64 = 16;
    /// `prevpool`.
    pub const PREVIOUS: u64 = 24;
    /// `szidx`, 32 bits: blocks are of 16 * (szidx + 1) bytes.
    pub const SIZE_INDEX: u64 = 36;
    /// `nextoffset`, 32 bits: of the first block that was never used.
    pub const NEXT_OFFSET: u64 = 40;
}

/// Whether an allocator's state is at `address`: its heads are lists of pools that point back. A few may be in the middle of a
/// change.
pub(super) fn is_state(probe: &Probe<'_>, address: u64) -> bool {
    let words = probe.words(address, 2 * Obmalloc::SIZES as usize);
    let sound = words.as_chunks::<2>().0.iter().enumerate().filter(|&(index, &[next, previous])| {
        // The head poses as a pool whose nextpool and prevpool are these two words.
        let head = address.wrapping_add(16 * index as u64).wrapping_sub(Pool::NEXT);
        (next == head || probe.word(next.wrapping_add(Pool::PREVIOUS)) == Some(head))
            && (previous == head || probe.word(previous.wrapping_add(Pool::NEXT)) == Some(head))
    });
    sound.count() >= 24
}
