//! Structures that are the same in all supported releases.
//!
//! Offsets are in bytes. Offsets in objects are counted from the end of the object header.

/// `_Py_TPFLAGS_*` (cpython/object.h): bits of `tp_flags`.
pub mod type_flags {
    /// Attributes are stored inline in the object until its `__dict__` is requested.
    pub const INLINE_VALUES: u64 = 1 << 2;
    /// Two words before the object: dictionary and weak references.
    pub const PREHEADER: u64 = 1 << 3 | 1 << 4;
    /// The interpreter manages the dictionary, in the pre-header.
    pub const MANAGED_DICT: u64 = 1 << 4;
    /// Created by a class statement or from a spec.
    pub const HEAP_TYPE: u64 = 1 << 9;
    /// Set in every type that is ready for use. If it is not set, the memory is not a type.
    pub const READY: u64 = 1 << 12;
    /// Instances are tracked by the garbage collector.
    pub const HAVE_GC: u64 = 1 << 14;
    /// A metaclass: its instances are types.
    pub const TYPE_SUBCLASS: u64 = 1 << 31;
}

/// `ht_cached_keys` from the end of `PyTypeObject`, for tables without it: after the 58 slots of
/// the number, sequence... methods of a heap type.
pub const CACHED_KEYS: u64 = 464;
/// `PyFunctionObject.func_code`, after globals, builtins, name and qualname (cpython/funcobject.h).
pub const FUNCTION_CODE: u64 = 32;
/// `PyFunctionObject.func_closure`, after the code, defaults and keyword defaults.
pub const FUNCTION_CLOSURE: u64 = 56;
/// The object a function is bound to: the second field of `PyMethodObject` and of
/// `PyCFunctionObject`.
pub const BOUND_SELF: u64 = 8;
/// `gi_iframe`, for tables without it: after weak references, two names, the exception state, a
/// finalizer and four flags.
pub const GENERATOR_FRAME: u64 = 56;
/// `co_exceptiontable`: the third pointer after the size field of a variable-sized object
/// (cpython/code.h).
pub const EXCEPTION_TABLE: u64 = 8 + 2 * 8;
/// `f_globals` in `_PyInterpreterFrame`: the fourth word (pycore_interpframe_structs.h).
pub const FRAME_GLOBALS: u64 = 24;
/// `interpreters.main` in the runtime, counted from `interpreters.head`.
pub const MAIN_INTERPRETER: u64 = 8;

/// `PyGC_Head`: precedes each object tracked by the collector in builds with the GIL, and is the
/// head of each of the collector's lists.
pub struct GcHead;

impl GcHead {
    /// Its size.
    pub const SIZE: u64 = 16;
    /// `_gc_next`.
    pub const NEXT: u64 = 0;
    /// `_gc_prev`.
    pub const PREVIOUS: u64 = 8;
    /// Flag bits in both pointers.
    pub const FLAGS: u64 = 3;
}

/// The collector's statistics.
pub struct GcStats;

impl GcStats {
    /// Before 3.15: size in bytes of the counts, which lie right before `collecting`. Three words
    /// per generation: collections, collected, uncollectable.
    pub const COUNTS: u64 = 72;
    /// From 3.15 on: size in bytes of a `struct gc_generation_stats`, a ring buffer entry: start
    /// and stop in monotonic nanoseconds; collections, collected, uncollectable and candidates so
    /// far; seconds so far (a double); objects at the start.
    pub const ENTRY: u64 = 64;
    /// Size of the word after each ring. Its first byte, signed, is the index of the latest entry.
    /// Some releases have one more word after all rings.
    pub const INDEX: u64 = 8;
}

/// `struct _qsbr_thread_state`: a thread's state for quiescent-state-based reclamation in
/// free-threaded builds.
pub struct Qsbr;

impl Qsbr {
    /// `shared`, a pointer to the interpreter's `qsbr`.
    pub const SHARED: u64 = 8;
    /// `tstate`, a pointer back to the thread state.
    pub const THREAD: u64 = 16;
}

/// An entry of `struct types_state.builtins`, `managed_static_type_state`: an interpreter's data of
/// a static type. A static type of the runtime stores the index of its entry, counted from 1, in
/// `tp_subclasses`.
pub struct StaticType;

impl StaticType {
    /// Its size.
    pub const SIZE: u64 = 48;
    /// `type`.
    pub const TYPE: u64 = 0;
    /// `tp_subclasses` in `PyTypeObject`, from `tp_name` (cpython/object.h).
    pub const SUBCLASSES_FROM_NAME: u64 = 8 * 42;
}

/// `PyCriticalSection` and `PyCriticalSection2`, on the stack of the thread that is in the section.
/// The thread state points to the innermost one. The pointers carry two flags (critical_section.h).
pub struct CriticalSection;

impl CriticalSection {
    /// Pointer flag: the section is suspended and its mutexes are not held.
    pub const INACTIVE: u64 = 1;
    /// Pointer flag: there is a second mutex.
    pub const TWO: u64 = 2;
    /// Both flags.
    pub const FLAGS: u64 = 3;
    /// `_cs_prev`: the enclosing section, a tagged pointer.
    pub const PREVIOUS: u64 = 0;
    /// `_cs_mutex`: a pointer to the mutex.
    pub const MUTEX: u64 = 8;
    /// `_cs_mutex2`.
    pub const MUTEX_2: u64 = 16;
}

/// `struct _stoptheworld_state` (pycore_interp_structs.h), 24 bytes. Begins with a `PyMutex`.
pub struct StopTheWorld;

impl StopTheWorld {
    /// `requested`, a byte. The other fields are meaningful only while it is 1.
    pub const REQUESTED: u64 = 1;
    /// `requester`, a thread state. Not cleared when the pause ends.
    pub const REQUESTER: u64 = 16;
}

/// `ThreadHandle` (Modules/_threadmodule.c), the object that `Thread.join` waits on. The first
/// field of `_thread._ThreadHandle` points to it.
pub struct ThreadHandle;

impl ThreadHandle {
    /// `ident` of the joined thread.
    pub const IDENT: u64 = 32;
    /// `state`, an int: 1 not started, 2 starting, 3 running, 4 done.
    pub const STATE: u64 = 52;
    /// `thread_is_exiting`, a `PyEvent` on which `join` waits.
    pub const EXITING: u64 = 57;
}

/// `struct wait_entry` (Python/parking_lot.c, in no header). A thread that waits for a `PyMutex`
/// has one on its stack, linked into the parking lot bucket of the mutex. The thread sleeps on the
/// futex [`WaitEntry::SEMAPHORE`].
pub struct WaitEntry;

impl WaitEntry {
    /// `sizeof(struct wait_entry)`.
    pub const SIZE: u64 = 72;
    /// `park_arg`. For a `PyMutex`, a pointer to the time at which the lock becomes fair (monotonic
    /// ns, 1 ms after the wait began) and to a flag that the lock was handed over.
    pub const ARGUMENT: u64 = 0;
    /// `addr`: the address waited for.
    pub const ADDRESS: u64 = 8;
    /// `sema`, a `sem_t`.
    pub const SEMAPHORE: u64 = 16;
    /// `node`: next, previous.
    pub const NODE: u64 = 48;
}

/// `struct _obmalloc_state` of pymalloc, the allocator of builds with the GIL (pycore_obmalloc.h).
/// Arenas hold pools, and a pool holds blocks of one size. The structure begins with the heads of
/// the lists of partially used pools, one per size; each head is laid out as if it were a pool.
pub struct Obmalloc;

impl Obmalloc {
    /// Number of block sizes: 16, 32... bytes.
    pub const SIZES: u64 = 32;
    /// `mgmt.arenas`, a pointer to `maxarenas` of [`Arena`].
    pub const ARENAS: u64 = 512;
    /// `mgmt.maxarenas`, 32 bits.
    pub const MAX_ARENAS: u64 = 520;
    /// `mgmt.narenas_currently_allocated`, a word.
    pub const ARENAS_IN_USE: u64 = 1064;
    /// `ARENA_SIZE`. Doubled with huge pages (3.15's `PYTHON_PYMALLOC_HUGEPAGES`).
    pub const ARENA_SIZE: u64 = 1 << 20;
    /// `POOL_SIZE`; pools are aligned to it.
    pub const POOL_SIZE: u64 = 16 << 10;
}

/// `struct arena_object`.
pub struct Arena;

impl Arena {
    /// `sizeof(struct arena_object)`.
    pub const SIZE: u64 = 48;
    /// `address` of the arena; 0 if the entry is unused.
    pub const ADDRESS: u64 = 0;
    /// `pool_address`: the first pool that has never been used.
    pub const NEXT_POOL: u64 = 8;
    /// `ntotalpools`, 32 bits.
    pub const TOTAL_POOLS: u64 = 20;
}

/// `struct pool_header`, at the start of a pool.
pub struct Pool;

impl Pool {
    /// `sizeof(struct pool_header)`. The blocks begin here.
    pub const SIZE: u64 = 48;
    /// `ref.count`, 32 bits: allocated blocks.
    pub const COUNT: u64 = 0;
    /// `nextpool`.
    pub const NEXT: u64 = 16;
    /// `prevpool`.
    pub const PREVIOUS: u64 = 24;
    /// `szidx`, 32 bits: the block size is 16 * (szidx + 1) bytes.
    pub const SIZE_INDEX: u64 = 36;
}
