//! Helpers of the tests: fake interpreters, and the real interpreters of this machine.
// Each test file uses only some of them. Helpers may panic, like tests.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use ungil_pythons::{Interpreter, Search, find};

/// Returns an interpreter that the test run provides; panics if it is missing.
pub fn real(name: &str) -> Interpreter {
    let all = Search::from_env();
    let search = Search { environment: all.environment, own: all.own, ..Search::default() };
    let found = find(&search);
    found.into_iter().find(|i| i.name == name).unwrap_or_else(|| {
        panic!(
            "the tests need {name}: run 'ungil pythons install {name}', or name its folder in $UNGIL_PYTHONS"
        )
    })
}

/// Writes an executable shell script.
pub fn script(path: &Path, body: &str) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_owned()
}

/// Returns a shell command that prints the probe's answer of a fake interpreter.
pub fn answer(implementation: &str, version: &str, free_threaded: bool, build: &str) -> String {
    let v: ungil_pythons::Version = version.parse().unwrap();
    let version = serde_json::to_string(&v).unwrap();
    format!(
        "echo 'ungil-probe {{\"implementation\":\"{implementation}\",\"version\":{version},\
         \"free_threaded\":{free_threaded},\"executable\":null,\"build\":{build}}}'"
    )
}

/// Writes a fake interpreter DIR/NAME/bin/python3.
pub fn fake(dir: &Path, name: &str, version: &str, free_threaded: bool, build: &str) -> PathBuf {
    script(&dir.join(name).join("bin/python3"), &answer("cpython", version, free_threaded, build))
}

/// Returns a search of one folder of prefixes.
pub fn only(dir: &Path) -> Search {
    Search { environment: vec![dir.to_owned()], own: dir.join("own"), ..Search::default() }
}
