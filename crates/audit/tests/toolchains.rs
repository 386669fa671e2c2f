//! Modules of Cython, PyO3, pybind11 and nanobind with each of their ways to declare the use of the
//! GIL, on both free-threaded builds.
//!
//! `cargo xtask test` installs the toolchains and compiles the PyO3 modules; the others are
//! compiled here.

mod fixtures;

use fixtures::{Expected, agrees, compile, headers, output, source, toolchain};
use std::path::PathBuf;
use std::process::Command;
use ungil_audit::model::Init::{ModExport, MultiPhase, SinglePhase};
use ungil_audit::model::Toolchain;
use ungil_audit::model::Verdict::{Declares, DoesNotDeclare, SwitchesOn};
use ungil_tests::{TestDir, python};

/// Translates a module with this directive by Cython.
fn cythonized(dir: &TestDir, directive: &str) -> PathBuf {
    let source = dir.write("fixture.pyx", format!("{directive}\nthere = 1\n"));
    let mut cython = Command::new(python("3.14"));
    cython.args(["-m", "cython", "-3"]).arg(&source).env("PYTHONPATH", toolchain("cython"));
    output(&mut cython);
    dir.join("fixture.c")
}

/// Tests Cython modules for one build: declared in the source or to the C compiler, with both kinds
/// of initialization and both kinds of module state.
fn cython(build: &str) {
    let headers = headers(build);
    let single = "-DCYTHON_PEP489_MULTI_PHASE_INIT=0";
    let state = "-DCYTHON_USE_MODULE_STATE=1";
    for (directive, verdict) in [
        ("# cython: freethreading_compatible=True", Declares),
        ("# cython: freethreading_compatible=False", SwitchesOn),
        ("", SwitchesOn),
    ] {
        let dir = TestDir::new();
        let c = cythonized(&dir, directive);
        let agree = |flags: &[&str], init, verdict| {
            let module = dir.join("fixture.so");
            compile("cc", &headers, &c, flags, &module);
            let context = format!("{directive:?} with {flags:?}");
            agrees(
                build,
                &module,
                "fixture",
                Toolchain::Cython,
                &Expected(init, verdict),
                &context,
            );
        };
        agree(&["-O2"], MultiPhase, verdict.clone());
        agree(&["-O2", state], MultiPhase, verdict.clone());
        agree(&["-O2", single], SinglePhase, verdict.clone());
        agree(&["-O0", single, state], SinglePhase, verdict.clone());
        if directive.is_empty() {
            for flags in [&["-O2"][..], &["-O2", single]] {
                let init = if flags.contains(&single) { SinglePhase } else { MultiPhase };
                agree(&[flags, &["-DCYTHON_FREETHREADING_COMPATIBLE=1"]].concat(), init, Declares);
                agree(
                    &[flags, &["-DCYTHON_FREETHREADING_COMPATIBLE=0"]].concat(),
                    init,
                    SwitchesOn,
                );
            }
        }
    }
}

#[test]
fn cython_for_3_14() {
    cython("3.14t");
}

#[test]
fn cython_for_3_15() {
    cython("3.15t");
}

fn pyo3(library: &str, build: &str, expected: &[(&str, Expected)]) {
    let library = toolchain("pyo3").join(library).join("release/libways.so");
    for (name, expected) in expected {
        agrees(
            build,
            &library,
            name,
            Toolchain::PyO3,
            expected,
            &format!("{name} of {}", library.display()),
        );
    }
}

#[test]
fn pyo3_for_3_14() {
    pyo3(
        "3.14t",
        "3.14t",
        &[
            ("not_used", Expected(MultiPhase, Declares)),
            ("used", Expected(MultiPhase, SwitchesOn)),
            ("not_said", Expected(MultiPhase, Declares)),
            ("said_later", Expected(MultiPhase, SwitchesOn)),
            ("taken_back", Expected(MultiPhase, Declares)),
            ("declarative", Expected(MultiPhase, Declares)),
            ("with_another", Expected(MultiPhase, Declares)),
            ("used_with_another", Expected(MultiPhase, SwitchesOn)),
        ],
    );
}

#[test]
fn pyo3_for_3_15_and_for_abi3t() {
    for library in ["3.15t", "abi3t"] {
        pyo3(
            library,
            "3.15t",
            &[
                ("not_used", Expected(ModExport, Declares)),
                ("used", Expected(ModExport, SwitchesOn)),
                ("not_said", Expected(ModExport, Declares)),
                ("said_later", Expected(ModExport, SwitchesOn)),
                ("taken_back", Expected(ModExport, Declares)),
                ("declarative", Expected(ModExport, Declares)),
                ("with_another", Expected(ModExport, Declares)),
                ("used_with_another", Expected(ModExport, SwitchesOn)),
            ],
        );
    }
}

/// These versions call `PyUnstable_Module_SetGIL`, and the last call counts.
#[test]
fn pyo3_before_its_modules_had_slots() {
    pyo3(
        "earlier",
        "3.14t",
        &[
            ("not_used", Expected(SinglePhase, Declares)),
            ("used", Expected(SinglePhase, SwitchesOn)),
            ("not_said", Expected(SinglePhase, SwitchesOn)),
            ("said_later", Expected(SinglePhase, Declares)),
            ("taken_back", Expected(SinglePhase, SwitchesOn)),
            ("declarative", Expected(SinglePhase, Declares)),
            ("with_another", Expected(SinglePhase, Declares)),
            ("used_with_another", Expected(SinglePhase, SwitchesOn)),
        ],
    );
}

fn pybind11(build: &str) {
    let include = toolchain("pybind11").join("pybind11/include");
    let include = format!("-I{}", include.display());
    let dir = TestDir::new();
    let library = dir.join("ways.so");
    let flags = ["-std=c++17", "-O2", "-fvisibility=hidden", include.as_str()];
    compile("c++", &headers(build), &source("ways.cpp"), &flags, &library);
    for (name, verdict) in [
        ("not_used", Declares),
        ("used", DoesNotDeclare),
        ("not_said", DoesNotDeclare),
        ("among_others", Declares),
    ] {
        agrees(build, &library, name, Toolchain::Pybind11, &Expected(MultiPhase, verdict), name);
    }
}

#[test]
fn pybind11_for_3_14() {
    pybind11("3.14t");
}

#[test]
fn pybind11_for_3_15() {
    pybind11("3.15t");
}

/// Tests nanobind, which compiles its runtime into each module and declares support only with a
/// compiler flag.
fn nanobind(build: &str) {
    let nanobind = toolchain("nanobind").join("nanobind");
    let dir = TestDir::new();
    let text = "#include <nanobind/nanobind.h>\n#include <nb_combined.cpp>\n\
                NB_MODULE(fixture, module) { module.attr(\"there\") = 1; }\n";
    let source = dir.write("fixture.cpp", text);
    let includes = ["include", "src", "ext/robin_map/include"];
    let includes = includes.map(|folder| format!("-I{}", nanobind.join(folder).display()));
    let mut flags: Vec<&str> = includes.iter().map(String::as_str).collect();
    flags.extend(["-std=c++17", "-O1", "-fvisibility=hidden", "-fno-strict-aliasing"]);
    let library = dir.join("fixture.so");
    let mut agree = |more: Option<&'static str>, verdict| {
        flags.extend(more);
        compile("c++", &headers(build), &source, &flags, &library);
        let expected = Expected(MultiPhase, verdict);
        agrees(build, &library, "fixture", Toolchain::Nanobind, &expected, &format!("{more:?}"));
    };
    agree(None, DoesNotDeclare);
    agree(Some("-DNB_FREE_THREADED"), Declares);
}

#[test]
fn nanobind_for_3_14() {
    nanobind("3.14t");
}

#[test]
fn nanobind_for_3_15() {
    nanobind("3.15t");
}
