//! The allocator of free-threaded builds.
//!
//! Every thread has four heaps; a heap has queues of pages; a page holds blocks of one size and up
//! to three lists of free ones; a segment holds pages. Two versions of mimalloc are in use, and
//! CPython's version alone does not say which (3.14.9 has 2.1.2, 3.14.10 has 2.5.2), so
//! it is found in the threads.
//!
//! Source: mimalloc/types.h and pycore_mimalloc.h of both, as compiled for `Py_GIL_DISABLED`
//! releases.

/// Offsets and sizes, in bytes, of one version of mimalloc as CPython has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Mimalloc {
    /// `2.1.2`.
    pub version: &'static str,
    /// `sizeof(mi_heap_t)`.
    pub heap_size: u64,
    /// `mi_heap_t.pages`: [`Mimalloc::QUEUES`] queues of [`Mimalloc::QUEUE_SIZE`] bytes that begin
    /// with a pointer to their first page.
    pub heap_pages: u64,
    /// `mi_heap_t.page_count`, a word.
    pub heap_page_count: u64,
    /// `mi_heap_t.tag`, a byte: its number among the thread's heaps.
    pub heap_tag: u64,
    /// `sizeof(mi_page_t)`.
    pub page_size: u64,
    /// `mi_page_t.used`, of `used_size` bytes: blocks given out, those in `local_free` and
    /// `xthread_free` among them.
    pub page_used: u64,
    /// 2 or 4.
    pub page_used_size: u64,
    /// `mi_page_t.block_size` (2.1.2: `xblock_size`), of `block_size_size` bytes.
    pub page_block_size: u64,
    /// 4 or 8.
    pub page_block_size_size: u64,
    /// `mi_page_t.page_start`, a pointer to the first block. 2.1.2 has none: see
    /// [`Mimalloc::first_block`].
    pub page_start: Option<u64>,
    /// `mi_page_t.local_free`, a list of blocks.
    pub page_local_free: u64,
    /// `mi_page_t.xthread_free`, a list of blocks whose head has flags in its low two bits.
    pub page_xthread_free: u64,
    /// `mi_page_t.next`: the next page of the same queue.
    pub page_next: u64,
    /// Which heap a page belonged to, for pages of threads that are gone.
    pub page_tag: HeapTag,
    /// `mi_segment_t.slices`: the segment's pages, of `page_size` bytes each.
    pub segment_slices: u64,
    /// `mi_segment_t.used`, a word: pages in use.
    pub segment_used: u64,
    /// `mi_segment_t.cookie`, a word: the segment's address, exclusive-ored with a number all
    /// segments of a process share.
    pub segment_cookie: u64,
    /// `mi_segment_t.segment_slices`, a word: slices it has, those beyond
    /// [`Mimalloc::SEGMENT_SIZE`] of a huge one too.
    pub segment_all_slices: u64,
    /// `mi_segment_t.kind`, 32 bits: 0, or 1 for one that has a single huge page.
    pub segment_kind: u64,
    /// `mi_segment_t.slice_entries`, a word: how many of them there are.
    pub segment_slice_entries: u64,
    /// `mi_segment_t.segment_info_slices`, a word: slices the segment's own head takes.
    pub segment_info_slices: u64,
    /// `mi_segment_t.thread_id`, a word: 0 while abandoned.
    pub segment_thread_id: u64,
}

/// Where a page says to which of its thread's heaps it belonged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeapTag {
    /// Bits 3 to 6 of the byte at this offset.
    Bits(u64),
    /// The byte at this offset.
    Byte(u64),
}

impl Mimalloc {
    /// Queues of a heap (`MI_BIN_FULL` + 1).
    pub const QUEUES: u64 = 75;
    /// `sizeof(mi_page_queue_t)`.
    pub const QUEUE_SIZE: u64 = 24;
    /// `MI_SEGMENT_SIZE`; segments are aligned to it.
    pub const SEGMENT_SIZE: u64 = 32 << 20;
    /// `MI_SEGMENT_SLICE_SIZE`.
    pub const SLICE_SIZE: u64 = 64 << 10;
    /// `mi_segment_t.segment_size`, a word.
    pub const SEGMENT_BYTES: u64 = 32;
    /// `mi_page_t.slice_count`, 32 bits: slices of the page, 0 where none begins.
    pub const PAGE_SLICE_COUNT: u64 = 0;
    /// `mi_page_t.slice_offset`, 32 bits: bytes back to the page's first slice.
    pub const PAGE_SLICE_OFFSET: u64 = 4;
    /// `mi_page_t.capacity`, 16 bits: blocks the page has at the moment.
    pub const PAGE_CAPACITY: u64 = 10;
    /// `mi_page_t.free`, a list of blocks. Lists are not encoded in release builds.
    pub const PAGE_FREE: u64 = 16;
    /// Heaps of a thread, in this order: raw memory, objects, collected objects, collected objects
    /// with a header before them.
    pub const HEAPS: u64 = 4;

    /// The versions that are known. Offsets of 2.1.2 checked live on 3.14.9t and 3.15.1t; of 2.5.2
    /// from the headers of 3.14.10 and 3.15.2.
    pub const KNOWN: [&'static Mimalloc; 2] = [&V212, &V252];

    /// The address of heap `number` of the thread whose heaps are at `heaps`; 4 gives what is
    /// behind the last, `tld`.
    #[must_use]
    pub fn heap(&self, heaps: u64, number: u64) -> u64 {
        heaps.wrapping_add(8).wrapping_add(self.heap_size.wrapping_mul(number))
    }

    /// Where the first block of a page begins that lies in slice `index` of the segment at
    /// `segment`, for versions whose pages do not say (`_mi_segment_page_start_from_slice`): small
    /// blocks are moved off the page's start, so that blocks of one size do not share cache sets.
    #[must_use]
    pub fn first_block(segment: u64, index: u64, block_size: u64) -> u64 {
        let moved = match block_size {
            8..=64 => 3 * block_size,
            65..=512 => block_size,
            _ => 0,
        };
        segment.wrapping_add(index.wrapping_mul(Self::SLICE_SIZE)).wrapping_add(moved)
    }
}

const V212: Mimalloc = Mimalloc {
    version: "2.1.2",
    heap_size: 3064,
    heap_pages: 1040,
    heap_page_count: 3024,
    heap_tag: 3057,
    page_size: 96,
    page_used: 24,
    page_used_size: 4,
    page_block_size: 28,
    page_block_size_size: 4,
    page_start: None,
    page_local_free: 32,
    page_xthread_free: 40,
    page_next: 56,
    page_tag: HeapTag::Bits(8),
    segment_slices: 264,
    segment_used: 208,
    segment_cookie: 216,
    segment_all_slices: 224,
    segment_kind: 240,
    segment_slice_entries: 248,
    segment_info_slices: 232,
    segment_thread_id: 256,
};

const V252: Mimalloc = Mimalloc {
    version: "2.5.2",
    heap_size: 3088,
    heap_pages: 1288,
    heap_page_count: 192,
    heap_tag: 249,
    page_size: 112,
    page_used: 32,
    page_used_size: 2,
    page_block_size: 40,
    page_block_size_size: 8,
    page_start: Some(48),
    page_local_free: 24,
    page_xthread_free: 56,
    page_next: 72,
    page_tag: HeapTag::Byte(35),
    segment_slices: 288,
    segment_used: 216,
    segment_cookie: 224,
    segment_all_slices: 248,
    segment_kind: 264,
    segment_slice_entries: 272,
    segment_info_slices: 256,
    segment_thread_id: 280,
};
