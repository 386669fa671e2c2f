//! A core file: the same facts about a process as a live one gives, from an ELF core of the kernel
//! or of gdb's `gcore`.
//!
//! The memory is that of the core, completed from the executable and the libraries ([`memory`],
//! [`backing`]); what `/proc` says of a live process is in the core's notes ([`notes`]). A core
//! does not say what the clock showed, so nothing that takes the time of the look is told of one:
//! since when a thread waits, and how long it will. Everything in a core is untrusted: bounded,
//! checked, never a panic.

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
use crate::linux::calls::Doing;
use crate::linux::registers::Registers;
use crate::memory::Memory;
use crate::process::AttachError;
use crate::unicode::decoded;
use backing::Backing;
pub use death::Death;
pub use error::CoreError;
use memory::CoreMemory;
use notes::{Notes, ThreadNote};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use ungil_format::counted;

/// Keys of the auxiliary vector (`linux/auxvec.h`).
const AT_ENTRY: u64 = 9;
const AT_RANDOM: u64 = 25;
const AT_EXECFN: u64 = 31;
/// Bytes at the top of a stack that are not all zero: they have the address that the innermost
/// function returns to.
const STACK_TOP: usize = 256;
/// Threads of one core.
const MAX_THREADS: usize = 1 << 17;

/// Where the files are that a core was mapped from.
#[derive(Debug, Clone, Default)]
pub struct CoreOptions {
    /// The executable, in place of the path that the core has of it.
    pub executable: Option<PathBuf>,
    /// The folder under which all other paths of the core are.
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
    /// It is no core of an x86-64 process, or not all of one; `options` name an executable that is
    /// not the core's.
    pub fn open(path: &Path, options: &CoreOptions) -> Result<CoreFile, CoreError> {
        let file = unpack::open(path)?;
        let elf = elf::read(&file).map_err(|flaw| check::headers(path, flaw))?;
        check::check(path, &file, &elf)?;
        let mut notes = Notes::default();
        for segment in elf.segments.iter().filter(|segment| segment.kind == elf::PT_NOTE) {
            let read = notes.read(&file, segment.offset, segment.stored);
            read.map_err(|error| CoreError::io(path, &error))?;
        }
        if !(1..=MAX_THREADS).contains(&notes.threads.len()) {
            let why = format!("its notes tell of {} threads", notes.threads.len());
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
        let place = |name: PathBuf, deleted: bool| {
            let own =
                options.executable.clone().filter(|_| name.as_os_str().as_bytes() == strip(&main));
            let is_given = own.is_some() || options.root.is_some();
            let place = own.unwrap_or_else(|| under(&root, &name));
            Backing::new(name, deleted, place, is_given)
        };
        // The kernel puts the random bytes on the main thread's stack.
        let random = notes.auxiliary(AT_RANDOM).unwrap_or(0);
        let memory =
            Arc::new(CoreMemory::new(file, written, &elf.segments, &notes.files, random, place));
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
            // Only a core of neither the kernel nor gdb lacks the process.
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

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of the process, as the one that wrote the core counted.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The executable, as the process's own mount namespace named it.
    #[must_use]
    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// The arguments; the first 79 bytes of them where the stack does not have them.
    #[must_use]
    pub fn command(&self) -> &[String] {
        &self.command
    }

    /// The signal that killed the process; `None` for a core that was written of one that went on.
    #[must_use]
    pub fn death(&self) -> Option<&Death> {
        self.death.as_ref()
    }

    /// What was to be read and is neither in the core nor in a file that is here, each with what to
    /// do.
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
                "the core has only zeros for {}: gdb gives up at a guard page of glibc 2.42 (\"Memory read failed\"), so \
                 that waits and frames are missing; let the kernel write the core (kill -ABRT PID)",
                counted(empty, "stack")
            ));
        }
        sentences
    }

    /// The error `error` in words that fit a core.
    pub(crate) fn explain(&self, error: AttachError) -> AttachError {
        let missing = self.memory.missing().into_iter().next();
        let name = self.path.display();
        let (why, help) = match (error, missing) {
            (error @ AttachError::Core(_), _) => return error,
            (AttachError::Layout { why, .. }, _) => {
                (why, "use a release of ungil that knows this CPython".into())
            }
            (_, Some(missing)) => missing,
            (AttachError::NotPython { .. }, None) => (
                format!(
                    "no part of the memory in {name} begins as CPython's runtime does from 3.13 on"
                ),
                "give the core of the interpreter itself; for an older CPython use `pystack core`"
                    .into(),
            ),
            (AttachError::NoThread(_), None) => (
                "its interpreter has no thread: it was starting or ending".into(),
                "gdb shows the C frames of its threads".into(),
            ),
            (_, None) => (
                "its interpreter's state points to memory that was not mapped".into(),
                "write it again: the process may have destroyed the state before it was killed"
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

    /// The address of the random bytes that identify a program.
    pub(crate) fn random(&self) -> u64 {
        self.random
    }

    pub(crate) fn written(&self) -> Option<SystemTime> {
        self.written
    }

    /// The kernel's numbers of the threads.
    pub(crate) fn threads(&self) -> impl Iterator<Item = u32> {
        self.threads.iter().map(|thread| thread.tid)
    }

    /// The number of the thread whose `pthread_t` is at `ident`.
    pub(crate) fn by_ident(&self, ident: u64) -> Option<u32> {
        self.threads
            .iter()
            .find(|thread| thread.registers.fs_base == ident)
            .map(|thread| thread.tid)
    }

    fn thread(&self, tid: u32) -> Option<&ThreadNote> {
        self.threads.iter().find(|thread| thread.tid == tid)
    }

    /// What a thread was doing.
    pub(crate) fn doing(&self, tid: u32) -> Doing {
        self.thread(tid)
            .map_or(Doing::Gone, |thread| threads::doing(&thread.registers, &self.memory))
    }

    /// The registers that unwinding starts from.
    pub(crate) fn registers(&self, tid: u32) -> Option<Registers> {
        let registers = self.thread(tid)?.registers;
        Some(Registers { pc: registers.rip, sp: registers.rsp, fp: registers.rbp, lr: 0 })
    }

    /// The kernel's name of a thread, which a core has of the main thread alone.
    pub(crate) fn thread_name(&self, tid: u32) -> Option<String> {
        (tid == self.pid && !self.name.is_empty()).then(|| self.name.clone())
    }

    /// Where a file of the process is here. One that was mapped is given only if it is still the
    /// same.
    pub(crate) fn place(&self, name: &Path) -> Option<PathBuf> {
        match self.memory.mapped_file(name) {
            Some(found) => found.ok().map(Path::to_owned),
            // The core does not say what the working folder was.
            None => name.is_absolute().then(|| under(&self.root, name)),
        }
    }
}

/// A path of the process under the folder that stands for its root.
fn under(root: &Path, name: &Path) -> PathBuf {
    root.join(name.strip_prefix("/").unwrap_or(name))
}

fn strip(name: &[u8]) -> &[u8] {
    name.strip_suffix(b" (deleted)").unwrap_or(name)
}

#[cfg(test)]
mod tests;
