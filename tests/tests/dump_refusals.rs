//! Tests `ungil dump` on processes that it cannot read, and on processes in other namespaces or
//! whose executable is gone.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use std::path::Path;
use std::process::{Command, Stdio};
use ungil_tests::{
    BUILDS, DumpDiff, TestDir, TruthfulDebuggee, copy_interpreter, debuggees_dir, eventually,
    python,
};

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n")
}

fn dump(dir: &TestDir, pid: &str) -> ungil_tests::Out {
    dir.ungil(["dump", pid, "--json"]).run()
}

#[test]
fn rejects_invalid_process_ids() {
    let dir = TestDir::new();
    for word in ["0", "-1", "python3", "", "99999999999999999999"] {
        dir.ungil(["dump", word]).run().expect_error(2);
    }
    assert_eq!(dir.ungil(["dump"]).run().code, 2);
    dump(&dir, "4294967295").expect_error(1);
}

#[test]
fn rejects_missing_process_and_zombie() {
    let dir = TestDir::new();
    let mut gone = Command::new("true").spawn().unwrap();
    let stat = format!("/proc/{}/stat", gone.id());
    eventually("the process is a zombie", || {
        std::fs::read_to_string(&stat).is_ok_and(|s| s.contains(") Z "))
    });
    let zombie = dump(&dir, &gone.id().to_string()).expect_error(1);
    assert!(zombie.what.contains("zombie"), "{zombie:?}");
    gone.wait().unwrap();
    let none = dump(&dir, &gone.id().to_string()).expect_error(1);
    assert!(none.what.contains("no process"), "{none:?}");
}

#[test]
fn rejects_process_that_is_not_python() {
    let dir = TestDir::new();
    let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let error = dump(&dir, &cat.id().to_string()).expect_error(1);
    assert!(format!("{error:?}").contains("Python"), "{error:?}");
    drop(cat.stdin.take());
    cat.wait().unwrap();
    // ungil itself: the shell executes it in its own process, so `$$` is its process id.
    let shell = Command::new("sh")
        .args(["-c", "exec \"$0\" dump $$"])
        .arg(ungil_tests::binary())
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(shell.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&shell.stderr).lines().count(), 3, "{shell:?}");
}

/// The name of an executable can contain anything.
#[test]
fn escape_sequence_in_process_name_is_not_printed() {
    let dir = TestDir::new();
    let path = dir.path().join("cat\u{1b}[31m\u{202e}");
    std::fs::copy("/bin/cat", &path).unwrap();
    let mut cat = Command::new(&path).stdin(Stdio::piped()).spawn().unwrap();
    let out = dump(&dir, &cat.id().to_string());
    drop(cat.stdin.take());
    cat.wait().unwrap();
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert!(out.stderr.contains("cat�[31m�") && !out.stderr.contains('\u{1b}'), "{:?}", out.stderr);
}

#[test]
fn rejects_kernel_thread() {
    let is_kernel = |stat: &str| {
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        // PF_KTHREAD in the flags of /proc/PID/stat.
        fields
            .get(6)
            .and_then(|f| f.parse::<u64>().ok())
            .is_some_and(|flags| flags & 0x0020_0000 != 0)
    };
    let numbers = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok());
    let mut kernel = numbers.filter(|n| {
        std::fs::read_to_string(format!("/proc/{n}/stat")).is_ok_and(|s| is_kernel(&s))
    });
    let Some(pid) = kernel.next() else {
        eprintln!("skipped: no kernel thread is visible (in a container)");
        return;
    };
    dump(&TestDir::new(), &pid).expect_error(1);
}

/// Copies a file into `dir`, readable and executable for other users.
fn copy_for_other_users(dir: &TestDir, from: &Path) -> std::path::PathBuf {
    let to = dir.join(from.file_name().unwrap().to_str().unwrap());
    std::fs::copy(from, &to).unwrap();
    let chmod = Command::new("chmod").arg("0755").args([dir.path(), &to]).status();
    assert!(chmod.unwrap().success());
    to
}

#[test]
fn rejects_process_of_another_user() {
    if !is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let dir = TestDir::new();
    let ungil = copy_for_other_users(&dir, ungil_tests::binary());
    let mut target = TruthfulDebuggee::start("3.14t", &[], "lock_with");
    let mut as_nobody = Command::new("setpriv");
    as_nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&ungil);
    let out =
        as_nobody.args(["dump", &target.pid().to_string()]).current_dir("/").output().unwrap();
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 3, "{stderr}");
    assert!(stderr.contains("CAP_SYS_PTRACE") || stderr.contains("sudo"), "no remedy: {stderr}");
    assert!(target.alive());
}

#[test]
fn dumps_process_in_another_mount_namespace() {
    let dir = TestDir::new();
    let inside = dir.join("inside");
    std::fs::create_dir(&inside).unwrap();
    let unshare = Command::new("unshare").args(["-m", "true"]).stderr(Stdio::null()).status();
    if !unshare.is_ok_and(|s| s.success()) {
        eprintln!("skipped: cannot create a mount namespace");
        return;
    }
    for build in BUILDS {
        let home = python(build).canonicalize().unwrap().ancestors().nth(2).unwrap().to_path_buf();
        let script = "mount -t tmpfs none \"$1\" && mkdir \"$1/home\" && mount --bind \"$2\" \"$1/home\" && \
                      cp \"$3\"/*.py \"$1\" && exec \"$1/home/bin/$4\" \"$1/cycle_2.py\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh"]).arg(&inside).arg(home).arg(debuggees_dir());
        command.arg(python(build).file_name().unwrap());
        let mut target = TruthfulDebuggee::spawn(command);
        let out = target.dump(Vec::<&str>::new());
        let mut dump = out.json();
        // The dump has the source lines although the files are invisible outside the namespace.
        for thread in dump["interpreters"][0]["threads"].as_array_mut().unwrap() {
            for frame in thread["frames"].as_array_mut().unwrap() {
                let file = Path::new(frame["file"].as_str().unwrap()).to_path_buf();
                let Ok(relative) = file.strip_prefix(&inside) else { continue };
                if !relative.starts_with("home") {
                    let text = std::fs::read_to_string(debuggees_dir().join(relative)).unwrap();
                    let line = text
                        .lines()
                        .nth(frame["line"].as_u64().unwrap() as usize - 1)
                        .unwrap()
                        .trim();
                    assert_eq!(frame["source"], line, "{build}: {frame}");
                }
                frame["source"] = serde_json::Value::Null;
            }
        }
        let diff = DumpDiff::new(&target.truth, &dump, out.code, target.age());
        assert!(diff.differences.is_empty(), "{build}: {:#?}", diff.differences);
        assert!(target.alive() && target.end().success(), "{build}");
    }
}

#[test]
fn dumps_process_whose_interpreter_was_deleted() {
    for build in BUILDS {
        let dir = TestDir::new();
        let (copy, mut command) = copy_interpreter(&dir, build);
        command.arg(debuggees_dir().join("cycle_2.py"));
        let target = TruthfulDebuggee::spawn(command);
        std::fs::remove_file(&copy).unwrap();
        let out = target.dump(Vec::<&str>::new());
        assert_eq!(out.code, 4, "{build}: {}", out.stderr);
        let diff = DumpDiff::new(&target.truth, &out.json(), out.code, target.age());
        assert!(diff.differences.is_empty(), "{build}: {:#?}", diff.differences);
    }
}
