//! What threads wait for that no program made: the runtime's own mutexes, the ends of threads,
//! pauses of the world.

use super::reader::Reader;
use super::types::Tag;
use crate::layout::NamedMutex;
use crate::memory::word;
use crate::python::Thread;
use crate::wait_target::{Releaser, WaitTarget, WaitedObject};
use cpython_layout::structures::{StopTheWorld, ThreadHandle};
use cpython_layout::{LockKind, MutexKind};

/// `struct _PyRecursiveMutex`: the owner after the mutex (pycore_lock.h).
const RECURSIVE_OWNER: u64 = 8;
/// `_ThreadHandle` objects point to the handle with their first own word.
const HANDLE: u64 = 0;

impl Reader<'_> {
    /// The runtime's mutex or event at `address`, for a thread of the interpreter whose state is at
    /// `interpreter`.
    pub(super) fn of_runtime(&self, address: u64, interpreter: u64) -> Option<WaitedObject> {
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

    /// The thread for whose end somebody waits at `address`, by its `get_ident()`; `None` where
    /// that is no thread's handle.
    pub(super) fn ending(&self, address: u64) -> Option<u64> {
        let handle = address.checked_sub(ThreadHandle::EXITING)?;
        let ident = self.memory().u64(handle.checked_add(ThreadHandle::IDENT)?).ok()?;
        let state = self.memory().i32(handle.checked_add(ThreadHandle::STATE)?).ok()?;
        (handle.is_multiple_of(8) && ident != 0 && (0..=4).contains(&state)).then_some(ident)
    }

    /// The handle of a `_thread._ThreadHandle` object.
    pub(super) fn handle_of(&self, object: u64) -> Option<u64> {
        self.memory().u64(object.checked_add(self.head() + HANDLE)?).ok()
    }

    /// The thread state that stopped the world, or is about to, for a thread of the interpreter
    /// whose state is at `interpreter`.
    pub(crate) fn stopper(&self, interpreter: u64) -> Option<u64> {
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

    /// The mutexes of the objects whose critical sections the thread is in; those it has let go of
    /// while it sleeps are not among them. Empty on builds that have none.
    pub fn critical_sections(&self, thread: &Thread) -> Vec<u64> {
        use cpython_layout::structures::CriticalSection as Section;
        /// A thread is in few at a time; a longer list is a loop.
        const MOST: usize = 256;
        let mut found = Vec::new();
        let Some(offset) = self.python.layout().thread_state.critical_section else { return found };
        let Ok(mut next) = self.memory().u64(thread.address.saturating_add(offset)) else {
            return found;
        };
        while next & !Section::FLAGS != 0 && found.len() < MOST {
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

    /// How a lock object is made.
    pub(super) fn made(&mut self, lock: u64) -> Option<LockKind> {
        let name = match self.tag(lock) {
            Tag::Lock => "_thread.lock",
            Tag::RLock => "_thread.RLock",
            _ => return None,
        };
        let size = self.basic_size(lock)?;
        LockKind::of(name, size, self.head())
    }
}
