//! Checks `ungil profile --mode alloc` against programs with known allocations on known lines.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

mod allocations;

use allocations::{kind, line};
use serde_json::Value;
use std::process::Command;
use ungil_tests::{BUILDS, TestDir, Ungil, python};

/// Allocates blocks of known sizes on known lines, kept and freed, in the main thread and three
/// others.
const KNOWN_ALLOCATIONS: &str = "\
import threading
class Node:
    __slots__ = ('next',)
kept = []
def keep(n):
    for _ in range(n):
        it = bytes(1000)
        kept.append(it)
def churn(n):
    for _ in range(n):
        bytes(2000)
def nodes(n):
    for _ in range(n):
        it = Node()
        kept.append(it)
def grow(n):
    it = bytearray(10)
    for _ in range(n):
        it += bytes(5000)
threads = [threading.Thread(target=keep, args=(n,)) for n in (100, 200, 300)]
for t in threads: t.start()
for t in threads: t.join()
keep(400)
churn(700)
nodes(900)
grow(50)
";
const KEEP_LINE: u64 = 7;
const CHURN_LINE: u64 = 11;
const NODE_LINE: u64 = 14;

fn alloc(dir: &TestDir, build: &str, args: &[&str]) -> Ungil {
    dir.ungil(["profile", "--mode", "alloc", "--python"])
        .args([python(build).into_os_string()])
        .args(args.iter().copied())
}

/// Returns the live blocks of a type that a line allocated, by thread.
fn live_by_thread(report: &Value, number: u64, name: &str) -> Vec<(u64, u64)> {
    let mut sums: std::collections::BTreeMap<u64, u64> = Default::default();
    for row in report["rows"].as_array().unwrap() {
        let stack = &report["stacks"][row["stack"].as_u64().unwrap() as usize];
        let leaf = stack.as_array().unwrap().last().unwrap();
        let here = leaf["line"] == number && leaf["file"].as_str().unwrap().ends_with("work.py");
        if here && row["type"] == name && row["fate"] == "live" {
            let blocks = row["sum"]["blocks"].as_f64().unwrap() as u64;
            *sums.entry(row["thread"].as_u64().unwrap()).or_default() += blocks;
        }
    }
    sums.into_iter().collect()
}

#[test]
fn exact_mode_attributes_every_block_to_line_type_and_thread() {
    for build in BUILDS {
        let dir = TestDir::new();
        dir.write("work.py", KNOWN_ALLOCATIONS);
        let report = alloc(&dir, build, &["--every", "1", "--json", "work.py"]).run().ok().json();
        let header_bytes = if build.ends_with('t') { 49.0 } else { 33.0 };
        assert_eq!(report["exact"], true);
        assert_eq!(report["end"], "whole", "{build}");
        assert_eq!(report["free_threaded"], build.ends_with('t'));
        assert!(report["python"].as_str().unwrap().starts_with(build.trim_end_matches('t')));

        // The interpreter allocates too, such as a thread's copy of the bytecode. The type
        // distinguishes those blocks from the program's.
        let keep = line(&report, KEEP_LINE);
        assert_eq!(keep["function"], "keep");
        let kept = kind(keep, "bytes");
        assert_eq!(kept["live_blocks"], 1000.0, "{build}: {keep:#}");
        assert_eq!(kept["live_bytes"], 1000.0 * (1000.0 + header_bytes), "{build}: {keep:#}");
        assert_eq!(kept["freed_blocks"], 0.0, "{build}: {keep:#}");
        let mut by_thread = live_by_thread(&report, KEEP_LINE, "bytes");
        by_thread.sort_by_key(|(_, blocks)| *blocks);
        assert_eq!(
            by_thread.iter().map(|(_, n)| *n).collect::<Vec<_>>(),
            [100, 200, 300, 400],
            "{build}"
        );
        assert_eq!(
            by_thread[3].0,
            report["pid"].as_u64().unwrap(),
            "{build}: the main thread kept most"
        );

        let churn = line(&report, CHURN_LINE);
        let freed = kind(churn, "bytes");
        assert_eq!(
            (&freed["freed_blocks"], &freed["live_blocks"]),
            (&700.0.into(), &0.0.into()),
            "{build}"
        );
        assert_eq!(freed["freed_bytes"], 700.0 * (2000.0 + header_bytes), "{build}: {churn:#}");

        let node = line(&report, NODE_LINE);
        assert_eq!(kind(node, "Node")["live_blocks"], 900.0, "{build}: {node:#}");

        // Every counted block is attributed to a line.
        let samples = report["allocated"]["samples"].as_u64().unwrap();
        assert_eq!(report["allocations"].as_u64().unwrap(), samples, "{build}");
        assert_eq!(report["bytes"].as_f64(), report["allocated"]["bytes"].as_f64(), "{build}");
        let sum = |fate: &str| report[fate]["blocks"].as_f64().unwrap();
        assert_eq!(sum("allocated"), sum("live") + sum("freed"), "{build}");
        assert_eq!(report["notes"], Value::Array(vec![]), "{build}");
    }
}

/// Estimates are random. One in a billion is off by more than six standard errors.
#[test]
fn estimates_are_within_their_standard_errors() {
    let program = "\
kept = []
def keep(n):
    for _ in range(n):
        it = bytes(3000)
        kept.append(it)
def churn(n):
    for _ in range(n):
        bytes(700)
keep(20_000)
churn(200_000)
";
    for build in ["3.13", "3.14t", "3.15"] {
        let dir = TestDir::new();
        dir.write("work.py", program);
        let report = alloc(&dir, build, &["--every", "16k", "--json", "work.py"]).run().ok().json();
        let header_bytes = if build.ends_with('t') { 49.0 } else { 33.0 };
        for (number, fate, truth) in [
            (4, "live", 20_000.0 * (3000.0 + header_bytes)),
            (4, "allocated", 20_000.0 * (3000.0 + header_bytes)),
            (8, "allocated", 200_000.0 * (700.0 + header_bytes)),
            (8, "freed", 200_000.0 * (700.0 + header_bytes)),
        ] {
            let sum = &line(&report, number)[fate];
            let (bytes, error) =
                (sum["bytes"].as_f64().unwrap(), sum["bytes_error"].as_f64().unwrap());
            assert!(
                (bytes - truth).abs() < 6.0 * error,
                "{build}: line {number}: {sum} for {truth}"
            );
            assert!(error < 0.05 * truth, "{build}: {sum}");
        }
        let live = kind(line(&report, 4), "bytes")["live_bytes"].as_f64();
        assert_eq!(
            live,
            line(&report, 4)["live"]["bytes"].as_f64(),
            "{build}: the line allocates only bytes"
        );
        let (counted, estimated) =
            (report["bytes"].as_f64().unwrap(), report["allocated"]["bytes"].as_f64().unwrap());
        let error = report["allocated"]["bytes_error"].as_f64().unwrap();
        assert!(
            (counted - estimated).abs() < 6.0 * error,
            "{build}: {counted} counted, {estimated} ± {error}"
        );
        assert!(report["cost"]["seconds"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn profiled_program_behaves_as_unprofiled() {
    let program = "\
import os, sys
print(sys.argv, __name__, os.path.basename(__file__), os.path.basename(sys.path[0]))
print(sorted(n for n in globals() if not n.startswith('__')))
print(os.listdir('/proc/self/fd').__len__())
def fail(): raise ValueError('as it must')
fail()
";
    for build in ["3.13", "3.15t"] {
        let dir = TestDir::new();
        dir.write("sub/work.py", program);
        let out = alloc(&dir, build, &["sub/work.py", "--", "a", "--b"]).run();
        assert_eq!(out.code, 1, "{build}: the program failed: {}", out.stderr);
        let mut alone = Command::new(python(build));
        let alone =
            alone.args(["sub/work.py", "a", "--b"]).current_dir(dir.path()).output().unwrap();
        let expected = String::from_utf8_lossy(&alone.stdout);
        assert!(out.stdout.starts_with(&*expected), "{build}: {}\nalone:\n{expected}", out.stdout);
        let trace = String::from_utf8_lossy(&alone.stderr);
        let ours = out.stderr.replace(&format!("{}/", dir.path().display()), "");
        let theirs = trace.replace(&format!("{}/", dir.path().display()), "");
        assert!(ours.starts_with(&theirs), "{build}: {ours}\nalone:\n{theirs}");
        assert!(out.stdout.contains("The program ended with exit status: 1."), "{}", out.stdout);
    }
    let dir = TestDir::new();
    dir.write("pkg/__init__.py", "");
    dir.write("pkg/__main__.py", "import sys\nprint(sys.argv[1:], __name__, __package__)\n");
    let out = alloc(&dir, "3.14", &["-m", "pkg", "--", "x"]).run().ok();
    assert!(out.stdout.starts_with("['x'] __main__ pkg\n"), "{}", out.stdout);
}

#[test]
fn keeps_figures_however_the_program_ends() {
    let begin = "import os, sys, signal\nkept = [bytes(5000) for _ in range(1000)]\n";
    for (build, end, note) in [
        ("3.14", "os._exit(3)", "without its exit handlers"),
        ("3.15t", "os.kill(os.getpid(), signal.SIGKILL)", "without its exit handlers"),
        ("3.14t", "os.execv('/bin/true', ['true'])", "without its exit handlers"),
        ("3.15", "sys.exit(4)", ""),
        (
            "3.13",
            "import tracemalloc; tracemalloc.start(); more = [[n] for n in range(9999)]",
            "another tool",
        ),
    ] {
        let dir = TestDir::new();
        dir.write("work.py", format!("{begin}{end}\n"));
        let out = alloc(&dir, build, &["--every", "1k", "--json", "work.py"]).run();
        let report = out.json();
        assert_eq!(out.code, i32::from(report["exit_code"] != 0), "{build} {end}: {}", out.stderr);
        assert!(
            line(&report, 2)["live"]["bytes"].as_f64().unwrap() > 4e6,
            "{build} {end}: {report:#}"
        );
        let notes = report["notes"].to_string();
        assert!(
            notes.contains(note) && (!note.is_empty() || notes == "[]"),
            "{build} {end}: {notes}"
        );
    }
}

#[test]
fn forked_children_threads_and_subinterpreters_are_unharmed() {
    let program = "\
import os, sys, threading, multiprocessing
def work(n): return len([bytes(100) for _ in range(n)])
def main():
    pid = os.fork()
    if not pid:
        work(3000); os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    with multiprocessing.get_context('fork').Pool(2) as pool:
        assert pool.map(work, [5, 6]) == [5, 6]
    for _ in range(3):
        threads = [threading.Thread(target=work, args=(200,)) for _ in range(20)]
        [t.start() for t in threads]; [t.join() for t in threads]
    if sys.version_info >= (3, 14):
        from concurrent import interpreters
        one = interpreters.create()
        one.exec('kept = [bytes(100) for _ in range(1000)]')
        one.close()
    threading.Thread(target=lambda: threading.Event().wait(), daemon=True).start()
    print('passed')
if __name__ == '__main__': main()
";
    for build in BUILDS {
        let dir = TestDir::new();
        dir.write("work.py", program);
        let out = alloc(&dir, build, &["--every", "64", "work.py"]).run().ok();
        assert!(out.stdout.starts_with("passed\n"), "{build}: {}\n{}", out.stdout, out.stderr);
        assert_eq!(out.stderr, "", "{build}");
        assert!(
            out.stdout.contains("not counted: 3 forked child processes"),
            "{build}: {}",
            out.stdout
        );
    }
}

#[test]
fn writes_collapsed_stacks_and_a_recording() {
    let dir = TestDir::new();
    dir.write("work.py", KNOWN_ALLOCATIONS);
    let out = alloc(&dir, "3.14t", &["--every", "1", "--json", "-o", "p.collapsed", "work.py"])
        .run()
        .ok();
    let report = out.json();
    let text = dir.read("p.collapsed").unwrap();
    let weight = |line: &str| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap();
    let sum: f64 = text.lines().map(weight).sum();
    let truth =
        report["live"]["bytes"].as_f64().unwrap() + report["freed"]["bytes"].as_f64().unwrap();
    assert_eq!(sum, truth);
    assert!(text.lines().any(|l| l.contains("keep") && l.contains("bytes")), "{text}");
    assert!(!text.contains("alloc_start"), "ungil's own frames are removed");
    let replayed =
        dir.ungil(["profile", "--json", "--replay"]).args([report["recording"].as_str().unwrap()]);
    let replayed = replayed.run().ok().json();
    assert_eq!(replayed["weight"].as_f64(), Some(truth), "the recording and the file agree");
    assert_eq!(replayed["header"]["mode"], "alloc");
    let error = alloc(&dir, "3.14t", &["-o", "p.what", "work.py"]).run().expect_error(2);
    assert!(error.what.contains("p.what"), "{}", error.what);
}

#[test]
fn rejects_options_that_do_not_apply() {
    let dir = TestDir::new();
    dir.write("work.py", "");
    let alloc = ["--mode", "alloc", "work.py"];
    for (mode, option) in [
        (&alloc[..], &["--rate", "5khz"][..]),
        (&alloc, &["--threads", "main"]),
        (&alloc, &["--children", "no"]),
        (&alloc, &["--tasks"]),
        (&alloc, &["--no-tasks"]),
        (&alloc, &["--native"]),
        (&alloc, &["--duration", "1s"]),
        (&alloc, &["--patience", "1s"]),
        (&alloc, &["--every", "0"]),
        (&["work.py"], &["--every", "1"]),
        (&["--mode", "lock", "work.py"], &["--lines", "3"]),
        (&["work.py"], &["--patience", "3s"]),
        (&["--mode", "alloc", "1"], &["--python", "3.14"]),
        (&["--mode", "alloc", "1"], &["--", "argument"]),
        (&["--replay", "p.ungil"], &["--every", "1"]),
    ] {
        let error = dir.ungil(["profile"]).args(mode).args(option).run().expect_error(2);
        assert!(error.what.contains(option[0]), "{mode:?}: {error:?}");
    }
}
