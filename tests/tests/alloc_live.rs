//! Runs `ungil profile --mode alloc` on running processes: some accept `sys.remote_exec`, others do
//! not.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

mod allocations;

use allocations::{kind, line};
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use ungil_tests::{TestDir, Ungil, alive, copy_interpreter, eventually, python};

fn profile_alloc(dir: &TestDir) -> Ungil {
    dir.ungil(["profile", "--mode", "alloc"])
}

/// Allocates in a thread until the file `end` exists. The main thread evaluates bytecode meanwhile,
/// or blocks if the argument is `still`.
const SERVER: &str = "\
import os, sys, threading, time
def churn():
    return [bytes(1500) for _ in range(50)]
def turn(): 
    while not os.path.exists('end'):
        global kept
        kept = churn()
worker = threading.Thread(target=turn)
worker.start()
open('ready', 'w').close()
if sys.argv[1] == 'still':
    worker.join()
else:
    while not os.path.exists('end'): time.sleep(0.001)
    worker.join()
";

struct Server<'a> {
    dir: &'a TestDir,
    child: Child,
}

impl Server<'_> {
    fn start<'a>(dir: &'a TestDir, build: &str, how: &str, env: &[(&str, &str)]) -> Server<'a> {
        dir.write("work.py", SERVER);
        let mut command = Command::new(python(build));
        command.args(["work.py", how]).current_dir(dir.path()).envs(env.iter().copied());
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let server = Server { dir, child };
        eventually("the server is ready", || dir.join("ready").exists());
        server
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Lets the server end by itself. Fails unless it succeeds without output on standard error.
    fn end(mut self) {
        self.dir.write("end", "");
        let pid = i32::try_from(self.child.id()).unwrap();
        eventually("the server ends", || !alive(pid));
        let mut stderr = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut stderr).unwrap();
        assert_eq!((self.child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn profiles_live_process_and_restores_its_allocators() {
    for build in ["3.14", "3.14t", "3.15", "3.15t"] {
        let dir = TestDir::new();
        let server = Server::start(&dir, build, "turning", &[]);
        for round in 0..2 {
            let args = ["--duration", "300ms", "--every", "4k", "--json", "--patience", "200s"];
            let report = profile_alloc(&dir).args(args).args([server.pid()]).run().ok().json();
            assert_eq!(report["end"], "whole", "{build}, round {round}: {:#}", report["notes"]);
            assert_eq!(
                report["notes"],
                Value::Array(vec![]),
                "{build}: the allocators were restored"
            );
            let line = line(&report, 3);
            assert!(line["allocated"]["bytes"].as_f64().unwrap() > 0.0, "{build}: {line:#}");
            assert!(
                kind(line, "bytes")["freed_bytes"].as_f64().unwrap() > 0.0,
                "{build}: {line:#}"
            );
            assert_eq!(report["pid"].to_string(), server.pid());
        }
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", server.pid())).unwrap();
        assert!(maps.contains("ungil_hook.so (deleted)"), "the library's file was deleted");
        server.end();
    }
}

#[test]
fn explains_why_a_process_cannot_be_profiled() {
    let dir = TestDir::new();
    let old = Server::start(&dir, "3.13", "turning", &[]);
    let error = profile_alloc(&dir).args([old.pid()]).run().expect_error(1);
    assert!(error.what.contains("3.13") && error.why.contains("PEP 768"), "{error:?}");
    old.end();

    let dir = TestDir::new();
    let disabled = Server::start(&dir, "3.15", "turning", &[("PYTHON_DISABLE_REMOTE_DEBUG", "1")]);
    let error = profile_alloc(&dir).args([disabled.pid()]).run().expect_error(1);
    assert!(error.what.contains("does not accept sys.remote_exec"), "{error:?}");
    assert!(error.help.contains("PYTHON_DISABLE_REMOTE_DEBUG"), "{error:?}");
    disabled.end();

    let dir = TestDir::new();
    let blocked = Server::start(&dir, "3.14t", "still", &[]);
    let error = profile_alloc(&dir)
        .args(["--patience", "300ms"])
        .args([blocked.pid()])
        .run()
        .expect_error(1);
    assert!(
        error.what.contains("did not respond") && error.why.contains("system call"),
        "{error:?}"
    );
    let pid = blocked.pid();
    let request_files = || {
        let names = std::fs::read_dir("/tmp")
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(&format!("ungil-alloc-{pid}-"))).count()
    };
    assert_eq!(request_files(), 1, "the request waits for the main thread");
    blocked.end();
    assert_eq!(request_files(), 0, "the request deletes its file when it runs");

    let error = profile_alloc(&dir).args([i32::MAX.to_string()]).run().expect_error(1);
    assert!(error.what.contains("no process"), "{error:?}");
}

/// Starts the server on a copy of an interpreter, which the test may replace.
fn start_on_copy<'a>(dir: &'a TestDir, build: &str) -> (Server<'a>, std::path::PathBuf) {
    dir.write("work.py", SERVER);
    let (copy, mut command) = copy_interpreter(dir, build);
    let child = command
        .args(["work.py", "turning"])
        .current_dir(dir.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let server = Server { dir, child };
    eventually("the server is ready", || dir.join("ready").exists());
    (server, copy)
}

#[test]
fn profiles_process_whose_executable_was_replaced() {
    for build in ["3.14", "3.14t", "3.15", "3.15t"] {
        for replaced in [false, true] {
            let dir = TestDir::new();
            let (server, copy) = start_on_copy(&dir, build);
            std::fs::remove_file(&copy).unwrap();
            if replaced {
                std::fs::copy("/bin/false", &copy).unwrap();
            }
            let args = ["--duration", "300ms", "--json", "--patience", "200s"];
            let report = profile_alloc(&dir).args(args).args([server.pid()]).run().ok().json();
            assert_eq!(report["end"], "whole", "{build}: {report:#}");
            server.end();
        }
    }
}

#[test]
fn process_stopped_by_a_signal_is_not_reported_as_ended() {
    let dir = TestDir::new();
    let server = Server::start(&dir, "3.14", "turning", &[]);
    let signal = |name: &str| {
        let done = Command::new("kill").args([name, &server.pid()]).status();
        assert!(done.is_ok_and(|status| status.success()), "kill {name}");
    };
    let mut running =
        profile_alloc(&dir).args(["--json", "--patience", "20s", &server.pid()]).start();
    let maps = format!("/proc/{}/maps", server.pid());
    running.until("the target has loaded the library", || {
        std::fs::read_to_string(&maps).ok().filter(|maps| maps.contains("ungil_hook"))
    });
    std::thread::sleep(std::time::Duration::from_millis(300));
    signal("-STOP");
    running.signal("INT");
    let report = running.wait().ok().json();
    let notes = report["notes"].to_string();
    assert_eq!(report["end"], "cut", "{report:#}");
    assert!(!notes.contains("exit handlers") && notes.contains("did not respond"), "{notes}");
    signal("-CONT");
    server.end();
}
