//! Rules for containers and numbers of a module or class that functions change without a lock.
//!
//! A single operation on a dict, list or set is atomic, with and without the GIL. Two patterns are
//! not: a check followed by a change (two threads that both miss a key each create a value), and a
//! read, a computation and a write. The first is worse if the value is a mutable object, because
//! changes to the lost object are lost with it; the result of a pure function is merely computed
//! twice.

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
        let what = lost_update(shown, frame.name);
        return cx.add(
            Rule::SharedCache,
            lower_if_async(Confidence::High, is_async),
            target,
            name,
            what,
        );
    }
    if key.is_some() && cx.was_checked(object, key) {
        let is_new_object = names::is_fresh(value);
        let confidence = if is_new_object { Confidence::High } else { Confidence::Medium };
        let what = if is_new_object {
            format!(
                "`{shown}` is created after checking whether it exists: two threads may both \
                 create it, and one object is lost"
            )
        } else {
            format!(
                "`{shown}` is set after checking whether it exists: two threads may both compute it"
            )
        };
        return cx.add(Rule::SharedCache, lower_if_async(confidence, is_async), target, name, what);
    }
    let what = format!(
        "`{shown}` is set without a lock: safe only if nothing depends on the previous value"
    );
    cx.add(Rule::SharedCache, Confidence::Low, target, name, what);
}

/// Describes a read, a computation and a write that are not atomic.
fn lost_update(shown: &str, function: &str) -> String {
    format!("`{shown}` is updated in `{function}` without a lock: concurrent updates can be lost")
}

/// Returns whether a key is different in every thread.
fn is_per_thread_key(key: &str) -> bool {
    const OWN: [&str; 6] =
        ["get_ident", "get_native_id", "current_thread", "currentThread", "current_task", "getpid"];
    OWN.iter().any(|own| key.contains(own))
}

/// Lowers the confidence in a coroutine: nothing else on its event loop runs until it awaits.
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
            let what = lost_update(cx.excerpt(stmt.target.as_ref()), name);
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

/// Reports a change of a number that belongs to the module, to a class, or to the function around
/// one that runs in a thread.
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
        let what = lost_update(shown, frame.name);
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
                "`{shown}` is deleted after checking whether it exists: another thread may have \
                 deleted it since"
            );
            cx.add(Rule::SharedCache, Confidence::High, target, &object.name, what);
        }
    }
}

/// Reports method calls that change a container.
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
    let is_key_checked =
        key.is_some_and(|key| !is_per_thread_key(key)) && cx.was_checked(&object, key);
    let is_container_checked = cx.was_checked(&object, None);
    let shown = cx.excerpt(call);
    let (confidence, what) = match method {
        "pop" | "popitem" | "popleft" | "remove" if cx.is_missing_handled() => return,
        "pop" if arguments.len() < 2 && is_key_checked => {
            (Confidence::High, "another thread may have removed it since")
        }
        "pop" | "popitem" | "popleft" if arguments.is_empty() && is_container_checked => {
            (Confidence::High, "another thread may have taken the last item since")
        }
        "remove" if is_key_checked => {
            (Confidence::High, "another thread may have removed it since")
        }
        "append" | "insert" if is_key_checked => {
            (Confidence::Medium, "another thread may have added it since")
        }
        "add" if is_key_checked => (Confidence::Medium, "two threads may both find it missing"),
        _ => return,
    };
    let what = format!("`{shown}` depends on an earlier check of `{}`: {what}", object.name);
    cx.add(Rule::SharedCache, confidence, call, &object.name, what);
}

/// Reports `d[k].append(v)` on a defaultdict: two threads may both create the missing value, and
/// one is lost with its items.
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
            "`{shown}`: two threads that find the key missing each create its value, and one is \
             lost"
        );
        cx.add(Rule::SharedCache, Confidence::High, call, &object.name, what);
    }
}

/// Returns whether an expression computes with an item of the container: `d[k] + 1`, `d.get(k, 0) +
/// 1`.
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
    // Only arithmetic counts: calling a function on another item is not a counter.
    let Expr::BinOp(op) = value else { return false };
    let mut reads = ItemReads { cx, object, is_found: false };
    reads.visit_expr(&op.left);
    reads.is_found
}
