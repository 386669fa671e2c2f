//! One thread between looks: where its frames were, what is read of it, and what came of it.

use super::frame_chain::{DEEPEST, Known, Links, Raw, Rebuild, Shapes, View};
use super::reader::{At, Head, Reader};
use crate::frames::{OWNED_BY_INTERPRETER, Window};
use crate::memory::{ReadError, half, word};
use crate::python::{Attachment, Python, Thread};

/// Bytes read beyond the innermost frame, where the frames that it calls will be.
const AHEAD: u64 = 1024;
/// Stretches of frames nearer to each other than this are read as one.
const NEAR: u64 = 2048;
/// A stretch longer than this is read in full only while its plan is made.
const LONGEST: u64 = 1 << 18;
/// A thread's first bytes that are believed to be its stack of frames.
const LARGEST_CHUNK: u64 = 1 << 26;
/// Looks without a change after which a waiting thread's frames are read in thorough looks only.
const AT_REST: u32 = 32;
/// Generators whose places are kept beyond those on the stack.
const SPARE: usize = 4;

/// A thread as looks find it.
#[derive(Debug)]
pub struct Slot {
    /// The thread, as its state was found by the last look.
    pub thread: Thread,
    interpreter: u64,
    /// The thread before it in its interpreter's list, which is newer; 0 for the newest.
    pub(super) before: u64,
    pub(super) at_work: bool,
    frames: Vec<Raw>,
    kept: usize,
    seen: bool,
    unmoved: bool,
    rest: u32,
    path: Vec<Raw>,
    scratch: Vec<Raw>,
    generators: Vec<u64>,
    windows: Vec<Stretch>,
    links: Links,
    ghost: Option<(u64, Head)>,
    /// Where the chunk of memory ends that holds the innermost frames.
    end: u64,
    state: Stage,
    first: usize,
    last: usize,
    linked: usize,
    thorough: bool,
    skipped: bool,
    again: bool,
}

/// Where a thread stands within one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its bytes are read or to be read.
    Read,
    /// A piece was not there.
    Failed,
    /// The bytes did not show its stack.
    Open,
    /// They did.
    Found,
    /// There is no such thread any more.
    Gone,
}

/// Memory that is read in one piece.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    address: u64,
    len: usize,
    from: usize,
}

impl Slot {
    pub(super) fn new(thread: Thread, interpreter: u64) -> Slot {
        Slot {
            thread,
            interpreter,
            before: 0,
            at_work: true,
            frames: Vec::new(),
            kept: 0,
            seen: false,
            unmoved: false,
            rest: 0,
            path: Vec::new(),
            scratch: Vec::new(),
            generators: Vec::new(),
            windows: Vec::new(),
            links: Links::default(),
            ghost: None,
            end: 0,
            state: Stage::Read,
            first: 0,
            last: 0,
            linked: 0,
            thorough: false,
            skipped: false,
            again: false,
        }
    }

    /// Its frames as the last look found them, the outermost first.
    #[must_use]
    pub fn frames(&self) -> &[Raw] {
        &self.frames
    }

    /// How many of the frames, from the outermost on, are as the look before found them: same code,
    /// same instruction.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// The last look found its stack; otherwise the stack was torn, and [`Slot::frames`] is an
    /// older one.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.seen
    }

    /// Returns whether the thread runs with this thread state; false where it has entered another
    /// interpreter.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        self.at_work
    }

    /// Returns whether the last look found all of its frames as the look before had: same code,
    /// same instruction.
    #[must_use]
    pub fn is_unmoved(&self) -> bool {
        self.unmoved
    }

    /// Looks in a row that found it waiting in the same place.
    #[must_use]
    pub fn rest(&self) -> u32 {
        self.rest
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, Stage::Open | Stage::Failed)
    }

    pub(super) fn fail(&mut self) {
        self.state = Stage::Failed;
    }

    /// Says where in the look's bytes its pieces will be.
    pub(super) fn lay_out(&mut self, at: &At, thorough: bool, total: &mut usize) {
        let mut place = |len: usize| {
            *total += len;
            *total - len
        };
        self.thorough = thorough;
        self.skipped = !thorough && self.rest >= AT_REST;
        self.first = if at.clears { usize::MAX } else { place(at.state_len) };
        self.linked =
            place(if thorough { self.links.iter().count() * (at.previous + 8) } else { 0 });
        if !self.skipped {
            for window in &mut self.windows {
                window.from = place(window.len);
            }
        }
        self.last = place(at.state_len);
        self.state = Stage::Read;
    }

    /// The pieces, in the order of [`Slot::lay_out`].
    pub(super) fn pieces(&self, at: &At) -> impl Iterator<Item = (u64, usize)> + '_ {
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

    /// Rebuilds the stack from the look's bytes, if they show it.
    pub(super) fn attempt(&mut self, reader: &Reader, shapes: &mut Shapes, python: &Python) {
        let at = &reader.at;
        if self.state == Stage::Failed {
            self.forget();
            return;
        }
        let state = reader.bytes(self.last, at.state_len);
        if word(state, at.interp) != self.interpreter
            || half(state, at.native) != self.thread.listed_id
        {
            // It ended, and may be another's by now; or it has only now begun to run.
            self.state = Stage::Gone;
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
            self.state = if moved { Stage::Open } else { Stage::Found };
            return;
        }
        if current == 0 {
            self.scratch.clear();
            self.state = Stage::Found;
            return;
        }
        if self.thorough {
            self.relink(reader);
        }
        let view = Bytes { reader, windows: &self.windows };
        let mut rebuild =
            Rebuild { view: &view, links: &self.links, shapes, memory: python.memory(), at };
        let found = if at.clears {
            let mut known = Known {
                path: &self.path,
                generators: &self.generators,
                current,
                end: self.end,
                again: self.again,
                ghost: self.ghost,
            };
            let found = rebuild.rise(&mut known, &mut self.scratch);
            self.ghost = known.ghost;
            found
        } else {
            let before = word(reader.bytes(self.first, at.state_len), at.current);
            rebuild.meet(before, current, &mut self.scratch)
        };
        self.state = if found { Stage::Found } else { Stage::Open };
    }

    /// Ends the look: what was found becomes what is shown. Tells whether the thread is gone.
    pub(super) fn settle(&mut self) -> bool {
        self.again = false;
        self.seen = self.state == Stage::Found;
        if !self.seen {
            (self.unmoved, self.rest) = (false, 0);
            return self.state == Stage::Gone;
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
            self.grow();
        }
        false
    }

    fn forget(&mut self) {
        self.windows.clear();
        self.links = Links::default();
        self.path.clear();
    }

    /// Moves the stretch that holds the innermost frame on with it.
    fn grow(&mut self) {
        let Some(leaf) = self.path.last().map(|raw| raw.address) else { return };
        let wanted = leaf.saturating_add(AHEAD / 2);
        let inside = |window: &&mut Stretch| {
            leaf >= window.address && leaf < window.address + window.len as u64
        };
        let end = self.end;
        if let Some(window) = self.windows.iter_mut().find(inside)
            && end > leaf
            && window.address + (window.len as u64) < wanted.min(end)
        {
            window.len = (wanted.saturating_add(AHEAD / 2).min(end) - window.address) as usize;
        }
    }

    /// Forgets trampolines that lead elsewhere than they did: if one of them is on the stack, that
    /// will not fit, and is walked.
    fn relink(&mut self, reader: &Reader) {
        let len = reader.at.previous + 8;
        let stale: Vec<u64> = self
            .links
            .iter()
            .enumerate()
            .filter(|(index, (_, outside))| {
                word(reader.bytes(self.linked + index * len, len), reader.at.previous) != *outside
            })
            .map(|(_, (trampoline, _))| trampoline)
            .collect();
        self.links.retain(|trampoline| !stale.contains(&trampoline));
    }

    /// Walks the stack frame by frame, to know where to read.
    pub(super) fn plan(
        &mut self,
        reader: &Reader,
        shapes: &mut Shapes,
        python: &Python,
    ) -> Result<(), ReadError> {
        let (at, memory) = (&reader.at, python.memory());
        self.forget();
        self.again = true;
        let read = |address: u64| match memory.u64(address) {
            Ok(word) => Ok(Some(word)),
            Err(error) if error.is_local() => Ok(None),
            Err(error) => Err(error),
        };
        let chunk = read(self.thread.address.saturating_add(at.chunk))?.unwrap_or(0);
        // struct _PyStackChunk: previous, size, top, data.
        let size =
            read(chunk.saturating_add(8))?.filter(|&size| size <= LARGEST_CHUNK).unwrap_or(0);
        self.end = chunk.saturating_add(size);
        let mut next = read(self.thread.address.saturating_add(at.current as u64))?.unwrap_or(0);
        let mut window = Window::default();
        let mut heads: Vec<(u64, Head)> = Vec::new();
        for _ in 0..DEEPEST {
            if next == 0 {
                break;
            }
            let Ok(bytes) = window.get(memory, next, at.head_len as u64) else { break };
            let head = at.head(bytes);
            if head.owner >= OWNED_BY_INTERPRETER {
                self.links.learn(next, head.previous);
            } else {
                heads.push((next, head));
            }
            next = head.previous;
        }
        let kept = self.generators.len().saturating_sub(SPARE);
        self.generators.drain(..kept);
        let mut addresses: Vec<(u64, u64)> = Vec::with_capacity(heads.len() + 2);
        let mut top = true;
        for &(address, head) in &heads {
            let room = match shapes.get(memory, at, head.code) {
                Some(shape) if head.owner == 0 && top => {
                    top = false;
                    shape.size() + AHEAD
                }
                _ => at.head_len as u64,
            };
            if head.owner != 0 && !self.generators.contains(&address) {
                self.generators.push(address);
            }
            let end = address.saturating_add(room);
            let inside = address >= chunk && address < self.end;
            addresses.push((
                address,
                if inside { end.min(self.end) } else { end.min(address + at.head_len as u64) },
            ));
        }
        addresses.extend(
            self.generators
                .iter()
                .map(|&address| (address, address.saturating_add(at.head_len as u64))),
        );
        addresses.sort_unstable();
        for (start, end) in addresses {
            match self.windows.last_mut() {
                Some(last)
                    if start <= last.address + last.len as u64 + NEAR
                        && end - last.address <= LONGEST =>
                {
                    last.len = last.len.max((end - last.address) as usize);
                }
                _ => self.windows.push(Stretch {
                    address: start,
                    len: (end - start) as usize,
                    from: 0,
                }),
            }
        }
        heads.reverse();
        self.path.extend(heads.iter().map(|&(address, head)| Raw {
            address,
            code: head.code,
            pointer: head.pointer,
            copy: head.copy,
            hidden: false,
        }));
        Ok(())
    }
}

/// A thread's bytes of one look.
struct Bytes<'a> {
    reader: &'a Reader,
    windows: &'a [Stretch],
}

impl View for Bytes<'_> {
    fn head(&self, address: u64) -> Option<Head> {
        let at = &self.reader.at;
        self.windows.iter().find_map(|window| {
            let offset = usize::try_from(address.checked_sub(window.address)?).ok()?;
            let inside = offset.checked_add(at.head_len)? <= window.len;
            inside.then(|| at.head(self.reader.bytes(window.from + offset, at.head_len)))
        })
    }
}
