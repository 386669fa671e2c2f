//! Containers and numbers of a module or a class, changed in functions without a lock.
//!
//! One operation of a dict, list or set is atomic, with the GIL and without. What is not: to look
//! and then change (of two threads that miss a key, each makes its own), and to read, compute and
//! write back. How bad the first is depends on what is written: an object that others go on to
//! change is lost with one of the two; the result of a function is only computed twice.

use super::context::{Context, Place};
use super::hazard::{Confidence, Kind};
use super::names;
use super::outline::Holds;
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, ExprCall, StmtAugAssign, StmtDelete};

/// `target = value`.
pub(super) fn assigned<'a>(cx: &mut Context<'a>, target: &'a Expr, value: &'a Expr) {
    match target {
        Expr::Subscript(subscript) => {
            let Some(place) = cx.container(&subscript.value) else { return };
            if place.holds != Holds::List {
                changed(cx, &place);
            }
            item(cx, &place, target, &subscript.slice, value);
        }
        Expr::Name(_) | Expr::Attribute(_) => recomputed(cx, target, value),
        _ => {}
    }
}

fn changed(cx: &mut Context<'_>, place: &Place<'_>) {
    if let Some(frame) = cx.frames.last() {
        cx.changed.entry(place.name.clone()).or_default().insert(frame.name);
    }
}

/// `d[k] = value`.
fn item<'a>(
    cx: &mut Context<'a>,
    place: &Place<'a>,
    target: &'a Expr,
    key: &'a Expr,
    value: &'a Expr,
) {
    let Some(frame) = cx.unlocked() else { return };
    let is_async = frame.is_async;
    let shown = cx.source(target);
    let name = place.name.as_str();
    let key = cx.key(key);
    if key.is_some_and(is_own) {
        return;
    }
    if reads(cx, value, place) {
        let what = format!("`{shown}` is read, computed and written back in `{}`", frame.name);
        return cx.add(Kind::SharedCache, soft(Confidence::High, is_async), target, name, what);
    }
    if key.is_some() && cx.has_looked(place, key) {
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
        return cx.add(Kind::SharedCache, soft(confidence, is_async), target, name, what);
    }
    let what = format!(
        "`{shown}` is set without a lock, which is safe as long as nothing depends on what was there"
    );
    cx.add(Kind::SharedCache, Confidence::Low, target, name, what);
}

/// Whether a key is one that only this thread uses.
fn is_own(key: &str) -> bool {
    const OWN: [&str; 6] =
        ["get_ident", "get_native_id", "current_thread", "currentThread", "current_task", "getpid"];
    OWN.iter().any(|own| key.contains(own))
}

/// In a coroutine nothing else of its loop runs until it awaits.
fn soft(confidence: Confidence, is_async: bool) -> Confidence {
    if is_async { confidence.lower() } else { confidence }
}

/// `n = n + 1` of a global.
fn recomputed<'a>(cx: &mut Context<'a>, target: &'a Expr, value: &'a Expr) {
    let Expr::BinOp(op) = value else { return };
    let (Some(of), Some(left)) = (cx.key(target), cx.key(op.left.as_ref())) else { return };
    if of == left {
        count(cx, target, target);
    }
}

/// `target op= value`.
pub(super) fn counted<'a>(cx: &mut Context<'a>, stmt: &'a StmtAugAssign) {
    match stmt.target.as_ref() {
        Expr::Subscript(subscript) => {
            let Some(place) = cx.container(&subscript.value) else { return };
            changed(cx, &place);
            if cx.key(subscript.slice.as_ref()).is_some_and(is_own) {
                return;
            }
            let Some(frame) = cx.unlocked() else { return };
            let (name, is_async) = (frame.name, frame.is_async);
            let what =
                format!("`{}` is read, computed and written back in `{name}`", cx.source(stmt));
            cx.add(Kind::SharedCache, soft(Confidence::High, is_async), stmt, &place.name, what);
        }
        target => count(cx, target, stmt),
    }
}

/// A number of the module, of a class, or of the function around one that runs in a thread.
fn count<'a>(cx: &mut Context<'a>, target: &'a Expr, at: &'a impl ruff_text_size::Ranged) {
    let Some(frame) = cx.unlocked() else { return };
    let is_async = frame.is_async;
    let is_shared = match (names::name(target), names::attribute(target)) {
        (Some(name), _) => {
            let is_number = cx.outline.names.get(name) == Some(&Holds::Number);
            (frame.globals.contains(name) && is_number)
                || (frame.nonlocals.contains(name) && frame.is_thread)
        }
        (_, Some((base, _))) if base != "self" => {
            cx.shared(target).is_some_and(|place| place.holds == Holds::Number)
        }
        _ => false,
    };
    if is_shared {
        let shown = cx.source(target);
        let what = format!("`{shown}` is read, computed and written back in `{}`", frame.name);
        cx.add(Kind::SharedCounter, soft(Confidence::High, is_async), at, shown, what);
    }
}

/// `del d[k]`.
pub(super) fn deleted<'a>(cx: &mut Context<'a>, stmt: &'a StmtDelete) {
    for target in &stmt.targets {
        let Expr::Subscript(subscript) = target else { continue };
        let Some(place) = cx.container(&subscript.value) else { continue };
        changed(cx, &place);
        let key = cx.key(subscript.slice.as_ref());
        let is_risky = cx.unlocked().is_some() && !cx.is_forgiving();
        if is_risky && key.is_some_and(|key| !is_own(key)) && cx.has_looked(&place, key) {
            let shown = cx.source(target);
            let what = format!(
                "`{shown}` is deleted after a look whether it is there: another thread may have deleted it since"
            );
            cx.add(Kind::SharedCache, Confidence::High, target, &place.name, what);
        }
    }
}

/// A method of a container that changes it.
pub(super) fn call<'a>(cx: &mut Context<'a>, call: &'a ExprCall) {
    let Expr::Attribute(attribute) = call.func.as_ref() else { return };
    let method = attribute.attr.as_str();
    if let Expr::Subscript(subscript) = attribute.value.as_ref() {
        return grown(cx, call, &subscript.value, method);
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
    let Some(place) = cx.container(&attribute.value) else { return };
    if place.holds != Holds::List {
        changed(cx, &place);
    }
    if cx.unlocked().is_none() {
        return;
    }
    let arguments = &call.arguments.args;
    let key = arguments.first().and_then(|first| cx.key(first));
    let is_one_sure = key.is_some_and(|key| !is_own(key)) && cx.has_looked(&place, key);
    let is_any_sure = cx.has_looked(&place, None);
    let shown = cx.source(call);
    let (confidence, what) = match method {
        "pop" | "popitem" | "popleft" | "remove" if cx.is_forgiving() => return,
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
    let what = format!("`{shown}` rests on a look at `{}` before it: {what}", place.name);
    cx.add(Kind::SharedCache, confidence, call, &place.name, what);
}

/// `d[k].append(v)` where `d` makes what is missing: each of two threads makes one, and one is lost
/// with what was put into it.
fn grown<'a>(cx: &mut Context<'a>, call: &'a ExprCall, of: &'a Expr, method: &str) {
    let is_growth = matches!(
        method,
        "add" | "append" | "extend" | "insert" | "update" | "appendleft" | "setdefault"
    );
    let Some(place) =
        cx.container(of).filter(|place| is_growth && place.holds == Holds::DefaultDict)
    else {
        return;
    };
    changed(cx, &place);
    if cx.unlocked().is_some() {
        let shown = cx.source(call);
        let what = format!(
            "`{shown}`: two threads that meet a missing key each make its value, and one is lost"
        );
        cx.add(Kind::SharedCache, Confidence::High, call, &place.name, what);
    }
}

/// Whether an expression reads an item of the container: `d[k] + 1`, `d.get(k, 0) + 1`.
fn reads<'a>(cx: &Context<'a>, value: &'a Expr, place: &Place<'a>) -> bool {
    struct Reads<'c, 'a> {
        cx: &'c Context<'a>,
        place: &'c Place<'a>,
        is_found: bool,
    }
    impl<'a> Visitor<'a> for Reads<'_, 'a> {
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
                of.is_some_and(|of| self.cx.container(of).as_ref() == Some(self.place));
            if !self.is_found {
                visitor::walk_expr(self, expr);
            }
        }
    }
    // Only arithmetic: what a function makes of another item is no count.
    let Expr::BinOp(op) = value else { return false };
    let mut reads = Reads { cx, place, is_found: false };
    reads.visit_expr(&op.left);
    reads.is_found
}
