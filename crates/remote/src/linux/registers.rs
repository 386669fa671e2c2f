//! The registers of a thread from which unwinding starts.
#![allow(unsafe_code)] // ptrace(2), which takes pointers.

use framehop::UnwindRegsNative;
use std::fs;

/// Registers needed for unwinding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnwindRegisters {
    /// Instruction pointer.
    pub(crate) pc: u64,
    /// Stack pointer.
    pub(crate) sp: u64,
    /// Frame pointer; 0 if unknown. Code compiled without frame pointers does not need it.
    pub(crate) fp: u64,
    /// Link register: the return address, on architectures that keep it in a register.
    pub(crate) lr: u64,
}

impl UnwindRegisters {
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn for_unwinding(self) -> UnwindRegsNative {
        UnwindRegsNative::new(self.pc, self.sp, self.fp)
    }

    #[cfg(target_arch = "aarch64")]
    pub(crate) fn for_unwinding(self) -> UnwindRegsNative {
        UnwindRegsNative::new(self.lr, self.sp, self.fp)
    }
}

/// Returns the registers with another frame pointer.
pub(crate) fn with_frame_pointer(
    mut registers: UnwindRegsNative,
    pointer: u64,
) -> UnwindRegsNative {
    #[cfg(target_arch = "x86_64")]
    registers.set_bp(pointer);
    #[cfg(target_arch = "aarch64")]
    registers.set_fp(pointer);
    registers
}

/// Returns the registers of a thread in a system call, without stopping it; `None` if the thread is
/// running.
pub(crate) fn read_blocked(pid: u32, thread: u32) -> Option<UnwindRegisters> {
    let line = fs::read_to_string(format!("/proc/{pid}/task/{thread}/syscall")).ok()?;
    let mut last = line.split_ascii_whitespace().rev();
    let number = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    // The line ends with stack pointer and instruction pointer. That of a running thread is a
    // single word.
    let (pc, sp) = (number(last.next()?)?, number(last.next()?)?);
    Some(UnwindRegisters { pc, sp, fp: 0, lr: 0 })
}

/// Returns the registers of a running thread, which is stopped while they are read. If this program
/// dies meanwhile, the kernel resumes the thread. `None` if the kernel refuses or the thread has
/// ended.
pub(crate) fn read_running(thread: u32) -> Option<UnwindRegisters> {
    let thread = libc::pid_t::try_from(thread).ok()?;
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: ptrace with these requests does not access our memory.
    let request = |request: libc::c_uint| unsafe { libc::ptrace(request, thread, none, none) };
    if request(libc::PTRACE_SEIZE) != 0 {
        return None;
    }
    let registers = (request(libc::PTRACE_INTERRUPT) == 0).then(|| stop_and_read(thread)).flatten();
    request(libc::PTRACE_DETACH);
    registers
}

/// Waits for the requested stop and reads the registers.
fn stop_and_read(thread: libc::pid_t) -> Option<UnwindRegisters> {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let waited = unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) };
    if waited != thread || !libc::WIFSTOPPED(status) {
        return None;
    }
    // SAFETY: the structure consists of integers, for which zero is valid.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    let mut into = libc::iovec {
        iov_base: (&raw mut registers).cast(),
        iov_len: size_of::<libc::user_regs_struct>(),
    };
    // SAFETY: the kernel writes at most `iov_len` bytes to `iov_base`, which is that large.
    let done = unsafe {
        libc::ptrace(libc::PTRACE_GETREGSET, thread, libc::NT_PRSTATUS as usize, &raw mut into)
    };
    (done == 0).then(|| of(&registers))
}

#[cfg(target_arch = "x86_64")]
fn of(registers: &libc::user_regs_struct) -> UnwindRegisters {
    UnwindRegisters { pc: registers.rip, sp: registers.rsp, fp: registers.rbp, lr: 0 }
}

#[cfg(target_arch = "aarch64")]
fn of(registers: &libc::user_regs_struct) -> UnwindRegisters {
    UnwindRegisters {
        pc: registers.pc,
        sp: registers.sp,
        fp: registers.regs[29],
        lr: registers.regs[30],
    }
}
