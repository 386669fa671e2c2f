//! What pauses take: collections, and stop-the-world pauses of the collector and of others.

use super::{Finding, PAUSES_MEAN, Sums, Topic};
use crate::model::*;
use rustc_hash::FxHashMap;
use ungil_format::{counted, duration, percent};

impl Sums<'_> {
    /// Time suspended by stop-the-world pauses, and time collecting. The collector is not the only
    /// one that stops the world: `sys.setprofile` in all threads does too, and a pause is the
    /// collector's only if it collected meanwhile.
    pub(super) fn pauses(&self) -> Vec<Finding> {
        let stopped: f64 = self.rows(|of| of == Activity::SUSPENDED).map(|(_, w)| w as f64).sum();
        let collects = |stack| {
            self.profile.leaf_to_root(stack).any(|f| self.profile.function(f).kind == Kind::Gc)
        };
        let collecting = self.rows(Activity::is_busy).filter(|(k, _)| collects(k.stack));
        let collecting: f64 = collecting.map(|(_, w)| w as f64).sum();
        let collections = Collections::of(&self.profile.pauses);
        let (for_collector, others): (Vec<&Pause>, Vec<&Pause>) =
            self.profile.pauses.iter().partition(|pause| collections.overlap(pause));
        let sum = |pauses: &[&Pause]| {
            let stops = pauses.iter().filter(|pause| pause.kind == PauseKind::StopTheWorld);
            stops.map(|pause| pause.duration_ns as f64).sum::<f64>()
        };
        let (ours, theirs) = (sum(&for_collector), sum(&others));
        let by_others = stopped * if ours + theirs > 0.0 { theirs / (ours + theirs) } else { 0.0 };
        let of = self.profile.header.mode.what();
        let finding = |share: f64, text| Finding { topic: Topic::Pauses, share, text };
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
                "{} of {of} goes to garbage collection: {} collects, {} is suspended for it{pauses}",
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
            "{} of {of} is suspended by stop-the-world pauses that are not the collector's{}",
            percent(by_others),
            more(&others)
        );
        let found = [finding(share, collector), finding(by_others, other)];
        found.into_iter().filter(|finding| finding.share >= PAUSES_MEAN).collect()
    }
}

/// The collections of a profile: for each process its starts in order, each with the latest end so
/// far.
struct Collections(FxHashMap<u32, Vec<(u64, u64)>>);

impl Collections {
    fn of(pauses: &[Pause]) -> Collections {
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
        Collections(by_process)
    }

    /// Returns whether a pause overlaps with a collection of its process; every collection does.
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
