//! Determines what a thread waits for in terms of the program's objects.
//!
//! `Queue.get()` sleeps in `Condition.wait()`, which sleeps on a bare lock created for that one
//! wait. Frames distinguish them: functions of the standard library are recognized by file and
//! name, and their objects by the local `self`. A frame is used only if the lock slept on is the
//! one it would sleep on.

use super::reader::LockReader;
use super::types::ObjectKind;
use crate::frames::{Frame, TAGS};
use crate::memory::word;
use crate::parking::{Blocked, BlockedOn};
use crate::python::Thread;
use crate::wait_target::{Releaser, WaitTarget, WaitedObject};

/// File name of the import system's frozen code.
pub(super) const BOOTSTRAP: &str = "<frozen importlib._bootstrap>";
/// Maximum number of slots of the innermost frame that are searched for the awaited object.
const MAX_SLOTS: u32 = 256;

impl LockReader<'_> {
    /// Returns what the blocked thread `thread` waits for. `frames` are innermost first.
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
        let object = address.wrapping_sub(self.header_size());
        match self.tag(object) {
            ObjectKind::Lock => {
                return self.library_object(Some(object), frames).unwrap_or_else(|| {
                    WaitedObject::new(object, WaitTarget::Lock, Releaser::WithBlock)
                });
            }
            ObjectKind::RLock => return self.rlock(object),
            ObjectKind::SimpleQueue => {
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
        if let Some(known) = self.runtime_object(address, thread.interpreter_state) {
            return known;
        }
        if let Some(known) =
            self.library_object(None, frames).or_else(|| self.joined_thread(address, frames))
        {
            return known;
        }
        if let Some(object) = self.object_around(address, frames) {
            return self.internal_lock(object);
        }
        WaitedObject::new(address, WaitTarget::UNNAMED_MUTEX, Releaser::Unrecorded)
    }

    /// Returns the thread waited for in `Thread.join`, from its handle, or at exit, when the main
    /// thread waits for all non-daemon threads.
    fn joined_thread(&mut self, address: u64, frames: &[Frame]) -> Option<WaitedObject> {
        let ident = self.ending_thread(address)?;
        let first = frames.first()?;
        if self.is_in(first, "threading.py", "_shutdown") {
            return Some(WaitedObject::new(
                address,
                WaitTarget::ThreadEnd,
                Releaser::Ending(ident),
            ));
        }
        let handle = address.wrapping_sub(cpython_layout::structures::ThreadHandle::EXITING);
        let object = self.frame_objects(frames).into_iter().find(|&object| {
            self.type_name(object).is_some_and(|name| name.as_ref() == "_thread._ThreadHandle")
                && self.handle_of(object) == Some(handle)
        })?;
        Some(WaitedObject::new(object, WaitTarget::ThreadEnd, Releaser::Ending(ident)))
    }

    fn rlock(&mut self, object: u64) -> WaitedObject {
        let owner = self.recursive(object).map_or(0, |found| found.owner);
        WaitedObject::new(object, WaitTarget::RLock, Releaser::Owner(owner))
    }

    /// Resolves a futex outside the parking lot: in 3.13 threads wait for an `RLock` on a
    /// semaphore, and C code uses futexes of its own.
    fn futex(&mut self, address: u64, frames: &[Frame]) -> WaitedObject {
        for object in self.frame_objects(frames) {
            // `Condition` calls methods bound to its lock.
            let object = if self.tag(object) == ObjectKind::Bound {
                self.bound_to(object).unwrap_or(object)
            } else {
                object
            };
            match self.tag(object) {
                ObjectKind::RLock if self.semaphore_of(object) == Some(address) => {
                    return self.rlock(object);
                }
                ObjectKind::Lock if self.semaphore_of(object) == Some(address) => {
                    return self.library_object(Some(object), frames).unwrap_or_else(|| {
                        WaitedObject::new(object, WaitTarget::Lock, Releaser::WithBlock)
                    });
                }
                _ => {}
            }
        }
        if let Some(known) = self.library_object(None, frames) {
            return known;
        }
        // A `PyThread_type_lock`, to which the protected object has a pointer: those of zlib, lzma
        // and bz2 before 3.14.
        match self
            .frame_objects(frames)
            .into_iter()
            .find(|&object| self.words(object).contains(&address))
        {
            Some(object) => self.internal_lock(object),
            None => WaitedObject::new(address, WaitTarget::Futex, Releaser::Anyone),
        }
    }

    /// Returns the standard library object that is waited for. `lock` is the lock slept on, if any.
    fn library_object(&mut self, lock: Option<u64>, frames: &[Frame]) -> Option<WaitedObject> {
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

    /// Returns what is waited for by a function of the standard library that waits on its own
    /// condition.
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
            // `is_standard` requires the library's top directory.
            Some(_) => code
                .file
                .strip_suffix("/_base.py")
                .is_some_and(|folder| folder.ends_with("/concurrent/futures")),
        };
        is.then_some(kind)
    }

    /// Returns the frame among `frames` that runs the work item of `future`, in a thread pool.
    pub(crate) fn runs_work_of(&mut self, frames: &[Frame], future: u64) -> Option<usize> {
        frames.iter().position(|frame| {
            frame.code.qualname == "_WorkItem.run"
                && frame.code.file.ends_with("/concurrent/futures/thread.py")
                && self.local(frame, "self").and_then(|item| self.attribute(item, "future"))
                    == Some(future)
        })
    }

    /// Returns the thread state that holds the GIL whose state is at `gil`; `None` if it is free.
    pub(crate) fn gil_holder(&self, gil: u64) -> Option<u64> {
        // The offsets are those of an interpreter's own GIL; a subinterpreter may share another's.
        let at = &self.offsets().interpreter_state;
        let field = |offset: u64| gil.checked_add(offset.checked_sub(at.gil_runtime_state)?);
        let locked = self.memory().i32(field(at.gil_runtime_state_locked)?).ok()?;
        let holder = self.memory().u64(field(at.gil_runtime_state_holder)?).ok()?;
        (locked == 1 && holder != 0).then_some(holder)
    }

    /// Returns the objects in the locals and on the stack of the innermost frame. They include the
    /// object whose method is being called. Slots above the top of the stack may be outdated.
    pub(super) fn frame_objects(&mut self, frames: &[Frame]) -> Vec<u64> {
        let Some(frame) = frames.first() else { return Vec::new() };
        let count = frame.code.locals.saturating_add(frame.code.stack_size).min(MAX_SLOTS);
        let Ok(bytes) =
            self.memory().vec(frame.local(0), 8 * u64::from(count), 8 * MAX_SLOTS as usize)
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

    /// Returns the object of the innermost frame that contains an address.
    fn object_around(&mut self, address: u64, frames: &[Frame]) -> Option<u64> {
        self.frame_objects(frames).into_iter().find(|&object| {
            let size = self.basic_size(object);
            size.is_some_and(|size| (object..object.saturating_add(size)).contains(&address))
        })
    }

    /// Creates the target for a lock inside an object, used by the C code of its type.
    fn internal_lock(&mut self, object: u64) -> WaitedObject {
        let name = self.type_name(object).unwrap_or_else(|| "an object".into());
        WaitedObject::new(object, WaitTarget::InternalLock(name), Releaser::Unrecorded)
    }
}
