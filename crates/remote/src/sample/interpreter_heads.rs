//! State that rarely changes: the list of interpreters, their newest threads, whether code objects
//! were destroyed, whether a collector is running or a stop-the-world pause is in progress. A
//! thorough look reads it in the same call as the stacks.

use crate::memory::{Piece, word};
use crate::python::{Interpreter, Python};
use crate::stop_the_world::{STOP_THE_WORLD_SIZE, StopTheWorldState};

/// Last known state of an interpreter.
#[derive(Debug, Clone, Copy)]
pub(super) struct InterpreterHead {
    pub(super) interpreter: Interpreter,
    /// Address of the first thread in its list.
    pub(super) head: u64,
    /// Counter of destroyed code objects (3.14 and later).
    pub(super) generation: u64,
    /// Whether its collector was running.
    pub(super) collecting: bool,
    /// Stop-the-world state; `None` if unknown.
    pub(super) stop_the_world: Option<StopTheWorldState>,
}

impl InterpreterHead {
    pub(super) fn new(interpreter: Interpreter, head: u64) -> InterpreterHead {
        InterpreterHead {
            interpreter,
            head,
            generation: 0,
            collecting: false,
            stop_the_world: None,
        }
    }
}

/// State of all interpreters, and the buffer for reading it.
#[derive(Debug, Default)]
pub(super) struct InterpreterHeads {
    pub(super) known: Vec<InterpreterHead>,
    /// Address and length of each piece of `bytes`.
    ranges: Vec<(u64, usize)>,
    bytes: Vec<u8>,
}

/// Differences from the previous look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct HeadChanges {
    /// Interpreters or threads were added or removed.
    pub(super) list: bool,
    /// Code objects may have been replaced.
    pub(super) stale: bool,
}

impl InterpreterHeads {
    /// Returns the pieces to read, in the order that [`InterpreterHeads::update`] expects. The
    /// first one is the runtime's own.
    pub(super) fn pieces(&mut self, python: &Python) -> Vec<Piece<'_>> {
        let offsets = python.offsets();
        let at = &offsets.interpreter_state;
        self.ranges.clear();
        self.ranges.push((python.runtime() + offsets.runtime_state.interpreters_head, 8));
        for known in &self.known {
            let inside = |offset: u64| known.interpreter.address.saturating_add(offset);
            self.ranges.push((inside(at.threads_head), 8));
            // Without a counter of destroyed code (3.13), read something else in its place.
            self.ranges.push((inside(at.code_object_generation.unwrap_or(at.threads_head)), 8));
            self.ranges.push((inside(at.gc).saturating_add(offsets.gc.collecting), 8));
            if let Some((own, whole)) = python.stop_the_world_addresses(known.interpreter) {
                self.ranges.extend([(own, STOP_THE_WORLD_SIZE), (whole, STOP_THE_WORLD_SIZE)]);
            }
        }
        self.bytes.resize(self.ranges.iter().map(|(_, len)| len).sum(), 0);
        let mut rest = self.bytes.as_mut_slice();
        let piece = |&(address, len): &(u64, usize)| {
            let (into, after) = std::mem::take(&mut rest).split_at_mut(len);
            rest = after;
            Piece { address, into }
        };
        self.ranges.iter().map(piece).collect()
    }

    /// Parses the bytes that were read. `looks` is a number that differs in each look.
    pub(super) fn update(&mut self, python: &Python, looks: u64) -> HeadChanges {
        let mut rest = self.bytes.as_slice();
        let mut next = |len: usize| {
            let (bytes, after) = rest.split_at(len.min(rest.len()));
            rest = after;
            bytes
        };
        let first = word(next(8), 0);
        let mut changes = HeadChanges {
            list: self.known.first().is_none_or(|known| known.interpreter.address != first),
            stale: false,
        };
        let counts = python.offsets().interpreter_state.code_object_generation.is_some();
        for known in &mut self.known {
            let (head, generation, collecting) =
                (word(next(8), 0), word(next(8), 0), word(next(8), 0));
            known.stop_the_world = match python.stop_the_world_addresses(known.interpreter) {
                Some(_) => StopTheWorldState::parse_both(
                    next(STOP_THE_WORLD_SIZE),
                    next(STOP_THE_WORLD_SIZE),
                ),
                None => None,
            };
            // Without the counter, code objects are verified in every thorough look.
            let generation = if counts { generation } else { looks };
            changes.list |= head != known.head;
            changes.stale |= generation != known.generation;
            known.collecting = collecting & 0xffff_ffff != 0;
            (known.head, known.generation) = (head, generation);
        }
        changes
    }
}
