//! Tests the Python package installed from its wheels: its own tests on every interpreter, and the
//! `ungil` program it contains.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use ungil_tests::{PYTHONS, TestDir, eventually, metric, python};

/// Returns the path of something that `cargo xtask test` prepared: the installed wheels or the
/// tools to test them with.
fn prepared(what: &str) -> PathBuf {
    let folder = std::env::var_os("UNGIL_PACKAGES")
        .expect("UNGIL_PACKAGES: run the tests with `cargo xtask test`");
    PathBuf::from(folder).join(what)
}

fn installed(version: &str) -> PathBuf {
    prepared("installed").join(version)
}

/// Returns the interpreter of that version with the package and pytest on its path.
fn with_package(version: &str) -> Command {
    let path =
        std::env::join_paths([installed(version), prepared("site")]).expect("no colon in a path");
    let mut command = Command::new(python(version));
    command.env("PYTHONPATH", path).env_remove("PYTHON_GIL").env("PYTHONDONTWRITEBYTECODE", "1");
    command
        .env("UNGIL_MYPY", prepared("mypy").join(version))
        .env("UNGIL_PYRIGHT", prepared("pyright"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../python/tests"));
    command
}

/// Runs the package's tests on an interpreter; `arguments` select tests.
fn pytest(version: &str, gil: Option<&str>, arguments: &[&str]) {
    let mut command = with_package(version);
    command.args(["-X", "faulthandler", "-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    command.args(["--durations", "10"]).args(arguments);
    if let Some(gil) = gil {
        command.env("PYTHON_GIL", gil);
    }
    let out = command.output().expect("the interpreter starts");
    let report = String::from_utf8_lossy(&out.stdout);
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{}\n{report}\n{errors}", out.status);
    assert!(report.contains(" passed"), "pytest ran no test: {report}");
    println!("{report}");
}

/// The type checks of the stubs.
macro_rules! checkers {
    () => {
        "test_stubs.py::test_the_checkers_accept_the_stubs_and_their_uses"
    };
}

/// Excludes what `passes_its_other_tests` and the soak tests run. pytest names a test from the
/// folder above.
const EACH: [&str; 5] = [
    "--ignore=test_soak.py",
    "--ignore=test_scaling.py",
    "--ignore=test_deadlines.py",
    "--deselect",
    concat!("tests/", checkers!()),
];

#[test]
fn passes_its_tests_on_3_14() {
    pytest("3.14", None, &EACH);
}

#[test]
fn passes_its_tests_on_3_14t() {
    pytest("3.14t", None, &EACH);
}

/// `test_gil.py` runs a part of them with the GIL on, on every free-threaded interpreter.
#[test]
#[ignore = "a minute and a half: the nightly profile"]
fn passes_its_tests_on_3_14t_with_the_gil_on() {
    pytest("3.14t", Some("1"), &EACH);
}

#[test]
fn passes_its_tests_on_3_15() {
    pytest("3.15", None, &EACH);
}

#[test]
fn passes_its_tests_on_3_15t() {
    pytest("3.15t", None, &EACH);
}

/// What does not depend on the interpreter: the stubs' types, the benchmark program, the helpers.
#[test]
fn passes_its_other_tests() {
    pytest("3.14t", None, &[checkers!(), "test_scaling.py", "test_deadlines.py"]);
}

/// One second for each structure.
#[test]
#[ignore = "minutes: the nightly profile"]
fn passes_its_soak_tests_on_every_interpreter() {
    let builds = [("3.14", None), ("3.14t", None), ("3.14t", Some("1")), ("3.15", None)];
    for (version, gil) in builds.into_iter().chain([("3.15t", None)]) {
        pytest(version, gil, &["test_soak.py"]);
    }
}

#[test]
fn contains_the_program() {
    for version in PYTHONS {
        let program = installed(version).join("bin/ungil");
        let out =
            Command::new(&program).arg("--version").output().expect("the wheel's program runs");
        assert_eq!(
            String::from_utf8_lossy(&out.stdout),
            format!("ungil {}\n", env!("CARGO_PKG_VERSION"))
        );
        let versions = "import importlib.metadata, ungil; \
                        print(ungil.__version__, importlib.metadata.version('ungil'))";
        let out = with_package(version).args(["-c", versions]).output().expect("starts");
        assert_eq!(
            String::from_utf8_lossy(&out.stdout),
            format!("{0} {0}\n", env!("CARGO_PKG_VERSION"))
        );
    }
}

#[test]
fn compare_uses_the_packages_phase() {
    let dir = TestDir::new();
    dir.write(
        "work.py",
        "import time, ungil\ntime.sleep(0.2)\nwith ungil.phase():\n    time.sleep(0.02)\n",
    );
    let packages = installed("3.14t");
    dir.one_block(["work.py", "--python", "3.14t"])
        .env("PYTHONPATH", packages.to_str().expect("a plain path"))
        .run()
        .ok();
    let record = dir.newest_record();
    assert!(metric(record.runs()[0], "startup_s") >= 0.2);
}

/// Fakes maturin: asks cargo whether the workspace is valid in the folder to be built.
const MATURIN: &str = r#"
import os, subprocess
def get_requires_for_build_wheel(settings=None): return []
get_requires_for_build_editable = get_requires_for_build_sdist = get_requires_for_build_wheel
def prepare_metadata_for_build_wheel(directory, settings=None):
    assert os.path.isfile("pyproject.toml"), os.getcwd()
    subprocess.run([os.environ.get("CARGO", "cargo"), "tree", "--offline", "--quiet", "-p", "ungil", "-p", "ungil-python"],
                   check=True, stdout=subprocess.DEVNULL)
    print("in", os.getcwd())
    os.makedirs(os.path.join(directory, "ungil.dist-info"))
    with open(os.path.join(directory, "ungil.dist-info", "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.4\nName: ungil\nVersion: 1.2.3\n\nText\n")
    return "ungil.dist-info"
"#;

/// Copies the package's sources without `bench`, `tests` and `xtask`.
fn partial_source() -> TestDir {
    let dir = TestDir::new();
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut copy = Command::new("cp");
    copy.arg("-r")
        .args(["crates", "python", "Cargo.toml", "Cargo.lock"])
        .arg(dir.path())
        .current_dir(root);
    assert!(copy.status().expect("cp runs").success());
    dir.write("fake/maturin.py", MATURIN);
    dir
}

/// Calls a hook of the build backend, like pip.
fn hook(dir: &TestDir, call: &str) -> std::process::Output {
    let mut command = Command::new(python("3.14"));
    command.args([
        "-c",
        &format!("import sys; sys.path.insert(0, '.'); import backend; print(backend.{call})"),
    ]);
    command
        .current_dir(dir.join("python"))
        .env("PYTHONPATH", dir.join("fake"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command.output().expect("the interpreter starts")
}

#[test]
fn builds_without_the_other_workspace_members() {
    let dir = partial_source();
    let out = hook(&dir, "prepare_metadata_for_build_wheel('.')");
    let printed = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{printed}{}", String::from_utf8_lossy(&out.stderr));
    let folder =
        printed.lines().find_map(|line| line.strip_prefix("in ")).expect("maturin was called");
    assert!(!PathBuf::from(folder).exists(), "the copy is removed: {folder}");
    let manifest = std::fs::read(dir.join("Cargo.toml")).expect("a manifest");
    let ours =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")).expect("a manifest");
    assert_eq!(manifest, ours, "the user's manifest was changed");
}

/// Lists the files below a folder, sorted and relative to it.
fn files(folder: &Path) -> Vec<String> {
    let find = Command::new("find")
        .args([".", "-type", "f", "-printf", "%P\\n"])
        .current_dir(folder)
        .output()
        .expect("find runs");
    let mut files: Vec<String> =
        String::from_utf8_lossy(&find.stdout).lines().map(str::to_owned).collect();
    files.sort();
    files
}

#[test]
fn source_distribution_is_complete() {
    let source = partial_source();
    for folder in ["first", "second"] {
        std::fs::create_dir(source.join(folder)).expect("a folder");
        let out = hook(&source, &format!("build_sdist('../{folder}')"));
        let printed = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success(), "{printed}{}", String::from_utf8_lossy(&out.stderr));
        assert!(printed.ends_with("ungil-1.2.3.tar.gz\n"), "{printed}");
    }
    let archive = |folder: &str| {
        std::fs::read(source.join(folder).join("ungil-1.2.3.tar.gz")).expect("the archive")
    };
    assert!(archive("first") == archive("second"), "the archive is not reproducible");

    let unpacked = TestDir::new();
    let tar = Command::new("tar")
        .arg("xzf")
        .arg(source.join("first/ungil-1.2.3.tar.gz"))
        .arg("-C")
        .arg(unpacked.path())
        .status();
    assert!(tar.expect("tar runs").success());
    let top = unpacked.join("ungil-1.2.3");

    // All sources are included, except tests, benches and examples of the crates.
    let tests = |file: &str| {
        let mut parts = file.split('/').skip(1);
        parts.next();
        parts.next().is_some_and(|part| ["tests", "benches", "examples"].contains(&part))
    };
    let mut expected: Vec<String> = files(&source.join("crates"))
        .into_iter()
        .map(|file| format!("crates/{file}"))
        .filter(|file| !tests(file))
        .chain(files(&source.join("python")).into_iter().map(|file| format!("python/{file}")))
        .filter(|file| !file.contains("__pycache__") && !file.starts_with("python/program/"))
        .collect();
    let added =
        ["Cargo.lock", "Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "PKG-INFO", "pyproject.toml"];
    expected.extend(added.map(str::to_owned));
    expected.sort();
    assert_eq!(files(&top), expected);
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for license in ["LICENSE-APACHE", "LICENSE-MIT"] {
        let text = |file: PathBuf| std::fs::read(file).expect("a license");
        assert_eq!(text(top.join(license)), text(root.join(license)), "{license}");
    }
    let size = std::fs::metadata(source.join("first/ungil-1.2.3.tar.gz")).expect("it exists").len();
    assert!(size < 3 << 20, "the archive has {size} bytes");

    // The archive is its own workspace and builds in place with its lock file.
    let unpacked_hook = "import sys; sys.path.insert(0, 'python'); import backend; \
                         backend.prepare_metadata_for_build_wheel('metadata')";
    let out = Command::new(python("3.14"))
        .args(["-c", unpacked_hook])
        .current_dir(&top)
        .env("PYTHONPATH", source.join("fake"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("the interpreter starts");
    let printed = String::from_utf8_lossy(&out.stdout);
    let package = top.join("python").canonicalize().expect("it exists");
    assert_eq!(
        printed,
        format!("in {}\n", package.display()),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let locked = Command::new(cargo)
        .args(["metadata", "--offline", "--locked", "--quiet", "--format-version", "1"])
        .current_dir(&top)
        .output()
        .expect("cargo runs");
    assert!(locked.status.success(), "{}", String::from_utf8_lossy(&locked.stderr));
}

#[test]
fn build_errors_have_three_lines() {
    let dir = partial_source();
    let told = |call: &str, words: &str| {
        let out = hook(&dir, call);
        let printed = String::from_utf8_lossy(&out.stderr).into_owned();
        let lines: Vec<&str> = printed.lines().collect();
        assert!(!out.status.success() && lines.len() == 3, "{call}: {printed}");
        assert!(lines[0].starts_with("ungil: ") && lines[0].contains(words), "{call}: {printed}");
        assert!(
            lines[1].starts_with("  why: ") && lines[2].starts_with("  try: "),
            "{call}: {printed}"
        );
    };
    told("build_editable('.')", "no bench, tests, xtask");
    std::fs::remove_dir_all(dir.join("crates/cli")).expect("it is there");
    for call in ["prepare_metadata_for_build_wheel('.')", "build_wheel('.')", "build_sdist('.')"] {
        told(call, "there is no crates/cli/Cargo.toml");
    }
}

#[test]
fn importing_it_leaves_the_gil_off() {
    for version in ["3.14t", "3.15t"] {
        let script = "import sys, ungil; print(sys._is_gil_enabled(), ungil.__file__)";
        let out =
            with_package(version).args(["-W", "error", "-c", script]).output().expect("starts");
        let printed = String::from_utf8_lossy(&out.stdout);
        assert!(printed.starts_with("False "), "{printed}{}", String::from_utf8_lossy(&out.stderr));
    }
}

#[test]
fn dump_names_the_queue_a_thread_waits_for() {
    let dir = TestDir::new();
    let program = "
import os, threading, ungil
class Shop:
    def __init__(self): self.jobs = ungil.Queue()
shop = Shop()
def worker(): shop.jobs.get()
threading.Thread(target=worker, name='worker', daemon=True).start()
print(os.getpid(), flush=True)
input()
";
    for version in PYTHONS {
        let mut waiter = with_package(version)
            .args(["-c", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter starts");
        let mut pid = String::new();
        BufReader::new(waiter.stdout.take().expect("a pipe"))
            .read_line(&mut pid)
            .expect("its number");
        let mut printed = String::new();
        eventually("the name of the queue", || {
            printed = dir.ungil(["dump", pid.trim()]).run().ok().stdout;
            printed.contains("(a ungil.Queue \"shop.jobs\")")
        });
        assert!(
            printed.contains("\"worker\"") && printed.contains("waiting for a queue"),
            "{version}: {printed}"
        );
        drop(waiter.stdin.take());
        waiter.wait().expect("it ends");
    }
}
