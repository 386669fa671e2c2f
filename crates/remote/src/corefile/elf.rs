//! Parser for ELF headers and program headers with bounds on all sizes.
//!
//! Used for the core itself and for the executables and libraries mapped into the process.

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
/// Sizes in bytes of the file header and of a program header in a 64-bit file.
pub(super) const HEADER_SIZE: usize = 64;
pub(super) const SEGMENT_SIZE: usize = 56;
/// Value of `e_phnum` meaning that the number of program headers is in `sh_info` of the first
/// section header.
const PN_XNUM: u16 = 0xffff;
/// Maximum number of program headers. The kernel allows 65,530 mappings unless `vm.max_map_count`
/// is raised.
const MAX_SEGMENTS: u64 = 1 << 20;

/// File header and program headers of a file.
#[derive(Debug)]
pub(super) struct ElfHeaders {
    /// `e_type`.
    pub(super) kind: u16,
    /// `e_machine`.
    pub(super) machine: u16,
    /// The program headers.
    pub(super) segments: Vec<ProgramHeader>,
}

/// A program header.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProgramHeader {
    /// `p_type`.
    pub(super) kind: u32,
    /// `p_flags`.
    pub(super) flags: u32,
    /// Offset of its bytes in the file.
    pub(super) offset: u64,
    /// Address in memory.
    pub(super) address: u64,
    /// Number of bytes in the file.
    pub(super) stored: u64,
    /// Number of bytes in memory.
    pub(super) size: u64,
}

/// Reason why the headers of a file cannot be used.
#[derive(Debug)]
pub(super) enum ElfError {
    /// The file does not start like an ELF file.
    NotElf,
    /// Another word size or byte order.
    Foreign(&'static str),
    /// The file ends within its headers.
    Truncated,
    /// The headers contradict themselves or the format.
    Damaged(&'static str),
    /// The file could not be read.
    Io(io::Error),
}

impl From<io::Error> for ElfError {
    fn from(error: io::Error) -> ElfError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => ElfError::Truncated,
            _ => ElfError::Io(error),
        }
    }
}

/// Checks the ELF magic, class and byte order.
pub(super) fn check_magic(head: &[u8]) -> Result<(), ElfError> {
    match head {
        [0x7f, b'E', b'L', b'F', 2, 1, ..] => Ok(()),
        [0x7f, b'E', b'L', b'F', 1, ..] => Err(ElfError::Foreign("a 32-bit process")),
        [0x7f, b'E', b'L', b'F', 2, 2, ..] => Err(ElfError::Foreign("a big-endian machine")),
        _ => Err(ElfError::NotElf),
    }
}

/// Reads the headers of `file`.
pub(super) fn read(file: &File) -> Result<ElfHeaders, ElfError> {
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
        return Err(ElfError::Damaged("its program headers have an invalid size"));
    }
    if count > MAX_SEGMENTS {
        return Err(ElfError::Damaged("it claims more than a million mappings"));
    }
    let mut segments = Vec::new();
    // Read in chunks, so that memory is allocated only for headers that exist.
    let mut buffer = [0; 64 * SEGMENT_SIZE];
    while (segments.len() as u64) < count {
        let now = (count - segments.len() as u64).min(64) as usize * SEGMENT_SIZE;
        let at = offset
            .checked_add((segments.len() * SEGMENT_SIZE) as u64)
            .ok_or(ElfError::Truncated)?;
        file.read_exact_at(&mut buffer[..now], at)?;
        segments.extend(buffer[..now].as_chunks::<SEGMENT_SIZE>().0.iter().map(segment));
    }
    Ok(ElfHeaders { kind: short(16), machine: short(18), segments })
}

fn segment(bytes: &[u8; SEGMENT_SIZE]) -> ProgramHeader {
    ProgramHeader {
        kind: half(bytes, 0),
        flags: half(bytes, 4),
        offset: word(bytes, 8),
        address: word(bytes, 16),
        stored: word(bytes, 32),
        size: word(bytes, 40),
    }
}
