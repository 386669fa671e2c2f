//! Memory of a tree over time, at a cost that is bounded and stated.
//!
//! RSS, VMS, processes and threads come from `/proc/PID/stat`, cheap enough for many looks a
//! second. PSS, USS and swap come from `smaps_rollup`, which costs 14 to 17 ms a resident GiB and
//! holds the target's memory-map lock meanwhile; it is read at checkpoints and otherwise only as
//! often as the budget allows. Peaks are of the *simultaneous* sum.

use crate::linux::proc;
use crate::{Tree, thread_cpu_s};
use std::time::{Duration, Instant};

/// Share of one core that sampling may use, each kind of probe for itself.
const BUDGET: f64 = 0.003;
/// Never more often than this.
const SHORTEST: Duration = Duration::from_millis(10);
/// Never less often than this.
const LONGEST: Duration = Duration::from_secs(1);

/// Memory of a whole tree at one moment, in bytes. Shares are `None` where they were not read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident set, pages shared between members counted once for each.
    pub rss: u64,
    /// Address space.
    pub vms: u64,
    /// Proportional set: a page shared by n processes counts 1/n for each.
    pub pss: Option<u64>,
    /// Unique set: pages no other process maps.
    pub uss: Option<u64>,
    /// Swapped out.
    pub swap: Option<u64>,
    /// Living processes.
    pub processes: u64,
    /// Their threads.
    pub threads: u64,
}

/// The largest simultaneous sum seen of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peaks {
    /// Each field is the peak of its own series.
    pub peak: Memory,
    /// The resident set at the moment PSS was read when it was largest: how near that moment was to
    /// the peak.
    pub rss_at_pss: u64,
    /// Looks taken.
    pub samples: u64,
    /// Looks that read PSS and USS.
    pub share_samples: u64,
    /// A member's `smaps_rollup` could not be read: PSS, USS and swap of the tree are void.
    pub unreadable: bool,
}

/// Looks at a tree's memory on a schedule of its own making.
#[derive(Debug)]
pub struct Sampler {
    began: Instant,
    next: Instant,
    next_share: Instant,
    share_gap: Duration,
    share_spent_s: f64,
    seconds_per_byte: f64,
    peaks: Peaks,
    followed: Option<Followed>,
}

/// One process and the smallest resident set any look found it with.
#[derive(Debug, Clone, Copy)]
struct Followed {
    pid: i32,
    least_rss: u64,
}

impl Default for Sampler {
    fn default() -> Sampler {
        Sampler::new()
    }
}

impl Sampler {
    /// A sampler whose first look is due at once and whose first shares are due after 50 ms.
    pub fn new() -> Sampler {
        let now = Instant::now();
        Sampler {
            began: now,
            next: now,
            next_share: now + Duration::from_millis(50),
            share_gap: Duration::from_millis(50),
            share_spent_s: 0.0,
            seconds_per_byte: 16e-3 / (1u64 << 30) as f64,
            peaks: Peaks::default(),
            followed: None,
        }
    }

    /// When the next look is due.
    pub fn due(&self) -> Instant {
        self.next
    }

    /// Forgets the peaks seen so far: a phase begins.
    pub fn reset(&mut self) {
        let now = Instant::now();
        self.peaks = Peaks::default();
        self.followed = None;
        (self.began, self.share_spent_s) = (now, 0.0);
        self.share_gap = Duration::from_millis(50);
        self.next_share = now + self.share_gap;
    }

    /// What has been seen since the last [`Sampler::reset`].
    pub fn peaks(&self) -> Peaks {
        self.peaks
    }

    /// Keeps the smallest resident set of one process from now until the next [`Sampler::reset`].
    pub fn follow(&mut self, pid: i32) {
        self.followed = Some(Followed { pid, least_rss: crate::process_rss(pid) });
    }

    /// The smallest resident set of the followed process, in bytes; 0 if none is followed.
    pub fn least_rss_of_followed(&self) -> u64 {
        self.followed.map_or(0, |f| f.least_rss)
    }

    /// A look on schedule: shares only if they are due and within budget. Gives the members it saw.
    pub fn look(&mut self, tree: &Tree) -> Vec<i32> {
        let began = Instant::now();
        let cpu = thread_cpu_s();
        let members = tree.members();
        let (mut memory, owners) = self.resident(&members);
        if began >= self.next_share && self.affordable(&memory) {
            self.shares(&owners, &mut memory);
        }
        self.keep(&memory);
        let cost = (thread_cpu_s() - cpu).max(0.0);
        let gap = Duration::from_secs_f64((cost / BUDGET).min(1.0)).clamp(SHORTEST, LONGEST);
        self.next = began + gap;
        members
    }

    /// A look with shares whatever they cost: for a moment at which the workload stands still.
    pub fn checkpoint(&mut self, tree: &Tree) -> Memory {
        let members = tree.members();
        let (mut memory, owners) = self.resident(&members);
        self.shares(&owners, &mut memory);
        self.keep(&memory);
        memory
    }

    /// RSS, VMS and counts of the living members, and those that have an address space of their
    /// own.
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
            if let Some(followed) = self.followed.as_mut().filter(|f| f.pid == stat.pid) {
                followed.least_rss = followed.least_rss.min(stat.rss * page);
            }
        }
        (sum, owners)
    }

    fn affordable(&self, memory: &Memory) -> bool {
        let predicted = memory.rss as f64 * self.seconds_per_byte;
        self.share_spent_s + predicted <= BUDGET * self.began.elapsed().as_secs_f64()
    }

    fn shares(&mut self, members: &[i32], memory: &mut Memory) {
        let began = Instant::now();
        let (mut pss, mut uss, mut swap) = (0, 0, 0);
        for &pid in members {
            match proc::shares(pid) {
                Some(s) => (pss, uss, swap) = (pss + s.pss, uss + s.uss, swap + s.swap),
                // Gone or a zombie is no loss; alive and unreadable voids the sum.
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
        self.share_gap = (self.share_gap * 2).min(LONGEST);
        self.next_share = Instant::now() + self.share_gap;
    }

    fn keep(&mut self, seen: &Memory) {
        let peaks = &mut self.peaks;
        peaks.samples += 1;
        if let Some(pss) = seen.pss {
            peaks.share_samples += 1;
            if peaks.peak.pss.is_none_or(|old| pss >= old) {
                peaks.rss_at_pss = seen.rss;
            }
        }
        let peak = &mut peaks.peak;
        peak.rss = peak.rss.max(seen.rss);
        peak.vms = peak.vms.max(seen.vms);
        peak.pss = peak.pss.max(seen.pss);
        peak.uss = peak.uss.max(seen.uss);
        peak.swap = peak.swap.max(seen.swap);
        peak.processes = peak.processes.max(seen.processes);
        peak.threads = peak.threads.max(seen.threads);
    }
}
