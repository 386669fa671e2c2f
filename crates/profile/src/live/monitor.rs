//! The monitoring thread, and the views it sends.
//!
//! Looks are taken at the requested rate, or less often if they would exceed their budget. A view
//! that nobody has received yet is not waited for: monitoring continues, and the next view covers
//! the same time.

use super::look::Look;
use super::tally::IntervalSums;
use super::thread_reader::{DetailedLook, ThreadReader};
use super::view::{MonitoringCost, View, ViewSpan};
use super::view_builder::{ViewBuilder, ViewInput};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use ungil_remote::gc::CollectorWatch;
use ungil_remote::memory::ReadError;
use ungil_remote::stop_the_world::PauseWatch;
use ungil_remote::{AttachError, Interpreter, Process, Python};

/// Share of one core that looks may take.
const CPU_BUDGET: f64 = 0.01;
/// Maximum time in seconds that one look stands for. The monitor itself may have been suspended.
const MAX_GAP_S: f64 = 1.0;
/// Consecutive failed looks after which the target is reported as unreadable.
const MAX_FAILURES: u32 = 20;

/// How often to sample, and what to show.
#[derive(Debug, Clone, Copy)]
pub struct MonitorOptions {
    /// Looks per second.
    pub rate_hz: f64,
    /// Seconds between two views.
    pub interval_s: f64,
    /// Seconds that [`ViewSpan::Recent`] covers.
    pub span_s: f64,
}

/// A monitored target. Dropping it ends the monitoring.
#[derive(Debug)]
pub struct LiveMonitor {
    views: Receiver<View>,
    stop: Arc<AtomicBool>,
    whole: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The result of [`LiveMonitor::next`].
#[derive(Debug)]
pub enum NextView {
    /// A view.
    View(Box<View>),
    /// No view arrived within the timeout.
    Nothing,
    /// There are no more views; the last view said why.
    Over,
}

impl LiveMonitor {
    /// Starts to monitor `python`.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(python: Python, options: MonitorOptions) -> std::io::Result<LiveMonitor> {
        let (sender, views) = sync_channel(1);
        let (stop, whole) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let flags = (Arc::clone(&stop), Arc::clone(&whole));
        let work = move || Monitor::new(python, options, flags.0, flags.1).run(&sender);
        let thread = std::thread::Builder::new().name("monitor".into()).spawn(work)?;
        Ok(LiveMonitor { views, stop, whole, thread: Some(thread) })
    }

    /// Returns the next view if it arrives within `timeout`.
    #[must_use]
    pub fn next(&self, timeout: Duration) -> NextView {
        match self.views.recv_timeout(timeout) {
            Ok(view) => NextView::View(Box::new(view)),
            Err(RecvTimeoutError::Timeout) => NextView::Nothing,
            Err(RecvTimeoutError::Disconnected) => NextView::Over,
        }
    }

    /// Sets the time that later views cover.
    pub fn show(&self, span: ViewSpan) {
        self.whole.store(span == ViewSpan::Whole, Ordering::Relaxed);
    }
}

impl Drop for LiveMonitor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Drop the receiver first: a sender blocked on a full channel must fail.
        let (_, none) = sync_channel(1);
        self.views = none;
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

struct Monitor {
    python: Python,
    options: MonitorOptions,
    stop: Arc<AtomicBool>,
    whole: Arc<AtomicBool>,
    reader: ThreadReader,
    builder: ViewBuilder,
    collector: CollectorWatch,
    world: PauseWatch,
    recent: VecDeque<IntervalSums>,
    all: IntervalSums,
    began: Instant,
    own_cpu_s: f64,
    last_ns: Option<u64>,
    failures: u32,
}

/// The outcome of one look.
enum LookOutcome {
    Ok(DetailedLook, Vec<Interpreter>),
    /// The look failed; a later one may succeed.
    Failed,
    /// The target has ended, and why.
    Ended(String),
}

impl Monitor {
    fn new(
        python: Python,
        options: MonitorOptions,
        stop: Arc<AtomicBool>,
        whole: Arc<AtomicBool>,
    ) -> Monitor {
        Monitor {
            builder: ViewBuilder::new(&python),
            python,
            options,
            stop,
            whole,
            reader: ThreadReader::default(),
            collector: CollectorWatch::default(),
            world: PauseWatch::default(),
            recent: VecDeque::from([IntervalSums::default()]),
            all: IntervalSums::default(),
            began: Instant::now(),
            own_cpu_s: ungil_meter::thread_cpu_s(),
            last_ns: None,
            failures: 0,
        }
    }

    fn run(mut self, views: &SyncSender<View>) {
        let mut next_view = Instant::now() + Duration::from_secs_f64(self.options.interval_s);
        while !self.stop.load(Ordering::Relaxed) {
            let (before, cpu_s) = (Instant::now(), ungil_meter::thread_cpu_s());
            match self.look() {
                LookOutcome::Ok(detailed, interpreters) => {
                    self.failures = 0;
                    let cost = ungil_meter::thread_cpu_s() - cpu_s;
                    if Instant::now() >= next_view {
                        next_view =
                            Instant::now() + Duration::from_secs_f64(self.options.interval_s);
                        let view = self.view(Some((&detailed, &interpreters)));
                        let _ = views.try_send(view);
                        self.next_interval();
                    }
                    let gap = (1.0 / self.options.rate_hz).max(cost / CPU_BUDGET).min(MAX_GAP_S);
                    let until = (before + Duration::from_secs_f64(gap)).min(next_view);
                    std::thread::park_timeout(until.saturating_duration_since(Instant::now()));
                }
                LookOutcome::Failed => std::thread::park_timeout(Duration::from_millis(5)),
                LookOutcome::Ended(why) => return self.end(&why, views),
            }
        }
    }

    /// Sends the last view, and blocks until it is received.
    fn end(&mut self, why: &str, views: &SyncSender<View>) {
        let mut view = self.view(None);
        view.ended = Some(why.to_string());
        let _ = views.send(view);
    }

    fn look(&mut self) -> LookOutcome {
        let looked = self.python.interpreters().and_then(|mut interpreters| {
            interpreters.sort_by_key(|interpreter| interpreter.id);
            Ok((self.reader.look(&mut self.python, &interpreters)?, interpreters))
        });
        let process = self.python.process();
        match looked {
            // After an exec of the same executable, data has the same addresses.
            Ok(_) if !process.runs_same_program() => LookOutcome::Ended(end_reason(process.pid)),
            Ok((detailed, interpreters)) if !interpreters.is_empty() => {
                self.add(&detailed.look, &interpreters);
                LookOutcome::Ok(detailed, interpreters)
            }
            Err(ReadError::Denied) => LookOutcome::Ended(
                "the process can no longer be read: it changed its user or its memory protection"
                    .into(),
            ),
            _ if !process.is_same() => LookOutcome::Ended(end_reason(process.pid)),
            _ => {
                self.failures += 1;
                if self.failures < MAX_FAILURES {
                    LookOutcome::Failed
                } else {
                    LookOutcome::Ended("the process has no interpreter left: it is ending".into())
                }
            }
        }
    }

    /// Adds a look to the sums.
    fn add(&mut self, look: &Look, interpreters: &[Interpreter]) {
        let last = self.last_ns.replace(look.at_ns);
        let gap_s =
            last.map_or(0.0, |last| (look.at_ns.saturating_sub(last) as f64 / 1e9).min(MAX_GAP_S));
        let Some(&main) = interpreters.first() else { return };
        let mut part = IntervalSums::default();
        part.tally.add(look, gap_s);
        if let Ok(found) = self.python.collector(main) {
            part.collections = self.collector.look(look.at_ns, found);
        }
        let stopped = interpreters
            .iter()
            .any(|&interpreter| matches!(self.python.stop_the_world(interpreter), Ok(Some(world)) if world.requested));
        part.pauses = self.world.look(look.at_ns, stopped);
        part.gil_held = self.python.gil(main).map_or(0, |gil| u64::from(gil.enabled && gil.locked));
        if let Some(current) = self.recent.back_mut() {
            current.merge(&part);
        }
        self.all.merge(&part);
    }

    /// Starts a new interval, and drops intervals that are older than the span.
    fn next_interval(&mut self) {
        let keep =
            (self.options.span_s / self.options.interval_s).ceil().clamp(1.0, 1000.0) as usize;
        self.recent.push_back(IntervalSums::default());
        while self.recent.len() > keep {
            self.recent.pop_front();
        }
    }

    fn view(&mut self, now: Option<(&DetailedLook, &[Interpreter])>) -> View {
        let whole = self.whole.load(Ordering::Relaxed);
        let mut recent = IntervalSums::default();
        self.recent.iter().for_each(|part| recent.merge(part));
        let (part, span) =
            if whole { (&self.all, ViewSpan::Whole) } else { (&recent, ViewSpan::Recent) };
        let elapsed = self.began.elapsed().as_secs_f64();
        let cost = MonitoringCost {
            looks: part.tally.looks,
            rate_hz: part.tally.looks as f64 / part.tally.seconds.max(1e-9),
            asked_hz: self.options.rate_hz,
            torn: part.tally.torn,
            cores: (ungil_meter::thread_cpu_s() - self.own_cpu_s) / elapsed.max(1e-9),
        };
        let input = ViewInput { part, span, cost, collector: self.collector.last() };
        self.builder.view(&mut self.python, &mut self.reader, now, input)
    }
}

/// Says why a target can no longer be read.
fn end_reason(pid: u32) -> String {
    match Process::open(pid) {
        Ok(process) => {
            format!(
                "process {pid} replaced itself with another program (exec): {}",
                process.executable.display()
            )
        }
        Err(AttachError::Exec(_) | AttachError::Denied { .. }) => {
            format!("process {pid} replaced itself with another program (exec)")
        }
        Err(_) => format!("process {pid} ended"),
    }
}
