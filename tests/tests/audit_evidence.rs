//! Checks that `ungil audit` does not draw conclusions from missing evidence: a platform tag that
//! every local build gets is not a claim, a wheel listed in a lock file is not analyzed, skipped
//! files are listed, and an audit of nothing is an error.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use std::process::Command;
use ungil_tests::{Out, TestDir, compile_shared_library, python};

/// A module that does not declare whether it needs the GIL. Compiles without Python's headers.
const UNDECLARED_MODULE: &str = "
extern void *PyModuleDef_Init(void *);
static void *slots[] = {0, 0};
static struct {void *base[5]; const char *name, *doc; long size; void *methods, **slots, *rest[3];} def =
    {{0}, \"_core\", 0, 0, 0, slots, {0}};
void *PyInit__core(void) { return PyModuleDef_Init(&def); }
";

fn audit(dir: &TestDir, args: &[&str]) -> Out {
    dir.ungil(["audit"].iter().chain(args)).run()
}

/// Zips the content of a folder.
fn zip_folder(dir: &TestDir, folder: &str, wheel: &str) {
    let code = "import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as z:
    for folder, _, files in os.walk('.'):
        for file in files:
            z.write(os.path.join(folder, file))";
    let mut zip = Command::new(python("3.14t"));
    zip.args(["-c", code]).arg(dir.join(wheel));
    std::fs::create_dir_all(dir.join(folder)).unwrap();
    assert!(zip.current_dir(dir.join(folder)).status().unwrap().success());
}

/// Writes the metadata of a distribution `blend` 2.0.
fn write_metadata(dir: &TestDir, folder: &str, tag: &str, headers: &str) {
    let info = format!("{folder}/blend-2.0.dist-info");
    let text = format!("Metadata-Version: 2.1\nName: blend\nVersion: 2.0\n{headers}");
    dir.write(&format!("{info}/METADATA"), text);
    dir.write(&format!("{info}/WHEEL"), format!("Wheel-Version: 1.0\nTag: {tag}\n"));
    dir.write(&format!("{info}/RECORD"), "blend/__init__.py,,\nblend/_core.so,,\n");
    dir.write(&format!("{folder}/blend/__init__.py"), "");
}

fn standing(out: &Out) -> Value {
    out.json()["distributions"][0]["standing"].clone()
}

#[test]
fn tag_of_every_local_build_is_not_a_claim() {
    let dir = TestDir::new();
    let classifier = "Classifier: Programming Language :: Python :: Free Threading :: 3 - Stable\n";
    for (tag, headers, expected) in [
        ("cp314-cp314t-linux_x86_64", "", "switches-on"),
        ("cp314-cp314t-macosx_11_0_arm64", "", "switches-on"),
        ("cp314-cp314t-manylinux_2_28_x86_64", "", "broken"),
        ("cp314-cp314t-musllinux_1_2_x86_64", "", "broken"),
        ("cp314-cp314t-linux_x86_64", classifier, "broken"),
    ] {
        let folder = format!("{tag}{}", headers.len());
        write_metadata(&dir, &folder, tag, headers);
        compile_shared_library(&dir, UNDECLARED_MODULE, &format!("{folder}/blend/_core.so"), &[]);
        let wheel = format!("{folder}/blend-2.0-{tag}.whl");
        zip_folder(&dir, &folder, &wheel);
        let is_broken_claim = expected == "broken";
        for target in [&wheel, &folder] {
            let out = audit(&dir, &[target, "--for", "3.14t", "--json"]).ok();
            assert_eq!(standing(&out), expected, "{target}: {}", out.stdout);
            for form in ["table", "markdown", "sarif"] {
                let out = audit(&dir, &[target, "--for", "3.14t", "--format", form]).ok();
                let is_reported = out.stdout.contains("blend claims to run without the GIL");
                assert_eq!(is_reported, is_broken_claim, "{target} {form}: {}", out.stdout);
                let verdict = if form == "sarif" { "does not declare" } else { "(not declared)" };
                assert!(out.stdout.contains(verdict), "{}", out.stdout);
            }
            let out = audit(&dir, &[target, "--for", "3.14t", "--fail-on", "claim"]);
            assert_eq!(out.code, if is_broken_claim { 3 } else { 0 }, "{target}");
        }
    }
}

#[test]
fn listed_wheels_are_reported_as_not_read() {
    let dir = TestDir::new();
    let package = |name: &str, wheel: &str| {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"1\"\nsource = {{ registry = \"https://index.example\" }}\n\
             wheels = [{{ url = \"https://index.example/{name}-1-{wheel}.whl\", hash = \"sha256:00\" }}]\n"
        )
    };
    let lock = [
        "version = 1\n".to_owned(),
        package("lxml", "cp314-cp314t-manylinux_2_28_x86_64.manylinux_2_28_aarch64"),
        package("old", "cp314-cp314-manylinux_2_28_x86_64"),
        package("pure", "py3-none-any"),
    ];
    dir.write("uv.lock", lock.concat());
    let target = ["uv.lock", "--for", "3.14t"];
    let run = |args: &[&str]| audit(&dir, &[&target[..], args].concat());
    for form in ["table", "markdown"] {
        let text = run(&["--format", form]).ok().stdout;
        for expected in [
            "1 compiled wheel for 3.14t not read: a wheel does not guarantee that its modules leave the GIL off",
            "install and audit the environment: lxml 1",
            "old 1: no wheel for 3.14t among 1 listed wheel",
            "3 requirements: 1 with a pure Python wheel, 1 with a compiled wheel for 3.14t (not read), 1 without a wheel",
        ] {
            assert!(text.contains(expected), "{form}: no {expected:?} in\n{text}");
        }
    }
    let report = run(&["--json"]).ok().json();
    let states: Vec<_> = report["wanted"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["gil"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["not-read", "no-wheel", "nothing-compiled"]);
    assert_eq!(report["wanted"][2]["wheel"], "pure-1-py3-none-any.whl");
    let sarif = run(&["--format", "sarif"]).ok().json();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let ids: Vec<_> = results.iter().map(|one| one["ruleId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["ungil/no-wheel", "ungil/wheel-not-read"]);
    assert_eq!(run(&["--fail-on", "unknown"]).code, 3, "lxml was not analyzed");
    assert_eq!(run(&["--fail-on", "gil"]).code, 0);
    dir.write("uv.lock", ["version = 1\n".to_owned(), package("pure", "py3-none-any")].concat());
    assert_eq!(run(&["--fail-on", "unknown"]).code, 0);
}

/// Creates a wheel for Linux with the kinds of files that real wheels contain beside their modules.
fn wheel_with_other_files(dir: &TestDir) {
    write_metadata(dir, "w", "cp314-cp314t-manylinux_2_17_x86_64", "");
    compile_shared_library(dir, "int answer(void) { return 42; }\n", "w/blend/loader.so", &[]);
    let library = std::fs::read(dir.join("w/blend/loader.so")).unwrap();
    dir.write("w/blend.libs/libopenblas64_p-r0-742d56dc.3.20.so", &library);
    dir.write("w/blend/_core.pypy38-pp73-x86_64-linux-gnu.so", &library);
    dir.write("w/blend/_arm.cpython-314t-aarch64-linux-gnu.so", &library);
    dir.write("w/blend/_gil.cpython-314-x86_64-linux-gnu.so", &library);
    dir.write("w/blend/_win.cp314t-win_amd64.pyd", "MZ");
    dir.write("w/blend/script.so", "/* GNU ld script */\nGROUP ( libc.so.6 )\n");
    dir.write("w/blend/empty.so", "");
    dir.write("w/blend/cut.cpython-314t-x86_64-linux-gnu.so", &library[..300]);
    zip_folder(dir, "w", "blend-2.0-cp314-cp314t-manylinux_2_17_x86_64.whl");
}

#[test]
fn skipped_files_are_listed_with_the_reason() {
    let dir = TestDir::new();
    wheel_with_other_files(&dir);
    let wheel = "blend-2.0-cp314-cp314t-manylinux_2_17_x86_64.whl";
    let skipped = [
        ("blend/_win.cp314t-win_amd64.pyd", "other-platform", "its name is for win_amd64"),
        (
            "blend/_arm.cpython-314t-aarch64-linux-gnu.so",
            "other-platform",
            "its name is for aarch64-linux-gnu",
        ),
        (
            "blend/_core.pypy38-pp73-x86_64-linux-gnu.so",
            "other-build",
            "its name is for 'pypy38-pp73-x86_64-linux-gnu'",
        ),
        (
            "blend/_gil.cpython-314-x86_64-linux-gnu.so",
            "other-build",
            "its name is for CPython 3.14",
        ),
        ("blend/loader.so", "no-init", "it exports neither PyInit_NAME nor PyModExport_NAME"),
        (
            "blend.libs/libopenblas64_p-r0-742d56dc.3.20.so",
            "no-import-name",
            "no import statement can name it",
        ),
    ];
    // The wheel, and the unpacked folder.
    for target in [wheel, "w"] {
        let report = audit(&dir, &[target, "--for", "3.14t", "--json"]).ok().json();
        let modules = report["distributions"][0]["modules"].as_array().unwrap().iter();
        let all: Vec<&Value> = modules.chain(report["loose"].as_array().unwrap()).collect();
        assert_eq!(all.len(), skipped.len() + 3, "{report:#}");
        for form in ["table", "markdown"] {
            let text = audit(&dir, &[target, "--for", "3.14t", "--format", form]).ok().stdout;
            for (file, _, why) in &skipped {
                let line = format!("- {file} was not analyzed: {why}");
                assert!(text.contains(&line), "{target} {form}: no {line:?} in\n{text}");
            }
            for module in ["blend.script", "blend.empty", "blend.cut"] {
                assert!(
                    text.lines().any(|line| line.contains(module) && line.contains("unknown: ")),
                    "{text}"
                );
            }
            assert!(!text.contains("blend._win"), "{text}");
            let counts = "6 files with the name of an extension module not analyzed: 2 for another platform, 2 for \
                          another build, 1 without an init function, 1 without an importable name";
            assert!(text.contains(counts), "{text}");
        }
        for (file, reason, why) in &skipped {
            let one = all.iter().find(|one| one["path"] == *file).unwrap();
            assert_eq!(
                (&one["skipped"]["reason"], &one["skipped"]["why"]),
                (&(*reason).into(), &(*why).into())
            );
            assert_eq!(one["judgements"], Value::Array(Vec::new()), "{file}");
        }
        let sarif = audit(&dir, &[target, "--for", "3.14t", "--format", "sarif"]).ok().stdout;
        assert!(
            skipped.iter().all(|(_, _, why)| sarif.contains(&format!("not analyzed: {why}"))),
            "{sarif}"
        );
        assert_eq!(audit(&dir, &[target, "--for", "3.14t", "--fail-on", "unknown"]).code, 3);
    }
    // A module given on the command line is analyzed whatever its platform.
    let text = audit(&dir, &["w/blend/_win.cp314t-win_amd64.pyd"]).ok().stdout;
    assert!(
        text.lines().any(|line| line.starts_with("_win ") && line.contains("unknown: ")),
        "{text}"
    );
}

#[test]
fn audit_of_nothing_is_an_error() {
    let dir = TestDir::new();
    std::fs::create_dir(dir.join("empty")).unwrap();
    dir.write("texts/README", "words");
    dir.write("requirements.txt", "# none\n");
    zip_folder(&dir, "nothing", "nothing-1-py3-none-any.whl");
    dir.write("venv/pyvenv.cfg", "home = /usr/bin\n");
    std::fs::create_dir_all(dir.join("venv/lib/python3.14t/site-packages")).unwrap();
    write_metadata(&dir, "gil", "cp314-cp314-manylinux_2_28_x86_64", "");
    dir.write("gil/blend/_core.cpython-314-x86_64-linux-gnu.so", "x");
    zip_folder(&dir, "gil", "blend-2.0-cp314-cp314-manylinux_2_28_x86_64.whl");
    let gil = "blend-2.0-cp314-cp314-manylinux_2_28_x86_64.whl";
    for target in ["empty", "texts", "requirements.txt", "nothing-1-py3-none-any.whl", "venv", gil]
    {
        for form in ["table", "json", "markdown", "sarif"] {
            let out = audit(&dir, &[target, "--for", "3.14t", "--format", form]);
            assert_eq!(
                out.expect_error(1).what,
                "nothing was analyzed",
                "{target} {form}: {}",
                out.stdout
            );
            assert!(!out.stdout.contains("keep the GIL off"), "{target}: {}", out.stdout);
        }
    }
    let error = audit(&dir, &[gil]).expect_error(1);
    assert!(error.why.starts_with("3.14t cannot import any of the 1 file"), "{error:?}");
    // Together with an analyzed target it is only a note.
    let out = audit(&dir, &[gil, "gil/blend", "--for", "3.14t"]).ok();
    assert!(out.stdout.contains("its name is for CPython 3.14"), "{}", out.stdout);
}

#[test]
fn distribution_without_modules_passes() {
    let dir = TestDir::new();
    write_metadata(&dir, "pure", "py3-none-any", "Requires-Dist: lxml\n");
    zip_folder(&dir, "pure", "blend-2.0-py3-none-any.whl");
    let text = audit(&dir, &["blend-2.0-py3-none-any.whl"]).ok().stdout;
    let expected = "0 extension modules for 3.14t: 1 distribution without any, so nothing enables the GIL; \
                 dependencies were not read";
    assert!(text.contains(expected), "{text}");
    // A distribution of stub files only.
    std::fs::rename(dir.join("pure/blend/__init__.py"), dir.join("pure/blend/__init__.pyi"))
        .unwrap();
    zip_folder(&dir, "pure", "blend-2.0-py3-none-any.whl");
    audit(&dir, &["blend-2.0-py3-none-any.whl"]).ok();
    let out = audit(&dir, &["pure", "--for", "3.14t"]).ok();
    assert!(
        out.stdout.contains("1 distribution without any") && !out.stdout.contains("dependencies"),
        "{}",
        out.stdout
    );
}

#[test]
fn notes_what_was_not_read_or_imported() {
    let dir = TestDir::new();
    wheel_with_other_files(&dir);
    let python = python("3.14t").display().to_string();
    let wheel = "blend-2.0-cp314-cp314t-manylinux_2_17_x86_64.whl";
    let out = audit(&dir, &[wheel, "--verify", "--python", &python]).ok();
    assert!(out.stdout.contains("--verify did not import 3 modules in wheels"), "{}", out.stdout);
    dir.write("project/app.py", "");
    dir.write("project/env/pyvenv.cfg", "");
    let out = audit(&dir, &["project"]).ok();
    assert!(
        out.stdout.contains("'env' is a separate environment and was not read"),
        "{}",
        out.stdout
    );
    std::fs::create_dir_all(dir.join("site-packages")).unwrap();
    write_metadata(&dir, "site-packages", "py3-none-any", "");
    dir.write("site-packages/eggs.pth", "old.egg\n");
    dir.write("site-packages/old.egg", "PK");
    let out = audit(&dir, &["site-packages"]).ok();
    assert!(
        out.stdout.contains("'eggs.pth' adds a file to sys.path, which was not read"),
        "{}",
        out.stdout
    );
}
