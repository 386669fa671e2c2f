//! Installing: really, with fakes for what the machine may not have, and cut off at the worst
//! moment.
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

/// A folder to install into, with commands of our own before the machine's.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, name: &str, body: &str) {
        script(&self.at("bin").join(name), body);
    }

    fn search(&self) -> Search {
        let mut path = vec![self.at("bin")];
        // No uv but ours.
        path.extend(Search::from_env().path.into_iter().filter(|dir| !dir.join("uv").exists()));
        Search { path, own: self.at("own"), ..Search::default() }
    }

    fn install(&self, spec: &str, how: Installer) -> (Result<Installed, Error>, Vec<String>) {
        let mut said = Vec::new();
        let result = install(spec, &self.search(), how, &mut |line| said.push(line.to_owned()));
        (result, said)
    }

    /// What a search of the folder alone finds, as ours or as one of $UNGIL_PYTHONS.
    fn found(&self) -> Vec<ungil_pythons::Interpreter> {
        find(&Search {
            environment: vec![self.at("own")],
            own: self.at("own"),
            ..Search::default()
        })
    }

    /// All that is in the folder, the lock aside.
    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.at("own")).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names.filter(|name| name != ".lock").collect();
        names.sort();
        names
    }
}

/// A uv that installs a script, the way uv lays out what it installs.
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
fn what_is_assembled_is_a_whole_python() {
    let place = Place::new();
    let (result, said) = place.install("3.14t", Installer::Assemble);
    let installed = result.unwrap_or_else(|e| panic!("{e}\n{}\n{}", e.why(), e.help()));
    assert!(!installed.already_there && !said.is_empty());
    let python = installed.interpreter;
    assert_eq!((python.name.as_str(), place.left()), ("3.14t", vec!["3.14t".to_owned()]));
    let run = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    // Everything it knows of its place is the place it was moved to.
    let paths = "import sys, sysconfig, ssl, ctypes; v = sysconfig.get_config_vars()
print(sys.prefix, *sysconfig.get_paths().values(), v['INCLUDEPY'], v['WHEEL_PKG_DIR'], ssl.__file__, sep='\\n')
assert '.staging' not in repr(v), v";
    let prefix = installed_dir(&place.search()).join("3.14t");
    for line in run(&python.executable, &["-c", paths]).lines() {
        assert!(Path::new(line).starts_with(&prefix), "{line}");
    }
    let grep =
        Command::new("grep").args(["-rl", "-F", ".staging-3.14t"]).arg(&prefix).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&grep.stdout), "", "nothing remembers where it was made");
    let venv = place.at("venv");
    run(&python.executable, &["-m", "venv", venv.to_str().unwrap()]);
    assert!(run(&venv.join("bin/pip"), &["--version"]).contains("3.14"));
    let (again, said) = place.install("3.14t", Installer::Auto);
    assert_eq!(again.unwrap(), Installed { interpreter: python, already_there: true });
    assert_eq!(said, [] as [&str; 0]);
}

#[test]
fn what_uv_downloads_is_moved_whole() {
    let place = Place::new();
    place.command("uv", &uv("3.12.7", false));
    for spec in ["3.12", "3.12.7", "3.12"] {
        let installed = place.install(spec, Installer::Auto).0.unwrap();
        assert_eq!(installed.interpreter.executable, place.at("own/3.12/bin/python3"));
    }
    assert_eq!(fs::read_to_string(place.at("bin/calls")).unwrap().lines().count(), 1, "asked once");
    let variables = fs::read_to_string(place.at("own/3.12/lib/_sysconfigdata.py")).unwrap();
    assert_eq!(variables.trim(), format!("prefix = '{}'", place.at("own/3.12").display()));
    let binary = fs::read_to_string(place.at("own/3.12/lib/binary")).unwrap();
    assert!(
        binary.contains(".staging") && binary.ends_with('\0'),
        "the length of what is no text must not change"
    );
    assert_eq!(place.left(), ["3.12"]);
}

#[test]
fn what_does_not_run_is_replaced() {
    let place = Place::new();
    place.command("uv", &uv("3.12.7", false));
    script(&place.at("own/3.12/bin/python3"), "exit 1");
    assert!(!place.install("3.12", Installer::Uv).0.unwrap().already_there);
    assert_eq!(place.left(), ["3.12"]);
    // And where the new one is not what was asked for, it does not stay.
    place.command("uv", &uv("3.12.7", true));
    assert!(matches!(place.install("3.11", Installer::Uv).0, Err(Error::Uv { .. })));
    assert_eq!(place.left(), ["3.12"]);
}

#[test]
fn where_uv_cannot_the_recipe_is_tried_and_said() {
    let place = Place::new();
    place.command("uv", "echo 'error: Failed to install'; echo '  cause: dns error' >&2; exit 2");
    place.command("apt-get", "echo 'E: the archive is not there'; exit 100");
    let (result, said) = place.install("3.14t", Installer::Auto);
    assert!(
        said.iter().any(|line| line.contains("dns error") && line.contains("assembling")),
        "{said:?}"
    );
    let error = result.unwrap_err();
    assert!(
        matches!(error, Error::Assemble { .. })
            && error.why().contains("E: the archive is not there"),
        "{error:?}"
    );
    assert!(!error.help().is_empty());
    assert!(matches!(place.install("3.14t", Installer::Uv).0, Err(Error::Uv { .. })));
    assert!(matches!(place.install("3.12t", Installer::Auto).0, Err(Error::Uv { .. })));
    assert!(matches!(place.install("3.12t", Installer::Assemble).0, Err(Error::NoRecipe { .. })));
    for nonsense in ["python3.14t", "/usr/bin", "3", "latest"] {
        assert!(
            matches!(place.install(nonsense, Installer::Auto).0, Err(Error::NoRecipe { .. })),
            "{nonsense}"
        );
    }
    assert_eq!(place.left(), [] as [&str; 0]);
}

/// Each refusal names a way that is not the one refused.
#[test]
fn what_cannot_be_installed_is_refused_before_anything_is_locked() {
    let place = Place::new();
    let refused = |spec: &str, how| {
        let error = place.install(spec, how).0.unwrap_err();
        assert!(matches!(error, Error::NoRecipe { .. }), "{spec}: {error:?}");
        assert!(!place.at("own").exists(), "{spec}: no folder and no lock");
        (error.why(), error.help())
    };
    let (why, help) = refused("3.12", Installer::Auto);
    assert!(why.starts_with("ungil itself can assemble 3.13,"), "{why}");
    assert!(help.starts_with("put uv on the PATH, or install it by other means"), "{help}");
    // uv has none of these: it is not advised.
    for spec in ["3.12t", "3.99", "3.7"] {
        let (_, help) = refused(spec, Installer::Auto);
        assert!(help.starts_with("install it by other means") && help.contains(spec), "{help}");
    }
    assert!(refused("pypy3.11", Installer::Auto).1.starts_with("put uv on the PATH"));
    let (why, help) = refused("3.12", Installer::Uv);
    assert_eq!(why, "there is no uv on the search path");
    assert!(!help.contains("assemble"), "it would refuse as well: {help}");
    assert!(refused("3.14t", Installer::Uv).1.contains("ungil assembles it"));
    assert!(refused("latest", Installer::Auto).1.starts_with("name one of 3.13,"));
    place.command("uv", "exit 1");
    let (why, help) = refused("3.12", Installer::Assemble);
    assert!(
        !why.contains("uv") && help == "leave --with away, and uv is asked for it",
        "{why}: {help}"
    );
}

#[test]
fn a_missing_tool_is_named() {
    let place = Place::new();
    let python = common::real("3.14").executable;
    fs::create_dir_all(place.at("bin")).unwrap();
    std::os::unix::fs::symlink(python, place.at("bin/python3")).unwrap();
    let search = Search { path: vec![place.at("bin")], ..place.search() };
    let error = install("3.14t", &search, Installer::Auto, &mut |_| ()).unwrap_err();
    assert_eq!(error.why(), "there is no apt-get");
    let search = Search { path: vec![], ..search };
    assert!(
        install("3.14t", &search, Installer::Auto, &mut |_| ())
            .unwrap_err()
            .why()
            .contains("Python")
    );
    assert_eq!(place.left(), [] as [&str; 0]);
}

#[test]
fn two_at_once_make_one() {
    let place = Place::new();
    place.command("uv", &uv("3.12.7", false));
    let installed: Vec<Installed> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| place.install("3.12", Installer::Uv).0.unwrap()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(installed.iter().filter(|i| !i.already_there).count(), 1);
    assert_eq!(fs::read_to_string(place.at("bin/calls")).unwrap().lines().count(), 1);
}

/// The other half of the tests below: run by them in a process of its own, which they kill. By
/// itself it does nothing.
#[test]
fn child_that_installs() {
    if let Some(place) = std::env::var_os("UNGIL_TEST_PLACE") {
        let place = PathBuf::from(place);
        let mut search = Search { own: place.join("own"), ..Search::from_env() };
        search.path.insert(0, place.join("bin"));
        let _ = install("3.14t", &search, Installer::Assemble, &mut |_| ());
    }
}

/// An install, under way, whose apt-get never ends; its process ids are in the file `stuck`.
fn stuck_install(place: &Place) -> Killed {
    place.command(
        "apt-get",
        &format!(
            "echo $$ $PPID > {0}.new; mv {0}.new {0}; exec sleep 100000",
            place.at("stuck").display()
        ),
    );
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_installs"])
        .env("UNGIL_TEST_PLACE", place.0.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let child = Killed(child);
    until(|| place.at("stuck").exists());
    child
}

/// A child that does not outlive a test that fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for what must happen, for however long it takes here.
fn until(happened: impl Fn() -> bool) {
    while !happened() {
        sleep(Duration::from_millis(5));
    }
}

fn runs(pid: &str) -> bool {
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
fn cut_off_it_stops_its_tools_and_leaves_nothing() {
    for name in ["KILL", "TERM", "INT"] {
        let place = Place::new();
        let mut child = stuck_install(&place);
        assert_eq!(place.left().len(), 1, "the staging folder");
        assert_eq!(place.found(), []);
        signal(&child.0.id().to_string(), name);
        assert!(!child.0.wait().unwrap().success());
        assert_eq!(place.found(), []);
        let stuck = fs::read_to_string(place.at("stuck")).unwrap();
        until(|| stuck.split_whitespace().all(|pid| !runs(pid)));
        assert_eq!(place.left(), [] as [&str; 0], "{name}");
    }
}

#[test]
fn cut_off_with_all_its_helpers_the_next_one_clears_up() {
    let place = Place::new();
    let mut child = stuck_install(&place);
    let stuck = fs::read_to_string(place.at("stuck")).unwrap();
    let (tool, recipe) = stuck.trim().split_once(' ').unwrap();
    // The recipe first, so that it cannot clear up; nobody else does before the next install.
    signal(&child.0.id().to_string(), "STOP");
    signal(recipe, "KILL");
    signal(&child.0.id().to_string(), "KILL");
    child.0.wait().unwrap();
    signal(tool, "KILL");
    let left = place.left();
    assert!(left.len() == 1 && left[0].starts_with(".staging-"), "{left:?}");
    assert_eq!(place.found(), []);
    place.command("uv", &uv("3.14.1", true));
    assert!(!place.install("3.14t", Installer::Auto).0.unwrap().already_there);
    assert_eq!(place.left(), ["3.14t"]);
}
