//! C frames of threads that sleep in a system call, between their Python frames.
//!
//! The kernel says where a sleeping thread's C stack is; nobody is stopped. To unwind takes a
//! hundred reads, so it is done once for each place a thread sleeps in: its Python stack, its stack
//! pointer and its instruction. A thread that runs has its Python frames only.

use super::places::Places;
use crate::Builder;
use crate::model::{FrameId, Kind, StackId};
use rustc_hash::FxHashMap;
use std::time::Instant;
use ungil_remote::linux::syscall::SystemCall;
use ungil_remote::native::{NativeFrame, StackRow, StopPolicy, UnwindTables, merge_stacks};
use ungil_remote::sample::{Sampler, ThreadSlot};

/// Places kept before the store is emptied.
const MOST: usize = 1 << 16;
/// Unwinding may take one part in this many of the time.
const SHARE: u64 = 10;
/// But one that took very long (the first of all, which reads the libraries' symbols) does not hold
/// up the next for longer than this, in nanoseconds.
const LONGEST_NS: u64 = 50_000_000;

/// The C frames of one process.
#[derive(Default)]
pub(super) struct Natives {
    tables: Option<UnwindTables>,
    /// The process's maps could not be read.
    is_refused: bool,
    known: FxHashMap<(u32, u64, u64, StackId), Option<StackId>>,
    next_ns: u64,
    /// Samples of sleeping threads that have no C frames: there was no time to unwind them, or they
    /// moved meanwhile.
    pub(super) without: u64,
}

/// A thread that sleeps, as a look found it.
pub(super) struct Sleeper<'a> {
    pub(super) slot: &'a ThreadSlot,
    pub(super) call: &'a SystemCall,
    /// The frame of the asyncio task it runs, which stands before the frame with this index.
    pub(super) task: Option<(usize, FrameId)>,
    pub(super) at_ns: u64,
}

impl Natives {
    /// The stack with C frames in it; `stack` is the thread's Python stack. That alone where there
    /// was no time, or the thread went on.
    pub(super) fn woven(
        &mut self,
        &Sleeper { slot, call, task, at_ns }: &Sleeper<'_>,
        stack: StackId,
        is_there: impl FnOnce() -> bool,
        (looker, places, builder): (&Sampler, &mut Places, &mut Builder),
    ) -> StackId {
        let key = (slot.thread.native_id, call.stack, call.instruction, stack);
        let woven = match self.known.get(&key) {
            Some(woven) => *woven,
            None if at_ns < self.next_ns || self.is_refused => None,
            None => {
                let begin = Instant::now();
                let woven =
                    self.weave(slot, task, (looker, places, builder)).filter(|_| is_there());
                let cost = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
                self.next_ns = at_ns
                    .saturating_add(cost)
                    .saturating_add(cost.saturating_mul(SHARE).min(LONGEST_NS));
                if self.known.len() >= MOST {
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

    fn weave(
        &mut self,
        slot: &ThreadSlot,
        task: Option<(usize, FrameId)>,
        (looker, places, builder): (&Sampler, &mut Places, &mut Builder),
    ) -> Option<StackId> {
        let python = looker.python();
        if self.tables.is_none() {
            self.tables = UnwindTables::new(python.process()).ok();
            self.is_refused = self.tables.is_none();
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
                    places.frame(slot.frames().get(at)?, looker, builder)?
                }
            };
            row = builder.stack(row, frame);
        }
        (shown == slot.frames().iter().filter(|raw| !raw.hidden).count()).then_some(row)
    }
}

/// A C function, or where there is no symbol its library and the place in it.
fn native_frame(frame: &NativeFrame, builder: &mut Builder) -> FrameId {
    let file = frame.file.as_deref().map(|file| file.display().to_string()).unwrap_or_default();
    let library = file.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("?");
    let name = frame.symbol.clone().unwrap_or_else(|| format!("{library}+{:#x}", frame.offset));
    let function = builder.function(&name, &file, 0, Kind::Native);
    builder.frame(function, 0)
}
