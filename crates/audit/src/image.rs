//! One binary as data: what is at an address, which pointers its loader would make, what it exports
//! and what it imports.
//!
//! The three formats of the world (ELF, Mach-O, PE) say the same things in different ways; from
//! here on it does not matter which it was. Addresses are the image's own, as if it were loaded
//! where it asks to be.

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

/// The format of a binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Linux and most others.
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

/// The machine a binary is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Arch {
    /// x86-64.
    #[serde(rename = "x86-64")]
    X86_64,
    /// 64-bit Arm.
    #[serde(rename = "aarch64")]
    Aarch64,
}

/// Part of an image that is in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its addresses. What lies beyond its bytes is zero.
    pub addresses: Range<u64>,
    /// Where its bytes lie in the file.
    pub file: Range<usize>,
    /// It is code.
    pub executable: bool,
}

/// Where a pointer leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointerTarget<'a> {
    /// To an address of this image.
    Inside(u64),
    /// To what another library exports under this name.
    Import(&'a str),
}

/// A binary.
#[derive(Debug, Clone)]
pub struct Image<'a> {
    /// Its format.
    pub format: Format,
    /// Its machine.
    pub arch: Arch,
    pub(crate) file: &'a [u8],
    pub(crate) segments: Vec<Segment>,
    /// What it exports: names as C has them (Mach-O's leading underscore is taken off), with
    /// addresses.
    pub exports: BTreeMap<String, u64>,
    /// Every name it imports.
    pub imports: Vec<String>,
    /// Cells that the loader fills with an address of this image.
    pub(crate) pointers: FxHashMap<u64, u64>,
    /// Cells that the loader fills with an import's address: an index of `imports`.
    pub(crate) cells: FxHashMap<u64, usize>,
    /// Code that only jumps through such a cell (PLT entries, Mach-O stubs, import thunks): an
    /// index of `imports`.
    pub(crate) stubs: FxHashMap<u64, usize>,
    /// Such code that leads back into this image, since its loader is to look up what it exports
    /// itself: where to.
    pub(crate) jumps: FxHashMap<u64, u64>,
    /// Libraries it needs.
    pub libraries: Vec<String>,
}

impl<'a> Image<'a> {
    /// The images in a file: one, or as many as a universal Mach-O file has for machines that are
    /// known here.
    ///
    /// # Errors
    /// It is no binary, one for another machine, or one whose parts lie outside of it.
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

    /// The parts of it that are in memory, in the order of the file's table.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The bytes from `address` on, at least `len` of them, as the file has them: pointers are not
    /// filled in.
    #[must_use]
    pub fn bytes(&self, address: u64, len: usize) -> Option<&'a [u8]> {
        self.from(address).filter(|bytes| bytes.len() >= len)
    }

    /// All bytes from `address` to the end of what the file has of its segment.
    #[must_use]
    pub fn from(&self, address: u64) -> Option<&'a [u8]> {
        let segment = self.segments.iter().find(|segment| segment.addresses.contains(&address))?;
        let offset = usize::try_from(address - segment.addresses.start).ok()?;
        self.file.get(segment.file.clone())?.get(offset..)
    }

    /// The code from `address` on.
    #[must_use]
    pub fn code(&self, address: u64) -> Option<&'a [u8]> {
        let is_code =
            |segment: &&Segment| segment.executable && segment.addresses.contains(&address);
        self.segments.iter().find(is_code)?;
        self.from(address)
    }

    /// A little-endian word of the file; what lies beyond the file's bytes but in a segment is 0.
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

    /// A little-endian half word of the file, likewise.
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

    /// The text at `address`, of at most 1,000 bytes, up to its zero byte.
    #[must_use]
    pub fn text(&self, address: u64) -> Option<&'a str> {
        let bytes = self.from(address)?;
        let end = bytes.iter().take(1_000).position(|&byte| byte == 0)?;
        std::str::from_utf8(&bytes[..end]).ok()
    }

    /// Where the pointer that the loader makes at `address` leads. `None` where there is none.
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

    /// Every cell that the loader fills with an address of this image, and that address; in no
    /// order.
    pub fn pointers(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.pointers.iter().map(|(&cell, &target)| (cell, target))
    }

    /// The import that code at `address` only jumps to.
    #[must_use]
    pub fn stub(&self, address: u64) -> Option<&str> {
        self.stubs.get(&address).and_then(|&index| self.imports.get(index)).map(String::as_str)
    }

    /// Where code at `address` leads that only jumps: to an import, or to a function of this image
    /// that is called as an import is, because another library may replace it (what non-static
    /// functions of an ELF library look like).
    #[must_use]
    pub fn jump(&self, address: u64) -> Option<PointerTarget<'_>> {
        self.stub(address)
            .map(PointerTarget::Import)
            .or_else(|| self.jumps.get(&address).map(|&at| PointerTarget::Inside(at)))
    }

    /// Whether it imports this name.
    #[must_use]
    pub fn is_imported(&self, name: &str) -> bool {
        self.imports.iter().any(|import| import == name)
    }
}
