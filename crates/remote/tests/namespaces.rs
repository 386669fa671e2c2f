//! A Python in pid and mount namespaces of its own, as in a container.

mod common;

use common::{Target, parked};
use std::process::Command;
use ungil_remote::native::{StopPolicy, Unwinder};
use ungil_tests::{eventually, python};

const PROGRAM: &str = "
import sys, threading
def wait():
    print(threading.get_native_id(), flush=True)
    sys.stdin.read()
threading.Thread(target=wait).start()
";

#[test]
fn threads_have_ids_of_this_namespace() {
    // A copy of the interpreter at a path that exists only inside.
    let inside = "mount -t tmpfs none /mnt && cp \"$0\" /mnt/python && PYTHONHOME=$1 exec /mnt/python -c \"$2\"";
    let executable = python("3.14t").canonicalize().expect("an interpreter");
    let home = executable.parent().and_then(|bin| bin.parent()).expect("bin/ and its parent");
    let mut command = Command::new("unshare");
    command.args([
        "--pid",
        "--mount",
        "--fork",
        "--mount-proc",
        "--kill-child",
        "sh",
        "-c",
        inside,
    ]);
    command.args([executable.as_path(), home]).arg(PROGRAM);
    command.env("LD_LIBRARY_PATH", home.join("lib"));
    let mut target = Target::of(&mut command);
    let native_id = target.line();
    assert!(!native_id.is_empty(), "namespaces can be made here");
    let children = format!("/proc/{0}/task/{0}/children", target.pid());
    let mut pid = 0;
    eventually("the program inside", || {
        let text = std::fs::read_to_string(&children).unwrap_or_default();
        pid = text.split_whitespace().next().and_then(|pid| pid.parse().ok()).unwrap_or(0);
        pid != 0
    });
    let (python, thread, _) = parked(pid, "wait");
    assert_eq!(thread.own_id.to_string(), native_id);
    assert_ne!(thread.native_id, thread.own_id);
    assert!(std::path::Path::new(&format!("/proc/{pid}/task/{}", thread.native_id)).exists());
    // The file with the code is found in the target's mount namespace.
    let native = Unwinder::new(python.process())
        .expect("regions")
        .stack(thread.native_id, StopPolicy::Never);
    let symbols: Vec<_> =
        native.expect("frames").into_iter().filter_map(|frame| frame.symbol).collect();
    assert!(
        symbols.iter().any(|symbol| symbol.starts_with("_PyEval_EvalFrameDefault")),
        "{symbols:?}"
    );
}
