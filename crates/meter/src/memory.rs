//! Samples the memory of a tree over time, at a bounded and reported cost.
//!
//! RSS, VMS, processes and threads come from `/proc/PID/stat`, which is cheap enough for many
//! samples per second. PSS, USS and swap come from `smaps_rollup`, which costs 14 to 17 ms per
//! resident GiB and holds the target's memory-map lock meanwhile; it is read at checkpoints and
//! otherwise only as often as the budget allows. Peaks are of the *simultaneous* sum.

use crate::linux::proc;
use crate::{Tree, thread_cpu_s};
use std::time::{Duration, Instant};

/// Share of one core that each kind of sampling may use.
const CPU_BUDGET: f64 = 0.003;
/// Minimum time between samples.
const MIN_INTERVAL: Duration = Duration::from_millis(10);
/// Maximum time between samples.
const MAX_INTERVAL: Duration = Duration::from_secs(1);

/// Memory of a whole tree at one moment, in bytes. PSS, USS and swap are `None` if they were not
/// read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident set; pages shared between members count once for each.
    pub rss: u64,
    /// Address space.
    pub vms: u64,
    /// Proportional set: a page shared by n processes counts 1/n for each.
    pub pss: Option<u64>,
    /// Unique set: pages no other process maps.
    pub uss: Option<u64>,
    /// Swapped out.
    pub swap: Option<u64>,
    /// Number of living processes.
    pub processes: u64,
    /// Number of their threads.
    pub threads: u64,
}

/// The largest simultaneous sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peaks {
    /// The peak of each field separately.
    pub peak: Memory,
    /// The resident set when the largest PSS was read, which shows how close to the peak that was.
    pub rss_at_pss: u64,
    /// Number of samples.
    pub samples: u64,
    /// Number of samples that read PSS and USS.
    pub share_samples: u64,
    /// Whether a member's `smaps_rollup` could not be read, so that PSS, USS and swap of the tree
    /// are not known.
    pub unreadable: bool,
}

/// Samples a tree's memory.
#[derive(Debug)]
pub struct MemorySampler {
    began: Instant,
    next: Instant,
    next_share: Instant,
    share_gap: Duration,
    share_spent_s: f64,
    seconds_per_byte: f64,
    peaks: Peaks,
    tracked: Option<TrackedProcess>,
}

/// A process and its smallest resident set of all samples.
#[derive(Debug, Clone, Copy)]
struct TrackedProcess {
    pid: i32,
    min_rss: u64,
}

impl Default for MemorySampler {
    fn default() -> MemorySampler {
        MemorySampler::new()
    }
}

impl MemorySampler {
    /// Creates a sampler whose first sample is due now and whose first PSS is due after 50 ms.
    pub fn new() -> MemorySampler {
        let now = Instant::now();
        MemorySampler {
            began: now,
            next: now,
            next_share: now + Duration::from_millis(50),
            share_gap: Duration::from_millis(50),
            share_spent_s: 0.0,
            seconds_per_byte: 16e-3 / (1u64 << 30) as f64,
            peaks: Peaks::default(),
            tracked: None,
        }
    }

    /// Returns when the next sample is due.
    pub fn due(&self) -> Instant {
        self.next
    }

    /// Resets the peaks, at the beginning of a phase.
    pub fn reset(&mut self) {
        let now = Instant::now();
        self.peaks = Peaks::default();
        self.tracked = None;
        (self.began, self.share_spent_s) = (now, 0.0);
        self.share_gap = Duration::from_millis(50);
        self.next_share = now + self.share_gap;
    }

    /// Returns the peaks since the last [`MemorySampler::reset`].
    pub fn peaks(&self) -> Peaks {
        self.peaks
    }

    /// Tracks the smallest resident set of a process from now until the next [`MemorySampler::reset`].
    pub fn track(&mut self, pid: i32) {
        self.tracked = Some(TrackedProcess { pid, min_rss: crate::process_rss(pid) });
    }

    /// Returns the smallest resident set of the tracked process, in bytes; 0 if none is tracked.
    pub fn min_rss_of_tracked(&self) -> u64 {
        self.tracked.map_or(0, |f| f.min_rss)
    }

    /// Takes a scheduled sample. It includes PSS, USS and swap only if they are due and within
    /// budget. Returns the members.
    pub fn sample(&mut self, tree: &Tree) -> Vec<i32> {
        let began = Instant::now();
        let cpu = thread_cpu_s();
        let members = tree.members();
        let (mut memory, owners) = self.resident(&members);
        if began >= self.next_share && self.affordable(&memory) {
            self.shares(&owners, &mut memory);
        }
        self.record(&memory);
        let cost = (thread_cpu_s() - cpu).max(0.0);
        let gap =
            Duration::from_secs_f64((cost / CPU_BUDGET).min(1.0)).clamp(MIN_INTERVAL, MAX_INTERVAL);
        self.next = began + gap;
        members
    }

    /// Takes a sample with PSS, USS and swap regardless of the cost, while the workload waits.
    pub fn checkpoint(&mut self, tree: &Tree) -> Memory {
        let members = tree.members();
        let (mut memory, owners) = self.resident(&members);
        self.shares(&owners, &mut memory);
        self.record(&memory);
        memory
    }

    /// Returns RSS, VMS and counts of the living members, and the members with their own address
    /// space.
    fn resident(&mut self, members: &[i32]) -> (Memory, Vec<i32>) {
        let page = procfs::page_size();
        let mut sum = Memory::default();
        let stats = proc::stats(members);
        let owners = proc::owners(&stats);
        for stat in stats.iter().filter(|s| owners.contains(&s.pid)) {
            sum.rss += stat.rss * page;
            sum.vms += stat.vsize;
        }
        for stat in &stats {
            sum.processes += 1;
            sum.threads += u64::try_from(stat.num_threads).unwrap_or(0);
            if let Some(tracked) = self.tracked.as_mut().filter(|f| f.pid == stat.pid) {
                tracked.min_rss = tracked.min_rss.min(stat.rss * page);
            }
        }
        (sum, owners)
    }

    fn affordable(&self, memory: &Memory) -> bool {
        let predicted = memory.rss as f64 * self.seconds_per_byte;
        self.share_spent_s + predicted <= CPU_BUDGET * self.began.elapsed().as_secs_f64()
    }

    fn shares(&mut self, members: &[i32], memory: &mut Memory) {
        let began = Instant::now();
        let (mut pss, mut uss, mut swap) = (0, 0, 0);
        for &pid in members {
            match proc::shares(pid) {
                Some(s) => (pss, uss, swap) = (pss + s.pss, uss + s.uss, swap + s.swap),
                // A zombie or exited process is ignored; a living one that is unreadable
                // invalidates the sum.
                None if proc::stat(pid).is_some_and(|s| s.state != 'Z' && s.rss > 0) => {
                    self.peaks.unreadable = true;
                }
                None => {}
            }
        }
        if !self.peaks.unreadable {
            (memory.pss, memory.uss, memory.swap) = (Some(pss), Some(uss), Some(swap));
        }
        let took = began.elapsed();
        self.share_spent_s += took.as_secs_f64();
        if memory.rss > 0 {
            self.seconds_per_byte = took.as_secs_f64() / memory.rss as f64;
        }
        self.share_gap = (self.share_gap * 2).min(MAX_INTERVAL);
        self.next_share = Instant::now() + self.share_gap;
    }

    fn record(&mut self, memory: &Memory) {
        let peaks = &mut self.peaks;
        peaks.samples += 1;
        if let Some(pss) = memory.pss {
            peaks.share_samples += 1;
            if peaks.peak.pss.is_none_or(|old| pss >= old) {
                peaks.rss_at_pss = memory.rss;
            }
        }
        let peak = &mut peaks.peak;
        peak.rss = peak.rss.max(memory.rss);
        peak.vms = peak.vms.max(memory.vms);
        peak.pss = peak.pss.max(memory.pss);
        peak.uss = peak.uss.max(memory.uss);
        peak.swap = peak.swap.max(memory.swap);
        peak.processes = peak.processes.max(memory.processes);
        peak.threads = peak.threads.max(memory.threads);
    }
}
