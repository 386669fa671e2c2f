//! Builds a view from interval sums and from one detailed look at locks and their holders.

mod locks;

use super::cpu::{CpuMeter, CpuUsage};
use super::memory::MemoryMeter;
use super::tally::{ContendedObject, IntervalSums};
use super::thread_reader::{DetailedLook, ThreadReader};
use super::view::*;
use rustc_hash::{FxHashMap, FxHashSet};
use std::time::{Duration, Instant};
use ungil_format::counted;
use ungil_remote::frames::CodeLine;
use ungil_remote::gc::CollectorState;
use ungil_remote::linux::syscall::is_stopped;
use ungil_remote::lock_order::LockOrder;
use ungil_remote::snapshot::lock_orders;
use ungil_remote::thread_dump::{ThreadDump, thread_names};
use ungil_remote::thread_observer::{ThreadInfo, ThreadObserver};
use ungil_remote::{Interpreter, Python, ThreadState};

/// Maximum number of lines, and of objects, in a view.
const MAX_ROWS: usize = 200;
/// Minimum time between two searches for object names.
const MIN_NAME_INTERVAL: Duration = Duration::from_secs(5);
/// Share of one core that these searches may take.
const NAME_BUDGET: f64 = 0.003;

/// What a view sums up, and what it cost.
pub(super) struct ViewInput<'a> {
    pub(super) part: &'a IntervalSums,
    pub(super) span: ViewSpan,
    pub(super) cost: MonitoringCost,
    pub(super) collector: Option<&'a CollectorState>,
}

/// Builds views, and keeps the state that the next view needs.
pub(super) struct ViewBuilder {
    process: ProcessView,
    pid: i32,
    observer: ThreadObserver,
    order: LockOrder,
    cpu: CpuMeter,
    memory: MemoryMeter,
    names: FxHashMap<u64, Option<String>>,
    names_due: Option<Instant>,
    threads: Vec<ThreadView>,
    /// Thread names by kernel thread id.
    thread_names: FxHashMap<u32, String>,
    others: OtherThreads,
    switches: Option<(Instant, u64)>,
    gil: Option<GilView>,
}

impl ViewBuilder {
    pub(super) fn new(python: &Python) -> ViewBuilder {
        let process = python.process();
        let mut cpu = CpuMeter::default();
        cpu.read(process.pid.cast_signed());
        ViewBuilder {
            process: ProcessView {
                pid: process.pid,
                command: process.command.join(" "),
                version: python.version().to_string(),
                free_threaded: python.offsets().free_threaded,
                gil_on: !python.offsets().free_threaded,
                interpreters: 0,
                cores: None,
                age_s: 0.0,
            },
            pid: process.pid.cast_signed(),
            observer: ThreadObserver::default(),
            order: LockOrder::default(),
            cpu,
            memory: MemoryMeter::default(),
            names: FxHashMap::default(),
            names_due: None,
            threads: Vec::new(),
            thread_names: FxHashMap::default(),
            others: OtherThreads::default(),
            switches: None,
            gil: None,
        }
    }

    /// Builds a view. Without `now` the target has ended, and momentary figures keep their last
    /// values.
    pub(super) fn view(
        &mut self,
        python: &mut Python,
        reader: &mut ThreadReader,
        now: Option<(&DetailedLook, &[Interpreter])>,
        ViewInput { part, span, cost, collector }: ViewInput<'_>,
    ) -> View {
        let mut notes = Vec::new();
        let mut world = StopTheWorldView {
            possible: python.offsets().free_threaded,
            span: part.pauses,
            ..StopTheWorldView::default()
        };
        let mut dump = ThreadDump::default();
        if let Some((detailed, interpreters)) = now {
            // If this detailed look fails, the next fast look reports why.
            dump = self.observer.dump(python).unwrap_or_default();
            self.order.add(&dump);
            for cycle in lock_orders(&mut self.order, python, &dump).cycles {
                notes.push(format!("locks are taken in an order that can deadlock: {cycle}"));
            }
            let cores = self.cpu.read(self.pid);
            self.process.interpreters = interpreters.len();
            self.process.age_s = ungil_meter::process_age_s(self.pid).unwrap_or(self.process.age_s);
            self.process.cores = (!cores.threads.is_empty()).then(|| cores.threads.values().sum());
            self.name_objects(python, &dump, part);
            self.threads(python, reader, detailed, &dump, &cores);
            self.gil(python, interpreters, part);
            self.world(python, interpreters, &mut world, &mut notes);
            if reader.observer.unknown > 0 {
                notes.push(format!(
                    "{} in a system call that the kernel does not show",
                    counted(reader.observer.unknown, "sleeping thread")
                ));
            }
        }
        if now.is_some() && is_stopped(self.pid.unsigned_abs()) {
            notes.push("the process is stopped by a signal or a debugger".into());
        }
        self.shares(part);
        if part.tally.dropped_s > 0.0 {
            notes.push(format!(
                "{:.1} thread-seconds are not shown: too many different lines or objects",
                part.tally.dropped_s
            ));
        }
        let memory = match now {
            Some(_) => self.memory.look(self.pid),
            None => self.memory.last(),
        };
        View {
            schema: SCHEMA,
            process: self.process.clone(),
            span,
            span_s: part.tally.seconds,
            cost,
            threads: self.threads.clone(),
            other_threads: self.others,
            lines: lines(part),
            objects: self.objects(part, &dump),
            collector: CollectorView {
                collecting: now.is_some()
                    && collector.is_some_and(|collector| collector.collecting),
                generations: collector
                    .and_then(|found| found.generations)
                    .map(Vec::from)
                    .unwrap_or_default(),
                span: part.collections,
            },
            world,
            gil: self.gil.clone(),
            memory,
            notes,
            ended: None,
        }
    }

    /// Updates the threads from the last look, and their waits from the detailed look.
    fn threads(
        &mut self,
        python: &Python,
        reader: &mut ThreadReader,
        detailed: &DetailedLook,
        dump: &ThreadDump,
        cores: &CpuUsage,
    ) {
        let closer: FxHashMap<u64, &ThreadInfo> =
            dump.threads.iter().map(|info| (info.thread.address, info)).collect();
        let python_tids: FxHashSet<i32> =
            detailed.threads.iter().map(|info| info.thread.native_id.cast_signed()).collect();
        self.thread_names.retain(|tid, _| python_tids.contains(&tid.cast_signed()));
        let mut names = thread_names(python, dump);
        let named = dump
            .threads
            .iter()
            .filter_map(|info| Some((info.thread.native_id, names.remove(&info.thread.address)?)));
        // A thread whose name could not be read this time keeps its previous name.
        self.thread_names.extend(named);
        self.threads.clear();
        for (info, stack) in detailed.threads.iter().zip(&detailed.stacks) {
            let thread = &info.thread;
            let wait = closer.get(&thread.address).and_then(|closer| self.wait(closer, dump));
            self.threads.push(ThreadView {
                name: self.thread_names.get(&thread.native_id).cloned(),
                tid: thread.native_id,
                interpreter: thread.interpreter,
                state: info.state,
                call: info.system_call().map(Into::into),
                shares: Shares::default(),
                cores: cores.threads.get(&thread.native_id.cast_signed()).copied(),
                // The detailed look was slightly later. If the thread has moved on since, its wait
                // is outdated.
                wait: wait.filter(|_| {
                    matches!(info.state, ThreadState::Lock | ThreadState::Gil | ThreadState::Event)
                }),
                stack: reader.lines(stack).iter().map(|code_line| (**code_line).clone()).collect(),
            });
        }
        let others = cores.tids.iter().filter(|tid| !python_tids.contains(tid));
        let used: Vec<f64> =
            others.clone().filter_map(|tid| cores.threads.get(tid)).copied().collect();
        self.others = OtherThreads {
            count: others.count(),
            cores: (!used.is_empty()).then(|| used.iter().sum()),
        };
    }

    /// Fills in the threads' shares of time.
    fn shares(&mut self, part: &IntervalSums) {
        for thread in &mut self.threads {
            if let Some(seconds) = part.tally.threads.get(&thread.tid) {
                // Shares of the thread's own time: it may be younger than the span.
                thread.shares = Shares::of(seconds, seconds.iter().sum());
            }
        }
    }

    fn gil(&mut self, python: &Python, interpreters: &[Interpreter], part: &IntervalSums) {
        let now = Instant::now();
        let Some(gil) = interpreters.first().and_then(|&main| python.gil(main).ok()) else {
            return;
        };
        self.process.gil_on = gil.enabled;
        let before = self.switches.replace((now, gil.switches));
        if !gil.enabled {
            self.gil = None;
            return;
        }
        let rate = before.map(|(then, switches)| {
            gil.switches.wrapping_sub(switches) as f64
                / now.duration_since(then).as_secs_f64().max(1e-9)
        });
        let waiting = self.threads.iter().filter(|thread| thread.state == ThreadState::Gil);
        let running = self.threads.iter().find(|thread| thread.state == ThreadState::Running);
        self.gil = Some(GilView {
            holder: running.map(|thread| self.thread_name(thread.tid)),
            waiters: waiting.map(|thread| self.thread_name(thread.tid)).collect(),
            switches_per_s: rate,
            taken: part.gil_held as f64 / part.tally.looks.max(1) as f64,
        });
    }

    fn world(
        &self,
        python: &Python,
        interpreters: &[Interpreter],
        view: &mut StopTheWorldView,
        notes: &mut Vec<String>,
    ) {
        for &interpreter in interpreters {
            match python.stop_the_world(interpreter) {
                Ok(Some(world)) if world.requested => {
                    view.now = true;
                    let by = world.requester.and_then(|address| {
                        let threads = python.threads(interpreter).ok()?;
                        Some(threads.iter().find(|thread| thread.address == address)?.native_id)
                    });
                    view.requester = by.map(|tid| self.thread_name(tid));
                }
                Ok(None) => {
                    view.possible = false;
                    notes.push(
                        "stop-the-world pauses are unknown: this CPython release stores them at an unknown offset"
                            .into(),
                    );
                    return;
                }
                _ => {}
            }
        }
    }
}

/// Lists the lines, those with most running and lock waiting first.
fn lines(part: &IntervalSums) -> Vec<LineView> {
    let seconds = part.tally.seconds.max(1e-9);
    let view = |(code_line, of): (&std::sync::Arc<CodeLine>, &super::tally::StateSeconds)| {
        // Not a share of one thread: several threads can be at a line at once.
        let average = of.map(|spent| spent / seconds);
        let [running, native, lock, gil, suspended, event, syscall, ending] = average;
        let threads = Shares { running, native, lock, gil, suspended, event, syscall, ending };
        LineView { code_line: (**code_line).clone(), threads, total: average.iter().sum() }
    };
    let mut lines: Vec<LineView> = part.tally.lines.iter().map(view).collect();
    let busy = |line: &LineView| line.total - line.threads.event - line.threads.syscall;
    lines.sort_by(|a, b| {
        busy(b).total_cmp(&busy(a)).then_with(|| {
            (&a.code_line.file, a.code_line.line).cmp(&(&b.code_line.file, b.code_line.line))
        })
    });
    lines.truncate(MAX_ROWS);
    lines
}
