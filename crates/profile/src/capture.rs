//! Samples live Python processes for a while and builds a profile of what they do.
//!
//! One thread does everything: it waits until the next look is due, samples each process in turn,
//! and passes the samples to the [`Builder`]. A look stands for the time since the previous look,
//! so that a late look weighs more and shares stay correct. Nothing is written to the target, and
//! nothing in it waits for the profiler.

mod collections;
mod frame_table;
mod kernel_view;
mod locks;
mod missing_python;
mod native;
mod pauses;
mod process_sampler;
mod process_tree;
mod run;
mod schedule;
mod tasks;
mod waiting_tasks;

use crate::header::Mode;
use crate::{Builder, Finished};
use kernel_view::Freshness;
use process_tree::ProcessTree;
use run::CaptureRun;
use schedule::{Schedule, process_cpu_ns};
use std::path::PathBuf;
use std::time::{Duration, Instant};
pub use tasks::TaskMode;
use ungil_remote::Python;

/// Interval of housekeeping: searching for descendants and new threads, and checking the identity
/// of the target.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_millis(100);
/// Interval of the search for a Python while there is none.
const PYTHON_POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Maximum rate of thorough looks. A thorough look takes two more system calls than a fast one.
const MAX_THOROUGH_HZ: f64 = 500.0;
/// The same in modes that profile waits and pauses.
const MAX_THOROUGH_WAIT_HZ: f64 = 4_000.0;
/// Time before the first search for lock names. It is repeated whenever the elapsed time has
/// doubled, because it takes milliseconds.
const FIRST_NAMING: Duration = Duration::from_millis(200);

/// Settings of a capture.
#[derive(Debug, Clone)]
pub struct CaptureOptions {
    /// The sampling mode.
    pub mode: Mode,
    /// Looks per second.
    pub rate_hz: f64,
    /// Time limit.
    pub duration: Option<Duration>,
    /// Names or kernel ids of the wanted threads; empty for all.
    pub threads: Vec<String>,
    /// Whether to sample the Python processes among the descendants too.
    pub children: bool,
    /// How to show asyncio tasks.
    pub tasks: TaskMode,
    /// Whether to add the C frames of sleeping threads.
    pub native: bool,
}

impl CaptureOptions {
    fn period(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate_hz.clamp(0.01, 1e7))
    }

    /// Returns how old the kernel's answer about a thread may be. Modes that profile lock waits ask
    /// more often. With many threads it is asked less often.
    fn freshness(&self, threads: usize) -> Freshness {
        let base = if matches!(self.mode, Mode::Lock | Mode::Gil) { 400_000 } else { 10_000_000 };
        let many = 100_000_u64.saturating_mul(threads as u64);
        Freshness { at_rest: many.max(base), moving: 100_000 }
    }
}

/// Progress of a capture.
#[derive(Debug, Clone)]
pub struct CaptureProgress {
    /// Time since the first look.
    pub elapsed: Duration,
    /// Looks taken.
    pub looks: u64,
    /// Looks that were due but not taken.
    pub missed: u64,
    /// Processes that are sampled now.
    pub processes: usize,
    /// Number of their threads.
    pub threads: usize,
    /// If the process has no Python after an exec: its program, and for how long.
    pub without_python: Option<(PathBuf, Duration)>,
}

/// The reason why a capture ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureEnding {
    /// The time limit was reached.
    TimeLimit,
    /// The caller requested it.
    Requested,
    /// Every process has ended.
    AllExited,
}

/// A finished capture.
#[derive(Debug)]
pub struct CaptureResult {
    pub finished: Finished,
    /// The reason why it ended.
    pub ending: CaptureEnding,
    /// Number of consistent thread stacks, including those that the mode leaves out.
    pub stacks: u64,
}

/// Samples `python`, and its descendants if requested, until the time limit, until `stop_requested`
/// returns true, or until all of them have ended. If a process replaces itself by `exec`, waits
/// until it has a Python again. Calls `on_progress` about ten times per second.
pub fn capture(
    python: Python,
    options: &CaptureOptions,
    mut builder: Builder,
    stop_requested: &mut dyn FnMut() -> bool,
    on_progress: &mut dyn FnMut(CaptureProgress),
) -> CaptureResult {
    schedule::minimize_timer_slack();
    let cpu = process_cpu_ns();
    let begin = Instant::now();
    let mut run = CaptureRun {
        roots: vec![python.process().pid],
        samplers: Vec::new(),
        processes: ProcessTree::default(),
        options,
        begin,
        torn: 0,
        looks: 0,
        stacks: 0,
        rounds: 0,
        notes: Vec::new(),
        missing: None,
    };
    run.start_sampling(python);
    let profiles_waits = matches!(options.mode, Mode::Lock | Mode::Gil | Mode::Gc);
    let thorough_hz = if profiles_waits { MAX_THOROUGH_WAIT_HZ } else { MAX_THOROUGH_HZ };
    let thorough_every =
        Duration::from_secs_f64(1.0 / options.rate_hz.min(thorough_hz)).mul_f64(0.9);
    let mut schedule = Schedule::new(begin, options.period());
    let (mut next_housekeeping, mut thorough, mut name_at) =
        (HOUSEKEEPING_INTERVAL, Duration::ZERO, FIRST_NAMING);
    let over = |elapsed: Duration| options.duration.is_some_and(|most| elapsed >= most);
    let ending = loop {
        if run.samplers.is_empty() {
            // Nothing is due, so nothing can be missed.
            std::thread::sleep(PYTHON_POLL_INTERVAL);
            schedule.skip();
        }
        if !schedule.wait(|| stop_requested() || over(begin.elapsed())) {
            break if over(begin.elapsed()) {
                CaptureEnding::TimeLimit
            } else {
                CaptureEnding::Requested
            };
        }
        let now = begin.elapsed();
        let is_thorough = now >= thorough;
        if is_thorough {
            thorough = now + thorough_every;
        }
        run.look(is_thorough, &mut builder);
        if now >= name_at {
            run.samplers.iter_mut().for_each(|sampler| sampler.name_locks(&mut builder));
            name_at = now * 2;
        }
        let is_housekeeping = now >= next_housekeeping;
        if is_housekeeping || run.samplers.is_empty() {
            run.housekeeping(&mut builder);
            if run.is_over() {
                break CaptureEnding::AllExited;
            }
        }
        if is_housekeeping {
            next_housekeeping = now + HOUSEKEEPING_INTERVAL;
            on_progress(run.progress(now, schedule.missed));
        }
    };
    run.finish(begin.elapsed(), &schedule, cpu, ending, builder)
}
