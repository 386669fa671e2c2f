//! The system call a thread is in, from `/proc/PID/task/TID/syscall`.
//!
//! The file has the number and arguments of the system call in which a thread sleeps. For a thread
//! that waits for a lock, they include the address it sleeps on. Reading it stops nothing. It
//! requires ptrace permission, like reading the target's memory.

use crate::memory::Memory;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

/// Opcode of `mov eax, imm32`, and the number of bytes before a system call in which its number is
/// set.
const MOV_EAX: u8 = 0xb8;
const SETUP: u64 = 48;

/// What the kernel reports about a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelState {
    /// Running, or runnable.
    Running,
    /// Sleeping in a system call.
    SystemCall(SystemCall),
    /// Sleeping outside a system call: in a page fault, or stopped.
    Asleep,
    /// The thread does not exist (any more).
    Gone,
    /// The kernel does not report it.
    Unknown,
}

/// A system call that a thread sleeps in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemCall {
    /// Its number on this architecture.
    pub number: u32,
    /// Its arguments.
    pub args: [u64; 6],
    /// The thread's stack pointer.
    pub stack: u64,
    /// Its instruction pointer.
    pub instruction: u64,
}

impl SystemCall {
    /// Returns the name of the call, such as `futex` or `epoll_wait`.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        syscalls::Sysno::new(self.number as usize).map(|call| call.name())
    }

    /// Returns the call that this one continues. After an interruption (by a stop signal, a
    /// debugger, `gcore`) the kernel restarts a call with a timeout as `restart_syscall`. The
    /// arguments are those of the original call, and its number is set by the code before the
    /// system call instruction.
    #[must_use]
    pub fn original(self, memory: &dyn Memory) -> SystemCall {
        let is_restarted =
            cfg!(target_arch = "x86_64") && i64::from(self.number) == libc::SYS_restart_syscall;
        let number = || {
            let code =
                memory.vec(self.instruction.checked_sub(SETUP)?, SETUP, SETUP as usize).ok()?;
            let sets = |window: &&[u8]| window[0] == MOV_EAX && window[3..] == [0, 0];
            let set = code.windows(5).rev().find(sets)?;
            Some(u32::from(u16::from_le_bytes([set[1], set[2]])))
        };
        SystemCall { number: is_restarted.then(number).flatten().unwrap_or(self.number), ..self }
    }

    /// Returns whether this is `futex(2)`, in which all threads that wait for a lock sleep.
    #[must_use]
    pub fn is_futex(&self) -> bool {
        self.number as i64 == libc::SYS_futex
    }
}

/// Source of a thread's system call: its `/proc` file, kept open between looks, or the record in a
/// core.
#[derive(Debug)]
pub struct SyscallFile(SyscallSource);

#[derive(Debug)]
enum SyscallSource {
    File(File),
    Recorded(KernelState),
}

impl SyscallFile {
    /// Opens the file of a thread; `tid` as seen in this pid namespace.
    ///
    /// # Errors
    /// The thread has ended, or the kernel was built without these files.
    pub fn open(pid: u32, tid: u32) -> io::Result<SyscallFile> {
        File::open(format!("/proc/{pid}/task/{tid}/syscall"))
            .map(|file| SyscallFile(SyscallSource::File(file)))
    }

    /// Creates the source for a thread of a core.
    pub(crate) fn recorded(kernel_state: KernelState) -> SyscallFile {
        SyscallFile(SyscallSource::Recorded(kernel_state))
    }

    /// Returns what the thread is doing now.
    #[must_use]
    pub fn read(&self) -> KernelState {
        let file = match &self.0 {
            SyscallSource::File(file) => file,
            SyscallSource::Recorded(kernel_state) => return *kernel_state,
        };
        // A number of at most 10 digits, and eight of 16, each followed by a space.
        let mut line = [0; 192];
        match file.read_at(&mut line, 0) {
            Ok(0) => KernelState::Gone,
            Ok(len) => parse(line.get(..len).unwrap_or_default()),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => KernelState::Gone,
            Err(_) => KernelState::Unknown,
        }
    }
}

/// Parses `running`, `-1 SP PC`, or `NUMBER ARG.. SP PC`.
fn parse(line: &[u8]) -> KernelState {
    let Ok(line) = std::str::from_utf8(line) else { return KernelState::Unknown };
    let mut words = line.split_ascii_whitespace();
    let number = match words.next() {
        Some("running") => return KernelState::Running,
        Some("-1") => return KernelState::Asleep,
        Some(word) => word.parse(),
        None => return KernelState::Gone,
    };
    let mut hex = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    let mut all = [0; 8];
    for word in &mut all {
        let Some(value) = hex() else { return KernelState::Unknown };
        *word = value;
    }
    let [a, b, c, d, e, f, stack, instruction] = all;
    number.map_or(KernelState::Unknown, |number| {
        KernelState::SystemCall(SystemCall { number, args: [a, b, c, d, e, f], stack, instruction })
    })
}

/// Returns the number of context switches of a thread. If it is unchanged, the thread has not run
/// in between. `None` if unavailable.
#[must_use]
pub fn switches(pid: u32, tid: u32) -> Option<u64> {
    // Not `read_to_string`: the thread's name is truncated to 15 bytes, possibly within a
    // character.
    let status = fs::read(format!("/proc/{pid}/task/{tid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let count = |name: &str| -> Option<u64> {
        status.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
    };
    Some(count("voluntary_ctxt_switches:")? + count("nonvoluntary_ctxt_switches:")?)
}

/// Returns whether a process is stopped by a signal or a debugger, so that none of its threads
/// runs.
#[must_use]
pub fn is_stopped(pid: u32) -> bool {
    matches!(super::proc_stat::stat(pid), Some(stat) if matches!(stat.state, 'T' | 't'))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "x86_64")]
    use crate::memory::ReadError;
    use proptest::prelude::*;

    #[test]
    fn parses_all_forms_of_the_line() {
        assert_eq!(parse(b"running\n"), KernelState::Running);
        assert_eq!(parse(b"-1 0x7ffd 0x7f00\n"), KernelState::Asleep);
        let line = b"202 0x7f10 0x189 0x0 0x7f20 0x0 0xffffffff 0x7f30 0x7f40\n";
        let KernelState::SystemCall(call) = parse(line) else { panic!("{:?}", parse(line)) };
        assert_eq!((call.number, call.args[0], call.args[3]), (202, 0x7f10, 0x7f20));
        assert_eq!((call.stack, call.instruction), (0x7f30, 0x7f40));
        assert_eq!(parse(b""), KernelState::Gone);
        assert_eq!(parse(b"202 0x1"), KernelState::Unknown);
    }

    #[test]
    fn futex_has_its_name() {
        let number = libc::SYS_futex as u32;
        let call = SystemCall { number, args: [0; 6], stack: 0, instruction: 0 };
        assert!(call.is_futex());
        assert_eq!(call.name(), Some("futex"));
    }

    #[cfg(target_arch = "x86_64")]
    struct CodeBytes(Vec<u8>);

    #[cfg(target_arch = "x86_64")]
    impl Memory for CodeBytes {
        fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
            let start = usize::try_from(address).map_err(|_| ReadError::Unmapped(address))?;
            let bytes =
                self.0.get(start..start + into.len()).ok_or(ReadError::Unmapped(address))?;
            into.copy_from_slice(bytes);
            Ok(())
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn restarted_call_has_its_original_number() {
        let number = |number: u32, code: &[u8]| {
            let call =
                SystemCall { number, args: [0; 6], stack: 0, instruction: code.len() as u64 };
            call.original(&CodeBytes(code.to_vec())).number
        };
        let mut code = vec![0x90; 64];
        assert_eq!(number(219, &code), 219, "no number is set");
        code[41..46].copy_from_slice(&[0xb8, 0xca, 0, 0, 0]);
        code[62..].copy_from_slice(&[0x0f, 0x05]);
        assert_eq!((number(219, &code), number(0, &code)), (202, 0));
    }

    proptest! {
        #[test]
        fn arbitrary_line_does_not_panic(line: Vec<u8>) {
            let _ = parse(&line);
        }
    }
}
