//! The system call a thread sits in, as `/proc/PID/task/TID/syscall` has it.
//!
//! The file says where a thread is asleep and with which arguments, which for a thread that waits
//! for a lock is the address of what it sleeps on. Reading it stops nobody. It needs the right to
//! trace the target, as reading its memory does.

use crate::memory::Memory;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

/// `mov eax, imm32`, and the bytes before a system call in which its number is set.
const MOV_EAX: u8 = 0xb8;
const SETUP: u64 = 48;

/// What the kernel says of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It runs, or would if there were a processor free.
    Running,
    /// It sleeps in a system call.
    Call(Call),
    /// It sleeps, but not in a system call: in a page fault, or stopped.
    Asleep,
    /// There is no such thread (any more).
    Gone,
    /// The kernel does not say.
    Unknown,
}

/// A system call that a thread sleeps in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Its number on this machine.
    pub number: u32,
    /// Its arguments.
    pub args: [u64; 6],
    /// The thread's stack pointer.
    pub stack: u64,
    /// Its instruction pointer.
    pub instruction: u64,
}

impl Call {
    /// What the call is called, such as `futex` or `epoll_wait`.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        syscalls::Sysno::new(self.number as usize).map(|call| call.name())
    }

    /// The call that this one goes on with: the kernel starts a call with a timeout again as
    /// `restart_syscall` after it was interrupted (by a stop signal, a debugger, `gcore`). The
    /// arguments are still those of the first call, and the code before it sets its number.
    #[must_use]
    pub fn original(self, memory: &dyn Memory) -> Call {
        let is_restarted =
            cfg!(target_arch = "x86_64") && i64::from(self.number) == libc::SYS_restart_syscall;
        let number = || {
            let code =
                memory.vec(self.instruction.checked_sub(SETUP)?, SETUP, SETUP as usize).ok()?;
            let sets = |window: &&[u8]| window[0] == MOV_EAX && window[3..] == [0, 0];
            let set = code.windows(5).rev().find(sets)?;
            Some(u32::from(u16::from_le_bytes([set[1], set[2]])))
        };
        Call { number: is_restarted.then(number).flatten().unwrap_or(self.number), ..self }
    }

    /// Whether it is `futex(2)`, in which everything that waits for a lock sleeps.
    #[must_use]
    pub fn is_futex(&self) -> bool {
        self.number as i64 == libc::SYS_futex
    }
}

/// What says of one thread what it does: its file, kept open from look to look, or the record of a
/// core.
#[derive(Debug)]
pub struct CallFile(Source);

#[derive(Debug)]
enum Source {
    File(File),
    Recorded(Doing),
}

impl CallFile {
    /// Opens the file of a thread; `tid` as this pid namespace counts.
    ///
    /// # Errors
    /// The thread is gone, or the kernel was built without these files.
    pub fn open(pid: u32, tid: u32) -> io::Result<CallFile> {
        File::open(format!("/proc/{pid}/task/{tid}/syscall"))
            .map(|file| CallFile(Source::File(file)))
    }

    /// For a thread of a core.
    pub(crate) fn recorded(doing: Doing) -> CallFile {
        CallFile(Source::Recorded(doing))
    }

    /// What the thread does now.
    #[must_use]
    pub fn read(&self) -> Doing {
        let file = match &self.0 {
            Source::File(file) => file,
            Source::Recorded(doing) => return *doing,
        };
        // A number of at most 10 digits and eight of 16, each with its blank.
        let mut line = [0; 192];
        match file.read_at(&mut line, 0) {
            Ok(0) => Doing::Gone,
            Ok(len) => parse(line.get(..len).unwrap_or_default()),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Doing::Gone,
            Err(_) => Doing::Unknown,
        }
    }
}

/// `running`, `-1 SP PC`, or `NUMBER ARG.. SP PC`.
fn parse(line: &[u8]) -> Doing {
    let Ok(line) = std::str::from_utf8(line) else { return Doing::Unknown };
    let mut words = line.split_ascii_whitespace();
    let number = match words.next() {
        Some("running") => return Doing::Running,
        Some("-1") => return Doing::Asleep,
        Some(word) => word.parse(),
        None => return Doing::Gone,
    };
    let mut hex = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    let mut all = [0; 8];
    for word in &mut all {
        let Some(value) = hex() else { return Doing::Unknown };
        *word = value;
    }
    let [a, b, c, d, e, f, stack, instruction] = all;
    number.map_or(Doing::Unknown, |number| {
        Doing::Call(Call { number, args: [a, b, c, d, e, f], stack, instruction })
    })
}

/// How often a thread has gone to sleep or was put off its processor: where the number is the same,
/// the thread has not run in between. `None` where it cannot be told.
#[must_use]
pub fn switches(pid: u32, tid: u32) -> Option<u64> {
    // Not `read_to_string`: the first line is the thread's name, cut after 15 bytes, which may be
    // in the midst of a letter.
    let status = fs::read(format!("/proc/{pid}/task/{tid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let count = |name: &str| -> Option<u64> {
        status.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
    };
    Some(count("voluntary_ctxt_switches:")? + count("nonvoluntary_ctxt_switches:")?)
}

/// Returns whether a process is stopped by a signal or a debugger: none of its threads goes on.
#[must_use]
pub fn is_stopped(pid: u32) -> bool {
    matches!(super::host::stat(pid), Some(stat) if matches!(stat.state, 'T' | 't'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::ReadError;
    use proptest::prelude::*;

    #[test]
    fn the_three_forms_of_the_line() {
        assert_eq!(parse(b"running\n"), Doing::Running);
        assert_eq!(parse(b"-1 0x7ffd 0x7f00\n"), Doing::Asleep);
        let line = b"202 0x7f10 0x189 0x0 0x7f20 0x0 0xffffffff 0x7f30 0x7f40\n";
        let Doing::Call(call) = parse(line) else { panic!("{:?}", parse(line)) };
        assert_eq!((call.number, call.args[0], call.args[3]), (202, 0x7f10, 0x7f20));
        assert_eq!((call.stack, call.instruction), (0x7f30, 0x7f40));
        assert_eq!(parse(b""), Doing::Gone);
        assert_eq!(parse(b"202 0x1"), Doing::Unknown);
    }

    #[test]
    fn the_number_of_futex_has_its_name() {
        let number = libc::SYS_futex as u32;
        let call = Call { number, args: [0; 6], stack: 0, instruction: 0 };
        assert!(call.is_futex());
        assert_eq!(call.name(), Some("futex"));
    }

    struct Code(Vec<u8>);

    impl Memory for Code {
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
    fn a_call_that_was_restarted_has_its_first_number() {
        let number = |number: u32, code: &[u8]| {
            let call = Call { number, args: [0; 6], stack: 0, instruction: code.len() as u64 };
            call.original(&Code(code.to_vec())).number
        };
        let mut code = vec![0x90; 64];
        assert_eq!(number(219, &code), 219, "no number is set");
        code[41..46].copy_from_slice(&[0xb8, 0xca, 0, 0, 0]);
        code[62..].copy_from_slice(&[0x0f, 0x05]);
        assert_eq!((number(219, &code), number(0, &code)), (202, 0));
    }

    proptest! {
        #[test]
        fn any_line_is_survived(line: Vec<u8>) {
            let _ = parse(&line);
        }
    }
}
