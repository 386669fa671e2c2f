//! A CPython with a shared libpython of its own patch release, in a position-independent program
//! that is not called Python.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use ungil_remote::Python;
use ungil_remote::WaitTarget;
use ungil_remote::snapshot::{SnapshotOptions, take_snapshot};
use ungil_remote::thread_observer::ThreadObserver;

#[test]
fn reads_a_shared_libpython() {
    let Some(folder) = std::env::var_os("UNGIL_SHARED") else {
        eprintln!(
            "skipped: UNGIL_SHARED names no folder of shared libpythons (`cargo xtask test` gets them)"
        );
        return;
    };
    let versions = std::fs::read_dir(folder).expect("a folder").flatten();
    for launcher in versions.map(|entry| entry.path().join("python")).filter(|path| path.is_file())
    {
        let mut child = Command::new(&launcher)
            .args(["-c", include_str!("shared.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut version = String::new();
        BufReader::new(child.stdout.take().expect("a pipe"))
            .read_line(&mut version)
            .expect("a line");
        let mut python =
            Python::attach(child.id()).unwrap_or_else(|why| panic!("{version}: {why}"));
        assert_eq!(python.version().to_string(), version.trim());
        assert_eq!(python.layout().missing, [], "{version}");
        let options = SnapshotOptions { source: false, tasks: true, native: None };
        let snapshot =
            take_snapshot(&mut python, &mut ThreadObserver::default(), options).expect("a look");
        let holder = snapshot
            .threads()
            .find(|thread| thread.frames.iter().any(|f| f.function == "holds"))
            .expect("holds");
        assert_eq!(holder.frames[0].line, Some(7), "{version}");
        let waiter = snapshot
            .threads()
            .find(|thread| thread.frames.iter().any(|f| f.function == "waits"))
            .expect("waits");
        let wait = waiter.waits.as_ref().expect("a wait");
        assert_eq!(wait.kind, WaitTarget::Lock, "{version}");
        assert_eq!(wait.holders.len(), 1, "{version}");
        assert_eq!(wait.holders[0].native_id, holder.native_id, "{version}");
        drop(child.stdin.take());
        child.wait().expect("it ends");
    }
}
