//! Findings about pauses: collections, and stop-the-world pauses of the collector and of others.

use super::{Finding, FindingTopic, MIN_PAUSE_SHARE, ProfileSums};
use crate::model::*;
use rustc_hash::FxHashMap;
use ungil_format::{counted, duration, percent};

impl ProfileSums<'_> {
    /// Returns findings about the time in collections and the time suspended by stop-the-world
    /// pauses. Not only the collector stops the world: `sys.setprofile` for all threads does too. A
    /// pause is attributed to the collector only if it overlaps with a collection.
    pub(super) fn pauses(&self) -> Vec<Finding> {
        let stopped: f64 = self.rows(|of| of == Activity::SUSPENDED).map(|(_, w)| w as f64).sum();
        let collects = |stack| {
            self.profile.leaf_to_root(stack).any(|f| self.profile.function(f).kind == FrameKind::Gc)
        };
        let collecting = self.rows(Activity::is_busy).filter(|(k, _)| collects(k.stack));
        let collecting: f64 = collecting.map(|(_, w)| w as f64).sum();
        let collections = CollectionIntervals::of(&self.profile.pauses);
        let (for_collector, others): (Vec<&Pause>, Vec<&Pause>) =
            self.profile.pauses.iter().partition(|pause| collections.overlap(pause));
        let sum = |pauses: &[&Pause]| {
            let stops = pauses.iter().filter(|pause| pause.kind == PauseKind::StopTheWorld);
            stops.map(|pause| pause.duration_ns as f64).sum::<f64>()
        };
        let (ours, theirs) = (sum(&for_collector), sum(&others));
        let by_others = stopped * if ours + theirs > 0.0 { theirs / (ours + theirs) } else { 0.0 };
        let of = self.profile.header.mode.what();
        let finding = |share: f64, text| Finding { topic: FindingTopic::Pauses, share, text };
        let more = |pauses: &[&Pause]| match pauses.iter().map(|pause| pause.duration_ns).max() {
            Some(longest) => {
                format!(
                    " ({}, the longest {})",
                    counted(pauses.len(), "pause"),
                    duration(longest as f64 / 1e9)
                )
            }
            None => String::new(),
        };
        let stopped = (stopped - by_others) / self.total;
        let (collecting, by_others) = (collecting / self.total, by_others / self.total);
        let share = stopped + collecting;
        let pauses = more(&for_collector);
        let collector = match (stopped >= 0.0005, collecting > 0.0) {
            (true, true) => format!(
                "{} of {of} is spent on garbage collection: {} collecting, {} suspended meanwhile{pauses}",
                percent(share),
                percent(collecting),
                percent(stopped)
            ),
            (true, false) => {
                format!("{} of {of} is suspended by stop-the-world pauses{pauses}", percent(share))
            }
            _ => format!("{} of {of} is garbage collection{pauses}", percent(share)),
        };
        let other = format!(
            "{} of {of} is suspended by stop-the-world pauses outside garbage collection{}",
            percent(by_others),
            more(&others)
        );
        let found = [finding(share, collector), finding(by_others, other)];
        found.into_iter().filter(|finding| finding.share >= MIN_PAUSE_SHARE).collect()
    }
}

/// The collections of a profile: for each process the start times in order, each with the latest
/// end so far.
struct CollectionIntervals(FxHashMap<u32, Vec<(u64, u64)>>);

impl CollectionIntervals {
    fn of(pauses: &[Pause]) -> CollectionIntervals {
        let mut by_process: FxHashMap<u32, Vec<(u64, u64)>> = FxHashMap::default();
        for pause in pauses.iter().filter(|pause| pause.kind == PauseKind::Collection) {
            by_process.entry(pause.pid).or_default().push((pause.start_ns, end_ns(pause)));
        }
        for spans in by_process.values_mut() {
            spans.sort_unstable();
            let mut latest = 0;
            for (_, end) in spans {
                latest = latest.max(*end);
                *end = latest;
            }
        }
        CollectionIntervals(by_process)
    }

    /// Returns whether a pause overlaps with a collection of its process. A collection overlaps
    /// with itself.
    fn overlap(&self, pause: &Pause) -> bool {
        self.0.get(&pause.pid).is_some_and(|spans| {
            let before = spans.partition_point(|&(start, _)| start <= end_ns(pause));
            before.checked_sub(1).is_some_and(|last| spans[last].1 >= pause.start_ns)
        })
    }
}

fn end_ns(pause: &Pause) -> u64 {
    pause.start_ns.saturating_add(pause.duration_ns)
}
