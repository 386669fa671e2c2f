//! Tests `ungil profile --native`: the C frames between the Python frames of sleeping threads.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use std::process::{Command, Stdio};
use ungil_tests::{TestDir, eventually, python};

/// One thread sleeps in a key function that `sorted` calls, one in `os.read`, one in a lock.
const PROGRAM: &str = "
import os, threading, time
def key(n):
    time.sleep(1000)
def in_sorted(): sorted([2, 1], key=key)
def in_read(): os.read(os.pipe()[0], 1)
lock = threading.Lock()
lock.acquire()
def in_lock(): lock.acquire()
for f in (in_sorted, in_read, in_lock): threading.Thread(target=f, name=f.__name__, daemon=True).start()
time.sleep(0.3)
open('ready', 'w').close()
time.sleep(1000)
";

#[test]
fn c_frames_are_between_the_python_frames_of_sleeping_threads() {
    for build in ["3.14", "3.15t"] {
        let dir = TestDir::new();
        let path = dir.write("target.py", PROGRAM);
        let mut command = Command::new(python(build));
        let mut target =
            command.arg(path).current_dir(dir.path()).stdin(Stdio::null()).spawn().unwrap();
        eventually("the target is ready", || dir.read("ready").is_some());
        let pid = target.id().to_string();
        let args = [
            "--native",
            "--quiet",
            "--json",
            "--rate",
            "200",
            "--duration",
            "3s",
            "-o",
            "stacks.collapsed",
        ];
        let out = dir.ungil(["profile", &pid]).args(args).run();
        let _ = (target.kill(), target.wait());
        let summary = out.ok().json();
        let text = dir.read("stacks.collapsed").unwrap();
        let has = |parts: &[&str]| {
            text.lines().any(|line| {
                let mut rest = Some(line);
                parts.iter().all(|part| {
                    rest = rest.and_then(|rest| rest.split_once(part)).map(|(_, rest)| rest);
                    rest.is_some()
                })
            })
        };
        // A stripped interpreter has names only for its exported functions.
        let c = "PyObject_";
        assert!(has(&["in_sorted (target.py:5)", c, ";key (target.py:4)"]), "{build}:\n{text}");
        assert!(has(&["in_read (target.py:6)", c, ";read (libc"]), "{build}:\n{text}");
        assert!(
            has(&["in_lock (target.py:9)", c, "_PyMutex_LockTimed", "_PySemaphore_Wait"]),
            "{build}:\n{text}"
        );
        let notes = summary["totals"]["notes"].to_string();
        assert!(
            notes.contains("C frames are shown for threads in a system call only"),
            "{build}: {summary}"
        );
    }
}
