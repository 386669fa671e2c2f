//! The runtime's internal mutexes by name. A thread blocked on one waits at an address inside
//! `_PyRuntime` or an interpreter.

/// A mutex of the runtime, or an array of mutexes with the same purpose.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeMutex {
    /// What it protects, as a noun phrase that can follow "waits for".
    pub name: &'static str,
    /// Type of the mutex.
    pub kind: MutexKind,
    /// The field from which its distance is counted.
    pub anchor: Anchor,
    distances: [Option<i64>; 2],
    /// Number of mutexes in the array.
    pub count: u64,
    /// Distance in bytes between two mutexes of the array; 0 if there is only one.
    pub stride: u64,
}

/// Type of the object a thread waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MutexKind {
    /// `PyMutex`. Records no owner.
    Mutex,
    /// `_PyRecursiveMutex`: a `PyMutex`, the owner's ident at offset 8, acquisitions minus one at
    /// 16 (pycore_lock.h).
    Recursive,
    /// `_PyRWMutex`.
    ReadWrite,
    /// `PyEvent` or `_PyOnceFlag`: has no holder; some thread sets it.
    Event,
}

/// A field whose offset is exported or can be located.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// `interpreters.head` in the runtime.
    InterpretersHead,
    /// `gilstate.autoInterpreterState` in the runtime.
    AutoInterpreter,
    /// `ceval_gil` in the interpreter, as are all anchors below.
    CevalGil,
    /// `imports.modules`.
    Imports,
    /// `gc`.
    Gc,
    /// Counter of code objects (`_code_object_generation`).
    CodeGeneration,
    /// Counter of bytecode copies (`tlbc_indices.tlbc_generation`).
    TlbcGeneration,
    /// `stoptheworld`.
    StopTheWorld,
    /// `obmalloc`.
    Obmalloc,
    /// `obmalloc`, used only if the static types are found at the expected distance from it.
    ObmallocAndTypes,
    /// `types.builtins.entries`.
    StaticTypes,
}

impl RuntimeMutex {
    /// Returns the distance from its anchor; `None` if the build has no such mutex.
    #[must_use]
    pub fn distance(&self, free_threaded: bool) -> Option<i64> {
        self.distances[usize::from(free_threaded)]
    }

    pub(crate) const fn several(self, count: u64, stride: u64) -> RuntimeMutex {
        RuntimeMutex { count, stride, ..self }
    }
}

/// Defines a mutex at the same distance in both builds.
pub(crate) const fn both(
    anchor: Anchor,
    at: i64,
    kind: MutexKind,
    name: &'static str,
) -> RuntimeMutex {
    each(anchor, [at, at], kind, name)
}

/// Defines a mutex whose distance differs between the builds with and without the GIL.
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

/// Defines a `PyMutex` that only free-threaded builds have.
pub(crate) const fn free(anchor: Anchor, at: i64, name: &'static str) -> RuntimeMutex {
    RuntimeMutex { distances: [None, Some(at)], ..both(anchor, at, MutexKind::Mutex, name) }
}
