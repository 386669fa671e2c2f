//! The memory of a process as its core has it, completed from the files that it was mapped from.

use super::backing::Backing;
use super::elf::{self, Segment};
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

/// A mapping.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u64,
    end: u64,
    /// Where its bytes are in the core, 0 where it has no program header, and the address up to
    /// which the core has them.
    offset: u64,
    stored_end: u64,
    flags: u32,
    /// The file it was mapped from, as an index, and where in the file it starts.
    file: Option<(usize, u64)>,
}

/// The memory of a process that a core was written of.
#[derive(Debug)]
pub(super) struct CoreMemory {
    core: File,
    written: Option<SystemTime>,
    /// By address; of those that overlap, which no sound core has, the one that starts last counts.
    spans: Vec<Span>,
    files: Vec<Backing>,
    /// An address in the main thread's stack.
    stack: u64,
    /// Spans that were read where neither the core nor a file has their bytes.
    missed: Mutex<BTreeSet<usize>>,
}

impl CoreMemory {
    /// Of `segments` in `core` and the files of `notes`, each of which `place` finds.
    pub(super) fn new(
        core: File,
        written: Option<SystemTime>,
        segments: &[Segment],
        notes: &[FileNote],
        stack: u64,
        place: impl Fn(PathBuf, bool) -> Backing,
    ) -> CoreMemory {
        let mut files: Vec<Backing> = Vec::new();
        let mut known: FxHashMap<&[u8], usize> = FxHashMap::default();
        let mut mappings = Vec::with_capacity(notes.len());
        for note in notes {
            let file = *known.entry(&note.name).or_insert_with(|| {
                let bare = note.name.strip_suffix(b" (deleted)");
                let name = PathBuf::from(std::ffi::OsStr::from_bytes(bare.unwrap_or(&note.name)));
                files.push(place(name, bare.is_some()));
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
        let mut spans: Vec<Span> = segments
            .iter()
            .filter(|segment| segment.kind == elf::PT_LOAD && segment.size > 0)
            .map(|segment| Span {
                start: segment.address,
                end: segment.address.saturating_add(segment.size),
                offset: segment.offset,
                stored_end: segment.address.saturating_add(segment.stored.min(segment.size)),
                flags: segment.flags,
                file: file_at(segment.address),
            })
            .collect();
        spans.sort_by_key(|span| span.start);
        // gdb has no program header at all for a mapping that it leaves out.
        let left_out: Vec<Span> = mappings
            .iter()
            .filter(|&&(start, end, ..)| {
                let after = spans.partition_point(|span| span.start < end);
                after.checked_sub(1).is_none_or(|before| spans[before].end <= start)
            })
            .map(|&(start, end, offset, file)| {
                let flags = elf::PF_R;
                Span { start, end, offset: 0, stored_end: start, flags, file: Some((file, offset)) }
            })
            .collect();
        spans.extend(left_out);
        spans.sort_by_key(|span| span.start);
        CoreMemory { core, written, spans, files, stack, missed: Mutex::default() }
    }

    fn span(&self, address: u64) -> Option<(usize, &Span)> {
        let index = self.spans.partition_point(|span| span.start <= address).checked_sub(1)?;
        let span = self.spans.get(index)?;
        (address < span.end).then_some((index, span))
    }

    /// Opens a mapped file, if it is here and fits.
    fn open(&self, file: usize) -> Result<&Backing, &str> {
        let backing = &self.files[file];
        let stored = |offset: u64, len: u64| {
            let holds = |span: &&Span| {
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

    /// The mapped file with this name, if it is here and fits; `None` where no file of this name
    /// was mapped.
    pub(super) fn mapped_file(&self, name: &Path) -> Option<Result<&Path, &str>> {
        let file = self.files.iter().position(|backing| backing.name == name)?;
        Some(self.open(file).map(|backing| backing.place.as_path()))
    }

    /// The name of the file that is mapped at `address`.
    pub(super) fn file_name(&self, address: u64) -> Option<&Path> {
        let (file, _) = self.span(address)?.1.file?;
        Some(&self.files[file].name)
    }

    /// The mappings.
    pub(super) fn regions(&self) -> Vec<Region> {
        let region = |span: &Span| {
            // Only gdb's cores have mappings that say nothing of themselves.
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
                // Whether the file is still the same is found out when it is opened.
                deleted: false,
            }
        };
        self.spans.iter().map(region).collect()
    }

    /// What was to be read and is neither in the core nor here, and for each what to do.
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
            let why = self.open(file).err().unwrap_or("they are beyond the end of the file");
            let name = self.files[file].name.display();
            (
                format!("pages of {name} were left out of the core, and {why}"),
                "give the executable with --exe PATH, the folder that all files are under with --root DIR, or write a core \
                 with all pages (echo 0x3f > /proc/PID/coredump_filter before)"
                    .to_owned(),
            )
        };
        let mut sentences: Vec<(String, String)> = files.iter().map(file).collect();
        if anonymous > 0 {
            sentences.push((
                format!(
                    "the core was written without the memory of {} (the first at {:#x})",
                    counted(anonymous, "mapping"),
                    first.unwrap_or(0)
                ),
                "write it again with the kernel's default in /proc/PID/coredump_filter, 0x33"
                    .to_owned(),
            ));
        }
        sentences
    }

    /// Whether what the core has not of a mapping is still as it is in its file. A mapping that was
    /// written to is in every core that has the private memory, of which the stack is a part.
    fn is_as_in_file(&self, span: &Span) -> bool {
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
            // Beyond the last address there is nothing to read.
            at = at.checked_add(now).ok_or(ReadError::Unmapped(at))?;
        }
        Ok(())
    }
}
