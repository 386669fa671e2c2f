//! What each thread did in order, for the formats with a timeline.

use crate::model::*;
use crate::profile::Profile;
use crate::recording::Recording;
use std::io;

/// Maximum number of runs; viewers cannot handle more.
const MAX_RUNS: usize = 4 << 20;

/// A period in which a thread was seen with one stack and one activity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActivityRun {
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) key: RowKey,
    pub(crate) samples: u64,
    pub(crate) weight: u64,
}

/// Runs by thread, in order.
pub(crate) struct Timeline {
    pub(crate) threads: Vec<Vec<ActivityRun>>,
    /// Samples beyond the maximum.
    pub(crate) left_out: u64,
}

impl Timeline {
    /// Builds the timeline from the recording's samples. If `merge`, consecutive equal samples
    /// without a gap become one run. Without a recording that has an order, each sum is a run, one
    /// after the other.
    pub(crate) fn of(
        profile: &Profile,
        recording: Option<&Recording>,
        merge: bool,
    ) -> io::Result<Timeline> {
        let mut line = Timeline { threads: vec![Vec::new(); profile.threads.len()], left_out: 0 };
        let mut runs = 0;
        match recording.filter(|r| r.timed()) {
            Some(recording) => recording
                .samples(|sample| line.sample(sample, merge, &mut runs))
                .map_err(io::Error::other)?,
            None => {
                for (key, weight) in &profile.rows {
                    let thread = &mut line.threads[key.thread.index()];
                    let start_ns = thread.last().map_or(0, |r| r.end_ns);
                    let end_ns = start_ns.saturating_add(weight.weight);
                    let Weight { samples, weight } = *weight;
                    thread.push(ActivityRun { start_ns, end_ns, key: *key, samples, weight });
                }
            }
        }
        Ok(line)
    }

    fn sample(&mut self, s: &Sample, merge: bool, runs: &mut usize) {
        let Some(thread) = self.threads.get_mut(s.thread.index()) else { return };
        let Sample { at_ns, weight, thread: of, stack, activity, lock, holder } = *s;
        let key = RowKey { thread: of, stack, activity, lock, holder };
        let before = thread.last().map_or(0, |r| r.end_ns);
        let start_ns = at_ns.saturating_sub(weight).max(before);
        let end_ns = at_ns.max(start_ns);
        // A gap of at least one look means that the thread was not seen in between.
        let gap = start_ns - before >= weight.max(1);
        if let Some(last) = thread.last_mut().filter(|r| merge && r.key == key && !gap) {
            last.end_ns = end_ns;
            last.samples += 1;
            last.weight = last.weight.saturating_add(weight);
            return;
        }
        if *runs >= MAX_RUNS {
            self.left_out += 1;
            return;
        }
        *runs += 1;
        thread.push(ActivityRun { start_ns, end_ns, key, samples: 1, weight });
    }

    /// Returns a note for the viewer if samples were left out.
    pub(crate) fn note(&self) -> Option<String> {
        (self.left_out > 0).then(|| {
            format!("the last {} samples are left out: too many for viewers", self.left_out)
        })
    }
}
