//! What a thread is doing: the one answer that every verb gives.
//!
//! Three sources decide: the thread state of the interpreter (attached, detached, suspended), the
//! kernel (on a processor, or asleep in which system call) and, for a thread asleep in a futex, the
//! parking lot and the objects that the address belongs to. [`classify`] is the only place that
//! puts them together. A caller that looks often may take [`Doing::Running`] for the kernel's
//! answer about an attached thread that moves; one that stays where it is may be asleep with the
//! GIL.

use crate::linux::calls::Doing;
use crate::parking::{BlockedOn, Gils};
use crate::python::{Attachment, Python, Thread};
use crate::wait_target::WaitTarget;
use serde::Serialize;

/// What a thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ThreadState {
    /// Runs Python code, or would if a processor were free: it is attached to its interpreter.
    Running,
    /// Runs C code that has released the interpreter: the GIL released, or detached.
    Native,
    /// Waits for a lock that another thread has.
    Lock,
    /// Waits for the GIL.
    Gil,
    /// Suspended by a stop-the-world pause.
    Suspended,
    /// Waits for something to happen: a notification, a queue's next item, a result, another
    /// thread's end.
    Event,
    /// Asleep in a system call.
    Syscall,
    /// Its interpreter is shutting down.
    Ending,
}

impl ThreadState {
    /// Every state, in the order in which they are shown.
    pub const ALL: [ThreadState; 8] = [
        ThreadState::Running,
        ThreadState::Native,
        ThreadState::Lock,
        ThreadState::Gil,
        ThreadState::Suspended,
        ThreadState::Event,
        ThreadState::Syscall,
        ThreadState::Ending,
    ];

    /// Its place in [`ThreadState::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// Its name in every JSON output and on screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ThreadState::Running => "running",
            ThreadState::Native => "native",
            ThreadState::Lock => "lock",
            ThreadState::Gil => "gil",
            ThreadState::Suspended => "suspended",
            ThreadState::Event => "event",
            ThreadState::Syscall => "syscall",
            ThreadState::Ending => "ending",
        }
    }

    /// Its description, where nothing more is known.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            ThreadState::Running => "running",
            ThreadState::Native => "in C code",
            ThreadState::Lock => "waiting for a lock",
            ThreadState::Gil => "waiting for the GIL",
            ThreadState::Suspended => "suspended (stop-the-world)",
            ThreadState::Event => "waiting for an event",
            ThreadState::Syscall => "in a system call",
            ThreadState::Ending => "ending",
        }
    }
}

/// Decides what a thread is doing. `on` is what it is blocked on and `target` what that is to the
/// program, where that was looked up; `wants_gil` is the answer of [`wants_gil`] for a thread that
/// is awake.
#[must_use]
pub fn classify(
    attachment: Attachment,
    kernel: &Doing,
    on: Option<BlockedOn>,
    target: Option<&WaitTarget>,
    wants_gil: bool,
) -> ThreadState {
    // A thread that sleeps anyway is suspended as well during a stop-the-world pause: what it waits
    // for is still so.
    match (on, target) {
        (Some(BlockedOn::Gil(_)), _) => return ThreadState::Gil,
        (Some(BlockedOn::StopTheWorld), _) => return ThreadState::Suspended,
        (Some(_), Some(target)) if target.is_contention() => return ThreadState::Lock,
        (Some(_), Some(target)) if *target != WaitTarget::Futex => return ThreadState::Event,
        _ => {}
    }
    let awake = match attachment {
        Attachment::Attached => ThreadState::Running,
        Attachment::Other(_) => return ThreadState::Ending,
        Attachment::Suspended => ThreadState::Suspended,
        Attachment::Detached if wants_gil => ThreadState::Gil,
        Attachment::Detached => ThreadState::Native,
    };
    match kernel {
        // In a futex and blocked on nothing: it has just been woken.
        Doing::Call(call) if call.is_futex() && on.is_none() => awake,
        Doing::Call(_) => ThreadState::Syscall,
        Doing::Unknown if attachment == Attachment::Attached => awake,
        Doing::Asleep | Doing::Unknown if attachment == Attachment::Suspended => awake,
        Doing::Asleep | Doing::Unknown => ThreadState::Syscall,
        Doing::Running | Doing::Gone => awake,
    }
}

/// The innermost frame of a thread and the instruction it is at.
pub type CodePlace = (u64, u64);

/// Reads where a thread is. `None` for one without frames.
#[must_use]
pub fn code_place(python: &Python, thread: &Thread) -> Option<CodePlace> {
    if thread.frame == 0 {
        return None;
    }
    let at = thread.frame.checked_add(python.offsets().interpreter_frame.instr_ptr)?;
    Some((thread.frame, python.memory().u64(at).ok()?))
}

/// Returns whether a thread that is awake and detached only tries to get the GIL back: a waiter
/// wakes every switch interval to ask for it, and on a busy machine stays awake for a while before
/// it sleeps again. 3.15 records the request. Before, a thread that was waiting for the GIL at
/// `waited_at` and is still there waits still, and one at an instruction at which the interpreter
/// lets other threads have the GIL has given it away; at any other instruction a detached thread
/// runs C code.
#[must_use]
pub fn wants_gil(
    python: &Python,
    gils: &Gils,
    thread: &Thread,
    waited_at: Option<CodePlace>,
) -> bool {
    if !gils.in_use {
        return false;
    }
    if let Some(offset) = python.offsets().thread_state.gil_requested {
        return python
            .memory()
            .i32(thread.address.saturating_add(offset))
            .is_ok_and(|asked| asked != 0);
    }
    let Some(place) = code_place(python, thread) else { return false };
    waited_at == Some(place) || gives_way(python, place.1)
}

/// Returns whether the interpreter may let another thread have the GIL at the instruction at
/// `address`: at the start of a function and at the end of a loop's turn.
fn gives_way(python: &Python, address: u64) -> bool {
    let Ok(opcode) = python.memory().u8(address) else { return false };
    python.offsets().build.opcodes.eval_breaker.contains(&opcode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::calls::Call;

    fn call(number: u32) -> Doing {
        Doing::Call(Call { number, args: [0; 6], stack: 0, instruction: 0 })
    }

    #[test]
    fn each_source_decides_where_it_must() {
        use Attachment::{Attached, Detached, Suspended};
        let state = |attachment, kernel: Doing| classify(attachment, &kernel, None, None, false);
        let futex = libc::SYS_futex as u32;
        assert_eq!(state(Attached, Doing::Running), ThreadState::Running);
        assert_eq!(state(Attached, call(0)), ThreadState::Syscall, "asleep with the GIL");
        assert_eq!(state(Detached, Doing::Running), ThreadState::Native);
        assert_eq!(state(Detached, call(0)), ThreadState::Syscall);
        assert_eq!(state(Detached, call(futex)), ThreadState::Native, "just woken");
        assert_eq!(state(Detached, Doing::Unknown), ThreadState::Syscall);
        assert_eq!(state(Suspended, Doing::Asleep), ThreadState::Suspended);
        assert_eq!(state(Suspended, call(0)), ThreadState::Syscall, "it slept before the pause");
        assert_eq!(classify(Detached, &Doing::Running, None, None, true), ThreadState::Gil);
    }

    #[test]
    fn a_wait_is_what_its_target_says() {
        let state = |target| {
            let on = Some(BlockedOn::Parked(8));
            classify(Attachment::Suspended, &call(libc::SYS_futex as u32), on, Some(&target), false)
        };
        assert_eq!(state(WaitTarget::Lock), ThreadState::Lock);
        assert_eq!(state(WaitTarget::Queue), ThreadState::Event);
        assert_eq!(state(WaitTarget::Futex), ThreadState::Syscall);
    }
}
