//! Runs `ungil dump` and `ungil heap` on core files of gcore and of the kernel. Checks that they
//! give the same result as the live process, and that other files are rejected with a three-line
//! error.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use ungil_tests::{
    BUILDS, DumpDiff, Out, TestDir, TruthfulDebuggee, Ungil, debuggees_dir, eventually, python,
};

const FREE_THREADED: [&str; 2] = ["3.14t", "3.15t"];

/// Writes a core of a live process with gdb's `gcore`.
#[track_caller]
fn gcore(dir: &TestDir, pid: i64) -> PathBuf {
    let out = Command::new("gcore")
        .arg("-o")
        .arg(dir.join("core"))
        .arg(pid.to_string())
        .output()
        .unwrap();
    let core = dir.join(&format!("core.{pid}"));
    assert!(core.is_file(), "gcore: {}", String::from_utf8_lossy(&out.stderr));
    core
}

fn ungil(verb: &str, core: &Path, more: &[&str]) -> Out {
    Ungil::new(&debuggees_dir()).args([OsStr::new(verb), core.as_os_str()]).args(more).run()
}

fn dump(core: &Path, more: &[&str]) -> Out {
    ungil("dump", core, &[&["--json"], more].concat())
}

/// Removes from a dump what a core does not contain: times, and the kernel's names of threads,
/// which stand in for missing names.
fn normalize(mut dump: Value) -> Value {
    dump["look_s"] = Value::Null;
    dump.as_object_mut().unwrap().remove("core");
    clear_unknown(&mut dump);
    dump
}

fn clear_unknown(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(clear_unknown),
        Value::Object(fields) => {
            for (key, value) in fields {
                let is_number = |text: &str| {
                    text.strip_prefix("thread ").is_some_and(|n| n.parse::<u32>().is_ok())
                };
                let is_kernel_name =
                    value.as_str().is_some_and(|text| text.starts_with('[') || is_number(text));
                if is_kernel_name || key == "seconds" || key == "left_s" {
                    *value = Value::Null;
                }
                clear_unknown(value);
            }
        }
        _ => {}
    }
}

/// Compares the dump of a core with the ground truth and with the dump of the live process.
fn assert_core_matches_live(builds: &[&str], name: &str) {
    for build in builds {
        let dir = TestDir::new();
        let mut target = TruthfulDebuggee::start(build, &[], name);
        let live = target.dump(Vec::<&str>::new());
        let core = gcore(&dir, target.pid());
        let out = dump(&core, &[]);
        assert_eq!(out.code, live.code, "{build}: {}{}", live.stderr, out.stderr);
        let found = out.json();
        assert_eq!(found["core"], json!({"file": core.to_str(), "killed": null}), "{build}");
        let (found, live) = (normalize(found), normalize(live.json()));
        assert_eq!(found, live, "{build}: {found:#}\n{live:#}");
        let diff = DumpDiff::new(&target.truth, &out.json(), out.code, target.age());
        assert!(diff.differences.is_empty(), "{build}: {:#?}", diff.differences);
        // System calls that gdb interrupted continue under another number, such as
        // `restart_syscall`. The wait targets stay the same.
        let again = target.dump(Vec::<&str>::new());
        let diff = DumpDiff::new(&target.truth, &again.json(), again.code, target.age());
        assert!(diff.differences.is_empty(), "{build}, after gcore: {:#?}", diff.differences);
        assert!(target.alive() && target.end().success(), "{build}");
    }
}

macro_rules! core_matches_live {
    ($($builds:expr => $($name:ident)*;)*) => {
        $($(#[test] fn $name() { assert_core_matches_live(&$builds, stringify!($name)); })*)*
    };
}

core_matches_live! {
    BUILDS => asyncio_cycle bare_thread cycle_condition cycle_mixed cycle_names future_result import_circle interpreters
        lock_with near_timeout non_ascii queue_get_put;
    FREE_THREADED => object_dict object_suspended;
    ["3.14", "3.15t"] => asyncio_tasks barrier cycle_self cycle_two event_wait join logging_lock rlock_reentered semaphore;
}

/// Runs a command until it crashes, and returns its ground truth and the core that the kernel
/// wrote.
#[track_caller]
fn crash(
    dir: &TestDir,
    python: &Path,
    arguments: &[&OsStr],
    kill: Option<&str>,
) -> (Value, PathBuf) {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c unlimited; exec \"$0\" \"$@\""]).arg(python).args(arguments);
    command.current_dir(dir.path());
    let mut target = TruthfulDebuggee::spawn(command);
    if let Some(signal) = kill {
        let status = Command::new("kill").args([signal, &target.pid().to_string()]).status();
        assert!(status.unwrap().success());
    }
    eventually("the debuggee crashes", || !target.alive());
    let files = fs::read_dir(dir.path()).unwrap().flatten().map(|entry| entry.path());
    let is_core = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("core");
    let core = files.into_iter().find(is_core);
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    (
        target.truth.clone(),
        core.unwrap_or_else(|| {
            panic!("no core in the working directory: core_pattern is {pattern}")
        }),
    )
}

/// Returns whether the kernel writes cores into the working directory. A container has the
/// `core_pattern` of its host.
fn has_kernel_cores() -> bool {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let is_in_cwd = pattern.starts_with("core") && !pattern.contains('/');
    if !is_in_cwd {
        eprintln!(
            "skipped: the kernel writes no cores into the working directory (core_pattern is {pattern:?})"
        );
    }
    is_in_cwd
}

#[test]
fn core_of_killed_deadlock_shows_deadlock_and_signal() {
    if !has_kernel_cores() {
        return;
    }
    for build in BUILDS {
        let dir = TestDir::new();
        let script = debuggees_dir().join("cycle_mixed.py");
        let (truth, core) = crash(&dir, &python(build), &[script.as_os_str()], Some("-ABRT"));
        let out = dump(&core, &[]);
        let found = out.json();
        let diff = DumpDiff::new(&truth, &found, out.code, f64::MAX);
        assert!(diff.differences.is_empty(), "{build}: {:#?}", diff.differences);
        let killed = &found["core"]["killed"];
        assert_eq!(
            (&killed["signal"], &killed["signal_name"]),
            (&json!(6), &json!("SIGABRT")),
            "{build}: {killed}"
        );
        assert!(killed["sender"].as_u64() > Some(1), "{build}: {killed}");
        let text = ungil("dump", &core, &[]);
        assert_eq!(text.code, 4, "{build}");
        let first = text.stdout.lines().next().unwrap();
        assert!(first.contains("killed by SIGABRT in thread \""), "{build}: {first}");
        assert!(text.stdout.contains("Found one deadlock"), "{build}: {}", text.stdout);
        assert_eq!(found["command"][1], script.to_str().unwrap(), "{build}");
        assert_eq!(
            found["executable"],
            python(build).canonicalize().unwrap().to_str().unwrap(),
            "{build}"
        );
    }
}

const CRASHES: &str = "
import ctypes, json, os, sys, threading
def crash():
    print(json.dumps({'pid': os.getpid(), 'thread': threading.get_native_id()}), flush=True)
    ctypes.string_at(0) if sys.argv[1] == 'null' else os.abort()
worker = threading.Thread(target=crash, name='crasher')
worker.start()
worker.join()
";

#[test]
fn names_the_thread_that_crashed() {
    if !has_kernel_cores() {
        return;
    }
    for build in BUILDS {
        for (how, name) in [("null", "SIGSEGV"), ("abort", "SIGABRT")] {
            let dir = TestDir::new();
            let script = dir.write("crashes.py", CRASHES);
            let (truth, core) =
                crash(&dir, &python(build), &[script.as_os_str(), how.as_ref()], None);
            let found = dump(&core, &[]).ok().json();
            let killed = &found["core"]["killed"];
            assert_eq!(killed["thread"], truth["thread"], "{build}: {killed}");
            assert_eq!(killed["signal_name"], name, "{build}");
            assert_eq!(killed["sender"], Value::Null, "{build}: {killed}");
            assert_eq!(
                killed["address"],
                if how == "null" { json!("0x0") } else { Value::Null },
                "{build}: {killed}"
            );
            let text = ungil("dump", &core, &["--native"]).ok().stdout;
            assert!(text.contains(&format!("killed by {name}")), "{build}: {text}");
            assert!(text.contains("in thread \"crasher\""), "{build}: {text}");
            assert!(text.contains("at crash ("), "{build}: {text}");
        }
    }
}

/// Threads have other ids outside their pid namespace than Python reports inside it.
#[test]
fn core_of_a_process_in_a_pid_namespace() {
    let unshare = Command::new("unshare")
        .args(["-pf", "--mount-proc", "true"])
        .stderr(Stdio::null())
        .status();
    if !unshare.is_ok_and(|status| status.success()) {
        eprintln!("skipped: cannot create a pid namespace");
        return;
    }
    let script = "import sys, threading\na, b = threading.Lock(), threading.Lock()\nboth = threading.Barrier(2)\n\
                  def take(one, other):\n  with one:\n    both.wait()\n    with other: pass\n\
                  for pair in (a, b), (b, a): threading.Thread(target=take, args=pair, daemon=True).start()\n\
                  sys.stdin.read()";
    for build in BUILDS {
        let dir = TestDir::new();
        let mut outside = Command::new("unshare");
        outside
            .args(["-pf", "--mount-proc"])
            .arg(python(build))
            .args(["-c", script])
            .stdin(Stdio::piped());
        let mut outside = outside.spawn().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", outside.id());
        let inside = || fs::read_to_string(&children).ok()?.trim().parse::<i64>().ok();
        eventually("the child runs", || inside().is_some());
        let pid = inside().unwrap();
        let live = || dir.ungil(["dump", &pid.to_string(), "--json"]).run();
        eventually("the threads are deadlocked", || live().code == 4);
        let live = live().json();
        assert_eq!(live["interpreters"][0]["threads"][0]["native_id"], 1, "{build}");
        let found = dump(&gcore(&dir, pid), &[]);
        assert_eq!((found.code, normalize(found.json())), (4, normalize(live)), "{build}");
        drop(outside.stdin.take());
        outside.wait().unwrap();
    }
}

/// A core that gdb writes at a signal contains the signal, like a core of the kernel.
#[test]
fn core_of_a_crash_under_gdb() {
    let dir = TestDir::new();
    let script = dir.write("crashes.py", CRASHES);
    let core = dir.join("core");
    let mut gdb = Command::new("gdb");
    gdb.args(["-batch", "-nx", "-ex", "run", "-ex"])
        .arg(format!("generate-core-file {}", core.display()));
    gdb.arg("--args").arg(python("3.14")).arg(&script).arg("abort");
    let out = gdb.stdin(Stdio::null()).output().unwrap();
    assert!(core.is_file(), "{out:?}");
    let found = dump(&core, &[]).ok().json();
    assert_eq!(found["core"]["killed"]["signal_name"], "SIGABRT", "{found:#}");
}

#[test]
fn heap_of_core_matches_live_process() {
    for build in BUILDS {
        let dir = TestDir::new();
        let target = TruthfulDebuggee::start(build, &[], "lock_with");
        let pid = target.pid().to_string();
        let live = Ungil::new(&debuggees_dir()).args(["heap", &pid, "--json"]).run().ok().json();
        let core = gcore(&dir, target.pid());
        let found = ungil("heap", &core, &["--json"]).ok().json();
        for key in
            ["pid", "command", "version", "coverage", "objects", "bytes", "types", "pymalloc"]
        {
            assert_eq!(found[key], live[key], "{build}: {key}");
        }
        let blocks = |heap: &Value| heap["mimalloc"]["blocks"].clone();
        assert_eq!(blocks(&found), blocks(&live), "{build}");
        let stacks = |heap: &Value| {
            heap["threads"].as_array().unwrap().iter().map(|t| t["stack_bytes"].clone()).collect()
        };
        let (found_stacks, live_stacks): (Vec<Value>, Vec<Value>) = (stacks(&found), stacks(&live));
        assert_eq!(found_stacks, live_stacks, "{build}");
        let text = ungil("heap", &core, &[]).ok().stdout;
        assert!(text.starts_with("Core ") && !text.contains("not stopped"), "{build}: {text}");
    }
}

#[test]
fn reads_compressed_core() {
    let dir = TestDir::new();
    let target = TruthfulDebuggee::start("3.14", &[], "cycle_2");
    let core = gcore(&dir, target.pid());
    let plain = normalize(dump(&core, &[]).json());
    for (program, end) in [("gzip", "gz"), ("zstd", "zst")] {
        let status = Command::new(program).args(["-k", "-q", "-1"]).arg(&core).status().unwrap();
        assert!(status.success(), "{program}");
        let packed = dir.join(&format!("core.{}.{end}", target.pid()));
        let out = dump(&packed, &[]);
        assert_eq!(
            (out.code, normalize(out.json())),
            (4, plain.clone()),
            "{program}: {}",
            out.stderr
        );
        let half = dir.join(&format!("half.{end}"));
        let bytes = fs::read(&packed).unwrap();
        fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
        let error = dump(&half, &[]).expect_error(1);
        assert!(error.why.contains("decompression"), "{error:?}");
        fs::write(&half, "no core").unwrap();
        fs::remove_file(&packed).unwrap();
        Command::new(program).args(["-k", "-q", "-f"]).arg(&half).status().unwrap();
        let error = dump(&dir.join(&format!("half.{end}.{end}")), &[]).expect_error(1);
        assert!(error.why.contains("not a core"), "{error:?}");
    }
}

#[test]
fn rejects_files_that_are_not_cores_of_python() {
    let dir = TestDir::new();
    let assert_rejected = |path: &Path, word: &str| {
        for verb in ["dump", "heap"] {
            let error = ungil(verb, path, &[]).expect_error(1);
            assert!(error.why.contains(word), "{verb} {}: {error:?}", path.display());
        }
    };
    assert_rejected(&dir.join("missing"), "No such file");
    assert_rejected(&dir.write("empty", ""), "empty");
    assert_rejected(dir.path(), "directory");
    assert_rejected(&dir.write("random", "\u{1b}[31m what\0ever".repeat(1000)), "ELF");
    assert_rejected(&dir.write("xz", b"\xfd7zXZ\0 and more"), "xz");
    assert_rejected(&dir.write("lz4", b"\x04\x22\x4d\x18 and more"), "lz4");
    assert_rejected(&dir.write("short", b"\x7fELF\x02\x01\x01"), "ends within its headers");
    assert_rejected(&dir.write("narrow", b"\x7fELF\x01\x01\x01"), "32-bit");
    assert_rejected(ungil_tests::binary(), "executable");
    assert_rejected(Path::new("/dev/zero"), "regular file");
    let fifo = dir.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    assert_rejected(&fifo, "regular file");

    let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let core = gcore(&dir, cat.id().into());
    drop(cat.stdin.take());
    cat.wait().unwrap();
    assert_rejected(&core, "3.13");
    let file = File::options().write(true).open(&core).unwrap();
    let len = file.metadata().unwrap().len();
    file.write_all_at(&[183], 18).unwrap();
    assert_rejected(&core, "aarch64");
    file.write_all_at(&[62], 18).unwrap();
    file.set_len(len / 2).unwrap();
    assert_rejected(&core, "truncated");
    file.set_len(100).unwrap();
    assert_rejected(&core, "ends within its headers");
}

#[test]
fn rejects_core_of_an_older_python() {
    let dir = TestDir::new();
    let mut old = Command::new("python3");
    old.args([
        "-c",
        "import sys; print(sys.version_info >= (3, 13), flush=True); sys.stdin.read()",
    ]);
    let mut old = old.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(old.stdout.take().unwrap()),
        &mut line,
    )
    .unwrap();
    if line == "False\n" {
        let error = dump(&gcore(&dir, old.id().into()), &[]).expect_error(1);
        assert!(error.what.contains("no CPython") && error.help.contains("pystack"), "{error:?}");
    } else {
        eprintln!("skipped: the system's python3 is not older than 3.13");
    }
    drop(old.stdin.take());
    old.wait().unwrap();
}

#[test]
fn rejects_options_for_processes_on_cores_and_vice_versa() {
    let dir = TestDir::new();
    let core = dir.write("core.1", "");
    ungil("dump", &core, &["--native", "--stop"]).expect_error(2);
    ungil("heap", &core, &["--diff", "1s"]).expect_error(2);
    let own = std::process::id().to_string();
    for verb in ["dump", "heap"] {
        dir.ungil([verb, &own, "--root", "/"]).run().expect_error(2);
        dir.ungil([verb, &own, "--exe", "/bin/true"]).run().expect_error(2);
        // A name without a slash is a core file if that file exists. Digits are a process id.
        let error = dir.ungil([verb, "core.1"]).run().expect_error(1);
        assert!(error.why.contains("empty"), "{error:?}");
        dir.ungil([verb, "core.2"]).run().expect_error(2);
    }
}

/// Cores do not contain read-only mappings. They are read from the executable.
#[test]
fn missing_executable_is_named_and_can_be_given_with_exe() {
    if !has_kernel_cores() {
        return;
    }
    for build in BUILDS {
        let dir = TestDir::new();
        let original = python(build).canonicalize().unwrap();
        let home = original.ancestors().nth(2).unwrap();
        let copy = dir.join("inside/python");
        fs::create_dir(dir.join("inside")).unwrap();
        fs::copy(&original, &copy).unwrap();
        let set = format!("PYTHONHOME={}", home.display());
        let libraries = format!("LD_LIBRARY_PATH={}", home.join("lib").display());
        let script = debuggees_dir().join("cycle_mixed.py");
        let arguments = [set.as_ref(), libraries.as_ref(), copy.as_os_str(), script.as_os_str()];
        let (truth, core) = crash(&dir, Path::new("env"), &arguments, Some("-ABRT"));
        let with_executable = dump(&core, &[]);
        fs::remove_file(&copy).unwrap();
        let without = dump(&core, &[]);
        assert!(without.code == 4 || without.code == 0, "{build}: {}", without.stderr);
        let warnings = without.json()["warnings"].to_string();
        assert!(
            warnings.contains("--exe") && warnings.contains("inside/python"),
            "{build}: {warnings}"
        );
        let given = dump(&core, &["--exe", original.to_str().unwrap()]);
        assert_eq!(normalize(given.json()), normalize(with_executable.json()), "{build}");
        let diff = DumpDiff::new(&truth, &given.json(), given.code, f64::MAX);
        assert!(diff.differences.is_empty(), "{build}: {:#?}", diff.differences);
        let error =
            dump(&core, &["--exe", ungil_tests::binary().to_str().unwrap()]).expect_error(1);
        assert!(error.why.contains("not the file that was mapped"), "{build}: {error:?}");
    }
}

/// Without private memory, neither the core nor the executable contains the interpreter's state.
#[test]
fn core_without_private_memory_names_coredump_filter() {
    if !has_kernel_cores() {
        return;
    }
    let dir = TestDir::new();
    let script = "import json, os, sys\nopen('/proc/self/coredump_filter', 'w').write('0x10')\n\
                  print(json.dumps({'pid': os.getpid()}), flush=True)\nos.abort()";
    let (_, core) = crash(&dir, &python("3.14"), &["-c".as_ref(), script.as_ref()], None);
    let error = dump(&core, &[]).expect_error(1);
    assert!(format!("{error:?}").contains("coredump_filter"), "{error:?}");
}
