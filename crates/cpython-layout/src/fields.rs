//! Fields of `_Py_DebugOffsets`, the union over all supported releases.
//!
//! Fields after a semicolon, and the groups in the second list, were added after 3.13; they are
//! `None` in tables without them. An entry that a build does not use (thread-local bytecode with
//! the GIL) is 0 in the table and stays 0 here.

use crate::{Build, Version};

macro_rules! fields {
    (
        { $( $(#[$about:meta])* $group:ident: $Group:ident { $($field:ident)* $(; $($newer:ident)*)? } )* }
        { $( $(#[$new_about:meta])* $new_group:ident: $NewGroup:ident { $($new_field:ident)* } )* }
    ) => {
        $(
            $(#[$about])*
            #[derive(Debug, Clone, Copy)]
            #[allow(missing_docs, reason = "each field is the offset of the C field of the same name; exceptions are in the head")]
            pub struct $Group { $(pub $field: u64,)* $($(pub $newer: Option<u64>,)*)? }
        )*
        $(
            $(#[$new_about])*
            #[derive(Debug, Clone, Copy)]
            #[allow(missing_docs, reason = "each field is the offset of the C field of the same name; exceptions are in the head")]
            pub struct $NewGroup { $(pub $new_field: u64,)* }
        )*

        /// `_Py_DebugOffsets` of one process: field offsets in bytes from the start of each
        /// structure.
        #[derive(Debug, Clone, Copy)]
        pub struct DebugOffsets {
            /// The version of CPython, including the patch release.
            pub version: Version,
            /// Built with `--disable-gil`. The GIL may be enabled at run time all the same.
            pub free_threaded: bool,
            /// Layout facts of the build that are not in the table.
            pub build: &'static Build,
            $( $(#[$about])* pub $group: $Group, )*
            $( $(#[$new_about])* pub $new_group: Option<$NewGroup>, )*
        }

        impl DebugOffsets {
            /// Calls `each` with the group, name and value of every entry, and stops at the first
            /// error.
            pub(crate) fn entries<E>(
                &self,
                mut each: impl FnMut(&'static str, &'static str, u64) -> Result<(), E>,
            ) -> Result<(), E> {
                $(
                    $( each(stringify!($group), concat!(stringify!($group), ".", stringify!($field)), self.$group.$field)?; )*
                    $($( if let Some(value) = self.$group.$newer {
                        each(stringify!($group), concat!(stringify!($group), ".", stringify!($newer)), value)?;
                    } )*)?
                )*
                $( if let Some(group) = self.$new_group {
                    $( each(stringify!($new_group), concat!(stringify!($new_group), ".", stringify!($new_field)), group.$new_field)?; )*
                } )*
                Ok(())
            }
        }
    };
}

/// Parser for the table of one release.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    /// Size of the table in bytes.
    pub(crate) size: usize,
    /// Parses the words after the table's header (cookie, version, free-threading flag).
    pub(crate) read:
        fn(Version, &'static Build, &mut dyn Iterator<Item = u64>) -> Option<DebugOffsets>,
}

/// Defines a [`Table`] from its fields in the order of the header. Fields or groups after `;` are
/// not in the table.
macro_rules! table {
    (
        $NAME:ident: $size:literal
        $( $group:ident: $Group:ident { $($field:ident)* $(; $($absent:ident)*)? } )*
        $(; $($absent_group:ident)*)?
    ) => {
        const $NAME: crate::fields::Table = crate::fields::Table {
            size: $size,
            read: |version, build, words| {
                Some(crate::DebugOffsets {
                    version,
                    free_threaded: build.free_threaded,
                    build,
                    $( $group: crate::$Group {
                        $( $field: words.next()?.into(), )*
                        $($( $absent: None, )*)?
                    }.into(), )*
                    $($( $absent_group: None, )*)?
                })
            },
        };
    };
}

fields! {{
    /// `_PyRuntimeState`.
    runtime_state: RuntimeState { size finalizing interpreters_head }
    /// `PyInterpreterState`. `gil_runtime_state_enabled` is from `gil_runtime_state`, not from the
    /// interpreter, and 0 on builds with the GIL, which have no such field.
    interpreter_state: InterpreterState {
        size id next threads_head gc imports_modules sysdict builtins ceval_gil gil_runtime_state
        gil_runtime_state_enabled gil_runtime_state_locked gil_runtime_state_holder;
        threads_main code_object_generation tlbc_generation
    }
    /// `PyThreadState`.
    thread_state: ThreadState {
        size prev next interp current_frame thread_id native_thread_id datastack_chunk status;
        base_frame last_profiled_frame last_profiled_frame_seq holds_gil gil_requested current_exception exc_state
    }
    /// `_PyInterpreterFrame`. `tlbc_index` is 0 on builds with the GIL.
    interpreter_frame: InterpreterFrame {
        size previous executable instr_ptr localsplus owner; stackpointer tlbc_index
    }
    /// `PyCodeObject`. `co_tlbc` is 0 on builds with the GIL.
    code_object: CodeObject {
        size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds co_code_adaptive;
        co_tlbc
    }
    /// `PyObject`: its size is the object header's.
    pyobject: PyObject { size ob_type }
    /// `PyTypeObject`.
    type_object: TypeObject { size tp_name tp_repr tp_flags; tp_basicsize tp_dictoffset }
    /// `PyTupleObject`. `ob_item` is where the items are, not a pointer to them.
    tuple_object: TupleObject { size ob_item ob_size }
    /// `PyListObject`. `ob_item` is a pointer to the items.
    list_object: ListObject { size ob_item ob_size }
    /// `PyDictObject`.
    dict_object: DictObject { size ma_keys ma_values }
    /// `PyFloatObject`.
    float_object: FloatObject { size ob_fval }
    /// `PyLongObject`.
    long_object: LongObject { size lv_tag ob_digit }
    /// `PyBytesObject`.
    bytes_object: BytesObject { size ob_size ob_sval }
    /// `PyUnicodeObject`. The characters of a compact ASCII string begin at `asciiobject_size`,
    /// those of another compact string at `compactunicodeobject_size`.
    unicode_object: UnicodeObject { size state length asciiobject_size; compactunicodeobject_size }
    /// `struct _gc_runtime_state`. `generation_stats_size` is the size of what `generation_stats`
    /// points to.
    gc: Gc { size collecting; frame generation_stats_size generation_stats }
} {
    /// `_PyErr_StackItem`.
    err_stackitem: ErrStackItem { exc_value }
    /// `PyHeapTypeObject`.
    heap_type_object: HeapTypeObject { size ht_cached_keys }
    /// `PySetObject`.
    set_object: SetObject { size used table mask }
    /// `PyGenObject`, and coroutines and asynchronous generators.
    gen_object: GenObject { size gi_name gi_iframe gi_frame_state }
    /// `struct llist_node`.
    llist_node: ListNode { next prev }
    /// PEP 768. `remote_debugging_enabled` is from the interpreter, `eval_breaker` and
    /// `remote_debugger_support` from the thread, the others from `remote_debugger_support`.
    debugger_support: DebuggerSupport {
        eval_breaker remote_debugger_support remote_debugging_enabled debugger_pending_call debugger_script_path
        debugger_script_path_size
    }
}}

impl CodeObject {
    /// Returns the offset of `co_stacksize`, the number of evaluation stack slots (32 bits, like
    /// all fields below).
    #[must_use]
    pub fn stack_size(&self) -> u64 {
        self.firstlineno.saturating_sub(4)
    }

    /// Returns the offset of `co_nlocalsplus`, the number of locals, cells and free variables.
    #[must_use]
    pub fn locals(&self) -> u64 {
        self.firstlineno + 4
    }

    /// Returns the offset of `_co_firsttraceable`, the first instruction at which a frame is
    /// complete, in code units. `sys._current_frames` omits frames that have not reached it.
    #[must_use]
    pub fn first_traceable(&self) -> u64 {
        // Order in cpython/code.h: `_co_firsttraceable`, `co_extra`, `co_tlbc` if present,
        // `co_code_adaptive`.
        self.co_tlbc.filter(|&tlbc| tlbc != 0).unwrap_or(self.co_code_adaptive).saturating_sub(16)
    }
}
