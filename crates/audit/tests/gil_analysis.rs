//! Modules in C that declare their use of the GIL in every possible way.

mod fixtures;

use fixtures::{Expected, agrees, analyzed, compile, headers, output, source};
use std::path::{Path, PathBuf};
use std::process::Command;
use ungil_audit::model::{Init, ModuleAnalysis, Toolchain, Verdict};
use ungil_tests::TestDir;

/// A number in `ways.c`, and the expected result.
type Way = (u32, Init, Verdict);

const SINCE_3_14: [Way; 15] = [
    (1, Init::MultiPhase, Verdict::Declares),
    (2, Init::MultiPhase, Verdict::SwitchesOn),
    (3, Init::MultiPhase, Verdict::DoesNotDeclare),
    (4, Init::MultiPhase, Verdict::DoesNotDeclare),
    (5, Init::SinglePhase, Verdict::DoesNotDeclare),
    (6, Init::SinglePhase, Verdict::Declares),
    (7, Init::SinglePhase, Verdict::SwitchesOn),
    (8, Init::SinglePhase, Verdict::Declares),
    (9, Init::MultiPhase, Verdict::Declares),
    (10, Init::MultiPhase, Verdict::DoesNotDeclare),
    (11, Init::SinglePhase, Verdict::Declares),
    (15, Init::MultiPhase, Verdict::DoesNotDeclare),
    (16, Init::MultiPhase, Verdict::Declares),
    (17, Init::SinglePhase, Verdict::Declares),
    (18, Init::SinglePhase, Verdict::DoesNotDeclare),
];

const SINCE_3_15: [Way; 5] = [
    (20, Init::ModExport, Verdict::Declares),
    (21, Init::ModExport, Verdict::SwitchesOn),
    (22, Init::ModExport, Verdict::DoesNotDeclare),
    (23, Init::ModExport, Verdict::Declares),
    (24, Init::ModExport, Verdict::Declares),
];

/// Builds `ways.c` with this number and additional flags.
fn build(dir: &TestDir, headers: &str, how: u32, flags: &[&str]) -> PathBuf {
    let module = dir.join("fixture.so");
    let how = format!("-DHOW={how}");
    compile(
        "cc",
        headers,
        &source("ways.c"),
        &[&["-DM=fixture", how.as_str()], flags].concat(),
        &module,
    );
    module
}

fn one(module: &Path) -> ModuleAnalysis {
    let mut analyses = analyzed(module);
    assert_eq!(analyses.len(), 1, "one module");
    analyses.remove(0)
}

fn agree(build_name: &str, ways: &[Way], flags: &[&str]) {
    let headers = headers(build_name);
    for (how, init, verdict) in ways {
        let dir = TestDir::new();
        let module = build(&dir, &headers, *how, flags);
        let expected = Expected(*init, verdict.clone());
        agrees(
            build_name,
            &module,
            "fixture",
            Toolchain::C,
            &expected,
            &format!("way {how} with {flags:?}"),
        );
    }
}

#[test]
fn verdicts_match_the_interpreter_for_3_14() {
    agree("3.14t", &SINCE_3_14, &["-O2"]);
}

#[test]
fn analyzes_unoptimized_code() {
    agree("3.14t", &SINCE_3_14, &["-O0"]);
}

#[test]
fn analyzes_calls_without_plt_and_with_protections() {
    agree(
        "3.14t",
        &SINCE_3_14,
        &["-O1", "-fno-plt", "-fcf-protection=full", "-fstack-protector-all"],
    );
}

#[test]
fn verdicts_match_the_interpreter_for_3_15() {
    agree("3.15t", &SINCE_3_14, &["-O2"]);
    agree("3.15t", &SINCE_3_15, &["-O2"]);
    agree("3.15t", &SINCE_3_15, &["-O0"]);
}

#[test]
fn distinguishes_slot_numbers() {
    for (build_name, slot) in [("3.14t", "slot 4 "), ("3.15t", "slot 87 ")] {
        let dir = TestDir::new();
        let found = one(&build(&dir, &headers(build_name), 1, &["-O2"]));
        assert!(
            found.evidence.iter().any(|one| one.what.starts_with(slot)),
            "{build_name}: {found:?}"
        );
    }
}

#[test]
fn reports_undetermined_settings_as_unknown() {
    for how in [12, 13, 14] {
        let dir = TestDir::new();
        let found = one(&build(&dir, &headers("3.14t"), how, &["-O2"]));
        assert!(
            matches!(&found.verdict, Verdict::Unknown(why) if !why.is_empty()),
            "way {how}: {found:?}"
        );
        assert_eq!(found.verdict.enables_gil(), None);
    }
}

#[test]
fn finds_no_module_in_a_plain_library() {
    let dir = TestDir::new();
    let source = dir.write("plain.c", "int answer(void) { return 42; }\n");
    let path = dir.join("plain.so");
    output(Command::new("cc").args(["-shared", "-fPIC"]).arg(&source).arg("-o").arg(&path));
    assert!(analyzed(&path).is_empty());
}
