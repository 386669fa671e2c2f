//! What the threads of a core were doing, from their registers.

use super::notes::Registers;
use crate::linux::calls::{Call, Doing};
use crate::memory::Memory;

/// What a call gives that was interrupted while it slept: to be started again in one of four ways
/// (ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK; include/linux/errno.h), or
/// not (EINTR); and what stands there when it begins (ENOSYS).
const INTERRUPTED: [i64; 6] = [-512, -513, -514, -516, -4, -38];

/// What a thread was doing. Writing a core interrupts every thread that sleeps: its registers are
/// those at the return from the system call, just after the instruction `syscall`, before the
/// kernel starts the call again. A thread that was interrupted while it ran has no number in
/// `orig_rax`.
pub(super) fn doing(registers: &Registers, memory: &dyn Memory) -> Doing {
    let is_interrupted = INTERRUPTED.contains(&registers.rax.cast_signed());
    let number = u32::try_from(registers.orig_rax).ok().filter(|_| is_interrupted);
    let Some(number) = number else { return Doing::Running };
    let Registers { rdi, rsi, rdx, r10, r8, r9, rsp, rip, .. } = *registers;
    let call = Call { number, args: [rdi, rsi, rdx, r10, r8, r9], stack: rsp, instruction: rip };
    Doing::Call(call.original(memory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::ReadError;

    struct Nothing;

    impl Memory for Nothing {
        fn read(&self, address: u64, _: &mut [u8]) -> Result<(), ReadError> {
            Err(ReadError::Unmapped(address))
        }
    }

    const FUTEX: Registers = Registers {
        orig_rax: 202,
        rax: -512_i64 as u64,
        rip: 2,
        rdi: 1,
        rsi: 2,
        rdx: 3,
        r10: 4,
        r8: 5,
        r9: 6,
        rsp: 7,
        rbp: 0,
        fs_base: 0,
    };

    #[test]
    fn a_sleeping_thread_is_in_its_call() {
        let Doing::Call(call) = doing(&FUTEX, &Nothing) else { panic!("no call") };
        assert_eq!((call.number, call.args), (202, [1, 2, 3, 4, 5, 6]));
        assert_eq!((call.stack, call.instruction), (7, 2));
    }

    #[test]
    fn a_thread_that_runs_is_in_none() {
        let interrupted_by_timer = Registers { orig_rax: u64::MAX, ..FUTEX };
        let call_ended = Registers { rax: 0, ..FUTEX };
        assert_eq!(doing(&interrupted_by_timer, &Nothing), Doing::Running);
        assert_eq!(doing(&call_ended, &Nothing), Doing::Running);
    }
}
