//! The runtime's own mutexes by name: a thread that waits for one waits at an address inside
//! `_PyRuntime` or an interpreter.

/// A mutex of the runtime, or several that are used for the same.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeMutex {
    /// What it protects, in words that can follow "waits for".
    pub name: &'static str,
    /// What it is.
    pub kind: MutexKind,
    /// The field that its distance is counted from.
    pub anchor: Anchor,
    distances: [Option<i64>; 2],
    /// How many there are.
    pub count: u64,
    /// Bytes from one to the next; 0 where there is one.
    pub stride: u64,
}

/// What a thread waits at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MutexKind {
    /// `PyMutex`: no owner is recorded.
    Mutex,
    /// `_PyRecursiveMutex`: `PyMutex`, the owner's ident at 8, acquisitions less one at 16
    /// (pycore_lock.h).
    Recursive,
    /// `_PyRWMutex`.
    ReadWrite,
    /// `PyEvent` or `_PyOnceFlag`: nobody holds it, somebody will set it.
    Event,
}

/// A field whose place is exported or was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// `interpreters.head` in the runtime.
    InterpretersHead,
    /// `gilstate.autoInterpreterState` in the runtime.
    AutoInterpreter,
    /// `ceval_gil` in the interpreter, as all that follow.
    CevalGil,
    /// `imports.modules`.
    Imports,
    /// `gc`.
    Gc,
    /// The number of the next code object (`_code_object_generation`).
    CodeGeneration,
    /// The number of the next copy of bytecode (`tlbc_indices.tlbc_generation`).
    TlbcGeneration,
    /// `stoptheworld`.
    StopTheWorld,
    /// `obmalloc`.
    Obmalloc,
    /// `obmalloc`, believed only if the static types are where they should be behind it.
    ObmallocAndTypes,
    /// `types.builtins.entries`.
    StaticTypes,
}

impl RuntimeMutex {
    /// Returns how far behind its anchor it is; `None` if the build has no such mutex.
    #[must_use]
    pub fn distance(&self, free_threaded: bool) -> Option<i64> {
        self.distances[usize::from(free_threaded)]
    }

    pub(crate) const fn several(self, count: u64, stride: u64) -> RuntimeMutex {
        RuntimeMutex { count, stride, ..self }
    }
}

/// A mutex at one distance in both builds.
pub(crate) const fn both(
    anchor: Anchor,
    at: i64,
    kind: MutexKind,
    name: &'static str,
) -> RuntimeMutex {
    each(anchor, [at, at], kind, name)
}

/// A mutex at a distance of its own with the GIL and without.
pub(crate) const fn each(
    anchor: Anchor,
    [gil, free_threaded]: [i64; 2],
    kind: MutexKind,
    name: &'static str,
) -> RuntimeMutex {
    RuntimeMutex {
        name,
        kind,
        anchor,
        distances: [Some(gil), Some(free_threaded)],
        count: 1,
        stride: 0,
    }
}

/// A `PyMutex` of free-threaded builds only.
pub(crate) const fn free(anchor: Anchor, at: i64, name: &'static str) -> RuntimeMutex {
    RuntimeMutex { distances: [None, Some(at)], ..both(anchor, at, MutexKind::Mutex, name) }
}
