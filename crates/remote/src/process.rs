//! A process, identified by more than its pid: pids are reused, and `exec` replaces the program of
//! a process.
//!
//! The kernel gives every program 16 random bytes at its start (`AT_RANDOM` in getauxval(3)). They
//! distinguish programs even if `exec` starts the same executable again, whose data then has the
//! same addresses.

mod facts;

use crate::corefile::{CoreError, CoreFile, CoreOptions};
use crate::linux::{ProcessMemory, Region, permission, proc_stat, task};
use crate::memory::{Memory, ReadError};
use crate::read_budget::{BudgetedMemory, ReadLimit};
use cpython_layout::COOKIE;
pub(crate) use facts::ProcessFiles;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Maximum number of bytes searched in a data segment. CPython's is about 1 MiB.
const MAX_DATA_SIZE: u64 = 64 << 20;
/// Key of the address of the random bytes (`linux/auxvec.h`).
const AT_RANDOM: u64 = 25;
/// Attempts to read them while the kernel sets up a new program, and the interval between attempts.
const EXEC_ATTEMPTS: u32 = 20;
const EXEC_INTERVAL: Duration = Duration::from_micros(500);

/// Reason why a process cannot be read.
#[derive(Debug, Error)]
pub enum AttachError {
    /// There is no process with this id.
    #[error("there is no process {0}")]
    NoProcess(u32),
    /// The process ended while it was read.
    #[error("process {0} ended")]
    Ended(u32),
    /// The process has ended but its parent has not waited for it.
    #[error("process {0} is a zombie: it has ended, but its parent has not waited for it")]
    Zombie(u32),
    /// A kernel thread.
    #[error("process {0} is a kernel thread")]
    Kernel(u32),
    /// No permission.
    #[error("no permission to read process {pid}")]
    Denied {
        /// Process id.
        pid: u32,
        /// The cause, as far as it is known.
        why: String,
        /// The least privileged remedy.
        help: String,
    },
    /// The kernel is replacing the program.
    #[error("process {0} is starting another program (exec)")]
    Exec(u32),
    /// The CPython has no threads: it is starting or ending.
    #[error("the CPython in process {0} has no threads")]
    NoThread(u32),
    /// The process does not contain CPython 3.13 or later.
    #[error("process {pid} ({program}) does not contain CPython 3.13 or later")]
    NotPython {
        /// Process id.
        pid: u32,
        /// Path of its executable.
        program: String,
    },
    /// The process contains a CPython with an unsupported layout.
    #[error("process {pid} runs an unsupported CPython: {why}")]
    Layout {
        /// Process id.
        pid: u32,
        /// What is wrong.
        why: String,
    },
    /// A core file cannot be read, or does not contain a supported CPython.
    #[error(transparent)]
    Core(#[from] CoreError),
}

/// A process that can be read.
#[derive(Debug)]
pub struct Process {
    /// Process id in this pid namespace.
    pub pid: u32,
    /// Start time in clock ticks since boot. Identifies the process together with the pid.
    started: u64,
    /// Identifies the running program.
    program: ProgramId,
    /// Path of the executable in the process's own mount namespace.
    pub executable: PathBuf,
    /// Command line.
    pub command: Vec<String>,
    memory: MemorySource,
    /// The core file that the process is read from; `None` for a live process.
    core: Option<Arc<CoreFile>>,
}

/// Identifies a program in a process by its random bytes and their address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgramId {
    address: u64,
    bytes: [u8; 16],
}

impl ProgramId {
    /// Reads the id of the program that process `pid` currently runs.
    fn of(pid: u32, memory: &dyn Memory) -> Result<ProgramId, AttachError> {
        for _attempt in 0..EXEC_ATTEMPTS {
            let vector =
                procfs::process::Process::new_with_root(task::folder(pid)).and_then(|p| p.auxv());
            let address = match vector {
                // Empty, or of the previous program, while the kernel sets up a new one.
                Ok(vector) => vector.get(&AT_RANDOM).copied().unwrap_or(0),
                Err(_) => return Err(permission::denied_error(pid)),
            };
            match memory.bytes(address) {
                Ok(bytes) => return Ok(ProgramId { address, bytes }),
                Err(error) if error.is_local() => std::thread::sleep(EXEC_INTERVAL),
                Err(ReadError::Gone) => return Err(AttachError::Ended(pid)),
                Err(_) => return Err(permission::denied_error(pid)),
            }
        }
        Err(AttachError::Exec(pid))
    }
}

/// Memory of a process.
struct MemorySource(BudgetedMemory);

impl std::fmt::Debug for MemorySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

impl Process {
    /// Opens a process for reading.
    ///
    /// # Errors
    /// There is no such process, it is a zombie or a kernel thread, or there is no permission.
    pub fn open(pid: u32) -> Result<Process, AttachError> {
        let stat = proc_stat::stat(pid).ok_or(AttachError::NoProcess(pid))?;
        match stat.state {
            'Z' => return Err(AttachError::Zombie(pid)),
            'X' => return Err(AttachError::Ended(pid)),
            _ if stat.kernel => return Err(AttachError::Kernel(pid)),
            _ => {}
        }
        let folder = task::folder(pid);
        let memory = ProcessMemory::new(pid);
        let executable =
            std::fs::read_link(folder.join("exe")).map_err(|_| permission::denied_error(pid))?;
        let program = ProgramId::of(pid, &memory)?;
        let command = proc_stat::command(pid);
        let memory = MemorySource(BudgetedMemory::new(Box::new(memory)));
        Ok(Process { pid, started: stat.started, program, executable, command, memory, core: None })
    }

    /// Opens the process that the core file at `path` was written of.
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
            memory: MemorySource(memory),
            core: Some(core),
        })
    }

    /// Returns the core file; `None` for a live process.
    #[must_use]
    pub fn core(&self) -> Option<&Arc<CoreFile>> {
        self.core.as_ref()
    }

    /// Returns the memory.
    #[must_use]
    pub fn memory(&self) -> &dyn Memory {
        &self.memory.0
    }

    /// Limits the number of reads until the returned guard is dropped.
    pub(crate) fn limit(&self, units: i64) -> ReadLimit {
        self.memory.0.limit(units)
    }

    /// Replaces the memory with what `wrap` returns for it: a memory that counts, caches or, in
    /// tests, changes reads.
    #[must_use]
    pub fn read_through(
        mut self,
        wrap: impl FnOnce(Box<dyn Memory>) -> Box<dyn Memory>,
    ) -> Process {
        self.memory = MemorySource(BudgetedMemory::new(wrap(self.memory.0.into_inner())));
        self
    }

    /// Returns whether the pid still belongs to this process, running this program.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.core.is_some()
            || (proc_stat::stat(self.pid)
                .is_some_and(|stat| stat.started == self.started && stat.state != 'Z')
                && self.runs_same_program())
    }

    /// Returns whether the main thread has not ended.
    #[must_use]
    pub fn has_main_thread(&self) -> bool {
        task::with_memory(self.pid) == Some(self.pid)
    }

    /// Returns whether the process still runs the program that it ran when opened. Costs one read.
    #[must_use]
    pub fn runs_same_program(&self) -> bool {
        self.memory().bytes(self.program.address) == Ok(self.program.bytes)
    }

    /// Returns the id of the program that the process ran when opened.
    #[must_use]
    pub fn program(&self) -> ProgramId {
        self.program
    }

    /// Returns the address of `_PyRuntime`, which starts with `_Py_DebugOffsets`. The table is
    /// found by its cookie in the writable data of the executable or a library. This needs no
    /// symbols, no sections and no file, so it also works for stripped programs, a shared
    /// libpython, files replaced by an upgrade, and processes in other mount namespaces.
    ///
    /// # Errors
    /// There is no runtime, the process ended, or it may not be read.
    pub fn find_runtime(&self) -> Result<u64, AttachError> {
        let mut regions = self.regions()?;
        regions.retain(|region| region.writable && region.file.is_some());
        // Search libraries and executables named after Python first; in nearly all cases no others
        // need to be searched.
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
                Err(error) => return Err(self.attach_error(error)),
            }
        }
        let program = self.executable.display().to_string();
        Err(AttachError::NotPython { pid: self.pid, program })
    }

    /// Searches one region for the cookie.
    fn find_cookie(&self, region: &Region) -> Result<Option<u64>, ReadError> {
        let len = region.len().min(MAX_DATA_SIZE);
        let bytes = self.memory().vec(region.start, len, MAX_DATA_SIZE as usize)?;
        // A structure of 64-bit words is aligned to 8 bytes.
        let found = bytes.chunks_exact(8).position(|word| word == COOKIE);
        Ok(found.map(|index| region.start + index as u64 * 8))
    }

    /// Returns the error for a process without a thread that could be shown.
    #[must_use]
    pub fn no_thread_error(&self) -> AttachError {
        let error = AttachError::NoThread(self.pid);
        match &self.core {
            Some(core) => core.explain(error),
            None => error,
        }
    }

    /// Converts a read error to an error for this process.
    #[must_use]
    pub fn attach_error(&self, error: ReadError) -> AttachError {
        if let Some(core) = &self.core {
            return core.explain(AttachError::Ended(self.pid));
        }
        match error {
            ReadError::Denied if proc_stat::stat(self.pid).is_some() => {
                permission::denied_error(self.pid)
            }
            _ => AttachError::Ended(self.pid),
        }
    }
}
