//! Observes the threads of one target repeatedly, reading only what has changed.
//!
//! Frames are read only for a new wait: a wait on the same address since the same time is still for
//! the same object.

use crate::frames::Stack;
use crate::linux::syscall::{KernelState, SyscallFile};
use crate::locks::reader::LockCache;
use crate::locks::{Hold, LockReader};
use crate::memory::ReadError;
use crate::parking::{Blocked, BlockedOn, Gils, Parking};
use crate::python::{Attachment, Interpreter, Python, Thread};
use crate::tasks::{TaskReader, TasksError};
use crate::thread_dump::Holder;
use crate::thread_state::{CodePosition, ThreadState, classify, code_position, wants_gil};
use crate::wait_target::WaitedObject;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A thread as found by one look.
#[derive(Debug, Clone)]
pub struct ThreadInfo {
    /// The thread.
    pub thread: Thread,
    /// What it is doing.
    pub state: ThreadState,
    /// Kernel state.
    pub kernel: KernelState,
    /// Frames, if they were read.
    pub stack: Option<Stack>,
    /// Whether this is the thread's current thread state; false if it has entered another
    /// interpreter (see [`crate::nesting`]).
    pub is_current: bool,
    /// What it is blocked on, from the kernel and the parking lot.
    pub blocked: Option<Blocked>,
    /// The object that the program waits for.
    pub wait: Option<Arc<WaitedObject>>,
    /// Holders of that object. Set by [`ThreadObserver::dump`], as are the next three fields.
    pub holders: Vec<Holder>,
    /// The holders are complete, and the thread cannot continue without them.
    pub stuck_on_holders: bool,
    /// Locks it holds.
    pub holds: Vec<Hold>,
    /// It slept throughout the look, so its frames, its wait and the locks it holds belong to one
    /// moment.
    pub consistent: bool,
}

impl ThreadInfo {
    pub(crate) fn new(thread: Thread, state: ThreadState) -> ThreadInfo {
        ThreadInfo {
            thread,
            state,
            kernel: KernelState::Running,
            stack: None,
            is_current: true,
            blocked: None,
            wait: None,
            holders: Vec::new(),
            stuck_on_holders: false,
            holds: Vec::new(),
            consistent: false,
        }
    }

    /// Returns the frames, innermost first; empty if they were not read.
    #[must_use]
    pub fn frames(&self) -> &[crate::frames::Frame] {
        self.stack.as_ref().map_or(&[], |stack| &stack.frames)
    }

    /// Returns the system call it sleeps in, unless it waits for an object known to the program.
    #[must_use]
    pub fn system_call(&self) -> Option<&'static str> {
        match (self.state, self.kernel) {
            (ThreadState::Syscall, KernelState::SystemCall(call)) => call.name(),
            _ => None,
        }
    }
}

/// Number of looks after which an unsuccessful search for asyncio is repeated.
const TASKS_SEARCH_INTERVAL: u32 = 16;

/// Observes one target, caching what stays the same between looks.
#[derive(Debug, Default)]
pub struct ThreadObserver {
    /// Open `/proc` files by thread id: opening one costs more than reading it.
    files: FxHashMap<u32, SyscallFile>,
    pub(crate) lock_cache: LockCache,
    looks: u32,
    /// Result of the search for asyncio's tasks.
    tasks: Option<Result<TaskReader, TasksError>>,
    waits: FxHashMap<u64, (Blocked, Arc<WaitedObject>)>,
    /// Positions of threads that waited for the GIL.
    waited_at: FxHashMap<u64, CodePosition>,
    /// Number of threads in the last look whose system call the kernel does not report.
    pub unknown: u64,
}

impl ThreadObserver {
    /// Returns the state of every thread of these interpreters, with as few reads as possible.
    ///
    /// # Errors
    /// The process ended or may no longer be read.
    pub fn states(
        &mut self,
        python: &Python,
        interpreters: &[Interpreter],
    ) -> Result<Vec<ThreadInfo>, ReadError> {
        let gils = Gils::read(python, interpreters);
        self.begin_look();
        let mut found = Vec::new();
        let mut waits = FxHashMap::default();
        for thread in python.current_threads(interpreters)? {
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
        info.kernel = self.kernel_state(python, thread.native_id);
        self.unknown += u64::from(info.kernel == KernelState::Unknown);
        info.blocked = Parking::new(python, gils).wait_of(&thread, &info.kernel);
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
                let mut reader = LockReader::new(python, &mut self.lock_cache);
                info.wait = Some(Arc::new(reader.waited_object(&thread, blocked, info.frames())));
            }
        }
        self.set_state(python, gils, &mut info);
        Ok(info)
    }

    /// Starts a look.
    pub(crate) fn begin_look(&mut self) {
        self.lock_cache.next_look();
        self.unknown = 0;
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(TASKS_SEARCH_INTERVAL) {
            self.tasks.take_if(|found| matches!(found, Err(TasksError::NotLoaded)));
        }
    }

    /// Returns asyncio's tasks. The search reads the program's data, so its result is cached;
    /// asyncio that is loaded later is found after at most [`TASKS_SEARCH_INTERVAL`] looks.
    ///
    /// # Errors
    /// See [`TasksError`].
    pub(crate) fn find_tasks(&mut self, python: &Python) -> Result<TaskReader, TasksError> {
        self.tasks.get_or_insert_with(|| TaskReader::find(python)).clone()
    }

    /// Drops cached data of threads that are not among `found`.
    pub(crate) fn forget_ended(&mut self, found: &[ThreadInfo]) {
        let is_there = |address: u64| found.iter().any(|info| info.thread.address == address);
        self.waited_at.retain(|&address, _| is_there(address));
        if self.files.len() > found.len() + 64 {
            self.files.retain(|tid, _| found.iter().any(|info| info.thread.native_id == *tid));
        }
    }

    /// Sets the state of a thread from its other fields.
    pub(crate) fn set_state(&mut self, python: &Python, gils: &Gils, info: &mut ThreadInfo) {
        let thread = &info.thread;
        let on = info.blocked.map(|blocked| blocked.on);
        if let (Some(BlockedOn::Gil(_)), Some(position)) = (on, code_position(python, thread)) {
            self.waited_at.insert(thread.address, position);
        }
        let is_awake =
            thread.attachment == Attachment::Detached && info.kernel == KernelState::Running;
        let waited_at = self.waited_at.get(&thread.address).copied();
        let wants_gil = is_awake && wants_gil(python, gils, thread, waited_at);
        let target = info.wait.as_ref().map(|wait| &wait.target);
        info.state = classify(thread.attachment, &info.kernel, on, target, wants_gil);
    }

    /// Returns the kernel state of a thread.
    pub(crate) fn kernel_state(&mut self, python: &Python, tid: u32) -> KernelState {
        if let Some(file) = self.files.get(&tid) {
            match file.read() {
                // The id may have been reused by another thread.
                KernelState::Gone => drop(self.files.remove(&tid)),
                state => return state,
            }
        }
        match python.process().call_file(tid) {
            Ok(file) => self.files.entry(tid).or_insert(file).read(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => KernelState::Gone,
            Err(_) => KernelState::Unknown,
        }
    }
}
