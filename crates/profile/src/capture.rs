//! Looks at live Pythons for a while and makes a profile of what they do.
//!
//! One thread does everything: it waits until the next look is due, looks at each process in turn,
//! and hands what was seen to the [`Builder`]. What a look stands for is the time since the one
//! before, so that a late look weighs more and the shares stay right. Nothing is asked of the
//! target and nothing in it waits for us.

mod away;
mod collections;
mod family;
mod kernel_view;
mod locks;
mod native;
mod pace;
mod pauses;
mod places;
mod tasks;
mod waiting;
mod watch;

use crate::header::{Mode, Totals};
use crate::{Builder, Finished};
use away::Away;
use family::Family;
use kernel_view::Freshness;
use pace::{Pace, cpu_ns};
use std::path::PathBuf;
use std::time::{Duration, Instant};
pub use tasks::TaskMode;
use ungil_remote::Python;
use ungil_remote::memory::ReadError;
use watch::Watch;

/// How often descendants, the target's identity and what is new are looked after.
const ROUND: Duration = Duration::from_millis(100);
/// How often a Python is looked for while there is none.
const NO_PYTHON: Duration = Duration::from_millis(5);
/// Up to this rate each look is thorough; above it, as many a second are. What a thorough look
/// reads besides is two more system calls.
const THOROUGH_HZ: f64 = 500.0;
/// The same where waits and pauses are what is looked for.
const THOROUGH_WAITS_HZ: f64 = 4_000.0;
/// Locks are given names after this long, and again whenever the time has doubled: the search takes
/// milliseconds.
const NAMES_AFTER: Duration = Duration::from_millis(200);

/// What to look at, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// What samples are of.
    pub mode: Mode,
    /// Looks a second.
    pub rate_hz: f64,
    /// When to end by itself.
    pub duration: Option<Duration>,
    /// Names or kernel ids of the threads wanted; empty for all.
    pub threads: Vec<String>,
    /// Also the Pythons among the process's descendants.
    pub children: bool,
    /// What is told of asyncio's tasks.
    pub tasks: TaskMode,
    /// C frames of threads that sleep.
    pub native: bool,
}

impl Options {
    fn period(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate_hz.clamp(0.01, 1e7))
    }

    /// How old the kernel's word on a thread may be. Waiting for locks is what a profile of it is
    /// about, so there it is asked more often; with very many threads, less.
    fn freshness(&self, threads: usize) -> Freshness {
        let base = if matches!(self.mode, Mode::Lock | Mode::Gil) { 400_000 } else { 10_000_000 };
        let many = 100_000_u64.saturating_mul(threads as u64);
        Freshness { at_rest: many.max(base), moving: 100_000 }
    }
}

/// How far a capture has come.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Time since the first look.
    pub elapsed: Duration,
    /// Looks taken.
    pub looks: u64,
    /// Looks that were due and not taken.
    pub missed: u64,
    /// Processes looked at now.
    pub processes: usize,
    /// Their threads.
    pub threads: usize,
    /// The program, and how long it has run, of a process that has become one without a Python.
    pub without_python: Option<(PathBuf, Duration)>,
}

/// Why a capture ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It has lasted as long as was asked for.
    Time,
    /// It was told to end.
    Told,
    /// Every process has ended.
    Gone,
}

/// A capture that is done.
#[derive(Debug)]
pub struct Captured {
    /// The profile.
    pub finished: Finished,
    /// Why it ended.
    pub ending: Ending,
    /// Threads' stacks that fitted together, those that the mode leaves out included.
    pub stacks: u64,
}

/// Looks at `python`, and at its descendants if they are wanted, until the time is over, `is_told`
/// says so, or all of them have ended. A process that becomes another program by `exec` is waited
/// for until it has a Python again. `tell` is given the progress about ten times a second.
pub fn capture(
    python: Python,
    options: &Options,
    mut builder: Builder,
    is_told: &mut dyn FnMut() -> bool,
    tell: &mut dyn FnMut(Progress),
) -> Captured {
    pace::be_punctual();
    let cpu = cpu_ns();
    let begin = Instant::now();
    let mut run = Run {
        roots: vec![python.process().pid],
        watches: Vec::new(),
        family: Family::default(),
        options,
        begin,
        torn: 0,
        looks: 0,
        stacks: 0,
        rounds: 0,
        notes: Vec::new(),
        away: None,
    };
    run.take_up(python);
    let of_waits = matches!(options.mode, Mode::Lock | Mode::Gil | Mode::Gc);
    let thorough_hz = if of_waits { THOROUGH_WAITS_HZ } else { THOROUGH_HZ };
    let thorough_every =
        Duration::from_secs_f64(1.0 / options.rate_hz.min(thorough_hz)).mul_f64(0.9);
    let mut pace = Pace::new(begin, options.period());
    let (mut round, mut thorough, mut name_at) = (ROUND, Duration::ZERO, NAMES_AFTER);
    let over = |elapsed: Duration| options.duration.is_some_and(|most| elapsed >= most);
    let ending = loop {
        if run.watches.is_empty() {
            // Nothing is due, and nothing can be missed.
            std::thread::sleep(NO_PYTHON);
            pace.skip();
        }
        if !pace.wait(|| is_told() || over(begin.elapsed())) {
            break if over(begin.elapsed()) { Ending::Time } else { Ending::Told };
        }
        let now = begin.elapsed();
        let is_thorough = now >= thorough;
        if is_thorough {
            thorough = now + thorough_every;
        }
        run.look(is_thorough, &mut builder);
        if now >= name_at {
            run.watches.iter_mut().for_each(|watch| watch.name_locks(&mut builder));
            name_at = now * 2;
        }
        let is_round = now >= round;
        if is_round || run.watches.is_empty() {
            run.round(&mut builder);
            if run.is_over() {
                break Ending::Gone;
            }
        }
        if is_round {
            round = now + ROUND;
            tell(run.progress(now, pace.missed));
        }
    };
    run.finish(begin.elapsed(), &pace, cpu, ending, builder)
}

/// A capture under way.
struct Run<'a> {
    roots: Vec<u32>,
    watches: Vec<Watch>,
    family: Family,
    options: &'a Options,
    begin: Instant,
    torn: u64,
    looks: u64,
    stacks: u64,
    rounds: u64,
    notes: Vec<String>,
    /// Since when, and after which program, there is nothing to look at.
    away: Option<Away>,
}

impl Run<'_> {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn take_up(&mut self, python: Python) {
        let pid = python.process().pid;
        self.family.watch(pid);
        match Watch::new(python, self.now_ns()) {
            Ok(watch) => self.watches.push(watch),
            Err(_) => self.family.lose(pid),
        }
    }

    fn look(&mut self, thorough: bool, builder: &mut Builder) {
        self.rounds += u64::from(!self.watches.is_empty());
        let mut index = 0;
        while index < self.watches.len() {
            let at_ns = self.now_ns();
            match self.watches[index].look(at_ns, thorough, self.options, builder) {
                Ok(()) => {
                    self.looks += 1;
                    index += 1;
                }
                Err(error) => self.let_go(index, error, builder),
            }
        }
    }

    /// Lets go of a process that cannot be looked at any more: it ended, or became another program.
    fn let_go(&mut self, index: usize, error: ReadError, builder: &mut Builder) {
        let mut watch = self.watches.swap_remove(index);
        self.add_up(&mut watch, builder);
        self.family.lose(watch.pid);
        if error == ReadError::Denied {
            self.notes
                .push(format!("process {} could not be looked at any longer: {error}", watch.pid));
        }
        if self.watches.is_empty() && self.roots.contains(&watch.pid) {
            self.away = Some(Away::new(watch.python().process(), self.begin.elapsed()));
        }
    }

    /// Takes in what a process came to.
    fn add_up(&mut self, watch: &mut Watch, builder: &mut Builder) {
        watch.finish(self.now_ns(), builder);
        self.torn += watch.torn;
        self.stacks += watch.stacks;
        self.notes.append(&mut watch.notes(self.options));
    }

    /// Does what is done a few times a second.
    fn round(&mut self, builder: &mut Builder) {
        let mut index = 0;
        while index < self.watches.len() {
            if self.watches[index].python().process().is_same() {
                self.watches[index].drop_ended();
                index += 1;
            } else {
                self.let_go(index, ReadError::Gone, builder);
            }
        }
        for python in self.family.find(&self.roots, self.options.children) {
            let process = python.process();
            if let Some(away) = self.away.take_if(|away| away.pid == process.pid) {
                self.notes.extend(away.back(process.program(), self.begin.elapsed()));
            }
            self.take_up(python);
        }
        if let Some(away) = &mut self.away
            && let Some((program, executable)) = self.family.awaited(away.pid)
        {
            away.runs(program, executable);
        }
    }

    /// Nothing is looked at, and no Python will come.
    fn is_over(&self) -> bool {
        self.watches.is_empty() && !self.roots.iter().any(|&pid| self.family.is_awaited(pid))
    }

    fn progress(&self, elapsed: Duration, missed: u64) -> Progress {
        Progress {
            elapsed,
            looks: self.looks,
            missed,
            processes: self.watches.len(),
            threads: self.watches.iter().map(Watch::threads).sum(),
            without_python: self.away.as_ref().and_then(|away| away.without_python(elapsed)),
        }
    }

    fn finish(
        mut self,
        elapsed: Duration,
        pace: &Pace,
        cpu: Option<u64>,
        ending: Ending,
        mut builder: Builder,
    ) -> Captured {
        for mut watch in std::mem::take(&mut self.watches) {
            watch.name_locks(&mut builder);
            self.add_up(&mut watch, &mut builder);
        }
        self.notes.append(&mut self.family.notes);
        self.notes.extend(self.away.take().and_then(Away::gone_on));
        let known = &builder.so_far();
        for want in &self.options.threads {
            if !known.threads.iter().any(|thread| {
                known.string(thread.name) == want || thread.native_id.to_string() == *want
            }) {
                self.notes.push(format!("there was no thread {want:?}"));
            }
        }
        let totals = Totals {
            duration_ns: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
            captured: self.looks,
            rounds: Some(self.rounds),
            missed: pace.missed,
            missed_busy: Some(pace.busy),
            torn: self.torn,
            own_cpu_ns: cpu_ns().zip(cpu).map(|(after, before)| after.saturating_sub(before)),
            left_out: 0,
            notes: self.notes,
        };
        Captured { finished: builder.finish(totals), ending, stacks: self.stacks }
    }
}
