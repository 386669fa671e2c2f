//! Waits for objects that belong to the runtime: internal mutexes, ends of threads, stop-the-world
//! pauses.

use super::reader::LockReader;
use super::types::ObjectKind;
use crate::layout::NamedMutex;
use crate::memory::word;
use crate::python::Thread;
use crate::wait_target::{Releaser, WaitTarget, WaitedObject};
use cpython_layout::structures::{StopTheWorld, ThreadHandle};
use cpython_layout::{LockKind, MutexKind};

/// Offset of the owner in `struct _PyRecursiveMutex` (pycore_lock.h).
const RECURSIVE_OWNER: u64 = 8;
/// Offset, after the header, of the handle pointer in `_ThreadHandle` objects.
const HANDLE: u64 = 0;

impl LockReader<'_> {
    /// Returns the runtime's mutex or event at `address`, for a thread of the interpreter whose
    /// state is at `interpreter`.
    pub(super) fn runtime_object(&self, address: u64, interpreter: u64) -> Option<WaitedObject> {
        let layout = self.python.layout();
        let find = |mutexes: &[NamedMutex], base: u64| {
            let offset = address.checked_sub(base)?;
            mutexes.iter().find(|mutex| mutex.index(offset).is_some()).copied()
        };
        let mutex = find(&layout.interpreter.mutexes, interpreter)
            .or_else(|| find(&layout.runtime.mutexes, self.python.runtime()))?;
        let lock = WaitTarget::RuntimeMutex(mutex.name.into());
        let (target, releaser) = match mutex.kind {
            MutexKind::Recursive => {
                let owner = self.memory().u64(address.checked_add(RECURSIVE_OWNER)?).unwrap_or(0);
                (lock, Releaser::Owner(owner))
            }
            MutexKind::Mutex | MutexKind::ReadWrite => (lock, Releaser::Unrecorded),
            MutexKind::Event => (WaitTarget::RuntimeEvent(mutex.name.into()), Releaser::Anyone),
        };
        Some(WaitedObject::new(address, target, releaser))
    }

    /// Returns the `get_ident()` of the thread whose end is waited for at `address`; `None` if the
    /// address does not belong to a thread handle.
    pub(super) fn ending_thread(&self, address: u64) -> Option<u64> {
        let handle = address.checked_sub(ThreadHandle::EXITING)?;
        let ident = self.memory().u64(handle.checked_add(ThreadHandle::IDENT)?).ok()?;
        let state = self.memory().i32(handle.checked_add(ThreadHandle::STATE)?).ok()?;
        (handle.is_multiple_of(8) && ident != 0 && (0..=4).contains(&state)).then_some(ident)
    }

    /// Returns the handle of a `_thread._ThreadHandle` object.
    pub(super) fn handle_of(&self, object: u64) -> Option<u64> {
        self.memory().u64(object.checked_add(self.header_size() + HANDLE)?).ok()
    }

    /// Returns the thread state that requested a stop-the-world pause of the interpreter whose
    /// state is at `interpreter`.
    pub(crate) fn stop_requester(&self, interpreter: u64) -> Option<u64> {
        let layout = self.python.layout();
        let whole =
            layout.runtime.stoptheworld.and_then(|at| self.python.runtime().checked_add(at));
        let own = layout.interpreter.stoptheworld.and_then(|at| interpreter.checked_add(at));
        [own, whole].into_iter().flatten().find_map(|at| {
            let bytes = self.memory().bytes::<24>(at).ok()?;
            let requested = bytes[StopTheWorld::REQUESTED as usize] == 1;
            let requester = word(&bytes, StopTheWorld::REQUESTER as usize);
            (requested && requester != 0).then_some(requester)
        })
    }

    /// Returns the addresses of the mutexes of the thread's critical sections, without those
    /// released while the thread sleeps. Empty in builds without critical sections.
    pub fn critical_sections(&self, thread: &Thread) -> Vec<u64> {
        use cpython_layout::structures::CriticalSection as Section;
        /// Maximum number of nested sections; a longer list is a loop.
        const MAX_SECTIONS: usize = 256;
        let mut found = Vec::new();
        let Some(offset) = self.python.layout().thread_state.critical_section else { return found };
        let Ok(mut next) = self.memory().u64(thread.address.saturating_add(offset)) else {
            return found;
        };
        while next & !Section::FLAGS != 0 && found.len() < MAX_SECTIONS {
            let Ok(bytes) = self.memory().bytes::<24>(next & !Section::FLAGS) else { break };
            if next & Section::INACTIVE == 0 {
                found.push(word(&bytes, Section::MUTEX as usize));
                if next & Section::TWO != 0 {
                    found.push(word(&bytes, Section::MUTEX_2 as usize));
                }
            }
            next = word(&bytes, Section::PREVIOUS as usize);
        }
        found
    }

    /// Returns the implementation of a lock object.
    pub(super) fn lock_kind(&mut self, lock: u64) -> Option<LockKind> {
        let name = match self.tag(lock) {
            ObjectKind::Lock => "_thread.lock",
            ObjectKind::RLock => "_thread.RLock",
            _ => return None,
        };
        let size = self.basic_size(lock)?;
        LockKind::of(name, size, self.header_size())
    }
}
