//! Builds an image while a file is parsed, and bounds the memory that a file can cause.
//!
//! The tables of a hostile file may overlap: a thousand names that share one long string, or a list
//! of pointers that is visited a thousand times. In a valid file every name and pointer has bytes
//! of its own, so the total is bounded by the length of the file. Exceeding the bound is reported
//! as damage.

use super::{Arch, Format, Image, ImageError, Segment};
use object::pod::{Pod, slice_from_bytes};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::ops::Range;

/// More than any linker creates; a PE file with a hundred sections is unusual. Segments are
/// searched linearly.
const MAX_SEGMENTS: usize = 256;

pub(super) struct Builder<'a> {
    pub(super) image: Image<'a>,
    /// Remaining bytes of names.
    names: usize,
    /// Remaining number of cells.
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
        // Names may share suffixes, and a symbol may be named in three tables, so four times the
        // file is enough.
        Builder { image, names: file.len().saturating_mul(4), fills: file.len() / 8 }
    }

    pub(super) fn damaged(&self, what: &'static str) -> ImageError {
        ImageError::Damaged { format: self.image.format, what }
    }

    /// Adds a segment of `size` bytes at `address`, with `len` bytes of the file from `offset` on.
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
        // Each segment is scanned at most once, so at most twice the file is scanned.
        let all: usize = self.image.segments.iter().map(|segment| segment.file.len()).sum();
        if all > self.image.file.len().saturating_mul(2) {
            return Err(self.damaged("its segments overlap"));
        }
        Ok(())
    }

    /// Returns the bytes of a table at `address`.
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

    /// Returns the zero-terminated name at the start of `bytes`.
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

    /// Counts names that are assembled and not in the file as a whole.
    pub(super) fn charge_name(&mut self, bytes: usize) -> Result<(), ImageError> {
        let left = self.names.checked_sub(bytes);
        self.names = left.ok_or_else(|| self.damaged("its names are longer than the file"))?;
        Ok(())
    }

    /// Adds an export. The first of several with the same name (symbol versions) counts.
    pub(super) fn export(&mut self, name: &[u8], address: u64) {
        self.image.exports.entry(String::from_utf8_lossy(name).into_owned()).or_insert(address);
    }

    /// Adds an import and returns its index.
    pub(super) fn import(&mut self, name: &[u8]) -> usize {
        self.image.imports.push(String::from_utf8_lossy(name).into_owned());
        self.image.imports.len() - 1
    }

    /// Records that the loader writes `target` into `cell`.
    pub(super) fn pointer(&mut self, cell: u64, target: u64) -> Result<(), ImageError> {
        if self.charge_cell(cell)? {
            self.image.pointers.insert(cell, target);
        }
        Ok(())
    }

    /// Records that the loader writes the address of an import into `cell`.
    pub(super) fn cell(&mut self, cell: u64, import: usize) -> Result<(), ImageError> {
        if self.charge_cell(cell)? {
            // A lazily bound cell initially holds the address of its resolver.
            self.image.pointers.remove(&cell);
            self.image.cells.insert(cell, import);
        }
        Ok(())
    }

    /// Counts a cell that is filled with something else.
    pub(super) fn charge_pointer(&mut self) -> Result<(), ImageError> {
        self.fills = self
            .fills
            .checked_sub(1)
            .ok_or_else(|| self.damaged("it has more pointers than fit in the file"))?;
        Ok(())
    }

    /// Counts a cell, and returns whether it is inside the file. Linkers allocate bytes for cells,
    /// even if they are zero. The check also keeps a hostile file from choosing keys that collide
    /// in a hash table.
    fn charge_cell(&mut self, cell: u64) -> Result<bool, ImageError> {
        self.fills = self
            .fills
            .checked_sub(1)
            .ok_or_else(|| self.damaged("it has more pointers than fit in the file"))?;
        Ok(self.image.bytes(cell, 8).is_some())
    }

    /// Returns code with its start address: the part of `range` in one executable segment.
    pub(super) fn code(&self, range: Range<u64>) -> Option<(u64, &'a [u8])> {
        let bytes = self.image.code(range.start)?;
        let len = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        Some((range.start, bytes.get(..len).unwrap_or(bytes)))
    }

    /// Returns all code of the file, segment by segment.
    pub(super) fn all_code(&self) -> Vec<(u64, &'a [u8])> {
        let executable = self.image.segments.iter().filter(|segment| segment.executable);
        executable
            .filter_map(|segment| {
                Some((segment.addresses.start, self.image.file.get(segment.file.clone())?))
            })
            .collect()
    }
}

/// Interprets bytes as an array of as many items as fit.
pub(super) fn array<T: Pod>(bytes: &[u8]) -> &[T] {
    let count = bytes.len() / size_of::<T>().max(1);
    slice_from_bytes(bytes, count).map(|(items, _)| items).unwrap_or_default()
}

/// Returns the C name of a Mach-O symbol.
pub(super) fn c_name(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"_").unwrap_or(name)
}
