//! CPython 3.13. Its free-threaded build is not supported.

use crate::build::*;
use crate::mutexes::Anchor::*;
use crate::mutexes::MutexKind::*;
use crate::mutexes::both;
use FrameState::*;

pub(crate) const GIL: Build = Build {
    minor: 13,
    free_threaded: false,
    table: TABLE,
    has_asyncio_table: false,
    object_mutex: None,
    opcodes: Opcodes {
        eval_breaker: &[149, 207, 236, 77, 249],
        push_exc_info: 33,
        with_except_start: 44,
        min_instrumented: 236,
    },
    frame: FrameLayout {
        stacktop: Some(64),
        clears_executable: false,
        awaited_slot: 1,
        exit_slot: 1,
        exit_self_slot: None,
        first_state: -3,
        states: &[Created, Suspended, Awaiting, Executing],
    },
    thread: ThreadLayout {
        state: 40,
        critical_section: None,
        base_frame: false,
        running_loop: 0,
        qsbr: None,
    },
    interpreter: InterpreterLayout { obmalloc: 10_800, stoptheworld: 72, static_types: 172_168 },
    runtime: RuntimeLayout { auto_interpreter: 9888, stoptheworld: 448 },
    // 3.13.1 and some patch releases after it align a list head to 4 bytes only, so the first three
    // are 4 bytes earlier.
    collector: CollectorLayout { lists: &[[176, 152, 128, 96], [180, 156, 132, 96]], rings: &[] },
    mutexes: &[
        both(InterpretersHead, -8, Mutex, "the list of threads and interpreters"),
        both(InterpretersHead, 48, Mutex, "the types shared between all interpreters"),
        both(InterpretersHead, 64, Mutex, "the allocator settings"),
        both(InterpretersHead, 1616, Mutex, "the process's exit callbacks"),
        both(InterpretersHead, 1904, Mutex, "the list of extension modules"),
        both(AutoInterpreter, -7240, Mutex, "the main thread's pending calls"),
        both(AutoInterpreter, -16, Mutex, "the setting of profile and trace functions"),
        both(AutoInterpreter, 440, ReadWrite, "other stop-the-world pauses"),
        both(AutoInterpreter, 448, Mutex, "the next stop-the-world pause of all interpreters"),
        both(AutoInterpreter, 452, Event, "every thread of every interpreter to stop"),
        both(AutoInterpreter, 528, Mutex, "the audit hooks"),
        both(AutoInterpreter, 560, Mutex, "the identifiers of static strings"),
        both(CevalGil, 24, Mutex, "the pending calls of the interpreter"),
        both(Imports, 48, Recursive, "the global import lock"),
        both(StopTheWorld, -120, Mutex, "the types shared between interpreters"),
        both(StopTheWorld, -48, Mutex, "the warnings filters"),
        both(StopTheWorld, 0, Mutex, "the next stop-the-world pause"),
        both(StopTheWorld, 4, Event, "every thread to stop"),
        both(StopTheWorld, 56, Mutex, "the list of QSBR thread states"),
        both(ObmallocAndTypes, 71_744, Mutex, "the constants of code objects"),
        both(ObmallocAndTypes, 71_876, Mutex, "the queue of deferred memory frees"),
        both(ObmallocAndTypes, 71_896, Event, "the initialization of the AST types"),
        both(StaticTypes, 10_096, Mutex, "the types mutex"),
    ],
};

// `_Py_DebugOffsets` (pycore_runtime.h). Fields and groups after `;` are not in this version.
table! { TABLE: 584
    runtime_state: RuntimeState { size finalizing interpreters_head }
    interpreter_state: InterpreterState {
        size id next threads_head gc imports_modules sysdict builtins ceval_gil gil_runtime_state
        gil_runtime_state_enabled gil_runtime_state_locked gil_runtime_state_holder;
        threads_main code_object_generation tlbc_generation
    }
    thread_state: ThreadState {
        size prev next interp current_frame thread_id native_thread_id datastack_chunk status;
        base_frame last_profiled_frame last_profiled_frame_seq holds_gil gil_requested current_exception exc_state
    }
    interpreter_frame: InterpreterFrame {
        size previous executable instr_ptr localsplus owner; stackpointer tlbc_index
    }
    code_object: CodeObject {
        size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds
        co_code_adaptive; co_tlbc
    }
    pyobject: PyObject { size ob_type }
    type_object: TypeObject { size tp_name tp_repr tp_flags; tp_basicsize tp_dictoffset }
    tuple_object: TupleObject { size ob_item ob_size }
    list_object: ListObject { size ob_item ob_size }
    dict_object: DictObject { size ma_keys ma_values }
    float_object: FloatObject { size ob_fval }
    long_object: LongObject { size lv_tag ob_digit }
    bytes_object: BytesObject { size ob_size ob_sval }
    unicode_object: UnicodeObject { size state length asciiobject_size; compactunicodeobject_size }
    gc: Gc { size collecting; frame generation_stats_size generation_stats }
    ; err_stackitem heap_type_object set_object gen_object llist_node debugger_support
}
