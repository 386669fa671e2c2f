//! The threads of a sampled process: which there are, their names, and what is cached about them.

use super::*;
use crate::capture::kernel_view::KernelFile;
use rustc_hash::FxHashMap;
use ungil_remote::parking::monotonic_ns;
use ungil_remote::sample::{LookResult, ThreadSlot};

/// Interval of reading the name of a thread without one, in nanoseconds: it may be set after the
/// start.
const NAME_INTERVAL_NS: u64 = 200_000_000;

/// A thread being sampled, and what is known about it.
pub(super) struct SampledThread {
    key: (u64, u32),
    pub(super) row: ThreadId,
    pub(super) is_wanted: bool,
    is_named: bool,
    asked_ns: u64,
    pub(super) stacks: ThreadStack,
    pub(super) task: ThreadTask,
    pub(super) kernel: KernelFile,
    pub(super) last_ns: u64,
    /// The wait that was counted last, by its target and start time, and the time up to which it
    /// was counted.
    began: Option<(BlockedOn, i64)>,
    pub(super) counted_ns: u64,
    /// The last resolved wait: what the thread sleeps on, the result, and the number of attempts.
    pub(super) wait: Option<(BlockedOn, Option<ResolvedWait>, u8)>,
    /// The last known holder of what it waits for.
    pub(super) holder: Option<(LockId, Option<FrameId>)>,
}

impl ProcessSampler {
    /// Updates the known threads and drops cached code that has changed.
    pub(super) fn update_threads(
        &mut self,
        look: LookResult,
        at_ns: u64,
        options: &CaptureOptions,
        builder: &mut Builder,
    ) {
        if look.stale {
            self.frame_table.forget();
            self.locks.forget();
            self.tracks.iter_mut().for_each(|track| track.stacks.forget());
        }
        if look.changed || self.tracks.len() != self.sampler.threads().len() {
            let old = std::mem::take(&mut self.tracks);
            let mut old: FxHashMap<(u64, u32), SampledThread> =
                old.into_iter().map(|track| (track.key, track)).collect();
            let last_ns = self.last_ns;
            self.tracks = self
                .sampler
                .threads()
                .iter()
                .map(|slot| {
                    let key = (slot.thread.address, slot.thread.native_id);
                    old.remove(&key).unwrap_or_else(|| {
                        let row = builder.thread(self.pid, slot.thread.native_id, "");
                        SampledThread {
                            key,
                            row,
                            is_wanted: options.threads.is_empty(),
                            is_named: false,
                            asked_ns: 0,
                            stacks: ThreadStack::default(),
                            task: ThreadTask::default(),
                            kernel: KernelFile::default(),
                            last_ns,
                            began: None,
                            counted_ns: last_ns,
                            wait: None,
                            holder: None,
                        }
                    })
                })
                .collect();
        }
        self.locks.next_look();
        for (slot, track) in self.sampler.threads().iter().zip(&mut self.tracks) {
            if !track.is_named
                && (track.asked_ns == 0 || at_ns.saturating_sub(track.asked_ns) > NAME_INTERVAL_NS)
            {
                track.asked_ns = at_ns.max(1);
                let name = thread_name(slot, &self.sampler, self.pid);
                track.is_named = name.is_some();
                track.row =
                    builder.thread(self.pid, slot.thread.native_id, &name.unwrap_or_default());
                // A thread inside another interpreter keeps the name it had outside.
                let profile = builder.so_far();
                let name = profile.string(profile.threads[track.row.index()].name);
                let id = slot.thread.native_id.to_string();
                track.is_wanted = options.threads.is_empty()
                    || options.threads.iter().any(|want| want == name || *want == id);
            }
        }
    }
}

impl SampledThread {
    /// Returns how long a wait had lasted when it was first seen; 0 for a wait that was seen
    /// before. The runtime stores when a lock wait began, so a lock profile loses no time between
    /// the previous look and the one that first identified the wait.
    pub(super) fn newly_seen_wait_ns(&mut self, blocked: Option<Blocked>, at_ns: u64) -> u64 {
        let Some((on, since)) = blocked.and_then(|blocked| Some((blocked.on, blocked.since_ns?)))
        else {
            return 0;
        };
        if self.began.replace((on, since)) == Some((on, since)) {
            return 0;
        }
        let lasted = u64::try_from(monotonic_ns().saturating_sub(since)).unwrap_or(0);
        // Count neither time before the profile nor any time twice.
        lasted.min(at_ns.saturating_sub(self.counted_ns))
    }
}

/// Returns the name that the program gave a thread.
fn thread_name(slot: &ThreadSlot, sampler: &Sampler, pid: u32) -> Option<String> {
    if slot.thread.native_id == pid {
        return Some("MainThread".into());
    }
    let python = sampler.python();
    let stack = python.stack(&slot.thread).ok()?;
    python.objects().thread_name(&stack.frames).filter(|name| !name.is_empty())
}
