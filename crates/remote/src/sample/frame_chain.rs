//! A stack rebuilt from the bytes of one look.

use super::reader::{At, Head};
use crate::memory::{Memory, half, word};
use rustc_hash::FxHashMap;

/// Frames of one stack.
pub(super) const DEEPEST: usize = crate::frames::DEEPEST;
/// Code objects whose shape is kept.
const MOST_SHAPES: usize = 1 << 17;

/// A frame as a look found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw {
    /// Where it is.
    pub address: u64,
    /// The code object it runs.
    pub code: u64,
    /// Its instruction.
    pub pointer: u64,
    /// Which copy of the code's instructions that is in; 0 is the code's own.
    pub copy: u32,
    /// Made by the interpreter for itself: it is on no stack a user sees.
    pub hidden: bool,
}

impl Raw {
    /// The same code at the same instruction.
    pub(super) fn is_at(&self, other: &Raw) -> bool {
        (self.code, self.pointer, self.copy) == (other.code, other.pointer, other.copy)
    }
}

/// How much room frames of a code object take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Bytes from its frame to where the next one would be.
    size: u64,
    hidden: bool,
}

impl Shape {
    pub(super) fn size(self) -> u64 {
        self.size
    }
}

/// The shapes known.
#[derive(Debug, Default)]
pub(super) struct Shapes(FxHashMap<u64, Shape>);

impl Shapes {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn known(&self, code: u64) -> Option<Shape> {
        self.0.get(&code).copied()
    }

    /// The shape of the code object at `code`; `None` where there is none.
    pub(super) fn get(&mut self, memory: &dyn Memory, at: &At, code: u64) -> Option<Shape> {
        if let Some(&shape) = self.0.get(&code) {
            return Some(shape);
        }
        let bytes = memory.vec(code, at.co_len, 4096).ok()?;
        // cpython/code.h: co_stacksize, co_firstlineno and co_nlocalsplus are neighbours in every
        // version.
        let slots = u64::from(half(&bytes, at.co_first_line + 4))
            + u64::from(half(&bytes, at.co_first_line.saturating_sub(4)));
        if slots > 1 << 20 {
            return None;
        }
        let shape = Shape {
            size: at.head_len as u64 + 8 * slots,
            // What cleans up after `__init__` is a frame whose code has no name.
            hidden: word(&bytes, at.co_qualname) == 0,
        };
        if self.0.len() >= MOST_SHAPES {
            self.0.clear();
        }
        self.0.insert(code, shape);
        Some(shape)
    }
}

/// Where C code entered Python: the trampoline's address, and the address of the frame outside of
/// it. Sorted by the first, for a stack may alternate between C and Python all the way: each frame
/// then looks one up.
#[derive(Debug, Default, Clone)]
pub(super) struct Links(Vec<(u64, u64)>);

impl Links {
    pub(super) fn learn(&mut self, trampoline: u64, outside: u64) {
        match self.0.binary_search_by_key(&trampoline, |link| link.0) {
            Ok(known) => self.0[known].1 = outside,
            Err(place) if self.0.len() < DEEPEST => self.0.insert(place, (trampoline, outside)),
            Err(_) => {}
        }
    }

    /// The frame that `previous` leads to, past trampolines; `None` where it leads to no known one.
    fn outside(&self, previous: u64) -> u64 {
        let mut to = previous;
        for _ in 0..4 {
            match self.0.binary_search_by_key(&to, |link| link.0) {
                Ok(known) => to = self.0[known].1,
                Err(_) => break,
            }
        }
        to
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn retain(&mut self, keep: impl Fn(u64) -> bool) {
        self.0.retain(|link| keep(link.0));
    }
}

/// The bytes of a look, by the addresses they are from.
pub(super) trait View {
    /// The head of the frame at `address`; `None` where those bytes were not read.
    fn head(&self, address: u64) -> Option<Head>;
}

/// What is known of a thread's stack before it is rebuilt.
pub(super) struct Known<'a> {
    /// The stack as it was, root first.
    pub(super) path: &'a [Raw],
    /// Where frames of generators were.
    pub(super) generators: &'a [u64],
    /// The thread's innermost frame, read after the bytes.
    pub(super) current: u64,
    /// Where the thread's stack of frames can grow to.
    pub(super) end: u64,
    /// The path is fresh: what does not fit now is not for want of knowledge.
    pub(super) again: bool,
    /// What looks like a living frame and is on no stack: it was there, above the innermost frame,
    /// when the path was fresh.
    pub(super) ghost: Option<(u64, Head)>,
}

/// What rebuilding needs.
pub(super) struct Rebuild<'a, V> {
    pub(super) view: &'a V,
    pub(super) links: &'a Links,
    pub(super) shapes: &'a mut Shapes,
    pub(super) memory: &'a dyn Memory,
    pub(super) at: &'a At,
}

impl<V: View> Rebuild<'_, V> {
    /// Rebuilds the stack upwards from its root, where frames that ended have no code (3.14 and
    /// later): the known path as far as it still lives, and then whatever lives above.
    ///
    /// False where the bytes do not show it whole.
    pub(super) fn rise(&mut self, known: &mut Known<'_>, into: &mut Vec<Raw>) -> bool {
        into.clear();
        let (mut below, mut top) = (0, 0);
        for old in known.path {
            let Some(head) = self.view.head(old.address) else { return false };
            if head.code == 0 || self.links.outside(head.previous) != below {
                break;
            }
            if !self.push(old.address, head, &mut top, into) {
                return false;
            }
            below = old.address;
            if head.code != old.code {
                break;
            }
        }
        while !into.is_empty() && into.len() < DEEPEST {
            let next = match self.view.head(top).filter(|head| head.code != 0 && head.owner == 0) {
                Some(head) if self.links.outside(head.previous) == below => Some((top, head)),
                // It lives, and what it was called from is not known: C code, or a generator not
                // seen before.
                Some(head)
                    if self.shapes.known(head.code).is_some()
                        && known.ghost != Some((top, head)) =>
                {
                    if !known.again {
                        return false;
                    }
                    known.ghost = Some((top, head));
                    self.generator(known.generators, below, into)
                }
                _ => self.generator(known.generators, below, into),
            };
            let Some((address, head)) = next else { break };
            if !self.push(address, head, &mut top, into) {
                return false;
            }
            below = address;
        }
        // The thread's innermost frame a moment later is on the stack found, or was put on top of
        // it meanwhile.
        let current = self.links.outside(known.current);
        let pushed = top != 0 && current >= top && current < known.end && !known.again;
        if current == 0 {
            return into.is_empty();
        }
        pushed || into.iter().rev().any(|raw| raw.address == current)
    }

    /// A generator among those known that runs and was called by the frame `below`.
    fn generator(&self, known: &[u64], below: u64, on: &[Raw]) -> Option<(u64, Head)> {
        known.iter().find_map(|&address| {
            let head = self.view.head(address)?;
            let runs =
                head.code != 0 && head.owner != 0 && self.links.outside(head.previous) == below;
            (runs && on.iter().all(|raw| raw.address != address)).then_some((address, head))
        })
    }

    fn push(&mut self, address: u64, head: Head, top: &mut u64, into: &mut Vec<Raw>) -> bool {
        let Some(shape) = self.shapes.get(self.memory, self.at, head.code) else { return false };
        if head.owner == 0 {
            *top = address.saturating_add(shape.size);
        }
        let Head { code, pointer, copy, .. } = head;
        into.push(Raw { address, code, pointer, copy, hidden: shape.hidden });
        true
    }

    /// Rebuilds the stack where a frame that ended looks like one that lives (3.13): what is on it
    /// both before and after the bytes were read. Functions shorter than that are seen as their
    /// caller's time.
    pub(super) fn meet(&mut self, before: u64, after: u64, into: &mut Vec<Raw>) -> bool {
        into.clear();
        if !self.descend(before, into) {
            return false;
        }
        if before != after {
            let mut second = Vec::new();
            if !self.descend(after, &mut second) {
                return false;
            }
            let same = into
                .iter()
                .zip(&second)
                .take_while(|(one, other)| one.address == other.address)
                .count();
            into.truncate(same);
            if into.is_empty() {
                return false;
            }
        }
        true
    }

    fn descend(&mut self, from: u64, into: &mut Vec<Raw>) -> bool {
        let mut next = self.links.outside(from);
        let mut top = 0;
        while next != 0 {
            if into.len() >= DEEPEST {
                return false;
            }
            let Some(head) = self.view.head(next) else { return false };
            if !self.push(next, head, &mut top, into) {
                return false;
            }
            next = self.links.outside(head.previous);
        }
        into.reverse();
        true
    }
}
