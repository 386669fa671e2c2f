//! What changes seldom: which interpreters there are, their newest threads, whether code was
//! destroyed, whether a collector is at work or the world stopped. A thorough look reads it in the
//! same call as the stacks.

use crate::memory::{Piece, word};
use crate::python::{Interpreter, Python};
use crate::stop_the_world::{WORLD_BYTES, World};

/// An interpreter, and what was last seen of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) interpreter: Interpreter,
    /// First thread of its list.
    pub(super) head: u64,
    /// Counts code objects that were destroyed (3.14 and later).
    pub(super) generation: u64,
    /// Its collector was at work.
    pub(super) collecting: bool,
    /// The pause that holds it up; `None` where that is not known.
    pub(super) world: Option<World>,
}

impl Known {
    pub(super) fn new(interpreter: Interpreter, head: u64) -> Known {
        Known { interpreter, head, generation: 0, collecting: false, world: None }
    }
}

/// The interpreters, and the bytes that the look under way reads of them.
#[derive(Debug, Default)]
pub(super) struct Heads {
    pub(super) known: Vec<Known>,
    /// Where, how many bytes and, in `bytes`, from where on.
    places: Vec<(u64, usize)>,
    bytes: Vec<u8>,
}

/// What is different from the look before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Interpreters or threads have come or gone.
    pub(super) list: bool,
    /// Code may have been replaced.
    pub(super) stale: bool,
}

impl Heads {
    /// The pieces to read, in the order in which [`Heads::take_in`] expects them; the first is the
    /// runtime's own.
    pub(super) fn pieces(&mut self, python: &Python) -> Vec<Piece<'_>> {
        let offsets = python.offsets();
        let at = &offsets.interpreter_state;
        self.places.clear();
        self.places.push((python.runtime() + offsets.runtime_state.interpreters_head, 8));
        for known in &self.known {
            let inside = |offset: u64| known.interpreter.address.saturating_add(offset);
            self.places.push((inside(at.threads_head), 8));
            // Without a count of destroyed code (3.13) something is read that is there.
            self.places.push((inside(at.code_object_generation.unwrap_or(at.threads_head)), 8));
            self.places.push((inside(at.gc).saturating_add(offsets.gc.collecting), 8));
            if let Some((own, whole)) = python.world_places(known.interpreter) {
                self.places.extend([(own, WORLD_BYTES), (whole, WORLD_BYTES)]);
            }
        }
        self.bytes.resize(self.places.iter().map(|(_, len)| len).sum(), 0);
        let mut rest = self.bytes.as_mut_slice();
        let piece = |&(address, len): &(u64, usize)| {
            let (into, after) = std::mem::take(&mut rest).split_at_mut(len);
            rest = after;
            Piece { address, into }
        };
        self.places.iter().map(piece).collect()
    }

    /// Understands what was read. `looks` is a number that is another in each look.
    pub(super) fn take_in(&mut self, python: &Python, looks: u64) -> News {
        let mut rest = self.bytes.as_slice();
        let mut next = |len: usize| {
            let (bytes, after) = rest.split_at(len.min(rest.len()));
            rest = after;
            bytes
        };
        let first = word(next(8), 0);
        let mut news = News {
            list: self.known.first().is_none_or(|known| known.interpreter.address != first),
            stale: false,
        };
        let counts = python.offsets().interpreter_state.code_object_generation.is_some();
        for known in &mut self.known {
            let (head, generation, collecting) =
                (word(next(8), 0), word(next(8), 0), word(next(8), 0));
            known.world = match python.world_places(known.interpreter) {
                Some(_) => World::of(next(WORLD_BYTES), next(WORLD_BYTES)),
                None => None,
            };
            // Without the count, code is checked again in every thorough look.
            let generation = if counts { generation } else { looks };
            news.list |= head != known.head;
            news.stale |= generation != known.generation;
            known.collecting = collecting & 0xffff_ffff != 0;
            (known.head, known.generation) = (head, generation);
        }
        news
    }
}
