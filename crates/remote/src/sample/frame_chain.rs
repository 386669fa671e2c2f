//! Rebuilds a stack from the bytes of one look.

use super::reader::{FrameHead, SampleOffsets};
use crate::memory::{Memory, half, word};
use rustc_hash::FxHashMap;

/// Maximum number of frames per stack.
pub(super) const MAX_FRAMES: usize = crate::frames::MAX_FRAMES;
/// Maximum number of code objects whose shape is cached.
const MAX_SHAPES: usize = 1 << 17;

/// A frame as read in a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawFrame {
    /// Address of the frame.
    pub address: u64,
    /// Address of its code object.
    pub code: u64,
    /// Instruction pointer.
    pub pointer: u64,
    /// Index of the bytecode copy that contains `pointer`; 0 is the code's own bytecode.
    pub copy: u32,
    /// Whether it is an internal frame of the interpreter that no traceback shows.
    pub hidden: bool,
}

impl RawFrame {
    /// Returns whether both frames are at the same instruction of the same code.
    pub(super) fn is_at(&self, other: &RawFrame) -> bool {
        (self.code, self.pointer, self.copy) == (other.code, other.pointer, other.copy)
    }
}

/// Size and kind of the frames of a code object.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameShape {
    /// Distance in bytes from its frame to where the next frame would be.
    size: u64,
    hidden: bool,
}

impl FrameShape {
    pub(super) fn size(self) -> u64 {
        self.size
    }
}

/// Cache of frame shapes by code object.
#[derive(Debug, Default)]
pub(super) struct FrameShapes(FxHashMap<u64, FrameShape>);

impl FrameShapes {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn known(&self, code: u64) -> Option<FrameShape> {
        self.0.get(&code).copied()
    }

    /// Returns the shape for the code object at `code`; `None` if there is none.
    pub(super) fn get(
        &mut self,
        memory: &dyn Memory,
        at: &SampleOffsets,
        code: u64,
    ) -> Option<FrameShape> {
        if let Some(&shape) = self.0.get(&code) {
            return Some(shape);
        }
        let bytes = memory.vec(code, at.co_len, 4096).ok()?;
        // cpython/code.h: co_stacksize, co_firstlineno and co_nlocalsplus are adjacent in every
        // version.
        let slots = u64::from(half(&bytes, at.co_first_line + 4))
            + u64::from(half(&bytes, at.co_first_line.saturating_sub(4)));
        if slots > 1 << 20 {
            return None;
        }
        let shape = FrameShape {
            size: at.head_len as u64 + 8 * slots,
            // The frame that cleans up after `__init__` has code without a name.
            hidden: word(&bytes, at.co_qualname) == 0,
        };
        if self.0.len() >= MAX_SHAPES {
            self.0.clear();
        }
        self.0.insert(code, shape);
        Some(shape)
    }
}

/// Entries from C code into Python: the trampoline's address, and the address of the frame outside
/// it. Sorted by trampoline, because a stack may alternate between C and Python at every frame,
/// each of which then needs a lookup.
#[derive(Debug, Default, Clone)]
pub(super) struct EntryLinks(Vec<(u64, u64)>);

impl EntryLinks {
    pub(super) fn learn(&mut self, trampoline: u64, outside: u64) {
        match self.0.binary_search_by_key(&trampoline, |link| link.0) {
            Ok(known) => self.0[known].1 = outside,
            Err(place) if self.0.len() < MAX_FRAMES => self.0.insert(place, (trampoline, outside)),
            Err(_) => {}
        }
    }

    /// Returns the frame that `previous` leads to, skipping known trampolines.
    fn skip_trampolines(&self, previous: u64) -> u64 {
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

/// Access to the bytes of a look by address.
pub(super) trait FrameSource {
    /// Returns the header of the frame at `address`; `None` if its bytes were not read.
    fn head(&self, address: u64) -> Option<FrameHead>;
}

/// What is known about a thread's stack before it is rebuilt.
pub(super) struct StackHint<'a> {
    /// The last known stack, root first.
    pub(super) path: &'a [RawFrame],
    /// Known addresses of generator frames.
    pub(super) generators: &'a [u64],
    /// The thread's innermost frame, read after the bytes.
    pub(super) current: u64,
    /// End of the memory chunk that holds the thread's frames.
    pub(super) end: u64,
    /// The path was just read, so a mismatch is not due to missing information.
    pub(super) path_is_fresh: bool,
    /// A frame above the innermost one that looks alive but is not on the stack: it was there when
    /// the path was just read.
    pub(super) ghost: Option<(u64, FrameHead)>,
}

/// Inputs for rebuilding a stack.
pub(super) struct StackRebuilder<'a, V> {
    pub(super) view: &'a V,
    pub(super) links: &'a EntryLinks,
    pub(super) shapes: &'a mut FrameShapes,
    pub(super) memory: &'a dyn Memory,
    pub(super) at: &'a SampleOffsets,
}

impl<V: FrameSource> StackRebuilder<'_, V> {
    /// Rebuilds the stack upwards from its root, for versions in which frames that ended have no
    /// code (3.14 and later): the known path as far as its frames are alive, followed by all live
    /// frames above.
    ///
    /// Returns `false` if the bytes do not contain the whole stack.
    pub(super) fn rebuild_upwards(
        &mut self,
        known: &mut StackHint<'_>,
        into: &mut Vec<RawFrame>,
    ) -> bool {
        into.clear();
        let (mut below, mut top) = (0, 0);
        for old in known.path {
            let Some(head) = self.view.head(old.address) else { return false };
            if head.code == 0 || self.links.skip_trampolines(head.previous) != below {
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
        while !into.is_empty() && into.len() < MAX_FRAMES {
            let next = match self.view.head(top).filter(|head| head.code != 0 && head.owner == 0) {
                Some(head) if self.links.skip_trampolines(head.previous) == below => {
                    Some((top, head))
                }
                // The frame is alive but its caller is unknown: C code, or a generator that was not
                // seen before.
                Some(head)
                    if self.shapes.known(head.code).is_some()
                        && known.ghost != Some((top, head)) =>
                {
                    if !known.path_is_fresh {
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
        // The thread's innermost frame a moment later must be on the rebuilt stack, or have been
        // pushed on top of it meanwhile.
        let current = self.links.skip_trampolines(known.current);
        let pushed = top != 0 && current >= top && current < known.end && !known.path_is_fresh;
        if current == 0 {
            return into.is_empty();
        }
        pushed || into.iter().rev().any(|raw| raw.address == current)
    }

    /// Returns a known generator frame that is running and was called by the frame `below`.
    fn generator(&self, known: &[u64], below: u64, on: &[RawFrame]) -> Option<(u64, FrameHead)> {
        known.iter().find_map(|&address| {
            let head = self.view.head(address)?;
            let runs = head.code != 0
                && head.owner != 0
                && self.links.skip_trampolines(head.previous) == below;
            (runs && on.iter().all(|raw| raw.address != address)).then_some((address, head))
        })
    }

    fn push(
        &mut self,
        address: u64,
        head: FrameHead,
        top: &mut u64,
        into: &mut Vec<RawFrame>,
    ) -> bool {
        let Some(shape) = self.shapes.get(self.memory, self.at, head.code) else { return false };
        if head.owner == 0 {
            *top = address.saturating_add(shape.size);
        }
        let FrameHead { code, pointer, copy, .. } = head;
        into.push(RawFrame { address, code, pointer, copy, hidden: shape.hidden });
        true
    }

    /// Rebuilds the stack in versions where ended frames look like live ones (3.13): the frames
    /// that are on the stack both before and after the bytes were read. Time in functions shorter
    /// than that is attributed to their caller.
    pub(super) fn rebuild_common(
        &mut self,
        before: u64,
        after: u64,
        into: &mut Vec<RawFrame>,
    ) -> bool {
        into.clear();
        if !self.walk(before, into) {
            return false;
        }
        if before != after {
            let mut second = Vec::new();
            if !self.walk(after, &mut second) {
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

    fn walk(&mut self, from: u64, into: &mut Vec<RawFrame>) -> bool {
        let mut next = self.links.skip_trampolines(from);
        let mut top = 0;
        while next != 0 {
            if into.len() >= MAX_FRAMES {
                return false;
            }
            let Some(head) = self.view.head(next) else { return false };
            if !self.push(next, head, &mut top, into) {
                return false;
            }
            next = self.links.skip_trampolines(head.previous);
        }
        into.reverse();
        true
    }
}
