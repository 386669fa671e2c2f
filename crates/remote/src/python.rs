//! A CPython that is attached to: its interpreters and their threads.

mod assign;

use crate::code::Codes;
use crate::corefile::CoreOptions;
use crate::frames::{Frame, Stack, Walker};
use crate::layout::Layout;
use crate::memory::{Memory, ReadError, half, word};
use crate::objects::Objects;
use crate::process::{AttachError, Process};
use crate::read_budget::OF_A_LOOK;
use crate::referrers::{Name, Search};
use cpython_layout::{DebugOffsets, MAX_SIZE, Version};
use rustc_hash::{FxHashMap, FxHashSet};
use std::path::Path;

/// Interpreters of one process that are walked; each takes a quarter of a MiB.
const MOST_INTERPRETERS: usize = 1 << 12;
/// Threads of one interpreter that are walked.
const MOST_THREADS: usize = 1 << 16;
/// Readings of a list of threads that changes under the reader.
const LIST_ATTEMPTS: u32 = 16;

/// A live CPython.
#[derive(Debug)]
pub struct Python {
    process: Process,
    runtime: u64,
    offsets: DebugOffsets,
    layout: Layout,
    codes: Codes,
    look: u64,
    has_own_pids: bool,
}

/// An interpreter of the process: the main one, or a subinterpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interpreter {
    /// Where its state is.
    pub address: u64,
    /// 0 is the main one.
    pub id: i64,
}

/// How a thread stands to its interpreter (`pycore_pystate.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attachment {
    /// In C code that may run beside the others, or waiting; with a GIL: without it.
    Detached,
    /// May touch Python objects; with a GIL: holds it.
    Attached,
    /// Stopped, for the world is stopped.
    Suspended,
    /// Ending, or a state this room does not know.
    Other(u32),
}

impl Attachment {
    /// From `tstate->state`.
    pub(crate) fn of(state: u32) -> Attachment {
        match state {
            0 | 5 => Attachment::Detached,
            1 => Attachment::Attached,
            2 | 4 => Attachment::Suspended,
            other => Attachment::Other(other),
        }
    }
}

/// A thread state as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// Where it is.
    pub address: u64,
    /// Its interpreter's number.
    pub interpreter: i64,
    /// Where that interpreter's state is.
    pub interpreter_state: u64,
    /// The kernel's number of the thread, as it is here: `/proc/PID/task/` has it. 0 before it ran.
    pub native_id: u32,
    /// The same as the target's kernel would tell it: `threading.get_native_id()`. Another number
    /// in a container.
    pub own_id: u32,
    /// The same as its state has it, which in the child of a fork is the parent's until Python runs
    /// there.
    pub listed_id: u32,
    /// `threading.get_ident()`: the address of its `pthread_t`.
    pub ident: u64,
    /// How it stands to its interpreter.
    pub attachment: Attachment,
    /// Its innermost frame, 0 for none.
    pub frame: u64,
    /// It holds the GIL; 3.15 says so itself.
    pub holds_gil: Option<bool>,
}

impl Python {
    /// Attaches to a process: finds the runtime in it and checks that its layout is one this room
    /// knows. The target notices nothing.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(pid: u32) -> Result<Python, AttachError> {
        Python::within(Process::open(pid)?)
    }

    /// Reads the core file at `path`.
    ///
    /// # Errors
    /// [`AttachError::Core`].
    pub fn open_core(path: &Path, options: &CoreOptions) -> Result<Python, AttachError> {
        let process = Process::open_core(path, options)?;
        let core = process.core().cloned();
        // The mappings of a core that was made to keep its reader busy have no end.
        let _allowance = process.limit(OF_A_LOOK / 16);
        Python::within(process).map_err(|error| match core {
            Some(core) => core.explain(error),
            None => error,
        })
    }

    /// Attaches to a process that is open. A Python that is still starting has no thread yet and is
    /// refused.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn within(process: Process) -> Result<Python, AttachError> {
        let pid = process.pid;
        let runtime = process.find_runtime()?;
        let mut table = vec![0; MAX_SIZE];
        process.memory().read(runtime, &mut table).map_err(|error| process.trouble(error))?;
        let misfit = |why: String| AttachError::Layout { pid, why };
        let offsets = DebugOffsets::parse(&table).map_err(|error| misfit(error.to_string()))?;
        let layout = Layout::find(process.memory(), runtime, &offsets);
        let has_own_pids = process.has_own_pids();
        let codes = Codes::default();
        let python = Python { process, runtime, offsets, layout, codes, look: 0, has_own_pids };
        // Not one reading of the list: its head may be a thread that ends meanwhile.
        let has_thread = |&interpreter: &Interpreter| {
            python.thread_states(interpreter).is_ok_and(|threads| !threads.is_empty())
        };
        match python.interpreters() {
            Ok(all) if all.iter().any(has_thread) => Ok(python),
            Ok(_) => Err(AttachError::NoThread(pid)),
            Err(error) => Err(python.process.trouble(error)),
        }
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its memory.
    #[must_use]
    pub fn memory(&self) -> &dyn Memory {
        self.process.memory()
    }

    /// Which CPython it is.
    #[must_use]
    pub fn version(&self) -> Version {
        self.offsets.version
    }

    /// Where `_PyRuntime` is.
    #[must_use]
    pub fn runtime(&self) -> u64 {
        self.runtime
    }

    /// What the target says of its layout.
    #[must_use]
    pub fn offsets(&self) -> &DebugOffsets {
        &self.offsets
    }

    /// What it does not say.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether a GIL is in use: always without free threading, and with it where it was switched
    /// on.
    #[must_use]
    pub fn has_gil(&self) -> bool {
        let at = &self.offsets.interpreter_state;
        let enabled = || {
            let main = self.interpreters().ok()?.last()?.address;
            let gil = self.memory().u64(main.checked_add(at.ceval_gil)?).ok()?;
            self.memory().i32(gil.checked_add(at.gil_runtime_state_enabled)?).ok()
        };
        !self.offsets.free_threaded || enabled().is_some_and(|enabled| enabled != 0)
    }

    /// Begins a new look: what was kept from earlier ones is checked again before it is believed.
    pub fn next_look(&mut self) {
        self.look += 1;
    }

    /// Reads frames of this target.
    #[must_use]
    pub fn walker(&self) -> Walker<'_> {
        Walker {
            memory: self.memory(),
            offsets: &self.offsets,
            codes: &self.codes,
            look: self.look,
        }
    }

    /// Reads objects of this target.
    #[must_use]
    pub fn objects(&self) -> Objects<'_> {
        Objects { memory: self.memory(), offsets: &self.offsets }
    }

    /// The interpreters, newest first, as the runtime lists them.
    ///
    /// # Errors
    /// The process ended or may not be read any more.
    pub fn interpreters(&self) -> Result<Vec<Interpreter>, ReadError> {
        let at = &self.offsets.interpreter_state;
        let memory = self.memory();
        let mut found: Vec<Interpreter> = Vec::new();
        let mut next = memory.u64(self.runtime + self.offsets.runtime_state.interpreters_head)?;
        while next != 0
            && found.len() < MOST_INTERPRETERS
            && found.iter().all(|known| known.address != next)
        {
            let Ok(id) = memory.i64(next.saturating_add(at.id)) else { break };
            found.push(Interpreter { address: next, id });
            next = memory.u64(next.saturating_add(at.next)).unwrap_or(0);
        }
        Ok(found)
    }

    /// What the objects at `wanted` are called; see [`crate::referrers`]. Those without a name that
    /// could be found are left out.
    #[must_use]
    pub fn names<'f>(
        &self,
        wanted: impl IntoIterator<Item = u64>,
        frames: impl IntoIterator<Item = &'f Frame> + Clone,
    ) -> FxHashMap<u64, Name> {
        let mut search = Search::new(self.objects(), wanted.into_iter().collect());
        search.frames(frames);
        for interpreter in self.interpreters().unwrap_or_default() {
            let modules =
                interpreter.address.saturating_add(self.offsets.interpreter_state.imports_modules);
            if let Ok(modules) = self.memory().u64(modules) {
                search.modules(modules);
            }
        }
        search.finish()
    }

    /// The threads of an interpreter, newest first, without those that have ended and left their
    /// state behind.
    ///
    /// # Errors
    /// The process ended or may not be read any more.
    pub fn threads(&self, interpreter: Interpreter) -> Result<Vec<Thread>, ReadError> {
        let mut found = self.thread_states(interpreter)?;
        let numbers = self.process.thread_numbers(&found, self.has_own_pids);
        assign::assign(&mut found, &numbers);
        Ok(found)
    }

    /// The thread states of an interpreter, newest first. One that ends while the list is read
    /// takes the rest of it along, so a list that was not read to its end is read again; of a
    /// program whose threads never stay, the longest is given.
    ///
    /// # Errors
    /// The process ended or may not be read any more.
    pub fn thread_states(&self, interpreter: Interpreter) -> Result<Vec<Thread>, ReadError> {
        let mut found: Vec<Thread> = Vec::new();
        for _attempt in 0..LIST_ATTEMPTS {
            let (list, is_whole) = self.list(interpreter)?;
            if is_whole || list.len() > found.len() {
                found = list;
            }
            if is_whole {
                break;
            }
        }
        Ok(found)
    }

    /// The threads as one reading of the list finds them, and whether that came to the list's end.
    fn list(&self, interpreter: Interpreter) -> Result<(Vec<Thread>, bool), ReadError> {
        let head = interpreter.address.saturating_add(self.offsets.interpreter_state.threads_head);
        let mut next = self.memory().u64(head)?;
        let (mut found, mut met) = (Vec::new(), FxHashSet::default());
        while next != 0 && found.len() < MOST_THREADS && met.insert(next) {
            let Some((thread, after)) = self.thread(interpreter, next)? else { break };
            found.push(thread);
            next = after;
        }
        Ok((found, next == 0))
    }

    /// The thread state at `address` and the one after it; `None` where there is none of this
    /// interpreter (any more).
    fn thread(
        &self,
        interpreter: Interpreter,
        address: u64,
    ) -> Result<Option<(Thread, u64)>, ReadError> {
        let at = &self.offsets.thread_state;
        let bytes = match self.memory().vec(address, at.size, 1 << 16) {
            Ok(bytes) => bytes,
            Err(error) if error.is_local() => return Ok(None),
            Err(error) => return Err(error),
        };
        if word(&bytes, at.interp as usize) != interpreter.address {
            return Ok(None);
        }
        let attachment = Attachment::of(half(&bytes, self.layout.thread_state.state as usize));
        let thread = Thread {
            address,
            interpreter: interpreter.id,
            interpreter_state: interpreter.address,
            native_id: half(&bytes, at.native_thread_id as usize),
            own_id: half(&bytes, at.native_thread_id as usize),
            listed_id: half(&bytes, at.native_thread_id as usize),
            ident: word(&bytes, at.thread_id as usize),
            attachment,
            frame: word(&bytes, at.current_frame as usize),
            holds_gil: at.holds_gil.map(|offset| half(&bytes, offset as usize) != 0),
        };
        Ok(Some((thread, word(&bytes, at.next as usize))))
    }

    /// How a thread stands to its interpreter now; `None` where it has ended.
    #[must_use]
    pub fn attachment(&self, thread: &Thread) -> Option<Attachment> {
        let at = thread.address.saturating_add(self.layout.thread_state.state);
        self.memory().u32(at).ok().map(Attachment::of)
    }

    /// A thread's frames.
    ///
    /// # Errors
    /// The process ended, or the thread did.
    pub fn stack(&self, thread: &Thread) -> Result<Stack, ReadError> {
        self.walker().stack(thread.address)
    }
}
