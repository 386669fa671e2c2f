//! What was seen while running that a reader must know, each naming the module, line, process or
//! number.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use serde_json::Value;
use std::process::Command;
use ungil_tests::{Place, hazards, python};

/// An extension that does not declare whether it runs without the GIL.
const EXTENSION: &str = r#"
#include <Python.h>
static PyModuleDef_Slot slots[] = {SLOT {0, NULL}};
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, "NAME", NULL, 0, NULL, slots};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModuleDef_Init(&def); }
"#;

/// Builds an extension module for 3.14t beside the workload.
fn extension(place: &Place, name: &str, slot: &str) {
    let python = python("3.14t");
    let ask = "import sysconfig; print(sysconfig.get_path('include')); print(sysconfig.get_config_var('EXT_SUFFIX'))";
    let out = Command::new(python).args(["-c", ask]).output().expect("3.14t runs");
    let text = String::from_utf8(out.stdout).expect("text");
    let (include, suffix) = text.trim().split_once('\n').expect("two lines");
    place.write(&format!("{name}.c"), EXTENSION.replace("SLOT", slot).replace("NAME", name));
    let built = Command::new("cc")
        .args([
            "-shared",
            "-fPIC",
            "-DPy_GIL_DISABLED=1",
            "-I",
            include,
            "-o",
            &format!("{name}{suffix}"),
        ])
        .arg(format!("{name}.c"))
        .current_dir(place.path())
        .output()
        .expect("cc runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

fn run(place: &Place, python: &str, script: &str) -> (Value, String) {
    place.write("w.py", script);
    let out = place.one_block(["w.py", "--python", python]).run().ok();
    (out.record().run(python).clone(), out.stdout)
}

#[test]
fn an_extension_that_switches_the_gil_back_on_is_named() {
    let place = Place::new();
    extension(&place, "oldstyle", "");
    extension(&place, "newstyle", "{Py_mod_gil, Py_MOD_GIL_NOT_USED},");
    let (seen, said) = run(&place, "3.14t", "import oldstyle\nprint('x')\n");
    let says = hazards(&seen, "gil-enabled");
    assert!(says.len() == 1 && says[0].contains("'oldstyle'"), "{says:?}");
    assert!(said.contains("'oldstyle'"), "{said}");
    assert!(said.contains("re-enabled the GIL"), "{said}");
    let (quiet, _) = run(&place, "3.14t", "import newstyle\nprint('x')\n");
    assert!(hazards(&quiet, "gil-enabled").is_empty(), "{quiet}");
    // Where it was asked for, it is no surprise.
    place.write("w.py", "import oldstyle\nprint('x')\n");
    let record = place.one_block(["w.py", "--python", "3.14t+gil"]).run().ok().record();
    assert!(hazards(record.run("3.14t+gil"), "gil-enabled").is_empty());
}

#[test]
fn a_gil_that_is_on_again_is_seen_where_nothing_is_said_of_it() {
    let place = Place::new();
    extension(&place, "oldstyle", "");
    let script = "import warnings\nwarnings.simplefilter('ignore')\nfrom ungil_phase import phase\nwith phase():\n    import oldstyle\n";
    let (seen, _) = run(&place, "3.14t", script);
    let says = hazards(&seen, "gil-enabled");
    assert!(says.len() == 1 && says[0].contains("GIL is enabled"), "{says:?}");
    let (seen, _) = run(&place, "3.14", "from ungil_phase import phase\nwith phase(): pass\n");
    assert!(hazards(&seen, "gil-enabled").is_empty(), "a build with a GIL has it on");
}

#[test]
fn a_fork_taken_while_threads_run_is_seen_from_outside() {
    let place = Place::new();
    // In a helper module, where CPython's own warning is not shown. The child stays until the
    // runner must have looked at it: the process is told nothing of looks, so it stays for several
    // times the longest gap between two.
    place.write(
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
    let (seen, said) = run(&place, "3.14", "import helper\nhelper.go()\nprint('x')\n");
    let says = hazards(&seen, "fork-with-threads");
    assert!(says.len() == 1 && says[0].contains("keeper"), "{says:?}");
    assert!(said.contains("forked while threads ran"), "{said}");
}

#[test]
fn pythons_own_warning_of_such_a_fork_names_the_line() {
    let place = Place::new();
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
    let (seen, _) = run(&place, "3.14", script);
    let says = hazards(&seen, "fork-with-threads");
    assert!(says.iter().any(|s| s.contains("w.py:6")), "{says:?}");
}

#[test]
fn an_ordinary_child_is_no_hazard() {
    let place = Place::new();
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
    let (seen, _) = run(&place, "3.14", script);
    for kind in ["fork-with-threads", "leftovers", "phase", "gil-enabled", "died"] {
        assert!(hazards(&seen, kind).is_empty(), "{seen}");
    }
}

#[test]
fn a_run_that_fails_is_a_hazard_of_its_record() {
    let place = Place::new();
    place.write("w.py", "raise SystemExit(3)\n");
    place.one_block(["w.py", "--python", "3.14"]).run().told(1);
    let record = place.newest();
    assert!(hazards(record.run("3.14"), "died")[0].contains("exit code 3"));
}
