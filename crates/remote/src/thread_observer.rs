//! Observes the threads of one target again and again: what each is doing, at the cost of what has
//! changed.
//!
//! Frames are read only where a wait is new: a wait that goes on, on the same address since the
//! same time, is still for the same object.

use crate::frames::Stack;
use crate::linux::calls::{CallFile, Doing};
use crate::locks::reader::Store;
use crate::locks::{Hold, Reader};
use crate::memory::ReadError;
use crate::parking::{Blocked, BlockedOn, Gils, Parking};
use crate::python::{Attachment, Interpreter, Python, Thread};
use crate::tasks::{Tasks, TasksError};
use crate::thread_dump::Holder;
use crate::thread_state::{CodePlace, ThreadState, classify, code_place, wants_gil};
use crate::wait_target::WaitedObject;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A thread as one look found it.
#[derive(Debug, Clone)]
pub struct ThreadInfo {
    /// The thread.
    pub thread: Thread,
    /// What it is doing.
    pub state: ThreadState,
    /// What the kernel says.
    pub kernel: Doing,
    /// Its frames, where they were read.
    pub stack: Option<Stack>,
    /// The thread runs with this thread state; false where it has entered another interpreter (see
    /// [`crate::nesting`]).
    pub at_work: bool,
    /// What it is blocked on, as the kernel and the parking lot have it.
    pub blocked: Option<Blocked>,
    /// What that is to the program.
    pub wait: Option<Arc<WaitedObject>>,
    /// Who has it. Filled in by [`ThreadObserver::dump`], as are the next three.
    pub holders: Vec<Holder>,
    /// Those are all, and without them it cannot go on.
    pub stuck_on_holders: bool,
    /// What it holds.
    pub holds: Vec<Hold>,
    /// It slept all the while, so that its frames, its wait and all that it holds are of one
    /// moment.
    pub settled: bool,
}

impl ThreadInfo {
    pub(crate) fn new(thread: Thread, state: ThreadState) -> ThreadInfo {
        ThreadInfo {
            thread,
            state,
            kernel: Doing::Running,
            stack: None,
            at_work: true,
            blocked: None,
            wait: None,
            holders: Vec::new(),
            stuck_on_holders: false,
            holds: Vec::new(),
            settled: false,
        }
    }

    /// Its frames, innermost first; empty where they were not read.
    #[must_use]
    pub fn frames(&self) -> &[crate::frames::Frame] {
        self.stack.as_ref().map_or(&[], |stack| &stack.frames)
    }

    /// The system call it sleeps in, where that is not a wait for something the program knows.
    #[must_use]
    pub fn system_call(&self) -> Option<&'static str> {
        match (self.state, self.kernel) {
            (ThreadState::Syscall, Doing::Call(call)) => call.name(),
            _ => None,
        }
    }
}

/// Asyncio that was not loaded is searched for again after this many looks.
const TASKS_EVERY: u32 = 16;

/// Observes one target; keeps what stays the same between looks.
#[derive(Debug, Default)]
pub struct ThreadObserver {
    /// The kernel's files, kept open: opening one costs more than reading it.
    files: FxHashMap<u32, CallFile>,
    pub(crate) store: Store,
    looks: u32,
    /// What the search for asyncio's tasks came to.
    tasks: Option<Result<Tasks, TasksError>>,
    waits: FxHashMap<u64, (Blocked, Arc<WaitedObject>)>,
    /// Where threads were that waited for the GIL.
    waited_at: FxHashMap<u64, CodePlace>,
    /// Threads of the last look of which the kernel does not say what they sleep in.
    pub unknown: u64,
}

impl ThreadObserver {
    /// Returns the state of every thread of these interpreters, as cheaply as can be told.
    ///
    /// # Errors
    /// The process ended or may not be read any more.
    pub fn states(
        &mut self,
        python: &Python,
        interpreters: &[Interpreter],
    ) -> Result<Vec<ThreadInfo>, ReadError> {
        let gils = Gils::read(python, interpreters);
        self.begin();
        let mut found = Vec::new();
        let mut waits = FxHashMap::default();
        for thread in python.working_threads(interpreters)? {
            let info = self.state(python, &gils, thread)?;
            if let Some((blocked, wait)) = info.blocked.zip(info.wait.clone()) {
                waits.insert(thread.address, (blocked, wait));
            }
            found.push(info);
        }
        self.waits = waits;
        self.forget_ended(&found);
        Ok(found)
    }

    fn state(
        &mut self,
        python: &Python,
        gils: &Gils,
        thread: Thread,
    ) -> Result<ThreadInfo, ReadError> {
        let mut info = ThreadInfo::new(thread, ThreadState::Running);
        info.kernel = self.kernel(python, thread.native_id);
        self.unknown += u64::from(info.kernel == Doing::Unknown);
        info.blocked = Parking::new(python, gils).of(&thread, &info.kernel);
        if let Some(blocked) = &info.blocked {
            let goes_on =
                |(then, _): &&(Blocked, _)| then.since_ns.is_some() && then.is_same(blocked);
            if let Some((_, wait)) = self.waits.get(&thread.address).filter(goes_on) {
                info.wait = Some(Arc::clone(wait));
            } else {
                if matches!(
                    blocked.on,
                    BlockedOn::Parked(_) | BlockedOn::Package(_) | BlockedOn::Futex(_)
                ) {
                    info.stack = match python.stack(&thread) {
                        Err(error) if error.is_local() => None,
                        stack => Some(stack?),
                    };
                }
                let mut reader = Reader::new(python, &mut self.store);
                info.wait = Some(Arc::new(reader.waited_object(&thread, blocked, info.frames())));
            }
        }
        self.decide(python, gils, &mut info);
        Ok(info)
    }

    /// Begins a look.
    pub(crate) fn begin(&mut self) {
        self.store.next_look();
        self.unknown = 0;
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(TASKS_EVERY) {
            self.tasks.take_if(|found| matches!(found, Err(TasksError::NotLoaded)));
        }
    }

    /// Finds asyncio's tasks. The search reads the data of the program, so what it came to is kept:
    /// asyncio that is loaded later is found [`TASKS_EVERY`] looks later at the latest.
    ///
    /// # Errors
    /// See [`TasksError`].
    pub(crate) fn find_tasks(&mut self, python: &Python) -> Result<Tasks, TasksError> {
        self.tasks.get_or_insert_with(|| Tasks::find(python)).clone()
    }

    /// Forgets what was kept of threads that are not among `found`.
    pub(crate) fn forget_ended(&mut self, found: &[ThreadInfo]) {
        let is_there = |address: u64| found.iter().any(|info| info.thread.address == address);
        self.waited_at.retain(|&address, _| is_there(address));
        if self.files.len() > found.len() + 64 {
            self.files.retain(|tid, _| found.iter().any(|info| info.thread.native_id == *tid));
        }
    }

    /// Decides the state of a thread of which all else is known.
    pub(crate) fn decide(&mut self, python: &Python, gils: &Gils, info: &mut ThreadInfo) {
        let thread = &info.thread;
        let on = info.blocked.map(|blocked| blocked.on);
        if let (Some(BlockedOn::Gil(_)), Some(place)) = (on, code_place(python, thread)) {
            self.waited_at.insert(thread.address, place);
        }
        let is_awake = thread.attachment == Attachment::Detached && info.kernel == Doing::Running;
        let waited_at = self.waited_at.get(&thread.address).copied();
        let wants_gil = is_awake && wants_gil(python, gils, thread, waited_at);
        let target = info.wait.as_ref().map(|wait| &wait.target);
        info.state = classify(thread.attachment, &info.kernel, on, target, wants_gil);
    }

    /// Asks the kernel what a thread is doing.
    pub(crate) fn kernel(&mut self, python: &Python, tid: u32) -> Doing {
        if let Some(file) = self.files.get(&tid) {
            match file.read() {
                // The number may be another thread's by now.
                Doing::Gone => drop(self.files.remove(&tid)),
                doing => return doing,
            }
        }
        match python.process().call_file(tid) {
            Ok(file) => self.files.entry(tid).or_insert(file).read(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Doing::Gone,
            Err(_) => Doing::Unknown,
        }
    }
}
