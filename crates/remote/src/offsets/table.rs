//! The fields of `_Py_DebugOffsets` in the order in which they stand there.
//!
//! A field marked `since 14` came with 3.14 and is `None` before. What a build has no use for it gives as 0 (the fields of
//! thread-local bytecode on builds with the GIL), and that stays 0 here: see [`crate::layout`] for what to make of it.

use super::Words;
use crate::version::Version;

macro_rules! table {
    ($( $(#[$about:meta])* $group:ident: $Group:ident $(since $from:literal)? { $( $field:ident $(since $since:literal)?, )* } )*) => {
        $(
            $(#[$about])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            #[allow(missing_docs, reason = "each field is the offset of the C field of the same name; exceptions are in the head")]
            pub struct $Group { $( pub $field: table!(@type u64 $($since)?), )* }
        )*

        /// `_Py_DebugOffsets` of one target: where its fields are, in bytes from the start of each structure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct DebugOffsets {
            /// The version of CPython, patch release and all.
            pub version: Version,
            /// Compiled with `--disable-gil`; whether the GIL is off is another question.
            pub free_threaded: bool,
            $( $(#[$about])* pub $group: table!(@type $Group $($from)?), )*
        }

        impl DebugOffsets {
            pub(super) fn read(version: Version, free_threaded: bool, words: &mut Words<'_>) -> Option<DebugOffsets> {
                $( let $group = table!(@group words, $Group { $( $field $($since)?, )* } $($from)?); )*
                Some(DebugOffsets { version, free_threaded, $($group,)* })
            }

            /// Every entry with its name, in order.
            pub(super) fn entries(&self) -> Vec<(&'static str, &'static str, u64)> {
                let mut entries = Vec::with_capacity(128);
                $( table!(@entries entries, self.$group, $group, $Group { $( $field $($since)?, )* } $($from)?); )*
                entries
            }
        }
    };
    (@type $type:ty) => { $type };
    (@type $type:ty, ) => { $type };
    (@type $type:ident $since:literal) => { Option<$type> };
    (@group $words:ident, $Group:ident { $( $field:ident $($since:literal)?, )* }) => {
        $Group { $( $field: table!(@field $words $($since)?), )* }
    };
    (@group $words:ident, $Group:ident { $( $field:ident $($since:literal)?, )* } $from:literal) => {
        if $words.minor < $from { None } else { Some(table!(@group $words, $Group { $( $field $($since)?, )* })) }
    };
    (@field $words:ident) => { $words.next(0)? };
    (@field $words:ident $since:literal) => { $words.next($since) };
    (@entries $to:ident, $value:expr, $group:ident, $Group:ident { $( $field:ident $($since:literal)?, )* }) => {
        $( $to.extend(Option::<u64>::from($value.$field).map(|v| (stringify!($group), concat!(stringify!($group), ".", stringify!($field)), v))); )*
    };
    (@entries $to:ident, $value:expr, $group:ident, $Group:ident { $( $field:ident $($since:literal)?, )* } $from:literal) => {
        if let Some(value) = $value { table!(@entries $to, value, $group, $Group { $( $field $($since)?, )* }); }
    };
}

table! {
    /// `_PyRuntimeState`.
    runtime_state: RuntimeState { size, finalizing, interpreters_head, }
    /// `PyInterpreterState`. `gil_runtime_state_enabled` is from `gil_runtime_state`, not from the interpreter, and 0 on
    /// builds with the GIL, which have no such field.
    interpreter_state: InterpreterState {
        size, id, next, threads_head, threads_main since 14, gc, imports_modules, sysdict, builtins, ceval_gil,
        gil_runtime_state, gil_runtime_state_enabled, gil_runtime_state_locked, gil_runtime_state_holder,
        code_object_generation since 14, tlbc_generation since 14,
    }
    /// `PyThreadState`.
    thread_state: ThreadState {
        size, prev, next, interp, current_frame, base_frame since 15, last_profiled_frame since 15,
        last_profiled_frame_seq since 15, thread_id, native_thread_id, datastack_chunk, status, holds_gil since 15,
        gil_requested since 15, current_exception since 15, exc_state since 15,
    }
    /// `_PyErr_StackItem`.
    err_stackitem: ErrStackItem since 15 { exc_value, }
    /// `_PyInterpreterFrame`. `tlbc_index` is 0 on builds with the GIL.
    interpreter_frame: InterpreterFrame {
        size, previous, executable, instr_ptr, localsplus, owner, stackpointer since 14, tlbc_index since 14,
    }
    /// `PyCodeObject`. `co_tlbc` is 0 on builds with the GIL.
    code_object: CodeObject {
        size, filename, name, qualname, linetable, firstlineno, argcount, localsplusnames, localspluskinds,
        co_code_adaptive, co_tlbc since 14,
    }
    /// `PyObject`: its size is the object header's.
    pyobject: PyObject { size, ob_type, }
    /// `PyTypeObject`.
    type_object: TypeObject { size, tp_name, tp_repr, tp_flags, tp_basicsize since 15, tp_dictoffset since 15, }
    /// `PyHeapTypeObject`.
    heap_type_object: HeapTypeObject since 15 { size, ht_cached_keys, }
    /// `PyTupleObject`. `ob_item` is where the items are, not a pointer to them.
    tuple_object: TupleObject { size, ob_item, ob_size, }
    /// `PyListObject`. `ob_item` is a pointer to the items.
    list_object: ListObject { size, ob_item, ob_size, }
    /// `PySetObject`.
    set_object: SetObject since 14 { size, used, table, mask, }
    /// `PyDictObject`.
    dict_object: DictObject { size, ma_keys, ma_values, }
    /// `PyFloatObject`.
    float_object: FloatObject { size, ob_fval, }
    /// `PyLongObject`.
    long_object: LongObject { size, lv_tag, ob_digit, }
    /// `PyBytesObject`.
    bytes_object: BytesObject { size, ob_size, ob_sval, }
    /// `PyUnicodeObject`. The characters of a compact ASCII string begin at `asciiobject_size`, those of another compact
    /// string at `compactunicodeobject_size`.
    unicode_object: UnicodeObject { size, state, length, asciiobject_size, compactunicodeobject_size since 15, }
    /// `struct _gc_runtime_state`. `generation_stats_size` is the size of what `generation_stats` points to.
    gc: Gc { size, collecting, frame since 15, generation_stats_size since 15, generation_stats since 15, }
    /// `PyGenObject`, and coroutines and asynchronous generators.
    gen_object: GenObject since 14 { size, gi_name, gi_iframe, gi_frame_state, }
    /// `struct llist_node`.
    llist_node: ListNode since 14 { next, prev, }
    /// PEP 768. `remote_debugging_enabled` is from the interpreter, `eval_breaker` and `remote_debugger_support` from the
    /// thread, the others from `remote_debugger_support`.
    debugger_support: DebuggerSupport since 14 {
        eval_breaker, remote_debugger_support, remote_debugging_enabled, debugger_pending_call, debugger_script_path,
        debugger_script_path_size,
    }
}
