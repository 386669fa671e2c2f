//! Tests the hazards that `ungil compare` observes in runs. Each names its module, line, process or
//! number.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use ungil_tests::{TestDir, compile_extension, hazards};

/// An extension module with the slots `SLOT`. Without a `Py_mod_gil` slot it re-enables the GIL.
const EXTENSION_SOURCE: &str = r#"
#include <Python.h>
static PyModuleDef_Slot slots[] = {SLOT {0, NULL}};
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, "NAME", NULL, 0, NULL, slots};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModuleDef_Init(&def); }
"#;

/// Builds an extension module for 3.14t next to the workload.
fn build_extension(dir: &TestDir, name: &str, slot: &str) {
    let source = EXTENSION_SOURCE.replace("SLOT", slot).replace("NAME", name);
    compile_extension(dir, &source, name, &["-DPy_GIL_DISABLED=1"]);
}

/// Compares `script` on one interpreter. Returns its run and the printed report.
fn run(dir: &TestDir, python: &str, script: &str) -> (Value, String) {
    dir.write("w.py", script);
    let out = dir.one_block(["w.py", "--python", python]).run().ok();
    (out.record().run(python).clone(), out.stdout)
}

#[test]
fn extension_that_re_enables_the_gil_is_named() {
    let dir = TestDir::new();
    build_extension(&dir, "oldstyle", "");
    build_extension(&dir, "newstyle", "{Py_mod_gil, Py_MOD_GIL_NOT_USED},");
    let (run_record, report) = run(&dir, "3.14t", "import oldstyle\nprint('x')\n");
    let found = hazards(&run_record, "gil-enabled");
    assert!(found.len() == 1 && found[0].contains("'oldstyle'"), "{found:?}");
    assert!(report.contains("'oldstyle'"), "{report}");
    assert!(report.contains("re-enabled the GIL"), "{report}");
    let (declared, _) = run(&dir, "3.14t", "import newstyle\nprint('x')\n");
    assert!(hazards(&declared, "gil-enabled").is_empty(), "{declared}");
    // An arm that requests the GIL has no such hazard.
    dir.write("w.py", "import oldstyle\nprint('x')\n");
    let record = dir.one_block(["w.py", "--python", "3.14t+gil"]).run().ok().record();
    assert!(hazards(record.run("3.14t+gil"), "gil-enabled").is_empty());
}

#[test]
fn re_enabled_gil_is_detected_without_a_warning() {
    let dir = TestDir::new();
    build_extension(&dir, "oldstyle", "");
    let script = "import warnings\nwarnings.simplefilter('ignore')\nfrom ungil_phase import phase\nwith phase():\n    import oldstyle\n";
    let (run_record, _) = run(&dir, "3.14t", script);
    let found = hazards(&run_record, "gil-enabled");
    assert!(found.len() == 1 && found[0].contains("GIL is enabled"), "{found:?}");
    let (run_record, _) = run(&dir, "3.14", "from ungil_phase import phase\nwith phase(): pass\n");
    assert!(hazards(&run_record, "gil-enabled").is_empty(), "the GIL is normal on this build");
}

#[test]
fn fork_with_threads_is_detected_from_outside() {
    let dir = TestDir::new();
    // The fork is in a helper module, where CPython does not show its own warning. The child cannot
    // know when the runner samples it, so it lives for several times the longest sampling interval.
    dir.write(
        "helper.py",
        "
import os, threading, time
def go():
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name='keeper')
    thread.start()
    time.sleep(0.2)
    pid = os.fork()
    if pid == 0:
        time.sleep(5)
        os._exit(0)
    os.waitpid(pid, 0)
    stop.set()
    thread.join()
",
    );
    let (run_record, report) = run(&dir, "3.14", "import helper\nhelper.go()\nprint('x')\n");
    let found = hazards(&run_record, "fork-with-threads");
    assert!(found.len() == 1 && found[0].contains("keeper"), "{found:?}");
    assert!(report.contains("forked while threads ran"), "{report}");
}

#[test]
fn cpython_warning_of_fork_with_threads_names_the_line() {
    let dir = TestDir::new();
    let script = "
import os, threading
stop = threading.Event()
thread = threading.Thread(target=stop.wait)
thread.start()
pid = os.fork()
if pid == 0: os._exit(0)
os.waitpid(pid, 0)
stop.set()
thread.join()
print('x')
";
    let (run_record, _) = run(&dir, "3.14", script);
    let found = hazards(&run_record, "fork-with-threads");
    assert!(found.iter().any(|s| s.contains("w.py:6")), "{found:?}");
}

#[test]
fn ordinary_child_process_is_not_a_hazard() {
    let dir = TestDir::new();
    let script = "
import subprocess, sys, threading, time, os
subprocess.run([sys.executable, '-c', 'import time; time.sleep(1.5)'], check=True)
pid = os.fork()
if pid == 0:
    time.sleep(1.5)
    os._exit(0)
os.waitpid(pid, 0)
thread = threading.Thread(target=subprocess.run, args=([sys.executable, '-c', 'import time; time.sleep(1.5)'],))
thread.start()
thread.join()
print('x')
";
    let (run_record, _) = run(&dir, "3.14", script);
    for kind in ["fork-with-threads", "leftovers", "phase", "gil-enabled", "died"] {
        assert!(hazards(&run_record, kind).is_empty(), "{run_record}");
    }
}

#[test]
fn failed_run_is_a_hazard() {
    let dir = TestDir::new();
    dir.write("w.py", "raise SystemExit(3)\n");
    dir.one_block(["w.py", "--python", "3.14"]).run().expect_error(1);
    let record = dir.newest_record();
    assert!(hazards(record.run("3.14"), "died")[0].contains("exit code 3"));
}
