//! Installations: real ones, with fake tools, and interrupted ones.
#![allow(clippy::unwrap_used)] // in helpers, too

mod common;

use common::{answer, script};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use tempfile::{TempDir, tempdir};
use ungil_pythons::{Error, Installed, Installer, Search, find, install, installed_dir};

/// A temporary folder to install into, with fake commands that precede the machine's.
struct Sandbox(TempDir);

impl Sandbox {
    fn new() -> Sandbox {
        Sandbox(tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, name: &str, body: &str) {
        script(&self.at("bin").join(name), body);
    }

    fn search(&self) -> Search {
        let mut path = vec![self.at("bin")];
        // The machine's uv is excluded.
        path.extend(Search::from_env().path.into_iter().filter(|dir| !dir.join("uv").exists()));
        Search { path, own: self.at("own"), ..Search::default() }
    }

    fn install(&self, spec: &str, how: Installer) -> (Result<Installed, Error>, Vec<String>) {
        let mut lines = Vec::new();
        let result = install(spec, &self.search(), how, &mut |line| lines.push(line.to_owned()));
        (result, lines)
    }

    /// Returns the interpreters found in the folder, also when it is in $UNGIL_PYTHONS.
    fn found(&self) -> Vec<ungil_pythons::Interpreter> {
        find(&Search {
            environment: vec![self.at("own")],
            own: self.at("own"),
            ..Search::default()
        })
    }

    /// Returns the names in the folder without the lock.
    fn remaining(&self) -> Vec<String> {
        let entries = fs::read_dir(self.at("own")).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names.filter(|name| name != ".lock").collect();
        names.sort();
        names
    }
}

/// Returns the script of a fake uv, which installs a script in uv's layout.
fn uv(version: &str, free_threaded: bool) -> String {
    format!(
        "dir=$5/cpython-{version}; mkdir -p $dir/bin $dir/lib; echo \"$@\" >> $(dirname $0)/calls
         cat > $dir/bin/python3 <<'EOF'\n#!/bin/sh\n{}\nEOF
         chmod +x $dir/bin/python3; ln -s cpython-{version} $5/cpython-link
         echo \"prefix = '$dir'\" > $dir/lib/_sysconfigdata.py; printf \"$dir\\0\" > $dir/lib/binary",
        answer("cpython", version, free_threaded, "{}")
    )
}

#[test]
fn an_assembled_python_is_complete() {
    let sandbox = Sandbox::new();
    let (result, lines) = sandbox.install("3.14t", Installer::Assemble);
    let installed = result.unwrap_or_else(|e| panic!("{e}\n{}\n{}", e.why(), e.help()));
    assert!(!installed.already_there && !lines.is_empty());
    let python = installed.interpreter;
    assert_eq!((python.name.as_str(), sandbox.remaining()), ("3.14t", vec!["3.14t".to_owned()]));
    let run = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    // All paths it knows are those of its final prefix.
    let paths = "import sys, sysconfig, ssl, ctypes; v = sysconfig.get_config_vars()
print(sys.prefix, *sysconfig.get_paths().values(), v['INCLUDEPY'], v['WHEEL_PKG_DIR'], ssl.__file__, sep='\\n')
assert '.staging' not in repr(v), v";
    let prefix = installed_dir(&sandbox.search()).join("3.14t");
    for line in run(&python.executable, &["-c", paths]).lines() {
        assert!(Path::new(line).starts_with(&prefix), "{line}");
    }
    let grep =
        Command::new("grep").args(["-rl", "-F", ".staging-3.14t"]).arg(&prefix).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&grep.stdout), "", "no file contains the staging path");
    let venv = sandbox.at("venv");
    run(&python.executable, &["-m", "venv", venv.to_str().unwrap()]);
    assert!(run(&venv.join("bin/pip"), &["--version"]).contains("3.14"));
    let (again, lines) = sandbox.install("3.14t", Installer::Auto);
    assert_eq!(again.unwrap(), Installed { interpreter: python, already_there: true });
    assert_eq!(lines, [] as [&str; 0]);
}

#[test]
fn a_uv_installation_is_moved_and_relocated() {
    let sandbox = Sandbox::new();
    sandbox.command("uv", &uv("3.12.7", false));
    for spec in ["3.12", "3.12.7", "3.12"] {
        let installed = sandbox.install(spec, Installer::Auto).0.unwrap();
        assert_eq!(installed.interpreter.executable, sandbox.at("own/3.12/bin/python3"));
    }
    assert_eq!(
        fs::read_to_string(sandbox.at("bin/calls")).unwrap().lines().count(),
        1,
        "asked once"
    );
    let variables = fs::read_to_string(sandbox.at("own/3.12/lib/_sysconfigdata.py")).unwrap();
    assert_eq!(variables.trim(), format!("prefix = '{}'", sandbox.at("own/3.12").display()));
    let binary = fs::read_to_string(sandbox.at("own/3.12/lib/binary")).unwrap();
    assert!(
        binary.contains(".staging") && binary.ends_with('\0'),
        "the length of a binary file must not change"
    );
    assert_eq!(sandbox.remaining(), ["3.12"]);
}

#[test]
fn a_broken_installation_is_replaced() {
    let sandbox = Sandbox::new();
    sandbox.command("uv", &uv("3.12.7", false));
    script(&sandbox.at("own/3.12/bin/python3"), "exit 1");
    assert!(!sandbox.install("3.12", Installer::Uv).0.unwrap().already_there);
    assert_eq!(sandbox.remaining(), ["3.12"]);
    // A new one that is not the requested one is removed.
    sandbox.command("uv", &uv("3.12.7", true));
    assert!(matches!(sandbox.install("3.11", Installer::Uv).0, Err(Error::Uv { .. })));
    assert_eq!(sandbox.remaining(), ["3.12"]);
}

#[test]
fn assembles_if_uv_fails() {
    let sandbox = Sandbox::new();
    sandbox.command("uv", "echo 'error: Failed to install'; echo '  cause: dns error' >&2; exit 2");
    sandbox.command("apt-get", "echo 'E: the archive is not there'; exit 100");
    let (result, lines) = sandbox.install("3.14t", Installer::Auto);
    assert!(
        lines.iter().any(|line| line.contains("dns error") && line.contains("assembling")),
        "{lines:?}"
    );
    let error = result.unwrap_err();
    assert!(
        matches!(error, Error::Assemble { .. })
            && error.why().contains("E: the archive is not there"),
        "{error:?}"
    );
    assert!(!error.help().is_empty());
    assert!(matches!(sandbox.install("3.14t", Installer::Uv).0, Err(Error::Uv { .. })));
    assert!(matches!(sandbox.install("3.12t", Installer::Auto).0, Err(Error::Uv { .. })));
    assert!(matches!(sandbox.install("3.12t", Installer::Assemble).0, Err(Error::NoRecipe { .. })));
    for nonsense in ["python3.14t", "/usr/bin", "3", "latest"] {
        assert!(
            matches!(sandbox.install(nonsense, Installer::Auto).0, Err(Error::NoRecipe { .. })),
            "{nonsense}"
        );
    }
    assert_eq!(sandbox.remaining(), [] as [&str; 0]);
}

/// The help of each refusal names another way.
#[test]
fn impossible_requests_fail_before_locking() {
    let sandbox = Sandbox::new();
    let refused = |spec: &str, how| {
        let error = sandbox.install(spec, how).0.unwrap_err();
        assert!(matches!(error, Error::NoRecipe { .. }), "{spec}: {error:?}");
        assert!(!sandbox.at("own").exists(), "{spec}: no folder and no lock");
        (error.why(), error.help())
    };
    let (why, help) = refused("3.12", Installer::Auto);
    assert!(why.starts_with("ungil itself can only assemble 3.13,"), "{why}");
    assert!(help.starts_with("put uv on the PATH, or install it by other means"), "{help}");
    // uv does not have these either, so it is not recommended.
    for spec in ["3.12t", "3.99", "3.7"] {
        let (_, help) = refused(spec, Installer::Auto);
        assert!(help.starts_with("install it by other means") && help.contains(spec), "{help}");
    }
    assert!(refused("pypy3.11", Installer::Auto).1.starts_with("put uv on the PATH"));
    let (why, help) = refused("3.12", Installer::Uv);
    assert_eq!(why, "uv is not on the search path");
    assert!(!help.contains("assemble"), "there is no recipe either: {help}");
    assert!(refused("3.14t", Installer::Uv).1.contains("ungil assembles it"));
    assert!(refused("latest", Installer::Auto).1.starts_with("name one of 3.13,"));
    sandbox.command("uv", "exit 1");
    let (why, help) = refused("3.12", Installer::Assemble);
    assert!(
        !why.contains("uv") && help == "leave out --with, so that uv installs it",
        "{why}: {help}"
    );
}

#[test]
fn a_missing_tool_is_named() {
    let sandbox = Sandbox::new();
    let python = common::real("3.14").executable;
    fs::create_dir_all(sandbox.at("bin")).unwrap();
    std::os::unix::fs::symlink(python, sandbox.at("bin/python3")).unwrap();
    let search = Search { path: vec![sandbox.at("bin")], ..sandbox.search() };
    let error = install("3.14t", &search, Installer::Auto, &mut |_| ()).unwrap_err();
    assert_eq!(error.why(), "apt-get is not installed");
    let search = Search { path: vec![], ..search };
    assert!(
        install("3.14t", &search, Installer::Auto, &mut |_| ())
            .unwrap_err()
            .why()
            .contains("Python")
    );
    assert_eq!(sandbox.remaining(), [] as [&str; 0]);
}

#[test]
fn concurrent_installs_install_once() {
    let sandbox = Sandbox::new();
    sandbox.command("uv", &uv("3.12.7", false));
    let installed: Vec<Installed> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| sandbox.install("3.12", Installer::Uv).0.unwrap()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(installed.iter().filter(|i| !i.already_there).count(), 1);
    assert_eq!(fs::read_to_string(sandbox.at("bin/calls")).unwrap().lines().count(), 1);
}

/// The child process of the tests below, which run it and kill it. Otherwise it does nothing.
#[test]
fn child_that_installs() {
    if let Some(sandbox) = std::env::var_os("UNGIL_TEST_PLACE") {
        let sandbox = PathBuf::from(sandbox);
        let mut search = Search { own: sandbox.join("own"), ..Search::from_env() };
        search.path.insert(0, sandbox.join("bin"));
        let _ = install("3.14t", &search, Installer::Assemble, &mut |_| ());
    }
}

/// Starts an installation whose apt-get never ends; its process ids are in the file `stuck`.
fn stuck_install(sandbox: &Sandbox) -> KillOnDrop {
    sandbox.command(
        "apt-get",
        &format!(
            "echo $$ $PPID > {0}.new; mv {0}.new {0}; exec sleep 100000",
            sandbox.at("stuck").display()
        ),
    );
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_installs"])
        .env("UNGIL_TEST_PLACE", sandbox.0.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let child = KillOnDrop(child);
    wait_until(|| sandbox.at("stuck").exists());
    child
}

/// A child that is killed even if the test fails.
struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for a condition without a time limit: the machine may be slow.
fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        sleep(Duration::from_millis(5));
    }
}

fn is_running(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn signal(pid: &str, signal: &str) {
    assert!(
        Command::new("sh")
            .args(["-c", &format!("kill -{signal} {pid}")])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn an_interrupted_install_stops_its_tools_and_leaves_nothing() {
    for name in ["KILL", "TERM", "INT"] {
        let sandbox = Sandbox::new();
        let mut child = stuck_install(&sandbox);
        assert_eq!(sandbox.remaining().len(), 1, "the staging folder");
        assert_eq!(sandbox.found(), []);
        signal(&child.0.id().to_string(), name);
        assert!(!child.0.wait().unwrap().success());
        assert_eq!(sandbox.found(), []);
        let stuck = fs::read_to_string(sandbox.at("stuck")).unwrap();
        wait_until(|| stuck.split_whitespace().all(|pid| !is_running(pid)));
        assert_eq!(sandbox.remaining(), [] as [&str; 0], "{name}");
    }
}

#[test]
fn the_next_install_removes_an_abandoned_staging_folder() {
    let sandbox = Sandbox::new();
    let mut child = stuck_install(&sandbox);
    let stuck = fs::read_to_string(sandbox.at("stuck")).unwrap();
    let (tool, recipe) = stuck.trim().split_once(' ').unwrap();
    // The recipe is killed first, so that it cannot remove the folder.
    signal(&child.0.id().to_string(), "STOP");
    signal(recipe, "KILL");
    signal(&child.0.id().to_string(), "KILL");
    child.0.wait().unwrap();
    signal(tool, "KILL");
    let remaining = sandbox.remaining();
    assert!(remaining.len() == 1 && remaining[0].starts_with(".staging-"), "{remaining:?}");
    assert_eq!(sandbox.found(), []);
    sandbox.command("uv", &uv("3.14.1", true));
    assert!(!sandbox.install("3.14t", Installer::Auto).0.unwrap().already_there);
    assert_eq!(sandbox.remaining(), ["3.14t"]);
}
