//! Samples one Python process.

use super::WaitSums;
use ungil_remote::gc::CollectorWatch;
use ungil_remote::thread_observer::ThreadObserver;
use ungil_remote::{Interpreter, Python, ThreadState};

/// Maximum time that a sample represents: the runner itself may have been stopped.
const MAX_GAP_S: f64 = 2.0;

/// A sampled Python process.
pub(super) struct PythonTarget {
    python: Python,
    observer: ThreadObserver,
    /// One per interpreter, by its address: each has its own collector.
    collectors: Vec<(u64, CollectorWatch)>,
    last: Option<ThreadCounts>,
    /// The first sample of the window, and its time. The sample represents the time since `at_ns`,
    /// when the window was opened.
    first: Option<(ThreadCounts, u64)>,
    sums: WaitSums,
}

/// The result of a sample.
#[derive(Clone, Copy)]
struct ThreadCounts {
    at_ns: u64,
    locks: f64,
    gil: f64,
    stopped: bool,
}

/// How a sample went.
pub(super) enum SampleStatus {
    Complete,
    /// Everything but stop-the-world pauses was read.
    NoPauses,
    /// The process has exited or executes another program.
    Gone,
}

impl PythonTarget {
    /// Starts sampling a Python. `from_ns` is the current time if a window is open: the process is
    /// assumed to have started in it.
    pub(super) fn new(python: Python, from_ns: Option<u64>) -> PythonTarget {
        let last =
            from_ns.map(|at_ns| ThreadCounts { at_ns, locks: 0.0, gil: 0.0, stopped: false });
        PythonTarget {
            python,
            observer: ThreadObserver::default(),
            collectors: Vec::new(),
            last,
            first: None,
            sums: WaitSums::default(),
        }
    }

    /// Returns the sums.
    pub(super) fn sums(&self) -> WaitSums {
        self.sums
    }

    /// Starts a window. Returns the sums of earlier windows, unless this is the first.
    pub(super) fn begin(&mut self, at_ns: u64, first: bool) -> WaitSums {
        let before = if first { WaitSums::default() } else { self.sums };
        self.sums = WaitSums::default();
        self.collectors.clear();
        self.last = Some(ThreadCounts { at_ns, locks: 0.0, gil: 0.0, stopped: false });
        self.first = None;
        self.sample_collectors(at_ns, false);
        before
    }

    /// Ends a window while the workload waits: the last sample is taken to last until then. The
    /// workload's own times of start and end, if given, exclude the time in which it waited for the
    /// runner.
    pub(super) fn end(&mut self, at_ns: u64, span: Option<(u64, u64)>) {
        let (from_ns, to_ns) = span.unwrap_or((0, at_ns));
        if let Some(last) = self.last.take() {
            self.add_time(&last, to_ns.min(at_ns), 1.0);
        }
        if let Some((first, look_ns)) = self.first.take() {
            self.add_time(&first, from_ns.min(look_ns), -1.0);
        }
        self.sample_collectors(at_ns, true);
    }

    /// Takes a sample.
    pub(super) fn sample(&mut self, at_ns: u64) -> SampleStatus {
        let Ok(mut interpreters) = self.python.interpreters() else { return self.after_failure() };
        interpreters.sort_by_key(|interpreter| interpreter.id);
        self.python.next_look();
        let threads = match self.observer.states(&self.python, &interpreters) {
            Ok(threads) => threads,
            Err(error) if error.is_local() => Vec::new(),
            Err(_) => return self.after_failure(),
        };
        // After an exec of the same executable the data has the same addresses.
        if !self.python.process().runs_same_program() {
            return SampleStatus::Gone;
        }
        let count = |state| threads.iter().filter(|thread| thread.state == state).count() as f64;
        let mut no_pauses = false;
        let mut stopped = false;
        for &interpreter in &interpreters {
            match self.python.stop_the_world(interpreter) {
                Ok(Some(world)) => stopped |= world.requested,
                Ok(None) => no_pauses = true,
                Err(_) => {}
            }
        }
        let now = ThreadCounts {
            at_ns,
            locks: count(ThreadState::Lock),
            gil: count(ThreadState::Gil),
            stopped,
        };
        if let Some(last) = self.last.replace(now) {
            let since = ThreadCounts { at_ns: last.at_ns, ..now };
            self.add_time(&since, at_ns, 1.0);
            self.first.get_or_insert((since, at_ns));
        }
        self.sample_collectors_of(at_ns, &interpreters, true);
        self.sums.samples += 1;
        if no_pauses { SampleStatus::NoPauses } else { SampleStatus::Complete }
    }

    /// Adds what `found` represents, from its time to `to_ns`, or subtracts it (`sign`).
    fn add_time(&mut self, found: &ThreadCounts, to_ns: u64, sign: f64) {
        let gap_s = sign * (to_ns.saturating_sub(found.at_ns) as f64 / 1e9).min(MAX_GAP_S);
        self.sums.lock_s += found.locks * gap_s;
        self.sums.gil_s += found.gil * gap_s;
        self.sums.stopped_s += if found.stopped { gap_s } else { 0.0 };
    }

    fn after_failure(&self) -> SampleStatus {
        if self.python.process().is_same() { SampleStatus::Complete } else { SampleStatus::Gone }
    }

    fn sample_collectors(&mut self, at_ns: u64, new_count: bool) {
        let interpreters = self.python.interpreters().unwrap_or_default();
        self.sample_collectors_of(at_ns, &interpreters, new_count);
    }

    /// Samples the collectors. `new_count`: the time of a collector that is seen for the first time
    /// while a window is open counts from its creation, because it was created in that window. When
    /// a window opens, earlier time does not count.
    fn sample_collectors_of(&mut self, at_ns: u64, interpreters: &[Interpreter], new_count: bool) {
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
