//! What a thread waits for, as the program knows it.
//!
//! `Queue.get()` sleeps in `Condition.wait()`, which sleeps on a bare lock made for that one wait.
//! Frames tell them apart: the functions of the standard library are known by file and name, their
//! objects by the local `self`, and a frame is believed only if the lock slept on is the one it
//! would sleep on.

use super::reader::Reader;
use super::types::Tag;
use crate::frames::{Frame, TAGS};
use crate::memory::word;
use crate::parking::{Blocked, BlockedOn};
use crate::python::Thread;
use crate::wait_target::{Releaser, WaitTarget, WaitedObject};

/// The file of the import system's frozen code.
pub(super) const BOOTSTRAP: &str = "<frozen importlib._bootstrap>";
/// Slots of the innermost frame that are looked through for the object waited for.
const MOST_SLOTS: u32 = 256;

impl Reader<'_> {
    /// Returns what `thread`, found blocked with these frames (innermost first), waits for.
    pub fn waited_object(
        &mut self,
        thread: &Thread,
        blocked: &Blocked,
        frames: &[Frame],
    ) -> WaitedObject {
        match blocked.on {
            BlockedOn::Gil(gil) => {
                WaitedObject::new(gil, WaitTarget::Gil, Releaser::GilHolder(gil))
            }
            BlockedOn::StopTheWorld => {
                WaitedObject::new(thread.address, WaitTarget::StopTheWorld, Releaser::Requester)
            }
            BlockedOn::Parked(address) => self.parked(thread, address, frames),
            BlockedOn::Futex(address) => self.futex(address, frames),
            BlockedOn::Package(address) => self.package_object(address, frames),
        }
    }

    fn parked(&mut self, thread: &Thread, address: u64, frames: &[Frame]) -> WaitedObject {
        let object = address.wrapping_sub(self.head());
        match self.tag(object) {
            Tag::Lock => {
                return self.library(Some(object), frames).unwrap_or_else(|| {
                    WaitedObject::new(object, WaitTarget::Lock, Releaser::WithBlock)
                });
            }
            Tag::RLock => return self.rlock(object),
            Tag::SimpleQueue => {
                return WaitedObject::new(object, WaitTarget::SimpleQueue, Releaser::Anyone);
            }
            _ => {}
        }
        if let Some(offset) = self.offsets().build.object_mutex {
            let object = address.wrapping_sub(offset);
            if let Some(name) = self.type_name(object) {
                return WaitedObject::new(
                    object,
                    WaitTarget::ObjectMutex(name),
                    Releaser::CriticalSection(address),
                );
            }
        }
        if let Some(known) = self.of_runtime(address, thread.interpreter_state) {
            return known;
        }
        if let Some(known) = self.library(None, frames).or_else(|| self.handle(address, frames)) {
            return known;
        }
        if let Some(object) = self.inside(address, frames) {
            return self.inside_of(object);
        }
        WaitedObject::new(address, WaitTarget::UNNAMED_MUTEX, Releaser::Unrecorded)
    }

    /// A thread waited for below `Thread.join`: by its handle, or at the end of the program, when
    /// the main thread waits for all that are no daemons.
    fn handle(&mut self, address: u64, frames: &[Frame]) -> Option<WaitedObject> {
        let ident = self.ending(address)?;
        let first = frames.first()?;
        if self.is_in(first, "threading.py", "_shutdown") {
            return Some(WaitedObject::new(
                address,
                WaitTarget::ThreadEnd,
                Releaser::Ending(ident),
            ));
        }
        let handle = address.wrapping_sub(cpython_layout::structures::ThreadHandle::EXITING);
        let object = self.slots(frames).into_iter().find(|&object| {
            self.type_name(object).is_some_and(|name| name.as_ref() == "_thread._ThreadHandle")
                && self.handle_of(object) == Some(handle)
        })?;
        Some(WaitedObject::new(object, WaitTarget::ThreadEnd, Releaser::Ending(ident)))
    }

    fn rlock(&mut self, object: u64) -> WaitedObject {
        let owner = self.recursive(object).map_or(0, |found| found.owner);
        WaitedObject::new(object, WaitTarget::RLock, Releaser::Owner(owner))
    }

    /// A futex that is not in the parking lot: 3.13 has threads wait for an `RLock` in a semaphore,
    /// and C code has its own.
    fn futex(&mut self, address: u64, frames: &[Frame]) -> WaitedObject {
        for object in self.slots(frames) {
            // `Condition` calls methods that are bound to its lock.
            let object = if self.tag(object) == Tag::Bound {
                self.bound_to(object).unwrap_or(object)
            } else {
                object
            };
            match self.tag(object) {
                Tag::RLock if self.semaphore_of(object) == Some(address) => {
                    return self.rlock(object);
                }
                Tag::Lock if self.semaphore_of(object) == Some(address) => {
                    return self.library(Some(object), frames).unwrap_or_else(|| {
                        WaitedObject::new(object, WaitTarget::Lock, Releaser::WithBlock)
                    });
                }
                _ => {}
            }
        }
        if let Some(known) = self.library(None, frames) {
            return known;
        }
        // A `PyThread_type_lock`, to which the object that it protects has a pointer: zlib's,
        // lzma's and bz2's until 3.14.
        match self.slots(frames).into_iter().find(|&object| self.words(object).contains(&address)) {
            Some(object) => self.inside_of(object),
            None => WaitedObject::new(address, WaitTarget::Futex, Releaser::Anyone),
        }
    }

    /// A structure of the standard library. `lock` is the lock slept on, if it is one.
    fn library(&mut self, lock: Option<u64>, frames: &[Frame]) -> Option<WaitedObject> {
        let first = frames.first()?;
        let own = |reader: &mut Self, frame: &Frame| reader.local(frame, "self");
        if self.is_in(first, "threading.py", "Thread.join") {
            let joined = own(self, first)?;
            let ident = self.int_attribute(joined, "_ident").map_or(0, i64::cast_unsigned);
            return Some(WaitedObject::new(joined, WaitTarget::ThreadEnd, Releaser::Ending(ident)));
        }
        let lock = lock?;
        if first.code.file == BOOTSTRAP && first.code.qualname == "_ModuleLock.acquire" {
            let module = own(self, first)?;
            (self.attribute(module, "wakeup") == Some(lock)).then_some(())?;
            let owner = self.int_attribute(module, "owner").map_or(0, i64::cast_unsigned);
            let name = self.attribute(module, "name").and_then(|name| self.objects.text(name).ok());
            return Some(WaitedObject {
                name,
                ..WaitedObject::new(module, WaitTarget::ImportLock, Releaser::Owner(owner))
            });
        }
        if self.is_in(first, "threading.py", "_RLock.acquire") {
            let recursive = own(self, first)?;
            (self.attribute(recursive, "_block") == Some(lock)).then_some(())?;
            let owner = self.int_attribute(recursive, "_owner").map_or(0, i64::cast_unsigned);
            return Some(WaitedObject::new(recursive, WaitTarget::RLock, Releaser::Owner(owner)));
        }
        if !self.is_in(first, "threading.py", "Condition.wait")
            || self.local(first, "waiter") != Some(lock)
        {
            return None;
        }
        let condition = own(self, first)?;
        let rest = frames.get(1..).unwrap_or_default();
        let outer = match rest.first() {
            Some(frame) if self.is_in(frame, "threading.py", "Condition.wait_for") => rest.get(1),
            other => other,
        };
        let around = outer.and_then(|frame| {
            let kind = self.waits_in_condition(frame)?;
            Some((own(self, frame)?, kind))
        });
        Some(match around {
            Some((object, WaitTarget::Semaphore)) => {
                WaitedObject::new(object, self.semaphore_kind(object), Releaser::WithBlock)
            }
            Some((object, WaitTarget::Future)) => {
                WaitedObject::new(object, WaitTarget::Future, Releaser::Worker)
            }
            Some((object, kind)) => WaitedObject::new(object, kind, Releaser::Anyone),
            None => WaitedObject::new(condition, WaitTarget::Condition, Releaser::Anyone),
        })
    }

    /// What is waited for by a function of the standard library that waits for a condition of its
    /// own.
    fn waits_in_condition(&self, frame: &Frame) -> Option<WaitTarget> {
        let (file, kind) = match frame.code.qualname.as_str() {
            "Event.wait" => ("threading.py", WaitTarget::Event),
            "Semaphore.acquire" => ("threading.py", WaitTarget::Semaphore),
            "Barrier._wait" | "Barrier._enter" => ("threading.py", WaitTarget::Barrier),
            "Queue.get" | "Queue.put" | "Queue.join" => ("queue.py", WaitTarget::Queue),
            "Future.result" | "Future.exception" => {
                ("concurrent/futures/_base.py", WaitTarget::Future)
            }
            _ => return None,
        };
        let code = &frame.code;
        let is = match file.split_once('/') {
            None => self.is_standard(code, file),
            // `is_standard` wants the library's own folder.
            Some(_) => code
                .file
                .strip_suffix("/_base.py")
                .is_some_and(|folder| folder.ends_with("/concurrent/futures")),
        };
        is.then_some(kind)
    }

    /// The frame among `frames` that runs the work whose result `future` will be, in a pool of
    /// threads.
    pub(crate) fn runs_work_of(&mut self, frames: &[Frame], future: u64) -> Option<usize> {
        frames.iter().position(|frame| {
            frame.code.qualname == "_WorkItem.run"
                && frame.code.file.ends_with("/concurrent/futures/thread.py")
                && self.local(frame, "self").and_then(|item| self.attribute(item, "future"))
                    == Some(future)
        })
    }

    /// The thread state that has the GIL whose state is at `gil`; `None` while nobody has.
    pub(crate) fn gil_holder(&self, gil: u64) -> Option<u64> {
        // The offsets are those of an interpreter's own GIL; a subinterpreter may share another's.
        let at = &self.offsets().interpreter_state;
        let field = |offset: u64| gil.checked_add(offset.checked_sub(at.gil_runtime_state)?);
        let locked = self.memory().i32(field(at.gil_runtime_state_locked)?).ok()?;
        let holder = self.memory().u64(field(at.gil_runtime_state_holder)?).ok()?;
        (locked == 1 && holder != 0).then_some(holder)
    }

    /// The objects in the locals and on the stack of the innermost frame: among them is what a
    /// method that is being called belongs to. Some of what is above the top of the stack is left
    /// from earlier.
    pub(super) fn slots(&mut self, frames: &[Frame]) -> Vec<u64> {
        let Some(frame) = frames.first() else { return Vec::new() };
        let count = frame.code.locals.saturating_add(frame.code.stack_size).min(MOST_SLOTS);
        let Ok(bytes) =
            self.memory().vec(frame.local(0), 8 * u64::from(count), 8 * MOST_SLOTS as usize)
        else {
            return Vec::new();
        };
        // From the top down, so that what is about to be called comes first.
        (0..count as usize)
            .rev()
            .map(|slot| word(&bytes, 8 * slot) & !TAGS)
            .filter(|&object| object != 0)
            .collect()
    }

    /// The object of the innermost frame within which an address lies.
    fn inside(&mut self, address: u64, frames: &[Frame]) -> Option<u64> {
        self.slots(frames).into_iter().find(|&object| {
            let size = self.basic_size(object);
            size.is_some_and(|size| (object..object.saturating_add(size)).contains(&address))
        })
    }

    /// A lock that the C code of an object's type keeps for it.
    fn inside_of(&mut self, object: u64) -> WaitedObject {
        let name = self.type_name(object).unwrap_or_else(|| "an object".into());
        WaitedObject::new(object, WaitTarget::InternalLock(name), Releaser::Unrecorded)
    }
}
