//! A task that cannot be loaded, has no items, or cannot be carried to a worker is told as such.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use ungil_tests::{Out, Place, Told};

const MODULE: &str = "\
number = 3
import threading
def double(x):
    return 2 * x
def bad(x):
    raise RuntimeError('item %d is bad' % x)
class Sealed:
    def __reduce__(self):
        raise TypeError('sealed for good')
def sealed(n):
    return [1, 2, Sealed(), 4][:n]
def locks(x):
    return threading.Lock()
async def later(x):
    return x
";

fn task(place: &Place, target: &str, items: &str, models: &str) -> Out {
    place.write("work.py", MODULE);
    let task =
        ["--task", target, "--items", items, "--models", models, "--workers", "2", "--chunk", "2"];
    place.one_block(task).args(["--python", "3.14,3.14t"]).run()
}

fn told(target: &str, items: &str, models: &str) -> Told {
    task(&Place::new(), target, items, models).told(1)
}

#[test]
fn an_item_that_cannot_be_pickled_is_named_by_its_number() {
    for model in ["spawn", "fork", "forkserver", "interpreters"] {
        let told = told("work:double", "sealed(4)", model);
        assert!(told.what.contains("item 2") && told.what.contains(model), "{told:?}");
        assert!(told.why.contains("sealed for good"), "{told:?}");
        assert!(told.help.contains("--models"), "{told:?}");
    }
    // Without that item the same task runs.
    task(&Place::new(), "work:double", "sealed(2)", "threads,spawn").ok();
}

#[test]
fn a_result_that_cannot_be_pickled_fails_the_run_and_says_why() {
    let told = told("work:locks", "range(4)", "forkserver");
    assert!(told.why.contains("pickle"), "{told:?}");
}

#[test]
fn a_module_or_function_that_is_not_there_is_named() {
    let told_of = told("nothere:f", "range(3)", "threads");
    assert!(
        told_of.what.contains("nothere:f") && told_of.why.contains("ModuleNotFoundError"),
        "{told_of:?}"
    );
    let told_of = told("work:missing", "range(3)", "threads");
    assert!(told_of.why.contains("missing"), "{told_of:?}");
    let told_of = told("work:number", "range(3)", "sequential");
    assert!(told_of.what.contains("not callable") && told_of.why.contains("int"), "{told_of:?}");
}

#[test]
fn items_that_are_none_or_nonsense_are_told() {
    let told_of = told("work:double", "[]", "sequential");
    assert!(told_of.what.contains("empty"), "{told_of:?}");
    let told_of = told("work:double", "range(", "sequential");
    assert!(told_of.why.contains("SyntaxError"), "{told_of:?}");
    let told_of = told("work:double", "7", "sequential");
    assert!(told_of.why.contains("not iterable"), "{told_of:?}");
    let told_of = told("work:double", "nowhere()", "sequential");
    assert!(told_of.why.contains("nowhere"), "{told_of:?}");
}

#[test]
fn a_function_that_raises_fails_under_every_model_with_its_own_words() {
    for model in ["sequential", "threads", "spawn", "forkserver", "fork", "interpreters"] {
        let told = told("work:bad", "range(3)", model);
        assert!(told.why.contains("is bad"), "{model}: {told:?}");
    }
}

#[test]
fn asyncio_wants_an_async_function() {
    let told = told("work:double", "range(3)", "asyncio");
    assert!(told.what.contains("async def"), "{told:?}");
}

#[test]
fn a_worker_that_dies_fails_the_run_and_hangs_nothing() {
    let place = Place::new();
    place.write(
        "dies.py",
        "import os\ndef f(x):\n    os._exit(9) if x == 3 else None\n    return x\n",
    );
    for model in ["fork", "spawn", "forkserver"] {
        let task = ["--task", "dies:f", "--items", "range(8)", "--models", model, "--workers", "2"];
        let told = place
            .one_block(task)
            .args(["--python", "3.14,3.14t", "--timeout", "100s"])
            .run()
            .told(1);
        assert!(!told.what.contains("--timeout"), "{model}: {told:?}");
        assert!(told.why.contains("process"), "{model}: {told:?}");
    }
}
