//! Where interpreters are searched, and which of several names and copies is kept.
#![allow(clippy::unwrap_used)] // in helpers, too

mod common;

use common::{answer, fake, script};
use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;
use tempfile::tempdir;
use ungil_pythons::{Error, Origin, Search, find, resolve, survey};

const PLAIN: &str = "{}";

#[test]
fn every_folder_is_searched_and_gives_its_origin() {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fake(&at("env"), "x", "3.14.1", false, PLAIN);
    fake(&at("own"), "3.14t", "3.14.2", true, PLAIN);
    fake(&at("uv"), "cpython-3.13", "3.13.1", false, PLAIN);
    fake(&at("pyenv/versions"), "3.12.1", "3.12.1", false, PLAIN);
    fake(&at("conda/envs"), "a", "3.11.1", false, PLAIN);
    fake(&at("."), "conda", "3.10.1", false, PLAIN);
    script(&at("debian/python3"), &answer("cpython", "3.9.1", false, PLAIN));
    script(&at("bin/python3"), &answer("cpython", "3.8.1", false, PLAIN));
    let alone = script(&at("any-name"), &answer("cpython", "3.7.1", false, PLAIN));
    let search = Search {
        path: vec![at("bin"), at("debian")],
        environment: vec![at("env"), alone],
        own: at("own"),
        uv: vec![at("uv")],
        pyenv: vec![at("pyenv")],
        conda: vec![at("conda")],
        debian: Some(at("debian")),
        ..Search::default()
    };
    let found = survey(&search);
    assert_eq!(found.rejected, []);
    let found_as: Vec<_> = found.interpreters.iter().map(|i| (i.name.as_str(), i.origin)).collect();
    use Origin::{Conda, Debian, Environment, Pyenv, SearchPath, Ungil, Uv};
    assert_eq!(
        found_as,
        [
            ("3.14t", Ungil),
            ("3.14", Environment),
            ("3.13", Uv),
            ("3.12", Pyenv),
            ("3.11", Conda),
            ("3.10", Conda),
            ("3.9", Debian),
            ("3.8", SearchPath),
            ("3.7", Environment),
        ]
    );
}

#[test]
fn an_interpreter_is_listed_once_by_its_longest_name() {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    script(&at("p/bin/python3.14"), &answer("cpython", "3.14.0", false, PLAIN));
    for name in ["python", "python3"] {
        symlink("python3.14", at("p/bin").join(name)).unwrap();
    }
    fs::create_dir_all(at("links")).unwrap();
    symlink(at("p/bin/python3.14"), at("links/python3.14")).unwrap();
    // Its virtual environment is another interpreter: other packages are installed in it.
    fs::create_dir_all(at("v/bin")).unwrap();
    fs::write(at("v/pyvenv.cfg"), "").unwrap();
    symlink(at("p/bin/python3.14"), at("v/bin/python")).unwrap();
    let search = Search { path: vec![at("links"), at("v/bin")], ..common::only(&at("p")) };
    let found = find(&search);
    let found_as: Vec<_> =
        found.iter().map(|i| (i.executable.clone(), i.venv.clone(), i.origin)).collect();
    assert_eq!(
        found_as,
        [
            (at("p/bin/python3.14"), None, Origin::Environment),
            (at("v/bin/python"), Some(at("v")), Origin::SearchPath),
        ]
    );
}

#[test]
fn pyenv_shims_resolve_to_interpreters() {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let version = fake(&at("root/versions"), "3.13.0", "3.13.0", false, PLAIN);
    let shim =
        format!("export PYENV_ROOT=\"{}\"\necho not found >&2; exit 127", at("root").display());
    script(&at("root/shims/python3"), &shim);
    // Shims outside the root: only their text names the root.
    script(&at("shims/python"), &shim);
    for shims in [at("root/shims"), at("shims")] {
        let found = survey(&Search { path: vec![shims], ..Search::default() });
        assert_eq!(found.rejected, []);
        let found_as: Vec<_> =
            found.interpreters.iter().map(|i| (i.executable.clone(), i.origin)).collect();
        assert_eq!(found_as, [(version.clone(), Origin::Pyenv)]);
    }
}

#[test]
fn broken_files_are_rejected_with_a_reason() {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("a/bin")).unwrap();
    fs::create_dir_all(at("b/bin/python3")).unwrap();
    symlink("gone", at("a/bin/python3")).unwrap();
    fs::write(at("a/bin/python3.9"), "").unwrap();
    script(&at("a/bin/python3.10"), "echo broken >&2; exit 1");
    script(&at("a/bin/python3-config"), "exit 1");
    script(&at(".staging-3.14t-1/bin/python3"), &answer("cpython", "3.14.0", true, PLAIN));
    fake(dir.path(), "good", "3.14.0", false, PLAIN);
    let search =
        Search { environment: vec![dir.path().to_owned(), at("missing")], ..Search::default() };
    let found = survey(&search);
    assert_eq!(found.interpreters.len(), 1, "{found:?}");
    let found_as: Vec<_> =
        found.rejected.iter().map(|r| (r.path.clone(), r.why.as_str())).collect();
    assert_eq!(
        found_as,
        [
            (at("a/bin/python3"), "broken link"),
            (at("a/bin/python3.10"), "it ended with exit status: 1: broken"),
            (at("a/bin/python3.9"), "not executable"),
            (at("missing"), "no such file or directory"),
        ]
    );
}

#[test]
fn a_specification_resolves_to_one_interpreter_or_fails() {
    let dir = tempdir().unwrap();
    fake(dir.path(), "a", "3.14.2", false, PLAIN);
    fake(dir.path(), "b", "3.14.2", true, PLAIN);
    fake(dir.path(), "c", "3.14.0", false, PLAIN);
    fake(dir.path(), "d", "3.15.0rc1", false, PLAIN);
    fake(dir.path(), "e", "3.13.5", true, PLAIN);
    let pypy = script(&dir.path().join("f/bin/pypy3"), &answer("pypy", "3.11.1", false, PLAIN));
    script(&dir.path().join("path/my-python"), &answer("cpython", "3.12.0", false, PLAIN));
    let search = Search { path: vec![dir.path().join("path")], ..common::only(dir.path()) };
    let version = |spec: &str| {
        let found = resolve(spec, &search).unwrap_or_else(|e| panic!("{spec}: {e}: {}", e.why()));
        format!("{} {}", found.name, found.version)
    };
    assert_eq!(version("3"), "3.14 3.14.2");
    assert_eq!(version("3.14"), "3.14 3.14.2");
    assert_eq!(version("3.14.0"), "3.14 3.14.0");
    assert_eq!(version("3.14t"), "3.14t 3.14.2");
    assert_eq!(version("3t"), "3.14t 3.14.2");
    assert_eq!(version("3.15"), "3.15 3.15.0rc1");
    assert_eq!(version("3.15.0rc1"), "3.15 3.15.0rc1");
    assert_eq!(version("pypy"), "pypy3.11 3.11.1");
    assert_eq!(version("pypy3.11"), "pypy3.11 3.11.1");
    assert_eq!(version("python3.14t"), "3.14t 3.14.2");
    assert_eq!(version("my-python"), "3.12 3.12.0");
    assert_eq!(version(pypy.to_str().unwrap()), "pypy3.11 3.11.1");
    assert_eq!(version(dir.path().join("e").to_str().unwrap()), "3.13t 3.13.5");
    let error = |spec: &str| match resolve(spec, &search) {
        Err(Error::NotFound { nearest, install, needs_uv, .. }) => {
            (nearest, install.filter(|_| !needs_uv))
        }
        other => panic!("{spec}: {other:?}"),
    };
    let pair = |nearest: &str, install: &str| (Some(nearest.to_owned()), Some(install.to_owned()));
    assert_eq!(error("3.15t"), pair("3.15.0rc1", "3.15t"));
    assert_eq!(error("3.13"), pair("3.13.5t", "3.13"));
    assert_eq!(error("3.15.0").0.as_deref(), Some("3.15.0rc1"));
    assert_eq!(error("3.14.1").0.as_deref(), Some("3.14.2"));
    assert_eq!(error("3.11").1, None, "only uv installs it, and there is none");
    let help = resolve("3.11", &search).unwrap_err().help();
    assert!(help.ends_with("with uv on the PATH: ungil pythons install 3.11"), "{help}");
    assert_eq!(error("3.12t").1, None); // never existed
    assert_eq!(error("3.99").1, None); // does not exist yet
    assert_eq!(error("graalpy").1, None);
    assert_eq!(error("no-such-python"), (None, None));
    let found_as = resolve("3.15t", &search).unwrap_err();
    assert_eq!(found_as.to_string(), "no interpreter '3.15t' was found");
    assert!(
        found_as.why().contains("3.14.2t") && found_as.why().contains("pypy3.11.1"),
        "{}",
        found_as.why()
    );
    assert_eq!(found_as.help(), "ungil pythons install 3.15t");
    script(&dir.path().join("path/uv"), "exit 1");
    assert_eq!(error("3.11").1.as_deref(), Some("3.11"), "uv installs it");
    assert_eq!(error("3.99").1, None);
}

#[test]
fn a_slow_interpreter_is_found() {
    let dir = tempdir().unwrap();
    script(
        &dir.path().join("slow/bin/python3"),
        &format!("sleep 1; {}", answer("cpython", "3.14.0", false, "{}")),
    );
    let search = Search { time_limit: Duration::from_millis(50), ..common::only(dir.path()) };
    assert!(survey(&search).interpreters.is_empty(), "a search does not wait for it");
    assert_eq!(resolve("3.14", &search).unwrap().name, "3.14");
    let why = resolve("3.14t", &search).unwrap_err().why();
    assert!(!why.contains("in time"), "it answered the second time: {why}");
    let silent = Error::NotFound {
        spec: "3.14t".into(),
        have: Vec::new(),
        nearest: None,
        silent: ["/a/python3", "/b/python3"].map(Into::into).into(),
        install: None,
        needs_uv: false,
    };
    assert_eq!(
        silent.why(),
        "no interpreter was found; /a/python3 and 1 more did not answer in time"
    );
}
