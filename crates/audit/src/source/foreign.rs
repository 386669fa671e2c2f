//! Rules for C code called through ctypes and cffi.
//!
//! CDLL has always released the GIL around a call. PyDLL and pythonapi have not, so code that
//! relied on this loses its mutual exclusion.

use super::context::ModuleContext;
use super::hazard::{Confidence, Rule};
use super::names;
use super::outline::ValueKind;
use ruff_python_ast::{Expr, ExprCall};

/// Reports libraries that are loaded.
pub(super) fn visit_call<'a>(cx: &mut ModuleContext<'a>, call: &'a ExprCall) {
    let full = cx.outline.full_name(&call.func);
    match full.as_deref() {
        Some("ctypes.PyDLL" | "ctypes.pydll.LoadLibrary" | "ctypes.PYFUNCTYPE") => {
            let what = format!(
                "`{}`: calls of its functions hold the GIL; without the GIL they can overlap",
                cx.excerpt(call)
            );
            cx.add(Rule::CtypesHoldsGil, Confidence::High, call, "pydll", what);
        }
        Some(
            "ctypes.CDLL"
            | "ctypes.WinDLL"
            | "ctypes.OleDLL"
            | "ctypes.cdll.LoadLibrary"
            | "ctypes.windll.LoadLibrary",
        ) => {
            report_library(cx, call);
        }
        _ if names::last(&call.func) == Some("dlopen") && is_ffi(&call.func) => {
            report_library(cx, call)
        }
        _ => {}
    }
}

fn is_ffi(function: &Expr) -> bool {
    names::attribute(function).is_some_and(|(base, _)| base.to_lowercase().ends_with("ffi"))
}

fn report_library<'a>(cx: &mut ModuleContext<'a>, call: &'a ExprCall) {
    // A module-level buffer is passed to C by all threads.
    let buffer = cx
        .outline
        .names
        .iter()
        .filter(|(_, holds)| **holds == ValueKind::Buffer)
        .map(|(name, _)| *name)
        .min();
    let shown = cx.excerpt(call);
    let (confidence, what) = match buffer {
        Some(name) => (
            Confidence::Medium,
            format!("`{shown}`, and the buffer `{name}` is shared by all threads"),
        ),
        None => (Confidence::Low, format!("`{shown}` loads a C library")),
    };
    cx.add(Rule::ForeignCall, confidence, call, "library", what);
}

/// `ctypes.pythonapi.X`.
pub(super) fn visit_attribute<'a>(cx: &mut ModuleContext<'a>, expr: &'a Expr) {
    let Expr::Attribute(attribute) = expr else { return };
    let of = cx.outline.full_name(&attribute.value);
    if of.as_deref() == Some("ctypes.pythonapi") {
        let name = attribute.attr.as_str();
        // CPython documents borrowed references and functions without locking as unsafe without the
        // GIL.
        let confidence = if is_unsafe(name) { Confidence::High } else { Confidence::Medium };
        let what = format!(
            "`ctypes.pythonapi.{name}`: calls hold the GIL; without the GIL they can \
                     overlap"
        );
        cx.add(Rule::CtypesHoldsGil, confidence, expr, name, what);
    }
}

/// Returns whether a CPython function is unsafe while another thread changes the same object (from
/// the free-threading guide for extensions).
fn is_unsafe(name: &str) -> bool {
    matches!(
        name,
        "PyDict_Next"
            | "PyDict_GetItem"
            | "PyDict_GetItemString"
            | "PyDict_GetItemWithError"
            | "PyList_GetItem"
            | "PyList_SetItem"
            | "PyTuple_SetItem"
            | "PyCell_Get"
            | "PyWeakref_GetObject"
            | "PyImport_AddModule"
            | "PyBytes_AsString"
            | "PyByteArray_AsString"
            | "_PyTuple_Resize"
            | "PyFrame_LocalsToFast"
    )
}
