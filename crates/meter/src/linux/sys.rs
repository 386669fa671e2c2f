//! The few system calls that neither std nor rustix offers safely: `wait4` with its resource usage, the CPU clock of
//! another process, and the code that runs between fork and exec. The only file of this room with `unsafe` besides
//! the perf sensor.
#![allow(unsafe_code)]

use crate::{Counters, monotonic_ns};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// A process that ended and was waited for.
#[derive(Debug, Clone)]
pub(crate) struct Reaped {
    /// The raw wait status.
    pub(crate) status: i32,
    /// What it and every descendant it had waited for spent.
    pub(crate) spent: Counters,
    /// The largest resident set any one of them had, in bytes.
    pub(crate) largest_rss: u64,
}

/// Waits for `pid`, a child of this process; `None` if it has not ended and `block` is false.
pub(crate) fn reap(pid: i32, block: bool) -> io::Result<Option<Reaped>> {
    let mut status = 0;
    // SAFETY: rusage is plain data for which all zeroes is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live locals of the types wait4 wants.
        let got = unsafe { libc::wait4(pid, &mut status, if block { 0 } else { libc::WNOHANG }, &mut usage) };
        if got == 0 {
            return Ok(None);
        }
        if got > 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    let (user_s, system_s) = (seconds(usage.ru_utime), seconds(usage.ru_stime));
    let count = |n: libc::c_long| u64::try_from(n).unwrap_or(0);
    Ok(Some(Reaped {
        status,
        spent: Counters {
            at_ns: monotonic_ns(),
            user_s,
            system_s,
            cpu_s: user_s + system_s,
            minor_faults: count(usage.ru_minflt),
            major_faults: count(usage.ru_majflt),
            voluntary_switches: count(usage.ru_nvcsw),
            involuntary_switches: count(usage.ru_nivcsw),
        },
        largest_rss: count(usage.ru_maxrss) * 1024,
    }))
}

/// CPU time of every thread, living or ended, of process `pid`, to the nanosecond; not of its children. `None` if the
/// process is gone.
pub(crate) fn cpu_clock(pid: i32) -> Option<Duration> {
    let mut clock = 0;
    // SAFETY: `clock` is a live local; the call only writes to it.
    if unsafe { libc::clock_getcpuclockid(pid, &mut clock) } != 0 {
        return None;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live local; a clock id of a process that has gone is refused with EINVAL.
    if unsafe { libc::clock_gettime(clock, &mut time) } != 0 {
        return None;
    }
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

/// What the child does between fork and exec: a session of its own (a terminal's Ctrl-C reaches the runner alone), death
/// with the runner, membership of `cgroup`, and, last, the time, so that none of this counts as the workload's.
pub(crate) fn before_exec(command: &mut Command, cgroup: Option<BorrowedFd<'_>>, stamp: &OwnedFd) -> io::Result<()> {
    let cgroup = cgroup.map(|fd| fd.as_raw_fd());
    let stamp = stamp.as_raw_fd();
    let parent = rustix::process::getpid().as_raw_nonzero().get();
    let code = move || {
        // SAFETY: system calls only, all async-signal-safe, on descriptors the parent keeps open across the fork.
        unsafe {
            if libc::setsid() < 0 || libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) < 0 {
                return Err(io::Error::last_os_error());
            }
            if libc::getppid() != parent {
                libc::_exit(127);
            }
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
            if let Some(fd) = cgroup
                && libc::write(fd, b"0".as_ptr().cast(), 1) != 1
            {
                return Err(io::Error::last_os_error());
            }
            let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now);
            let ns = (now.tv_sec as u64) * 1_000_000_000 + now.tv_nsec as u64;
            let bytes = ns.to_ne_bytes();
            if libc::write(stamp, bytes.as_ptr().cast(), bytes.len()) != bytes.len() as isize {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure allocates nothing, takes no lock and calls only async-signal-safe functions.
    unsafe { command.pre_exec(code) };
    Ok(())
}
