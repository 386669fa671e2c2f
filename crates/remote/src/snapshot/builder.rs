//! Builds a snapshot from a thread dump: looks up names, reads source lines, adds tasks.

use super::tasks::{task_cycles, tasks};
use super::warnings::process_warnings;
use super::{
    CoreView, DeadlockView, EdgeView, FrameView, HoldView, HolderView, InterpreterView, RowView,
    Snapshot, StrandedView, TaskName, ThreadView, WaitView,
};
use crate::frames::Frame;
use crate::linux::syscall::KernelState;
use crate::memory::ReadError;
use crate::native::{StackRow, StopPolicy, Unwinder, merge_stacks};
use crate::python::Python;
use crate::read_budget::LOOK_BUDGET;
use crate::referrers::ReferrerName;
use crate::source::SourceFiles;
use crate::thread_dump::{Holder, ThreadDump, fork_origin, thread_names};
use crate::thread_observer::{ThreadInfo, ThreadObserver};
use crate::unicode::decoded;
use crate::wait_target::WaitTarget;
use rustc_hash::FxHashMap;
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

/// Optional parts of a snapshot.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotOptions {
    /// Source lines of the frames.
    pub source: bool,
    /// asyncio tasks.
    pub tasks: bool,
    /// C frames, and whether running threads may be stopped to read theirs.
    pub native: Option<StopPolicy>,
}

/// Takes a snapshot.
///
/// # Errors
/// The process ended or may no longer be read.
pub fn take_snapshot(
    python: &mut Python,
    observer: &mut ThreadObserver,
    options: SnapshotOptions,
) -> Result<Snapshot, ReadError> {
    let begin = Instant::now();
    let limit = python.process().limit(LOOK_BUDGET);
    let dump = observer.dump(python)?;
    let look_s = begin.elapsed().as_secs_f64();
    let deadlocks = observer.deadlocks(python, &dump)?;
    let mut warnings = Vec::new();
    let tasks = if options.tasks {
        tasks(python, observer.find_tasks(python), &dump, &mut warnings)?
    } else {
        Vec::new()
    };
    let mut builder = SnapshotBuilder {
        names: names(python, &dump),
        threads: thread_names(python, &dump),
        sources: options.source.then(|| SourceFiles::new(python.process())),
        unwinder: options
            .native
            .and_then(|stop| Some((Unwinder::new(python.process()).ok()?, stop))),
        no_native: 0,
        task_names: tasks.iter().map(|task| (task.address, task.name.clone())).collect(),
        dump: &dump,
    };
    let interpreters = builder.interpreters();
    let stranded =
        deadlocks.stranded.iter().filter_map(|info| builder.stranded(python, info)).collect();
    let deadlocks = deadlocks.cycles.iter().map(|cycle| builder.deadlock(cycle)).collect();
    let task_cycles = task_cycles(&tasks);
    let tasks = tasks.iter().map(|task| builder.task(task)).collect();
    warnings.extend(builder.warnings());
    warnings.extend(process_warnings(python, &dump));
    if limit.is_spent() {
        warnings.push("the read limit for one look was reached: the result is incomplete".into());
    }
    let process = python.process();
    warnings.extend(process.core().map(|core| core.missing()).unwrap_or_default());
    Ok(Snapshot {
        schema: "ungil.dump/2",
        pid: process.pid,
        core: process.core().map(|core| CoreView::new(core)),
        python: python.version().to_string(),
        free_threaded: python.offsets().free_threaded,
        gil: if python.has_gil() { "on" } else { "off" },
        executable: decoded(process.executable.as_os_str().as_bytes()),
        command: process.command.clone(),
        look_s: rounded(look_s),
        torn: dump.torn,
        interpreters,
        tasks,
        deadlocks,
        stranded,
        lock_order: None,
        task_cycles,
        warnings,
    })
}

/// Returns the names of the locks in a dump.
fn names(python: &Python, dump: &ThreadDump) -> FxHashMap<u64, ReferrerName> {
    let waited = dump.threads.iter().filter_map(|info| Some(info.wait.as_ref()?.object));
    let held = dump.threads.iter().flat_map(|info| info.holds.iter().map(|hold| hold.lock));
    let wanted: Vec<u64> = waited.chain(held).collect();
    if wanted.is_empty() {
        return FxHashMap::default();
    }
    python.names(wanted, dump.threads.iter().flat_map(|info| info.frames()))
}

/// Builder for the parts of a snapshot.
pub(super) struct SnapshotBuilder<'a> {
    pub(super) dump: &'a ThreadDump,
    names: FxHashMap<u64, ReferrerName>,
    /// Thread names by the address of the thread state.
    threads: FxHashMap<u64, String>,
    pub(super) sources: Option<SourceFiles>,
    unwinder: Option<(Unwinder<'a>, StopPolicy)>,
    /// Number of threads whose C frames could not be read.
    pub(super) no_native: u32,
    /// Task names by the address of the task.
    task_names: FxHashMap<u64, String>,
}

impl SnapshotBuilder<'_> {
    fn interpreters(&mut self) -> Vec<InterpreterView> {
        let dump = self.dump;
        dump.interpreters
            .iter()
            .map(|interpreter| {
                let threads =
                    dump.threads.iter().filter(|info| info.thread.interpreter == interpreter.id);
                InterpreterView {
                    id: interpreter.id,
                    threads: threads.map(|info| self.thread(info)).collect(),
                }
            })
            .collect()
    }

    fn thread(&mut self, info: &ThreadInfo) -> ThreadView {
        let thread = info.thread;
        let system_call = match info.kernel {
            KernelState::SystemCall(call) => {
                Some(call.name().map_or_else(|| format!("#{}", call.number), str::to_owned))
            }
            _ => None,
        };
        ThreadView {
            name: self.name_of(info),
            native_id: thread.own_id,
            tid: (thread.own_id != thread.native_id).then_some(thread.native_id),
            ident: thread.ident,
            entered: self.entered(info),
            state: info.state,
            system_call,
            cpu: info.kernel == KernelState::Running,
            frames: info.frames().iter().map(|frame| self.frame(frame)).collect(),
            torn: info.stack.as_ref().is_some_and(|stack| stack.torn),
            native: self.native(info),
            waits: self.wait(info),
            holds: info
                .holds
                .iter()
                .map(|hold| HoldView {
                    lock: hex(hold.lock),
                    kind: hold.target.clone(),
                    name: hold.name.clone().or_else(|| self.program_name(hold.lock)),
                    depth: hold.depth,
                    confidence: hold.confidence,
                    frame: hold.frame,
                })
                .collect(),
        }
    }

    /// Returns the interpreter in which the thread is running, if it is another one.
    fn entered(&self, info: &ThreadInfo) -> Option<i64> {
        let same =
            |other: &&ThreadInfo| other.is_current && other.thread.own_id == info.thread.own_id;
        let is_current =
            || self.dump.threads.iter().find(same).map(|other| other.thread.interpreter);
        if info.is_current { None } else { is_current() }
    }

    /// Returns C and Python frames merged, if C frames were requested.
    fn native(&mut self, info: &ThreadInfo) -> Option<Vec<RowView>> {
        let (unwinder, stop) = self.unwinder.as_mut()?;
        let Ok(native) = unwinder.stack(info.thread.native_id, *stop) else {
            self.no_native += 1;
            return None;
        };
        let rows = merge_stacks(native, info.frames()).into_iter().map(|row| match row {
            StackRow::Python(index) => RowView::Python(index),
            StackRow::Native(frame) => RowView::Native {
                symbol: frame.symbol,
                file: frame.file.map(|file| file.display().to_string()),
                offset: frame.offset,
            },
        });
        Some(rows.collect())
    }

    fn wait(&self, info: &ThreadInfo) -> Option<WaitView> {
        let (blocked, wait) = (info.blocked?, info.wait.as_ref()?);
        if wait.target == WaitTarget::Futex {
            return None;
        }
        let seconds = |ns: i64| rounded(ns.max(0) as f64 / 1e9);
        Some(WaitView {
            lock: hex(wait.object),
            kind: wait.target.clone(),
            name: wait.name.clone().or_else(|| self.program_name(wait.object)),
            contention: wait.target.is_contention(),
            seconds: blocked.since_ns.map(|since| seconds(self.dump.at_ns.saturating_sub(since))),
            timed: blocked.timed,
            left_s: blocked.left_ns.map(seconds),
            frame: (!info.frames().is_empty()).then_some(0),
            holders: info
                .holders
                .iter()
                .filter_map(|holder| {
                    let who = self.dump.threads.get(holder.thread)?;
                    let (confidence, frame) = (holder.confidence, holder.frame);
                    Some(HolderView {
                        native_id: who.thread.own_id,
                        name: self.name_of(who),
                        confidence,
                        frame,
                        task: self.task_name(holder.task),
                    })
                })
                .collect(),
        })
    }

    fn deadlock(&self, cycle: &[ThreadInfo]) -> DeadlockView {
        // Holder indices refer to the look that confirmed the deadlock, so holders are identified
        // by thread.
        let edges = cycle.iter().enumerate().filter_map(|(index, info)| {
            let wait = info.wait.as_ref()?;
            let next = &cycle[(index + 1) % cycle.len()];
            let Holder { confidence, task, .. } = *info.holders.first()?;
            Some(EdgeView {
                native_id: info.thread.own_id,
                thread: self.name_of(info),
                waits_for: hex(wait.object),
                kind: wait.target.clone(),
                name: wait.name.clone().or_else(|| self.program_name(wait.object)),
                held_by: next.thread.own_id,
                holder: self.name_of(next),
                confidence,
                task: self.task_name(task),
            })
        });
        DeadlockView { edges: edges.collect() }
    }

    fn stranded(&self, python: &Python, info: &ThreadInfo) -> Option<StrandedView> {
        let wait = info.wait.as_ref()?;
        let origin = fork_origin(python, wait);
        let holder = origin.as_ref().and_then(|origin| origin.holder.clone());
        Some(StrandedView {
            native_id: info.thread.own_id,
            thread: self.name_of(info),
            waits_for: hex(wait.object),
            kind: wait.target.clone(),
            name: wait.name.clone().or_else(|| self.program_name(wait.object)),
            forked_from: origin.map(|origin| origin.pid),
            held_by: holder.as_ref().map(|holder| holder.native_id),
            holder: holder.map(|holder| holder.name),
        })
    }

    pub(super) fn frame(&mut self, frame: &Frame) -> FrameView {
        let file = frame.code.file.clone();
        let source = match (&mut self.sources, frame.line) {
            (Some(sources), Some(line)) => sources.line(&file, line),
            _ => None,
        };
        FrameView { function: frame.code.qualname.clone(), file, line: frame.line, source }
    }

    fn program_name(&self, object: u64) -> Option<String> {
        // Every object is `self` to its own methods.
        self.names.get(&object).filter(|name| name.path != "self").map(ToString::to_string)
    }

    fn task_name(&self, task: Option<u64>) -> Option<TaskName> {
        let task = task?;
        Some(TaskName {
            id: hex(task),
            name: self.task_names.get(&task).cloned().unwrap_or_default(),
        })
    }

    pub(super) fn name_of(&self, info: &ThreadInfo) -> String {
        self.threads
            .get(&info.thread.address)
            .cloned()
            .unwrap_or_else(|| format!("thread {}", info.thread.own_id))
    }
}

pub(super) fn hex(address: u64) -> String {
    format!("{address:#x}")
}

/// Rounds to a tenth of a millisecond.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e4).round() / 1e4
}
