//! Tests that `ungil dump` reports locks held at a fork: no thread of the child can release them,
//! so the child waits for them forever.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use ungil_tests::{BUILDS, TestDir, eventually, python};

/// A running `forked_children.py`, and the process ids of its children by name.
struct Parent {
    process: Child,
    children: Value,
}

impl Parent {
    fn start(build: &str) -> Parent {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/debuggees/cases/forked_children.py");
        let mut command = Command::new(python(build));
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Parent { process, children: serde_json::from_str(&line).unwrap() }
    }

    fn child(&self, name: &str) -> String {
        self.children[name].to_string()
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        self.process.stdin = None;
        let _ = self.process.wait();
    }
}

/// The children that wait forever: name, kind of the wait target, and the thread of the parent that
/// held it.
const STRANDED: [(&str, &str, Option<&str>); 6] = [
    ("lock", "threading.Lock", None),
    ("rlock", "threading.RLock", Some("holder of RLock.acquire")),
    ("semaphore", "threading.Semaphore", None),
    ("import", "import lock", Some("importer")),
    ("inside", "inside:_lzma.LZMACompressor", None),
    ("c", "futex", None),
];

/// The children that wait for their parent, a timer, a signal or one of their own threads.
const WAITING: [&str; 7] = ["pipe", "timer", "timeout", "event", "select", "own_thread", "shared"];

#[test]
fn lock_held_at_the_fork_is_a_deadlock_and_other_waits_are_not() {
    for build in BUILDS {
        let (dir, parent) = (TestDir::new(), Parent::start(build));
        let parent_pid = parent.process.id();
        for (name, kind, holder) in STRANDED {
            let pid = parent.child(name);
            let mut dump = Value::Null;
            eventually(&format!("{build}: the deadlock of {name}"), || {
                let out = dir.ungil(["dump", &pid, "--json"]).run();
                dump = out.json();
                out.code == 4
            });
            let stranded = &dump["stranded"][0];
            assert_eq!(stranded["kind"], kind, "{build} {name}: {dump}");
            assert_eq!(stranded["forked_from"], parent_pid, "{build} {name}: {dump}");
            assert_eq!(stranded["holder"].as_str(), holder, "{build} {name}: {dump}");
            let text = dir.ungil(["dump", &pid]).run();
            let expected = format!(
                "when this process was forked from {parent_pid}: no thread here can release it"
            );
            assert!(text.stdout.contains(&expected), "{build} {name}: {}", text.stdout);
        }
        for name in WAITING {
            let pid = parent.child(name);
            let is_blocked = |dump: &Value| {
                let threads = dump["interpreters"][0]["threads"].as_array().unwrap();
                threads.iter().all(|thread| {
                    ["syscall", "event", "lock"].iter().any(|s| thread["state"] == *s)
                })
            };
            eventually(&format!("{build}: {name} is blocked"), || {
                let out = dir.ungil(["dump", &pid, "--json"]).run();
                assert_eq!(out.code, 0, "{build} {name}: {}", out.stdout);
                is_blocked(&out.json())
            });
        }
    }
}
