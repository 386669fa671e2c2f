//! Finds the used blocks of one mimalloc page while its thread keeps allocating.
//!
//! Header, blocks and header again are read by one system call. If both headers are equal and the
//! free lists add up to the header's count, the result is consistent. Otherwise it is repeated. A
//! page that changes in every attempt is used as read and counted as torn: an object that existed
//! throughout is on no free list and its words do not change, so only blocks allocated or freed
//! meanwhile can be wrong.

use super::mimalloc::{MimallocPage, MimallocSegment};
use crate::memory::{Memory, Piece, ReadError, word};
use cpython_layout::Mimalloc;

/// Number of attempts before a page is torn.
const MAX_ATTEMPTS: usize = 4;
/// Of larger blocks, only the beginning is read.
const MAX_WHOLE_BLOCK: u64 = 1024;
/// Number of bytes read of a larger block: pre-header, object header, length, and the header of
/// debug builds' allocators.
const BLOCK_PREFIX: u64 = 96;

/// Buffers for one page, reused for the next.
#[derive(Debug, Default)]
pub(crate) struct PageBlocks {
    bytes: Vec<u8>,
    stride: usize,
    free: Vec<u64>,
    /// The page as read.
    pub(crate) page: Option<MimallocPage>,
    /// Number of used blocks.
    pub(crate) live: u64,
    /// The attempts were inconsistent.
    pub(crate) torn: bool,
}

impl PageBlocks {
    /// Reads a page.
    ///
    /// # Errors
    /// As [`Memory::read`]: the page no longer exists.
    pub(crate) fn read(
        &mut self,
        memory: &dyn Memory,
        layout: &Mimalloc,
        segment: &MimallocSegment,
        page: &MimallocPage,
    ) -> Result<(), ReadError> {
        let index = (page.address - segment.address - layout.segment_slices) / layout.page_size;
        let mut page = *page;
        (self.page, self.live) = (None, 0);
        for _ in 0..MAX_ATTEMPTS {
            let (before, after) = self.read_once(memory, layout, &page)?;
            let Some(now) = MimallocPage::parse(layout, segment, index, &before) else {
                // The page was freed since it was listed.
                self.torn = false;
                return Ok(());
            };
            if now.start != page.start || now.block != page.block || now.capacity > page.capacity {
                page = now;
                continue;
            }
            let listed = self.mark(&now);
            self.page = Some(now);
            self.live = now
                .capacity
                .saturating_sub(listed.map_or_else(|_| self.marked(), |[a, b, c]| a + b + c));
            let consistent = matches!(listed, Ok([free, local, _]) if now.used == now.capacity.saturating_sub(free + local));
            self.torn =
                !consistent || MimallocPage::parse(layout, segment, index, &after) != Some(now);
            if !self.torn {
                return Ok(());
            }
        }
        self.torn = true;
        Ok(())
    }

    /// Reads header, blocks and header. Returns both headers.
    fn read_once(
        &mut self,
        memory: &dyn Memory,
        layout: &Mimalloc,
        page: &MimallocPage,
    ) -> Result<(Vec<u8>, Vec<u8>), ReadError> {
        let (mut before, mut after) =
            (vec![0; layout.page_size as usize], vec![0; layout.page_size as usize]);
        self.stride =
            if page.block <= MAX_WHOLE_BLOCK { page.block } else { BLOCK_PREFIX } as usize;
        self.bytes.resize(self.stride * page.capacity as usize, 0);
        let mut pieces = vec![Piece { address: page.address, into: &mut before }];
        if page.block <= MAX_WHOLE_BLOCK {
            pieces.push(Piece { address: page.start, into: &mut self.bytes });
        } else {
            let starts = (0..page.capacity).map(|block| page.start + block * page.block);
            let parts = self.bytes.chunks_exact_mut(self.stride);
            pieces.extend(starts.zip(parts).map(|(address, into)| Piece { address, into }));
        }
        pieces.push(Piece { address: page.address, into: &mut after });
        let wanted = pieces.len();
        if memory.read_many(&mut pieces)? < wanted {
            return Err(ReadError::Unexpected(page.start));
        }
        Ok((before, after))
    }

    /// Marks the blocks on the free lists. Returns the lengths of the lists, or `Err` if one leaves
    /// the page or has a cycle.
    fn mark(&mut self, page: &MimallocPage) -> Result<[u64; 3], ()> {
        self.free.clear();
        self.free.resize((page.capacity as usize).div_ceil(64), 0);
        let mut lengths = [0; 3];
        let mut consistent = true;
        for (head, length) in page.free.into_iter().zip(&mut lengths) {
            let mut next = head;
            while next != 0 {
                let offset = next.wrapping_sub(page.start);
                let block = offset / page.block;
                if !offset.is_multiple_of(page.block)
                    || block >= page.capacity
                    || self.is_free(block as usize)
                {
                    consistent = false;
                    break;
                }
                self.free[block as usize / 64] |= 1 << (block % 64);
                *length += 1;
                next = word(&self.bytes, block as usize * self.stride);
            }
        }
        if consistent { Ok(lengths) } else { Err(()) }
    }

    fn marked(&self) -> u64 {
        self.free.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    fn is_free(&self, block: usize) -> bool {
        self.free[block / 64] >> (block % 64) & 1 == 1
    }

    /// Iterates over the used blocks: address, and the bytes that were read.
    pub(crate) fn in_use(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let (start, block) = self.page.map_or((0, 0), |page| (page.start, page.block));
        let capacity = self.page.map_or(0, |page| page.capacity as usize);
        self.bytes
            .chunks_exact(self.stride.max(1))
            .take(capacity)
            .enumerate()
            .filter(|&(index, _)| !self.is_free(index))
            .map(move |(index, bytes)| (start + index as u64 * block, bytes))
    }
}
