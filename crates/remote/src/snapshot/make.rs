//! From a look to plain data: names are looked up, sources read, tasks added.

use super::tasks::{task_cycles, tasks};
use super::{
    CoreView, DeadlockView, EdgeView, FrameView, HoldView, HolderView, InterpreterView, RowView, Snapshot,
    ThreadView, WaitView,
};
use crate::allowance::OF_A_LOOK;
use crate::frames::{DEEPEST, Frame};
use crate::linux::calls::Doing;
use crate::memory::ReadError;
use crate::names::Name;
use crate::native::{Row, Stop, Unwinder, weave};
use crate::python::Python;
use crate::scene::{Looker, Scene, Seen, State};
use crate::source::Sources;
use crate::text::decoded;
use rustc_hash::FxHashMap;
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;
use ungil_format::counted;

/// What a snapshot is to hold besides threads and locks.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Lines of source under the frames.
    pub source: bool,
    /// asyncio's tasks.
    pub tasks: bool,
    /// C frames, and whether threads that run may be stopped for theirs.
    pub native: Option<Stop>,
}

/// Takes a snapshot.
///
/// # Errors
/// The process ended or may not be read any more.
pub fn take(python: &mut Python, looker: &mut Looker, options: Options) -> Result<Snapshot, ReadError> {
    let begin = Instant::now();
    let allowance = python.process().limit(OF_A_LOOK);
    let scene = looker.look(python)?;
    let look_s = begin.elapsed().as_secs_f64();
    let deadlocks = looker.deadlocks(python, &scene)?;
    let mut warnings = Vec::new();
    let tasks = if options.tasks { tasks(python, &scene, &mut warnings)? } else { Vec::new() };
    let mut making = Making {
        names: names(python, &scene),
        threads: crate::scene::thread_names(python, &scene),
        sources: options.source.then(|| Sources::new(python.process())),
        unwinder: options.native.and_then(|stop| Some((Unwinder::new(python.process()).ok()?, stop))),
        no_native: 0,
        scene: &scene,
    };
    let interpreters = making.interpreters();
    let deadlocks = deadlocks.iter().map(|cycle| making.deadlock(cycle)).collect();
    let task_cycles = task_cycles(&tasks);
    let tasks = tasks.iter().map(|task| making.task(task)).collect();
    warnings.extend(making.warnings());
    if python.process().is_stopped() {
        warnings.push("the process is stopped by a signal or a debugger: none of its threads goes on".into());
    }
    if has_greenlets(python, &scene) {
        warnings.push(
            "suspended greenlets are not shown: each thread's stack is that of the greenlet it runs".into(),
        );
    }
    if allowance.is_spent() {
        warnings.push("there is more in the process than one look reads: this is not all of it".into());
    }
    let process = python.process();
    warnings.extend(process.core().map(|core| core.missing()).unwrap_or_default());
    Ok(Snapshot {
        schema: "ungil.dump/1",
        pid: process.pid,
        core: process.core().map(|core| CoreView::new(core)),
        python: python.version().to_string(),
        free_threaded: python.offsets().free_threaded,
        gil: if python.has_gil() { "on" } else { "off" },
        executable: decoded(process.executable.as_os_str().as_bytes()),
        command: process.command.clone(),
        look_s: rounded(look_s),
        torn: scene.torn,
        interpreters,
        tasks,
        deadlocks,
        task_cycles,
        warnings,
    })
}

/// Whether a program uses greenlets (gevent, eventlet): their module is imported.
fn has_greenlets(python: &Python, scene: &Scene) -> bool {
    let objects = python.objects();
    scene.interpreters.iter().any(|interpreter| {
        let at = interpreter.address.checked_add(python.offsets().interpreter_state.imports_modules);
        let modules = at.and_then(|at| python.memory().u64(at).ok());
        modules.is_some_and(|modules| objects.item(modules, "greenlet").is_some())
    })
}

/// What the locks of a look are called.
fn names(python: &Python, scene: &Scene) -> FxHashMap<u64, Name> {
    let waited = scene.threads.iter().filter_map(|seen| Some(seen.known.as_ref()?.object));
    let held = scene.threads.iter().flat_map(|seen| seen.holds.iter().map(|hold| hold.lock));
    let wanted: Vec<u64> = waited.chain(held).collect();
    if wanted.is_empty() {
        return FxHashMap::default();
    }
    python.names(wanted, scene.threads.iter().flat_map(|seen| &seen.stack.frames))
}

/// What views are made with.
pub(super) struct Making<'a> {
    pub(super) scene: &'a Scene,
    names: FxHashMap<u64, Name>,
    /// By the address of the thread state.
    threads: FxHashMap<u64, String>,
    sources: Option<Sources>,
    unwinder: Option<(Unwinder<'a>, Stop)>,
    /// Threads whose C frames could not be read.
    no_native: u32,
}

impl Making<'_> {
    fn interpreters(&mut self) -> Vec<InterpreterView> {
        let scene = self.scene;
        scene
            .interpreters
            .iter()
            .map(|interpreter| {
                let threads = scene.threads.iter().filter(|seen| seen.thread.interpreter == interpreter.id);
                InterpreterView {
                    id: interpreter.id,
                    threads: threads.map(|seen| self.thread(seen)).collect(),
                }
            })
            .collect()
    }

    fn thread(&mut self, seen: &Seen) -> ThreadView {
        let thread = seen.thread;
        let system_call = match seen.doing {
            Doing::Call(call) => Some(call.name().map_or_else(|| format!("#{}", call.number), str::to_owned)),
            _ => None,
        };
        ThreadView {
            name: self.name_of(seen),
            native_id: thread.own_id,
            tid: (thread.own_id != thread.native_id).then_some(thread.native_id),
            ident: thread.ident,
            entered: self.entered(seen),
            state: word(seen.state()),
            system_call,
            cpu: seen.doing == Doing::Running,
            frames: seen.stack.frames.iter().map(|frame| self.frame(frame)).collect(),
            torn: seen.stack.torn,
            native: self.native(seen),
            waits: self.wait(seen),
            holds: seen
                .holds
                .iter()
                .map(|hold| HoldView {
                    lock: hex(hold.lock),
                    kind: hold.kind.to_string(),
                    name: hold.name.clone().or_else(|| self.called(hold.lock)),
                    depth: hold.depth,
                    confidence: hold.confidence,
                    frame: hold.frame,
                })
                .collect(),
        }
    }

    /// The interpreter in which the thread is at work, where that is another one.
    fn entered(&self, seen: &Seen) -> Option<i64> {
        let same = |other: &&Seen| other.at_work && other.thread.own_id == seen.thread.own_id;
        let at_work = || self.scene.threads.iter().find(same).map(|other| other.thread.interpreter);
        if seen.at_work { None } else { at_work() }
    }

    /// C and Python frames together, where they were asked for.
    fn native(&mut self, seen: &Seen) -> Option<Vec<RowView>> {
        let (unwinder, stop) = self.unwinder.as_mut()?;
        let Ok(native) = unwinder.stack(seen.thread.native_id, *stop) else {
            self.no_native += 1;
            return None;
        };
        let rows = weave(native, &seen.stack.frames).into_iter().map(|row| match row {
            Row::Python(index) => RowView::Python(index),
            Row::Native(frame) => RowView::Native {
                symbol: frame.symbol,
                file: frame.file.map(|file| file.display().to_string()),
                offset: frame.offset,
            },
        });
        Some(rows.collect())
    }

    fn wait(&self, seen: &Seen) -> Option<WaitView> {
        let (waiting, known) = (seen.waiting?, seen.known.as_ref()?);
        if known.kind == "futex" {
            return None;
        }
        let seconds = |ns: i64| rounded(ns.max(0) as f64 / 1e9);
        Some(WaitView {
            lock: hex(known.object),
            kind: known.kind.to_string(),
            name: known.name.clone().or_else(|| self.called(known.object)),
            contention: known.subject.is_contention(),
            seconds: waiting.since_ns.map(|since| seconds(self.scene.at_ns.saturating_sub(since))),
            timed: waiting.timed,
            left_s: waiting.left_ns.map(seconds),
            frame: (!seen.stack.frames.is_empty()).then_some(0),
            holders: seen
                .holders
                .iter()
                .filter_map(|holder| {
                    let who = self.scene.threads.get(holder.thread)?;
                    let (confidence, frame) = (holder.confidence, holder.frame);
                    Some(HolderView {
                        native_id: who.thread.own_id,
                        name: self.name_of(who),
                        confidence,
                        frame,
                    })
                })
                .collect(),
        })
    }

    fn deadlock(&self, cycle: &[Seen]) -> DeadlockView {
        // Indices of holders are those of the look that confirmed it; the thread states tell who they are.
        let edges = cycle.iter().enumerate().filter_map(|(index, seen)| {
            let known = seen.known.as_ref()?;
            let next = &cycle[(index + 1) % cycle.len()];
            let confidence = seen.holders.first()?.confidence;
            Some(EdgeView {
                native_id: seen.thread.own_id,
                thread: self.name_of(seen),
                waits_for: hex(known.object),
                kind: known.kind.to_string(),
                name: known.name.clone().or_else(|| self.called(known.object)),
                held_by: next.thread.own_id,
                holder: self.name_of(next),
                confidence,
            })
        });
        DeadlockView { edges: edges.collect() }
    }

    pub(super) fn frame(&mut self, frame: &Frame) -> FrameView {
        let file = frame.code.file.clone();
        let source = match (&mut self.sources, frame.line) {
            (Some(sources), Some(line)) => sources.line(&file, line),
            _ => None,
        };
        FrameView { function: frame.code.qualname.clone(), file, line: frame.line, source }
    }

    fn called(&self, object: u64) -> Option<String> {
        // Every object is `self` to its own methods.
        self.names.get(&object).filter(|name| name.path != "self").map(ToString::to_string)
    }

    fn name_of(&self, seen: &Seen) -> String {
        self.threads
            .get(&seen.thread.address)
            .cloned()
            .unwrap_or_else(|| format!("thread {}", seen.thread.own_id))
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let unreadable: u32 = self.scene.threads.iter().map(|seen| seen.stack.unreadable).sum();
        if unreadable > 0 {
            warnings.push(format!("left out: {} that could not be read", counted(unreadable, "frame")));
        }
        if self.scene.torn > 0 {
            warnings.push(format!("{} moved on at every attempt to read the stack: the frames shown may never have been so at one time", counted(self.scene.torn, "thread")));
        }
        let cut = self.scene.threads.iter().filter(|seen| seen.stack.cut).count();
        if cut > 0 {
            warnings.push(format!(
                "{} with more than {DEEPEST} frames: the outermost, and what they hold, are left out",
                counted(cut as u64, "stack")
            ));
        }
        if self.no_native > 0 {
            warnings.push(format!(
                "C frames are left out of {} that would have to be stopped for it, because code runs there",
                counted(self.no_native, "thread")
            ));
        }
        if self.scene.threads.iter().any(|seen| seen.doing == Doing::Unknown) {
            warnings
                .push("the kernel does not say what threads wait for (/proc/PID/task/TID/syscall)".into());
        }
        let newer = self.sources.as_ref().map(Sources::newer).unwrap_or_default();
        if !newer.is_empty() {
            warnings.push(format!(
                "changed since the process started (of a core: since it was written), so that its lines may not be those \
                 that run: {}",
                newer.join(", ")
            ));
        }
        for cycle in self.scene.passing_cycles() {
            let names: Vec<String> =
                cycle.iter().map(|&index| self.name_of(&self.scene.threads[index])).collect();
            warnings.push(format!(
                "threads wait for each other, one of them with a timeout: {}",
                names.join(", ")
            ));
        }
        warnings
    }
}

pub(super) fn hex(address: u64) -> String {
    format!("{address:#x}")
}

/// To a tenth of a millisecond.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e4).round() / 1e4
}

/// A state's word in the data.
fn word(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::Lock => "lock",
        State::Gil => "gil",
        State::Stopped => "stopped",
        State::Call => "syscall",
        State::Native => "native",
        State::Ending => "ending",
    }
}
