//! Objects, code and frames, as far as their tables of offsets leave them out.
//!
//! All of these begin with the object header and have kept their order in 3.13, 3.14 and 3.15 (funcobject.h, classobject.h,
//! methodobject.h, descrobject.h, cellobject.h, pycore_moduleobject.h, pycore_interpframe_structs.h, cpython/code.h), so an offset
//! is the header's size and a distance.

use crate::offsets::DebugOffsets;

/// Offsets in objects of types that `_Py_DebugOffsets` does not describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectsMore {
    /// `PyFunctionObject.func_globals`.
    pub function_globals: u64,
    /// `PyFunctionObject.func_qualname`.
    pub function_qualname: u64,
    /// `PyFunctionObject.func_code`.
    pub function_code: u64,
    /// `PyFunctionObject.func_closure`.
    pub function_closure: u64,
    /// `PyMethodObject.im_func`.
    pub method_function: u64,
    /// `PyMethodObject.im_self`.
    pub method_self: u64,
    /// `PyCFunctionObject.m_ml`, a pointer to a `PyMethodDef`, whose first word points to its name.
    pub builtin_method: u64,
    /// `PyCFunctionObject.m_self`.
    pub builtin_self: u64,
    /// `PyDescrObject.d_type`.
    pub descriptor_type: u64,
    /// `PyDescrObject.d_name`.
    pub descriptor_name: u64,
    /// `PyMemberDescrObject.d_member`, a pointer to a `PyMemberDef`: name, int type at 8, offset at 16.
    pub member: u64,
    /// `PyCellObject.ob_ref`.
    pub cell: u64,
    /// `PyModuleObject.md_dict`.
    pub module_dict: u64,
    /// `PyWeakReference.wr_object`.
    pub weak_reference: u64,
    /// `PyFrameObject.f_frame`, a pointer to the interpreter frame.
    pub frame_object_frame: u64,
    /// `PyGenObject.gi_qualname`, and those of coroutines and asynchronous generators.
    pub generator_qualname: u64,
    /// `gi_frame_state`, a signed byte.
    pub generator_state: u64,
    /// `gi_iframe`: the interpreter frame itself.
    pub generator_frame: u64,
    /// `FRAME_SUSPENDED_YIELD_FROM`, the value of `gi_frame_state` while it awaits something that is on its stack's top.
    pub awaiting: i8,
    /// `FRAME_EXECUTING`.
    pub executing: i8,
    /// `PySetObject.used`, a word.
    pub set_used: u64,
    /// `PySetObject.mask`, a word: slots less one.
    pub set_mask: u64,
    /// `PySetObject.table`, a pointer to slots of two words: key, hash.
    pub set_table: u64,
    /// `ob_mutex`, a byte. Free-threaded builds.
    pub mutex: Option<u64>,
    /// `ob_gc_bits`, a byte: 1 tracked, 2 finalized, 4 unreachable, 8 frozen... (pycore_gc.h). Free-threaded builds.
    pub gc_bits: Option<u64>,
}

impl ObjectsMore {
    pub(super) fn of(offsets: &DebugOffsets) -> ObjectsMore {
        let header = offsets.pyobject.size;
        let free_threaded = offsets.free_threaded;
        ObjectsMore {
            function_globals: header,
            function_qualname: header + 24,
            function_code: header + 32,
            function_closure: header + 56,
            method_function: header,
            method_self: header + 8,
            builtin_method: header,
            builtin_self: header + 8,
            descriptor_type: header,
            descriptor_name: header + 8,
            member: header + 24,
            cell: header,
            module_dict: header,
            weak_reference: header,
            frame_object_frame: header + 8,
            generator_qualname: header + 16,
            generator_state: header + 51,
            generator_frame: header + 56,
            awaiting: if offsets.version.minor >= 15 { 2 } else { -1 },
            executing: if offsets.version.minor >= 15 { 4 } else { 0 },
            set_used: header + 8,
            set_mask: header + 16,
            set_table: header + 24,
            mutex: free_threaded.then_some(10),
            gc_bits: free_threaded.then_some(11),
        }
    }
}

/// Offsets in `_PyInterpreterFrame`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameMore {
    /// `f_funcobj`, tagged from 3.14 on.
    pub function: u64,
    /// `f_globals`.
    pub globals: u64,
    /// `f_builtins`.
    pub builtins: u64,
    /// `f_locals`, NULL but for module and class bodies and `exec`.
    pub locals: u64,
    /// `stacktop`, 32 bits, signed: slots in use from the first local on, -1 while the frame runs. 3.13, which has no `stackpointer`.
    pub stacktop: Option<u64>,
}

impl FrameMore {
    pub(super) fn of(offsets: &DebugOffsets) -> FrameMore {
        let stacktop = (offsets.version.minor == 13).then_some(64);
        FrameMore { function: 16, globals: 24, builtins: 32, locals: 40, stacktop }
    }
}

/// Offsets in `PyCodeObject`, all 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeMore {
    /// `co_flags`.
    pub flags: u64,
    /// `co_stacksize`: slots of the evaluation stack.
    pub stack_size: u64,
    /// `co_nlocalsplus`: locals, cells and free variables.
    pub locals: u64,
    /// `_co_firsttraceable`: the first instruction a frame is complete at, in code units. A frame that has not reached it is left
    /// out by `sys._current_frames`.
    pub first_traceable: u64,
}

impl CodeMore {
    pub(crate) fn of(offsets: &DebugOffsets) -> CodeMore {
        let at = &offsets.code_object;
        // cpython/code.h: `_co_firsttraceable`, `co_extra`, then `co_tlbc` where there is one, then `co_code_adaptive`.
        let extra = match at.co_tlbc {
            Some(tlbc) if tlbc != 0 => tlbc,
            _ => at.co_code_adaptive,
        };
        CodeMore {
            flags: offsets.pyobject.size + 32,
            stack_size: at.firstlineno.saturating_sub(4),
            locals: at.firstlineno + 4,
            first_traceable: extra.saturating_sub(16),
        }
    }
}
