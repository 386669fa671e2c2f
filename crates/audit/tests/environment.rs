//! Environments, requirements and import chains, built from small files.

#![allow(clippy::unwrap_used)] // failing setup fails the test

mod common;

use common::{file, info};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use ungil_audit::environment::{self, Environment};
use ungil_audit::image::Arch;
use ungil_audit::import_graph::{self, ImportGraph, ImportTiming};
use ungil_audit::names;
use ungil_audit::requirements;
use ungil_audit::target::{Build, Platform, System};

const LINUX: Platform = Platform { system: System::Linux, arch: Arch::X86_64 };

fn build(text: &str) -> Build {
    text.parse().unwrap()
}

/// Compares the rules in `names` with the suffixes that interpreters report.
#[test]
fn file_name_rules_match_the_interpreters() {
    let names = [
        "_x.so",
        "_x.abi3.so",
        "_x.abi3t.so",
        "_x.cpython-313-x86_64-linux-gnu.so",
        "_x.cpython-314-x86_64-linux-gnu.so",
        "_x.cpython-314t-x86_64-linux-gnu.so",
        "_x.cpython-314td-x86_64-linux-gnu.so",
        "_x.cpython-315-x86_64-linux-gnu.so",
        "_x.cpython-315t-x86_64-linux-gnu.so",
        "_x.pypy311-pp73-x86_64-linux-gnu.so",
    ];
    for version in ["3.14", "3.14t", "3.15", "3.15t"] {
        let code = "import importlib.machinery as m; print('\\n'.join(m.EXTENSION_SUFFIXES))";
        let output =
            Command::new(ungil_tests::python(version)).args(["-c", code]).output().unwrap();
        let suffixes = String::from_utf8(output.stdout).unwrap();
        for name in names {
            let is_accepted =
                suffixes.lines().any(|suffix| name.strip_prefix("_x") == Some(suffix));
            // On another architecture the tag differs.
            if !name.contains("cpython") || cfg!(target_arch = "x86_64") {
                assert_eq!(
                    names::parse(name).unwrap().abi.is_importable_by(build(version)),
                    is_accepted,
                    "{name} on {version}"
                );
            }
        }
    }
}

fn put(folder: &Path, path: &str, data: impl AsRef<[u8]>) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, data).unwrap();
}

/// Installs a distribution's files and its `.dist-info`.
fn install(folder: &Path, name: &str, headers: &str, files: &[(&str, &str)]) {
    let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
    let files = files.iter().map(|(path, data)| file(path, data));
    for file in
        info(name, "1.0", headers, &["cp314-cp314t-linux_x86_64"], &paths).into_iter().chain(files)
    {
        put(folder, std::str::from_utf8(&file.name).unwrap(), file.data);
    }
}

fn venv() -> (tempfile::TempDir, PathBuf) {
    let venv = tempfile::tempdir().unwrap();
    put(venv.path(), "pyvenv.cfg", "");
    let site = venv.path().join("lib/python3.14t/site-packages");
    fs::create_dir_all(&site).unwrap();
    (venv, site)
}

fn modules(environment: &Environment) -> Vec<String> {
    let name = |one: &environment::Environment| {
        one.modules()
            .map(|(owner, found)| {
                let owner = owner.map_or("-", |owner| owner.name.as_str());
                format!("{owner} {}", found.module.as_deref().unwrap_or(&found.path))
            })
            .collect()
    };
    name(environment)
}

#[test]
fn assigns_modules_by_record() {
    let (venv, site) = venv();
    let stable = "Classifier: Programming Language :: Python :: Free Threading :: 3 - Stable\n";
    install(
        &site,
        "a",
        stable,
        &[("a/__init__.py", ""), ("a/_x.cpython-314t-x86_64-linux-gnu.so", "x")],
    );
    install(&site, "b", "", &[("b.abi3.so", "x"), ("../../../bin/b", "")]);
    put(&site, "lost/_y.so", "x");
    put(&site, "a/__pycache__/_z.so", "x");
    put(&site, "b-2.egg-info/PKG-INFO", "Name: egg\nVersion: 2\n");
    put(&site, "b-2.egg-info/installed-files.txt", "../egg/_e.so\nPKG-INFO\n");
    put(&site, "egg/_e.so", "x");
    fs::remove_file(site.join("b.abi3.so")).unwrap();

    let folders = environment::folders(venv.path());
    assert_eq!(folders, std::slice::from_ref(&site));
    assert_eq!(environment::build_of(&folders[0]), Some(build("3.14t")));
    let environment = environment::read(&folders);
    assert_eq!(modules(&environment), ["a a._x", "egg egg._e", "- lost._y"]);
    let names: Vec<_> = environment.distributions.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "egg"]);
    assert_eq!(environment.distributions[0].top_level, ["a"]);
    assert_eq!(environment.distributions[0].claim, Some(ungil_audit::metadata::Claim::Stable));
    assert_eq!(
        environment.distributions[1].notes,
        ["RECORD lists 'b.abi3.so', which does not exist"]
    );
    assert_eq!(environment.notes, [""; 0]);
    let json = serde_json::to_value(&environment).unwrap();
    assert_eq!(json["loose"][0]["module"], "lost._y");
}

#[test]
fn follows_editable_installs_without_running_code() {
    let (_venv, site) = venv();
    let project = tempfile::tempdir().unwrap();
    put(project.path(), "app/_x.so", "x");
    put(project.path(), ".venv/lib/_hidden.so", "x");
    put(project.path(), "env/pyvenv.cfg", "");
    put(project.path(), "env/_other.so", "x");
    install(&site, "my-app", "", &[("__editable__.my_app-1.0.pth", "")]);
    put(&site, "__editable__.my_app-1.0.pth", format!("{}\n", project.path().display()));
    put(&site, "hook.pth", "import os; os.system('touch ran')\n# a comment\nnot/there\n");
    // Cyclic folders and links.
    put(&site, "self.pth", format!("{}\n.\n", site.display()));
    #[cfg(unix)]
    std::os::unix::fs::symlink(&site, site.join("loop")).unwrap();

    let environment = environment::read(std::slice::from_ref(&site));
    assert_eq!(modules(&environment), ["my-app app._x"]);
    assert!(environment.distributions[0].editable);
    assert_eq!(environment.folders.len(), 2);
    assert_eq!(environment.notes.len(), 3, "{:?}", environment.notes);
    assert!(
        environment.notes[2].contains("'env' is a separate environment"),
        "{:?}",
        environment.notes
    );
    assert!(
        environment.notes[0].contains("'loop' is a symbolic link to a folder"),
        "{:?}",
        environment.notes
    );
    assert!(
        environment.notes[1].contains("import os; os.system('touch ran')"),
        "{:?}",
        environment.notes
    );
}

#[test]
fn notes_what_cannot_be_read() {
    let (_venv, site) = venv();
    put(&site, "broken-3.dist-info/WHEEL", [0xff, 0xfe]);
    let environment = environment::read(&[site.join("nowhere"), site]);
    assert_eq!(
        (environment.distributions[0].name.as_str(), environment.distributions[0].version.as_str()),
        ("broken", "3")
    );
    assert_eq!(
        environment.distributions[0].notes.len(),
        2,
        "{:?}",
        environment.distributions[0].notes
    );
    assert_eq!(environment.notes.len(), 1, "{:?}", environment.notes);
}

#[test]
fn reads_requirements_like_pip() {
    let folder = tempfile::tempdir().unwrap();
    let text = "# all\nNumPy[x] >=2,<3  # why\nlxml==6.1 \\\n    --hash=sha256:00 \\\n    \
                --hash=sha256:11\n\
        pywin32 ; sys_platform == 'win32'\nb @ https://index.example/b-2-py3-none-any.whl\n./c-3-cp314-cp314t-linux_x86_64.whl\n\
        -e git+https://example.org/d#egg=d\n--index-url https://index.example\n-r more.txt\n-r ../out.txt\n-r https://x/y.txt\n\
        -c limits.txt\n!!!\n--magic\n";
    put(folder.path(), "in/requirements.txt", text);
    put(folder.path(), "in/more.txt", "-r requirements.txt\nmore\n");
    put(folder.path(), "out.txt", "secret\n");
    let wants =
        requirements::read(&folder.path().join("in/requirements.txt"), build("3.14t"), LINUX)
            .unwrap();
    let names: Vec<_> =
        wants.wanted.iter().map(|one| (one.name.as_str(), one.line, one.applies)).collect();
    assert_eq!(
        names,
        [
            ("NumPy", Some(2), Some(true)),
            ("lxml", Some(3), Some(true)),
            ("pywin32", Some(6), Some(false)),
            ("b", Some(7), Some(true)),
            ("c", Some(8), Some(true)),
            ("d", Some(9), Some(true)),
            ("more", Some(2), Some(true)),
        ]
    );
    assert_eq!(wants.wanted[0].specifier.as_deref(), Some(">=2,<3"));
    assert_eq!((wants.wanted[1].version.as_deref(), wants.wanted[1].hashes), (Some("6.1"), 2));
    assert!(wants.wanted[4].wheel_for(build("3.14t"), Some(LINUX)).is_some());
    let notes = wants.notes.join("\n");
    for expected in [
        "outside the folder of the first file",
        "not downloaded",
        "limits.txt",
        "not a requirement: !!!",
        "--magic",
    ] {
        assert!(notes.contains(expected), "{expected} is not in {notes}");
    }
    assert_eq!(wants.notes.len(), 5, "{notes}");
}

#[test]
fn reads_wheels_and_markers_of_lock_files() {
    let wheel = |name: &str| {
        format!("{{ url = \"https://index.example/x/{name}\", hash = \"sha256:00\" }}")
    };
    let text = format!(
        "version = 1\n[[package]]\nname = \"app\"\nsource = {{ virtual = \".\" }}\n\
         dependencies = [{{ name = \"a\" }}, {{ name = \"w\", marker = \"sys_platform == 'win32'\" }}]\n\
         [[package]]\nname = \"a\"\nversion = \"1\"\ndependencies = [{{ name = \"b\" }}]\nwheels = [{}, {}]\n\
         [[package]]\nname = \"b\"\nversion = \"2\"\nwheels = [{}, {}]\n\
         [[package]]\nname = \"w\"\nversion = \"3\"\ndependencies = [{{ name = \"v\" \
         }}]\n[[package]]\nname = \"v\"\nversion = \"4\"\n",
        wheel("a-1-cp314-cp314-manylinux_2_28_x86_64.whl"),
        wheel("a-1-cp314-cp314t-win_amd64.whl"),
        wheel("b-2%2Blocal-cp315-abi3.abi3t-manylinux_2_28_x86_64.whl"),
        wheel("b-2-cp314-cp314t-manylinux_2_28_x86_64.whl"),
    );
    let read = |version: &str| {
        requirements::lock(&text, Path::new("uv.lock"), build(version), LINUX).unwrap()
    };
    let wants = read("3.14t");
    let all: Vec<_> = wants.wanted.iter().map(|one| (one.name.as_str(), one.applies)).collect();
    assert_eq!(all, [("a", Some(true)), ("b", Some(true)), ("w", Some(false)), ("v", Some(false))]);
    let wheel = |version: &str, index: usize| {
        let wants = read(version);
        wants.wanted[index]
            .wheel_for(build(version), Some(LINUX))
            .map(|wheel| wheel.tags.abi.join("."))
    };
    assert_eq!(wheel("3.14t", 0), None);
    assert_eq!(wheel("3.14", 0).as_deref(), Some("cp314"));
    assert_eq!(wheel("3.14t", 1).as_deref(), Some("cp314t"));
    assert_eq!(wheel("3.15t", 1).as_deref(), Some("abi3.abi3t"));
}

#[test]
fn finds_import_chains() {
    let (_venv, site) = venv();
    install(
        &site,
        "bad",
        "",
        &[
            ("bad/__init__.py", "from .core import run\n"),
            ("bad/_x.so", "x"),
            ("bad/core.py", "\n\nfrom . import _x\n"),
            ("bad/late.py", "def f():\n    import bad._y\n"),
            ("bad/_y.so", ""),
        ],
    );
    install(
        &site,
        "mid",
        "",
        &[(
            "mid.py",
            "try:\n    import bad.late\nexcept ImportError:\n    pass\nimport sys, mid\n",
        )],
    );
    put(&site, "app/__init__.py", "");
    put(&site, "app/main.py", "import mid\n");
    put(&site, "app/broken.py", "def (:\n");
    let environment = environment::read(&[site]);
    let modules = ImportGraph::of_environment(&environment, build("3.14t"));
    let targets = ["bad._x", "bad._y", "nothing"].map(str::to_owned);
    let found = modules.chains(
        &["app.main".to_owned()],
        &targets,
        ImportTiming::Later,
        import_graph::read_source,
    );
    let chains: Vec<_> = found
        .chains
        .iter()
        .map(|chain| {
            let steps: Vec<_> =
                chain.steps.iter().map(|step| format!("{}:{}", step.module, step.line)).collect();
            (chain.target.as_str(), steps.join(" "), chain.when)
        })
        .collect();
    assert_eq!(
        chains,
        [
            ("bad._x", "app.main:1 mid:2 bad:1 bad.core:3".to_owned(), ImportTiming::Guarded),
            ("bad._y", "app.main:1 mid:2 bad.late:2".to_owned(), ImportTiming::Later),
        ]
    );
    let own = modules.chains(
        &["bad".to_owned()],
        &targets[..1],
        ImportTiming::Later,
        import_graph::read_source,
    );
    assert_eq!((own.chains[0].steps.len(), own.chains[0].when), (2, ImportTiming::Always));
    let broken = modules.chains(
        &["app.broken".to_owned()],
        &targets,
        ImportTiming::Later,
        import_graph::read_source,
    );
    assert!(broken.chains.is_empty() && broken.notes.len() == 1, "{broken:?}");
    assert_eq!(import_graph::module_name("./app/main.py"), "app.main");
}
