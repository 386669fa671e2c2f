//! The system call perf_event_open(2), which neither std nor rustix has.
#![allow(unsafe_code)] // the one system call of this file; its descriptor is wrapped at once

use std::fs::File;
use std::io;
use std::os::fd::FromRawFd;

/// The first published version of `struct perf_event_attr` (`include/uapi/linux/perf_event.h`,
/// PERF_ATTR_SIZE_VER0, 64 bytes), which every kernel accepts. The fields after `config` stay zero
/// for a counter that is only read.
#[repr(C)]
#[derive(Default)]
struct Attr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    config1: u64,
}

const SIZE: u32 = 64;
const _: () = assert!(size_of::<Attr>() == SIZE as usize);

/// Opens event `config` of the PMU `kind` on `cpu` for all processes and starts counting.
pub(super) fn open(kind: u32, config: u64, cpu: u32) -> io::Result<File> {
    let attr = Attr { kind, size: SIZE, config, ..Attr::default() };
    let cpu = libc::c_int::try_from(cpu).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let (pid, group): (libc::pid_t, libc::c_int) = (-1, -1);
    // SAFETY: `attr` is a valid perf_event_attr of the size it states and outlives the call, which
    // only reads it (the kernel writes its `size` back only on E2BIG, which the first size cannot
    // cause); the other arguments are integers.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            std::ptr::from_ref(&attr),
            pid,
            cpu,
            group,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    let fd = libc::c_int::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just returned this new descriptor, which nothing else owns.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Closes the descriptor on exec, so that measured programs do not inherit it
/// (`include/uapi/linux/perf_event.h`).
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    /// PERF_TYPE_SOFTWARE (1), PERF_COUNT_SW_CPU_CLOCK (0): a counter of every kernel. Tests the
    /// structure and the call if the kernel allows it, and the error otherwise.
    #[test]
    fn kernel_accepts_the_structure() {
        match open(1, 0, 0) {
            Ok(mut event) => {
                let mut read = || {
                    let mut bytes = [0; 8];
                    event.read_exact(&mut bytes).unwrap();
                    u64::from_ne_bytes(bytes)
                };
                let first = read();
                assert!((0..1_000_000).any(|_| read() > first), "a running clock advances");
            }
            Err(error) => {
                let code = error.raw_os_error();
                assert!(matches!(code, Some(libc::EACCES | libc::EPERM | libc::ENOSYS)), "{error}");
            }
        }
    }

    #[test]
    fn missing_pmu_is_an_error() {
        // The kernel checks permissions first.
        let code = open(0x7fff_0000, 0, 0).err().and_then(|error| error.raw_os_error());
        assert!(
            matches!(code, Some(libc::ENOENT | libc::EACCES | libc::EPERM | libc::ENOSYS)),
            "{code:?}"
        );
    }
}
