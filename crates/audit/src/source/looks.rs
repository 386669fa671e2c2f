//! Looks at shared containers that a later change may rest on: `k in d`, `d.get(k)`, `len(d)`, a
//! `d[k]` that was tried.

use super::context::{Context, Look};
use super::names;
use ruff_python_ast::{CmpOp, ExceptHandler, Expr, ExprCall, Stmt, StmtTry};

/// What is remembered of the test of an `if` or a `while`. Tests do not nest, so each is walked
/// once.
pub(super) fn tested<'a>(cx: &mut Context<'a>, test: &'a Expr) {
    if cx.frames.is_empty() {
        return;
    }
    let mut found = Vec::new();
    find(cx, test, &mut found);
    for look in &found {
        cx.look(look);
    }
}

fn find<'a>(cx: &Context<'a>, expr: &'a Expr, found: &mut Vec<Look<'a>>) {
    if let Some(place) = cx.container(expr) {
        found.push(Look { place, key: None });
        return;
    }
    match expr {
        Expr::BoolOp(op) => op.values.iter().for_each(|value| find(cx, value, found)),
        Expr::UnaryOp(op) => find(cx, &op.operand, found),
        Expr::Named(named) => find(cx, &named.value, found),
        Expr::Compare(compare) => {
            let is_in = compare.ops.iter().any(|op| matches!(op, CmpOp::In | CmpOp::NotIn));
            if is_in
                && let Some(place) =
                    compare.comparators.first().and_then(|of| cx.container(strip_keys(of)))
            {
                found.push(Look { place, key: cx.key(compare.left.as_ref()) });
                return;
            }
            find(cx, &compare.left, found);
            compare.comparators.iter().for_each(|value| find(cx, value, found));
        }
        Expr::Call(call) => match (names::name(&call.func), call.arguments.args.first()) {
            (Some("len" | "bool" | "any"), Some(of)) => find(cx, of, found),
            _ => found.extend(looked(cx, expr)),
        },
        Expr::Name(name) => {
            let derived = cx.frames.last().and_then(|frame| frame.derived.get(name.id.as_str()));
            found.extend(derived.cloned());
        }
        _ => found.extend(looked(cx, expr)),
    }
}

/// `d.keys()` is as good as `d`.
fn strip_keys(expr: &Expr) -> &Expr {
    match expr {
        Expr::Call(ExprCall { func, arguments, .. }) if arguments.is_empty() => match func.as_ref()
        {
            Expr::Attribute(attribute) if attribute.attr.as_str() == "keys" => &attribute.value,
            _ => expr,
        },
        _ => expr,
    }
}

/// A look at one key: `d[k]`, `d.get(k)`.
fn looked<'a>(cx: &Context<'a>, expr: &'a Expr) -> Option<Look<'a>> {
    match expr {
        Expr::Subscript(subscript) => {
            let place = cx.container(&subscript.value)?;
            Some(Look { place, key: cx.key(subscript.slice.as_ref()) })
        }
        Expr::Call(call) => {
            let Expr::Attribute(attribute) = call.func.as_ref() else { return None };
            if attribute.attr.as_str() != "get" {
                return None;
            }
            let place = cx.container(&attribute.value)?;
            Some(Look { place, key: cx.key(call.arguments.args.first()?) })
        }
        _ => None,
    }
}

/// `v = d.get(k)`: what is asked about `v` is asked about `d`.
pub(super) fn assigned<'a>(cx: &mut Context<'a>, target: &'a Expr, value: &'a Expr) {
    let Some(name) = names::name(target) else { return };
    let look = looked(cx, value);
    if let Some(frame) = cx.frames.last_mut() {
        match look {
            Some(look) => frame.derived.insert(name, look),
            None => frame.derived.remove(name),
        };
    }
}

/// Whether a handler catches that something is not there, or everything.
pub(super) fn is_gone(handler: &ExceptHandler) -> bool {
    let ExceptHandler::ExceptHandler(handler) = handler;
    let is_one = |expr: &Expr| {
        let name = names::last(expr);
        matches!(
            name,
            Some(
                "KeyError"
                    | "LookupError"
                    | "IndexError"
                    | "ValueError"
                    | "Exception"
                    | "BaseException"
            )
        )
    };
    match handler.type_.as_deref() {
        None => true,
        Some(Expr::Tuple(tuple)) => tuple.elts.iter().any(is_one),
        Some(expr) => is_one(expr),
    }
}

/// `try: d[k]` with a handler for its failure: what comes after knows that it was not there.
pub(super) fn tried<'a>(cx: &mut Context<'a>, stmt: &'a StmtTry) {
    let is_missing = |handler: &ExceptHandler| {
        let ExceptHandler::ExceptHandler(handler) = handler;
        let name = handler.type_.as_deref().and_then(names::last);
        matches!(name, Some("KeyError" | "LookupError" | "IndexError"))
    };
    if cx.frames.is_empty() || !stmt.handlers.iter().any(is_missing) {
        return;
    }
    for stmt in &stmt.body {
        let value = match stmt {
            Stmt::Return(stmt) => stmt.value.as_deref(),
            Stmt::Expr(stmt) => Some(stmt.value.as_ref()),
            Stmt::Assign(stmt) => Some(stmt.value.as_ref()),
            _ => None,
        };
        if let Some(look) = value.and_then(|value| looked(cx, value)) {
            cx.look(&look);
        }
    }
}
