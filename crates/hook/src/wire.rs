//! The table in shared memory, in 64-bit words: which word is what. Written by the library inside
//! the target, read by ungil.
//!
//! Words, not structures, so that both sides need no more than an array of atomic words, and no
//! bytes outside are believed to be of a type they might not be.

/// Word 0 of a table.
pub const MAGIC: u64 = u64::from_le_bytes(*b"ungilalo");
/// Changes whenever the meaning of a word does.
pub const VERSION: u64 = 1;
/// Words of the header.
pub const HEADER: usize = 64;
/// Frames of a stack that are kept, counted from the innermost.
pub const MAX_FRAMES: usize = 128;
/// The longest text that is kept, in bytes.
pub const MAX_TEXT: usize = 1024;
/// Slots of a bucket of the table of live blocks.
pub const BUCKET: usize = 16;
/// A code's or a stack's index when its table was full.
pub const UNKNOWN: u32 = u32::MAX;

/// Words of the header.
pub mod head {
    /// [`MAGIC`](super::MAGIC).
    pub const MAGIC: usize = 0;
    /// [`VERSION`](super::VERSION).
    pub const VERSION: usize = 1;
    /// Mean number of bytes between two samples; 1 samples every block.
    pub const EVERY: usize = 2;
    /// The first of the seven sizes of [`Shape`](crate::shape::Shape).
    pub const SHAPE: usize = 3;
    /// One of [`state`](super::state).
    pub const STATE: usize = 10;
    /// Why a start was refused: one of [`refusal`](super::refusal).
    pub const REFUSAL: usize = 11;
    /// Process id of the target, as it sees itself.
    pub const PID: usize = 12;
    /// `Py_Version`.
    pub const PYTHON: usize = 13;
    /// 1 on a free-threaded build.
    pub const FREE_THREADED: usize = 14;
    /// Set to 1 from outside: sample no more, and restore the allocators at the next sample.
    pub const STOP: usize = 15;
    /// Monotonic nanoseconds at the start.
    pub const BEGAN: usize = 16;
    /// Monotonic nanoseconds at the end; 0 while it runs.
    pub const ENDED: usize = 17;
    /// Words of the text arena that are taken.
    pub const TEXT_USED: usize = 18;
    /// Picoseconds that one allocation and its release take longer for being counted, measured at
    /// the start.
    pub const PAIR_PS: usize = 19;
    /// Estimated bytes live now, as a two's complement number.
    pub const LIVE: usize = 20;
    /// The most of them.
    pub const PEAK: usize = 21;
    /// Children forked off meanwhile; they are not counted.
    pub const FORKS: usize = 22;
    /// 1 when the allocators were restored, 2 when somebody had wrapped them since and they were
    /// left passing through.
    pub const RESTORED: usize = 23;
    /// Nanoseconds of processor time the process had spent at the start.
    pub const PROCESSOR_BEGAN: usize = 24;
    /// And at the end; 0 while it runs.
    pub const PROCESSOR_ENDED: usize = 25;
    /// The first of the six counters of what was dropped, in the order of
    /// [`dropped`](super::dropped).
    pub const DROPPED: usize = 32;
}

/// Values of [`head::STATE`].
pub mod state {
    /// Made by ungil, not seen by the library yet.
    pub const PREPARED: u64 = 0;
    /// Sampling.
    pub const RUNNING: u64 = 1;
    /// The end was reached and the types of live blocks were read.
    pub const STOPPED: u64 = 2;
    /// Not started; [`head::REFUSAL`](super::head::REFUSAL) says why.
    pub const REFUSED: u64 = 3;
    /// Ended by [`head::STOP`](super::head::STOP); types of live blocks were not read.
    pub const CUT: u64 = 4;
}

/// Values of [`head::REFUSAL`], which are also what `ungil_start` returns; 0 is a good start.
pub mod refusal {
    /// The table cannot be opened or mapped.
    pub const TABLE: u64 = 1;
    /// The table is not one of this version.
    pub const FOREIGN: u64 = 2;
    /// A function or object of CPython's interface is not in the process.
    pub const SYMBOLS: u64 = 3;
    /// This CPython is not one whose layout is known.
    pub const LAYOUT: u64 = 4;
    /// It runs already.
    pub const TWICE: u64 = 5;
}

/// What a counter from [`head::DROPPED`] on counts.
pub mod dropped {
    /// Samples whose block found no room among the live ones: their release is not seen.
    pub const LIVE: usize = 0;
    /// Samples for which there was no room among the sites: not in any figure but the exact totals.
    pub const SITES: usize = 1;
    /// Samples whose stack found no room: counted under an unknown place.
    pub const STACKS: usize = 2;
    /// Frames whose code found no room.
    pub const CODES: usize = 3;
    /// Types that found no room.
    pub const TYPES: usize = 4;
    /// Threads that found no room, and share the last row.
    pub const THREADS: usize = 5;
}

/// Words of a thread's row. Only its own thread writes it, but for the last row, which those share
/// that found no other.
pub mod thread {
    /// Words of a row.
    pub const WORDS: usize = 8;
    /// Native id; 0 in a free row.
    pub const TID: usize = 0;
    /// Allocations, exactly.
    pub const ALLOCATIONS: usize = 1;
    /// Bytes asked for, exactly.
    pub const BYTES: usize = 2;
    /// Nanoseconds of processor time spent on samples and on releases of sampled blocks, from one
    /// in sixteen of them.
    pub const SPENT: usize = 3;
    /// Samples.
    pub const SAMPLES: usize = 4;
    /// Its name in the kernel, 16 bytes, as of a late sample.
    pub const NAME: usize = 5;
}

/// Words of a code's slot.
pub mod code {
    /// Words of a slot.
    pub const WORDS: usize = 8;
    /// File name, as [`text`](super::text).
    pub const FILE: usize = 2;
    /// Qualified name.
    pub const NAME: usize = 3;
    /// Location table.
    pub const LINES: usize = 4;
    /// First line.
    pub const FIRST: usize = 5;
}

/// Words of a type's slot.
pub mod kind {
    /// Words of a slot.
    pub const WORDS: usize = 4;
    /// `tp_name`.
    pub const NAME: usize = 2;
    /// `tp_flags`.
    pub const FLAGS: usize = 3;
    /// What a block is: an allocation (nothing is known yet).
    pub const FRESH: u32 = 0;
    /// Memory of the domain *mem*: items of lists, tables of dicts, buffers.
    pub const MEMORY: u32 = 1;
    /// An object of unknown type.
    pub const OBJECT: u32 = 2;
    /// From here on: an object of the type in slot `kind - TYPED`.
    pub const TYPED: u32 = 3;
}

/// Words of a stack's slot.
pub mod stack {
    /// Words of a slot.
    pub const WORDS: usize = 4;
    /// Its frames, innermost first, as [`text`](super::text); each word is `code << 32 | offset in
    /// the bytecode`.
    pub const FRAMES: usize = 2;
    /// 1 when frames were left off.
    pub const CUT: usize = 3;
}

/// Words of a site's slot: a stack, a thread and a kind.
pub mod site {
    /// Words of a slot.
    pub const WORDS: usize = 8;
    /// `stack << 32 | thread`.
    pub const WHERE: usize = 2;
    /// [`kind::FRESH`](super::kind::FRESH) for allocations, otherwise the kind of what was
    /// released.
    pub const KIND: usize = 3;
    /// Samples.
    pub const SAMPLES: usize = 4;
    /// Blocks they stand for, an `f64`.
    pub const BLOCKS: usize = 5;
    /// Bytes they stand for, an `f64`.
    pub const BYTES: usize = 6;
    /// Variance of those bytes, an `f64`.
    pub const VARIANCE: usize = 7;
}

/// Two words of a live block, beside its address.
pub mod live {
    /// `stack << 32 | thread`, as in a site.
    pub const WHERE: usize = 0;
    /// `kind << 48 | size in bytes`.
    pub const SIZE: usize = 1;
    /// Bits of the size.
    pub const SIZE_BITS: u32 = 48;
    /// Key of a slot that is free.
    pub const FREE: u64 = 0;
    /// Key of a slot that is being filled.
    pub const CLAIMED: u64 = 1;
}

/// Every table's slot begins with the hash of what it is about (0: free) and a word that is 1 once
/// it is filled in.
pub const HASH: usize = 0;
/// See [`HASH`].
pub const READY: usize = 1;

/// A reference to bytes or words in the text arena, in one word: first word of the arena and number
/// of bytes or words.
pub fn text(at: usize, len: usize) -> u64 {
    (at as u64) << 32 | (len as u64 & 0xffff_ffff)
}

/// First word in the arena, and number of bytes or words.
pub fn of_text(word: u64) -> (usize, usize) {
    ((word >> 32) as usize, (word & 0xffff_ffff) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_to_text_is_one_word() {
        assert_eq!(of_text(text(70_000, 12)), (70_000, 12));
    }
}
