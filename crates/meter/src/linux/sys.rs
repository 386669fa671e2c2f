//! System calls that neither std nor rustix offers safely, among them `wait4` with its resource
//! usage and the CPU clock of another process. This file, `spawn.rs` and `energy/perf_event.rs` are
//! the only ones of this crate with `unsafe` code.
#![allow(unsafe_code)]

use crate::{Counters, monotonic_ns};
use std::io;
use std::time::Duration;

/// A process that exited and was waited for.
#[derive(Debug, Clone)]
pub(crate) struct Reaped {
    /// The raw wait status.
    pub(crate) status: i32,
    /// What it and every descendant it had waited for used.
    pub(crate) spent: Counters,
    /// `ru_maxrss` in bytes: the largest resident set of any of them, or what the process that
    /// started one of them had reached before, if that is larger.
    pub(crate) largest_rss: u64,
}

/// Waits for `pid`, a child of this process; `None` if it has not exited and `block` is false.
pub(crate) fn reap(pid: i32, block: bool) -> io::Result<Option<Reaped>> {
    let mut status = 0;
    // SAFETY: rusage is plain data for which all zeroes is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live locals of the types that wait4 expects.
        let got = unsafe {
            libc::wait4(pid, &mut status, if block { 0 } else { libc::WNOHANG }, &mut usage)
        };
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

/// Returns the CPU time of all threads, living or exited, of process `pid`, in nanoseconds; without
/// its children. `None` if the process does not exist.
pub(crate) fn cpu_clock(pid: i32) -> Option<Duration> {
    let mut clock = 0;
    // SAFETY: `clock` is a live local; the call only writes to it.
    if unsafe { libc::clock_getcpuclockid(pid, &mut clock) } != 0 {
        return None;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live local; the clock id of a process that no longer exists is rejected
    // with EINVAL.
    if unsafe { libc::clock_gettime(clock, &mut time) } != 0 {
        return None;
    }
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

/// Returns the largest resident set of this process so far, in bytes; async-signal-safe.
pub(crate) fn largest_rss() -> u64 {
    // SAFETY: rusage is plain data for which all zeroes is a valid value; the call only writes to
    // it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024
}

/// Returns whether two processes share an address space, as parent and child do between `vfork` and
/// exec. `None` if the kernel does not permit the query.
pub(crate) fn share_memory(one: i32, other: i32) -> Option<bool> {
    const KCMP_VM: libc::c_int = 1; // linux/kcmp.h
    // SAFETY: the call takes only numbers and compares kernel objects.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_VM, 0usize, 0usize) };
    (order >= 0).then_some(order == 0)
}

/// Returns the current time of `CLOCK_MONOTONIC` in nanoseconds; async-signal-safe.
pub(crate) fn monotonic() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a live local; the call only writes to it.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
