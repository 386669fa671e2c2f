//! What a thread holds, and how surely that is known.
//!
//! Most locks do not say who has them. A `with` statement does, on its frame's stack; an `RLock`, a
//! module's import lock and the locks of the package `ungil` have an owner; a critical section is
//! in a list of its thread's. A lock taken by `acquire()` and no more is held by somebody who
//! cannot be named.

use super::reader::Reader;
use super::structures;
use super::types::Tag;
use crate::frames::Frame;
use crate::memory::word;
use crate::python::Thread;
use crate::wait_target::WaitTarget;
use cpython_layout::structures::FUNCTION_CLOSURE;
use serde::Serialize;

/// How surely a holder is known, surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// The lock says so itself.
    Owner,
    /// The thread has it in its list of critical sections.
    CriticalSection,
    /// The thread is inside a `with` of it.
    With,
    /// It cannot be told.
    Unknown,
}

/// Something a thread holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The object, as `id()` has it.
    pub lock: u64,
    /// What it is.
    pub target: WaitTarget,
    /// What it calls itself: a module's name for an import lock.
    pub name: Option<String>,
    /// How often it was acquired.
    pub depth: u32,
    /// How surely this is known.
    pub confidence: Confidence,
    /// The frame that holds it, counted from the innermost; `None` where the lock's owner is all
    /// that is known.
    pub frame: Option<usize>,
}

/// Managers inside managers that are followed.
const NESTED: u32 = 8;
/// Callbacks of one `ExitStack` that are looked at.
const MOST: usize = 256;
/// Slots of a block of a `deque` (`BLOCKLEN`, _collectionsmodule.c).
const BLOCK: u64 = 64;

impl Reader<'_> {
    /// What the thread with these frames holds through `with` statements, innermost first. `frames`
    /// must be those of the same moment as far as they are to be believed.
    pub fn holds(&mut self, thread: &Thread, frames: &[Frame]) -> Vec<Hold> {
        let mut holds: Vec<Hold> = Vec::new();
        let mut released: Vec<u64> = Vec::new();
        for (index, frame) in frames.iter().enumerate() {
            if let Some(lock) = self.released_by_wait(frame) {
                released.push(lock);
            }
            for (exit, manager) in self.managers(frame) {
                for hold in self.held_by(thread, exit, manager, NESTED) {
                    let hold = Hold { frame: Some(index), ..hold };
                    if hold.confidence != Confidence::Owner && released.contains(&hold.lock) {
                        continue;
                    }
                    match holds.iter().position(|known| known.lock == hold.lock) {
                        // Entered again further out: there it was taken first.
                        Some(known) => {
                            let known = holds.remove(known);
                            holds.push(Hold { frame: hold.frame, ..known });
                        }
                        None => holds.push(hold),
                    }
                }
            }
        }
        holds
    }

    /// The lock that a `Condition.wait` in this frame has let go of and will take back: whoever
    /// waits there is still inside the `with`, but does not hold it. For a lock with an owner the
    /// owner says so itself.
    fn released_by_wait(&mut self, frame: &Frame) -> Option<u64> {
        if !self.is_in(frame, "threading.py", "Condition.wait") {
            return None;
        }
        let condition = self.local(frame, "self")?;
        self.attribute(condition, "_lock")
    }

    /// What is held by being inside a `with` of `manager`, whose end calls `exit`.
    fn held_by(&mut self, thread: &Thread, exit: u64, manager: u64, nested: u32) -> Vec<Hold> {
        let hold = |lock, target, depth, confidence| Hold {
            lock,
            target,
            name: None,
            depth,
            confidence,
            frame: None,
        };
        match self.tag(manager) {
            Tag::Lock => {
                return match self.is_locked(manager) {
                    Some(true) => vec![hold(manager, WaitTarget::Lock, 1, Confidence::With)],
                    _ => Vec::new(),
                };
            }
            Tag::RLock => {
                return match self.recursive(manager) {
                    Some(found) if found.owner == thread.ident && found.owner != 0 => {
                        vec![hold(manager, WaitTarget::RLock, found.depth, Confidence::Owner)]
                    }
                    _ => Vec::new(),
                };
            }
            _ => {}
        }
        if nested == 0 {
            return Vec::new();
        }
        let Some(code) = self.code_of(exit) else { return self.held_ungil(thread, manager) };
        let standard = |file| self.is_standard(&code, file);
        match code.qualname.as_str() {
            "Condition.__exit__" if standard("threading.py") => {
                let Some(lock) = self.attribute(manager, "_lock") else { return Vec::new() };
                self.held_by(thread, 0, lock, nested - 1)
            }
            "Semaphore.__exit__" if standard("threading.py") => {
                let target = self.semaphore_kind(manager);
                vec![hold(manager, target, 1, Confidence::With)]
            }
            "_RLock.__exit__" if standard("threading.py") => {
                let owner = self.int_attribute(manager, "_owner").map(i64::cast_unsigned);
                if owner != Some(thread.ident) {
                    return Vec::new();
                }
                let depth = self
                    .int_attribute(manager, "_count")
                    .and_then(|count| u32::try_from(count).ok());
                vec![hold(manager, WaitTarget::RLock, depth.unwrap_or(1), Confidence::Owner)]
            }
            "_ModuleLockManager.__exit__" if code.file == structures::BOOTSTRAP => {
                let Some(lock) = self.attribute(manager, "_lock") else { return Vec::new() };
                if self.int_attribute(lock, "owner").map(i64::cast_unsigned) != Some(thread.ident) {
                    return Vec::new();
                }
                let depth = self.attribute(lock, "count").and_then(|list| self.list_len(list));
                let name =
                    self.attribute(lock, "name").and_then(|name| self.objects.text(name).ok());
                vec![Hold {
                    name,
                    ..hold(lock, WaitTarget::ImportLock, depth.unwrap_or(1), Confidence::Owner)
                }]
            }
            "_GeneratorContextManager.__exit__" if standard("contextlib.py") => {
                let frame = self
                    .attribute(manager, "gen")
                    .and_then(|generator| self.generator_frame(generator));
                let managers = frame.map(|frame| self.managers(&frame)).unwrap_or_default();
                self.all_held_by(thread, managers, nested)
            }
            "ExitStack.__exit__" if standard("contextlib.py") => {
                let callbacks =
                    self.attribute(manager, "_exit_callbacks").and_then(|deque| self.deque(deque));
                let managers = self.pushed(&callbacks.unwrap_or_default());
                self.all_held_by(thread, managers, nested)
            }
            _ => Vec::new(),
        }
    }

    fn all_held_by(
        &mut self,
        thread: &Thread,
        managers: Vec<(u64, u64)>,
        nested: u32,
    ) -> Vec<Hold> {
        managers
            .into_iter()
            .flat_map(|(exit, manager)| self.held_by(thread, exit, manager, nested - 1))
            .collect()
    }

    /// `Semaphore`, or `BoundedSemaphore`, which alone knows what it began with.
    pub(super) fn semaphore_kind(&mut self, semaphore: u64) -> WaitTarget {
        match self.attribute(semaphore, "_initial_value") {
            Some(_) => WaitTarget::BoundedSemaphore,
            None => WaitTarget::Semaphore,
        }
    }

    /// How many threads can be inside a semaphore, where it says so (a `BoundedSemaphore`); a plain
    /// one does not know how many it let in at first, so more than there are. `None` for what is no
    /// semaphore.
    pub(crate) fn places(&mut self, object: u64) -> Option<u64> {
        if self.tag(object) != Tag::Other {
            return None;
        }
        let first = self
            .int_attribute(object, "_initial_value")
            .and_then(|value| u64::try_from(value).ok());
        Some(first.unwrap_or(u64::MAX))
    }

    /// The managers an `ExitStack` will leave: its callbacks are `(True, bound method)`.
    fn pushed(&mut self, callbacks: &[u64]) -> Vec<(u64, u64)> {
        callbacks
            .iter()
            .rev()
            .filter_map(|&callback| {
                let exit = *self.objects.tuple(callback, 2).ok()?.get(1)?;
                (self.tag(exit) == Tag::Bound).then_some(())?;
                Some((exit, self.bound_to(exit)?))
            })
            .collect()
    }

    fn list_len(&self, list: u64) -> Option<u32> {
        let len = self.memory().u64(list.checked_add(self.offsets().list_object.ob_size)?).ok()?;
        u32::try_from(len).ok()
    }

    /// The first elements of a list.
    pub(crate) fn list(&self, list: u64) -> Vec<u64> {
        self.objects.list(list, MOST).unwrap_or_default()
    }

    /// What the variables of a Python function's closure are.
    pub(crate) fn closure(&self, function: u64) -> Vec<u64> {
        let at = function.saturating_add(self.head() + FUNCTION_CLOSURE);
        let cells = self
            .memory()
            .u64(at)
            .ok()
            .and_then(|tuple| self.objects.tuple(tuple, MOST as u64).ok());
        let content = |cell: u64| self.memory().u64(cell.checked_add(self.head())?).ok();
        cells.unwrap_or_default().into_iter().filter_map(content).collect()
    }

    /// The elements of a `deque`: blocks of 64 slots between two links, from an index in the first
    /// on (_collectionsmodule.c).
    pub(crate) fn deque(&mut self, deque: u64) -> Option<Vec<u64>> {
        if self.tag(deque) != Tag::Deque {
            return None;
        }
        let bytes = self.memory().bytes::<40>(deque.checked_add(self.head())?).ok()?;
        let (len, mut block, mut index) = (word(&bytes, 0), word(&bytes, 8), word(&bytes, 24));
        let mut found = Vec::new();
        while (found.len() as u64) < len && found.len() < MOST {
            if index >= BLOCK {
                block = self.memory().u64(block.checked_add(8 * (BLOCK + 1))?).ok()?;
                index = 0;
            }
            found.push(self.memory().u64(block.checked_add(8 * (index + 1))?).ok()?);
            index += 1;
        }
        Some(found)
    }
}
