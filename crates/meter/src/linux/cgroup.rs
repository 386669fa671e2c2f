//! A cgroup v2 around each measured tree, if one can be created. It counts the CPU time of members
//! that nobody waits for, lists members in one read, kills them all in one write, and (if the
//! memory controller is enabled) knows the exact peak. Without one, `/proc` is used; the record
//! states which was used.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A cgroup created by this process; removed on drop.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    dir: File,
}

/// CPU time of a cgroup since its creation, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CpuStat {
    pub(crate) total_s: f64,
    pub(crate) user_s: f64,
    pub(crate) system_s: f64,
    /// Number of times a CPU quota throttled the group.
    pub(crate) throttled: u64,
}

/// Returns the directory of this process's own cgroup v2, if the unified hierarchy is mounted. The
/// result is cached: processes are rarely moved, and reading all mounts is expensive.
pub(crate) fn own() -> Option<&'static Path> {
    static OWN: OnceLock<Option<PathBuf>> = OnceLock::new();
    OWN.get_or_init(find_own).as_deref()
}

fn find_own() -> Option<PathBuf> {
    let me = procfs::process::Process::myself().ok()?;
    let ours = me.cgroups().ok()?.into_iter().find(|c| c.hierarchy == 0)?;
    let mount = me.mountinfo().ok()?.0.into_iter().find(|m| m.fs_type == "cgroup2")?;
    let below = Path::new(&ours.pathname);
    let below = below.strip_prefix(&mount.root).unwrap_or(below);
    Some(mount.mount_point.join(below.strip_prefix("/").unwrap_or(below)))
}

impl Cgroup {
    /// Creates a cgroup below this process's own.
    ///
    /// # Errors
    /// If there is no cgroup v2 or it is not writable, which is usual outside a delegated slice.
    pub(crate) fn new() -> io::Result<Cgroup> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let own = own().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        if number == 0 {
            remove_stale(own);
        }
        let path = own.join(format!("ungil-{}-{number}", std::process::id()));
        fs::create_dir(&path)?;
        match File::open(&path) {
            Ok(dir) if path.join("cgroup.kill").exists() => Ok(Cgroup { path, dir }),
            other => {
                let _ = fs::remove_dir(&path);
                Err(other.err().unwrap_or_else(|| io::Error::from(io::ErrorKind::Unsupported)))
            }
        }
    }

    /// Returns its directory, for starting a process in it with `clone3`.
    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Returns the process ids of the members.
    pub(crate) fn members(&self) -> io::Result<Vec<i32>> {
        let text = fs::read_to_string(self.path.join("cgroup.procs"))?;
        Ok(text.lines().filter_map(|l| l.parse().ok()).filter(|&pid| pid > 0).collect())
    }

    /// Returns the CPU time so far.
    pub(crate) fn cpu(&self) -> io::Result<CpuStat> {
        cpu_stat(&self.path)
    }

    /// Returns the peak of all memory charged to the group (resident memory, page cache, kernel
    /// memory) in bytes; `None` without the memory controller.
    pub(crate) fn memory_peak(&self) -> Option<u64> {
        fs::read_to_string(self.path.join("memory.peak")).ok()?.trim().parse().ok()
    }

    /// Kills every member, including those being forked right now.
    pub(crate) fn kill(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // EBUSY while a member is exiting. All members were reaped before, so this is brief.
        for _ in 0..50 {
            match fs::remove_dir(&self.path) {
                Err(e) if e.raw_os_error() == Some(libc::EBUSY) => {
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
                _ => return,
            }
        }
    }
}

/// Removes what a killed ungil left behind: empty groups named after a process that no longer
/// exists.
fn remove_stale(own: &Path) {
    for entry in fs::read_dir(own).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|n| n.strip_prefix("ungil-")?.split('-').next()?.parse::<i32>().ok());
        if pid.is_some_and(|pid| super::proc::stat(pid).is_none()) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Reads `cpu.stat` of a cgroup directory.
pub(crate) fn cpu_stat(path: &Path) -> io::Result<CpuStat> {
    let text = fs::read_to_string(path.join("cpu.stat"))?;
    let value = |key: &str| {
        text.lines()
            .filter_map(|l| l.split_once(' '))
            .find(|(k, _)| *k == key)
            .and_then(|(_, v)| v.parse::<u64>().ok())
    };
    let seconds = |key| value(key).map(|us| us as f64 / 1e6);
    let missing = || io::Error::from(io::ErrorKind::InvalidData);
    Ok(CpuStat {
        total_s: seconds("usage_usec").ok_or_else(missing)?,
        user_s: seconds("user_usec").ok_or_else(missing)?,
        system_s: seconds("system_usec").ok_or_else(missing)?,
        throttled: value("nr_throttled").unwrap_or(0),
    })
}
