//! Checks the errors for a task that cannot be loaded, has no items, or cannot be sent to a worker.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use ungil_tests::{ErrorMessage, Out, TestDir};

const MODULE: &str = "\
number = 3
import threading
def double(x):
    return 2 * x
def bad(x):
    raise RuntimeError('item %d is bad' % x)
class Unpicklable:
    def __reduce__(self):
        raise TypeError('refuses to be pickled')
def items(n):
    return [1, 2, Unpicklable(), 4][:n]
def locks(x):
    return threading.Lock()
async def later(x):
    return x
";

fn task(dir: &TestDir, target: &str, items: &str, models: &str) -> Out {
    dir.write("work.py", MODULE);
    let task =
        ["--task", target, "--items", items, "--models", models, "--workers", "2", "--chunk", "2"];
    dir.one_block(task).args(["--python", "3.14,3.14t"]).run()
}

fn task_error(target: &str, items: &str, models: &str) -> ErrorMessage {
    task(&TestDir::new(), target, items, models).expect_error(1)
}

#[test]
fn unpicklable_item_is_named_by_its_index() {
    for model in ["spawn", "fork", "forkserver", "interpreters"] {
        let error = task_error("work:double", "items(4)", model);
        assert!(error.what.contains("item 2") && error.what.contains(model), "{error:?}");
        assert!(error.why.contains("refuses to be pickled"), "{error:?}");
        assert!(error.help.contains("--models"), "{error:?}");
    }
    // The same task runs without that item.
    task(&TestDir::new(), "work:double", "items(2)", "threads,spawn").ok();
}

#[test]
fn unpicklable_result_fails_the_run() {
    let error = task_error("work:locks", "range(4)", "forkserver");
    assert!(error.why.contains("pickle"), "{error:?}");
}

#[test]
fn missing_module_or_function_is_named() {
    let error = task_error("nothere:f", "range(3)", "threads");
    assert!(
        error.what.contains("nothere:f") && error.why.contains("ModuleNotFoundError"),
        "{error:?}"
    );
    let error = task_error("work:missing", "range(3)", "threads");
    assert!(error.why.contains("missing"), "{error:?}");
    let error = task_error("work:number", "range(3)", "sequential");
    assert!(error.what.contains("not callable") && error.why.contains("int"), "{error:?}");
}

#[test]
fn reports_empty_and_invalid_items() {
    let error = task_error("work:double", "[]", "sequential");
    assert!(error.what.contains("empty"), "{error:?}");
    let error = task_error("work:double", "range(", "sequential");
    assert!(error.why.contains("SyntaxError"), "{error:?}");
    let error = task_error("work:double", "7", "sequential");
    assert!(error.why.contains("not iterable"), "{error:?}");
    let error = task_error("work:double", "nowhere()", "sequential");
    assert!(error.why.contains("nowhere"), "{error:?}");
}

#[test]
fn exception_of_the_task_is_shown_under_every_model() {
    for model in ["sequential", "threads", "spawn", "forkserver", "fork", "interpreters"] {
        let error = task_error("work:bad", "range(3)", model);
        assert!(error.why.contains("is bad"), "{model}: {error:?}");
    }
}

#[test]
fn asyncio_requires_an_async_function() {
    let error = task_error("work:double", "range(3)", "asyncio");
    assert!(error.what.contains("async def"), "{error:?}");
}

#[test]
fn dead_worker_fails_the_run_without_a_hang() {
    let dir = TestDir::new();
    dir.write(
        "dies.py",
        "import os\ndef f(x):\n    os._exit(9) if x == 3 else None\n    return x\n",
    );
    for model in ["fork", "spawn", "forkserver"] {
        let task = ["--task", "dies:f", "--items", "range(8)", "--models", model, "--workers", "2"];
        let error = dir
            .one_block(task)
            .args(["--python", "3.14,3.14t", "--timeout", "100s"])
            .run()
            .expect_error(1);
        assert!(!error.what.contains("--timeout"), "{model}: {error:?}");
        assert!(error.why.contains("process"), "{model}: {error:?}");
    }
}
