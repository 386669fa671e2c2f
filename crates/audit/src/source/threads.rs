//! What threads share without noticing: an iterator, a container that is walked, the process's own
//! state.

use super::context::Context;
use super::hazard::{Confidence, Kind};
use super::names;
use super::outline::Holds;
use ruff_python_ast::{Expr, ExprCall};

/// The prefix of a subject that is a container walked: whether others change it is known at the
/// module's end.
pub(super) const WALKED: &str = "walked ";

/// `for ... in iter`, in a statement or a comprehension.
pub(super) fn walked<'a>(cx: &mut Context<'a>, iter: &'a Expr) {
    let Some(frame) = cx.unlocked() else { return };
    let function = frame.name;
    if shared_iterator(cx, iter) {
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
    // A list may change while it is walked: nothing fails.
    let Some(place) = cx.container(of).filter(|place| place.holds != Holds::List) else { return };
    let what =
        format!("`{}` is walked in `{function}` and changes size elsewhere", cx.source(iter));
    let subject = format!("{WALKED}{}", place.name);
    cx.add(Kind::SharedIteration, Confidence::Medium, iter, &subject, what);
}

fn shared_iterator<'a>(cx: &mut Context<'a>, iter: &'a Expr) -> bool {
    let Some(place) = cx.shared(iter).filter(|place| place.holds == Holds::Generator) else {
        return false;
    };
    if cx.unlocked().is_some() {
        let what = format!(
            "`{}` is a generator of the module, resumed by every thread that comes here",
            place.name
        );
        cx.add(Kind::SharedIterator, Confidence::High, iter, &place.name, what);
    }
    true
}

/// `os.environ[...] = ...` in a thread.
pub(super) fn assigned<'a>(cx: &mut Context<'a>, target: &'a Expr) {
    let Expr::Subscript(subscript) = target else { return };
    if cx.outline.full(&subscript.value).as_deref() == Some("os.environ") {
        state(cx, target, Confidence::Medium);
    }
}

/// `next(generator)`, and calls that change what belongs to the process.
pub(super) fn call<'a>(cx: &mut Context<'a>, call: &'a ExprCall) {
    if names::name(&call.func) == Some("next")
        && let Some(of) = call.arguments.args.first()
    {
        shared_iterator(cx, of);
        return;
    }
    match cx.outline.full(&call.func).as_deref() {
        Some("os.chdir" | "os.fchdir" | "os.umask" | "contextlib.chdir") => {
            state(cx, call, Confidence::High)
        }
        Some("locale.setlocale") if call.arguments.len() > 1 => state(cx, call, Confidence::High),
        Some("contextlib.redirect_stdout" | "contextlib.redirect_stderr") => {
            state(cx, call, Confidence::High)
        }
        // Only the main thread may.
        Some("signal.signal") => state(cx, call, Confidence::High),
        Some("os.putenv" | "os.unsetenv") => state(cx, call, Confidence::Medium),
        // Each thread has its own filters where the flag context_aware_warnings is on, as it is
        // without the GIL from 3.14 on.
        Some("warnings.catch_warnings") => state(cx, call, Confidence::Low),
        _ => {}
    }
}

fn state<'a>(cx: &mut Context<'a>, at: &'a impl ruff_text_size::Ranged, confidence: Confidence) {
    if let Some(frame) = cx.unlocked().filter(|frame| frame.is_thread) {
        let shown = cx.source(at);
        let what = format!("`{shown}` in `{}`, which runs in a thread", frame.name);
        cx.add(Kind::ProcessState, confidence, at, shown, what);
    }
}
