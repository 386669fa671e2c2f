//! Layout facts of one CPython build.

use crate::RuntimeMutex;
use crate::fields::Table;

/// A release of CPython, with or without the GIL. Offsets are in bytes.
#[derive(Debug)]
pub struct Build {
    /// Minor version: 14 for 3.14.
    pub minor: u8,
    /// Compiled with `--disable-gil`.
    pub free_threaded: bool,
    /// Layout of its `_Py_DebugOffsets`.
    pub(crate) table: Table,
    /// Whether `_asyncio` has its own offset table; see [`crate::AsyncioOffsets`].
    pub has_asyncio_table: bool,
    /// Offset of `ob_mutex`, a `PyMutex` in every object header. Free-threaded builds only.
    pub object_mutex: Option<u64>,
    /// Opcodes (`opcode_ids.h`).
    pub opcodes: Opcodes,
    /// `_PyInterpreterFrame`, its evaluation stack, and the generator around it.
    pub frame: FrameLayout,
    /// `PyThreadState` and `_PyThreadStateImpl`.
    pub thread: ThreadLayout,
    /// `PyInterpreterState`.
    pub interpreter: InterpreterLayout,
    /// `_PyRuntimeState`.
    pub runtime: RuntimeLayout,
    /// `struct _gc_runtime_state`.
    pub collector: CollectorLayout,
    /// The runtime's internal mutexes in both builds of the release; see
    /// [`RuntimeMutex::distance`].
    pub mutexes: &'static [RuntimeMutex],
}

/// Opcodes needed to interpret a frame's position.
#[derive(Debug, Clone, Copy)]
pub struct Opcodes {
    /// Instructions that check the eval breaker, where another thread can take the GIL: `RESUME`,
    /// `JUMP_BACKWARD`, and their specialized and instrumented forms.
    pub eval_breaker: &'static [u8],
    /// `PUSH_EXC_INFO`: first instruction of a `with` statement's exception handler.
    pub push_exc_info: u8,
    /// `WITH_EXCEPT_START`: the instruction after it.
    pub with_except_start: u8,
    /// `MIN_INSTRUMENTED_OPCODE`: this opcode and all above replace another instruction while the
    /// program is traced.
    pub min_instrumented: u8,
}

/// `_PyInterpreterFrame` and its evaluation stack.
#[derive(Debug, Clone, Copy)]
pub struct FrameLayout {
    /// `stacktop`, a signed 32-bit int: slots in use, counted from the first local; -1 while the
    /// frame runs. Replaced by `stackpointer` in 3.14.
    pub stacktop: Option<u64>,
    /// Whether `f_executable` is cleared when a frame ends, so that a dead frame can be
    /// distinguished from a live one.
    pub clears_executable: bool,
    /// Distance in slots from the top of the stack down to the object that a suspended coroutine
    /// awaits; at least 1.
    pub awaited_slot: u64,
    /// Distance in slots from the stack depth of a `with` statement's handler down to `__exit__`.
    pub exit_slot: u32,
    /// The same for the object on which `__exit__` is called. That slot is NULL if `__exit__` is a
    /// bound method; `None` if it always is one.
    pub exit_self_slot: Option<u32>,
    /// The lowest value of `enum _framestate`.
    pub first_state: i8,
    /// States from `first_state` on, up to the last in which the coroutine has not finished.
    pub states: &'static [FrameState],
}

/// State of a coroutine or generator: `gi_frame_state`, `enum _framestate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameState {
    /// Not started.
    Created,
    /// Suspended at a `yield`.
    Suspended,
    /// Suspended at an `await` or `yield from`.
    Awaiting,
    /// Running.
    Executing,
    /// Returned or raised.
    Finished,
}

impl FrameLayout {
    /// Returns the state encoded by the byte `gi_frame_state`.
    #[must_use]
    pub fn state(&self, byte: u8) -> FrameState {
        let index = i16::from(byte.cast_signed()) - i16::from(self.first_state);
        let state = usize::try_from(index).ok().and_then(|index| self.states.get(index));
        state.copied().unwrap_or(FrameState::Finished)
    }
}

/// Offsets in `PyThreadState`, whose field order is fixed within a release, and in
/// `_PyThreadStateImpl`, which begins with a `PyThreadState`.
#[derive(Debug, Clone, Copy)]
pub struct ThreadLayout {
    /// `state`, an int: 0 detached, 1 attached, 2 suspended, 3 shutting down; 3.15 adds 4 suspended
    /// and waiting, 5 detached and waiting (pycore_pystate.h).
    pub state: u64,
    /// `critical_section`, a tagged pointer; see [`crate::structures::CriticalSection`].
    /// Free-threaded builds.
    pub critical_section: Option<u64>,
    /// Whether `_PyThreadStateImpl` has a frame, `base_frame`, before the fields below.
    pub base_frame: bool,
    /// `asyncio_running_loop`, a pointer. Counted from the end of `PyThreadState` and `base_frame`.
    pub running_loop: u64,
    /// `qsbr`, a pointer to a [`crate::structures::Qsbr`]. Counted from the same point.
    /// Free-threaded builds only.
    pub qsbr: Option<u64>,
}

/// Offsets in `PyInterpreterState`. The structure is 200 to 250 KiB, and patch releases move fields
/// in its middle. These are the offsets from the headers, and distances between fields that do not
/// change.
#[derive(Debug, Clone, Copy)]
pub struct InterpreterLayout {
    /// `obmalloc`, a pointer to [`crate::structures::Obmalloc`]; free-threaded builds have one too.
    pub obmalloc: u64,
    /// Distance from `stoptheworld` to `obmalloc`, or to `qsbr` in free-threaded builds.
    pub stoptheworld: u64,
    /// Distance from `obmalloc` to `types.builtins.initialized`.
    pub static_types: u64,
}

/// Offsets in `_PyRuntimeState`. Patch releases move fields in its middle, too.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeLayout {
    /// `gilstate.autoInterpreterState`, a pointer to the main interpreter.
    pub auto_interpreter: u64,
    /// Distance from `auto_interpreter` to `stoptheworld`.
    pub stoptheworld: u64,
}

/// `struct _gc_runtime_state`.
#[derive(Debug, Clone, Copy)]
pub struct CollectorLayout {
    /// Distances to `collecting` from the list heads of the young, middle and old generations and
    /// of the permanent generation (`gc.freeze()`). Several entries if patch releases differ; empty
    /// in free-threaded builds, whose collector has no lists.
    pub lists: &'static [[u64; 4]],
    /// Lengths of the three generations' ring buffers in `struct gc_stats`, one entry per known
    /// variant. Empty before 3.15, where the counts lie right before `collecting`
    /// ([`crate::structures::GcStats::COUNTS`]).
    pub rings: &'static [[u64; 3]],
}
