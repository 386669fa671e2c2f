//! Determines which locks a thread holds, and how reliable that information is.
//!
//! Most locks do not record their holder. A `with` statement keeps the lock on its frame's stack;
//! an `RLock`, a module's import lock and the locks of the package `ungil` have an owner field; a
//! critical section is in a list of its thread. The holder of a lock taken by a plain `acquire()`
//! is unknown.

use super::reader::LockReader;
use super::structures;
use super::types::ObjectKind;
use crate::frames::Frame;
use crate::memory::word;
use crate::python::Thread;
use crate::wait_target::WaitTarget;
use cpython_layout::structures::FUNCTION_CLOSURE;
use serde::Serialize;

/// Reliability of a holder, most reliable first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// The lock has an owner field.
    Owner,
    /// The lock is in the thread's list of critical sections.
    CriticalSection,
    /// The thread is inside a `with` statement of it.
    With,
    /// The holder is unknown.
    Unknown,
}

/// A lock held by a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Address of the object, as in `id()`.
    pub lock: u64,
    /// Kind of the object.
    pub target: WaitTarget,
    /// Name stored in the object: the module's for an import lock.
    pub name: Option<String>,
    /// Number of acquisitions.
    pub depth: u32,
    /// How the holder was determined.
    pub confidence: Confidence,
    /// Index of the frame that holds it, counted from the innermost; `None` if only the owner is
    /// known.
    pub frame: Option<usize>,
}

/// Maximum depth of nested context managers.
const MAX_NESTING: u32 = 8;
/// Maximum number of `ExitStack` callbacks, list elements and so on.
const MAX_ELEMENTS: usize = 256;
/// Number of slots in a block of a `deque` (`BLOCKLEN`, _collectionsmodule.c).
const BLOCK: u64 = 64;

impl LockReader<'_> {
    /// Returns the locks that a thread holds through `with` statements, innermost first. `frames`
    /// must be of the same moment for the result to be correct.
    pub fn holds(&mut self, thread: &Thread, frames: &[Frame]) -> Vec<Hold> {
        let mut holds: Vec<Hold> = Vec::new();
        let mut released: Vec<u64> = Vec::new();
        for (index, frame) in frames.iter().enumerate() {
            if let Some(lock) = self.released_by_wait(frame) {
                released.push(lock);
            }
            for (exit, manager) in self.managers(frame) {
                for hold in self.held_by(thread, exit, manager, MAX_NESTING) {
                    let hold = Hold { frame: Some(index), ..hold };
                    if hold.confidence != Confidence::Owner && released.contains(&hold.lock) {
                        continue;
                    }
                    match holds.iter().position(|known| known.lock == hold.lock) {
                        // Entered again further out: that is where it was taken first.
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

    /// Returns the lock that a `Condition.wait` in this frame has released and will take again. The
    /// waiting thread is still inside the `with` statement but does not hold the lock. Irrelevant
    /// for locks with an owner field, which is up to date.
    fn released_by_wait(&mut self, frame: &Frame) -> Option<u64> {
        if !self.is_in(frame, "threading.py", "Condition.wait") {
            return None;
        }
        let condition = self.local(frame, "self")?;
        self.attribute(condition, "_lock")
    }

    /// Returns the locks held by being inside a `with` statement of `manager`, whose `__exit__` is
    /// `exit`.
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
            ObjectKind::Lock => {
                return match self.is_locked(manager) {
                    Some(true) => vec![hold(manager, WaitTarget::Lock, 1, Confidence::With)],
                    _ => Vec::new(),
                };
            }
            ObjectKind::RLock => {
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
        let Some(code) = self.code_of(exit) else { return self.held_by_package(thread, manager) };
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
                let managers = self.exit_stack_managers(&callbacks.unwrap_or_default());
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

    /// Distinguishes `BoundedSemaphore`, which alone stores its initial value, from `Semaphore`.
    pub(super) fn semaphore_kind(&mut self, semaphore: u64) -> WaitTarget {
        match self.attribute(semaphore, "_initial_value") {
            Some(_) => WaitTarget::BoundedSemaphore,
            None => WaitTarget::Semaphore,
        }
    }

    /// Returns the capacity of a semaphore. A plain `Semaphore` does not store its initial value,
    /// so its capacity is larger than any number of threads. `None` if the object is not a
    /// semaphore.
    pub(crate) fn semaphore_capacity(&mut self, object: u64) -> Option<u64> {
        if self.tag(object) != ObjectKind::Other {
            return None;
        }
        let first = self
            .int_attribute(object, "_initial_value")
            .and_then(|value| u64::try_from(value).ok());
        Some(first.unwrap_or(u64::MAX))
    }

    /// Returns the context managers that an `ExitStack` will exit. Its callbacks are `(True, bound
    /// method)`.
    fn exit_stack_managers(&mut self, callbacks: &[u64]) -> Vec<(u64, u64)> {
        callbacks
            .iter()
            .rev()
            .filter_map(|&callback| {
                let exit = *self.objects.tuple(callback, 2).ok()?.get(1)?;
                (self.tag(exit) == ObjectKind::Bound).then_some(())?;
                Some((exit, self.bound_to(exit)?))
            })
            .collect()
    }

    fn list_len(&self, list: u64) -> Option<u32> {
        let len = self.memory().u64(list.checked_add(self.offsets().list_object.ob_size)?).ok()?;
        u32::try_from(len).ok()
    }

    /// Returns the first elements of a list.
    pub(crate) fn list(&self, list: u64) -> Vec<u64> {
        self.objects.list(list, MAX_ELEMENTS).unwrap_or_default()
    }

    /// Returns the values of a Python function's closure variables.
    pub(crate) fn closure(&self, function: u64) -> Vec<u64> {
        let at = function.saturating_add(self.header_size() + FUNCTION_CLOSURE);
        let cells = self
            .memory()
            .u64(at)
            .ok()
            .and_then(|tuple| self.objects.tuple(tuple, MAX_ELEMENTS as u64).ok());
        let content = |cell: u64| self.memory().u64(cell.checked_add(self.header_size())?).ok();
        cells.unwrap_or_default().into_iter().filter_map(content).collect()
    }

    /// Returns the elements of a `deque`: a list of blocks of 64 slots between two links, starting
    /// at an index in the first block (_collectionsmodule.c).
    pub(crate) fn deque(&mut self, deque: u64) -> Option<Vec<u64>> {
        if self.tag(deque) != ObjectKind::Deque {
            return None;
        }
        let bytes = self.memory().bytes::<40>(deque.checked_add(self.header_size())?).ok()?;
        let (len, mut block, mut index) = (word(&bytes, 0), word(&bytes, 8), word(&bytes, 24));
        let mut found = Vec::new();
        while (found.len() as u64) < len && found.len() < MAX_ELEMENTS {
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
