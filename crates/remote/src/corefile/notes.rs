//! Parser for the notes of a core: threads with their registers, the signal that killed the
//! process, its auxiliary vector and its mapped files.
//!
//! Layouts are those of x86-64 (`struct elf_prstatus` and `struct elf_prpsinfo`,
//! include/linux/elfcore.h; `NT_FILE`, fs/binfmt_elf.c). Notes are read one at a time, and large
//! notes that are not needed (vector registers) are skipped, so memory is bounded by what is kept.

use crate::memory::{half, word};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;
const NT_SIGINFO: u32 = 0x5349_4749;
/// Maximum size of a note. `NT_FILE` has a path for each mapping.
const MAX_NOTE: u64 = 64 << 20;
/// Maximum total cost of all notes: 1 per note and 1 per 256 bytes read. That is 1 GiB; each thread
/// has about five notes.
const MAX_COST: u64 = 1 << 22;

/// Contents of a core's notes.
#[derive(Debug, Default)]
pub(super) struct CoreNotes {
    /// The threads. The one that was killed is the first.
    pub(super) threads: Vec<ThreadNote>,
    /// The process.
    pub(super) process: Option<ProcessNote>,
    /// The auxiliary vector as in memory.
    pub(super) auxv: Vec<u8>,
    /// Mapped files.
    pub(super) files: Vec<FileNote>,
    /// The first `siginfo_t`: that of the killed thread.
    pub(super) siginfo: Vec<u8>,
    /// The core was written by the kernel: gdb's cores begin with the process instead of a thread.
    pub(super) by_kernel: bool,
    /// Cost of the notes read so far.
    cost: u64,
}

/// A thread (`NT_PRSTATUS`).
#[derive(Debug, Clone, Copy)]
pub(super) struct ThreadNote {
    pub(super) tid: u32,
    /// The signal with which it was stopped.
    pub(super) signal: u16,
    pub(super) registers: CoreRegisters,
}

/// The registers in use, from `struct user_regs_struct`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CoreRegisters {
    pub(super) rbp: u64,
    pub(super) r10: u64,
    pub(super) r9: u64,
    pub(super) r8: u64,
    pub(super) rax: u64,
    pub(super) rdx: u64,
    pub(super) rsi: u64,
    pub(super) rdi: u64,
    /// System call number; -1 if the thread did not enter the kernel through a system call.
    pub(super) orig_rax: u64,
    pub(super) rip: u64,
    pub(super) rsp: u64,
    /// Address of the thread's `pthread_t`.
    pub(super) fs_base: u64,
}

/// The process (`NT_PRPSINFO`).
#[derive(Debug, Clone)]
pub(super) struct ProcessNote {
    pub(super) pid: u32,
    /// Kernel name of the main thread, truncated to 15 bytes.
    pub(super) name: Vec<u8>,
    /// Arguments joined by spaces, truncated to 79 bytes.
    pub(super) arguments: Vec<u8>,
}

/// A file mapping (one entry of `NT_FILE`).
#[derive(Debug, Clone)]
pub(super) struct FileNote {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Offset in the file at which the mapping starts, in bytes.
    pub(super) offset: u64,
    pub(super) name: Vec<u8>,
}

impl CoreNotes {
    /// Adds the notes in the `len` bytes from `start` on.
    pub(super) fn read(&mut self, file: &File, start: u64, len: u64) -> io::Result<()> {
        let end = start.checked_add(len).ok_or(io::ErrorKind::InvalidData)?;
        let mut at = start;
        let mut head = [0; 12];
        while end.saturating_sub(at) >= head.len() as u64 {
            self.cost += 1;
            if self.cost > MAX_COST {
                return Err(io::Error::other("its notes are too large"));
            }
            file.read_exact_at(&mut head, at)?;
            let [name, len, kind] = [0, 4, 8].map(|offset| half(&head, offset));
            // Name and content are padded to four bytes. Sums of 32-bit numbers do not overflow.
            let content = at + 12 + u64::from(name).next_multiple_of(4);
            at = content + u64::from(len).next_multiple_of(4);
            let is_core = name == 5 && {
                let mut name = [0; 5];
                file.read_exact_at(&mut name, content - 8)?;
                &name == b"CORE\0"
            };
            if self.cost == 1 {
                self.by_kernel = is_core && kind == NT_PRSTATUS;
            }
            let is_needed =
                [NT_PRSTATUS, NT_PRPSINFO, NT_AUXV, NT_FILE, NT_SIGINFO].contains(&kind);
            if is_core && is_needed && u64::from(len) <= MAX_NOTE && at <= end.next_multiple_of(4) {
                self.cost += u64::from(len) / 256;
                let mut bytes = vec![0; len as usize];
                file.read_exact_at(&mut bytes, content)?;
                self.add(kind, bytes);
            }
        }
        Ok(())
    }

    fn add(&mut self, kind: u32, bytes: Vec<u8>) {
        match kind {
            NT_PRSTATUS => self.threads.extend(thread(&bytes)),
            NT_PRPSINFO => self.process = process(&bytes).or(self.process.take()),
            NT_AUXV => self.auxv = bytes,
            NT_FILE => self.files = files(&bytes),
            NT_SIGINFO if self.siginfo.is_empty() => self.siginfo = bytes,
            _ => {}
        }
    }

    /// Returns the value for a key of the auxiliary vector.
    pub(super) fn auxiliary(&self, key: u64) -> Option<u64> {
        let pairs = self.auxv.as_chunks::<16>().0;
        pairs.iter().find(|pair| word(*pair, 0) == key).map(|pair| word(pair, 8))
    }
}

fn thread(bytes: &[u8]) -> Option<ThreadNote> {
    if bytes.len() < 112 + 27 * 8 {
        return None;
    }
    let register = |index: usize| word(bytes, 112 + index * 8);
    Some(ThreadNote {
        tid: half(bytes, 32),
        signal: half(bytes, 12) as u16,
        registers: CoreRegisters {
            rbp: register(4),
            r10: register(7),
            r9: register(8),
            r8: register(9),
            rax: register(10),
            rdx: register(12),
            rsi: register(13),
            rdi: register(14),
            orig_rax: register(15),
            rip: register(16),
            rsp: register(19),
            fs_base: register(21),
        },
    })
}

fn process(bytes: &[u8]) -> Option<ProcessNote> {
    let text = |range: std::ops::Range<usize>| {
        let bytes = bytes.get(range)?;
        Some(bytes.split(|&byte| byte == 0).next().unwrap_or_default().to_vec())
    };
    Some(ProcessNote { pid: half(bytes, 24), name: text(40..56)?, arguments: text(56..136)? })
}

/// Parses `NT_FILE`: a count, the unit of offsets, `start, end, offset` of each mapping, then the
/// names.
fn files(bytes: &[u8]) -> Vec<FileNote> {
    let (count, unit) = (word(bytes, 0), word(bytes, 8));
    let Some(rows) = usize::try_from(count)
        .ok()
        .and_then(|count| bytes.get(16..)?.get(..count.checked_mul(24)?))
    else {
        return Vec::new();
    };
    let names = bytes[16 + rows.len()..].split(|&byte| byte == 0);
    let file = |(row, name): (&[u8; 24], &[u8])| {
        let (start, end, offset) = (word(row, 0), word(row, 8), word(row, 16).checked_mul(unit)?);
        (start < end).then(|| FileNote { start, end, offset, name: name.to_vec() })
    };
    rows.as_chunks::<24>().0.iter().zip(names).filter_map(file).collect()
}
