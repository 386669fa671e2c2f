//! Rules for code that depends on the GIL itself: the switch interval, checks of its state,
//! settings for child processes.

use super::context::ModuleContext;
use super::hazard::{Confidence, Rule};
use super::names;
use ruff_python_ast::{Expr, ExprCall, Number, UnaryOp};

/// From this many seconds on, a switch interval is meant to keep other threads from running.
const LONG_INTERVAL_S: f64 = 0.1;

/// `sys.setswitchinterval(...)`.
pub(super) fn visit_call<'a>(cx: &mut ModuleContext<'a>, call: &'a ExprCall) {
    match cx.outline.full_name(&call.func).as_deref() {
        Some("sys.setswitchinterval") => {
            let is_long = call
                .arguments
                .args
                .first()
                .and_then(number)
                .is_some_and(|seconds| seconds >= LONG_INTERVAL_S);
            let confidence = if is_long { Confidence::High } else { Confidence::Low };
            let effect = if is_long {
                "keeps other threads from running, but only with the GIL"
            } else {
                "has no effect without the GIL"
            };
            let what = format!("`{}` {effect}", cx.excerpt(call));
            cx.add(Rule::SwitchInterval, confidence, call, "interval", what);
        }
        Some("sys._is_gil_enabled") => report_gil_guard(cx, call),
        _ => {}
    }
}

fn number(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(value) => value.as_u64().map(|value| value as f64),
            Number::Float(value) => Some(*value),
            Number::Complex { .. } => None,
        },
        Expr::UnaryOp(op) if op.op == UnaryOp::UAdd => number(&op.operand),
        // Also for 2 ** 30 and 10 * 60.
        Expr::BinOp(op) => Some(number(&op.left)?.max(number(&op.right)?)),
        _ => None,
    }
}

/// `"PYTHON_GIL"`, `"-Xgil=0"`.
pub(super) fn visit_literal<'a>(cx: &mut ModuleContext<'a>, expr: &'a Expr) {
    let is_setting = names::text(expr).is_some_and(|text| {
        matches!(text, "PYTHON_GIL" | "gil=0" | "gil=1" | "-Xgil=0" | "-Xgil=1" | "_is_gil_enabled")
    });
    if is_setting {
        report_gil_guard(cx, expr);
    }
}

fn report_gil_guard<'a>(cx: &mut ModuleContext<'a>, at: &'a impl ruff_text_size::Ranged) {
    let what = format!("`{}` reads or sets the GIL's state", cx.excerpt(at));
    cx.add(Rule::GilGuard, Confidence::Low, at, cx.excerpt(at), what);
}
