//! A cgroup v2 of our own around each measured tree, where we may make one. It counts CPU time of
//! members that nobody waits for, lists members in one read, ends them all in one write, and (where
//! the memory controller is on) knows the exact peak. Without one, `/proc` serves; the record says
//! which it was.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A cgroup made by this process; removed on drop.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    dir: File,
}

/// CPU time a cgroup has counted since it was made, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CpuStat {
    pub(crate) total_s: f64,
    pub(crate) user_s: f64,
    pub(crate) system_s: f64,
    /// Times the group was held back by a CPU quota.
    pub(crate) throttled: u64,
}

/// The directory of this process's own cgroup v2, if the unified hierarchy is mounted. Asked for
/// once: a process is seldom moved, and reading every mount is not cheap.
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
    /// Makes a cgroup below this process's own.
    ///
    /// # Errors
    /// When there is no cgroup v2 or it may not be written, which is the common case outside a
    /// delegated slice.
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

    /// Its directory, into which `clone3` starts a process.
    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Process ids of the members.
    pub(crate) fn members(&self) -> io::Result<Vec<i32>> {
        let text = fs::read_to_string(self.path.join("cgroup.procs"))?;
        Ok(text.lines().filter_map(|l| l.parse().ok()).filter(|&pid| pid > 0).collect())
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> io::Result<CpuStat> {
        cpu_stat(&self.path)
    }

    /// Peak of everything charged to the group (resident memory, page cache, kernel memory) in
    /// bytes; `None` without the memory controller.
    pub(crate) fn memory_peak(&self) -> Option<u64> {
        fs::read_to_string(self.path.join("memory.peak")).ok()?.trim().parse().ok()
    }

    /// Ends every member, including those being forked right now.
    pub(crate) fn kill(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Busy for as long as a member is on its way out; each was reaped before, so this is
        // momentary.
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

/// Removes what a killed ungil left: empty groups named after a process that is gone.
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
