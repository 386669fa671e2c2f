//! Determines what the threads of a core were doing from their registers.

use super::notes::CoreRegisters;
use crate::linux::syscall::{KernelState, SystemCall};
use crate::memory::Memory;

/// Result of a system call that was interrupted while it slept: the four restart codes
/// (ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK; include/linux/errno.h) or
/// EINTR. ENOSYS is the initial value of the result register when a call begins.
const INTERRUPTED: [i64; 6] = [-512, -513, -514, -516, -4, -38];

/// Returns what a thread was doing. Writing a core interrupts every sleeping thread. Its registers
/// are those at the return from the system call, just after the `syscall` instruction and before
/// the kernel restarts the call. A thread that was interrupted while running has no system call
/// number in `orig_rax`.
pub(super) fn kernel_state(registers: &CoreRegisters, memory: &dyn Memory) -> KernelState {
    let is_interrupted = INTERRUPTED.contains(&registers.rax.cast_signed());
    let number = u32::try_from(registers.orig_rax).ok().filter(|_| is_interrupted);
    let Some(number) = number else { return KernelState::Running };
    let CoreRegisters { rdi, rsi, rdx, r10, r8, r9, rsp, rip, .. } = *registers;
    let call =
        SystemCall { number, args: [rdi, rsi, rdx, r10, r8, r9], stack: rsp, instruction: rip };
    KernelState::SystemCall(call.original(memory))
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

    const FUTEX: CoreRegisters = CoreRegisters {
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
    fn sleeping_thread_is_in_its_call() {
        let KernelState::SystemCall(call) = kernel_state(&FUTEX, &Nothing) else {
            panic!("no call")
        };
        assert_eq!((call.number, call.args), (202, [1, 2, 3, 4, 5, 6]));
        assert_eq!((call.stack, call.instruction), (7, 2));
    }

    #[test]
    fn running_thread_is_in_no_call() {
        let interrupted_by_timer = CoreRegisters { orig_rax: u64::MAX, ..FUTEX };
        let call_ended = CoreRegisters { rax: 0, ..FUTEX };
        assert_eq!(kernel_state(&interrupted_by_timer, &Nothing), KernelState::Running);
        assert_eq!(kernel_state(&call_ended, &Nothing), KernelState::Running);
    }
}
