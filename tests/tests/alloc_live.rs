//! `ungil profile --mode alloc` of a process that runs: one that lets itself be asked, and those that do not.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

mod allocations;

use allocations::{kind, line};
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use ungil_tests::{Place, Ungil, alive, eventually, python};

fn ask(place: &Place) -> Ungil {
    place.ungil(["profile", "--mode", "alloc"])
}

/// Allocates in a thread and, unless it is to sit still, in the main thread, until a file is there.
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
    place: &'a Place,
    child: Child,
}

impl Server<'_> {
    fn start<'a>(place: &'a Place, build: &str, how: &str, env: &[(&str, &str)]) -> Server<'a> {
        place.write("work.py", SERVER);
        let mut command = Command::new(python(build));
        command.args(["work.py", how]).current_dir(place.path()).envs(env.iter().copied());
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let server = Server { place, child };
        eventually("the server's start", || place.at("ready").exists());
        server
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Ends it as it would end by itself: well, and without having said anything.
    fn end(mut self) {
        self.place.write("end", "");
        let pid = i32::try_from(self.child.id()).unwrap();
        eventually("the server's end", || !alive(pid));
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut said).unwrap();
        assert_eq!((self.child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_live_process_that_lets_itself_be_asked_is_profiled_and_left_as_it_was() {
    for build in ["3.14", "3.14t", "3.15", "3.15t"] {
        let place = Place::new();
        let server = Server::start(&place, build, "turning", &[]);
        for round in 0..2 {
            let args = ["--duration", "300ms", "--every", "4k", "--json", "--patience", "200s"];
            let report = ask(&place).args(args).args([server.pid()]).run().ok().json();
            assert_eq!(report["end"], "whole", "{build}, round {round}: {:#}", report["notes"]);
            assert_eq!(report["notes"], Value::Array(vec![]), "{build}: the allocators were restored");
            let line = line(&report, 3);
            assert!(line["allocated"]["bytes"].as_f64().unwrap() > 0.0, "{build}: {line:#}");
            assert!(kind(line, "bytes")["freed_bytes"].as_f64().unwrap() > 0.0, "{build}: {line:#}");
            assert_eq!(report["pid"].to_string(), server.pid());
        }
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", server.pid())).unwrap();
        assert!(maps.contains("ungil_hook.so (deleted)"), "the library's file is gone");
        server.end();
    }
}

#[test]
fn a_process_that_cannot_be_asked_is_a_clear_word() {
    let place = Place::new();
    let old = Server::start(&place, "3.13", "turning", &[]);
    let told = ask(&place).args([old.pid()]).run().told(1);
    assert!(told.what.contains("3.13") && told.why.contains("PEP 768"), "{told:?}");
    old.end();

    let place = Place::new();
    let shut = Server::start(&place, "3.15", "turning", &[("PYTHON_DISABLE_REMOTE_DEBUG", "1")]);
    let told = ask(&place).args([shut.pid()]).run().told(1);
    assert!(told.what.contains("does not let itself be asked"), "{told:?}");
    assert!(told.mend.contains("PYTHON_DISABLE_REMOTE_DEBUG"), "{told:?}");
    shut.end();

    let place = Place::new();
    let still = Server::start(&place, "3.14t", "still", &[]);
    let told = ask(&place).args(["--patience", "300ms"]).args([still.pid()]).run().told(1);
    assert!(told.what.contains("did not answer") && told.why.contains("system call"), "{told:?}");
    let pid = still.pid();
    let left = || {
        let names = std::fs::read_dir("/tmp").unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(&format!("ungil-alloc-{pid}-"))).count()
    };
    assert_eq!(left(), 1, "the request waits for the main thread");
    still.end();
    assert_eq!(left(), 0, "and takes itself away when it is met");

    let told = ask(&place).args([i32::MAX.to_string()]).run().told(1);
    assert!(told.what.contains("no process"), "{told:?}");
}
