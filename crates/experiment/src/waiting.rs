//! What the threads of a workload's Pythons wait for: locks, the GIL, the collector, a stopped
//! world. Looked at from outside while the workload runs, by the same thread that looks at its
//! memory, and as seldom as keeps the cost under its budget.
//!
//! Waiting is *sampled*: a look stands for the time since the one before it. The collector's time
//! is the interpreter's own from 3.15 on, and sampled before. A process that is not a Python costs
//! one search through its writable data for each program it runs.

mod target;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use target::{Seen, Target};
use ungil_meter::{monotonic_ns, thread_cpu_s};
use ungil_remote::{Arrival, AttachError};

/// Share of one core that looks may use: with the two kinds of looks at memory, under 1 %.
const BUDGET: f64 = 0.003;
/// Never more often than this.
const SHORTEST: Duration = Duration::from_millis(5);
/// Never less often than this.
const LONGEST: Duration = Duration::from_secs(1);
/// A process that is no Python (yet) is tried again after this time, and then after twice as long
/// each time,
const RETRY: Duration = Duration::from_millis(20);
/// but never after more than this: any program may start another in its place.
const LONGEST_RETRY: Duration = Duration::from_secs(1);
/// Processes of one tree that are looked into.
const MOST: usize = 256;

/// Why there are no figures of a tree without a Python.
const NO_PYTHON: &str = "no CPython of 3.13 or later was seen among its processes";

/// A member of the tree.
enum Member {
    /// A Python.
    Python(Box<Target>),
    /// Not one, or not one yet.
    Other { arrival: Arrival, again: Instant, pause: Duration },
    /// One that may not be read, or whose layout is not known.
    Refused,
}

impl Member {
    /// A process that may be or become a Python, to be asked at `again`.
    fn other(pid: i32, again: Instant) -> Member {
        Member::Other { arrival: Arrival::new(pid.unsigned_abs()), again, pause: RETRY }
    }
}

/// Sums over the tree, in seconds of the window and thread-seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    /// Thread-seconds spent waiting for locks.
    pub(crate) lock_s: f64,
    /// Thread-seconds spent waiting for the GIL.
    pub(crate) gil_s: f64,
    /// Seconds the collectors took.
    pub(crate) collector_s: f64,
    /// Seconds the world was stopped or stopping.
    pub(crate) stopped_s: f64,
    /// Looks at Pythons.
    pub(crate) looks: u64,
}

/// Looks at a tree's Pythons on a schedule of its own making.
pub(crate) struct Waiting {
    members: HashMap<i32, Member>,
    next: Instant,
    counting: bool,
    done: Sums,
    refused: Option<String>,
    seen: bool,
    stopped_unknown: bool,
}

impl Default for Waiting {
    fn default() -> Waiting {
        Waiting {
            members: HashMap::new(),
            next: Instant::now(),
            counting: true,
            done: Sums::default(),
            refused: None,
            seen: false,
            stopped_unknown: false,
        }
    }
}

impl Waiting {
    /// When the next look is due.
    pub(crate) fn due(&self) -> Instant {
        self.next
    }

    /// Takes in who belongs to the tree.
    pub(crate) fn members(&mut self, pids: &[i32]) {
        for gone in self
            .members
            .iter()
            .filter(|(pid, _)| !pids.contains(pid))
            .map(|(&pid, _)| pid)
            .collect::<Vec<_>>()
        {
            if let Some(Member::Python(target)) = self.members.remove(&gone) {
                self.done = self.done.plus(&target.sums());
            }
        }
        let now = Instant::now();
        for &pid in pids.iter().take(MOST) {
            self.members.entry(pid).or_insert_with(|| Member::other(pid, now));
        }
    }

    /// A window begins, with the workload standing still: what was before it does not count.
    pub(crate) fn begin(&mut self, pids: &[i32], first: bool) {
        self.members(pids);
        // Pythons that no look has come to yet are to be known before the window opens.
        let now = Instant::now();
        for member in self.members.values_mut() {
            if let Member::Other { arrival, again, .. } = member {
                arrival.hurry();
                *again = now;
            }
        }
        self.attach(now);
        if first {
            self.done = Sums::default();
        }
        (self.counting, self.next) = (true, now + SHORTEST);
        let at_ns = monotonic_ns();
        self.done = self.members.values_mut().fold(self.done, |sums, member| match member {
            Member::Python(target) => sums.plus(&target.begin(at_ns, first)),
            _ => sums,
        });
    }

    /// A window ends, with the workload standing still: what the last look found is taken to have
    /// lasted. `span` is when the workload itself says that the window began and ended, in
    /// nanoseconds of the monotonic clock.
    pub(crate) fn end(&mut self, span: Option<(u64, u64)>) {
        if !self.counting {
            return;
        }
        self.counting = false;
        self.next = Instant::now() + Duration::from_secs(3600);
        let at_ns = monotonic_ns();
        for member in self.members.values_mut() {
            if let Member::Python(target) = member {
                target.end(at_ns, span);
            }
        }
    }

    /// A look at every Python there is.
    pub(crate) fn look(&mut self) {
        let now = Instant::now();
        // Finding a process's runtime is done once a program; it is in the cost that is stated, and
        // not in the pace.
        self.attach(now);
        let cpu_s = thread_cpu_s();
        for (&pid, member) in &mut self.members {
            let Member::Python(target) = member else { continue };
            match target.look(monotonic_ns()) {
                Seen::Well => {}
                Seen::Unsound => self.stopped_unknown = true,
                Seen::Over => {
                    self.done = self.done.plus(&target.sums());
                    *member = Member::other(pid, now);
                }
            }
        }
        let cost = (thread_cpu_s() - cpu_s).max(0.0);
        let gap = Duration::from_secs_f64((cost / BUDGET).min(1.0)).clamp(SHORTEST, LONGEST);
        self.next = now + gap;
    }

    /// Attaches to the members of which it is not known yet what they are and that are due at
    /// `now`.
    fn attach(&mut self, now: Instant) {
        let from_ns = self.counting.then(monotonic_ns);
        for (&pid, member) in &mut self.members {
            let Member::Other { arrival, again, pause } = member else { continue };
            if now < *again {
                continue;
            }
            match arrival.poll() {
                Ok(Some(python)) => {
                    self.seen = true;
                    *member = Member::Python(Box::new(Target::new(python, from_ns)));
                }
                Err(AttachError::Denied { why, .. }) => {
                    self.refused
                        .get_or_insert(format!("process {pid} may not be looked into: {why}"));
                    *member = Member::Refused;
                }
                Err(AttachError::Layout { why, .. }) => {
                    self.refused.get_or_insert(why);
                    *member = Member::Refused;
                }
                Ok(None) | Err(_) => {
                    (*again, *pause) = (now + *pause, (*pause * 2).min(LONGEST_RETRY))
                }
            }
        }
    }

    /// Everything up to now.
    pub(crate) fn sums(&self) -> Sums {
        let mut sums = self.done;
        for member in self.members.values() {
            if let Member::Python(target) = member {
                sums = sums.plus(&target.sums());
            }
        }
        sums
    }

    /// Writes the figures under their keys, or why there are none.
    pub(crate) fn metrics(
        &self,
        metrics: &mut BTreeMap<String, f64>,
        missing: &mut BTreeMap<String, String>,
    ) {
        let sums = self.sums();
        let why = match &self.refused {
            Some(why) => Some(why.clone()),
            None if !self.seen => Some(NO_PYTHON.into()),
            None if sums.looks == 0 => Some("too short for a look within the budget".into()),
            None => None,
        };
        let unsound =
            "this patch release keeps stop-the-world pauses where they cannot be found".to_string();
        let rows = [
            ("lock_wait_s", sums.lock_s, None),
            ("gil_wait_s", sums.gil_s, None),
            ("gc_s", sums.collector_s, None),
            ("stop_world_s", sums.stopped_s, self.stopped_unknown.then_some(unsound)),
        ];
        for (key, value, own) in rows {
            match why.clone().or(own) {
                Some(why) => drop(missing.insert(key.into(), why)),
                None => drop(metrics.insert(key.into(), value)),
            }
        }
    }
}

impl Sums {
    /// Both together.
    pub(crate) fn plus(&self, other: &Sums) -> Sums {
        Sums {
            lock_s: self.lock_s + other.lock_s,
            gil_s: self.gil_s + other.gil_s,
            collector_s: self.collector_s + other.collector_s,
            stopped_s: self.stopped_s + other.stopped_s,
            looks: self.looks + other.looks,
        }
    }
}
