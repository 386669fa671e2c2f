//! Facts about a process other than its memory: from `/proc` for a live process, from the core's
//! notes otherwise.
//!
//! No module above this one reads `/proc` for a process that may be a core.

use super::{AttachError, Process};
use crate::corefile::CoreFile;
use crate::linux::registers::{self, UnwindRegisters};
use crate::linux::smaps::{self, MappedRegions};
use crate::linux::syscall::{self, SyscallFile};
use crate::linux::{Region, maps, pagemap, proc_stat, task};
use crate::memory::ReadError;
use crate::native::{NativeError, StopPolicy};
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
    /// The process ended, or may not be read.
    pub fn regions(&self) -> Result<Vec<Region>, AttachError> {
        match &self.core {
            Some(core) => Ok(core.regions()),
            None => maps::regions(self.pid).map_err(|_| self.attach_error(ReadError::Denied)),
        }
    }

    /// Returns whether the process is in a pid namespace of its own, as in a container.
    pub(crate) fn has_own_pids(&self) -> bool {
        self.core.is_none() && proc_stat::has_own_pids(self.pid)
    }

    /// Returns the ids of the threads that have not ended, in this pid namespace, by the ids under
    /// which `threads` are listed.
    pub(crate) fn thread_ids(&self, threads: &[Thread], has_own_pids: bool) -> FxHashMap<u32, u32> {
        let Some(core) = &self.core else {
            let running: FxHashSet<u32> = task::running(self.pid).into_iter().collect();
            return match has_own_pids {
                true => proc_stat::ids_by_own_id(self.pid, &running),
                false => running.iter().map(|&thread| (thread, thread)).collect(),
            };
        };
        let ids: FxHashMap<u32, u32> = core.threads().map(|thread| (thread, thread)).collect();
        if ids.len() == 1 || threads.iter().any(|thread| ids.contains_key(&thread.listed_id)) {
            return ids;
        }
        // gcore records thread ids as seen outside the container.
        threads
            .iter()
            .filter_map(|thread| Some((thread.listed_id, core.by_ident(thread.ident)?)))
            .collect()
    }

    /// Opens the source of a thread's system call.
    ///
    /// # Errors
    /// As [`SyscallFile::open`].
    pub fn call_file(&self, tid: u32) -> io::Result<SyscallFile> {
        match &self.core {
            Some(core) => Ok(SyscallFile::recorded(core.kernel_state(tid))),
            None => SyscallFile::open(self.pid, tid),
        }
    }

    /// Returns the process from which this one was forked, if it has not called `exec` since.
    /// Unknown for a core.
    pub(crate) fn forked_from(&self) -> Option<u32> {
        if self.core.is_some() { None } else { proc_stat::forked_from(self.pid) }
    }

    /// Returns the number of threads, including those without Python.
    pub(crate) fn thread_count(&self) -> usize {
        self.core
            .as_ref()
            .map_or_else(|| task::running(self.pid).len(), |core| core.threads().count())
    }

    /// As [`syscall::switches`].
    pub(crate) fn switches(&self, tid: u32) -> Option<u64> {
        if self.core.is_some() { Some(0) } else { syscall::switches(self.pid, tid) }
    }

    /// Returns whether the process is stopped by a signal or a debugger.
    pub(crate) fn is_stopped(&self) -> bool {
        self.core.is_none() && syscall::is_stopped(self.pid)
    }

    /// Returns whether the current clock is the process's, so that times in its memory can be
    /// compared with it.
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

    /// Returns the registers of a thread, which is stopped for this only if `stop` allows it.
    pub(crate) fn registers(
        &self,
        tid: u32,
        stop: StopPolicy,
    ) -> Result<UnwindRegisters, NativeError> {
        if let Some(core) = &self.core {
            return core.registers(tid).ok_or(NativeError::Unreadable);
        }
        match registers::read_blocked(self.pid, tid) {
            Some(registers) => Ok(registers),
            None if stop == StopPolicy::Never => Err(NativeError::Running),
            None => registers::read_running(tid).ok_or(NativeError::Unreadable),
        }
    }

    /// Returns the resident bytes in `start..end`; `None` if unknown.
    pub(crate) fn resident(&self, start: u64, end: u64) -> Option<u64> {
        if self.core.is_some() { None } else { pagemap::resident(self.pid, start, end) }
    }

    /// Returns the address space by kind; empty if unknown.
    pub(crate) fn mapped(&self) -> Vec<MappedRegions> {
        if self.core.is_some() { Vec::new() } else { smaps::by_kind(self.pid).unwrap_or_default() }
    }

    /// Returns the mapping from the process's file names to local paths.
    pub(crate) fn files(&self) -> ProcessFiles {
        self.core.clone().map_or(ProcessFiles::Live(self.pid), ProcessFiles::Core)
    }
}

/// Maps file names of a process to local paths.
#[derive(Debug, Clone)]
pub(crate) enum ProcessFiles {
    /// Through the mount namespace of this process.
    Live(u32),
    /// As recorded in this core, or given by the user.
    Core(Arc<CoreFile>),
}

impl ProcessFiles {
    /// Returns the local path of a file. Relative names are relative to the process's working
    /// directory.
    pub(crate) fn local_path(&self, name: &Path) -> Option<PathBuf> {
        match self {
            ProcessFiles::Core(core) => core.local_path(name),
            ProcessFiles::Live(pid) => {
                let folder = task::folder(*pid);
                Some(match name.strip_prefix("/") {
                    Ok(inside) => folder.join("root").join(inside),
                    Err(_) => folder.join("cwd").join(name),
                })
            }
        }
    }

    /// Returns the latest modification time that a file may have if the process read it unchanged.
    pub(crate) fn latest_modification(&self) -> Option<SystemTime> {
        match self {
            ProcessFiles::Core(core) => core.written(),
            ProcessFiles::Live(pid) => started(*pid),
        }
    }
}

/// Returns the start time of a process.
fn started(pid: u32) -> Option<SystemTime> {
    let stat = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()?;
    let since_boot =
        Duration::from_secs_f64(stat.starttime as f64 / procfs::ticks_per_second() as f64);
    let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let up = Duration::new(u64::try_from(up.tv_sec).ok()?, u32::try_from(up.tv_nsec).ok()?);
    SystemTime::now().checked_sub(up.checked_sub(since_boot)?)
}
