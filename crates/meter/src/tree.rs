//! A process tree from its first fork to the exit of its last member.
//!
//! The root is started in its own session and, if possible, its own cgroup. A thread only waits for
//! it, so that its end is timestamped when it happens and not when the runner notices. Processes
//! that outlive the root are reported, counted and killed.

mod end;
mod members;

use crate::linux::spawn::{Started, Streams, spawn};
use crate::linux::{cgroup::Cgroup, proc, sys};
use crate::{Counters, monotonic_ns};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Once;

/// The program to start.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// Program and arguments; the program is looked up in `PATH`.
    pub argv: Vec<OsString>,
    /// Environment variables to set in addition to this process's own.
    pub env: Vec<(String, OsString)>,
    /// Environment variables to remove.
    pub unset: Vec<String>,
    /// Working directory; `None`: this process's own.
    pub dir: Option<PathBuf>,
}

/// The reason why a tree could not be started or ended.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The program could not be executed.
    #[error("cannot start '{program}'")]
    Start {
        /// The program's name as given.
        program: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A member survived SIGKILL (a process in an uninterruptible wait).
    #[error("{} of the workload's processes could not be ended: {}", .pids.len(), .pids.iter().map(i32::to_string).collect::<Vec<_>>().join(", "))]
    Survivors {
        /// Their process ids.
        pids: Vec<i32>,
    },
    /// Waiting for the root failed.
    #[error("cannot wait for the workload's process")]
    Lost(#[from] io::Error),
}

/// How the root exited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Exited with this code.
    Exited(i32),
    /// A signal killed it.
    Signaled(i32),
}

/// The result of a tree that has ended.
#[derive(Debug, Clone)]
pub struct End {
    /// How the root exited.
    pub status: Status,
    /// Time just before the root's exec, `CLOCK_MONOTONIC` nanoseconds.
    pub started_ns: u64,
    /// Time of the root's exit.
    pub ended_ns: u64,
    /// What the whole tree used, from fork to end.
    pub spent: Counters,
    /// The largest resident set of any single member, in bytes, according to the kernel
    /// (`ru_maxrss`): a lower bound for the tree's peak that does not depend on sampling. `None` if
    /// it does not exceed what the root inherited from this process.
    pub largest_rss: Option<u64>,
    /// Exact peak of the memory charged to the cgroup, in bytes, if the memory controller is
    /// enabled.
    pub cgroup_peak: Option<u64>,
    /// Command lines of members that outlived the root and were killed.
    pub leftovers: Vec<String>,
}

/// A running tree. Dropping it kills every member.
#[derive(Debug)]
pub struct Tree {
    root: i32,
    started_ns: u64,
    inherited_rss: u64,
    cgroup: Option<Cgroup>,
    stdout: File,
    stderr: File,
    exit: File,
    preexisting_children: Vec<i32>,
    reaped: Option<sys::Reaped>,
    orphans: Counters,
    largest_orphan: u64,
}

/// Size of the output pipes. It is large, so that a writer seldom waits for the runner.
const PIPE_BYTES: usize = 1 << 20;

fn become_subreaper() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    });
}

/// Returns whether an error of [`spawn`] concerns the program and not the cgroup.
fn is_about_the_program(error: &io::Error) -> bool {
    let errors =
        [libc::ENOENT, libc::ENOTDIR, libc::ENOEXEC, libc::E2BIG, libc::ELOOP, libc::ENAMETOOLONG];
    error.raw_os_error().is_some_and(|e| errors.contains(&e))
        || error.kind() == io::ErrorKind::InvalidInput
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

impl Tree {
    /// Starts `launch` with an empty standard input and with piped outputs.
    ///
    /// # Errors
    /// [`TreeError::Start`] if the program is missing or not executable, or if the system lacks
    /// resources.
    pub fn start(launch: &Launch) -> Result<Tree, TreeError> {
        let program =
            launch.argv.first().map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
        let mut tree = Err(io::Error::from(io::ErrorKind::Unsupported));
        if let Ok(cgroup) = Cgroup::new() {
            tree = Tree::start_in(launch, Some(cgroup));
        }
        // No cgroup, or clone3 may not start a process in it: use /proc.
        if !matches!(&tree, Err(e) if is_about_the_program(e)) && tree.is_err() {
            tree = Tree::start_in(launch, None);
        }
        tree.map_err(|source| TreeError::Start { program, source })
    }

    fn start_in(launch: &Launch, cgroup: Option<Cgroup>) -> io::Result<Tree> {
        become_subreaper();
        let preexisting_children = proc::own_children();
        let ((out, output), (err, error)) = (pipe()?, pipe()?);
        for end in [&out, &err] {
            let _ = rustix::pipe::fcntl_setpipe_size(end, PIPE_BYTES);
            rustix::io::ioctl_fionbio(end, true)?;
        }
        let streams = Streams { input: File::open("/dev/null")?.into(), output, error };
        let Started { pid: root, at_ns: started_ns, inherited_rss } =
            spawn(launch, &streams, cgroup.as_ref().map(Cgroup::dir))?;
        drop(streams);
        let (exit, exit_w) = pipe()?;
        std::thread::Builder::new().name("waiter".into()).stack_size(64 << 10).spawn(
            move || {
                if let Some(pid) = Pid::from_raw(root) {
                    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                    while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR))
                    {
                    }
                }
                let _ = File::from(exit_w).write_all(&monotonic_ns().to_ne_bytes());
            },
        )?;
        Ok(Tree {
            root,
            started_ns,
            inherited_rss,
            cgroup,
            stdout: out.into(),
            stderr: err.into(),
            exit: exit.into(),
            preexisting_children,
            reaped: None,
            orphans: Counters::default(),
            largest_orphan: 0,
        })
    }

    /// Returns whether the tree has its own cgroup; without one the counters come from `/proc`.
    pub fn has_cgroup(&self) -> bool {
        self.cgroup.is_some()
    }

    /// Returns the root's standard output, which is non-blocking.
    pub fn stdout(&mut self) -> &mut File {
        &mut self.stdout
    }

    /// Returns the root's standard error, which is non-blocking.
    pub fn stderr(&mut self) -> &mut File {
        &mut self.stderr
    }

    /// Returns the descriptors of standard output and standard error, for polling.
    pub fn outputs(&self) -> (BorrowedFd<'_>, BorrowedFd<'_>) {
        (self.stdout.as_fd(), self.stderr.as_fd())
    }

    /// Returns a descriptor that becomes readable when the root has exited.
    pub fn exit_fd(&self) -> BorrowedFd<'_> {
        self.exit.as_fd()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if self.reaped.is_none() {
            let _ = self.kill();
            let _ = self.reap_root();
            self.reap_orphans();
        }
    }
}
