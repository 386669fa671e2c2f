//! Core files: the same facts about a process that a live one provides, from an ELF core written by
//! the kernel or by gdb's `gcore`.
//!
//! Memory that the core lacks is taken from the executable and the libraries ([`memory`],
//! [`backing`]). What `/proc` provides for a live process is in the core's notes ([`notes`]). A
//! core does not record the clock, so times relative to now are unknown: since when a thread waits
//! and how long the wait will take. Everything in a core is untrusted: it is bounded and checked,
//! and never causes a panic.

mod arguments;
mod backing;
mod check;
mod death;
mod elf;
mod error;
mod memory;
mod notes;
mod threads;
mod unpack;

use crate::linux::Region;
use crate::linux::registers::UnwindRegisters;
use crate::linux::syscall::KernelState;
use crate::memory::Memory;
use crate::process::AttachError;
use crate::unicode::decoded;
use backing::BackingFile;
pub use death::Death;
pub use error::CoreError;
use memory::CoreMemory;
use notes::{CoreNotes, ThreadNote};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use ungil_format::counted;

/// Keys of the auxiliary vector (`linux/auxvec.h`).
const AT_ENTRY: u64 = 9;
const AT_RANDOM: u64 = 25;
const AT_EXECFN: u64 = 31;
/// Bytes at the top of a stack that cannot all be zero: they include the innermost function's
/// return address.
const STACK_TOP: usize = 256;
/// Maximum number of threads in a core.
const MAX_THREADS: usize = 1 << 17;

/// Locations of the files that were mapped into the process.
#[derive(Debug, Clone, Default)]
pub struct CoreOptions {
    /// The executable, overriding the path in the core.
    pub executable: Option<PathBuf>,
    /// Directory that all other paths in the core are relative to.
    pub root: Option<PathBuf>,
}

/// An open core file.
#[derive(Debug)]
pub struct CoreFile {
    path: PathBuf,
    root: PathBuf,
    pid: u32,
    executable: PathBuf,
    command: Vec<String>,
    name: String,
    memory: Arc<CoreMemory>,
    threads: Vec<ThreadNote>,
    death: Option<Death>,
    written: Option<SystemTime>,
    /// `AT_RANDOM`.
    random: u64,
}

impl CoreFile {
    /// Opens the core at `path`, compressed or not.
    ///
    /// # Errors
    /// The file is not a core of an x86-64 process or is incomplete, or the executable in `options`
    /// is not the core's.
    pub fn open(path: &Path, options: &CoreOptions) -> Result<CoreFile, CoreError> {
        let file = unpack::open(path)?;
        let elf = elf::read(&file).map_err(|flaw| check::headers(path, flaw))?;
        check::check(path, &file, &elf)?;
        let mut notes = CoreNotes::default();
        for segment in elf.segments.iter().filter(|segment| segment.kind == elf::PT_NOTE) {
            let read = notes.read(&file, segment.offset, segment.stored);
            read.map_err(|error| CoreError::io(path, &error))?;
        }
        if !(1..=MAX_THREADS).contains(&notes.threads.len()) {
            let why = format!("its notes describe {} threads", notes.threads.len());
            return Err(CoreError::new(
                path,
                why,
                "write it again with gcore, or let the kernel write one",
            ));
        }
        let written = std::fs::metadata(path).and_then(|about| about.modified()).ok();
        let root = options.root.clone().unwrap_or_else(|| PathBuf::from("/"));
        let entry = notes.auxiliary(AT_ENTRY);
        let is_entry = |file: &&notes::FileNote| {
            entry.is_some_and(|entry| (file.start..file.end).contains(&entry))
        };
        let main =
            notes.files.iter().find(is_entry).map(|file| file.name.clone()).unwrap_or_default();
        let backing = |name: PathBuf, deleted: bool| {
            let own =
                options.executable.clone().filter(|_| name.as_os_str().as_bytes() == strip(&main));
            let is_given = own.is_some() || options.root.is_some();
            let path = own.unwrap_or_else(|| under(&root, &name));
            BackingFile::new(name, deleted, path, is_given)
        };
        // The kernel puts the random bytes on the main thread's stack.
        let random = notes.auxiliary(AT_RANDOM).unwrap_or(0);
        let memory =
            Arc::new(CoreMemory::new(file, written, &elf.segments, &notes.files, random, backing));
        let process = notes.process.clone();
        let shared: &dyn Memory = &memory;
        let words = arguments::read(shared, random, &notes.auxv).unwrap_or_else(|| {
            let short =
                process.as_ref().map(|process| process.arguments.as_slice()).unwrap_or_default();
            short
                .split(|&byte| byte == b' ')
                .filter(|word| !word.is_empty())
                .map(<[u8]>::to_vec)
                .collect()
        });
        let executable = match memory.file_name(entry.unwrap_or(0)) {
            Some(name) => name.to_owned(),
            None => {
                let name = notes.auxiliary(AT_EXECFN).and_then(|at| shared.c_string(at, 4096).ok());
                let name = name
                    .or(process.as_ref().map(|process| process.name.clone()))
                    .unwrap_or_default();
                PathBuf::from(std::ffi::OsStr::from_bytes(&name))
            }
        };
        let core = CoreFile {
            path: path.to_owned(),
            root,
            // The note is missing only in cores written by neither the kernel nor gdb.
            pid: process.as_ref().map_or(notes.threads[0].tid, |process| process.pid),
            name: decoded(&process.map(|process| process.name).unwrap_or_default()),
            executable,
            command: words.iter().map(|word| decoded(word)).collect(),
            memory,
            death: death::death(&notes),
            threads: notes.threads,
            written,
            random,
        };
        match (&options.executable, core.memory.mapped_file(&core.executable)) {
            (Some(_), Some(Err(why))) => {
                Err(CoreError::new(path, why, "give --exe the executable of this very build"))
            }
            _ => Ok(core),
        }
    }

    /// Returns the path of the core file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the process id, in the pid namespace of the program that wrote the core.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the path of the executable in the process's own mount namespace.
    #[must_use]
    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// Returns the command line, or its first 79 bytes if the stack does not contain it.
    #[must_use]
    pub fn command(&self) -> &[String] {
        &self.command
    }

    /// Returns the signal that killed the process; `None` if the core was written of a process that
    /// continued.
    #[must_use]
    pub fn death(&self) -> Option<&Death> {
        self.death.as_ref()
    }

    /// Returns, as sentences with a remedy, which memory was needed but is neither in the core nor
    /// in an available file.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let missing = self.memory.missing().into_iter();
        let mut sentences: Vec<String> =
            missing.map(|(what, help)| format!("{what}; {help}")).collect();
        let memory: &dyn Memory = &self.memory;
        let is_empty =
            |thread: &&ThreadNote| memory.bytes(thread.registers.rsp) == Ok([0; STACK_TOP]);
        let empty = self.threads.iter().filter(is_empty).count() as u64;
        if empty > 0 {
            sentences.push(format!(
                "{} in the core contain only zeros: gdb fails at a guard page of glibc 2.42 (\"Memory read failed\"), so \
                 waits and frames are missing; let the kernel write the core (kill -ABRT PID)",
                counted(empty, "stack")
            ));
        }
        sentences
    }

    /// Rephrases `error` for a core file.
    pub(crate) fn explain(&self, error: AttachError) -> AttachError {
        let missing = self.memory.missing().into_iter().next();
        let name = self.path.display();
        let (why, help) = match (error, missing) {
            (error @ AttachError::Core(_), _) => return error,
            (AttachError::Layout { why, .. }, _) => {
                (why, "use a release of ungil that supports this CPython".into())
            }
            (_, Some(missing)) => missing,
            (AttachError::NotPython { .. }, None) => (
                format!("{name} does not contain the runtime of CPython 3.13 or later"),
                "give the core of the interpreter itself; for an older CPython use `pystack core`"
                    .into(),
            ),
            (AttachError::NoThread(_), None) => (
                "its interpreter has no threads: it was starting or ending".into(),
                "use gdb to see the C frames of its threads".into(),
            ),
            (_, None) => (
                "its interpreter's state points to memory that was not mapped".into(),
                "write another core: the process may have corrupted the state before it was killed"
                    .into(),
            ),
        };
        AttachError::Core(CoreError::python(&self.path, why, help))
    }

    pub(crate) fn memory(&self) -> Box<dyn Memory> {
        Box::new(Arc::clone(&self.memory))
    }

    pub(crate) fn regions(&self) -> Vec<Region> {
        self.memory.regions()
    }

    /// Returns the address of the random bytes that identify the program.
    pub(crate) fn random(&self) -> u64 {
        self.random
    }

    pub(crate) fn written(&self) -> Option<SystemTime> {
        self.written
    }

    /// Returns the kernel thread ids.
    pub(crate) fn threads(&self) -> impl Iterator<Item = u32> {
        self.threads.iter().map(|thread| thread.tid)
    }

    /// Returns the id of the thread whose `pthread_t` is at `ident`.
    pub(crate) fn by_ident(&self, ident: u64) -> Option<u32> {
        self.threads
            .iter()
            .find(|thread| thread.registers.fs_base == ident)
            .map(|thread| thread.tid)
    }

    fn thread(&self, tid: u32) -> Option<&ThreadNote> {
        self.threads.iter().find(|thread| thread.tid == tid)
    }

    /// Returns what a thread was doing in the kernel.
    pub(crate) fn kernel_state(&self, tid: u32) -> KernelState {
        self.thread(tid).map_or(KernelState::Gone, |thread| {
            threads::kernel_state(&thread.registers, &self.memory)
        })
    }

    /// Returns the registers from which unwinding starts.
    pub(crate) fn registers(&self, tid: u32) -> Option<UnwindRegisters> {
        let registers = self.thread(tid)?.registers;
        Some(UnwindRegisters { pc: registers.rip, sp: registers.rsp, fp: registers.rbp, lr: 0 })
    }

    /// Returns the kernel's name of a thread. A core has only the main thread's.
    pub(crate) fn thread_name(&self, tid: u32) -> Option<String> {
        (tid == self.pid && !self.name.is_empty()).then(|| self.name.clone())
    }

    /// Returns the local path of a file of the process. For a mapped file, only if it is unchanged.
    pub(crate) fn local_path(&self, name: &Path) -> Option<PathBuf> {
        match self.memory.mapped_file(name) {
            Some(found) => found.ok().map(Path::to_owned),
            // The core does not record the working directory.
            None => name.is_absolute().then(|| under(&self.root, name)),
        }
    }
}

/// Returns the path of the process's file `name` below `root`.
fn under(root: &Path, name: &Path) -> PathBuf {
    root.join(name.strip_prefix("/").unwrap_or(name))
}

fn strip(name: &[u8]) -> &[u8] {
    name.strip_suffix(b" (deleted)").unwrap_or(name)
}

#[cfg(test)]
mod tests;
