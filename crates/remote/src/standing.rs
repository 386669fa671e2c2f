//! What every thread does at one moment, as cheaply as can be told.
//!
//! The thread state says whether a thread may run Python; the kernel says of the others what they sleep in; the parking lot which
//! lock that is. Frames are read only where a wait is new: one that goes on, on the same address since the same time, is still
//! for what it was for.

use crate::frames::Stack;
use crate::linux::calls::{CallFile, Doing};
use crate::locks::reader::Store;
use crate::locks::{Known, Reader};
use crate::memory::ReadError;
use crate::python::{Attachment, Interpreter, Python, Thread};
use crate::waits::{Gils, On, Waiting, Waits};
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::sync::Arc;

/// What a thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// Runs Python code, or would if there were a processor free.
    Running,
    /// Runs C code that has let the interpreter go: the GIL released, or detached.
    Native,
    /// Waits for a lock that another thread has.
    Lock,
    /// Waits for the GIL.
    Gil,
    /// Stopped, for the world is.
    Stopped,
    /// Waits for something to happen: an event, a queue's next item, another thread's end.
    Event,
    /// Sleeps in a system call.
    Call,
}

impl Activity {
    /// Every one, in the order in which they are shown.
    pub const ALL: [Activity; 7] = [
        Activity::Running,
        Activity::Native,
        Activity::Lock,
        Activity::Gil,
        Activity::Stopped,
        Activity::Event,
        Activity::Call,
    ];

    /// Its place in [`Activity::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Activity::Running => "running",
            Activity::Native => "native",
            Activity::Lock => "lock",
            Activity::Gil => "gil",
            Activity::Stopped => "stopped",
            Activity::Event => "event",
            Activity::Call => "call",
        }
    }
}

/// A thread and what it does.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The thread.
    pub thread: Thread,
    /// What it does.
    pub activity: Activity,
    /// The system call it sleeps in, where it is not a wait for a lock.
    pub call: Option<&'static str>,
    /// Its wait, as the kernel and the parking lot have it.
    pub waiting: Option<Waiting>,
    /// Its wait, as the program knows it.
    pub known: Option<Arc<Known>>,
    /// Its frames, where they were needed to tell.
    pub stack: Option<Stack>,
}

/// Looks at the threads of one target again and again.
#[derive(Debug, Default)]
pub struct Watcher {
    /// The kernel's files, kept open: opening one costs more than reading it.
    files: FxHashMap<u32, CallFile>,
    store: Store,
    last: FxHashMap<u64, (Waiting, Arc<Known>)>,
    /// Threads that were waiting for the GIL, with the frame and instruction they were at.
    for_gil: FxHashMap<u64, (u64, u64)>,
    /// Threads of which the kernel does not say what they sleep in.
    pub unknown: u64,
}

impl Watcher {
    /// Every thread of these interpreters.
    ///
    /// # Errors
    /// Only what concerns the process as a whole.
    pub fn look(
        &mut self,
        python: &Python,
        interpreters: &[Interpreter],
    ) -> Result<Vec<Standing>, ReadError> {
        let gils = Gils::read(python, interpreters);
        let waits = Waits::new(python, &gils);
        let mut found = Vec::new();
        let mut last = FxHashMap::default();
        self.store.next_look();
        self.unknown = 0;
        for thread in python.working_threads(interpreters)? {
            let standing = self.one(python, &waits, thread)?;
            if let Some((waiting, known)) = standing.waiting.zip(standing.known.clone()) {
                last.insert(thread.address, (waiting, known));
            }
            found.push(standing);
        }
        self.last = last;
        self.for_gil.retain(|address, _| found.iter().any(|standing| standing.thread.address == *address));
        if self.files.len() > found.len() + 64 {
            self.files.retain(|tid, _| found.iter().any(|standing| standing.thread.native_id == *tid));
        }
        Ok(found)
    }

    fn one(&mut self, python: &Python, waits: &Waits<'_>, thread: Thread) -> Result<Standing, ReadError> {
        let is =
            |activity| Standing { thread, activity, call: None, waiting: None, known: None, stack: None };
        if thread.attachment == Attachment::Attached {
            return Ok(is(Activity::Running));
        }
        // A thread that sleeps anyway is called suspended too while the world is stopped: what it waits for is still so.
        let is_suspended = thread.attachment == Attachment::Suspended;
        let idle = if is_suspended { Activity::Stopped } else { Activity::Native };
        let doing = self.doing(python.process().pid, thread.native_id);
        let call = match doing {
            Doing::Call(call) => call,
            Doing::Running if self.still_for_gil(python, &thread) => return Ok(is(Activity::Gil)),
            Doing::Running | Doing::Gone => return Ok(is(idle)),
            Doing::Asleep | Doing::Unknown if is_suspended => return Ok(is(idle)),
            Doing::Asleep => return Ok(is(Activity::Call)),
            Doing::Unknown => {
                self.unknown += 1;
                return Ok(is(Activity::Call));
            }
        };
        let Some(waiting) = waits.of(&thread, &doing) else {
            // Woken just now, if it was a futex.
            let activity = if call.is_futex() { idle } else { Activity::Call };
            return Ok(Standing { call: call.name(), ..is(activity) });
        };
        match waiting.on {
            On::Gil(_) => {
                if let Some(place) = place(python, &thread) {
                    self.for_gil.insert(thread.address, place);
                }
                return Ok(Standing { waiting: Some(waiting), ..is(Activity::Gil) });
            }
            On::World => return Ok(Standing { waiting: Some(waiting), ..is(Activity::Stopped) }),
            On::Parked(_) | On::Ungil(_) | On::Futex(_) => {}
        }
        let before = self.last.get(&thread.address).filter(|(then, _)| {
            then.on == waiting.on && then.since_ns == waiting.since_ns && then.since_ns.is_some()
        });
        let (known, stack) = match before {
            Some((_, known)) => (Arc::clone(known), None),
            None => {
                let stack = match python.stack(&thread) {
                    Ok(stack) => stack,
                    Err(ReadError::Unmapped(_)) => Stack::default(),
                    Err(error) => return Err(error),
                };
                let mut reader = Reader::new(python, &mut self.store);
                (Arc::new(reader.known(&thread, &waiting, &stack.frames)), Some(stack))
            }
        };
        let activity = if known.subject.is_contention() { Activity::Lock } else { Activity::Event };
        Ok(Standing { call: None, waiting: Some(waiting), known: Some(known), stack, ..is(activity) })
    }

    /// Whether a thread that runs without the interpreter only tries to get the GIL: whoever waits for it wakes every few
    /// milliseconds to ask for it, and on a busy machine is awake for a while before it sleeps again. 3.15 says so itself;
    /// before, one that was waiting and has not moved since still is.
    fn still_for_gil(&self, python: &Python, thread: &Thread) -> bool {
        match python.offsets().thread_state.gil_requested {
            Some(offset) => {
                let asked = python.memory().i32(thread.address.saturating_add(offset));
                asked.is_ok_and(|asked| asked != 0)
            }
            None => {
                let then = self.for_gil.get(&thread.address);
                then.is_some() && place(python, thread).as_ref() == then
            }
        }
    }

    fn doing(&mut self, pid: u32, tid: u32) -> Doing {
        if let Some(file) = self.files.get(&tid) {
            match file.read() {
                // The number may be another thread's by now.
                Doing::Gone => drop(self.files.remove(&tid)),
                doing => return doing,
            }
        }
        match CallFile::open(pid, tid) {
            Ok(file) => {
                let doing = file.read();
                self.files.insert(tid, file);
                doing
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Doing::Gone,
            Err(_) => Doing::Unknown,
        }
    }
}

/// The innermost frame of a thread and the instruction it is at.
fn place(python: &Python, thread: &Thread) -> Option<(u64, u64)> {
    let at = thread.frame.checked_add(python.offsets().interpreter_frame.instr_ptr)?;
    Some((thread.frame, python.memory().u64(at).ok()?))
}
