//! C code called through ctypes and cffi. CDLL has always released the GIL around a call; PyDLL and
//! pythonapi have not, and code that counted on it loses its lock.

use super::context::ModuleContext;
use super::hazard::{Confidence, Rule};
use super::names;
use super::outline::ValueKind;
use ruff_python_ast::{Expr, ExprCall};

/// A library that is loaded.
pub(super) fn visit_call<'a>(cx: &mut ModuleContext<'a>, call: &'a ExprCall) {
    let full = cx.outline.full_name(&call.func);
    match full.as_deref() {
        Some("ctypes.PyDLL" | "ctypes.pydll.LoadLibrary" | "ctypes.PYFUNCTYPE") => {
            let what = format!(
                "`{}`: its functions are called with the GIL held, where there is one",
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
    // A buffer of the module's own is one that all threads hand to C.
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
            format!("`{shown}`, and the buffer `{name}` is the same for all threads"),
        ),
        None => (Confidence::Low, format!("`{shown}`")),
    };
    cx.add(Rule::ForeignCall, confidence, call, "library", what);
}

/// `ctypes.pythonapi.X`.
pub(super) fn visit_attribute<'a>(cx: &mut ModuleContext<'a>, expr: &'a Expr) {
    let Expr::Attribute(attribute) = expr else { return };
    let of = cx.outline.full_name(&attribute.value);
    if of.as_deref() == Some("ctypes.pythonapi") {
        let name = attribute.attr.as_str();
        // Borrowed references and unlocked internals are what CPython documents as unsafe without
        // the GIL.
        let confidence = if is_unsafe(name) { Confidence::High } else { Confidence::Medium };
        let what =
            format!("`ctypes.pythonapi.{name}` is called with the GIL held, where there is one");
        cx.add(Rule::CtypesHoldsGil, confidence, expr, name, what);
    }
}

/// Functions of CPython that are not safe while another thread changes the same object (its
/// free-threading guide for extensions).
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
