//! Adds the C frames of threads that sleep in a system call, between their Python frames.
//!
//! The kernel shows the stack pointer of a sleeping thread, so no thread is stopped. Unwinding
//! takes about a hundred reads, so it is done once for each combination of Python stack, stack
//! pointer and instruction pointer. Running threads have their Python frames only.

use super::frame_table::FrameTable;
use crate::Builder;
use crate::model::{FrameId, FrameKind, StackId};
use rustc_hash::FxHashMap;
use std::time::Instant;
use ungil_remote::linux::syscall::SystemCall;
use ungil_remote::native::{NativeFrame, StackRow, StopPolicy, UnwindTables, merge_stacks};
use ungil_remote::sample::{Sampler, ThreadSlot};

/// Stacks cached before the cache is emptied.
const MAX_CACHED_STACKS: usize = 1 << 16;
/// Unwinding may take 1/`COST_DIVISOR` of the time.
const COST_DIVISOR: u64 = 10;
/// Upper bound of the pause after an expensive unwind, in nanoseconds: the first one reads the
/// symbols of all libraries.
const MAX_PAUSE_NS: u64 = 50_000_000;

/// Unwinds the C frames of one process.
#[derive(Default)]
pub(super) struct NativeStacks {
    tables: Option<UnwindTables>,
    /// The process's memory map could not be read.
    is_denied: bool,
    known: FxHashMap<(u32, u64, u64, StackId), Option<StackId>>,
    next_ns: u64,
    /// Samples of sleeping threads without C frames: the time budget was used up, or the thread
    /// moved.
    pub(super) without: u64,
}

/// A sleeping thread as sampled.
pub(super) struct SleepingThread<'a> {
    pub(super) slot: &'a ThreadSlot,
    pub(super) call: &'a SystemCall,
    /// The frame of its asyncio task, which is inserted before the frame with this index.
    pub(super) task: Option<(usize, FrameId)>,
    pub(super) at_ns: u64,
}

impl NativeStacks {
    /// Returns the stack with C frames merged in. Returns `stack`, the Python stack, if the time
    /// budget is used up or the thread has moved.
    pub(super) fn with_c_frames(
        &mut self,
        &SleepingThread { slot, call, task, at_ns }: &SleepingThread<'_>,
        stack: StackId,
        is_there: impl FnOnce() -> bool,
        (sampler, frame_table, builder): (&Sampler, &mut FrameTable, &mut Builder),
    ) -> StackId {
        let key = (slot.thread.native_id, call.stack, call.instruction, stack);
        let woven = match self.known.get(&key) {
            Some(woven) => *woven,
            None if at_ns < self.next_ns || self.is_denied => None,
            None => {
                let begin = Instant::now();
                let woven = self
                    .merge_stacks(slot, task, (sampler, frame_table, builder))
                    .filter(|_| is_there());
                let cost = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
                self.next_ns = at_ns
                    .saturating_add(cost)
                    .saturating_add(cost.saturating_mul(COST_DIVISOR).min(MAX_PAUSE_NS));
                if self.known.len() >= MAX_CACHED_STACKS {
                    self.known.clear();
                }
                if woven.is_some() {
                    self.known.insert(key, woven);
                }
                woven
            }
        };
        self.without += u64::from(woven.is_none());
        woven.unwrap_or(stack)
    }

    fn merge_stacks(
        &mut self,
        slot: &ThreadSlot,
        task: Option<(usize, FrameId)>,
        (sampler, frame_table, builder): (&Sampler, &mut FrameTable, &mut Builder),
    ) -> Option<StackId> {
        let python = sampler.python();
        if self.tables.is_none() {
            self.tables = UnwindTables::new(python.process()).ok();
            self.is_denied = self.tables.is_none();
        }
        let native = self
            .tables
            .as_mut()?
            .stack(python.process(), slot.thread.native_id, StopPolicy::Never)
            .ok()?;
        let walked = python.stack(&slot.thread).ok()?;
        let mut row = StackId::EMPTY;
        let mut shown = 0;
        for part in merge_stacks(native, &walked.frames).into_iter().rev() {
            let frame = match part {
                StackRow::Native(frame) => native_frame(&frame, builder),
                StackRow::Python(index) => {
                    let address = walked.frames.get(index)?.address;
                    let at = slot.frames().iter().position(|raw| raw.address == address)?;
                    if let Some((_, frame)) = task.filter(|(index, _)| *index == at) {
                        row = builder.stack(row, frame);
                    }
                    shown += 1;
                    frame_table.frame(slot.frames().get(at)?, sampler, builder)?
                }
            };
            row = builder.stack(row, frame);
        }
        (shown == slot.frames().iter().filter(|raw| !raw.hidden).count()).then_some(row)
    }
}

/// Interns a C function; without a symbol it is named by its library and offset.
fn native_frame(frame: &NativeFrame, builder: &mut Builder) -> FrameId {
    let file = frame.file.as_deref().map(|file| file.display().to_string()).unwrap_or_default();
    let library = file.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("?");
    let name = frame.symbol.clone().unwrap_or_else(|| format!("{library}+{:#x}", frame.offset));
    let function = builder.function(&name, &file, 0, FrameKind::Native);
    builder.frame(function, 0)
}
