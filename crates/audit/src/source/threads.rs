//! Rules for state that threads share implicitly: iterators, containers during iteration,
//! process-wide state.

use super::context::ModuleContext;
use super::hazard::{Confidence, Rule};
use super::names;
use super::outline::ValueKind;
use ruff_python_ast::{Expr, ExprCall};

/// Prefix of the subject of a finding about iteration, which counts only if another function
/// changes the container.
pub(super) const ITERATED: &str = "iterated ";

/// `for ... in iter`, in a statement or a comprehension.
pub(super) fn visit_iteration<'a>(cx: &mut ModuleContext<'a>, iter: &'a Expr) {
    let Some(frame) = cx.unlocked() else { return };
    let function = frame.name;
    if report_shared_iterator(cx, iter) {
        return;
    }
    let of = match iter {
        Expr::Call(call) if call.arguments.is_empty() => match call.func.as_ref() {
            Expr::Attribute(attribute)
                if matches!(attribute.attr.as_str(), "items" | "keys" | "values") =>
            {
                attribute.value.as_ref()
            }
            _ => return,
        },
        _ => iter,
    };
    // Iteration over a list that changes raises no error.
    let Some(object) = cx.container(of).filter(|object| object.kind != ValueKind::List) else {
        return;
    };
    let what =
        format!("`{}` is iterated in `{function}` and changes size elsewhere", cx.excerpt(iter));
    let subject = format!("{ITERATED}{}", object.name);
    cx.add(Rule::SharedIteration, Confidence::Medium, iter, &subject, what);
}

fn report_shared_iterator<'a>(cx: &mut ModuleContext<'a>, iter: &'a Expr) -> bool {
    let Some(object) = cx.shared(iter).filter(|object| object.kind == ValueKind::Generator) else {
        return false;
    };
    if cx.unlocked().is_some() {
        let what = format!(
            "`{}` is a module-level generator, resumed by every thread that runs this",
            object.name
        );
        cx.add(Rule::SharedIterator, Confidence::High, iter, &object.name, what);
    }
    true
}

/// `os.environ[...] = ...` in a thread.
pub(super) fn visit_assign<'a>(cx: &mut ModuleContext<'a>, target: &'a Expr) {
    let Expr::Subscript(subscript) = target else { return };
    if cx.outline.full_name(&subscript.value).as_deref() == Some("os.environ") {
        report_process_state(cx, target, Confidence::Medium);
    }
}

/// `next(generator)`, and calls that change process-wide state.
pub(super) fn visit_call<'a>(cx: &mut ModuleContext<'a>, call: &'a ExprCall) {
    if names::name(&call.func) == Some("next")
        && let Some(of) = call.arguments.args.first()
    {
        report_shared_iterator(cx, of);
        return;
    }
    match cx.outline.full_name(&call.func).as_deref() {
        Some("os.chdir" | "os.fchdir" | "os.umask" | "contextlib.chdir") => {
            report_process_state(cx, call, Confidence::High)
        }
        Some("locale.setlocale") if call.arguments.len() > 1 => {
            report_process_state(cx, call, Confidence::High)
        }
        Some("contextlib.redirect_stdout" | "contextlib.redirect_stderr") => {
            report_process_state(cx, call, Confidence::High)
        }
        // Raises ValueError outside the main thread.
        Some("signal.signal") => report_process_state(cx, call, Confidence::High),
        Some("os.putenv" | "os.unsetenv") => report_process_state(cx, call, Confidence::Medium),
        // Filters are per thread if the flag context_aware_warnings is set, which is the default
        // without the GIL from 3.14 on.
        Some("warnings.catch_warnings") => report_process_state(cx, call, Confidence::Low),
        _ => {}
    }
}

fn report_process_state<'a>(
    cx: &mut ModuleContext<'a>,
    at: &'a impl ruff_text_size::Ranged,
    confidence: Confidence,
) {
    if let Some(frame) = cx.unlocked().filter(|frame| frame.is_thread) {
        let shown = cx.excerpt(at);
        let what = format!(
            "`{shown}` changes process-wide state in `{}`, which runs in a thread",
            frame.name
        );
        cx.add(Rule::ProcessState, confidence, at, shown, what);
    }
}
