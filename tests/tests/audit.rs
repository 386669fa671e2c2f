//! Runs `ungil audit` on compiled modules, environments, wheels and sources, and compares its
//! verdicts with the interpreter.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use std::path::Path;
use std::process::Command;
use ungil_tests::{Out, TestDir, compile_extension, compile_shared_library, python};

/// An extension module. With `DECLARES`, it declares that it runs without the GIL; with `NEEDS`, it
/// has an undefined symbol.
const MODULE_SOURCE: &str = "
#include <Python.h>
static PyModuleDef_Slot slots[] = {
#ifdef DECLARES
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL}
};
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, TEXT(NAME), NULL, 0, NULL, slots};
#ifdef NEEDS
extern int nowhere;
#endif
PyMODINIT_FUNC JOIN(PyInit_, NAME)(void) {
#ifdef NEEDS
    nowhere = 1;
#endif
    return PyModuleDef_Init(&def);
}
";

/// Creates two distributions: `good` declares free-threading support; `bad` claims it in its
/// metadata but does not declare it in its binary.
fn environment(dir: &TestDir) -> String {
    let suffix = build_module(dir, "site/good/_core", &["-DDECLARES"]);
    build_module(dir, "site/bad/_core", &[]);
    for name in ["good", "bad"] {
        dir.write(&format!("site/{name}/__init__.py"), "from . import _core\n");
        let info = format!("site/{name}-1.0.dist-info");
        let claim = "Classifier: Programming Language :: Python :: Free Threading :: 3 - Stable";
        dir.write(
            &format!("{info}/METADATA"),
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{claim}\n"),
        );
        dir.write(&format!("{info}/WHEEL"), "Wheel-Version: 1.0\nTag: cp314-cp314t-linux_x86_64\n");
        dir.write(
            &format!("{info}/RECORD"),
            format!(
                "{name}/__init__.py,,\n{name}/_core{suffix},,\n{name}-1.0.dist-info/METADATA,,\n"
            ),
        );
    }
    suffix
}

/// Builds the module under the file name that 3.14t imports, and returns the suffix of that name.
fn build_module(dir: &TestDir, path: &str, flags: &[&str]) -> String {
    let flags: Vec<&str> = ["-DNAME=_core"].iter().chain(flags).copied().collect();
    compile_extension(dir, MODULE_SOURCE, path, &flags)
}

fn audit(dir: &TestDir, args: &[&str]) -> Out {
    dir.ungil(["audit"].iter().chain(args)).run()
}

#[test]
fn verdicts_on_environment_agree_with_the_interpreter() {
    let dir = TestDir::new();
    environment(&dir);
    let python = python("3.14t").display().to_string();
    let out =
        audit(&dir, &["site", "--for", "3.14t", "--verify", "--python", &python, "--json"]).ok();
    let report = out.json();
    assert_eq!(report["schema"], "ungil.audit/1");
    let of = |name: &str| {
        let all = report["distributions"].as_array().unwrap();
        all.iter()
            .find(|one| one["name"] == name)
            .unwrap_or_else(|| panic!("no {name} in {report:#}"))
    };
    for (name, verdict, standing) in
        [("good", "declares", "kept"), ("bad", "does-not-declare", "broken")]
    {
        assert_eq!(of(name)["modules"][0]["judgements"][0]["verdict"], verdict, "{name}");
        assert_eq!(of(name)["standing"], standing, "{name}");
    }
    let verified: Vec<&Value> = report["verified"].as_array().unwrap().iter().collect();
    assert_eq!(verified.len(), 2);
    assert!(
        verified.iter().all(|one| one["verdict"] == one["switched_on"] && one["error"].is_null()),
        "{verified:#?}"
    );
    let text = audit(&dir, &["site", "--for", "3.14t"]).ok().stdout;
    for expected in
        ["bad._core", "enables the GIL (not declared)", "bad claims to run without the GIL"]
    {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    assert!(!text.contains("good._core"), "modules without problems are hidden:\n{text}");
    assert!(audit(&dir, &["site", "--all"]).ok().stdout.contains("good._core"));
}

#[test]
fn module_table_fits_into_80_columns() {
    let dir = TestDir::new();
    environment(&dir);
    build_module(&dir, "site/bad/a_subpackage_with_a_long_name/and_another_long_one/_core", &[]);
    dir.write("site/bad/broken.so", "x");
    let text = audit(&dir, &["site", "--for", "3.14t", "--all"]).ok().stdout;
    let rows: Vec<&str> = text.lines().take(5).collect();
    assert!(rows[0].starts_with("MODULE "), "{text}");
    for row in &rows {
        assert!(row.chars().count() <= 80, "{row}");
    }
    for module in ["bad._core ", "another_long_one._core ", "bad.broken ", "good._core "] {
        assert_eq!(rows.iter().filter(|row| row.contains(module)).count(), 1, "{module}: {text}");
    }
}

#[test]
fn module_that_fails_to_import_is_not_verified() {
    let dir = TestDir::new();
    environment(&dir);
    build_module(&dir, "site/bad/_core", &["-DNEEDS"]);
    let python = python("3.14t").display().to_string();
    let out =
        audit(&dir, &["site", "--for", "3.14t", "--verify", "--python", &python, "--json"]).ok();
    let report = out.json();
    let verified = report["verified"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["module"] == "bad._core")
        .unwrap();
    assert_eq!(verified["verdict"], true);
    assert!(verified["switched_on"].is_null(), "{verified:#}");
    assert!(verified["error"].as_str().unwrap().contains("nowhere"), "{verified:#}");
}

#[test]
fn fail_on_exits_with_code_3() {
    let dir = TestDir::new();
    environment(&dir);
    for (findings, code) in
        [("gil", 3), ("claim", 3), ("unknown", 0), ("difference,hazard", 0), ("unknown,gil", 3)]
    {
        assert_eq!(audit(&dir, &["site", "--fail-on", findings]).code, code, "{findings}");
    }
    let out = audit(&dir, &["site/good", "--fail-on", "gil"]);
    assert_eq!(out.code, 0, "{}", out.stderr);
}

#[test]
fn audits_wheel_without_unpacking() {
    let dir = TestDir::new();
    environment(&dir);
    // A bundled library is not an extension module, although its name ends in `.so`.
    compile_shared_library(&dir, "int nothing;\n", "site/good/library.so", &[]);
    for (name, code) in [("good", 0), ("bad", 3)] {
        let wheel = format!("{name}-1.0-cp314-cp314t-linux_x86_64.whl");
        let mut zip = Command::new(python("3.14t"));
        zip.args([
            "-m",
            "zipfile",
            "-c",
            &format!("../{wheel}"),
            name,
            &format!("{name}-1.0.dist-info"),
        ]);
        assert!(zip.current_dir(dir.join("site")).status().unwrap().success());
        let out = audit(&dir, &[&wheel, "--fail-on", "gil,unknown,claim"]);
        assert_eq!(out.code, code, "{name}: {}{}", out.stdout, out.stderr);
        assert!(out.stdout.contains("1 extension module for 3.14t"), "{}", out.stdout);
    }
}

#[test]
fn reports_hazards_of_sources_in_every_format() {
    let dir = TestDir::new();
    dir.write("app/cache.py", "cache = {}\ndef get(key):\n    if key not in cache:\n        cache[key] = object()\n    return cache[key]\n");
    dir.write("app/broken.py", "def f(:\n");
    let out = audit(&dir, &["app", "--json", "--confidence", "low"]).ok();
    let report = out.json();
    let hazard = &report["hazards"][0];
    assert_eq!(
        (&hazard["kind"], &hazard["line"]),
        (&"ungil/shared-cache".into(), &4.into()),
        "{report:#}"
    );
    assert!(report["notes"].to_string().contains("broken.py"), "{report:#}");
    let sarif = audit(&dir, &["app", "--format", "sarif", "--confidence", "low"]).ok().json();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(
        (&sarif["version"], &result["ruleId"]),
        (&"2.1.0".into(), &"ungil/shared-cache".into())
    );
    let location = &result["locations"][0]["physicalLocation"];
    assert_eq!(
        (&location["artifactLocation"]["uri"], &location["region"]["startLine"]),
        (&"app/cache.py".into(), &4.into())
    );
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["id"] == result["ruleId"]));
    let markdown = audit(&dir, &["app", "--format", "markdown", "--confidence", "low"]).ok().stdout;
    assert!(markdown.contains("| `app/cache.py:4` |"), "{markdown}");
    let out =
        audit(&dir, &["app", "--format", "sarif", "-o", "a.sarif", "--confidence", "low"]).ok();
    assert!(out.stdout.contains("1 source file read: 1 hazard"), "{}", out.stdout);
    assert!(serde_json::from_str::<Value>(&dir.read("a.sarif").unwrap()).is_ok());
}

#[test]
fn unauditable_targets_are_three_line_errors() {
    let dir = TestDir::new();
    dir.write("text", "x");
    dir.write("bad.whl", "PK no");
    dir.write("bad.so", "no ELF");
    for target in ["missing", "text", "bad.whl"] {
        let out = audit(&dir, &[target]);
        assert_eq!((out.code, out.stderr.lines().count()), (2, 3), "{target}: {}", out.stderr);
        assert!(out.stderr.contains(target), "{}", out.stderr);
    }
    let out = audit(&dir, &["bad.so", "--fail-on", "unknown"]);
    assert_eq!(out.code, 3, "{}", out.stderr);
    assert!(out.stdout.contains("unknown: not an ELF, Mach-O or PE file"), "{}", out.stdout);
    assert_eq!(audit(&dir, &["text", "--for", "3.14"]).code, 2);
    assert!(!Path::new(&dir.join("nothing")).exists());
}

#[test]
fn prints_import_chains() {
    let dir = TestDir::new();
    environment(&dir);
    dir.write("app.py", "import json\n\ndef main():\n    import bad\n");
    dir.write("other.py", "import good\n");
    let printed = |args: &[&str]| audit(&dir, args).ok().stdout;
    // Without `--from`, chains start at the installed packages.
    let text = printed(&["site"]);
    assert!(text.contains("import chain: bad:1 > bad._core\n"), "{text}");
    for args in [&["site", "--from", "app.py"][..], &["site", "app.py"]] {
        let text = printed(args);
        assert!(
            text.contains("import chain: app:4 > bad:1 > bad._core (in a function"),
            "{args:?}: {text}"
        );
    }
    for args in [&["site", "--from", "other.py"], &["site", "--from", "good"]] {
        let text = printed(args);
        assert!(!text.contains("import chain"), "{args:?}: {text}");
    }
    let report = audit(&dir, &["site", "--from", "app.py", "--json"]).ok().json();
    let steps = &report["chains"][0]["steps"];
    assert_eq!(
        (&steps[0]["line"], &steps[1]["imports"]),
        (&4.into(), &"bad._core".into()),
        "{report:#}"
    );
    dir.write("venv/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = true\n");
    dir.write("venv/lib/python3.14t/site-packages/a.py", "");
    assert!(
        printed(&["venv"])
            .contains("the packages of the base interpreter in /usr/bin were not read")
    );
    let out = audit(&dir, &["site", "--from", "nothing"]);
    assert_eq!((out.code, out.stderr.lines().count()), (2, 3), "{}", out.stderr);
}

#[test]
fn index_queries_use_the_users_installer() {
    let dir = TestDir::new();
    environment(&dir);
    dir.write("requirements.txt", "plain==2\n");
    // A fake `uv`: the index has `bad` 2.0 for this build, `good` only as it is, and no `plain`.
    dir.write(
        "uv.sh",
        "#!/bin/sh\nread line; echo \"$line\" >> queries\nname=${line%%==*}; version=${line#*==}; [ \"$version\" = \"$line\" ] && version=2.0\n\
         [ $name = plain ] && { echo 'error: plain was not found' >&2; exit 1; }\n\
         echo 'lock-version = \"1.0\"'; echo '[[packages]]'; echo \"name = '$name'\"; echo \"version = '$version'\"\n\
         echo \"wheels = [{ url = 'https://index.example/$name-$version-cp314-cp314t-manylinux_2_28_x86_64.whl' }]\"\n",
    );
    // Another process writes the file. If this process did, a child forked meanwhile by another
    // test thread could keep it open for writing, and starting it would fail with ETXTBSY.
    let mut install = Command::new("install");
    install.args(["-D", "-m", "755", "uv.sh", "bin/uv"]).current_dir(dir.path());
    assert!(install.status().unwrap().success());
    let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap());
    let run = |args: &[&str]| dir.ungil(["audit"].iter().chain(args)).env("PATH", &path).run();
    let targets = ["site", "requirements.txt", "--for", "3.14t", "--index"];
    let text = run(&targets).ok().stdout;
    for expected in [
        "bad 1.0: the index has bad-1.0-cp314-cp314t-manylinux_2_28_x86_64.whl; the newest version, 2.0, has one",
        "! plain 2: the index gave no answer: error: plain was not found",
        "3 projects looked up in the index: 0 without a wheel for 3.14t, 1 without an answer, 2 with one (which does not",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    assert!(!text.contains("good 1.0"), "modules without problems are hidden:\n{text}");
    let report = run(&[&targets[..], &["--json"]].concat()).ok().json();
    assert_eq!(report["index"][0]["newest"]["version"], "2.0", "{report:#}");
    std::fs::remove_file(dir.join("queries")).unwrap();
    run(&targets[..4]).ok();
    assert!(!dir.join("queries").exists(), "the index is not queried without --index");
    // No installer.
    let out = dir.ungil(["audit", "site", "--index"]).env("PATH", "/nothing").run();
    assert_eq!((out.code, out.stderr.lines().count()), (2, 3), "{}", out.stderr);
}
