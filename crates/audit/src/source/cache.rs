//! Containers and numbers of a module or a class, changed in functions without a lock.
//!
//! One operation of a dict, list or set is atomic, with the GIL and without. What is not: to look
//! and then change (of two threads that miss a key, each makes its own), and to read, compute and
//! write back. How bad the first is depends on what is written: an object that others go on to
//! change is lost with one of the two; the result of a function is only computed twice.

use super::context::{ModuleContext, SharedObject};
use super::hazard::{Confidence, Rule};
use super::names;
use super::outline::ValueKind;
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, ExprCall, StmtAugAssign, StmtDelete};

/// `target = value`.
pub(super) fn visit_assign<'a>(cx: &mut ModuleContext<'a>, target: &'a Expr, value: &'a Expr) {
    match target {
        Expr::Subscript(subscript) => {
            let Some(object) = cx.container(&subscript.value) else { return };
            if object.kind != ValueKind::List {
                record_change(cx, &object);
            }
            assign_item(cx, &object, target, &subscript.slice, value);
        }
        Expr::Name(_) | Expr::Attribute(_) => find_recomputed_number(cx, target, value),
        _ => {}
    }
}

fn record_change(cx: &mut ModuleContext<'_>, object: &SharedObject<'_>) {
    if let Some(frame) = cx.frames.last() {
        cx.changed.entry(object.name.clone()).or_default().insert(frame.name);
    }
}

/// `d[k] = value`.
fn assign_item<'a>(
    cx: &mut ModuleContext<'a>,
    object: &SharedObject<'a>,
    target: &'a Expr,
    key: &'a Expr,
    value: &'a Expr,
) {
    let Some(frame) = cx.unlocked() else { return };
    let is_async = frame.is_async;
    let shown = cx.excerpt(target);
    let name = object.name.as_str();
    let key = cx.key(key);
    if key.is_some_and(is_per_thread_key) {
        return;
    }
    if reads_item(cx, value, object) {
        let what = format!("`{shown}` is read, computed and written back in `{}`", frame.name);
        return cx.add(
            Rule::SharedCache,
            lower_if_async(Confidence::High, is_async),
            target,
            name,
            what,
        );
    }
    if key.is_some() && cx.was_checked(object, key) {
        let is_lost = names::is_fresh(value);
        let confidence = if is_lost { Confidence::High } else { Confidence::Medium };
        let what = if is_lost {
            format!(
                "`{shown}` is made after a look whether it is there: of two threads that do that, one keeps an object that the others lose"
            )
        } else {
            format!(
                "`{shown}` is set after a look whether it is there: two threads may both compute it"
            )
        };
        return cx.add(Rule::SharedCache, lower_if_async(confidence, is_async), target, name, what);
    }
    let what = format!(
        "`{shown}` is set without a lock, which is safe as long as nothing depends on what was there"
    );
    cx.add(Rule::SharedCache, Confidence::Low, target, name, what);
}

/// Whether a key is one that only this thread uses.
fn is_per_thread_key(key: &str) -> bool {
    const OWN: [&str; 6] =
        ["get_ident", "get_native_id", "current_thread", "currentThread", "current_task", "getpid"];
    OWN.iter().any(|own| key.contains(own))
}

/// In a coroutine nothing else of its loop runs until it awaits.
fn lower_if_async(confidence: Confidence, is_async: bool) -> Confidence {
    if is_async { confidence.lower() } else { confidence }
}

/// `n = n + 1` of a global.
fn find_recomputed_number<'a>(cx: &mut ModuleContext<'a>, target: &'a Expr, value: &'a Expr) {
    let Expr::BinOp(op) = value else { return };
    let (Some(of), Some(left)) = (cx.key(target), cx.key(op.left.as_ref())) else { return };
    if of == left {
        report_counter(cx, target, target);
    }
}

/// `target op= value`.
pub(super) fn visit_aug_assign<'a>(cx: &mut ModuleContext<'a>, stmt: &'a StmtAugAssign) {
    match stmt.target.as_ref() {
        Expr::Subscript(subscript) => {
            let Some(object) = cx.container(&subscript.value) else { return };
            record_change(cx, &object);
            if cx.key(subscript.slice.as_ref()).is_some_and(is_per_thread_key) {
                return;
            }
            let Some(frame) = cx.unlocked() else { return };
            let (name, is_async) = (frame.name, frame.is_async);
            let what =
                format!("`{}` is read, computed and written back in `{name}`", cx.excerpt(stmt));
            cx.add(
                Rule::SharedCache,
                lower_if_async(Confidence::High, is_async),
                stmt,
                &object.name,
                what,
            );
        }
        target => report_counter(cx, target, stmt),
    }
}

/// A number of the module, of a class, or of the function around one that runs in a thread.
fn report_counter<'a>(
    cx: &mut ModuleContext<'a>,
    target: &'a Expr,
    at: &'a impl ruff_text_size::Ranged,
) {
    let Some(frame) = cx.unlocked() else { return };
    let is_async = frame.is_async;
    let is_shared = match (names::name(target), names::attribute(target)) {
        (Some(name), _) => {
            let is_number = cx.outline.names.get(name) == Some(&ValueKind::Number);
            (frame.globals.contains(name) && is_number)
                || (frame.nonlocals.contains(name) && frame.is_thread)
        }
        (_, Some((base, _))) if base != "self" => {
            cx.shared(target).is_some_and(|object| object.kind == ValueKind::Number)
        }
        _ => false,
    };
    if is_shared {
        let shown = cx.excerpt(target);
        let what = format!("`{shown}` is read, computed and written back in `{}`", frame.name);
        cx.add(Rule::SharedCounter, lower_if_async(Confidence::High, is_async), at, shown, what);
    }
}

/// `del d[k]`.
pub(super) fn visit_delete<'a>(cx: &mut ModuleContext<'a>, stmt: &'a StmtDelete) {
    for target in &stmt.targets {
        let Expr::Subscript(subscript) = target else { continue };
        let Some(object) = cx.container(&subscript.value) else { continue };
        record_change(cx, &object);
        let key = cx.key(subscript.slice.as_ref());
        let is_risky = cx.unlocked().is_some() && !cx.is_missing_handled();
        if is_risky
            && key.is_some_and(|key| !is_per_thread_key(key))
            && cx.was_checked(&object, key)
        {
            let shown = cx.excerpt(target);
            let what = format!(
                "`{shown}` is deleted after a look whether it is there: another thread may have deleted it since"
            );
            cx.add(Rule::SharedCache, Confidence::High, target, &object.name, what);
        }
    }
}

/// A method of a container that changes it.
pub(super) fn visit_call<'a>(cx: &mut ModuleContext<'a>, call: &'a ExprCall) {
    let Expr::Attribute(attribute) = call.func.as_ref() else { return };
    let method = attribute.attr.as_str();
    if let Expr::Subscript(subscript) = attribute.value.as_ref() {
        return report_defaultdict_growth(cx, call, &subscript.value, method);
    }
    const CHANGES: [&str; 14] = [
        "add",
        "append",
        "appendleft",
        "clear",
        "discard",
        "extend",
        "insert",
        "pop",
        "popitem",
        "popleft",
        "remove",
        "reverse",
        "setdefault",
        "update",
    ];
    if !CHANGES.contains(&method) {
        return;
    }
    let Some(object) = cx.container(&attribute.value) else { return };
    if object.kind != ValueKind::List {
        record_change(cx, &object);
    }
    if cx.unlocked().is_none() {
        return;
    }
    let arguments = &call.arguments.args;
    let key = arguments.first().and_then(|first| cx.key(first));
    let is_one_sure =
        key.is_some_and(|key| !is_per_thread_key(key)) && cx.was_checked(&object, key);
    let is_any_sure = cx.was_checked(&object, None);
    let shown = cx.excerpt(call);
    let (confidence, what) = match method {
        "pop" | "popitem" | "popleft" | "remove" if cx.is_missing_handled() => return,
        "pop" if arguments.len() < 2 && is_one_sure => {
            (Confidence::High, "another thread may have taken it since")
        }
        "pop" | "popitem" | "popleft" if arguments.is_empty() && is_any_sure => {
            (Confidence::High, "another thread may have taken the last since")
        }
        "remove" if is_one_sure => (Confidence::High, "another thread may have removed it since"),
        "append" | "insert" if is_one_sure => {
            (Confidence::Medium, "another thread may have added it since")
        }
        "add" if is_one_sure => (Confidence::Medium, "two threads may both find it missing"),
        _ => return,
    };
    let what = format!("`{shown}` rests on a look at `{}` before it: {what}", object.name);
    cx.add(Rule::SharedCache, confidence, call, &object.name, what);
}

/// `d[k].append(v)` where `d` makes what is missing: each of two threads makes one, and one is lost
/// with what was put into it.
fn report_defaultdict_growth<'a>(
    cx: &mut ModuleContext<'a>,
    call: &'a ExprCall,
    of: &'a Expr,
    method: &str,
) {
    let is_growth = matches!(
        method,
        "add" | "append" | "extend" | "insert" | "update" | "appendleft" | "setdefault"
    );
    let Some(object) =
        cx.container(of).filter(|object| is_growth && object.kind == ValueKind::DefaultDict)
    else {
        return;
    };
    record_change(cx, &object);
    if cx.unlocked().is_some() {
        let shown = cx.excerpt(call);
        let what = format!(
            "`{shown}`: two threads that meet a missing key each make its value, and one is lost"
        );
        cx.add(Rule::SharedCache, Confidence::High, call, &object.name, what);
    }
}

/// Whether an expression reads an item of the container: `d[k] + 1`, `d.get(k, 0) + 1`.
fn reads_item<'a>(cx: &ModuleContext<'a>, value: &'a Expr, object: &SharedObject<'a>) -> bool {
    struct ItemReads<'c, 'a> {
        cx: &'c ModuleContext<'a>,
        object: &'c SharedObject<'a>,
        is_found: bool,
    }
    impl<'a> Visitor<'a> for ItemReads<'_, 'a> {
        fn visit_expr(&mut self, expr: &'a Expr) {
            let of = match expr {
                Expr::Subscript(subscript) => Some(subscript.value.as_ref()),
                Expr::Call(call) => match call.func.as_ref() {
                    Expr::Attribute(attribute) if attribute.attr.as_str() == "get" => {
                        Some(attribute.value.as_ref())
                    }
                    _ => None,
                },
                _ => None,
            };
            self.is_found |=
                of.is_some_and(|of| self.cx.container(of).as_ref() == Some(self.object));
            if !self.is_found {
                visitor::walk_expr(self, expr);
            }
        }
    }
    // Only arithmetic: what a function makes of another item is no count.
    let Expr::BinOp(op) = value else { return false };
    let mut reads = ItemReads { cx, object, is_found: false };
    reads.visit_expr(&op.left);
    reads.is_found
}
