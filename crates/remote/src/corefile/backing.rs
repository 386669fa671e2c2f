//! Files that a process was mapped from, for the pages that its core leaves out.
//!
//! The kernel and gdb leave out pages that are still as they are in the file: code and read-only
//! data. They are read from the file, if it is here and is the one that was mapped. A file is taken
//! for the one if it is large enough and its ELF header, its program headers and its notes (build
//! id) are those that the core holds. A core made without `ELF headers` in `coredump_filter` holds
//! none of these; then the file must not have been changed since the core was written.

use super::elf::{self, Elf};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The part of the ELF header that linkers and `strip` leave alike: the rest says where sections
/// are.
const HEADER_PREFIX: u64 = 40;
/// Bytes of one segment of notes that are compared.
const MAX_NOTE: u64 = 1 << 12;
/// A file mapping is in whole pages, whose rest after the end of the file reads as zeros.
const PAGE: u64 = 4096;

/// A mapped file.
#[derive(Debug)]
pub(super) struct Backing {
    /// As the process named it.
    pub(super) name: PathBuf,
    /// It was deleted or replaced before the core was written.
    pub(super) deleted: bool,
    /// Where it would be here.
    pub(super) place: PathBuf,
    /// The user said where it is: its age says nothing.
    pub(super) is_given: bool,
    /// Where its last mapped page begins.
    pub(super) last_page: u64,
    opened: OnceLock<Result<Opened, String>>,
}

/// A file that fits.
#[derive(Debug)]
struct Opened {
    file: File,
    len: u64,
    elf: Option<Elf>,
}

impl Backing {
    pub(super) fn new(name: PathBuf, deleted: bool, place: PathBuf, is_given: bool) -> Backing {
        Backing { name, deleted, place, is_given, last_page: 0, opened: OnceLock::new() }
    }

    /// Opens the file and checks that it is the one; `stored` reads what the core has of it, by
    /// offset in the file. The result is kept. The error continues the sentence "..., and".
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
    ) -> Result<Opened, String> {
        let place = self.place.display();
        let about = std::fs::metadata(&self.place)
            .map_err(|error| format!("{place} cannot be read: {error}"))?;
        if !about.is_file() {
            return Err(format!("{place} is no regular file"));
        }
        let other = || format!("{place} is not the file that was mapped");
        if about.len() <= self.last_page {
            return Err(other());
        }
        let file =
            File::open(&self.place).map_err(|error| format!("{place} cannot be read: {error}"))?;
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
            return Err(format!("{place} was replaced since it was mapped"));
        }
        Ok(Opened { file, len: about.len(), elf })
    }

    /// Fills `into` from `offset` on; `false` where that is beyond the file's last page or cannot
    /// be read.
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

    /// Whether the bytes at `offset` are code; `false` for a file that is not here.
    pub(super) fn is_code(&self, offset: u64) -> bool {
        let Some(Ok(Opened { elf: Some(elf), .. })) = self.opened.get() else { return false };
        elf.segments.iter().any(|segment| {
            let page = segment.offset / PAGE * PAGE;
            segment.kind == elf::PT_LOAD
                && segment.flags & elf::PF_X != 0
                && (page..segment.offset.saturating_add(segment.stored)).contains(&offset)
        })
    }
}

/// The parts of a file, as offset and length, that tell it from every other build.
fn identity(elf: Option<&Elf>) -> Vec<(u64, u64)> {
    let Some(elf) = elf else { return Vec::new() };
    let notes = elf.segments.iter().filter(|segment| segment.kind == elf::PT_NOTE);
    let headers = (elf::HEADER_SIZE as u64, (elf.segments.len() * elf::SEGMENT_SIZE) as u64);
    [(0, HEADER_PREFIX), headers]
        .into_iter()
        .chain(notes.map(|note| (note.offset, note.stored.min(MAX_NOTE))))
        .filter(|&(_, len)| len > 0)
        .collect()
}
