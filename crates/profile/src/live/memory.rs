//! Memory of the process: what is cheap at every view, what is dear as seldom as keeps its cost
//! under a bound.

use super::view::MemoryView;
use std::time::{Duration, Instant};

/// Share of one core that reading PSS may take: the target's memory map is locked meanwhile.
const BUDGET: f64 = 0.003;
/// Never more often than this.
const SOONEST: Duration = Duration::from_secs(1);

/// Remembers what was dear.
#[derive(Debug, Default)]
pub(super) struct Memory {
    shares: Option<(Instant, ungil_meter::Shares)>,
    next: Option<Instant>,
    refused: bool,
    last: MemoryView,
}

impl Memory {
    /// Memory as it is now, the shares as they were when last read.
    pub(super) fn look(&mut self, pid: i32) -> MemoryView {
        let now = Instant::now();
        if self.next.is_none_or(|next| now >= next) {
            let shares = ungil_meter::process_shares(pid);
            self.refused = shares.is_none();
            self.shares = shares.map(|shares| (now, shares));
            self.next =
                Some(now + (now.elapsed().div_f64(BUDGET)).clamp(SOONEST, Duration::from_secs(60)));
        }
        let shares = self.shares.map(|(_, shares)| shares);
        self.last = MemoryView {
            rss_bytes: ungil_meter::process_rss(pid),
            rss_peak_bytes: ungil_meter::process_rss_peak(pid),
            pss_bytes: shares.map(|shares| shares.pss),
            uss_bytes: shares.map(|shares| shares.uss),
            swap_bytes: shares.map(|shares| shares.swap),
            shares_age_s: self.shares.map(|(read, _)| now.duration_since(read).as_secs_f64()),
            missing: self.refused.then(|| "its smaps_rollup may not be read".to_string()),
        };
        self.last.clone()
    }

    /// What was seen last, of a process that is gone.
    pub(super) fn last(&self) -> MemoryView {
        self.last.clone()
    }
}
