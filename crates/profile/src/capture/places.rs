//! From what a look finds to rows of the profile: frames by code and instruction, stacks by the
//! frames that changed.

use crate::Builder;
use crate::model::{FrameId, FunctionId, Kind, StackId};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use ungil_remote::code::Code;
use ungil_remote::sample::{RawFrame, ResolvedFrame, Sampler};

/// Places kept before the store is emptied.
const MOST: usize = 1 << 18;

/// The frames of one process that were seen.
#[derive(Default)]
pub(super) struct Places {
    frames: FxHashMap<(u64, u64, u32), Seen>,
    functions: FxHashMap<u64, (Arc<Code>, FunctionId)>,
}

/// A place and its frame in the profile.
struct Seen {
    frame: FrameId,
    place: ResolvedFrame,
}

impl Places {
    /// Code may have been replaced by other code at the same address.
    pub(super) fn forget(&mut self) {
        self.frames.clear();
        self.functions.clear();
    }

    /// The frame of the profile; `None` where what it runs cannot be read.
    pub(super) fn frame(
        &mut self,
        raw: &RawFrame,
        looker: &Sampler,
        builder: &mut Builder,
    ) -> Option<FrameId> {
        let key = (raw.code, raw.pointer, raw.copy);
        if let Some(seen) = self.frames.get(&key) {
            return Some(seen.frame);
        }
        if self.frames.len() >= MOST {
            self.forget();
        }
        let place = looker.resolve(raw)?;
        let function = match self.functions.get(&raw.code) {
            Some((code, function)) if Arc::ptr_eq(code, &place.code) => *function,
            _ => {
                let code = &place.code;
                let function =
                    builder.function(&code.qualname, &code.file, code.first_line, Kind::Python);
                self.functions.insert(raw.code, (Arc::clone(code), function));
                function
            }
        };
        let frame = builder.frame(function, place.line.unwrap_or(0));
        self.frames.insert(key, Seen { frame, place });
        Some(frame)
    }

    /// What is known of a frame that was seen before.
    pub(super) fn place(&self, raw: &RawFrame) -> Option<&ResolvedFrame> {
        self.frames.get(&(raw.code, raw.pointer, raw.copy)).map(|seen| &seen.place)
    }
}

/// One thread's stack in the profile, frame by frame, so that only what changed is looked up.
#[derive(Debug, Default)]
pub(super) struct Stacks(Vec<StackId>, Option<(usize, FrameId)>);

impl Stacks {
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// The stack's row; the first `kept` frames are as they were. `task` is put before the frame
    /// with its index. `None` where a frame cannot be read.
    pub(super) fn row(
        &mut self,
        frames: &[RawFrame],
        kept: usize,
        task: Option<(usize, FrameId)>,
        places: &mut Places,
        looker: &Sampler,
        builder: &mut Builder,
    ) -> Option<StackId> {
        self.0.truncate(kept);
        if self.1 != task {
            let first = [self.1, task].into_iter().flatten().map(|(index, _)| index).min();
            self.0.truncate(first.unwrap_or(kept));
            self.1 = task;
        }
        let mut row = self.0.last().copied().unwrap_or(StackId::EMPTY);
        for raw in frames.get(self.0.len()..).unwrap_or_default() {
            if let Some((_, frame)) = task.filter(|(index, _)| *index == self.0.len()) {
                row = builder.stack(row, frame);
            }
            if !raw.hidden {
                let frame = places.frame(raw, looker, builder)?;
                row = builder.stack(row, frame);
            }
            self.0.push(row);
        }
        Some(row)
    }
}
