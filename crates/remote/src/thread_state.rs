//! Determines what a thread is doing, for all commands.
//!
//! Three sources are combined: the thread state of the interpreter (attached, detached, suspended);
//! the kernel (running, or sleeping in which system call); and, for a thread that sleeps in a
//! futex, the parking lot and the object at the address. Only [`classify`] combines them. A caller
//! that looks frequently may assume [`KernelState::Running`] for an attached thread whose frames
//! change; one that does not move may be sleeping with the GIL.

use crate::linux::syscall::KernelState;
use crate::parking::{BlockedOn, Gils};
use crate::python::{Attachment, Python, Thread};
use crate::wait_target::WaitTarget;
use serde::Serialize;

/// What a thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ThreadState {
    /// Running or runnable Python code: attached to its interpreter.
    Running,
    /// Running C code that has released the GIL or detached.
    Native,
    /// Waiting for a lock that another thread holds.
    Lock,
    /// Waiting for the GIL.
    Gil,
    /// Suspended by a stop-the-world pause.
    Suspended,
    /// Waiting for an event: a notification, an item of a queue, a result, the end of a thread.
    Event,
    /// Sleeping in a system call.
    Syscall,
    /// The interpreter is shutting down.
    Ending,
}

impl ThreadState {
    /// All states, in display order.
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

    /// Returns the index in [`ThreadState::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// Returns the name used in all output.
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

    /// Returns a description, for when nothing more is known.
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

/// Determines what a thread is doing. `on` is what it is blocked on, `target` the object known to
/// the program, if it was looked up, and `wants_gil` the result of [`wants_gil`] for a thread that
/// is awake.
#[must_use]
pub fn classify(
    attachment: Attachment,
    kernel: &KernelState,
    on: Option<BlockedOn>,
    target: Option<&WaitTarget>,
    wants_gil: bool,
) -> ThreadState {
    // During a stop-the-world pause a sleeping thread is suspended as well, but what it waits for
    // is unchanged.
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
        // In a futex but blocked on nothing: just woken.
        KernelState::SystemCall(call) if call.is_futex() && on.is_none() => awake,
        KernelState::SystemCall(_) => ThreadState::Syscall,
        KernelState::Unknown if attachment == Attachment::Attached => awake,
        KernelState::Asleep | KernelState::Unknown if attachment == Attachment::Suspended => awake,
        KernelState::Asleep | KernelState::Unknown => ThreadState::Syscall,
        KernelState::Running | KernelState::Gone => awake,
    }
}

/// Innermost frame and instruction pointer of a thread.
pub type CodePosition = (u64, u64);

/// Reads the position of a thread. `None` if it has no frames.
#[must_use]
pub fn code_position(python: &Python, thread: &Thread) -> Option<CodePosition> {
    if thread.frame == 0 {
        return None;
    }
    let at = thread.frame.checked_add(python.offsets().interpreter_frame.instr_ptr)?;
    Some((thread.frame, python.memory().u64(at).ok()?))
}

/// Returns whether a thread that is awake and detached is only trying to acquire the GIL: a waiter
/// wakes every switch interval to request it, and on a busy machine it stays awake for a while
/// before it sleeps again. 3.15 records the request. In older versions, a thread that waited for
/// the GIL at `waited_at` and is still there is still waiting, and one at an instruction where the
/// interpreter releases the GIL has released it. At any other instruction a detached thread runs C
/// code.
#[must_use]
pub fn wants_gil(
    python: &Python,
    gils: &Gils,
    thread: &Thread,
    waited_at: Option<CodePosition>,
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
    let Some(position) = code_position(python, thread) else { return false };
    waited_at == Some(position) || may_release_gil(python, position.1)
}

/// Returns whether the instruction at `address` may release the GIL: at the start of a function and
/// at the end of a loop iteration.
fn may_release_gil(python: &Python, address: u64) -> bool {
    let Ok(opcode) = python.memory().u8(address) else { return false };
    python.offsets().build.opcodes.eval_breaker.contains(&opcode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::syscall::SystemCall;

    fn call(number: u32) -> KernelState {
        KernelState::SystemCall(SystemCall { number, args: [0; 6], stack: 0, instruction: 0 })
    }

    #[test]
    fn combines_attachment_and_kernel_state() {
        use Attachment::{Attached, Detached, Suspended};
        let state =
            |attachment, kernel: KernelState| classify(attachment, &kernel, None, None, false);
        let futex = libc::SYS_futex as u32;
        assert_eq!(state(Attached, KernelState::Running), ThreadState::Running);
        assert_eq!(state(Attached, call(0)), ThreadState::Syscall, "asleep with the GIL");
        assert_eq!(state(Detached, KernelState::Running), ThreadState::Native);
        assert_eq!(state(Detached, call(0)), ThreadState::Syscall);
        assert_eq!(state(Detached, call(futex)), ThreadState::Native, "just woken");
        assert_eq!(state(Detached, KernelState::Unknown), ThreadState::Syscall);
        assert_eq!(state(Suspended, KernelState::Asleep), ThreadState::Suspended);
        assert_eq!(state(Suspended, call(0)), ThreadState::Syscall, "it slept before the pause");
        assert_eq!(classify(Detached, &KernelState::Running, None, None, true), ThreadState::Gil);
    }

    #[test]
    fn state_of_a_wait_depends_on_its_target() {
        let state = |target| {
            let on = Some(BlockedOn::Parked(8));
            classify(Attachment::Suspended, &call(libc::SYS_futex as u32), on, Some(&target), false)
        };
        assert_eq!(state(WaitTarget::Lock), ThreadState::Lock);
        assert_eq!(state(WaitTarget::Queue), ThreadState::Event);
        assert_eq!(state(WaitTarget::Futex), ThreadState::Syscall);
    }
}
