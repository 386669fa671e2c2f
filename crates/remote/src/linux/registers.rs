//! Where a thread is: the three registers that unwinding starts from.
#![allow(unsafe_code)] // ptrace(2), which takes pointers.

use framehop::UnwindRegsNative;
use std::fs;

/// The registers that matter for unwinding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Registers {
    /// The instruction.
    pub(crate) pc: u64,
    /// The top of the stack.
    pub(crate) sp: u64,
    /// The frame pointer, 0 where it is not known. Code made without frame pointers does not need
    /// it.
    pub(crate) fp: u64,
    /// Where the innermost function returns to, on machines that keep it in a register.
    pub(crate) lr: u64,
}

impl Registers {
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn for_unwinding(self) -> UnwindRegsNative {
        UnwindRegsNative::new(self.pc, self.sp, self.fp)
    }

    #[cfg(target_arch = "aarch64")]
    pub(crate) fn for_unwinding(self) -> UnwindRegsNative {
        UnwindRegsNative::new(self.lr, self.sp, self.fp)
    }
}

/// The same registers with another frame pointer.
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

/// Of a thread in a system call, as the kernel keeps them while it is there; `None` for one that
/// runs.
pub(crate) fn blocked(pid: u32, thread: u32) -> Option<Registers> {
    let line = fs::read_to_string(format!("/proc/{pid}/task/{thread}/syscall")).ok()?;
    let mut last = line.split_ascii_whitespace().rev();
    let number = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    // The line ends with the stack pointer and the program counter; that of a running thread is one
    // word.
    let (pc, sp) = (number(last.next()?)?, number(last.next()?)?);
    Some(Registers { pc, sp, fp: 0, lr: 0 })
}

/// Of a thread that runs, which is stopped for as long as it takes to read them. If this program
/// dies meanwhile, the kernel lets the thread go on. `None` where the kernel refuses or the thread
/// has ended.
pub(crate) fn stopped(thread: u32) -> Option<Registers> {
    let thread = libc::pid_t::try_from(thread).ok()?;
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: ptrace with these requests reads no memory of ours.
    let request = |request: libc::c_uint| unsafe { libc::ptrace(request, thread, none, none) };
    if request(libc::PTRACE_SEIZE) != 0 {
        return None;
    }
    let registers = (request(libc::PTRACE_INTERRUPT) == 0).then(|| stop_and_read(thread)).flatten();
    request(libc::PTRACE_DETACH);
    registers
}

/// Waits for the stop that was asked for and reads the registers.
fn stop_and_read(thread: libc::pid_t) -> Option<Registers> {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let waited = unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) };
    if waited != thread || !libc::WIFSTOPPED(status) {
        return None;
    }
    // SAFETY: a structure of integers, for which zero is a value.
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
fn of(registers: &libc::user_regs_struct) -> Registers {
    Registers { pc: registers.rip, sp: registers.rsp, fp: registers.rbp, lr: 0 }
}

#[cfg(target_arch = "aarch64")]
fn of(registers: &libc::user_regs_struct) -> Registers {
    Registers { pc: registers.pc, sp: registers.sp, fp: registers.regs[29], lr: registers.regs[30] }
}
