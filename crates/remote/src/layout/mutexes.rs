//! The runtime's own mutexes by name: a thread that waits for one waits at an address inside `_PyRuntime` or an interpreter.
//!
//! Distances from the headers (struct _is, struct pyruntimestate), counted from something that is exported or was found, and
//! named for what they protect.

use crate::offsets::DebugOffsets;

/// A mutex of the runtime, or several that are used for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedMutex {
    /// What it protects, in words that can follow "waits for".
    pub name: &'static str,
    /// Offset of the first.
    pub at: u64,
    /// How many there are.
    pub count: u64,
    /// Bytes from one to the next; 0 where there is one.
    pub stride: u64,
    /// What it is.
    pub kind: MutexKind,
}

/// What a thread waits at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MutexKind {
    /// `PyMutex`: no owner is recorded.
    Mutex,
    /// `_PyRecursiveMutex`: `PyMutex`, the owner's ident at 8, acquisitions less one at 16 (pycore_lock.h).
    Recursive,
    /// `_PyRWMutex`.
    ReadWrite,
    /// `PyEvent` or `_PyOnceFlag`: nobody holds it, somebody will set it.
    Event,
}

impl NamedMutex {
    /// The number of the mutex at `offset`, if it is one of these: 0 where there is only one.
    #[must_use]
    pub fn index(&self, offset: u64) -> Option<u64> {
        let distance = offset.checked_sub(self.at)?;
        match self.stride {
            0 => (distance == 0).then_some(0),
            stride => (distance % stride == 0 && distance / stride < self.count).then_some(distance / stride),
        }
    }
}

use MutexKind::{Event, Mutex, ReadWrite, Recursive};

fn one(at: u64, kind: MutexKind, name: &'static str) -> NamedMutex {
    NamedMutex { name, at, count: 1, stride: 0, kind }
}

/// Those at places in the interpreter that the table of offsets gives.
pub(super) fn fixed(offsets: &DebugOffsets) -> Vec<NamedMutex> {
    let at = &offsets.interpreter_state;
    let imports = at.imports_modules + if offsets.version.minor >= 15 { 96 } else { 48 };
    let mut found = vec![
        // struct _ceval_state: gil, own_gil, then pending.{handling_thread, mutex}.
        one(at.ceval_gil + 24, Mutex, "the pending calls of the interpreter"),
        one(imports, Recursive, "the global import lock"),
    ];
    if offsets.free_threaded {
        if let Some(generation) = at.code_object_generation {
            found.push(one(generation + 32, Mutex, "the list of codecs"));
        }
        match offsets.version.minor {
            14 => found.push(one(at.gc + 280, Mutex, "the collector's record of memory use")),
            _ => found.push(one(imports - 4, Mutex, "the lazily imported modules")),
        }
    }
    found
}

/// Those around `stoptheworld`, `obmalloc` and the table of static types in the interpreter.
pub(super) fn around(
    offsets: &DebugOffsets,
    [stoptheworld, obmalloc, types]: [Option<u64>; 3],
) -> Vec<NamedMutex> {
    let (minor, free_threaded) = (offsets.version.minor, offsets.free_threaded);
    let mut found = Vec::new();
    let mut add = |anchor: Option<u64>, distance: i64, kind, name| {
        if let Some(at) = anchor.and_then(|at| at.checked_add_signed(distance)) {
            found.push(one(at, kind, name));
        }
    };
    let world = stoptheworld;
    add(world, 0, Mutex, "the next pause of the world");
    add(world, 4, Event, "every thread to stop");
    add(world, if minor == 13 { 56 } else { 64 }, Mutex, "the list of threads that free memory late");
    let (warnings, registry) = match (minor, free_threaded) {
        (13, _) => (-48, -120),
        (14, false) => (-56, -144),
        (14, true) => (-64, -152),
        (_, false) => (-56, -160),
        (_, true) => (-64, -168),
    };
    let kind = if minor == 13 { Mutex } else { Recursive };
    add(world, warnings, kind, "the warnings filters");
    add(world, registry, Mutex, "the types shared between interpreters");
    if free_threaded {
        add(world, -24, Mutex, "the interpreter's exit callbacks");
    }
    if minor >= 14 {
        add(obmalloc, -8, Mutex, "the asyncio tasks of threads that are gone");
    }
    let (code, late, ast) = match (minor, free_threaded) {
        (13, _) => (71_744, 71_876, 71_896),
        (14, false) => (68_896, 69_020, 69_040),
        (14, true) => (68_264, 68_388, 68_408),
        (_, false) => (68_928, 69_052, 69_072),
        (_, true) => (68_264, 68_388, 68_408),
    };
    // What lies behind obmalloc is trusted as far as the table of static types, if that is where it should be.
    let behind = types.and(obmalloc);
    add(behind, code, Mutex, "the constants of code objects");
    add(behind, late, Mutex, "the queue of memory to be freed late");
    add(behind, ast, Event, "the first use of the syntax tree's types");
    if free_threaded {
        add(behind, 2720, Mutex, "the version numbers of functions");
        add(behind, 68_372, Mutex, "the preallocated MemoryErrors");
    }
    if minor >= 14 {
        add(behind, code + 20, Mutex, "the watchers of dictionaries");
    }
    add(types, if minor <= 14 { 10_096 } else { 10_240 }, Mutex, "the types mutex");
    if free_threaded {
        let interned = if minor == 14 { 44_384 } else { 44_632 };
        add(types, interned, Mutex, "the interned strings");
        if minor >= 15 {
            add(types, interned + 80, Mutex, "the descriptors of __dict__ and __weakref__");
        }
    }
    found
}

/// Those near the start of the runtime.
pub(super) fn of_runtime(offsets: &DebugOffsets) -> Vec<NamedMutex> {
    let head = offsets.runtime_state.interpreters_head;
    // 3.14 has one word more in `allocators`.
    let more = if offsets.version.minor == 14 { 8 } else { 0 };
    vec![
        one(head.saturating_sub(8), Mutex, "the list of threads and interpreters"),
        one(head + 48, Mutex, "the types shared between all interpreters"),
        one(head + 64, Mutex, "the choice of allocators"),
        one(head + 1616 + more, Mutex, "the process's exit callbacks"),
        one(head + 1904 + more, Mutex, "the list of extension modules"),
    ]
}

/// Those around `gilstate.autoInterpreterState` in the runtime.
pub(super) fn after_auto(minor: u8, auto: u64) -> Vec<NamedMutex> {
    let world = auto + if minor == 13 { 448 } else { 456 };
    let mut found = vec![
        one(
            auto.saturating_sub(if minor == 15 { 7232 } else { 7240 }),
            Mutex,
            "the main thread's pending calls",
        ),
        one(world - 8, ReadWrite, "the next pause of some world"),
        one(world, Mutex, "the next pause of all interpreters"),
        one(world + 4, Event, "every thread of every interpreter to stop"),
        one(world + 80, Mutex, "the audit hooks"),
        one(world + if minor == 15 { 104 } else { 112 }, Mutex, "the numbers of static strings"),
    ];
    match minor {
        13 => found.push(one(auto.saturating_sub(16), Mutex, "the setting of profile and trace functions")),
        14 => found.push(one(auto + 336, Mutex, "tracemalloc's tables")),
        _ => found.push(one(auto + 352, Mutex, "tracemalloc's tables")),
    }
    found
}
