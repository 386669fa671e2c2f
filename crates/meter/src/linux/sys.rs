//! The few system calls that neither std nor rustix offers safely: `wait4` with its resource usage and the CPU clock of
//! another process. With `spawn.rs` and the perf sensor the only files of this room with `unsafe`.
#![allow(unsafe_code)]

use crate::{Counters, monotonic_ns};
use std::io;
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

/// Now on `CLOCK_MONOTONIC` in nanoseconds; async-signal-safe.
pub(crate) fn monotonic() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a live local; the call only writes to it.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
