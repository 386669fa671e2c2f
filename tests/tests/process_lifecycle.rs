//! Tests processes in unusual states: the main thread ends before the others, the process replaces
//! itself by exec, a forked child has not returned to Python. Every command follows the process
//! until it really ends, and never reports an empty result as success.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

mod profiles;

use profiles::{collapsed, number, profile};
use serde_json::Value;
use std::process::{Command, Stdio};
use ungil_tests::{BUILDS, TestDir, TruthfulDebuggee, eventually, metric, python};

/// Names of the threads, in order.
fn names(threads: &Value) -> Vec<String> {
    let mut names: Vec<String> = threads
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].as_str().unwrap_or("?").to_string())
        .collect();
    names.sort();
    names
}

/// `dump_truth.rs` checks `ungil dump` on the same programs in detail.
#[test]
fn every_command_inspects_a_process_without_its_main_thread() {
    let rest = ["holder", "rest", "waiter"];
    for build in BUILDS {
        let dir = TestDir::new();
        let target = TruthfulDebuggee::start(build, &[], "main_gone");
        let pid = target.pid().to_string();
        let all = dir.ungil(["dump", "--all", "--json"]).run();
        let listed =
            all.json()["processes"].as_array().unwrap().iter().any(|p| p["pid"] == target.pid());
        assert!(listed, "{build}: {}", all.stdout);
        let top = dir.ungil(["top", &pid, "--json"]).run().ok().json();
        assert_eq!(names(&top["threads"]), rest, "{build}");
        assert_eq!(top["other_threads"]["count"], 0, "{build}: {top}");
        for key in ["rss_bytes", "rss_peak_bytes", "pss_bytes"] {
            assert!(number(&top["memory"][key]) > 1e6, "{build}: {key} in {top}");
        }
        let hosts = dir.ungil(["top", "--json"]).run().ok().json();
        let row = hosts["pythons"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["pid"] == target.pid())
            .unwrap();
        assert!(number(&row["rss_bytes"]) > 1e6 && row["threads"] == 3, "{build}: {row}");
        let heap = dir.ungil(["heap", &pid, "--json"]).run().ok().json();
        assert!(number(&heap["objects"]) > 1000.0, "{build}: {heap}");
        let profiled = profile(&dir, &[&pid, "--duration", "300ms", "--rate", "200"]).ok().json();
        assert_eq!(profiled["ending"], "time", "{build}");
        assert_eq!(names(&profiled["threads"]), rest, "{build}: {profiled:#}");
        if build != "3.13" {
            let told = dir.ungil(["profile", "--mode", "alloc", &pid]).run().expect_error(1);
            assert!(
                told.what.contains("main thread") && told.what.contains("ended"),
                "{build}: {told:?}"
            );
        }
        assert!(target.end().success(), "{build}");
    }
}

/// Ends the main thread; `rest` runs in another thread afterwards.
const MAIN_ENDS: &str = "
import ctypes, os, platform, sys, threading, time
def main_has_ended():
    with open(f'/proc/{os.getpid()}/stat') as stat:
        return ') Z ' in stat.read()
def beside():
    while not main_has_ended(): time.sleep(0.001)
    rest()
threading.Thread(target=beside).start()
time.sleep(0.5)
ctypes.CDLL(None).syscall({'x86_64': 60, 'aarch64': 93}[platform.machine()], 0)
";

#[test]
fn a_profiled_program_outlives_its_main_thread() {
    // The process runs longer without its main thread than with it.
    let rest = "
def rest():
    with open('/proc/self/stat') as stat: started = int(stat.read().rpartition(')')[2].split()[19]) / os.sysconf('SC_CLK_TCK')
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    end = now + 1 + 2 * (now - started)
    while time.clock_gettime(time.CLOCK_BOOTTIME) < end: sum(range(500))
    os._exit(5)
";
    for build in BUILDS {
        let dir = TestDir::new();
        dir.write("ends.py", format!("import os, time\n{rest}{MAIN_ENDS}"));
        let python = python(build).display().to_string();
        let out = profile(&dir, &["ends.py", "--python", &python, "--rate", "200"]);
        let summary = out.json();
        assert_eq!((out.code, &summary["exit_code"]), (1, &5.into()), "{build}: {}", out.stderr);
        assert_eq!(summary["ending"], "gone", "{build}");
        let stacks = collapsed(&dir, &summary);
        let weight: f64 =
            stacks.iter().filter(|(stack, _)| stack.contains("rest")).map(|(_, w)| w).sum();
        assert!(weight > 0.5e9, "{build}: {stacks:?}");
        // After it ends, the main thread accumulates no time.
        let main = stacks
            .iter()
            .filter(|(stack, _)| stack.starts_with("MainThread"))
            .map(|(_, w)| w)
            .sum();
        assert!(
            weight > main,
            "{build}: {weight} against {main} of the main thread, which has ended"
        );
    }
}

#[test]
fn compare_counts_memory_and_waits_without_the_main_thread() {
    let rest = "
import sys, threading, time
from ungil_phase import phase
lock = threading.Lock()
def wait():
    with lock: pass
def rest():
    with phase():
        block = bytearray(int(sys.argv[1]) << 20)
        for at in range(0, len(block), 4096): block[at] = 1
        with lock:
            threading.Thread(target=wait, daemon=True).start()
            time.sleep(1)
    print('done', flush=True)
    os._exit(0)
";
    let dir = TestDir::new();
    dir.write("w.py", format!("{rest}{MAIN_ENDS}"));
    for build in ["3.14", "3.14t"] {
        let run = |mib: &str| {
            dir.one_block(["w.py", "--python", build, "--", mib])
                .run()
                .ok()
                .record()
                .run(build)
                .clone()
        };
        let (base, full) = (run("0"), run("256"));
        for key in ["rss_peak_bytes", "pss_peak_bytes"] {
            let more = metric(&full, key) - metric(&base, key);
            assert!((more / f64::from(256 << 20) - 1.0).abs() < 0.02, "{build}: {key} {more}");
        }
        assert!(metric(&full, "lock_wait_s") > 0.3, "{build}: {full:#}");
    }
}

#[test]
fn compare_times_out_a_workload_without_its_main_thread() {
    let dir = TestDir::new();
    dir.write("w.py", format!("def rest(): time.sleep(1000)\n{MAIN_ENDS}"));
    let out = dir.one_block(["w.py", "--python", "3.14", "--timeout", "2s"]).run();
    assert_eq!(out.code, 1, "{}{}", out.stdout, out.stderr);
    assert!(
        format!("{}{}", out.stdout, out.stderr).contains("--timeout"),
        "{}{}",
        out.stdout,
        out.stderr
    );
}

/// Computes for a while, then executes the command in its arguments.
const LAUNCHER: &str = "
import os, sys, time
def before_the_exec():
    end = time.monotonic() + 0.7
    while time.monotonic() < end: sum(range(500))
before_the_exec()
if sys.argv[1] == 'python': os.execv(sys.executable, [sys.executable, 'work.py'])
if sys.argv[1] == 'shell': os.execv('/bin/sh', ['sh', '-c', 'sleep 0.5; exec \"$0\" work.py', sys.executable])
os.execv('/bin/sleep', ['sleep', '1.5'])
";

const WORK: &str = "
import sys, time
def after_the_exec():
    end = time.monotonic() + 1.5
    while time.monotonic() < end: sum(range(500))
after_the_exec()
sys.exit(7)
";

/// Creates a folder with both programs. Returns it with the arguments that profile them.
fn launcher(build: &str) -> (TestDir, Vec<String>) {
    let dir = TestDir::new();
    dir.write("launcher.py", LAUNCHER);
    dir.write("work.py", WORK);
    let python = python(build).display().to_string();
    let args = [
        "profile",
        "launcher.py",
        "--json",
        "--quiet",
        "--rate",
        "1khz",
        "--python",
        &python,
        "--",
    ];
    (dir, args.map(String::from).into())
}

fn weight_of(dir: &TestDir, summary: &Value, function: &str) -> f64 {
    collapsed(dir, summary)
        .iter()
        .filter(|(stack, _)| stack.contains(function))
        .map(|(_, w)| w)
        .sum()
}

#[test]
fn profiling_continues_after_exec_of_another_python() {
    for build in BUILDS {
        for how in ["python", "shell"] {
            let (dir, args) = launcher(build);
            let out = dir.ungil(args).args([how]).run();
            let summary = out.json();
            assert_eq!(
                (out.code, &summary["exit_code"]),
                (1, &7.into()),
                "{build} {how}: {}",
                out.stderr
            );
            for function in ["before_the_exec", "after_the_exec"] {
                assert!(
                    weight_of(&dir, &summary, function) > 0.2e9,
                    "{build} {how}: {function}: {summary:#}"
                );
            }
            let (torn, samples) = (number(&summary["totals"]["torn"]), number(&summary["samples"]));
            assert!(torn < 0.05 * samples, "{build} {how}: {torn} of {samples} are torn");
            assert!(
                summary["totals"]["notes"].to_string().contains("(exec)"),
                "{build} {how}: {summary:#}"
            );
        }
    }
}

#[test]
fn exec_of_a_program_other_than_python_is_reported() {
    for build in ["3.13", "3.15t"] {
        let (dir, args) = launcher(build);
        let out = dir.ungil(args).args(["other"]).run().ok();
        let summary = out.json();
        assert_eq!(
            (&summary["exit_code"], &summary["ending"]),
            (&0.into(), &"gone".into()),
            "{build}"
        );
        let notes = summary["totals"]["notes"].to_string();
        assert!(
            notes.contains("sleep (exec)") && notes.contains("no Python started"),
            "{build}: {notes}"
        );
    }
}

/// Waits for input, then executes itself; the second instance waits forever.
const AGAIN: &str = "
import os, sys, time
def first():
    open('ready', 'w').close()
    while not os.path.exists('go'): time.sleep(0.001)
def second():
    open('again', 'w').close()
    time.sleep(1000)
if len(sys.argv) > 1: second()
first()
os.execv(sys.executable, [sys.executable, __file__, 'again'])
";

#[test]
fn a_process_that_executes_itself_again() {
    for build in BUILDS {
        let dir = TestDir::new();
        let target = profiles::ScriptTarget::start(&dir, build, AGAIN);
        let mut top =
            dir.ungil(["top", &target.pid(), "--json", "-n", "100000", "-d", "100ms"]).command();
        let mut top =
            top.stdout(std::fs::File::create(dir.join("views")).unwrap()).spawn().unwrap();
        eventually("a view", || dir.read("views").unwrap().contains('\n'));
        let mut running = dir.ungil(["profile", &target.pid(), "--json", "--quiet"]).start();
        running.until("a recording", || {
            let files = std::fs::read_dir(dir.join(".ungil")).ok()?.flatten();
            files.filter_map(|file| file.metadata().ok()).any(|file| file.len() > 0).then_some(())
        });
        dir.write("go", "");
        running.until("the program after the exec", || dir.read("again"));
        // top reports the exec and ends; the profile continues.
        top.wait().unwrap();
        let last: Value =
            serde_json::from_str(dir.read("views").unwrap().lines().last().unwrap()).unwrap();
        assert!(last["ended"].as_str().unwrap().contains("(exec)"), "{build}: {}", last["ended"]);
        std::thread::sleep(std::time::Duration::from_millis(500));
        running.signal("INT");
        let summary = running.wait().ok().json();
        assert!(weight_of(&dir, &summary, "second") > 0.0, "{build}: {summary:#}");
        assert!(target.alive());
    }
}

#[test]
fn a_forked_child_outside_python_has_one_thread() {
    for build in BUILDS {
        let dir = TestDir::new();
        let target = TruthfulDebuggee::start(build, &[], "at_fork");
        let pid = target.pid().to_string();
        let top = dir.ungil(["top", &pid, "--json"]).run().ok().json();
        assert_eq!(
            (names(&top["threads"]), &top["threads"][0]["tid"]),
            (vec!["forker".into()], &target.pid().into())
        );
        let profiled = profile(&dir, &[&pid, "--duration", "300ms", "--rate", "200"]).ok().json();
        assert_eq!(profiled["threads"][0]["native_id"], target.pid(), "{build}: {profiled:#}");
        assert!(weight_of(&dir, &profiled, "fork") > 0.0, "{build}");
        let heap = dir.ungil(["heap", &pid, "--json"]).run().ok().json();
        assert!(number(&heap["objects"]) > 1000.0, "{build}: {heap}");
        assert!(target.end().success(), "{build}");
    }
}

#[test]
fn a_machine_without_python_is_an_error() {
    let can = Command::new("unshare")
        .args(["-pf", "--mount-proc", "true"])
        .stderr(Stdio::null())
        .status();
    if !can.is_ok_and(|s| s.success()) {
        eprintln!("skipped: pid namespaces are not permitted here");
        return;
    }
    for verb in [["dump", "--all"], ["top", "--once"]] {
        let mut command = Command::new("unshare");
        command.args(["-pf", "--mount-proc"]).arg(ungil_tests::binary()).args(verb);
        let out = command.output().unwrap();
        let printed = String::from_utf8_lossy(&out.stderr);
        assert_eq!((out.status.code(), printed.lines().count()), (Some(1), 3), "{printed}");
        assert!(printed.contains("no CPython"), "{printed}");
    }
}
