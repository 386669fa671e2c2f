//! Counters that only grow: CPU time, page faults, context switches, at one moment.

use rustix::time::{ClockId, clock_gettime};

/// What a process tree had spent at one moment. Two of them subtract to what a phase spent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counters {
    /// When it was read, nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// CPU seconds in user mode (kernel's tick-based split, 1 to 10 ms fine).
    pub user_s: f64,
    /// CPU seconds in the kernel.
    pub system_s: f64,
    /// CPU seconds in all, from the scheduler's clock where there is one.
    pub cpu_s: f64,
    /// Page faults served without I/O.
    pub minor_faults: u64,
    /// Page faults that needed I/O.
    pub major_faults: u64,
    /// Context switches because a thread had to wait.
    pub voluntary_switches: u64,
    /// Context switches because its time was up.
    pub involuntary_switches: u64,
}

impl Counters {
    /// The sum of two trees' counters; the later moment.
    pub fn plus(&self, other: &Counters) -> Counters {
        Counters {
            at_ns: self.at_ns.max(other.at_ns),
            user_s: self.user_s + other.user_s,
            system_s: self.system_s + other.system_s,
            cpu_s: self.cpu_s + other.cpu_s,
            minor_faults: self.minor_faults + other.minor_faults,
            major_faults: self.major_faults + other.major_faults,
            voluntary_switches: self.voluntary_switches + other.voluntary_switches,
            involuntary_switches: self.involuntary_switches + other.involuntary_switches,
        }
    }

    /// What was spent since `earlier`; `at_ns` becomes the length of the window.
    pub fn since(&self, earlier: &Counters) -> Counters {
        Counters {
            at_ns: self.at_ns.saturating_sub(earlier.at_ns),
            user_s: (self.user_s - earlier.user_s).max(0.0),
            system_s: (self.system_s - earlier.system_s).max(0.0),
            cpu_s: (self.cpu_s - earlier.cpu_s).max(0.0),
            minor_faults: self.minor_faults.saturating_sub(earlier.minor_faults),
            major_faults: self.major_faults.saturating_sub(earlier.major_faults),
            voluntary_switches: self.voluntary_switches.saturating_sub(earlier.voluntary_switches),
            involuntary_switches: self
                .involuntary_switches
                .saturating_sub(earlier.involuntary_switches),
        }
    }
}

fn nanoseconds(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Now on `CLOCK_MONOTONIC`, the clock of Python's `time.monotonic_ns()`.
pub fn monotonic_ns() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// CPU seconds this process has used: what the measuring itself costs.
pub fn own_cpu_s() -> f64 {
    nanoseconds(ClockId::ProcessCPUTime) as f64 / 1e9
}

/// CPU seconds the calling thread has used.
pub fn thread_cpu_s() -> f64 {
    nanoseconds(ClockId::ThreadCPUTime) as f64 / 1e9
}
