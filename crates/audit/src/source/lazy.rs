//! Rules for lazy initialization: a global or an attribute that is found missing and then assigned
//! without a lock.
//!
//! Double-checked locking is not reported, because the assignment is under the lock. An attribute
//! of `self` counts only if the instance is probably shared, because most objects stay in one
//! thread.

use super::context::ModuleContext;
use super::hazard::{Confidence, Rule};
use super::names;
use super::outline::ValueKind;
use ruff_python_ast::{CmpOp, Expr, StmtFunctionDef, UnaryOp};

/// Records the names whose absence a test checks.
pub(super) fn visit_test<'a>(cx: &mut ModuleContext<'a>, test: &'a Expr) {
    if cx.frames.is_empty() {
        return;
    }
    let mut missing = Vec::new();
    find_missing(test, &mut missing);
    if let Some(frame) = cx.frames.last_mut() {
        frame.missing.extend(missing);
    }
}

fn find_missing(test: &Expr, missing: &mut Vec<String>) {
    match test {
        Expr::BoolOp(op) => op.values.iter().for_each(|value| find_missing(value, missing)),
        Expr::UnaryOp(op) if op.op == UnaryOp::Not => find_missing(&op.operand, missing),
        Expr::Name(_) | Expr::Attribute(_) => missing.extend(simple_name(test)),
        Expr::Compare(compare) => {
            let is_none = compare
                .comparators
                .first()
                .is_some_and(|with| matches!(with, Expr::NoneLiteral(_)));
            let is_asked = matches!(
                compare.ops.first(),
                Some(CmpOp::Is | CmpOp::IsNot | CmpOp::Eq | CmpOp::NotEq)
            );
            if is_none && is_asked {
                missing.extend(simple_name(&compare.left));
            }
        }
        Expr::Call(call) if names::name(&call.func) == Some("hasattr") => {
            let arguments = &call.arguments.args;
            if let (Some(of), Some(name)) =
                (arguments.first(), arguments.get(1).and_then(names::text))
                && let Some(of) = names::name(of)
            {
                missing.push(format!("hasattr {of}.{name}"));
            }
        }
        _ => {}
    }
}

/// `x`, `self.x`, `cls.x`.
fn simple_name(expr: &Expr) -> Option<String> {
    match names::name(expr) {
        Some(name) => Some(name.to_owned()),
        None => names::attribute(expr).map(|(base, name)| format!("{base}.{name}")),
    }
}

/// `target = value`.
pub(super) fn visit_assign<'a>(cx: &mut ModuleContext<'a>, target: &'a Expr, value: &'a Expr) {
    let Some(frame) = cx.unlocked() else { return };
    let Some(name) = simple_name(target) else { return };
    let is_none = frame.missing.contains(&name);
    let is_absent = frame.missing.contains(&format!("hasattr {name}"));
    // Resetting a name, or assigning a constant or another name, creates nothing.
    let is_created = !matches!(
        value,
        Expr::NoneLiteral(_)
            | Expr::BooleanLiteral(_)
            | Expr::NumberLiteral(_)
            | Expr::StringLiteral(_)
            | Expr::Name(_)
            | Expr::Attribute(_)
    );
    if !(is_created && (is_none || is_absent)) {
        return;
    }
    let confidence = match names::attribute(target) {
        None if frame.globals.contains(name.as_str()) && starts_empty(cx, &name) => {
            value_confidence(value)
        }
        None => return,
        Some(("self", _)) if matches!(frame.name, "__init__" | "__new__" | "__setstate__") => {
            return;
        }
        Some(("self", attribute)) => match attribute_confidence(cx, attribute, is_none) {
            Some(confidence) => confidence,
            None => return,
        },
        Some((base, attribute)) => {
            let Some(class) = cx.class_of(base) else { return };
            let is_attribute =
                cx.outline.classes.get(class).is_some_and(|c| c.attributes.contains_key(attribute));
            if is_attribute || is_absent { value_confidence(value) } else { return }
        }
    };
    let confidence = if frame.is_async { confidence.lower() } else { confidence };
    let what = format!(
        "`{name}` is created in `{}` when found missing: two threads may both create it",
        frame.name
    );
    cx.add(Rule::LazyInit, confidence, target, &name, what);
}

/// Returns whether a global is empty until it is created.
fn starts_empty(cx: &ModuleContext<'_>, name: &str) -> bool {
    match cx.outline.names.get(name) {
        Some(holds) => *holds == ValueKind::None || holds.is_container(),
        None => true,
    }
}

/// An object with an identity, or one filled after it is visible, is worse than a value that is
/// computed twice.
fn value_confidence(value: &Expr) -> Confidence {
    if names::is_fresh(value) { Confidence::High } else { Confidence::Medium }
}

/// Returns the confidence for an attribute of `self`.
fn attribute_confidence(
    cx: &ModuleContext<'_>,
    attribute: &str,
    is_none: bool,
) -> Option<Confidence> {
    let class = cx.frames.last().and_then(|frame| frame.class)?;
    let class = cx.outline.classes.get(class)?;
    match class.is_shared {
        true => Some(Confidence::Medium),
        // With a `None` in the class body or a hasattr test, the first caller creates it.
        false if !is_none => Some(Confidence::Low),
        false => {
            class.is_thread.then_some(Confidence::Low).filter(|_| !attribute.starts_with("__"))
        }
    }
}

/// Reports `@cached_property` once per file.
pub(super) fn visit_function(cx: &mut ModuleContext<'_>, def: &StmtFunctionDef) {
    let full = def
        .decorator_list
        .iter()
        .filter_map(|decorator| cx.outline.full_name(&decorator.expression));
    if !full.into_iter().any(|name| name == "functools.cached_property") {
        return;
    }
    cx.cached_properties += 1;
    if cx.cached_properties == 1 {
        let what = format!("`{}` is a cached_property", def.name);
        cx.add(Rule::CachedProperty, Confidence::Low, &def.name, "cached_property", what);
    }
}
