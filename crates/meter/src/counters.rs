//! Monotonic counters of a process tree: CPU time, page faults, context switches.

use rustix::time::{ClockId, clock_gettime};

/// The counters of a process tree at one moment. The difference of two is what was used in between.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counters {
    /// Time of reading, in nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// CPU seconds in user mode (split by the kernel's ticks, with a resolution of 1 to 10 ms).
    pub user_s: f64,
    /// CPU seconds in the kernel.
    pub system_s: f64,
    /// Total CPU seconds, from the scheduler's clock where available.
    pub cpu_s: f64,
    /// Page faults without I/O.
    pub minor_faults: u64,
    /// Page faults with I/O.
    pub major_faults: u64,
    /// Context switches because a thread waited.
    pub voluntary_switches: u64,
    /// Context switches because a thread was preempted.
    pub involuntary_switches: u64,
}

impl Counters {
    /// Returns the sum of two trees' counters; the time is the later one.
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

    /// Returns what was used since `earlier`; `at_ns` becomes the length of the window.
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

/// Returns the current time of `CLOCK_MONOTONIC`, the clock of Python's `time.monotonic_ns()`.
pub fn monotonic_ns() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// Returns the CPU seconds used by this process.
pub fn own_cpu_s() -> f64 {
    nanoseconds(ClockId::ProcessCPUTime) as f64 / 1e9
}

/// Returns the CPU seconds used by the calling thread.
pub fn thread_cpu_s() -> f64 {
    nanoseconds(ClockId::ThreadCPUTime) as f64 / 1e9
}
