//! Mapped files that supply the pages a core leaves out.
//!
//! The kernel and gdb leave out pages that are unmodified copies of a file: code and read-only
//! data. They are read from the file if it is available and is the mapped one. A file is accepted
//! if it is large enough and its ELF header, program headers and notes (build id) match those in
//! the core. A core written without `ELF headers` in `coredump_filter` has none of these; then the
//! file must not have been modified since the core was written.

use super::elf::{self, ElfHeaders};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The part of the ELF header that linkers and `strip` leave unchanged. The rest locates the
/// sections.
const HEADER_PREFIX: u64 = 40;
/// Maximum number of bytes compared per note segment.
const MAX_NOTE: u64 = 1 << 12;
/// Page size. File mappings consist of whole pages; bytes after the end of the file read as zeros.
const PAGE: u64 = 4096;

/// A file that was mapped into the process.
#[derive(Debug)]
pub(super) struct BackingFile {
    /// Path as the process named it.
    pub(super) name: PathBuf,
    /// The file was deleted or replaced before the core was written.
    pub(super) deleted: bool,
    /// Expected local path.
    pub(super) local_path: PathBuf,
    /// The user gave the path, so its modification time is not checked.
    pub(super) is_given: bool,
    /// Offset of the last mapped page.
    pub(super) last_page: u64,
    opened: OnceLock<Result<OpenedFile, String>>,
}

/// An opened file that matches the core.
#[derive(Debug)]
struct OpenedFile {
    file: File,
    len: u64,
    elf: Option<ElfHeaders>,
}

impl BackingFile {
    pub(super) fn new(
        name: PathBuf,
        deleted: bool,
        local_path: PathBuf,
        is_given: bool,
    ) -> BackingFile {
        BackingFile { name, deleted, local_path, is_given, last_page: 0, opened: OnceLock::new() }
    }

    /// Opens the file and checks that it is the mapped one. `stored` reads the bytes that the core
    /// has of the file, by file offset. The result is cached. The error is a clause that can follow
    /// "..., and".
    pub(super) fn open(
        &self,
        written: Option<SystemTime>,
        stored: impl Fn(u64, u64) -> Option<Vec<u8>>,
    ) -> Result<(), &str> {
        let opened = self.opened.get_or_init(|| self.check(written, stored));
        opened.as_ref().map(drop).map_err(String::as_str)
    }

    fn check(
        &self,
        written: Option<SystemTime>,
        stored: impl Fn(u64, u64) -> Option<Vec<u8>>,
    ) -> Result<OpenedFile, String> {
        let local_path = self.local_path.display();
        let about = std::fs::metadata(&self.local_path)
            .map_err(|error| format!("{local_path} cannot be read: {error}"))?;
        if !about.is_file() {
            return Err(format!("{local_path} is not a regular file"));
        }
        let other = || format!("{local_path} is not the file that was mapped");
        if about.len() <= self.last_page {
            return Err(other());
        }
        let file = File::open(&self.local_path)
            .map_err(|error| format!("{local_path} cannot be read: {error}"))?;
        let elf = elf::read(&file).ok();
        let same = |&(offset, len): &(u64, u64)| {
            let known = stored(offset, len)?;
            let mut here = vec![0; known.len()];
            Some(file.read_exact_at(&mut here, offset).is_ok() && here == known)
        };
        let results: Vec<bool> = identity(elf.as_ref()).iter().filter_map(same).collect();
        if results.contains(&false) {
            return Err(other());
        }
        let is_changed = || matches!((about.modified(), written), (Ok(modified), Some(written)) if modified > written);
        if results.is_empty() && (self.deleted || (!self.is_given && is_changed())) {
            return Err(format!("{local_path} was replaced since it was mapped"));
        }
        Ok(OpenedFile { file, len: about.len(), elf })
    }

    /// Fills `into` from `offset` on. Returns `false` if the range is beyond the file's last page
    /// or cannot be read.
    pub(super) fn read(&self, offset: u64, into: &mut [u8]) -> bool {
        let Some(Ok(opened)) = self.opened.get() else { return false };
        let left = opened.len.saturating_sub(offset);
        let padded = opened.len.next_multiple_of(PAGE).saturating_sub(offset);
        if into.len() as u64 > padded {
            return false;
        }
        let (bytes, zeros) = into.split_at_mut((into.len() as u64).min(left) as usize);
        zeros.fill(0);
        opened.file.read_exact_at(bytes, offset).is_ok()
    }

    /// Returns whether the bytes at `offset` are code; `false` if the file is not available.
    pub(super) fn is_code(&self, offset: u64) -> bool {
        let Some(Ok(OpenedFile { elf: Some(elf), .. })) = self.opened.get() else { return false };
        elf.segments.iter().any(|segment| {
            let page = segment.offset / PAGE * PAGE;
            segment.kind == elf::PT_LOAD
                && segment.flags & elf::PF_X != 0
                && (page..segment.offset.saturating_add(segment.stored)).contains(&offset)
        })
    }
}

/// Returns the parts of a file, as offset and length, that distinguish it from other builds.
fn identity(elf: Option<&ElfHeaders>) -> Vec<(u64, u64)> {
    let Some(elf) = elf else { return Vec::new() };
    let notes = elf.segments.iter().filter(|segment| segment.kind == elf::PT_NOTE);
    let headers = (elf::HEADER_SIZE as u64, (elf.segments.len() * elf::SEGMENT_SIZE) as u64);
    [(0, HEADER_PREFIX), headers]
        .into_iter()
        .chain(notes.map(|note| (note.offset, note.stored.min(MAX_NOTE))))
        .filter(|&(_, len)| len > 0)
        .collect()
}
