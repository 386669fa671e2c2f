//! The blocks of one mimalloc page that are in use, while its thread goes on using it.
//!
//! Head, blocks and head again are read by one system call. If both heads are the same and the
//! lists of free blocks add up to what the head says, the look is sound. Otherwise it is repeated.
//! A page that changes at every look is taken as it was found and counted as torn: an object that
//! lived through the look is on none of its lists and its words do not change, so what was made or
//! freed meanwhile is all that can be wrong.

use super::mimalloc::{Page, Segment};
use crate::memory::{Memory, Piece, ReadError, word};
use cpython_layout::Mimalloc;

/// Looks at a page before it is called torn.
const LOOKS: usize = 4;
/// Of blocks longer than this only the beginning is read.
const WHOLE: u64 = 1024;
/// That much: words before the object, its head, its length, and the words of debug builds'
/// allocators.
const BEGINNING: u64 = 96;

/// Room for one page, used again for the next.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    bytes: Vec<u8>,
    stride: usize,
    free: Vec<u64>,
    /// The page as it was found.
    pub(crate) page: Option<Page>,
    /// Blocks in use.
    pub(crate) live: u64,
    /// The looks did not fit together.
    pub(crate) torn: bool,
}

impl Blocks {
    /// Reads a page.
    ///
    /// # Errors
    /// As [`Memory::read`]: the page is gone.
    pub(crate) fn read(
        &mut self,
        memory: &dyn Memory,
        layout: &Mimalloc,
        segment: &Segment,
        page: &Page,
    ) -> Result<(), ReadError> {
        let index = (page.address - segment.address - layout.segment_slices) / layout.page_size;
        let mut page = *page;
        (self.page, self.live) = (None, 0);
        for _ in 0..LOOKS {
            let (before, after) = self.look(memory, layout, &page)?;
            let Some(now) = Page::of(layout, segment, index, &before) else {
                // Freed since it was listed, with all that was in it.
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
            let sound = matches!(listed, Ok([free, local, _]) if now.used == now.capacity.saturating_sub(free + local));
            self.torn = !sound || Page::of(layout, segment, index, &after) != Some(now);
            if !self.torn {
                return Ok(());
            }
        }
        self.torn = true;
        Ok(())
    }

    /// Reads head, blocks and head; gives the heads.
    fn look(
        &mut self,
        memory: &dyn Memory,
        layout: &Mimalloc,
        page: &Page,
    ) -> Result<(Vec<u8>, Vec<u8>), ReadError> {
        let (mut before, mut after) =
            (vec![0; layout.page_size as usize], vec![0; layout.page_size as usize]);
        self.stride = if page.block <= WHOLE { page.block } else { BEGINNING } as usize;
        self.bytes.resize(self.stride * page.capacity as usize, 0);
        let mut pieces = vec![Piece { address: page.address, into: &mut before }];
        if page.block <= WHOLE {
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

    /// Marks the blocks on the free lists; gives the lists' lengths, or `Err` where one leaves the
    /// page or meets itself.
    fn mark(&mut self, page: &Page) -> Result<[u64; 3], ()> {
        self.free.clear();
        self.free.resize((page.capacity as usize).div_ceil(64), 0);
        let mut lengths = [0; 3];
        let mut sound = true;
        for (head, length) in page.free.into_iter().zip(&mut lengths) {
            let mut next = head;
            while next != 0 {
                let offset = next.wrapping_sub(page.start);
                let block = offset / page.block;
                if !offset.is_multiple_of(page.block)
                    || block >= page.capacity
                    || self.is_free(block as usize)
                {
                    sound = false;
                    break;
                }
                self.free[block as usize / 64] |= 1 << (block % 64);
                *length += 1;
                next = word(&self.bytes, block as usize * self.stride);
            }
        }
        if sound { Ok(lengths) } else { Err(()) }
    }

    fn marked(&self) -> u64 {
        self.free.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    fn is_free(&self, block: usize) -> bool {
        self.free[block / 64] >> (block % 64) & 1 == 1
    }

    /// The blocks in use: where each is, and its bytes as far as they were read.
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
