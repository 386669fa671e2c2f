//! An interpreter's state, as far as its table of offsets leaves it out.
//!
//! The structure is 200 to 250 KiB of everything, and patch releases move its middle. Three places in it can be recognised
//! in a live process, and everything else here is at a fixed distance from the nearest of them:
//! - the pointer to pymalloc's state, whose lists point back to themselves;
//! - without the GIL, `qsbr`, to which each thread has a pointer, and `tlbc_generation`, which the table of offsets names;
//! - the table of static types, in which each type knows its own index.

use super::Missing;
use super::mimalloc::Mimalloc;
use super::mutexes::{self, MutexKind, NamedMutex};
use super::obmalloc;
use super::probe::Probe;
use super::thread::{QSBR_SHARED, QSBR_TSTATE, ThreadStateMore};
use crate::memory::word;
use crate::offsets::DebugOffsets;

/// Offsets in `PyInterpreterState`. What is `None` was not found, or does not exist in this build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterpreterMore {
    /// `stoptheworld`; see [`super::StopTheWorld`]. There with the GIL too, where a pause is asked for by few.
    pub stoptheworld: Option<u64>,
    /// `obmalloc`, a pointer; see [`super::Obmalloc`]. Free-threaded builds have one and do not use it.
    pub obmalloc: Option<u64>,
    /// `imports.lock`, the global import lock: a mutex with its owner, [`MutexKind::Recursive`].
    pub import_lock: u64,
    /// `asyncio_tasks_head`: tasks whose thread is gone, a list of `llist_node`. From 3.14 on.
    pub tasks_head: Option<u64>,
    /// `types.builtins`: where static types keep what an interpreter has of its own.
    pub static_types: Option<StaticTypes>,
    /// Where segments go whose thread has ended. Free-threaded builds.
    pub abandoned: Option<Abandoned>,
    /// The mutexes of the runtime that lie in the interpreter.
    pub mutexes: Vec<NamedMutex>,
}

/// Offsets in `struct types_state.builtins` and its entries, `managed_static_type_state`. A type with the flag
/// `_Py_TPFLAGS_STATIC_BUILTIN` (2) has in `tp_subclasses` its index, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaticTypes {
    /// The first entry, from the interpreter's start.
    pub first: u64,
}

impl StaticTypes {
    /// Size of an entry.
    pub const SIZE: u64 = 48;
    /// `type`, from the entry's start.
    pub const TYPE: u64 = 0;
    /// `tp_dict`.
    pub const DICT: u64 = 24;
    /// `tp_subclasses`, a dict.
    pub const SUBCLASSES: u64 = 32;
    /// There are never more.
    pub const MOST: u64 = 512;
}

/// Offsets of what is kept of threads that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abandoned {
    /// mimalloc 2.1.2: two lists of segments, each linked by `segment_abandoned_next`.
    Lists {
        /// `abandoned_visited`, a pointer.
        visited: u64,
        /// `abandoned`, a pointer with a count in its low 25 bits.
        tagged: u64,
    },
    /// mimalloc 2.5.2: a pointer to `mi_subproc_t`. Its segments are in bitmaps of arenas that nothing points to.
    Subprocess(u64),
}

/// As far from where the headers have them as things are looked for.
const REACH: u64 = 4096;

/// Distances of one kind of build, in bytes; `tests/layout.rs` checks what can be checked.
struct Distances {
    /// From `imports.modules` to `imports.lock`.
    import_lock: u64,
    /// From `obmalloc` back to `stoptheworld`. Builds with the GIL.
    stoptheworld: u64,
    /// `obmalloc` in the headers.
    obmalloc: u64,
    /// From `obmalloc` to `types.builtins.initialized`.
    static_types: u64,
}

fn distances(offsets: &DebugOffsets) -> Distances {
    let (import_lock, stoptheworld, obmalloc, static_types) =
        match (offsets.version.minor, offsets.free_threaded) {
            (13, _) => (48, 72, 10800, 172_168),
            (14, false) => (48, 104, 10904, 169_336),
            (14, true) => (48, 0, 17656, 168_704),
            (_, false) => (96, 104, 10880, 169_384),
            (_, true) => (96, 0, 17592, 168_720),
        };
    Distances { import_lock, stoptheworld, obmalloc, static_types }
}

/// `tlbc_indices.tlbc_generation`, from `tlbc_indices`, and what precedes that, from its end backwards (struct _is).
mod free_threaded {
    pub(super) const TLBC_GENERATION: u64 = 36;
    pub(super) const WEAKREF_LOCKS: u64 = 128;
    pub(super) const UNIQUE_IDS: u64 = 32;
    pub(super) const MERGE_BUCKETS: u64 = 257 * 24;
    /// `mi_abandoned_pool_t`, aligned to a cache line.
    pub(super) const POOL: u64 = 320;
    /// `struct _qsbr_shared`, and `stoptheworld` before it.
    pub(super) const STOP_THE_WORLD: u64 = 24;
}

impl InterpreterMore {
    pub(super) fn of(offsets: &DebugOffsets) -> InterpreterMore {
        InterpreterMore {
            stoptheworld: None,
            obmalloc: None,
            import_lock: offsets.interpreter_state.imports_modules + distances(offsets).import_lock,
            tasks_head: None,
            static_types: None,
            abandoned: None,
            mutexes: mutexes::fixed(offsets),
        }
    }

    pub(super) fn find(
        &mut self,
        probe: &Probe<'_>,
        thread: &ThreadStateMore,
        mimalloc: Option<&'static Mimalloc>,
        missing: &mut Vec<Missing>,
    ) {
        let offsets = probe.offsets;
        let distances = distances(offsets);
        let is_obmalloc = |at| probe.interpreter(at).is_some_and(|state| obmalloc::is_state(probe, state));
        self.obmalloc = probe.near(distances.obmalloc, REACH, is_obmalloc);
        if self.obmalloc.is_none() {
            missing.push(Missing {
                what: "pymalloc's state, and the runtime's mutexes that lie around it",
                why: "no pointer in the main interpreter leads to lists of pools".into(),
            });
        }
        self.stoptheworld = match thread.qsbr {
            Some(at) => find_qsbr(probe, at).and_then(|at| at.checked_sub(free_threaded::STOP_THE_WORLD)),
            None => self.obmalloc.and_then(|at| at.checked_sub(distances.stoptheworld)),
        };
        if self.stoptheworld.is_none() {
            missing.push(Missing {
                what: "the pauses of the world",
                why: "what lies beside their state in the interpreter was not found".into(),
            });
        }
        if offsets.version.minor >= 14 {
            self.tasks_head = self.obmalloc.and_then(|at| at.checked_sub(24));
        }
        self.static_types =
            self.obmalloc.and_then(|at| find_static_types(probe, at + distances.static_types));
        if self.static_types.is_none() {
            missing.push(Missing {
                what: "the static types' dictionaries and the last of the runtime's mutexes",
                why: "the table of static types is not where it should be".into(),
            });
        }
        self.find_abandoned(offsets, mimalloc);
        let anchors = [self.stoptheworld, self.obmalloc, self.static_types.map(|types| types.first)];
        self.mutexes.extend(mutexes::around(offsets, anchors));
    }

    /// What lies between `qsbr` and `tlbc_indices`, whose place the table of offsets gives away.
    fn find_abandoned(&mut self, offsets: &DebugOffsets, mimalloc: Option<&'static Mimalloc>) {
        let Some(generation) = offsets.interpreter_state.tlbc_generation.filter(|&at| at != 0) else {
            return;
        };
        let back = |from: u64, by: u64| from.checked_sub(by);
        let Some(indices) = back(generation, free_threaded::TLBC_GENERATION) else { return };
        let Some(weakrefs) = back(indices, free_threaded::WEAKREF_LOCKS) else { return };
        let Some(ids) = back(weakrefs, free_threaded::UNIQUE_IDS) else { return };
        let Some(merge) = back(ids, free_threaded::MERGE_BUCKETS) else { return };
        let one = |name, at| NamedMutex { name, at, count: 1, stride: 0, kind: MutexKind::Mutex };
        self.mutexes.extend([
            NamedMutex { count: 257, stride: 24, ..one("the reference-count merge queue", merge) },
            one("the numbers for per-thread reference counts", ids),
            NamedMutex { count: 127, stride: 1, ..one("the weak references of some objects", weakrefs) },
            one("the numbers of bytecode copies", indices),
        ]);
        self.abandoned = match mimalloc.map(|m| m.segment_abandoned_next) {
            Some(Some(_)) => back(merge, free_threaded::POOL)
                .map(|visited| Abandoned::Lists { visited, tagged: visited + 64 }),
            Some(None) => back(merge, 8).map(Abandoned::Subprocess),
            None => None,
        };
    }
}

/// Where `qsbr` is in the interpreter: each thread has a structure that points there, and back to the thread.
fn find_qsbr(probe: &Probe<'_>, hint: u64) -> Option<u64> {
    let size = probe.offsets.interpreter_state.size;
    let of_thread = |thread: u64, at: u64| {
        let own = probe.pointer(thread.wrapping_add(at))?;
        let shared = probe.pointer(own.wrapping_add(QSBR_SHARED))?.checked_sub(probe.main)?;
        (probe.word(own.wrapping_add(QSBR_TSTATE)) == Some(thread) && shared < size).then_some(shared)
    };
    probe.threads.iter().find_map(|&thread| {
        let at = probe.near(hint, 256, |at| of_thread(thread, at).is_some())?;
        of_thread(thread, at)
    })
}

/// The table of static types, if it is at `at`: entry after entry, each type's `tp_subclasses` is the entry's number.
fn find_static_types(probe: &Probe<'_>, at: u64) -> Option<StaticTypes> {
    /// `tp_subclasses` from `tp_name`, in words (cpython/object.h).
    const SUBCLASSES: u64 = 42;
    const LOOK_AT: u64 = 16;
    let types = &probe.offsets.type_object;
    let is_table = |at: u64| {
        let bytes = probe.memory.vec(probe.main.wrapping_add(at), LOOK_AT * StaticTypes::SIZE, 1 << 16);
        let Ok(bytes) = bytes else { return false };
        (0..LOOK_AT).all(|index| {
            let address = word(&bytes, (index * StaticTypes::SIZE + StaticTypes::TYPE) as usize);
            let subclasses = address.wrapping_add(types.tp_name + 8 * SUBCLASSES);
            address != 0 && probe.word(subclasses) == Some(index + 1)
        })
    };
    probe.near(at, REACH, is_table).map(|first| StaticTypes { first })
}
