//! Fast sampling: all threads and their stacks with one system call.
//!
//! Between two looks most of a stack stays in place and changes happen at its end, so the addresses
//! of frames are known before they are read. One `process_vm_readv` fetches, for each thread, the
//! memory ranges its frames were in last time (and a little beyond the innermost frame) and its
//! thread state. Only threads whose frames have moved elsewhere need more calls. The code of a
//! frame is not resolved here; see [`Sampler::resolve`].
//!
//! The target keeps running meanwhile. A range is copied at once, within tens of nanoseconds, so
//! the stack is rebuilt from the copy alone ([`frame_chain`]) and the thread state only confirms
//! it. A stack that cannot be confirmed is read again up to [`MAX_RETRIES`] times and is then
//! reported as torn.

mod frame_chain;
mod interpreter_heads;
mod reader;
mod thread_slot;

pub use frame_chain::RawFrame;
pub use thread_slot::ThreadSlot;

use crate::code::{Code, CodeCache};
use crate::linux::task;
use crate::memory::ReadError;
use crate::nesting;
use crate::python::{Interpreter, Python};
use crate::stop_the_world::StopTheWorldState;
use frame_chain::FrameShapes;
use interpreter_heads::{InterpreterHead, InterpreterHeads};
use reader::SampleReader;
use std::sync::Arc;

/// Maximum number of threads, over all interpreters.
const MAX_THREADS: usize = 1 << 14;
/// Maximum number of further attempts to read one thread's stack.
const MAX_RETRIES: u32 = 2;

/// Result of one look, besides the threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LookResult {
    /// Number of threads whose stack was torn.
    pub torn: u32,
    /// Number of threads that needed several attempts.
    pub repeated: u32,
    /// Whether threads have started or ended since the last look.
    pub changed: bool,
    /// Whether code objects may have been replaced: resolved frames must be resolved again.
    pub stale: bool,
}

/// Samples one process repeatedly.
#[derive(Debug)]
pub struct Sampler {
    python: Python,
    reader: SampleReader,
    slots: Vec<ThreadSlot>,
    /// Indices of the slots that belong to the same thread, for threads with several: see
    /// [`crate::nesting`].
    nested: Vec<Vec<usize>>,
    heads: InterpreterHeads,
    shapes: FrameShapes,
    looks: u64,
    /// Read the list of threads again in the next look.
    relist: bool,
}

/// Code and position of a frame.
#[derive(Debug, Clone)]
pub struct ResolvedFrame {
    /// The code.
    pub code: Arc<Code>,
    /// Current instruction, in code units.
    pub unit: u32,
    /// Line of the instruction, if it has one.
    pub line: Option<u32>,
}

impl Sampler {
    /// Starts sampling `python`.
    ///
    /// # Errors
    /// The process ended or may no longer be read.
    pub fn new(python: Python) -> Result<Sampler, ReadError> {
        let reader = SampleReader::new(python.offsets(), python.layout().thread_state.state);
        let mut sampler = Sampler {
            python,
            reader,
            slots: Vec::new(),
            nested: Vec::new(),
            heads: InterpreterHeads::default(),
            shapes: FrameShapes::default(),
            looks: 0,
            relist: false,
        };
        sampler.update_threads()?;
        Ok(sampler)
    }

    /// Returns the target.
    #[must_use]
    pub fn python(&self) -> &Python {
        &self.python
    }

    /// Returns the target, for other reads between two looks.
    pub fn python_mut(&mut self) -> &mut Python {
        &mut self.python
    }

    /// Returns the threads at the last look.
    #[must_use]
    pub fn threads(&self) -> &[ThreadSlot] {
        &self.slots
    }

    /// Returns the interpreters at the last thorough look.
    #[must_use]
    pub fn interpreters(&self) -> Vec<Interpreter> {
        self.heads.known.iter().map(|known| known.interpreter).collect()
    }

    /// Returns whether the interpreter's collector was running at the last thorough look.
    #[must_use]
    pub fn is_collecting(&self, interpreter: Interpreter) -> bool {
        self.heads.known.iter().any(|known| known.interpreter == interpreter && known.collecting)
    }

    /// Returns the stop-the-world state of the interpreter at the last thorough look, like
    /// [`Python::stop_the_world`]. `None` in builds with the GIL.
    #[must_use]
    pub fn stop_the_world(&self, interpreter: Interpreter) -> Option<StopTheWorldState> {
        self.heads.known.iter().find(|known| known.interpreter == interpreter)?.stop_the_world
    }

    /// Reads all threads. A `thorough` look also reads what rarely changes (interpreters, destroyed
    /// code objects, entries from C) and threads that have been idle for long. At thousands of
    /// looks per second, only some of them need to be thorough.
    ///
    /// # Errors
    /// The process ended or may no longer be read.
    pub fn look(&mut self, thorough: bool) -> Result<LookResult, ReadError> {
        self.looks += 1;
        let mut look = LookResult::default();
        let memory = self.python.memory();
        if thorough || self.slots.is_empty() || self.relist {
            let heads = self.heads.pieces(&self.python);
            let whole = self.reader.fetch(memory, heads, &mut self.slots, thorough)?;
            let changes = self.heads.update(&self.python, self.looks);
            if changes.stale {
                look.stale = true;
                self.python.next_look();
                self.shapes.clear();
            }
            if changes.list || !whole || std::mem::take(&mut self.relist) {
                look.changed = true;
                self.update_threads()?;
                self.reader.fetch(self.python.memory(), Vec::new(), &mut self.slots, thorough)?;
            }
        } else {
            self.reader.fetch(memory, Vec::new(), &mut self.slots, thorough)?;
        }
        for slot in &mut self.slots {
            slot.attempt(&self.reader, &mut self.shapes, &self.python);
        }
        let mut gone = false;
        // After all first attempts, because another attempt overwrites the bytes.
        for slot in &mut self.slots {
            let mut attempts = 0;
            while slot.needs_retry() && attempts < MAX_RETRIES {
                attempts += 1;
                slot.plan(&self.reader, &mut self.shapes, &self.python)?;
                self.reader.fetch(
                    self.python.memory(),
                    Vec::new(),
                    std::slice::from_mut(slot),
                    true,
                )?;
                slot.attempt(&self.reader, &mut self.shapes, &self.python);
            }
            look.repeated += u32::from(attempts > 0);
            look.torn += u32::from(slot.needs_retry());
            gone |= slot.finish();
        }
        if gone || self.has_new_thread() {
            self.update_threads()?;
            look.changed = true;
        }
        for group in &self.nested {
            let entered_last = group
                .iter()
                .copied()
                .max_by_key(|&index| self.python.entered(&self.slots[index].thread));
            for &index in group {
                self.slots[index].is_current = Some(index) == entered_last;
            }
        }
        Ok(look)
    }

    /// Checks whether the kernel no longer has a thread whose state still exists, which reading
    /// memory does not show. The next look drops such threads.
    pub fn drop_ended(&mut self) {
        let running = task::running(self.python.process().pid);
        let is_gone = |slot: &ThreadSlot| {
            slot.thread.native_id != 0 && !running.contains(&slot.thread.native_id)
        };
        self.relist |= self.slots.iter().any(is_gone);
    }

    /// Returns the code and line of a frame. `None` if the code cannot be read or does not contain
    /// the instruction, because the frame's memory was reused; then the stack is torn.
    #[must_use]
    pub fn resolve(&self, frame: &RawFrame) -> Option<ResolvedFrame> {
        let walker = self.python.walker();
        let code = walker.codes.get(walker.memory, walker.offsets, frame.code, walker.look).ok()?;
        let copy =
            walker.offsets.interpreter_frame.tlbc_index.filter(|&at| at != 0).map(|_| frame.copy);
        let unit = CodeCache::unit(walker.memory, walker.offsets, &code, frame.pointer, copy)?;
        Some(ResolvedFrame { unit, line: code.line(unit), code })
    }

    /// Returns whether an interpreter has a thread newer than the newest one known.
    fn has_new_thread(&self) -> bool {
        self.slots.iter().any(|slot| {
            slot.before != 0 && self.slots.iter().all(|s| s.thread.address != slot.before)
        })
    }

    /// Adds new threads and drops ended ones.
    fn update_threads(&mut self) -> Result<(), ReadError> {
        let mut slots = Vec::with_capacity(self.slots.len() + 1);
        let mut known_now = Vec::new();
        for interpreter in self.python.interpreters()? {
            let threads = self.python.threads(interpreter)?;
            let head = threads.first().map_or(0, |thread| thread.address);
            let known = self.heads.known.iter().find(|known| known.interpreter == interpreter);
            known_now.push(InterpreterHead {
                head,
                ..known.copied().unwrap_or(InterpreterHead::new(interpreter, head))
            });
            for thread in threads {
                if slots.len() >= MAX_THREADS {
                    break;
                }
                let same = |slot: &ThreadSlot| {
                    slot.thread.address == thread.address
                        && slot.thread.listed_id == thread.listed_id
                };
                slots.push(match self.slots.iter().position(same) {
                    Some(known) => self.slots.swap_remove(known),
                    None => ThreadSlot::new(thread, interpreter.address),
                });
            }
        }
        self.nested = nesting::groups(slots.iter().map(|slot| slot.thread.own_id));
        self.slots = slots;
        self.slots.iter_mut().for_each(|slot| slot.is_current = true);
        self.heads.known = known_now;
        Ok(())
    }
}
