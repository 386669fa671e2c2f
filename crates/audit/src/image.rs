//! A binary as data: bytes at addresses, pointers relocated by the loader, exports and imports.
//!
//! The three formats (ELF, Mach-O, PE) are converted to the same form, and nothing above this
//! module depends on the format. Addresses are those of the image at its preferred base. A *cell*
//! is an 8-byte location that the loader fills in.

mod builder;
mod elf;
mod error;
mod fixups;
mod macho;
mod pe;
mod stubs;
mod trie;

pub use error::ImageError;

use rustc_hash::FxHashMap;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// Format of a binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Linux and most other systems.
    Elf,
    /// macOS.
    MachO,
    /// Windows.
    Pe,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Elf => "ELF",
            Format::MachO => "Mach-O",
            Format::Pe => "PE",
        })
    }
}

/// Architecture of a binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Arch {
    #[serde(rename = "x86-64")]
    X86_64,
    /// 64-bit Arm.
    #[serde(rename = "aarch64")]
    Aarch64,
}

/// Part of an image that is mapped into memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Addresses. The part beyond the file's bytes is zero.
    pub addresses: Range<u64>,
    /// Range of bytes in the file.
    pub file: Range<usize>,
    /// It contains code.
    pub executable: bool,
}

/// Target of a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointerTarget<'a> {
    /// An address in this image.
    Inside(u64),
    /// A symbol of another library.
    Import(&'a str),
}

/// A binary.
#[derive(Debug, Clone)]
pub struct Image<'a> {
    pub format: Format,
    pub arch: Arch,
    pub(crate) file: &'a [u8],
    pub(crate) segments: Vec<Segment>,
    /// Exported C names with their addresses. The leading underscore of Mach-O symbols is removed.
    pub exports: BTreeMap<String, u64>,
    /// Names of all imports.
    pub imports: Vec<String>,
    /// Cells that the loader fills with an address of this image.
    pub(crate) pointers: FxHashMap<u64, u64>,
    /// Cells that the loader fills with the address of an import: an index of `imports`.
    pub(crate) cells: FxHashMap<u64, usize>,
    /// Code that only jumps through such a cell (PLT entries, Mach-O stubs, import thunks): an
    /// index of `imports`.
    pub(crate) stubs: FxHashMap<u64, usize>,
    /// Code that only jumps to a function of this image, because its symbol can be replaced by
    /// another library: the address of the function.
    pub(crate) jumps: FxHashMap<u64, u64>,
    /// Names of the required libraries.
    pub libraries: Vec<String>,
}

impl<'a> Image<'a> {
    /// Parses the images of a file: one, or one per supported architecture of a universal Mach-O
    /// file.
    ///
    /// # Errors
    ///
    /// The file is not a binary, is for another machine, or is damaged.
    pub fn parse(file: &'a [u8]) -> Result<Vec<Image<'a>>, ImageError> {
        match file {
            [0x7f, b'E', b'L', b'F', ..] => Ok(vec![elf::parse(file)?]),
            [b'M', b'Z', ..] => Ok(vec![pe::parse(file)?]),
            [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] | [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] => {
                Ok(vec![macho::parse(file)?])
            }
            [0xca, 0xfe, 0xba, 0xbe, ..] => macho::universal32(file),
            [0xca, 0xfe, 0xba, 0xbf, ..] => macho::universal64(file),
            _ => Err(ImageError::NotABinary),
        }
    }

    /// Returns the mapped parts, in the order of the file's table.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns the bytes from `address` on, at least `len` of them, as in the file: without
    /// relocations.
    #[must_use]
    pub fn bytes(&self, address: u64, len: usize) -> Option<&'a [u8]> {
        self.from(address).filter(|bytes| bytes.len() >= len)
    }

    /// Returns all bytes from `address` to the end of its segment in the file.
    #[must_use]
    pub fn from(&self, address: u64) -> Option<&'a [u8]> {
        let segment = self.segments.iter().find(|segment| segment.addresses.contains(&address))?;
        let offset = usize::try_from(address - segment.addresses.start).ok()?;
        self.file.get(segment.file.clone())?.get(offset..)
    }

    /// Returns the code from `address` on.
    #[must_use]
    pub fn code(&self, address: u64) -> Option<&'a [u8]> {
        let is_code =
            |segment: &&Segment| segment.executable && segment.addresses.contains(&address);
        self.segments.iter().find(is_code)?;
        self.from(address)
    }

    /// Returns the little-endian 8-byte word at `address`; 0 in a segment beyond the file's bytes.
    #[must_use]
    pub fn word(&self, address: u64) -> Option<u64> {
        match self.bytes(address, 8) {
            Some(bytes) => Some(u64::from_le_bytes(bytes.first_chunk().copied()?)),
            None => self
                .segments
                .iter()
                .any(|segment| segment.addresses.contains(&address))
                .then_some(0),
        }
    }

    /// Returns the little-endian 4-byte word at `address`; 0 in a segment beyond the file's bytes.
    #[must_use]
    pub fn half(&self, address: u64) -> Option<u32> {
        match self.bytes(address, 4) {
            Some(bytes) => Some(u32::from_le_bytes(bytes.first_chunk().copied()?)),
            None => self
                .segments
                .iter()
                .any(|segment| segment.addresses.contains(&address))
                .then_some(0),
        }
    }

    /// Returns the zero-terminated string at `address`, of at most 1,000 bytes.
    #[must_use]
    pub fn text(&self, address: u64) -> Option<&'a str> {
        let bytes = self.from(address)?;
        let end = bytes.iter().take(1_000).position(|&byte| byte == 0)?;
        std::str::from_utf8(&bytes[..end]).ok()
    }

    /// Returns the target of the pointer that the loader writes at `address`.
    #[must_use]
    pub fn pointer(&self, address: u64) -> Option<PointerTarget<'_>> {
        if let Some(&target) = self.pointers.get(&address) {
            return Some(PointerTarget::Inside(target));
        }
        self.cells
            .get(&address)
            .and_then(|&index| self.imports.get(index))
            .map(|name| PointerTarget::Import(name))
    }

    /// Returns every cell that the loader fills with an address of this image, and that address, in
    /// no particular order.
    pub fn pointers(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.pointers.iter().map(|(&cell, &target)| (cell, target))
    }

    /// Returns the import that the stub at `address` jumps to.
    #[must_use]
    pub fn stub(&self, address: u64) -> Option<&str> {
        self.stubs.get(&address).and_then(|&index| self.imports.get(index)).map(String::as_str)
    }

    /// Returns the target of code at `address` that only jumps: an import, or a function of this
    /// image that is called through a stub because another library may replace it (non-static
    /// functions of an ELF library).
    #[must_use]
    pub fn jump(&self, address: u64) -> Option<PointerTarget<'_>> {
        self.stub(address)
            .map(PointerTarget::Import)
            .or_else(|| self.jumps.get(&address).map(|&at| PointerTarget::Inside(at)))
    }

    /// Returns whether a name is imported.
    #[must_use]
    pub fn is_imported(&self, name: &str) -> bool {
        self.imports.iter().any(|import| import == name)
    }
}
