//! The fast look: all threads and their stacks in one system call.
//!
//! Between two looks most of a stack stays where it is, and what changes lies at its end, so the
//! places where frames will be are known before they are read. One `process_vm_readv` fetches, for
//! each thread, the stretches of memory its frames were in last time (and a little beyond the
//! innermost) and its thread state; a longer way is gone only for a thread whose frames are
//! elsewhere now. What a frame runs is looked up once, not here: see [`Looker::resolve`].
//!
//! The target runs on meanwhile. A stretch is copied at once, in tens of nanoseconds, so the stack
//! is rebuilt from the copy alone ([`chain`]) and the thread state only confirms it. A stack that
//! cannot be confirmed is looked at again, and once more, and is then called torn.

mod frame_chain;
mod interpreter_heads;
mod reader;
mod thread_slot;

pub use frame_chain::Raw;
pub use thread_slot::Slot;

use crate::code::{Code, Codes};
use crate::linux::task;
use crate::memory::ReadError;
use crate::nesting;
use crate::python::{Interpreter, Python};
use crate::stop_the_world::World;
use frame_chain::Shapes;
use interpreter_heads::{Heads, Known};
use reader::Reader;
use std::sync::Arc;

/// Threads that are looked at, of all interpreters together.
const MOST_THREADS: usize = 1 << 14;
/// Attempts at one thread's stack after the first.
const AGAIN: u32 = 2;

/// What one look found, besides the threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// Threads whose stack was torn; they are in no look's result.
    pub torn: u32,
    /// Threads looked at more than once.
    pub repeated: u32,
    /// Threads have come or gone since the look before.
    pub changed: bool,
    /// Code objects known from earlier looks may be others by now: what was resolved must be
    /// resolved anew.
    pub stale: bool,
}

/// Looks at one process, again and again.
#[derive(Debug)]
pub struct Looker {
    python: Python,
    reader: Reader,
    slots: Vec<Slot>,
    /// Slots of one thread, for threads that have several: see [`crate::nesting`].
    nested: Vec<Vec<usize>>,
    heads: Heads,
    shapes: Shapes,
    looks: u64,
    /// The list of threads is read anew at the next look.
    relist: bool,
}

/// What a frame runs and where it is.
#[derive(Debug, Clone)]
pub struct Place {
    /// The code.
    pub code: Arc<Code>,
    /// The instruction, in code units.
    pub unit: u32,
    /// Its line, where it has one.
    pub line: Option<u32>,
}

impl Looker {
    /// Begins to look at `python`.
    ///
    /// # Errors
    /// The process ended or may not be read any more.
    pub fn new(python: Python) -> Result<Looker, ReadError> {
        let reader = Reader::new(python.offsets(), python.layout().thread_state.state);
        let mut looker = Looker {
            python,
            reader,
            slots: Vec::new(),
            nested: Vec::new(),
            heads: Heads::default(),
            shapes: Shapes::default(),
            looks: 0,
            relist: false,
        };
        looker.list()?;
        Ok(looker)
    }

    /// The target.
    #[must_use]
    pub fn python(&self) -> &Python {
        &self.python
    }

    /// The target, for a look of another kind in between.
    pub fn python_mut(&mut self) -> &mut Python {
        &mut self.python
    }

    /// The threads as the last look found them.
    #[must_use]
    pub fn threads(&self) -> &[Slot] {
        &self.slots
    }

    /// The interpreters, as the last thorough look found them.
    #[must_use]
    pub fn interpreters(&self) -> Vec<Interpreter> {
        self.heads.known.iter().map(|known| known.interpreter).collect()
    }

    /// Whether the last thorough look found the interpreter's collector at work.
    #[must_use]
    pub fn is_collecting(&self, interpreter: Interpreter) -> bool {
        self.heads.known.iter().any(|known| known.interpreter == interpreter && known.collecting)
    }

    /// The pause that the last thorough look found to hold the interpreter up, as [`Python::world`]
    /// tells it. Builds with the GIL have none.
    #[must_use]
    pub fn world(&self, interpreter: Interpreter) -> Option<World> {
        self.heads.known.iter().find(|known| known.interpreter == interpreter)?.world
    }

    /// Looks at every thread. A `thorough` look also reads what hardly ever changes (the
    /// interpreters, what code was destroyed, where C code entered Python) and threads that have
    /// long been at rest; at more than some thousand looks a second it is enough that some of them
    /// are.
    ///
    /// # Errors
    /// The process ended or may not be read any more.
    pub fn look(&mut self, thorough: bool) -> Result<Look, ReadError> {
        self.looks += 1;
        let mut look = Look::default();
        let memory = self.python.memory();
        if thorough || self.slots.is_empty() || self.relist {
            let heads = self.heads.pieces(&self.python);
            let whole = self.reader.fetch(memory, heads, &mut self.slots, thorough)?;
            let news = self.heads.take_in(&self.python, self.looks);
            if news.stale {
                look.stale = true;
                self.python.next_look();
                self.shapes.clear();
            }
            if news.list || !whole || std::mem::take(&mut self.relist) {
                look.changed = true;
                self.list()?;
                self.reader.fetch(self.python.memory(), Vec::new(), &mut self.slots, thorough)?;
            }
        } else {
            self.reader.fetch(memory, Vec::new(), &mut self.slots, thorough)?;
        }
        for slot in &mut self.slots {
            slot.attempt(&self.reader, &mut self.shapes, &self.python);
        }
        let mut gone = false;
        // Only now, for another attempt takes the place of the bytes read so far.
        for slot in &mut self.slots {
            let mut attempts = 0;
            while slot.is_open() && attempts < AGAIN {
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
            look.torn += u32::from(slot.is_open());
            gone |= slot.settle();
        }
        if gone || self.has_new_thread() {
            self.list()?;
            look.changed = true;
        }
        for group in &self.nested {
            let entered_last = group
                .iter()
                .copied()
                .max_by_key(|&index| self.python.entered(&self.slots[index].thread));
            for &index in group {
                self.slots[index].at_work = Some(index) == entered_last;
            }
        }
        Ok(look)
    }

    /// Asks the kernel whether a thread has ended and left its state behind, which no look shows.
    /// The next look drops it.
    pub fn drop_ended(&mut self) {
        let running = task::running(self.python.process().pid);
        let is_gone =
            |slot: &Slot| slot.thread.native_id != 0 && !running.contains(&slot.thread.native_id);
        self.relist |= self.slots.iter().any(is_gone);
    }

    /// What a frame runs, and its line. `None` where its code cannot be read or the instruction is
    /// not in it, as happens when the frame was another's by then: such a stack is torn.
    #[must_use]
    pub fn resolve(&self, frame: &Raw) -> Option<Place> {
        let walker = self.python.walker();
        let code = walker.codes.get(walker.memory, walker.offsets, frame.code, walker.look).ok()?;
        let copy =
            walker.offsets.interpreter_frame.tlbc_index.filter(|&at| at != 0).map(|_| frame.copy);
        let unit = Codes::unit(walker.memory, walker.offsets, &code, frame.pointer, copy)?;
        Some(Place { unit, line: code.line(unit), code })
    }

    /// The newest thread of an interpreter has another before it: one was started since.
    fn has_new_thread(&self) -> bool {
        self.slots.iter().any(|slot| {
            slot.before != 0 && self.slots.iter().all(|s| s.thread.address != slot.before)
        })
    }

    /// Takes up threads that are new and lets go of those that are not there any more.
    fn list(&mut self) -> Result<(), ReadError> {
        let mut slots = Vec::with_capacity(self.slots.len() + 1);
        let mut known_now = Vec::new();
        for interpreter in self.python.interpreters()? {
            let threads = self.python.threads(interpreter)?;
            let head = threads.first().map_or(0, |thread| thread.address);
            let known = self.heads.known.iter().find(|known| known.interpreter == interpreter);
            known_now
                .push(Known { head, ..known.copied().unwrap_or(Known::new(interpreter, head)) });
            for thread in threads {
                if slots.len() >= MOST_THREADS {
                    break;
                }
                let same = |slot: &Slot| {
                    slot.thread.address == thread.address
                        && slot.thread.listed_id == thread.listed_id
                };
                slots.push(match self.slots.iter().position(same) {
                    Some(known) => self.slots.swap_remove(known),
                    None => Slot::new(thread, interpreter.address),
                });
            }
        }
        self.nested = nesting::groups(slots.iter().map(|slot| slot.thread.own_id));
        self.slots = slots;
        self.slots.iter_mut().for_each(|slot| slot.at_work = true);
        self.heads.known = known_now;
        Ok(())
    }
}
