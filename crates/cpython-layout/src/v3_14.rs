//! CPython 3.14.

use crate::build::*;
use crate::mutexes::Anchor::*;
use crate::mutexes::MutexKind::*;
use crate::mutexes::{both, each, free};
use FrameState::*;

pub(crate) const GIL: Build = Build {
    minor: 14,
    free_threaded: false,
    table: TABLE,
    has_asyncio_table: true,
    object_mutex: None,
    opcodes: Opcodes {
        eval_breaker: &[128, 196, 245, 75, 175, 176, 253],
        push_exc_info: 32,
        with_except_start: 43,
        min_instrumented: 234,
    },
    frame: FrameLayout {
        stacktop: None,
        clears_executable: true,
        awaited_slot: 1,
        exit_slot: 2,
        exit_self_slot: Some(1),
        first_state: -3,
        states: &[Created, Suspended, Awaiting, Executing],
    },
    thread: ThreadLayout {
        state: 44,
        critical_section: None,
        base_frame: false,
        running_loop: 32,
        qsbr: None,
    },
    interpreter: InterpreterLayout { obmalloc: 10_904, stoptheworld: 104, static_types: 169_336 },
    runtime: RuntimeLayout { auto_interpreter: 10_096, stoptheworld: 456 },
    collector: CollectorLayout { lists: &[[168, 144, 120, 96]], rings: &[] },
    mutexes: &[
        both(InterpretersHead, -8, Mutex, "the list of threads and interpreters"),
        both(InterpretersHead, 48, Mutex, "the types shared between all interpreters"),
        both(InterpretersHead, 64, Mutex, "the allocator settings"),
        both(InterpretersHead, 1624, Mutex, "the process's exit callbacks"),
        both(InterpretersHead, 1912, Mutex, "the list of extension modules"),
        both(AutoInterpreter, -7240, Mutex, "the main thread's pending calls"),
        both(AutoInterpreter, 336, Mutex, "tracemalloc's tables"),
        both(AutoInterpreter, 448, ReadWrite, "other stop-the-world pauses"),
        both(AutoInterpreter, 456, Mutex, "the next stop-the-world pause of all interpreters"),
        both(AutoInterpreter, 460, Event, "every thread of every interpreter to stop"),
        both(AutoInterpreter, 536, Mutex, "the audit hooks"),
        both(AutoInterpreter, 568, Mutex, "the identifiers of static strings"),
        both(CevalGil, 24, Mutex, "the pending calls of the interpreter"),
        both(Imports, 48, Recursive, "the global import lock"),
        free(CodeGeneration, 32, "the list of codecs"),
        free(Gc, 280, "the collector's record of memory use"),
        each(StopTheWorld, [-144, -152], Mutex, "the types shared between interpreters"),
        each(StopTheWorld, [-56, -64], Recursive, "the warnings filters"),
        free(StopTheWorld, -24, "the interpreter's exit callbacks"),
        both(StopTheWorld, 0, Mutex, "the next stop-the-world pause"),
        both(StopTheWorld, 4, Event, "every thread to stop"),
        both(StopTheWorld, 64, Mutex, "the list of QSBR thread states"),
        free(TlbcGeneration, -6364, "the reference-count merge queue").several(257, 24),
        free(TlbcGeneration, -196, "the unique ids for per-thread reference counts"),
        free(TlbcGeneration, -164, "the weak references of some objects").several(127, 1),
        free(TlbcGeneration, -36, "the indices of thread-local bytecode"),
        both(Obmalloc, -8, Mutex, "the asyncio tasks of ended threads"),
        free(ObmallocAndTypes, 2720, "the version numbers of functions"),
        each(ObmallocAndTypes, [68_896, 68_264], Mutex, "the constants of code objects"),
        each(ObmallocAndTypes, [68_916, 68_284], Mutex, "the watchers of dictionaries"),
        free(ObmallocAndTypes, 68_372, "the preallocated MemoryErrors"),
        each(ObmallocAndTypes, [69_020, 68_388], Mutex, "the queue of deferred memory frees"),
        each(ObmallocAndTypes, [69_040, 68_408], Event, "the initialization of the AST types"),
        both(StaticTypes, 10_096, Mutex, "the types mutex"),
        free(StaticTypes, 44_384, "the interned strings"),
    ],
};

pub(crate) const FREE_THREADED: Build = Build {
    free_threaded: true,
    object_mutex: Some(10),
    thread: ThreadLayout { critical_section: Some(176), qsbr: Some(64), ..GIL.thread },
    interpreter: InterpreterLayout { obmalloc: 17_656, stoptheworld: 24, static_types: 168_704 },
    collector: CollectorLayout { lists: &[], ..GIL.collector },
    ..GIL
};

// `_Py_DebugOffsets` (pycore_debug_offsets.h). Fields and groups after `;` are not in this version.
table! { TABLE: 760
    runtime_state: RuntimeState { size finalizing interpreters_head }
    interpreter_state: InterpreterState {
        size id next threads_head threads_main gc imports_modules sysdict builtins ceval_gil gil_runtime_state
        gil_runtime_state_enabled gil_runtime_state_locked gil_runtime_state_holder code_object_generation
        tlbc_generation
    }
    thread_state: ThreadState {
        size prev next interp current_frame thread_id native_thread_id datastack_chunk status;
        base_frame last_profiled_frame last_profiled_frame_seq holds_gil gil_requested current_exception exc_state
    }
    interpreter_frame: InterpreterFrame {
        size previous executable instr_ptr localsplus owner stackpointer tlbc_index
    }
    code_object: CodeObject {
        size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds
        co_code_adaptive co_tlbc
    }
    pyobject: PyObject { size ob_type }
    type_object: TypeObject { size tp_name tp_repr tp_flags; tp_basicsize tp_dictoffset }
    tuple_object: TupleObject { size ob_item ob_size }
    list_object: ListObject { size ob_item ob_size }
    set_object: SetObject { size used table mask }
    dict_object: DictObject { size ma_keys ma_values }
    float_object: FloatObject { size ob_fval }
    long_object: LongObject { size lv_tag ob_digit }
    bytes_object: BytesObject { size ob_size ob_sval }
    unicode_object: UnicodeObject { size state length asciiobject_size; compactunicodeobject_size }
    gc: Gc { size collecting; frame generation_stats_size generation_stats }
    gen_object: GenObject { size gi_name gi_iframe gi_frame_state }
    llist_node: ListNode { next prev }
    debugger_support: DebuggerSupport {
        eval_breaker remote_debugger_support remote_debugging_enabled debugger_pending_call
        debugger_script_path debugger_script_path_size
    }
    ; err_stackitem heap_type_object
}
