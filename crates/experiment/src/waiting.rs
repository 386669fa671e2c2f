//! Measures how long the threads of a workload's interpreters wait for locks, the GIL and
//! stop-the-world pauses, and how long the garbage collector runs. The processes are sampled from
//! outside while the workload runs, by the thread that also samples memory, at a rate that keeps
//! the cost within a budget.
//!
//! Waiting is *sampled*: a sample represents the time since the previous one. The collector's time
//! is reported by the interpreter itself from 3.15 on, and sampled before. A process that is not a
//! Python costs one search of its writable data for each program that it executes.

mod target;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use target::{PythonTarget, SampleStatus};
use ungil_meter::{monotonic_ns, thread_cpu_s};
use ungil_remote::{Arrival, AttachError};

/// Share of one core that sampling may use. Together with the two kinds of memory samples it stays
/// under 1 %.
const CPU_BUDGET: f64 = 0.003;
/// Minimum time between samples.
const MIN_INTERVAL: Duration = Duration::from_millis(5);
/// Maximum time between samples.
const MAX_INTERVAL: Duration = Duration::from_secs(1);
/// Time after which a process that is not a Python (yet) is tried again; it doubles with each
/// attempt.
const MIN_RETRY: Duration = Duration::from_millis(20);
/// Maximum time between attempts: any program may execute another.
const MAX_RETRY: Duration = Duration::from_secs(1);
/// Maximum number of processes of a tree that are sampled.
const MAX_PROCESSES: usize = 256;

/// The reason why there are no figures for a tree without a Python.
const NO_PYTHON: &str = "none of its processes is CPython 3.13 or later";

/// A process of the tree.
enum TreeMember {
    /// A Python.
    Python(Box<PythonTarget>),
    /// Not a Python, or not yet.
    Other { arrival: Arrival, again: Instant, pause: Duration },
    /// A process that may not be read, or whose layout is not known.
    Refused,
}

impl TreeMember {
    /// Creates a member that may be or become a Python, to be tried at `again`.
    fn other(pid: i32, again: Instant) -> TreeMember {
        TreeMember::Other { arrival: Arrival::new(pid.unsigned_abs()), again, pause: MIN_RETRY }
    }
}

/// Sums over the tree, in seconds of the window and in thread-seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WaitSums {
    /// Thread-seconds spent waiting for locks.
    pub(crate) lock_s: f64,
    /// Thread-seconds spent waiting for the GIL.
    pub(crate) gil_s: f64,
    /// Seconds of garbage collection.
    pub(crate) collector_s: f64,
    /// Seconds of stop-the-world pauses, including the time until all threads stopped.
    pub(crate) stopped_s: f64,
    /// Number of samples of Pythons.
    pub(crate) samples: u64,
}

/// Samples the Pythons of a tree.
pub(crate) struct WaitSampler {
    members: HashMap<i32, TreeMember>,
    next: Instant,
    counting: bool,
    done: WaitSums,
    refused: Option<String>,
    seen: bool,
    stopped_unknown: bool,
}

impl Default for WaitSampler {
    fn default() -> WaitSampler {
        WaitSampler {
            members: HashMap::new(),
            next: Instant::now(),
            counting: true,
            done: WaitSums::default(),
            refused: None,
            seen: false,
            stopped_unknown: false,
        }
    }
}

impl WaitSampler {
    /// Returns when the next sample is due.
    pub(crate) fn due(&self) -> Instant {
        self.next
    }

    /// Updates the members of the tree.
    pub(crate) fn members(&mut self, pids: &[i32]) {
        for gone in self
            .members
            .iter()
            .filter(|(pid, _)| !pids.contains(pid))
            .map(|(&pid, _)| pid)
            .collect::<Vec<_>>()
        {
            if let Some(TreeMember::Python(target)) = self.members.remove(&gone) {
                self.done = self.done.plus(&target.sums());
            }
        }
        let now = Instant::now();
        for &pid in pids.iter().take(MAX_PROCESSES) {
            self.members.entry(pid).or_insert_with(|| TreeMember::other(pid, now));
        }
    }

    /// Starts a window while the workload waits. Unless it is the `first`, the sums of earlier
    /// windows are kept; time between windows does not count.
    pub(crate) fn begin(&mut self, pids: &[i32], first: bool) {
        self.members(pids);
        // Pythons that were not sampled yet must be attached before the window starts.
        let now = Instant::now();
        for member in self.members.values_mut() {
            if let TreeMember::Other { arrival, again, .. } = member {
                arrival.hurry();
                *again = now;
            }
        }
        self.attach(now);
        if first {
            self.done = WaitSums::default();
        }
        (self.counting, self.next) = (true, now + MIN_INTERVAL);
        let at_ns = monotonic_ns();
        self.done = self.members.values_mut().fold(self.done, |sums, member| match member {
            TreeMember::Python(target) => sums.plus(&target.begin(at_ns, first)),
            _ => sums,
        });
    }

    /// Ends a window while the workload waits. The state of the last sample is taken to last until
    /// the end. `span` is the start and end of the window according to the workload, in nanoseconds
    /// of the monotonic clock.
    pub(crate) fn end(&mut self, span: Option<(u64, u64)>) {
        if !self.counting {
            return;
        }
        self.counting = false;
        self.next = Instant::now() + Duration::from_secs(3600);
        let at_ns = monotonic_ns();
        for member in self.members.values_mut() {
            if let TreeMember::Python(target) = member {
                target.end(at_ns, span);
            }
        }
    }

    /// Samples every Python.
    pub(crate) fn sample(&mut self) {
        let now = Instant::now();
        // A process's runtime is searched for once per program. The search is part of the reported
        // cost, but does not affect the sampling rate.
        self.attach(now);
        let cpu_s = thread_cpu_s();
        for (&pid, member) in &mut self.members {
            let TreeMember::Python(target) = member else { continue };
            match target.sample(monotonic_ns()) {
                SampleStatus::Complete => {}
                SampleStatus::NoPauses => self.stopped_unknown = true,
                SampleStatus::Gone => {
                    self.done = self.done.plus(&target.sums());
                    *member = TreeMember::other(pid, now);
                }
            }
        }
        let cost = (thread_cpu_s() - cpu_s).max(0.0);
        let gap =
            Duration::from_secs_f64((cost / CPU_BUDGET).min(1.0)).clamp(MIN_INTERVAL, MAX_INTERVAL);
        self.next = now + gap;
    }

    /// Attaches to the members that are not yet classified and are due at `now`.
    fn attach(&mut self, now: Instant) {
        let from_ns = self.counting.then(monotonic_ns);
        for (&pid, member) in &mut self.members {
            let TreeMember::Other { arrival, again, pause } = member else { continue };
            if now < *again {
                continue;
            }
            match arrival.poll() {
                Ok(Some(python)) => {
                    self.seen = true;
                    *member = TreeMember::Python(Box::new(PythonTarget::new(python, from_ns)));
                }
                Err(AttachError::Denied { why, .. }) => {
                    self.refused.get_or_insert(format!("process {pid} may not be read: {why}"));
                    *member = TreeMember::Refused;
                }
                Err(AttachError::Layout { why, .. }) => {
                    self.refused.get_or_insert(why);
                    *member = TreeMember::Refused;
                }
                Ok(None) | Err(_) => (*again, *pause) = (now + *pause, (*pause * 2).min(MAX_RETRY)),
            }
        }
    }

    /// Returns the sums up to now.
    pub(crate) fn sums(&self) -> WaitSums {
        let mut sums = self.done;
        for member in self.members.values() {
            if let TreeMember::Python(target) = member {
                sums = sums.plus(&target.sums());
            }
        }
        sums
    }

    /// Stores the figures under their keys, or why there are none.
    pub(crate) fn metrics(
        &self,
        metrics: &mut BTreeMap<String, f64>,
        missing: &mut BTreeMap<String, String>,
    ) {
        let sums = self.sums();
        let why = match &self.refused {
            Some(why) => Some(why.clone()),
            None if !self.seen => Some(NO_PYTHON.into()),
            None if sums.samples == 0 => {
                Some("the run is too short to be sampled within the budget".into())
            }
            None => None,
        };
        let no_pauses =
            "the location of stop-the-world pauses is not known for this patch release".to_string();
        let rows = [
            ("lock_wait_s", sums.lock_s, None),
            ("gil_wait_s", sums.gil_s, None),
            ("gc_s", sums.collector_s, None),
            ("stop_world_s", sums.stopped_s, self.stopped_unknown.then_some(no_pauses)),
        ];
        for (key, value, own) in rows {
            match why.clone().or(own) {
                Some(why) => drop(missing.insert(key.into(), why)),
                None => drop(metrics.insert(key.into(), value)),
            }
        }
    }
}

impl WaitSums {
    /// Adds two sums.
    pub(crate) fn plus(&self, other: &WaitSums) -> WaitSums {
        WaitSums {
            lock_s: self.lock_s + other.lock_s,
            gil_s: self.gil_s + other.gil_s,
            collector_s: self.collector_s + other.collector_s,
            stopped_s: self.stopped_s + other.stopped_s,
            samples: self.samples + other.samples,
        }
    }
}
