//! ImportGraph in C of every way of saying something of the GIL.

mod fixtures;

use fixtures::{Expected, agrees, compile, headers, judged, output, source};
use std::path::{Path, PathBuf};
use std::process::Command;
use ungil_audit::model::{Init, ModuleAnalysis, Toolchain, Verdict};
use ungil_tests::Place;

/// A way of saying it, its number in `ways.c`, and what is to be found.
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

/// Builds `ways.c` in one of its ways, with these flags as well.
fn build(place: &Place, headers: &str, how: u32, flags: &[&str]) -> PathBuf {
    let module = place.at("fixture.so");
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
    let mut judgements = judged(module);
    assert_eq!(judgements.len(), 1, "one module");
    judgements.remove(0)
}

fn agree(build_name: &str, ways: &[Way], flags: &[&str]) {
    let headers = headers(build_name);
    for (how, init, verdict) in ways {
        let place = Place::new();
        let module = build(&place, &headers, *how, flags);
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
fn every_way_of_3_14_is_what_the_interpreter_makes_of_it() {
    agree("3.14t", &SINCE_3_14, &["-O2"]);
}

#[test]
fn unoptimised_code_is_read_as_well() {
    agree("3.14t", &SINCE_3_14, &["-O0"]);
}

#[test]
fn calls_without_a_table_and_guarded_ones_are_read_as_well() {
    agree(
        "3.14t",
        &SINCE_3_14,
        &["-O1", "-fno-plt", "-fcf-protection=full", "-fstack-protector-all"],
    );
}

#[test]
fn every_way_of_3_15_is_what_the_interpreter_makes_of_it() {
    agree("3.15t", &SINCE_3_14, &["-O2"]);
    agree("3.15t", &SINCE_3_15, &["-O2"]);
    agree("3.15t", &SINCE_3_15, &["-O0"]);
}

#[test]
fn the_numbers_of_slots_are_told_apart() {
    for (build_name, slot) in [("3.14t", "slot 4 "), ("3.15t", "slot 87 ")] {
        let place = Place::new();
        let found = one(&build(&place, &headers(build_name), 1, &["-O2"]));
        assert!(
            found.evidence.iter().any(|one| one.what.starts_with(slot)),
            "{build_name}: {found:?}"
        );
    }
}

#[test]
fn what_the_file_does_not_say_is_unknown_with_the_reason() {
    for how in [12, 13, 14] {
        let place = Place::new();
        let found = one(&build(&place, &headers("3.14t"), how, &["-O2"]));
        assert!(
            matches!(&found.verdict, Verdict::Unknown(why) if !why.is_empty()),
            "way {how}: {found:?}"
        );
        assert_eq!(found.verdict.enables_gil(), None);
    }
}

#[test]
fn a_library_that_is_no_module_is_none() {
    let place = Place::new();
    let source = place.write("plain.c", "int answer(void) { return 42; }\n");
    let path = place.at("plain.so");
    output(Command::new("cc").args(["-shared", "-fPIC"]).arg(&source).arg("-o").arg(&path));
    assert!(judged(&path).is_empty());
}
