//! Converts sampled frames to rows of the profile: frames by code object and instruction pointer,
//! stacks by the frames that changed.

use crate::Builder;
use crate::model::{FrameId, FrameKind, FunctionId, StackId};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use ungil_remote::code::Code;
use ungil_remote::sample::{RawFrame, ResolvedFrame, Sampler};

/// Frames cached before the cache is emptied.
const MAX_CACHED_FRAMES: usize = 1 << 18;

/// The frames of one process seen so far.
#[derive(Default)]
pub(super) struct FrameTable {
    frames: FxHashMap<(u64, u64, u32), CachedFrame>,
    functions: FxHashMap<u64, (Arc<Code>, FunctionId)>,
}

/// A resolved frame and its row in the profile.
struct CachedFrame {
    frame: FrameId,
    place: ResolvedFrame,
}

impl FrameTable {
    /// Empties the cache, because code objects' addresses may have been reused.
    pub(super) fn forget(&mut self) {
        self.frames.clear();
        self.functions.clear();
    }

    /// Returns the profile's frame; `None` if the code object cannot be read.
    pub(super) fn frame(
        &mut self,
        raw: &RawFrame,
        sampler: &Sampler,
        builder: &mut Builder,
    ) -> Option<FrameId> {
        let key = (raw.code, raw.pointer, raw.copy);
        if let Some(seen) = self.frames.get(&key) {
            return Some(seen.frame);
        }
        if self.frames.len() >= MAX_CACHED_FRAMES {
            self.forget();
        }
        let place = sampler.resolve(raw)?;
        let function = match self.functions.get(&raw.code) {
            Some((code, function)) if Arc::ptr_eq(code, &place.code) => *function,
            _ => {
                let code = &place.code;
                let function = builder.function(
                    &code.qualname,
                    &code.file,
                    code.first_line,
                    FrameKind::Python,
                );
                self.functions.insert(raw.code, (Arc::clone(code), function));
                function
            }
        };
        let frame = builder.frame(function, place.line.unwrap_or(0));
        self.frames.insert(key, CachedFrame { frame, place });
        Some(frame)
    }

    /// Returns the resolved position of a frame that was seen before.
    pub(super) fn place(&self, raw: &RawFrame) -> Option<&ResolvedFrame> {
        self.frames.get(&(raw.code, raw.pointer, raw.copy)).map(|seen| &seen.place)
    }
}

/// One thread's stack as rows of the profile, so that only the frames that changed are looked up.
#[derive(Debug, Default)]
pub(super) struct ThreadStack {
    /// The row of the stack up to each frame, outermost first.
    rows: Vec<StackId>,
    task: Option<(usize, FrameId)>,
}

impl ThreadStack {
    pub(super) fn forget(&mut self) {
        self.rows.clear();
    }

    /// Returns the row of a stack whose first `kept` frames have not changed. `task` is inserted
    /// before the frame with its index. `None` if a frame cannot be read.
    pub(super) fn row(
        &mut self,
        frames: &[RawFrame],
        kept: usize,
        task: Option<(usize, FrameId)>,
        frame_table: &mut FrameTable,
        sampler: &Sampler,
        builder: &mut Builder,
    ) -> Option<StackId> {
        self.rows.truncate(kept);
        if self.task != task {
            let first = [self.task, task].into_iter().flatten().map(|(index, _)| index).min();
            self.rows.truncate(first.unwrap_or(kept));
            self.task = task;
        }
        let mut row = self.rows.last().copied().unwrap_or(StackId::EMPTY);
        for raw in frames.get(self.rows.len()..).unwrap_or_default() {
            if let Some((_, frame)) = task.filter(|(index, _)| *index == self.rows.len()) {
                row = builder.stack(row, frame);
            }
            if !raw.hidden {
                let frame = frame_table.frame(raw, sampler, builder)?;
                row = builder.stack(row, frame);
            }
            self.rows.push(row);
        }
        Some(row)
    }
}
