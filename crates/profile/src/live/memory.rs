//! Memory use of the process. RSS is cheap and read for every view; PSS, USS and swap are expensive
//! and read at intervals that keep their cost within a budget.

use super::view::MemoryView;
use std::time::{Duration, Instant};

/// Share of one core that reading PSS may take. The kernel locks the target's memory map meanwhile.
const BUDGET: f64 = 0.003;
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Caches the expensive figures between views.
#[derive(Debug, Default)]
pub(super) struct MemoryMeter {
    shares: Option<(Instant, ungil_meter::Shares)>,
    next: Option<Instant>,
    refused: bool,
    last: MemoryView,
}

impl MemoryMeter {
    /// Returns current memory use; PSS, USS and swap are as old as `shares_age_s` says.
    pub(super) fn look(&mut self, pid: i32) -> MemoryView {
        let now = Instant::now();
        if self.next.is_none_or(|next| now >= next) {
            let shares = ungil_meter::process_shares(pid);
            self.refused = shares.is_none();
            self.shares = shares.map(|shares| (now, shares));
            self.next = Some(
                now + (now.elapsed().div_f64(BUDGET)).clamp(MIN_INTERVAL, Duration::from_secs(60)),
            );
        }
        let shares = self.shares.map(|(_, shares)| shares);
        self.last = MemoryView {
            rss_bytes: ungil_meter::process_rss(pid),
            rss_peak_bytes: ungil_meter::process_rss_peak(pid),
            pss_bytes: shares.map(|shares| shares.pss),
            uss_bytes: shares.map(|shares| shares.uss),
            swap_bytes: shares.map(|shares| shares.swap),
            shares_age_s: self.shares.map(|(read, _)| now.duration_since(read).as_secs_f64()),
            missing: self.refused.then(|| "smaps_rollup is not readable".to_string()),
        };
        self.last.clone()
    }

    /// Returns the last figures read, for a process that has ended.
    pub(super) fn last(&self) -> MemoryView {
        self.last.clone()
    }
}
