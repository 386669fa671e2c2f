//! State of one thread between looks: the memory ranges to read, and the stack of the last look.

mod plan;

use super::frame_chain::{
    EntryLinks, FrameShapes, FrameSource, RawFrame, StackHint, StackRebuilder,
};
use super::reader::{FrameHead, SampleOffsets, SampleReader};
use crate::memory::{half, word};
use crate::python::{Attachment, Python, Thread};

/// Number of unchanged looks after which the frames of a waiting thread are read in thorough looks
/// only.
const IDLE_LOOKS: u32 = 32;

/// A sampled thread.
#[derive(Debug)]
pub struct ThreadSlot {
    /// The thread state at the last look.
    pub thread: Thread,
    interpreter: u64,
    /// Address of the previous thread state in the interpreter's list, which is newer; 0 for the
    /// newest.
    pub(super) before: u64,
    pub(super) is_current: bool,
    frames: Vec<RawFrame>,
    kept: usize,
    seen: bool,
    unmoved: bool,
    rest: u32,
    path: Vec<RawFrame>,
    scratch: Vec<RawFrame>,
    generators: Vec<u64>,
    windows: Vec<ReadRange>,
    links: EntryLinks,
    ghost: Option<(u64, FrameHead)>,
    /// End of the memory chunk that holds the innermost frames.
    end: u64,
    state: SlotState,
    first: usize,
    last: usize,
    linked: usize,
    thorough: bool,
    skipped: bool,
    path_is_fresh: bool,
}

/// Progress of a slot within one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SlotState {
    /// Bytes are to be read or have been read.
    Read,
    /// A piece could not be read.
    Failed,
    /// The bytes did not contain the stack.
    Open,
    /// The stack was rebuilt.
    Found,
    /// The thread no longer exists.
    Gone,
}

/// A memory range that is read at once.
#[derive(Debug, Clone, Copy)]
struct ReadRange {
    address: u64,
    len: usize,
    from: usize,
}

impl ThreadSlot {
    pub(super) fn new(thread: Thread, interpreter: u64) -> ThreadSlot {
        ThreadSlot {
            thread,
            interpreter,
            before: 0,
            is_current: true,
            frames: Vec::new(),
            kept: 0,
            seen: false,
            unmoved: false,
            rest: 0,
            path: Vec::new(),
            scratch: Vec::new(),
            generators: Vec::new(),
            windows: Vec::new(),
            links: EntryLinks::default(),
            ghost: None,
            end: 0,
            state: SlotState::Read,
            first: 0,
            last: 0,
            linked: 0,
            thorough: false,
            skipped: false,
            path_is_fresh: false,
        }
    }

    /// Returns the frames at the last look, outermost first.
    #[must_use]
    pub fn frames(&self) -> &[RawFrame] {
        &self.frames
    }

    /// Returns how many frames, from the outermost on, are unchanged since the previous look: same
    /// code, same instruction.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// Returns whether the last look found the stack. Otherwise the stack was torn, and
    /// [`ThreadSlot::frames`] is an older one.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.seen
    }

    /// Returns whether this is the thread's current thread state; false if the thread has entered
    /// another interpreter.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.is_current
    }

    /// Returns whether all frames are unchanged since the previous look: same code, same
    /// instruction.
    #[must_use]
    pub fn is_unmoved(&self) -> bool {
        self.unmoved
    }

    /// Returns the number of successive looks that found the thread waiting at the same position.
    #[must_use]
    pub fn rest(&self) -> u32 {
        self.rest
    }

    pub(super) fn needs_retry(&self) -> bool {
        matches!(self.state, SlotState::Open | SlotState::Failed)
    }

    pub(super) fn fail(&mut self) {
        self.state = SlotState::Failed;
    }

    /// Assigns the positions of its pieces in the look's buffer.
    pub(super) fn lay_out(&mut self, at: &SampleOffsets, thorough: bool, total: &mut usize) {
        let mut position = |len: usize| {
            *total += len;
            *total - len
        };
        self.thorough = thorough;
        self.skipped = !thorough && self.rest >= IDLE_LOOKS;
        self.first = if at.clears { usize::MAX } else { position(at.state_len) };
        self.linked =
            position(if thorough { self.links.iter().count() * (at.previous + 8) } else { 0 });
        if !self.skipped {
            for window in &mut self.windows {
                window.from = position(window.len);
            }
        }
        self.last = position(at.state_len);
        self.state = SlotState::Read;
    }

    /// Returns the pieces, in the order of [`ThreadSlot::lay_out`].
    pub(super) fn pieces(&self, at: &SampleOffsets) -> impl Iterator<Item = (u64, usize)> + '_ {
        let state = (self.thread.address, at.state_len);
        let link_len = at.previous + 8;
        let links = self.links.iter().take(if self.thorough { usize::MAX } else { 0 });
        let windows = if self.skipped { &[] } else { self.windows.as_slice() };
        (!at.clears)
            .then_some(state)
            .into_iter()
            .chain(links.map(move |(address, _)| (address, link_len)))
            .chain(windows.iter().map(|window| (window.address, window.len)))
            .chain([state])
    }

    /// Rebuilds the stack from the look's bytes, if they contain it.
    pub(super) fn attempt(
        &mut self,
        reader: &SampleReader,
        shapes: &mut FrameShapes,
        python: &Python,
    ) {
        let at = &reader.at;
        if self.state == SlotState::Failed {
            self.forget();
            return;
        }
        let state = reader.bytes(self.last, at.state_len);
        if word(state, at.interp) != self.interpreter
            || half(state, at.native) != self.thread.listed_id
        {
            // The thread ended and its state may be reused, or the thread has only now started.
            self.state = SlotState::Gone;
            return;
        }
        self.before = word(state, at.prev);
        let attachment = Attachment::of(half(state, at.state));
        let current = word(state, at.current);
        let moved = current != self.thread.frame || attachment != self.thread.attachment;
        self.thread.ident = word(state, at.ident);
        self.thread.holds_gil = at.holds_gil.map(|offset| half(state, offset) != 0);
        (self.thread.frame, self.thread.attachment) = (current, attachment);
        if self.skipped {
            self.state = if moved { SlotState::Open } else { SlotState::Found };
            return;
        }
        if current == 0 {
            self.scratch.clear();
            self.state = SlotState::Found;
            return;
        }
        if self.thorough {
            self.drop_stale_links(reader);
        }
        let view = SlotBytes { reader, windows: &self.windows };
        let mut rebuild =
            StackRebuilder { view: &view, links: &self.links, shapes, memory: python.memory(), at };
        let found = if at.clears {
            let mut known = StackHint {
                path: &self.path,
                generators: &self.generators,
                current,
                end: self.end,
                path_is_fresh: self.path_is_fresh,
                ghost: self.ghost,
            };
            let found = rebuild.rebuild_upwards(&mut known, &mut self.scratch);
            self.ghost = known.ghost;
            found
        } else {
            let before = word(reader.bytes(self.first, at.state_len), at.current);
            rebuild.rebuild_common(before, current, &mut self.scratch)
        };
        self.state = if found { SlotState::Found } else { SlotState::Open };
    }

    /// Finishes the look: publishes the rebuilt stack. Returns whether the thread is gone.
    pub(super) fn finish(&mut self) -> bool {
        self.path_is_fresh = false;
        self.seen = self.state == SlotState::Found;
        if !self.seen {
            (self.unmoved, self.rest) = (false, 0);
            return self.state == SlotState::Gone;
        }
        if self.skipped {
            self.kept = self.frames.len();
            self.rest = self.rest.saturating_add(1);
            return false;
        }
        self.kept =
            self.frames.iter().zip(&self.scratch).take_while(|(old, new)| old.is_at(new)).count();
        let same = self.kept == self.frames.len() && self.kept == self.scratch.len();
        self.unmoved = same;
        let waits = self.thread.attachment == Attachment::Detached;
        self.rest = if same && waits { self.rest.saturating_add(1) } else { 0 };
        std::mem::swap(&mut self.frames, &mut self.scratch);
        if !same {
            self.path.clone_from(&self.frames);
            self.extend_range();
        }
        false
    }
}

/// Bytes of one thread in the current look.
struct SlotBytes<'a> {
    reader: &'a SampleReader,
    windows: &'a [ReadRange],
}

impl FrameSource for SlotBytes<'_> {
    fn head(&self, address: u64) -> Option<FrameHead> {
        let at = &self.reader.at;
        self.windows.iter().find_map(|window| {
            let offset = usize::try_from(address.checked_sub(window.address)?).ok()?;
            let inside = offset.checked_add(at.head_len)? <= window.len;
            inside.then(|| at.head(self.reader.bytes(window.from + offset, at.head_len)))
        })
    }
}
