//! Tracks checks of shared containers that a later change may depend on: `k in d`, `d.get(k)`,
//! `len(d)`, `d[k]` in a `try`.

use super::context::{Check, ModuleContext};
use super::names;
use ruff_python_ast::{CmpOp, ExceptHandler, Expr, ExprCall, Stmt, StmtTry};

/// Records the checks in the test of an `if` or a `while`. Tests do not nest, so each is visited
/// once.
pub(super) fn visit_test<'a>(cx: &mut ModuleContext<'a>, test: &'a Expr) {
    if cx.frames.is_empty() {
        return;
    }
    let mut found = Vec::new();
    find_checks(cx, test, &mut found);
    for check in &found {
        cx.record_check(check);
    }
}

fn find_checks<'a>(cx: &ModuleContext<'a>, expr: &'a Expr, found: &mut Vec<Check<'a>>) {
    if let Some(object) = cx.container(expr) {
        found.push(Check { object, key: None });
        return;
    }
    match expr {
        Expr::BoolOp(op) => op.values.iter().for_each(|value| find_checks(cx, value, found)),
        Expr::UnaryOp(op) => find_checks(cx, &op.operand, found),
        Expr::Named(named) => find_checks(cx, &named.value, found),
        Expr::Compare(compare) => {
            let is_in = compare.ops.iter().any(|op| matches!(op, CmpOp::In | CmpOp::NotIn));
            if is_in
                && let Some(object) =
                    compare.comparators.first().and_then(|of| cx.container(strip_keys(of)))
            {
                found.push(Check { object, key: cx.key(compare.left.as_ref()) });
                return;
            }
            find_checks(cx, &compare.left, found);
            compare.comparators.iter().for_each(|value| find_checks(cx, value, found));
        }
        Expr::Call(call) => match (names::name(&call.func), call.arguments.args.first()) {
            (Some("len" | "bool" | "any"), Some(of)) => find_checks(cx, of, found),
            _ => found.extend(lookup(cx, expr)),
        },
        Expr::Name(name) => {
            let derived = cx.frames.last().and_then(|frame| frame.derived.get(name.id.as_str()));
            found.extend(derived.cloned());
        }
        _ => found.extend(lookup(cx, expr)),
    }
}

/// `d.keys()` is equivalent to `d`.
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

/// Returns the check of one key: `d[k]`, `d.get(k)`.
fn lookup<'a>(cx: &ModuleContext<'a>, expr: &'a Expr) -> Option<Check<'a>> {
    match expr {
        Expr::Subscript(subscript) => {
            let object = cx.container(&subscript.value)?;
            Some(Check { object, key: cx.key(subscript.slice.as_ref()) })
        }
        Expr::Call(call) => {
            let Expr::Attribute(attribute) = call.func.as_ref() else { return None };
            if attribute.attr.as_str() != "get" {
                return None;
            }
            let object = cx.container(&attribute.value)?;
            Some(Check { object, key: cx.key(call.arguments.args.first()?) })
        }
        _ => None,
    }
}

/// After `v = d.get(k)`, a test of `v` is a check of `d`.
pub(super) fn visit_assign<'a>(cx: &mut ModuleContext<'a>, target: &'a Expr, value: &'a Expr) {
    let Some(name) = names::name(target) else { return };
    let check = lookup(cx, value);
    if let Some(frame) = cx.frames.last_mut() {
        match check {
            Some(check) => frame.derived.insert(name, check),
            None => frame.derived.remove(name),
        };
    }
}

/// Returns whether a handler catches the error for a missing item, or every error.
pub(super) fn catches_missing(handler: &ExceptHandler) -> bool {
    let ExceptHandler::ExceptHandler(handler) = handler;
    let is_missing_error = |expr: &Expr| {
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
        Some(Expr::Tuple(tuple)) => tuple.elts.iter().any(is_missing_error),
        Some(expr) => is_missing_error(expr),
    }
}

/// Records `try: d[k]` with a handler for a missing key as a check: code after it knows that the
/// key was missing.
pub(super) fn visit_try<'a>(cx: &mut ModuleContext<'a>, stmt: &'a StmtTry) {
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
        if let Some(check) = value.and_then(|value| lookup(cx, value)) {
            cx.record_check(&check);
        }
    }
}
