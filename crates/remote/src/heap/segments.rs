//! Every mimalloc segment of a process, found by its address.
//!
//! A thread's pages hang together by lists that change with nearly every allocation, and those of
//! an ended thread by others again: whoever follows them while they change loses the thread. But
//! each page lies in a segment, and each segment starts at a multiple of 32 MiB with a head that
//! carries its own address under a number all share. So the address space is asked at every such
//! multiple; live and ended threads, and all interpreters, come out alike.

use super::mimalloc::{Page, SEGMENT, Segment};
use crate::linux::Region;
use crate::memory::{Memory, Piece, ReadError};
use cpython_layout::Mimalloc;

/// Addresses that are asked: 32 TiB.
const MOST: usize = 1 << 20;
/// Addresses asked in one call.
const TOGETHER: usize = 64;
/// Looks at a segment whose pages do not add up to the number it says.
const LOOKS: usize = 4;

/// The segments of a process, in the order of their addresses. The second value says whether there
/// was more to ask than is asked.
///
/// # Errors
/// The process ended or may not be read any more.
pub(crate) fn all(
    memory: &dyn Memory,
    regions: &[Region],
    layout: &Mimalloc,
    cookie: u64,
) -> Result<(Vec<Segment>, bool), ReadError> {
    let mut places = Vec::new();
    for region in regions.iter().filter(|region| region.writable && region.file.is_none()) {
        let first = region.start.next_multiple_of(SEGMENT);
        let count = region.end.saturating_sub(first).div_ceil(SEGMENT) as usize;
        let left = MOST.saturating_sub(places.len());
        places.extend((0..count.min(left) as u64).map(|index| first + index * SEGMENT));
        if count > left {
            return Ok((read(memory, &places, layout, cookie)?, true));
        }
    }
    Ok((read(memory, &places, layout, cookie)?, false))
}

fn read(
    memory: &dyn Memory,
    places: &[u64],
    layout: &Mimalloc,
    cookie: u64,
) -> Result<Vec<Segment>, ReadError> {
    let size = layout.segment_slices as usize;
    let mut heads = vec![0; size * TOGETHER];
    let mut found = Vec::new();
    let mut rest = places;
    while !rest.is_empty() {
        let now = &rest[..rest.len().min(TOGETHER)];
        let mut pieces: Vec<Piece<'_>> = now
            .iter()
            .zip(heads.chunks_exact_mut(size))
            .map(|(&address, into)| Piece { address, into })
            .collect();
        let whole = memory.read_many(&mut pieces)?;
        for (&address, head) in now.iter().zip(heads.chunks_exact(size)).take(whole) {
            // `used` is 0 where the segment was given back and only its bytes are still there.
            let segment = Segment::of(layout, address, head);
            found.extend(
                segment.filter(|segment| segment.cookie ^ address == cookie && segment.used > 0),
            );
        }
        // What cannot be read is skipped: memory may be unmapped since the regions were listed.
        rest = &rest[(whole + usize::from(whole < now.len())).min(rest.len())..];
    }
    Ok(found)
}

/// The pages of a segment that are in use. Under load a look may catch the array of pages while it
/// changes; it is then repeated, and the fullest look counts.
///
/// # Errors
/// As [`Memory::read`]: the segment is gone.
pub(crate) fn pages(
    memory: &dyn Memory,
    layout: &Mimalloc,
    segment: &Segment,
    buffer: &mut Vec<u8>,
) -> Result<Vec<Page>, ReadError> {
    let mut best = Vec::new();
    for _ in 0..LOOKS {
        buffer.resize(
            layout.segment_slices as usize + (segment.entries * layout.page_size) as usize,
            0,
        );
        memory.read(segment.address, buffer)?;
        let used = Segment::of(layout, segment.address, buffer).map_or(0, |now| now.used);
        let found = listed(layout, segment, buffer);
        let complete = found.len() as u64 == used;
        if found.len() > best.len() {
            best = found;
        }
        if complete {
            break;
        }
    }
    Ok(best)
}

fn listed(layout: &Mimalloc, segment: &Segment, bytes: &[u8]) -> Vec<Page> {
    let mut found = Vec::new();
    let mut index = segment.first;
    while index < segment.entries {
        let at = layout.segment_slices as usize + (index * layout.page_size) as usize;
        let head = bytes.get(at..).unwrap_or_default();
        found.extend(Page::of(layout, segment, index, head));
        index += Page::step(head);
    }
    found
}
