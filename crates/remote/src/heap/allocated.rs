//! Free-threaded builds: every object is a mimalloc block, and the block's page tells which kind of
//! block it is.

use super::mimalloc::{self, HeapId, MimallocSegment};
use super::page::PageBlocks;
use super::type_histogram::{TypeHistogram, is_referred_to};
use super::{HeapError, SurveyMonitor, SurveyQuality, segments};
use crate::linux::Region;
use crate::memory::{Memory, ReadError, word};
use crate::python::{Python, Thread};
use rustc_hash::FxHashMap;
use serde::Serialize;

/// Header size in bytes before each block with `PYTHONMALLOC=debug` and `-X dev`
/// (`_PyMem_DebugRawAlloc`).
const DEBUG_HEADER_SIZE: u64 = 16;
/// Offset of `ob_type` in a free-threaded object header.
const OB_TYPE: u64 = 24;
/// Number of live blocks whose types are checked to detect the allocator's debug mode.
const MAX_CHECKED: u64 = 4096;

/// Memory held by mimalloc, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MimallocUsage {
    /// Segments, the unit in which it requests memory from the system.
    pub segments: u64,
    /// Address space of the segments.
    pub reserved: u64,
    /// Resident part of it. `None` if unavailable.
    pub resident: Option<u64>,
    /// Pages; all blocks of a page have the same size.
    pub pages: u64,
    /// Size of the pages.
    pub page_bytes: u64,
    /// Blocks in use.
    pub blocks: u64,
    /// Size of the blocks in use: `page_bytes - block_bytes` is held but unused.
    pub block_bytes: u64,
    /// Blocks in use that are not objects: buffers and tables of objects, and allocations by
    /// extensions.
    pub other_blocks: u64,
    /// Size of those blocks.
    pub other_bytes: u64,
    /// Objects without references: cached for reuse, or about to be freed.
    pub idle_objects: u64,
    /// Size of those objects.
    pub idle_bytes: u64,
}

impl Default for MimallocUsage {
    fn default() -> MimallocUsage {
        MimallocUsage {
            segments: 0,
            reserved: 0,
            resident: Some(0),
            pages: 0,
            page_bytes: 0,
            blocks: 0,
            block_bytes: 0,
            other_blocks: 0,
            other_bytes: 0,
            idle_objects: 0,
            idle_bytes: 0,
        }
    }
}

impl MimallocUsage {
    fn add(&mut self, other: &MimallocUsage) {
        self.segments += other.segments;
        self.reserved += other.reserved;
        self.resident = self.resident.zip(other.resident).map(|(own, other)| own + other);
        self.pages += other.pages;
        self.page_bytes += other.page_bytes;
        self.blocks += other.blocks;
        self.block_bytes += other.block_bytes;
        self.other_blocks += other.other_blocks;
        self.other_bytes += other.other_bytes;
        self.idle_objects += other.idle_objects;
        self.idle_bytes += other.idle_bytes;
    }

    /// Returns the bytes in pages that no block uses.
    #[must_use]
    pub fn unused(&self) -> u64 {
        self.page_bytes.saturating_sub(self.block_bytes)
    }
}

/// Result of a survey of mimalloc.
#[derive(Debug, Default)]
pub(crate) struct MimallocSurvey {
    pub(crate) total: MimallocUsage,
    /// Usage by `pthread_self()`; 0 for ended threads.
    pub(crate) by_thread: FxHashMap<u64, MimallocUsage>,
    pub(crate) look: SurveyQuality,
}

/// Counts the objects of all threads and interpreters, including ended threads.
///
/// # Errors
/// The allocator has an unknown layout; the process ended or may no longer be read.
pub(crate) fn survey(
    python: &Python,
    threads: &[Thread],
    regions: &[Region],
    histogram: &mut TypeHistogram<'_>,
    watch: &mut SurveyMonitor<'_>,
) -> Result<MimallocSurvey, HeapError> {
    let (memory, process) = (python.memory(), python.process());
    let (layout, cookie) = mimalloc::find_layout(python, threads)?;
    let (segments, more) = segments::all(memory, regions, layout, cookie)?;
    let mut found = MimallocSurvey {
        look: SurveyQuality { beyond_bound: more, ..SurveyQuality::default() },
        ..MimallocSurvey::default()
    };
    let mut reader = SegmentReader::new(memory, layout);
    let header = reader.debug_header_size(&segments, histogram)?;
    for (done, segment) in segments.iter().enumerate() {
        if !watch.go_on(done as u64, segments.len() as u64, found.total.blocks) {
            found.look.cut_short = true;
            break;
        }
        let mut sums = MimallocUsage {
            segments: 1,
            reserved: segment.size,
            resident: process.resident(segment.address, segment.address + segment.size),
            ..MimallocUsage::default()
        };
        reader.segment(segment, header, histogram, &mut sums, &mut found.look)?;
        found.total.add(&sums);
        found.by_thread.entry(segment.thread).or_default().add(&sums);
    }
    Ok(found)
}

/// Reads segments one after the other.
pub(crate) struct SegmentReader<'a> {
    memory: &'a dyn Memory,
    layout: &'static cpython_layout::Mimalloc,
    blocks: PageBlocks,
    buffer: Vec<u8>,
}

impl<'a> SegmentReader<'a> {
    pub(crate) fn new(
        memory: &'a dyn Memory,
        layout: &'static cpython_layout::Mimalloc,
    ) -> SegmentReader<'a> {
        SegmentReader { memory, layout, blocks: PageBlocks::default(), buffer: Vec::new() }
    }

    /// Counts the contents of a segment.
    pub(crate) fn segment(
        &mut self,
        segment: &MimallocSegment,
        header: u64,
        histogram: &mut TypeHistogram<'_>,
        sums: &mut MimallocUsage,
        look: &mut SurveyQuality,
    ) -> Result<(), HeapError> {
        let Some(pages) =
            or_gone(segments::pages(self.memory, self.layout, segment, &mut self.buffer))?
        else {
            // The segment was freed since it was listed.
            *sums = MimallocUsage::default();
            return Ok(());
        };
        for page in pages {
            if or_gone(self.blocks.read(self.memory, self.layout, segment, &page))?.is_none() {
                look.gone += 1;
                continue;
            }
            look.torn += u64::from(self.blocks.torn);
            let Some(page) = self.blocks.page else { continue };
            sums.pages += 1;
            sums.page_bytes += page.slices * mimalloc::SLICE;
            sums.blocks += self.blocks.live;
            sums.block_bytes += self.blocks.live * page.block;
            if page.tag == HeapId::Memory {
                sums.other_blocks += self.blocks.live;
                sums.other_bytes += self.blocks.live * page.block;
                continue;
            }
            let object = (page.tag.object_offset() + header) as usize;
            for (_, bytes) in self.blocks.in_use() {
                let head = bytes.get(object..).unwrap_or_default();
                let address = word(head, OB_TYPE as usize);
                if is_referred_to(head) {
                    if !histogram.add(address, page.block) {
                        sums.other_blocks += 1;
                        sums.other_bytes += page.block;
                    }
                } else {
                    sums.idle_objects += 1;
                    sums.idle_bytes += page.block;
                }
            }
        }
        Ok(())
    }

    /// Returns the size of the allocator's debug header: the size for which more blocks of the GC
    /// heaps are objects.
    fn debug_header_size(
        &mut self,
        segments: &[MimallocSegment],
        histogram: &mut TypeHistogram<'_>,
    ) -> Result<u64, HeapError> {
        let (mut plain, mut shifted) = (0_u64, 0_u64);
        'pages: for segment in segments {
            let Some(pages) =
                or_gone(segments::pages(self.memory, self.layout, segment, &mut self.buffer))?
            else {
                continue;
            };
            for page in
                pages.into_iter().filter(|page| page.tag == HeapId::Collected && page.capacity > 0)
            {
                if or_gone(self.blocks.read(self.memory, self.layout, segment, &page))?.is_none() {
                    continue;
                }
                for (_, bytes) in self.blocks.in_use() {
                    plain += u64::from(histogram.add(word(bytes, OB_TYPE as usize), 0));
                    shifted += u64::from(
                        histogram.add(word(bytes, (OB_TYPE + DEBUG_HEADER_SIZE) as usize), 0),
                    );
                }
                if plain + shifted > MAX_CHECKED {
                    break 'pages;
                }
            }
        }
        histogram.clear();
        if plain + shifted == 0 {
            return Err(HeapError::Allocator(
                "no block in the GC heaps has the layout of an object".into(),
            ));
        }
        Ok(if shifted > plain { DEBUG_HEADER_SIZE } else { 0 })
    }
}

/// Maps a local read error, meaning the memory is gone, to `None`.
fn or_gone<T>(read: Result<T, ReadError>) -> Result<Option<T>, HeapError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_local() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
