//! The imports that a walk knows by name, and what it makes of them.

use crate::gil_analysis::state::ExecState;
use crate::gil_analysis::value::Value;
use crate::image::Image;

/// What a call of an import means to a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImportRole {
    /// `PyModuleDef_Init`: the module is initialised in phases.
    DefInit,
    /// `PyUnstable_Module_SetGIL`.
    SetGil,
    /// Makes a module of a definition.
    Create,
    /// Gives a module of nothing but a name, made or found.
    CreateByName,
    /// Does not come back.
    NoReturn,
    /// Says whether a static variable of C++ is still to be initialised: it is, on the first
    /// import.
    CxaGuard,
    /// `PyState_FindModule`: a module that was made earlier, and on the first import was not before
    /// it is added.
    FindModule,
    /// `PyState_AddModule`: that module can be found from then on. A way on which it cannot be
    /// added is one that fails.
    AddModule,
    /// `PyState_RemoveModule`.
    RemoveModule,
    /// Raises an error: handing over anything afterwards fails as well.
    SetError,
    /// Takes an error back.
    ClearError,
    /// Gives zeroed memory, for so many of such a size: `calloc` and CPython's.
    Calloc,
    /// `memset`.
    Memset,
    /// `memcpy` and `memmove`.
    Memcpy,
    /// Anything else.
    Other,
}

/// The roles of an image's imports, in their order.
pub(crate) fn roles(image: &Image) -> Vec<ImportRole> {
    image.imports.iter().map(|name| role(name)).collect()
}

fn role(name: &str) -> ImportRole {
    match name {
        "PyModuleDef_Init" => ImportRole::DefInit,
        "PyUnstable_Module_SetGIL" => ImportRole::SetGil,
        "PyModule_Create2" | "PyModule_Create2TraceRefs" | "PyModule_FromDefAndSpec2" => {
            ImportRole::Create
        }
        "PyModule_New" | "PyModule_NewObject" | "PyImport_AddModuleRef" => ImportRole::CreateByName,
        "abort"
        | "exit"
        | "_exit"
        | "__stack_chk_fail"
        | "___stack_chk_fail"
        | "_Unwind_Resume"
        | "__cxa_throw"
        | "__cxa_rethrow"
        | "__cxa_call_unexpected"
        | "__cxa_bad_cast"
        | "_CxxThrowException"
        | "__assert_fail"
        | "__assert_rtn"
        | "__cxa_throw_bad_array_new_length"
        | "_ZSt9terminatev"
        | "_Py_FatalErrorFunc"
        | "Py_FatalError"
        | "longjmp" => ImportRole::NoReturn,
        "__cxa_guard_acquire" | "___cxa_guard_acquire" => ImportRole::CxaGuard,
        "PyState_FindModule" => ImportRole::FindModule,
        "PyState_AddModule" => ImportRole::AddModule,
        "PyState_RemoveModule" => ImportRole::RemoveModule,
        "PyErr_SetString"
        | "PyErr_SetObject"
        | "PyErr_SetNone"
        | "PyErr_Format"
        | "PyErr_NoMemory"
        | "PyErr_BadInternalCall" => ImportRole::SetError,
        "PyErr_Clear"
        | "PyErr_Print"
        | "PyErr_PrintEx"
        | "PyErr_Fetch"
        | "PyErr_GetRaisedException"
        | "PyErr_WriteUnraisable" => ImportRole::ClearError,
        "calloc" | "PyMem_Calloc" | "PyMem_RawCalloc" | "PyObject_Calloc" => ImportRole::Calloc,
        "memset" => ImportRole::Memset,
        "memcpy" | "memmove" => ImportRole::Memcpy,
        // std::__throw_length_error and the like.
        _ if name.starts_with("_ZSt") && name.contains("__throw_") => ImportRole::NoReturn,
        _ => ImportRole::Other,
    }
}

/// Carries `memset` or `memcpy` out if all it is given is known and it is short. Whether that was
/// so.
pub(crate) fn memset_or_memcpy(
    image: &Image,
    state: &mut ExecState,
    role: ImportRole,
    to: Value,
    from: Value,
    length: Value,
) -> bool {
    let (Value::Known(to), Value::Known(length @ 0..=4_096)) = (to, length) else { return false };
    let mut at = 0;
    let mut words = Vec::new();
    while at < length {
        let size = if length - at >= 8 { 8 } else { 1 };
        let value = match (role, from) {
            (ImportRole::Memset, Value::Known(byte)) => {
                let byte = byte & 0xff;
                Value::Known(if size == 8 {
                    byte.wrapping_mul(0x0101_0101_0101_0101)
                } else {
                    byte
                })
            }
            (ImportRole::Memcpy, Value::Known(from)) => {
                state.load(image, from.checked_add(at), size)
            }
            _ => state.fresh_symbol(),
        };
        words.push((at, size, value));
        at += u64::from(size);
    }
    // Stored when all is read: memmove's two places may overlap.
    for (at, size, value) in words {
        state.memory.store(image, to.wrapping_add(at), size, value);
    }
    true
}
