//! The shared table that the target fills. It is read through its file, not mapped, so that no word
//! can change between two reads of it.

use rustix::fs::{FallocateFlags, MemfdFlags, SeekFrom, fallocate, memfd_create, seek};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use ungil_hook::shape::Shape;
use ungil_hook::wire::{HEADER, MAGIC, VERSION, head};

/// The shared table, from ungil's side.
#[derive(Debug)]
pub(super) struct SharedTable {
    file: File,
    shape: Shape,
}

impl SharedTable {
    /// Creates an anonymous table for a child process, which inherits the descriptor. Its pages are
    /// allocated on first use.
    pub(super) fn inherited(every: u64) -> io::Result<SharedTable> {
        // Without CLOEXEC on purpose: the child opens it by its number.
        let file = File::from(memfd_create("ungil-alloc", MemfdFlags::empty())?);
        let shape = Shape::sparse(every);
        file.set_len(shape.total() as u64 * 8)?;
        SharedTable { file, shape }.with_header(every)
    }

    /// Creates a table at `path`, for a process that is not a child. All pages are allocated
    /// immediately: a full file system must fail here instead of killing the target later.
    pub(super) fn named(path: &Path, every: u64) -> io::Result<SharedTable> {
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        let shape = Shape::dense();
        fallocate(&file, FallocateFlags::empty(), 0, shape.total() as u64 * 8)?;
        SharedTable { file, shape }.with_header(every)
    }

    fn with_header(self, every: u64) -> io::Result<SharedTable> {
        self.set(head::MAGIC, MAGIC)?;
        self.set(head::VERSION, VERSION)?;
        self.set(head::EVERY, every.max(1))?;
        for (n, size) in self.shape.words().into_iter().enumerate() {
            self.set(head::SHAPE + n, size)?;
        }
        Ok(self)
    }

    /// Returns the descriptor that a child inherits.
    pub(super) fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Sets a word of the header.
    pub(super) fn set(&self, word: usize, value: u64) -> io::Result<()> {
        self.file.write_all_at(&value.to_le_bytes(), word as u64 * 8)
    }

    /// Reads a word of the header; 0 if it cannot be read, which does not happen after a successful
    /// write.
    pub(super) fn get(&self, word: usize) -> u64 {
        let mut bytes = [0; 8];
        self.file
            .read_exact_at(&mut bytes, word as u64 * 8)
            .map_or(0, |()| u64::from_le_bytes(bytes))
    }

    /// Reads words of the file. Most of a table is never touched; holes of the sparse file are
    /// skipped.
    fn words(&self, span: Range<usize>) -> io::Result<Vec<u64>> {
        let mut words = vec![0; span.len()];
        let (mut at, end) = (span.start as u64 * 8, span.end as u64 * 8);
        while at < end {
            let from = match seek(&self.file, SeekFrom::Data(at)) {
                Ok(from) if from < end => from.max(at),
                Ok(_) | Err(Errno::NXIO) => break,
                Err(error) => return Err(error.into()),
            };
            let to = seek(&self.file, SeekFrom::Hole(from))?.min(end);
            let mut bytes = vec![0; usize::try_from(to - from).unwrap_or(0)];
            self.file.read_exact_at(&mut bytes, from)?;
            let first = usize::try_from(from / 8).unwrap_or(usize::MAX).saturating_sub(span.start);
            for (word, eight) in words.iter_mut().skip(first).zip(bytes.chunks_exact(8)) {
                *word = eight.try_into().map_or(0, u64::from_le_bytes);
            }
            at = to.max(at + 8);
        }
        Ok(words)
    }

    /// Reads the whole table.
    pub(super) fn read(&self) -> io::Result<TableImage> {
        let part = |span: Range<usize>| self.words(span);
        let shape = &self.shape;
        let header = part(0..HEADER)?;
        let used = usize::try_from(header.get(head::TEXT_USED).copied().unwrap_or(0))
            .unwrap_or(usize::MAX);
        let text = shape.text_span();
        let text = part(text.start..text.start + used.min(shape.text))?;
        Ok(TableImage {
            header,
            threads: part(shape.thread_span())?,
            codes: part(shape.code_span())?,
            types: part(shape.type_span())?,
            stacks: part(shape.stack_span())?,
            sites: part(shape.site_span())?,
            keys: part(shape.key_span())?,
            blocks: part(shape.block_span())?,
            text,
        })
    }
}

/// The words of a table at one moment. They come from the target's memory, so `decode` checks them
/// before use.
#[derive(Debug, Default, Clone)]
pub(super) struct TableImage {
    pub(super) header: Vec<u64>,
    pub(super) threads: Vec<u64>,
    pub(super) codes: Vec<u64>,
    pub(super) types: Vec<u64>,
    pub(super) stacks: Vec<u64>,
    pub(super) sites: Vec<u64>,
    pub(super) keys: Vec<u64>,
    pub(super) blocks: Vec<u64>,
    pub(super) text: Vec<u64>,
}
