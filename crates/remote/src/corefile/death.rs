//! What killed a process: the signal, the thread that got it, and where it came from.

use super::notes::Notes;
use crate::memory::{half, word};
use serde::Serialize;

/// Signals with which a debugger stops a process that it then writes a core of.
const STOPS: [u16; 2] = [5, 19];
/// Signals whose cause is an address: SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV.
const FAULTS: [u16; 5] = [4, 5, 7, 8, 11];

/// Why a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Death {
    /// Its number.
    pub signal: u16,
    /// `SIGSEGV`; `signal 40` for one without a name.
    pub signal_name: String,
    /// The thread that got it, as the kernel numbers threads.
    pub thread: u32,
    /// What it could not read, write or run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The process that sent it, where another one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<u32>,
}

/// The signal, where it ended the process.
pub(super) fn death(notes: &Notes) -> Option<Death> {
    let thread = notes.threads.first()?;
    let signal = thread.signal;
    if signal == 0 || (!notes.by_kernel && STOPS.contains(&signal)) {
        return None;
    }
    let about = |offset: usize| half(&notes.siginfo, offset);
    // The address follows a code of the kernel's, and the sender a code of kill(2), tgkill(2) or
    // sigqueue(3).
    let code = (about(0) == u32::from(signal)).then(|| about(8).cast_signed());
    let is_fault = FAULTS.contains(&signal) && code.is_some_and(|code| (1..128).contains(&code));
    let own = notes.process.as_ref().map(|process| process.pid);
    let sender = code.filter(|&code| code <= 0).map(|_| about(16));
    Some(Death {
        signal,
        signal_name: signal_name(signal),
        thread: thread.tid,
        address: is_fault.then(|| format!("{:#x}", word(&notes.siginfo, 16))),
        sender: sender.filter(|&sender| sender != 0 && Some(sender) != own),
    })
}

/// A signal's name on x86-64.
pub(super) fn signal_name(signal: u16) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let name = usize::from(signal).checked_sub(1).and_then(|index| NAMES.get(index));
    name.map_or_else(|| format!("signal {signal}"), |name| format!("SIG{name}"))
}
