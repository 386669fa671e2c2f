//! The segments and pages of mimalloc as data: which heap a page belongs to, where its blocks are,
//! and whether the bytes read can be one at all. [`Mimalloc`] says where the fields are.

use super::Error;
use crate::memory::{Memory, ReadError, half, word};
use crate::python::{Python, Thread};
use cpython_layout::{HeapTag, Mimalloc};

pub(crate) const SEGMENT: u64 = Mimalloc::SEGMENT_SIZE;
pub(crate) const SLICE: u64 = Mimalloc::SLICE_SIZE;
/// `MI_SLICES_PER_SEGMENT`.
const SLICES: u64 = SEGMENT / SLICE;
/// `MI_HUGE_BLOCK_SIZE`: what 2.1.2 writes for a block of that size and more.
const HUGE_BLOCK: u64 = 2 << 30;

/// Which of a thread's heaps a page of blocks belongs to (`pycore_mimalloc.h`,
/// `_Py_mimalloc_heap_id`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    /// `PyMem_Malloc`: buffers of lists, tables of dictionaries... No objects.
    Memory,
    /// Objects that the collector does not know, and what C code asked of `PyObject_Malloc`.
    Object,
    /// Collected objects.
    Collected,
    /// Collected objects after two words: their dictionary, and their weak references.
    CollectedPre,
}

impl Tag {
    fn of(number: u8) -> Option<Tag> {
        [Tag::Memory, Tag::Object, Tag::Collected, Tag::CollectedPre]
            .get(usize::from(number))
            .copied()
    }

    /// Bytes from the start of a block to the object in it.
    pub(crate) fn before(self) -> u64 {
        if self == Tag::CollectedPre { 16 } else { 0 }
    }
}

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

/// A page's head, checked.
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
    /// Blocks in use, those that other threads freed among them.
    pub(crate) used: u64,
    /// Heads of its three lists of free blocks.
    pub(crate) free: [u64; 3],
    /// Whose it is.
    pub(crate) tag: Tag,
    /// Slices it has.
    pub(crate) slices: u64,
}

impl Segment {
    /// The segment whose head is `bytes`; `None` where they do not fit together as one.
    pub(crate) fn of(at: &Mimalloc, address: u64, bytes: &[u8]) -> Option<Segment> {
        let field = |offset: u64| word(bytes, offset as usize);
        let (size, count) = (field(Mimalloc::SEGMENT_BYTES), field(at.segment_all_slices));
        let (first, entries) = (field(at.segment_info_slices), field(at.segment_slice_entries));
        let huge = match half(bytes, at.segment_kind as usize) {
            0 => false,
            1 => true,
            _ => return None,
        };
        let fits = address.is_multiple_of(SEGMENT)
            && address.checked_add(size).is_some()
            && count.checked_mul(SLICE) == Some(size)
            && entries == count.min(SLICES)
            && (1..=entries).contains(&first)
            && (huge || count == SLICES);
        fits.then(|| Segment {
            address,
            size,
            used: field(at.segment_used),
            first,
            entries,
            thread: field(at.segment_thread_id),
            cookie: field(at.segment_cookie),
        })
    }
}

impl Page {
    /// The page with the head `bytes` at `index` of a segment's slices; `None` where none is in use
    /// there.
    pub(crate) fn of(at: &Mimalloc, segment: &Segment, index: u64, bytes: &[u8]) -> Option<Page> {
        let field = |offset: u64| word(bytes, offset as usize);
        let slices = u64::from(half(bytes, Mimalloc::PAGE_SLICE_COUNT as usize));
        if slices == 0 || half(bytes, Mimalloc::PAGE_SLICE_OFFSET as usize) != 0 {
            return None;
        }
        let tag = match at.page_tag {
            HeapTag::Bits(offset) => *bytes.get(offset as usize)? >> 3 & 15,
            HeapTag::Byte(offset) => *bytes.get(offset as usize)?,
        };
        let block = low(field(at.page_block_size), at.page_block_size_size);
        let begin = segment.address + index * SLICE;
        let start = match at.page_start {
            Some(offset) => field(offset),
            None => Mimalloc::first_block(segment.address, index, block),
        };
        let capacity = low(field(Mimalloc::PAGE_CAPACITY), 2);
        let end = begin.checked_add(slices.checked_mul(SLICE)?)?;
        let inside = start >= begin && start.checked_add(capacity.checked_mul(block)?)? <= end;
        if block < 8 || !inside || end > segment.address + segment.size {
            return None;
        }
        Some(Page {
            address: segment.address + at.segment_slices + index * at.page_size,
            start,
            block: if at.page_start.is_none() && block >= HUGE_BLOCK { end - start } else { block },
            capacity,
            used: low(field(at.page_used), at.page_used_size),
            // The low bits of the third say how other threads are to free.
            free: [
                field(Mimalloc::PAGE_FREE),
                field(at.page_local_free),
                field(at.page_xthread_free) & !3,
            ],
            tag: Tag::of(tag)?,
            slices,
        })
    }

    /// Slices the free span or page at the head `bytes` covers, at least one.
    pub(crate) fn step(bytes: &[u8]) -> u64 {
        u64::from(half(bytes, Mimalloc::PAGE_SLICE_COUNT as usize)).max(1)
    }
}

/// The low `size` bytes of a word.
fn low(word: u64, size: u64) -> u64 {
    if size >= 8 { word } else { word & ((1 << (8 * size)) - 1) }
}

/// The layout of a target's mimalloc, and the number all its segments' cookies share.
///
/// # Errors
/// [`Error::Allocator`] where the threads' heaps are laid out in no known way.
pub(crate) fn find(python: &Python, threads: &[Thread]) -> Result<(&'static Mimalloc, u64), Error> {
    let layout = python.layout();
    if let (Some(at), Some(state)) = (layout.mimalloc, layout.thread_state.mimalloc) {
        for thread in threads {
            if let Some(cookie) = cookie(python.memory(), at, thread.address.saturating_add(state))?
            {
                return Ok((at, cookie));
            }
        }
    }
    let missing = layout.missing.iter().find(|missing| missing.what.contains("heaps"));
    let why =
        missing.map_or("no thread's heaps have a segment that can be read", |missing| &missing.why);
    Err(Error::Allocator(why.into()))
}

/// The number in the cookies of the segments of the four heaps of the thread whose allocator's
/// state is at `state`.
fn cookie(memory: &dyn Memory, at: &Mimalloc, state: u64) -> Result<Option<u64>, ReadError> {
    for number in 0..Mimalloc::HEAPS {
        let heap = match memory.vec(at.heap(state, number), at.heap_size, 1 << 16) {
            Ok(heap) => heap,
            Err(error) if error.is_local() => return Ok(None),
            Err(error) => return Err(error),
        };
        for queue in 0..Mimalloc::QUEUES {
            let page = word(&heap, (at.heap_pages + Mimalloc::QUEUE_SIZE * queue) as usize);
            let address = page & !(SEGMENT - 1);
            let mut head = vec![0; at.segment_slices as usize];
            if page != 0
                && memory.read(address, &mut head).is_ok()
                && let Some(segment) = Segment::of(at, address, &head)
            {
                return Ok(Some(segment.cookie ^ address));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    const KNOWN: [&Mimalloc; 2] = Mimalloc::KNOWN;

    /// `mi_page_t` of 2.1.2 with `block` and `capacity`.
    fn page_bytes(slices: u32, tag: u8, block: u32, capacity: u16) -> Vec<u8> {
        let mut bytes = vec![0; 96];
        bytes[..4].copy_from_slice(&slices.to_le_bytes());
        bytes[8] = tag << 3;
        bytes[10..12].copy_from_slice(&capacity.to_le_bytes());
        bytes[28..32].copy_from_slice(&block.to_le_bytes());
        bytes
    }

    const ROOMY: Segment = Segment {
        address: SEGMENT,
        size: SEGMENT,
        used: 1,
        first: 1,
        entries: SLICES,
        thread: 0,
        cookie: 0,
    };

    #[test]
    fn blocks_start_where_mimalloc_puts_them() {
        // The offset keeps small blocks off the start of a memory page; it is a multiple of the
        // block.
        for (block, offset) in
            [(8, 24), (48, 144), (64, 192), (80, 80), (512, 512), (640, 0), (8192, 0)]
        {
            assert_eq!(Mimalloc::first_block(0, 0, block), offset, "{block}");
        }
    }

    #[test]
    fn a_page_is_believed_only_inside_its_segment() {
        let page = |index, bytes: &[u8]| Page::of(KNOWN[0], &ROOMY, index, bytes);
        let whole = page(1, &page_bytes(1, 2, 64, 1021)).expect("fits exactly");
        assert_eq!((whole.start, whole.tag), (SEGMENT + SLICE + 192, Tag::Collected));
        assert_eq!(page(1, &page_bytes(1, 2, 64, 1022)), None, "one block too many");
        assert_eq!(page(511, &page_bytes(2, 2, 64, 10)), None, "past the segment's end");
        assert_eq!(page(1, &page_bytes(1, 9, 64, 10)), None, "no heap has that number");
        assert_eq!(page(1, &page_bytes(0, 2, 64, 10)), None, "inside another page");
        assert_eq!(page(1, &page_bytes(1, 2, 1, 10)), None, "a span that is in use");
        assert_eq!(page(1, &[]), None);
    }
}
