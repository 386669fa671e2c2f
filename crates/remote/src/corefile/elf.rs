//! ELF headers and program headers, with a bound on everything that they claim.
//!
//! The same parser reads the core itself and the executables and libraries that it was mapped from.

use crate::memory::{half, word};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

pub(super) const ET_CORE: u16 = 4;
pub(super) const EM_X86_64: u16 = 62;
pub(super) const PT_LOAD: u32 = 1;
pub(super) const PT_NOTE: u32 = 4;
pub(super) const PF_X: u32 = 1;
pub(super) const PF_W: u32 = 2;
pub(super) const PF_R: u32 = 4;
/// Bytes of the file header and of a program header of a 64-bit file.
pub(super) const HEADER_SIZE: usize = 64;
pub(super) const SEGMENT_SIZE: usize = 56;
/// Says that the number of program headers is in `sh_info` of the first section header.
const PN_XNUM: u16 = 0xffff;
/// Program headers that are read. The kernel allows 65,530 mappings unless `vm.max_map_count` was
/// raised.
const MAX_SEGMENTS: u64 = 1 << 20;

/// A file's header and its program headers.
#[derive(Debug)]
pub(super) struct Elf {
    /// `e_type`.
    pub(super) kind: u16,
    /// `e_machine`.
    pub(super) machine: u16,
    /// The program headers.
    pub(super) segments: Vec<Segment>,
}

/// A program header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    /// `p_type`.
    pub(super) kind: u32,
    /// `p_flags`.
    pub(super) flags: u32,
    /// Where its bytes are in the file.
    pub(super) offset: u64,
    /// Where they are in memory.
    pub(super) address: u64,
    /// How many the file has.
    pub(super) stored: u64,
    /// How many the memory has.
    pub(super) size: u64,
}

/// Why a file has no headers that can be used.
#[derive(Debug)]
pub(super) enum Flaw {
    /// It does not begin as an ELF file does.
    NotElf,
    /// It is for a machine of another word size or byte order.
    Foreign(&'static str),
    /// It ends within its headers.
    Truncated,
    /// Its headers contradict themselves or the format.
    Damaged(&'static str),
    /// It could not be read.
    Io(io::Error),
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Flaw {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Flaw::Truncated,
            _ => Flaw::Io(error),
        }
    }
}

/// Checks the first bytes of a file.
pub(super) fn check_magic(head: &[u8]) -> Result<(), Flaw> {
    match head {
        [0x7f, b'E', b'L', b'F', 2, 1, ..] => Ok(()),
        [0x7f, b'E', b'L', b'F', 1, ..] => Err(Flaw::Foreign("a 32-bit process")),
        [0x7f, b'E', b'L', b'F', 2, 2, ..] => Err(Flaw::Foreign("a big-endian machine")),
        _ => Err(Flaw::NotElf),
    }
}

/// Reads the headers of `file`.
pub(super) fn read(file: &File) -> Result<Elf, Flaw> {
    let mut header = [0; HEADER_SIZE];
    let len = file.read_at(&mut header, 0)?;
    check_magic(&header[..len])?;
    if len < HEADER_SIZE {
        file.read_exact_at(&mut header, 0)?;
    }
    let short = |offset: usize| u16::from_le_bytes([header[offset], header[offset + 1]]);
    let (offset, size, mut count) = (word(&header, 32), short(54), u64::from(short(56)));
    if count == u64::from(PN_XNUM) {
        let mut section = [0; 64];
        file.read_exact_at(&mut section, word(&header, 40))?;
        count = u64::from(half(&section, 44));
    }
    if count > 0 && usize::from(size) != SEGMENT_SIZE {
        return Err(Flaw::Damaged("its program headers have a size that the format does not know"));
    }
    if count > MAX_SEGMENTS {
        return Err(Flaw::Damaged("it claims more than a million mappings"));
    }
    let mut segments = Vec::new();
    // In pieces, so that memory is taken only for headers that are there.
    let mut buffer = [0; 64 * SEGMENT_SIZE];
    while (segments.len() as u64) < count {
        let now = (count - segments.len() as u64).min(64) as usize * SEGMENT_SIZE;
        let at =
            offset.checked_add((segments.len() * SEGMENT_SIZE) as u64).ok_or(Flaw::Truncated)?;
        file.read_exact_at(&mut buffer[..now], at)?;
        segments.extend(buffer[..now].as_chunks::<SEGMENT_SIZE>().0.iter().map(segment));
    }
    Ok(Elf { kind: short(16), machine: short(18), segments })
}

fn segment(bytes: &[u8; SEGMENT_SIZE]) -> Segment {
    Segment {
        kind: half(bytes, 0),
        flags: half(bytes, 4),
        offset: word(bytes, 8),
        address: word(bytes, 16),
        stored: word(bytes, 32),
        size: word(bytes, 40),
    }
}
