//! The thread that looks, and the views it sends.
//!
//! Looks come at the rate that was asked for, or more seldom where they would cost more than their
//! budget. A view that nobody took yet is not waited for: looking goes on, and the next view has
//! what it would have had.

use super::look::Look;
use super::make::{Maker, Summed};
use super::reader::Reader;
use super::tally::Part;
use super::view::{Cost, Span, View};
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
const BUDGET: f64 = 0.01;
/// A look stands for no more than this: the watcher itself may have been stopped.
const LONGEST_GAP: f64 = 1.0;
/// Looks one after the other that may fail before the target is called unreadable.
const MOST_FAILURES: u32 = 20;

/// How often to look, and what to show.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Looks a second.
    pub rate_hz: f64,
    /// Seconds between two views.
    pub interval_s: f64,
    /// Seconds that [`Span::Recent`] covers.
    pub span_s: f64,
}

/// A target that is being watched. Dropping it ends the watching.
#[derive(Debug)]
pub struct Live {
    views: Receiver<View>,
    stop: Arc<AtomicBool>,
    whole: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What came next.
#[derive(Debug)]
pub enum Next {
    /// A view.
    View(Box<View>),
    /// None in the time given.
    Nothing,
    /// There will be none: the last one said why.
    Over,
}

impl Live {
    /// Begins to watch `python`.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(python: Python, pace: Pace) -> std::io::Result<Live> {
        let (sender, views) = sync_channel(1);
        let (stop, whole) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let flags = (Arc::clone(&stop), Arc::clone(&whole));
        let work = move || Watch::new(python, pace, flags.0, flags.1).run(&sender);
        let thread = std::thread::Builder::new().name("looks".into()).spawn(work)?;
        Ok(Live { views, stop, whole, thread: Some(thread) })
    }

    /// The next view, if it comes within `timeout`.
    #[must_use]
    pub fn next(&self, timeout: Duration) -> Next {
        match self.views.recv_timeout(timeout) {
            Ok(view) => Next::View(Box::new(view)),
            Err(RecvTimeoutError::Timeout) => Next::Nothing,
            Err(RecvTimeoutError::Disconnected) => Next::Over,
        }
    }

    /// What later views are about.
    pub fn show(&self, span: Span) {
        self.whole.store(span == Span::Whole, Ordering::Relaxed);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A sender that waits for room must find nobody there.
        let (_, none) = sync_channel(1);
        self.views = none;
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

struct Watch {
    python: Python,
    pace: Pace,
    stop: Arc<AtomicBool>,
    whole: Arc<AtomicBool>,
    reader: Reader,
    maker: Maker,
    collector: CollectorWatch,
    world: PauseWatch,
    recent: VecDeque<Part>,
    all: Part,
    began: Instant,
    own_cpu_s: f64,
    last_ns: Option<u64>,
    failures: u32,
}

/// How a look went.
enum Went {
    Well(super::reader::Moment, Vec<Interpreter>),
    Badly,
    Ended(String),
}

impl Watch {
    fn new(python: Python, pace: Pace, stop: Arc<AtomicBool>, whole: Arc<AtomicBool>) -> Watch {
        Watch {
            maker: Maker::new(&python),
            python,
            pace,
            stop,
            whole,
            reader: Reader::default(),
            collector: CollectorWatch::default(),
            world: PauseWatch::default(),
            recent: VecDeque::from([Part::default()]),
            all: Part::default(),
            began: Instant::now(),
            own_cpu_s: ungil_meter::thread_cpu_s(),
            last_ns: None,
            failures: 0,
        }
    }

    fn run(mut self, views: &SyncSender<View>) {
        let mut next_view = Instant::now() + Duration::from_secs_f64(self.pace.interval_s);
        while !self.stop.load(Ordering::Relaxed) {
            let (before, cpu_s) = (Instant::now(), ungil_meter::thread_cpu_s());
            match self.look() {
                Went::Well(moment, interpreters) => {
                    self.failures = 0;
                    let cost = ungil_meter::thread_cpu_s() - cpu_s;
                    if Instant::now() >= next_view {
                        next_view = Instant::now() + Duration::from_secs_f64(self.pace.interval_s);
                        let view = self.view(Some((&moment, &interpreters)));
                        let _ = views.try_send(view);
                        self.turn();
                    }
                    let gap = (1.0 / self.pace.rate_hz).max(cost / BUDGET).min(LONGEST_GAP);
                    let until = (before + Duration::from_secs_f64(gap)).min(next_view);
                    std::thread::park_timeout(until.saturating_duration_since(Instant::now()));
                }
                Went::Badly => std::thread::park_timeout(Duration::from_millis(5)),
                Went::Ended(why) => return self.end(&why, views),
            }
        }
    }

    /// Sends the last view there will be, and waits until it is taken.
    fn end(&mut self, why: &str, views: &SyncSender<View>) {
        let mut view = self.view(None);
        view.ended = Some(why.to_string());
        let _ = views.send(view);
    }

    fn look(&mut self) -> Went {
        let looked = self.python.interpreters().and_then(|mut interpreters| {
            interpreters.sort_by_key(|interpreter| interpreter.id);
            Ok((self.reader.look(&mut self.python, &interpreters)?, interpreters))
        });
        let process = self.python.process();
        match looked {
            // Data of the same executable has the same addresses after an exec.
            Ok(_) if !process.runs_same_program() => Went::Ended(over(process.pid)),
            Ok((moment, interpreters)) if !interpreters.is_empty() => {
                self.take(&moment.look, &interpreters);
                Went::Well(moment, interpreters)
            }
            Err(ReadError::Denied) => Went::Ended(
                "the process may not be read any more: it changed its user or its memory's protection".into(),
            ),
            _ if !process.is_same() => Went::Ended(over(process.pid)),
            _ => {
                self.failures += 1;
                if self.failures < MOST_FAILURES {
                    Went::Badly
                } else {
                    Went::Ended("the process has no interpreter any more: it is ending".into())
                }
            }
        }
    }

    /// Adds a look up.
    fn take(&mut self, look: &Look, interpreters: &[Interpreter]) {
        let last = self.last_ns.replace(look.at_ns);
        let gap_s = last
            .map_or(0.0, |last| (look.at_ns.saturating_sub(last) as f64 / 1e9).min(LONGEST_GAP));
        let Some(&main) = interpreters.first() else { return };
        let mut part = Part::default();
        part.tally.add(look, gap_s);
        if let Ok(found) = self.python.collector(main) {
            part.collections = self.collector.look(look.at_ns, found);
        }
        let stopped = interpreters
            .iter()
            .any(|&interpreter| matches!(self.python.stop_the_world(interpreter), Ok(Some(world)) if world.requested));
        part.pauses = self.world.look(look.at_ns, stopped);
        part.gil_taken =
            self.python.gil(main).map_or(0, |gil| u64::from(gil.enabled && gil.locked));
        if let Some(current) = self.recent.back_mut() {
            current.merge(&part);
        }
        self.all.merge(&part);
    }

    /// Ends an interval: what is older than the span is dropped from the recent.
    fn turn(&mut self) {
        let keep = (self.pace.span_s / self.pace.interval_s).ceil().clamp(1.0, 1000.0) as usize;
        self.recent.push_back(Part::default());
        while self.recent.len() > keep {
            self.recent.pop_front();
        }
    }

    fn view(&mut self, now: Option<(&super::reader::Moment, &[Interpreter])>) -> View {
        let whole = self.whole.load(Ordering::Relaxed);
        let mut recent = Part::default();
        self.recent.iter().for_each(|part| recent.merge(part));
        let (part, span) = if whole { (&self.all, Span::Whole) } else { (&recent, Span::Recent) };
        let elapsed = self.began.elapsed().as_secs_f64();
        let cost = Cost {
            looks: part.tally.looks,
            rate_hz: part.tally.looks as f64 / part.tally.seconds.max(1e-9),
            asked_hz: self.pace.rate_hz,
            torn: part.tally.torn,
            cores: (ungil_meter::thread_cpu_s() - self.own_cpu_s) / elapsed.max(1e-9),
        };
        let summed = Summed { part, span, cost, collector: self.collector.last() };
        self.maker.view(&mut self.python, &mut self.reader, now, summed)
    }
}

/// Why a target cannot be looked at any more.
fn over(pid: u32) -> String {
    match Process::open(pid) {
        Ok(process) => {
            format!(
                "process {pid} became another program by exec: {}",
                process.executable.display()
            )
        }
        Err(AttachError::Exec(_) | AttachError::Denied { .. }) => {
            format!("process {pid} became another program by exec")
        }
        Err(_) => format!("process {pid} ended"),
    }
}
