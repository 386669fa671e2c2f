//! One process, known by more than its number: a pid comes back for another process, and `exec`
//! puts another program behind the same pid.
//!
//! The kernel gives every program 16 random bytes at its start (`AT_RANDOM` in getauxval(3)). They
//! tell one program from the next even where `exec` starts the same executable again, whose data
//! then has the same addresses.

mod facts;

use crate::corefile::{CoreError, CoreFile, CoreOptions};
use crate::linux::{ProcessMemory, Region, host, task};
use crate::memory::{Memory, ReadError};
use crate::read_budget::{BudgetedMemory, ReadLimit};
use cpython_layout::COOKIE;
pub(crate) use facts::Files;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// A data segment larger than this is not searched to its end; CPython's is about one MiB.
const MOST_DATA: u64 = 64 << 20;
/// Key of the address of a program's random bytes (`linux/auxvec.h`).
const AT_RANDOM: u64 = 25;
/// Attempts to read them while the kernel sets up a new program, and the time between two.
const EXEC_ATTEMPTS: u32 = 20;
const EXEC_PAUSE: Duration = Duration::from_micros(500);

/// Why a process cannot be looked into.
#[derive(Debug, Error)]
pub enum AttachError {
    /// There is none with this number.
    #[error("there is no process {0}")]
    NoProcess(u32),
    /// It ended while it was looked at.
    #[error("process {0} ended")]
    Ended(u32),
    /// It has ended and its parent has not asked for its status.
    #[error("process {0} has ended and only waits for its parent (a zombie)")]
    Zombie(u32),
    /// A thread of the kernel.
    #[error("process {0} is a thread of the kernel")]
    Kernel(u32),
    /// Reading it was refused.
    #[error("process {pid} may not be looked into")]
    Denied {
        /// The process.
        pid: u32,
        /// What stands in the way, as far as can be told.
        why: String,
        /// The smallest thing that would help.
        help: String,
    },
    /// The kernel is replacing its program.
    #[error("process {0} is about to run another program (exec)")]
    Exec(u32),
    /// Its CPython has no thread that could be looked at: it is starting or ending.
    #[error("process {0} runs a CPython without a single thread")]
    NoThread(u32),
    /// No CPython of 3.13 or later is in it.
    #[error("process {pid} ({program}) holds no CPython of 3.13 or later")]
    NotPython {
        /// The process.
        pid: u32,
        /// Its program.
        program: String,
    },
    /// The interpreter in it is one whose layout is not known.
    #[error("process {pid} runs a CPython whose layout is not known: {why}")]
    Layout {
        /// The process.
        pid: u32,
        /// What does not fit.
        why: String,
    },
    /// A core file cannot be read, or holds no CPython that can.
    #[error(transparent)]
    Core(#[from] CoreError),
}

/// A process that is looked at.
#[derive(Debug)]
pub struct Process {
    /// Its number, as this namespace counts.
    pub pid: u32,
    /// When it was started, in clock ticks since boot: identifies the process, together with the
    /// pid.
    started: u64,
    /// Identifies the program that it runs.
    program: ProgramId,
    /// What it runs, as its own mount namespace names it.
    pub executable: PathBuf,
    /// Its arguments.
    pub command: Vec<String>,
    memory: Source,
    /// It has ended, and this is what is left of it.
    core: Option<Arc<CoreFile>>,
}

/// Identifies a program in a process: its random bytes, and where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgramId {
    address: u64,
    bytes: [u8; 16],
}

impl ProgramId {
    /// The one of the program that process `pid` runs now.
    fn of(pid: u32, memory: &dyn Memory) -> Result<ProgramId, AttachError> {
        for _attempt in 0..EXEC_ATTEMPTS {
            let vector =
                procfs::process::Process::new_with_root(task::folder(pid)).and_then(|p| p.auxv());
            let address = match vector {
                // Empty, or of the program before, while the kernel sets up a new one.
                Ok(vector) => vector.get(&AT_RANDOM).copied().unwrap_or(0),
                Err(_) => return Err(host::denied(pid)),
            };
            match memory.bytes(address) {
                Ok(bytes) => return Ok(ProgramId { address, bytes }),
                Err(error) if error.is_local() => std::thread::sleep(EXEC_PAUSE),
                Err(ReadError::Gone) => return Err(AttachError::Ended(pid)),
                Err(_) => return Err(host::denied(pid)),
            }
        }
        Err(AttachError::Exec(pid))
    }
}

/// What a process is read through.
struct Source(BudgetedMemory);

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

impl Process {
    /// Opens a process for looking.
    ///
    /// # Errors
    /// No such process, a zombie, a kernel thread, or not this user's to read.
    pub fn open(pid: u32) -> Result<Process, AttachError> {
        let stat = host::stat(pid).ok_or(AttachError::NoProcess(pid))?;
        match stat.state {
            'Z' => return Err(AttachError::Zombie(pid)),
            'X' => return Err(AttachError::Ended(pid)),
            _ if stat.kernel => return Err(AttachError::Kernel(pid)),
            _ => {}
        }
        let folder = task::folder(pid);
        let memory = ProcessMemory::new(pid);
        let executable = std::fs::read_link(folder.join("exe")).map_err(|_| host::denied(pid))?;
        let program = ProgramId::of(pid, &memory)?;
        let command = host::command(pid);
        let memory = Source(BudgetedMemory::new(Box::new(memory)));
        Ok(Process { pid, started: stat.started, program, executable, command, memory, core: None })
    }

    /// Opens the process that the core at `path` was written of.
    ///
    /// # Errors
    /// [`AttachError::Core`].
    pub fn open_core(path: &Path, options: &CoreOptions) -> Result<Process, AttachError> {
        let core = Arc::new(CoreFile::open(path, options)?);
        let memory = BudgetedMemory::new(core.memory());
        let bytes = (&memory as &dyn Memory).bytes(core.random()).unwrap_or_default();
        Ok(Process {
            pid: core.pid(),
            started: 0,
            program: ProgramId { address: core.random(), bytes },
            executable: core.executable().to_owned(),
            command: core.command().to_vec(),
            memory: Source(memory),
            core: Some(core),
        })
    }

    /// The core that it is read from; `None` for one that lives.
    #[must_use]
    pub fn core(&self) -> Option<&Arc<CoreFile>> {
        self.core.as_ref()
    }

    /// Its memory.
    #[must_use]
    pub fn memory(&self) -> &dyn Memory {
        &self.memory.0
    }

    /// Limits what is read until the allowance is dropped.
    pub(crate) fn limit(&self, units: i64) -> ReadLimit {
        self.memory.0.limit(units)
    }

    /// The same process, read through what `wrap` makes of its memory: something that counts, keeps
    /// or, in tests, lies.
    #[must_use]
    pub fn read_through(
        mut self,
        wrap: impl FnOnce(Box<dyn Memory>) -> Box<dyn Memory>,
    ) -> Process {
        self.memory = Source(BudgetedMemory::new(wrap(self.memory.0.into_inner())));
        self
    }

    /// Whether the process behind the pid is still this one, running this program.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.core.is_some()
            || (host::stat(self.pid)
                .is_some_and(|stat| stat.started == self.started && stat.state != 'Z')
                && self.runs_same_program())
    }

    /// Whether its main thread has not ended.
    #[must_use]
    pub fn has_main_thread(&self) -> bool {
        task::with_memory(self.pid) == Some(self.pid)
    }

    /// Whether it still runs the program that it ran when it was opened. Takes one read of its
    /// memory.
    #[must_use]
    pub fn runs_same_program(&self) -> bool {
        self.memory().bytes(self.program.address) == Ok(self.program.bytes)
    }

    /// Identifies the program that it ran when it was opened.
    #[must_use]
    pub fn program(&self) -> ProgramId {
        self.program
    }

    /// Where `_PyRuntime` is: the start of `_Py_DebugOffsets`. It is found by its cookie in the
    /// writable data of the program or of a library, which needs no symbol, no section and not even
    /// the file: so a stripped program, a shared libpython, a file replaced by an upgrade and a
    /// process in another mount namespace are all the same.
    ///
    /// # Errors
    /// There is none; the process ended; it may not be read.
    pub fn find_runtime(&self) -> Result<u64, AttachError> {
        let mut regions = self.regions()?;
        regions.retain(|region| region.writable && region.file.is_some());
        // A library or program named after Python first: nothing else is searched in nearly every
        // case.
        let is_named = |region: &Region| {
            region.file.as_deref().and_then(Path::file_name).is_some_and(|name| {
                name.to_string_lossy().contains("python")
                    && !name.to_string_lossy().contains("cpython-")
            })
        };
        regions.sort_by_key(|region| {
            !(is_named(region) || region.file.as_ref() == Some(&self.executable))
        });
        for region in &regions {
            match self.find_cookie(region) {
                Ok(Some(address)) => return Ok(address),
                Ok(None) => {}
                Err(error) if error.is_local() => {}
                Err(error) => return Err(self.trouble(error)),
            }
        }
        let program = self.executable.display().to_string();
        Err(AttachError::NotPython { pid: self.pid, program })
    }

    /// The cookie in one region.
    fn find_cookie(&self, region: &Region) -> Result<Option<u64>, ReadError> {
        let len = region.len().min(MOST_DATA);
        let bytes = self.memory().vec(region.start, len, MOST_DATA as usize)?;
        // A structure of 64-bit words is aligned to them.
        let found = bytes.chunks_exact(8).position(|word| word == COOKIE);
        Ok(found.map(|index| region.start + index as u64 * 8))
    }

    /// What it means that it has no thread that could be shown.
    #[must_use]
    pub fn no_thread(&self) -> AttachError {
        let error = AttachError::NoThread(self.pid);
        match &self.core {
            Some(core) => core.explain(error),
            None => error,
        }
    }

    /// What a failed read means for this process.
    #[must_use]
    pub fn trouble(&self, error: ReadError) -> AttachError {
        if let Some(core) = &self.core {
            return core.explain(AttachError::Ended(self.pid));
        }
        match error {
            ReadError::Denied if host::stat(self.pid).is_some() => host::denied(self.pid),
            _ => AttachError::Ended(self.pid),
        }
    }
}
