//! asyncio tasks compared with what the program defines.

mod common;

use common::{Target, parked};
use std::collections::BTreeMap;
use ungil_remote::tasks::{TaskReader, TaskState, TasksError};
use ungil_tests::BUILDS;

/// `first` awaits a task group of three tasks: one awaits another task, one a future that is never
/// resolved, and one has not started. A last task reads from standard input in the loop's thread,
/// where it is inspected.
const PROGRAM: &str = "
import asyncio, sys
async def leaf(future): await future
async def middle(task): await task
async def never(): pass
async def look():
    await asyncio.sleep(0); await asyncio.sleep(0)
    asyncio.create_task(never(), name='new')
    print('ready', flush=True)
    sys.stdin.read()
async def main():
    future = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        a = group.create_task(leaf(future), name='a')
        group.create_task(middle(a), name='b')
        group.create_task(look(), name='look')
asyncio.run(main())
";

#[test]
fn who_awaits_whom() {
    for build in BUILDS {
        let mut target = Target::start(build, PROGRAM);
        target.line();
        let (python, thread, _) = parked(target.pid(), "look");
        let tasks = match TaskReader::find(&python) {
            Err(TasksError::TooOld) if build == "3.13" => continue,
            other => other.unwrap_or_else(|why| panic!("{build}: {why}")),
        };
        let interpreter = python.interpreters().unwrap()[0];
        let (found, complete) =
            tasks.read(&python, interpreter, &python.threads(interpreter).unwrap()).unwrap();
        assert!(complete, "{build}");
        let names: BTreeMap<u64, &str> =
            found.iter().map(|task| (task.address, task.name.as_str())).collect();
        let named = |addresses: &[u64]| {
            let mut all: Vec<&str> = addresses.iter().map(|address| names[address]).collect();
            all.sort_unstable();
            all.join(" ")
        };
        let mut got: Vec<_> = found
            .iter()
            .map(|task| {
                let chain: Vec<&str> =
                    task.frames.iter().map(|f| f.code.qualname.as_str()).collect();
                let on = task.awaits_other.as_deref().unwrap_or_default();
                (
                    task.name.as_str(),
                    task.state,
                    named(&task.awaits),
                    on,
                    named(&task.awaited_by),
                    chain.join(" < "),
                )
            })
            .collect();
        got.sort_by_key(|task| task.0);
        use TaskState::{Created, Running, Waiting};
        let group = "TaskGroup._aexit < TaskGroup.__aexit__ < main";
        let expected = [
            ("Task-1", Waiting, "a b look", "_asyncio.Future", "", group),
            ("a", Waiting, "", "_asyncio.Future", "Task-1 b", "leaf"),
            ("b", Waiting, "a", "", "Task-1", "middle"),
            ("look", Running, "", "", "Task-1", ""),
            ("new", Created, "", "", "", "never"),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, state, awaits, on, by, chain)| {
                (name, state, awaits.into(), on, by.into(), chain.into())
            })
            .collect();
        assert_eq!(got, expected, "{build}");
        assert!(found.iter().all(|task| task.thread == Some(thread.native_id)), "{build}");
    }
}

#[test]
fn reports_a_program_without_asyncio() {
    let mut target = Target::start("3.14", "import sys\nprint(1, flush=True)\nsys.stdin.read()");
    target.line();
    let (python, ..) = parked(target.pid(), "<module>");
    assert_eq!(TaskReader::find(&python).map(|_| ()), Err(TasksError::NotLoaded));
}
