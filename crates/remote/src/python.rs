//! A CPython process to read from: its interpreters and their threads.

mod assign;
mod thread_list;

use crate::code::CodeCache;
use crate::corefile::CoreOptions;
use crate::frames::{Frame, FrameWalker, Stack};
use crate::layout::Layout;
use crate::memory::{Memory, ReadError};
use crate::objects::ObjectReader;
use crate::process::{AttachError, Process};
use crate::read_budget::LOOK_BUDGET;
use crate::referrers::{ReferrerName, ReferrerSearch};
use cpython_layout::{DebugOffsets, MAX_SIZE, Version};
use rustc_hash::FxHashMap;
use std::path::Path;

/// A CPython process, live or from a core.
#[derive(Debug)]
pub struct Python {
    process: Process,
    runtime: u64,
    offsets: DebugOffsets,
    layout: Layout,
    codes: CodeCache,
    look: u64,
    has_own_pids: bool,
}

/// An interpreter: the main interpreter or a subinterpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interpreter {
    /// Address of its state.
    pub address: u64,
    /// Interpreter id; 0 is the main interpreter.
    pub id: i64,
}

/// State of a thread state (`pycore_pystate.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attachment {
    /// Not attached: running C code without the GIL, or waiting.
    Detached,
    /// May access Python objects; with a GIL, the thread holds it.
    Attached,
    /// Suspended by a stop-the-world pause.
    Suspended,
    /// Shutting down, or an unknown value.
    Other(u32),
}

impl Attachment {
    /// Converts `tstate->state`.
    pub(crate) fn of(state: u32) -> Attachment {
        match state {
            0 | 5 => Attachment::Detached,
            1 => Attachment::Attached,
            2 | 4 => Attachment::Suspended,
            other => Attachment::Other(other),
        }
    }
}

/// A thread state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// Address of the thread state.
    pub address: u64,
    /// Id of its interpreter.
    pub interpreter: i64,
    /// Address of the interpreter's state.
    pub interpreter_state: u64,
    /// Kernel thread id in this pid namespace, as in `/proc/PID/task/`. 0 if the thread has not
    /// started.
    pub native_id: u32,
    /// Kernel thread id in the target's pid namespace: `threading.get_native_id()`. Differs from
    /// `native_id` in a container.
    pub own_id: u32,
    /// Kernel thread id stored in the thread state. In the child of a fork it is the parent's until
    /// Python runs there.
    pub listed_id: u32,
    /// `threading.get_ident()`: address of the `pthread_t`.
    pub ident: u64,
    /// State of the thread state.
    pub attachment: Attachment,
    /// Address of the innermost frame; 0 if there is none.
    pub frame: u64,
    /// Whether it holds the GIL; stored from 3.15 on.
    pub holds_gil: Option<bool>,
}

impl Python {
    /// Attaches to a process: finds the runtime and checks that its layout is supported. Does not
    /// affect the target.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(pid: u32) -> Result<Python, AttachError> {
        Python::within(Process::open(pid)?)
    }

    /// Opens the core file at `path`.
    ///
    /// # Errors
    /// [`AttachError::Core`].
    pub fn open_core(path: &Path, options: &CoreOptions) -> Result<Python, AttachError> {
        let process = Process::open_core(path, options)?;
        let core = process.core().cloned();
        // A malicious core can have endless mappings.
        let _limit = process.limit(LOOK_BUDGET / 16);
        Python::within(process).map_err(|error| match core {
            Some(core) => core.explain(error),
            None => error,
        })
    }

    /// Attaches to an open process. Fails for a Python that is still starting and has no thread
    /// yet.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn within(process: Process) -> Result<Python, AttachError> {
        let pid = process.pid;
        let runtime = process.find_runtime()?;
        let mut table = vec![0; MAX_SIZE];
        process.memory().read(runtime, &mut table).map_err(|error| process.attach_error(error))?;
        let misfit = |why: String| AttachError::Layout { pid, why };
        let offsets = DebugOffsets::parse(&table).map_err(|error| misfit(error.to_string()))?;
        let layout = Layout::find(process.memory(), runtime, &offsets);
        let has_own_pids = process.has_own_pids();
        let codes = CodeCache::default();
        let python = Python { process, runtime, offsets, layout, codes, look: 0, has_own_pids };
        // Not a single read of the list: the thread at its head may end meanwhile.
        let has_thread = |&interpreter: &Interpreter| {
            python.thread_states(interpreter).is_ok_and(|threads| !threads.is_empty())
        };
        match python.interpreters() {
            Ok(all) if all.iter().any(has_thread) => Ok(python),
            Ok(_) => Err(AttachError::NoThread(pid)),
            Err(error) => Err(python.process.attach_error(error)),
        }
    }

    /// Returns the process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Returns the memory of the process.
    #[must_use]
    pub fn memory(&self) -> &dyn Memory {
        self.process.memory()
    }

    /// Returns the CPython version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.offsets.version
    }

    /// Returns the address of `_PyRuntime`.
    #[must_use]
    pub fn runtime(&self) -> u64 {
        self.runtime
    }

    /// Returns the offsets that the target exports.
    #[must_use]
    pub fn offsets(&self) -> &DebugOffsets {
        &self.offsets
    }

    /// Returns the offsets that the target does not export.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns whether a GIL is in use: always without free threading, otherwise if it is enabled.
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

    /// Starts a new look: cached data is verified before it is used again.
    pub fn next_look(&mut self) {
        self.look += 1;
    }

    /// Returns a reader for frames.
    #[must_use]
    pub fn walker(&self) -> FrameWalker<'_> {
        FrameWalker {
            memory: self.memory(),
            offsets: &self.offsets,
            codes: &self.codes,
            look: self.look,
        }
    }

    /// Returns a reader for objects.
    #[must_use]
    pub fn objects(&self) -> ObjectReader<'_> {
        ObjectReader { memory: self.memory(), offsets: &self.offsets }
    }

    /// Returns the names by which the program refers to the objects at `wanted`; see
    /// [`crate::referrers`]. Objects without a name are omitted.
    #[must_use]
    pub fn names<'f>(
        &self,
        wanted: impl IntoIterator<Item = u64>,
        frames: impl IntoIterator<Item = &'f Frame> + Clone,
    ) -> FxHashMap<u64, ReferrerName> {
        let mut search = ReferrerSearch::new(self.objects(), wanted.into_iter().collect());
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

    /// Reads the frames of a thread.
    ///
    /// # Errors
    /// The process or the thread ended.
    pub fn stack(&self, thread: &Thread) -> Result<Stack, ReadError> {
        self.walker().stack(thread.address)
    }
}
