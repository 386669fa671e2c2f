//! Structures that are the same in all known releases.
//!
//! Offsets are in bytes, those of objects from the end of the object header.

/// `_Py_TPFLAGS_*` (cpython/object.h): bits of `tp_flags`.
pub mod type_flags {
    /// Attributes are kept in the object itself while nobody asks for its dictionary.
    pub const INLINE_VALUES: u64 = 1 << 2;
    /// Two words before the object: its dictionary, and its weak references.
    pub const PREHEADER: u64 = 1 << 3 | 1 << 4;
    /// The interpreter keeps the dictionary, in the pre-header.
    pub const MANAGED_DICT: u64 = 1 << 4;
    /// Made by a class statement or from a spec.
    pub const HEAP_TYPE: u64 = 1 << 9;
    /// Set in every type that can be used: where it is not, there is no type.
    pub const READY: u64 = 1 << 12;
    /// The collector knows the type's objects.
    pub const HAVE_GC: u64 = 1 << 14;
    /// A class of classes.
    pub const TYPE_SUBCLASS: u64 = 1 << 31;
}

/// `ht_cached_keys` from the end of `PyTypeObject`, where `_Py_DebugOffsets` does not say: behind
/// the 58 slots of the number, sequence... methods that a heap type carries.
pub const CACHED_KEYS: u64 = 464;
/// `PyFunctionObject.func_code`, after globals, builtins, name and qualname (cpython/funcobject.h).
pub const FUNCTION_CODE: u64 = 32;
/// `PyFunctionObject.func_closure`, after the code, defaults and keyword defaults.
pub const FUNCTION_CLOSURE: u64 = 56;
/// The object a function is bound to: the second field of `PyMethodObject` and of
/// `PyCFunctionObject`.
pub const BOUND_SELF: u64 = 8;
/// `gi_iframe`, where `_Py_DebugOffsets` does not say: after weak references, two names, the
/// exception state, a finalizer, four flags.
pub const GENERATOR_FRAME: u64 = 56;
/// `co_exceptiontable`: the third of the pointers after the size of a variable-sized object
/// (cpython/code.h).
pub const EXCEPTION_TABLE: u64 = 8 + 2 * 8;
/// `f_globals` in `_PyInterpreterFrame`: the fourth word (pycore_interpframe_structs.h).
pub const FRAME_GLOBALS: u64 = 24;
/// `interpreters.main` in the runtime, from `interpreters.head`.
pub const MAIN_INTERPRETER: u64 = 8;

/// `PyGC_Head`, before each object that the collector of a build with the GIL knows, and at the
/// head of each of its lists.
pub struct GcHead;

impl GcHead {
    /// Its size.
    pub const SIZE: u64 = 16;
    /// `_gc_next`.
    pub const NEXT: u64 = 0;
    /// `_gc_prev`.
    pub const PREVIOUS: u64 = 8;
    /// Bits of both that are no address.
    pub const FLAGS: u64 = 3;
}

/// The collector's statistics.
pub struct GcStats;

impl GcStats {
    /// Before 3.15: bytes of the counts, which are right before `collecting`. Three words a
    /// generation: collections, collected, uncollectable.
    pub const COUNTS: u64 = 72;
    /// From 3.15 on: bytes of a `struct gc_generation_stats`, an entry of a ring: start and stop in
    /// monotonic nanoseconds, collections, collected, uncollectable and candidates so far, seconds
    /// so far (a double), objects at the start.
    pub const ENTRY: u64 = 64;
    /// Each ring is followed by a word whose first byte, signed, is the index of the entry that was
    /// written last. In some releases a word more follows them all.
    pub const INDEX: u64 = 8;
}

/// `struct _qsbr_thread_state`: what a thread of a free-threaded build tells of its progress.
pub struct Qsbr;

impl Qsbr {
    /// `shared`, a pointer to `qsbr` in the interpreter.
    pub const SHARED: u64 = 8;
    /// `tstate`, a pointer back to the thread state.
    pub const THREAD: u64 = 16;
}

/// An entry of `struct types_state.builtins`, `managed_static_type_state`: what an interpreter has
/// of a static type. A type of the runtime has in `tp_subclasses` the number of its entry, counted
/// from 1.
pub struct StaticType;

impl StaticType {
    /// Its size.
    pub const SIZE: u64 = 48;
    /// `type`.
    pub const TYPE: u64 = 0;
    /// `tp_subclasses` in `PyTypeObject`, from `tp_name` (cpython/object.h).
    pub const SUBCLASSES_FROM_NAME: u64 = 8 * 42;
}

/// `PyCriticalSection` and `PyCriticalSection2`, on the stack of the thread that is in one; the
/// thread state points to the innermost. The pointers carry two flags (critical_section.h).
pub struct CriticalSection;

impl CriticalSection {
    /// In a pointer: the section is suspended, its mutexes are not held.
    pub const INACTIVE: u64 = 1;
    /// In a pointer: there is a second mutex.
    pub const TWO: u64 = 2;
    /// Both flags.
    pub const FLAGS: u64 = 3;
    /// `_cs_prev`: the next one outwards, a tagged pointer.
    pub const PREVIOUS: u64 = 0;
    /// `_cs_mutex`: a pointer to the mutex.
    pub const MUTEX: u64 = 8;
    /// `_cs_mutex2`.
    pub const MUTEX_2: u64 = 16;
}

/// `struct _stoptheworld_state` (pycore_interp_structs.h), 24 bytes that begin with a `PyMutex`.
pub struct StopTheWorld;

impl StopTheWorld {
    /// `requested`, a byte. The other fields mean something only while it is 1.
    pub const REQUESTED: u64 = 1;
    /// `requester`, a thread state; it is not cleared when the pause ends.
    pub const REQUESTER: u64 = 16;
}

/// `ThreadHandle` (Modules/_threadmodule.c), to which `_thread._ThreadHandle` points with its first
/// own word: what `Thread.join` waits at.
pub struct ThreadHandle;

impl ThreadHandle {
    /// `ident`: of the thread that is waited for.
    pub const IDENT: u64 = 32;
    /// `state`, an int: 1 not started, 2 starting, 3 running, 4 done.
    pub const STATE: u64 = 52;
    /// `thread_is_exiting`, a `PyEvent`: where `join` waits.
    pub const EXITING: u64 = 57;
}

/// `struct wait_entry` (Python/parking_lot.c, in no header): a thread that waits for a `PyMutex`
/// has one on its stack, in a list of the bucket that its mutex belongs to. The futex it sleeps at
/// is [`WaitEntry::SEMAPHORE`].
pub struct WaitEntry;

impl WaitEntry {
    /// `sizeof(struct wait_entry)`.
    pub const SIZE: u64 = 72;
    /// `park_arg`; for a `PyMutex` a pointer to when it becomes fair (monotonic ns, 1 ms after the
    /// wait began) and whether it was handed over.
    pub const ARGUMENT: u64 = 0;
    /// `addr`: what is waited for.
    pub const ADDRESS: u64 = 8;
    /// `sema`, a `sem_t`.
    pub const SEMAPHORE: u64 = 16;
    /// `node`: next, previous.
    pub const NODE: u64 = 48;
}

/// `struct _obmalloc_state` of pymalloc, the allocator of builds with the GIL (pycore_obmalloc.h).
/// Arenas hold pools, a pool blocks of one size. It begins with the heads of the lists of pools
/// that have free blocks, one a size, each shaped as if it were a pool.
pub struct Obmalloc;

impl Obmalloc {
    /// Sizes of blocks: 16, 32... bytes.
    pub const SIZES: u64 = 32;
    /// `mgmt.arenas`, a pointer to `maxarenas` of [`Arena`].
    pub const ARENAS: u64 = 512;
    /// `mgmt.maxarenas`, 32 bits.
    pub const MAX_ARENAS: u64 = 520;
    /// `mgmt.narenas_currently_allocated`, a word.
    pub const ARENAS_IN_USE: u64 = 1064;
    /// `ARENA_SIZE`; huge pages (3.15's `PYTHON_PYMALLOC_HUGEPAGES`) make it twice as much.
    pub const ARENA_SIZE: u64 = 1 << 20;
    /// `POOL_SIZE`; pools are aligned to it.
    pub const POOL_SIZE: u64 = 16 << 10;
}

/// `struct arena_object`.
pub struct Arena;

impl Arena {
    /// `sizeof(struct arena_object)`.
    pub const SIZE: u64 = 48;
    /// `address`: of the arena, 0 where the entry has none.
    pub const ADDRESS: u64 = 0;
    /// `pool_address`: of the first pool that was never used.
    pub const NEXT_POOL: u64 = 8;
    /// `ntotalpools`, 32 bits.
    pub const TOTAL_POOLS: u64 = 20;
}

/// `struct pool_header`, at the start of a pool.
pub struct Pool;

impl Pool {
    /// `sizeof(struct pool_header)`: the blocks begin here.
    pub const SIZE: u64 = 48;
    /// `ref.count`, 32 bits: blocks given out.
    pub const COUNT: u64 = 0;
    /// `nextpool`.
    pub const NEXT: u64 = 16;
    /// `prevpool`.
    pub const PREVIOUS: u64 = 24;
    /// `szidx`, 32 bits: blocks are of 16 * (szidx + 1) bytes.
    pub const SIZE_INDEX: u64 = 36;
}
