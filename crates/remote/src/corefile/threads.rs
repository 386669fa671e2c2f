//! What the threads of a core were doing, from their registers.

use super::notes::Registers;
use crate::linux::calls::{Call, Doing};
use crate::memory::Memory;

/// `mov eax, imm32`.
const MOV_EAX: u8 = 0xb8;
/// `restart_syscall`: a call with a timeout, which goes on after it was interrupted.
const RESTART: u64 = 219;
/// Bytes before a system call in which its number is set.
const SETUP: u64 = 48;
/// What a call gives that was interrupted while it slept: to be started again in one of four ways (ERESTARTSYS, ERESTARTNOINTR,
/// ERESTARTNOHAND, ERESTART_RESTARTBLOCK; include/linux/errno.h), or not (EINTR); and what stands there when it begins (ENOSYS).
const INTERRUPTED: [i64; 6] = [-512, -513, -514, -516, -4, -38];

/// What a thread was doing. Writing a core interrupts every thread that sleeps: its registers are those at the return from the
/// system call, just after the instruction `syscall`, before the kernel starts the call again. A thread that was interrupted
/// while it ran has no number in `orig_rax`.
pub(super) fn doing(registers: &Registers, memory: &dyn Memory) -> Doing {
    let is_interrupted = INTERRUPTED.contains(&registers.rax.cast_signed());
    let number = u32::try_from(registers.orig_rax).ok().filter(|_| is_interrupted);
    let Some(number) = number else { return Doing::Running };
    let number =
        if registers.orig_rax == RESTART { restarted(registers, memory).unwrap_or(number) } else { number };
    let Registers { rdi, rsi, rdx, r10, r8, r9, rsp, rip, .. } = *registers;
    Doing::Call(Call { number, args: [rdi, rsi, rdx, r10, r8, r9], stack: rsp, instruction: rip })
}

/// The number that a call had that was interrupted twice: the arguments are still those of the first, and the code before it
/// sets the number.
fn restarted(registers: &Registers, memory: &dyn Memory) -> Option<u32> {
    let code = memory.vec(registers.rip.checked_sub(SETUP)?, SETUP, SETUP as usize).ok()?;
    let sets = |window: &&[u8]| window[0] == MOV_EAX && window[3..] == [0, 0];
    let set = code.windows(5).rev().find(sets)?;
    Some(u32::from(u16::from_le_bytes([set[1], set[2]])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::ReadError;

    struct Code(&'static [u8]);

    impl Memory for Code {
        fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
            let start = usize::try_from(address).map_err(|_| ReadError::Unmapped(address))?;
            let bytes = self.0.get(start..start + into.len()).ok_or(ReadError::Unmapped(address))?;
            into.copy_from_slice(bytes);
            Ok(())
        }
    }

    fn number(registers: Registers, code: &'static [u8]) -> Option<u32> {
        match doing(&registers, &Code(code)) {
            Doing::Call(call) => Some(call.number),
            _ => None,
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
        assert_eq!(number(FUTEX, &[]), Some(202));
        let Doing::Call(call) = doing(&FUTEX, &Code(&[])) else { panic!("no call") };
        assert_eq!((call.args, call.stack, call.instruction), ([1, 2, 3, 4, 5, 6], 7, 2));
    }

    #[test]
    fn a_thread_that_runs_is_in_none() {
        let runs = |registers| number(registers, &[]).is_none();
        assert!(runs(Registers { orig_rax: u64::MAX, ..FUTEX }), "interrupted by a timer");
        assert!(runs(Registers { rax: 0, ..FUTEX }), "the call has ended");
    }

    #[test]
    fn a_call_that_goes_on_has_its_own_number() {
        let mut code = vec![0x90; 64];
        code[41..46].copy_from_slice(&[0xb8, 0xca, 0, 0, 0]);
        code[62..].copy_from_slice(&[0x0f, 0x05]);
        let registers = Registers { orig_rax: 219, rip: 64, ..FUTEX };
        assert_eq!(number(registers, code.leak()), Some(202));
        assert_eq!(number(registers, vec![0x0f, 0x05].repeat(32).leak()), Some(219), "no number is set");
    }
}
