//! One look at all threads: what each does, what it waits for, who has it.
//!
//! The target runs on while it is looked at. What one thread does is read twice around its stack, so that a stack, a wait and
//! what is held by it are of one moment; between threads there is no such moment, and what is said of two of them together may
//! not have been so at one time. A cycle of waits is therefore looked at again before it is called one (see [`Looker::deadlocks`]).

mod cycles;
mod holders;
mod names;

pub use holders::Holder;
pub use names::thread_names;

use crate::frames::{Frame, Stack};
use crate::linux::calls::{CallFile, Doing};
use crate::locks::reader::Store;
use crate::locks::{Hold, Known, Reader};
use crate::memory::ReadError;
use crate::process::Process;
use crate::python::{Attachment, Interpreter, Python, Thread};
use crate::waits::{Gils, On, Waiting, Waits, monotonic_ns};
use rustc_hash::FxHashMap;

/// What a thread is doing, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs Python, or would if there were a processor free.
    Running,
    /// It waits for something another thread has or will do.
    Lock,
    /// It waits for the GIL.
    Gil,
    /// It is stopped, for the world is.
    Stopped,
    /// It sleeps in a system call.
    Call,
    /// It runs C code, without the GIL where there is one.
    Native,
    /// It is coming to its end.
    Ending,
}

/// A thread as one look found it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The thread.
    pub thread: Thread,
    /// What the kernel says.
    pub doing: Doing,
    /// Its frames.
    pub stack: Stack,
    /// The thread runs with this thread state; false where it has entered another interpreter (see [`crate::nesting`]).
    pub at_work: bool,
    /// It is awake, but about to wait for the GIL again: it stands where the interpreter lets others have it.
    pub wants_gil: bool,
    /// What it sleeps on, if it waits.
    pub waiting: Option<Waiting>,
    /// What that is to the program.
    pub known: Option<Known>,
    /// Who has it.
    pub holders: Vec<Holder>,
    /// Those are all, and without them it cannot go on.
    pub stuck_on_holders: bool,
    /// What it holds.
    pub holds: Vec<Hold>,
}

impl Seen {
    /// What it is doing, in one word.
    #[must_use]
    pub fn state(&self) -> State {
        match (&self.waiting, &self.known, self.thread.attachment, self.doing) {
            (Some(Waiting { on: On::Gil(_), .. }), ..) => State::Gil,
            (Some(Waiting { on: On::World, .. }), ..) | (_, _, Attachment::Suspended, _) => State::Stopped,
            (Some(_), Some(known), ..) if known.kind != "futex" => State::Lock,
            (_, _, Attachment::Other(_), _) => State::Ending,
            (_, _, _, Doing::Call(_)) => State::Call,
            (_, _, Attachment::Detached, _) if self.wants_gil => State::Gil,
            (_, _, Attachment::Detached, _) => State::Native,
            _ => State::Running,
        }
    }
}

/// All threads as one look found them.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// The interpreters, the main one first.
    pub interpreters: Vec<Interpreter>,
    /// The threads, of the main interpreter first, oldest first.
    pub threads: Vec<Seen>,
    /// Nanoseconds of the monotonic clock at the end of the look.
    pub at_ns: i64,
    /// Threads that moved on in every attempt to read them.
    pub torn: u32,
}

/// Looks at one target again and again; keeps what stays the same.
#[derive(Debug, Default)]
pub struct Looker {
    files: FxHashMap<u32, CallFile>,
    store: Store,
}

/// Attempts to read a thread at rest.
const ATTEMPTS: u32 = 4;
/// Further looks at a cycle while its threads are woken by something (a signal) and go on waiting.
const CONFIRMATIONS: u32 = 3;

impl Looker {
    /// One look.
    ///
    /// # Errors
    /// The process ended or may not be read any more.
    pub fn look(&mut self, python: &mut Python) -> Result<Scene, ReadError> {
        python.next_look();
        self.store.next_look();
        let python = &*python;
        let mut interpreters = python.interpreters()?;
        interpreters.sort_by_key(|interpreter| interpreter.id);
        let gils = Gils::read(python, &interpreters);
        let waits = Waits::new(python, &gils);
        let mut scene = Scene { interpreters, ..Scene::default() };
        for &interpreter in &scene.interpreters {
            let mut threads = python.threads(interpreter)?;
            threads.reverse();
            for thread in threads {
                if let Some(seen) = self.thread(python, &waits, gils.in_use, thread)? {
                    scene.torn += u32::from(seen.stack.torn);
                    scene.threads.push(seen);
                }
            }
        }
        scene.one_wait_a_thread(python);
        self.files.retain(|tid, _| scene.threads.iter().any(|seen| seen.thread.native_id == *tid));
        let mut reader = Reader::new(python, &mut self.store);
        for seen in &mut scene.threads {
            if let Some(waiting) = &seen.waiting {
                seen.known = Some(reader.known(&seen.thread, waiting, &seen.stack.frames));
            }
            seen.holds = reader.holds(&seen.thread, &seen.stack.frames);
        }
        holders::resolve(&mut scene, &mut reader);
        scene.at_ns = monotonic_ns();
        Ok(scene)
    }

    /// One thread: what the kernel says, its stack, and what the kernel says again; `None` where it has ended.
    fn thread(
        &mut self,
        python: &Python,
        waits: &Waits<'_>,
        has_gil: bool,
        mut thread: Thread,
    ) -> Result<Option<Seen>, ReadError> {
        let process = python.process();
        let mut seen = None;
        for _attempt in 0..ATTEMPTS {
            let doing = self.doing(process, thread.native_id);
            let waiting = waits.of(&thread, &doing);
            let stack = match python.stack(&thread) {
                Ok(stack) => stack,
                Err(ReadError::Unmapped(_)) => return Ok(None),
                Err(error) => return Err(error),
            };
            if let Some(attachment) = python.attachment(&thread) {
                thread.attachment = attachment;
            }
            let after = self.doing(process, thread.native_id);
            let waiting_after = waits.of(&thread, &after);
            let is_still = doing == after && same(waiting.as_ref(), waiting_after.as_ref()) && !stack.torn;
            if doing == Doing::Gone {
                return Ok(None);
            }
            let waiting = waiting.filter(|_| is_still);
            let awake = thread.attachment == Attachment::Detached && after == Doing::Running;
            let wants_gil =
                awake && has_gil && stack.frames.first().is_some_and(|frame| gives_way(python, frame));
            seen = Some(Seen {
                thread,
                doing: after,
                stack,
                at_work: true,
                wants_gil,
                waiting,
                known: None,
                holders: Vec::new(),
                stuck_on_holders: false,
                holds: Vec::new(),
            });
            if is_still {
                break;
            }
        }
        Ok(seen)
    }

    fn doing(&mut self, process: &Process, tid: u32) -> Doing {
        if let Some(file) = self.files.get(&tid) {
            match file.read() {
                // The number may have come back for another thread.
                Doing::Gone => self.files.remove(&tid),
                doing => return doing,
            };
        }
        match process.call_file(tid) {
            Ok(file) => self.files.entry(tid).or_insert(file).read(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Doing::Gone,
            Err(_) => Doing::Unknown,
        }
    }

    /// The deadlocks: cycles of `scene` that are there again in a second look during which none of their threads has run at all,
    /// so that all that is said of them was so at one time. With them that second look.
    ///
    /// # Errors
    /// As [`Looker::look`].
    pub fn deadlocks(&mut self, python: &mut Python, scene: &Scene) -> Result<Vec<Vec<Seen>>, ReadError> {
        let mut suspects: Vec<Vec<u32>> = scene.cycles().iter().map(|cycle| scene.tids(cycle)).collect();
        let mut confirmed = Vec::new();
        for _ in 0..CONFIRMATIONS {
            if suspects.is_empty() {
                break;
            }
            let runs = |python: &Python, cycle: &[u32]| {
                cycle.iter().map(|&tid| python.process().switches(tid)).collect::<Option<Vec<_>>>()
            };
            let before: Vec<_> = suspects.iter().map(|cycle| runs(python, cycle)).collect();
            let again = self.look(python)?;
            let cycles = again.cycles();
            let mut left = Vec::new();
            for (suspect, before) in suspects.into_iter().zip(before) {
                let Some(cycle) = cycles.iter().find(|cycle| again.tids(cycle) == suspect) else { continue };
                if before.is_some() && runs(python, &suspect) == before {
                    confirmed.push(cycle.iter().map(|&index| again.threads[index].clone()).collect());
                } else {
                    left.push(suspect);
                }
            }
            suspects = left;
        }
        Ok(confirmed)
    }
}

/// Whether a frame stands at an instruction at which the interpreter lets another thread have the GIL: at the start of a
/// function or the end of a loop's turn. Anywhere else a thread without the GIL runs C code.
fn gives_way(python: &Python, frame: &Frame) -> bool {
    let start = frame.code.address.saturating_add(python.offsets().code_object.co_code_adaptive);
    let Ok(opcode) = python.memory().u8(start.saturating_add(2 * u64::from(frame.unit))) else {
        return false;
    };
    // RESUME, JUMP_BACKWARD and what they are replaced by (`opcode_ids.h`).
    let opcodes: &[u8] = match python.version().minor {
        13 => &[149, 207, 236, 77, 249],
        14 => &[128, 196, 245, 75, 175, 176, 253],
        _ => &[128, 200, 201, 244, 74, 181, 182, 252],
    };
    opcodes.contains(&opcode)
}

/// The same wait, but for the time it has left.
fn same(one: Option<&Waiting>, other: Option<&Waiting>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => (one.on, one.since_ns) == (other.on, other.since_ns),
        (None, None) => true,
        _ => false,
    }
}
