//! The format of the shared table, in 64-bit words. The library inside the target writes it, ungil
//! reads it.
//!
//! Words instead of structures, so that both sides need only a slice of atomic words, and no
//! foreign bytes are reinterpreted as a type.

/// Word 0 of a table.
pub const MAGIC: u64 = u64::from_le_bytes(*b"ungilalo");
/// Format version; changes whenever the meaning of a word does.
pub const VERSION: u64 = 1;
/// Words of the header.
pub const HEADER: usize = 64;
/// Maximum number of frames of a stack, counted from the innermost.
pub const MAX_FRAMES: usize = 128;
/// Maximum length of a text in bytes.
pub const MAX_TEXT: usize = 1024;
/// Slots of a bucket of the table of live blocks.
pub const BUCKET: usize = 16;
/// Index of a code or stack that did not fit into its table.
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
    /// Reason for refusing to start: one of [`refusal`](super::refusal).
    pub const REFUSAL: usize = 11;
    /// Process id in the target's own namespace.
    pub const PID: usize = 12;
    /// `Py_Version`.
    pub const PYTHON: usize = 13;
    /// 1 on a free-threaded build.
    pub const FREE_THREADED: usize = 14;
    /// Set to 1 by ungil: stop sampling and restore the allocators at the next sample.
    pub const STOP: usize = 15;
    /// Monotonic nanoseconds at the start.
    pub const BEGAN: usize = 16;
    /// Monotonic nanoseconds at the end; 0 while it runs.
    pub const ENDED: usize = 17;
    /// Words of the text arena in use.
    pub const TEXT_USED: usize = 18;
    /// Additional picoseconds for counting one allocation and its release, measured at the start.
    pub const PAIR_PS: usize = 19;
    /// Estimated bytes live now, in two's complement.
    pub const LIVE: usize = 20;
    /// Maximum of [`LIVE`].
    pub const PEAK: usize = 21;
    /// Number of forked children; they are not counted.
    pub const FORKS: usize = 22;
    /// 1 if the allocators were restored, 2 if they had been wrapped by another tool and stay in
    /// place.
    pub const RESTORED: usize = 23;
    /// CPU time of the process at the start, in nanoseconds.
    pub const PROCESSOR_BEGAN: usize = 24;
    /// CPU time of the process at the end, in nanoseconds; 0 while it runs.
    pub const PROCESSOR_ENDED: usize = 25;
    /// The first of the six counters of dropped entries, in the order of
    /// [`dropped`](super::dropped).
    pub const DROPPED: usize = 32;
}

/// Values of [`head::STATE`].
pub mod state {
    /// Created by ungil, not opened by the library yet.
    pub const PREPARED: u64 = 0;
    /// Sampling.
    pub const RUNNING: u64 = 1;
    /// Ended as requested; the types of live blocks were read.
    pub const STOPPED: u64 = 2;
    /// Not started; [`head::REFUSAL`](super::head::REFUSAL) has the reason.
    pub const REFUSED: u64 = 3;
    /// Ended by [`head::STOP`](super::head::STOP); the types of live blocks were not read.
    pub const CUT: u64 = 4;
}

/// Values of [`head::REFUSAL`], which are also the return values of `ungil_start`; 0 is success.
pub mod refusal {
    /// The table cannot be opened or mapped.
    pub const TABLE: u64 = 1;
    /// The table has another format version.
    pub const FOREIGN: u64 = 2;
    /// A function or object of CPython's API is missing in the process.
    pub const SYMBOLS: u64 = 3;
    /// The memory layout of this CPython is unknown.
    pub const LAYOUT: u64 = 4;
    /// A profile is already running.
    pub const TWICE: u64 = 5;
}

/// The counters from [`head::DROPPED`] on.
pub mod dropped {
    /// Samples whose block did not fit into the live blocks: its release is not seen.
    pub const LIVE: usize = 0;
    /// Samples that did not fit into the sites: only in the exact totals.
    pub const SITES: usize = 1;
    /// Samples whose stack did not fit: counted under a placeholder.
    pub const STACKS: usize = 2;
    /// Frames whose code did not fit.
    pub const CODES: usize = 3;
    /// Types that did not fit.
    pub const TYPES: usize = 4;
    /// Threads that did not fit and share the last row.
    pub const THREADS: usize = 5;
}

/// Words of a thread's row. Only its own thread writes it, except for the last row, which is shared
/// by the threads without a row.
pub mod thread {
    /// Words of a row.
    pub const WORDS: usize = 8;
    /// Kernel thread id; 0 in a free row.
    pub const TID: usize = 0;
    /// Exact number of allocations.
    pub const ALLOCATIONS: usize = 1;
    /// Exact number of requested bytes.
    pub const BYTES: usize = 2;
    /// CPU time spent on samples and on releases of sampled blocks, in nanoseconds; one in sixteen
    /// is measured.
    pub const SPENT: usize = 3;
    /// Samples.
    pub const SAMPLES: usize = 4;
    /// Its kernel name, 16 bytes, as of a recent sample.
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
    /// Kind of a block that is an allocation (its type is not known yet).
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
    /// 1 if outer frames were left out.
    pub const CUT: usize = 3;
}

/// Words of a site's slot: a stack, a thread and a kind.
pub mod site {
    /// Words of a slot.
    pub const WORDS: usize = 8;
    /// `stack << 32 | thread`.
    pub const WHERE: usize = 2;
    /// [`kind::FRESH`](super::kind::FRESH) for allocations, otherwise the kind of the released
    /// block.
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

/// The two words of a live block, besides its address.
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

/// Every slot begins with the hash of its contents (0: free) and a word that is 1 once it is filled
/// in.
pub const HASH: usize = 0;
/// See [`HASH`].
pub const READY: usize = 1;

/// Encodes a reference to bytes or words in the text arena in one word: first word of the arena,
/// and number of bytes or words.
pub fn text(at: usize, len: usize) -> u64 {
    (at as u64) << 32 | (len as u64 & 0xffff_ffff)
}

/// Decodes a reference: first word in the arena, and number of bytes or words.
pub fn of_text(word: u64) -> (usize, usize) {
    ((word >> 32) as usize, (word & 0xffff_ffff) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_references_round_trip() {
        assert_eq!(of_text(text(70_000, 12)), (70_000, 12));
    }
}
