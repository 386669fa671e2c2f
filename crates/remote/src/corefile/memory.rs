//! Memory of a process from its core, completed from the mapped files.

use super::backing::BackingFile;
use super::elf::{self, ProgramHeader};
use super::notes::FileNote;
use crate::linux::Region;
use crate::memory::{Memory, ReadError};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use ungil_format::counted;

/// A memory mapping.
#[derive(Debug, Clone, Copy)]
struct CoreMapping {
    start: u64,
    end: u64,
    /// Offset of its bytes in the core; 0 if it has no program header.
    offset: u64,
    /// End address of the part whose bytes the core has.
    stored_end: u64,
    flags: u32,
    /// Index of the mapped file, and the offset in the file at which the mapping starts.
    file: Option<(usize, u64)>,
}

/// Memory of a process from its core.
#[derive(Debug)]
pub(super) struct CoreMemory {
    core: File,
    written: Option<SystemTime>,
    /// Sorted by address. If mappings overlap, which does not happen in valid cores, the one that
    /// starts last wins.
    spans: Vec<CoreMapping>,
    files: Vec<BackingFile>,
    /// An address in the main thread's stack.
    stack: u64,
    /// Mappings that were read although neither the core nor a file has their bytes.
    missed: Mutex<BTreeSet<usize>>,
}

impl CoreMemory {
    /// Combines `segments` of `core` with the mapped files in `notes`. `backing` locates each file.
    pub(super) fn new(
        core: File,
        written: Option<SystemTime>,
        segments: &[ProgramHeader],
        notes: &[FileNote],
        stack: u64,
        backing: impl Fn(PathBuf, bool) -> BackingFile,
    ) -> CoreMemory {
        let mut files: Vec<BackingFile> = Vec::new();
        let mut known: FxHashMap<&[u8], usize> = FxHashMap::default();
        let mut mappings = Vec::with_capacity(notes.len());
        for note in notes {
            let file = *known.entry(&note.name).or_insert_with(|| {
                let bare = note.name.strip_suffix(b" (deleted)");
                let name = PathBuf::from(std::ffi::OsStr::from_bytes(bare.unwrap_or(&note.name)));
                files.push(backing(name, bare.is_some()));
                files.len() - 1
            });
            let last = note.offset.saturating_add(note.end - note.start).saturating_sub(4096);
            files[file].last_page = files[file].last_page.max(last);
            mappings.push((note.start, note.end, note.offset, file));
        }
        mappings.sort_unstable();
        let file_at = |address: u64| {
            let &(start, end, offset, file) = mappings
                .get(mappings.partition_point(|mapping| mapping.0 <= address).checked_sub(1)?)?;
            (address < end).then_some((file, offset.checked_add(address - start)?))
        };
        let mut spans: Vec<CoreMapping> = segments
            .iter()
            .filter(|segment| segment.kind == elf::PT_LOAD && segment.size > 0)
            .map(|segment| CoreMapping {
                start: segment.address,
                end: segment.address.saturating_add(segment.size),
                offset: segment.offset,
                stored_end: segment.address.saturating_add(segment.stored.min(segment.size)),
                flags: segment.flags,
                file: file_at(segment.address),
            })
            .collect();
        spans.sort_by_key(|span| span.start);
        // gdb writes no program header at all for a mapping that it leaves out.
        let left_out: Vec<CoreMapping> = mappings
            .iter()
            .filter(|&&(start, end, ..)| {
                let after = spans.partition_point(|span| span.start < end);
                after.checked_sub(1).is_none_or(|before| spans[before].end <= start)
            })
            .map(|&(start, end, offset, file)| {
                let flags = elf::PF_R;
                CoreMapping {
                    start,
                    end,
                    offset: 0,
                    stored_end: start,
                    flags,
                    file: Some((file, offset)),
                }
            })
            .collect();
        spans.extend(left_out);
        spans.sort_by_key(|span| span.start);
        CoreMemory { core, written, spans, files, stack, missed: Mutex::default() }
    }

    fn span(&self, address: u64) -> Option<(usize, &CoreMapping)> {
        let index = self.spans.partition_point(|span| span.start <= address).checked_sub(1)?;
        let span = self.spans.get(index)?;
        (address < span.end).then_some((index, span))
    }

    /// Opens a mapped file if it is available and matches the core.
    fn open(&self, file: usize) -> Result<&BackingFile, &str> {
        let backing = &self.files[file];
        let stored = |offset: u64, len: u64| {
            let holds = |span: &&CoreMapping| {
                span.file.is_some_and(|(other, at)| {
                    other == file
                        && at <= offset
                        && offset
                            .checked_add(len)
                            .is_some_and(|end| end - at <= span.stored_end - span.start)
                })
            };
            let span = self.spans.iter().find(holds)?;
            let mut bytes = vec![0; len as usize];
            let at = span.offset.checked_add(offset - span.file?.1)?;
            self.core.read_exact_at(&mut bytes, at).ok().map(|()| bytes)
        };
        backing.open(self.written, stored).map(|()| backing)
    }

    /// Returns the local path of the mapped file with this name, if it is available and matches.
    /// `None` if no file of this name was mapped.
    pub(super) fn mapped_file(&self, name: &Path) -> Option<Result<&Path, &str>> {
        let file = self.files.iter().position(|backing| backing.name == name)?;
        Some(self.open(file).map(|backing| backing.local_path.as_path()))
    }

    /// Returns the name of the file mapped at `address`.
    pub(super) fn file_name(&self, address: u64) -> Option<&Path> {
        let (file, _) = self.span(address)?.1.file?;
        Some(&self.files[file].name)
    }

    /// Returns the mappings.
    pub(super) fn regions(&self) -> Vec<Region> {
        let region = |span: &CoreMapping| {
            // Only in gdb's cores is a mapping without a program header.
            let is_code =
                |(file, offset)| self.open(file).is_ok_and(|backing| backing.is_code(offset));
            Region {
                start: span.start,
                end: span.end,
                offset: span.file.map_or(0, |(_, offset)| offset),
                writable: span.flags & elf::PF_W != 0,
                executable: span.flags & elf::PF_X != 0
                    || (span.offset == 0 && span.file.is_some_and(is_code)),
                file: span.file.map(|(file, _)| self.files[file].name.clone()),
                is_stack: (span.start..span.end).contains(&self.stack),
                // A changed file is detected when it is opened.
                deleted: false,
            }
        };
        self.spans.iter().map(region).collect()
    }

    /// Returns which memory was read but is not available, each with a remedy.
    pub(super) fn missing(&self) -> Vec<(String, String)> {
        let missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut anonymous, mut first) = (0_u64, None);
        let mut files: Vec<usize> = Vec::new();
        for &index in missed.iter() {
            match self.spans[index].file.filter(|_| self.is_as_in_file(&self.spans[index])) {
                Some((file, _)) if !files.contains(&file) => files.push(file),
                Some(_) => {}
                None => {
                    anonymous += 1;
                    first.get_or_insert(self.spans[index].start);
                }
            }
        }
        let file = |&file: &usize| {
            let why = self.open(file).err().unwrap_or("they are beyond the end of that file");
            let name = self.files[file].name.display();
            (
                format!("the core does not contain all pages of {name}, and {why}"),
                "pass the executable with --exe PATH or the directory of all files with --root DIR, or write a core \
                 with all pages (echo 0x3f > /proc/PID/coredump_filter first)"
                    .to_owned(),
            )
        };
        let mut sentences: Vec<(String, String)> = files.iter().map(file).collect();
        if anonymous > 0 {
            sentences.push((
                format!(
                    "the core does not contain the memory of {} (the first at {:#x})",
                    counted(anonymous, "mapping"),
                    first.unwrap_or(0)
                ),
                "write another core with /proc/PID/coredump_filter set to the default, 0x33"
                    .to_owned(),
            ));
        }
        sentences
    }

    /// Returns whether the part of a mapping that is missing from the core is unmodified from its
    /// file. Modified pages are in every core that includes private memory, which includes the
    /// stack.
    fn is_as_in_file(&self, span: &CoreMapping) -> bool {
        let has_private =
            || self.span(self.stack).is_none_or(|(_, stack)| stack.stored_end > self.stack);
        span.flags & elf::PF_W == 0 || has_private()
    }

    fn miss(&self, index: usize) {
        // A guard page has no bytes in a live process either.
        if self.spans[index].flags & elf::PF_R != 0 {
            self.missed.lock().unwrap_or_else(PoisonError::into_inner).insert(index);
        }
    }
}

impl Memory for Arc<CoreMemory> {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let (mut at, mut into) = (address, into);
        while !into.is_empty() {
            let (index, span) = self.span(at).ok_or(ReadError::Unmapped(at))?;
            let is_stored = at < span.stored_end;
            let end = if is_stored { span.stored_end } else { span.end };
            let now = (end - at).min(into.len() as u64);
            let (here, rest) = into.split_at_mut(now as usize);
            let offset = at - span.start;
            let is_read = match span.file {
                _ if is_stored => span
                    .offset
                    .checked_add(offset)
                    .is_some_and(|offset| self.core.read_exact_at(here, offset).is_ok()),
                Some((file, start)) if self.is_as_in_file(span) => {
                    let from = start.checked_add(offset);
                    self.open(file)
                        .is_ok_and(|backing| from.is_some_and(|from| backing.read(from, here)))
                }
                _ => false,
            };
            if !is_read {
                self.miss(index);
                return Err(ReadError::Unmapped(at));
            }
            into = rest;
            // There is nothing to read beyond the last address.
            at = at.checked_add(now).ok_or(ReadError::Unmapped(at))?;
        }
        Ok(())
    }
}
