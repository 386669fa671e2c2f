//! CPython 3.15.

use crate::build::*;
use crate::mutexes::Anchor::*;
use crate::mutexes::MutexKind::*;
use crate::mutexes::{both, each, free};
use FrameState::*;

pub(crate) const GIL: Build = Build {
    minor: 15,
    free_threaded: false,
    table: TABLE,
    has_asyncio_table: true,
    object_mutex: None,
    opcodes: Opcodes {
        eval_breaker: &[128, 200, 201, 244, 74, 181, 182, 252],
        push_exc_info: 30,
        with_except_start: 41,
        min_instrumented: 233,
    },
    frame: FrameLayout {
        stacktop: None,
        clears_executable: true,
        // The top slot holds the index of a virtual iterator.
        awaited_slot: 2,
        exit_slot: 2,
        exit_self_slot: Some(1),
        first_state: 0,
        // The second awaiting state is locked against other threads.
        states: &[Created, Suspended, Awaiting, Awaiting, Executing],
    },
    thread: ThreadLayout {
        state: 48,
        critical_section: None,
        base_frame: true,
        running_loop: 48,
        qsbr: None,
    },
    interpreter: InterpreterLayout { obmalloc: 10_880, stoptheworld: 104, static_types: 169_384 },
    runtime: RuntimeLayout { auto_interpreter: 10_216, stoptheworld: 456 },
    collector: CollectorLayout { lists: &[[104, 80, 56, 32]], rings: &[[11, 3, 3], [1, 1, 1]] },
    mutexes: &[
        both(InterpretersHead, -8, Mutex, "the list of threads and interpreters"),
        both(InterpretersHead, 48, Mutex, "the types shared between all interpreters"),
        both(InterpretersHead, 64, Mutex, "the allocator settings"),
        both(InterpretersHead, 1616, Mutex, "the process's exit callbacks"),
        both(InterpretersHead, 1904, Mutex, "the list of extension modules"),
        both(AutoInterpreter, -7232, Mutex, "the main thread's pending calls"),
        both(AutoInterpreter, 352, Mutex, "tracemalloc's tables"),
        both(AutoInterpreter, 448, ReadWrite, "other stop-the-world pauses"),
        both(AutoInterpreter, 456, Mutex, "the next stop-the-world pause of all interpreters"),
        both(AutoInterpreter, 460, Event, "every thread of every interpreter to stop"),
        both(AutoInterpreter, 536, Mutex, "the audit hooks"),
        both(AutoInterpreter, 560, Mutex, "the identifiers of static strings"),
        both(CevalGil, 24, Mutex, "the pending calls of the interpreter"),
        free(Imports, 92, "the lazily imported modules"),
        both(Imports, 96, Recursive, "the global import lock"),
        free(CodeGeneration, 32, "the list of codecs"),
        each(StopTheWorld, [-160, -168], Mutex, "the types shared between interpreters"),
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
        each(ObmallocAndTypes, [68_928, 68_264], Mutex, "the constants of code objects"),
        each(ObmallocAndTypes, [68_948, 68_284], Mutex, "the watchers of dictionaries"),
        free(ObmallocAndTypes, 68_372, "the preallocated MemoryErrors"),
        each(ObmallocAndTypes, [69_052, 68_388], Mutex, "the queue of deferred memory frees"),
        each(ObmallocAndTypes, [69_072, 68_408], Event, "the initialization of the AST types"),
        both(StaticTypes, 10_240, Mutex, "the types mutex"),
        free(StaticTypes, 44_632, "the interned strings"),
        free(StaticTypes, 44_712, "the descriptors of __dict__ and __weakref__"),
    ],
};

pub(crate) const FREE_THREADED: Build = Build {
    free_threaded: true,
    object_mutex: Some(10),
    thread: ThreadLayout { critical_section: Some(200), qsbr: Some(88), ..GIL.thread },
    interpreter: InterpreterLayout { obmalloc: 17_592, stoptheworld: 24, static_types: 168_720 },
    collector: CollectorLayout { lists: &[], ..GIL.collector },
    ..GIL
};

// `_Py_DebugOffsets` (pycore_debug_offsets.h). Fields and groups after `;` are not in this version.
table! { TABLE: 888
    runtime_state: RuntimeState { size finalizing interpreters_head }
    interpreter_state: InterpreterState {
        size id next threads_head threads_main gc imports_modules sysdict builtins ceval_gil gil_runtime_state
        gil_runtime_state_enabled gil_runtime_state_locked gil_runtime_state_holder code_object_generation
        tlbc_generation
    }
    thread_state: ThreadState {
        size prev next interp current_frame base_frame last_profiled_frame last_profiled_frame_seq thread_id
        native_thread_id datastack_chunk status holds_gil gil_requested current_exception exc_state
    }
    err_stackitem: ErrStackItem { exc_value }
    interpreter_frame: InterpreterFrame {
        size previous executable instr_ptr localsplus owner stackpointer tlbc_index
    }
    code_object: CodeObject {
        size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds
        co_code_adaptive co_tlbc
    }
    pyobject: PyObject { size ob_type }
    type_object: TypeObject { size tp_name tp_repr tp_flags tp_basicsize tp_dictoffset }
    heap_type_object: HeapTypeObject { size ht_cached_keys }
    tuple_object: TupleObject { size ob_item ob_size }
    list_object: ListObject { size ob_item ob_size }
    set_object: SetObject { size used table mask }
    dict_object: DictObject { size ma_keys ma_values }
    float_object: FloatObject { size ob_fval }
    long_object: LongObject { size lv_tag ob_digit }
    bytes_object: BytesObject { size ob_size ob_sval }
    unicode_object: UnicodeObject { size state length asciiobject_size compactunicodeobject_size }
    gc: Gc { size collecting frame generation_stats_size generation_stats }
    gen_object: GenObject { size gi_name gi_iframe gi_frame_state }
    llist_node: ListNode { next prev }
    debugger_support: DebuggerSupport {
        eval_breaker remote_debugger_support remote_debugging_enabled debugger_pending_call
        debugger_script_path debugger_script_path_size
    }
}
