//! Chooses how many items a worker claims at a time. It starts with one and measures: a chunk
//! should take long enough that claiming it costs nothing, and be short enough that the work stays
//! balanced until the end. So ten million items of 50 ns are claimed by the thousand, and items of
//! one second one by one. A chunk that turns out to take long is returned halfway.

use std::time::{Duration, Instant};
use ungil_sync::pool::ChunkDispenser;

/// Target duration of a chunk.
const TARGET_DURATION: Duration = Duration::from_micros(200);
/// Duration after which the rest of a chunk is returned.
const MAX_DURATION: Duration = Duration::from_millis(1);
/// Maximum ratio of the sizes of two consecutive chunks.
const MAX_GROWTH: usize = 8;
/// Maximum number of items between two clock readings.
const MAX_STRIDE: usize = 512;

/// One worker's chunk size, adapted to its measurements.
pub(super) struct ChunkSize {
    fixed: bool,
    size: usize,
    /// Number of items between clock readings.
    stride: usize,
}

/// Measures one chunk.
pub(super) struct ChunkTimer {
    start: Instant,
    last: Instant,
    done: usize,
    next_check: usize,
}

impl ChunkSize {
    /// Chunks of `grain` items, or of an adaptive number.
    pub(super) fn new(grain: Option<usize>) -> Self {
        Self { fixed: grain.is_some(), size: grain.unwrap_or(1), stride: 1 }
    }

    /// Returns how many items to claim: at most half of an equal part of the unclaimed items for
    /// each of `workers` workers.
    pub(super) fn next_size(&self, chunks: &ChunkDispenser, workers: usize) -> usize {
        if self.fixed {
            self.size
        } else {
            self.size.min(chunks.unclaimed() / (2 * workers)).max(1)
        }
    }

    pub(super) fn start_chunk(&self) -> ChunkTimer {
        let now = Instant::now();
        ChunkTimer { start: now, last: now, done: 0, next_check: self.stride }
    }

    /// Records one item as done. Returns true if the chunk has taken too long.
    #[inline]
    pub(super) fn item_done(&mut self, timer: &mut ChunkTimer) -> bool {
        timer.done += 1;
        if timer.done < timer.next_check || self.fixed {
            return false;
        }
        let now = Instant::now();
        let since = now - timer.last;
        if since * 16 < TARGET_DURATION {
            self.stride = (self.stride * 2).min(MAX_STRIDE);
        } else if since * 2 > TARGET_DURATION {
            self.stride = (self.stride / 4).max(1);
        }
        timer.last = now;
        timer.next_check = timer.done + self.stride;
        now - timer.start > MAX_DURATION
    }

    /// Adapts the chunk size after a chunk.
    pub(super) fn finish_chunk(&mut self, timer: &ChunkTimer) {
        if self.fixed || timer.done == 0 {
            return;
        }
        let elapsed = timer.start.elapsed().as_nanos().max(1);
        let fitting = TARGET_DURATION.as_nanos() * timer.done as u128 / elapsed;
        self.size = usize::try_from(fitting)
            .unwrap_or(usize::MAX)
            .clamp(1, timer.done.saturating_mul(MAX_GROWTH));
    }
}
