//! Imported functions that symbolic execution knows by name, and their effects.

use crate::gil_analysis::state::ExecState;
use crate::gil_analysis::value::Value;
use crate::image::Image;

/// Effect of a call of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImportRole {
    /// `PyModuleDef_Init`: multi-phase initialization.
    DefInit,
    /// `PyUnstable_Module_SetGIL`.
    SetGil,
    /// Creates a module from a definition.
    Create,
    /// Creates or finds a module by name, without a definition.
    CreateByName,
    /// Does not return.
    NoReturn,
    /// Returns whether a static C++ variable still has to be initialized: true on the first import.
    CxaGuard,
    /// `PyState_FindModule`: a module added earlier; null on the first import until one is added.
    FindModule,
    /// `PyState_AddModule`: the module can be found from then on. Assumed to succeed: a path on
    /// which it fails ends in an error.
    AddModule,
    /// `PyState_RemoveModule`.
    RemoveModule,
    /// Sets an exception: returning a module afterwards is an error.
    SetError,
    /// Clears the exception.
    ClearError,
    /// Returns zeroed memory for a count of items of a size: `calloc` and CPython's variants.
    Calloc,
    /// `memset`.
    Memset,
    /// `memcpy` and `memmove`.
    Memcpy,
    /// Anything else.
    Other,
}

/// Returns the roles of an image's imports, in the order of its imports.
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
        // std::__throw_length_error and similar.
        _ if name.starts_with("_ZSt") && name.contains("__throw_") => ImportRole::NoReturn,
        _ => ImportRole::Other,
    }
}

/// Executes `memset` or `memcpy` if all arguments are known and the length is small. Returns
/// whether it did.
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
    // Stored after everything was read, because the ranges of memmove may overlap.
    for (at, size, value) in words {
        state.memory.store(image, to.wrapping_add(at), size, value);
    }
    true
}
