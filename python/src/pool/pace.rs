//! How many items a worker claims at a time. It begins with one and measures: a share should take
//! long enough that claiming it costs nothing, and be short enough that the work is shared to its
//! end. So ten million items of 50 ns go by thousands, and items of a second one by one; and a
//! share that turns out long is given back halfway.

use std::time::{Duration, Instant};
use ungil_sync::pool::ChunkDispenser;

/// How long a share should take.
const SHARE: Duration = Duration::from_micros(200);
/// From when on the rest of a share is given back.
const LONG: Duration = Duration::from_millis(1);
/// A share is at most so many times the one before.
const GROWTH: usize = 8;
/// Items between two looks at the clock, at most.
const STRIDE: usize = 512;

/// One worker's measure.
pub(super) struct Pace {
    fixed: bool,
    size: usize,
    stride: usize,
}

/// The clock of one share.
pub(super) struct Lap {
    begun: Instant,
    last: Instant,
    done: usize,
    look_at: usize,
}

impl Pace {
    /// Shares of `grain` items, or measured ones.
    pub(super) fn new(grain: Option<usize>) -> Self {
        Self { fixed: grain.is_some(), size: grain.unwrap_or(1), stride: 1 }
    }

    /// How many to claim: no more than a fair part of what is left for that many workers.
    pub(super) fn size(&self, split: &ChunkDispenser, workers: usize) -> usize {
        if self.fixed { self.size } else { self.size.min(split.unclaimed() / (2 * workers)).max(1) }
    }

    pub(super) fn begin(&self) -> Lap {
        let now = Instant::now();
        Lap { begun: now, last: now, done: 0, look_at: self.stride }
    }

    /// After each item: whether the share has taken too long.
    #[inline]
    pub(super) fn step(&mut self, lap: &mut Lap) -> bool {
        lap.done += 1;
        if lap.done < lap.look_at || self.fixed {
            return false;
        }
        let now = Instant::now();
        let since = now - lap.last;
        if since * 16 < SHARE {
            self.stride = (self.stride * 2).min(STRIDE);
        } else if since * 2 > SHARE {
            self.stride = (self.stride / 4).max(1);
        }
        lap.last = now;
        lap.look_at = lap.done + self.stride;
        now - lap.begun > LONG
    }

    /// After the share: the next one's size.
    pub(super) fn end(&mut self, lap: &Lap) {
        if self.fixed || lap.done == 0 {
            return;
        }
        let took = lap.begun.elapsed().as_nanos().max(1);
        let fitting = SHARE.as_nanos() * lap.done as u128 / took;
        self.size = usize::try_from(fitting)
            .unwrap_or(usize::MAX)
            .clamp(1, lap.done.saturating_mul(GROWTH));
    }
}
