//! Files that are not interpreters, other implementations, and real interpreters.
#![allow(clippy::unwrap_used)] // in helpers, too

mod common;

use common::{answer, real, script};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::tempdir;
use ungil_pythons::{Error, Implementation, Origin, Search, find, inspect, survey};

fn fails(path: &Path) -> Error {
    let error = inspect(path, Origin::Path).expect_err("this is no interpreter");
    for line in [error.to_string(), error.why(), error.help()] {
        assert!(!line.is_empty() && !line.contains('\n'), "{line:?}");
    }
    error
}

#[test]
fn each_kind_of_non_interpreter_has_its_error() {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    assert!(matches!(fails(&at("nowhere")), Error::Missing { .. }));
    assert!(matches!(fails(dir.path()), Error::NoInterpreterIn { .. }));
    fs::write(at("text"), "hello").unwrap();
    assert!(matches!(fails(&at("text")), Error::NotExecutable { .. }));
    assert!(matches!(
        fails(&script(&at("garbage"), "echo '{\"version\": 3}'; echo garbage")),
        Error::NotPython { .. }
    ));
    assert!(matches!(fails(&script(&at("silent"), "true")), Error::NotPython { .. }));
    assert!(matches!(
        fails(&script(&at("half"), "echo 'ungil-probe {\"version\"'")),
        Error::NotPython { .. }
    ));
    assert!(matches!(
        fails(&script(&at("binary"), "head -c 4096 /dev/urandom")),
        Error::NotPython { .. }
    ));
    assert!(matches!(
        fails(&script(&at("endless"), "head -c 1073741824 /dev/zero")),
        Error::TooMuch { .. }
    ));
    assert!(matches!(
        fails(&script(&at("loud"), "head -c 1073741824 /dev/zero >&2")),
        Error::TooMuch { .. }
    ));
    let error = fails(&script(&at("one"), "echo no luck >&2; exit 1"));
    assert!(matches!(&error, Error::Failed { output, .. } if output == "no luck"), "{error:?}");
    assert!(matches!(fails(&script(&at("killed"), "kill -SEGV $$")), Error::Failed { .. }));
    let mut wrong = script(&at("loader"), "");
    fs::write(&wrong, "#!/nowhere/sh\n").unwrap();
    assert!(matches!(fails(&wrong), Error::Unrunnable { .. }));
    wrong = script(&at("elf"), "");
    fs::write(&wrong, b"\x7fELF\x02\x01\x01\0\0\0").unwrap();
    assert!(matches!(fails(&wrong), Error::Unrunnable { .. }));
}

#[test]
fn a_hanging_probe_is_killed_with_its_processes() {
    let dir = tempdir().unwrap();
    let pid = dir.path().join("pid");
    let body = format!("sleep 100000 & echo $! > {}.new; mv {0}.new {0}; wait", pid.display());
    script(&dir.path().join("hangs/bin/python3"), &body);
    let mut search = Search { time_limit: Duration::from_millis(500), ..common::only(dir.path()) };
    let found = survey(&search);
    while !pid.exists() {
        search.time_limit *= 2; // on a slow machine the script may not have started
        survey(&search);
    }
    assert_eq!(found.rejected.len(), 1, "{found:?}");
    assert!(
        found.rejected[0].path.ends_with("hangs/bin/python3")
            && found.rejected[0].why.contains("stopped")
    );
    // It succeeds, but a process that it started holds its output open.
    let left = dir.path().join("left");
    let body = format!(
        "sleep 100000 & echo $! > {}; {}",
        left.display(),
        answer("cpython", "3.14.0", false, "{}")
    );
    assert_eq!(
        inspect(&script(&dir.path().join("leaves"), &body), Origin::Path).unwrap().name,
        "3.14"
    );
    for file in [pid, left] {
        let pid = fs::read_to_string(file).unwrap();
        let proc = Path::new("/proc").join(pid.trim()).join("stat");
        // Killed, but perhaps still a zombie.
        while fs::read_to_string(&proc).is_ok_and(|stat| !stat.contains(") Z ")) {
            std::thread::yield_now();
        }
    }
}

#[test]
fn other_implementations_are_identified() {
    let dir = tempdir().unwrap();
    let build = r#"{"compiler":"PyPy 7.3.20 with GCC 10.2.1"}"#;
    script(&dir.path().join("a/bin/pypy3"), &answer("pypy", "3.11.13", false, build));
    script(&dir.path().join("b/bin/graalpy"), &answer("graalpy", "3.12.8", false, "{}"));
    script(&dir.path().join("c/bin/python"), &answer("snakeware", "3.13.0", false, "{}"));
    let found = find(&common::only(dir.path()));
    let described: Vec<_> =
        found.iter().map(|i| (i.name.as_str(), i.implementation, i.describe())).collect();
    assert_eq!(
        described,
        [
            (
                "pypy3.11",
                Implementation::PyPy,
                "PyPy 3.11.13, PyPy 7.3.20 with GCC 10.2.1".to_owned()
            ),
            ("graalpy3.12", Implementation::GraalPy, "GraalPy 3.12.8".to_owned()),
            ("snakeware3.13", Implementation::Other, "snakeware 3.13.0".to_owned()),
        ]
    );
}

#[test]
fn real_interpreters_are_identified() {
    for (name, free_threaded) in
        [("3.14", false), ("3.14t", true), ("3.15", false), ("3.15t", true)]
    {
        let found = real(name);
        assert_eq!(found.free_threaded, free_threaded);
        assert_eq!(found.implementation, Implementation::CPython);
        assert_eq!(found.venv, None);
        assert_eq!(found.build.debug, Some(false));
        assert!(found.build.compiler.is_some() && found.build.cflags.is_some());
        let version = Command::new(&found.executable).arg("--version").output().unwrap();
        let version = String::from_utf8(version.stdout).unwrap();
        assert!(version.trim().starts_with(&format!("Python {}", found.version)), "{version}");
        assert_eq!(found.describe().contains("free-threaded"), free_threaded);
        let json = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<ungil_pythons::Interpreter>(&json).unwrap(), found);
    }
}

#[test]
fn a_venv_is_distinct_from_its_base() {
    let dir = tempdir().unwrap();
    for name in ["3.14", "3.14t"] {
        let base = real(name);
        let venv = dir.path().join(name);
        let made = Command::new(&base.executable)
            .args(["-m", "venv", "--without-pip"])
            .arg(&venv)
            .status()
            .unwrap();
        assert!(made.success());
        for path in [venv.clone(), venv.join("bin/python"), venv.join("bin")] {
            if path.ends_with("bin") {
                assert!(matches!(fails(&path), Error::NoInterpreterIn { .. }));
                continue;
            }
            let found = inspect(&path, Origin::Path).unwrap();
            assert_eq!(found.venv.as_deref(), Some(venv.as_path()));
            assert!(found.executable.starts_with(&venv), "{found:?}");
            assert_eq!((found.real, found.name), (base.real.clone(), base.name.clone()));
        }
        let prefix = base.real.parent().unwrap().parent().unwrap();
        assert_eq!(inspect(prefix, Origin::Path).unwrap().real, base.real);
    }
}

#[test]
fn the_probe_ignores_the_callers_environment() {
    // PYTHON_GIL=0 is fatal in a build with the GIL, and PYTHONHOME in any. They are set for a
    // second process that runs this test.
    if std::env::var_os("PYTHON_GIL").is_none() {
        let me = std::env::current_exe().unwrap();
        let mut again = Command::new(me);
        again.args(["--exact", "the_probe_ignores_the_callers_environment"]);
        let dir = tempdir().unwrap();
        fs::write(dir.path().join("json.py"), "raise SystemExit(3)").unwrap();
        let status = again
            .env("PYTHON_GIL", "0")
            .env("PYTHONHOME", "/nowhere")
            .current_dir(dir.path())
            .status();
        assert!(status.unwrap().success());
    }
    assert!(!real("3.14").free_threaded);
}
