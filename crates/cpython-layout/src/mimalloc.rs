//! Layout of mimalloc, the allocator of free-threaded builds.
//!
//! Every thread has four heaps. A heap has queues of pages. A page holds blocks of one size and up
//! to three free lists. A segment holds pages. Two versions of mimalloc are in use, and CPython's
//! version alone does not determine which (3.14.9 has 2.1.2, 3.14.10 has 2.5.2), so the version is
//! detected from the threads' heaps.
//!
//! Source: mimalloc/types.h and pycore_mimalloc.h of both, as compiled for `Py_GIL_DISABLED`
//! releases.

/// Offsets and sizes, in bytes, of one version of mimalloc as built into CPython.
#[derive(Debug, PartialEq, Eq)]
pub struct Mimalloc {
    /// `2.1.2`.
    pub version: &'static str,
    /// `sizeof(mi_heap_t)`.
    pub heap_size: u64,
    /// `mi_heap_t.pages`: [`Mimalloc::QUEUES`] queues of [`Mimalloc::QUEUE_SIZE`] bytes. Each
    /// begins with a pointer to its first page.
    pub heap_pages: u64,
    /// `mi_heap_t.page_count`, a word.
    pub heap_page_count: u64,
    /// `mi_heap_t.tag`, a byte: the heap's index among the thread's heaps.
    pub heap_tag: u64,
    /// `sizeof(mi_page_t)`.
    pub page_size: u64,
    /// `mi_page_t.used`, `page_used_size` bytes long: allocated blocks, including those in
    /// `local_free` and `xthread_free`.
    pub page_used: u64,
    /// Size of `page_used`: 2 or 4.
    pub page_used_size: u64,
    /// `mi_page_t.block_size` (2.1.2: `xblock_size`), `page_block_size_size` bytes long.
    pub page_block_size: u64,
    /// Size of `page_block_size`: 4 or 8.
    pub page_block_size_size: u64,
    /// `mi_page_t.page_start`, a pointer to the first block. Missing in 2.1.2; see
    /// [`Mimalloc::first_block`].
    pub page_start: Option<u64>,
    /// `mi_page_t.local_free`, a list of blocks.
    pub page_local_free: u64,
    /// `mi_page_t.xthread_free`, a list of blocks; the low two bits of its head are flags.
    pub page_xthread_free: u64,
    /// `mi_page_t.next`: the next page in the same queue.
    pub page_next: u64,
    /// Location of the heap index in a page, needed for pages of ended threads.
    pub page_tag: HeapTag,
    /// `mi_segment_t.slices`: the segment's pages, of `page_size` bytes each.
    pub segment_slices: u64,
    /// `mi_segment_t.used`, a word: pages in use.
    pub segment_used: u64,
    /// `mi_segment_t.cookie`, a word: the segment's address XORed with a key shared by all segments
    /// of a process.
    pub segment_cookie: u64,
    /// `mi_segment_t.segment_slices`, a word: number of slices, including those of a huge segment
    /// beyond [`Mimalloc::SEGMENT_SIZE`].
    pub segment_all_slices: u64,
    /// `mi_segment_t.kind`, 32 bits: 0 normal, 1 a single huge page.
    pub segment_kind: u64,
    /// `mi_segment_t.slice_entries`, a word: number of entries in `slices`.
    pub segment_slice_entries: u64,
    /// `mi_segment_t.segment_info_slices`, a word: slices used by the segment's own header.
    pub segment_info_slices: u64,
    /// `mi_segment_t.thread_id`, a word: 0 if abandoned.
    pub segment_thread_id: u64,
}

/// Location of the index, among its thread's heaps, of the heap that owns a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeapTag {
    /// Bits 3 to 6 of the byte at this offset.
    Bits(u64),
    /// The byte at this offset.
    Byte(u64),
}

impl Mimalloc {
    /// Number of queues per heap (`MI_BIN_FULL` + 1).
    pub const QUEUES: u64 = 75;
    /// `sizeof(mi_page_queue_t)`.
    pub const QUEUE_SIZE: u64 = 24;
    /// `MI_SEGMENT_SIZE`; segments are aligned to it.
    pub const SEGMENT_SIZE: u64 = 32 << 20;
    /// `MI_SEGMENT_SLICE_SIZE`.
    pub const SLICE_SIZE: u64 = 64 << 10;
    /// `mi_segment_t.segment_size`, a word.
    pub const SEGMENT_BYTES: u64 = 32;
    /// `mi_page_t.slice_count`, 32 bits: slices of the page; 0 if no page begins here.
    pub const PAGE_SLICE_COUNT: u64 = 0;
    /// `mi_page_t.slice_offset`, 32 bits: distance in bytes back to the page's first slice.
    pub const PAGE_SLICE_OFFSET: u64 = 4;
    /// `mi_page_t.capacity`, 16 bits: number of blocks the page currently has.
    pub const PAGE_CAPACITY: u64 = 10;
    /// `mi_page_t.free`, a list of blocks. Release builds do not encode list pointers.
    pub const PAGE_FREE: u64 = 16;
    /// Number of heaps per thread. In order: raw memory, objects, GC objects, GC objects with a
    /// pre-header.
    pub const HEAPS: u64 = 4;

    /// All supported versions. The offsets of 2.1.2 were checked live on 3.14.9t and 3.15.1t; those
    /// of 2.5.2 are from the headers of 3.14.10 and 3.15.2.
    pub const KNOWN: [&'static Mimalloc; 2] = [&V212, &V252];

    /// Returns the address of heap `number` of the thread whose heaps are at `heaps`. Number 4
    /// gives the field after the last heap, `tld`.
    #[must_use]
    pub fn heap(&self, heaps: u64, number: u64) -> u64 {
        heaps.wrapping_add(8).wrapping_add(self.heap_size.wrapping_mul(number))
    }

    /// Returns the address of the first block of a page that begins in slice `index` of the segment
    /// at `segment`, for versions without `page_start` (`_mi_segment_page_start_from_slice`). Small
    /// blocks are offset from the page's start so that blocks of one size do not share cache sets.
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
