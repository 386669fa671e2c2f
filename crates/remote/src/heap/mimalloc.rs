//! Parses and checks mimalloc's segment and page headers. [`Mimalloc`] has the field offsets.

use super::HeapError;
use crate::memory::{Memory, ReadError, half, word};
use crate::python::{Python, Thread};
use cpython_layout::{HeapTag, Mimalloc};

pub(crate) const SEGMENT: u64 = Mimalloc::SEGMENT_SIZE;
pub(crate) const SLICE: u64 = Mimalloc::SLICE_SIZE;
/// `MI_SLICES_PER_SEGMENT`.
const SLICES: u64 = SEGMENT / SLICE;
/// `MI_HUGE_BLOCK_SIZE`: 2.1.2 stores this value for blocks of this size and larger.
const HUGE_BLOCK: u64 = 2 << 30;

/// The heap of its thread that a page belongs to (`pycore_mimalloc.h`, `_Py_mimalloc_heap_id`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeapId {
    /// `PyMem_Malloc`: list buffers, dictionary tables... No objects.
    Memory,
    /// Objects not tracked by the collector, and allocations of C code with `PyObject_Malloc`.
    Object,
    /// Objects tracked by the collector.
    Collected,
    /// Objects tracked by the collector with a pre-header: dictionary and weak references.
    CollectedPre,
}

impl HeapId {
    fn from_index(number: u8) -> Option<HeapId> {
        [HeapId::Memory, HeapId::Object, HeapId::Collected, HeapId::CollectedPre]
            .get(usize::from(number))
            .copied()
    }

    /// Returns the distance in bytes from the start of a block to its object.
    pub(crate) fn object_offset(self) -> u64 {
        if self == HeapId::CollectedPre { 16 } else { 0 }
    }
}

/// A checked segment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MimallocSegment {
    /// Address of the segment.
    pub(crate) address: u64,
    /// Total size in bytes.
    pub(crate) size: u64,
    /// Number of pages in use.
    pub(crate) used: u64,
    /// First slice after the segment's own header.
    pub(crate) first: u64,
    /// Number of valid entries in `slices`.
    pub(crate) entries: u64,
    /// `pthread_self()` of the owning thread; 0 if it has ended.
    pub(crate) thread: u64,
    /// The segment's address XORed with a key shared by all segments of a process.
    pub(crate) cookie: u64,
}

/// A checked page header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MimallocPage {
    /// Address of the header.
    pub(crate) address: u64,
    /// Address of the first block.
    pub(crate) start: u64,
    /// Block size in bytes.
    pub(crate) block: u64,
    /// Number of blocks that were ever allocated.
    pub(crate) capacity: u64,
    /// Number of blocks in use, including those freed by other threads.
    pub(crate) used: u64,
    /// Heads of its three free lists.
    pub(crate) free: [u64; 3],
    /// The heap it belongs to.
    pub(crate) tag: HeapId,
    /// Number of slices.
    pub(crate) slices: u64,
}

impl MimallocSegment {
    /// Parses the segment header `bytes`; `None` if it is inconsistent.
    pub(crate) fn parse(at: &Mimalloc, address: u64, bytes: &[u8]) -> Option<MimallocSegment> {
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
        fits.then(|| MimallocSegment {
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

impl MimallocPage {
    /// Parses the page header `bytes` at `index` in the segment's slices; `None` if no page in use
    /// begins there.
    pub(crate) fn parse(
        at: &Mimalloc,
        segment: &MimallocSegment,
        index: u64,
        bytes: &[u8],
    ) -> Option<MimallocPage> {
        let field = |offset: u64| word(bytes, offset as usize);
        let slices = u64::from(half(bytes, Mimalloc::PAGE_SLICE_COUNT as usize));
        if slices == 0 || half(bytes, Mimalloc::PAGE_SLICE_OFFSET as usize) != 0 {
            return None;
        }
        let tag = match at.page_tag {
            HeapTag::Bits(offset) => *bytes.get(offset as usize)? >> 3 & 15,
            HeapTag::Byte(offset) => *bytes.get(offset as usize)?,
        };
        let block = low_bytes(field(at.page_block_size), at.page_block_size_size);
        let page_start = segment.address + index * SLICE;
        let start = match at.page_start {
            Some(offset) => field(offset),
            None => Mimalloc::first_block(segment.address, index, block),
        };
        let capacity = low_bytes(field(Mimalloc::PAGE_CAPACITY), 2);
        let end = page_start.checked_add(slices.checked_mul(SLICE)?)?;
        let inside = start >= page_start && start.checked_add(capacity.checked_mul(block)?)? <= end;
        if block < 8 || !inside || end > segment.address + segment.size {
            return None;
        }
        Some(MimallocPage {
            address: segment.address + at.segment_slices + index * at.page_size,
            start,
            block: if at.page_start.is_none() && block >= HUGE_BLOCK { end - start } else { block },
            capacity,
            used: low_bytes(field(at.page_used), at.page_used_size),
            // The low bits of the third list head are flags for freeing by other threads.
            free: [
                field(Mimalloc::PAGE_FREE),
                field(at.page_local_free),
                field(at.page_xthread_free) & !3,
            ],
            tag: HeapId::from_index(tag)?,
            slices,
        })
    }

    /// Returns the number of slices, at least one, of the free span or page with the header
    /// `bytes`.
    pub(crate) fn slice_count(bytes: &[u8]) -> u64 {
        u64::from(half(bytes, Mimalloc::PAGE_SLICE_COUNT as usize)).max(1)
    }
}

/// Returns the low `size` bytes of a word.
fn low_bytes(word: u64, size: u64) -> u64 {
    if size >= 8 { word } else { word & ((1 << (8 * size)) - 1) }
}

/// Returns the layout of the target's mimalloc, and the key in its segments' cookies.
///
/// # Errors
/// [`HeapError::Allocator`] if the threads' heaps have an unknown layout.
pub(crate) fn find_layout(
    python: &Python,
    threads: &[Thread],
) -> Result<(&'static Mimalloc, u64), HeapError> {
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
        missing.map_or("no segment of any thread's heaps can be read", |missing| &missing.why);
    Err(HeapError::Allocator(why.into()))
}

/// Returns the key in the segment cookies of the four heaps of the thread whose allocator state is
/// at `state`.
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
                && let Some(segment) = MimallocSegment::parse(at, address, &head)
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

    /// Returns an `mi_page_t` of 2.1.2.
    fn page_bytes(slices: u32, tag: u8, block: u32, capacity: u16) -> Vec<u8> {
        let mut bytes = vec![0; 96];
        bytes[..4].copy_from_slice(&slices.to_le_bytes());
        bytes[8] = tag << 3;
        bytes[10..12].copy_from_slice(&capacity.to_le_bytes());
        bytes[28..32].copy_from_slice(&block.to_le_bytes());
        bytes
    }

    const SEGMENT_HEADER: MimallocSegment = MimallocSegment {
        address: SEGMENT,
        size: SEGMENT,
        used: 1,
        first: 1,
        entries: SLICES,
        thread: 0,
        cookie: 0,
    };

    #[test]
    fn first_block_matches_mimalloc() {
        // The offset keeps small blocks off the start of a memory page. It is a multiple of the
        // block size.
        for (block, offset) in
            [(8, 24), (48, 144), (64, 192), (80, 80), (512, 512), (640, 0), (8192, 0)]
        {
            assert_eq!(Mimalloc::first_block(0, 0, block), offset, "{block}");
        }
    }

    #[test]
    fn rejects_pages_outside_their_segment() {
        let page =
            |index, bytes: &[u8]| MimallocPage::parse(KNOWN[0], &SEGMENT_HEADER, index, bytes);
        let whole = page(1, &page_bytes(1, 2, 64, 1021)).expect("fits exactly");
        assert_eq!((whole.start, whole.tag), (SEGMENT + SLICE + 192, HeapId::Collected));
        assert_eq!(page(1, &page_bytes(1, 2, 64, 1022)), None, "one block too many");
        assert_eq!(page(511, &page_bytes(2, 2, 64, 10)), None, "past the segment's end");
        assert_eq!(page(1, &page_bytes(1, 9, 64, 10)), None, "no heap has that number");
        assert_eq!(page(1, &page_bytes(0, 2, 64, 10)), None, "inside another page");
        assert_eq!(page(1, &page_bytes(1, 2, 1, 10)), None, "a span that is in use");
        assert_eq!(page(1, &[]), None);
    }
}
