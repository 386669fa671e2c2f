//! The line that a failed run gives to run it by hand fails in the same way, whatever kind of arm
//! it was.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use serde_json::Value;
use std::process::{Command, Stdio};
use ungil_tests::{Place, Ungil};

/// Fails with everything that an arm decides: a run under other conditions has other words.
const TELLS: &str = "
import os, sys
from ungil_phase import phase
with phase(): pass
names = ['UNGIL_ARM', 'UNGIL_WORKERS', 'PYTHONHASHSEED', 'PYTHON_GIL']
told = [os.environ.get(name) for name in names] + [hash('x'), sys._is_gil_enabled(), os.getcwd(), sys.version]
raise ValueError(repr((sys.argv[1:], sys.stdin.read(), *told)))
";

/// Fails everywhere but in the main thread of the main interpreter of the first process.
const ELSEWHERE: &str = "
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

/// Runs `ungil`, which fails, and then the line it gives, from another directory; gives the failed
/// run.
#[track_caller]
fn fails_again(place: &Place, ungil: Ungil) -> Value {
    let told = ungil.run().told(1);
    let record = place.newest();
    let run = (*record.runs().last().unwrap()).clone();
    let (_, line) =
        told.help.split_once("by hand: ").unwrap_or_else(|| panic!("no line in {told:?}"));
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
    // After a signal the shell adds a word of its own.
    let last = last_line(run["stderr"].as_str().unwrap());
    assert!(stderr.lines().any(|l| l == last), "no '{last}' after {line}:\n{stderr}");
    run
}

#[test]
fn of_scripts_modules_and_commands_on_every_build() {
    let place = Place::new();
    place.write("it's/tells.py", TELLS);
    place.write("pkg/bench.py", TELLS);
    let odd = ["--", "{workers}", "a  b", "it's $HOME", "two\nlines", "größe"];
    let calls: [&[&str]; 3] = [
        &["it's/tells.py"],
        &["-m", "pkg.bench"],
        &["--command", "{python} \"it's/tells.py\" {workers} 'a  b'"],
    ];
    for (i, call) in calls.into_iter().enumerate() {
        for python in ["3.14", "3.14t", "3.14t+gil"] {
            let args =
                place.one_block(call.iter().copied()).args(["--python", python, "--workers", "2"]);
            let run = fails_again(&place, if i < 2 { args.args(odd) } else { args });
            assert!(run["stderr"].as_str().unwrap().contains("ValueError"), "{run}");
        }
    }
}

#[test]
fn of_a_script_under_a_model() {
    let place = Place::new();
    place.write("tells.py", TELLS);
    let args = ["tells.py", "--models", "fork", "--workers", "2", "--python", "3.14t"];
    fails_again(&place, place.one_block(args).args(["--", "{model}", "{workers}"]));
}

#[test]
fn of_a_task_under_every_model() {
    let place = Place::new();
    place.write("work.py", ELSEWHERE);
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
            let run = fails_again(&place, place.one_block(args));
            assert!(run["stderr"].as_str().unwrap().contains("RuntimeError"), "{model}: {run}");
        }
    }
}

#[test]
fn of_a_program_that_is_not_python_and_of_a_crash() {
    let place = Place::new();
    place.write("fine.py", "print('same')\n");
    let also = "fails=sh -c 'echo \"$UNGIL_ARM: no  luck\" >&2; exit 3'";
    // The order of a block is drawn; only one of the two can fail.
    fails_again(
        &place,
        place.one_block([
            "fine.py",
            "--python",
            "3.14",
            "--also",
            also,
            "--allow-different-output",
        ]),
    );
    place.write(
        "crash.py",
        "import os, sys\nprint('before', file=sys.stderr, flush=True)\nos.abort()\n",
    );
    let told = fails_again(&place, place.one_block(["crash.py", "--python", "3.14"]));
    assert_eq!(told["outcome"]["signal"], 6);
}

#[test]
fn the_words_of_a_failure_are_the_exception_and_the_line_before_it() {
    let place = Place::new();
    place.write(
        "bad.py",
        "import sys\ndef check(x):\n    raise ValueError('%s\\nis not valid' % x)\ncheck(3)\n",
    );
    let told = place.one_block(["bad.py", "--python", "3.14"]).run().told(1);
    assert!(
        told.why.contains("ValueError: 3") && told.why.contains("raise ValueError("),
        "{told:?}"
    );
    // A phase without an end has its own words, and nothing that a run by hand would show.
    place.write("open.py", "import ungil_phase\nungil_phase.start()\n");
    let told = place.one_block(["open.py", "--python", "3.14"]).run().told(1);
    assert!(
        told.what.contains("phase has no end") && told.help.contains("with phase():"),
        "{told:?}"
    );
    assert!(!told.help.contains("by hand"), "{told:?}");
}
