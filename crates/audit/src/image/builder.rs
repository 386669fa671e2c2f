//! An image while it is being read, and the bounds of what a file may make us hold.
//!
//! Tables of a hostile file can overlap: a thousand names that share one long string, a list of
//! pointers that is walked a thousand times. An honest file pays for every name and every pointer
//! with bytes of its own, so what is held is bounded by the file's length, and what crosses the
//! bound is called damage.

use super::{Arch, Format, Image, ImageError, Segment};
use object::pod::{Pod, slice_from_bytes};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::ops::Range;

/// More parts than any linker makes (a hundred sections of a PE file are many); they are searched
/// one after the other.
const MAX_SEGMENTS: usize = 256;

pub(super) struct Builder<'a> {
    pub(super) image: Image<'a>,
    /// Bytes of names that may still be looked at.
    names: usize,
    /// Cells that may still be filled.
    fills: usize,
}

impl<'a> Builder<'a> {
    pub(super) fn new(format: Format, arch: Arch, file: &'a [u8]) -> Builder<'a> {
        let image = Image {
            format,
            arch,
            file,
            segments: Vec::new(),
            exports: BTreeMap::new(),
            imports: Vec::new(),
            pointers: FxHashMap::default(),
            cells: FxHashMap::default(),
            stubs: FxHashMap::default(),
            jumps: FxHashMap::default(),
            libraries: Vec::new(),
        };
        // Names may share their ends, and a symbol may be named in three tables: four times the
        // file is generous.
        Builder { image, names: file.len().saturating_mul(4), fills: file.len() / 8 }
    }

    pub(super) fn damaged(&self, what: &'static str) -> ImageError {
        ImageError::Damaged { format: self.image.format, what }
    }

    /// Adds a part of memory: `len` bytes of the file from `offset` on, at `address`, in a room of
    /// `size` bytes.
    pub(super) fn segment(
        &mut self,
        address: u64,
        size: u64,
        offset: u64,
        len: u64,
        executable: bool,
    ) -> Result<(), ImageError> {
        let outside = self.damaged("a segment lies outside the file");
        let end = address.checked_add(size).ok_or(outside.clone())?;
        let first = usize::try_from(offset).map_err(|_| outside.clone())?;
        let len = usize::try_from(len.min(size)).map_err(|_| outside.clone())?;
        let last =
            first.checked_add(len).filter(|&last| last <= self.image.file.len()).ok_or(outside)?;
        if self.image.segments.len() == MAX_SEGMENTS {
            return Err(self.damaged("it has more than 256 segments"));
        }
        self.image.segments.push(Segment {
            addresses: address..end,
            file: first..last,
            executable,
        });
        // Each is scanned at most once, so a file cannot ask for more than two scans of itself.
        let all: usize = self.image.segments.iter().map(|segment| segment.file.len()).sum();
        if all > self.image.file.len().saturating_mul(2) {
            return Err(self.damaged("its segments overlap"));
        }
        Ok(())
    }

    /// The bytes of a table that the file says to be at `address`.
    pub(super) fn table(
        &self,
        address: u64,
        len: u64,
        what: &'static str,
    ) -> Result<&'a [u8], ImageError> {
        let len = usize::try_from(len).map_err(|_| self.damaged(what))?;
        self.image
            .from(address)
            .and_then(|bytes| bytes.get(..len))
            .ok_or_else(|| self.damaged(what))
    }

    /// The name that `bytes` begin with, up to its zero byte.
    pub(super) fn name(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], ImageError> {
        let within = bytes.get(..self.names.min(bytes.len())).unwrap_or(bytes);
        match memchr::memchr(0, within) {
            Some(end) => {
                self.names -= end;
                Ok(&bytes[..end])
            }
            None => Err(self.damaged("a name has no end, or names overlap")),
        }
    }

    /// Pays for names that are put together and stand nowhere in the file as a whole.
    pub(super) fn charge_name(&mut self, bytes: usize) -> Result<(), ImageError> {
        let left = self.names.checked_sub(bytes);
        self.names = left.ok_or_else(|| self.damaged("its names are longer than itself"))?;
        Ok(())
    }

    /// Notes an export. Of two with one name (versions of a symbol) the first counts.
    pub(super) fn export(&mut self, name: &[u8], address: u64) {
        self.image.exports.entry(String::from_utf8_lossy(name).into_owned()).or_insert(address);
    }

    /// Notes an import and gives its index.
    pub(super) fn import(&mut self, name: &[u8]) -> usize {
        self.image.imports.push(String::from_utf8_lossy(name).into_owned());
        self.image.imports.len() - 1
    }

    /// Notes that the loader writes `target` into `cell`.
    pub(super) fn pointer(&mut self, cell: u64, target: u64) -> Result<(), ImageError> {
        if self.charge_cell(cell)? {
            self.image.pointers.insert(cell, target);
        }
        Ok(())
    }

    /// Notes that the loader writes the address of an import into `cell`.
    pub(super) fn cell(&mut self, cell: u64, import: usize) -> Result<(), ImageError> {
        if self.charge_cell(cell)? {
            // What is bound late has at first an address that resolves it.
            self.image.pointers.remove(&cell);
            self.image.cells.insert(cell, import);
        }
        Ok(())
    }

    /// Pays for a cell that is filled with something else.
    pub(super) fn charge_pointer(&mut self) -> Result<(), ImageError> {
        self.fills = self
            .fills
            .checked_sub(1)
            .ok_or_else(|| self.damaged("it has more pointers than room"))?;
        Ok(())
    }

    /// Whether the cell has room in the file. Loaders fill none that has not: linkers give such
    /// cells bytes, if only zeros. It also keeps an attacker from choosing keys that collide in a
    /// hash table.
    fn charge_cell(&mut self, cell: u64) -> Result<bool, ImageError> {
        self.fills = self
            .fills
            .checked_sub(1)
            .ok_or_else(|| self.damaged("it has more pointers than room"))?;
        Ok(self.image.bytes(cell, 8).is_some())
    }

    /// Code of the file with the address it begins at: `range` cut to what one executable segment
    /// has of it.
    pub(super) fn code(&self, range: Range<u64>) -> Option<(u64, &'a [u8])> {
        let bytes = self.image.code(range.start)?;
        let len = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        Some((range.start, bytes.get(..len).unwrap_or(bytes)))
    }

    /// All code of the file, segment by segment.
    pub(super) fn all_code(&self) -> Vec<(u64, &'a [u8])> {
        let executable = self.image.segments.iter().filter(|segment| segment.executable);
        executable
            .filter_map(|segment| {
                Some((segment.addresses.start, self.image.file.get(segment.file.clone())?))
            })
            .collect()
    }
}

/// As many of something as the bytes hold.
pub(super) fn array<T: Pod>(bytes: &[u8]) -> &[T] {
    let count = bytes.len() / size_of::<T>().max(1);
    slice_from_bytes(bytes, count).map(|(items, _)| items).unwrap_or_default()
}

/// Returns the C name of a Mach-O symbol.
pub(super) fn c_name(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"_").unwrap_or(name)
}
