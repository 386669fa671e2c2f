//! The signal that killed a process, the thread that received it, and its origin.

use super::notes::CoreNotes;
use crate::memory::{half, word};
use serde::Serialize;

/// Signals by which a debugger stops a process to write a core of it.
const STOPS: [u16; 2] = [5, 19];
/// Signals caused by an address: SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV.
const FAULTS: [u16; 5] = [4, 5, 7, 8, 11];

/// The signal that killed a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Death {
    /// Signal number.
    pub signal: u16,
    /// `SIGSEGV`; `signal 40` for a signal without a name.
    pub signal_name: String,
    /// Kernel thread id of the thread that received it.
    pub thread: u32,
    /// The faulting address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The process that sent the signal, if it was another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<u32>,
}

/// Returns the signal that killed the process; `None` if it was not killed.
pub(super) fn death(notes: &CoreNotes) -> Option<Death> {
    let thread = notes.threads.first()?;
    let signal = thread.signal;
    if signal == 0 || (!notes.by_kernel && STOPS.contains(&signal)) {
        return None;
    }
    let about = |offset: usize| half(&notes.siginfo, offset);
    // A kernel code (SI_KERNEL and fault codes) means an address follows; the codes of kill(2),
    // tgkill(2) and sigqueue(3) mean the sender follows.
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

/// Returns a signal's name on x86-64.
pub(super) fn signal_name(signal: u16) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let name = usize::from(signal).checked_sub(1).and_then(|index| NAMES.get(index));
    name.map_or_else(|| format!("signal {signal}"), |name| format!("SIG{name}"))
}
