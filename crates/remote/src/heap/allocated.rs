//! Free-threaded builds: every object is a block of mimalloc's, and the block's page says what kind
//! of block it is.

use super::mimalloc::{self, Segment, Tag};
use super::page::Blocks;
use super::type_histogram::{Census, is_referred_to};
use super::{Error, Look, Watch, segments};
use crate::linux::Region;
use crate::memory::{Memory, ReadError, word};
use crate::python::{Python, Thread};
use rustc_hash::FxHashMap;
use serde::Serialize;

/// Two words before each block under `PYTHONMALLOC=debug` and `-X dev` (`_PyMem_DebugRawAlloc`).
const DEBUG_SHIFT: u64 = 16;
/// `ob_type` of an object under such a build's head.
const OB_TYPE: u64 = 24;
/// Live blocks whose types are tried before it is decided whether the allocator is in debug mode.
const TRIED: u64 = 4096;

/// What mimalloc holds, in bytes, and how much of it is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Mimalloc {
    /// Segments, which are what it asks the system for.
    pub segments: u64,
    /// Address space they take.
    pub reserved: u64,
    /// As much of that as is in memory. `None` where the system does not say.
    pub resident: Option<u64>,
    /// Pages of blocks, all blocks of a page alike.
    pub pages: u64,
    /// What those pages take.
    pub page_bytes: u64,
    /// Blocks in use.
    pub blocks: u64,
    /// What those take: `page_bytes - block_bytes` is held and used by nobody.
    pub block_bytes: u64,
    /// Blocks in use that are not objects: the buffers and tables of objects, and what extensions
    /// asked for.
    pub other_blocks: u64,
    /// What those take.
    pub other_bytes: u64,
    /// Objects nothing refers to: kept to be used again, or about to be freed.
    pub idle_objects: u64,
    /// What those take.
    pub idle_bytes: u64,
}

impl Default for Mimalloc {
    fn default() -> Mimalloc {
        Mimalloc {
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

impl Mimalloc {
    fn add(&mut self, other: &Mimalloc) {
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

    /// In pages and used by nobody, bytes.
    #[must_use]
    pub fn unused(&self) -> u64 {
        self.page_bytes.saturating_sub(self.block_bytes)
    }
}

/// What a look at mimalloc found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) total: Mimalloc,
    /// By `pthread_self()`; 0 for what ended threads left.
    pub(crate) by_thread: FxHashMap<u64, Mimalloc>,
    pub(crate) look: Look,
}

/// Counts every object of every thread and interpreter, also of threads that ended.
///
/// # Errors
/// The allocator is none that is known; the process ended or may not be read any more.
pub(crate) fn survey(
    python: &Python,
    threads: &[Thread],
    regions: &[Region],
    census: &mut Census<'_>,
    watch: &mut Watch<'_>,
) -> Result<Found, Error> {
    let (memory, process) = (python.memory(), python.process());
    let (layout, cookie) = mimalloc::find(python, threads)?;
    let (segments, more) = segments::all(memory, regions, layout, cookie)?;
    let mut found =
        Found { look: Look { beyond_bound: more, ..Look::default() }, ..Found::default() };
    let mut reader = Reader::new(memory, layout);
    let shift = reader.shift(&segments, census)?;
    for (done, segment) in segments.iter().enumerate() {
        if !watch.go_on(done as u64, segments.len() as u64, found.total.blocks) {
            found.look.cut_short = true;
            break;
        }
        let mut sums = Mimalloc {
            segments: 1,
            reserved: segment.size,
            resident: process.resident(segment.address, segment.address + segment.size),
            ..Mimalloc::default()
        };
        reader.segment(segment, shift, census, &mut sums, &mut found.look)?;
        found.total.add(&sums);
        found.by_thread.entry(segment.thread).or_default().add(&sums);
    }
    Ok(found)
}

/// Reads segment after segment.
pub(crate) struct Reader<'a> {
    memory: &'a dyn Memory,
    layout: &'static cpython_layout::Mimalloc,
    blocks: Blocks,
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        memory: &'a dyn Memory,
        layout: &'static cpython_layout::Mimalloc,
    ) -> Reader<'a> {
        Reader { memory, layout, blocks: Blocks::default(), buffer: Vec::new() }
    }

    /// Counts what is in a segment.
    pub(crate) fn segment(
        &mut self,
        segment: &Segment,
        shift: u64,
        census: &mut Census<'_>,
        sums: &mut Mimalloc,
        look: &mut Look,
    ) -> Result<(), Error> {
        let Some(pages) =
            here(segments::pages(self.memory, self.layout, segment, &mut self.buffer))?
        else {
            // Given back since it was listed, with all that was in it.
            *sums = Mimalloc::default();
            return Ok(());
        };
        for page in pages {
            if here(self.blocks.read(self.memory, self.layout, segment, &page))?.is_none() {
                look.gone += 1;
                continue;
            }
            look.torn += u64::from(self.blocks.torn);
            let Some(page) = self.blocks.page else { continue };
            sums.pages += 1;
            sums.page_bytes += page.slices * mimalloc::SLICE;
            sums.blocks += self.blocks.live;
            sums.block_bytes += self.blocks.live * page.block;
            if page.tag == Tag::Memory {
                sums.other_blocks += self.blocks.live;
                sums.other_bytes += self.blocks.live * page.block;
                continue;
            }
            let object = (page.tag.before() + shift) as usize;
            for (_, bytes) in self.blocks.in_use() {
                let head = bytes.get(object..).unwrap_or_default();
                let address = word(head, OB_TYPE as usize);
                if is_referred_to(head) {
                    if !census.add(address, page.block) {
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

    /// Bytes the allocator puts before each block for itself: what makes more blocks of the
    /// collector's be objects.
    fn shift(&mut self, segments: &[Segment], census: &mut Census<'_>) -> Result<u64, Error> {
        let (mut plain, mut shifted) = (0_u64, 0_u64);
        'tried: for segment in segments {
            let Some(pages) =
                here(segments::pages(self.memory, self.layout, segment, &mut self.buffer))?
            else {
                continue;
            };
            for page in
                pages.into_iter().filter(|page| page.tag == Tag::Collected && page.capacity > 0)
            {
                if here(self.blocks.read(self.memory, self.layout, segment, &page))?.is_none() {
                    continue;
                }
                for (_, bytes) in self.blocks.in_use() {
                    plain += u64::from(census.add(word(bytes, OB_TYPE as usize), 0));
                    shifted +=
                        u64::from(census.add(word(bytes, (OB_TYPE + DEBUG_SHIFT) as usize), 0));
                }
                if plain + shifted > TRIED {
                    break 'tried;
                }
            }
        }
        census.clear();
        if plain + shifted == 0 {
            return Err(Error::Allocator(
                "no block its collector's heaps have is an object of a known layout".into(),
            ));
        }
        Ok(if shifted > plain { DEBUG_SHIFT } else { 0 })
    }
}

/// What was read, or `None` where it is not there any more.
fn here<T>(read: Result<T, ReadError>) -> Result<Option<T>, Error> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_local() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
