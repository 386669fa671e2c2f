//! mimalloc as free-threaded CPython embeds it: where its fields are, and which of the two known layouts a target has.
//!
//! Sources: `mimalloc/types.h` of CPython 3.13 (mimalloc 2.1.2, also in 3.14.9 and 3.15.1) and of 3.14.10 and 3.15.2 (2.5.2),
//! with `Py_GIL_DISABLED` and without `MI_PADDING`, `MI_SECURE` and `MI_DEBUG`, as release builds are. Which one a target
//! has is not looked up by its version but found: the state of each thread holds a pointer to one of its own four heaps,
//! whose distance is the size of a heap, and each heap carries its number.

use super::Error;
use crate::memory::{Memory, ReadError, half, word};
use crate::python::{Python, Thread};

/// A segment is aligned to its size; a huge one is longer.
pub(crate) const SEGMENT: u64 = 32 << 20;
/// A segment is divided into slices; a page of blocks has one or more.
pub(crate) const SLICE: u64 = 64 << 10;
/// `MI_SLICES_PER_SEGMENT`.
pub(crate) const SLICES: u64 = SEGMENT / SLICE;
/// Heaps a thread has: memory, objects, collected objects, collected objects with words before them.
const HEAPS: u64 = 4;
/// `MI_BIN_FULL + 1` queues of pages, three words each.
const QUEUES: usize = 75;
/// `_PyThreadStateImpl` is no longer.
const LARGEST_THREAD: usize = 32 << 10;

/// Which of a thread's heaps a page of blocks belongs to (`pycore_mimalloc.h`, `_Py_mimalloc_heap_id`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    /// `PyMem_Malloc`: buffers of lists, tables of dictionaries... No objects.
    Memory,
    /// Objects that the collector does not know, and what C code asked of `PyObject_Malloc`.
    Object,
    /// Collected objects.
    Collected,
    /// Collected objects after two words: their dictionary or inline values, and their weak references.
    CollectedPre,
}

impl Tag {
    fn of(number: u8) -> Option<Tag> {
        Some(match number {
            0 => Tag::Memory,
            1 => Tag::Object,
            2 => Tag::Collected,
            3 => Tag::CollectedPre,
            _ => return None,
        })
    }

    /// Bytes from the start of a block to the object in it.
    pub(crate) fn before(self) -> u64 {
        if self == Tag::CollectedPre { 16 } else { 0 }
    }
}

/// The fields of one version's structures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The version of mimalloc.
    pub(crate) version: &'static str,
    /// `sizeof(mi_page_t)`.
    pub(crate) page: u64,
    /// `mi_segment_t.slices`, the array of pages.
    pub(crate) slices: u64,
    heap: u64,
    heap_tag: u64,
    heap_pages: u64,
    page_used: usize,
    page_used_bytes: usize,
    page_local_free: usize,
    page_thread_free: usize,
    page_block_size: usize,
    page_start: Option<usize>,
    segment_size: usize,
    segment_used: usize,
    segment_cookie: usize,
    segment_slices: usize,
    segment_info_slices: usize,
    segment_kind: usize,
    segment_entries: usize,
    segment_thread: usize,
}

/// `mi_page_t.capacity` and `.free`, in both.
const PAGE_CAPACITY: usize = 10;
const PAGE_FREE: usize = 16;

/// The layouts known.
pub(crate) const LAYOUTS: [Layout; 2] = [
    Layout {
        version: "2.1.2",
        page: 96,
        slices: 264,
        heap: 3064,
        heap_tag: 3057,
        heap_pages: 1040,
        page_used: 24,
        page_used_bytes: 4,
        page_local_free: 32,
        page_thread_free: 40,
        page_block_size: 28,
        page_start: None,
        segment_size: 32,
        segment_used: 208,
        segment_cookie: 216,
        segment_slices: 224,
        segment_info_slices: 232,
        segment_kind: 240,
        segment_entries: 248,
        segment_thread: 256,
    },
    Layout {
        version: "2.5.2",
        page: 112,
        slices: 288,
        heap: 3088,
        heap_tag: 249,
        heap_pages: 1288,
        page_used: 32,
        page_used_bytes: 2,
        page_local_free: 24,
        page_thread_free: 56,
        page_block_size: 40,
        page_start: Some(48),
        segment_size: 32,
        segment_used: 216,
        segment_cookie: 224,
        segment_slices: 248,
        segment_info_slices: 256,
        segment_kind: 264,
        segment_entries: 272,
        segment_thread: 280,
    },
];

/// A segment's head, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Where it is.
    pub(crate) address: u64,
    /// All of it, bytes.
    pub(crate) size: u64,
    /// Pages in use.
    pub(crate) used: u64,
    /// The first slice after its own head.
    pub(crate) first: u64,
    /// Entries of `slices` that mean something.
    pub(crate) entries: u64,
    /// `pthread_self()` of its thread, 0 where that has ended.
    pub(crate) thread: u64,
    /// Its address and a number that is the same for all segments of a process, exclusive-ored.
    pub(crate) cookie: u64,
}

/// A page's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    /// Where its head is.
    pub(crate) address: u64,
    /// Where its blocks start.
    pub(crate) start: u64,
    /// Bytes of a block.
    pub(crate) block: u64,
    /// Blocks that were ever given out.
    pub(crate) capacity: u64,
    /// Blocks in use, those in `thread_free` among them.
    pub(crate) used: u64,
    /// Heads of its three lists of free blocks.
    pub(crate) free: [u64; 3],
    /// Whose it is.
    pub(crate) tag: Tag,
    /// Slices it has.
    pub(crate) slices: u64,
}

impl Layout {
    /// Bytes of a segment's head that [`Layout::segment`] reads.
    pub(crate) fn head(&self) -> usize {
        self.slices as usize
    }

    /// The segment whose head is `bytes`; `None` where they do not fit together as one.
    pub(crate) fn segment(&self, address: u64, bytes: &[u8]) -> Option<Segment> {
        let at = |offset| word(bytes, offset);
        let (size, count) = (at(self.segment_size), at(self.segment_slices));
        let (first, entries) = (at(self.segment_info_slices), at(self.segment_entries));
        let huge = match half(bytes, self.segment_kind) {
            0 => false,
            1 => true,
            _ => return None,
        };
        let fits = address.is_multiple_of(SEGMENT)
            && count.checked_mul(SLICE) == Some(size)
            && entries == count.min(SLICES)
            && (1..=entries).contains(&first)
            && (huge || count == SLICES);
        fits.then(|| Segment {
            address,
            size,
            used: at(self.segment_used),
            first,
            entries,
            thread: at(self.segment_thread),
            cookie: at(self.segment_cookie),
        })
    }

    /// The page with the head `bytes` at `index` of a segment's slices; `None` where none is in use there.
    pub(crate) fn page(&self, segment: &Segment, index: u64, bytes: &[u8]) -> Option<Page> {
        let slices = u64::from(half(bytes, 0));
        if slices == 0 || half(bytes, 4) != 0 {
            return None;
        }
        let tag = match self.page_start {
            None => *bytes.get(8)? >> 3 & 15,
            Some(_) => *bytes.get(self.page_used + 3)?,
        };
        let block = match self.page_start {
            None => u64::from(half(bytes, self.page_block_size)),
            Some(_) => word(bytes, self.page_block_size),
        };
        let begin = segment.address + index * SLICE;
        let start = match self.page_start {
            Some(at) => word(bytes, at),
            None => begin + start_offset(block),
        };
        let capacity = u64::from(half(bytes, PAGE_CAPACITY) & 0xFFFF);
        let end = begin.checked_add(slices.checked_mul(SLICE)?)?;
        let inside = start >= begin && start.checked_add(capacity.checked_mul(block)?)? <= end;
        // 2.1.2 writes the sizes of blocks beyond 2 GiB as 2 GiB; there is one to a page.
        if block < 8 || !inside || end > segment.address + segment.size {
            return None;
        }
        let huge = self.page_start.is_none() && block >= 2 << 30;
        let used = half(bytes, self.page_used);
        Some(Page {
            address: segment.address + self.slices + index * self.page,
            start,
            block: if huge { end - start } else { block },
            capacity,
            used: u64::from(if self.page_used_bytes == 2 { used & 0xFFFF } else { used }),
            // The low bits of the third say how other threads are to free.
            free: [
                word(bytes, PAGE_FREE),
                word(bytes, self.page_local_free),
                word(bytes, self.page_thread_free) & !3,
            ],
            tag: Tag::of(tag)?,
            slices,
        })
    }

    /// Slices the free span or page at the head `bytes` covers, at least one.
    pub(crate) fn step(bytes: &[u8]) -> u64 {
        u64::from(half(bytes, 0)).max(1)
    }
}

/// Where blocks of `block` bytes start in their page (`_mi_segment_page_start_from_slice`, mimalloc 2.1.2).
fn start_offset(block: u64) -> u64 {
    match block {
        8..=64 => 3 * block,
        65..=512 => block,
        _ => 0,
    }
}

/// The layout of a target's mimalloc, and the number all its segments' cookies share.
///
/// # Errors
/// [`Error::Allocator`] where no thread's state fits a known layout.
pub(crate) fn find(python: &Python, threads: &[Thread]) -> Result<(Layout, u64), Error> {
    for thread in threads {
        if let Some(found) = in_thread(python.memory(), thread.address, python.offsets().thread_state.size)? {
            return Ok(found);
        }
    }
    Err(Error::Allocator(format!(
        "its allocator is not the mimalloc of a release build of 3.14 or 3.15 (versions {} and {} are known)",
        LAYOUTS[0].version, LAYOUTS[1].version
    )))
}

fn in_thread(memory: &dyn Memory, thread: u64, skip: u64) -> Result<Option<(Layout, u64)>, ReadError> {
    // The state may be the last thing on mapped memory: as much of it as there is.
    let mut bytes = vec![0; LARGEST_THREAD];
    let step = 1 << 10;
    let mut known = 0;
    for part in bytes.chunks_mut(step) {
        match memory.read(thread.saturating_add(known as u64), part) {
            Ok(()) => known += step,
            Err(ReadError::Unmapped(_)) => break,
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(known);
    for offset in (skip as usize..known.saturating_sub(8)).step_by(8) {
        let (state, current) = (thread.saturating_add(offset as u64), word(&bytes, offset));
        for layout in &LAYOUTS {
            // `current_object_heap` points to one of `heaps`, which follow it.
            let Some(distance) = current.checked_sub(state.saturating_add(8)) else { continue };
            if distance.is_multiple_of(layout.heap)
                && distance / layout.heap < HEAPS
                && let Some(cookie) = cookie(memory, layout, state)?
            {
                return Ok(Some((*layout, cookie)));
            }
        }
    }
    Ok(None)
}

/// The cookie of the segments of the four heaps after `state`, if that is what is there.
fn cookie(memory: &dyn Memory, layout: &Layout, state: u64) -> Result<Option<u64>, ReadError> {
    let first = state.saturating_add(8);
    let data = first.saturating_add(HEAPS * layout.heap);
    let mut found = None;
    for number in 0..HEAPS {
        let heap = match memory.vec(first.saturating_add(number * layout.heap), layout.heap, 1 << 16) {
            Ok(heap) => heap,
            Err(ReadError::Unmapped(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let tag = heap.get(layout.heap_tag as usize).copied();
        if word(&heap, 0) != data || tag != u8::try_from(number).ok() {
            return Ok(None);
        }
        let queues = (0..QUEUES).map(|queue| word(&heap, layout.heap_pages as usize + 24 * queue));
        for page in queues.filter(|&page| page != 0) {
            let address = page & !(SEGMENT - 1);
            let mut head = vec![0; layout.head()];
            if memory.read(address, &mut head).is_ok()
                && let Some(segment) = layout.segment(address, &head)
            {
                found = Some(segment.cookie ^ address);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `mi_page_t` of 2.1.2 with `block` and `capacity`.
    fn page_bytes(slices: u32, tag: u8, block: u32, capacity: u16) -> Vec<u8> {
        let mut bytes = vec![0; 96];
        bytes[..4].copy_from_slice(&slices.to_le_bytes());
        bytes[8] = tag << 3;
        bytes[10..12].copy_from_slice(&capacity.to_le_bytes());
        bytes[28..32].copy_from_slice(&block.to_le_bytes());
        bytes
    }

    const ROOMY: Segment =
        Segment { address: SEGMENT, size: SEGMENT, used: 1, first: 1, entries: SLICES, thread: 0, cookie: 0 };

    #[test]
    fn blocks_start_where_mimalloc_puts_them() {
        // The offset keeps small blocks off the start of a memory page; it is a multiple of the block.
        for (block, offset) in [(8, 24), (48, 144), (64, 192), (80, 80), (512, 512), (640, 0), (8192, 0)] {
            assert_eq!(start_offset(block), offset, "{block}");
        }
    }

    #[test]
    fn a_page_is_believed_only_inside_its_segment() {
        let layout = &LAYOUTS[0];
        let whole = layout.page(&ROOMY, 1, &page_bytes(1, 2, 64, 1021)).expect("fits exactly");
        assert_eq!((whole.start, whole.tag), (SEGMENT + SLICE + 192, Tag::Collected));
        assert_eq!(layout.page(&ROOMY, 1, &page_bytes(1, 2, 64, 1022)), None, "one block too many");
        assert_eq!(layout.page(&ROOMY, 511, &page_bytes(2, 2, 64, 10)), None, "past the segment's end");
        assert_eq!(layout.page(&ROOMY, 1, &page_bytes(1, 9, 64, 10)), None, "no heap has that number");
        assert_eq!(layout.page(&ROOMY, 1, &page_bytes(0, 2, 64, 10)), None, "inside another page");
        assert_eq!(layout.page(&ROOMY, 1, &page_bytes(1, 2, 1, 10)), None, "a span that is in use");
        assert_eq!(layout.page(&ROOMY, 1, &[]), None);
    }
}
