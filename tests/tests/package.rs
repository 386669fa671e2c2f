//! The Python package, installed from its wheels: its own tests on every interpreter, and the program it brings along.

use std::path::PathBuf;
use std::process::Command;
use ungil_tests::{PYTHONS, Place, metric, python};

/// What `cargo xtask test` made for these tests: the installed wheels, and the tools they are tested with.
fn made(what: &str) -> PathBuf {
    let made = std::env::var_os("UNGIL_PACKAGES")
        .expect("`cargo xtask test` installs the wheels that these tests are of");
    PathBuf::from(made).join(what)
}

fn installed(version: &str) -> PathBuf {
    made("installed").join(version)
}

/// The interpreter of that version, with the package installed for it and pytest.
fn with_package(version: &str) -> Command {
    let path = std::env::join_paths([installed(version), made("site")]).expect("no colon in a path");
    let mut command = Command::new(python(version));
    command.env("PYTHONPATH", path).env_remove("PYTHON_GIL").env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("UNGIL_MYPY", made("mypy").join(version)).env("UNGIL_PYRIGHT", made("pyright"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../python/tests"));
    command
}

fn pytest(version: &str, gil: Option<&str>) {
    let mut command = with_package(version);
    command.args(["-X", "faulthandler", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations", "10"]);
    if let Some(gil) = gil {
        command.env("PYTHON_GIL", gil);
    }
    let out = command.output().expect("the interpreter starts");
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{}\n{said}\n{}", out.status, String::from_utf8_lossy(&out.stderr));
    assert!(said.contains(" passed"), "pytest ran no test: {said}");
    println!("{said}");
}

#[test]
fn passes_its_tests_on_3_14() {
    pytest("3.14", None);
}

#[test]
fn passes_its_tests_on_3_14t() {
    pytest("3.14t", None);
}

#[test]
fn passes_its_tests_on_3_14t_with_the_gil_on() {
    pytest("3.14t", Some("1"));
}

#[test]
fn passes_its_tests_on_3_15() {
    pytest("3.15", None);
}

#[test]
fn passes_its_tests_on_3_15t() {
    pytest("3.15t", None);
}

#[test]
fn brings_the_program_along() {
    for version in PYTHONS {
        let program = installed(version).join("bin/ungil");
        let out = Command::new(&program).arg("--version").output().expect("the wheel's program runs");
        assert_eq!(String::from_utf8_lossy(&out.stdout), format!("ungil {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn compare_reads_the_packages_mark() {
    let place = Place::new();
    place
        .write("work.py", "import time, ungil\ntime.sleep(0.2)\nwith ungil.phase():\n    time.sleep(0.02)\n");
    let packages = installed("3.14t");
    place
        .one_block(["work.py", "--python", "3.14t"])
        .env("PYTHONPATH", packages.to_str().expect("a plain path"))
        .run()
        .ok();
    let record = place.newest();
    assert!(metric(record.runs()[0], "startup_s") >= 0.2);
}

#[test]
fn importing_it_leaves_the_gil_off() {
    for version in ["3.14t", "3.15t"] {
        let look = "import sys, ungil; print(sys._is_gil_enabled(), ungil.__file__)";
        let out = with_package(version).args(["-W", "error", "-c", look]).output().expect("starts");
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(said.starts_with("False "), "{said}{}", String::from_utf8_lossy(&out.stderr));
    }
}
