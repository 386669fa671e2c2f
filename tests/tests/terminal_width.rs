//! The text output of `compare`, `dump`, `heap`, `profile` and `top` fits a terminal of 80 columns.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

mod profiles;

use profiles::ScriptTarget;
use ungil_tests::{BUILDS, TestDir, eventually};

const WIDTH: usize = 80;

/// Threads with long names that wait for one lock, in functions with long names.
const PROGRAM: &str = r"
import threading, time
class AClassWithALongNameWhoseInstancesAreCounted: pass
kept = [AClassWithALongNameWhoseInstancesAreCounted() for _ in range(1000)]
a_lock_that_several_threads_wait_for = threading.Lock()
def a_function_that_waits_for_the_lock_of_another_thread(argument, another_argument):
    with a_lock_that_several_threads_wait_for:  # a comment that makes this line of source too long
        time.sleep(1000)
for n in range(4):
    threading.Thread(target=a_function_that_waits_for_the_lock_of_another_thread, args=(n, n),
                     name=f'request-handler-of-the-connection-pool-{n}', daemon=True).start()
open('ready', 'w').close()
time.sleep(1000)
";

/// Asserts that every line fits, except single words such as paths, and commands to copy.
fn fits(what: &str, text: &str) {
    assert!(text.lines().count() > 3, "{what}: {text}");
    for line in text.lines() {
        let words = line.trim_start();
        let is_command = words.starts_with('`') && words.ends_with('`');
        let is_word = is_command || !words.contains(' ');
        let is_path = ["Record: ", "Recording: ", "Written: ", "  to view it: "]
            .iter()
            .any(|start| line.starts_with(start));
        let width = line.chars().count();
        assert!(width <= WIDTH || is_word || is_path, "{what}: {width} columns: {line}\n{text}");
    }
}

#[test]
fn every_line_fits_80_columns() {
    for build in BUILDS {
        let dir = TestDir::new();
        let target = ScriptTarget::start(&dir, build, PROGRAM);
        let pid = target.pid();
        let run = |args: &[&str]| {
            let out = dir.ungil(args.iter().copied()).env("COLUMNS", "80").run().ok();
            fits(&format!("{build}: {args:?}"), &out.stdout);
            out.stdout
        };
        eventually("three waiting threads", || {
            run(&["dump", &pid]).matches("waiting ").count() >= 3
        });
        let dump = run(&["dump", &pid]);
        assert!(dump.contains("request-handler-of-the-connection-pool-0"), "{build}: {dump}");
        let heap = run(&["heap", &pid]);
        assert!(heap.contains("AClassWithALongName"), "{build}: {heap}");
        run(&["heap", &pid, "--module"]);
        run(&["heap", &pid, "--diff", "100ms"]);
        let top = run(&["top", &pid, "--once"]);
        assert!(top.contains("pool-0") && top.contains("LINE"), "{build}: {top}");
        let profile = run(&["profile", &pid, "--duration", "300ms", "--mode", "lock"]);
        assert!(profile.contains("`a_lock_that_several_threads_wait_for`"), "{build}: {profile}");
    }
}

#[test]
fn the_table_of_allocations_fits_80_columns() {
    let dir = TestDir::new();
    let script = "kept = [bytes(1000) for _ in range(2000)]\n";
    dir.write("a_script_with_a_long_name_that_allocates_memory.py", script);
    let python = ungil_tests::python(BUILDS[0]);
    let arguments = ["profile", "--mode", "alloc", "--every", "1", "--python"];
    let out = dir
        .ungil(arguments)
        .args([python.as_os_str()])
        .args(["a_script_with_a_long_name_that_allocates_memory.py"])
        .env("COLUMNS", "80")
        .run()
        .ok();
    fits("alloc", &out.stdout);
    assert!(out.stdout.contains("Left out:"), "{}", out.stdout);
}

#[test]
fn a_comparison_fits_80_columns() {
    let dir = TestDir::new();
    dir.write("a_script_with_a_long_name_that_is_compared.py", "import sys\nprint('same')\n");
    let script = ["a_script_with_a_long_name_that_is_compared.py", "--workers", "1,2"];
    let arms = ["--python", "3.14,3.14t", "--", "{workers}"];
    let out = dir.one_block(script).args(arms).env("COLUMNS", "80").run().ok();
    assert!(out.stdout.lines().any(|line| line.starts_with("- ")), "{}", out.stdout);
    fits("compare", &out.stdout);
}
