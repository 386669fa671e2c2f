//! Determines which memory ranges a look reads for a thread.

use super::super::frame_chain::{EntryLinks, FrameShapes, MAX_FRAMES, RawFrame};
use super::super::reader::{FrameHead, SampleReader};
use super::{ReadRange, ThreadSlot};
use crate::frames::{OWNED_BY_INTERPRETER, ReadAhead};
use crate::memory::{ReadError, word};
use crate::python::Python;

/// Number of bytes read beyond the innermost frame, where the frames it calls will be.
const READ_AHEAD: u64 = 1024;
/// Frame ranges closer together than this are merged.
const MERGE_DISTANCE: u64 = 2048;
/// Maximum length of a merged range.
const MAX_RANGE_SIZE: u64 = 1 << 18;
/// Upper bound for the size of a chunk of a thread's frame memory.
const MAX_CHUNK_SIZE: u64 = 1 << 26;
/// Number of generator addresses kept beyond those on the stack.
const SPARE_GENERATORS: usize = 4;

impl ThreadSlot {
    /// Forgets the ranges and the known stack.
    pub(super) fn forget(&mut self) {
        self.windows.clear();
        self.links = EntryLinks::default();
        self.path.clear();
    }

    /// Extends the range that holds the innermost frame as the stack grows.
    pub(super) fn extend_range(&mut self) {
        let Some(leaf) = self.path.last().map(|raw| raw.address) else { return };
        let wanted = leaf.saturating_add(READ_AHEAD / 2);
        let inside = |window: &&mut ReadRange| {
            leaf >= window.address && leaf < window.address + window.len as u64
        };
        let end = self.end;
        if let Some(window) = self.windows.iter_mut().find(inside)
            && end > leaf
            && window.address + (window.len as u64) < wanted.min(end)
        {
            window.len = (wanted.saturating_add(READ_AHEAD / 2).min(end) - window.address) as usize;
        }
    }

    /// Removes trampolines that lead elsewhere than before. If one of them is on the stack,
    /// rebuilding fails, and the stack is walked.
    pub(super) fn drop_stale_links(&mut self, reader: &SampleReader) {
        let len = reader.at.previous + 8;
        let stale: Vec<u64> = self
            .links
            .iter()
            .enumerate()
            .filter(|(index, (_, outside))| {
                word(reader.bytes(self.linked + index * len, len), reader.at.previous) != *outside
            })
            .map(|(_, (trampoline, _))| trampoline)
            .collect();
        self.links.retain(|trampoline| !stale.contains(&trampoline));
    }

    /// Walks the stack frame by frame to determine the ranges to read.
    pub(in crate::sample) fn plan(
        &mut self,
        reader: &SampleReader,
        shapes: &mut FrameShapes,
        python: &Python,
    ) -> Result<(), ReadError> {
        let (at, memory) = (&reader.at, python.memory());
        self.forget();
        self.path_is_fresh = true;
        let read = |address: u64| match memory.u64(address) {
            Ok(word) => Ok(Some(word)),
            Err(error) if error.is_local() => Ok(None),
            Err(error) => Err(error),
        };
        let chunk = read(self.thread.address.saturating_add(at.chunk))?.unwrap_or(0);
        // struct _PyStackChunk: previous, size, top, data.
        let size =
            read(chunk.saturating_add(8))?.filter(|&size| size <= MAX_CHUNK_SIZE).unwrap_or(0);
        self.end = chunk.saturating_add(size);
        let mut next = read(self.thread.address.saturating_add(at.current as u64))?.unwrap_or(0);
        let mut window = ReadAhead::default();
        let mut heads: Vec<(u64, FrameHead)> = Vec::new();
        for _ in 0..MAX_FRAMES {
            if next == 0 {
                break;
            }
            let Ok(bytes) = window.get(memory, next, at.head_len as u64) else { break };
            let head = at.head(bytes);
            if head.owner >= OWNED_BY_INTERPRETER {
                self.links.learn(next, head.previous);
            } else {
                heads.push((next, head));
            }
            next = head.previous;
        }
        let kept = self.generators.len().saturating_sub(SPARE_GENERATORS);
        self.generators.drain(..kept);
        let mut addresses: Vec<(u64, u64)> = Vec::with_capacity(heads.len() + 2);
        let mut top = true;
        for &(address, head) in &heads {
            let size = match shapes.get(memory, at, head.code) {
                Some(shape) if head.owner == 0 && top => {
                    top = false;
                    shape.size() + READ_AHEAD
                }
                _ => at.head_len as u64,
            };
            if head.owner != 0 && !self.generators.contains(&address) {
                self.generators.push(address);
            }
            let end = address.saturating_add(size);
            let inside = address >= chunk && address < self.end;
            addresses.push((
                address,
                if inside { end.min(self.end) } else { end.min(address + at.head_len as u64) },
            ));
        }
        addresses.extend(
            self.generators
                .iter()
                .map(|&address| (address, address.saturating_add(at.head_len as u64))),
        );
        addresses.sort_unstable();
        for (start, end) in addresses {
            match self.windows.last_mut() {
                Some(last)
                    if start <= last.address + last.len as u64 + MERGE_DISTANCE
                        && end - last.address <= MAX_RANGE_SIZE =>
                {
                    last.len = last.len.max((end - last.address) as usize);
                }
                _ => self.windows.push(ReadRange {
                    address: start,
                    len: (end - start) as usize,
                    from: 0,
                }),
            }
        }
        heads.reverse();
        self.path.extend(heads.iter().map(|&(address, head)| RawFrame {
            address,
            code: head.code,
            pointer: head.pointer,
            copy: head.copy,
            hidden: false,
        }));
        Ok(())
    }
}
