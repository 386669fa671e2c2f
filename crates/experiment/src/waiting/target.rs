//! One Python of the tree, looked at again and again.

use super::Sums;
use ungil_remote::gc::CollectorWatch;
use ungil_remote::thread_observer::ThreadObserver;
use ungil_remote::{Interpreter, Python, ThreadState};

/// A look stands for no more than this: the runner itself may have been stopped.
const LONGEST_GAP_S: f64 = 2.0;

/// A Python.
pub(super) struct Target {
    python: Python,
    observer: ThreadObserver,
    /// One an interpreter, by its address: each has a collector of its own.
    collectors: Vec<(u64, CollectorWatch)>,
    last: Option<Last>,
    /// The first look of the window: what it found stands for the time from `at_ns`, when the
    /// window was opened, to that look.
    first: Option<(Last, u64)>,
    sums: Sums,
}

/// What the last look found.
#[derive(Clone, Copy)]
struct Last {
    at_ns: u64,
    locks: f64,
    gil: f64,
    stopped: bool,
}

/// How a look went.
pub(super) enum Seen {
    Well,
    /// All but whether the world is stopped.
    Unsound,
    /// It ended, or runs another program.
    Over,
}

impl Target {
    /// Begins to look at a Python. `from_ns` is now, if a window is open: the process was started
    /// in it as far as can be told.
    pub(super) fn new(python: Python, from_ns: Option<u64>) -> Target {
        let last = from_ns.map(|at_ns| Last { at_ns, locks: 0.0, gil: 0.0, stopped: false });
        Target {
            python,
            observer: ThreadObserver::default(),
            collectors: Vec::new(),
            last,
            first: None,
            sums: Sums::default(),
        }
    }

    /// What it has come to.
    pub(super) fn sums(&self) -> Sums {
        self.sums
    }

    /// A window begins. Gives what earlier windows came to, unless this is the first.
    pub(super) fn begin(&mut self, at_ns: u64, first: bool) -> Sums {
        let before = if first { Sums::default() } else { self.sums };
        self.sums = Sums::default();
        self.collectors.clear();
        self.last = Some(Last { at_ns, locks: 0.0, gil: 0.0, stopped: false });
        self.first = None;
        self.collect(at_ns, false);
        before
    }

    /// A window ends while the workload stands still: the last look is taken to hold until then.
    /// The workload's own stamps of when the window began and ended, where it gave them, leave out
    /// the time in which it waited for us.
    pub(super) fn end(&mut self, at_ns: u64, span: Option<(u64, u64)>) {
        let (from_ns, to_ns) = span.unwrap_or((0, at_ns));
        if let Some(last) = self.last.take() {
            self.stands_for(&last, to_ns.min(at_ns), 1.0);
        }
        if let Some((first, look_ns)) = self.first.take() {
            self.stands_for(&first, from_ns.min(look_ns), -1.0);
        }
        self.collect(at_ns, true);
    }

    /// A look.
    pub(super) fn look(&mut self, at_ns: u64) -> Seen {
        let Ok(mut interpreters) = self.python.interpreters() else { return self.after_failure() };
        interpreters.sort_by_key(|interpreter| interpreter.id);
        self.python.next_look();
        let threads = match self.observer.states(&self.python, &interpreters) {
            Ok(threads) => threads,
            Err(error) if error.is_local() => Vec::new(),
            Err(_) => return self.after_failure(),
        };
        // Data of the same executable has the same addresses after an exec.
        if !self.python.process().runs_same_program() {
            return Seen::Over;
        }
        let count = |state| threads.iter().filter(|thread| thread.state == state).count() as f64;
        let mut unsound = false;
        let mut stopped = false;
        for &interpreter in &interpreters {
            match self.python.stop_the_world(interpreter) {
                Ok(Some(world)) => stopped |= world.requested,
                Ok(None) => unsound = true,
                Err(_) => {}
            }
        }
        let now =
            Last { at_ns, locks: count(ThreadState::Lock), gil: count(ThreadState::Gil), stopped };
        if let Some(last) = self.last.replace(now) {
            let since = Last { at_ns: last.at_ns, ..now };
            self.stands_for(&since, at_ns, 1.0);
            self.first.get_or_insert((since, at_ns));
        }
        self.collect_of(at_ns, &interpreters, true);
        self.sums.looks += 1;
        if unsound { Seen::Unsound } else { Seen::Well }
    }

    /// Adds what `found` stands for, from its time to `to_ns`, or takes it away again (`sign`).
    fn stands_for(&mut self, found: &Last, to_ns: u64, sign: f64) {
        let gap_s = sign * (to_ns.saturating_sub(found.at_ns) as f64 / 1e9).min(LONGEST_GAP_S);
        self.sums.lock_s += found.locks * gap_s;
        self.sums.gil_s += found.gil * gap_s;
        self.sums.stopped_s += if found.stopped { gap_s } else { 0.0 };
    }

    fn after_failure(&self) -> Seen {
        if self.python.process().is_same() { Seen::Well } else { Seen::Over }
    }

    fn collect(&mut self, at_ns: u64, new_count: bool) {
        let interpreters = self.python.interpreters().unwrap_or_default();
        self.collect_of(at_ns, &interpreters, new_count);
    }

    /// Takes in the collectors. One that is met for the first time while a window is open came to
    /// be in that window, and all it did counts (`new_count`); when a window opens, what they did
    /// before does not.
    fn collect_of(&mut self, at_ns: u64, interpreters: &[Interpreter], new_count: bool) {
        for &interpreter in interpreters {
            let Ok(found) = self.python.collector(interpreter) else { continue };
            let known =
                self.collectors.iter_mut().find(|(address, _)| *address == interpreter.address);
            self.sums.collector_s += match known {
                Some((_, watch)) => watch.look(at_ns, found).seconds,
                None => {
                    let so_far = found.duration_s().filter(|_| new_count).unwrap_or(0.0);
                    let mut watch = CollectorWatch::default();
                    watch.look(at_ns, found);
                    self.collectors.push((interpreter.address, watch));
                    so_far
                }
            };
        }
    }
}
