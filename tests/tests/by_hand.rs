//! The error of a failed run suggests a shell command that runs it by hand. Checks that this
//! command fails in the same way, for every kind of arm.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use std::process::{Command, Stdio};
use ungil_tests::{TestDir, Ungil};

/// Fails with a message that contains everything that an arm determines, so that a run under other
/// conditions fails with another message.
const SHOWS_CONDITIONS: &str = "
import os, sys
from ungil_phase import phase
with phase(): pass
names = ['UNGIL_ARM', 'UNGIL_WORKERS', 'PYTHONHASHSEED', 'PYTHON_GIL']
conditions = [os.environ.get(name) for name in names] + [hash('x'), sys._is_gil_enabled(), os.getcwd(), sys.version]
raise ValueError(repr((sys.argv[1:], sys.stdin.read(), *conditions)))
";

/// `elsewhere` fails except in the main thread of the main interpreter of the first process.
const FAILS_IN_WORKERS: &str = "
import multiprocessing, threading
from concurrent import interpreters
def elsewhere(x):
    first = multiprocessing.parent_process() is None and interpreters.get_current() == interpreters.get_main()
    if not first: raise RuntimeError('in another process or interpreter')
    if threading.get_ident() != threading.main_thread().ident: raise RuntimeError('in another thread')
    return x
def always(x): raise RuntimeError('always')
async def awaited(x): raise RuntimeError('awaited')
";

fn last_line(text: &str) -> &str {
    text.lines().rfind(|l| !l.trim().is_empty()).unwrap_or_default()
}

/// Runs `ungil`, which must fail, and then the command it suggests, from another directory. Checks
/// that both fail alike, and returns the failed run.
#[track_caller]
fn assert_fails_by_hand(dir: &TestDir, ungil: Ungil) -> Value {
    let error = ungil.run().expect_error(1);
    let record = dir.newest_record();
    let run = (*record.runs().last().unwrap()).clone();
    let (_, line) =
        error.help.split_once("by hand: ").unwrap_or_else(|| panic!("no command in {error:?}"));
    let mut shell = Command::new("sh");
    for name in
        ["PYTHONPATH", "PYTHON_GIL", "PYTHONHASHSEED", "UNGIL_PHASE", "UNGIL_WORKERS", "UNGIL_ARM"]
    {
        shell.env_remove(name);
    }
    let out = shell.args(["-c", line]).current_dir("/").stdin(Stdio::inherit()).output().unwrap();
    let stderr = String::from_utf8_lossy(&out.stderr);
    let code = match run["outcome"]["kind"].as_str() {
        Some("signaled") => 128 + run["outcome"]["signal"].as_i64().unwrap(),
        _ => run["outcome"]["code"].as_i64().unwrap(),
    };
    assert_eq!(out.status.code().map(i64::from), Some(code), "{line}\n{stderr}");
    // After a signal the shell adds a line.
    let last = last_line(run["stderr"].as_str().unwrap());
    assert!(stderr.lines().any(|l| l == last), "no '{last}' after {line}:\n{stderr}");
    run
}

#[test]
fn scripts_modules_and_commands_fail_alike_on_every_build() {
    let dir = TestDir::new();
    dir.write("it's/conditions.py", SHOWS_CONDITIONS);
    dir.write("pkg/bench.py", SHOWS_CONDITIONS);
    let odd = ["--", "{workers}", "a  b", "it's $HOME", "two\nlines", "größe"];
    let calls: [&[&str]; 3] = [
        &["it's/conditions.py"],
        &["-m", "pkg.bench"],
        &["--command", "{python} \"it's/conditions.py\" {workers} 'a  b'"],
    ];
    for (i, call) in calls.into_iter().enumerate() {
        for python in ["3.14", "3.14t", "3.14t+gil"] {
            let args =
                dir.one_block(call.iter().copied()).args(["--python", python, "--workers", "2"]);
            let run = assert_fails_by_hand(&dir, if i < 2 { args.args(odd) } else { args });
            assert!(run["stderr"].as_str().unwrap().contains("ValueError"), "{run}");
        }
    }
}

#[test]
fn script_under_a_model_fails_alike() {
    let dir = TestDir::new();
    dir.write("conditions.py", SHOWS_CONDITIONS);
    let args = ["conditions.py", "--models", "fork", "--workers", "2", "--python", "3.14t"];
    assert_fails_by_hand(&dir, dir.one_block(args).args(["--", "{model}", "{workers}"]));
}

#[test]
fn task_fails_alike_under_every_model() {
    let dir = TestDir::new();
    dir.write("work.py", FAILS_IN_WORKERS);
    let models =
        ["threads", "fork", "spawn", "forkserver", "interpreters"].map(|m| ("work:elsewhere", m));
    for (task, model) in
        models.into_iter().chain([("work:always", "sequential"), ("work:awaited", "asyncio")])
    {
        for python in ["3.14", "3.14t"] {
            let args = [
                "--task",
                task,
                "--items",
                "range(4)",
                "--models",
                model,
                "--workers",
                "2",
                "--python",
                python,
            ];
            let run = assert_fails_by_hand(&dir, dir.one_block(args));
            assert!(run["stderr"].as_str().unwrap().contains("RuntimeError"), "{model}: {run}");
        }
    }
}

#[test]
fn other_programs_and_crashes_fail_alike() {
    let dir = TestDir::new();
    dir.write("fine.py", "print('same')\n");
    let also = "fails=sh -c 'echo \"$UNGIL_ARM: no  luck\" >&2; exit 3'";
    // The order of a block is random. Only the second arm fails.
    assert_fails_by_hand(
        &dir,
        dir.one_block(["fine.py", "--python", "3.14", "--also", also, "--allow-different-output"]),
    );
    dir.write(
        "crash.py",
        "import os, sys\nprint('before', file=sys.stderr, flush=True)\nos.abort()\n",
    );
    let run = assert_fails_by_hand(&dir, dir.one_block(["crash.py", "--python", "3.14"]));
    assert_eq!(run["outcome"]["signal"], 6);
}

#[test]
fn reason_is_the_exception_and_the_line_that_raised_it() {
    let dir = TestDir::new();
    dir.write(
        "bad.py",
        "import sys\ndef check(x):\n    raise ValueError('%s\\nis not valid' % x)\ncheck(3)\n",
    );
    let error = dir.one_block(["bad.py", "--python", "3.14"]).run().expect_error(1);
    assert!(
        error.why.contains("ValueError: 3") && error.why.contains("raise ValueError("),
        "{error:?}"
    );
    // A phase without an end has its own message. A run by hand would show nothing, so none is
    // suggested.
    dir.write("open.py", "import ungil_phase\nungil_phase.start()\n");
    let error = dir.one_block(["open.py", "--python", "3.14"]).run().expect_error(1);
    assert!(
        error.what.contains("phase has no end") && error.help.contains("with phase():"),
        "{error:?}"
    );
    assert!(!error.help.contains("by hand"), "{error:?}");
}
