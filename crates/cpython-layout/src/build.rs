//! What is known of one build of CPython.

use crate::RuntimeMutex;
use crate::fields::Table;

/// A release of CPython, with or without the GIL. Offsets are in bytes.
#[derive(Debug)]
pub struct Build {
    /// 14 in 3.14.
    pub minor: u8,
    /// Compiled with `--disable-gil`.
    pub free_threaded: bool,
    /// Its `_Py_DebugOffsets`.
    pub(crate) table: Table,
    /// `_asyncio` has a table of its own; see [`crate::AsyncioOffsets`].
    pub has_asyncio_table: bool,
    /// `ob_mutex` in every object's header, a `PyMutex`. Free-threaded builds.
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
    /// The runtime's own mutexes in both builds of the release; see [`RuntimeMutex::distance`].
    pub mutexes: &'static [RuntimeMutex],
}

/// Opcodes that tell where a frame stands.
#[derive(Debug, Clone, Copy)]
pub struct Opcodes {
    /// Instructions that check the eval breaker, and so let another thread have the GIL: `RESUME`,
    /// `JUMP_BACKWARD`, and their specialised and instrumented forms.
    pub eval_breaker: &'static [u8],
    /// `PUSH_EXC_INFO`, with which the handler of a `with` statement begins.
    pub push_exc_info: u8,
    /// `WITH_EXCEPT_START`, which follows it.
    pub with_except_start: u8,
    /// `MIN_INSTRUMENTED_OPCODE`: this and all above replace another instruction while the program
    /// is traced.
    pub min_instrumented: u8,
}

/// `_PyInterpreterFrame` and its evaluation stack.
#[derive(Debug, Clone, Copy)]
pub struct FrameLayout {
    /// `stacktop`, 32 bits, signed: slots in use from the first local on, -1 while the frame runs.
    /// Before 3.14, which brought `stackpointer`.
    pub stacktop: Option<u64>,
    /// `f_executable` is cleared when a frame ends, so that its memory can be told from a live
    /// frame's.
    pub clears_executable: bool,
    /// Slots from the top of the stack down to the object that a suspended coroutine awaits, at
    /// least 1.
    pub awaited_slot: u64,
    /// Slots below the depth of a `with` statement's handler down to its `__exit__`.
    pub exit_slot: u32,
    /// The same for the object that `__exit__` is called with, which is NULL if `__exit__` is a
    /// bound method. `None`: it always is one.
    pub exit_self_slot: Option<u32>,
    /// The lowest value of `enum _framestate`.
    pub first_state: i8,
    /// The states from that on, up to the last in which the coroutine has not finished.
    pub states: &'static [FrameState],
}

/// A state of a coroutine or generator: `gi_frame_state`, `enum _framestate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameState {
    /// It has not started.
    Created,
    /// It is suspended at a `yield`.
    Suspended,
    /// It is suspended at an `await` or `yield from`.
    Awaiting,
    /// It runs.
    Executing,
    /// It has returned or raised.
    Finished,
}

impl FrameLayout {
    /// Returns the state that the byte `gi_frame_state` stands for.
    #[must_use]
    pub fn state(&self, byte: u8) -> FrameState {
        let index = i16::from(byte.cast_signed()) - i16::from(self.first_state);
        let state = usize::try_from(index).ok().and_then(|index| self.states.get(index));
        state.copied().unwrap_or(FrameState::Finished)
    }
}

/// `PyThreadState`, whose order is fixed within a release, and `_PyThreadStateImpl`, which begins
/// with it.
#[derive(Debug, Clone, Copy)]
pub struct ThreadLayout {
    /// `state`, an int: 0 detached, 1 attached, 2 suspended, 3 shutting down; 3.15 adds 4 suspended
    /// and waiting, 5 detached and waiting (pycore_pystate.h).
    pub state: u64,
    /// `critical_section`, a tagged pointer; see [`crate::structures::CriticalSection`].
    /// Free-threaded builds.
    pub critical_section: Option<u64>,
    /// `_PyThreadStateImpl` has a frame, `base_frame`, before the fields below.
    pub base_frame: bool,
    /// `asyncio_running_loop`, a pointer, from the end of `PyThreadState` and `base_frame`.
    pub running_loop: u64,
    /// `qsbr`, a pointer to a [`crate::structures::Qsbr`], from there too. Free-threaded builds.
    pub qsbr: Option<u64>,
}

/// `PyInterpreterState`, 200 to 250 KiB of which patch releases move the middle: where the headers
/// have things, and distances between them that stay.
#[derive(Debug, Clone, Copy)]
pub struct InterpreterLayout {
    /// `obmalloc`, a pointer to [`crate::structures::Obmalloc`]; free-threaded builds have one too.
    pub obmalloc: u64,
    /// From `stoptheworld` to `obmalloc`; in free-threaded builds, to `qsbr`.
    pub stoptheworld: u64,
    /// From `obmalloc` to `types.builtins.initialized`.
    pub static_types: u64,
}

/// `_PyRuntimeState`, of which patch releases move the middle too.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeLayout {
    /// `gilstate.autoInterpreterState`, a pointer to the main interpreter.
    pub auto_interpreter: u64,
    /// From there to `stoptheworld`.
    pub stoptheworld: u64,
}

/// `struct _gc_runtime_state`.
#[derive(Debug, Clone, Copy)]
pub struct CollectorLayout {
    /// From the heads of the young, the middle and the old list of objects, and of the one that
    /// `gc.freeze()` fills, to `collecting`. More than one where patch releases differ; none in
    /// free-threaded builds, whose collector has no lists.
    pub lists: &'static [[u64; 4]],
    /// Entries of the rings of the three generations in `struct gc_stats`, as patch releases or
    /// builds have them. None before 3.15, which has counts right before `collecting`
    /// ([`crate::structures::GcStats::COUNTS`]).
    pub rings: &'static [[u64; 3]],
}
