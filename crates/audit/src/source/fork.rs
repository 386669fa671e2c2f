//! Rules for forks. A fork is a hazard if threads were started before it, so thread starts are
//! recorded as well.

use super::context::ModuleContext;
use super::hazard::{Confidence, Rule};
use super::names;
use ruff_python_ast::{Expr, ExprCall};

/// Subject of fork findings, which are matched with thread starts.
pub(super) const FORK: &str = "fork";

const STAYS_LOCKED: &str = "a lock held by another thread stays locked in the child";

/// Reports calls that fork, and records thread starts.
pub(super) fn visit_call<'a>(cx: &mut ModuleContext<'a>, call: &'a ExprCall) {
    let full = cx.outline.full_name(&call.func);
    let full = full.as_deref().unwrap_or_default();
    let shown = cx.excerpt(call);
    match full {
        "os.fork" | "os.forkpty" | "pty.fork" => {
            cx.add(
                Rule::ForkWithThreads,
                Confidence::Low,
                call,
                FORK,
                format!("`{full}()`: {STAYS_LOCKED}"),
            );
        }
        _ if is_start_method(cx, call) => {
            let what = format!("`{shown}`: {STAYS_LOCKED}");
            cx.add(Rule::ForkWithThreads, Confidence::Low, call, FORK, what);
        }
        "threading.Thread"
        | "threading.Timer"
        | "_thread.start_new_thread"
        | "asyncio.to_thread" => record_start(cx, call),
        "concurrent.futures.ThreadPoolExecutor"
        | "concurrent.futures.thread.ThreadPoolExecutor" => record_start(cx, call),
        "multiprocessing.pool.ThreadPool"
        | "multiprocessing.dummy.Pool"
        | "anyio.to_thread.run_sync" => record_start(cx, call),
        _ if names::last(&call.func) == Some("run_in_executor") => record_start(cx, call),
        _ => {
            let class = names::name(&call.func).and_then(|name| cx.outline.classes.get(name));
            if class.is_some_and(|class| class.is_thread) {
                record_start(cx, call);
            }
        }
    }
    if full.starts_with("subprocess.") || full.starts_with("asyncio.create_subprocess") {
        report_preexec(cx, call);
    }
}

fn record_start<'a>(cx: &mut ModuleContext<'a>, call: &'a ExprCall) {
    let (name, class) = cx.frames.last().map_or(("", None), |frame| (frame.name, frame.class));
    cx.starts.push((name, class, ruff_text_size::Ranged::range(call)));
}

/// Returns whether a call is `set_start_method("fork")` or `get_context("fork")` of
/// multiprocessing.
fn is_start_method(cx: &ModuleContext<'_>, call: &ExprCall) -> bool {
    let sets_method = matches!(names::last(&call.func), Some("set_start_method" | "get_context"));
    let method = names::argument(call, "method", Some(0)).and_then(names::text);
    let is_multiprocessing =
        cx.outline.full_name(&call.func).is_some_and(|full| full.contains("multiprocess"));
    sets_method && method == Some("fork") && is_multiprocessing
}

fn report_preexec<'a>(cx: &mut ModuleContext<'a>, call: &'a ExprCall) {
    let Some(function) = names::argument(call, "preexec_fn", None) else { return };
    if matches!(function, Expr::NoneLiteral(_)) {
        return;
    }
    let what = format!("`preexec_fn={}`: {STAYS_LOCKED}", cx.excerpt(function));
    cx.add(Rule::PreexecFn, Confidence::Low, function, FORK, what);
}
