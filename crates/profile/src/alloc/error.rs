//! Errors of allocation profiling, each with its cause and what to do.

use cpython_layout::{NEWEST, OLDEST};
use std::io;
use std::process::ExitStatus;
use ungil_hook::wire::refusal;
use ungil_remote::AttachError;

/// An error of allocation profiling.
#[derive(Debug, thiserror::Error)]
pub enum AllocError {
    /// The files or the shared table cannot be created.
    #[error("cannot prepare the profile")]
    Prepare(#[source] io::Error),
    /// The interpreter cannot be run.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// The program ended before the library was loaded.
    #[error("the program ended before profiling began ({status})")]
    Early {
        /// Its exit status.
        status: ExitStatus,
    },
    /// The library refused to start.
    #[error("the allocations of this Python cannot be profiled")]
    Refused(u64),
    /// The library could not be loaded.
    #[error("the target could not load ungil's library")]
    Load(String),
    /// The process cannot be read.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// Its Python has no `sys.remote_exec`.
    #[error("process {pid} runs Python {version}, which has no sys.remote_exec")]
    TooOld {
        /// The process.
        pid: u32,
        /// Its version.
        version: String,
    },
    /// Its main thread has ended.
    #[error("the main thread of process {0} has ended")]
    NoMainThread(u32),
    /// `sys.remote_exec` failed.
    #[error("process {pid} does not accept sys.remote_exec")]
    RemoteExec {
        /// The process.
        pid: u32,
        /// Python's error message.
        message: String,
    },
    /// The target's main thread did not handle the request in time.
    #[error("process {pid} did not respond within {waited_s:.0} s")]
    Timeout {
        /// The process.
        pid: u32,
        /// The timeout in seconds.
        waited_s: f64,
        /// The activity of its main thread instead.
        doing: String,
    },
    /// The process ended meanwhile.
    #[error("process {0} ended before profiling began")]
    Ended(u32),
    /// The table cannot be read.
    #[error("cannot read the measured data")]
    Read(#[source] io::Error),
    /// Interrupted by the user before anything was measured.
    #[error("interrupted before anything was measured")]
    Interrupted,
}

impl AllocError {
    /// Returns the cause.
    pub fn why(&self) -> String {
        match self {
            AllocError::Prepare(e) | AllocError::Read(e) | AllocError::Start { source: e, .. } => {
                e.to_string()
            }
            AllocError::Early { .. } => "its own error message, if any, is above".into(),
            AllocError::Refused(why) => refused(*why).into(),
            AllocError::Load(why) => why.clone(),
            AllocError::Attach(
                AttachError::Denied { why, .. } | AttachError::Layout { why, .. },
            ) => why.clone(),
            AllocError::Attach(error) => error.to_string(),
            AllocError::TooOld { .. } => "sys.remote_exec (PEP 768) came with Python 3.14".into(),
            AllocError::NoMainThread(_) => "only the main thread handles sys.remote_exec".into(),
            AllocError::RemoteExec { message, .. } => message.clone(),
            AllocError::Timeout { doing, .. } => doing.clone(),
            AllocError::Ended(_) => "it no longer exists".into(),
            AllocError::Interrupted => "Ctrl-C, or a signal that ends programs".into(),
        }
    }

    /// Returns what to do about it.
    pub fn help(&self) -> String {
        match self {
            AllocError::Prepare(_) => "free some disk space, or set TMPDIR to a folder that allows writing and executing",
            AllocError::Start { .. } => "name an existing interpreter; `ungil pythons` lists them",
            AllocError::Early { .. } => "run the program without ungil to see whether it starts",
            AllocError::Refused(refusal::TWICE) => "wait until the other profile of this process ends",
            AllocError::Refused(_) => return format!("use CPython 3.{OLDEST} to 3.{NEWEST}"),
            AllocError::Load(_) => "use an interpreter with ctypes, and a TMPDIR that is not mounted noexec",
            AllocError::Attach(AttachError::Denied { help, .. }) => help,
            AllocError::Attach(_) | AllocError::Ended(_) => "give the PID of a running Python process; `ungil top` lists them",
            AllocError::TooOld { .. } | AllocError::NoMainThread(_) => "start the program with ungil: `ungil profile --mode alloc script.py`",
            AllocError::RemoteExec { .. } => {
                "run ungil as the same user or as root; the target must not set PYTHON_DISABLE_REMOTE_DEBUG or \
                 -X disable-remote-debug"
            }
            AllocError::Timeout { .. } => {
                "try again when its main thread runs Python code, or start the program with ungil; `ungil dump` \
                 shows what it does"
            }
            AllocError::Read(_) | AllocError::Interrupted => "try again",
        }
        .into()
    }
}

fn refused(why: u64) -> &'static str {
    match why {
        refusal::TABLE => "its library cannot open the shared table",
        refusal::FOREIGN => "the shared table has an unknown format",
        refusal::SYMBOLS => "a function of CPython's API is missing in the process",
        refusal::LAYOUT => "the memory layout of this CPython is unknown",
        refusal::TWICE => "its allocations are already being profiled",
        _ => "for a reason unknown to this version of ungil",
    }
}
