//! What is known of a process beside its memory: from `/proc` while it lives, and from the notes of
//! its core afterwards.
//!
//! Nothing above this file asks `/proc` of a process that may be a core.

use super::{AttachError, Process};
use crate::corefile::CoreFile;
use crate::linux::calls::{self, CallFile};
use crate::linux::registers::{self, Registers};
use crate::linux::smaps::{self, Mapped};
use crate::linux::{Region, host, maps, pagemap, task};
use crate::memory::ReadError;
use crate::native::{NativeError, Stop};
use crate::python::Thread;
use rustc_hash::{FxHashMap, FxHashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

impl Process {
    /// Returns the mapped regions.
    ///
    /// # Errors
    /// It ended, or may not be read.
    pub fn regions(&self) -> Result<Vec<Region>, AttachError> {
        match &self.core {
            Some(core) => Ok(core.regions()),
            None => maps::regions(self.pid).map_err(|_| self.trouble(ReadError::Denied)),
        }
    }

    /// Returns whether the process counts its threads in a pid namespace of its own, as in a
    /// container.
    pub(crate) fn has_own_pids(&self) -> bool {
        self.core.is_none() && host::has_own_pids(self.pid)
    }

    /// Returns the numbers of the threads that have not ended, as they are here, by those that
    /// `threads` are listed with.
    pub(crate) fn thread_numbers(
        &self,
        threads: &[Thread],
        has_own_pids: bool,
    ) -> FxHashMap<u32, u32> {
        let Some(core) = &self.core else {
            let running: FxHashSet<u32> = task::running(self.pid).into_iter().collect();
            return match has_own_pids {
                true => host::by_own_id(self.pid, &running),
                false => running.iter().map(|&thread| (thread, thread)).collect(),
            };
        };
        let numbers: FxHashMap<u32, u32> = core.threads().map(|thread| (thread, thread)).collect();
        if numbers.len() == 1
            || threads.iter().any(|thread| numbers.contains_key(&thread.listed_id))
        {
            return numbers;
        }
        // gcore numbers threads as they are outside of the container.
        threads
            .iter()
            .filter_map(|thread| Some((thread.listed_id, core.by_ident(thread.ident)?)))
            .collect()
    }

    /// Opens what says in which system call a thread sleeps.
    ///
    /// # Errors
    /// As [`CallFile::open`].
    pub fn call_file(&self, tid: u32) -> io::Result<CallFile> {
        match &self.core {
            Some(core) => Ok(CallFile::recorded(core.doing(tid))),
            None => CallFile::open(self.pid, tid),
        }
    }

    /// Returns the process that it was forked from, if it has not called `exec` since. A core does
    /// not say.
    pub(crate) fn forked_from(&self) -> Option<u32> {
        if self.core.is_some() { None } else { host::forked_from(self.pid) }
    }

    /// Returns how many threads it has, those without Python included.
    pub(crate) fn thread_count(&self) -> usize {
        self.core
            .as_ref()
            .map_or_else(|| task::running(self.pid).len(), |core| core.threads().count())
    }

    /// As [`calls::switches`].
    pub(crate) fn switches(&self, tid: u32) -> Option<u64> {
        if self.core.is_some() { Some(0) } else { calls::switches(self.pid, tid) }
    }

    /// Returns whether it is stopped by a signal or a debugger.
    pub(crate) fn is_stopped(&self) -> bool {
        self.core.is_none() && calls::is_stopped(self.pid)
    }

    /// Returns whether the clock of this moment is the process's own, so that times in its memory
    /// can be compared with it.
    pub(crate) fn has_clock(&self) -> bool {
        self.core.is_none()
    }

    /// Returns the kernel's name of a thread.
    pub(crate) fn kernel_name(&self, tid: u32) -> Option<String> {
        if let Some(core) = &self.core {
            return core.thread_name(tid);
        }
        let name = std::fs::read(format!("/proc/{}/task/{tid}/comm", self.pid)).ok()?;
        Some(String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned())
    }

    /// Returns the registers of a thread, which is stopped for it only if `stop` allows.
    pub(crate) fn registers(&self, tid: u32, stop: Stop) -> Result<Registers, NativeError> {
        if let Some(core) = &self.core {
            return core.registers(tid).ok_or(NativeError::Unreadable);
        }
        match registers::blocked(self.pid, tid) {
            Some(registers) => Ok(registers),
            None if stop == Stop::Never => Err(NativeError::Running),
            None => registers::stopped(tid).ok_or(NativeError::Unreadable),
        }
    }

    /// Returns the bytes of `start..end` that are in memory; `None` if unknown.
    pub(crate) fn resident(&self, start: u64, end: u64) -> Option<u64> {
        if self.core.is_some() { None } else { pagemap::resident(self.pid, start, end) }
    }

    /// Returns the address space by kind; empty if unknown.
    pub(crate) fn mapped(&self) -> Vec<Mapped> {
        if self.core.is_some() { Vec::new() } else { smaps::by_kind(self.pid).unwrap_or_default() }
    }

    /// Returns where its files are.
    pub(crate) fn files(&self) -> Files {
        self.core.clone().map_or(Files::Live(self.pid), Files::Core)
    }
}

/// Where the files that a process names are for us.
#[derive(Debug, Clone)]
pub(crate) enum Files {
    /// In the mount namespace of this process.
    Live(u32),
    /// Where this core says, or the user who gave it.
    Core(Arc<CoreFile>),
}

impl Files {
    /// Returns the path of a file. A name that is not absolute is from the process's working
    /// folder.
    pub(crate) fn place(&self, name: &Path) -> Option<PathBuf> {
        match self {
            Files::Core(core) => core.place(name),
            Files::Live(pid) => {
                let folder = task::folder(*pid);
                Some(match name.strip_prefix("/") {
                    Ok(inside) => folder.join("root").join(inside),
                    Err(_) => folder.join("cwd").join(name),
                })
            }
        }
    }

    /// Returns the time after which a change of a file came too late to be what the process read.
    pub(crate) fn latest(&self) -> Option<SystemTime> {
        match self {
            Files::Core(core) => core.written(),
            Files::Live(pid) => started(*pid),
        }
    }
}

/// When a process started.
fn started(pid: u32) -> Option<SystemTime> {
    let stat = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()?;
    let since_boot =
        Duration::from_secs_f64(stat.starttime as f64 / procfs::ticks_per_second() as f64);
    let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let up = Duration::new(u64::try_from(up.tv_sec).ok()?, u32::try_from(up.tv_nsec).ok()?);
    SystemTime::now().checked_sub(up.checked_sub(since_boot)?)
}
