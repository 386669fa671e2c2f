//! Finds all mimalloc segments of a process by address.
//!
//! A thread's pages are linked in lists that change with nearly every allocation, and pages of
//! ended threads are in other lists, so following lists while they change is unreliable. But each
//! page lies in a segment, and each segment starts at a multiple of 32 MiB with a header that
//! contains its own address XORed with a shared key. Checking every multiple of 32 MiB finds the
//! segments of live and ended threads and of all interpreters.

use super::mimalloc::{MimallocPage, MimallocSegment, SEGMENT};
use crate::linux::Region;
use crate::memory::{Memory, Piece, ReadError};
use cpython_layout::Mimalloc;

/// Maximum number of addresses checked: 32 TiB.
const MAX_ADDRESSES: usize = 1 << 20;
/// Number of addresses checked with one call.
const BATCH: usize = 64;
/// Maximum number of attempts to read a segment whose page count is inconsistent.
const MAX_ATTEMPTS: usize = 4;

/// Returns the segments of a process in address order, and whether there are more addresses than
/// are checked.
///
/// # Errors
/// The process ended or may no longer be read.
pub(crate) fn all(
    memory: &dyn Memory,
    regions: &[Region],
    layout: &Mimalloc,
    cookie: u64,
) -> Result<(Vec<MimallocSegment>, bool), ReadError> {
    let mut addresses = Vec::new();
    for region in regions.iter().filter(|region| region.writable && region.file.is_none()) {
        let first = region.start.next_multiple_of(SEGMENT);
        let count = region.end.saturating_sub(first).div_ceil(SEGMENT) as usize;
        let left = MAX_ADDRESSES.saturating_sub(addresses.len());
        addresses.extend((0..count.min(left) as u64).map(|index| first + index * SEGMENT));
        if count > left {
            return Ok((read(memory, &addresses, layout, cookie)?, true));
        }
    }
    Ok((read(memory, &addresses, layout, cookie)?, false))
}

fn read(
    memory: &dyn Memory,
    addresses: &[u64],
    layout: &Mimalloc,
    cookie: u64,
) -> Result<Vec<MimallocSegment>, ReadError> {
    let size = layout.segment_slices as usize;
    let mut heads = vec![0; size * BATCH];
    let mut found = Vec::new();
    let mut rest = addresses;
    while !rest.is_empty() {
        let now = &rest[..rest.len().min(BATCH)];
        let mut pieces: Vec<Piece<'_>> = now
            .iter()
            .zip(heads.chunks_exact_mut(size))
            .map(|(&address, into)| Piece { address, into })
            .collect();
        let whole = memory.read_many(&mut pieces)?;
        for (&address, head) in now.iter().zip(heads.chunks_exact(size)).take(whole) {
            // `used` is 0 if the segment was freed but its bytes are still there.
            let segment = MimallocSegment::parse(layout, address, head);
            found.extend(
                segment.filter(|segment| segment.cookie ^ address == cookie && segment.used > 0),
            );
        }
        // Skip what cannot be read: memory may have been unmapped since the regions were listed.
        rest = &rest[(whole + usize::from(whole < now.len())).min(rest.len())..];
    }
    Ok(found)
}

/// Returns the used pages of a segment. The page array may change while it is read; then it is read
/// again, and the result with the most pages is used.
///
/// # Errors
/// As [`Memory::read`]: the segment no longer exists.
pub(crate) fn pages(
    memory: &dyn Memory,
    layout: &Mimalloc,
    segment: &MimallocSegment,
    buffer: &mut Vec<u8>,
) -> Result<Vec<MimallocPage>, ReadError> {
    let mut best = Vec::new();
    for _ in 0..MAX_ATTEMPTS {
        buffer.resize(
            layout.segment_slices as usize + (segment.entries * layout.page_size) as usize,
            0,
        );
        memory.read(segment.address, buffer)?;
        let used =
            MimallocSegment::parse(layout, segment.address, buffer).map_or(0, |now| now.used);
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

fn listed(layout: &Mimalloc, segment: &MimallocSegment, bytes: &[u8]) -> Vec<MimallocPage> {
    let mut found = Vec::new();
    let mut index = segment.first;
    while index < segment.entries {
        let at = layout.segment_slices as usize + (index * layout.page_size) as usize;
        let head = bytes.get(at..).unwrap_or_default();
        found.extend(MimallocPage::parse(layout, segment, index, head));
        index += MimallocPage::slice_count(head);
    }
    found
}
