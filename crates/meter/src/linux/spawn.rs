//! Starts the root of a tree: fork, join its cgroup, exec.
//!
//! `std::process::Command` is not used because a process that is moved into a cgroup by writing its
//! id waits for an RCU grace period, about 10 ms each time, while `clone3` with `CLONE_INTO_CGROUP`
//! starts it there directly.
#![allow(unsafe_code)]

use super::sys::{largest_rss, monotonic};
use crate::tree::Launch;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

/// The descriptors that become a child's standard streams.
pub(crate) struct Streams {
    pub(crate) input: OwnedFd,
    pub(crate) output: OwnedFd,
    pub(crate) error: OwnedFd,
}

/// A started child.
pub(crate) struct Started {
    pub(crate) pid: i32,
    /// Time just before the exec, `CLOCK_MONOTONIC` nanoseconds.
    pub(crate) at_ns: u64,
    /// The child's resident set before the exec, in bytes. These are this process's own pages,
    /// which the kernel includes in the child's `ru_maxrss`.
    pub(crate) inherited_rss: u64,
}

/// Everything that exec needs, prepared before the fork: the child must not allocate.
struct Image {
    programs: Vec<CString>,
    argv: Strings,
    envp: Strings,
    dir: Option<CString>,
}

/// C strings and the null-terminated array of pointers to them.
struct Strings {
    _held: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl Strings {
    fn new(held: Vec<CString>) -> Strings {
        let pointers = held.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect();
        Strings { _held: held, pointers }
    }
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, "an argument or variable contains a NUL byte")
    })
}

fn image(launch: &Launch) -> io::Result<Image> {
    let program = launch.argv.first().ok_or_else(|| io::Error::other("the command is empty"))?;
    let mut environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    environment.retain(|(name, _)| {
        !launch.unset.iter().any(|u| name == OsStr::new(u))
            && !launch.env.iter().any(|(n, _)| name == OsStr::new(n))
    });
    environment.extend(launch.env.iter().map(|(n, v)| (n.into(), v.clone())));
    let variable = |(name, value): &(OsString, OsString)| {
        c_string(OsStr::from_bytes(&[name.as_bytes(), b"=", value.as_bytes()].concat()))
    };
    // Like execvp: a name without a slash is looked up in PATH.
    let programs = if program.as_bytes().contains(&b'/') {
        vec![c_string(program)?]
    } else {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        std::env::split_paths(&path)
            .map(|dir| c_string(dir.join(program).as_os_str()))
            .collect::<io::Result<_>>()?
    };
    Ok(Image {
        programs,
        argv: Strings::new(launch.argv.iter().map(|a| c_string(a)).collect::<io::Result<_>>()?),
        envp: Strings::new(environment.iter().map(variable).collect::<io::Result<_>>()?),
        dir: launch.dir.as_deref().map(Path::as_os_str).map(c_string).transpose()?,
    })
}

/// Starts `launch` in its own session, in `cgroup` if given. The child is killed when this process
/// dies.
///
/// # Errors
/// The system's error of fork or exec, or of joining the cgroup.
pub(crate) fn spawn(
    launch: &Launch,
    streams: &Streams,
    cgroup: Option<BorrowedFd<'_>>,
) -> io::Result<Started> {
    let image = image(launch)?;
    let (report, report_w) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let parent = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: the child calls only async-signal-safe functions on memory prepared above, and execs
    // or exits.
    let pid = unsafe { fork(cgroup)? };
    if pid == 0 {
        // SAFETY: this is the child of the fork above.
        unsafe { child(&image, streams, parent, report_w.as_raw_fd()) };
    }
    drop(report_w);
    // The time of the exec, the resident set before it, and, only if exec failed, the error.
    let mut bytes = Vec::new();
    File::from(report).read_to_end(&mut bytes)?;
    let number = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let errno = bytes.get(16..20).and_then(|e| <[u8; 4]>::try_from(e).ok());
    match (number(0).zip(number(8)), errno) {
        (Some((at_ns, inherited_rss)), None) => Ok(Started { pid, at_ns, inherited_rss }),
        (_, errno) => {
            let _ = super::sys::reap(pid, true);
            Err(errno.map_or_else(
                || io::Error::other("the child died before it could be executed"),
                |e| io::Error::from_raw_os_error(i32::from_ne_bytes(e)),
            ))
        }
    }
}

/// Forks, into `cgroup` if given.
///
/// # Safety
/// The child may call only async-signal-safe functions.
unsafe fn fork(cgroup: Option<BorrowedFd<'_>>) -> io::Result<i32> {
    let Some(cgroup) = cgroup else {
        // SAFETY: passed on to the caller.
        return match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            pid => Ok(pid),
        };
    };
    // SAFETY: clone_args is plain data for which all zeroes means "as fork does".
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = 0x2_0000_0000; // CLONE_INTO_CGROUP, linux/sched.h
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.cgroup = cgroup.as_raw_fd() as u64;
    // SAFETY: without CLONE_VM this is a fork; the arguments live through the call. glibc's fork
    // handlers do not run, which the caller's promise makes harmless.
    let pid = unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>())
    };
    if pid < 0 {
        Err(io::Error::last_os_error())
    } else {
        i32::try_from(pid).map_err(io::Error::other)
    }
}

/// Runs in the child from fork to exec.
///
/// # Safety
/// May be called only in a newly forked child.
unsafe fn child(image: &Image, streams: &Streams, parent: i32, report: RawFd) -> ! {
    // SAFETY: system calls only, on descriptors and memory inherited from the parent.
    unsafe {
        let mut at = [0u64; 2];
        let mut steps = || -> Option<()> {
            let ok = |result: libc::c_int| (result >= 0).then_some(());
            for (fd, target) in [(&streams.input, 0), (&streams.output, 1), (&streams.error, 2)] {
                ok(libc::dup2(fd.as_raw_fd(), target))?;
            }
            ok(libc::setsid())?;
            ok(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
            if libc::getppid() != parent {
                libc::_exit(127);
            }
            // Rust ignores SIGPIPE; a program started by a shell does not.
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
            if let Some(dir) = &image.dir {
                ok(libc::chdir(dir.as_ptr()))?;
            }
            at = [monotonic(), largest_rss()];
            libc::write(report, (&raw const at).cast(), 16);
            let mut denied = false;
            for program in &image.programs {
                libc::execve(
                    program.as_ptr(),
                    image.argv.pointers.as_ptr(),
                    image.envp.pointers.as_ptr(),
                );
                match *libc::__errno_location() {
                    libc::ENOENT | libc::ENOTDIR => {}
                    libc::EACCES => denied = true,
                    _ => return None,
                }
            }
            if denied {
                *libc::__errno_location() = libc::EACCES;
            }
            None
        };
        let _: Option<()> = steps();
        let errno = *libc::__errno_location();
        if at[0] == 0 {
            libc::write(report, (&raw const at).cast(), 16);
        }
        libc::write(report, (&raw const errno).cast(), 4);
        libc::_exit(127)
    }
}
